//! The repository's own hooks directory.

use super::*;
use crate::{
    fs::{Change, DryRun},
    install::HooksState,
};

#[test]
fn an_empty_directory_gets_a_link_for_each_event_and_loses_them_again() {
    let fixture = Fixture::new();
    let before = fixture.picture();
    assert_eq!(fixture.check().state, HooksState::Missing);

    let report = fixture.install();
    assert_eq!((report.state, report.hooks_dir.clone()), (HooksState::Ok, fixture.hooks()));
    assert!(report.changes.iter().all(|change| change.action == HookAction::Installed));
    for event in EVENTS {
        assert_eq!(fs::read_link(fixture.hooks().join(event)).unwrap(), fixture.program);
    }
    assert_eq!(fixture.check().state, HooksState::Ok);

    let installed = fixture.picture();
    let again = fixture.install();
    assert!(again.changes.iter().all(|change| change.action == HookAction::Unchanged));
    assert_eq!(fixture.picture(), installed);

    let report = fixture.uninstall();
    assert_eq!(report.state, HooksState::Missing);
    assert!(report.changes.iter().all(|change| change.action == HookAction::Removed));
    assert_eq!(fixture.picture(), before);
}

#[test]
fn a_hooks_directory_that_was_not_there_is_gone_afterwards() {
    let fixture = Fixture::new();
    fs::remove_dir(fixture.hooks()).unwrap();
    let before = fixture.picture();
    assert_eq!(fixture.install().state, HooksState::Ok);
    assert_eq!(fixture.install().state, HooksState::Ok);
    fixture.uninstall();
    assert_eq!(fixture.picture(), before);
}

#[test]
fn new_directories_take_the_mode_of_the_git_directory() {
    let fixture = Fixture::new();
    fs::remove_dir(fixture.hooks()).unwrap();
    fs::set_permissions(fixture.common(), fs::Permissions::from_mode(0o700)).unwrap();
    fixture.install();
    fixture.hook("pre-commit.new", "");
    fs::rename(fixture.hooks().join("pre-commit.new"), fixture.hooks().join("pre-commit")).unwrap();
    fixture.install();
    for dir in ["hooks", "hooks.kpmo", "kpmo"] {
        let mode = fs::metadata(fixture.common().join(dir)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{dir}");
    }
}

#[test]
fn a_hook_of_any_kind_is_kept_aside_and_comes_back_as_it_was() {
    let fixture = Fixture::new();
    let hooks = fixture.hooks();
    fixture.hook("pre-commit", "#!/bin/sh\nexit 0\n");
    fs::write(hooks.join("pre-push"), b"\x7fELF\0\xff").unwrap();
    symlink("helper", hooks.join("post-commit")).unwrap();
    fixture.hook("helper", "#!/bin/sh\n");
    symlink("../nowhere", hooks.join("post-merge")).unwrap();
    symlink("post-rewrite.sample", hooks.join("post-rewrite")).unwrap();
    fixture.hook("post-rewrite.sample", "#!/bin/sh\n");
    fixture.hook("pre-push.sample", "#!/bin/sh\n");
    fs::set_permissions(hooks.join("pre-commit"), fs::Permissions::from_mode(0o4751)).unwrap();
    let before = fixture.picture();
    assert_eq!(fixture.check().state, HooksState::Foreign);

    let report = fixture.install();
    assert_eq!(report.state, HooksState::Ok);
    let found = actions(&report);
    for (event, action) in [
        ("pre-commit", HookAction::Chained),
        ("pre-push", HookAction::Chained),
        ("post-commit", HookAction::Chained),
        ("post-merge", HookAction::Chained),
        ("post-rewrite", HookAction::Chained),
        ("pre-merge-commit", HookAction::Installed),
    ] {
        assert_eq!(found[event], action, "{event}");
    }
    assert!(detail(&report, "pre-push").contains("is not executable"), "{}", detail(&report, "pre-push"));
    assert!(detail(&report, "post-merge").contains("is not there"));

    let aside = fixture.common().join("hooks.kpmo");
    assert_eq!(fs::read_link(aside.join("post-commit")).unwrap(), Path::new("helper"));
    assert_eq!(fs::read_link(aside.join("helper")).unwrap(), Path::new("../hooks/helper"));
    assert!(aside.join("post-rewrite").exists(), "the sample that it leads to is mirrored");
    assert!(!aside.join("pre-push.sample").is_symlink());

    // A helper that goes loses its mirror at the next installation.
    fs::remove_file(hooks.join("helper")).unwrap();
    fixture.install();
    assert!(!aside.join("helper").is_symlink());
    fixture.hook("helper", "#!/bin/sh\n");
    let stamp = before[Path::new("hooks/helper")].2.unwrap();
    fs::File::options().write(true).open(hooks.join("helper")).unwrap().set_modified(stamp).unwrap();

    let report = fixture.uninstall();
    assert_eq!(actions(&report)["post-commit"], HookAction::Restored);
    assert_eq!(fixture.picture(), before);
}

#[test]
fn a_directory_in_a_hooks_place_is_refused_before_anything_is_changed() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", "#!/bin/sh\n");
    fs::create_dir(fixture.hooks().join("post-rewrite")).unwrap();
    let before = fixture.picture();
    let refused = install(&fixture.place(), &fixture.wanted(), &fixture, &RealWriter).unwrap_err();
    assert!(matches!(&refused, InstallError::Directory { path } if path.ends_with("hooks/post-rewrite")));
    assert_eq!(fixture.picture(), before);

    fs::remove_dir_all(fixture.hooks()).unwrap();
    fs::write(fixture.hooks(), "").unwrap();
    let refused = install(&fixture.place(), &fixture.wanted(), &fixture, &RealWriter).unwrap_err();
    assert!(matches!(refused, InstallError::NotADirectory { .. }));
    assert_eq!(fixture.check().state, HooksState::Missing);
    assert_eq!(fixture.uninstall().state, HooksState::Missing);
}

