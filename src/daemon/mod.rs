//! The daemon's life: prepare the home, take the lock, open the governor, bind
//! the socket, serve, wait for a signal, drain, leave.

mod detach;
mod error;
mod log;
mod places;
mod socket;

use std::{path::PathBuf, sync::Arc, time::Duration};

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
/// How often the socket is looked at. Somebody else may have taken its place.
const SOCKET_WATCH: Duration = Duration::from_secs(5);

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
    // Before anything is created: a home that can't have a socket is none.
    let socket_path = home.default_socket()?;
    prepare(home, &RealWriter)?;
    let _lock = FileLock::try_acquire(&home.governor_lock())?
        .ok_or_else(|| DaemonError::AlreadyRunning { home: home.clone() })?;
    log::start(home, mode)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        // A commit a minute finds its thread waiting.
        .thread_keep_alive(Duration::from_secs(120))
        .thread_name("governor")
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    let governor = Arc::new(Governor::open(home.clone(), socket_path.clone())?);
    let ended = runtime.block_on(serve(home, Arc::clone(&governor), socket_path, mode));
    // Calls that did not end within the drain are left behind, not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    governor.close(DRAIN);
    ended
}

async fn serve(home: &Home, governor: Arc<Governor>, path: PathBuf, mode: Mode) -> Result<(), DaemonError> {
    let socket = socket::bind(&path)?;
    write_endpoint(home, &governor, &path)?;
    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    governor.start(Arc::clone(&stop));
    tracing::info!(socket = %path.display(), version = env!("CARGO_PKG_VERSION"), "serving");
    if mode == Mode::Detached {
        detach::ready();
    }

    let incoming = socket.accepting().map_err(|source| DaemonError::Bind { path: path.clone(), source })?;
    let reason = {
        let serving = rpc::serve(Arc::clone(&governor), incoming, wait(stopped.clone()));
        tokio::pin!(serving);
        let reason = tokio::select! {
            // Only an accept loop that is gone ends it before it is told to.
            ended = &mut serving => return ended.map_err(DaemonError::Serve),
            reason = asked_to_end(wait(stopped), &socket) => reason,
        };
        tracing::info!(reason, "ending");
        stop.send_replace(true);
        if tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
            tracing::warn!("calls were still under way after {} s; they are cut off", DRAIN.as_secs());
        }
        reason
    };
    socket.remove();
    governor.note_stopped(reason);
    Ok(())
}

/// Returns once `stopped` says true.
async fn wait(mut stopped: watch::Receiver<bool>) {
    // The sender lives in the governor, and so as long as anybody waits.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Returns when a signal, a client or the loss of the socket ends the daemon.
async fn asked_to_end(stopped: impl Future<Output = ()>, socket: &socket::Socket) -> &'static str {
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
        while socket.is_still_ours() {
            tokio::time::sleep(SOCKET_WATCH).await;
        }
        "its socket was taken away"
    };
    tokio::select! {
        reason = signalled => reason,
        reason = taken => reason,
        () = stopped => "a client asked for it",
    }
}

/// Tells hooks and command lines where we are and how long to wait for us.
fn write_endpoint(home: &Home, governor: &Governor, socket: &std::path::Path) -> Result<(), DaemonError> {
    let settings = governor.settings();
    let installed = home.bin.join("kpmo");
    let binary = if installed.is_file() { installed } else { std::env::current_exe().unwrap_or(installed) };
    let endpoint = Endpoint {
        socket: socket.into(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        binary,
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
