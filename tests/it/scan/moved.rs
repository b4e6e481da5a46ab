//! Repositories that are not where they were.

use super::*;

/// As a move to another disk is: all is copied, and then the original goes.
fn carry(world: &World, from: &str, to: &str) -> PathBuf {
    let copied = copy(world, from, to);
    fs::remove_dir_all(world.path("src").join(from)).unwrap();
    copied
}

fn copy(world: &World, from: &str, to: &str) -> PathBuf {
    let to = world.path("src").join(to);
    let copied = Command::new("cp").arg("-a").arg(world.path("src").join(from)).arg(&to).status().unwrap();
    assert!(copied.success());
    to
}

/// Waits until the governor knows a repository's root commits.
#[track_caller]
fn until_known(world: &World, repo: &Repo<'_>) {
    let root = repo.ask(["rev-list", "--max-parents=0", "HEAD"]);
    let id = world.json(["repo", "show", repo.path.to_str().unwrap()])["repos"][0]["id"].clone();
    world.until(&format!("the roots of {} are known", repo.path.display()), || {
        let kept = fs::read(world.home().join("state/identities.json")).unwrap_or_default();
        let kept: Value = serde_json::from_slice(&kept).unwrap_or_default();
        kept["repos"][id.as_str().unwrap()]["roots"][0] == root.as_str()
    });
}

#[test]
fn a_moved_repository_keeps_its_entry_and_goes_on() {
    let world = World::new().repo("app", &FILES).repo("other", &FILES).up();
    let before = entries(&world);
    let to = rename(&world, "app", "work/renamed");

    let scan = world.json(["scan", "."]);
    let app = find(&scan, &to);
    assert_eq!((&app["registered"], &app["name"]), (&false.into(), &"app".into()));
    assert!(app["moved_from"].as_str().unwrap().ends_with("/src/app"), "{app}");
    assert_eq!(scan["vanished"], Value::Array(Vec::new()));
    world.kpmo(["scan", "."]).fine().says("moved").says("1 registered, 0 new, 1 moved");

    world.kpmo(["scan", ".", "--register", "--dry-run"]).fine().says("app would have moved: ");
    assert_eq!(entries(&world), before);
    world.kpmo(["scan", ".", "--register"]).fine().says("app moved: ").says("2 registered, 0 new");
    let after = entries(&world);
    let ids = |entries: &[(String, String, String)]| -> Vec<_> {
        entries.iter().map(|(name, id, _)| (name.clone(), id.clone())).collect()
    };
    assert_eq!(ids(&after), ids(&before));
    assert_eq!(after[0].2, "work/renamed");

    let event = &world.events("repo-moved")[0];
    assert_eq!(event["repo"], before[0].1.as_str());
    let attributes = &event["attributes"];
    assert_eq!(attributes["name"], "app");
    assert!(attributes["old_path"].as_str().unwrap().ends_with("/src/app"), "{event}");
    assert!(attributes["path"].as_str().unwrap().ends_with("/src/work/renamed"), "{event}");

    // Its hooks are those of the entry, and nothing is left to be done.
    let app = world.at("work/renamed");
    app.stage("key.txt", secret()).commit().refused().says("refused in app");
    app.git(["reset", "-q", "--hard"]).fine();
    app.stage("b.txt", "two\n").commit().fine().silent();
    assert_eq!(world.status("app")["hooks"], "ok");
    world.kpmo(["scan", ".", "--register"]).fine().hides("moved");
    assert_eq!((world.events("repo-moved").len(), world.events("repo-added").len()), (1, 2));
}

/// One is renamed, and another to where it was: paths say the wrong thing then.
#[test]
fn a_chain_of_renames_leaves_each_its_own_entry() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES).up();
    let ids: Vec<_> = entries(&world).into_iter().map(|(name, id, _)| (name, id)).collect();
    rename(&world, "lib", "lib-old");
    rename(&world, "app", "lib");
    world.kpmo(["scan", "."]).fine().says("0 new, 2 moved");
    // Perhaps one after the other, as the paths become free.
    for _ in 0..2 {
        world.kpmo(["scan", ".", "--register"]).fine().says("lib");
    }
    let after = entries(&world);
    let paths: Vec<&str> = after.iter().map(|(_, _, path)| &**path).collect();
    assert_eq!(paths, ["lib", "lib-old"]);
    assert_eq!(after.iter().map(|(name, id, _)| (name.clone(), id.clone())).collect::<Vec<_>>(), ids);
}

