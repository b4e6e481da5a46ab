//! Killed, or failing, at every step.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::{Signal, getpid, kill_process};

use super::{
    World, assert_same,
    world::{Picture, back, picture},
};
use crate::{
    git::Git,
    probe::{
        restore::{RestoreError, Run, is_pending},
        store::{Snapshot, SnapshotId, Store},
    },
};

const CHILD: &str = "KPMO_TEST_RESTORE";

/// What is restored onto what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Nothing is there.
    Absent,
    /// A repository and a linked work tree elsewhere are exchanged.
    Exchanged,
    /// The same, where two paths can't be exchanged.
    Renamed,
}

impl Case {
    const ALL: &[Self] = &[Self::Absent, Self::Exchanged, Self::Renamed];
}

/// A world with the old and the new of a case, to be set up again and again.
struct Setting {
    world: World,
    case: Case,
    snapshot: Snapshot,
    present: Option<Snapshot>,
    old: Picture,
    new: Picture,
}

impl Setting {
    fn new(case: Case) -> Self {
        let world = World::new();
        world.repo("app");
        world.git("app", &["worktree", "add", "-q", "../linked", "-b", "linked"]);
        world.write("app/later.txt", "untracked\n");
        let snapshot = world.snapshot(&["app", "linked"]);
        fs::remove_file(world.path("app/later.txt")).unwrap();
        world.write("app/c.txt", "three\n");
        world.git("app", &["add", "."]);
        world.git("app", &["commit", "-q", "-m", "third"]);
        world.write("app/target/x", "built\n");
        let present = (case != Case::Absent).then(|| world.snapshot(&["app", "linked"]));
        if case == Case::Absent {
            fs::remove_dir_all(world.path("app")).unwrap();
            fs::remove_dir_all(world.path("linked")).unwrap();
        }
        let template = world.root.join("template");
        copy(&world.path(""), &template);
        let old = picture(&world.path(""));
        world.run(&back(&world, &snapshot, present.as_ref())).unwrap();
        let new = picture(&world.path(""));
        assert_ne!(old, new);
        Self { world, case, snapshot, present, old, new }
    }

    fn again(&self) {
        fs::remove_dir_all(self.world.path("")).unwrap();
        copy(&self.world.root.join("template"), &self.world.path(""));
        assert_same(&picture(&self.world.path("")), &self.old);
    }

    /// The old or the new, whole, and nothing else.
    fn assert_whole(&self, step: usize) -> bool {
        let now = picture(&self.world.path(""));
        self.world.assert_no_journal();
        let is_new = now == self.new;
        let names: Vec<&PathBuf> = now.keys().collect();
        assert!(is_new || now == self.old, "{:?}, step {step}: {names:#?}", self.case);
        is_new
    }

    /// The steps of it, of many removals a few: one is much like another.
    fn steps(&self) -> Vec<usize> {
        let noted = std::sync::Mutex::new(Vec::new());
        self.again();
        let note = |action: &'static str, _: &Path| {
            noted.lock().unwrap().push(action);
            Ok(())
        };
        let order = back(&self.world, &self.snapshot, self.present.as_ref());
        self.world.run_with(&order, self.case != Case::Renamed, &note).unwrap();
        let noted = noted.into_inner().unwrap();
        let removals = (0..noted.len()).filter(|step| noted[*step].starts_with("remove"));
        let skipped: Vec<usize> =
            removals.enumerate().filter(|(count, _)| count % 16 != 0).map(|(_, step)| step).collect();
        let last = noted.len() - 1;
        (0..=last).filter(|step| *step == last || !skipped.contains(step)).collect()
    }

    fn recover(&self) {
        let git = Git::default();
        let run = Run {
            store: &self.world.store,
            git: &git,
            progress: &|_, _| true,
            steps: &|_, _| Ok(()),
            can_exchange: self.case != Case::Renamed,
        };
        for result in run.recover(&self.world.state()).unwrap() {
            let recovered = result.unwrap();
            assert_eq!((recovered.kept, recovered.warnings), (vec![], vec![]));
        }
        assert!(!is_pending(&self.world.state()).unwrap());
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "-T"]).arg(from).arg(to).output().unwrap();
    assert!(copied.status.success(), "{copied:?}");
}

/// Restores, and kills itself before the step that it was told.
#[test]
#[ignore = "the child of a_kill_at_any_step_leaves_the_old_or_the_new"]
fn child() {
    let told = std::env::var(CHILD).expect("its parent says what");
    let mut told = told.split('|');
    let mut next = || told.next().unwrap();
    let world = World::at(next().into());
    let step: usize = next().parse().unwrap();
    let can_exchange = next() == "true";
    let snapshot = world.store.snapshot(&SnapshotId(next().to_owned())).unwrap();
    let present = told.next().map(|id| world.store.snapshot(&SnapshotId(id.to_owned())).unwrap());
    let count = AtomicUsize::new(0);
    let steps = |_: &'static str, _: &Path| {
        if count.fetch_add(1, Ordering::Relaxed) == step {
            kill_process(getpid(), Signal::KILL)?;
        }
        Ok(())
    };
    world.run_with(&back(&world, &snapshot, present.as_ref()), can_exchange, &steps).unwrap();
}

