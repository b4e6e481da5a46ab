//! Entries of the configuration. What git makes of them is for tests with a git
//! that has them.

use super::*;
use crate::{fs::DryRun, install::HooksState};

struct Repo {
    fixture: Fixture,
    config: Remembered,
}

impl Repo {
    fn new() -> Self {
        let fixture = Fixture::new();
        fixture.saying(&fixture.hooks().join("pre-commit"), "theirs");
        Self { fixture, config: Remembered::default() }
    }

    fn place(&self) -> HooksPlace {
        let configured = self.config.0.borrow().clone().map(|value| HooksPathConfig {
            value,
            local: true,
            written: None,
            inherited: None,
        });
        HooksPlace { configured, entries: self.config.entries(), ..self.fixture.place() }
    }

    fn wanted(&self, mode: Option<HooksMode>) -> Wanted<'_> {
        Wanted { mode, ..self.fixture.wanted() }
    }

    fn install(&self, mode: Option<HooksMode>) -> Report {
        install(&self.place(), &self.wanted(mode), &self.config, &RealWriter).unwrap()
    }

    fn check(&self) -> Report {
        check(&self.place(), &self.wanted(None)).unwrap()
    }

    fn uninstall(&self) -> Report {
        uninstall(&self.place(), &self.fixture.program, &self.config, &RealWriter).unwrap()
    }
}

const CONFIG: Option<HooksMode> = Some(HooksMode::Config);

#[test]
fn entries_touch_no_hooks_directory_and_go_again() {
    let repo = Repo::new();
    let before = repo.fixture.picture();
    let report = repo.install(CONFIG);
    assert_eq!((report.state, report.mode), (HooksState::Ok, HooksMode::Config));
    assert!(report.changes.iter().all(|change| change.action == HookAction::Installed));
    assert_eq!(repo.fixture.picture(), before);
    let entries = repo.config.entries().ours;
    assert_eq!(entries.len(), EVENTS.len());
    assert_eq!(entries["kpmo-pre-push"].events, ["pre-push"]);
    assert!(is_installed(&repo.place(), &repo.fixture.program).unwrap());

    // The mode stays as it is until another is asked for.
    let again = repo.install(None);
    assert!(
        again.mode == HooksMode::Config && again.changes.iter().all(|c| c.action == HookAction::Unchanged)
    );
    let report = repo.uninstall();
    assert!(report.changes.iter().any(|c| c.event == "pre-push" && c.action == HookAction::Removed));
    assert_eq!((repo.config.entries().ours.len(), repo.fixture.picture()), (0, before));
}

#[test]
fn changing_the_mode_leaves_nothing_doubled() {
    for elsewhere in [None, Some(PathBuf::from(".husky/_"))] {
        let repo = Repo { config: Remembered::path(elsewhere.clone()), ..Repo::new() };
        let before = repo.fixture.picture();
        assert_eq!(repo.install(None).mode, HooksMode::Links);
        let links = timeless(repo.fixture.picture());
        let report = repo.install(CONFIG);
        assert_eq!((report.state, report.mode), (HooksState::Ok, HooksMode::Config));
        assert_eq!(
            (repo.fixture.picture(), repo.config.0.borrow().clone()),
            (before.clone(), elsewhere.clone())
        );
        let report = repo.install(Some(HooksMode::Links));
        assert_eq!((report.state, report.mode), (HooksState::Ok, HooksMode::Links));
        assert_eq!((timeless(repo.fixture.picture()), repo.config.entries().ours.len()), (links, 0));
        repo.uninstall();
        assert_eq!((repo.fixture.picture(), repo.config.0.borrow().clone()), (before, elsewhere));
    }
}

#[test]
fn an_entry_that_was_changed_is_told_and_healed() {
    let repo = Repo::new();
    repo.install(CONFIG);
    repo.config.1.borrow_mut().get_mut("kpmo-pre-push").unwrap().command = "true".into();
    repo.config.1.borrow_mut().get_mut("kpmo-post-commit").unwrap().events.push("pre-push".into());
    repo.config.remove_hook("kpmo-pre-commit").unwrap();
    repo.config.set_hook("kpmo-commit-msg", "commit-msg", "true".as_ref()).unwrap();
    let report = repo.check();
    assert_eq!(report.state, HooksState::Partial);
    assert!(detail(&report, "pre-push").contains("hook.kpmo-pre-push"));
    let report = repo.install(None);
    assert_eq!(report.state, HooksState::Ok);
    let done = actions(&report);
    assert_eq!((done["pre-push"], done["pre-commit"]), (HookAction::Healed, HookAction::Installed));
    assert_eq!(repo.check().state, HooksState::Ok);
    assert_eq!(repo.config.entries().ours.len(), EVENTS.len(), "commit-msg is not wanted");
}

