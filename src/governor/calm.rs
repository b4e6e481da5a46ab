//! Those that somebody waits for come first.
//!
//! On a machine of few processors what is done aside takes its time from the
//! hooks and looks that are being answered, however nice it is. It waits until
//! nobody has been served for a moment: a rebase, or the commits of many agents
//! at once, are over by then. Nobody is woken for that but who waits.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// How long nobody must have been served: longer than git takes between two of
/// its hooks.
pub(super) const QUIET: Duration = Duration::from_millis(30);
/// The same for what is done once for every repository: at a start, somebody is
/// about to ask for what the governor was started for.
pub(super) const LONG_QUIET: Duration = Duration::from_millis(500);
/// How long what is done aside waits at most where it is never calm.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// nice(1)'s value of what nobody waits for.
const BACKGROUND: i32 = 10;

/// Has this thread, and those that it starts, go without where others want the
/// processor. Not enough by itself: where the kernel groups processes by session,
/// it counts only among the governor's own threads. Elsewhere than on Linux it would
/// be all of the process, and nothing is done.
pub(super) fn be_nice() {
    if cfg!(target_os = "linux") {
        let _ = rustix::process::setpriority_process(None, BACKGROUND);
    }
}

/// Who is being served, and when the last one was.
pub(super) struct Calm {
    began: Instant,
    serving: AtomicUsize,
    /// In microseconds since `began`.
    last: AtomicU64,
}

/// Somebody is being served.
#[must_use = "it is calm again once this is dropped"]
pub(super) struct Serving<'a>(&'a Calm);

impl Default for Calm {
    fn default() -> Self {
        Self { began: Instant::now(), serving: AtomicUsize::new(0), last: AtomicU64::new(0) }
    }
}

impl Calm {
    /// Somebody comes to be served.
    pub(super) fn serve(&self) -> Serving<'_> {
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving(self)
    }

    /// How long to wait before it can have been `quiet` for so long; `None`: it
    /// has been.
    pub(super) fn missing(&self, quiet: Duration) -> Option<Duration> {
        if self.serving.load(Ordering::Relaxed) > 0 {
            return Some(quiet);
        }
        let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
        let since = self.began.elapsed().saturating_sub(last);
        quiet.checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Waits until it has been `quiet` for so long, but no longer than
    /// [`PATIENCE`], and not at all once `is_over` says so.
    pub(super) fn wait(&self, quiet: Duration, is_over: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(missing) = self.missing(quiet)
            && Instant::now() < deadline
            && !is_over()
        {
            // A governor that ends does not wait for this.
            std::thread::sleep(missing.min(QUIET));
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.last.fetch_max(now, Ordering::Relaxed);
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_calm_once_nobody_was_served_for_so_long() {
        let calm = Calm::default();
        assert_eq!(calm.missing(Duration::ZERO), None);
        let (one, other) = (calm.serve(), calm.serve());
        assert_eq!(calm.missing(QUIET), Some(QUIET));
        drop(one);
        assert_eq!(calm.missing(QUIET), Some(QUIET));
        drop(other);
        let hour = Duration::from_secs(3_600);
        assert!(calm.missing(hour).is_some_and(|left| left < hour), "served a moment ago");
        assert_eq!(calm.missing(Duration::ZERO), None);
    }

    #[test]
    fn what_is_over_does_not_wait() {
        let calm = Calm::default();
        let _serving = calm.serve();
        calm.wait(QUIET, || true);
        assert!(calm.missing(QUIET).is_some());
    }
}
