//! Hooks of kpmo's predecessor.

use super::*;
use crate::install::HooksState;

const CALLS_IT: &str = "#!/bin/sh\nexec /opt/pmp/hooks/context-check.sh \"$@\"\n";

#[test]
fn the_predecessors_hooks_are_archived_and_not_run_and_come_back() {
    let fixture = Fixture::new();
    let hooks = fixture.hooks();
    let snapshot = fixture.top().join("pmp/dev-snapshot.sh");
    fixture.saying(&snapshot, "snapshot");
    fixture.hook("pre-commit", CALLS_IT);
    symlink(&snapshot, hooks.join("post-commit")).unwrap();
    symlink("/gone/context-check", hooks.join("pre-push")).unwrap();
    fixture.hook("post-merge", "#!/bin/sh\n/opt/context-check.sh\necho own >> \"$CALLS\"\n");
    let before = fixture.picture();

    let report = fixture.install();
    assert_eq!(report.state, HooksState::Ok);
    let done = actions(&report);
    for event in ["pre-commit", "post-commit", "pre-push"] {
        assert_eq!(done[event], HookAction::Archived, "{event}");
        assert!(detail(&report, event).contains(&format!("hooks.kpmo/archived/{event}")));
        assert!(!fixture.common().join("hooks.kpmo").join(event).is_symlink(), "{event} is not chained");
    }
    assert_eq!(done["post-merge"], HookAction::Chained, "it does something else as well");
    let installed = fixture.picture();
    assert!(fixture.install().changes.iter().all(|change| change.action == HookAction::Unchanged));
    assert_eq!(fixture.picture(), installed);
    assert!(detail(&fixture.check(), "pre-commit").contains("archived"));
    assert!(is_installed(&fixture.place(), &fixture.program).unwrap());

    assert!(fixture.commit().status.success());
    assert_eq!(fixture.calls(), ["kpmo pre-commit", "kpmo post-commit"]);

    let report = fixture.uninstall();
    assert_eq!(actions(&report)["pre-commit"], HookAction::Restored);
    assert_eq!(fixture.picture(), before);
    assert!(!is_installed(&fixture.place(), &fixture.program).unwrap());
}

#[test]
fn one_that_was_chained_is_archived_at_the_next_installation() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", "#!/bin/sh\n");
    let before = fixture.picture();
    fixture.install();
    let kept = fixture.common().join("hooks.kpmo/pre-commit");
    let stamp = fs::metadata(&kept).unwrap().modified().unwrap();
    script(&kept, CALLS_IT);
    let report = fixture.install();
    assert_eq!(actions(&report)["pre-commit"], HookAction::Archived);
    assert!(!kept.exists());
    fixture.uninstall();
    script(&fixture.hooks().join("pre-commit"), "#!/bin/sh\n");
    fs::File::open(fixture.hooks().join("pre-commit")).unwrap().set_modified(stamp).unwrap();
    assert_eq!(fixture.picture(), before);
}

#[test]
fn a_tool_that_comes_over_it_is_chained_and_neither_is_lost() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", CALLS_IT);
    fixture.install();
    fs::remove_file(fixture.hooks().join("pre-commit")).unwrap();
    fixture.saying(&fixture.hooks().join("pre-commit"), "tool");
    assert_eq!(actions(&fixture.install())["pre-commit"], HookAction::Chained);
    fixture.commit();
    assert_eq!(fixture.calls(), ["tool pre-commit", "kpmo pre-commit", "kpmo post-commit"]);
    let report = fixture.uninstall();
    assert!(detail(&report, "pre-commit").contains("archived"));
    assert_eq!(
        fs::read_to_string(fixture.common().join("hooks.kpmo/archived/pre-commit")).unwrap(),
        CALLS_IT
    );
}

#[test]
fn where_nothing_may_be_touched_it_stays_and_is_passed_by() {
    let fixture = Fixture::new();
    let shared = fixture.repo.join(".hooks");
    fs::create_dir(&shared).unwrap();
    script(&shared.join("pre-commit"), CALLS_IT);
    fixture.saying(&shared.join("pre-push"), "theirs");
    fixture.git(&["config", "core.hooksPath", ".hooks"]);
    let before = fixture.picture();
    let report = fixture.install();
    assert_eq!(report.state, HooksState::Ok);
    assert!(detail(&report, "pre-commit").contains("not run"), "{}", detail(&report, "pre-commit"));
    let stop = fixture.common().join("kpmo/hooks.kpmo/pre-commit");
    assert_eq!(fs::read_link(&stop).unwrap(), fixture.program);
    let installed = fixture.picture();
    fixture.install();
    assert_eq!(fixture.picture(), installed);

    // Once it is another's, it runs again.
    script(&shared.join("pre-commit"), "#!/bin/sh\nnpm test\n");
    fixture.install();
    assert!(!stop.is_symlink());
    script(&shared.join("pre-commit"), CALLS_IT);
    fixture.install();
    fixture.uninstall();
    assert_eq!(fixture.picture(), before);
}
