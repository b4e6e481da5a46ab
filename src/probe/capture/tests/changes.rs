//! What has not changed is neither read nor stored again.

use std::{fs, os::unix::fs::PermissionsExt};

use super::world::World;
use crate::probe::store::Store as _;

#[test]
fn without_a_change_there_is_no_snapshot() {
    let mut world = World::new();
    world.repo("r");
    world.write("r/sub/untracked", "new");
    // Right after everything was written, and some time later; by the same
    // capturer, and by one that knows nothing.
    let first = world.complete("r");
    for again in 0..4 {
        if again == 2 {
            world.still("r");
            world.restart();
        }
        let captured = world.capture("r");
        assert!(captured.unchanged);
        assert_eq!(captured.snapshot, first);
    }
    // A lock that came and went, a mode that was changed and changed back.
    world.write("r/.git/index.lock", "");
    fs::remove_file(world.at("r/.git/index.lock")).unwrap();
    let mode = |mode| fs::set_permissions(world.at("r/a.txt"), fs::Permissions::from_mode(mode)).unwrap();
    let before = fs::metadata(world.at("r/a.txt")).unwrap().permissions().mode();
    mode(0o600);
    mode(before);
    assert!(world.capture("r").unchanged);
    assert_eq!(world.store.snapshots().unwrap().len(), 1);
    mode(0o600);
    world.complete("r");
}

#[test]
fn only_what_has_changed_is_read() {
    let mut world = World::new();
    world.repo("r");
    for number in 0..50 {
        world.write(format!("r/d{}/f{number}", number % 5), format!("{number}"));
    }
    world.still("r");
    world.complete("r");
    world.still("r");
    for restarted in [false, true] {
        if restarted {
            world.restart();
        }
        let content = format!("changed {restarted}");
        let opened = world.opened(|world| {
            world.write("r/d1/f1", &content);
            let snapshot = world.complete("r");
            world.assert_whole(&snapshot, "r", &[]);
        });
        assert_eq!(opened, [world.at("r/d1/f1")]);
        world.still("r");
    }
    // What was written just before the last snapshot is read once more.
    let opened = world.opened(|world| {
        world.write("r/d2/f2", "changed");
        world.complete("r");
    });
    assert!(opened.contains(&world.at("r/d2/f2")) && opened.len() <= 2, "{opened:?}");
}

#[test]
fn a_change_that_leaves_size_and_mtime_is_seen() {
    let world = World::new();
    world.repo("r");
    world.write("r/file", "one");
    let times =
        fs::FileTimes::new().set_modified(fs::metadata(world.at("r/file")).unwrap().modified().unwrap());
    world.complete("r");
    for content in ["two", "six", "ten"] {
        world.write("r/file", content);
        fs::File::options().append(true).open(world.at("r/file")).unwrap().set_times(times).unwrap();
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &[]);
    }
}

#[test]
fn whatever_changes_the_next_snapshot_is_whole() {
    let mut world = World::new();
    world.repo("r");
    let steps: [&dyn Fn(&World); 9] = [
        &|world| world.write("r/deep/er/file", "x"),
        &|world| fs::rename(world.at("r/deep"), world.at("r/moved")).unwrap(),
        &|world| fs::remove_dir_all(world.at("r/moved/er")).unwrap(),
        &|world| drop(world.git("r", &["commit", "-q", "--allow-empty", "-m", "x"])),
        &|world| fs::remove_file(world.at("r/a.txt")).unwrap(),
        &|world| fs::create_dir(world.at("r/a.txt")).unwrap(),
        &|world| drop(world.git("r", &["gc", "-q"])),
        &|world| drop(world.git("r", &["branch", "b"])),
        &|world| world.write("r/.git/hooks/post-commit", "#!/bin/sh\n"),
    ];
    world.complete("r");
    for (number, step) in steps.iter().enumerate() {
        step(&world);
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &[]);
        if number % 3 == 0 {
            world.restart();
        }
        assert!(world.capture("r").unchanged);
    }
    assert_eq!(world.store.check(true, &|_, _| true).unwrap().errors, Vec::<String>::new());
}

#[test]
fn objects_that_came_or_went_are_seen() {
    let mut world = World::new();
    world.repo("r");
    for round in 0..12 {
        if round % 2 == 0 {
            world.still("r");
        }
        if round == 6 {
            world.restart();
        }
        world.write("r/file", format!("{round}"));
        let id = world.git("r", &["hash-object", "-w", "file"]);
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &[]);
        let (directory, file) = id.trim().split_at(2);
        fs::remove_file(world.at("r/.git/objects").join(directory).join(file)).unwrap();
        let snapshot = world.complete("r");
        world.assert_whole(&snapshot, "r", &[]);
    }
}

#[test]
fn a_snapshot_that_was_forgotten_is_not_built_upon() {
    let world = World::new();
    world.repo("r");
    let first = world.complete("r");
    world.store.forget(&[first.id]).unwrap();
    let snapshot = world.complete("r");
    world.assert_whole(&snapshot, "r", &[]);
}

#[test]
fn repositories_do_not_get_in_each_others_way() {
    let world = World::new();
    let names = ["one", "two", "three", "four"];
    for name in names {
        world.repo(name);
    }
    std::thread::scope(|scope| {
        for name in names {
            let world = &world;
            scope.spawn(move || {
                for round in 0..3 {
                    world.write(format!("{name}/file"), format!("{name} {round}"));
                    world.complete(name);
                }
            });
        }
    });
    for name in names {
        let captured = world.capture(name);
        assert!(captured.unchanged);
        world.assert_whole(&captured.snapshot, name, &[]);
    }
}
