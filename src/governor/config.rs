use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{Error, locked};
use crate::fs::{RealWriter, Writer};
use crate::policy::{ConfigError, GovernorSettings, PolicyVersion, load_policy, load_settings};

/// `policy.yml` and `governor.yml`, as last read in good order.
pub(super) struct Config {
    policy: Watched<PolicyVersion>,
    settings: Watched<GovernorSettings>,
}

impl Config {
    /// `memory` is where the last good state of each is kept for the next
    /// governor, which may start over a broken edit.
    pub(super) fn open(directory: &Path, memory: &Path) -> Self {
        let kept = |name: &str| memory.join(format!("{name}.last-good.yml"));
        Self {
            policy: Watched::open(directory.join("policy.yml"), kept("policy"), load_policy),
            settings: Watched::open(directory.join("governor.yml"), kept("governor"), load_settings),
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
    memory: PathBuf,
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

/// Keeps a copy of a file that is in good order, or none where there is none.
/// Without it nothing is amiss until the file breaks.
fn remember(path: &Path, memory: &Path) {
    let kept = match fs::read(path) {
        Ok(bytes) if fs::read(memory).is_ok_and(|kept| kept == bytes) => Ok(()),
        Ok(bytes) => RealWriter.write(memory, &bytes, 0o600),
        Err(_) => RealWriter.remove(memory),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "a configuration's last good state could not be kept");
    }
}

impl<T: Default> Watched<T> {
    fn open(path: PathBuf, memory: PathBuf, load: Load<T>) -> Self {
        let seen = signature(&path);
        let (good, problem) = match load(&path) {
            Ok(value) => {
                remember(&path, &memory);
                (value, None)
            }
            Err(problem) => (load(&memory).unwrap_or_default(), Some(Arc::new(problem))),
        };
        Self { path, memory, load, state: Mutex::new(State { seen, good: Arc::new(good), problem }) }
    }

    fn current(&self) -> (Arc<T>, Option<Arc<ConfigError>>) {
        let mut state = locked(&self.state);
        let now = signature(&self.path);
        if now != state.seen {
            state.seen = now;
            match (self.load)(&self.path) {
                Ok(value) => {
                    remember(&self.path, &self.memory);
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
