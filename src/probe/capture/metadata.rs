//! git's own small files, read in one go.
//!
//! HEAD, index, refs and the state of a merge or rebase belong together. They
//! are read into memory, and looked at again: if nothing changed meanwhile they
//! were so at one moment. Objects are looked at afterwards, so that whatever
//! these files refer to is among them.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::fs::FileType;

use super::{
    files::{is_same_file, open_regular},
    mode::Mode,
    tree::{DirId, kind},
    walk::{Start, Walked, walk},
};
use crate::probe::store::Stat;

/// How often it is tried.
const ROUNDS: usize = 5;
/// How long git is waited for, in all, while it holds a lock.
const PATIENCE: Duration = Duration::from_millis(500);
/// A lock that is older has been left behind, or is held by something that takes
/// its time.
const YOUNG: Duration = Duration::from_secs(2);
/// A larger file stays on disk until it is its turn.
const LARGE: u64 = 16 << 20;
/// Bytes that are held in all.
const HELD: u64 = 64 << 20;

/// Contents of files by path.
pub(super) type Contents = HashMap<PathBuf, Arc<[u8]>>;

/// git's metadata at one moment.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub walked: Walked,
    /// Every file of it, in order.
    pub files: Vec<(PathBuf, Stat)>,
    /// Contents of those that were wanted, as far as they are not too large.
    pub contents: Contents,
    /// It held still.
    pub is_steady: bool,
}

/// Reads what is in these git directories, of files those that are `wanted`.
pub(super) fn burst(
    git_dirs: &[PathBuf],
    held: &HashSet<PathBuf>,
    wanted: &dyn Fn(&Path, &Stat) -> bool,
) -> Metadata {
    let patience = Instant::now() + PATIENCE;
    let mut contents: HashMap<PathBuf, (Stat, Arc<[u8]>)> = HashMap::new();
    let (_, mut before) = look(git_dirs, held);
    for round in 1.. {
        let is_read = read(&before, wanted, &mut contents);
        let (walked, files) = look(git_dirs, held);
        let is_steady = is_read && walked.unsteady.is_empty() && is_same(&before, &files);
        let is_busy = walked.locks.iter().any(|(_, lock)| is_young(lock)) && Instant::now() < patience;
        if !is_busy && (is_steady || round >= ROUNDS) {
            // What has changed again is read when it is its turn.
            let held = files.iter().filter_map(|(path, stat)| {
                let (seen, bytes) = contents.remove(path)?;
                is_same_file(&seen, stat).then(|| (path.clone(), bytes))
            });
            return Metadata { contents: held.collect(), walked, files, is_steady };
        }
        if is_busy {
            thread::sleep(Duration::from_millis(5));
        }
        before = files;
    }
    Metadata::default()
}

/// The state of what is in these git directories now.
pub(super) fn look(git_dirs: &[PathBuf], held: &HashSet<PathBuf>) -> (Walked, Vec<(PathBuf, Stat)>) {
    let starts = git_dirs.iter().map(|path| Start { path: path.clone(), mode: Mode::Metadata });
    let walked = walk(starts.collect(), held, &|_, _| None);
    let mut files = Vec::new();
    for top in &walked.tops {
        flatten(&walked, top.dir, &top.path, &mut files);
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    (walked, files)
}

/// Whether these are the same files, unchanged.
pub(super) fn is_same(one: &[(PathBuf, Stat)], other: &[(PathBuf, Stat)]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((path, stat), (other_path, other))| {
            path == other_path && stat.mode == other.mode && is_same_file(stat, other)
        })
}

/// The first path that isn't the same.
pub(super) fn first_difference(one: &[(PathBuf, Stat)], other: &[(PathBuf, Stat)]) -> Option<PathBuf> {
    let same = one
        .iter()
        .zip(other)
        .take_while(|(one, other)| is_same(std::slice::from_ref(*one), std::slice::from_ref(*other)));
    let at = same.count();
    one.get(at).or_else(|| other.get(at)).map(|(path, _)| path.clone())
}

fn flatten(walked: &Walked, dir: Option<DirId>, path: &Path, files: &mut Vec<(PathBuf, Stat)>) {
    let Some(dir) = dir.map(|id| &walked.dirs[id.0 as usize]) else { return };
    for (name, item) in dir.present() {
        let path = path.join(OsStr::from_bytes(name));
        match item.kind() {
            FileType::Directory => flatten(walked, item.dir(), &path, files),
            _ => files.push((path, item.stat)),
        }
    }
}

/// Reads what is wanted and has not been read as it is; whether nothing changed
/// under the hand.
fn read(
    files: &[(PathBuf, Stat)],
    wanted: &dyn Fn(&Path, &Stat) -> bool,
    contents: &mut HashMap<PathBuf, (Stat, Arc<[u8]>)>,
) -> bool {
    let mut is_steady = true;
    let mut earlier = std::mem::take(contents);
    let mut held = 0;
    for (path, stat) in files {
        let is_wanted = kind(stat) == FileType::RegularFile && wanted(path, stat);
        if !is_wanted || stat.size > LARGE || held + stat.size > HELD {
            continue;
        }
        let bytes = match earlier.remove(path) {
            Some((seen, bytes)) if is_same_file(&seen, stat) => Some(bytes),
            _ => match read_whole(path, stat) {
                Ok(bytes) => {
                    is_steady &= bytes.is_some();
                    bytes
                }
                // What can't be read is told of when it is its turn.
                Err(_) => None,
            },
        };
        if let Some(bytes) = bytes {
            held += stat.size;
            contents.insert(path.clone(), (*stat, bytes));
        }
    }
    is_steady
}

/// The content of a file; `None`: it is another one, or changed.
fn read_whole(path: &Path, stat: &Stat) -> std::io::Result<Option<Arc<[u8]>>> {
    let (file, now) = open_regular(path)?;
    if !is_same_file(&now, stat) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0));
    (&file).take(stat.size + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == stat.size).then(|| bytes.into()))
}

fn is_young(lock: &Stat) -> bool {
    let (seconds, nanos) = lock.mtime;
    u64::try_from(seconds).is_ok_and(|seconds| {
        let taken = UNIX_EPOCH + Duration::new(seconds, nanos);
        SystemTime::now().duration_since(taken).map_or(true, |age| age < YOUNG)
    })
}
