//! What is judged: the index that git really commits.

use crate::world::World;

/// An AWS access key id, put together so that this file holds none.
fn key() -> String {
    ["AKIA", "Z7QJH2V5NTK3XW4P"].concat()
}

#[test]
fn a_clean_commit_passes_without_a_word() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    app.stage("a.txt", "two\n").commit().fine().silent();
    assert_eq!(app.ask(["log", "--format=%s"]), "change\nfirst");
}

#[test]
fn each_rule_refuses_with_its_name_place_reason_fix_and_way_around() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let app = world.at("app");
    let private = ["-----BEGIN OPENSSH ", "PRIVATE KEY-----\n"].concat()
        + &"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n".repeat(4)
        + "-----END OPENSSH PRIVATE KEY-----\n";
    for (rule, place, file, text) in [
        ("workflows", ".github/workflows/ci.yml", ".github/workflows/ci.yml", "on: push\n".to_owned()),
        ("secrets", "cfg.py:2", "cfg.py", format!("x = 1\nkey = \"{}\"\n", key())),
        ("private-key", "id:1", "id", private),
        ("conflict-marker", "c.txt:2", "c.txt", "x\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> b\n".to_owned()),
        ("governed-files", ".env", ".env", "A=1\n".to_owned()),
        ("large-file", "big", "big", "0123456789".repeat(1_100_000)),
    ] {
        let head = app.head();
        let said = app.stage(file, &text).commit().refused();
        let said = said.says(&format!("{rule} {place}\n")).says("fix:").says("around:");
        said.hides(&key());
        assert_eq!(app.head(), head, "{rule}");
        app.git(["reset", "-q", "--hard"]).fine();
    }
    assert_eq!(world.home_contains(&key()), None, "the secret is kept nowhere");
    world.kpmo(["events", "--json"]).fine().hides(&key());
    world.kpmo(["ledger", "verify"]).fine();
}
