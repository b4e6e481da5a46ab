use std::{
    fs::{self, File, Metadata},
    io::{ErrorKind, Read as _},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::check::MAX_BYTES;
use crate::fs::{IoContext, PathError};

/// How long a file must have been at rest before its times are trusted to
/// tell: two seconds is the coarsest clock of a file system (FAT).
const SETTLED: Duration = Duration::from_secs(2);

/// What a file's metadata says about its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file has been at rest long enough for its times to tell of the
    /// next change.
    pub fn is_settled(&self) -> bool {
        let age = |(seconds, _): (i64, i64)| {
            let then = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            // A time in the future says nothing.
            SystemTime::now().duration_since(then).unwrap_or_default()
        };
        age(self.modified) > SETTLED && age(self.changed) > SETTLED
    }
}

/// A file as it was read.
#[derive(Default)]
pub(super) struct Content {
    pub bytes: Vec<u8>,
    /// `None` if there is no file.
    pub meta: Option<Metadata>,
}

/// The stamp of the file as it is now; `None` if there is none.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, PathError> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some(Stamp::of(&meta))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

/// Reads the file, with the metadata of what was read.
pub(super) fn load(path: &Path) -> Result<Content, PathError> {
    // Looked at before it is opened: opening a FIFO would wait for its writer.
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Err(ErrorKind::InvalidInput.into()).at("read as a regular file", path),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(error).at("read", path),
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::default()),
        file => file.at("open", path)?,
    };
    // Taken before the content: a change in between makes the stamp older than
    // the content, never newer, and so is noticed at the next look.
    let meta = file.metadata().at("read", path)?;
    let mut bytes = Vec::new();
    // Enough for the check to see that it is too much.
    (&file).take(MAX_BYTES as u64 + 4).read_to_end(&mut bytes).at("read", path)?;
    Ok(Content { bytes, meta: Some(meta) })
}
