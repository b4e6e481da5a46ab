//! Finding repositories, registering what was found, and knowing again what has
//! moved: `kpmo scan`, `kpmo repo add`, `kpmo up`.

mod moved;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::world::{Ran, Repo, World, is_root, secret};

const FILES: [(&str, &str); 1] = [("a.txt", "one\n")];

/// What `kpmo repo list` has, as (name, id, path in `src`).
fn entries(world: &World) -> Vec<(String, String, String)> {
    let listed = world.json(["repo", "list"])["repos"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |repo: &Value| {
        let path = text(&repo["local_path"]);
        let path = path.split_once("/src/").map_or(path.clone(), |(_, rest)| rest.to_owned());
        (text(&repo["name"]), text(&repo["id"]), path)
    };
    listed.as_array().unwrap().iter().map(of).collect()
}

/// The one of these paths among what was found.
#[track_caller]
fn find<'a>(scan: &'a Value, path: &Path) -> &'a Value {
    let found = scan["found"].as_array().unwrap();
    let wanted = path.to_str().unwrap();
    found.iter().find(|repo| repo["path"] == wanted).unwrap_or_else(|| panic!("{wanted}: {scan:#}"))
}

fn rename(world: &World, from: &str, to: &str) -> PathBuf {
    let (from, to) = (world.path("src").join(from), world.path("src").join(to));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::rename(from, &to).unwrap();
    to
}

#[test]
fn a_scan_is_registered_in_one_edit_and_names_are_decided_by_paths() {
    let world = World::new();
    for path in ["b/api", "a/api", "c/api", "c/x/c/api", "solo"] {
        world.init(path, &[], &FILES);
    }
    world.kpmo(["governor", "start"]).fine();
    let dry = world.kpmo(["scan", ".", "--register", "--dry-run"]).fine();
    dry.says("would register b-api (").says("5 new");
    assert_eq!(entries(&world), []);
    assert!(!world.at("solo").hook("pre-commit").exists());

    world
        .kpmo(["scan", ".", "--register"])
        .fine()
        .says("/c/x/c/api is registered as c-api-2")
        .says("5 repositories")
        .says("5 registered, 0 new");
    let named: Vec<(String, String)> =
        entries(&world).into_iter().map(|(name, _, path)| (name, path)).collect();
    let wanted = [
        ("api", "a/api"),
        ("b-api", "b/api"),
        ("c-api", "c/api"),
        ("c-api-2", "c/x/c/api"),
        ("solo", "solo"),
    ];
    assert_eq!(named, wanted.map(|(name, path)| (name.to_owned(), path.to_owned())));
    for path in ["a/api", "solo"] {
        assert!(world.at(path).hook("pre-commit").exists(), "{path}");
    }
    let added = world.events("repo-added");
    assert_eq!(added.len(), 5);
    assert_eq!(added[0]["attributes"]["heads"], world.at("a/api").head());
    // Once more changes nothing, and heals hooks.
    let text = world.registry();
    fs::remove_file(world.at("solo").hook("pre-commit")).unwrap();
    world.kpmo(["scan", ".", "--register"]).fine().hides("is registered as");
    assert_eq!(world.registry(), text);
    assert!(world.at("solo").hook("pre-commit").exists());
    assert_eq!(world.events("repo-added").len(), 5);
}

#[test]
fn a_broken_registry_is_said_and_left_as_it_is() {
    let world = World::new().repo("app", &FILES).up();
    world.init("new", &[], &FILES);
    let broken = format!("{}  - [\n", world.registry());
    fs::write(world.home().join("config/repos.yml"), &broken).unwrap();
    world.kpmo(["scan", ".", "--register"]).ended(1).says("repos.yml");
    assert_eq!(world.registry(), broken);
    assert!(!world.at("new").hook("pre-commit").exists());
}

