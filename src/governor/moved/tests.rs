//! Several that were renamed, one to where another was.

use std::{fs, path::Path, process::Command};

use super::super::{AddOptions, FoundOrder, FoundStep, Governor, Recognized, RegisteredFound};
use super::*;
use crate::client::Home;

struct World {
    dir: tempfile::TempDir,
    governor: Governor,
}

impl World {
    /// With these repositories, each with a commit of its own, registered.
    fn with(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::single(&dir.path().join("home")).unwrap();
        for place in [&home.config, &home.state, &home.probe] {
            fs::create_dir_all(place).unwrap();
        }
        let governor = Governor::open(home, dir.path().join("socket")).unwrap();
        let world = Self { dir, governor };
        for name in names {
            world.git(&["init", "-q", name]);
            world.git(&["-C", name, "commit", "-q", "--allow-empty", "-m", name]);
            let path = world.path(name);
            world.governor.add_repo(&AddOptions { path, skip_hooks: true, ..AddOptions::default() }).unwrap();
            world.look(name).unwrap();
        }
        world
    }

    fn git(&self, args: &[&str]) {
        let given = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        let done = Command::new("git").args(given).args(args).current_dir(self.dir.path()).status();
        assert!(done.unwrap().success(), "git {args:?}");
    }

    /// Free of links.
    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn entry(&self, name: &str) -> Repo {
        self.governor.select(name).unwrap()
    }

    /// As the thread does that looks at repositories.
    fn look(&self, name: &str) -> Result<bool, crate::fs::answering::NoAnswer> {
        self.governor.look_for_identity(&self.entry(name).id.unwrap(), true)
    }

    /// What finds at these paths are, and which entries are nowhere.
    fn recognized(&self, names: &[&str]) -> (Vec<String>, Vec<String>) {
        let finds: Vec<_> =
            names.iter().map(|name| (self.path(name), self.path(name).join(".git"))).collect();
        let recognition = self.governor.recognize(&finds);
        let told = |known: Recognized| match known {
            Recognized::New => "new".to_owned(),
            Recognized::Registered(repo) => format!("is {}", repo.name),
            Recognized::Moved(repo) => format!("was {}", repo.name),
            Recognized::Ambiguous(_) => "unclear".to_owned(),
        };
        let finds = recognition.finds.into_iter().map(told).collect();
        (finds, recognition.vanished.into_iter().map(|repo| repo.name).collect())
    }
}

/// What is registered of these paths, and where; or why not.
fn registered(world: &World, names: &[&str]) -> Vec<Result<String, String>> {
    let order = FoundOrder {
        paths: names.iter().map(|name| world.path(name)).collect(),
        skip_hooks: true,
        dry_run: false,
    };
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |step: FoundStep| told.lock().unwrap().extend(step.found);
    world.governor.register_found(&order, &tell).unwrap();
    let mut told = told.into_inner().unwrap();
    told.sort_by(|one, other| one.path.cmp(&other.path));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let of = |found: RegisteredFound| match found.outcome {
        Ok((_, repo)) => Ok(format!("{} at {}", repo.name, name(&repo.local_path))),
        Err(error) => Err(error.message),
    };
    told.into_iter().map(of).collect()
}

/// Whether no second one has the mark of a first.
fn marks_differ(world: &World, names: &[&str]) -> bool {
    let mark = |name: &&str| world.governor.identities.of(&world.entry(name).id.unwrap()).unwrap().mark;
    let marks: HashSet<Option<String>> = names.iter().map(mark).collect();
    marks.len() == names.len()
}

/// The file system may know no time of birth: then there are no marks.
fn has_marks(dir: &Path) -> bool {
    mark(dir).is_some()
}

#[test]
fn a_chain_of_renames_is_proven_by_marks_in_any_order() {
    for order in [["b", "c"], ["c", "b"]] {
        let world = World::with(&["a", "b"]);
        if !has_marks(world.dir.path()) {
            eprintln!("LEFT OUT: no times of birth here");
            return;
        }
        world.rename("b", "c");
        world.rename("a", "b");
        // What was known of `b` is not lost by a look at what is there now.
        assert_eq!(world.look("b"), Ok(false));
        assert!(marks_differ(&world, &["a", "b"]));
        let (finds, vanished) = world.recognized(&order);
        assert_eq!(finds, if order[0] == "b" { ["was a", "was b"] } else { ["was b", "was a"] });
        assert!(vanished.is_empty(), "{vanished:?}");
        // Of a scan that does not come to all of them.
        assert_eq!(world.recognized(&["c"]), (vec!["was b".into()], vec!["a".into()]));
        assert_eq!(world.recognized(&["b"]), (vec!["was a".into()], vec!["b".into()]));
    }
}

#[test]
fn two_that_were_exchanged_are_told_apart() {
    let world = World::with(&["a", "b", "other"]);
    if !has_marks(world.dir.path()) {
        return;
    }
    world.rename("a", "aside");
    world.rename("b", "a");
    world.rename("aside", "b");
    for name in ["a", "b", "other"] {
        assert_eq!(world.look(name), Ok(false), "{name}");
    }
    let (finds, vanished) = world.recognized(&["a", "b", "other"]);
    assert_eq!((finds, vanished.len()), (vec!["was b".into(), "was a".into(), "is other".into()], 0));
}

/// An entry does not lose its path to another while nobody knows where it is.
#[test]
fn nobody_follows_to_where_another_may_be() {
    let world = World::with(&["a", "b"]);
    if !has_marks(world.dir.path()) {
        return;
    }
    world.rename("b", "c");
    world.rename("a", "b");
    let said = registered(&world, &["b"]).remove(0).unwrap_err();
    assert!(said.contains("`kpmo repo remove b`"), "{said}");
    assert_eq!(world.entry("a").local_path, world.path("a"));
    // Perhaps one after the other, as the paths become free.
    registered(&world, &["b", "c"]);
    assert_eq!(registered(&world, &["b", "c"]), [Ok("a at b".into()), Ok("b at c".into())]);
    assert!(marks_differ(&world, &["a", "b"]));
    assert_eq!(world.recognized(&["b", "c"]), (vec!["is a".into(), "is b".into()], Vec::new()));
}

/// Two entries for one repository, or a new one in the place of another, displace
/// nobody.
#[test]
fn what_is_at_its_own_path_has_displaced_nobody() {
    let world = World::with(&["a", "b"]);
    fs::remove_dir_all(world.path("b")).unwrap();
    world.git(&["init", "-q", "b"]);
    assert_eq!(world.recognized(&["a", "b"]).0, ["is a", "is b"]);
    // Another name for the same.
    fs::remove_dir_all(world.path("b")).unwrap();
    std::os::unix::fs::symlink("a", world.path("b")).unwrap();
    world.look("b").unwrap();
    assert_eq!(world.recognized(&["a"]), (vec!["is a".into()], Vec::new()));
    assert_eq!(world.governor.whereabouts(&world.entry("b")), Whereabouts::There);
}
