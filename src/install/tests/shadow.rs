//! `core.hooksPath` that leads elsewhere.

use super::*;
use crate::{fs::DryRun, install::HooksState};

/// What husky writes: hooks that call one script, which runs the tracked one.
fn husky(fixture: &Fixture) {
    let dir = fixture.repo.join(".husky/_");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(".gitignore"), "*").unwrap();
    script(
        &dir.join("h"),
        "#!/usr/bin/env sh\nn=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n[ ! -f \"$s\" ] && exit 0\nsh -e \
         \"$s\" \"$@\"\n",
    );
    for name in ["pre-commit", "pre-push", "commit-msg", "post-commit"] {
        script(&dir.join(name), "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"");
    }
    fs::write(fixture.repo.join(".husky/pre-commit"), "echo husky pre-commit >> \"$CALLS\"\n").unwrap();
    fs::write(fixture.repo.join(".husky/commit-msg"), "echo husky commit-msg \"$#\" >> \"$CALLS\"\n")
        .unwrap();
    fixture.git(&["config", "core.hooksPath", ".husky/_"]);
}

fn dir_picture(fixture: &Fixture, name: &str) -> Picture {
    let mut picture = Picture::new();
    take(fixture.top(), Path::new(name), &mut picture);
    picture
}

#[test]
fn huskys_directory_is_left_alone_and_its_hooks_run_first() {
    let fixture = Fixture::new();
    husky(&fixture);
    let (before, tracked) = (fixture.picture(), dir_picture(&fixture, "repo/.husky"));
    let report = fixture.check();
    assert_eq!((report.state, report.hooks_dir), (HooksState::Foreign, fixture.repo.join(".husky/_")));

    let report = fixture.install();
    assert_eq!((report.state, &report.hooks_dir), (HooksState::Ok, &fixture.shadow()));
    assert_eq!(actions(&report)["pre-commit"], HookAction::Chained);
    assert_eq!(actions(&report)["post-merge"], HookAction::Installed);
    assert_eq!(fixture.git(&["config", "--local", "core.hooksPath"]), fixture.shadow().to_str().unwrap());
    assert_eq!(fs::read(fixture.common().join("kpmo/chain")).unwrap(), b".husky/_");
    assert_eq!(fixture.check().state, HooksState::Ok);
    let again = fixture.install();
    assert!(again.changes.iter().all(|change| change.action == HookAction::Unchanged));

    assert!(fixture.commit().status.success());
    let said = [
        "husky pre-commit",
        "kpmo pre-commit",
        "kpmo prepare-commit-msg",
        "husky commit-msg 1",
        "kpmo commit-msg",
        "kpmo post-commit",
    ];
    assert_eq!(fixture.calls(), said);
    assert_eq!(dir_picture(&fixture, "repo/.husky"), tracked);

    let report = fixture.uninstall();
    assert_eq!((report.state, &report.hooks_dir), (HooksState::Foreign, &fixture.repo.join(".husky/_")));
    assert_eq!(actions(&report)["pre-commit"], HookAction::Restored);
    assert_eq!(fixture.picture(), before);
    assert_eq!(dir_picture(&fixture, "repo/.husky"), tracked);
}

#[test]
fn huskys_next_installation_is_noticed_and_healed() {
    let fixture = Fixture::new();
    husky(&fixture);
    fixture.install();
    fixture.git(&["config", "core.hooksPath", ".other/_"]);
    fixture.saying(&fixture.repo.join(".other/_/pre-commit"), "other");
    let report = fixture.check();
    assert_eq!(report.state, HooksState::Foreign);
    assert!(detail(&report, "pre-commit").contains(".other/_"));

    assert_eq!(fixture.install().state, HooksState::Ok);
    assert_eq!(fs::read(fixture.common().join("kpmo/chain")).unwrap(), b".other/_");
    fixture.commit();
    assert_eq!(fixture.calls()[..2], ["other pre-commit", "kpmo pre-commit"]);
    fixture.uninstall();
    assert_eq!(fixture.git(&["config", "core.hooksPath"]), ".other/_");
}

