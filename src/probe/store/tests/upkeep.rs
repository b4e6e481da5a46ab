use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use super::{super::failure, *};

/// A store that removes what was marked at the next prune, whatever the clock says.
fn hasty() -> StoreOptions {
    StoreOptions { keep_marked: Duration::ZERO, ..quick() }
}

/// Snapshots of two directories, of which the first is forgotten.
fn half_forgotten() -> (Fixture, Snapshot) {
    let fixture = Fixture::new();
    for name in 0..50 {
        fixture.write(&format!("gone {name}"), format!("{name}").repeat(1000));
    }
    fixture.write("both", "in both");
    let gone = fixture.snapshot();
    for name in 0..50 {
        fs::remove_file(fixture.work.join(format!("gone {name}"))).unwrap();
    }
    fixture.write("kept", "only here");
    let kept = fixture.snapshot();
    fixture.store.forget(&[gone.id]).unwrap();
    (fixture, kept)
}

#[test]
fn pruning_takes_two_turns() {
    let (fixture, kept) = half_forgotten();
    let store = RusticStore::open(&fixture.probe, hasty()).unwrap();
    let before = store.stats().unwrap();
    let first = store.prune().unwrap();
    assert!(first.marked_bytes > 0, "{first:?}");
    assert_eq!(first.removed_bytes, 0);
    assert!(store.stats().unwrap().marked_bytes > 0);
    fixture.restic_checks();
    let second = store.prune().unwrap();
    assert!(second.removed_bytes > 0, "{second:?}");
    let after = store.stats().unwrap();
    assert_eq!(after.marked_bytes, 0);
    assert!(after.bytes < before.bytes, "{before:?} {after:?}");
    fixture.restic_checks();
    let target = fixture.restored(&kept, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));
    assert_eq!(store.check(true, &|_, _| true).unwrap().errors, Vec::<String>::new());
}

#[test]
fn what_is_marked_is_kept_for_a_while() {
    let (fixture, _) = half_forgotten();
    assert!(fixture.store.prune().unwrap().marked_bytes > 0);
    assert_eq!(fixture.store.prune().unwrap().removed_bytes, 0);
}

/// Files of packs.
fn packs(fixture: &Fixture) -> BTreeSet<PathBuf> {
    paths(&fixture.probe.join("store/data")).into_iter().filter(|path| path.is_file()).collect()
}

/// Packs that the index has and no snapshot needs, and packs of which nothing
/// knows, since the index is written after them.
#[test]
fn what_killed_writers_leave_goes_in_two_turns() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let kept = fixture.snapshot();
    let (before, portrayed) = (packs(&fixture), portrait(&fixture.work));
    let index = || paths(&fixture.probe.join("store/index")).into_iter().collect::<BTreeSet<_>>();
    for is_indexed in [true, false] {
        let known = index();
        fixture.write("lost", noise(50_000));
        fixture.store.put(walk(&fixture.work), Some(&kept.id)).unwrap();
        for file in index().difference(&known).filter(|_| !is_indexed) {
            fs::remove_file(file).unwrap();
        }
    }
    let left = packs(&fixture);
    let lost: Vec<&PathBuf> = left.difference(&before).collect();
    assert!(lost.len() >= 4, "trees and contents, of both: {lost:?}");

    let store = RusticStore::open(&fixture.probe, hasty()).unwrap();
    assert!(store.prune().unwrap().marked_bytes > 100_000);
    assert!(lost.iter().all(|pack| pack.exists()), "the first turn only marks");
    fixture.restic_checks();
    assert!(store.prune().unwrap().removed_bytes > 100_000);
    assert!(lost.iter().all(|pack| !pack.exists()), "{lost:?}");
    fixture.restic_checks();
    assert_eq!(portrait(&fixture.restored(&kept, "out")), portrayed);
    assert_eq!(store.check(true, &|_, _| true).unwrap().errors, Vec::<String>::new());
}

