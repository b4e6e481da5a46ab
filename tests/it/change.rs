//! What is changed of registered repositories, and what goes on in spite of it.

use std::fs;

use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;

use crate::world::{Caller, World, same, secret, tree};
use kpmo::generated::kanban as proto;

const FILES: [(&str, &str); 1] = [("a.txt", "one\n")];

fn entry(world: &World, name: &str) -> Value {
    world.json(["repo", "show", name])["repos"][0].clone()
}

#[test]
fn several_fields_of_several_repositories_change_in_one_edit() {
    let world = World::new().repo("api", &FILES).repo("lib", &FILES).repo("web", &FILES).up();
    world.edit_registry("repos:\n", "repos: # ours\n  # the first\n");
    let before = world.registry();

    let dry = ["repo", "set", "api", "web", "--stage", "prod", "--tag", "http", "--role", "x", "--dry-run"];
    let told = world.kpmo(dry).fine();
    for words in
        ["--- ", "+++ ", "@@", "+    stage: prod\n", "api: stage dev -> prod; role - -> x; tags - -> http\n"]
    {
        assert!(told.stdout.contains(words), "{words:?}: {}", told.stdout);
    }
    assert_eq!(world.registry(), before);
    assert_eq!(world.events("repo-changed").len(), 0);

    world.kpmo(&dry[..dry.len() - 1]).fine().says("web: stage dev -> prod");
    let after = world.registry();
    assert!(after.contains("repos: # ours\n  # the first\n"), "{after}");
    for name in ["api", "web"] {
        let repo = entry(&world, name);
        assert_eq!((&repo["stage"], &repo["role"]), (&json!("prod"), &json!("x")));
        assert_eq!(repo["tags"], json!(["http"]));
    }
    assert_eq!(entry(&world, "lib")["stage"], "dev");
    let events = world.events("repo-changed");
    assert_eq!(events.len(), 2);
    assert_eq!(
        events[0]["attributes"],
        json!({ "name": "api", "fields": "stage,role,tags", "stage": "prod", "old_stage": "dev" })
    );

    // Once more: nothing to do, and said so.
    let again = world.json(["repo", "set", "api", "web", "--stage", "prod", "--tag", "http"]);
    assert_eq!(again["changes"][0]["fields"], json!([]));
    world.kpmo(["repo", "set", "web", "--role", "x"]).fine().says("web: unchanged\n");
    assert_eq!((world.registry(), world.events("repo-changed").len()), (after, 2));
}

#[test]
fn every_field_can_be_set_and_taken_out() {
    let world = World::new().repo("app", &FILES).up();
    let set = [
        (
            "remote_url",
            &["--remote-url", "https://example.org/app.git"][..],
            json!("https://example.org/app.git"),
        ),
        ("default_branch", &["--default-branch", "trunk"], json!("trunk")),
        ("status", &["--status", "offline-only"], json!("offline-only")),
        ("stage", &["--stage", "staging"], json!("staging")),
        ("role", &["--role", "shop: the 'front'"], json!("shop: the 'front'")),
        ("tags", &["--tag", "b", "--tag", "a"], json!(["b", "a"])),
        ("env_template", &["--env-template", "web"], json!("web")),
        ("gitignore_profile", &["--gitignore-profile", "rust"], json!("rust")),
        ("verify", &["--verify", "make test", "--verify", "make lint"], json!(["make test", "make lint"])),
    ];
    for (field, args, wanted) in &set {
        let told = world.json([&["repo", "set", "app"], *args].concat());
        assert_eq!(told["changes"][0]["fields"][0]["new"], *wanted, "{field}");
        assert_eq!(entry(&world, "app")[field], *wanted, "{field}");
    }
    let clear = [
        ("remote_url", &["--no-remote-url"][..], Value::Null),
        ("default_branch", &["--default-branch", ""], Value::Null),
        ("status", &["--status", "active"], json!("active")),
        ("stage", &["--stage", "dev"], json!("dev")),
        ("role", &["--role="], Value::Null),
        ("tags", &["--untag", "b", "--untag", "none", "--tag", "c"], json!(["a", "c"])),
        ("env_template", &["--env-template="], Value::Null),
        ("gitignore_profile", &["--gitignore-profile="], Value::Null),
        ("verify", &["--no-verify"], json!([])),
    ];
    for (field, args, wanted) in &clear {
        world.kpmo([&["repo", "set", "app"], *args].concat()).fine();
        assert_eq!(entry(&world, "app")[field], *wanted, "{field}");
    }
    for (args, words) in [
        (&["--stage", "later"][..], "dev, staging, prod"),
        (&["--tag", ""], "tags"),
        (&[], "required"),
        (&["--verify", " "], "verify"),
        (&["--env-template", "a/b"], "env_template"),
    ] {
        world.kpmo([&["repo", "set", "app"], args].concat()).ended(2).says(words);
    }
}

