//! The registry on a real file.

use std::{
    cell::Cell,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    sync::Arc,
};

use super::{Edit, HOME, add, assign, remove};
use crate::{
    fs::{DryRun, FileLock, RealWriter},
    registry::{Document, Registry, RegistryError},
};

const TWO: &str =
    "version: 1\nrepos:\n  - {name: a, local_path: /a} # a\n  - {name: b, local_path: /b} # b\n";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(text: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        fs::write(place.file(), text).unwrap();
        place
    }
    fn file(&self) -> PathBuf {
        self.dir.path().join("repos.yml")
    }
    fn lock(&self) -> PathBuf {
        self.dir.path().join("repos.lock")
    }
    fn open(&self) -> Registry {
        Registry::open(self.file(), self.lock(), HOME.into())
    }
    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

fn names(registry: &Registry) -> Vec<String> {
    registry.view().document.repos.iter().map(|repo| repo.name.clone()).collect()
}

#[test]
fn edits_by_hand_are_seen_at_once_and_broken_ones_leave_the_last_good() {
    let place = Place::new(TWO);
    let registry = place.open();
    let first = registry.view();
    assert!(first.problem.is_none() && first.document.repos.len() == 2);
    assert!(Arc::ptr_eq(&first.document, &registry.view().document), "not read anew");

    // Same size, same moment.
    fs::write(place.file(), TWO.replace("name: b", "name: c")).unwrap();
    assert_eq!(names(&registry), ["a", "c"]);

    fs::write(place.file(), TWO.replace("name: b", "name: a")).unwrap();
    for _ in 0..2 {
        let broken = registry.view();
        assert_eq!(broken.document.repos[1].name, "c");
        let told = broken.problem.unwrap().to_string();
        assert!(told.starts_with(&format!("{}:4:12: the name `a`", place.file().display())), "{told}");
    }
    let error = registry.edit(&RealWriter, None, &add("x", "/x")).unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { problems, .. } if problems.listed.len() == 1));

    // Back to what was broken before it, and to what was good.
    fs::write(place.file(), TWO).unwrap();
    assert!(registry.view().problem.is_none());
    assert_eq!(registry.view().document, first.document);

    fs::remove_file(place.file()).unwrap();
    fs::create_dir(place.file()).unwrap();
    assert!(matches!(*registry.view().problem.unwrap(), RegistryError::Io(_)));
    fs::remove_dir(place.file()).unwrap();
    fs::write(place.file(), TWO).unwrap();
    assert!(registry.view().problem.is_none());
}

/// What is left where the disk was full, or while an editor saves in place.
#[test]
fn a_file_that_lost_its_text_says_not_that_there_are_no_repositories() {
    let place = Place::new(TWO);
    let memory = place.dir.path().join("good.yml");
    let registry = place.open().remembering(memory.clone());
    assert_eq!(names(&registry), ["a", "b"]);
    let lost: [&dyn Fn(); 5] = [
        &|| fs::write(place.file(), "").unwrap(),
        &|| fs::remove_file(place.file()).unwrap(),
        &|| fs::write(place.file(), "# mine\n").unwrap(),
        &|| fs::write(place.file(), "---\n").unwrap(),
        &|| fs::write(place.file(), "version: 1\n").unwrap(),
    ];
    for lose in lost {
        lose();
        // For this governor, for the next one, and for one that only looks.
        let next = place.open().remembering(memory.clone());
        for registry in [&registry, &next, &place.open().recalling(memory.clone())] {
            assert_eq!(names(registry), ["a", "b"]);
            let told = registry.view().problem.unwrap().to_string();
            let wanted = format!(
                "{}: the file has no list of repositories (or is gone); the last good state with 2 repositories stays in force; \
                 write `version: 1` and `repos: []` if you mean none",
                place.file().display()
            );
            assert_eq!(told, wanted);
            let error = registry.edit(&RealWriter, None, &add("x", "/x")).unwrap_err();
            assert!(matches!(error, RegistryError::Emptied { kept: 2, .. }), "{error}");
            assert!(matches!(registry.check(), Err(RegistryError::Emptied { .. })));
        }
        assert_eq!(fs::read_to_string(&memory).unwrap(), TWO);
    }
    fs::write(place.file(), "version: 1\nrepos: []\n").unwrap();
    assert!(registry.view().problem.is_none() && names(&registry).is_empty());
    // Where there are none, there is nothing to lose.
    fs::remove_file(place.file()).unwrap();
    assert!(registry.view().problem.is_none());
    registry.edit(&RealWriter, None, &add("x", "/x")).unwrap();
}

