//! Where other file systems are mounted, by the kernel's own list, so that a
//! mount point need not be opened to be told: one that does not answer would
//! hold its thread for ever, and one that mounts itself when it is looked at
//! would do so.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use crate::fs::{path_from, unescaped};

/// Mount points, each with its device as the kernel has it ("8:1").
pub(super) struct Mounts {
    /// By the last name of the path: most directories have none of these.
    by_name: HashMap<OsString, Vec<(PathBuf, String)>>,
    root: String,
}

impl Mounts {
    /// `None` where the kernel has no such list.
    pub(super) fn of_this_process() -> Option<Self> {
        Self::parse(&fs::read("/proc/self/mountinfo").ok()?)
    }

    /// Reads a list as proc_pid_mountinfo(5) has it.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut by_name: HashMap<OsString, Vec<(PathBuf, String)>> = HashMap::new();
        let mut root = None;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut fields = line.split(|byte| *byte == b' ');
            let device = String::from_utf8(fields.nth(2)?.to_vec()).ok()?;
            let path = path_from(&unescaped(fields.nth(1)?));
            match path.file_name() {
                None => root = Some(device),
                Some(name) => {
                    let of_name = by_name.entry(name.to_owned()).or_default();
                    // Of several on top of each other the last is seen.
                    of_name.retain(|(other, _)| *other != path);
                    of_name.push((path, device));
                }
            }
        }
        Some(Self { by_name, root: root? })
    }

    /// Device of what is mounted at `path`, whose last name is `name`; `None`:
    /// it is no mount point.
    pub(super) fn at(&self, path: &Path, name: &OsStr) -> Option<&str> {
        let (_, device) = self.by_name.get(name)?.iter().find(|(mount, _)| mount == path)?;
        Some(device)
    }

    /// Device of the file system that `path`, free of links, is on.
    pub(super) fn of(&self, path: &Path) -> &str {
        path.ancestors().find_map(|above| self.at(above, above.file_name()?)).unwrap_or(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read() {
        let text = b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 21 0:5 / /proc rw - proc proc rw\n\
            31 21 8:17 / /mnt/my\\040disk rw shared:2 - ext4 /dev/sdb1 rw\n\
            32 31 0:40 / /mnt/my\\040disk rw - tmpfs tmpfs rw\n\
            33 21 8:1 /srv /home/u/srv rw - ext4 /dev/sda1 rw\n";
        let mounts = Mounts::parse(text).unwrap();
        let at = |path: &str| mounts.at(Path::new(path), Path::new(path).file_name().unwrap());
        assert_eq!((at("/mnt/my disk"), at("/mnt"), at("/x/proc")), (Some("0:40"), None, None));
        assert_eq!(mounts.of(Path::new("/mnt/my disk/a/b")), "0:40");
        assert_eq!((mounts.of(Path::new("/mnt")), mounts.of(Path::new("/"))), ("8:1", "8:1"));
        // The same file system once more.
        assert_eq!(at("/home/u/srv"), Some("8:1"));
        assert!(Mounts::parse(b"nothing of the kind\n").is_none());
    }

    #[test]
    fn this_process_has_one_where_there_is_proc() {
        assert_eq!(Mounts::of_this_process().is_some(), cfg!(target_os = "linux"));
    }
}
