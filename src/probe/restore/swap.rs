//! The new takes the old one's place, and the other way round.
//!
//! Where a unit stands is told by inodes alone, never by what was noted: so it
//! can be gone on from wherever it was left.
//!
//! | at its place | beside | before | |
//! | --- | --- | --- | --- |
//! | old or nothing | new | | nothing has been done |
//! | nothing | new | old | between two renames, where two can't be exchanged |
//! | new | | old | |
//! | new | old or nothing | | done |

use std::{fs::File, path::Path};

use rustix::io::Errno;

use super::{
    RestoreError, Run,
    journal::{Unit, inode},
};
use crate::fs::{IoContext, PathError, RealWriter, Writer};

impl Run<'_> {
    /// Puts the new at its place, and the old beside.
    pub(super) fn forward(&self, unit: &Unit) -> Result<(), RestoreError> {
        let at_place = inode(&unit.place)?;
        if at_place != unit.new {
            if inode(&unit.beside)? != unit.new {
                // It has been taken away since, from its place or from beside.
                return Ok(());
            }
            if at_place.is_some() {
                if self.exchange(&unit.beside, &unit.place)? {
                    return Ok(());
                }
                self.rename(&unit.place, &unit.before)?;
            }
            self.rename(&unit.beside, &unit.place)?;
        }
        if inode(&unit.before)?.is_some() {
            self.rename(&unit.before, &unit.beside)?;
        }
        Ok(())
    }

    /// Puts the old at its place again, and the new beside.
    pub(super) fn backward(&self, unit: &Unit) -> Result<(), RestoreError> {
        if unit.new.is_some() && inode(&unit.place)? == unit.new {
            if inode(&unit.beside)?.is_some() {
                if self.exchange(&unit.beside, &unit.place)? {
                    return Ok(());
                }
                self.rename(&unit.beside, &unit.before)?;
            }
            self.rename(&unit.place, &unit.beside)?;
        }
        if inode(&unit.place)?.is_none() {
            if inode(&unit.before)?.is_some() {
                self.rename(&unit.before, &unit.place)?;
            } else if unit.is_old_beside()? {
                // Somebody took the new away.
                self.rename(&unit.beside, &unit.place)?;
            }
        }
        Ok(())
    }

    /// Exchanges two; false if the file system can't.
    fn exchange(&self, one: &Path, other: &Path) -> Result<bool, RestoreError> {
        if !self.can_exchange {
            return Ok(false);
        }
        self.step("exchange", other)?;
        match exchange(one, other) {
            Ok(()) => {
                sync_parent(other)?;
                Ok(true)
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(std::io::Error::from(error)).at("exchange", other).map_err(Into::into),
        }
    }

    /// Renames; what has come to be at `to` meanwhile is not replaced where the
    /// system can do that.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), RestoreError> {
        self.step("rename", from)?;
        match rename_to_nothing(from, to) {
            Ok(()) => Ok(sync_parent(to)?),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(RealWriter.rename(from, to)?),
            Err(error) => Err(std::io::Error::from(error)).at("rename", from).map_err(Into::into),
        }
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_to_nothing(from: &Path, to: &Path) -> Result<(), Errno> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_to_nothing(_: &Path, _: &Path) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Makes a rename durable.
fn sync_parent(path: &Path) -> Result<(), PathError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    File::open(parent).and_then(|dir| dir.sync_all()).at("sync the directory", parent)
}
