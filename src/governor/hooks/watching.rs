//! The kernel tells what others change about hooks: inotify(7).
//!
//! A repository is watched in three places, each quiet while people work: the
//! file of its configuration (and not the directory, in which git writes at every
//! commit), its hooks directory, and kpmo's own; and for the few files at the top
//! of its work tree that hooks go by. One thread waits for what comes; nothing is
//! done while nothing comes.
//!
//! Limits: watches are the user's, so that the governor takes a quarter of them
//! at most; repositories beyond that are looked after when something happens in
//! them. A place that is not there is not watched until somebody asks again.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    ffi::OsStr,
    fs,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};

use super::super::locked;
use crate::{git::Location, install::READ_BY_OTHERS};

/// Tools change several hooks one after the other: they are let finish.
const SETTLE: Duration = Duration::from_millis(100);
/// Where the kernel does not say how many watches a user may have.
const FEW_WATCHES: usize = 8192;

/// What somebody changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Noticed {
    /// Something of this repository's hooks, by its path in the registry.
    Repo(PathBuf),
    /// One of the files that were given to [`Watching::watch_file`].
    File(PathBuf),
    /// More than the kernel could keep.
    Everything,
}

/// What a watch is for.
enum Watched {
    Repo(PathBuf),
    /// Of a directory these files; and, where it is the top of a repository's work
    /// tree, [`READ_BY_OTHERS`].
    Within {
        files: BTreeSet<PathBuf>,
        top_of: Option<PathBuf>,
    },
    /// Nothing: taking it away wakes the thread.
    Bell,
}

/// The watches of one governor.
#[derive(Default)]
pub(super) struct Watching {
    /// Made when it is first needed: a user has few of these.
    inotify: OnceLock<Option<OwnedFd>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by: HashMap<i32, Watched>,
    most: usize,
    is_full: bool,
    bell: Option<i32>,
    ending: bool,
}

impl Watching {
    fn inotify(&self) -> Option<&OwnedFd> {
        let make = || match inotify::init(CreateFlags::CLOEXEC) {
            Ok(made) => {
                let mut state = locked(&self.state);
                state.most = most_watches();
                state.bell = inotify::add_watch(&made, "/", WatchFlags::DELETE_SELF).ok();
                if let Some(bell) = state.bell {
                    state.by.insert(bell, Watched::Bell);
                }
                Some(made)
            }
            Err(error) => {
                tracing::warn!(%error, "hooks are not watched, and looked after when something happens");
                None
            }
        };
        self.inotify.get_or_init(make).as_ref()
    }

    /// Watches what says which hooks git runs in a repository; done again, it
    /// watches what has come since.
    pub(super) fn watch(&self, repo: &Path, location: &Location) {
        let file =
            WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        // One that is a link is no directory of this repository's.
        let within = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        for (place, mask) in
            [("config", file), ("config.worktree", file), ("hooks", within), ("kpmo/hooks", within)]
        {
            self.add(&location.common_dir.join(place), mask, |_| Watched::Repo(repo.to_owned()));
        }
        if let Some(top) = &location.work_tree {
            self.watch_within(top, |_, top_of| *top_of = Some(repo.to_owned()));
        }
    }

    /// Watches a file by the directory that it is in, or may come to be in.
    pub(super) fn watch_file(&self, path: &Path) {
        if let Some(dir) = path.parent() {
            self.watch_within(dir, |files, _| {
                files.insert(path.to_owned());
            });
        }
    }

    fn watch_within(&self, dir: &Path, note: impl FnOnce(&mut BTreeSet<PathBuf>, &mut Option<PathBuf>)) {
        let mask = WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        self.add(dir, mask, |before| {
            let (mut files, mut top_of) = match before {
                Some(Watched::Within { files, top_of }) => (files, top_of),
                _ => (BTreeSet::new(), None),
            };
            note(&mut files, &mut top_of);
            Watched::Within { files, top_of }
        });
    }

    fn add(&self, place: &Path, mask: WatchFlags, watched: impl FnOnce(Option<Watched>) -> Watched) {
        let Some(inotify) = self.inotify() else { return };
        let mut state = locked(&self.state);
        // What is not there can't be watched.
        let Ok(watch) = inotify::add_watch(inotify, place, mask) else { return };
        let (taken, most) = (state.by.len(), state.most);
        match state.by.entry(watch) {
            Entry::Occupied(mut entry) => {
                let before = std::mem::replace(entry.get_mut(), Watched::Bell);
                *entry.get_mut() = watched(Some(before));
            }
            Entry::Vacant(entry) if taken < most => {
                entry.insert(watched(None));
            }
            Entry::Vacant(_) => {
                let _ = inotify::remove_watch(inotify, watch);
                if !std::mem::replace(&mut state.is_full, true) {
                    tracing::warn!(most, "no more hooks can be watched: fs.inotify.max_user_watches is low");
                }
            }
        }
    }