#[test]
fn no_credential_gets_into_the_registry_the_ledger_or_a_diff() {
    let world = World::new().repo("app", &FILES).up();
    world.edit_registry("repos:\n", "repos:\n  # was https://someone:hunter2hunter2@example.org/old.git\n");
    for dry in [&["--dry-run"][..], &[]] {
        for url in
            ["https://someone:hunter2hunter2@example.org/a.git", "https://hunter2hunter2@example.org/b.git"]
        {
            let args = [&["repo", "set", "app", "--remote-url", url], dry].concat();
            world.kpmo(args).fine().says("is left out").hides("hunter2");
        }
    }
    assert_eq!(entry(&world, "app")["remote_url"], "https://example.org/b.git");
    assert_eq!(world.registry().matches("hunter2hunter2").count(), 1, "only in the comment");
    world.kpmo(["repo", "set", "app", "--verify", "deploy --token hunter2hunter2"]).fine();
    world.kpmo(["events", "--json"]).fine().hides("hunter2").says("\"fields\":\"verify\"");
}

#[test]
fn history_goes_on_under_a_new_name() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES).up();
    world.policy("repos: {shop: {rules: {secrets: {severity: off}}}}\n");
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine().silent();
    let snapshot = world.snapshot("app");
    app.slip("key.txt", secret());
    app.stage("b.txt", "b\n").commit().fine();
    world.until_unvalidated("app", 1);
    let id = world.status("app")["id"].clone();
    world.until_captured();

    world.kpmo(["repo", "rename", "app", "lib"]).ended(1).says("`lib` is registered already");
    world.kpmo(["repo", "rename", "app", "a/b"]).ended(2).says("`name` must not contain `/`");
    world
        .kpmo(["repo", "rename", "app", "shop", "--dry-run"])
        .fine()
        .says("name: shop")
        .says("app: name app -> shop");
    world.kpmo(["repo", "rename", "app", "second"]).fine().says("app: name app -> second\n");
    world.kpmo(["status", "app"]).ended(2);
    assert_eq!(world.status("second")["unvalidated"], 1);
    world.kpmo(["repo", "rename", "second", "shop"]).fine();

    let status = world.status("shop");
    // By what holds under this name it passes.
    assert_eq!((&status["id"], &status["unvalidated"], &status["hooks"]), (&id, &0.into(), &"ok".into()));
    assert!(world.snapshots("shop").iter().any(|it| it["id"] == snapshot.as_str()));
    let told = world.kpmo(["events", "--json", "--repo", "shop"]).fine().stdout;
    assert!(told.contains("repo-added") && told.contains("\"old_name\":\"app\""), "{told}");
    // The new name's settings hold: this is the secret that was refused before.
    app.stage("c.txt", secret()).commit().fine();
    world.kpmo(["repo", "rename", "shop", "app"]).fine().says("policy.yml has settings for `shop`");
    app.stage("d.txt", secret()).commit().refused().says("refused in app");
    app.git(["reset", "-q", "--hard"]).fine();
    // And what it was comes back, by the new name.
    fs::remove_dir_all(&app.path).unwrap();
    world.kpmo(["repo", "rename", "app", "third"]).fine();
    world.kpmo(["restore", "third", "--snapshot", &snapshot]).fine().says("third: restored");
    assert_eq!(fs::read_to_string(app.path.join("a.txt")).unwrap(), "two\n");
}

