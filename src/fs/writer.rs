use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Mutex,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{FileId, IoContext, PathError, put};

/// The seam through which kpmo changes the file system.
///
/// A flow that takes a `&dyn Writer` can be run dry: [`DryRun`] notes what
/// would be done and has no way of doing it.
pub trait Writer: Sync {
    /// Whether this writer really writes.
    fn is_real(&self) -> bool;
    /// Creates a directory and what is missing above it; `mode` is for new
    /// directories. A directory that is there is left as it is.
    fn create_dir_all(&self, path: &Path, mode: u32) -> Result<(), PathError>;
    /// Replaces a file's content at once and durably: a reader sees the old
    /// bytes or the new ones, a crash leaves one of the two.
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError>;
    /// As [`Writer::write`], if `is_wanted` holds at the last moment before the
    /// new bytes take the old ones' place; whether it did.
    fn write_if(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
        is_wanted: &dyn Fn() -> Result<bool, PathError>,
    ) -> Result<bool, PathError> {
        if is_wanted()? { self.write(path, bytes, mode).map(|()| true) } else { Ok(false) }
    }
    /// Puts a symbolic link to `target` at `path`, replacing what is there.
    fn link(&self, target: &Path, path: &Path) -> Result<(), PathError>;
    /// Puts something at `path`, replacing what was `seen` there and nothing else.
    /// False: something else stands there, and nothing is changed.
    fn put(&self, new: New<'_>, path: &Path, seen: Option<FileId>) -> Result<bool, PathError>;
    /// Gives a file or link (not its target) a second name; `to` must not exist.
    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), PathError>;
    /// Renames; an existing `to` is replaced.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError>;
    /// Removes a file or link; one that is gone already is no error.
    fn remove(&self, path: &Path) -> Result<(), PathError>;
    /// Removes a directory if it is empty; otherwise leaves it.
    fn remove_dir_if_empty(&self, path: &Path) -> Result<(), PathError>;
}

/// What is put in a place.
#[derive(Debug, Clone, Copy)]
pub enum New<'a> {
    /// A symbolic link to this target.
    Link(&'a Path),
    /// A file of these bytes and this mode.
    File(&'a [u8], u32),
}

/// Writes.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealWriter;

impl Writer for RealWriter {
    fn is_real(&self) -> bool {
        true
    }

    fn create_dir_all(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        match fs::DirBuilder::new().mode(mode).create(path) {
            // The umask may have taken bits away that the caller asked for.
            Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("set the mode of", path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error)
                if error.kind() == ErrorKind::NotFound && path.parent().is_some_and(|p| !p.exists()) =>
            {
                path.parent().map_or(Ok(()), |parent| self.create_dir_all(parent, mode))?;
                self.create_dir_all(path, mode)
            }
            Err(error) => Err(error).at("create the directory", path),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        self.write_if(path, bytes, mode, &|| Ok(true)).map(drop)
    }

    fn write_if(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
        is_wanted: &dyn Fn() -> Result<bool, PathError>,
    ) -> Result<bool, PathError> {
        let beside = temporary_beside(path);
        let written = (|| {
            write_new(&beside, bytes, mode)?;
            if !is_wanted()? {
                return Ok(false);
            }
            fs::rename(&beside, path).at("replace", path).map(|()| true)
        })();
        if !matches!(written, Ok(true)) {
            let _ = fs::remove_file(&beside);
            return written;
        }
        sync_parent(path).map(|()| true)
    }

    fn link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        let beside = temporary_beside(path);
        symlink(target, &beside).at("create the link", &beside)?;
        if let Err(error) = fs::rename(&beside, path).at("replace", path) {
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        sync_parent(path)
    }

    fn put(&self, new: New<'_>, path: &Path, seen: Option<FileId>) -> Result<bool, PathError> {
        let beside = temporary_beside(path);
        let made = match new {
            New::Link(target) => symlink(target, &beside).at("create the link", &beside),
            New::File(bytes, mode) => write_new(&beside, bytes, mode),
        };
        let ours = FileId::at(&beside).ok().flatten();
        let done = made.and_then(|()| put::put(&beside, path, seen).at("replace", path));
        // What is left is ours, or what stood there and has another name; but what
        // could not be given back is nobody's to take away.
        if done.is_ok() || FileId::at(&beside).ok().flatten() == ours {
            let _ = fs::remove_file(&beside);
        }
        if done? { sync_parent(path).map(|()| true) } else { Ok(false) }
    }

    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        fs::hard_link(from, to).at("link", to)?;
        sync_parent(to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        fs::rename(from, to).at("rename", from)?;
        sync_parent(to)?;
        if from.parent() == to.parent() { Ok(()) } else { sync_parent(from) }
    }

    fn remove(&self, path: &Path) -> Result<(), PathError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).at("remove", path),
            _ => Ok(()),
        }
    }

    fn remove_dir_if_empty(&self, path: &Path) -> Result<(), PathError> {
        match fs::remove_dir(path) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                Err(error).at("remove the directory", path)
            }
            _ => Ok(()),
        }
    }
}

