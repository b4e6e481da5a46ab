use std::{io::Write, time::Instant};

use super::*;

const DIRECTORIES: usize = 100;
const FILES: usize = 100;

/// Text like source code: lines of words, no two files the same.
fn text(number: usize) -> String {
    let words = ["let", "mut", "return", "value", "index", "match", "error", "path", "self", "result"];
    let mut state = number as u64 + 1;
    let mut text = String::new();
    while text.len() < 1024 + (number * 7919) % 3072 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += words[usize::try_from(state >> 33).unwrap() % words.len()];
        text += &format!(" {:x}\n", state >> 48);
    }
    text
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    println!("{what:<44} {:>8.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    done
}

/// The walk, where only what is on the way to `changed` is not known.
fn known_but(fixture: &Fixture, known: &[Node], changed: Option<&Path>) -> Given {
    let mut entries = vec![entry(&fixture.work)];
    for node in known {
        let path = fixture.work.join(std::ffi::OsStr::from_bytes(&node.name));
        let NodeKind::Directory(tree) = &node.kind else { panic!("no directory") };
        if changed.is_some_and(|changed| changed.starts_with(&path)) {
            entries.extend(paths(&path).iter().map(|path| entry(path)));
        } else {
            entries.push(Entry { content: Content::Known(tree.clone()), ..entry(&path) });
        }
    }
    given(entries)
}

/// Memory at most since the last time, and now.
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = |line: &&str| line.starts_with("VmHWM") || line.starts_with("VmRSS");
    let said = status.lines().filter(wanted).collect::<Vec<_>>().join(" ");
    let _ = fs::write("/proc/self/clear_refs", "5");
    said
}

/// `cargo test --release -- --ignored --nocapture store::tests::speed`
#[test]
#[ignore = "measures, by hand, on a machine that does nothing else"]
fn ten_thousand_files() {
    let fixture = Fixture::new();
    for number in 0..DIRECTORIES * FILES {
        fixture.write(&format!("{:03}/{:03}", number / FILES, number % FILES), text(number));
    }
    let store = &fixture.store;
    println!("{}", resident());
    let entries = walk(&fixture.work);
    let first = timed("first: put", || store.put(entries, None).unwrap());
    let mut last = timed("first: commit", || store.commit(&first, draft(&fixture.work)).unwrap());
    println!("{}", resident());
    timed("settle", || store.settle().unwrap());
    let known = timed("tree of the top", || nodes_at(store, &last, &fixture.work));
    timed("every tree", || {
        for node in &known {
            let NodeKind::Directory(tree) = &node.kind else { panic!("no directory") };
            assert_eq!(store.tree(tree).unwrap().len(), FILES);
        }
    });
    for _ in 0..3 {
        let entries = walk(&fixture.work);
        let stored = timed("unchanged, nothing known: put", || store.put(entries, Some(&last.id)).unwrap());
        assert_eq!(stored.tree, last.tree);
        let entries = known_but(&fixture, &known, None);
        let stored = timed("unchanged, all known: put", || store.put(entries, Some(&last.id)).unwrap());
        assert_eq!(stored.tree, last.tree);
        last = timed("unchanged: commit", || store.commit(&stored, draft(&fixture.work)).unwrap());
    }
    for round in 0..3 {
        let changed = fixture.work.join("050/050");
        fs::write(&changed, format!("round {round}")).unwrap();
        let entries = known_but(&fixture, &known, Some(&changed));
        let stored = timed("one changed: put", || store.put(entries, Some(&last.id)).unwrap());
        last = timed("one changed: commit", || store.commit(&stored, draft(&fixture.work)).unwrap());
        timed("one changed: settle", || store.settle().unwrap());
    }
    println!("{}", resident());
    let target = fixture.work.with_file_name("out");
    fs::create_dir(&target).unwrap();
    timed("restore", || store.restore(&last.id, &fixture.work, &target, &|_, _| true).unwrap());
    println!("{}", resident());
    let mut large = fs::File::create(fixture.work.join("large")).unwrap();
    for _ in 0..256 {
        large.write_all(&noise(4 << 20)).unwrap();
    }
    println!("{}", resident());
    let entries = walk(&fixture.work);
    timed("a file of 1 GiB: put", || store.put(entries, Some(&last.id)).unwrap());
    println!("{}", resident());
    fs::remove_file(fixture.work.join("large")).unwrap();

    let restic = fixture.work.with_file_name("restic");
    let run = |what: &str, arguments: &[&std::ffi::OsStr]| {
        let mut command = Command::new("restic");
        command.env("RESTIC_PASSWORD", "x").arg("-r").arg(&restic).args(arguments);
        let output = timed(what, || command.output().unwrap());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let cache = fixture.work.with_file_name("cache");
    let backup = ["--cache-dir".as_ref(), cache.as_os_str(), "backup".as_ref(), fixture.work.as_os_str()];
    run("restic init", &["init".as_ref()]);
    run("restic, first", &backup);
    for _ in 0..3 {
        run("restic, unchanged", &backup);
    }
    fs::write(fixture.work.join("050/050"), "once more").unwrap();
    run("restic, one changed", &backup);
}