#[test]
fn each_repositorys_last_is_found_whoever_forgets_and_adds() {
    let fixture = Fixture::new();
    let other = fixture.again();
    let add = |store: &RusticStore, repo: &str, second: i64| {
        let stored = store.put(walk(&fixture.work), None).unwrap();
        let time = Timestamp::new(second, 0).unwrap();
        store.commit(&stored, Draft { repo_id: repo.into(), time, ..draft(&fixture.work) }).unwrap()
    };
    let last = |repo: &str| fixture.store.last(repo).unwrap();
    assert_eq!(last("a"), None);
    let first = add(&fixture.store, "a", 1);
    let third = add(&other, "a", 3);
    let of_b = add(&other, "b", 9);
    assert_eq!((last("a"), last("b")), (Some(third.clone()), Some(of_b.clone())));
    // Not the newest, although it came last.
    let second = add(&fixture.store, "a", 2);
    assert_eq!(last("a"), Some(third.clone()));
    other.forget(&[first.id, third.id]).unwrap();
    assert_eq!((last("a"), last("b")), (Some(second.clone()), Some(of_b)));
    other.forget(&[second.id]).unwrap();
    assert_eq!(last("a"), None);
}

#[test]
fn forgetting_twice_is_forgetting() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.snapshot(), fixture.snapshot());
    fixture.store.forget(std::slice::from_ref(&one.id)).unwrap();
    fixture.store.forget(&[one.id]).unwrap();
    assert_eq!(fixture.store.snapshots().unwrap(), [two]);
    let error = fixture.store.forget(&[SnapshotId("0000".into())]).unwrap_err();
    assert!(matches!(error, StoreError::NoSnapshot(_)), "{error}");
}

/// Another process has pruned what this one's index still has.
#[test]
fn what_was_pruned_by_another_is_stored_again() {
    let (fixture, kept) = half_forgotten();
    let other = RusticStore::open(&fixture.probe, hasty()).unwrap();
    other.prune().unwrap();
    other.prune().unwrap();
    for name in 0..50 {
        fixture.write(&format!("gone {name}"), format!("{name}").repeat(1000));
    }
    let again = fixture.snapshot_after(Some(&kept.id));
    fixture.restic_checks();
    let target = fixture.restored(&again, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));
}

/// Between storing and committing, nothing keeps what was stored from being
/// pruned; then there must not be a snapshot of it.
#[test]
fn what_was_pruned_before_its_commit_is_not_committed() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    fixture.snapshot();
    fixture.write("new", "stored, but not committed");
    let stored = fixture.store.put(walk(&fixture.work), None).unwrap();
    let other = RusticStore::open(&fixture.probe, hasty()).unwrap();
    other.prune().unwrap();
    let error = fixture.store.commit(&stored, draft(&fixture.work)).unwrap_err();
    assert!(error.to_string().contains("pruned"), "{error}");
    let stored = fixture.store.put(walk(&fixture.work), None).unwrap();
    fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    fixture.restic_checks();
}

/// If everything is still there, it may be committed.
#[test]
fn a_prune_that_took_nothing_of_it_does_not_matter() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let first = fixture.snapshot();
    let stored = fixture.store.put(walk(&fixture.work), Some(&first.id)).unwrap();
    fixture.again().prune().unwrap();
    let second = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    assert_eq!(second.tree, first.tree);
    fixture.restic_checks();
}

#[test]
fn who_prunes_has_it_alone() {
    let fixture = Fixture::new();
    let impatient = StoreOptions { patience: Duration::ZERO, ..StoreOptions::default() };
    let store = RusticStore::open(&fixture.probe, impatient).unwrap();
    {
        let _used = fixture.store.lock.shared().unwrap();
        assert!(matches!(store.prune(), Err(StoreError::Busy)));
        store.put(walk(&fixture.work), None).unwrap();
    }
    let _alone = fixture.store.lock.alone().unwrap();
    assert!(matches!(store.put(walk(&fixture.work), None), Err(StoreError::Busy)));
    assert!(matches!(store.snapshots(), Err(StoreError::Busy)));
    store.settle().unwrap();
}

