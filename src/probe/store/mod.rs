//! Where snapshots are kept: one repository in restic's format for all that
//! kpmo looks after, behind a small trait.
//!
//! A snapshot's tree begins at `/`: files stand under their absolute paths, as
//! with restic itself, so that `restic restore` needs to know nothing of kpmo.
//! What restic has no field for (branch, HEAD, why a snapshot is partial) is kept
//! in the snapshot's description, the repository's id and the trigger in its
//! tags; so the list of snapshots can be had from the store alone.

mod backend;
mod describe;
mod error;
mod failure;
mod index;
mod keys;
mod lasts;
mod lock;
mod mode;
mod node;
mod put;
mod restore;
mod rustic;
mod source;
mod upkeep;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

pub use error::StoreError;
pub use rustic::{RusticStore, StoreOptions};

/// What lstat(2) says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// `st_mode`: kind and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Hard links.
    pub links: u64,
    /// Bytes.
    pub size: u64,
    /// Device number of a device.
    pub rdev: u64,
    /// When the content was changed: seconds, nanoseconds.
    pub mtime: (i64, u32),
    /// When anything was changed. `(0, 0)` in a stored entry: unknown.
    pub ctime: (i64, u32),
}

/// A directory's content in the store; hexadecimal, 64 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(pub String);

/// A snapshot in the store; hexadecimal, 64 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotId(pub String);

/// A piece of a file: SHA-256 of its bytes.
pub type BlobId = [u8; 32];

/// Something to be stored.
pub struct Entry {
    /// Absolute, without `.` and `..`.
    pub path: PathBuf,
    /// As it was found.
    pub stat: Stat,
    /// What is in it.
    pub content: Content,
}

/// What an entry holds.
pub enum Content {
    /// A directory; what is in it follows.
    Directory,
    /// A directory that is, with all beneath it, as the parent snapshot has it
    /// (there or elsewhere); nothing that is in it follows.
    Known(TreeId),
    /// A file, read if the parent's entry is not the same by
    /// (size, mtime, ctime, inode).
    File(Box<dyn Open>),
    /// A symbolic link and its target's bytes.
    Link(Vec<u8>),
    /// A FIFO, socket or device, by its mode.
    Special,
}

/// Opens a file's content when it is its turn.
pub trait Open: Send + Sync {
    /// The content: as many bytes as the entry's size says. More are not read;
    /// fewer are an error. An error here or while reading leaves the file out;
    /// whoever made this remembers that it happened.
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>>;
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, one part of a path.
    pub name: Vec<u8>,
    /// As it was found. Owner's and group's names are not kept.
    pub stat: Stat,
    /// What is in it.
    pub kind: NodeKind,
}

/// What a stored entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory(TreeId),
    /// A file, as pieces one after the other.
    File(Vec<BlobId>),
    /// A symbolic link and its target's bytes.
    Link(Vec<u8>),
    /// A FIFO, socket or device.
    Special,
}

/// What made somebody take a snapshot: a hook's name ("post-commit"), "manual",
/// "up", "restore", "watch", "ledger".
pub type Trigger = String;

/// How faithful a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SnapshotStatus {
    /// Everything, as it was at one moment.
    Complete,
    /// Something could not be read.
    Partial,
    /// Something changed while it was read, again and again.
    Torn,
}

impl SnapshotStatus {
    /// Every status.
    pub const ALL: &[Self] = &[Self::Complete, Self::Partial, Self::Torn];

    /// Its name, as stored and printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Torn => "torn",
        }
    }

    /// The status of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == name)
    }
}

/// What is said of a snapshot when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Id of the repository; empty for the ledger's.
    pub repo_id: String,
    /// Name of the repository at that time.
    pub repo_name: String,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub trigger: Trigger,
    /// Absolute directories (or files) that it holds. The first is where the
    /// repository was: the top of its work tree, or a bare repository.
    pub roots: Vec<PathBuf>,
    /// Short name of the branch, if one was checked out.
    pub branch: Option<String>,
    /// Commit that HEAD led to, if any; hexadecimal.
    pub head: Option<String>,
    /// How faithful it is.
    pub status: SnapshotStatus,
    /// Why it is not complete, a line each; the first few of them.
    pub reasons: Vec<String>,
    /// Number of the ledger's last event, for the ledger's own.
    pub ledger_seq: Option<u64>,
}

