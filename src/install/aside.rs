//! Hooks of others, kept aside in the directory `hooks.kpmo` beside `hooks`.
//!
//! Same depth, same base name: relative links, `$(basename "$0")` and
//! `$(dirname "$0")/..` mean there what they meant before. What else is in
//! `hooks` is mirrored by links, so that `$(dirname "$0")/helper` does too.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use super::{
    InstallError,
    owner::{look, standing},
};
use crate::fs::{IoContext, PathError, Writer};

const EPERM: i32 = 1;
/// In the directory aside: hooks of kpmo's predecessor, which nothing runs.
const ARCHIVED: &str = "archived";

/// A hook that is kept: its place, and what it is.
pub(super) type Kept = (PathBuf, Metadata);

/// A hooks directory's sibling, and the way into it and back.
pub(super) struct Aside<'a> {
    pub(super) hooks: &'a Path,
    dir: PathBuf,
    pub(super) program: &'a Path,
    pub(super) writer: &'a dyn Writer,
}

impl<'a> Aside<'a> {
    pub(super) fn of(hooks: &'a Path, program: &'a Path, writer: &'a dyn Writer) -> Self {
        let mut name = hooks.file_name().unwrap_or_default().to_owned();
        name.push(".kpmo");
        Self { hooks, dir: hooks.with_file_name(name), program, writer }
    }

    /// Where a hook of this name is kept.
    pub(super) fn place(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    pub(super) fn create(&self) -> Result<(), PathError> {
        make_dir(&self.dir, self.writer)
    }

    /// Where a hook of the predecessor's is kept.
    pub(super) fn archive(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(ARCHIVED).join(name)
    }

    /// Gives the hook `name` a second place, aside; the first is left as it is,
    /// for the caller to rename over. Done again after a crash, it carries on.
    /// Returns where an earlier hook that was kept under this name went.
    pub(super) fn keep(&self, name: &str, found: &Metadata) -> Result<Option<PathBuf>, InstallError> {
        self.keep_at(name, found, &self.place(name))
    }

    /// As [`Aside::keep`], for a hook that is not to run any more.
    pub(super) fn put_in_archive(
        &self,
        name: &str,
        found: &Metadata,
    ) -> Result<Option<PathBuf>, InstallError> {
        make_dir(&self.dir.join(ARCHIVED), self.writer)?;
        self.keep_at(name, found, &self.archive(name))
    }

    /// Archives what is kept under `name` and was chained so far.
    pub(super) fn archive_kept(&self, name: &str) -> Result<(), PathError> {
        make_dir(&self.dir.join(ARCHIVED), self.writer)?;
        let to = self.archive(name);
        let to = if look(&to)?.is_some() { self.free_place(name, &to)? } else { to };
        self.writer.rename(&self.place(name), &to)
    }

    fn keep_at(&self, name: &str, found: &Metadata, to: &Path) -> Result<Option<PathBuf>, InstallError> {
        let from = self.hooks.join(name);
        let mut elder = None;
        match look(to)? {
            Some(kept) if kept.is_dir() => return Err(InstallError::Directory { path: to.to_owned() }),
            Some(kept) if alike((to, &kept), (&from, found))? => return Ok(None),
            Some(_)
                if to == self.place(name) && self.is_mirror(OsStr::new(name))
                    || standing(to, self.program)?.is_ours() =>
            {
                self.writer.remove(to)?;
            }
            Some(_) => {
                let heir = if to == self.place(name) { self.heir(name, to, &from)? } else { None };
                let place = match heir {
                    Some(place) => place,
                    None => self.free_place(name, to)?,
                };
                self.writer.rename(to, &place)?;
                elder = Some(place);
            }
            None => {}
        }
        self.second(&from, found, to)?;
        Ok(elder)
    }

    /// Gives the hook at `from` a second place.
    pub(super) fn second(&self, from: &Path, found: &Metadata, to: &Path) -> Result<(), PathError> {
        match self.writer.hard_link(from, to) {
            Err(error) if links_refused(&error) => self.copy(from, found, to, error),
            done => done,
        }
    }

    /// Puts the hook `name` that is kept at `from` back in its place, at once.
    pub(super) fn put_back(&self, name: &str, (from, kept): &Kept) -> Result<(), PathError> {
        let to = self.hooks.join(name);
        match self.writer.rename(from, &to) {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                self.copy(from, kept, &to, error)?;
                self.writer.remove(from)
            }
            done => done,
        }
    }