#[test]
fn an_edit_is_written_seen_and_keeps_mode_and_link() {
    let place = Place::new(TWO);
    let real = place.dir.path().join("dotfiles.yml");
    fs::rename(place.file(), &real).unwrap();
    symlink(&real, place.file()).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let registry = place.open();
    let document = registry.edit(&RealWriter, None, &remove("a")).unwrap();
    assert_eq!(place.text(), "version: 1\nrepos:\n  - {name: b, local_path: /b} # b\n");
    assert_eq!(registry.view().document, document);
    assert!(place.file().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);

    // A link to nothing is not replaced by a new file.
    fs::remove_file(&real).unwrap();
    assert!(matches!(registry.edit(&RealWriter, None, &add("x", "/x")), Err(RegistryError::Io(_))));
    assert!(place.file().is_symlink());
}

#[test]
fn a_new_file_is_private() {
    let place = Place::new("");
    fs::remove_file(place.file()).unwrap();
    let registry = place.open();
    let base = registry.view().document.version.clone();
    registry.edit(&RealWriter, Some(&base), &add("x", "/home/dev/x")).unwrap();
    assert!(place.text().ends_with("version: 1\nrepos:\n  - name: x\n    local_path: ~/x\n"));
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_dry_run_tells_what_would_be_and_leaves_no_trace() {
    let place = Place::new(TWO);
    let would = place.open().edit(&DryRun::default(), None, &remove("a")).unwrap();
    assert_eq!(would.repos.len(), 1);
    assert_eq!(place.text(), TWO);
    assert!(!place.lock().exists());
}

#[test]
fn an_edit_based_on_an_older_version_is_refused() {
    let place = Place::new(TWO);
    let registry = place.open();
    let base = registry.view().document.version.clone();
    let now = registry.edit(&RealWriter, Some(&base), &remove("a")).unwrap();
    let error = registry.edit(&RealWriter, Some(&base), &remove("b")).unwrap_err();
    assert!(matches!(error, RegistryError::Stale { current } if current == now.version));
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let id =
        format!("version: 1\nrepos:\n  - {{name: a, local_path: /a, id: {}}}\n", super::ID.replace('0', "a"));
    let place = Place::new(&id);
    let before = fs::metadata(place.file()).unwrap();
    place.open().edit(&RealWriter, None, &assign("a")).unwrap();
    let after = fs::metadata(place.file()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));
}

#[test]
fn what_cannot_be_edited_alone_is_left_alone() {
    // The anchor goes with `a`, and `b` would be left without its tags.
    let text = "version: 1\nrepos:\n  - {name: a, local_path: /a, tags: &t [x]}\n  - {name: b, local_path: /b, tags: *t}\n";
    let place = Place::new(text);
    let error = place.open().edit(&RealWriter, None, &remove("a")).unwrap_err();
    assert!(matches!(error, RegistryError::EditFailed { .. }), "{error}");
    assert_eq!(place.text(), text);
}

