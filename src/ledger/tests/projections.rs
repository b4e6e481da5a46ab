use proptest::prelude::*;

use super::*;
use crate::ledger::Fault;

type Rows = Vec<(String, String, i64)>;

fn rows(fixture: &Fixture) -> (Rows, Rows, Rows) {
    let connection = Connection::open(fixture.path()).unwrap();
    let all = |sql: &str| -> Rows {
        let mut statement = connection.prepare(sql).unwrap();
        statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    (
        all(
            "SELECT repo_id || '/' || base_tree || '/' || tree || '/' || policy, outcome, seq FROM verdicts ORDER BY 1",
        ),
        all("SELECT repo_id || '/' || commit_id, state, seq FROM commits ORDER BY 1"),
        all(
            "SELECT repo_id || '/' || snapshot_id,
                    json_array(repo_name, time_ns, \"trigger\", branch, head, status, files, bytes, added, ledger_seq),
                    seq FROM snapshots ORDER BY 1",
        ),
    )
}

fn any_snapshot() -> impl Strategy<Value = SnapshotRecord> {
    let text = || proptest::option::of("[a-z é\"]{0,3}");
    let status = proptest::sample::select(vec!["complete", "partial", "torn"]);
    let numbers = (any::<u32>(), any::<u32>(), proptest::option::of(0..100_u64));
    ("[0-9a-f]{2}", text(), text(), 0..1000_i64, 0..1_000_000_000_i32, status, numbers).prop_map(
        |(id, branch, head, second, nanosecond, status, (files, added, ledger_seq))| SnapshotRecord {
            time: Timestamp::new(second, nanosecond).unwrap(),
            trigger: "manual".to_owned(),
            branch,
            head,
            status: status.to_owned(),
            files: files.into(),
            added: added.into(),
            ledger_seq,
            ..taken(&id, 0)
        },
    )
}

fn any_draft() -> impl Strategy<Value = (bool, EventDraft)> {
    let kinds = proptest::sample::select(EventKind::ALL);
    let name = "[ab]";
    let projection = proptest::option::of(prop_oneof![
        (name, name, name, any::<bool>()).prop_map(|(base_tree, tree, policy, passed)| {
            Projection::Verdict { base_tree, tree, policy, passed }
        }),
        (proptest::collection::vec(name, 1..3), proptest::sample::select(CommitState::ALL))
            .prop_map(|(ids, state)| Projection::Commits { ids, state }),
        (name, proptest::sample::select(CommitState::ALL), name, name, name).prop_map(
            |(commit, state, base_tree, tree, policy)| {
                Projection::Judged { commit, state, base_tree, tree, policy }
            }
        ),
        any_snapshot().prop_map(|record| Projection::Snapshot(Box::new(record))),
        proptest::collection::vec("[0-9a-f]{2}", 1..4).prop_map(|ids| Projection::Forgotten { ids }),
    ]);
    let attributes = proptest::collection::btree_map("[a-z\"\\\\é\u{1}]{0,3}", ".{0,5}", 0..3);
    (any::<bool>(), kinds, name, proptest::option::of(".{0,4}"), attributes, projection).prop_map(
        |(later, kind, repo_id, card, attributes, projection)| {
            let projection = projection.filter(|_| !kind.is_card());
            (later, EventDraft { card, attributes, projection, ..draft(kind, &repo_id) })
        },
    )
}

type Listed = Vec<(String, SnapshotRecord)>;

/// What the ledger lists: all, the newest two of a repository, and the ids.
fn lists(fixture: &Fixture) -> (Listed, Listed, Vec<String>) {
    let plain = |listed: Vec<crate::ledger::ListedSnapshot>| -> Listed {
        listed.into_iter().map(|row| (row.repo_id, row.snapshot)).collect()
    };
    let ledger = &fixture.ledger;
    (
        plain(ledger.snapshots(None, usize::MAX).unwrap()),
        plain(ledger.snapshots(Some("a"), 2).unwrap()),
        ledger.snapshot_ids().unwrap().into_iter().collect(),
    )
}

/// The same, by a simpler way.
fn wanted_lists(
    listed: &std::collections::BTreeMap<String, (String, SnapshotRecord)>,
) -> (Listed, Listed, Vec<String>) {
    let mut all: Listed = listed.values().cloned().collect();
    all.sort_by_key(|(_, record)| std::cmp::Reverse((record.time, record.id.clone())));
    let of_one = all.iter().filter(|(repo, _)| repo == "a").take(2).cloned().collect();
    (all, of_one, listed.keys().cloned().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rebuilding_changes_nothing(drafts in proptest::collection::vec(any_draft(), 0..40)) {
        let fixture = Fixture::new();
        let mut last = std::collections::BTreeMap::new();
        let mut listed = std::collections::BTreeMap::new();
        for (later, draft) in &drafts {
            if let Some(Projection::Verdict { base_tree, tree, policy, passed }) = &draft.projection {
                let repo = draft.repo_id.clone().unwrap();
                last.insert((repo, base_tree, tree, policy), *passed);
            }
            match &draft.projection {
                Some(Projection::Judged { state, base_tree, tree, policy, .. }) => {
                    let repo = draft.repo_id.clone().unwrap();
                    last.insert((repo, base_tree, tree, policy), *state != CommitState::Unvalidated);
                }
                Some(Projection::Snapshot(record)) => {
                    listed.insert(record.id.clone(), (draft.repo_id.clone().unwrap(), (**record).clone()));
                }
                Some(Projection::Forgotten { ids }) => listed.retain(|id, _| !ids.contains(id)),
                _ => {}
            }
            if *later {
                fixture.ledger.append_later(draft.clone());
            } else {
                fixture.ledger.append(draft.clone()).unwrap();
            }
        }
        for ((repo, base_tree, tree, policy), passed) in last {
            prop_assert_eq!(fixture.ledger.verdict(&repo, base_tree, tree, policy).unwrap(), Some(passed));
        }
        prop_assert_eq!(lists(&fixture), wanted_lists(&listed));
        fixture.ledger.flush().unwrap();
        prop_assert_eq!(fixture.verified().problems, []);
        prop_assert_eq!(lists(&fixture), wanted_lists(&listed));
        let before = rows(&fixture);
        prop_assert_eq!(fixture.ledger.rebuild().unwrap(), drafts.len() as u64);
        prop_assert_eq!(rows(&fixture), before);
        let read = fixture.ledger.read(1, usize::MAX, &Filter::default()).unwrap();
        prop_assert_eq!(read.len(), drafts.len());
        for (event, (_, draft)) in read.iter().zip(&drafts) {
            prop_assert_eq!(event.event_id, draft.event_id);
            prop_assert_eq!(&event.card, &draft.card);
            for (key, value) in &draft.attributes {
                prop_assert_eq!(&event.attributes[key], value);
            }
        }
    }
}

#[test]
fn changed_projections_are_found_and_rebuilt() {
    for change in [
        "UPDATE verdicts SET outcome = 'pass' WHERE tree = 'b'",
        "DELETE FROM verdicts WHERE tree = 'b'",
        "INSERT INTO verdicts VALUES ('repo', 'base', 'c', 'policy', 'pass', 1)",
        "UPDATE commits SET state = 'validated'",
        "UPDATE commits SET seq = 1",
        "UPDATE commits SET commit_id = 'other'",
        "DELETE FROM commits; DELETE FROM verdicts",
        "UPDATE snapshots SET status = 'torn'",
        "UPDATE snapshots SET branch = NULL",
        "UPDATE snapshots SET repo_id = 'other'",
        "DELETE FROM snapshots",
        "INSERT INTO snapshots SELECT 'bb', repo_id, repo_name, time_ns, \"trigger\", branch, head, status,
                files, bytes, added, ledger_seq, seq FROM snapshots",
    ] {
        let fixture = Fixture::new();
        fixture.ledger.append(verdict("a", true)).unwrap();
        fixture.ledger.append(verdict("b", false)).unwrap();
        fixture.ledger.append(commit("1", CommitState::Unvalidated)).unwrap();
        fixture.ledger.append(snapshot("repo", taken("aa", 1))).unwrap();
        let before = rows(&fixture);
        Connection::open(fixture.path()).unwrap().execute_batch(change).unwrap();
        let report = fixture.verified();
        assert!(!report.problems.is_empty(), "{change}");
        assert!(
            report.problems.iter().all(|p| p.fault == Fault::Projection && p.seq.is_some()),
            "{report:?}"
        );
        assert_eq!(report.first_broken(), None, "the chain is whole");
        assert_eq!(fixture.ledger.rebuild().unwrap(), 4);
        assert_eq!(rows(&fixture), before, "{change}");
        assert_eq!(fixture.verified().problems, []);
    }
}

/// A client chooses the attributes of its card events, and must not pass
/// verdicts with them.
#[test]
fn events_about_cards_project_nothing() {
    let fixture = Fixture::new();
    let forged = verdict("a", true);
    let mut event = draft(EventKind::Commit, "repo");
    for (key, value) in forged.projection.as_ref().unwrap().attributes() {
        event.attributes.insert(key.to_owned(), value.into_owned());
    }
    fixture.ledger.append_later(event);
    assert_eq!(fixture.ledger.verdict("repo", "base", "a", "policy").unwrap(), None);
    fixture.ledger.flush().unwrap();
    assert_eq!(fixture.ledger.verdict("repo", "base", "a", "policy").unwrap(), None);
    assert_eq!(fixture.ledger.rebuild().unwrap(), 1);
    assert_eq!(rows(&fixture), (vec![], vec![], vec![]));
}

/// Whoever spells the attributes out gets the same as whoever names the
/// projection.
#[test]
fn attributes_alone_project_too() {
    let fixture = Fixture::new();
    let mut event = verdict("a", true);
    for (key, value) in event.projection.take().unwrap().attributes() {
        event.attributes.insert(key.to_owned(), value.into_owned());
    }
    fixture.ledger.append(event).unwrap();
    assert_eq!(fixture.ledger.verdict("repo", "base", "a", "policy").unwrap(), Some(true));
    assert_eq!(fixture.verified().problems, []);
}

/// A verdict on a tree against the one before it.
fn step(base_tree: &str, tree: &str, passed: bool) -> EventDraft {
    let (base_tree, tree) = (base_tree.to_owned(), tree.to_owned());
    let projection = Projection::Verdict { base_tree, tree, policy: "policy".to_owned(), passed };
    EventDraft { projection: Some(projection), ..draft(EventKind::Verdict, "repo") }
}

#[test]
fn verdicts_add_up_written_or_not() {
    for is_written in [false, true] {
        let fixture = Fixture::new();
        let ledger = &fixture.ledger;
        ledger.append(step("a", "b", true)).unwrap();
        let blocked = (!is_written).then(|| ledger.hold_writer());
        for draft in [step("b", "c", true), step("b", "bad", true), step("c", "d", false)] {
            ledger.append_later(draft);
        }
        // The latest word on a tree holds.
        ledger.append_later(step("b", "bad", false));
        ledger.append_later(EventDraft {
            projection: Some(Projection::Judged {
                commit: "1".to_owned(),
                state: CommitState::Late,
                base_tree: "c".to_owned(),
                tree: "e".to_owned(),
                policy: "policy".to_owned(),
            }),
            ..draft(EventKind::LateVerdict, "repo")
        });
        if is_written {
            ledger.flush().unwrap();
        }
        let passed = |repo: &str, base: &str, tree: &str, policy: &str| {
            ledger.passed_by_steps(repo, base, tree, policy).unwrap()
        };
        assert!(passed("repo", "a", "b", "policy") && passed("repo", "a", "c", "policy"));
        assert!(passed("repo", "a", "e", "policy"), "a commit's verdict is one on its tree");
        assert!(!passed("repo", "a", "d", "policy") && !passed("repo", "a", "bad", "policy"));
        assert!(!passed("repo", "c", "a", "policy"));
        assert!(!passed("other", "a", "b", "policy") && !passed("repo", "a", "b", "other"));
        assert_eq!(ledger.commit_state("repo", "1").unwrap(), Some(CommitState::Late));
        drop(blocked);
        ledger.flush().unwrap();
        assert_eq!(fixture.verified().problems, []);
    }
}
