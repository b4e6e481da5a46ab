use super::*;

fn mode(path: &Path) -> u32 {
    stat(path).mode & 0o7777
}

#[test]
fn only_the_user_can_open_it() {
    let fixture = Fixture::new();
    assert_eq!(mode(&fixture.probe), 0o700);
    assert_eq!(mode(&fixture.probe.join("store")), 0o700);
    assert_eq!(mode(&fixture.probe.join("password")), 0o600);
    assert_eq!(mode(&fixture.probe.join("master.key")), 0o600);
    assert_eq!(RusticStore::path(&fixture.probe), fixture.probe.join("store"));
    assert_eq!(RusticStore::password_file(&fixture.probe), fixture.probe.join("password"));
    let password = fs::read_to_string(fixture.probe.join("password")).unwrap();
    assert_eq!(password.trim().len(), 64);
    assert_eq!(password.lines().count(), 1);
}

#[test]
fn modes_that_others_could_use_are_ended() {
    let fixture = Fixture::new();
    set_mode(&fixture.probe.join("password"), 0o644);
    set_mode(&fixture.probe.join("master.key"), 0o660);
    fixture.again();
    assert_eq!(mode(&fixture.probe.join("password")), 0o600);
    assert_eq!(mode(&fixture.probe.join("master.key")), 0o600);
}

#[test]
fn a_lost_key_is_made_anew_from_the_password() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let snapshot = fixture.snapshot();
    let key = fixture.probe.join("master.key");
    let before = fs::read(&key).unwrap();
    let broken: [Option<&[u8]>; 4] = [
        None,
        Some(b""),
        Some(b"{\"mac\":{\"k\":\"AA==\",\"r\":\"AA==\"},\"encrypt\":\"AA==\"}"),
        Some(b"not a key"),
    ];
    for broken in broken {
        match broken {
            Some(bytes) => fs::write(&key, bytes).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        assert_eq!(fixture.again().snapshots().unwrap(), std::slice::from_ref(&snapshot));
        assert_eq!(fs::read(&key).unwrap(), before);
    }
}

#[test]
fn a_lost_password_is_replaced() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let snapshot = fixture.snapshot();
    fs::remove_file(fixture.probe.join("password")).unwrap();
    assert_eq!(fixture.again().snapshots().unwrap(), [snapshot]);
    fixture.restic_checks();
}

#[test]
fn without_key_and_password_it_stays_closed() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let snapshot = fixture.snapshot();
    for file in ["password", "master.key"] {
        fs::rename(fixture.probe.join(file), fixture.probe.join(format!("{file}.away"))).unwrap();
    }
    let error = RusticStore::open(&fixture.probe, quick()).unwrap_err().to_string();
    assert!(error.contains("master.key") && error.contains("password"), "{error}");
    fs::rename(fixture.probe.join("password.away"), fixture.probe.join("password")).unwrap();
    assert_eq!(fixture.again().snapshots().unwrap(), [snapshot]);
}

/// The wrong key of a store is not written over the store's right one, and
/// nothing in an error gives away what is in the files.
#[test]
fn keys_of_another_store_are_told_apart() {
    let fixture = Fixture::new();
    // Not a fixture: those are all copies of one.
    let other = fixture.work.join("other");
    RusticStore::open(&other, quick()).unwrap();
    let foreign = fs::read(other.join("master.key")).unwrap();
    fs::write(fixture.probe.join("master.key"), &foreign).unwrap();
    fixture.again();
    assert!(fs::read(fixture.probe.join("master.key")).unwrap() != foreign);

    for file in ["master.key", "password"] {
        fs::copy(other.join(file), fixture.probe.join(file)).unwrap();
    }
    let error = RusticStore::open(&fixture.probe, quick()).unwrap_err();
    let password = fs::read_to_string(other.join("password")).unwrap();
    let said = format!("{error} {error:?}");
    assert!(!said.contains(password.trim()), "{said}");
}

#[test]
fn debugging_gives_no_key_away() {
    let fixture = Fixture::new();
    let key: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture.probe.join("master.key")).unwrap()).unwrap();
    let said = format!("{:?}", fixture.store);
    assert!(!said.contains("encrypt") && !said.contains(key["encrypt"].as_str().unwrap()), "{said}");
}

#[test]
fn keys_without_a_store_are_not_given_a_new_one() {
    let fixture = Fixture::new();
    fs::rename(fixture.probe.join("store"), fixture.work.join("store")).unwrap();
    let error = RusticStore::open(&fixture.probe, quick()).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
    assert!(!fixture.probe.join("store").exists());
    fs::rename(fixture.work.join("store"), fixture.probe.join("store")).unwrap();
    fixture.again();
}

#[test]
fn a_store_without_its_config_is_left_alone() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.probe.join("store/config")).unwrap();
    let error = RusticStore::open(&fixture.probe, quick()).unwrap_err().to_string();
    assert!(error.contains("config"), "{error}");
    assert!(!fixture.probe.join("store/config").exists());
}

/// As it would be after a crash at any moment of the making.
#[test]
fn making_it_begins_again_after_a_crash() {
    let whole = Fixture::new();
    for crash in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let probe = dir.path().join("probe");
        fs::create_dir_all(probe.join("store.new/data")).unwrap();
        if crash > 0 {
            fs::copy(whole.probe.join("store/config"), probe.join("store.new/config")).unwrap();
        }
        if crash > 1 {
            fs::copy(whole.probe.join("password"), probe.join("password")).unwrap();
        }
        if crash > 2 {
            fs::copy(whole.probe.join("master.key"), probe.join("master.key")).unwrap();
        }
        let store = RusticStore::open(&probe, quick()).unwrap();
        assert_eq!(store.snapshots().unwrap(), []);
        assert!(!probe.join("store.new").exists());
        drop(store);
        RusticStore::open(&probe, quick()).unwrap();
    }
}

#[test]
fn several_make_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let probe = dir.path().join("probe");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| RusticStore::open(&probe, quick()).unwrap());
        }
    });
    assert_eq!(fs::read_dir(probe.join("store/keys")).unwrap().count(), 1);
}

#[test]
fn what_killed_writers_left_is_swept_unless_somebody_writes() {
    let fixture = Fixture::new();
    let left = ["data/00/aa-tmp-", "index/bb-tmp-", "snapshots/cc-tmp-", "config-tmp-"];
    let left = left.map(|path| fixture.probe.join("store").join(path));
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    let used = fixture.store.lock.shared().unwrap();
    fixture.again();
    assert!(left.iter().all(|path| path.exists()));
    drop(used);
    fixture.again();
    assert!(left.iter().all(|path| !path.exists()));
}