#[test]
fn a_kill_at_any_step_leaves_the_old_or_the_new() {
    for case in Case::ALL {
        let setting = Setting::new(*case);
        let world = &setting.world;
        let steps = setting.steps();
        let (mut old, mut new) = (0, 0);
        for step in steps.clone() {
            setting.again();
            let mut told = format!("{}|{step}|{}|", world.root.display(), *case != Case::Renamed);
            told += &setting.snapshot.id.0;
            if let Some(present) = &setting.present {
                told = format!("{told}|{}", present.id.0);
            }
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--ignored", "--nocapture", "--test-threads=1"])
                .arg(format!("{}::child", module_path!().split_once("::").unwrap().1))
                .env(CHILD, told)
                .output()
                .unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&child.status);
            assert_eq!(signal, Some(Signal::KILL.as_raw()), "{child:?}");
            assert!(is_pending(&world.state()).unwrap());
            setting.recover();
            if setting.assert_whole(step) { new += 1 } else { old += 1 }
        }
        assert!(old > 3 && new > 1, "{case:?}: {old} times the old, {new} times the new: {steps:?}");
    }
}

/// A step that fails, once or from then on.
#[test]
fn a_failure_at_any_step_leaves_the_old_or_the_new() {
    for case in Case::ALL {
        let setting = Setting::new(*case);
        let order = back(&setting.world, &setting.snapshot, setting.present.as_ref());
        for lasting in [false, true] {
            let (mut undone, mut done) = (0, 0);
            for step in setting.steps() {
                setting.again();
                let count = AtomicUsize::new(0);
                let steps = |_: &'static str, _: &Path| {
                    let now = count.fetch_add(1, Ordering::Relaxed);
                    let fails = if lasting { now >= step } else { now == step };
                    if fails { Err(io::Error::other("it fails")) } else { Ok(()) }
                };
                let result = setting.world.run_with(&order, *case != Case::Renamed, &steps);
                assert!(count.load(Ordering::Relaxed) > step);
                match result {
                    // What was there before may not be cleared away yet.
                    Ok(restored) => {
                        setting.recover();
                        if let [kept] = &*restored.kept {
                            // What could not come over is beside, and that is said.
                            assert!(!restored.warnings.is_empty());
                            let target = setting.world.path("app/target");
                            fs::rename(kept.join("target"), target).unwrap();
                            fs::remove_dir(kept).unwrap();
                        }
                        assert!(setting.assert_whole(step));
                        done += 1;
                    }
                    Err(error) => {
                        if matches!(error, RestoreError::Unfinished { .. }) {
                            assert!(lasting, "{error}");
                            setting.recover();
                        }
                        assert!(!setting.assert_whole(step), "{error}");
                        undone += 1;
                    }
                }
            }
            assert!(undone > 3 && done > 0, "{case:?}: {undone} undone, {done} done");
        }
    }
}

/// Undoing fails, too, and before it is gone on with somebody tidies up.
#[test]
fn what_was_there_before_outlives_whatever_became_of_the_new() {
    for has_another in [false, true] {
        let setting = Setting::new(Case::Exchanged);
        setting.again();
        let (world, git) = (&setting.world, Git::default());
        let order = back(world, &setting.snapshot, setting.present.as_ref());
        let exchanges = AtomicUsize::new(0);
        let steps = |action: &'static str, _: &Path| {
            let is_late = action == "exchange" && exchanges.fetch_add(1, Ordering::Relaxed) > 0;
            if is_late { Err(io::Error::other("it fails")) } else { Ok(()) }
        };
        let result = world.run_with(&order, true, &steps);
        assert!(matches!(result, Err(RestoreError::Unfinished { .. })), "{result:?}");
        // One of both has changed places.
        let taken = if world.path("app/later.txt").exists() { "app" } else { "linked" };
        fs::rename(world.path(taken), world.root.join("new")).unwrap();
        if has_another {
            world.write(&format!("{taken}/another"), "");
        }
        let run = Run {
            store: &world.store,
            git: &git,
            progress: &|_, _| true,
            steps: &|_, _| Ok(()),
            can_exchange: true,
        };
        let recovered = run.recover(&world.state()).unwrap().remove(0).unwrap();
        world.assert_no_journal();
        if has_another {
            let [kept] = &*recovered.kept else { panic!("{recovered:?}") };
            fs::remove_dir_all(world.path(taken)).unwrap();
            fs::rename(kept, world.path(taken)).unwrap();
        } else {
            assert_eq!(recovered.kept, Vec::<PathBuf>::new());
        }
        assert_same(&picture(&world.path("")), &setting.old);
    }
}

/// Where two paths can't be exchanged, something comes to be between two renames.
#[test]
fn what_was_there_before_outlives_what_took_its_place() {
    let setting = Setting::new(Case::Renamed);
    setting.again();
    let world = &setting.world;
    let order = back(world, &setting.snapshot, setting.present.as_ref());
    let renames = AtomicUsize::new(0);
    let steps = |action: &'static str, _: &Path| {
        if action == "rename" && renames.fetch_add(1, Ordering::Relaxed) == 1 {
            let taken = ["app", "linked"].into_iter().find(|name| !world.path(name).exists()).unwrap();
            world.write(&format!("{taken}/another"), "");
        }
        Ok(())
    };
    world.run_with(&order, false, &steps).unwrap_err();
    world.assert_no_journal();
    let taken = if world.path("app/another").exists() { "app" } else { "linked" };
    let kept: Vec<String> = world.names("").into_iter().filter(|name| name.contains("kept")).collect();
    let [kept] = &*kept else { panic!("{:?}", world.names("")) };
    fs::remove_dir_all(world.path(taken)).unwrap();
    fs::rename(world.path(kept), world.path(taken)).unwrap();
    assert_same(&picture(&world.path("")), &setting.old);
}