#[test]
fn uninstalling_while_another_tool_has_the_setting_leaves_it_there() {
    let fixture = Fixture::new();
    fixture.install();
    let before = fs::read(fixture.common().join("config")).unwrap();
    husky(&fixture);
    fixture.install();
    fixture.git(&["config", "core.hooksPath", ".husky/_"]);
    let report = fixture.uninstall();
    assert_eq!(report.state, HooksState::Foreign);
    assert_eq!(fixture.git(&["config", "core.hooksPath"]), ".husky/_");
    fixture.git(&["config", "--unset", "core.hooksPath"]);
    // git leaves the section's heading; what matters is the value.
    assert!(!String::from_utf8(before).unwrap().contains("hooksPath"));
    let names: Vec<_> = fixture.picture().into_keys().collect();
    assert_eq!(names, ["config", "hooks"].map(PathBuf::from), "both kinds of installation are gone");
}

#[test]
fn a_directory_for_all_repositories_comes_back_as_inherited() {
    let fixture = Fixture::new();
    let shared = fixture.home.join("all hooks");
    fixture.saying(&shared.join("pre-commit"), "shared");
    fixture.saying(&shared.join("reference-transaction"), "shared");
    let global = format!("[core]\n\thooksPath = {}\n", shared.display());
    fs::write(fixture.home.join("gitconfig"), global).unwrap();
    let before = fixture.picture();

    assert_eq!(fixture.install().state, HooksState::Ok);
    assert_eq!(fs::read(fixture.common().join("kpmo/origin")).unwrap(), b"inherited\n");
    assert!(fixture.shadow().join("reference-transaction").is_symlink(), "it would be hidden otherwise");
    fixture.commit();
    let said = fixture.calls();
    assert_eq!(said[..2], ["shared pre-commit", "kpmo pre-commit"]);
    assert!(said.contains(&"shared reference-transaction".into()), "{said:?}");

    fs::remove_file(shared.join("reference-transaction")).unwrap();
    fixture.install();
    assert!(!fixture.shadow().join("reference-transaction").is_symlink());
    fixture.uninstall();
    assert_eq!(fixture.git(&["config", "core.hooksPath"]), shared.to_str().unwrap());
    assert!(!fixture.try_git(&fixture.repo, &["config", "--local", "core.hooksPath"]).status.success());
    assert_eq!(fixture.picture().into_keys().collect::<Vec<_>>(), before.into_keys().collect::<Vec<_>>());
}

#[test]
fn another_homes_directory_that_comes_before_nothing_is_taken_over_and_then_out() {
    let fixture = Fixture::new();
    let other = fixture.top().join("other/bin");
    fs::create_dir_all(&other).unwrap();
    script(&other.join("kpmo-hook"), super::HOOK_PROGRAM);
    fs::write(other.join("home.json"), "{}").unwrap();
    let global = fixture.home.join("gitconfig");
    fs::write(&global, format!("[core]\n\thooksPath = {}\n", fixture.home.display())).unwrap();
    let theirs = Wanted { program: &other.join("kpmo-hook"), ..fixture.wanted() };
    install(&fixture.place(), &theirs, &fixture, &RealWriter).unwrap();

    fs::write(&global, "").unwrap();
    for dir in [fixture.shadow(), fixture.hooks()] {
        let report = fixture.install();
        assert_eq!((report.state, report.hooks_dir), (HooksState::Ok, dir.clone()));
        assert_eq!(fs::read_link(dir.join("pre-commit")).unwrap(), fixture.program);
        fixture.commit();
        assert_eq!(fixture.calls()[..1], ["kpmo pre-commit"]);
    }
    assert!(!fixture.try_git(&fixture.repo, &["config", "core.hooksPath"]).status.success());
}

