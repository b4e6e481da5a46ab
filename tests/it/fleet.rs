//! Many repositories at once.

use std::{fs, thread};

use crate::world::{Background, World, secret};

const REPOS: usize = 12;
const EACH: usize = 3;

#[test]
fn repositories_do_not_wait_for_or_mix_with_each_other() {
    let mut world = World::new();
    for at in 0..REPOS {
        world = world.repo(&format!("r{at}"), &[("a.txt", "one\n")]);
    }
    let world = world.up();
    thread::scope(|scope| {
        for at in 0..REPOS {
            let world = &world;
            scope.spawn(move || {
                let repo = world.at(&format!("r{at}"));
                for number in 0..EACH {
                    repo.stage("a.txt", format!("{at} {number}\n")).commit().fine().silent();
                }
                let said = repo.stage("a.txt", secret()).commit().refused();
                said.says(&format!("refused in r{at}: 1 finding\n"));
            });
        }
    });
    let verdicts = world.until_events("verdict", REPOS * (EACH + 1));
    world.until_events("head-moved", REPOS * EACH);
    for state in world.json(["status"])["repos"].as_array().unwrap() {
        let of = |events: &[serde_json::Value]| events.iter().filter(|e| e["repo"] == state["id"]).count();
        assert_eq!(of(&verdicts), EACH + 1, "{state}");
        assert_eq!(
            (&state["unvalidated"], &state["dirty"], &state["hooks"]),
            (&0.into(), &1.into(), &"ok".into())
        );
    }
    let refused = verdicts.iter().filter(|verdict| verdict["attributes"]["rules"] == "secrets").count();
    assert_eq!(refused, REPOS);
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn many_agents_in_one_repository_get_a_verdict_each() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    for at in 0..6 {
        app.git(["worktree", "add", "-q", "-b", &format!("b{at}"), &format!("../w{at}")]).fine();
    }
    thread::scope(|scope| {
        for at in 0..6 {
            let world = &world;
            scope.spawn(move || {
                let tree = world.at(&format!("w{at}"));
                tree.stage("a.txt", format!("{at}\n")).commit().fine().silent();
                tree.stage("b.txt", secret()).commit().refused().says("refused in app");
            });
        }
    });
    world.until_events("verdict", 12);
    assert_eq!(world.status("app")["unvalidated"], 0);
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn changes_of_the_registry_at_once_all_count() {
    let world = World::new();
    for at in 0..REPOS {
        world.init(&format!("r{at}"), &[], &[]);
    }
    world.kpmo(["governor", "start"]).fine();
    thread::scope(|scope| {
        for at in 0..REPOS {
            let world = &world;
            scope.spawn(move || world.kpmo(["repo", "add", &format!("r{at}")]).fine());
        }
    });
    assert_eq!(world.json(["repo", "list"])["repos"].as_array().unwrap().len(), REPOS);
    thread::scope(|scope| {
        for at in 0..REPOS {
            let world = &world;
            scope.spawn(move || world.kpmo(["repo", "remove", &format!("r{at}")]).fine());
        }
    });
    assert_eq!(world.json(["repo", "list"])["repos"].as_array().unwrap().len(), 0);
    assert_eq!((world.events("repo-added").len(), world.events("repo-removed").len()), (REPOS, REPOS));
}

#[test]
fn the_fleet_is_told_with_all_that_needs_attention() {
    let world = World::new();
    for name in ["clean", "dirty", "gone", "stopped", "zoo"] {
        world.init(name, &[], &[("a.txt", "one\n"), ("b.txt", "one\n")]);
    }
    let world = world.up();
    world.until_captured();
    let dirty = world.at("dirty");
    dirty.stage("a.txt", "two\n").write("b.txt", "two\n").write("new/x", "").write("new/y", "");
    dirty.git(["stash", "-q"]).fine();
    dirty.stage("a.txt", "three\n").write("b.txt", "three\n");
    let stopped = world.at("stopped");
    stopped.git(["checkout", "-qb", "side"]).fine();
    stopped.stage("a.txt", "side\n").commit().fine();
    stopped.git(["checkout", "-q", "main"]).fine();
    stopped.stage("a.txt", "main\n").commit().fine();
    stopped.git(["merge", "-q", "side"]).ended(1);
    fs::rename(world.path("src/gone"), world.path("elsewhere")).unwrap();

    let state = world.status("dirty");
    let told =
        ["dirty", "staged", "unstaged", "untracked", "conflicted", "stash"].map(|key| state[key].as_u64());
    assert_eq!(told, [Some(3), Some(1), Some(1), Some(1), Some(0), Some(1)], "{state}");
    assert!(
        state["upstream"].is_null() && state["ahead"].is_null() && state["operation"].is_null(),
        "{state}"
    );
    let state = world.status("stopped");
    assert_eq!((&state["operation"], &state["conflicted"]), (&"merge".into(), &1.into()), "{state}");
    let state = world.status("gone");
    assert!(state["error"].as_str().unwrap().contains("no git repository"), "{state}");
    assert!(
        state["dirty"].is_null() && state["hooks"].is_null() && state["last_snapshot"].is_string(),
        "{state}"
    );

    let shown = world.kpmo(["status"]).fine().stdout;
    let names: Vec<&str> = shown.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["NAME", "gone", "stopped", "dirty", "clean", "zoo", "5"], "{shown}");
    assert!(shown.ends_with(
        "5 repositories: 1 can't be read, 1 in the middle of something, 1 in conflict, 2 dirty\n"
    ));
    let sorted = world.kpmo(["status", "--sort", "name", "--json"]).fine();
    let sorted: serde_json::Value = serde_json::from_str(&sorted.stdout).unwrap();
    let names: Vec<_> = sorted["repos"].as_array().unwrap().iter().map(|repo| repo["name"].clone()).collect();
    assert_eq!(names, ["clean", "dirty", "gone", "stopped", "zoo"]);
}

