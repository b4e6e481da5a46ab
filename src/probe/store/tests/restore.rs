use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

#[test]
fn the_directory_itself_is_restored_too() {
    let fixture = Fixture::new();
    fixture.write("sub/file", "content");
    set_mode(&fixture.work, 0o2750);
    let snapshot = fixture.snapshot();
    let target = fixture.restored(&snapshot, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));

    let part = fixture.work.with_file_name("part");
    fs::create_dir(&part).unwrap();
    fixture.store.restore(&snapshot.id, &fixture.work.join("sub"), &part, &|_, _| true).unwrap();
    assert_eq!(portrait(&part), portrait(&fixture.work.join("sub")));
}

#[test]
fn a_file_of_several_names_stays_one() {
    let fixture = Fixture::new();
    fixture.write("a/one", "content");
    fs::create_dir(fixture.work.join("b")).unwrap();
    fs::hard_link(fixture.work.join("a/one"), fixture.work.join("b/two")).unwrap();
    fs::hard_link(fixture.work.join("a/one"), fixture.work.join("three")).unwrap();
    let snapshot = fixture.snapshot();
    let target = fixture.restored(&snapshot, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));
    let inode = |name: &str| stat(&target.join(name)).ino;
    assert_eq!(inode("a/one"), inode("b/two"));
    assert_eq!(inode("a/one"), inode("three"));
}

/// An inode can have been one file, and then another, while a snapshot of both
/// was taken.
#[test]
fn files_that_only_share_an_inode_stay_two() {
    let fixture = Fixture::new();
    fixture.write("one", "first");
    fixture.write("two", "other");
    let entries = paths(&fixture.work).into_iter().map(|path| {
        let mut entry = entry(&path);
        if path.is_file() {
            entry.stat.ino = 77;
            entry.stat.links = 2;
        }
        entry
    });
    let stored = fixture.store.put(given(entries.collect()), None).unwrap();
    let snapshot = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let target = fixture.restored(&snapshot, "out");
    assert_eq!(fs::read(target.join("one")).unwrap(), b"first");
    assert_eq!(fs::read(target.join("two")).unwrap(), b"other");
}

#[test]
fn a_path_that_is_not_there_is_said_to_be_not_there() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let snapshot = fixture.snapshot();
    let target = fixture.work.with_file_name("out");
    fs::create_dir(&target).unwrap();
    for path in ["none", "file", "file/beneath", "../work"] {
        let path = fixture.work.join(path);
        let error = fixture.store.restore(&snapshot.id, &path, &target, &|_, _| true).unwrap_err();
        assert!(matches!(error, StoreError::NoPath { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_target_need_not_be_text() {
    let fixture = Fixture::new();
    fixture.write("sub/file", "content");
    let snapshot = fixture.snapshot();
    let name = std::ffi::OsString::from_vec(b"out \xff".to_vec());
    let target = fixture.work.with_file_name(name);
    fs::create_dir(&target).unwrap();
    fixture.store.restore(&snapshot.id, &fixture.work, &target, &|_, _| true).unwrap();
    assert_eq!(portrait(&target), portrait(&fixture.work));
}

#[test]
fn times_before_1970_are_times() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let old = std::time::SystemTime::UNIX_EPOCH - Duration::new(1_000_000, 250_000_000);
    for path in [fixture.work.join("file"), fixture.work.clone()] {
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(stat(&fixture.work).mtime, (-1_000_001, 750_000_000));
    let snapshot = fixture.snapshot();
    let target = fixture.restored(&snapshot, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));
    let node = node_at(&fixture.store, &snapshot, &fixture.work).unwrap();
    assert_eq!(node.stat.mtime, (-1_000_001, 750_000_000));
}

#[test]
fn it_tells_how_far_it_is() {
    let fixture = Fixture::new();
    fixture.write("file", vec![1; 1 << 20]);
    fixture.write("other", vec![2; 1 << 20]);
    let snapshot = fixture.snapshot();
    let (last, all) = (AtomicU64::new(0), AtomicU64::new(0));
    let target = fixture.work.with_file_name("out");
    fs::create_dir(&target).unwrap();
    let told = |done, total| {
        last.store(done, Ordering::Relaxed);
        all.store(total, Ordering::Relaxed);
        true
    };
    fixture.store.restore(&snapshot.id, &fixture.work, &target, &told).unwrap();
    assert_eq!((last.into_inner(), all.into_inner()), (2 << 20, 2 << 20));
}

#[test]
fn it_stops_when_told_to() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let snapshot = fixture.snapshot();
    let target = fixture.work.with_file_name("out");
    fs::create_dir(&target).unwrap();
    let error = fixture.store.restore(&snapshot.id, &fixture.work, &target, &|_, _| false).unwrap_err();
    assert!(matches!(error, StoreError::Stopped), "{error}");
    let error = fixture.store.check(true, &|_, _| false).unwrap_err();
    assert!(matches!(error, StoreError::Stopped), "{error}");
    // And nothing stays stopped.
    assert_eq!(fixture.store.check(true, &|_, _| true).unwrap().errors, Vec::<String>::new());
    assert_eq!(portrait(&fixture.restored(&snapshot, "again")), portrait(&fixture.work));
}
