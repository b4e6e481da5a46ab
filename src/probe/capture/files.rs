//! Regular files, opened so that nothing else is: no link, no pipe.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use super::tree::{kind, stat_from};
use crate::{fs::path_from, probe::store::Stat};

/// As much as is read of what is small in every repository.
const SMALL: u64 = 1 << 20;

/// Opens a regular file and says how it is; an error of kind `InvalidInput` if
/// something else is there.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, Stat)> {
    // Opening a pipe waits for its other end unless it is told not to.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let stat = stat_of(&file)?;
    if kind(&stat) == FileType::RegularFile {
        Ok((file, stat))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file any more"))
    }
}

/// How an open file is.
pub(super) fn stat_of(file: &File) -> io::Result<Stat> {
    Ok(stat_from(&fstat(file)?))
}

/// The content of a small file.
pub(super) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let (file, _) = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(SMALL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file is the same, and its content as it was.
pub(super) fn is_same_file(one: &Stat, other: &Stat) -> bool {
    (one.dev, one.ino, one.size, one.mtime, one.ctime)
        == (other.dev, other.ino, other.size, other.mtime, other.ctime)
}

/// The paths in a file of git's `objects/info/alternates`: a line each, from `#`
/// on a comment, quoted in C's way or not.
pub(super) fn alternates(text: &[u8]) -> Vec<PathBuf> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#');
    lines
        .map(|line| path_from(&line.strip_prefix(b"\"").and_then(unquoted).unwrap_or_else(|| line.into())))
        .collect()
}

/// What stands before the closing quote.
fn unquoted(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    let mut rest = quoted;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some(path),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                path.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'0'..=b'3' => {
                        let (more, after) = rest.split_at_checked(2)?;
                        rest = after;
                        u8::from_str_radix(std::str::from_utf8(&[*escaped, more[0], more[1]]).ok()?, 8)
                            .ok()?
                    }
                    other => *other,
                });
            }
            byte => path.push(*byte),
        }
    }
}
