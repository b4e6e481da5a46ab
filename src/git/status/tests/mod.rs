//! git is the oracle: whatever is remembered or known without asking must be
//! what git says at that moment.

mod plain;
mod random;
mod remembered;
mod submodules;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

/// A repository, and a git that keeps count of how often it is asked.
struct World {
    dir: tempfile::TempDir,
    git: Git,
    memory: Memory,
}

impl World {
    fn new() -> Self {
        Self::with(&["init", "-q"])
    }

    fn with(init: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("git");
        let text =
            format!("#!/bin/sh\necho \"$@\" >>'{}'\nexec git \"$@\"\n", dir.path().join("asked").display());
        // By another process: while one of this process's children inherits it
        // open for writing, it can't be run.
        let script = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
        assert!(Command::new("sh").args(["-c", script]).arg(&program).arg(text).status().unwrap().success());
        let world = Self { git: Git::of_program(program), memory: Memory::default(), dir };
        fs::create_dir(world.top()).unwrap();
        world.git(init);
        world
    }

    /// With a first commit.
    fn committed() -> Self {
        let world = Self::new();
        world.write("a.txt", "one\n").write("dir/b.txt", "two\n").write("dir/deep/c.txt", "three\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-q", "-m", "first"]);
        world
    }

    fn top(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn put(&self, name: &str, text: &str) {
        self.write(name, text);
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> String {
        let (output, fine) = try_git(&self.top(), args);
        assert!(fine, "git {args:?}: {output}");
        output
    }

    fn location(&self) -> Location {
        Location::at(&self.top()).unwrap()
    }

    #[track_caller]
    fn seen(&self) -> Seen {
        self.memory.look(&self.git).at(&self.location(), &[]).unwrap()
    }

    /// Adds and commits a submodule with two files, and another one inside.
    fn add_submodule(&self, path: &str) {
        let (other, inner) = (self.path("../other"), self.path("../inner"));
        for dir in [&inner, &other] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("x"), "one\n").unwrap();
            let git = |args: &[&str]| assert!(try_git(dir, args).1, "git {args:?}");
            git(&["init", "-q"]);
            git(&["add", "."]);
            git(&["commit", "-q", "-m", "first"]);
            if *dir == other {
                git(&["submodule", "--quiet", "add", "../inner", "inner"]);
                git(&["commit", "-q", "-m", "inner"]);
            }
        }
        self.git(&["submodule", "--quiet", "add", "../other", path]);
        self.git(&["submodule", "--quiet", "update", "--init", "--recursive"]);
        self.git(&["commit", "-q", "-m", "submodule"]);
    }

    /// How often `git status` was asked for so far.
    fn asked(&self) -> usize {
        let log = fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default();
        log.lines().filter(|line| line.contains(" status ")).count()
    }

    /// Looks until it is remembered: until the last change is a moment ago.
    #[track_caller]
    fn until_remembered(&self) {
        for _ in 0..10_000 {
            self.seen();
            if self.memory.has(&self.location()) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("it is never remembered: {:?}", self.seen());
    }

    /// Waits until what is there now is no longer too young to be remembered.
    fn until_settled() {
        // As long as it takes what is made now.
        Self::committed().until_remembered();
    }

    /// What is told must be what git says.
    #[track_caller]
    fn check(&self, when: &str) {
        let seen = self.seen().work;
        assert_eq!(counts(&seen), by_git(&self.top()), "{when}: {seen:?}");
    }
}

fn try_git(dir: &Path, args: &[&str]) -> (String, bool) {
    let output = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0", "-c", "maintenance.auto=false"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_EDITOR", "true")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (said, output.status.success())
}

/// Everything that [`WorkState`] says, as words.
fn counts(state: &WorkState) -> Vec<String> {
    let mut words = vec![
        format!("branch {}", state.head.branch.as_deref().unwrap_or("(detached)")),
        format!("head {}", state.head.commit.as_deref().unwrap_or("(initial)")),
        format!("upstream {}", state.upstream.as_deref().unwrap_or_default()),
        format!("dirty {} staged {} unstaged {}", state.dirty, state.staged, state.unstaged),
        format!("untracked {} conflicted {}", state.untracked, state.conflicted),
        format!("stash {}", state.stash),
    ];
    words.extend(state.ahead_behind.map(|(ahead, behind)| format!("+{ahead} -{behind}")));
    words
}

/// The same by the plain `git status --porcelain=v2`, read line by line.
fn by_git(dir: &Path) -> Vec<String> {
    let args = ["status", "--porcelain=v2", "--branch", "--show-stash"];
    let (said, fine) = try_git(dir, &args);
    assert!(fine, "{said}");
    let header = |name: &str| {
        let mut lines = said.lines();
        lines.find_map(|line| line.strip_prefix(&format!("# {name} "))).map(str::to_owned)
    };
    let count = |wanted: &dyn Fn(&str) -> bool| said.lines().filter(|line| wanted(line)).count();
    let code = |line: &str, at: usize| matches!(&line[..2], "1 " | "2 ") && line.as_bytes()[at] != b'.';
    let mut words = vec![
        format!("branch {}", header("branch.head").unwrap()),
        format!("head {}", header("branch.oid").unwrap()),
        format!("upstream {}", header("branch.upstream").unwrap_or_default()),
        format!(
            "dirty {} staged {} unstaged {}",
            // git may warn of what it would convert.
            count(&|line| ["1 ", "2 ", "u ", "? "].iter().any(|kind| line.starts_with(kind))),
            count(&|line| code(line, 2)),
            count(&|line| code(line, 3)),
        ),
        format!(
            "untracked {} conflicted {}",
            count(&|l| l.starts_with("? ")),
            count(&|l| l.starts_with("u "))
        ),
        format!("stash {}", header("stash").unwrap_or_else(|| "0".into())),
    ];
    words.extend(header("branch.ab"));
    words
}