#[test]
fn repo_add_and_up_know_a_moved_repository_again() {
    let world = World::new().repo("app", &FILES).repo("lib", &FILES);
    world.init("empty", &[], &[]);
    let world = world.up();
    let ids: Vec<_> = entries(&world).into_iter().map(|(name, id, _)| (name, id)).collect();
    // Directories above it move with what is in them.
    rename(&world, "app", "a/b/app");
    world.kpmo(["repo", "add", "a/b/app", "--dry-run"]).fine().says("app would have moved from ");
    let added = world.json(["repo", "add", "a/b/app"]);
    assert_eq!((&added["created"], &added["repos"][0]["name"]), (&false.into(), &"app".into()));
    rename(&world, "a", "c");
    // One without a commit has a mark all the same; a name of another's does not
    // double what is proven to be the same.
    rename(&world, "empty", "full");
    world
        .kpmo(["repo", "add", "full", "--name", "full"])
        .fine()
        .says("moved from ")
        .says("it is empty, which has moved, and keeps that name");
    rename(&world, "lib", "library");
    world.kpmo(["up", "."]).fine().says("lib moved: ");
    let after = entries(&world);
    assert_eq!(after.iter().map(|(name, id, _)| (name.clone(), id.clone())).collect::<Vec<_>>(), ids);
    let paths: Vec<&str> = after.iter().map(|(_, _, path)| &**path).collect();
    assert_eq!(paths, ["c/b/app", "full", "library"]);
}

#[test]
fn root_commits_and_remote_tell_where_nothing_else_does() {
    let world = World::new().repo("app", &FILES).repo("new", &[]);
    world.at("app").with_origin();
    let world = world.up();
    let (app, new) = (world.at("app"), world.at("new"));
    until_known(&world, &app);
    // The roots of one that had no commit yet come with its first.
    new.stage("x", "x").commit().fine();
    until_known(&world, &new);
    let before = entries(&world);
    carry(&world, "app", "elsewhere");
    carry(&world, "new", "newer");
    world.kpmo(["scan", ".", "--register"]).fine().says("app moved: ").says("new moved: ");
    let after = entries(&world);
    assert_eq!(
        after.iter().map(|(_, id, _)| id).collect::<Vec<_>>(),
        before.iter().map(|(_, id, _)| id).collect::<Vec<_>>()
    );
    assert_eq!((&*after[0].2, &*after[1].2), ("elsewhere", "newer"));

    // With another remote it is another.
    let app = world.at("elsewhere");
    app.git(["remote", "set-url", "origin", "https://example.org/other.git"]).fine();
    until_known(&world, &app);
    carry(&world, "elsewhere", "fork");
    world.at("fork").git(["remote", "set-url", "origin", "https://example.org/third.git"]).fine();
    world.kpmo(["scan", ".", "--register"]).fine().says("vanished").hides("app moved");
    assert_eq!(entries(&world).len(), 3);
}

#[test]
fn a_copy_is_a_repository_of_its_own() {
    let world = World::new().repo("app", &FILES).up();
    until_known(&world, &world.at("app"));
    copy(&world, "app", "copy");
    world.kpmo(["scan", ".", "--register"]).fine().hides("moved").says("2 registered");
    let entries = entries(&world);
    assert_eq!((&*entries[0].2, &*entries[1].2), ("app", "copy"));
    assert_ne!(entries[0].1, entries[1].1);
    // Not even when the original is gone afterwards: the copy has its entry.
    fs::remove_dir_all(world.path("src/app")).unwrap();
    world.kpmo(["scan", ".", "--register"]).fine().hides("moved").says("1 vanished");
}

#[test]
fn where_several_fit_nothing_is_guessed() {
    let world = World::new().repo("one", &FILES).up();
    copy(&world, "one", "two");
    let world = world.up();
    for name in ["one", "two"] {
        until_known(&world, &world.at(name));
    }
    let before = entries(&world);
    carry(&world, "one", "three");
    carry(&world, "two", "four");
    let scan = world.json(["scan", ".", "--register"]);
    assert_eq!(entries(&world), before);
    let three = find(&scan, &world.path("src/three"));
    assert_eq!(three["candidates"], serde_json::json!(["one", "two"]));
    assert_eq!(three["outcome"], "left-out");
    let says = format!("kpmo repo set one --local-path {}", world.path("src/three").display());
    assert!(three["error"].as_str().unwrap().contains(&says), "{three}");
    world.kpmo(["scan", ".", "--register"]).ended(1).says(&says).says("2 unclear");
    world.kpmo(["repo", "add", "three"]).ended(1).says(&says);

    // A name says which; then there is one left, and that is no guess any more.
    world.kpmo(["repo", "add", "three", "--name", "two"]).fine().says("two moved from ");
    world.kpmo(["scan", ".", "--register"]).fine().says("one moved: ");
    let after = entries(&world);
    assert_eq!((&*after[0].2, &*after[1].2), ("four", "three"));

    // Renamed, each has its mark.
    rename(&world, "four", "five");
    rename(&world, "three", "six");
    world.kpmo(["scan", ".", "--register"]).fine().says("one moved: ").says("two moved: ");
    let after = entries(&world);
    assert_eq!((&*after[0].2, &*after[1].2), ("five", "six"));

    // Two that may be the one that is gone.
    copy(&world, "five", "seven");
    carry(&world, "five", "eight");
    world.kpmo(["scan", ".", "--register"]).ended(1).says("2 unclear").says("and so may another find");
    assert_eq!(entries(&world), after);
    world.kpmo(["repo", "add", "seven", "--name", "mine"]).fine().says("added mine");
    world.kpmo(["scan", ".", "--register"]).fine().says("one moved: ");
    assert_eq!(entries(&world).len(), 3);
}