#[test]
fn a_damaged_store_is_noticed() {
    let fixture = Fixture::new();
    fixture.write("file", "content".repeat(1000));
    fixture.snapshot();
    assert_eq!(fixture.store.check(false, &|_, _| true).unwrap().snapshots, 1);
    let packs = paths(&fixture.probe.join("store/data"));
    let packs: Vec<_> = packs.into_iter().filter(|path| path.is_file()).collect();
    for pack in &packs {
        let mut bytes = fs::read(pack).unwrap();
        bytes[20] ^= 1;
        fs::write(pack, bytes).unwrap();
    }
    let checked = fixture.again().check(true, &|_, _| true).unwrap();
    assert!(!checked.errors.is_empty());
    for pack in &packs {
        fs::remove_file(pack).unwrap();
    }
    let checked = fixture.again().check(false, &|_, _| true).unwrap();
    assert!(!checked.errors.is_empty());
    assert!(fixture.restic(&["check"]).status.code() != Some(0));
}

#[test]
fn settling_brings_what_others_have_added() {
    let fixture = Fixture::new();
    fixture.write("file", "one");
    fixture.snapshot();
    fixture.write("file", "two");
    let other = fixture.again();
    let stored = other.put(walk(&fixture.work), None).unwrap();
    let snapshot = other.commit(&stored, draft(&fixture.work)).unwrap();
    fixture.store.settle().unwrap();
    assert_eq!(nodes_at(&fixture.store, &snapshot, &fixture.work).len(), 1);
    // What was stored already is not stored again.
    let again = fixture.store.put(walk(&fixture.work), None).unwrap();
    assert_eq!((again.tree, again.added), (snapshot.tree, 0));
}

/// Files of a disk with room for so many writes.
#[derive(Debug)]
struct Full {
    files: Arc<dyn WriteBackend>,
    left: std::sync::atomic::AtomicI64,
}

impl ReadBackend for Full {
    fn location(&self) -> String {
        self.files.location()
    }
    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.files.list_with_size(kind)
    }
    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.files.read_full(kind, id)
    }
    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.files.read_partial(kind, id, cacheable, offset, length)
    }
    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.files.warmup_path(kind, id)
    }
}

impl WriteBackend for Full {
    fn write_bytes(&self, kind: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        if self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) <= 0 {
            let error = io::Error::from(io::ErrorKind::StorageFull);
            return Err(RusticError::with_source(ErrorKind::InputOutput, "cannot write", error));
        }
        self.files.write_bytes(kind, id, cacheable, content)
    }
    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        self.files.remove(kind, id, cacheable)
    }
}

/// Wherever the disk gets full, it is said, nothing hangs, and what there was
/// before is as good as it was.
#[test]
fn a_full_disk_is_said_to_be_full() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let first = fixture.snapshot();
    for name in 0..12 {
        fixture.write(&format!("noise {name}"), noise(2 << 20));
    }
    let mut writes = 0;
    loop {
        let full = |files| Arc::new(Full { files, left: writes.into() }) as Arc<dyn WriteBackend>;
        let store = RusticStore::open_through(&fixture.probe, quick(), full).unwrap();
        let stored = store.put(walk(&fixture.work), Some(&first.id));
        let committed = stored.and_then(|stored| store.commit(&stored, draft(&fixture.work)));
        match committed {
            Ok(snapshot) => {
                let target = fixture.restored(&snapshot, "out");
                assert_eq!(portrait(&target), portrait(&fixture.work));
                break;
            }
            Err(error) => assert!(matches!(error, StoreError::Full { .. }), "{error}"),
        }
        assert_eq!(fixture.store.snapshots().unwrap(), std::slice::from_ref(&first));
        writes += 1;
    }
    assert!(writes >= 4, "{writes}");
    fixture.restic_checks();
}

/// Where the engine can't return an error, it dies of it.
#[test]
fn a_full_disk_is_seen_behind_a_panic() {
    let quiet = std::panic::catch_unwind(|| {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        // What unwrapping the error says, without anything being printed.
        std::panic::resume_unwind(Box::new(format!("called `Result::unwrap()` on an `Err` value: {full:?}")))
    });
    let Err(panic): Result<(), _> = quiet else { panic!("no panic") };
    let error = failure::of_panic("restore", Path::new("/there"), &*panic);
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    let error = failure::of_panic("restore", Path::new("/there"), &"something else");
    assert!(matches!(error, StoreError::Store { .. }), "{error}");
}
