//! `core.hooksPath` that leads elsewhere.

use std::fs;

use crate::world::{Repo, World, differing, secret, tree};

fn config(repo: &Repo<'_>) -> Option<String> {
    let ran = repo.git(["config", "--local", "core.hooksPath"]);
    (ran.code == Some(0)).then(|| ran.stdout.trim_end().to_owned())
}

#[test]
fn hooks_of_a_configured_directory_go_on_and_it_is_not_touched() {
    for tracked in [true, false] {
        let world = World::new().repo("app", &[("a.txt", "one\n"), ("husky.log", "")]);
        let app = world.at("app");
        World::script(&app.path.join(".husky/_/pre-commit"), "#!/bin/sh\necho husky-pre >&2\n");
        World::script(&app.path.join(".husky/_/commit-msg"), "#!/bin/sh\necho husky-msg \"$1\" >&2\n");
        if tracked {
            app.git(["add", ".husky"]).fine();
            app.git(["commit", "-qm", "hooks"]).fine();
        }
        app.git(["config", "core.hooksPath", ".husky/_"]).fine();
        let before = tree(&app.path);
        let world = world.up();
        let app = world.at("app");
        assert_eq!(app.ask(["diff", "HEAD", "--stat"]), "");
        assert_eq!(tree(&app.path.join(".husky")).len(), 3);
        world.kpmo(["install-hooks", "app", "--check"]).fine();

        app.stage("a.txt", "two\n").commit().fine().says("husky-pre").says("husky-msg .git/COMMIT_EDITMSG");
        app.stage("a.txt", secret())
            .commit()
            .refused()
            .says("husky-pre")
            .says("secrets a.txt:1\n")
            .hides("husky-msg");
        app.git(["reset", "-q", "--hard"]).fine();
        World::script(&app.path.join(".husky/_/pre-commit"), "#!/bin/sh\necho changed >&2\nexit 1\n");
        app.stage("a.txt", "three\n").commit().ended(1).says("changed").hides("kpmo");
        app.git(["reset", "-q", "--hard", "HEAD~"]).fine();
        World::script(&app.path.join(".husky/_/pre-commit"), "#!/bin/sh\necho husky-pre >&2\n");

        world.kpmo(["uninstall-hooks", "app"]).fine();
        assert_eq!(config(&app).as_deref(), Some(".husky/_"));
        let left = differing(&tree(&app.path), &before);
        let moved = |path: &std::path::Path| {
            ["index", "ORIG_HEAD", "COMMIT_EDITMSG"].iter().any(|name| path.ends_with(name))
                || path.starts_with(".git/objects")
                || path.starts_with(".git/logs")
        };
        assert!(left.iter().all(|path| moved(path)), "{left:?}");
    }
}

