//! Git LFS puts its hooks in place by itself, and gives up in silence where one
//! stands: without its pre-push, a push leaves its files out.

use std::{fs, path::Path};

use super::{hooks, refuses};
use crate::world::{Repo, World, peer};

const HOOKS: [&str; 4] = ["pre-push", "post-checkout", "post-commit", "post-merge"];

/// With the filters of Git LFS, as `git lfs install` sets them up for a user.
fn world() -> Option<World> {
    peer("git-lfs")?;
    let world = World::new().patient().repo("app", &[("a.txt", "one\n")]);
    world.at("app").git(["lfs", "install", "--skip-repo"]).fine();
    Some(world)
}

/// How many files of Git LFS the other side has after a commit with one, pushed at
/// once.
fn sent(app: &Repo<'_>, other: &Path, name: &str) -> usize {
    app.write(name, format!("{name}\n").repeat(1000));
    app.git(["add", "-A"]).fine();
    app.git(["commit", "-qm", name]).fine();
    app.git(["push", "-q", "other", "main"]).fine();
    let kept = fs::read_dir(other.join("lfs/objects")).into_iter().flatten().flatten();
    kept.count()
}

#[test]
fn what_it_keeps_is_sent_where_kpmo_was_first() {
    let Some(world) = world() else { return };
    let other = world.bare("other.git", &[]).path;
    world.at("app").git(["remote", "add", "other", other.to_str().unwrap()]).fine();
    let world = world.up();
    let app = world.at("app");
    app.git(["lfs", "track", "*.bin"]).fine();
    assert_eq!(sent(&app, &other, "first.bin"), 1);
    refuses(&world, &app);
    world.until("its hooks are texts", || HOOKS.iter().all(|name| !app.hook(name).is_symlink()));

    // Told to write over kpmo's hooks, it does; both work all the same.
    app.git(["lfs", "update", "--force"]).fine();
    assert_eq!(sent(&app, &other, "second.bin"), 2);
    super::until_well(&world);
    assert_eq!(sent(&app, &other, "third.bin"), 3);

    // What is left without kpmo is what it makes alone.
    world.kpmo(["uninstall-hooks", "app"]).fine();
    let alone = world.init_in_home("alone");
    alone.git(["lfs", "update"]).fine();
    assert_eq!(hooks(&app)[".git/hooks"], hooks(&alone)[".git/hooks"]);
    assert!(!app.path.join(".git/hooks.kpmo").exists());
}

#[test]
fn a_hook_of_the_users_own_stays_the_users() {
    let Some(world) = world() else { return };
    World::script(
        &world.at("app").path.join(".git/hooks/pre-push"),
        "#!/bin/sh\necho own >> \"$HOME/ran\"\n",
    );
    let other = world.bare("other.git", &[]).path;
    world.at("app").git(["remote", "add", "other", other.to_str().unwrap()]).fine();
    let world = world.up();
    let app = world.at("app");
    app.git(["lfs", "track", "*.bin"]).fine();
    // As without kpmo: it does not write over it, and says so only when asked.
    assert_eq!(sent(&app, &other, "first.bin"), 0);
    assert_eq!(super::ran(&world), ["own"]);
}
