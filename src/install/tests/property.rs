//! Whatever a hooks directory holds, it is the same after install and uninstall.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use proptest::{collection, prelude::*};

use super::*;
use crate::install::HooksState;

#[derive(Debug, Clone)]
enum Entry {
    File(Vec<u8>, u32),
    Link(Vec<u8>),
    Directory(u32),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let events = prop::sample::select(crate::install::events::all().collect::<Vec<_>>());
    let suffix = prop::sample::select(vec!["", "", "", ".sample", ".legacy", ".old", ".1", ".kpmo", "~"]);
    prop_oneof![
        6 => (events, suffix).prop_map(|(event, suffix)| format!("{event}{suffix}").into_bytes()),
        1 => prop::sample::select(vec!["helper", "_", "lib", ".pre-commit.kpmo-1-x", "kpmo-hook"])
            .prop_map(|name| name.as_bytes().to_vec()),
        1 => "[a-z.]{1,3}[\u{e4}x]".prop_map(String::into_bytes),
        1 => collection::vec(0x80_u8.., 1..4),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let mode = prop::sample::select(vec![0o755, 0o644, 0o700, 0o444, 0o000, 0o4755, 0o2711]);
    let target = prop_oneof![
        name(),
        name().prop_map(|name| [b"../hooks/", &*name].concat()),
        Just(b"../../scripts/check".to_vec()),
        Just(b"/nonexistent/bin/tool".to_vec()),
        Just(b"..".to_vec()),
    ];
    prop_oneof![
        4 => (collection::vec(any::<u8>(), 0..40), mode.clone()).prop_map(|(bytes, mode)| Entry::File(bytes, mode)),
        3 => target.prop_map(Entry::Link),
        1 => prop::sample::select(vec![0o755, 0o700]).prop_map(Entry::Directory),
    ]
}

fn build(dir: &Path, entries: &BTreeMap<Vec<u8>, Entry>) {
    for (name, entry) in entries {
        let path = dir.join(OsStr::from_bytes(name));
        match entry {
            Entry::File(bytes, mode) => {
                fs::write(&path, bytes).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Entry::Link(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
            Entry::Directory(mode) => {
                fs::create_dir(&path).unwrap();
                fs::write(path.join("inside"), name).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn uninstalling_restores_every_hooks_directory(
        entries in collection::btree_map(name(), entry(), 0..14),
        elsewhere in any::<bool>(),
        times in 1..3_usize,
    ) {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().canonicalize().unwrap();
        let (common, program) = (top.join("repo/.git"), top.join("bin/kpmo-hook"));
        for dir in [common.join("hooks"), top.join("bin")] {
            fs::create_dir_all(dir).unwrap();
        }
        script(&program, "#!/bin/sh\n");
        build(&common.join("hooks"), &entries);
        let mut before = Picture::new();
        take(&common, Path::new(""), &mut before);

        let setting = Remembered::path(elsewhere.then(|| PathBuf::from("tracked")));
        let configured = setting.0.borrow().clone();
        let place = || HooksPlace {
            common_dir: common.clone(),
            work_tree: Some(top.join("repo")),
            configured: setting.0.borrow().clone().map(|value| HooksPathConfig { value, local: true, written: None, inherited: None }),
            entries: setting.entries(),
        };
        let wanted = Wanted { program: &program, events: &EVENTS, mode: None };
        let blocked = !elsewhere && entries.iter().any(|(name, entry)| {
            matches!(entry, Entry::Directory(_)) && EVENTS.iter().any(|event| event.as_bytes() == name)
        });
        for _ in 0..times {
            match install(&place(), &wanted, &setting, &RealWriter) {
                Ok(report) => prop_assert_eq!((report.state, blocked), (HooksState::Ok, false)),
                Err(error) => prop_assert!(blocked && matches!(error, InstallError::Directory { .. }), "{}", error),
            }
        }
        if !blocked {
            prop_assert_eq!(check(&place(), &wanted).unwrap().state, HooksState::Ok);
            uninstall(&place(), &program, &setting, &RealWriter).unwrap();
        }
        let mut after = Picture::new();
        take(&common, Path::new(""), &mut after);
        prop_assert_eq!(after, before);
        prop_assert_eq!(setting.0.take(), configured);
    }
}