#[test]
fn what_is_switched_off_is_told_and_left() {
    let repo = Repo::new();
    repo.install(CONFIG);
    let mut place = repo.place();
    place.entries.disabled.insert("pre-push".into());
    place.entries.ours.get_mut("kpmo-pre-commit").unwrap().disabled = true;
    let report = install(&place, &repo.wanted(None), &repo.config, &RealWriter).unwrap();
    assert_eq!(report.state, HooksState::Partial);
    for event in ["pre-push", "pre-commit"] {
        assert!(detail(&report, event).contains("enabled is false"), "{}", detail(&report, event));
    }
}

#[test]
fn an_older_git_is_refused_and_a_dry_run_changes_nothing() {
    let repo = Repo::new();
    let mut place = repo.place();
    place.entries.too_old = Some("2.47.3".into());
    let refused = install(&place, &repo.wanted(CONFIG), &repo.config, &RealWriter).unwrap_err().to_string();
    assert!(refused.contains("2.47.3") && refused.contains("--mode links"), "{refused}");
    assert_eq!(repo.config.entries().ours.len(), 0);

    let dry = install(&repo.place(), &repo.wanted(CONFIG), &repo.config, &DryRun::default()).unwrap();
    assert_eq!((dry.state, repo.config.entries().ours.len()), (HooksState::Ok, 0));
    repo.install(CONFIG);
    place.entries.ours = repo.config.entries().ours;
    let report = check(&place, &repo.wanted(None)).unwrap();
    assert_eq!(report.state, HooksState::Missing);
    assert!(detail(&report, "pre-commit").contains("2.54"));
}

/// Makes so many changes and then fails.
struct Failing<'a> {
    kept: &'a Remembered,
    left: std::cell::Cell<usize>,
}

impl Failing<'_> {
    fn spend(&self) -> Result<(), Refused> {
        let left = self.left.get().checked_sub(1).ok_or("crash")?;
        self.left.set(left);
        Ok(())
    }
}

impl RepoConfig for Failing<'_> {
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused> {
        self.spend()?;
        self.kept.set_hooks_path(value)
    }
    fn unset_hooks_path(&self) -> Result<(), Refused> {
        self.spend()?;
        self.kept.unset_hooks_path()
    }
    fn set_hook(&self, name: &str, event: &str, command: &OsStr) -> Result<(), Refused> {
        self.spend()?;
        self.kept.set_hook(name, event, command)
    }
    fn remove_hook(&self, name: &str) -> Result<(), Refused> {
        self.spend()?;
        self.kept.remove_hook(name)
    }
}

#[test]
fn a_change_of_mode_that_crashes_leaves_hooks_and_is_carried_on() {
    for changes in 0.. {
        let repo = Repo { config: Remembered::path(Some(".husky/_".into())), ..Repo::new() };
        let before = repo.fixture.picture();
        repo.install(None);
        let failing = Failing { kept: &repo.config, left: changes.into() };
        let done = install(&repo.place(), &repo.wanted(CONFIG), &failing, &RealWriter).is_ok();
        let entries = repo.config.entries().ours.len();
        let links = repo.config.0.borrow().as_deref() == Some(&*repo.fixture.shadow());
        assert!(entries == EVENTS.len() || links, "after {changes} changes one of the two is whole");
        let report = repo.install(CONFIG);
        assert_eq!((report.state, report.mode), (HooksState::Ok, HooksMode::Config));
        assert_eq!(repo.fixture.picture(), before);
        repo.uninstall();
        assert_eq!(repo.config.0.borrow().as_deref(), Some(Path::new(".husky/_")));
        if done {
            return assert_eq!(changes, EVENTS.len() + 1);
        }
    }
}
