use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use super::{
    GitError, Location, config,
    pool::Pool,
    run::run,
    scratch::{self, alternates},
};
use crate::fs::path_from;

/// How long a command may take that answers one question.
const ONE_ANSWER: Duration = Duration::from_secs(5);
/// How long any other may take.
const ANY: Duration = Duration::from_secs(30);

/// The git program, run so that it reads and nothing else: no prompts, no
/// optional locks, no hooks, no file-system monitor, no translations; within a
/// limited time; and only where git itself, left alone, would trust the
/// repository's owner.
#[derive(Debug, Clone)]
pub struct Git {
    program: Arc<PathBuf>,
    scratch: Option<Arc<PathBuf>>,
    pool: Arc<Pool>,
}

impl Default for Git {
    /// With its scratch directories among the system's temporary ones.
    fn default() -> Self {
        Self { program: Arc::new(PathBuf::from("git")), scratch: None, pool: Arc::default() }
    }
}

impl Git {
    /// With its scratch directories in `scratch`, which nobody else uses and
    /// which is made when it is needed.
    pub fn new(scratch: PathBuf) -> Self {
        Self { scratch: Some(Arc::new(scratch)), ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn of_program(program: PathBuf) -> Self {
        Self { program: Arc::new(program), ..Self::default() }
    }

    /// Removes the scratch directories of a process that was killed. For the
    /// start, when nobody has any; the system's temporary directory is left
    /// alone.
    pub fn sweep(&self) -> Result<(), GitError> {
        self.scratch.as_ref().map_or(Ok(()), |base| scratch::sweep(base))
    }

    /// Closes repositories that nobody has asked for lately.
    pub fn close_idle(&self) {
        self.pool.close_idle();
    }

    /// What the program says of itself, for instance "2.47.3".
    pub fn version(&self) -> Result<String, GitError> {
        let mut command = Command::new(self.program.as_path());
        command.arg("--version").stdin(Stdio::null());
        let output = run(command, ONE_ANSWER).map_err(GitError::NoGit)?;
        let said = output.map(|output| output.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        match said.trim().strip_prefix("git version ") {
            Some(version) => Ok(version.to_owned()),
            None => Err(GitError::NoGit(std::io::Error::other("it does not tell its version"))),
        }
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(super) fn scratch(&self) -> Option<&Path> {
        self.scratch.as_deref().map(PathBuf::as_path)
    }

    /// A command in `location`, to be completed by its arguments.
    pub(super) fn at(&self, location: &Location) -> Result<Command, GitError> {
        let mut command = self.with_hooks_path(location)?;
        // post-index-change is one that reading may run.
        command.args(["-c", "core.hooksPath=/dev/null"]);
        Ok(command)
    }

    /// As [`Git::at`], for asking where the hooks are.
    pub(super) fn with_hooks_path(&self, location: &Location) -> Result<Command, GitError> {
        self.trust(location)?;
        let mut command = self.bare(location.directory());
        command.env("GIT_DIR", &location.git_dir);
        if location.common_dir != location.git_dir {
            // What was looked at is what git goes by, whatever becomes of the file.
            command.env("GIT_COMMON_DIR", &location.common_dir);
        }
        if let Some(work_tree) = &location.work_tree {
            command.env("GIT_WORK_TREE", work_tree);
        }
        if !location.object_dirs.is_empty() {
            let places = alternates(&location.object_dirs, b':');
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", places);
        }
        Ok(command)
    }

    fn bare(&self, directory: &Path) -> Command {
        let mut command = Command::new(self.program.as_path());
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") && !kept(&name) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(directory)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            // A push sends what objects are, not what `git replace` shows.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"])
            .stdin(Stdio::null());
        command
    }

    /// Whether git would work in this repository: being told where it is, as we
    /// tell it, git asks nobody's leave. What is wholly ours is trusted; of
    /// anything else git is asked without being told, and it knows
    /// `safe.directory`.
    pub(super) fn trust(&self, location: &Location) -> Result<(), GitError> {
        self.trust_as(location, rustix::process::geteuid().as_raw())
    }

    pub(super) fn trust_as(&self, location: &Location, user: u32) -> Result<(), GitError> {
        let places = [Some(&location.git_dir), Some(&location.common_dir), location.work_tree.as_ref()];
        let is_own = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == user);
        if places.into_iter().flatten().all(is_own) {
            return Ok(());
        }
        // From the work tree there may be no way to the git directory, or one to
        // another.
        for directory in [location.directory(), &location.git_dir] {
            let mut command = self.bare(directory);
            command.args(["-c", "safe.bareRepository=all", "rev-parse", "--absolute-git-dir"]);
            let output = self.run(command, location, "rev-parse")?;
            let found = path_from(output.stdout.trim_ascii_end());
            if output.status.success() && fs::canonicalize(found).is_ok_and(|dir| dir == location.git_dir) {
                return Ok(());
            }
        }
        Err(GitError::Owner { path: location.directory().into() })
    }

    /// Switches the filters off that a repository brings along: they are
    /// programs of whoever wrote its configuration, and looking at its state
    /// must not run them. The user's own stay.
    pub(super) fn without_its_filters(
        &self,
        command: &mut Command,
        location: &Location,
    ) -> Result<(), GitError> {
        let text = config::own_text(location).map(|text| text.to_ascii_lowercase());
        let says = |word: &[u8]| {
            // What can't be read may say anything.
            text.as_ref().map_or(true, |text| text.windows(word.len()).any(|part| part == word))
        };
        if !says(b"filter") && !says(b"include") {
            return Ok(());
        }
        let args = ["config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\."];
        let listed = self.maybe(location, &args)?.unwrap_or_default();
        let mut fields = listed.split(|byte| *byte == 0);
        let mut drivers: Vec<&[u8]> = Vec::new();
        while let (Some(scope), Some(name)) = (fields.next(), fields.next()) {
            let driver = name
                .strip_prefix(b"filter.")
                .and_then(|rest| Some(&rest[..rest.iter().rposition(|byte| *byte == b'.')?]));
            if matches!(scope, b"local" | b"worktree")
                && let Some(driver) = driver
                && !drivers.contains(&driver)
            {
                drivers.push(driver);
            }
        }
        // By variables: in an argument a driver's name that has a `=` would end
        // there.
        let mut count = 0;
        for driver in drivers {
            for (key, value) in [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")] {
                let mut name = OsString::from("filter.");
                name.push(path_from(driver));
                name.push(format!(".{key}"));
                command
                    .env(format!("GIT_CONFIG_KEY_{count}"), name)
                    .env(format!("GIT_CONFIG_VALUE_{count}"), value);
                count += 1;
            }
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        Ok(())
    }

    /// Runs to the end; the standard output.
    pub fn output(&self, location: &Location, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = self.at(location)?;
        command.args(args);
        self.finish(command, location, args)
    }

    /// As [`Git::output`]; `None` if git says no by its exit status 1.
    pub fn maybe(&self, location: &Location, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
        let mut command = self.at(location)?;
        command.args(args);
        self.answer(command, location, args)
    }

    /// As [`Git::maybe`], of a command that has its arguments.
    pub(super) fn answer(
        &self,
        command: Command,
        location: &Location,
        args: &[&str],
    ) -> Result<Option<Vec<u8>>, GitError> {
        let output = self.run(command, location, subcommand(args))?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(1) => Ok(None),
            _ => Err(refused(&output.stderr, location, args)),
        }
    }

    /// As [`Git::output`], of a command that has its arguments.
    pub(super) fn finish(
        &self,
        command: Command,
        location: &Location,
        args: &[&str],
    ) -> Result<Vec<u8>, GitError> {
        let output = self.run(command, location, subcommand(args))?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(&output.stderr, location, args)) }
    }

    /// As [`Git::output`], for what is no repository's.
    pub(super) fn anywhere(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let root = Path::new("/");
        let mut command = self.bare(root);
        command.args(args);
        let output = run(command, ONE_ANSWER).map_err(GitError::NoGit)?;
        output.filter(|output| output.status.success()).map(|output| output.stdout).ok_or_else(|| {
            let command = subcommand(args).to_owned();
            GitError::Program { command, path: root.into(), message: "it gave no answer".into() }
        })
    }

    /// Every run of the program that ends by itself goes through here.
    #[expect(clippy::unused_self, reason = "nobody else may run git")]
    pub(super) fn run(
        &self,
        command: Command,
        location: &Location,
        subcommand: &str,
    ) -> Result<Output, GitError> {
        let limit = match subcommand {
            "rev-parse" | "symbolic-ref" | "config" | "remote" | "cat-file" => ONE_ANSWER,
            _ => ANY,
        };
        let no_git = |error| match location.directory() {
            // The system says the same of a program as of the directory to start it in.
            gone if !gone.exists() => GitError::Gone { path: gone.into() },
            _ => GitError::NoGit(error),
        };
        run(command, limit).map_err(no_git)?.ok_or_else(|| timed_out(subcommand, location, limit))
    }
}

/// Configuration by variables is the environment's own, not a repository's.
fn kept(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"GIT_CONFIG_GLOBAL")
        || name.as_encoded_bytes().starts_with(b"GIT_CONFIG_SYSTEM")
        || name.as_encoded_bytes().starts_with(b"GIT_CONFIG_NOSYSTEM")
}

fn subcommand<'a>(args: &[&'a str]) -> &'a str {
    args.first().copied().unwrap_or_default()
}

pub(super) fn timed_out(subcommand: &str, location: &Location, limit: Duration) -> GitError {
    let path = location.directory().into();
    GitError::TimedOut { command: subcommand.to_owned(), path, seconds: limit.as_secs() }
}

pub(super) fn refused(stderr: &[u8], location: &Location, args: &[&str]) -> GitError {
    let said = String::from_utf8_lossy(stderr);
    if said.contains("dubious ownership") {
        return GitError::Owner { path: location.directory().into() };
    }
    GitError::Program {
        command: subcommand(args).to_owned(),
        path: location.directory().into(),
        message: said.lines().last().unwrap_or("it gave no reason").to_owned(),
    }
}
