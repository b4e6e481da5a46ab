//! What git really does, and that kpmo's hooks see all of it and change nothing:
//! every case runs twice, in a repository that kpmo governs and in its twin,
//! where hooks of a line each write down what git tells them.
//!
//! `KPMO_TEST_GIT` names another git, with which all of it runs as well.

mod cases;
mod environments;
mod signals;
mod twice;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::world::{Ran, Repo, World, differing, tree};
use cases::{CASES, Case};

/// The kinds of hooks that only tell.
const TOLD: &str = "post-";

/// A world with the git of PATH, and one with that of `KPMO_TEST_GIT`.
pub fn worlds() -> Vec<World> {
    let other = std::env::var_os("KPMO_TEST_GIT").map(PathBuf::from);
    let worlds: Vec<World> =
        [Some(World::new()), other.map(|git| World::new().with_git(&git))].into_iter().flatten().collect();
    worlds.into_iter().map(World::patient).collect()
}

/// What a twin's hook writes down: its name, and before a commit the trees.
fn telltale(told: &Path) -> String {
    format!(
        "#!/bin/sh\nname=${{0##*/}}\ncase $name in pre-commit|pre-merge-commit)\n\
         base=$(git rev-parse -q --verify 'HEAD^{{tree}}') || base=4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
         name=\"$name $base $(git write-tree)\";;\nesac\necho \"$name\" >>'{}'\n",
        told.display()
    )
}

/// One of the two repositories of a case.
struct Side<'a> {
    world: &'a World,
    repo: Repo<'a>,
    /// `src` or `plain`.
    of: &'static str,
}

impl<'a> Side<'a> {
    fn new(world: &'a World, of: &'static str, case: &Case) -> Self {
        let path = world.path(of).join(case.name);
        fs::create_dir_all(&path).unwrap();
        fs::create_dir_all(world.path(&format!("{of}.remote"))).unwrap();
        let side = Self { world, repo: world.at(case.name).beside(&path), of };
        let init = if case.bare { "git init -q --bare" } else { FIRST };
        side.run(init).fine();
        side.run(case.before).fine();
        side
    }

    fn run(&self, script: &str) -> Ran {
        let remote = self.world.path(&format!("{}.remote", self.of));
        let mut shell = self.repo.command("sh");
        shell.args(["-uc", script]).env("REMOTE", remote).env("LIB", self.world.path("lib.git"));
        let ran = Ran::of(&mut shell);
        let place = |text: &str| {
            let from = self.world.path(self.of);
            text.replace(from.to_str().unwrap(), "HERE")
        };
        Ran { stdout: place(&ran.stdout), stderr: place(&ran.stderr), ..ran }
    }

    /// All that git can say of the state, and what lies about.
    fn state(&self) -> (Ran, crate::world::Tree) {
        let mut files = tree(&self.repo.path);
        let of_git = |path: &Path| path.starts_with(".git") || self.repo.path.join("HEAD").exists();
        let ours = |path: &Path| {
            let mut parts = path.components().map(|part| part.as_os_str().to_owned());
            parts.any(|part| part == "hooks" || part == "hooks.kpmo" || part == "kpmo")
        };
        files.retain(|path, _| !ours(path));
        for (path, entry) in &mut files {
            if of_git(path) {
                // The index has times, and other files have paths; git's words on
                // them are compared.
                entry.2.clear();
            }
        }
        (self.run(STATE), files)
    }
}

const FIRST: &str = "git init -q && seq 9 >a.txt && seq 9 >b.txt && git add . && git commit -qm first";

const STATE: &str = "git symbolic-ref -q HEAD; git rev-parse -q --verify HEAD; git for-each-ref; \
    git status --porcelain=v2 --branch; git ls-files -s; git stash list; git worktree list --porcelain; \
    git reflog show --all 2>/dev/null; git fsck 2>&1; git config --list --local | grep -v ^core.hookspath; true";

