//! What git makes of it.

use super::*;

#[test]
fn a_hook_from_before_runs_first_and_finds_its_surroundings() {
    let fixture = Fixture::new();
    fixture.hook("helper", "#!/bin/sh\necho \"helper for $1\" >> \"$CALLS\"\n");
    fs::create_dir(fixture.hooks().join("lib")).unwrap();
    fs::write(fixture.hooks().join("lib/part.sh"), "echo part >> \"$CALLS\"\n").unwrap();
    fixture.hook(
        "pre-commit",
        "#!/bin/sh\nd=$(dirname \"$0\")\n\"$d/helper\" \"$(basename \"$0\")\"\n. \"$d/lib/part.sh\"\n[ -f \
         \"$d/../HEAD\" ] && echo above >> \"$CALLS\"\n",
    );
    fixture.install();
    assert!(fixture.commit().status.success());
    let said = ["helper for pre-commit", "part", "above", "kpmo pre-commit", "kpmo post-commit"];
    assert_eq!(fixture.calls(), said);
}

#[test]
fn its_refusal_is_the_hooks_refusal_and_nothing_is_committed() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", "#!/bin/sh\necho refused >> \"$CALLS\"\nexit 3\n");
    fixture.install();
    assert!(!fixture.commit().status.success());
    assert_eq!(fixture.calls(), ["refused"]);
    assert!(!fixture.try_git(&fixture.repo, &["rev-parse", "-q", "--verify", "HEAD"]).status.success());
    fixture.uninstall();
    assert!(!fixture.commit().status.success());
}

#[test]
fn linked_worktrees_and_pushes_go_through_the_same_hooks() {
    let fixture = Fixture::new();
    fixture.hook("pre-push", "#!/bin/sh\necho \"$1 $(cut -d' ' -f3)\" >> \"$CALLS\"\n");
    fixture.install();
    fixture.commit();
    fixture.git(&["worktree", "add", "-q", "../linked"]);
    fixture.calls();
    let linked = fixture.top().join("linked");
    assert!(fixture.try_git(&linked, &["commit", "-q", "--allow-empty", "-m", "x"]).status.success());
    assert_eq!(fixture.calls(), ["kpmo pre-commit", "kpmo post-commit"]);

    fixture.git(&["init", "-q", "--bare", "../remote.git"]);
    fixture.git(&["push", "-q", "../remote.git", "main"]);
    assert_eq!(fixture.calls(), ["../remote.git refs/heads/main", "kpmo pre-push"]);
}

#[test]
fn a_relative_setting_means_the_work_tree_that_git_is_in() {
    let fixture = Fixture::new();
    fixture.saying(&fixture.repo.join(".githooks/pre-commit"), "tracked");
    fixture.git(&["config", "core.hooksPath", ".githooks"]);
    fixture.git(&["add", "."]);
    fixture.install();
    fixture.commit();
    fixture.git(&["worktree", "add", "-q", "../linked"]);
    fixture.calls();
    let linked = fixture.top().join("linked");
    script(&linked.join(".githooks/pre-commit"), "#!/bin/sh\necho \"changed there\" >> \"$CALLS\"\n");
    assert!(fixture.try_git(&linked, &["commit", "-qam", "x"]).status.success());
    assert_eq!(fixture.calls()[..2], ["changed there", "kpmo pre-commit"]);
}

#[test]
fn a_bare_repository_keeps_the_hooks_of_its_side() {
    let fixture = Fixture::new();
    fixture.git(&["init", "-q", "--bare", "--template=", "../bare.git"]);
    let bare = fixture.top().join("bare.git");
    fixture.saying(&bare.join("own/post-receive"), "bare");
    let place = |value: &Path| HooksPlace {
        common_dir: bare.clone(),
        work_tree: None,
        configured: Some(HooksPathConfig {
            value: value.to_owned(),
            local: true,
            written: None,
            inherited: None,
        }),
        entries: HookEntries::default(),
    };
    let setting = Remembered::default();
    install(&place(Path::new("own")), &fixture.wanted(), &setting, &RealWriter).unwrap();
    let shadow = setting.0.take().unwrap();
    assert!(fixture.try_git(&bare, &["config", "core.hooksPath", shadow.to_str().unwrap()]).status.success());
    fixture.commit();
    fixture.calls();
    fixture.git(&["push", "-q", "../bare.git", "main"]);
    assert_eq!(fixture.calls(), ["bare post-receive", "kpmo post-receive"]);
    uninstall(&place(&shadow), &fixture.program, &setting, &RealWriter).unwrap();
    assert_eq!(setting.0.take().unwrap(), Path::new("own"));
}
