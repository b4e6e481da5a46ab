use std::{
    cell::Cell,
    fs,
    ops::Deref,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use git2::Repository;

use super::Location;

/// Most repositories that are kept open.
const KEPT: usize = 64;
/// How long one is kept that nobody asks for: it holds packs open that git may
/// have removed.
const IDLE: Duration = Duration::from_secs(30);

/// Repositories that libgit2 has open, for the next call: opening one costs more
/// than all that a hook asks of it.
///
/// libgit2 looks at refs and new packs at each call. What it reads only once
/// (configuration, alternates) is part of a repository's [`Identity`], and one
/// that has another identity by now is opened anew.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    git_dir: PathBuf,
    identity: Identity,
    repo: Repository,
    since: Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").field("git_dir", &self.git_dir).finish_non_exhaustive()
    }
}

/// What of a repository must not have changed for an open one to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity([Option<FileState>; 5]);

/// Device, inode, size, modification and change of a file; of a directory only
/// the first two.
type FileState = (u64, u64, u64, (i64, i64), (i64, i64));

impl Identity {
    pub(super) fn of(location: &Location) -> Self {
        let common = &location.common_dir;
        Self([
            state(&location.git_dir),
            state(&common.join("objects")),
            state(&common.join("config")),
            state(&location.git_dir.join("config.worktree")),
            state(&common.join("objects/info/alternates")),
        ])
    }
}

fn state(path: &Path) -> Option<FileState> {
    let meta = fs::metadata(path).ok()?;
    if meta.is_dir() {
        return Some((meta.dev(), meta.ino(), 0, (0, 0), (0, 0)));
    }
    let changed = (meta.ctime(), meta.ctime_nsec());
    Some((meta.dev(), meta.ino(), meta.len(), (meta.mtime(), meta.mtime_nsec()), changed))
}

impl Pool {
    /// An open repository, if there is one that is still what it was.
    pub(super) fn take(self: &Arc<Self>, location: &Location, identity: &Identity) -> Option<Lease> {
        let mut idle = self.lock();
        let at = idle.iter().position(|idle| idle.git_dir == location.git_dir)?;
        let found = idle.swap_remove(at);
        drop(idle);
        (found.identity == *identity).then(|| self.lease(location, found.identity, found.repo))
    }

    /// Takes charge of a repository that was opened; `identity` is from before
    /// that.
    pub(super) fn lease(
        self: &Arc<Self>,
        location: &Location,
        identity: Identity,
        repo: Repository,
    ) -> Lease {
        let kept = Idle { git_dir: location.git_dir.clone(), identity, repo, since: Instant::now() };
        Lease { kept: Some(kept), pool: Arc::clone(self), spoilt: Cell::new(false) }
    }

    /// Closes what nobody has asked for lately.
    pub(super) fn close_idle(&self) {
        let mut idle = self.lock();
        let (kept, closed) = idle.drain(..).partition(|idle| idle.since.elapsed() < IDLE);
        *idle = kept;
        drop(idle);
        // Closing may take a while; nobody waits for it.
        drop::<Vec<Idle>>(closed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open repository that goes back to its pool in the end.
pub(super) struct Lease {
    kept: Option<Idle>,
    pool: Arc<Pool>,
    spoilt: Cell<bool>,
}

impl Lease {
    /// What was done with it leaves traces: nobody else is to have it.
    pub(super) fn spoil(&self) {
        self.spoilt.set(true);
    }
}

impl Deref for Lease {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.kept.as_ref().expect("it is taken out only when this is dropped").repo
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut kept) = self.kept.take().filter(|_| !self.spoilt.get() && !std::thread::panicking())
        else {
            return;
        };
        kept.since = Instant::now();
        let mut idle = self.pool.lock();
        idle.push(kept);
        let surplus = idle.len().saturating_sub(KEPT);
        let closed: Vec<Idle> = idle.drain(..surplus).collect();
        drop(idle);
        drop(closed);
    }
}
