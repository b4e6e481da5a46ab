//! What stood there before comes back.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use crate::world::{World, differing, same, tree};

#[test]
fn what_stood_there_is_restored_to_the_byte_and_the_mode() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    World::script(&app.hook("pre-commit"), "#!/bin/sh\n. \"$(dirname \"$0\")/helper\"\n");
    fs::set_permissions(app.hook("pre-commit"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::copy("/bin/true", app.hook("post-commit")).unwrap();
    World::script(&app.path.join("tools/push"), "#!/bin/sh\n");
    symlink("../../tools/push", app.hook("pre-push")).unwrap();
    symlink("/nowhere", app.hook("post-merge")).unwrap();
    fs::write(app.hook("post-checkout"), "#!/bin/sh\nexit 1 # not executable\n").unwrap();
    fs::write(app.hook("helper"), "helped=yes\n").unwrap();
    world.kpmo(["repo", "add", "app", "--no-hooks"]).fine();

    let before = tree(&app.path);
    world.kpmo(["install-hooks", "app", "--check"]).ended(1).says("app: foreign");
    same(&tree(&app.path), &before);
    world.kpmo(["install-hooks", "app"]).fine();
    world.kpmo(["install-hooks", "app", "--check"]).fine().says("app: ok");
    assert_eq!(world.status("app")["hooks"], "ok");
    let installed = tree(&app.path);
    world.kpmo(["install-hooks", "--all"]).fine();
    same(&tree(&app.path), &installed);
    for name in ["pre-commit", "pre-push", "post-merge"] {
        assert_eq!(fs::read_link(app.hook(name)).unwrap(), world.home().join("bin/kpmo-hook"));
    }
    app.git(["checkout", "-q", "-b", "side"]).fine().silent();

    world.kpmo(["uninstall-hooks", "app"]).fine();
    same(&tree(&app.path.join(".git/hooks")), &hooks_of(&before));
    assert_eq!(world.status("app")["hooks"], "foreign");
    app.git(["checkout", "-q", "main"]).fine();
    app.git(["branch", "-qD", "side"]).fine();
    let left = differing(&tree(&app.path), &before);
    assert!(left.iter().all(|path| path.starts_with(".git/logs") || path.ends_with("index")), "{left:?}");
}

/// The part of a work tree's tree that is its hooks.
fn hooks_of(tree: &crate::world::Tree) -> crate::world::Tree {
    let hooks = |path: &std::path::PathBuf| Some(path.strip_prefix(".git/hooks").ok()?.to_owned());
    tree.iter()
        .filter_map(|(path, entry)| Some((hooks(path)?, entry.clone())))
        .filter(|(path, _)| !path.as_os_str().is_empty())
        .collect()
}

#[test]
fn a_hook_says_how_to_mend_what_it_can_not_put() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    let app = world.at("app");
    fs::create_dir(app.hook("pre-push")).unwrap();
    fs::write(app.hook("pre-push").join("x"), "").unwrap();
    let before = tree(&app.path);
    world.kpmo(["repo", "add", "app"]).fine().says("hooks were not installed").says("move it away");
    same(&tree(&app.path), &before);
    world.kpmo(["install-hooks", "app"]).ended(1).says("is a directory");
    fs::remove_dir_all(app.hook("pre-push")).unwrap();
    world.kpmo(["install-hooks", "app"]).fine();
}
