use super::*;

#[test]
fn what_is_stored_can_be_read() {
    let fixture = Fixture::new();
    fixture.write("a/file", "content");
    std::os::unix::fs::symlink("a/file", fixture.work.join("link")).unwrap();
    let snapshot = fixture.snapshot();

    let found = node_at(&fixture.store, &snapshot, &fixture.work.join("a/file")).unwrap();
    assert_eq!(found.stat, stat(&fixture.work.join("a/file")));
    let NodeKind::File(pieces) = &found.kind else { panic!("{found:?}") };
    assert_eq!(pieces.len(), 1);
    assert_eq!(fixture.store.blob(&pieces[0]).unwrap(), b"content");
    assert_eq!(fixture.store.blob_len(&pieces[0]).unwrap(), 7);

    let link = node_at(&fixture.store, &snapshot, &fixture.work.join("link")).unwrap();
    assert_eq!(link.kind, NodeKind::Link(b"a/file".to_vec()));
    assert_eq!(link.stat, stat(&fixture.work.join("link")));

    let top = node_at(&fixture.store, &snapshot, &fixture.work).unwrap();
    assert_eq!(top.stat, stat(&fixture.work));
}

#[test]
fn a_snapshot_says_what_was_said_of_it() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let mut draft = draft(&fixture.work);
    draft.roots.push(PathBuf::from(std::ffi::OsString::from_vec(b"/elsewhere/\xff, b".to_vec())));
    draft.roots.push("/a".into());
    draft.status = SnapshotStatus::Partial;
    draft.reasons = vec!["no \"permission\"".into()];
    draft.ledger_seq = Some(u64::MAX);
    let stored = fixture.store.put(walk(&fixture.work), None).unwrap();
    let committed = fixture.store.commit(&stored, draft.clone()).unwrap();
    assert_eq!(committed.draft, draft);
    assert_eq!((committed.files, committed.bytes), (1, 7));
    assert!(committed.added > 0);

    let other = fixture.again();
    assert_eq!(other.snapshots().unwrap(), std::slice::from_ref(&committed));
    let short = SnapshotId(committed.id.0[..8].to_uppercase());
    assert_eq!(other.snapshot(&short).unwrap(), committed);
}

#[test]
fn a_snapshot_that_is_not_there_is_said_to_be_not_there() {
    let fixture = Fixture::new();
    for id in ["00000000", "", "latest", &"0".repeat(64)] {
        let error = fixture.store.snapshot(&SnapshotId(id.into())).unwrap_err();
        assert!(matches!(error, StoreError::NoSnapshot(_)), "{error}");
    }
    let parent = SnapshotId("0".repeat(64));
    let error = fixture.store.put(walk(&fixture.work), Some(&parent)).unwrap_err();
    assert!(matches!(error, StoreError::NoSnapshot(_)), "{error}");
}

#[test]
fn what_restic_took_is_not_ours() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let ours = fixture.snapshot();
    let output = Command::new("restic")
        .arg("-r")
        .arg(RusticStore::path(&fixture.probe))
        .arg("--password-file")
        .arg(RusticStore::password_file(&fixture.probe))
        .args(["--no-cache", "backup"])
        .arg(&fixture.work)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fixture.store.snapshots().unwrap(), [ours]);
    assert_eq!(fixture.store.stats().unwrap().snapshots, 2);
}

#[test]
fn unchanged_files_are_not_read() {
    let fixture = Fixture::new();
    fixture.write("a/one", "one");
    fixture.write("a/two", "two");
    let first = fixture.snapshot();
    fixture.write("a/two", "three");

    let entries = paths(&fixture.work).into_iter().map(|path| {
        let mut entry = entry(&path);
        if path.ends_with("one") {
            entry.content = Content::File(Box::new(MustNotOpen(path.clone())));
        }
        entry
    });
    let stored = fixture.store.put(given(entries.collect()), Some(&first.id)).unwrap();
    let second = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let target = fixture.restored(&second, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));
}

