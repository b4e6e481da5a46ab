use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::tz::TimeZone;

use super::{Error, Governor, retention};
use crate::{
    fs::{RealWriter, Writer, bytes_of, shown},
    generated::probe as contract,
    ledger::{EventDraft, EventKind, Filter, ListedSnapshot, Projection, SnapshotRecord},
    probe::store::{Checked, Progress, Pruned, Snapshot, SnapshotId, Stats, Store},
};

/// After how many events the ledger is copied again.
const EVENTS: u64 = 1_000;
/// Most snapshots that one event forgets: their ids have to fit in it.
const AT_ONCE: usize = 1_000;
/// Of what is expendable, so much goes at a time where the store is too large.
const SHARE: usize = 10;

/// What a check of the store gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// What is wrong with it.
    pub checked: Checked,
    /// Snapshots that the ledger's list lacked, and has now.
    pub listed: u64,
}

/// How large the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// Its own figures.
    pub stats: Stats,
    /// Repositories that have snapshots.
    pub repos: u64,
    /// What it may have.
    pub quota: Option<u64>,
}

impl Governor {
    /// What to give restic: the store, and the file with its password.
    pub fn for_restic(&self) -> (std::path::PathBuf, std::path::PathBuf) {
        self.snapshots.hands().for_restic()
    }

    /// At the start: finishes what a governor that was killed was doing.
    pub(super) fn take_over(&self) {
        match self.snapshots.hands().recover() {
            Ok(recovered) => {
                for one in recovered {
                    match one {
                        Ok(one) => tracing::warn!(
                            finished = one.finished,
                            roots = one.roots.iter().map(|root| shown(root)).collect::<Vec<_>>().join(", "),
                            "a restore that was killed was dealt with"
                        ),
                        Err(error) => {
                            tracing::error!(%error, "a restore that was killed is still in the way");
                        }
                    }
                }
            }
            Err(error) => tracing::error!(%error, "restores that were killed can't be looked at"),
        }
        if let Err(error) = self.list_what_is_stored() {
            tracing::warn!(error = error.message, "the list of snapshots may lack some");
        }
        if let Err(error) = self.count_since_prune() {
            tracing::warn!(error = error.message, "what is to be tidied up is not known");
        }
        self.snapshots.queue.take_over();
    }

    /// Makes the ledger's list of snapshots what the store has; returns how many
    /// it lacked.
    pub(super) fn list_what_is_stored(&self) -> Result<u64, Error> {
        if !self.snapshots.hands().has_store() {
            return Ok(0);
        }
        let stored: BTreeSet<String> =
            self.snapshots.hands().snapshot_ids()?.into_iter().map(|id| id.0).collect();
        let listed = self.ledger.snapshot_ids()?;
        let lacking: Vec<&String> = stored.difference(&listed).collect();
        let gone: Vec<String> = listed.difference(&stored).cloned().collect();
        let mut added = 0;
        if !lacking.is_empty() {
            let store = self.snapshots.hands().store()?;
            for id in lacking {
                // What isn't kpmo's, or can't be read, is not listed.
                if let Ok(snapshot) = store.snapshot(&SnapshotId(id.clone())) {
                    self.list_snapshot(&listing(snapshot));
                    added += 1;
                }
            }
        }
        // One may have been taken since the store was looked at.
        self.unlist(&gone.into_iter().filter(|id| !self.is_stored(id)).collect::<Vec<_>>())?;
        Ok(added)
    }

    fn is_stored(&self, id: &str) -> bool {
        let (store, _) = self.for_restic();
        store.join("snapshots").join(id).exists()
    }

    fn unlist(&self, ids: &[String]) -> Result<(), Error> {
        for ids in ids.chunks(AT_ONCE) {
            let mut draft = EventDraft::new(EventKind::SnapshotsForgotten, "governor");
            draft.projection = Some(Projection::Forgotten { ids: ids.to_vec() });
            self.ledger.append(draft)?;
        }
        Ok(())
    }

    fn count_since_prune(&self) -> Result<(), Error> {
        let of = |kind| Filter { kinds: vec![kind], repo_id: None };
        let pruned = self.ledger.read(1, usize::MAX, &of(EventKind::StorePruned))?;
        let since = pruned.last().map_or(1, |event| event.seq);
        let enough = usize::try_from(self.settings().snapshots.prune_after).unwrap_or(usize::MAX);
        let count = self.ledger.read(since, enough, &of(EventKind::Snapshot))?.len();
        self.snapshots.queue.add_since_prune(count as u64);
        Ok(())
    }

    /// While nobody is at work: forgets what the ladder does not keep, prunes,
    /// and copies the ledger; each only when enough has happened.
    pub(super) fn tidy_up(&self) {
        let settings = self.settings().snapshots;
        let since = self.snapshots.queue.since_prune();
        let bytes = self.snapshots.hands().store().and_then(|store| store.stats());
        let is_over = bytes.is_ok_and(|stats| {
            settings.quota.is_some_and(|quota| stats.bytes - stats.marked_bytes.min(stats.bytes) > quota)
        });
        // Again and again over the quota it would prune for nothing.
        let is_due = since >= settings.prune_after || (is_over && since >= settings.prune_after.min(10));
        if is_due && let Err(error) = self.prune_store(false, &|_, _| !self.is_stopping(), &mut |_| {}) {
            tracing::warn!(error = error.message, "the store is not tidied up");
        }
        let copied = self.ledger.snapshots(Some(""), 1).ok().and_then(|mut copies| copies.pop());
        let copied = copied.and_then(|copy| copy.snapshot.ledger_seq).unwrap_or(0);
        if self.ledger.head() >= copied + EVENTS
            && let Err(error) = self.sync_database()
        {
            tracing::warn!(error = error.message, "the ledger is not copied");
        }
    }

