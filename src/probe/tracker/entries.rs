//! Listings of directories, with what the kernel says of each entry's type, so
//! that nothing need be asked about plain files.

use std::{ffi::CStr, io, os::fd::BorrowedFd};

use rustix::fs::{AtFlags, FileType, statat};
#[cfg(target_os = "linux")]
use rustix::fs::{SeekFrom, seek};

/// What listings are read into; one for each thread.
pub(in crate::probe) struct Buffer {
    #[cfg(target_os = "linux")]
    bytes: Vec<std::mem::MaybeUninit<u8>>,
}

impl Buffer {
    pub fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            bytes: vec![std::mem::MaybeUninit::uninit(); 32 * 1024],
        }
    }

    /// Calls `each` with the name and type of every entry but `.` and `..`, each time
    /// that it is called.
    #[cfg(target_os = "linux")]
    pub fn list(
        &mut self,
        directory: BorrowedFd<'_>,
        mut each: impl FnMut(&CStr, FileType),
    ) -> io::Result<()> {
        // One that has been listed is at its end.
        seek(directory, SeekFrom::Start(0))?;
        // No copy of each name, as `Dir` makes: most names are those of files.
        let mut entries = rustix::fs::RawDir::new(directory, &mut self.bytes);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                each(name, known_type(directory, name, entry.file_type()));
            }
        }
        Ok(())
    }

    /// Calls `each` with the name and type of every entry but `.` and `..`.
    #[cfg(not(target_os = "linux"))]
    pub fn list(
        &mut self,
        directory: BorrowedFd<'_>,
        mut each: impl FnMut(&CStr, FileType),
    ) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                each(name, known_type(directory, name, entry.file_type()));
            }
        }
        Ok(())
    }
}

/// Some file systems do not keep types in directories.
fn known_type(directory: BorrowedFd<'_>, name: &CStr, listed: FileType) -> FileType {
    if listed != FileType::Unknown {
        return listed;
    }
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::fd::AsFd as _,
    };

    use super::*;

    #[test]
    fn a_directory_that_is_listed_again_has_all_its_entries_again() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("one"), "").unwrap();
        let directory = File::open(top.path()).unwrap();
        let mut buffer = Buffer::new();
        let mut list = || {
            let mut names = Vec::new();
            buffer.list(directory.as_fd(), |name, kind| names.push((name.to_owned(), kind))).unwrap();
            names.sort_by(|(one, _), (other, _)| one.cmp(other));
            names
        };
        assert_eq!(list(), [(c"one".into(), FileType::RegularFile)]);
        fs::create_dir(top.path().join("two")).unwrap();
        let both = [(c"one".into(), FileType::RegularFile), (c"two".into(), FileType::Directory)];
        assert_eq!(list(), both);
        assert_eq!(list(), both);
    }
}