/// Each in itself is enough to read a file again.
#[test]
fn changed_files_are_read() {
    let fixture = Fixture::new();
    fixture.write("file", "first!");
    let before = stat(&fixture.work.join("file"));
    let entries = |stat: Stat, content: &str| {
        let mut entries: Vec<_> = paths(&fixture.work).iter().map(|path| entry(path)).collect();
        let file = entries.last_mut().unwrap();
        file.stat = stat;
        file.content = Content::File(Box::new(OpenBytes(content.into())));
        given(entries)
    };
    let stored = fixture.store.put(entries(before, "first!"), None).unwrap();
    let parent = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let changes = [
        Stat { ino: before.ino + 1, ..before },
        Stat { mtime: (before.mtime.0, before.mtime.1 ^ 1), ..before },
        Stat { ctime: (before.ctime.0, before.ctime.1 ^ 1), ..before },
        Stat { ctime: (0, 0), ..before },
    ];
    for change in changes {
        let stored = fixture.store.put(entries(change, "second"), Some(&parent.id)).unwrap();
        let snapshot = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
        let node = node_at(&fixture.store, &snapshot, &fixture.work.join("file")).unwrap();
        let NodeKind::File(pieces) = node.kind else { panic!("no file") };
        assert_eq!(fixture.store.blob(&pieces[0]).unwrap(), b"second", "{change:?}");
    }
}

#[test]
fn an_entry_of_which_nothing_is_known_is_never_the_same() {
    let fixture = Fixture::new();
    fixture.write("file", "first!");
    let entries = |content: &str| {
        let mut entries: Vec<_> = paths(&fixture.work).iter().map(|path| entry(path)).collect();
        let file = entries.last_mut().unwrap();
        file.stat.ctime = (0, 0);
        file.content = Content::File(Box::new(OpenBytes(content.into())));
        entries
    };
    let stored = fixture.store.put(given(entries("first!")), None).unwrap();
    let parent = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let known = node_at(&fixture.store, &parent, &fixture.work.join("file")).unwrap();
    assert_eq!(known.stat.ctime, (0, 0));

    // The one with the real time is another, although all else is the same.
    let mut second = entries("second");
    second.last_mut().unwrap().stat.ctime = stat(&fixture.work.join("file")).ctime;
    let stored = fixture.store.put(given(second), Some(&parent.id)).unwrap();
    let snapshot = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let node = node_at(&fixture.store, &snapshot, &fixture.work.join("file")).unwrap();
    assert_ne!(node.kind, known.kind);
}

#[test]
fn an_error_among_the_entries_leaves_nothing_to_be_seen() {
    let fixture = Fixture::new();
    for name in 0..200 {
        fixture.write(&format!("{name:03}"), name.to_string());
    }
    let entries = paths(&fixture.work);
    let (first, _) = entries.split_at(100);
    let failing = first.iter().map(|path| Ok(entry(path))).collect::<Vec<_>>().into_iter();
    let failing = failing.chain([Err(io::Error::other("no more"))]);
    let failing = failing.chain(walk(&fixture.work));
    let error = fixture.store.put(Box::new(failing), None).unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert_eq!(fixture.store.snapshots().unwrap(), []);
    assert_eq!(fixture.restic_ok(&["snapshots", "--json"]).trim(), "[]");
    fixture.restic_checks();
}

#[test]
fn entries_out_of_order_are_refused() {
    let fixture = Fixture::new();
    fixture.write("a/file", "a");
    fixture.write("b", "b");
    let at = |path: &str| entry(&fixture.work.join(path));
    let known = || Entry { content: Content::Known(TreeId("0".repeat(64))), ..at("a") };
    let cases = [
        vec![at(""), at("b"), at("a")],
        vec![at(""), at("a"), at("a")],
        vec![at(""), at("a/file"), at("a")],
        vec![at(""), known(), at("a/file")],
        vec![Entry { path: "relative".into(), ..at("b") }],
        vec![Entry { path: "/".into(), ..at("") }],
        vec![Entry { path: "/a/../b".into(), ..at("b") }],
    ];
    for case in cases {
        let error = fixture.store.put(given(case), None).unwrap_err();
        assert!(matches!(error, StoreError::Store { .. }), "{error}");
    }
}

