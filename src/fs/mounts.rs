//! What the kernel says of the file systems that are mounted, without a look at
//! any of them: one that does not answer keeps whoever looks.

use std::{fs, path::Path, path::PathBuf};

use super::path_from;

/// File systems of disks and memory of this machine, which always answer.
const LOCAL: [&[u8]; 10] =
    [b"ext2", b"ext3", b"ext4", b"xfs", b"btrfs", b"tmpfs", b"overlay", b"f2fs", b"zfs", b"bcachefs"];

/// The mount point that an absolute path is beneath by its text, if what is mounted
/// there may be another machine's or a program's, and need not answer.
pub(super) fn remote_mount(path: &Path) -> Option<PathBuf> {
    remote_in(&fs::read("/proc/self/mountinfo").ok()?, path)
}

/// Reads a list as proc_pid_mountinfo(5) has it.
fn remote_in(list: &[u8], path: &Path) -> Option<PathBuf> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let point = path_from(&unescaped(fields.nth(4)?));
        // Behind a varying number of others.
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        Some((point, LOCAL.contains(&kind)))
    };
    let around = list.split(|byte| *byte == b'\n').filter_map(mount);
    let around = around.filter(|(point, _)| path.starts_with(point));
    // Of several on top of each other the last is seen.
    let (point, is_local) = around.max_by_key(|(point, _)| point.components().count())?;
    (!is_local && point != Path::new("/")).then_some(point)
}

/// Blanks and the like are written as three octal digits.
pub(crate) fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_answer_is_told_by_its_kind() {
        let list = b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            31 21 0:41 / /mnt/my\\040share rw shared:2 master:3 - nfs4 host:/srv rw\n\
            32 31 8:2 / /mnt/my\\040share/disk rw - xfs /dev/sdb1 rw\n\
            33 21 0:42 / /home/u/sshfs rw - fuse.sshfs u@host: rw\n";
        let of = |path: &str| remote_in(list, Path::new(path));
        assert_eq!(of("/mnt/my share/a/b"), Some("/mnt/my share".into()));
        assert_eq!(of("/home/u/sshfs"), Some("/home/u/sshfs".into()));
        assert_eq!((of("/mnt/my share/disk/a"), of("/home/u/sshfs2"), of("/srv")), (None, None, None));
    }
}
