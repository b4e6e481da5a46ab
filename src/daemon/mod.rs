//! The daemon's life: prepare the home, take the lock, open the governor, bind
//! the socket, serve, wait for a signal, drain, leave.

mod accept;
mod detach;
mod error;
mod log;
mod places;
mod socket;

use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    client::{Budgets, Endpoint, Home, OnUnreachable, Unreachable},
    fs::{FileLock, RealWriter, Writer},
    governor::Governor,
    policy, rpc,
};
pub use error::DaemonError;
pub use places::prepare;

/// How long calls under way may take to end after a shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// How often socket and lock are looked at. Somebody else may have taken their
/// place, or the home may be gone. Shorter than a hook's patience with a start.
const WATCH: Duration = Duration::from_secs(1);
/// Why most daemons end.
const ASKED: &str = "a client asked for it";
/// How long to wait for a predecessor that is ending.
const PREDECESSOR: Duration = Duration::from_secs(6);

/// How `kpmo governor run` was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On a terminal or under a supervisor: logs go to standard error.
    Foreground,
    /// Started by a client: first leave its session and descriptors.
    Detach,
    /// Having left them: logs go to a file, standard error is a pipe to whoever
    /// waits for readiness.
    Detached,
}

/// Runs the governor of `home` until it is told to end.
pub fn run(home: &Home, mode: Mode) -> Result<(), DaemonError> {
    if mode == Mode::Detach {
        return Err(detach::detach(home));
    }
    // Whatever is written without a word on its mode is the user's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // Before anything is created: a home that can't have a socket is none.
    let socket_path = Endpoint::socket(home, Endpoint::read(home).as_ref())?;
    prepare(home, &RealWriter)?;
    let lock = take_lock(home, &socket_path)?;
    log::start(home, mode)?;
    more_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(rpc::THREADS)
        // A commit a minute finds its thread waiting.
        .thread_keep_alive(Duration::from_secs(120))
        .thread_name("governor")
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    let governor = Arc::new(Governor::open(home.clone(), socket_path.clone())?);
    let ended = runtime.block_on(serve(home, &lock, Arc::clone(&governor), socket_path, mode));
    // One deadline for all that follows; what did not end by then is left
    // behind, and what was acknowledged is on disk or in the spool.
    let left = || match &ended {
        Ok(deadline) => deadline.saturating_duration_since(Instant::now()),
        Err(_) => Duration::ZERO,
    };
    governor.close(left().max(Duration::from_millis(500)));
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended.map(drop)
}

/// The lock of this home, once a predecessor that is ending has let go of it.
/// One that answers on its socket is not ending.
fn take_lock(home: &Home, socket: &Path) -> Result<FileLock, DaemonError> {
    let path = home.governor_lock();
    let deadline = Instant::now() + PREDECESSOR;
    loop {
        if let Some(lock) = FileLock::try_acquire(&path)? {
            lock.note(&std::process::id().to_string())?;
            return Ok(lock);
        }
        if UnixStream::connect(socket).is_ok() || Instant::now() > deadline {
            return Err(DaemonError::AlreadyRunning { home: home.clone() });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Many connections and repositories need many descriptors; the soft limit is
/// for programs that use `select`.
fn more_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::info!(%error, "the limit of open files stays as it is");
    }
}

/// Serves until something ends it; returns by when all must be over.
async fn serve(
    home: &Home,
    lock: &FileLock,
    governor: Arc<Governor>,
    path: PathBuf,
    mode: Mode,
) -> Result<Instant, DaemonError> {
    let socket = socket::bind(&path)?;
    write_endpoint(home, &governor, &path)?;
    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    governor.start(Arc::clone(&stop));
    tracing::info!(socket = %path.display(), version = env!("CARGO_PKG_VERSION"), "serving");
    if mode == Mode::Detached {
        detach::ready();
    }

    // On a thread that waits for sockets: this one would have to be woken first,
    // for each connection.
    let mut serving =
        tokio::spawn(rpc::serve(Arc::clone(&governor), socket.accepting(), wait(stopped.clone())));
    let is_ours = || socket.is_still_ours() && lock.is_still_at(&home.governor_lock());
    let (reason, drained) = tokio::select! {
        reason = asked_to_end(wait(stopped), is_ours) => (reason, false),
        // It hears a client's wish as soon as we do, and may be done before us.
        ended = &mut serving => {
            ended.map_err(DaemonError::Panicked)?.map_err(DaemonError::Serve)?;
            (ASKED, true)
        }
    };
    tracing::info!(reason, "ending");
    let deadline = Instant::now() + DRAIN;
    socket.close();
    stop.send_replace(true);
    // A little is left for the ledger.
    if !drained && tokio::time::timeout(DRAIN.mul_f32(0.8), &mut serving).await.is_err() {
        tracing::warn!("calls were still under way; they are cut off");
    }
    governor.note_stopped(reason);
    Ok(deadline)
}

/// Returns once `stopped` says true.
async fn wait(mut stopped: watch::Receiver<bool>) {
    // The sender lives in the governor, and so as long as anybody waits.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Returns when a signal, a client or the loss of the socket ends the daemon.
async fn asked_to_end(stopped: impl Future<Output = ()>, is_ours: impl Fn() -> bool) -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let signalled = async {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    let taken = async {
        while is_ours() {
            tokio::time::sleep(WATCH).await;
        }
        "its socket or its home was taken away"
    };
    tokio::select! {
        reason = signalled => reason,
        reason = taken => reason,
        () = stopped => ASKED,
    }
}

/// Tells hooks and command lines where we are and how long to wait for us.
fn write_endpoint(home: &Home, governor: &Governor, socket: &Path) -> Result<(), DaemonError> {
    let settings = governor.settings();
    let installed = home.bin.join("kpmo");
    let binary = if installed.is_file() { installed } else { std::env::current_exe().unwrap_or(installed) };
    let endpoint = Endpoint {
        socket: socket.into(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        binary,
        user: Some(Endpoint::user(Endpoint::read(home).as_ref()))
            .filter(|user| user.is_absolute() && user.to_str().is_some()),
        on_unreachable: OnUnreachable {
            commit: unreachable(settings.on_unreachable.commit),
            push: unreachable(settings.on_unreachable.push),
        },
        budgets: Budgets {
            connect_ms: millis(settings.budgets.connect),
            start_ms: millis(settings.budgets.start),
            verdict_ms: millis(settings.budgets.verdict),
        },
    };
    let file = home.endpoint_file();
    let text = serde_json::to_vec_pretty(&endpoint).map_err(|_| DaemonError::NotUtf8(file.clone()))?;
    Ok(RealWriter.write(&file, &text, 0o600)?)
}

fn unreachable(wanted: policy::Unreachable) -> Unreachable {
    match wanted {
        policy::Unreachable::Warn => Unreachable::Warn,
        policy::Unreachable::Block => Unreachable::Block,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