    /// Forgets the snapshots that the ladder does not keep, tells `sink` of them,
    /// and prunes the store; where it is larger than it may be, the oldest go,
    /// too. With `dry_run` only tells. Returns how many are kept.
    pub fn prune_store(
        &self,
        dry_run: bool,
        progress: Progress<'_>,
        sink: &mut dyn FnMut(&[ListedSnapshot]),
    ) -> Result<(u64, u64, Pruned), Error> {
        self.list_what_is_stored()?;
        let settings = self.settings().snapshots;
        let all = self.ledger.snapshots(None, usize::MAX)?;
        let zone = TimeZone::system();
        let mut kept = std::collections::HashSet::new();
        for of in retention::by_repo(&all) {
            kept.extend(retention::kept(&of, &settings.keep, &zone));
        }
        let (mut left, gone): (Vec<ListedSnapshot>, Vec<ListedSnapshot>) =
            all.iter().cloned().partition(|listed| kept.contains(listed.snapshot.id.as_str()));
        sink(&gone);
        if dry_run {
            return Ok((left.len() as u64, gone.len() as u64, Pruned::default()));
        }
        let mut forgotten = gone.len() as u64;
        self.forget(&gone)?;
        if !progress(0, 0) {
            return Ok((left.len() as u64, forgotten, Pruned::default()));
        }
        let store = self.snapshots.hands().store()?;
        let mut pruned = store.prune()?;
        while let Some(quota) = settings.quota {
            let stats = store.stats()?;
            let over = stats.bytes.saturating_sub(stats.marked_bytes) > quota;
            let expendable = retention::expendable(&left);
            if !over || expendable.is_empty() || !progress(0, 0) {
                break;
            }
            let share = expendable.len().div_ceil(SHARE);
            let gone: Vec<ListedSnapshot> = expendable.into_iter().take(share).cloned().collect();
            sink(&gone);
            self.forget(&gone)?;
            forgotten += gone.len() as u64;
            left.retain(|listed| !gone.contains(listed));
            let more = store.prune()?;
            pruned.marked_bytes += more.marked_bytes;
            pruned.removed_bytes += more.removed_bytes;
            pruned.repacked_bytes += more.repacked_bytes;
        }
        self.snapshots.queue.pruned();
        let mut draft = EventDraft::new(EventKind::StorePruned, "governor");
        for (key, value) in [
            ("forgotten", forgotten),
            ("marked_bytes", pruned.marked_bytes),
            ("removed_bytes", pruned.removed_bytes),
            ("repacked_bytes", pruned.repacked_bytes),
        ] {
            draft.attributes.insert(key.into(), value.to_string());
        }
        self.ledger.append(draft)?;
        Ok((left.len() as u64, forgotten, pruned))
    }

    /// The store first: what the list still has then is taken out at the next
    /// look.
    fn forget(&self, gone: &[ListedSnapshot]) -> Result<(), Error> {
        if gone.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = gone.iter().map(|listed| listed.snapshot.id.clone()).collect();
        let stored: Vec<SnapshotId> = ids.iter().cloned().map(SnapshotId).collect();
        self.snapshots.hands().store()?.forget(&stored)?;
        self.unlist(&ids)
    }

    /// Copies the ledger into the store; returns the copy and the number of the
    /// last event in it.
    pub fn sync_database(&self) -> Result<(ListedSnapshot, u64), Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let scratch = self.home.state.join("scratch");
        RealWriter.create_dir_all(&scratch, 0o700)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let copy = scratch.join(format!("ledger-{}-{number}.sqlite3", std::process::id()));
        self.ledger.flush()?;
        let seq = self.ledger.backup_to(&copy)?;
        let request = contract::SyncDatabaseRequest { path: bytes_of(&copy), seq };
        let synced = self.snapshots.hands().sync_database(&request, &self.home.state.join("ledger.sqlite3"));
        RealWriter.remove(&copy)?;
        let listed = listing(synced?);
        self.list_snapshot(&listed);
        Ok((listed, seq))
    }

    /// Checks the store, and makes the list of snapshots what it has.
    pub fn verify_store(&self, read_data: bool, progress: Progress<'_>) -> Result<VerifyReport, Error> {
        let listed = self.list_what_is_stored()?;
        let checked = self.snapshots.hands().store()?.check(read_data, progress)?;
        Ok(VerifyReport { checked, listed })
    }

    /// How large the store is.
    pub fn store_report(&self) -> Result<StoreReport, Error> {
        let stats = self.snapshots.hands().store()?.stats()?;
        let listed = self.ledger.snapshots(None, usize::MAX)?;
        let repos: BTreeSet<&str> =
            listed.iter().map(|it| it.repo_id.as_str()).filter(|id| !id.is_empty()).collect();
        Ok(StoreReport { stats, repos: repos.len() as u64, quota: self.settings().snapshots.quota })
    }
}

/// What the ledger lists of a stored snapshot.
fn listing(snapshot: Snapshot) -> ListedSnapshot {
    let draft = snapshot.draft;
    ListedSnapshot {
        repo_id: draft.repo_id,
        snapshot: SnapshotRecord {
            id: snapshot.id.0,
            repo_name: draft.repo_name,
            time: draft.time,
            trigger: draft.trigger,
            branch: draft.branch,
            head: draft.head,
            status: draft.status.as_str().to_owned(),
            files: snapshot.files,
            bytes: snapshot.bytes,
            added: snapshot.added,
            ledger_seq: draft.ledger_seq,
        },
    }
}
