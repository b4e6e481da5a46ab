//! What happens after the answer: events of the past are worked off here.
//!
//! The queue is the spool directory itself. A hook that could not reach the
//! governor writes there; the governor writes there before it says that it took
//! an event in, and takes the file away when the ledger has the event. So
//! whoever dies at whatever moment, the next pass finds what is left, and since
//! the ledger records a call's id once, nothing counts twice.

mod digest;
mod missed;
mod queue;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::Timestamp;
use prost::Message;

use super::{
    Error, Governor,
    call::{HookCall, Judgement},
    calm,
};
use crate::{
    client::{SPOOL_SUFFIX, keep_in, reached},
    fs::{IoContext, RealWriter, Writer},
    generated::kanban::HookRequest,
    git::{self, Location},
};
pub(super) use queue::Queue;
use queue::{Next, Noted, SPARE};

/// How long to wait at most before the spool is looked at: for what could not be
/// written, and for what hooks kept that could not reach us, as while this
/// process was stopped, and that nobody wakes us for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long what was worked off waits for company before the ledger is made to
/// write it: a sync of the disk holds git up, which has only just been answered.
const SETTLE: Duration = Duration::from_millis(200);
/// How much of it waits at most.
const UNWRITTEN: usize = 200;
/// How long one event may take. git's own commands are given half of that.
const PATIENCE: Duration = Duration::from_secs(60);
/// Age at which an unfinished file has no writer any more.
const ABANDONED: Duration = Duration::from_secs(3_600);
/// How old a call may be for HEAD to be where it was then.
const STILL_NOW: Duration = Duration::from_millis(500);

/// Starts the thread, which begins with what an earlier governor left.
pub(super) fn start(governor: &Arc<Governor>) {
    let governor = Arc::clone(governor);
    governor.after.begin();
    let worker = Arc::clone(&governor);
    sweep(&governor.home.spool());
    reached(&governor.home);
    let spawned = std::thread::Builder::new().name("after".into()).spawn(move || {
        calm::be_nice();
        let mut pass = Pass::default();
        pass.run(&worker);
        loop {
            let is_settled = pass.unwritten.is_empty();
            let patience = if is_settled || pass.in_trouble { LOOK_AGAIN } else { SETTLE };
            match worker.after.wait(patience, &worker.calm) {
                Next::Nothing if !is_settled => pass.settle(&worker),
                Next::Nothing | Next::Work => pass.run(&worker),
                Next::End => break,
            }
            worker.git.close_idle();
        }
        // What came in meanwhile is kept; this makes it quick to find.
        pass.run(&worker);
        pass.settle(&worker);
        worker.after.ended();
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "the thread for events of the past could not be started");
        governor.after.ended();
    }
}

/// What one pass over the spool leaves for the next.
#[derive(Default)]
struct Pass {
    /// Worked off, but not on disk yet: the ledger has them in memory.
    unwritten: Vec<PathBuf>,
    /// The ledger can't be written.
    in_trouble: bool,
    /// Where a repository did not answer: what else happened there waits for the
    /// next governor, and holds nobody up.
    stuck: HashSet<PathBuf>,
}

/// How an event's working off ended.
enum Digested {
    Done,
    Stuck,
    Panicked,
}

impl Pass {
    /// One pass over the spool, in the order of events.
    fn run(&mut self, governor: &Arc<Governor>) {
        let mut files = spooled(&governor.home.spool());
        files.sort();
        for file in files {
            if self.unwritten.contains(&file) {
                continue;
            }
            match read(&file) {
                Ok(Some(call)) if self.stuck.contains(&call.surroundings.cwd) => {}
                Ok(Some(call)) => self.digest(governor, file, call),
                Ok(None) => {
                    tracing::warn!(file = %file.display(), "not an event; set aside");
                    set_aside(&file, "unreadable");
                }
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    tracing::warn!(file = %file.display(), %error, "an event of another user's; set aside");
                    set_aside(&file, "unreadable");
                }
                // Out of descriptors, perhaps: it is there at the next pass, too.
                Err(error) => tracing::warn!(file = %file.display(), %error, "an event can't be read now"),
            }
        }
        if self.unwritten.len() > UNWRITTEN {
            self.settle(governor);
        }
    }

    /// Takes away what the ledger has.
    fn settle(&mut self, governor: &Governor) {
        if self.unwritten.is_empty() {
            return;
        }
        let flushed = governor.ledger.flush();
        self.in_trouble = flushed.is_err();
        if let Err(error) = flushed {
            tracing::warn!(%error, "events stay in the spool");
            return;
        }
        for file in self.unwritten.drain(..) {
            // One that is back after a loss of power is in the ledger already.
            let gone = match governor.after.recycle(&file) {
                Ok(false) => fs::remove_file(&file),
                done => done.map(drop),
            };
            if let Err(error) = gone {
                tracing::warn!(file = %file.display(), %error, "an event stays in the spool");
            }
        }
    }

    fn digest(&mut self, governor: &Arc<Governor>, file: PathBuf, call: HookCall) {
        let place = call.surroundings.cwd.clone();
        match digest_within(governor, call) {
            Digested::Done => self.unwritten.push(file),
            Digested::Stuck => {
                tracing::warn!(directory = %place.display(), "a repository does not answer; its events wait");
                self.stuck.insert(place);
            }
            Digested::Panicked => {
                tracing::error!(file = %file.display(), "an event could not be worked off; set aside");
                set_aside(&file, "failed");
            }
        }
    }
}

