//! Repositories that several users share.

use super::*;

/// A program that this user may not run stands for another's home.
fn out_of_reach(fixture: &Fixture) {
    fs::set_permissions(&fixture.program, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn hooks_are_texts_that_run_the_teams_own() {
    let fixture = Fixture::new();
    fixture.git(&["config", "core.sharedRepository", "group"]);
    fixture.saying(&fixture.hooks().join("pre-commit"), "team");
    fixture.install();
    assert!(fixture.hooks().join("pre-commit").symlink_metadata().unwrap().is_file());
    assert!(fixture.hooks().join("post-commit").symlink_metadata().unwrap().is_file());
    assert!(fixture.install().changes.iter().all(|change| change.action == HookAction::Unchanged));
    out_of_reach(&fixture);
    assert!(fixture.commit().status.success());
    assert_eq!(fixture.calls(), ["team pre-commit"]);
}

#[test]
fn so_it_is_where_cores_hooks_path_leads_elsewhere() {
    let fixture = Fixture::new();
    fixture.git(&["config", "core.sharedRepository", "group"]);
    fixture.git(&["config", "core.hooksPath", "team hooks"]);
    fs::create_dir(fixture.repo.join("team hooks")).unwrap();
    fixture.saying(&fixture.repo.join("team hooks/pre-commit"), "team");
    fixture.install();
    let own = fixture.shadow().join("pre-commit");
    assert!(own.symlink_metadata().unwrap().is_file());
    // And with one that another tool put into kpmo's directory.
    fs::remove_file(&own).unwrap();
    fixture.saying(&own, "tool");
    fixture.install();
    out_of_reach(&fixture);
    assert!(fixture.commit().status.success());
    assert_eq!(fixture.calls(), ["tool pre-commit", "team pre-commit"]);
}

#[test]
fn links_of_before_become_texts() {
    let fixture = Fixture::new();
    fixture.install();
    assert!(fixture.hooks().join("pre-push").is_symlink());
    fixture.git(&["config", "core.sharedRepository", "all"]);
    let healed = fixture.install();
    assert!(healed.changes.iter().all(|change| change.action == HookAction::Healed));
    assert!(!fixture.hooks().join("pre-push").is_symlink());
    fixture.uninstall();
    assert!(!fixture.hooks().join("pre-push").exists());
}