/// A snapshot in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its content.
    pub tree: TreeId,
    /// What was said of it.
    pub draft: Draft,
    /// Files in it, and their bytes; of those that were looked at.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Bytes that the store grew by.
    pub added: u64,
}

/// What storing entries gave: not a snapshot yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The content.
    pub tree: TreeId,
    /// Files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the store grew by.
    pub added: u64,
}

/// What a check of the store found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// A line each; empty: all is well.
    pub errors: Vec<String>,
    /// Snapshots that were followed to their last piece.
    pub snapshots: u64,
    /// Whether the contents of packs were read, too.
    pub read_data: bool,
}

/// How large the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Snapshots, the ledger's among them.
    pub snapshots: u64,
    /// Files of the store.
    pub packs: u64,
    /// Files of its index.
    pub index_files: u64,
    /// Pieces of files and directories.
    pub blobs: u64,
    /// Bytes on disk, all files together.
    pub bytes: u64,
    /// Bytes in packs that wait to be removed for good.
    pub marked_bytes: u64,
}

/// What pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Bytes that nothing needs any more; they are marked, and removed by a
    /// later prune.
    pub marked_bytes: u64,
    /// Bytes that were removed.
    pub removed_bytes: u64,
    /// Bytes that were written anew.
    pub repacked_bytes: u64,
}

/// Told how far something has come: done, of all (0: unknown). False: stop.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) -> bool + Send + Sync);

/// Keeps snapshots. Several threads may use it at once; who prunes has it alone.
pub trait Store: Send + Sync {
    /// Stores entries and returns their tree. `entries` come depth first, each
    /// directory before what is in it, siblings in order of their names' bytes;
    /// directories above a root need not come: they are taken as they are on this
    /// machine. Files that are the same in `parent` are not read; if it is not
    /// there (any more), that is [`StoreError::NoSnapshot`]. An entry that is an
    /// error, or out of order, ends it: then nothing was stored that anybody sees.
    fn put(
        &self,
        entries: Box<dyn Iterator<Item = io::Result<Entry>> + Send>,
        parent: Option<&SnapshotId>,
    ) -> Result<Stored, StoreError>;

    /// Makes a snapshot of what [`Store::put`] stored. It is on disk when this
    /// returns. If the store was pruned in between and something is missing, there
    /// is no snapshot, but an error: then it has to be stored again.
    fn commit(&self, stored: &Stored, draft: Draft) -> Result<Snapshot, StoreError>;

    /// Every snapshot, oldest first.
    fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError>;

    /// A repository's newest snapshot. To be asked often: what was read for it once
    /// is not read again.
    fn last(&self, repo_id: &str) -> Result<Option<Snapshot>, StoreError>;

    /// One snapshot.
    fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, StoreError>;

    /// What is in a directory, in order of the names' bytes.
    fn tree(&self, tree: &TreeId) -> Result<Vec<Node>, StoreError>;

    /// One piece of a file.
    fn blob(&self, id: &BlobId) -> Result<Vec<u8>, StoreError>;

    /// Bytes of a piece, without reading it.
    fn blob_len(&self, id: &BlobId) -> Result<u64, StoreError>;

    /// Writes what the snapshot has at `path` (absolute, a directory) into
    /// `target`, which is an empty directory: contents, modes, times, links,
    /// empty directories, FIFOs; owners where that is allowed. The directory's
    /// own mode and time, too.
    fn restore(
        &self,
        id: &SnapshotId,
        path: &Path,
        target: &Path,
        progress: Progress<'_>,
    ) -> Result<(), StoreError>;

    /// Forgets snapshots; what they alone hold is removed by pruning. Those that
    /// are gone already are passed over.
    fn forget(&self, ids: &[SnapshotId]) -> Result<(), StoreError>;

    /// Removes what no snapshot needs, in two phases: what is found to be
    /// unneeded is marked, and goes at a later prune.
    fn prune(&self) -> Result<Pruned, StoreError>;

    /// Whether everything that snapshots need is there; reads the contents if
    /// `read_data`.
    fn check(&self, read_data: bool, progress: Progress<'_>) -> Result<Checked, StoreError>;

    /// How large it is.
    fn stats(&self) -> Result<Stats, StoreError>;

    /// Brings what is known of the store's content up to date, if there is
    /// something to bring, and lets go of what is only needed for reading. To be
    /// called when nobody waits: after a commit, or after a row of
    /// [`Store::blob`].
    fn settle(&self) -> Result<(), StoreError>;
}
