//! The registry and what is found: `kpmo repo`, `kpmo status`, `kpmo scan`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::ffi::OsStrExt,
};

use serde_json::Value;

use crate::world::{Ran, World, is_root, secret};

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Every one of these is there; more may be.
#[track_caller]
fn has_keys(object: &Value, wanted: &str) {
    let (keys, wanted) = (keys(object), wanted.split(' ').collect());
    assert!(keys.is_superset(&wanted), "{keys:?}");
}

#[test]
fn what_scripts_rely_on_is_there() {
    let world = World::new().repo("app", &[("a.txt", "one\n"), ("Cargo.toml", "")]).up();
    let app = world.at("app").with_origin();
    app.git(["push", "-qu", "origin", "main"]).fine();
    app.stage("a.txt", "two\n").commit().fine();
    app.write("new.txt", "").write("a.txt", "three\n");

    let status = world.status("app");
    has_keys(
        &status,
        "id name local_path branch head dirty ahead behind stage status hooks last_snapshot unvalidated",
    );
    assert_eq!((&status["dirty"], &status["ahead"], &status["behind"]), (&2.into(), &1.into(), &0.into()));
    assert_eq!((&status["branch"], &status["head"]), (&"main".into(), &app.head().into()));
    assert_eq!((&status["hooks"], &status["unvalidated"]), (&"ok".into(), &0.into()));

    let listed = world.json(["repo", "list"]);
    let fields = "id name local_path remote_url default_branch env_template gitignore_profile status stage role tags verify";
    assert_eq!(keys(&listed["repos"][0]), fields.split(' ').collect());
    assert_eq!(listed["repos"][0]["gitignore_profile"], "rust");
    assert_eq!(listed["repos"][0]["default_branch"], "main");
    for selector in ["app", status["id"].as_str().unwrap(), app.path.to_str().unwrap(), "./app"] {
        assert_eq!(world.json(["repo", "show", selector]), listed, "{selector}");
    }
    world.kpmo(["repo", "show", "app"]).fine().says("gitignore_profile  rust\n");

    has_keys(&world.json(["governor", "status"]), "running pid version socket uptime_s");
    for event in world.events("repo-added") {
        has_keys(&event, "seq time kind repo card actor");
        assert_eq!((&event["kind"], &event["repo"]), (&"repo-added".into(), &status["id"]));
    }

    world.kpmo(["repo", "remove", "app"]).fine();
    assert_eq!(world.json(["repo", "list"])["repos"], Value::Array(Vec::new()));
    app.stage("b.txt", secret()).commit().fine().silent();
    world.kpmo(["status"]).fine().says("no repository is registered yet");
}

#[test]
fn a_repository_with_neither_commit_nor_upstream_has_a_status() {
    let world = World::new();
    world.init("bare.git", &["--bare"], &[]);
    world.init("new", &[], &[]).write("x", "");
    world.init("off", &[], &[("a.txt", "one\n")]).git(["checkout", "-q", "--detach"]).fine();
    let world = world.up();
    for (name, branch, dirty, has_head) in
        [("bare", "main".into(), 0, false), ("new", "main".into(), 1, false), ("off", Value::Null, 0, true)]
    {
        let status = world.status(name);
        assert_eq!((&status["branch"], &status["dirty"]), (&branch, &dirty.into()), "{name}");
        assert_eq!((status["head"].is_string(), &status["ahead"]), (has_head, &Value::Null), "{name}");
    }
}

#[test]
fn repositories_of_one_name_get_names_of_their_own() {
    let files = [("a.txt", "one\n")];
    let world =
        World::new().repo("one/api", &files).repo("two/api", &files).repo("two/in/two/api", &files).up();
    let names = |world: &World| -> BTreeMap<String, String> {
        let listed = world.json(["repo", "list"]);
        let pair = |repo: &Value| {
            let path = repo["local_path"].as_str().unwrap();
            (repo["name"].as_str().unwrap().to_owned(), path[path.find("/src/").unwrap() + 5..].to_owned())
        };
        listed["repos"].as_array().unwrap().iter().map(pair).collect()
    };
    let wanted = [("api", "one/api"), ("two-api", "two/api"), ("two-api-2", "two/in/two/api")];
    assert_eq!(names(&world), wanted.map(|(name, path)| (name.into(), path.into())).into());

    world.init("three/api", &[], &files);
    world.kpmo(["repo", "add", "three/api", "--name", "api"]).ended(1).says("`api` is registered already");
    world.kpmo(["repo", "add", "three/api", "--name", "a/b"]).ended(2).says("name");
    world.kpmo(["repo", "add", "three/api", "--name", "third"]).fine().says("added third");
    world.kpmo(["repo", "add", "three/api"]).fine().says("already registered: third");
    world.kpmo(["repo", "add", "no/such"]).ended(2).says("no/such does not exist");
    world.kpmo(["repo", "add", "three"]).ended(1).says("src/three is not in a git repository");
}

