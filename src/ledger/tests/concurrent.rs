use std::{collections::BTreeSet, thread};

use super::*;

#[test]
fn many_writers_and_readers() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 50;
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut last = 0;
                for number in 0..EACH {
                    let mut event = commit(&format!("{writer}-{number}"), CommitState::Unvalidated);
                    event.actor = format!("writer-{writer}");
                    if number % 5 == 0 {
                        ledger.append_later(event);
                        continue;
                    }
                    let record = ledger.append(event).unwrap();
                    // On disk, and seen by everybody, in the order of each writer.
                    assert!(record.seq > last && ledger.head() >= record.seq);
                    last = record.seq;
                    assert_eq!(ledger.read(record.seq, 1, &Filter::default()).unwrap(), [record]);
                }
            });
        }
        for _ in 0..6 {
            scope.spawn(move || {
                let mut seen = 0;
                while seen < WRITERS * EACH {
                    for event in ledger.read(seen + 1, 7, &Filter::default()).unwrap() {
                        seen += 1;
                        assert_eq!(event.seq, seen);
                    }
                    thread::yield_now();
                }
            });
        }
    });
    let events = ledger.read(1, usize::MAX, &Filter::default()).unwrap();
    assert_eq!(events.len() as u64, WRITERS * EACH);
    let ids: BTreeSet<_> = events.iter().map(|event| event.event_id).collect();
    assert_eq!(ids.len(), events.len());
    assert!(events.is_sorted_by_key(|event| event.time), "times are in the order of sequence numbers");
    for writer in 0..WRITERS {
        let actor = format!("writer-{writer}");
        let order: Vec<_> =
            events.iter().filter(|e| e.actor == actor).map(|e| &e.attributes["commit"]).collect();
        let wanted: Vec<_> = (0..EACH).map(|number| format!("{writer}-{number}")).collect();
        assert_eq!(order, wanted.iter().collect::<Vec<_>>());
    }
    assert_eq!(ledger.unvalidated("repo").unwrap().len() as u64, WRITERS * EACH);
    assert_eq!(fixture.verified().problems, []);
}

/// All that waits goes into one transaction, in the order in which it came.
#[test]
fn a_group_is_one_transaction() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut heads = fixture.ledger.subscribe();
    let held = fixture.ledger.hold_writer();
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            if number % 3 == 0 {
                fixture.ledger.append_later(commit(&format!("{number}"), CommitState::Late));
                return None;
            }
            let ledger = fixture.ledger.clone();
            let mut future = Box::pin(async move {
                ledger.append_async(commit(&format!("{number}"), CommitState::Late)).await
            });
            // The first poll takes the event in.
            let first = runtime.block_on(async { futures_poll_once(&mut future).await });
            assert!(first.is_none(), "nothing is acknowledged before it is on disk");
            Some(future)
        })
        .collect();
    assert_eq!((fixture.ledger.head(), heads.has_changed().unwrap()), (0, false));
    drop(held);
    for (number, future) in waiting.into_iter().enumerate() {
        if let Some(future) = future {
            assert_eq!(runtime.block_on(future).unwrap().seq, number as u64 + 1);
        }
    }
    // One step from 0 to 20: nobody ever saw part of the group.
    runtime.block_on(heads.changed()).unwrap();
    assert_eq!(*heads.borrow_and_update(), 20);
    assert_eq!(fixture.verified().events, 20);
}

async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// More callers than the queue lets in: the others wait, and all are served.
#[test]
fn callers_beyond_the_bound_wait_for_room() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let held = fixture.ledger.hold_writer();
    let tasks: Vec<_> = (0..3000)
        .map(|_| {
            let ledger = fixture.ledger.clone();
            runtime.spawn(async move { ledger.append_async(draft(EventKind::Tick, "repo")).await })
        })
        .collect();
    let ledger = fixture.ledger.clone();
    let blocking = thread::spawn(move || ledger.append(draft(EventKind::Tick, "repo")));
    drop(held);
    let mut seqs: Vec<_> =
        tasks.into_iter().map(|task| runtime.block_on(task).unwrap().unwrap().seq).collect();
    seqs.push(blocking.join().unwrap().unwrap().seq);
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=3001).collect::<Vec<_>>());
    assert_eq!(fixture.verified().problems, []);
}

/// Two writers are not meant to be, and do no harm.
#[test]
fn a_second_writer_keeps_the_chain() {
    let fixture = Fixture::new();
    let second = open(&fixture.path());
    thread::scope(|scope| {
        for ledger in [&fixture.ledger, &second] {
            scope.spawn(move || {
                for _ in 0..50 {
                    ledger.append(draft(EventKind::Tick, "repo")).unwrap();
                }
            });
        }
    });
    let report = fixture.verified();
    assert_eq!((report.events, report.problems), (100, vec![]));
}
