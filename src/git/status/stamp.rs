//! One number for many files as `lstat` sees them.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::{
    fd::AsFd,
    fs::{AtFlags, FileType, Stat},
    path::Arg,
};

/// How much younger than a change its time may seem: file systems of this machine
/// go by a clock that ticks 100 times a second or more often.
const TICK: i64 = 200_000_000;

/// A sum over files: the same sum means the same files, unchanged. What was left
/// out, or looked at in another order, makes no difference.
///
/// A change gives a file another change time (ctime), which nobody can set. Only
/// one within the same tick of the clock as the last look could hide:
/// [`Stamp::is_older_than`] tells whether that can have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    sum: u64,
    /// The youngest change time, in nanoseconds since 1970.
    newest: i64,
}

/// What `lstat` says of a file, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: (i64, i64),
    pub ctime: (i64, i64),
}

impl Facts {
    /// Links are not followed.
    pub fn at(dir: impl AsFd, name: impl Arg) -> rustix::io::Result<Self> {
        rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Self::of(&stat))
    }

    pub fn of_path(path: impl Arg) -> rustix::io::Result<Self> {
        Self::at(rustix::fs::CWD, path)
    }

    // Every system has types of its own for these.
    #[allow(
        clippy::cast_lossless,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast
    )]
    pub fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            mode: stat.st_mode as u32,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            size: stat.st_size as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Which file it is, and not when it changed.
    pub fn without_times(self) -> Self {
        Self { size: 0, mtime: (0, 0), ctime: (0, 0), ..self }
    }

    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode as rustix::fs::RawMode)
    }
}

/// Stands for a path, by those of its parts that were put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct PathKey(u64);

impl PathKey {
    /// `name` in the directory that `self` stands for.
    pub fn join(self, name: &[u8]) -> Self {
        Self(keyed((self.0, name)))
    }

    /// A path relative to the directory that `self` stands for.
    pub fn below(self, path: &[u8]) -> Self {
        path.split(|byte| *byte == b'/').fold(self, Self::join)
    }
}

/// Hashes with a key that nobody else knows, the same for all that one process
/// compares.
fn keyed(value: impl Hash) -> u64 {
    static STATE: OnceLock<RandomState> = OnceLock::new();
    STATE.get_or_init(RandomState::new).hash_one(value)
}

impl Stamp {
    /// Adds a file.
    pub fn add(&mut self, place: PathKey, facts: &Facts) {
        self.sum = self.sum.wrapping_add(keyed((place, facts)));
        let (seconds, nanos) = facts.ctime;
        self.newest = self.newest.max(seconds.saturating_mul(1_000_000_000).saturating_add(nanos));
    }

    /// Adds what another stamp has.
    pub fn merge(&mut self, other: Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.newest = self.newest.max(other.newest);
    }

    /// Whether nothing has changed at or after `moment`, which is in nanoseconds
    /// since 1970.
    pub fn is_older_than(&self, moment: i64) -> bool {
        self.newest < moment.saturating_sub(TICK)
    }
}

/// This moment, as [`Stamp::is_older_than`] wants it.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Whether a directory is on a file system of this machine, whose times are this
/// machine's and tell every change. Elsewhere another one's clock counts, or none
/// that is exact.
#[cfg(target_os = "linux")]
pub(super) fn is_exact(dir: impl AsFd) -> bool {
    // statfs(2) lists these numbers: ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs,
    // F2FS, ZFS, bcachefs.
    const KNOWN: [u64; 8] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1, 0xCA45_1A4E];
    let Ok(found) = rustix::fs::fstatfs(dir) else { return false };
    // Of 32 bits, whatever the type's width and sign.
    #[allow(clippy::cast_sign_loss, clippy::cast_lossless)]
    let kind = found.f_type as u64 & 0xFFFF_FFFF;
    KNOWN.contains(&kind)
}

/// As on Linux; here nothing is remembered.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_exact(_: impl AsFd) -> bool {
    false
}
