//! Events that are wanted at one time and not at another.

use super::*;
use crate::install::{HooksState, ON_DEMAND};

fn all() -> Vec<&'static str> {
    EVENTS.into_iter().chain(ON_DEMAND).collect()
}

#[test]
fn commit_msg_comes_and_goes_as_it_is_wanted() {
    let fixture = Fixture::new();
    fixture.saying(&fixture.hooks().join("commit-msg"), "theirs");
    fixture.saying(&fixture.hooks().join("pre-commit"), "theirs");
    let before = fixture.picture();
    fixture.install();
    let without = timeless(fixture.picture());
    assert!(!fixture.hooks().join("commit-msg").is_symlink());

    let events = all();
    let wanted = Wanted { events: &events, ..fixture.wanted() };
    assert_eq!(check(&fixture.place(), &wanted).unwrap().state, HooksState::Partial);
    for action in [HookAction::Chained, HookAction::Unchanged] {
        let report = install(&fixture.place(), &wanted, &fixture, &RealWriter).unwrap();
        assert_eq!((report.state, actions(&report)["commit-msg"]), (HooksState::Ok, action));
    }
    assert_eq!(check(&fixture.place(), &wanted).unwrap().state, HooksState::Ok);
    fixture.commit();
    assert_eq!(
        fixture.calls(),
        ["theirs pre-commit", "kpmo pre-commit", "theirs commit-msg", "kpmo commit-msg", "kpmo post-commit"]
    );

    let report = fixture.install();
    assert_eq!((report.state, actions(&report)["commit-msg"]), (HooksState::Ok, HookAction::Restored));
    assert_eq!(timeless(fixture.picture()), without);
    install(&fixture.place(), &wanted, &fixture, &RealWriter).unwrap();
    fixture.uninstall();
    assert_eq!(fixture.picture(), before);
}

#[test]
fn in_a_directory_of_kpmos_own_it_is_passed_on_either_way() {
    let fixture = Fixture::new();
    fixture.saying(&fixture.repo.join(".husky/_/commit-msg"), "husky");
    fixture.git(&["config", "core.hooksPath", ".husky/_"]);
    let before = fixture.picture();
    let events = all();
    let wanted = Wanted { events: &events, ..fixture.wanted() };
    let report = install(&fixture.place(), &wanted, &fixture, &RealWriter).unwrap();
    assert_eq!((report.state, actions(&report)["commit-msg"]), (HooksState::Ok, HookAction::Chained));
    let report = fixture.install();
    assert!(!actions(&report).contains_key("commit-msg"));
    fixture.uninstall();
    assert_eq!(fixture.picture(), before);
}