#[test]
fn all_that_git_does_is_seen_once_and_left_as_git_leaves_it() {
    for world in worlds() {
        world.init("../lib", &[], &[("lib.txt", "one\n")]);
        world.at("../lib").git(["clone", "-q", "--bare", ".", "../lib.git"]).fine();
        fs::remove_dir_all(world.at("../lib").path).unwrap();
        let sides: Vec<_> = CASES
            .iter()
            .map(|case| (case, Side::new(&world, "src", case), Side::new(&world, "plain", case)))
            .collect();
        world.kpmo(["up", world.path("src").to_str().unwrap()]).fine();
        for (case, governed, twin) in &sides {
            govern(&world, case, governed, twin);
            let told = world.path("told").join(case.name);
            let (ours, theirs) = (governed.run(case.act), twin.run(case.act));
            let both = || format!("{}: {ours:#?} and without kpmo {theirs:#?}", case.name);
            assert_eq!(ours.code, theirs.code, "{}", both());
            assert_eq!((&ours.stdout, &ours.stderr), (&theirs.stdout, &theirs.stderr), "{}", both());
            let ((said, files), (without, other)) = (governed.state(), twin.state());
            assert_eq!(said.stdout, without.stdout, "{}", case.name);
            assert_eq!(differing(&files, &other), Vec::<PathBuf>::new(), "{}", case.name);
            let told = fs::read_to_string(told).unwrap_or_default();
            assert_eq!(told.is_empty(), case.silent, "{}: git told {told:?}", case.name);
        }
        world.until_captured();
        let ledger = world.ledger();
        for (case, ..) in &sides {
            let told = fs::read_to_string(world.path("told").join(case.name)).unwrap_or_default();
            compare(&world, case, &told, &ledger);
        }
        let status = world.json(["status"]);
        for repo in status["repos"].as_array().unwrap() {
            assert_eq!(repo["unvalidated"], 0, "{repo}");
        }
        world.kpmo(["ledger", "verify"]).fine();
    }
}

/// Puts the hooks of both sides there, of the same names.
fn govern(world: &World, case: &Case, governed: &Side<'_>, twin: &Side<'_>) {
    let hooks = |side: &Side<'_>| {
        let ran = side.repo.ask(["rev-parse", "--git-path", "hooks"]);
        side.repo.path.join(ran)
    };
    let (ours, theirs) = (hooks(governed), hooks(twin));
    let program = world.home().join("bin/kpmo-hook");
    for name in ["post-applypatch", "pre-commit"] {
        if !ours.join(name).is_symlink() {
            symlink(&program, ours.join(name)).unwrap();
        }
    }
    let told = world.path("told");
    fs::create_dir_all(&told).unwrap();
    for entry in fs::read_dir(&ours).unwrap().map(Result::unwrap) {
        if entry.path().is_symlink() {
            assert_eq!(fs::read_link(entry.path()).unwrap(), program);
            World::script(&theirs.join(entry.file_name()), &telltale(&told.join(case.name)));
        }
    }
}

/// The ledger has each of the hooks that git ran, in git's order, and nothing
/// else.
fn compare(world: &World, case: &Case, told: &str, ledger: &[serde_json::Value]) {
    let id = &world.status(case.name)["id"];
    let of_repo = |kind: &'static str| ledger.iter().filter(move |e| e["repo"] == *id && e["kind"] == kind);
    let text = |event: &serde_json::Value, key: &str| event["attributes"][key].as_str().unwrap().to_owned();

    let expected: Vec<&str> = told.lines().filter(|line| line.starts_with(TOLD)).collect();
    let seen: Vec<String> = of_repo("head-moved").map(|event| text(event, "hook")).collect();
    assert_eq!(seen, expected, "{}: what has happened", case.name);

    // The same trees again need no verdict again.
    let words = |line: &&str| line.starts_with("pre-commit") || line.starts_with("pre-merge-commit");
    let expected: BTreeSet<Vec<String>> =
        told.lines().filter(words).map(|line| line.split(' ').skip(1).map(str::to_owned).collect()).collect();
    let seen: Vec<Vec<String>> =
        of_repo("verdict").map(|event| vec![text(event, "base_tree"), text(event, "tree")]).collect();
    assert_eq!(seen.len(), expected.len(), "{}: {seen:?} and {expected:?}", case.name);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "{}", case.name);

    let pushes = told.lines().filter(|line| *line == "pre-push").count();
    assert_eq!(of_repo("push").count(), pushes, "{}: pushes", case.name);
    assert!(of_repo("push").all(|event| text(event, "outcome") == "pass"));
    assert_eq!(of_repo("unjudged").count(), 0, "{}", case.name);
}
