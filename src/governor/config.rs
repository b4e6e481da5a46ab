use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{Error, locked};
use crate::policy::{ConfigError, GovernorSettings, PolicyVersion, load_policy, load_settings};

/// `policy.yml` and `governor.yml`, as last read in good order.
pub(super) struct Config {
    policy: Watched<PolicyVersion>,
    settings: Watched<GovernorSettings>,
}

impl Config {
    pub(super) fn open(directory: &Path) -> Self {
        Self {
            policy: Watched::open(directory.join("policy.yml"), load_policy),
            settings: Watched::open(directory.join("governor.yml"), load_settings),
        }
    }

    pub(super) fn policy(&self) -> Arc<PolicyVersion> {
        self.policy.current().0
    }

    pub(super) fn settings(&self) -> Arc<GovernorSettings> {
        self.settings.current().0
    }

    /// What can't be used, and is therefore not in force.
    pub(super) fn problems(&self) -> Vec<Error> {
        let problems = [self.policy.current().1, self.settings.current().1];
        problems.iter().flatten().map(|problem| Error::from(&**problem)).collect()
    }
}

type Load<T> = fn(&Path) -> Result<T, ConfigError>;

/// A file that is looked at on every use and read again when it has changed, so
/// that an edit counts at once. One that can't be used changes nothing.
struct Watched<T> {
    path: PathBuf,
    load: Load<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    seen: Option<Signature>,
    good: Arc<T>,
    problem: Option<Arc<ConfigError>>,
}

/// Device, inode, size and times of a file.
type Signature = (u64, u64, u64, i64, i64, i64, i64);

fn signature(path: &Path) -> Option<Signature> {
    let meta = fs::metadata(path).ok()?;
    Some((
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ))
}

impl<T: Default> Watched<T> {
    fn open(path: PathBuf, load: Load<T>) -> Self {
        let seen = signature(&path);
        let (good, problem) = match load(&path) {
            Ok(value) => (value, None),
            Err(problem) => (T::default(), Some(Arc::new(problem))),
        };
        Self { path, load, state: Mutex::new(State { seen, good: Arc::new(good), problem }) }
    }

    fn current(&self) -> (Arc<T>, Option<Arc<ConfigError>>) {
        let mut state = locked(&self.state);
        let now = signature(&self.path);
        if now != state.seen {
            state.seen = now;
            match (self.load)(&self.path) {
                Ok(value) => {
                    state.good = Arc::new(value);
                    state.problem = None;
                }
                Err(problem) => {
                    tracing::warn!(%problem, "configuration not taken over");
                    state.problem = Some(Arc::new(problem));
                }
            }
        }
        (Arc::clone(&state.good), state.problem.clone())
    }
}
