use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, types::Type};
use uuid::Uuid;

use super::Projection;

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// What an event is about. The names are stable: they are stored, hashed
        /// and what scripts see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The kind's name, in kebab-case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

event_kinds! {
    /// A card was created.
    Created = "created",
    /// A card is open.
    Open = "open",
    /// A card is being worked on.
    Wip = "wip",
    /// A card was closed.
    Closed = "closed",
    /// A criterion of a card was ticked.
    Tick = "tick",
    /// A commit named a card.
    Commit = "commit",
    /// The governor started.
    GovernorStarted = "governor-started",
    /// The governor ended as it should.
    GovernorStopped = "governor-stopped",
    /// A repository was registered.
    RepoAdded = "repo-added",
    /// A repository was taken out of the registry.
    RepoRemoved = "repo-removed",
    /// Hooks were put in place or healed.
    HooksInstalled = "hooks-installed",
    /// Hooks were taken away.
    HooksUninstalled = "hooks-uninstalled",
    /// Hooks were put back that somebody else had changed or taken away.
    HooksHealed = "hooks-healed",
    /// A commit or merge was judged before it was made.
    Verdict = "verdict",
    /// A push was judged.
    Push = "push",
    /// HEAD moved: a commit was made, a branch checked out, merged or rewritten.
    HeadMoved = "head-moved",
    /// A commit went by without a verdict.
    Unjudged = "unjudged",
    /// A commit without a verdict was judged afterwards.
    LateVerdict = "late-verdict",
    /// A snapshot was taken.
    Snapshot = "snapshot",
    /// Snapshots were forgotten: retention did not keep them.
    SnapshotsForgotten = "snapshots-forgotten",
    /// A repository, or paths of it, were restored from a snapshot.
    Restored = "restored",
    /// A copy of the ledger was put into the store.
    DatabaseSynced = "database-synced",
    /// What no snapshot needs was removed from the store.
    StorePruned = "store-pruned",
    /// What the registry says of a repository was changed.
    RepoChanged = "repo-changed",
    /// A repository was found at another path, and its registered one had
    /// vanished.
    RepoMoved = "repo-moved",
    /// The predecessor's registry was taken over.
    RegistryImported = "registry-imported",
}

impl EventKind {
    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Whether it is about a card, and so one that clients may emit with
    /// attributes of their own. Such events never project.
    pub const fn is_card(self) -> bool {
        matches!(self, Self::Created | Self::Open | Self::Wip | Self::Closed | Self::Tick | Self::Commit)
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An event that is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// UUIDv7 of whoever made the event: recorded once, however often it comes.
    pub event_id: Uuid,
    /// What it is about.
    pub kind: EventKind,
    /// Id of the repository it is about.
    pub repo_id: Option<String>,
    /// Card it is about, for instance "TASK-B06".
    pub card: Option<String>,
    /// Who: "hook", "cli", "governor", or what a client called itself.
    pub actor: String,
    /// What else is known. Never a secret. [`Projection::KEY`] is reserved for
    /// the ledger in every kind but those of cards.
    pub attributes: BTreeMap<String, String>,
    /// What it says about a verdict, a commit or a snapshot. It is added to the
    /// attributes, so that it can be derived from them again; one about verdicts
    /// or commits needs a `repo_id`.
    pub projection: Option<Projection>,
}

impl EventDraft {
    /// An event of this kind with a new id, about nothing in particular yet.
    pub fn new(kind: EventKind, actor: impl Into<String>) -> Self {
        Self {
            event_id: Uuid::now_v7(),
            kind,
            repo_id: None,
            card: None,
            actor: actor.into(),
            attributes: BTreeMap::new(),
            projection: None,
        }
    }
}

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// From 1, without gaps.
    pub seq: u64,
    /// UUIDv7.
    pub event_id: Uuid,
    /// When the ledger took it in, to the nanosecond.
    pub time: Timestamp,
    /// What it is about.
    pub kind: EventKind,
    /// Id of the repository it is about.
    pub repo_id: Option<String>,
    /// Card it is about.
    pub card: Option<String>,
    /// Who.
    pub actor: String,
    /// What else is known; those of the projection among them.
    pub attributes: BTreeMap<String, String>,
    /// SHA-256 over the hash of the event before and this event.
    pub hash: [u8; 32],
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these kinds; empty: all.
    pub kinds: Vec<EventKind>,
    /// Only events about this repository.
    pub repo_id: Option<String>,
}

/// The columns that [`EventRecord::from_row`] wants, in its order.
pub(super) const COLUMNS: &str = "seq, event_id, time_ns, kind, repo_id, card, actor, attributes, hash";

impl EventRecord {
    /// Reads a row of [`COLUMNS`].
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let event_id: [u8; 16] = row.get(1)?;
        let kind: String = row.get(3)?;
        let attributes: String = row.get(7)?;
        Ok(Self {
            seq: get_seq(row, 0)?,
            event_id: Uuid::from_bytes(event_id),
            time: Timestamp::from_nanosecond(i128::from(row.get::<_, i64>(2)?))
                .map_err(|error| unreadable(2, Type::Integer, error))?,
            kind: EventKind::parse(&kind)
                .ok_or_else(|| unreadable(3, Type::Text, format!("the event kind {kind:?} is unknown")))?,
            repo_id: row.get(4)?,
            card: row.get(5)?,
            actor: row.get(6)?,
            attributes: serde_json::from_str(&attributes)
                .map_err(|error| unreadable(7, Type::Text, error))?,
            hash: row.get(8)?,
        })
    }
}

/// Reads a sequence number.
pub(super) fn get_seq(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let seq: i64 = row.get(column)?;
    u64::try_from(seq).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, seq))
}

/// A sequence number as SQLite takes it. None that exists is cut.
pub(super) fn stored_seq(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn unreadable(
    column: usize,
    found: Type,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, why.into())
}