    /// What is kept under `name`, if it is a hook (and no mirror or directory).
    pub(super) fn kept(&self, name: &str) -> Result<Option<Metadata>, PathError> {
        let place = self.place(name);
        let is_hook = |found: &Metadata| {
            !found.is_dir()
                && !self.is_mirror(OsStr::new(name))
                && !standing(&place, self.program).is_ok_and(|standing| standing.is_ours())
        };
        Ok(look(&place)?.filter(is_hook))
    }

    /// What stood in the place of `name` before kpmo's hook: what is chained, or
    /// else the predecessor's.
    pub(super) fn kept_or_archived(&self, name: &str) -> Result<Option<Kept>, PathError> {
        if let Some(kept) = self.kept(name)? {
            return Ok(Some((self.place(name), kept)));
        }
        Ok(self.archived(name)?.map(|kept| (self.archive(name), kept)))
    }

    /// Whether any hook is kept.
    pub(super) fn keeps_any(&self) -> Result<bool, PathError> {
        for name in super::events::all() {
            if self.kept_or_archived(name)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The predecessor's hook of this name.
    pub(super) fn archived(&self, name: &str) -> Result<Option<Metadata>, PathError> {
        Ok(look(&self.archive(name))?.filter(|found| !found.is_dir()))
    }

    /// Ends the chain before kpmo's hook of this name: what git would find next
    /// is not to run, and stands where nothing may be touched.
    pub(super) fn stop(&self, name: &str) -> Result<(), PathError> {
        let place = self.place(name);
        if fs::read_link(&place).is_ok_and(|target| target == self.program) || look(&place)?.is_some() {
            return Ok(());
        }
        self.create()?;
        self.writer.link(self.program, &place)
    }

    /// Takes back what [`Aside::stop`] did.
    pub(super) fn unstop(&self, name: &str) -> Result<(), PathError> {
        let place = self.place(name);
        if standing(&place, self.program)?.is_ours() { self.writer.remove(&place) } else { Ok(()) }
    }

    /// Where the first of the earlier hooks of this name is, if there is one.
    pub(super) fn elder(&self, name: &str) -> Result<Option<PathBuf>, PathError> {
        let first = format!("{name}.1");
        Ok(self.kept(&first)?.map(|_| self.place(first)))
    }

    /// Mirrors the entries of the hooks directory that are not in `names`, and
    /// takes away mirrors of what is gone. Samples are nobody's helpers, but a
    /// hook may be a link to one.
    pub(super) fn mirror(&self, names: &[&'static str]) -> Result<(), PathError> {
        let mut targets = HashSet::new();
        for name in names {
            for place in [self.hooks.join(name), self.place(name)] {
                let target = fs::read_link(place).ok();
                targets.extend(target.as_deref().and_then(Path::file_name).map(OsStr::to_owned));
            }
        }
        for entry in entries(self.hooks)? {
            let is_name = names.iter().any(|name| entry == *name);
            let is_sample = entry.as_bytes().ends_with(b".sample") && !targets.contains(&entry);
            let place = self.place(&entry);
            if is_name
                || is_sample
                || is_temporary(&entry)
                || look(&place)?.is_some()
                || standing(&self.hooks.join(&entry), self.program)?.is_ours()
            {
                continue;
            }
            match self.writer.link(&self.mirror_target(&entry), &place) {
                // Where links can't be, helpers are out of reach by `$0`.
                Err(error) if links_refused(&error) => break,
                done => done?,
            }
        }
        self.unmirror(|entry| look(&self.hooks.join(entry)).is_ok_and(|found| found.is_none()))
    }

    /// Takes away everything but hooks that are kept, and the directory itself
    /// if none is.
    pub(super) fn clear(&self) -> Result<(), PathError> {
        if !self.exists() {
            return Ok(());
        }
        self.unmirror(|_| true)?;
        let archive = self.dir.join(ARCHIVED);
        for dir in [&archive, &self.dir] {
            for entry in entries(dir)? {
                let path = dir.join(&entry);
                if is_temporary(&entry) || standing(&path, self.program)?.is_ours() {
                    self.writer.remove(&path)?;
                }
            }
        }
        if archive.is_dir() {
            self.writer.remove_dir_if_empty(&archive)?;
        }
        self.writer.remove_dir_if_empty(&self.dir)
    }

    fn unmirror(&self, gone: impl Fn(&OsStr) -> bool) -> Result<(), PathError> {
        for entry in entries(&self.dir)? {
            if self.is_mirror(&entry) && gone(&entry) {
                self.writer.remove(&self.place(&entry))?;
            }
        }
        Ok(())
    }

    /// A link of that sort under the name of an event is a hook that was one: what
    /// stands in the place of an event is never mirrored.
    pub(super) fn is_mirror(&self, entry: &OsStr) -> bool {
        !super::EVENTS.iter().any(|name| entry == *name)
            && fs::read_link(self.place(entry)).is_ok_and(|target| target == self.mirror_target(entry))
    }

    pub(super) fn mirror_target(&self, entry: &OsStr) -> PathBuf {
        Path::new("..").join(self.hooks.file_name().unwrap_or_default()).join(entry)
    }

    /// `NAME.1`, `NAME.2` … beside `taken`: the first that is neither taken
    /// itself nor would stand in the way of a mirror.
    fn free_place(&self, name: &str, taken: &Path) -> Result<PathBuf, PathError> {
        let mut number = 1_u32;
        loop {
            let candidate = format!("{name}.{number}");
            let place = taken.with_file_name(&candidate);
            if look(&place)?.is_none() && look(&self.hooks.join(&candidate))?.is_none() {
                return Ok(place);
            }
            number += 1;
        }
    }

    /// For file systems without hard links, files that may not be linked
    /// (`fs.protected_hardlinks`) and hooks on a mount of their own. Bytes, mode
    /// and kind are kept, and of files the time of change. `refused` is returned
    /// for what can't be copied either.
    fn copy(&self, from: &Path, found: &Metadata, to: &Path, refused: PathError) -> Result<(), PathError> {
        if found.is_symlink() {
            self.writer.link(&fs::read_link(from).at("read the link", from)?, to)
        } else if found.is_file() {
            let bytes = fs::read(from).at("read", from)?;
            self.writer.write(to, &bytes, found.permissions().mode() & 0o7777)?;
            if self.writer.is_real()
                && let Ok(modified) = found.modified()
            {
                // A nicety: whoever may write the file may not always set this.
                let _ = fs::File::open(to).and_then(|file| file.set_modified(modified));
            }
            Ok(())
        } else {
            Err(refused)
        }
    }
}

/// Whether two places hold the same hook: one file, or files that can't be told
/// apart by content, mode or kind.
pub(super) fn alike(one: (&Path, &Metadata), other: (&Path, &Metadata)) -> Result<bool, PathError> {
    let (found, against) = (one.1, other.1);
    if (found.dev(), found.ino()) == (against.dev(), against.ino()) {
        return Ok(true);
    }
    if found.mode() != against.mode() || found.len() != against.len() {
        return Ok(false);
    }
    if found.is_symlink() {
        let target = |path: &Path| fs::read_link(path).at("read the link", path);
        return Ok(target(one.0)? == target(other.0)?);
    }
    let bytes = |path: &Path| fs::read(path).at("read", path);
    Ok(found.is_file() && bytes(one.0)? == bytes(other.0)?)
}

/// Creates a directory with the mode of the one it is in: in a shared repository
/// that one says who may write.
pub(super) fn make_dir(path: &Path, writer: &dyn Writer) -> Result<(), PathError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.ancestors().skip(1).find(|above| above.is_dir()).unwrap_or(path);
    let mode = fs::metadata(above).at("look at", above)?.permissions().mode() & 0o7777;
    writer.create_dir_all(path, mode)
}

/// The names in a directory, sorted; none if it is not there.
pub(super) fn entries(dir: &Path) -> Result<Vec<OsString>, PathError> {
    let listed = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        listed => listed.at("list", dir)?,
    };
    let mut names = listed
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .at("list", dir)?;
    names.sort();
    Ok(names)
}

/// A file that a [`Writer`] died over: `.NAME.kpmo-PID-COUNT`.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix('.')) else { return false };
    let Some((_, numbers)) = rest.rsplit_once(".kpmo-") else { return false };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split_once('-').is_some_and(|(pid, count)| digits(pid) && digits(count))
}

/// Whether the error means that this file system, or this file, knows no such
/// links (rather than that this user may not write here).
pub(super) fn links_refused(error: &PathError) -> bool {
    use ErrorKind::{CrossesDevices, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | TooManyLinks | Unsupported)
        || error.source.raw_os_error() == Some(EPERM)
}
