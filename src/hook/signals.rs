//! Signals while a chained hook runs.
//!
//! Whoever ends the hook that git started means the one that it chains, which
//! would be left behind: so this process passes the signal on, and ends with the
//! chained hook. Before and after that signals do what they always do.

use std::{
    fs, io,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, getppid, kill_process, waitid};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// What ends a program, and may be sent to it alone.
const PASSED_ON: [(i32, Signal); 4] =
    [(SIGHUP, Signal::HUP), (SIGINT, Signal::INT), (SIGQUIT, Signal::QUIT), (SIGTERM, Signal::TERM)];

/// Passes signals on to one child, from [`Forwarding::begin`] on.
pub(super) struct Forwarding(Arc<Mutex<State>>);

struct State {
    /// Whoever started this process.
    parent: Option<Pid>,
    child: Option<Pid>,
    /// The last signal that was passed on.
    passed: Option<i32>,
}

impl State {
    fn is_orphan(&self) -> bool {
        getppid() != self.parent
    }
}

impl Forwarding {
    pub(super) fn begin() -> Self {
        let state = Arc::new(Mutex::new(State { parent: getppid(), child: None, passed: None }));
        // Those that are ignored (nohup) stay so, for the child too.
        let ignored = ignored();
        let wanted = PASSED_ON.iter().map(|(number, _)| *number).filter(|n| ignored & (1 << (n - 1)) == 0);
        if let Ok(mut signals) = Signals::new(wanted) {
            let shared = Arc::clone(&state);
            thread::spawn(move || signals.forever().for_each(|signal| pass(&shared, signal)));
        }
        Self(state)
    }

    /// Starts the child. A signal that comes meanwhile waits until it is there.
    pub(super) fn spawn(&self, spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
        let mut state = locked(&self.0);
        let child = spawn()?;
        state.child = Some(Pid::from_child(&child));
        Ok(child)
    }

    /// Waits for the child's end. Also tells the signal that was passed on to it,
    /// if any was.
    pub(super) fn wait(&self, child: &mut Child) -> io::Result<(ExitStatus, Option<i32>)> {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // Not reaped yet: until then its number is nobody else's.
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(Pid::from_child(child)), ended) {}
        let mut state = locked(&self.0);
        state.child = None;
        let passed = state.passed;
        drop(state);
        Ok((child.wait()?, passed))
    }
}

fn pass(state: &Mutex<State>, number: i32) {
    let mut state = locked(state);
    match (state.child, PASSED_ON.iter().find(|(known, _)| *known == number)) {
        (Some(child), Some((_, signal))) => {
            // git ended by the same Ctrl-C, and its end is told by a SIGTERM: the
            // child is tidying up, and would go on with that without us, too.
            if matches!(state.passed, Some(SIGINT | SIGQUIT)) && number == SIGTERM && state.is_orphan() {
                return;
            }
            state.passed = Some(number);
            // Twice would be an impatient user's: tools then leave their tidying up.
            if !(matches!(number, SIGINT | SIGQUIT) && is_foreground()) {
                // It may have ended just now.
                let _ = kill_process(child, *signal);
            }
        }
        // As if nobody had listened for it: this ends the process.
        _ => drop(emulate_default_handler(number)),
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what is typed at a terminal comes to this process, and so to all of its
/// group, the child among them.
fn is_foreground() -> bool {
    let terminal = fs::File::open("/dev/tty").ok();
    terminal.is_some_and(|terminal| rustix::termios::tcgetpgrp(terminal).ok() == Some(getpgrp()))
}

/// The signals that this process was started to ignore, a bit each; none where
/// the system does not tell.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
