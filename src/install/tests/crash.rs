//! A crash before the n-th change, for every n.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    fs::{FileId, New, PathError, Writer},
    hook::chain::chained_hooks,
};

/// Does so many changes and then fails each one.
pub(super) struct Failing(AtomicUsize);

impl Failing {
    pub(super) fn after(changes: usize) -> Self {
        Self(AtomicUsize::new(changes))
    }

    fn spend(&self, path: &Path) -> Result<(), PathError> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(drop)
            .map_err(|_| PathError {
                action: "change",
                path: path.to_owned(),
                source: std::io::Error::other("crash"),
            })
    }
}

impl Writer for Failing {
    fn is_real(&self) -> bool {
        true
    }
    fn create_dir_all(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        self.spend(path)?;
        RealWriter.create_dir_all(path, mode)
    }
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        self.spend(path)?;
        RealWriter.write(path, bytes, mode)
    }
    fn link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        self.spend(path)?;
        RealWriter.link(target, path)
    }
    fn put(&self, new: New<'_>, path: &Path, seen: Option<FileId>) -> Result<bool, PathError> {
        self.spend(path)?;
        RealWriter.put(new, path, seen)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        self.spend(to)?;
        RealWriter.hard_link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        self.spend(from)?;
        RealWriter.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<(), PathError> {
        self.spend(path)?;
        RealWriter.remove(path)
    }
    fn remove_dir_if_empty(&self, path: &Path) -> Result<(), PathError> {
        self.spend(path)?;
        RealWriter.remove_dir_if_empty(path)
    }
}

/// The setting, which a crash comes before as well.
pub(super) struct FailingSetting<'a> {
    kept: &'a Remembered,
    works: &'a Cell<bool>,
}

impl RepoConfig for FailingSetting<'_> {
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused> {
        if self.works.get() { self.kept.set_hooks_path(value) } else { Err("crash".into()) }
    }
    fn unset_hooks_path(&self) -> Result<(), Refused> {
        if self.works.get() { self.kept.unset_hooks_path() } else { Err("crash".into()) }
    }
    fn set_hook(&self, name: &str, event: &str, command: &OsStr) -> Result<(), Refused> {
        if self.works.get() { self.kept.set_hook(name, event, command) } else { Err("crash".into()) }
    }
    fn remove_hook(&self, name: &str) -> Result<(), Refused> {
        if self.works.get() { self.kept.remove_hook(name) } else { Err("crash".into()) }
    }
}

const FIRST: &[u8] = b"#!/bin/sh\n# the hook from before\n";

pub(super) struct Case {
    pub(super) fixture: Fixture,
    setting: Remembered,
    value: Option<PathBuf>,
    before: Picture,
}

impl Case {
    /// A repository with hooks from before, in its own directory or elsewhere.
    pub(super) fn new(value: Option<&str>, hooks_there: bool) -> Self {
        let fixture = Fixture::new();
        let dir = fixture.repo.join(value.unwrap_or(".git/hooks"));
        fs::create_dir_all(&dir).unwrap();
        for name in ["pre-commit", "post-rewrite"] {
            script(&dir.join(name), std::str::from_utf8(FIRST).unwrap());
        }
        script(&fixture.hooks().join("helper"), "");
        symlink("helper", fixture.hooks().join("pre-push")).unwrap();
        if !hooks_there {
            fs::remove_dir_all(fixture.hooks()).unwrap();
        }
        let value = value.map(PathBuf::from);
        let before = fixture.picture();
        Self { setting: Remembered::path(value.clone()), value, before, fixture }
    }

    fn place(&self) -> HooksPlace {
        let configured = self.setting.0.borrow().clone().map(|value| HooksPathConfig {
            value,
            local: true,
            written: None,
            inherited: None,
        });
        HooksPlace {
            common_dir: self.fixture.common(),
            work_tree: Some(self.fixture.repo.clone()),
            configured,
            entries: self.setting.entries(),
        }
    }

    pub(super) fn install(&self, writer: &dyn Writer, works: bool) -> Result<Report, InstallError> {
        let setting = FailingSetting { kept: &self.setting, works: &Cell::new(works) };
        install(&self.place(), &self.fixture.wanted(), &setting, writer)
    }

    pub(super) fn uninstall(&self, writer: &dyn Writer, works: bool) -> Result<Report, InstallError> {
        let setting = FailingSetting { kept: &self.setting, works: &Cell::new(works) };
        uninstall(&self.place(), &self.fixture.program, &setting, writer)
    }