#[test]
fn a_repository_that_was_moved_is_restored_to_where_it_is_now() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), ("dir/b.txt", "b\n")]).up();
    let app = world.at("app");
    app.write("a.txt", "not committed\n").write("dir/new.bin", [0, 255, 10]);
    let old = world.snapshot("app");
    let before = tree(&app.path);

    let new = world.path("src/work/shop");
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    fs::rename(&app.path, &new).unwrap();
    world.kpmo(["repo", "set", "app", "--local-path", "nowhere"]).ended(2).says("does not exist");
    world.kpmo(["repo", "set", "app", "--local-path", "work"]).ended(1).says("work");
    let told = world.kpmo(["repo", "set", "app", "--local-path", "work/shop"]).fine();
    assert!(told.stdout.starts_with("app: local_path "), "{told:?}");
    assert_eq!(entry(&world, "app")["local_path"], new.to_str().unwrap());
    let event = &world.events("repo-changed")[0]["attributes"];
    assert_eq!((&event["old_path"], &event["path"]), (&json!(app.path), &json!(new)));
    // It is taken at its new place by itself, and hooks go on.
    world.until_captured();
    let status = world.status("app");
    assert_eq!((&status["hooks"], &status["dirty"]), (&"ok".into(), &2.into()));
    let moved = app.beside(&new);
    moved.stage("key.txt", secret()).commit().refused().says("refused in app");
    moved.git(["rm", "-qf", "key.txt"]).fine();

    // Nothing of a file is stored anew for having moved.
    let latest = world.snapshot("app");
    let shown = world.json(["show", &latest]);
    assert_eq!(shown["status"], "complete", "{shown}");
    world.kpmo(["diff", &old, &latest, "--repo", "app", "--name-only"]).fine().hides("a.txt");

    // The snapshot of before goes where the repository is now.
    moved.write("a.txt", "later\n");
    world.kpmo(["restore", "app", "--snapshot", &old, "--force", "--dry-run"]).fine().says("a.txt");
    world.kpmo(["restore", "app", "--snapshot", &old, "--force"]).fine().says("work/shop");
    assert!(!app.path.exists());
    same(&before, &tree(&new));
    moved.git(["fsck", "--strict"]).fine();
    world.nothing_beside(&new);
    moved.write("a.txt", "later\n");
    world.kpmo(["restore", "app", "a.txt", "--snapshot", &old, "--force"]).fine();
    assert_eq!(fs::read_to_string(new.join("a.txt")).unwrap(), "not committed\n");
    // Also after it is gone from there.
    fs::remove_dir_all(&new).unwrap();
    world.kpmo(["restore", "app", "--snapshot", &old]).fine();
    same(&before, &tree(&new));
    assert!(!app.path.exists());
}

#[test]
fn hooks_that_go_by_an_absolute_path_are_healed_where_a_repository_moves() {
    let world = World::new().repo("app", &FILES);
    let app = world.at("app");
    app.write("tools/hooks/pre-commit", "#!/bin/sh\n")
        .git(["config", "core.hooksPath", "tools/hooks"])
        .fine();
    fs::set_permissions(
        app.path.join("tools/hooks/pre-commit"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let world = world.up();
    let app = world.at("app");
    let new = world.path("src/moved");
    fs::rename(&app.path, &new).unwrap();
    world.kpmo(["repo", "set", "app", "--local-path", "moved"]).fine();
    assert_eq!(world.status("app")["hooks"], "ok");
    app.beside(&new).stage("key.txt", secret()).commit().refused().says("refused in app");
}

#[test]
fn linked_work_trees_that_a_move_cuts_off_are_told() {
    let world = World::new().repo("app", &FILES).up();
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "../linked"]).fine();
    let new = world.path("src/moved");
    fs::rename(&app.path, &new).unwrap();
    let told = world.kpmo(["repo", "set", "app", "--local-path", "moved"]).fine();
    assert!(
        told.stderr.contains("src/linked; `git -C ") && told.stderr.contains("worktree repair`"),
        "{told:?}"
    );
    app.beside(&new).git(["worktree", "repair"]).fine();
    // Now it is found again, and is of the snapshot.
    world.snapshot("app");
    let shown = world.json(["show", "latest", "app"]);
    assert!(shown.to_string().contains("src/linked"), "{shown}");
    world.kpmo(["repo", "set", "app", "--local-path", "moved"]).fine().hides("repair").says("app: unchanged");
}

#[test]
fn a_place_is_one_repositorys() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES).up();
    world
        .kpmo(["repo", "set", "app", "--local-path", "lib"])
        .ended(2)
        .says("is registered already, as `lib`");
    world.kpmo(["repo", "set", "app", "lib", "--local-path", "lib"]).ended(2).says("can't be at one path");
    // A copy is another repository: what is left behind is told.
    std::process::Command::new("cp")
        .arg("-a")
        .arg(world.path("src/app"))
        .arg(world.path("src/copy"))
        .status()
        .unwrap();
    world.kpmo(["repo", "set", "app", "--local-path", "copy"]).fine().says("src/app still has a repository");
}