    /// Tells what others change, each once for a moment, until [`Watching::end`].
    pub(super) fn tell(&self, mut tell: impl FnMut(Noticed)) {
        let Some(inotify) = self.inotify() else { return };
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(inotify, &mut buffer);
        loop {
            let mut noticed = BTreeSet::new();
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                        noticed.extend(self.meaning(event.wd(), event.events(), name));
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => {
                        tracing::warn!(%error, "hooks are not watched any more");
                        return;
                    }
                }
                if reader.is_buffer_empty() {
                    break;
                }
            }
            if locked(&self.state).ending {
                return;
            }
            if noticed.is_empty() {
                continue;
            }
            std::thread::sleep(SETTLE);
            noticed.into_iter().for_each(&mut tell);
        }
    }

    fn meaning(&self, watch: i32, events: ReadFlags, name: Option<&OsStr>) -> Option<Noticed> {
        if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            return Some(Noticed::Everything);
        }
        let mut state = locked(&self.state);
        let noticed = match state.by.get(&watch)? {
            Watched::Repo(repo) => Some(Noticed::Repo(repo.clone())),
            Watched::Within { files, top_of } => {
                let is_read = name.is_some_and(|name| READ_BY_OTHERS.iter().any(|known| name == *known));
                // Or it has another name now.
                let concerns_repo = is_read || events.contains(ReadFlags::MOVE_SELF);
                let repo = top_of.as_ref().filter(|_| concerns_repo).cloned().map(Noticed::Repo);
                let file = || files.iter().find(|file| file.file_name() == name).cloned().map(Noticed::File);
                repo.or_else(file)
            }
            Watched::Bell => None,
        };
        if events.contains(ReadFlags::IGNORED) {
            state.by.remove(&watch);
            state.is_full = false;
        }
        noticed
    }

    /// Forgets a repository.
    pub(super) fn forget(&self, repo: &Path) {
        let Some(Some(inotify)) = self.inotify.get() else { return };
        let is_its = |watched: &mut Watched| match watched {
            Watched::Repo(path) => path == repo,
            Watched::Within { files, top_of } => {
                top_of.take_if(|path| *path == repo);
                files.is_empty() && top_of.is_none()
            }
            Watched::Bell => false,
        };
        for (watch, _) in locked(&self.state).by.extract_if(|_, watched| is_its(watched)) {
            // One whose place is gone is taken away already.
            let _ = inotify::remove_watch(inotify, watch);
        }
    }

    /// Ends [`Watching::tell`].
    pub(super) fn end(&self) {
        let mut state = locked(&self.state);
        state.ending = true;
        if let (Some(Some(inotify)), Some(bell)) = (self.inotify.get(), state.bell.take()) {
            let _ = inotify::remove_watch(inotify, bell);
        }
    }
}

fn most_watches() -> usize {
    let said = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok();
    said.and_then(|said| said.trim().parse().ok()).unwrap_or(FEW_WATCHES) / 4
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_is_changed_is_told_and_the_end_is_heard() {
        let top = tempfile::tempdir().unwrap();
        let (repo, common) = (top.path().join("repo"), top.path().join("repo/.git"));
        git2::Repository::init(&repo).unwrap();
        fs::create_dir_all(common.join("hooks")).unwrap();
        let location = Location::at(&repo).unwrap();
        let watching = Watching::default();
        watching.watch(&repo, &location);
        let file = top.path().join("settings");
        watching.watch_file(&file);
        let (sender, told) = channel();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                watching.tell(|noticed| {
                    if matches!(noticed, Noticed::Repo(_)) {
                        // It is watched again, as whoever is told does.
                        watching.watch(&repo, &location);
                    }
                    sender.send(noticed).unwrap();
                });
            });
            let mut number = 0;
            // What is told up to a change made now, other than that.
            let mut told_by_now = || {
                number += 1;
                let last = top.path().join(format!("upto{number}"));
                watching.watch_file(&last);
                fs::write(&last, "").unwrap();
                let last = Noticed::File(last);
                let patience = Duration::from_secs(60);
                let so_far = std::iter::from_fn(|| Some(told.recv_timeout(patience).unwrap()));
                let others = so_far.take_while(|noticed| *noticed != last);
                others.filter(|noticed| !is_last(noticed)).collect::<BTreeSet<_>>()
            };
            let hooks = BTreeSet::from([Noticed::Repo(repo.clone())]);
            fs::write(common.join("hooks/pre-commit"), "").unwrap();
            assert_eq!(told_by_now(), hooks);
            for _ in 0..2 {
                // As git writes it.
                fs::write(common.join("config.lock"), "").unwrap();
                fs::rename(common.join("config.lock"), common.join("config")).unwrap();
                assert_eq!(told_by_now(), hooks);
            }
            fs::write(top.path().join("other"), "").unwrap();
            fs::write(common.join("index"), "").unwrap();
            fs::write(repo.join("a.txt"), "").unwrap();
            assert_eq!(told_by_now(), BTreeSet::new());
            fs::write(repo.join(".pre-commit-config.yaml"), "").unwrap();
            assert_eq!(told_by_now(), hooks);
            fs::write(&file, "").unwrap();
            assert_eq!(told_by_now(), BTreeSet::from([Noticed::File(file.clone())]));
            watching.forget(&repo);
            fs::write(common.join("hooks/pre-push"), "").unwrap();
            assert_eq!(told_by_now(), BTreeSet::new());
            watching.end();
            thread.join().unwrap();
        });
    }

    /// A file may be told of twice: that it came, and that it was written.
    fn is_last(noticed: &Noticed) -> bool {
        matches!(noticed, Noticed::File(path) if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"upto")))
    }

    #[test]
    fn no_more_is_watched_than_may_be() {
        let top = tempfile::tempdir().unwrap();
        let watching = Watching::default();
        watching.inotify();
        locked(&watching.state).most = 2;
        for name in ["one", "two"] {
            let repo = top.path().join(name);
            git2::Repository::init(&repo).unwrap();
            watching.watch(&repo, &Location::at(&repo).unwrap());
        }
        let state = locked(&watching.state);
        assert!(state.is_full && state.by.len() == 2);
    }
}
