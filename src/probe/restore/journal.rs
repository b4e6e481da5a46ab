//! What a restore is about to do, on disk before it does it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::RestoreError;
use crate::{
    fs::{FileLock, IoContext, PathError, RealWriter, Writer},
    probe::store::SnapshotId,
};

/// How far a restore has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    /// What is to be is being put beside what is. Undone by removing it.
    Filling,
    /// Everything new is there, whole, and takes its place; then what git ignores
    /// comes over from the old, and what snapshots have of the old goes. It is
    /// gone on with.
    Swapping,
    /// One place could not be taken; the others are given back.
    Undoing,
}

/// One thing that takes one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unit {
    /// Where it is to be.
    #[serde(with = "as_text")]
    pub place: PathBuf,
    /// Where it is made, in the same directory; later what was at its place.
    #[serde(with = "as_text")]
    pub beside: PathBuf,
    /// Where what was at its place is for a moment, if two can't be exchanged.
    #[serde(with = "as_text")]
    pub before: PathBuf,
    /// Where what no snapshot has is put in the end.
    #[serde(with = "as_text")]
    pub kept: PathBuf,
    /// Its path in the snapshot that is restored.
    #[serde(with = "as_text")]
    pub source: PathBuf,
    /// The path of what is replaced in the snapshot of the present.
    #[serde(with = "as_text")]
    pub present: PathBuf,
    /// Inode of the new; known once it is whole.
    pub new: Option<u64>,
    /// What git ignores in the old, relative to it.
    #[serde(with = "all_as_text")]
    pub ignored: Vec<PathBuf>,
    /// What of it is not to come over: work trees that the snapshot has not.
    #[serde(with = "all_as_text")]
    pub left: Vec<PathBuf>,
    /// Work trees in it that git can be asked about, relative to it.
    #[serde(with = "all_as_text")]
    pub work_trees: Vec<PathBuf>,
}

impl Unit {
    /// Whether what is beside is not the new.
    pub fn is_old_beside(&self) -> Result<bool, PathError> {
        Ok(self.new.is_some() && inode(&self.beside)?.is_some_and(|beside| Some(beside) != self.new))
    }
}

/// The journal of one restore.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    pub phase: Phase,
    pub snapshot: String,
    /// A complete snapshot of what is replaced.
    pub present: Option<String>,
    pub units: Vec<Unit>,
    /// Directories that were made above the places, outermost first.
    #[serde(with = "all_as_text")]
    pub made: Vec<PathBuf>,
    #[serde(skip)]
    path: PathBuf,
}

const VERSION: u32 = 1;
/// How the journal's name ends when what it tells of is being undone.
const UNDONE: &str = "undo.json";

impl Journal {
    /// Begins one, called `id`.
    pub fn begin(
        journal_dir: &Path,
        id: &str,
        snapshot: &SnapshotId,
        present: Option<&SnapshotId>,
        units: Vec<Unit>,
        made: Vec<PathBuf>,
    ) -> Result<Self, RestoreError> {
        let journal = Self {
            version: VERSION,
            phase: Phase::Filling,
            snapshot: snapshot.0.clone(),
            present: present.map(|id| id.0.clone()),
            units,
            made,
            path: place(journal_dir).join(format!("{id}.json")),
        };
        journal.write()?;
        Ok(journal)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what it says now durable.
    pub fn write(&self) -> Result<(), RestoreError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| self.broken(&error))?;
        Ok(RealWriter.write(&self.path, &text, 0o600)?)
    }

    /// From now on everything new takes its place, come what may.
    pub fn swap(&mut self) -> Result<(), RestoreError> {
        self.phase = Phase::Swapping;
        self.write()
    }

    /// From now on it is undone. That is told by the journal's name: it may be
    /// that there is no room to write.
    pub fn undo(&mut self) -> Result<(), RestoreError> {
        if self.phase == Phase::Swapping {
            let undone = self.path.with_extension(UNDONE);
            RealWriter.rename(&self.path, &undone)?;
            self.path = undone;
            self.phase = Phase::Undoing;
        }
        Ok(())
    }

    /// Ends it: there is nothing to be done any more.
    pub fn end(&self) -> Result<(), RestoreError> {
        Ok(RealWriter.remove(&self.path)?)
    }

    fn read(path: &Path) -> Result<Self, RestoreError> {
        let text = fs::read(path).at("read", path)?;
        let broken = |message: String| RestoreError::Journal { path: path.into(), message };
        let mut journal: Self = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if journal.version != VERSION {
            return Err(broken(format!(
                "it is of version {}, and this kpmo knows {VERSION}",
                journal.version
            )));
        }
        if path.as_os_str().as_encoded_bytes().ends_with(UNDONE.as_bytes()) {
            journal.phase = Phase::Undoing;
        }
        journal.path = path.into();
        Ok(journal)
    }

    fn broken(&self, error: &serde_json::Error) -> RestoreError {
        RestoreError::Journal { path: self.path.clone(), message: error.to_string() }
    }
}

/// The directory of the journals.
fn place(journal_dir: &Path) -> PathBuf {
    journal_dir.join("restores")
}

/// Nobody else restores while this is held.
pub(super) fn lock(journal_dir: &Path) -> Result<FileLock, RestoreError> {
    RealWriter.create_dir_all(&place(journal_dir), 0o700)?;
    // A program that is being started holds all locks of this process for a moment.
    let patience = Duration::from_secs(1);
    FileLock::acquire_within(&place(journal_dir).join("lock"), patience)?.ok_or(RestoreError::Busy)
}

/// The journals that are there: of restores that nobody finished, if the lock is
/// ours. Half-written ones go: they tell of nothing that has been begun.
pub(super) fn pending(journal_dir: &Path) -> Result<Vec<Result<Journal, RestoreError>>, RestoreError> {
    let place = place(journal_dir);
    let entries = match fs::read_dir(&place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at("read the directory", &place).map_err(Into::into),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.at("read the directory", &place)?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.starts_with(b".") {
            RealWriter.remove(&path)?;
        } else if name.ends_with(b".json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found.iter().map(|path| Journal::read(path)).collect())
}

/// The inode at `path`, links not followed; `None` if nothing is there.
pub(super) fn inode(path: &Path) -> Result<Option<u64>, PathError> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("look at", path),
    }
}

/// A path as text; base64 where it is not UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Bytes { base64: String },
}

impl Text {
    fn of(path: &Path) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        match path.to_str() {
            Some(text) => Self::Plain(text.to_owned()),
            None => Self::Bytes { base64: STANDARD.encode(path.as_os_str().as_encoded_bytes()) },
        }
    }

    fn path<E: serde::de::Error>(self) -> Result<PathBuf, E> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        match self {
            Self::Plain(text) => Ok(text.into()),
            Self::Bytes { base64 } => {
                STANDARD.decode(base64).map(|bytes| crate::fs::path_from(&bytes)).map_err(E::custom)
            }
        }
    }
}

mod as_text {
    use super::{Deserialize, Path, PathBuf, Serialize, Text};

    pub fn serialize<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        Text::of(path).serialize(to)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Text::deserialize(from)?.path()
    }
}

mod all_as_text {
    use super::{Deserialize, PathBuf, Serialize, Text};

    pub fn serialize<S: serde::Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        paths.iter().map(|path| Text::of(path)).collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
        Vec::<Text>::deserialize(from)?.into_iter().map(Text::path).collect()
    }
}