/// restic restores nothing of a file whose pieces are not as long as its size.
#[test]
fn a_file_has_as_many_bytes_as_its_size_says() {
    let fixture = Fixture::new();
    for name in ["empty", "exact", "long", "short"] {
        fixture.write(name, if name == "empty" { "" } else { "12345678" });
    }
    let entries = paths(&fixture.work).into_iter().map(|path| {
        let mut entry = entry(&path);
        match path.file_name().unwrap().to_str().unwrap() {
            "long" | "empty" => entry.content = Content::File(Box::new(OpenBytes(b"1234567890".to_vec()))),
            "short" => entry.content = Content::File(Box::new(OpenBytes(b"1234".to_vec()))),
            _ => {}
        }
        entry
    });
    let stored = fixture.store.put(given(entries.collect()), None).unwrap();
    let snapshot = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    assert_eq!(node_at(&fixture.store, &snapshot, &fixture.work.join("short")), None);
    let target = fixture.restored(&snapshot, "out");
    assert_eq!(fs::read(target.join("exact")).unwrap(), b"12345678");
    assert_eq!(fs::read(target.join("long")).unwrap(), b"12345678");
    assert_eq!(fs::read(target.join("empty")).unwrap(), b"");
    fixture.restic_checks();
    let dumped = fixture.restic_ok(&["dump", "latest", fixture.work.join("long").to_str().unwrap()]);
    assert_eq!(dumped, "12345678");
}