#[test]
fn work_in_linked_work_trees_is_seen_too() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("plain", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let app = world.at("app");
    for name in ["clean", "gone", "stopped", "work"] {
        app.git(["worktree", "add", "-q", "-b", name, &format!("../tree-{name}")]).fine();
    }
    fs::remove_dir_all(world.path("src/tree-gone")).unwrap();
    let (work, stopped) = (world.at("tree-work"), world.at("tree-stopped"));
    work.stage("a.txt", "two\n").write("b.txt", "");
    work.git(["add", "a.txt"]).fine();
    let told = |state: &serde_json::Value| {
        let trees = state["worktrees"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let told =
            trees.map(|tree| (text(&tree["branch"]), tree["dirty"].as_u64(), text(&tree["operation"])));
        told.collect::<Vec<_>>()
    };
    let of = |branch: &str, dirty, doing: &str| (branch.to_owned(), Some(dirty), doing.to_owned());
    let state = world.status("app");
    assert_eq!(told(&state), [of("clean", 0, "-"), of("stopped", 0, "-"), of("work", 2, "-")], "{state}");
    let tree = &state["worktrees"][2];
    assert_eq!(tree["path"], world.path("src/tree-work").to_str().unwrap());
    assert_eq!((&tree["staged"], &tree["untracked"], &tree["error"]), (&1.into(), &1.into(), &().into()));
    // What is there is theirs, and not the main work tree's.
    assert_eq!((&state["dirty"], &state["operation"]), (&0.into(), &().into()));
    assert_eq!(world.status("plain")["worktrees"], serde_json::json!([]));

    // What is remembered of them goes when they change.
    work.git(["commit", "-qm", "two"]).fine();
    work.git(["stash", "-qu"]).fine();
    stopped.stage("a.txt", "other\n").commit().fine();
    stopped.git(["merge", "-q", "work"]).ended(1);
    let state = world.status("app");
    assert_eq!(told(&state), [of("clean", 0, "-"), of("stopped", 1, "merge"), of("work", 0, "-")], "{state}");

    let table = world.kpmo(["status"]).fine();
    table
        .says("3 (1 in conflict)")
        .says("2 repositories: 1 in the middle of something, 1 in conflict, 1 dirty");

    // What can't be told is told, and hides nothing else.
    let record = world.path("src/app/.git/worktrees/tree-gone/gitdir");
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let state = world.status("app");
    assert_eq!(state["dirty"], 0);
    let tree = &state["worktrees"][3];
    assert!(tree["error"].as_str().unwrap().contains("gitdir") && tree["dirty"].is_null(), "{tree}");
    let table = world.kpmo(["status"]).fine();
    table.says("4 (1 in conflict, 1 can't be read)").says("1 with work trees that can't be read");

    // Nor does what is too long to be told.
    fs::remove_dir(&record).unwrap();
    fs::write(&record, "x/".repeat(3 << 19)).unwrap();
    let state = world.status("app");
    assert!(state["error"].as_str().unwrap().contains(".git/worktrees"), "{state}");
    assert_eq!(world.status("plain")["error"], serde_json::Value::Null);
}

#[test]
fn work_in_submodules_is_seen_too() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("b.txt", "one\n")]).up();
    world.until_captured();
    let app = world.at("app");
    for path in ["one", "two"] {
        app.git(["submodule", "--quiet", "add", "../lib", path]).fine();
    }
    app.commit().fine();
    app.git(["worktree", "add", "-q", "-b", "side", "../tree"]).fine();
    let tree = world.at("tree");
    tree.git(["submodule", "--quiet", "update", "--init", "one"]).fine();
    let told = |state: &serde_json::Value| {
        let trees = state["submodules"].as_array().unwrap().iter();
        let told = trees.map(|tree| {
            let path = tree["path"].as_str().unwrap();
            assert!(tree["head"].is_string() && tree["error"].is_null(), "{tree}");
            let (_, name) = path.rsplit_once("/src/").unwrap();
            (name.to_owned(), tree["dirty"].as_u64().unwrap())
        });
        told.collect::<Vec<_>>()
    };
    let of = |dirty: [u64; 3]| {
        let names = ["app/one", "app/two", "tree/one"].map(str::to_owned);
        names.into_iter().zip(dirty).collect::<Vec<_>>()
    };
    let state = world.status("app");
    assert_eq!(told(&state), of([0, 0, 0]), "{state}");
    assert_eq!(state["dirty"], 0, "{state}");
    world.kpmo(["status"]).fine().says("SUBMODULES").says("2 repositories, all clean");

    world.at("app/two").write("new", "").write("b.txt", "two\n");
    world.at("tree/one").write("new", "");
    let state = world.status("app");
    assert_eq!(told(&state), of([0, 2, 1]), "{state}");
    // Each is one path where it is.
    assert_eq!((&state["dirty"], &state["unstaged"]), (&1.into(), &1.into()), "{state}");
    assert_eq!(state["worktrees"][0]["dirty"], 1, "{state}");
    let table = world.kpmo(["status"]).fine();
    table.says("3 (2 dirty)").says("2 repositories: 1 dirty");

    // What can't be told is told, and hides nothing else.
    app.write("two/.git", "gitdir: nowhere\n");
    let state = world.status("app");
    let submodule = &state["submodules"][1];
    assert!(submodule["error"].as_str().unwrap().contains("nowhere"), "{submodule}");
    assert!(submodule["dirty"].is_null(), "{submodule}");
    assert_eq!(state["worktrees"][0]["dirty"], 1, "{state}");
    let table = world.kpmo(["status"]).fine();
    table.says("3 (1 can't be read, 1 dirty)").says("1 with submodules that can't be read");
}