#[test]
fn edits_by_hand_are_kept_seen_at_once_and_given_ids() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.init("lib", &[], &[]);
    world.init("new", &[], &[]);
    world.edit_registry("repos:\n", "repos: # ours\n  # the first\n");
    let by_hand = format!(
        "  # by hand\n  - name:   'lib' # quoted\n    local_path: {}\n",
        world.path("src/lib").display()
    );
    fs::write(world.home().join("config/repos.yml"), world.registry() + &by_hand).unwrap();

    let id = world.status("lib")["id"].as_str().unwrap().to_owned();
    let text = world.registry();
    assert!(text.contains(&format!("id: {id}\n")), "{text}");
    world.kpmo(["repo", "add", "new"]).fine();
    let text = world.registry();
    for kept in ["repos: # ours\n  # the first\n", "  # by hand\n", "name:   'lib' # quoted\n"] {
        assert!(text.contains(kept), "{kept:?} is not in {text}");
    }
    let names: Vec<Value> =
        world.json(["repo", "list"])["repos"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
    assert_eq!(names, ["app", "lib", "new"]);

    world.edit_registry("'lib' # quoted", "'renamed' # quoted");
    assert_eq!(world.status("renamed")["id"], id.as_str());
    world.kpmo(["repo", "remove", "renamed"]).fine();
    let text = world.registry();
    assert!(!text.contains("quoted") && text.contains("# the first"), "{text}");
}

#[test]
fn an_entry_written_by_hand_comes_to_be_recorded() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let lib = world.init("lib", &[], &[("a.txt", "one\n")]);
    let by_hand = format!("  - {{name: lib, local_path: {}}}\n", lib.path.display());
    fs::write(world.home().join("config/repos.yml"), world.registry() + &by_hand).unwrap();
    let id = world.status("lib")["id"].clone();
    let added = world.until_events("repo-added", 2).remove(1);
    assert_eq!((&added["repo"], &added["attributes"]["heads"]), (&id, &lib.head().into()));
    // Once, whoever else meets it.
    world.kpmo(["repo", "add", "lib"]).fine();
    world.kpmo(["scan", ".", "--register"]).fine();
    assert_eq!(world.events("repo-added").len(), 2);
}

#[test]
fn a_broken_registry_takes_nothing_down() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    world.init("new", &[], &[]);
    let good = world.registry();
    let place = format!("config/repos.yml:{}:", good.lines().count() + 1);
    for (broken, what) in
        [("    stauts: archived\n", "stauts"), ("  - [\n", "repos.yml"), ("    stage: later\n", "later")]
    {
        fs::write(world.home().join("config/repos.yml"), format!("{good}{broken}")).unwrap();
        world.kpmo(["governor", "status"]).ended(1).says("config/repos.yml:").says(what);
        world.kpmo(["repo", "add", "new"]).ended(1).says(what);
        world.kpmo(["repo", "remove", "app"]).ended(1).says(what);
        world.kpmo(["status"]).fine().says("app").says(what);
        world.kpmo(["repo", "list"]).fine().says("the last good registry is shown").says("app");
        app.stage("a.txt", secret()).commit().refused().says("refused in app");
        assert_eq!(world.registry(), format!("{good}{broken}"));
    }
    world.kpmo(["governor", "status"]).ended(1).says(&place);
    app.stage("a.txt", "two\n").commit().fine().silent();

    fs::write(world.home().join("config/repos.yml"), &good).unwrap();
    world.kpmo(["governor", "status"]).fine();
    world.kpmo(["repo", "add", "new"]).fine();
}

/// A disk that was full, or an editor that is still saving.
#[test]
fn a_registry_that_lost_its_text_is_a_broken_one() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    world.init("new", &[], &[]);
    let good = world.registry();
    let file = world.home().join("config/repos.yml");
    let lost: [&dyn Fn(); 2] = [&|| fs::write(&file, "").unwrap(), &|| fs::remove_file(&file).unwrap()];
    for lose in lost {
        lose();
        let told = "the last good state with 1 repository stays in force";
        world.kpmo(["governor", "status"]).ended(1).says("config/repos.yml:").says(told);
        world.kpmo(["registry", "check"]).ended(1).says(told);
        world.kpmo(["repo", "add", "new"]).ended(1).says(told).says("`repos: []`");
        world.kpmo(["repo", "list"]).fine().says("app");
        app.stage("a.txt", secret()).commit().refused().says("refused in app");
    }
    fs::write(&file, &good).unwrap();
    world.kpmo(["governor", "status"]).fine();
}

