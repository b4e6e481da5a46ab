use proptest::prelude::*;

use super::*;
use crate::ledger::Fault;

type Rows = Vec<(String, String, i64)>;

fn rows(fixture: &Fixture) -> (Rows, Rows) {
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
    ]);
    let attributes = proptest::collection::btree_map("[a-z\"\\\\é\u{1}]{0,3}", ".{0,5}", 0..3);
    (any::<bool>(), kinds, name, proptest::option::of(".{0,4}"), attributes, projection).prop_map(
        |(later, kind, repo_id, card, attributes, projection)| {
            let projection = projection.filter(|_| !kind.is_card());
            (later, EventDraft { card, attributes, projection, ..draft(kind, &repo_id) })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rebuilding_changes_nothing(drafts in proptest::collection::vec(any_draft(), 0..40)) {
        let fixture = Fixture::new();
        let mut last = std::collections::BTreeMap::new();
        for (later, draft) in &drafts {
            if let Some(Projection::Verdict { base_tree, tree, policy, passed }) = &draft.projection {
                let repo = draft.repo_id.clone().unwrap();
                last.insert((repo, base_tree, tree, policy), *passed);
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
        fixture.ledger.flush().unwrap();
        prop_assert_eq!(fixture.verified().problems, []);
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
    ] {
        let fixture = Fixture::new();
        fixture.ledger.append(verdict("a", true)).unwrap();
        fixture.ledger.append(verdict("b", false)).unwrap();
        fixture.ledger.append(commit("1", CommitState::Unvalidated)).unwrap();
        let before = rows(&fixture);
        Connection::open(fixture.path()).unwrap().execute_batch(change).unwrap();
        let report = fixture.verified();
        assert!(!report.problems.is_empty(), "{change}");
        assert!(
            report.problems.iter().all(|p| p.fault == Fault::Projection && p.seq.is_some()),
            "{report:?}"
        );
        assert_eq!(report.first_broken(), None, "the chain is whole");
        assert_eq!(fixture.ledger.rebuild().unwrap(), 3);
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
    assert_eq!(rows(&fixture), (vec![], vec![]));
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
