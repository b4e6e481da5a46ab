use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Ran, World};

/// A repository of a world's.
pub struct Repo<'a> {
    world: &'a World,
    pub path: PathBuf,
}

impl<'a> Repo<'a> {
    pub fn new(world: &'a World, path: PathBuf) -> Self {
        Self { world, path }
    }

    /// The same repository, seen from one of its directories.
    pub fn sub(&self, dir: &str) -> Repo<'a> {
        fs::create_dir_all(self.path.join(dir)).unwrap();
        self.beside(&self.path.join(dir))
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Writes and stages a file.
    pub fn stage(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        self.write(name, text);
        self.git(["add", "-f", "--", name]).fine();
        self
    }

    #[must_use = "say whether it was to go well: fine(), refused(), …"]
    pub fn git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command("git").args(args))
    }

    /// Commits what is staged.
    #[must_use = "say whether it was to go well: fine(), refused(), …"]
    pub fn commit(&self) -> Ran {
        self.git(["commit", "-qm", "change"])
    }

    /// What git prints, which must go well.
    #[track_caller]
    pub fn ask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        self.git(args).fine().stdout.trim_end().to_owned()
    }

    #[track_caller]
    pub fn head(&self) -> String {
        self.ask(["rev-parse", "HEAD"])
    }

    /// A program in this repository.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.world.command(program);
        command.current_dir(&self.path);
        command
    }

    /// As [`Repo::git`], with a variable in the environment.
    #[must_use = "say whether it was to go well: fine(), refused(), …"]
    pub fn git_with<A: AsRef<OsStr>>(
        &self,
        name: &str,
        value: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Ran {
        Ran::of(self.command("git").env(name, value).args(args))
    }

    /// Commits a file past kpmo.
    pub fn slip(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        self.stage(name, text).git(["commit", "-qnm", "slipped"]).fine();
        self
    }

    /// Makes a bare repository, empty, its remote `origin`.
    pub fn with_origin(self) -> Self {
        self.with_origin_as(&[])
    }

    /// As [`Repo::with_origin`], with more arguments for `git init`.
    pub fn with_origin_as(self, args: &[&str]) -> Self {
        let name = format!("{}.git", self.path.file_name().unwrap().to_str().unwrap());
        let origin = self.world.bare(&name, args);
        self.git([OsStr::new("remote"), "add".as_ref(), "origin".as_ref(), origin.path.as_ref()]).fine();
        self
    }

    /// A hook's file in the default place.
    pub fn hook(&self, name: &str) -> PathBuf {
        self.path.join(".git/hooks").join(name)
    }

    /// Another work tree of this repository.
    pub fn beside(&self, path: &Path) -> Repo<'a> {
        Repo::new(self.world, path.into())
    }
}