#[test]
fn a_password_in_a_remote_stays_where_it_is() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("other", &[("a.txt", "one\n")]);
    let url = "https://someone:hunter2hunter2@example.org/app.git";
    world.at("app").git(["remote", "add", "origin", url]).fine();
    world.kpmo(["up", "."]).fine().hides("hunter2");
    assert_eq!(world.json(["repo", "show", "app"])["repos"][0]["remote_url"], "https://example.org/app.git");
    for args in [
        &["repo", "list"][..],
        &["repo", "list", "--json"],
        &["status"],
        &["events", "--json"],
        &["scan", "."],
    ] {
        world.kpmo(args).fine().hides("hunter2");
    }
    world.at("app").git(["hook", "run", "pre-push", "--", "origin", url]).fine().silent();
    world.until_events("push", 1);
    world.kpmo(["events", "--json"]).fine().hides("hunter2");
    assert_eq!(world.home_contains("hunter2"), None);

    world.edit_registry("https://example.org", "https://someone:hunter2hunter2@example.org");
    world.kpmo(["governor", "status"]).ended(1).says("must not carry a password").hides("hunter2");
    world.kpmo(["status"]).fine().hides("hunter2");
    world.kpmo(["repo", "add", "other"]).hides("hunter2");
}

#[test]
fn one_repository_that_is_gone_hides_no_other() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("gone", &[("a.txt", "one\n")]).up();
    fs::rename(world.path("src/gone"), world.path("elsewhere")).unwrap();
    world.kpmo(["status"]).fine().says("app").says("gone");
    let states = world.json(["status"])["repos"].clone();
    assert_eq!((&states[0]["error"], &states[0]["dirty"]), (&Value::Null, &0.into()));
    assert!(states[1]["error"].as_str().unwrap().contains("gone"), "{states}");
    assert_eq!(
        (&states[1]["head"], &states[1]["dirty"], &states[1]["hooks"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    world.kpmo(["install-hooks", "--all"]).ended(1).says("app: ok").says("gone: ");
    world.kpmo(["repo", "remove", "gone"]).fine();
    world.kpmo(["status"]).fine().hides("gone");
}

#[test]
fn a_name_that_nobody_has_is_answered_with_the_nearest() {
    let world = World::new().repo("webshop", &[("a.txt", "one\n")]).up();
    for args in [
        &["status", "webshp"][..],
        &["repo", "show", "webshp"],
        &["repo", "remove", "webshp"],
        &["install-hooks", "webshp"],
    ] {
        world.kpmo(args).ended(2).says("webshp").says("did you mean webshop?");
    }
    world.kpmo(["status", "qqqq"]).ended(2).says("kpmo repo list");
    world.kpmo(["events", "--kind", "nonsense"]).ended(2).says("nonsense");
}

#[test]
fn every_kind_of_repository_is_found() {
    let files = [("a.txt", "one\n")];
    let world = World::new().repo("app", &files).repo("app/inner", &files).repo("lib", &files);
    world.init("store.git", &["--bare"], &[]);
    world.init("app/node_modules/dep", &[], &files);
    world.init("skipped/x", &[], &files);
    let app = world.at("app");
    app.git(["worktree", "add", "-q", "../linked"]).fine();
    app.git(["submodule", "--quiet", "add", "../lib", "sub"]).fine();
    fs::write(app.path.join(".git/info/exclude"), "inner\nnode_modules\n").unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    world.init("odd", &[], &[]);
    fs::rename(world.path("src/odd"), world.path("src").join(odd)).unwrap();
    std::os::unix::fs::symlink(".", world.path("src/loop")).unwrap();

    let scan = |args: &[&'static str]| world.json(["scan", "."].into_iter().chain(args.iter().copied()));
    let found = scan(&["--skip", "skipped"]);
    let kinds = |found: &Value, key: &str| -> BTreeMap<String, Value> {
        let src = world.path("src");
        let entry = |repo: &Value| {
            let path = repo["path"].as_str().unwrap().strip_prefix(src.to_str().unwrap()).unwrap().to_owned();
            (path, repo[key].clone())
        };
        found["found"].as_array().unwrap().iter().map(entry).collect()
    };
    let wanted = [
        ("/app", "worktree"),
        ("/app/inner", "nested"),
        ("/app/sub", "submodule"),
        ("/lib", "worktree"),
        ("/linked", "linked"),
        ("/odd\u{fffd}", "worktree"),
        ("/store.git", "bare"),
    ];
    assert_eq!(kinds(&found, "kind"), wanted.map(|(path, kind)| (path.to_owned(), kind.into())).into());
    assert!(kinds(&found, "registered").values().all(|registered| registered == false));
    assert_eq!(found["warnings"], Value::Array(Vec::new()));
    let bytes = found["found"].as_array().unwrap().iter().filter_map(|repo| repo["path_bytes"].as_str());
    assert_eq!(bytes.count(), 1);
    assert_eq!(kinds(&scan(&[]), "kind").get("/skipped/x"), Some(&"worktree".into()));

    // Registered is what stands alone.
    world.kpmo(["scan", ".", "--register", "--skip", "skipped"]).fine().says("5 repositories registered");
    let registered = kinds(&scan(&["--skip", "skipped"]), "registered");
    let wanted = ["/app", "/app/inner", "/lib", "/linked", "/odd\u{fffd}", "/store.git"];
    let yes: Vec<_> = registered.iter().filter(|(_, yes)| **yes == true).map(|(path, _)| &**path).collect();
    assert_eq!(yes, wanted);
    assert_eq!(world.json(["repo", "list"])["repos"].as_array().unwrap().len(), 5);
    assert_eq!(world.status("app")["hooks"], "ok");
    let text = fs::read_to_string(world.home().join("config/repos.yml")).unwrap();
    let url = format!("    local_path: 'file://{}/odd%FF'\n", world.path("src").display());
    assert!(text.contains(&url), "{text}");
    // By any of its names it is the same, and its hooks work.
    let path = world.path("src").join(odd);
    let mut there = world.command(world.home().join("bin/kpmo"));
    let there = Ran::of(there.args(["repo", "show", "."]).current_dir(&path)).fine();
    there.says("odd_").says("local_path_bytes");
    world
        .kpmo(["repo".as_ref(), "show".as_ref(), std::ffi::OsStr::from_bytes(b"./odd\xff")])
        .fine()
        .says("odd_");
    world.kpmo(["repo", "set", "odd_", "--tag", "x"]).fine();
    assert_eq!(world.status("odd_")["hooks"], "ok");
    assert!(world.status("odd_")["local_path_bytes"].is_string());
    let mut doctor = world.command(world.home().join("bin/kpmo"));
    Ran::of(doctor.args(["doctor", "."]).current_dir(&path)).fine().says("registered as odd_");
    world.kpmo(["scan", "/nowhere"]).says("/nowhere");
}

#[test]
fn a_path_selects_what_is_there_and_nothing_around_it() {
    let files = [("a.txt", "one\n")];
    let world = World::new().repo("mono", &files).repo("mono/packages/inner", &files).up();
    let src = world.path("src");
    let path = |name: &str| src.join(name).to_str().unwrap().to_owned();
    world.kpmo(["repo", "remove", &path("mono/packages/typo")]).ended(2).says("mono/packages/typo");
    world.kpmo(["status", &path("mono/packages")]).fine().says("mono");
    assert_eq!(world.json(["repo", "list"])["repos"].as_array().unwrap().len(), 2);

    // Without its `.git` it is a directory of the other's.
    fs::rename(world.path("src/mono/packages/inner/.git"), world.path("taken")).unwrap();
    let states = world.json(["status"])["repos"].clone();
    let inner = states.as_array().unwrap().iter().find(|state| state["name"] == "inner").unwrap();
    assert!(inner["error"].as_str().unwrap().contains("no git repository"), "{inner}");
    world.kpmo(["repo", "remove", &path("mono/packages/inner")]).fine();
    assert_eq!(world.json(["repo", "list"])["repos"][0]["name"], "mono");
    assert_eq!(world.status("mono")["hooks"], "ok");
}

#[test]
fn a_repository_of_another_user_is_left_alone_unless_git_is_told_to_trust_it() {
    let world = World::new().repo("theirs", &[("a.txt", "one\n")]).repo("ours", &[]).up();
    let theirs = world.at("theirs");
    theirs.git(["config", "filter.f.clean", "touch ran; cat"]).fine();
    theirs.write(".gitattributes", "* filter=f\n").write("a.txt", "two\n");
    world.kpmo(["status", "theirs"]).fine();
    assert!(!theirs.path.join("ran").exists());
    // As it would be.
    theirs.git(["status"]).fine();
    fs::remove_file(theirs.path.join("ran")).unwrap();
    if !is_root() {
        // Nobody else can give files away.
        return;
    }
    let given = std::process::Command::new("chown").args(["-R", "65533"]).arg(&theirs.path).status().unwrap();
    assert!(given.success());
    for args in [&["status", "theirs"][..], &["repo", "add", "theirs"]] {
        world.kpmo(args).says("belongs to another user").says("safe.directory");
    }
    let path = theirs.path.to_str().unwrap();
    world.at("ours").git(["config", "--global", "--add", "safe.directory", path]).fine();
    theirs.write("a.txt", "six\n");
    assert_eq!(world.status("theirs")["dirty"], 2);
    assert!(!theirs.path.join("ran").exists());
}
