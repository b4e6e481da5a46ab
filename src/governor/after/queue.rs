use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{
    git::Head,
    governor::{
        calm::{self, Calm},
        locked,
    },
};

/// What the name of a file that is to be used again begins with.
pub(super) const SPARE: &str = ".spare-";
/// Most files that are kept for events to come.
const MOST_SPARES: usize = 128;
/// Most events of which it is remembered what was there.
const MOST_NOTED: usize = 10_000;

/// Wakes and stops the thread that works the spool off.
#[derive(Default)]
pub(in crate::governor) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Files for the next events.
    spares: Mutex<Vec<PathBuf>>,
}

/// What there is to do.
pub(super) enum Next {
    Work,
    /// There may be, all the same: it is time to look.
    Nothing,
    End,
}

/// What was there when an event came.
pub(super) struct Noted {
    /// Where HEAD was, if that is certain.
    pub head: Option<Head>,
    /// The repository's common directory: a linked work tree may be gone by the time
    /// that its event is worked off.
    pub common_dir: PathBuf,
}

#[derive(Default)]
struct State {
    waiting: bool,
    ending: bool,
    running: bool,
    /// What was there when events came that are yet to be worked off.
    noted: HashMap<Uuid, Noted>,
}

impl Queue {
    pub(super) fn wake(&self, call: Uuid, noted: Option<Noted>) {
        let mut state = locked(&self.state);
        if let Some(noted) = noted.filter(|_| state.noted.len() < MOST_NOTED) {
            state.noted.insert(call, noted);
        }
        let is_first = !std::mem::replace(&mut state.waiting, true);
        drop(state);
        if is_first {
            self.changed.notify_all();
        }
    }

    pub(super) fn noted(&self, call: Uuid) -> Option<Noted> {
        locked(&self.state).noted.remove(&call)
    }

    /// Waits for something to do, for at most `patience`, and then until those who
    /// are being served have been.
    pub(super) fn wait(&self, patience: Duration, calm: &Calm) -> Next {
        let idle = |state: &mut State| !state.waiting && !state.ending;
        let waited = self.changed.wait_timeout_while(locked(&self.state), patience, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let deadline = Instant::now() + calm::PATIENCE;
        while state.waiting
            && !state.ending
            && let Some(missing) = calm.missing(calm::QUIET)
            && Instant::now() < deadline
        {
            state = self.changed.wait_timeout(state, missing).unwrap_or_else(PoisonError::into_inner).0;
        }
        match (state.ending, std::mem::take(&mut state.waiting)) {
            (true, _) => Next::End,
            (false, true) => Next::Work,
            (false, false) => Next::Nothing,
        }
    }

    /// A file for an event, if there is one.
    pub(super) fn spare(&self) -> Option<PathBuf> {
        locked(&self.spares).pop()
    }

    /// Keeps the file of an event that was worked off for another one; false: there
    /// are enough. A new file for each costs more than all else that is done before a
    /// hook is answered: file systems are slow to give what was just given back.
    pub(super) fn recycle(&self, file: &Path) -> std::io::Result<bool> {
        if locked(&self.spares).len() >= MOST_SPARES {
            return Ok(false);
        }
        let spare = file.with_file_name(format!("{SPARE}{}", Uuid::new_v4()));
        fs::rename(file, &spare)?;
        locked(&self.spares).push(spare);
        Ok(true)
    }

    /// The thread runs.
    pub(super) fn begin(&self) {
        locked(&self.state).running = true;
    }

    /// The thread has ended, or could not be started.
    pub(super) fn ended(&self) {
        locked(&self.state).running = false;
        self.changed.notify_all();
    }

    /// Ends the thread after the pass that it is in, or leaves it behind after
    /// `patience`.
    pub(in crate::governor) fn finish(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = locked(&self.state);
        state.ending = true;
        self.changed.notify_all();
        while state.running {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!("events taken in are left for the next governor");
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
