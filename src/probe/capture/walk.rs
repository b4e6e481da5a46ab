//! Several threads look at every entry beneath some directories.
//!
//! Links are never followed, and nothing but directories is opened. What is
//! looked at when matters: see [`Mode`].

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use rustix::{
    fs::{AtFlags, FileType, Mode as Permissions, OFlags, fstat, open, statat},
    io::Errno,
};

use super::{
    clock::{is_racy, time_of_files},
    mode::{Mode, Of},
    tree::{Dir, DirId, is_dir, kind, stat_from},
};
use crate::probe::{
    store::{Stat, TreeId},
    tracker::entries::Buffer,
};

/// How often a directory is listed that changes meanwhile.
const LISTINGS: usize = 4;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub path: PathBuf,
    pub mode: Mode,
}

/// A start that was walked.
#[derive(Debug)]
pub(super) struct Top {
    pub path: PathBuf,
    pub stat: Stat,
    pub dir: Option<DirId>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// By number.
    pub dirs: Vec<Dir>,
    /// Starts that are there.
    pub tops: Vec<Top>,
    /// Every `.git` in a work tree, and whether it is a directory.
    pub dot_gits: Vec<(PathBuf, bool)>,
    /// Directories of git that were left for later.
    pub later: Vec<Start>,
    /// Parts of git directories that are links.
    pub links: Vec<PathBuf>,
    /// git's locks that are being held.
    pub locks: Vec<(PathBuf, Stat)>,
    /// What could not be looked at.
    pub errors: Vec<(PathBuf, io::Error)>,
    /// Directories that did not hold still.
    pub unsteady: Vec<PathBuf>,
}

struct Task {
    path: PathBuf,
    mode: Mode,
    id: u32,
    /// As it was found from above; `None`: this is a start.
    stat: Option<Stat>,
}

#[derive(Default)]
struct Shared {
    tasks: Vec<Task>,
    working: usize,
    walked: Walked,
    done: Vec<(u32, Dir)>,
}

/// The tree in the store of a directory that is, by its state, as it was when
/// that was stored.
pub(super) type Lookup<'a> = &'a (dyn Fn(&Path, &Stat) -> Option<TreeId> + Sync);

struct Walk<'a> {
    held: &'a HashSet<PathBuf>,
    lookup: Lookup<'a>,
    next: AtomicU32,
    stopped: AtomicBool,
    shared: Mutex<Shared>,
    changed: Condvar,
}

/// Walks from `starts`; directories in `held` are not entered, unless they are
/// starts, and neither are directories of loose objects that `lookup` has.
pub(super) fn walk(starts: Vec<Start>, held: &HashSet<PathBuf>, lookup: Lookup<'_>) -> Walked {
    let walk = Walk {
        held,
        lookup,
        next: AtomicU32::new(0),
        stopped: AtomicBool::new(false),
        shared: Mutex::default(),
        changed: Condvar::new(),
    };
    let few = starts.iter().all(|start| start.mode == Mode::Metadata);
    walk.lock().tasks = starts
        .into_iter()
        .map(|Start { path, mode }| Task { path, mode, id: walk.number(), stat: None })
        .collect();
    // A git directory without its objects is done before a thread has begun.
    let threads = if few { 1 } else { thread::available_parallelism().map_or(2, usize::from).clamp(2, 8) };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
    let shared = walk.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut walked = shared.walked;
    walked.dirs.resize_with(walk.next.into_inner() as usize, Dir::default);
    for (id, dir) in shared.done {
        walked.dirs[id as usize] = dir;
    }
    walked
}

