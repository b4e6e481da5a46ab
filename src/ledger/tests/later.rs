use super::*;
use crate::ledger::queue::MAX_LATER;

fn lookup(ledger: &Ledger, tree: &str) -> Option<bool> {
    ledger.verdict("repo", "base", tree, "policy").unwrap()
}

#[test]
fn lookups_see_what_is_pending() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    ledger.append(verdict("a", false)).unwrap();
    ledger.append(commit("1", CommitState::Unvalidated)).unwrap();
    ledger.append(commit("2", CommitState::Unvalidated)).unwrap();
    let held = ledger.hold_writer();
    ledger.append_later(verdict("a", true));
    ledger.append_later(verdict("b", true));
    ledger.append_later(verdict("b", false));
    ledger.append_later(commit("1", CommitState::Late));
    ledger.append_later(commit("2", CommitState::Unvalidated));
    ledger.append_later(commit("3", CommitState::Unvalidated));
    let check = || {
        assert_eq!(
            [lookup(ledger, "a"), lookup(ledger, "b"), lookup(ledger, "c")],
            [Some(true), Some(false), None]
        );
        assert_eq!(ledger.verdict("other", "base", "a", "policy").unwrap(), None);
        assert_eq!(ledger.verdict("repo", "base", "a", "stricter").unwrap(), None);
        assert_eq!(ledger.commit_state("repo", "1").unwrap(), Some(CommitState::Late));
        assert_eq!(ledger.commit_state("repo", "4").unwrap(), None);
        assert_eq!(ledger.unvalidated("repo").unwrap(), ["2", "3"]);
        assert!(ledger.unvalidated("other").unwrap().is_empty());
    };
    assert_eq!(ledger.head(), 3);
    check();
    drop(held);
    ledger.flush().unwrap();
    assert_eq!(ledger.head(), 9);
    check();
    assert!(ledger.shared().queue.pending(|pending| pending.commits_of("repo").is_empty()));
    assert_eq!(ledger.shared().queue.pending(|pending| pending.verdict("repo", "base", "a", "policy")), None);
}

#[test]
fn the_oldest_go_when_too_many_are_kept() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    let held = ledger.hold_writer();
    for number in 0..MAX_LATER + 3 {
        ledger.append_later(verdict(&number.to_string(), true));
    }
    // The task that holds the writer is no longer in the queue, or still is.
    assert_eq!(lookup(ledger, "0"), None);
    assert_eq!(lookup(ledger, "9"), Some(true));
    drop(held);
    ledger.flush().unwrap();
    assert_eq!(lookup(ledger, "0"), None);
    assert_eq!(lookup(ledger, &(MAX_LATER + 2).to_string()), Some(true));
    let recorded = usize::try_from(ledger.head()).unwrap();
    assert!((MAX_LATER - 1..=MAX_LATER).contains(&recorded), "{recorded}");
    assert_eq!(fixture.verified().problems, []);
}

/// One event that can't be written does not take the rest of its group along.
#[test]
fn one_bad_event_fails_alone() {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    ledger.with_writer(|connection| {
        connection
            .execute_batch(
                "CREATE TEMP TRIGGER bad BEFORE INSERT ON events WHEN NEW.actor = 'bad'
                 BEGIN SELECT RAISE(ABORT, 'bad'); END;",
            )
            .unwrap();
    });
    let bad = |tree: &str| EventDraft { actor: "bad".to_owned(), ..verdict(tree, true) };
    let held = ledger.hold_writer();
    ledger.append_later(verdict("a", true));
    ledger.append_later(bad("b"));
    ledger.append_later(verdict("c", true));
    drop(held);
    assert!(matches!(ledger.append(bad("d")), Err(LedgerError::Database { .. })));
    ledger.flush().unwrap();
    assert_eq!(["a", "b", "c", "d"].map(|tree| lookup(ledger, tree)), [Some(true), None, Some(true), None]);
    assert_eq!(ledger.problem(), None);
    assert_eq!(fixture.verified().events, 2);
}

#[test]
fn closing_writes_what_is_pending() {
    let fixture = Fixture::new();
    let held = fixture.ledger.hold_writer();
    for _ in 0..2000 {
        fixture.ledger.append_later(draft(EventKind::Tick, "repo"));
    }
    // Not within no time at all; but it is going on.
    fixture.ledger.clone().close(std::time::Duration::ZERO);
    fixture.ledger.append_later(draft(EventKind::Tick, "repo"));
    drop(held);
    fixture.ledger.clone().close(std::time::Duration::from_secs(30));
    assert_eq!(fixture.verified().events, 2000);
}