#[test]
fn editors_at_once_lose_nothing() {
    let place = Place::new(TWO);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let place = &place;
            // Each as a process has it: its own registry on the same files.
            scope.spawn(move || {
                let registry = place.open();
                for at in 0..8 {
                    let name = format!("w{worker}-{at}");
                    registry.edit(&RealWriter, None, &add(&name, &format!("/{name}"))).unwrap();
                    if at % 2 == 1 {
                        registry.edit(&RealWriter, None, &Edit::Remove { name }).unwrap();
                    }
                    assert!(registry.view().problem.is_none());
                }
            });
        }
    });
    let mut found = names(&place.open());
    found.sort();
    let mut wanted = vec!["a".to_owned(), "b".to_owned()];
    wanted.extend((0..4).flat_map(|worker| [0, 2, 4, 6].map(|at| format!("w{worker}-{at}"))));
    assert_eq!(found, wanted);
    assert!(place.text().starts_with(TWO));
}

#[test]
fn what_is_saved_by_hand_during_an_edit_is_kept() {
    let place = Place::new(TWO);
    let registry = place.open();
    let plans = Cell::new(0);
    let plan = |document: &Document| {
        plans.set(plans.get() + 1);
        if plans.get() == 1 {
            // Same size, same moment.
            fs::write(place.file(), TWO.replace("# b", "# c")).unwrap();
        }
        Ok::<_, RegistryError>((add("x", "/x"), document.version.clone()))
    };
    let before = registry.view().document.version.clone();
    let (after, seen) = registry.edit_with(&RealWriter, None, plan).unwrap();
    assert_eq!((plans.get(), after.repos.len()), (2, 3));
    assert_ne!(seen, before);
    assert!(place.text().starts_with(&TWO.replace("# b", "# c")), "{}", place.text());

    // It begins anew a few times, and then says so.
    let again = |_: &Document| {
        plans.set(plans.get() + 1);
        fs::write(place.file(), format!("{TWO}# {}\n", plans.get())).unwrap();
        Ok::<_, RegistryError>((add("y", "/y"), ()))
    };
    let error = registry.edit_with(&RealWriter, None, again).unwrap_err();
    assert!(matches!(error, RegistryError::Restless { .. }), "{error}");
    assert_eq!(place.text(), format!("{TWO}# 7\n"));
    let left = fs::read_dir(place.dir.path()).unwrap().flatten().map(|entry| entry.file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}

#[test]
fn edits_are_planned_on_what_they_change() {
    let place = Place::new("version: 1\nrepos: []\n");
    let registry = place.open();
    // Each takes the next number for its name, which is free only once.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let plan = |document: &Document| {
                        let name = document.repos.len().to_string();
                        Ok::<_, RegistryError>((add(&format!("n{name}"), &format!("/{name}")), ()))
                    };
                    registry.edit_with(&RealWriter, None, plan).unwrap();
                }
            });
        }
    });
    assert_eq!(names(&registry), (0..64).map(|at| format!("n{at}")).collect::<Vec<_>>());
}

#[test]
fn a_held_lock_is_waited_for_and_then_told() {
    let place = Place::new(TWO);
    let held = FileLock::try_acquire(&place.lock()).unwrap().unwrap();
    let error = place.open().edit(&RealWriter, None, &remove("a")).unwrap_err();
    assert!(matches!(error, RegistryError::Busy { .. }));
    assert_eq!(place.text(), TWO);
    drop(held);
    place.open().edit(&RealWriter, None, &remove("a")).unwrap();
}

#[test]
fn the_last_good_state_outlives_the_process() {
    let place = Place::new(TWO);
    let open = || place.open().remembering(place.dir.path().join("good.yml"));
    assert_eq!(names(&open()), ["a", "b"]);
    fs::write(place.file(), "version: 1\nrepos: [").unwrap();
    let view = open().view();
    assert_eq!(view.document.repos.len(), 2, "as the last process saw it");
    assert!(matches!(view.problem.as_deref(), Some(RegistryError::Invalid { .. })));
    fs::write(place.file(), "version: 1\nrepos: []\n").unwrap();
    assert!(open().view().document.repos.is_empty());
    assert!(open().view().problem.is_none());
}
