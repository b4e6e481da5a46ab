use std::{path::Path, process::Command};

use super::*;
use crate::ledger::queue::MAX_LATER;

/// Lets the file grow by a few pages only, until [`unlimited`].
fn limited(ledger: &Ledger) {
    ledger.with_writer(|connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |_| Ok(())).unwrap();
    });
}

fn unlimited(ledger: &Ledger) {
    ledger.with_writer(|connection| {
        connection.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    });
}

fn bulky(number: usize) -> EventDraft {
    let mut event = verdict(&number.to_string(), true);
    event.attributes.insert("bulk".to_owned(), "x".repeat(3000));
    event
}

/// Appends until the disk is full, for small events, too; returns how many are
/// recorded.
fn fill(ledger: &Ledger) -> u64 {
    for small in [false, true] {
        for number in 0.. {
            let event = if small { verdict(&format!("small-{number}"), true) } else { bulky(number) };
            match ledger.append(event) {
                Ok(record) => assert_eq!(record.seq, ledger.head()),
                Err(LedgerError::DiskFull { .. }) => break,
                Err(other) => panic!("{other}"),
            }
        }
    }
    ledger.head()
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    limited(ledger);
    let written = fill(ledger);
    let problem = ledger.problem().unwrap();
    assert!(problem.contains("full") && problem.contains("ledger.sqlite3"), "{problem}");

    // What nobody waits for is kept, is seen, and holds nobody up.
    for number in 1000..1010 {
        ledger.append_later(bulky(number));
    }
    assert!(matches!(ledger.flush(), Err(LedgerError::DiskFull { .. })));
    assert!(matches!(ledger.append(bulky(2000)), Err(LedgerError::DiskFull { .. })));
    assert_eq!(ledger.head(), written);
    assert_eq!(ledger.verdict("repo", "base", "1005", "policy").unwrap(), Some(true));
    assert_eq!(ledger.verdict("repo", "base", "2000", "policy").unwrap(), None);
    assert_eq!(fixture.verified().events, written);
    assert_eq!(fixture.verified().problems, []);

    // Room again: all goes on by itself, in order, and the problem is gone.
    let mut heads = ledger.subscribe();
    unlimited(ledger);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(heads.wait_for(|head| *head == written + 10)).unwrap();
    assert_eq!(ledger.problem(), None);
    assert_eq!(ledger.append(bulky(3000)).unwrap().seq, written + 11);
    let trees: Vec<_> = ledger
        .read(written + 1, 10, &Filter::default())
        .unwrap()
        .iter()
        .map(|event| event.attributes["tree"].clone())
        .collect();
    assert_eq!(trees, (1000..1010).map(|number: i32| number.to_string()).collect::<Vec<_>>());
    assert_eq!(fixture.verified().problems, []);
}

#[test]
fn what_is_kept_while_the_disk_is_full_is_bounded() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    limited(ledger);
    let written = fill(ledger);
    for number in 0..MAX_LATER + 500 {
        ledger.append_later(verdict(&format!("later-{number}"), true));
    }
    assert!(matches!(ledger.flush(), Err(LedgerError::DiskFull { .. })));
    assert_eq!(ledger.verdict("repo", "base", "later-0", "policy").unwrap(), None);
    let problem = ledger.problem().unwrap();
    assert!(problem.contains("500 events were lost"), "{problem}");
    unlimited(ledger);
    ledger.flush().unwrap();
    assert_eq!(ledger.head(), written + MAX_LATER as u64);
    assert_eq!(fixture.verified().problems, []);
}

#[test]
fn closing_on_a_full_disk_ends() {
    let fixture = Fixture::new();
    limited(&fixture.ledger);
    let written = fill(&fixture.ledger);
    for number in 0..5 {
        fixture.ledger.append_later(bulky(number));
    }
    fixture.ledger.clone().close(std::time::Duration::from_secs(30));
    assert!(matches!(fixture.ledger.append(bulky(0)), Err(LedgerError::Closed)));
    assert_eq!(fixture.verified().events, written);
}

/// A file system of one megabyte, gone with the value.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

#[test]
fn a_small_file_system_fills_up() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("LEFT OUT: a ledger on a full file system; mounting one needs root");
        return;
    };
    let path = disk.path().join("ledger.sqlite3");
    let ledger = open(&path);
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 500_000]).unwrap();
    let written = fill(&ledger);
    assert!(written > 5, "{written}");
    ledger.append_later(bulky(9000));
    assert!(matches!(ledger.flush(), Err(LedgerError::DiskFull { .. })));
    assert_eq!(verify(&path).unwrap().events, written);
    std::fs::remove_file(&ballast).unwrap();
    ledger.flush().unwrap();
    assert_eq!((ledger.head(), ledger.problem()), (written + 1, None));
    let report = verify(&path).unwrap();
    assert_eq!((report.events, report.problems), (written + 1, vec![]));
    ledger.close(std::time::Duration::from_secs(10));
}

#[test]
fn a_copy_that_does_not_fit_leaves_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("LEFT OUT: a copy to a full file system; mounting one needs root");
        return;
    };
    let fixture = Fixture::new();
    for number in 0..500 {
        fixture.ledger.append_later(bulky(number));
    }
    fixture.ledger.flush().unwrap();
    let path = disk.path().join("copy");
    assert!(matches!(fixture.ledger.backup_to(&path), Err(LedgerError::DiskFull { .. })));
    assert_eq!(disk.path().read_dir().unwrap().count(), 0);
    assert_eq!(fixture.verified().problems, []);
}
