//! kpmo beside other hook tools, the real ones: whichever came first, through
//! their installations, re-installations and removals. `tests/all.sh` sets them
//! up.

mod config_mode;
mod lfs;
mod matrix;
mod overwriting;
mod taken;
mod tool;

use std::{collections::BTreeMap, fs, path::Path};

use uuid::Uuid;

use crate::world::{Caller, Repo, Tree, World, secret, tree};
use tool::Tool;

/// What stands in each place of hooks, `core.hooksPath`, and the entries for hooks
/// in the configuration.
type Hooks = BTreeMap<String, Tree>;

/// What a work tree's hooks look like, wherever they are: what a tool made, and
/// nothing of kpmo's.
fn hooks(repo: &Repo<'_>) -> Hooks {
    let mut found = BTreeMap::new();
    for dir in [".git/hooks", ".git/hooks.kpmo", ".git/kpmo", ".husky"] {
        let path = repo.path.join(dir);
        if path.exists() {
            let mut inside = tree(&path);
            inside.retain(|path, _| path.extension().is_none_or(|kind| kind != "sample"));
            found.insert(dir.to_owned(), inside);
        }
    }
    let wanted = r"^(core\.hookspath|hook\..*)$";
    let settings = repo.git(["config", "--local", "--get-regexp", wanted]).stdout;
    let theirs = settings.lines().filter(|line| !line.starts_with("hook.kpmo-"));
    let theirs: Vec<String> = theirs.map(|line| format!("{line}\n")).collect();
    let entry = ("hooks".into(), ('f', 0, theirs.concat().into_bytes()));
    found.insert("config".to_owned(), [entry].into());
    found
}

/// What the tool's hooks said since the last time.
fn ran(world: &World) -> Vec<String> {
    let path = world.user().join("ran");
    let said = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    said.lines().map(str::to_owned).collect()
}

/// Commits a change; what the tool's hooks said.
#[track_caller]
fn commit(world: &World, app: &Repo<'_>, text: &str) -> Vec<String> {
    ran(world);
    app.stage("a.txt", text).commit().fine();
    ran(world)
}

/// How many verdicts there are. What hooks were answered so far is recorded
/// before what is emitted now, and that is on disk when it returns.
fn verdicts(world: &World) -> usize {
    Caller::new(world).unwrap().emit(&Uuid::now_v7().to_string()).unwrap();
    world.events("verdict").len()
}

/// kpmo refuses a commit, which it judges once.
#[track_caller]
fn refuses(world: &World, app: &Repo<'_>) {
    let before = verdicts(world);
    app.stage("bad.txt", secret()).commit().refused().says("secrets bad.txt:1");
    assert_eq!(verdicts(world), before + 1, "judged once");
    app.git(["rm", "-qf", "bad.txt"]).fine();
    ran(world);
}

/// One commit each that kpmo judges: one that is fine, at which the tool's hooks
/// run as often as they should, and one that is refused.
#[track_caller]
fn both_work(world: &World, app: &Repo<'_>, text: &str, expected: &[&str]) {
    let before = verdicts(world);
    assert_eq!(commit(world, app, text), expected, "each of the tool's hooks runs once");
    assert_eq!(verdicts(world), before + 1, "judged once");
    refuses(world, app);
}

/// Waits until status says that all is well, after the healing that status began.
#[track_caller]
fn until_well(world: &World) {
    world.until("the hooks are healed", || world.status("app")["hooks"] == "ok");
}

/// No process is left that has to do with this directory.
#[track_caller]
fn nobody_is_left(world: &World, dir: &Path) {
    let is_there = |entry: &fs::DirEntry| {
        let cwd = fs::read_link(entry.path().join("cwd"));
        cwd.is_ok_and(|cwd| cwd.starts_with(dir))
    };
    world.until("no process is left in the repository", || {
        !fs::read_dir("/proc").unwrap().flatten().any(|entry| is_there(&entry))
    });
}
