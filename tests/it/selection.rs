//! How repositories are named, in every command alike.

use std::{fs, os::unix::ffi::OsStrExt};

use serde_json::Value;

use crate::world::{Ran, World};

fn names(answer: &Value) -> Vec<&str> {
    answer["repos"].as_array().unwrap().iter().map(|repo| repo["name"].as_str().unwrap()).collect()
}

/// Five repositories, in this order: api, api-docs, lib, old, web.
fn fleet() -> World {
    let files = [("a.txt", "one\n")];
    let mut world = World::new();
    for name in ["api", "api-docs", "lib", "old", "web"] {
        world = world.repo(name, &files);
    }
    let world = world.up();
    for (name, args) in [
        ("api", &["--tag", "http", "--stage", "prod"][..]),
        ("web", &["--tag", "http", "--tag", "team/front", "--stage", "staging"]),
        ("old", &["--status", "archived", "--tag", "team/back"]),
    ] {
        world.kpmo([&["repo", "set", name], args].concat()).fine();
    }
    world
}

#[test]
fn every_way_to_name_repositories_means_what_it_says() {
    let world = fleet();
    let id = world.status("lib")["id"].as_str().unwrap().to_owned();
    let (upper, inside) = (id.to_uppercase(), world.path("src/web/.git/refs"));
    let at = world.path("src/web").to_str().unwrap().to_owned();
    fs::create_dir_all(world.path("src/web/deep/er")).unwrap();
    std::os::unix::fs::symlink("web", world.path("src/by-link")).unwrap();
    for (selectors, wanted) in [
        (&["lib"][..], &["lib"][..]),
        (&[&id], &["lib"]),
        (&[&upper], &["lib"]),
        (&[&at], &["web"]),
        (&[&format!("{at}/")], &["web"]),
        (&[inside.to_str().unwrap()], &["web"]),
        (&["./web"], &["web"]),
        (&["web/deep/er"], &["web"]),
        (&["../src/web/../lib"], &["lib"]),
        (&["./by-link"], &["web"]),
        (&["tag:http"], &["api", "web"]),
        (&["tag:team/*"], &["old", "web"]),
        (&["tag:team/front"], &["web"]),
        (&["status:archived"], &["old"]),
        (&["status:active"], &["api", "api-docs", "lib", "web"]),
        (&["stage:prod", "stage:staging"], &["api", "web"]),
        (&["api*"], &["api", "api-docs"]),
        (&["?ld", "{lib,web}"], &["lib", "old", "web"]),
        (&["[a-b]pi"], &["api"]),
        (&["*"], &["api", "api-docs", "lib", "old", "web"]),
        // Each once, in the registry's order, however often it is meant.
        (&["web", "tag:http", "./web", "lib", "w*"], &["api", "lib", "web"]),
        (&["--all"], &["api", "api-docs", "lib", "old", "web"]),
    ] {
        let args: Vec<&str> = ["repo", "list"].iter().chain(selectors).copied().collect();
        assert_eq!(names(&world.json(args)), wanted, "{selectors:?}");
    }
    // The same grammar wherever a command takes several.
    assert_eq!(names(&world.json(["status", "tag:http"])), ["api", "web"]);
    assert_eq!(names(&world.json(["install-hooks", "api*", "--check"])), ["api", "api-docs"]);
    assert_eq!(names(&world.json(["repo", "show", "lib", "stage:prod"])), ["api", "lib"]);
    let taken = world.json(["snapshot", "stage:staging", "api-*"]);
    let taken: Vec<_> = taken["snapshots"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(taken, ["api-docs", "web"]);
}

#[test]
fn what_means_nothing_is_an_error_that_says_so() {
    let world = fleet();
    for (selector, words) in [
        ("zz*", "no registered repository has a name that matches zz*"),
        ("tag:nope", "no registered repository has the tag nope"),
        ("stage:later", "stage:later: expected one of dev, staging, prod"),
        ("status:offline-only", "no registered repository is offline-only"),
        ("status:", "expected one of active, archived, offline-only"),
        ("a[", "a[ is no pattern"),
        ("apy", "did you mean api?"),
        ("./nowhere", "src/nowhere does not exist"),
        ("/", "/ is in no registered repository"),
        ("", "is called"),
    ] {
        // Nothing is done where one of several means nothing.
        for args in [&["status", selector][..], &["repo", "set", "lib", selector, "--role", "x"]] {
            world.kpmo(args).ended(2).says(words);
        }
    }
    assert_eq!(world.json(["repo", "show", "lib"])["repos"][0]["role"], Value::Null);
    assert_eq!(world.events("repo-changed").len(), 3);
}

#[test]
fn an_exact_name_comes_before_all_that_it_could_mean_besides() {
    let files = [("a.txt", "one\n")];
    let world = World::new().repo("one", &files).repo("two", &files).repo("x", &files).up();
    for (old, new) in [("one", "tag:x"), ("two", "*")] {
        world.kpmo(["repo", "rename", old, new]).fine();
    }
    world.kpmo(["repo", "set", "x", "--tag", "x"]).fine();
    assert_eq!(names(&world.json(["status", "tag:x"])), ["tag:x"]);
    assert_eq!(names(&world.json(["status", "*"])), ["*"]);
    assert_eq!(names(&world.json(["status", "tag:[x]"])), ["x"]);
    assert_eq!(names(&world.json(["status", "?*"])).len(), 3);
}

#[test]
fn where_one_is_wanted_several_are_listed() {
    let world = fleet();
    for args in [
        &["snapshots", "api*"][..],
        &["repo", "remove", "tag:http"],
        &["repo", "rename", "api*", "new"],
        &["restore", "api*"],
        &["show", "latest", "api*"],
        &["diff", "latest", "--repo", "api*"],
        &["events", "--repo", "api*"],
    ] {
        let what = if args.contains(&"tag:http") { "api, web" } else { "api, api-docs" };
        world.kpmo(args).ended(2).says("means 2 repositories, and one is wanted").says(what);
    }
    // One match is as good as a name.
    world.kpmo(["snapshots", "api-*"]).fine();
    assert_eq!(names(&world.json(["repo", "list"])).len(), 5);
}

#[test]
fn a_path_that_is_not_utf8_is_a_path_like_any_other() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let odd = std::ffi::OsStr::from_bytes(b"od\xffd");
    let dir = world.path("src/app").join(odd);
    fs::create_dir(&dir).unwrap();
    let path = std::ffi::OsStr::from_bytes(b"./app/od\xffd");
    world.kpmo(["status".as_ref(), path]).fine().says("app");
    let mut here = world.command(world.home().join("bin/kpmo"));
    Ran::of(here.args(["status", "."]).current_dir(&dir)).fine().says("app");
    // What is no path is no name either.
    let name = std::ffi::OsStr::from_bytes(b"od\xffd");
    world.kpmo(["status".as_ref(), name]).ended(2).says("od\\xffd is not UTF-8").says("./");
    let mut above = world.command(world.home().join("bin/kpmo"));
    Ran::of(above.args(["status", "app"]).current_dir(&dir)).fine().says("app");
}

#[test]
fn what_was_removed_is_found_by_its_id_in_what_is_remembered() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let id = world.status("app")["id"].as_str().unwrap().to_owned();
    let snapshot = world.snapshot("app");
    world.kpmo(["repo", "remove", "app"]).fine();
    world.kpmo(["status", &id]).ended(2).says("no registered repository");
    assert_eq!(world.snapshots(&id)[0]["id"], snapshot.as_str());
    let told = world.kpmo(["events", "--json", "--repo", &id]).fine().stdout;
    assert!(told.contains("repo-added") && told.contains("repo-removed"), "{told}");
    // Registered again it is the one that it was.
    world.kpmo(["repo", "add", "app"]).fine();
    assert_eq!(world.status("app")["id"], id.as_str());
    assert!(world.snapshots("app").iter().any(|known| known["id"] == snapshot.as_str()));
}
