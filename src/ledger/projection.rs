use std::{borrow::Cow, collections::BTreeMap};

use rusqlite::Connection;

use super::{EventKind, LedgerError, SnapshotRecord, event::stored_seq, snapshots};

/// How a commit stands with the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommitState {
    /// It was judged before it was made, and passed.
    Validated,
    /// It was judged afterwards, and passed.
    Late,
    /// It did not pass, or could not be judged.
    Unvalidated,
}

impl CommitState {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Validated, Self::Late, Self::Unvalidated];

    /// The state's name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Late => "late",
            Self::Unvalidated => "unvalidated",
        }
    }

    /// Whether the commit passed, at whatever time.
    pub const fn passed(self) -> bool {
        !matches!(self, Self::Unvalidated)
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == name)
    }
}

/// What an event says about its repository that is looked up later. The latest
/// event about the same thing holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// A tree was judged.
    Verdict {
        /// The tree it was judged against, in hexadecimal.
        base_tree: String,
        /// The tree that was judged, in hexadecimal.
        tree: String,
        /// Digest of the policy it was judged by.
        policy: String,
        /// Whether it passed.
        passed: bool,
    },
    /// Commits stand so with the rules.
    Commits {
        /// The commits, in hexadecimal; at least one.
        ids: Vec<String>,
        /// How they stand.
        state: CommitState,
    },
    /// A commit was judged after it was made: how it stands, which is the verdict
    /// on its tree, too.
    Judged {
        /// The commit, in hexadecimal.
        commit: String,
        /// How it stands.
        state: CommitState,
        /// The tree it was judged against, in hexadecimal.
        base_tree: String,
        /// Its tree, in hexadecimal.
        tree: String,
        /// Digest of the policy it was judged by.
        policy: String,
    },
    /// A snapshot was taken, of the event's repository or, where it has none, of
    /// the ledger.
    Snapshot(Box<SnapshotRecord>),
    /// Snapshots are no longer in the store, whichever repository's they were.
    Forgotten {
        /// The snapshots; at least one, and about 15,000 at most.
        ids: Vec<String>,
    },
}

impl Projection {
    /// The attribute that says that, and what, an event projects.
    pub const KEY: &'static str = "projection";

    /// The attributes that this projection is derived from:
    /// `projection=verdict`, `base_tree`, `tree`, `policy`, `outcome`
    /// (`pass`, `refuse`), or `projection=commit`, `commit` (ids with a space
    /// between them), `state`, or `projection=judged`, `commit` (one id),
    /// `state`, `base_tree`, `tree`, `policy`, or `projection=snapshot`, `snapshot`, `repo_name`,
    /// `time` (RFC 3339), `trigger`, `status`, `files`, `bytes`, `added` and, where
    /// there are any, `branch`, `head`, `seq`, or `projection=forgotten`,
    /// `snapshots` (ids with a space between them).
    pub fn attributes(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        match self {
            Self::Verdict { base_tree, tree, policy, passed } => vec![
                (Self::KEY, "verdict".into()),
                ("base_tree", base_tree.into()),
                ("tree", tree.into()),
                ("policy", policy.into()),
                ("outcome", outcome(*passed).into()),
            ],
            Self::Commits { ids, state } => vec![
                (Self::KEY, "commit".into()),
                ("commit", ids.join(" ").into()),
                ("state", state.as_str().into()),
            ],
            Self::Judged { commit, state, base_tree, tree, policy } => vec![
                (Self::KEY, "judged".into()),
                ("commit", commit.into()),
                ("state", state.as_str().into()),
                ("base_tree", base_tree.into()),
                ("tree", tree.into()),
                ("policy", policy.into()),
            ],
            Self::Snapshot(record) => {
                let mut attributes = record.attributes();
                attributes.push((Self::KEY, "snapshot".into()));
                attributes
            }
            Self::Forgotten { ids } => {
                vec![(Self::KEY, "forgotten".into()), ("snapshots", ids.join(" ").into())]
            }
        }
    }

    /// Whether it makes sense only about a repository.
    pub(super) const fn needs_repo(&self) -> bool {
        matches!(self, Self::Verdict { .. } | Self::Commits { .. } | Self::Judged { .. })
    }