#[test]
fn what_is_on_a_disk_that_is_not_there_has_not_vanished() {
    let world = World::new().repo("app", &FILES);
    let disk = world.path("src/disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("LEFT OUT: a disk that is taken away; mounting one needs root");
        return;
    }
    let app = copy(&world, "app", "disk/app");
    fs::remove_dir_all(world.path("src/app")).unwrap();
    let umount = || Command::new("umount").arg("-l").arg(&disk).status().unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.kpmo(["scan", "."]).fine().says("0 repositories");
        world.kpmo(["scan", ".", "--cross-file-systems", "--register"]).fine().says("1 registered");
        until_known(&world, &Repo::new(&world, app));
        copy(&world, "disk/app", "app");
    }));
    assert!(umount().success());
    outcome.unwrap();
    let scan = world.json(["scan", "."]);
    assert_eq!(scan["vanished"], Value::Array(Vec::new()));
    let copied = find(&scan, &world.path("src/app"));
    assert_eq!((&copied["registered"], copied.get("moved_from")), (&false.into(), None));
    world.kpmo(["scan", ".", "--register"]).fine().hides("moved");
    assert_eq!(entries(&world).len(), 2);
}

#[test]
fn what_has_vanished_is_told() {
    let world = World::new().repo("app", &FILES).repo("gone", &FILES).up();
    let id = world.status("gone")["id"].clone();
    fs::remove_dir_all(world.path("src/gone")).unwrap();
    let scan = world.json(["scan", "."]);
    let vanished = &scan["vanished"];
    assert_eq!(vanished.as_array().unwrap().len(), 1);
    assert_eq!((&vanished[0]["name"], &vanished[0]["id"]), (&"gone".into(), &id));
    assert!(vanished[0]["local_path"].as_str().unwrap().ends_with("/src/gone"), "{scan}");
    world.kpmo(["scan", "."]).fine().says("(of gone)").says("1 vanished").says("kpmo repo remove");
    // Something is there again: whatever it is, that it vanished can't be said.
    fs::create_dir(world.path("src/gone")).unwrap();
    assert_eq!(world.json(["scan", "."])["vanished"], Value::Array(Vec::new()));
}

#[test]
fn who_comes_back_gets_the_id_that_it_had() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("lib", &[("a.txt", "one\n")]).up();
    let (app, lib) = (world.at("app"), world.at("lib"));
    until_known(&world, &app);
    until_known(&world, &lib);
    let id = |name: &str| world.status(name)["id"].as_str().unwrap_or_default().to_owned();
    let ids = (id("app"), id("lib"));
    let file = world.home().join("config/repos.yml");
    let before = fs::read_to_string(&file).unwrap();

    // Lines of the file that were lost.
    let without: Vec<&str> = before.lines().filter(|line| !line.contains("id: ")).collect();
    let without = without.join("\n").replace("    name: ", "  - name: ") + "\n";
    fs::write(&file, without).unwrap();
    world.until("ids are there again", || (id("app"), id("lib")) == ids);

    // And what was taken out, and comes back.
    world.kpmo(["repo", "remove", "app"]).fine();
    assert_eq!(id("lib"), ids.1);
    world.kpmo(["repo", "add", "app"]).fine().says("added");
    assert_eq!(id("app"), ids.0);
    world.kpmo(["repo", "remove", "app"]).fine();
    world.kpmo(["scan", ".", "--register"]).fine().says("1 repository registered");
    assert_eq!(id("app"), ids.0);

    // A copy is another one, also where the original is gone.
    let copied = copy(&world, "app", "copied");
    world.kpmo(["repo", "add", copied.to_str().unwrap()]).fine();
    assert_ne!(id("copied"), ids.0);

    // One that was away is known again where it has moved to meanwhile.
    fs::write(&file, &before).unwrap();
    rename(&world, "app", "elsewhere");
    world.kpmo(["scan", ".", "--register"]).fine().says("moved");
    assert_eq!(id("app"), ids.0);
    assert!(world.status("app")["local_path"].as_str().unwrap().ends_with("/elsewhere"));
}
