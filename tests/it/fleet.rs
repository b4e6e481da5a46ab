//! Many repositories at once.

use std::thread;

use crate::world::{World, secret};

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