    /// What an event with these attributes projects; the error says which
    /// attribute cannot be understood.
    ///
    /// Events about cards project nothing, whatever their attributes: these are
    /// the client's, and a client must not be able to pass a verdict.
    pub(super) fn derive(
        kind: EventKind,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, String> {
        if kind.is_card() {
            return Ok(None);
        }
        let Some(what) = attributes.get(Self::KEY) else { return Ok(None) };
        let wanted = |key: &str| {
            attributes.get(key).cloned().ok_or_else(|| format!("lack {key:?}, which a projection needs"))
        };
        match what.as_str() {
            "verdict" => Ok(Some(Self::Verdict {
                base_tree: wanted("base_tree")?,
                tree: wanted("tree")?,
                policy: wanted("policy")?,
                passed: passed(&wanted("outcome")?).ok_or("have an unknown \"outcome\"")?,
            })),
            "judged" => Ok(Some(Self::Judged {
                commit: wanted("commit")?,
                state: CommitState::parse(&wanted("state")?).ok_or("have an unknown \"state\"")?,
                base_tree: wanted("base_tree")?,
                tree: wanted("tree")?,
                policy: wanted("policy")?,
            })),
            "commit" => Ok(Some(Self::Commits {
                ids: wanted("commit")?.split(' ').map(str::to_owned).collect(),
                state: CommitState::parse(&wanted("state")?).ok_or("have an unknown \"state\"")?,
            })),
            "snapshot" => Ok(Some(Self::Snapshot(Box::new(SnapshotRecord::derive(attributes)?)))),
            "forgotten" => Ok(Some(Self::Forgotten {
                ids: wanted("snapshots")?.split(' ').map(str::to_owned).collect(),
            })),
            _ => Err(format!("have an unknown {:?}", Self::KEY)),
        }
    }

    /// Adds what this projection is derived from to a draft's attributes.
    pub(super) fn add_to(&self, attributes: &mut BTreeMap<String, String>) -> Result<(), LedgerError> {
        for (key, value) in self.attributes() {
            match attributes.get(key) {
                None => {
                    attributes.insert(key.to_owned(), value.into_owned());
                }
                Some(given) if *given == value => {}
                Some(_) => {
                    return Err(LedgerError::Invalid {
                        field: "attributes",
                        why: format!("say something else than the projection about {key:?}"),
                    });
                }
            }
        }
        Ok(())
    }

    /// Puts it into its table. `repo_id` is empty where there is none.
    pub(super) fn apply(&self, connection: &Connection, repo_id: &str, seq: u64) -> rusqlite::Result<()> {
        let verdict = |base_tree: &str, tree: &str, policy: &str, passed: bool| {
            connection
                .prepare_cached(
                    "INSERT INTO verdicts (repo_id, base_tree, tree, policy, outcome, seq)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO UPDATE SET outcome = excluded.outcome, seq = excluded.seq",
                )?
                .execute((repo_id, base_tree, tree, policy, outcome(passed), stored_seq(seq)))
                .map(drop)
        };
        let commits = |ids: &[String], state: CommitState| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO commits (repo_id, commit_id, state, seq) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET state = excluded.state, seq = excluded.seq",
            )?;
            ids.iter()
                .try_for_each(|id| insert.execute((repo_id, id, state.as_str(), stored_seq(seq))).map(drop))
        };
        match self {
            Self::Verdict { base_tree, tree, policy, passed } => verdict(base_tree, tree, policy, *passed),
            Self::Commits { ids, state } => commits(ids, *state),
            Self::Judged { commit, state, base_tree, tree, policy } => {
                verdict(base_tree, tree, policy, state.passed())?;
                commits(std::slice::from_ref(commit), *state)
            }
            Self::Snapshot(record) => record.apply(connection, repo_id, seq),
            Self::Forgotten { ids } => snapshots::forget(connection, ids),
        }
    }
}

/// A verdict's outcome, as stored.
const fn outcome(passed: bool) -> &'static str {
    if passed { "pass" } else { "refuse" }
}

/// Whether a verdict with this outcome passed.
pub(super) fn passed(outcome: &str) -> Option<bool> {
    match outcome {
        "pass" => Some(true),
        "refuse" => Some(false),
        _ => None,
    }
}
