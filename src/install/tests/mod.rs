//! The fixture: a repository made by git itself, a home with a hook program, and
//! a picture of directories that two moments can be compared by.

mod configured;
mod crash;
mod direct;
mod meanwhile;
mod on_demand;
mod property;
mod refusing;
mod retired;
mod shadow;
mod shared;
mod taken;
mod with_git;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::SystemTime,
};

use tempfile::TempDir;

use super::{
    EVENTS, HookAction, HookEntries, HookEntry, HooksMode, HooksPathConfig, HooksPlace, InstallError,
    Refused, RepoConfig, Report, Wanted, check, install, is_installed, uninstall,
};
use crate::fs::RealWriter;

/// Does what `kpmo-hook` does about chaining, in shell: says that it was called,
/// then runs the hook that comes before it.
const HOOK_PROGRAM: &str = r#"#!/bin/sh
name=${0##*/}
dir=${0%/*}
if [ -f "$dir/../chain" ]; then
    before=$(cat "$dir/../chain")/$name
else
    before=$dir.kpmo/$name
fi
if [ -x "$before" ]; then
    "$before" "$@" || exit
fi
echo "kpmo $name" >> "$CALLS"
"#;

struct Fixture {
    _root: TempDir,
    repo: PathBuf,
    home: PathBuf,
    program: PathBuf,
    calls: PathBuf,
}

impl Fixture {
    /// A repository whose hooks directory is there and empty.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().canonicalize().unwrap();
        let (repo, home) = (top.join("repo"), top.join("home"));
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::write(home.join("bin/home.json"), "{}").unwrap();
        let program = home.join("bin/kpmo-hook");
        script(&program, HOOK_PROGRAM);
        let fixture = Self { calls: top.join("calls"), _root: root, repo, home, program };
        fs::create_dir(&fixture.repo).unwrap();
        fixture.git(&["init", "-q", "-b", "main", "--template="]);
        fs::create_dir(fixture.hooks()).unwrap();
        fixture
    }

    fn top(&self) -> &Path {
        self.repo.parent().unwrap()
    }

    fn common(&self) -> PathBuf {
        self.repo.join(".git")
    }

    fn hooks(&self) -> PathBuf {
        self.common().join("hooks")
    }

    fn shadow(&self) -> PathBuf {
        self.common().join("kpmo/hooks")
    }

    fn try_git(&self, dir: &Path, args: &[&str]) -> Output {
        Command::new("git")
            .args(["-c", "init.defaultBranch=main"])
            .args(args)
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.home.join("gitconfig"))
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .env("GIT_EDITOR", "true")
            .env("CALLS", &self.calls)
            .output()
            .unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(&self.repo, args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn commit(&self) -> Output {
        self.try_git(&self.repo, &["commit", "-q", "--allow-empty", "-m", "change"])
    }

    /// What hooks said since the last time.
    fn calls(&self) -> Vec<String> {
        let said = fs::read_to_string(&self.calls).unwrap_or_default();
        let _ = fs::remove_file(&self.calls);
        said.lines().map(str::to_owned).collect()
    }

    /// The place as git tells it.
    fn place(&self) -> HooksPlace {
        let value = |scope: &[&str]| {
            let output =
                self.try_git(&self.repo, &[&["config"], scope, &["--type=path", "core.hooksPath"]].concat());
            let text = String::from_utf8(output.stdout).unwrap();
            output.status.success().then(|| PathBuf::from(text.strip_suffix('\n').unwrap()))
        };
        HooksPlace {
            common_dir: self.common(),
            work_tree: Some(self.repo.clone()),
            configured: value(&[]).map(|effective| HooksPathConfig {
                value: effective,
                local: value(&["--local"]).is_some(),
                written: None,
                inherited: value(&["--global"]),
            }),
            entries: HookEntries::default(),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { program: &self.program, events: &EVENTS, mode: None }
    }

    fn install(&self) -> Report {
        install(&self.place(), &self.wanted(), self, &RealWriter).unwrap()
    }

    fn uninstall(&self) -> Report {
        uninstall(&self.place(), &self.program, self, &RealWriter).unwrap()
    }

    fn check(&self) -> Report {
        check(&self.place(), &self.wanted()).unwrap()
    }

    fn hook(&self, name: &str, text: &str) {
        script(&self.hooks().join(name), text);
    }

    /// A hook that says `word` and its name when it runs.
    fn saying(&self, path: &Path, word: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        script(path, &format!("#!/bin/sh\necho \"{word} $(basename \"$0\")\" >> \"$CALLS\"\n"));
        assert!(path.starts_with(self.top()));
    }

    /// All that an uninstallation has to restore: the git directory's hooks and
    /// configuration. Objects and refs are none of this room's business.
    fn picture(&self) -> Picture {
        let mut picture = Picture::new();
        for name in ["hooks", "hooks.kpmo", "kpmo", "config"] {
            take(&self.common(), Path::new(name), &mut picture);
        }
        picture
    }
}

/// The repository's own setting, by git.
impl RepoConfig for Fixture {
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused> {
        self.git(&["config", "--local", "core.hooksPath", value.to_str().unwrap()]);
        Ok(())
    }
    fn unset_hooks_path(&self) -> Result<(), Refused> {
        self.git(&["config", "--local", "--unset-all", "core.hooksPath"]);
        Ok(())
    }
    fn set_hook(&self, _name: &str, _event: &str, _command: &OsStr) -> Result<(), Refused> {
        unreachable!("these tests install links")
    }
    fn remove_hook(&self, _name: &str) -> Result<(), Refused> {
        unreachable!("these tests install links")
    }
}

/// The configuration without git, for tests that try many repositories:
/// `core.hooksPath`, and kpmo's entries.
#[derive(Debug, Default)]
struct Remembered(RefCell<Option<PathBuf>>, RefCell<BTreeMap<String, HookEntry>>);

impl Remembered {
    fn path(value: Option<PathBuf>) -> Self {
        Self(RefCell::new(value), RefCell::default())
    }

    fn entries(&self) -> HookEntries {
        HookEntries { ours: self.1.borrow().clone(), ..HookEntries::default() }
    }
}

impl RepoConfig for Remembered {
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused> {
        self.0.replace(Some(value.to_owned()));
        Ok(())
    }
    fn unset_hooks_path(&self) -> Result<(), Refused> {
        self.0.replace(None);
        Ok(())
    }
    fn set_hook(&self, name: &str, event: &str, command: &OsStr) -> Result<(), Refused> {
        let entry =
            HookEntry { command: command.to_owned(), events: vec![event.to_owned()], disabled: false };
        self.1.borrow_mut().insert(name.to_owned(), entry);
        Ok(())
    }
    fn remove_hook(&self, name: &str) -> Result<(), Refused> {
        self.1.borrow_mut().remove(name);
        Ok(())
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Path → mode, content or target, time of change (of files and links).
type Picture = BTreeMap<PathBuf, (u32, Vec<u8>, Option<SystemTime>)>;

/// A picture without times: links that were taken away and put again have others.
fn timeless(picture: Picture) -> Vec<(PathBuf, u32, Vec<u8>)> {
    picture.into_iter().map(|(path, (mode, content, _))| (path, mode, content)).collect()
}

fn take(base: &Path, path: &Path, picture: &mut Picture) {
    let full = base.join(path);
    let Ok(found) = fs::symlink_metadata(&full) else { return };
    if found.is_dir() {
        picture.insert(path.to_owned(), (found.mode(), Vec::new(), None));
        for entry in fs::read_dir(&full).unwrap() {
            take(base, &path.join(entry.unwrap().file_name()), picture);
        }
        return;
    }
    let content = if found.is_symlink() {
        crate::fs::bytes_of(&fs::read_link(&full).unwrap())
    } else {
        fs::read(&full).unwrap()
    };
    // git writes its configuration anew whenever it changes it.
    let time = if path == Path::new("config") { None } else { Some(found.modified().unwrap()) };
    picture.insert(path.to_owned(), (found.mode(), content, time));
}

fn actions(report: &Report) -> BTreeMap<&'static str, HookAction> {
    report.changes.iter().map(|change| (change.event, change.action)).collect()
}

fn detail<'a>(report: &'a Report, event: &str) -> &'a str {
    &report.changes.iter().find(|change| change.event == event).unwrap().detail
}
