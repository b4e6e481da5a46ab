//! When a file's times tell of a change, and when they may not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::probe::store::Stat;

/// How long after a change a file's times may not yet tell of another one: the
/// kernel's clock for files ticks every 10 ms at the slowest.
const TICK: Duration = Duration::from_millis(20);
/// The same for file systems that keep whole seconds, or two.
const COARSE_TICK: Duration = Duration::from_secs(2);
/// Whether a later change may leave these times as they are. `now` is from
/// before they were asked for.
pub(super) fn is_racy(stat: &Stat, now: Duration) -> bool {
    let tick = if stat.mtime.1 == 0 && stat.ctime.1 == 0 { COARSE_TICK } else { TICK };
    let since = |(seconds, nanos): (i64, u32)| {
        u64::try_from(seconds).map_or(Duration::ZERO, |seconds| Duration::new(seconds, nanos))
    };
    let (changed, modified) = (since(stat.ctime), since(stat.mtime));
    // An mtime can be set to any moment to come; the ctime can't.
    changed + tick >= now || (modified + tick >= now && modified <= now + tick)
}

/// What the kernel's clock for files says, as far as it can be asked: on a machine
/// whose ticks come late that is far behind the time.
pub(super) fn time_of_files() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        Duration::try_from(clock_gettime(ClockId::RealtimeCoarse)).map_or(now, |ticked| ticked.min(now))
    }
    #[cfg(not(target_os = "linux"))]
    now
}