#[test]
fn a_hook_program_that_cannot_run_is_refused_with_the_mend() {
    let fixture = Fixture::new();
    fs::set_permissions(&fixture.program, fs::Permissions::from_mode(0o644)).unwrap();
    for program in [fixture.program.clone(), fixture.home.join("bin/none"), PathBuf::from("bin/kpmo-hook")] {
        let refused = {
            let wanted = Wanted { program: &program, ..fixture.wanted() };
            install(&fixture.place(), &wanted, &fixture, &RealWriter).unwrap_err().to_string()
        };
        assert!(refused.contains("kpmo up") && refused.contains(program.to_str().unwrap()), "{refused}");
    }
    assert!(fs::read_dir(fixture.hooks()).unwrap().next().is_none());
}

#[test]
fn links_that_do_not_work_are_told_and_healed() {
    let fixture = Fixture::new();
    fixture.install();
    fs::remove_file(&fixture.program).unwrap();
    let report = fixture.check();
    assert_eq!(report.state, HooksState::Missing);
    assert!(detail(&report, "pre-push").contains("is not there"));

    script(&fixture.program, HOOK_PROGRAM);
    assert_eq!(fixture.check().state, HooksState::Ok);
    fs::remove_file(fixture.hooks().join("pre-push")).unwrap();
    assert_eq!(fixture.check().state, HooksState::Partial);
    assert_eq!(actions(&fixture.install())["pre-push"], HookAction::Installed);
}