#[test]
fn every_format_that_git_makes_is_found_and_registered() {
    let world = World::new();
    world.init("sha256", &["--object-format=sha256"], &FILES);
    let has_reftable = {
        let made = world
            .command("git")
            .args(["init", "-q", "--ref-format=reftable"])
            .arg(world.path("src/ref"))
            .output();
        made.unwrap().status.success()
    };
    if has_reftable {
        world.at("ref").stage("a.txt", "one\n").commit().fine();
    }
    world.init("bare.git", &["--bare"], &[]);
    fs::create_dir(world.path("dirs")).unwrap();
    let separate = world.path("dirs/separate").to_str().unwrap().to_owned();
    world.init("separate", &["--separate-git-dir", &separate], &FILES);
    let world = world.up();
    let names: Vec<String> = entries(&world).into_iter().map(|(name, ..)| name).collect();
    let wanted: Vec<&str> = ["bare", "ref", "separate", "sha256"]
        .into_iter()
        .filter(|name| has_reftable || *name != "ref")
        .collect();
    assert_eq!(names, wanted);
    for name in &wanted {
        let status = world.status(name);
        assert_eq!((&status["hooks"], &status["error"]), (&"ok".into(), &Value::Null), "{name}");
    }
    // Moved, each of them is known again.
    for name in &wanted {
        let dir = if *name == "bare" { "bare.git" } else { name };
        rename(&world, dir, &format!("moved/{dir}"));
    }
    world.kpmo(["scan", ".", "--register"]).fine().says("0 new");
    assert!(entries(&world).iter().all(|(_, _, path)| path.starts_with("moved/")), "{:?}", entries(&world));
}

#[test]
fn a_link_as_dot_git_is_the_same_repository_once() {
    let world = World::new().repo("app", &FILES);
    fs::create_dir(world.path("src/second")).unwrap();
    std::os::unix::fs::symlink("../app/.git", world.path("src/second/.git")).unwrap();
    world.kpmo(["scan", ".", "--register"]).fine();
    assert_eq!(entries(&world).len(), 1);
}

#[test]
fn what_belongs_to_another_repository_is_told_with_it() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES);
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "../linked"]).fine();
    app.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../lib", "part"]).fine();
    world.init("app/nested", &[], &FILES);
    let scan = world.json(["scan", "."]);
    let src = |path: &str| world.path("src").join(path).to_str().unwrap().to_owned();
    for (path, kind, common_dir, parent) in [
        ("app", "worktree", "app/.git", None),
        ("linked", "linked", "app/.git", Some("app")),
        ("app/part", "submodule", "app/.git/modules/part", Some("app")),
        ("app/nested", "nested", "app/nested/.git", Some("app")),
    ] {
        let found = find(&scan, src(path).as_ref());
        assert_eq!((&found["kind"], &found["common_dir"]), (&kind.into(), &src(common_dir).into()));
        assert_eq!(found["parent"].as_str(), parent.map(src).as_deref());
    }
}

#[test]
fn a_dot_git_file_that_leads_nowhere_is_named() {
    let world = World::new().repo("app", &FILES);
    world.at("app").git(["worktree", "add", "-q", "../linked"]).fine();
    rename(&world, "app", "moved");
    let world = world.up();
    world
        .kpmo(["repo", "add", "linked"])
        .ended(1)
        .says("src/linked/.git leads to ")
        .says("/src/app/.git/worktrees/linked, where there is no repository")
        .says("git worktree repair");
}

#[test]
fn a_file_that_nobody_may_write_to_is_left_alone() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES);
    world.kpmo(["repo", "add", "app"]).fine();
    let (file, before) = (world.home().join("config/repos.yml"), world.registry());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    world.kpmo(["repo", "set", "app", "--role", "x"]).ended(1).says("is read-only").says("chmod u+w");
    world.kpmo(["repo", "add", "lib"]).ended(1).says("is read-only");
    assert_eq!(world.registry(), before);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    world.kpmo(["repo", "add", "lib"]).fine();
}