/// Sets `core.hooksPath` in one of the ways that there are; the directory that
/// it then means.
type Set = fn(&World, &Repo<'_>) -> std::path::PathBuf;

const WAYS: [(&str, Set); 6] = [
    ("relative", |_, app| {
        app.git(["config", "core.hooksPath", "tools/hooks"]).fine();
        app.path.join("tools/hooks")
    }),
    ("absolute", |world, app| {
        let dir = world.path("absolute hooks");
        app.git(["config", "core.hooksPath", dir.to_str().unwrap()]).fine();
        dir
    }),
    ("of the home directory", |world, app| {
        app.git(["config", "core.hooksPath", "~/my-hooks"]).fine();
        world.user().join("my-hooks")
    }),
    ("global", |world, app| {
        app.git(["config", "--global", "core.hooksPath", "~/all-hooks"]).fine();
        world.user().join("all-hooks")
    }),
    ("global and relative", |_, app| {
        app.git(["config", "--global", "core.hooksPath", ".hooks"]).fine();
        app.path.join(".hooks")
    }),
    ("the default spelt out", |_, app| {
        app.git(["config", "core.hooksPath", ".git/hooks"]).fine();
        app.path.join(".git/hooks")
    }),
];

#[test]
fn wherever_the_setting_comes_from_its_hooks_run_once_and_it_comes_back() {
    for (way, set) in WAYS {
        let world = World::new().repo("app", &[("a.txt", "one\n")]);
        let app = world.at("app");
        let dir = set(&world, &app);
        World::script(&dir.join("pre-commit"), "#!/bin/sh\necho theirs >&2\n");
        app.git(["add", "-A"]).fine();
        app.git(["commit", "-q", "--allow-empty", "-m", "hooks"]).fine();
        let before = (tree(&dir), app.ask(["config", "--show-origin", "core.hooksPath"]));
        let text = std::fs::read(app.path.join(".git/config")).unwrap();

        let world = world.up();
        let app = world.at("app");
        if way != "the default spelt out" {
            assert_eq!(tree(&dir), before.0, "{way}");
        }
        let said = app.stage("a.txt", secret()).commit().refused();
        assert_eq!(said.stderr.matches("theirs").count(), 1, "{way}: {said:?}");
        app.git(["reset", "-q", "--hard"]).fine();
        assert_eq!(app.ask(["status", "--porcelain"]), "", "{way}");
        assert_eq!(world.status("app")["hooks"], "ok", "{way}");

        world.kpmo(["uninstall-hooks", "app"]).fine();
        assert_eq!((tree(&dir), app.ask(["config", "--show-origin", "core.hooksPath"])), before, "{way}");
        assert!(std::fs::read(app.path.join(".git/config")).unwrap() == text, "{way}");
    }
}

#[test]
fn a_setting_of_a_file_that_has_the_last_word_is_told_and_nothing_is_changed() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    let included = world.user().join("more.config");
    std::fs::write(&included, "[core]\n\thooksPath = .included\n").unwrap();
    app.git(["config", "include.path", included.to_str().unwrap()]).fine();
    let before = tree(&app.path);
    world.kpmo(["repo", "add", "app"]).fine().says("hooks were not installed").says("--show-origin");
    world.kpmo(["install-hooks", "app"]).ended(1).says("core.hooksPath").says(".included");
    let left = differing(&tree(&app.path), &before);
    assert!(left.iter().all(|path| path.ends_with("config") || path.ends_with(".git")), "{left:?}");
    assert_eq!(app.ask(["config", "core.hooksPath"]), ".included");
    assert_eq!(config(&app), None);
    std::fs::remove_file(included).unwrap();
    world.kpmo(["install-hooks", "app"]).fine();
}

#[test]
fn the_configurations_bytes_come_back() {
    for lines in [
        "\thooksPath = tools # why\n",
        "\thooksPath = first\n\thooksPath = \"tools\"\n",
        "  hookspath=tools ; comment\r\n[user]\r\n\tname = x\r\n",
    ] {
        let world = World::new().repo("app", &[("a.txt", "one\n")]);
        let config = world.at("app").path.join(".git/config");
        let before = fs::read_to_string(&config).unwrap() + "[core]\n" + lines;
        fs::write(&config, &before).unwrap();
        let world = world.up();
        let shadow = world.at("app").path.join(".git/kpmo/hooks");
        assert_eq!(world.at("app").ask(["config", "core.hooksPath"]), shadow.to_str().unwrap());
        // What else is written meanwhile stays.
        world.at("app").git(["config", "x.y", "later"]).fine();
        world.kpmo(["uninstall-hooks", "app"]).fine();
        assert_eq!(fs::read_to_string(&config).unwrap(), before + "[x]\n\ty = later\n", "{lines}");
        assert!(!world.at("app").path.join(".git/kpmo").exists());
    }
}

