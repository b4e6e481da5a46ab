//! Whatever was done in a repository, it comes back.

use std::{fs, os::unix::fs::symlink, path::Path};

use proptest::{prelude::*, test_runner::RngSeed};

use super::{
    World, assert_same, picture,
    world::{back, chmod, try_git},
};
use crate::{
    git::Git,
    probe::{
        capture::{CaptureOptions, Capturer, Subject},
        store::Snapshot,
    },
};

/// Few where a developer waits, many where a change has to pass.
fn cases() -> u32 {
    if std::env::var_os("CI").is_some() { 100 } else { 16 }
}

/// Another one at each run, unless KPMO_TEST_SEED says which; printed where the
/// test fails.
fn seed() -> RngSeed {
    let given = std::env::var("KPMO_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap());
    println!("KPMO_TEST_SEED={seed}");
    RngSeed::Fixed(seed)
}

/// As the governor takes it.
fn captured(capturer: &Capturer, world: &World) -> Snapshot {
    let subject = Subject { repo_id: "app".into(), repo_name: "app".into(), path: world.path("app") };
    let options = CaptureOptions { env: true, limit: None, trigger: "manual".into() };
    capturer.capture(&world.store, &subject, &options, &|_| true).unwrap().snapshot
}

/// Something that a developer does; whether git goes along with it or not.
#[derive(Debug, Clone)]
enum Act {
    Write(u8, u8),
    Remove(u8),
    Mode(u8, u32),
    Link(u8, u8),
    EmptyDirectory(u8),
    Git(Vec<String>),
}

/// One of a few names, some of them in directories, one of them ignored.
fn name(number: u8) -> &'static str {
    ["a.txt", "b.txt", "src/b.txt", "src/new.txt", "deep/er/c", "target/x"][usize::from(number % 6)]
}

fn acts() -> impl Strategy<Value = Act> {
    let branch = prop_oneof![Just("main"), Just("side"), Just("third")];
    let words = |text: &str| Act::Git(text.split(' ').map(str::to_owned).collect());
    let plain = proptest::sample::select(vec![
        "add -A",
        "commit -q -m all -a",
        "commit -q -m staged",
        "commit -q --amend -m amended",
        "stash push -q -u",
        "stash pop -q",
        "reset -q --soft HEAD~1",
        "reset -q --hard HEAD~1",
        "rebase --abort",
        "merge --abort",
        "tag -a -m tag v1",
        "tag light",
        "pack-refs --all",
        "repack -q -a -d",
        "checkout -q --detach",
        "bisect start HEAD HEAD~1",
        "rm -q --cached a.txt",
        "update-index --assume-unchanged a.txt",
        "notes add -m note",
    ]);
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(path, text)| Act::Write(path, text)),
        1 => any::<u8>().prop_map(Act::Remove),
        1 => (any::<u8>(), proptest::sample::select(vec![0o600, 0o755, 0o4711])).prop_map(|(path, mode)| Act::Mode(path, mode)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(path, to)| Act::Link(path, to)),
        1 => any::<u8>().prop_map(Act::EmptyDirectory),
        6 => plain.prop_map(words),
        4 => (proptest::sample::select(vec!["checkout -q", "checkout -q -b", "merge -q", "rebase -q", "cherry-pick"]), branch)
            .prop_map(move |(what, branch)| words(&format!("{what} {branch}"))),
    ]
}

fn act(app: &Path, act: &Act) {
    // What can't be done is left undone.
    let _ = match act {
        Act::Write(path, text) => fs::create_dir_all(app.join(name(*path)).parent().unwrap())
            .and_then(|()| fs::write(app.join(name(*path)), format!("one\n{text}\n"))),
        Act::Remove(path) => fs::remove_file(app.join(name(*path))),
        Act::Mode(path, mode) => {
            if app.join(name(*path)).is_file() {
                chmod(&app.join(name(*path)), *mode);
            }
            Ok(())
        }
        Act::Link(path, to) => symlink(name(*to), app.join(name(*path))),
        Act::EmptyDirectory(number) => fs::create_dir_all(app.join(format!("empty/{number}"))),
        Act::Git(args) => {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            try_git(app, &args);
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 40, rng_seed: seed(), ..ProptestConfig::default() })]

    #[test]
    fn any_state_comes_back_after_it_was_removed_or_replaced(
        before in proptest::collection::vec(acts(), 4..24),
        after in proptest::collection::vec(acts(), 1..12),
    ) {
        let world = World::new();
        world.repo("app");
        let app = world.path("app");
        for one in &before {
            act(&app, one);
        }
        let without_ignored = || {
            let mut now = picture(&app);
            now.retain(|path, _| !path.starts_with("target"));
            now
        };
        let (state, status) = (without_ignored(), world.status("app"));
        let capturer = Capturer::new(Git::default());
        let snapshot = captured(&capturer, &world);

        // Replaced, by force; what is ignored stays.
        for one in &after {
            act(&app, one);
        }
        let present = captured(&capturer, &world);
        let mut order = back(&world, &snapshot, Some(&present));
        order.force = true;
        let restored = world.run(&order).unwrap();
        prop_assert!(restored.warnings.is_empty(), "{:?}", restored);
        assert_same(&without_ignored(), &state);
        prop_assert_eq!(world.status("app"), status.clone());

        fs::remove_dir_all(&app).unwrap();
        world.run(&back(&world, &snapshot, None)).unwrap();
        assert_same(&without_ignored(), &state);
        prop_assert_eq!(world.status("app"), status);
        world.fsck("app");
    }
}