#[test]
fn a_file_that_cannot_be_opened_is_left_out() {
    struct Refuses;
    impl Open for Refuses {
        fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    let fixture = Fixture::new();
    fixture.write("a", "a");
    fixture.write("b", "b");
    let mut entries: Vec<_> = paths(&fixture.work).iter().map(|path| entry(path)).collect();
    entries[1].content = Content::File(Box::new(Refuses));
    let stored = fixture.store.put(given(entries), None).unwrap();
    let snapshot = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let names: Vec<_> =
        nodes_at(&fixture.store, &snapshot, &fixture.work).into_iter().map(|node| node.name).collect();
    assert_eq!(names, [b"b".to_vec()]);
    fixture.restic_checks();
}

#[test]
fn several_store_at_once() {
    let fixture = Fixture::new();
    let tops: Vec<_> = (0..4).map(|top| fixture.work.join(top.to_string())).collect();
    for (number, top) in tops.iter().enumerate() {
        for file in 0..50 {
            fixture.write(&format!("{number}/{file}"), format!("{number} {file} {}", "x".repeat(file)));
        }
        assert!(top.is_dir());
    }
    let other = fixture.again();
    let snapshots: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = tops
            .iter()
            .enumerate()
            .map(|(number, top)| {
                let store = if number % 2 == 0 { &fixture.store } else { &other };
                scope.spawn(move || {
                    let mut parent: Option<Snapshot> = None;
                    for round in 0..5 {
                        fs::write(top.join("round"), format!("{number} {round}")).unwrap();
                        let stored = store.put(walk(top), parent.as_ref().map(|last| &last.id)).unwrap();
                        parent = Some(store.commit(&stored, draft(top)).unwrap());
                        store.settle().unwrap();
                    }
                    parent.unwrap()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(fixture.store.snapshots().unwrap().len(), 20);
    for (number, (top, snapshot)) in tops.iter().zip(&snapshots).enumerate() {
        let target = fixture.work.with_file_name(format!("out{number}"));
        fs::create_dir(&target).unwrap();
        fixture.store.restore(&snapshot.id, top, &target, &|_, _| true).unwrap();
        assert_eq!(portrait(&target), portrait(top));
    }
    fixture.restic_checks();
}

/// The store is told by nobody what another process has added.
#[test]
fn a_parent_that_another_has_stored_is_found() {
    let fixture = Fixture::new();
    fixture.write("a/one", "one");
    fixture.snapshot();
    fixture.write("a/two", "two");
    let other = fixture.again();
    let stored = other.put(walk(&fixture.work), None).unwrap();
    let parent = other.commit(&stored, draft(&fixture.work)).unwrap();
    let entries = paths(&fixture.work).into_iter().map(|path| {
        let mut entry = entry(&path);
        if let Content::File(_) = entry.content {
            entry.content = Content::File(Box::new(MustNotOpen(path.clone())));
        }
        entry
    });
    let stored = fixture.store.put(given(entries.collect()), Some(&parent.id)).unwrap();
    assert_eq!(stored.tree, parent.tree);
}

#[test]
fn large_files_are_cut_where_their_content_says() {
    let fixture = Fixture::new();
    let noise = noise(64 << 20);
    fixture.write("large", &noise);
    let first = fixture.snapshot();
    fixture.write("large", [b"something before it", noise.as_slice()].concat());
    let second = fixture.snapshot_after(Some(&first.id));
    assert!(first.added > 60 << 20, "{}", first.added);
    assert!(second.added < 10 << 20, "{}", second.added);
    let target = fixture.restored(&second, "out");
    assert!(fs::read(target.join("large")).unwrap()[19..] == noise);
}

/// Whether it goes through one handle or the other, a file is cut the same way;
/// and what the handles differ in is not written anywhere.
#[test]
fn large_and_small_files_are_stored_together() {
    let fixture = Fixture::new();
    let config = fs::read(fixture.probe.join("store/config")).unwrap();
    for (name, length) in [("a/less", (512 << 10) - 1), ("a/least", 512 << 10), ("b", 3 << 20), ("c", 0)] {
        fixture.write(name, noise(length));
    }
    let first = fixture.snapshot();
    assert_eq!(first.files, 4);
    fixture.write("a/new", "small");
    fixture.write("new", noise(2 << 20));

    // Only what is new is read, large or small.
    let entries = paths(&fixture.work).into_iter().map(|path| {
        let mut entry = entry(&path);
        if path.is_file() && !path.ends_with("new") {
            entry.content = Content::File(Box::new(MustNotOpen(path)));
        }
        entry
    });
    let stored = fixture.store.put(given(entries.collect()), Some(&first.id)).unwrap();
    let second = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    assert!(second.added > 2 << 20 && second.added < 3 << 20, "{}", second.added);
    let target = fixture.restored(&second, "out");
    assert_eq!(portrait(&target), portrait(&fixture.work));

    // As many snapshots as were committed, and the settings that there were.
    assert_eq!(fixture.restic_ok(&["list", "snapshots"]).lines().count(), 2);
    assert_eq!(fs::read(fixture.probe.join("store/config")).unwrap(), config);
    fixture.restic_checks();
}

#[test]
fn a_large_file_that_breaks_off_is_left_out() {
    let fixture = Fixture::new();
    fixture.write("large", noise(1 << 20));
    fixture.write("other", noise(1 << 20));
    let mut entries: Vec<_> = paths(&fixture.work).iter().map(|path| entry(path)).collect();
    entries[1].content = Content::File(Box::new(OpenBytes(noise(600 << 10))));
    let stored = fixture.store.put(given(entries), None).unwrap();
    let snapshot = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    assert_eq!(node_at(&fixture.store, &snapshot, &fixture.work.join("large")), None);
    assert!(node_at(&fixture.store, &snapshot, &fixture.work.join("other")).is_some());
    fixture.restic_checks();
}

/// More than are held in memory at a time: a large file is cut as ever.
#[test]
fn there_can_be_any_number_of_entries() {
    let fixture = Fixture::new();
    fixture.write("z", noise(3 << 20));
    let first = fixture.snapshot();
    let mut entries = vec![entry(&fixture.work)];
    entries.extend((0..100_000).map(|number| Entry {
        path: fixture.work.join(format!("link {number:06}")),
        stat: Stat { mode: 0o120_777, ..Stat::default() },
        content: Content::Link(b"target".to_vec()),
    }));
    // Not known by its time: it is read again, and comes to the same pieces.
    let mut large = entry(&fixture.work.join("z"));
    large.stat.ctime = (1, 1);
    entries.push(large);
    let stored = fixture.store.put(given(entries), Some(&first.id)).unwrap();
    let second = fixture.store.commit(&stored, draft(&fixture.work)).unwrap();
    let at = fixture.work.join("z");
    let kind = |snapshot| node_at(&fixture.store, snapshot, &at).unwrap().kind;
    assert_eq!(kind(&second), kind(&first));
    assert_eq!(nodes_at(&fixture.store, &second, &fixture.work).len(), 100_001);
}
