use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs, io,
    ops::ControlFlow,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use rustix::{
    fs::{FileType, Mode, OFlags, open},
    io::Errno,
};

use super::{PROGRESS, RepoKind, Summary, TrackOptions, Tracked, entries::Buffer, gitdir, mounts::Mounts};

/// A directory that is to be read.
struct Item {
    path: PathBuf,
    /// The file system of the root it was reached from.
    within: Within,
    /// The nearest work tree around it.
    enclosing: Option<Arc<Path>>,
}

/// The file system that is not left.
#[derive(Clone)]
enum Within {
    /// None: all are entered.
    Any,
    /// By the kernel's list.
    Mounted(Arc<str>),
    /// By the device's number, which every directory must be asked for.
    Device(u64),
}

struct Walk<'a> {
    skip: Skip,
    cross_file_systems: bool,
    mounts: Option<Mounts>,
    threads: usize,
    sink: &'a (dyn Fn(Tracked) -> ControlFlow<()> + Sync),
    shared: Mutex<Shared>,
    given: Condvar,
    /// How many threads wait for work; a hint, outside the lock.
    hungry: AtomicUsize,
    stopped: AtomicBool,
    directories: AtomicU64,
    found: AtomicU64,
    warnings: AtomicU64,
}

#[derive(Default)]
struct Shared {
    items: Vec<Item>,
    waiting: usize,
    is_done: bool,
}

pub(super) fn walk(
    roots: &[PathBuf],
    options: &TrackOptions,
    sink: &(dyn Fn(Tracked) -> ControlFlow<()> + Sync),
) -> Summary {
    let threads = match options.threads {
        0 => thread::available_parallelism().map_or(2, usize::from),
        wanted => wanted,
    };
    let walk = Walk {
        skip: Skip::new(&options.skip),
        cross_file_systems: options.cross_file_systems,
        mounts: Mounts::of_this_process(),
        threads,
        sink,
        shared: Mutex::default(),
        given: Condvar::new(),
        hungry: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        directories: AtomicU64::new(0),
        found: AtomicU64::new(0),
        warnings: AtomicU64::new(0),
    };
    walk.lock().items = walk.starts(roots);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
    walk.so_far()
}

