//! Running a program so that whatever it meets keeps nobody for ever: a file
//! system that does not answer, a filter that hangs, a pipe in a file's place.
//!
//! Each run has a thread of its own, which starts the program (that alone may
//! hang, in changing to its directory), reads what it says and reaps it. Whoever
//! waits for it does so for a limited time, kills the program's whole process
//! group then, and goes on.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// A program's process group, which can be killed from another thread. It never
/// hits another's: an id stays taken until it is reaped, and that is told here
/// first.
#[derive(Default)]
pub(super) struct Group(Mutex<State>);

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Starting,
    Running(Pid),
    /// Nobody waits for it any more.
    Unwanted,
    Ended,
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the program, in this group.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let child = command.process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        let mut state = self.state();
        if matches!(*state, State::Unwanted) {
            kill(pid);
        }
        *state = State::Running(pid);
        drop(state);
        Ok(child)
    }

    /// Ends the program and all that it started.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        match *state {
            State::Starting => *state = State::Unwanted,
            State::Running(pid) => kill(pid),
            State::Unwanted | State::Ended => {}
        }
    }

    /// Waits until the program has ended.
    pub(super) fn reap(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(Pid::from_child(child)), options) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut state = self.state();
        *state = State::Ended;
        child.wait()
    }
}

fn kill(group: Pid) {
    // What has ended already needs no killing.
    let _ = kill_process_group(group, Signal::KILL);
}

/// Runs a program to its end; `None`: it did not end within `limit`, and was
/// killed.
pub(super) fn run(mut command: Command, limit: Duration) -> io::Result<Option<Output>> {
    let group = Arc::new(Group::default());
    let (done, ended) = mpsc::sync_channel(1);
    let own = Arc::clone(&group);
    thread::Builder::new().name("git".into()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(to_the_end(&mut command, &own));
    })?;
    match ended.recv_timeout(limit) {
        Ok(output) => output.map(Some),
        Err(_) => {
            group.kill();
            Ok(None)
        }
    }
}

fn to_the_end(command: &mut Command, group: &Group) -> io::Result<Output> {
    let mut child = group.start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let said = thread::scope(|scope| {
        let errors = thread::Builder::new().spawn_scoped(scope, || all(stderr))?;
        let stdout = all(stdout)?;
        let stderr = errors.join().map_err(|_| io::Error::other("its reader failed"))??;
        Ok((stdout, stderr))
    });
    if said.is_err() {
        group.kill();
    }
    let status = group.reap(&mut child)?;
    said.map(|(stdout, stderr)| Output { status, stdout, stderr })
}

fn all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    #[test]
    fn what_ends_in_time_is_told_whole() {
        let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 3";
        let output = run(shell(script), Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn what_does_not_end_is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        // The inner process holds the pipes open.
        let script = format!("sleep 1000 & echo $! >'{0}.new' && mv '{0}.new' '{0}'; wait", pid.display());
        let group = Arc::new(Group::default());
        let own = Arc::clone(&group);
        let runs = thread::spawn(move || to_the_end(&mut shell(&script), &own));
        let inner = loop {
            match std::fs::read_to_string(&pid) {
                Ok(inner) => break inner,
                Err(_) => thread::yield_now(),
            }
        };
        group.kill();
        // Its pipes end with the last process that had them.
        assert!(!runs.join().unwrap().unwrap().status.success());
        // Dying takes a moment, and being buried another; one that lives on would
        // keep this from ending.
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", inner.trim())).unwrap_or_default();
        while !matches!(state().rsplit(") ").next(), Some("") | None) && !state().contains(") Z ") {
            thread::yield_now();
        }
        assert!(run(shell("sleep 1000"), Duration::from_millis(20)).unwrap().is_none());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_killed_at_its_start() {
        let group = Group::default();
        group.kill();
        let output = to_the_end(&mut shell("sleep 1000"), &group).unwrap();
        assert!(!output.status.success());
        // What has ended is left in peace.
        group.kill();
    }
}
