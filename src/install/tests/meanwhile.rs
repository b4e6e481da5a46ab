//! What another tool puts in a hook's place at the very moment is not lost.

use std::cell::Cell;
use std::sync::Mutex;

use super::*;
use crate::fs::{FileId, New, PathError, Writer};

/// Another tool comes in right before kpmo's hook is put, so many times.
struct Beside<'a> {
    times: Mutex<Cell<usize>>,
    comes: &'a (dyn Fn(usize) + Sync),
}

impl<'a> Beside<'a> {
    fn times(times: usize, comes: &'a (dyn Fn(usize) + Sync)) -> Self {
        Self { times: Mutex::new(Cell::new(times)), comes }
    }
}

impl Writer for Beside<'_> {
    fn is_real(&self) -> bool {
        true
    }
    fn create_dir_all(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        RealWriter.create_dir_all(path, mode)
    }
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        RealWriter.write(path, bytes, mode)
    }
    fn link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        RealWriter.link(target, path)
    }
    fn put(&self, new: New<'_>, path: &Path, seen: Option<FileId>) -> Result<bool, PathError> {
        if path.ends_with("hooks/pre-commit") {
            let times = self.times.lock().unwrap();
            if times.get() > 0 {
                times.set(times.get() - 1);
                (self.comes)(times.get());
            }
        }
        RealWriter.put(new, path, seen)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        RealWriter.hard_link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        RealWriter.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<(), PathError> {
        RealWriter.remove(path)
    }
    fn remove_dir_if_empty(&self, path: &Path) -> Result<(), PathError> {
        RealWriter.remove_dir_if_empty(path)
    }
}

fn pre_commit(report: &Report) -> HookAction {
    report.changes.iter().find(|change| change.event == "pre-commit").unwrap().action
}

#[test]
fn a_hook_that_comes_where_none_stood_is_chained() {
    let fixture = Fixture::new();
    let hook = fixture.hooks().join("pre-commit");
    let comes = |_| script(&hook, "#!/bin/sh\n# a tool's\n");
    let report = install(&fixture.place(), &fixture.wanted(), &fixture, &Beside::times(1, &comes)).unwrap();
    assert_eq!(pre_commit(&report), HookAction::Chained);
    assert_eq!(fs::read_link(&hook).unwrap(), fixture.program);
    let kept = fs::read_to_string(fixture.common().join("hooks.kpmo/pre-commit")).unwrap();
    assert!(kept.contains("a tool's"));
}

#[test]
fn a_hook_that_takes_the_place_of_one_that_was_kept_is_kept_as_well() {
    let fixture = Fixture::new();
    let hook = fixture.hooks().join("pre-commit");
    script(&hook, "#!/bin/sh\n# the first\n");
    let new = fixture.hooks().join("new");
    let comes = |_| {
        script(&new, "#!/bin/sh\n# the second\n");
        fs::rename(&new, &hook).unwrap();
    };
    let report = install(&fixture.place(), &fixture.wanted(), &fixture, &Beside::times(1, &comes)).unwrap();
    assert_eq!(pre_commit(&report), HookAction::Chained);
    let kept = |name: &str| fs::read_to_string(fixture.common().join("hooks.kpmo").join(name)).unwrap();
    assert!(kept("pre-commit").contains("the second"));
    assert!(kept("pre-commit.1").contains("the first"));
    assert_eq!(fs::read_link(&hook).unwrap(), fixture.program);
}

#[test]
fn a_tool_that_comes_each_time_is_told_of_and_has_its_hook() {
    let fixture = Fixture::new();
    let hook = fixture.hooks().join("pre-commit");
    let new = fixture.hooks().join("new");
    let comes = |time| {
        script(&new, &format!("#!/bin/sh\n# {time}\n"));
        fs::rename(&new, &hook).unwrap();
    };
    let error =
        install(&fixture.place(), &fixture.wanted(), &fixture, &Beside::times(9, &comes)).unwrap_err();
    assert!(matches!(&error, InstallError::Restless { path } if *path == hook), "{error}");
    assert!(fs::read_to_string(&hook).unwrap().contains("# 4"));
    assert_eq!(fixture.install().state, crate::install::HooksState::Ok);
}