#[test]
fn dependencies_are_not_looked_through() {
    let world = World::new().repo("app", &FILES);
    for number in 0..10_000 {
        let package = format!("src/app/node_modules/p{}/p{number}", number % 100);
        fs::create_dir_all(world.path(&package)).unwrap();
    }
    world.init("app/node_modules/p1/hidden", &[], &[]);
    let scan = world.json(["scan", "."]);
    assert_eq!((scan["found"].as_array().unwrap().len(), &scan["directories"]), (1, &2.into()));
    // What is left out is a setting; what is asked for comes on top of it.
    fs::create_dir_all(world.home().join("config")).unwrap();
    fs::write(world.home().join("config/governor.yml"), "version: 1\nscan:\n  skip: [vendor]\n").unwrap();
    let scan = |args: &[&'static str]| world.json(["scan", "."].into_iter().chain(args.iter().copied()));
    world.until("the settings are in force", || scan(&[])["found"].as_array().unwrap().len() == 2);
    assert_eq!(scan(&[])["directories"], 2 + 1 + 100 + 10_000 + 1);
    assert_eq!(scan(&["--skip", "node_modules"])["directories"], 2);
}

/// Root reads everything, so somebody else has to look.
#[test]
fn directories_that_cannot_be_read_are_counted() {
    let world = World::new().repo("app", &FILES).repo("shut", &FILES).repo("wrong", &FILES);
    fs::write(world.path("src/wrong/.git/HEAD"), "nonsense\n").unwrap();
    for number in 0..7 {
        let closed = world.path(&format!("src/closed{number}/inside"));
        fs::create_dir_all(&closed).unwrap();
    }
    let close = |mode: u32| {
        for number in 0..7 {
            let closed = world.path(&format!("src/closed{number}"));
            fs::set_permissions(closed, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(world.path("src/shut/.git"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let scan = |args: &[&str]| {
        let kpmo = world.home().join("bin/kpmo");
        let mut command = if is_root() {
            let mut command = world.command("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(kpmo);
            command
        } else {
            world.command(kpmo)
        };
        Ran::of(command.args(["scan", "."]).args(args).current_dir(world.path("src")))
    };
    if is_root() {
        // Not the programs: these are second names of files that others use.
        let own = [world.home().parent().unwrap().to_owned(), world.home()];
        for (args, paths) in
            [(&["65534:65534"][..], own), (&["-R", "65534:65534"], [world.user(), world.path("src")])]
        {
            assert!(Command::new("chown").args(args).args(paths).status().unwrap().success());
        }
    }
    close(0o000);
    let (text, json) = (scan(&[]), scan(&["--json"]));
    close(0o700);
    text.fine().says("1 repository in ").says("9 warnings").says("and 4 more");
    let json: Value = serde_json::from_str(&json.fine().stdout).unwrap();
    let warnings = json["warnings"].as_array().unwrap();
    assert_eq!((warnings.len(), json["found"].as_array().unwrap().len()), (9, 1));
    let told = |path: &str, why: &str| {
        let of = |warning: &&Value| warning["path"].as_str().unwrap().ends_with(path);
        let found = warnings.iter().find(of).unwrap_or_else(|| panic!("{path}: {json}"));
        assert!(found["message"].as_str().unwrap().contains(why), "{found}");
    };
    told("/src/shut", "ermission denied");
    told("/src/wrong", "neither a branch nor a commit");
    assert!(warnings[0]["path"].as_str().unwrap().ends_with("/src/closed0"), "{json}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("ermission denied"), "{json}");
    if is_root() {
        // The governor is that user's.
        let mut stop = world.command("setpriv");
        stop.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(world.home().join("bin/kpmo"));
        Ran::of(stop.args(["governor", "stop"])).fine();
    }
}

#[test]
fn another_users_repository_is_found_and_registered_once_git_trusts_it() {
    if !is_root() {
        // Nobody else can give files away.
        return;
    }
    let world = World::new().repo("theirs", &FILES).repo("ours", &FILES);
    let theirs = world.at("theirs");
    let given = Command::new("chown").args(["-R", "65533"]).arg(&theirs.path).status().unwrap();
    assert!(given.success());
    world
        .kpmo(["scan", ".", "--register"])
        .ended(1)
        .says("theirs is not registered: ")
        .says("safe.directory")
        .says("1 registered, 1 new");
    let path = theirs.path.to_str().unwrap();
    world.at("ours").git(["config", "--global", "--add", "safe.directory", path]).fine();
    world.kpmo(["scan", ".", "--register"]).fine().says("2 registered, 0 new");
}