impl Walk<'_> {
    /// Where to start: the roots, but those that are reached from another.
    fn starts(&self, roots: &[PathBuf]) -> Vec<Item> {
        let mut starts: Vec<Item> = Vec::new();
        let mut canonical = Vec::new();
        for root in roots {
            match fs::canonicalize(root).and_then(|path| Ok((self.within(&path)?, path))) {
                Ok(root) => canonical.push(root),
                Err(error) => self.warn_of(root, &error),
            }
        }
        // A path sorts behind those above it.
        canonical.sort_by(|(_, one), (_, other)| one.cmp(other));
        for (within, path) in canonical {
            if !starts.iter().any(|start| self.reaches(start, &path)) {
                starts.push(Item { path, within, enclosing: None });
            }
        }
        starts
    }

    fn within(&self, root: &Path) -> io::Result<Within> {
        Ok(match &self.mounts {
            _ if self.cross_file_systems => Within::Any,
            Some(mounts) => Within::Mounted(mounts.of(root).into()),
            None => Within::Device(fs::metadata(root)?.dev()),
        })
    }

    /// Whether another file system is known to be mounted at a directory, which
    /// is then not so much as opened.
    fn is_beyond(&self, within: &Within, path: &Path, name: &OsStr) -> bool {
        match (within, &self.mounts) {
            (Within::Mounted(own), Some(mounts)) => {
                mounts.at(path, name).is_some_and(|device| device != &**own)
            }
            _ => false,
        }
    }

    /// Whether the walk from `start` comes by `path`.
    fn reaches(&self, start: &Item, path: &Path) -> bool {
        path.starts_with(&start.path)
            && path.ancestors().take_while(|above| *above != start.path).all(|above| {
                let is_entered = above.file_name().is_some_and(|name| {
                    name != ".git"
                        && !self.skip.matches(above, name)
                        && !self.is_beyond(&start.within, above, name)
                });
                is_entered
                    && match start.within {
                        Within::Device(own) => fs::metadata(above).is_ok_and(|above| above.dev() == own),
                        Within::Any | Within::Mounted(_) => true,
                    }
            })
    }

    fn work(&self) {
        let _ending = Ending(self);
        let mut buffer = Buffer::new();
        let mut own = Vec::new();
        while let Some(item) = own.pop().or_else(|| self.next()) {
            self.visit(&item, &mut own, &mut buffer);
            if own.len() > 1 && self.hungry.load(Relaxed) > 0 {
                // The oldest are nearest to the root, and so the most work.
                let give = own.len() / 2;
                self.lock().items.extend(own.drain(..give));
                self.given.notify_all();
            }
            if self.stopped.load(Relaxed) {
                return self.end();
            }
        }
    }

    /// Lets nobody go on.
    fn end(&self) {
        self.lock().is_done = true;
        self.given.notify_all();
    }

    /// Waits for work; `None` once there is none and nobody makes any.
    fn next(&self) -> Option<Item> {
        let mut shared = self.lock();
        shared.waiting += 1;
        self.hungry.store(shared.waiting, Relaxed);
        loop {
            if shared.is_done {
                return None;
            }
            if let Some(item) = shared.items.pop() {
                shared.waiting -= 1;
                self.hungry.store(shared.waiting, Relaxed);
                return Some(item);
            }
            if shared.waiting == self.threads {
                shared.is_done = true;
                self.given.notify_all();
                return None;
            }
            shared = self.given.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads a directory, tells what it is, and adds those in it to `own`.
    fn visit(&self, item: &Item, own: &mut Vec<Item>, buffer: &mut Buffer) {
        let path = &item.path;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match open(path, flags, Mode::empty()) {
            Ok(directory) => fs::File::from(directory),
            // It was there, and went or became a link meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return,
            Err(error) => return self.warn_of(path, &error.into()),
        };
        if let Within::Device(own) = item.within {
            match directory.metadata() {
                Ok(metadata) if metadata.dev() != own => return,
                Ok(_) => {}
                Err(error) => return self.warn_of(path, &error),
            }
        }
        let read = self.directories.fetch_add(1, Relaxed) + 1;
        if read.is_multiple_of(PROGRESS) {
            self.tell(Tracked::Progress(self.so_far()));
        }

        let first = own.len();
        let (mut has_dot_git, mut has_head, mut has_objects, mut has_refs) = (false, false, false, false);
        let listed = buffer.list(directory.as_fd(), |name, kind| {
            let name = OsStr::from_bytes(name.to_bytes());
            match name.as_bytes() {
                b".git" => {
                    has_dot_git = true;
                    return;
                }
                b"HEAD" => has_head = true,
                b"objects" => has_objects = true,
                b"refs" => has_refs = true,
                _ => {}
            }
            if kind == FileType::Directory {
                let path = path.join(name);
                if !self.skip.matches(&path, name) && !self.is_beyond(&item.within, &path, name) {
                    own.push(Item { path, within: item.within.clone(), enclosing: item.enclosing.clone() });
                }
            }
        });
        drop(directory);
        if let Err(error) = listed {
            // What was listed before is still looked at.
            self.warn_of(path, &error);
        }

        let enclosing = item.enclosing.as_deref();
        let found = if has_dot_git {
            gitdir::work_tree(path, enclosing).unwrap_or_else(|message| {
                self.tell(Tracked::Warning { path: path.clone(), message });
                None
            })
        } else {
            None
        };
        match found {
            Some(found) => {
                if found.kind != RepoKind::Bare {
                    let around: Arc<Path> = path.as_path().into();
                    for child in &mut own[first..] {
                        child.enclosing = Some(Arc::clone(&around));
                    }
                }
                self.tell(Tracked::Found(found));
            }
            None if has_head && has_objects && has_refs => self.visit_git_dir(item, first, own),
            None => {}
        }
    }

    /// Tells of a directory that looks like git's; `own[first..]` are those in it.
    fn visit_git_dir(&self, item: &Item, first: usize, own: &mut Vec<Item>) {
        let (is_git_dir, found) = gitdir::bare(&item.path, item.enclosing.as_deref());
        if is_git_dir {
            let is_internal = |child: &Item| {
                gitdir::INTERNALS.iter().any(|name| child.path.file_name() == Some(OsStr::new(name)))
            };
            let others: Vec<Item> = own.drain(first..).filter(|child| !is_internal(child)).collect();
            own.extend(others);
        }
        if let Some(found) = found {
            self.tell(Tracked::Found(found));
        }
    }

    fn warn_of(&self, path: &Path, error: &io::Error) {
        let message = format!("cannot read the directory: {error}");
        self.tell(Tracked::Warning { path: path.to_owned(), message });
    }

    fn tell(&self, tracked: Tracked) {
        match &tracked {
            Tracked::Found(_) => self.found.fetch_add(1, Relaxed),
            Tracked::Warning { .. } => self.warnings.fetch_add(1, Relaxed),
            Tracked::Progress(_) => 0,
        };
        if (self.sink)(tracked).is_break() {
            self.stopped.store(true, Relaxed);
        }
    }

    fn so_far(&self) -> Summary {
        Summary {
            directories: self.directories.load(Relaxed),
            found: self.found.load(Relaxed),
            warnings: self.warnings.load(Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the walk if its thread panics (the sink is the caller's): the others
/// would wait for it.
struct Ending<'a>(&'a Walk<'a>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

/// Ends of paths that are left out, by their last name.
struct Skip {
    ends: HashMap<OsString, Vec<PathBuf>>,
}

impl Skip {
    fn new(skip: &[String]) -> Self {
        let mut ends: HashMap<_, Vec<_>> = HashMap::new();
        for end in skip.iter().map(PathBuf::from) {
            if let Some(name) = end.file_name() {
                ends.entry(name.to_owned()).or_default().push(end);
            }
        }
        Self { ends }
    }

    /// Whether `path`, whose last name is `name`, is left out.
    fn matches(&self, path: &Path, name: &OsStr) -> bool {
        self.ends.get(name).is_some_and(|ends| ends.iter().any(|end| path.ends_with(end)))
    }
}
