//! Telling how far the engine has come, and stopping it.
//!
//! The engine's own bars can't say "stop" and must live for ever. So the engine
//! works on a thread of its own and only counts, and whoever called looks at the
//! count from time to time. A stop is carried out where pieces are read (see
//! [`super::backend`]).

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use rustic_core::{HiddenProgress, ProgressBars, ProgressType, RusticProgress};

use super::{Progress, StoreError, failure};

/// How often the caller is told.
const INTERVAL: Duration = Duration::from_millis(50);

/// How far something has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    done: AtomicU64,
    total: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl Meter {
    /// Set as soon as the caller wants an end.
    pub(super) fn stop(&self) -> Arc<AtomicBool> {
        self.0.stop.clone()
    }

    /// Does `work` on another thread while telling `progress`.
    pub(super) fn watch<T: Send>(
        &self,
        what: &'static str,
        place: &Path,
        progress: Progress<'_>,
        work: impl FnOnce() -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let tell = || {
            let (done, total) = (self.0.done.load(Ordering::Relaxed), self.0.total.load(Ordering::Relaxed));
            if !progress(done, total) {
                self.0.stop.store(true, Ordering::Relaxed);
            }
        };
        let done = thread::scope(|scope| {
            let (working, ended) = mpsc::channel::<()>();
            let worker = scope.spawn(move || {
                // Dropped at the end, also where that is a panic.
                let _working = working;
                work()
            });
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                tell();
            }
            worker.join()
        });
        tell();
        // Half of what is wrong after a stop is the stop's doing.
        if self.0.stop.load(Ordering::Relaxed) {
            return Err(StoreError::Stopped);
        }
        done.unwrap_or_else(|panic| Err(failure::of_panic(what, place, &*panic)))
    }
}

impl ProgressBars for Meter {
    fn progress(&self, kind: ProgressType, _: &str) -> rustic_core::Progress {
        // Bytes are what takes time; the rest is on the way to them.
        match kind {
            ProgressType::Bytes => rustic_core::Progress::new(Bar(self.0.clone())),
            _ => rustic_core::Progress::new(HiddenProgress),
        }
    }
}

#[derive(Debug)]
struct Bar(Arc<Count>);

impl RusticProgress for Bar {
    fn is_hidden(&self) -> bool {
        false
    }

    fn set_length(&self, total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
    }

    fn set_title(&self, _: &str) {}

    fn inc(&self, more: u64) {
        self.0.done.fetch_add(more, Ordering::Relaxed);
    }

    fn finish(&self) {}
}