    /// Whatever git would call now, the hooks from before are what runs: by
    /// themselves, or as what kpmo's hook chains.
    fn assert_hooks_run(&self, when: &str) {
        let configured = self.setting.0.borrow().clone().unwrap_or_else(|| PathBuf::from(".git/hooks"));
        for name in ["pre-commit", "post-rewrite"] {
            let path = self.fixture.repo.join(&configured).join(name);
            let runs = if fs::read_link(&path).is_ok_and(|target| target == self.fixture.program) {
                chained_hooks(&configured.join(name), name, &self.fixture.repo)
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| panic!("{when}: {name} chains nothing"))
            } else {
                path
            };
            assert_eq!(fs::read(&runs).unwrap_or_default(), FIRST, "{when}: {name} is {}", runs.display());
        }
    }

    fn assert_restored(&self, when: &str) {
        assert_eq!(self.fixture.picture(), self.before, "{when}");
        assert_eq!(*self.setting.0.borrow(), self.value, "{when}");
    }
}

/// Runs `crashing` with one change more each time, until it gets through.
fn at_every_point(
    make: impl Fn() -> Case,
    prepare: impl Fn(&Case),
    run: fn(&Case, &dyn Writer, bool) -> bool,
) -> usize {
    for changes in 0.. {
        let mut through = false;
        for (works, then_install) in [(true, true), (true, false), (false, true), (false, false)] {
            let case = make();
            prepare(&case);
            let when = format!("crash after {changes} changes (setting works: {works})");
            let done = run(&case, &Failing::after(changes), works);
            through |= done && works;
            if case.before.keys().any(|path| path.starts_with("hooks")) || case.value.is_some() {
                case.assert_hooks_run(&when);
            }
            if then_install {
                let report = case.install(&RealWriter, true).unwrap();
                assert_eq!(report.state, crate::install::HooksState::Ok, "{when}");
                let checked = check(&case.place(), &case.fixture.wanted()).unwrap();
                assert_eq!(checked.state, crate::install::HooksState::Ok, "{when}");
            }
            case.uninstall(&RealWriter, true).unwrap();
            case.assert_restored(&when);
        }
        if through {
            return changes;
        }
    }
    unreachable!("the range has no end")
}

const CASES: [fn() -> Case; 3] =
    [|| Case::new(None, true), || Case::new(None, false), || Case::new(Some(".husky/_"), true)];

#[test]
fn an_installation_that_crashes_loses_nothing_and_is_carried_on() {
    for make in CASES {
        let steps = at_every_point(make, |_| (), |case, writer, works| case.install(writer, works).is_ok());
        assert!(steps > EVENTS.len(), "{steps}");
    }
}

#[test]
fn a_removal_that_crashes_loses_nothing_and_is_carried_on() {
    for make in CASES {
        let steps = at_every_point(
            make,
            |case| drop(case.install(&RealWriter, true).unwrap()),
            |case, writer, works| case.uninstall(writer, works).is_ok(),
        );
        assert!(steps > EVENTS.len(), "{steps}");
    }
}

/// Every content that stands in `hooks` or aside.
fn contents(case: &Case) -> Vec<Vec<u8>> {
    let hooks = |path: &PathBuf| path.starts_with("hooks") || path.starts_with("hooks.kpmo");
    case.fixture
        .picture()
        .into_iter()
        .filter(|(path, _)| hooks(path))
        .map(|(_, (_, content, _))| content)
        .collect()
}

#[test]
fn a_healing_that_crashes_loses_neither_the_newer_hook_nor_the_elder() {
    const ELDER: &[u8] = b"#!/bin/sh\n# the one before kpmo\n";
    const SECOND: &[u8] = b"#!/bin/sh\n# the hook that took our place\n";
    for changes in 0.. {
        let case = Case::new(None, true);
        let place = case.fixture.hooks().join("pre-commit");
        script(&place, std::str::from_utf8(ELDER).unwrap());
        case.install(&RealWriter, true).unwrap();
        fs::rename(&place, place.with_extension("legacy")).unwrap();
        script(&place, std::str::from_utf8(SECOND).unwrap());
        let done = case.install(&Failing::after(changes), true).is_ok();

        let both_are_there = |when: &str| {
            let contents = contents(&case);
            for hook in [ELDER, SECOND] {
                assert!(contents.iter().any(|content| content == hook), "{when}, after {changes} changes");
            }
        };
        both_are_there("crashed");
        let runs = if place.is_symlink() {
            chained_hooks(&place, "pre-commit", &case.fixture.repo).remove(0)
        } else {
            place.clone()
        };
        assert_eq!(fs::read(runs).unwrap(), SECOND);
        assert_eq!(case.install(&RealWriter, true).unwrap().state, crate::install::HooksState::Ok);
        assert!(!place.with_extension("legacy").is_symlink());
        both_are_there("healed");
        case.uninstall(&RealWriter, true).unwrap();
        both_are_there("uninstalled");
        assert_eq!(fs::read(&place).unwrap(), SECOND);
        if done {
            return assert!(changes > 2, "{changes}");
        }
    }
}