/// What is remembered rests on the user's own files, too.
#[test]
fn what_the_user_configures_counts_at_once() {
    // What is wrong with hooks is to stay so.
    let world = World::new().settings("hooks: {heal: false}\n").repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.write("x.log", "");
    let untracked = || world.status("app")["untracked"].as_u64().unwrap();
    assert_eq!(untracked(), 1);
    let ignore = world.user().join(".config/git/ignore");
    fs::create_dir_all(ignore.parent().unwrap()).unwrap();
    fs::write(&ignore, "*.log\n").unwrap();
    assert_eq!(untracked(), 0);
    fs::write(&ignore, "*.txt\n").unwrap();
    assert_eq!(untracked(), 1);
    let global = world.user().join(".gitconfig");
    let text = fs::read_to_string(&global).unwrap();
    fs::write(&global, format!("{text}[core]\n\thooksPath = /nowhere\n")).unwrap();
    assert_eq!(world.status("app")["hooks"], "missing");
    fs::write(&global, text).unwrap();
    assert_eq!(world.status("app")["hooks"], "ok");
}

#[test]
fn a_watch_tells_each_change_until_it_is_ended() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("a.txt", "one\n")]).up();
    let file = world.path("told");
    let mut command = world.command(world.home().join("bin/kpmo"));
    command.args(["status", "--watch", "--interval", "0.1", "--json"]).current_dir(world.path("src"));
    let mut watch = Background::start_into(&mut command, &file);
    let told = || -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&file).unwrap();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let is_told = |name: &str, key: &str, value: u64| {
        told()
            .iter()
            .flat_map(|line| line["repos"].as_array().unwrap().clone())
            .any(|repo| repo["name"] == name && repo[key] == value)
    };
    world.until("all are told of", || !told().is_empty());
    assert_eq!(told()[0]["repos"].as_array().unwrap().len(), 2);
    world.at("app").write("a.txt", "two\n");
    world.until("the change is told", || is_told("app", "dirty", 1));
    world.kpmo(["repo", "remove", "lib"]).fine();
    world.until("the removal is told", || told().iter().any(|line| line["removed"][0] == "lib"));
    let lines = told();
    // What has not changed is not told again.
    let of_lib = lines[1..].iter().flat_map(|line| line["repos"].as_array().unwrap());
    assert!(of_lib.filter(|repo| repo["name"] == "lib").all(|repo| repo["dirty"] == 0), "{lines:?}");
    watch.signal_all("INT");
    assert_eq!(watch.end().code(), Some(0));

    let mut command = world.command(world.home().join("bin/kpmo"));
    command.args(["status", "--watch", "--interval", "0.1"]).current_dir(world.path("src"));
    let table = world.path("table");
    let mut watch = Background::start_into(&mut command, &table);
    let shown = || fs::read_to_string(&table).unwrap();
    world.until("a table is shown", || shown().contains("1 repository: 1 dirty\n"));
    world.at("app").write("a.txt", "one\n");
    world.until("another table is shown", || shown().contains("1 repository, all clean\n"));
    let registry = world.home().join("config/repos.yml");
    let good = fs::read_to_string(&registry).unwrap();
    fs::write(&registry, format!("{good}nonsense: [\n")).unwrap();
    world.until("what is wrong is told", || {
        shown().contains("kpmo: warning: ") && shown().contains("repos.yml")
    });
    fs::write(&registry, good).unwrap();
    world.stop();
    world.until("its end is told", || shown().contains("kpmo: the governor has ended"));
    assert!(!world.is_running());
    world.at("app").write("a.txt", "three\n");
    world.kpmo(["governor", "start"]).fine();
    world.until_or("it goes on with the next", shown, || shown().ends_with("1 repository: 1 dirty\n\n"));
    watch.signal_all("INT");
    assert_eq!(watch.end().code(), Some(0));
}
