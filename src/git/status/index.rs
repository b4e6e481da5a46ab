//! What an index says of the files of its work tree, by gitformat-index(5).
//!
//! Only plain indexes are read: one that is split or sparse, or has entries that
//! are not simply files as they were committed (conflicts, submodules, `add -N`,
//! `skip-worktree`, `assume-unchanged`), is git's business.

use std::collections::{HashMap, HashSet};

use super::stamp::{Facts, PathKey};

/// Of object ids, here: SHA-1's.
const ID: usize = 20;
/// Where an entry's flags are, behind ten numbers of 32 bits and the id.
const FLAGS: usize = 40 + ID;

/// A file as it was when git last compared it with its content.
#[derive(Debug)]
pub(super) struct Recorded {
    stat: Stat,
    /// Object id of the content.
    pub id: [u8; ID],
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ctime: (u32, u32),
    mtime: (u32, u32),
    ino: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u32,
}

impl Recorded {
    /// Whether the file is still that one, by git's own rules at their strictest.
    // The index keeps 32 bits of each.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn is(&self, facts: &Facts) -> bool {
        let pair = |(seconds, nanos): (i64, i64)| (seconds as u32, nanos as u32);
        let mode = match facts.mode & 0o170_000 {
            0o100_000 => 0o100_644 | if facts.mode & 0o100 == 0 { 0 } else { 0o111 },
            kind => kind,
        };
        let now = Stat {
            ctime: pair(facts.ctime),
            mtime: pair(facts.mtime),
            ino: facts.ino as u32,
            mode,
            uid: facts.uid,
            gid: facts.gid,
            size: facts.size as u32,
        };
        self.stat == now
    }

    /// Whether it may have changed in the moment in which the index was written,
    /// so that its times tell nothing.
    pub fn is_racy(&self, index_written: (u32, u32)) -> bool {
        self.stat.mtime >= index_written
    }
}

/// The files of an index, by their paths, and the directories that these are in.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub files: HashMap<PathKey, Recorded>,
    pub dirs: HashSet<PathKey>,
    /// Among the files are some with attributes.
    pub has_attributes: bool,
}

/// `None`: this index is not a plain one.
pub(super) fn read(index: &[u8]) -> Option<Listed> {
    let head = index.get(..12)?;
    let version = number(head, 4)?;
    if &head[..4] != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let mut listed = Listed::default();
    let mut at = 12;
    let mut path: Vec<u8> = Vec::new();
    for _ in 0..number(head, 8)? {
        let entry = index.get(at..)?;
        let flags = u16::from_be_bytes(entry.get(FLAGS..FLAGS + 2)?.try_into().ok()?);
        // Assumed unchanged, extended, or of a conflict's stages.
        if flags & 0xF000 != 0 {
            return None;
        }
        let name = entry.get(FLAGS + 2..)?;
        at += if version == 4 {
            let (kept, used) = kept_of_previous(name, path.len())?;
            let rest = &name[used..];
            let end = rest.iter().position(|byte| *byte == 0)?;
            path.truncate(kept);
            path.extend_from_slice(&rest[..end]);
            FLAGS + 2 + used + end + 1
        } else {
            let end = name.iter().position(|byte| *byte == 0)?;
            path.clear();
            path.extend_from_slice(&name[..end]);
            // NULs up to a multiple of eight, at least one.
            (FLAGS + 2 + end + 8) & !7
        };
        let id = entry.get(40..FLAGS)?.try_into().ok()?;
        let stat = Stat {
            ctime: (number(entry, 0)?, number(entry, 4)?),
            mtime: (number(entry, 8)?, number(entry, 12)?),
            ino: number(entry, 20)?,
            mode: number(entry, 24)?,
            uid: number(entry, 28)?,
            gid: number(entry, 32)?,
            size: number(entry, 36)?,
        };
        listed.add(&path, Recorded { stat, id })?;
    }
    extensions(index.get(at..)?)?;
    Some(listed)
}

impl Listed {
    fn add(&mut self, path: &[u8], recorded: Recorded) -> Option<()> {
        if !matches!(recorded.stat.mode, 0o100_644 | 0o100_755 | 0o120_000) {
            return None;
        }
        let mut key = PathKey::default();
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            key = key.join(part);
            self.has_attributes |= part == b".gitattributes";
            if parts.peek().is_some() {
                self.dirs.insert(key);
            }
        }
        // Twice the same path, or two that can't be told apart.
        self.files.insert(key, recorded).is_none().then_some(())
    }
}

/// How much of the path before is kept, and how long the number was that says
/// what is not: git's variable-length numbers, as in packs' offsets.
fn kept_of_previous(bytes: &[u8], previous: usize) -> Option<(usize, usize)> {
    let mut dropped = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(8) {
        dropped = (dropped << 7) | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Some((previous.checked_sub(dropped)?, at + 1));
        }
        dropped += 1;
    }
    None
}

/// Whether all of what follows the entries may be left aside: what must be
/// understood has a name in lower case.
fn extensions(mut rest: &[u8]) -> Option<()> {
    while rest.len() > ID {
        if !rest[0].is_ascii_uppercase() {
            return None;
        }
        let size = usize::try_from(number(rest, 4)?).ok()?;
        rest = rest.get(8..)?.get(size..)?;
    }
    (rest.len() == ID).then_some(())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