#[test]
fn a_directory_for_all_repositories_is_followed_while_it_is_one() {
    let fixture = Fixture::new();
    let config = |hooks: &str| {
        let text = if hooks.is_empty() { String::new() } else { format!("[core]\n\thooksPath = {hooks}\n") };
        fs::write(fixture.home.join("gitconfig"), text).unwrap();
    };
    let dir = |name: &str| fixture.home.join(name).to_str().unwrap().to_owned();
    fixture.hook("pre-commit", "#!/bin/sh\necho own pre-commit >> \"$CALLS\"\n");
    let before = fixture.picture();
    fixture.install();
    for name in ["one", "two"] {
        fixture.saying(&fixture.home.join(name).join("pre-commit"), name);
        config(&dir(name));
        let report = fixture.install();
        assert_eq!(report.state, HooksState::Ok);
        assert!(report.changes.iter().any(|change| change.action != HookAction::Unchanged), "{report:?}");
        fixture.commit();
        let wanted = [format!("{name} pre-commit"), "kpmo pre-commit".to_owned()];
        assert_eq!(fixture.calls()[..2], wanted);
    }
    // Without it git's own directory is the place again, with what was there.
    config("");
    let report = fixture.install();
    assert_eq!((report.state, report.hooks_dir), (HooksState::Ok, fixture.hooks()));
    assert!(!fixture.try_git(&fixture.repo, &["config", "core.hooksPath"]).status.success());
    fixture.commit();
    assert_eq!(fixture.calls()[..2], ["own pre-commit", "kpmo pre-commit"]);
    assert!(fixture.install().changes.iter().all(|change| change.action == HookAction::Unchanged));
    fixture.uninstall();
    let left = fixture.picture();
    assert_eq!(left.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[test]
fn an_absolute_and_tracked_directory_is_not_touched() {
    let fixture = Fixture::new();
    let tracked = fixture.repo.join(".githooks");
    fixture.saying(&tracked.join("pre-commit"), "tracked");
    fixture.git(&["config", "core.hooksPath", tracked.to_str().unwrap()]);
    fixture.git(&["add", ".githooks"]);
    let before = fixture.picture();
    fixture.install();
    fixture.commit();
    assert_eq!(fixture.calls()[..2], ["tracked pre-commit", "kpmo pre-commit"]);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    fixture.uninstall();
    assert_eq!(fixture.picture(), before);
}

#[test]
fn the_default_spelt_out_is_the_default() {
    let fixture = Fixture::new();
    for value in [".git/hooks", fixture.hooks().to_str().unwrap()] {
        fixture.git(&["config", "core.hooksPath", value]);
        let before = fixture.picture();
        assert_eq!(fixture.install().hooks_dir, fixture.hooks());
        assert_eq!(fixture.git(&["config", "core.hooksPath"]), value);
        fixture.uninstall();
        assert_eq!(fixture.picture(), before);
    }
}

#[test]
fn a_hooks_directory_that_is_a_link_is_elsewhere() {
    let fixture = Fixture::new();
    fixture.saying(&fixture.repo.join("scripts/pre-commit"), "linked");
    fs::remove_dir(fixture.hooks()).unwrap();
    symlink("../scripts", fixture.hooks()).unwrap();
    let before = fixture.picture();
    fixture.install();
    fixture.commit();
    assert_eq!(fixture.calls()[..2], ["linked pre-commit", "kpmo pre-commit"]);
    assert_eq!(fs::read_dir(fixture.repo.join("scripts")).unwrap().count(), 1);
    fixture.uninstall();
    assert_eq!(fixture.picture().into_keys().collect::<Vec<_>>(), before.into_keys().collect::<Vec<_>>());
    assert!(!fixture.try_git(&fixture.repo, &["config", "core.hooksPath"]).status.success());
}

#[test]
fn a_repository_that_was_moved_keeps_its_chain() {
    let mut fixture = Fixture::new();
    husky(&fixture);
    fixture.install();
    let moved = fixture.top().join("moved");
    fs::rename(&fixture.repo, &moved).unwrap();
    fixture.repo = moved;
    let report = fixture.check();
    assert_eq!(report.state, HooksState::Missing);
    assert!(detail(&report, "pre-commit").contains("core.hooksPath is still"));
    assert_eq!(fixture.install().state, HooksState::Ok);
    fixture.commit();
    assert_eq!(fixture.calls()[..2], ["husky pre-commit", "kpmo pre-commit"]);
    fixture.uninstall();
    assert_eq!(fixture.git(&["config", "core.hooksPath"]), ".husky/_");
}

#[test]
fn a_lost_record_leads_to_gits_default() {
    let fixture = Fixture::new();
    husky(&fixture);
    fixture.saying(&fixture.hooks().join("pre-commit"), "own");
    fixture.install();
    fs::remove_file(fixture.common().join("kpmo/chain")).unwrap();
    fixture.install();
    fixture.commit();
    assert_eq!(fixture.calls()[..2], ["own pre-commit", "kpmo pre-commit"]);
    fixture.uninstall();
    assert!(!fixture.try_git(&fixture.repo, &["config", "core.hooksPath"]).status.success());
}

#[test]
fn a_setting_that_is_gone_brings_the_own_directory_back() {
    let fixture = Fixture::new();
    husky(&fixture);
    fixture.install();
    fixture.git(&["config", "--unset", "core.hooksPath"]);
    assert_eq!(fixture.check().state, HooksState::Missing);
    assert_eq!(fixture.install().hooks_dir, fixture.hooks());
    assert!(!fixture.common().join("kpmo").exists());
    fixture.commit();
    assert_eq!(fixture.calls(), ["kpmo pre-commit", "kpmo post-commit"]);
}

#[test]
fn a_dry_run_leaves_the_setting_alone() {
    let fixture = Fixture::new();
    husky(&fixture);
    let before = fixture.picture();
    let report = install(&fixture.place(), &fixture.wanted(), &fixture, &DryRun::default()).unwrap();
    assert_eq!((report.state, fixture.picture()), (HooksState::Ok, before));
    fixture.install();
    let installed = fixture.picture();
    uninstall(&fixture.place(), &fixture.program, &fixture, &DryRun::default()).unwrap();
    assert_eq!(fixture.picture(), installed);
}

#[test]
fn a_value_of_any_bytes_comes_back() {
    let fixture = Fixture::new();
    let value = crate::fs::path_from(b"odd\n\xff dir");
    let setting = Remembered::path(Some(value.clone()));
    let place = |setting: &Remembered| HooksPlace {
        configured: setting.0.borrow().clone().map(|value| HooksPathConfig {
            value,
            local: true,
            written: None,
            inherited: None,
        }),
        ..fixture.place()
    };
    install(&place(&setting), &fixture.wanted(), &setting, &RealWriter).unwrap();
    assert_eq!(setting.0.borrow().as_deref(), Some(&*fixture.shadow()));
    let report = uninstall(&place(&setting), &fixture.program, &setting, &RealWriter).unwrap();
    assert_eq!(setting.0.borrow().as_ref(), Some(&value));
    assert_eq!(report.hooks_dir, fixture.repo.join(value));
}

#[test]
fn what_a_tool_put_into_kpmos_own_directory_is_left_and_told() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.repo.join("tools")).unwrap();
    script(&fixture.repo.join("tools/pre-commit"), "#!/bin/sh\n");
    let setting = Remembered::path(Some("tools".into()));
    let place = || HooksPlace {
        configured: setting.0.borrow().clone().map(|value| HooksPathConfig {
            value,
            local: true,
            written: None,
            inherited: None,
        }),
        ..fixture.place()
    };
    install(&place(), &fixture.wanted(), &setting, &RealWriter).unwrap();
    let own = fixture.common().join("kpmo/hooks/pre-commit");
    fs::remove_file(&own).unwrap();
    script(&own, "#!/bin/sh\n# a tool's\n");
    install(&place(), &fixture.wanted(), &setting, &RealWriter).unwrap();
    assert!(own.is_symlink());
    let report = uninstall(&place(), &fixture.program, &setting, &RealWriter).unwrap();
    let change = report.changes.iter().find(|change| change.event == "pre-commit").unwrap();
    assert_eq!((change.action, &change.path), (HookAction::Foreign, &own));
    assert!(change.detail.contains("kpmo/hooks/pre-commit"), "{change:?}");
    assert!(fs::read_to_string(own).unwrap().contains("a tool's"));
}