#[test]
fn a_change_that_rests_on_an_older_registry_is_refused_over_grpc() {
    let world = World::new().repo("app", &FILES).up();
    let caller = Caller::new(&world).unwrap();
    let mut registry = caller.registry();
    let listed = caller.wait(registry.list_repos(proto::ListReposRequest::default())).unwrap();
    let base_version = listed.registry_version;
    world.edit_registry("repos:\n", "repos:\n  # by hand\n");

    let patch = proto::RepoPatch { role: Some("x".into()), ..proto::RepoPatch::default() };
    let update = proto::UpdateRepoRequest {
        selectors: vec!["app".into()],
        patch: Some(patch),
        base_version: base_version.clone(),
        ..proto::UpdateRepoRequest::default()
    };
    let rename = proto::RenameRepoRequest {
        selector: "app".into(),
        new_name: "shop".into(),
        base_version: base_version.clone(),
        dry_run: false,
    };
    let stale = [
        caller.wait(registry.update_repo(update.clone())).unwrap_err(),
        caller.wait(registry.rename_repo(rename.clone())).unwrap_err(),
    ];
    let current =
        caller.wait(registry.list_repos(proto::ListReposRequest::default())).unwrap().registry_version;
    for status in stale {
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (Code::Aborted, "STALE_VERSION"));
        assert_eq!(info.metadata["current"], current);
    }
    assert!(!world.registry().contains("role"));

    let update = proto::UpdateRepoRequest { base_version: current, ..update };
    let done = caller.wait(registry.update_repo(update)).unwrap();
    assert_eq!(done.changes[0].fields, ["role"]);
    let rename = proto::RenameRepoRequest { base_version: done.registry_version, ..rename };
    let done = caller.wait(registry.rename_repo(rename)).unwrap();
    let change = done.change.unwrap();
    assert_eq!((change.old.unwrap().name, change.new.unwrap().name), ("app".into(), "shop".into()));

    let refused = |request: proto::UpdateRepoRequest, reason: &str| {
        let status = caller.wait(caller.registry().update_repo(request)).unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, reason, "{status:?}");
    };
    let shop = vec!["shop".to_owned()];
    let empty = proto::UpdateRepoRequest { selectors: shop.clone(), ..proto::UpdateRepoRequest::default() };
    refused(empty.clone(), "BAD_REQUEST");
    let unknown = proto::RepoPatch { stage: 99, ..proto::RepoPatch::default() };
    refused(proto::UpdateRepoRequest { patch: Some(unknown), ..empty.clone() }, "BAD_REQUEST");
    let role = proto::RepoPatch { role: Some("y".into()), ..proto::RepoPatch::default() };
    refused(
        proto::UpdateRepoRequest { patch: Some(role.clone()), selectors: Vec::new(), ..empty.clone() },
        "BAD_REQUEST",
    );
    refused(
        proto::UpdateRepoRequest { patch: Some(role), selectors: vec!["zz*".into()], ..empty },
        "REPO_NOT_FOUND",
    );
}

#[test]
fn many_changes_at_once_without_a_version_are_all_made() {
    const CALLERS: usize = 8;
    const EACH: usize = 5;
    let world = World::new().repo("app", &FILES).up();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let world = &world;
            scope.spawn(move || {
                let connection = Caller::new(world).unwrap();
                for at in 0..EACH {
                    let patch = proto::RepoPatch {
                        add_tags: vec![format!("{caller}-{at}")],
                        ..proto::RepoPatch::default()
                    };
                    let update = proto::UpdateRepoRequest {
                        selectors: vec!["app".into()],
                        patch: Some(patch),
                        ..proto::UpdateRepoRequest::default()
                    };
                    connection.wait(connection.registry().update_repo(update)).unwrap();
                }
            });
        }
    });
    assert_eq!(entry(&world, "app")["tags"].as_array().unwrap().len(), CALLERS * EACH);
}

#[test]
fn repositories_added_at_once_are_named_apart_and_registered_once() {
    let world = World::new().repo("app", &FILES).up();
    let places = ["x/api", "y/api", "z/api"];
    for place in places {
        world.init(place, &[], &FILES);
    }
    std::thread::scope(|scope| {
        for place in [places, places].concat() {
            let world = &world;
            scope.spawn(move || {
                let caller = Caller::new(world).unwrap();
                let path = world.at(place).path.to_str().unwrap().into();
                let add = proto::AddRepoRequest { path, ..proto::AddRepoRequest::default() };
                caller.wait(caller.registry().add_repo(add)).unwrap();
            });
        }
    });
    let listed = world.json(["repo", "list"]);
    let names: Vec<&str> =
        listed["repos"].as_array().unwrap().iter().map(|repo| repo["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "api").count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with("-api")).count(), 2, "{names:?}");
    assert_eq!(world.events("repo-added").len(), 4);
}

#[test]
fn changes_at_once_lose_nothing() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES).up();
    std::thread::scope(|scope| {
        for tag in ["a", "b", "c", "d", "e", "f"] {
            let world = &world;
            scope.spawn(move || world.kpmo(["repo", "set", "--all", "--tag", tag]).fine());
        }
    });
    for name in ["app", "lib"] {
        let mut tags: Vec<_> = entry(&world, name)["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| tag.as_str().unwrap().to_owned())
            .collect();
        tags.sort();
        assert_eq!(tags, ["a", "b", "c", "d", "e", "f"]);
    }
    assert_eq!(world.events("repo-changed").len(), 12);
}
