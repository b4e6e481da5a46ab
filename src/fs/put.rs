//! A file put in a place without losing what somebody else puts there at the same
//! moment.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

/// Which file it is, and in which state: device, inode, size, time of change. A
/// rename or another name leaves it what it was; inodes alone are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId(u64, u64, u64, i64, i64);

impl FileId {
    /// By what was found, links not followed.
    pub fn of(found: &Metadata) -> Self {
        Self(found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec())
    }

    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(Self::of(&found))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Renames `new` to `path`, where what was `seen` still stands; `None`: nothing.
/// False: something else stands there, and goes on to. What is to go away is then
/// under the name `new`.
pub(super) fn put(new: &Path, path: &Path, seen: Option<FileId>) -> io::Result<bool> {
    let flags = if seen.is_some() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    match renameat_with(CWD, new, CWD, path, flags) {
        Ok(()) if seen.is_none() => Ok(true),
        Ok(()) => keep_or_give_back(new, path, seen),
        Err(Errno::EXIST | Errno::NOENT) => Ok(false),
        // Not every file system has it: as near as may be.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if FileId::at(path)? != seen {
                return Ok(false);
            }
            fs::rename(new, path).map(|()| true)
        }
        Err(error) => Err(error.into()),
    }
}

/// After an exchange: `new` holds what stood at `path`.
fn keep_or_give_back(new: &Path, path: &Path, seen: Option<FileId>) -> io::Result<bool> {
    if FileId::at(new)? == seen {
        return Ok(true);
    }
    let ours = FileId::at(path)?;
    renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE)?;
    if FileId::at(new)? != ours {
        // Somebody put a third one over ours, and over what stood there before as
        // well, had we not come in between.
        renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE)?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (new, path) = (dir.path().join("new"), dir.path().join("hook"));
        let content = || fs::read_to_string(&path).unwrap();
        fs::write(&new, "first").unwrap();
        assert!(put(&new, &path, None).unwrap());
        fs::write(&new, "second").unwrap();
        assert!(!put(&new, &path, None).unwrap());
        assert_eq!(content(), "first");
        let first = FileId::at(&path).unwrap();
        assert!(put(&new, &path, first).unwrap());
        assert_eq!(content(), "second");
        // Another stands there now than was seen.
        fs::write(&new, "third").unwrap();
        assert!(!put(&new, &path, first).unwrap());
        assert_eq!((content(), fs::read_to_string(&new).unwrap()), ("second".into(), "third".into()));
        // And none at all.
        fs::remove_file(&path).unwrap();
        assert!(!put(&new, &path, first).unwrap());
        assert!(!path.exists());
    }
}