/// On a thread of its own: a repository on a dead mount must hold up no other.
fn digest_within(governor: &Arc<Governor>, call: HookCall) -> Digested {
    let governor = Arc::clone(governor);
    let (done, ended) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("digest".into()).spawn(move || {
        governor.digest(&call);
        // Nobody waits for it any more: it is told at the next start.
        let _ = done.send(());
    });
    match spawned.map(|_| ended.recv_timeout(PATIENCE)) {
        Ok(Ok(())) => Digested::Done,
        Ok(Err(RecvTimeoutError::Disconnected)) => Digested::Panicked,
        Ok(Err(RecvTimeoutError::Timeout)) | Err(_) => Digested::Stuck,
    }
}

fn set_aside(file: &Path, why: &str) {
    if let Err(error) = RealWriter.rename(file, &file.with_extension(why)) {
        tracing::warn!(%error, "it stays in the spool");
    }
}

impl Governor {
    /// Takes in an event that needs no answer but a receipt.
    pub(super) fn take_in(&self, call: &HookCall, encoded: &[u8]) -> Result<Judgement, Error> {
        let request = HookRequest::decode(encoded).map_err(|e| Error::bad_request("request", e))?;
        let spool = self.home.spool();
        // Not kept is not taken in; the hook then says so.
        keep_in(&spool, &request, false, self.after.spare()).at("write to", &spool)?;
        let location = Location::of(&call.surroundings).ok();
        let repo = location.as_ref().and_then(|location| self.registered(location));
        // It may be elsewhere when the event is worked off, and is already where the
        // call has been waiting for us.
        let is_now = Timestamp::now().duration_since(call.occurred_at).unsigned_abs() < STILL_NOW;
        let noted = location.map(|location| Noted {
            head: is_now.then(|| git::open(&self.git, &location).ok()?.head().ok()).flatten(),
            common_dir: location.common_dir,
        });
        self.after.wake(call.id, noted);
        Ok(Judgement::noted(repo.map(|repo| (repo.id.clone().unwrap_or_default(), repo.name.clone()))))
    }
}

/// Removes what writers left that were killed before they were done. A young
/// file may have a living writer.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let unfinished = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_spare =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(SPARE.as_bytes()));
        let age = fs::metadata(&path).and_then(|meta| meta.modified()).map(|at| at.elapsed());
        if is_spare || (unfinished && matches!(age, Ok(Ok(age)) if age > ABANDONED)) {
            // Another try comes with the next start.
            let _ = fs::remove_file(path);
        }
    }
}

fn spooled(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let is_event = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.as_encoded_bytes();
            name.ends_with(SPOOL_SUFFIX.as_bytes()) && !name.starts_with(b".")
        })
    };
    entries.flatten().map(|entry| entry.path()).filter(is_event).collect()
}

/// `Ok(None)`: it is no event, or not the one that its name says: after a loss of
/// power a file that was used again may hold what it held before.
fn read(file: &Path) -> std::io::Result<Option<HookCall>> {
    let bytes = fs::read(file)?;
    let name = file.file_stem().unwrap_or_default().as_encoded_bytes();
    let request = HookRequest::decode(bytes.as_slice()).ok();
    let request = request.filter(|request| name.ends_with(request.call_id.as_bytes()));
    Ok(request.and_then(|request| HookCall::try_from(&request).ok()))
}