/// One thing that a dry run would have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Create a directory.
    CreateDir(PathBuf),
    /// Write a file with this content.
    Write(PathBuf, Vec<u8>),
    /// Put a link: target, path.
    Link(PathBuf, PathBuf),
    /// Give a second name: from, to.
    HardLink(PathBuf, PathBuf),
    /// Rename: from, to.
    Rename(PathBuf, PathBuf),
    /// Remove a file, a link or an empty directory.
    Remove(PathBuf),
}

/// Notes what would be done, and does nothing.
#[derive(Debug, Default)]
pub struct DryRun {
    changes: Mutex<Vec<Change>>,
}

impl DryRun {
    /// What would have been done so far, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    #[expect(clippy::unnecessary_wraps, reason = "each caller returns it as its own result")]
    fn note(&self, change: Change) -> Result<(), PathError> {
        self.changes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(change);
        Ok(())
    }
}

impl Writer for DryRun {
    fn is_real(&self) -> bool {
        false
    }
    fn create_dir_all(&self, path: &Path, _mode: u32) -> Result<(), PathError> {
        if path.is_dir() { Ok(()) } else { self.note(Change::CreateDir(path.into())) }
    }
    fn write(&self, path: &Path, bytes: &[u8], _mode: u32) -> Result<(), PathError> {
        self.note(Change::Write(path.into(), bytes.into()))
    }
    fn link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        self.note(Change::Link(target.into(), path.into()))
    }
    fn put(&self, new: New<'_>, path: &Path, _seen: Option<FileId>) -> Result<bool, PathError> {
        let done = match new {
            New::Link(target) => self.link(target, path),
            New::File(bytes, mode) => self.write(path, bytes, mode),
        };
        done.map(|()| true)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        self.note(Change::HardLink(from.into(), to.into()))
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        self.note(Change::Rename(from.into(), to.into()))
    }
    fn remove(&self, path: &Path) -> Result<(), PathError> {
        self.note(Change::Remove(path.into()))
    }
    fn remove_dir_if_empty(&self, path: &Path) -> Result<(), PathError> {
        self.note(Change::Remove(path.into()))
    }
}

/// Writes a file that is not there yet, durably.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).at("create", path)?;
    file.write_all(bytes).at("write", path)?;
    // The umask may have taken bits away that the caller asked for.
    file.set_permissions(fs::Permissions::from_mode(mode)).at("set the mode of", path)?;
    file.sync_all().at("sync", path)
}

/// A name in the same directory that nobody else uses: same file system, so
/// that the rename is atomic.
fn temporary_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".kpmo-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Makes a rename in `path`'s directory durable.
fn sync_parent(path: &Path) -> Result<(), PathError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent).and_then(|dir| dir.sync_all()).at("sync the directory", parent)
}