#[test]
fn a_link_to_another_home_is_ours_and_a_link_to_a_namesake_is_not() {
    let fixture = Fixture::new();
    let other = fixture.top().join("other/bin");
    fs::create_dir_all(&other).unwrap();
    script(&other.join("kpmo-hook"), HOOK_PROGRAM);
    symlink(other.join("kpmo-hook"), fixture.hooks().join("pre-commit")).unwrap();
    assert_eq!(actions(&fixture.check())["pre-commit"], HookAction::Foreign);

    fs::write(other.join("home.json"), "{}").unwrap();
    let report = fixture.check();
    assert_eq!(actions(&report)["pre-commit"], HookAction::Missing);
    assert!(detail(&report, "pre-commit").contains("not this home's"));
    // While that home is there, its hooks are not this one's to take away.
    fs::create_dir(fixture.common().join("hooks.kpmo")).unwrap();
    script(&fixture.common().join("hooks.kpmo/pre-commit"), "#!/bin/sh\n# chained by the other\n");
    let before = fixture.picture();
    let report = fixture.uninstall();
    assert_eq!(actions(&report)["pre-commit"], HookAction::Foreign);
    assert!(detail(&report, "pre-commit").contains("and is left"));
    assert_eq!(fixture.picture(), before);
    assert_eq!(actions(&fixture.install())["pre-commit"], HookAction::Healed);

    // A home that is gone leaves dead links; others' dead links stay theirs.
    fs::remove_dir_all(&other).unwrap();
    for (target, action) in [
        (other.join("kpmo-hook"), HookAction::Missing),
        (PathBuf::from("../bin/kpmo-hook"), HookAction::Foreign),
    ] {
        fs::remove_file(fixture.hooks().join("pre-commit")).unwrap();
        symlink(target, fixture.hooks().join("pre-commit")).unwrap();
        assert_eq!(actions(&fixture.check())["pre-commit"], action);
    }

    // A script that speaks of kpmo is somebody else's all the same.
    fs::remove_file(fixture.hooks().join("pre-push")).unwrap();
    fixture.hook("pre-push", "#!/bin/sh\n# runs kpmo-hook shim 1, id 5d0c6c3e9b1f4d0a\nexec kpmo-hook\n");
    assert_eq!(actions(&fixture.check())["pre-push"], HookAction::Foreign);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", "#!/bin/sh\n");
    let before = fixture.picture();
    let writer = DryRun::default();
    let report = install(&fixture.place(), &fixture.wanted(), &fixture, &writer).unwrap();
    assert_eq!(fixture.picture(), before);
    assert_eq!(actions(&report)["pre-commit"], HookAction::Chained);
    let (hook, kept) = (fixture.hooks().join("pre-commit"), fixture.common().join("hooks.kpmo/pre-commit"));
    let changes = writer.changes();
    let position = |wanted: Change| changes.iter().position(|change| *change == wanted).unwrap();
    assert!(
        position(Change::HardLink(hook.clone(), kept))
            < position(Change::Link(fixture.program.clone(), hook))
    );

    fixture.install();
    let installed = fixture.picture();
    let writer = DryRun::default();
    install(&fixture.place(), &fixture.wanted(), &fixture, &writer).unwrap();
    assert_eq!(writer.changes(), [], "nothing is left to do");
    let report = uninstall(&fixture.place(), &fixture.program, &fixture, &writer).unwrap();
    assert_eq!(actions(&report)["pre-commit"], HookAction::Restored);
    assert_eq!(fixture.picture(), installed);
}

#[test]
fn what_a_crash_left_of_our_own_writing_is_swept() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", "#!/bin/sh\n");
    let before = fixture.picture();
    symlink(&fixture.program, fixture.hooks().join(".pre-push.kpmo-41-7")).unwrap();
    fixture.install();
    assert!(!fixture.hooks().join(".pre-push.kpmo-41-7").is_symlink());
    fs::write(fixture.common().join("hooks.kpmo/.pre-commit.kpmo-41-8"), "half").unwrap();
    fixture.uninstall();
    assert_eq!(fixture.picture(), before);
}

#[test]
fn the_table_of_events_names_what_is_installed() {
    let table = include_str!("../../../hooks/events.md");
    let rows: Vec<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name))
        .collect();
    let all: Vec<_> = EVENTS.into_iter().chain(crate::install::ON_DEMAND).collect();
    assert_eq!(rows, all);
}

#[test]
fn the_list_of_hooks_is_gits_and_the_hook_programs() {
    let fixture = Fixture::new();
    let mut ours: Vec<_> = crate::install::events::all().collect();
    ours.sort_unstable();
    assert_eq!(ours, crate::hook::chain::GIT_HOOKS);
    for name in &ours {
        fixture.hook(name, "#!/bin/sh\n");
    }
    // git's own list: its bug report names the hooks that it finds.
    fixture.git(&["bugreport", "--no-suffix", "-o", "report"]);
    let report = fs::read_to_string(fixture.repo.join("report/git-bugreport.txt")).unwrap();
    let found: Vec<_> = report.lines().skip_while(|line| *line != "[Enabled Hooks]").skip(1).collect();
    for name in ours {
        assert!(found.contains(&name), "git knows no hook {name}: {found:?}");
    }
}