#[test]
fn what_comes_later_into_a_tracked_directory_runs() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    let hook = |name: &str| {
        let text = format!("#!/bin/sh\necho {name} >> \"$HOME/ran\"\n");
        World::script(&app.path.join(".githooks").join(name), &text);
    };
    hook("pre-commit");
    app.git(["config", "core.hooksPath", ".githooks"]).fine();
    let kept = world.up();
    let (world, app) = (&kept, kept.at("app"));
    World::script(
        &app.path.join(".githooks/reference-transaction"),
        "#!/bin/sh\necho transaction >> \"$HOME/ran\"\n",
    );
    app.git(["add", "-A"]).fine();
    app.commit().fine();
    let link = app.path.join(".git/kpmo/hooks/reference-transaction");
    world.until("it is passed on", || link.is_symlink());
    app.stage("a.txt", "two\n").commit().fine();
    assert!(fs::read_to_string(world.user().join("ran")).unwrap().contains("transaction"));
    fs::remove_file(app.path.join(".githooks/reference-transaction")).unwrap();
    app.stage("a.txt", "three\n").commit().fine();
    world.until("it is not any more", || !link.is_symlink());
}

#[test]
fn a_work_tree_that_has_its_own_hooks_path_is_told() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "../linked"]).fine();
    let linked = world.at("linked");
    linked.git(["config", "extensions.worktreeConfig", "true"]).fine();
    world.kpmo(["install-hooks", "--check", "app"]).fine();
    linked.git(["config", "--worktree", "core.hooksPath", "/nowhere"]).fine();
    world
        .kpmo(["install-hooks", "--check", "app"])
        .ended(1)
        .says("app: partial")
        .says("a work tree has a core.hooksPath of its own");
    assert_eq!(world.status("app")["hooks"], "partial");
    linked.git(["config", "--worktree", "--unset", "core.hooksPath"]).fine();
    world.kpmo(["install-hooks", "--check", "app"]).fine();
}

#[test]
fn a_submodule_that_is_registered_has_its_hooks_back_with_the_others() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("part", &[("a.txt", "one\n")]);
    let app = world.at("app");
    app.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../part", "part"]).fine();
    let world = world.up();
    world.kpmo(["repo", "add", "app/part"]).fine();
    world.kpmo(["down"]).fine();
    let hook = world.path("src/app/.git/modules/part/hooks/pre-commit");
    assert!(!hook.is_symlink());
    let world = world.up();
    assert!(hook.is_symlink());
    world.kpmo(["install-hooks", "--check", "--all"]).fine();
}

#[test]
fn linked_work_trees_submodules_and_bare_repositories_have_their_hooks() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("part", &[("p.txt", "one\n")]);
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "../linked"]).fine();
    let part = world.at("part").path;
    app.git([std::ffi::OsStr::new("submodule"), "--quiet".as_ref(), "add".as_ref(), part.as_ref()]).fine();
    app.git(["commit", "-qm", "a part"]).fine();
    let bare = world.init("bare.git", &["--bare"], &[]).path.join("hooks/pre-push");
    let world = world.up();
    world.kpmo(["repo", "add", "app/part"]).fine();
    for place in ["app", "linked", "app/part"] {
        world.at(place).stage("bad.txt", secret()).commit().refused().says("secrets bad.txt:1");
    }
    assert_eq!(std::fs::read_link(bare).unwrap(), world.home().join("bin/kpmo-hook"));
    world.kpmo(["uninstall-hooks", "--all"]).fine();
    for place in ["app", "linked", "app/part"] {
        world.at(place).commit().fine();
    }
}

#[test]
fn in_a_shared_repository_others_of_the_group_may_write_where_kpmo_wrote() {
    let world = World::new();
    let app = world.init("app", &["--shared=group"], &[("a.txt", "one\n")]);
    World::script(&app.hook("pre-commit"), "#!/bin/sh\n");
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o7777
    };
    let hooks = mode(&app.path.join(".git/hooks"));
    assert_eq!(hooks & 0o2770, 0o2770, "git made it so");
    world.kpmo(["repo", "add", "app"]).fine();
    assert_eq!(mode(&app.path.join(".git/hooks.kpmo")) & 0o2770, 0o2770);
    assert_eq!(mode(&app.path.join(".git/hooks")), hooks);
}