impl Walk<'_> {
    fn number(&self) -> u32 {
        self.next.fetch_add(1, Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let _ending = Ending(self);
        let mut buffer = Buffer::new();
        let mut shared = self.lock();
        loop {
            if self.stopped.load(Relaxed) {
                return;
            }
            if let Some(task) = shared.tasks.pop() {
                shared.working += 1;
                drop(shared);
                let mut visit = Visit::default();
                self.visit(task, &mut visit, &mut buffer);
                shared = self.lock();
                shared.working -= 1;
                visit.hand_in(&mut shared);
                if !shared.tasks.is_empty() || shared.working == 0 {
                    self.changed.notify_all();
                }
            } else if shared.working == 0 {
                return;
            } else {
                shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn visit(&self, task: Task, visit: &mut Visit, buffer: &mut Buffer) {
        let flags =
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let is_start = task.stat.is_none();
        let began = time_of_files();
        let opened = open(&task.path, flags, Permissions::empty()).map(File::from);
        let stat = opened.as_ref().map_err(|error| *error).and_then(fstat).map(|raw| stat_from(&raw));
        let (directory, mut stat) = match (opened, stat) {
            (Ok(directory), Ok(stat)) => (directory, stat),
            (Err(error), _) | (_, Err(error)) => {
                // A start that isn't there is none. What was there a moment ago
                // went, or was replaced.
                if matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) {
                    visit.unsteady = !is_start;
                } else {
                    visit.errors.push((task.path.clone(), error.into()));
                    let stat = lstat(&task.path).filter(|_| is_start);
                    visit.top = stat.map(|stat| Top { path: task.path.clone(), stat, dir: None });
                }
                visit.task = Some(task);
                return;
            }
        };
        if task.stat.is_some_and(|seen| (seen.dev, seen.ino) != (stat.dev, stat.ino)) {
            visit.unsteady = true;
        }
        let (mut before, mut missing): (Option<Dir>, Vec<PathBuf>) = (None, Vec::new());
        for listing in 1.. {
            visit.clear();
            let missing_before = missing;
            missing = self.list(&task, &directory, visit, buffer);
            // What is created or removed while a directory is read may be in the
            // listing or not.
            let after = fstat(&directory).map_or(stat, |raw| stat_from(&raw));
            // Of packs one comes before another goes, maybe in the same tick: two
            // listings that are the same have either.
            let is_sure = task.mode != Mode::Packs
                || !is_racy(&stat, began)
                || before.is_some_and(|before| before.has_same_names(&visit.dir));
            let is_still = (after.mtime, after.ctime) == (stat.mtime, stat.ctime);
            if missing.is_empty() && is_sure && is_still {
                break;
            }
            if listing == LISTINGS {
                // Some file systems list names that they can't find.
                let is_lasting = is_still && !missing.is_empty() && missing == missing_before;
                let lasting = missing.drain(..).filter(|_| is_lasting);
                visit.errors.extend(lasting.map(|path| (path, io::ErrorKind::NotFound.into())));
                visit.unsteady |= !is_lasting;
                break;
            }
            stat = after;
            before = Some(std::mem::take(&mut visit.dir));
        }
        visit.dir.is_metadata = task.mode.is_metadata();
        if is_start {
            visit.top = Some(Top { path: task.path.clone(), stat, dir: Some(DirId(task.id)) });
        }
        visit.task = Some(task);
    }

    /// Returns what was not there any more when it was its turn: of two changes
    /// within one tick the directory's time does not tell.
    fn list(&self, task: &Task, directory: &File, visit: &mut Visit, buffer: &mut Buffer) -> Vec<PathBuf> {
        let now = time_of_files();
        let mut missing = Vec::new();
        let listed = buffer.list(directory.as_fd(), |name, _| {
            let bytes = name.to_bytes();
            let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(raw) => stat_from(&raw),
                // What it was replaced by may have come too late for this listing.
                Err(Errno::NOENT) => {
                    missing.push(task.path.join(OsStr::from_bytes(bytes)));
                    return;
                }
                Err(error) => {
                    visit.errors.push((task.path.join(OsStr::from_bytes(bytes)), error.into()));
                    return;
                }
            };
            if task.mode.leaves_out(bytes, kind(&stat) == FileType::RegularFile) {
                if bytes.ends_with(b".lock") {
                    visit.locks.push((task.path.join(OsStr::from_bytes(bytes)), stat));
                }
                return;
            }
            let is_told_otherwise = is_dir(&stat) && task.mode != Mode::Objects;
            visit.dir.push(bytes, stat, !is_told_otherwise && is_racy(&stat, now), None);
        });
        if let Err(error) = listed {
            visit.errors.push((task.path.clone(), error));
        }
        visit.dir.sort();
        self.descend(task, visit);
        missing
    }

    /// Makes tasks of the directories that are to be entered.
    fn descend(&self, task: &Task, visit: &mut Visit) {
        let has = |name: &[u8]| visit.dir.get(name).is_some();
        let is_git_dir =
            task.mode == Mode::Metadata && has(b"HEAD") && (has(b"objects") || has(b"commondir"));
        for at in 0..visit.dir.items.len() {
            let item = &visit.dir.items[at];
            let (name, is_directory) = (visit.dir.name(item), kind(&item.stat) == FileType::Directory);
            if kind(&item.stat) == FileType::Symlink && task.mode.has_part(name, is_git_dir) {
                visit.links.push(task.path.join(OsStr::from_bytes(name)));
            }
            let is_dot_git = task.mode == Mode::Work && name == b".git";
            if !is_directory && !is_dot_git {
                continue;
            }
            let path = task.path.join(OsStr::from_bytes(name));
            if is_dot_git {
                visit.dot_gits.push((path, is_directory));
                continue;
            }
            if self.held.contains(&path) {
                continue;
            }
            let mode = match task.mode.of(name, is_git_dir) {
                Of::Now(mode) => mode,
                Of::Later(mode) => {
                    if mode == Mode::Objects {
                        // With what refers to objects.
                        let (path, id) = (path.join("info"), self.number());
                        visit.tasks.push(Task { path, mode: Mode::Metadata, id, stat: None });
                    }
                    visit.later.push(Start { path, mode });
                    continue;
                }
                Of::Elsewhere => continue,
            };
            let id = self.number();
            let stat = Some(item.stat);
            // No object is ever changed, so that a directory of them is the same
            // if none came or went.
            let known = if task.mode == Mode::Objects { (self.lookup)(&path, &item.stat) } else { None };
            visit.dir.items[at].enter(DirId(id));
            if let Some(known) = known {
                visit.known.push((id, Dir::known(known)));
                continue;
            }
            visit.tasks.push(Task { path, mode, id, stat });
        }
    }
}

/// What one directory gave.
#[derive(Default)]
struct Visit {
    task: Option<Task>,
    dir: Dir,
    top: Option<Top>,
    tasks: Vec<Task>,
    known: Vec<(u32, Dir)>,
    dot_gits: Vec<(PathBuf, bool)>,
    later: Vec<Start>,
    links: Vec<PathBuf>,
    locks: Vec<(PathBuf, Stat)>,
    errors: Vec<(PathBuf, io::Error)>,
    unsteady: bool,
}

impl Visit {
    fn clear(&mut self) {
        let unsteady = self.unsteady;
        *self = Self { unsteady, ..Self::default() };
    }

    fn hand_in(self, shared: &mut Shared) {
        let Some(task) = self.task else { return };
        let walked = &mut shared.walked;
        walked.tops.extend(self.top);
        walked.dot_gits.extend(self.dot_gits);
        walked.later.extend(self.later);
        walked.links.extend(self.links);
        walked.locks.extend(self.locks);
        walked.errors.extend(self.errors);
        if self.unsteady {
            walked.unsteady.push(task.path);
        }
        shared.done.push((task.id, self.dir));
        shared.done.extend(self.known);
        shared.tasks.extend(self.tasks);
    }
}

/// Lets the others end if a thread panics: they would wait for what it had.
struct Ending<'a, 'b>(&'a Walk<'b>);

impl Drop for Ending<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _shared = self.0.lock();
            self.0.stopped.store(true, Relaxed);
            self.0.changed.notify_all();
        }
    }
}

/// The state of what is at `path`, not following a link; `None`: nothing that
/// can be looked at.
pub(super) fn lstat(path: &Path) -> Option<Stat> {
    statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok().map(|raw| stat_from(&raw))
}
