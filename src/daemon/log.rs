use std::{fs::OpenOptions, io::IsTerminal, os::unix::fs::OpenOptionsExt, sync::Mutex};

use tracing_subscriber::{EnvFilter, fmt};

use super::{DaemonError, Mode};
use crate::{client::Home, fs::IoContext, policy::load_settings};

/// Starts logging: to `state/logs/governor.log` (0600), in the foreground to
/// standard error. `KPMO_LOG` takes a filter such as `debug`. A panic is logged
/// as an error and ends the call it happened in, not the daemon.
pub(super) fn start(home: &Home, mode: Mode) -> Result<(), DaemonError> {
    // A file that can't be used is told by the governor's status.
    let settings = load_settings(&home.config.join("governor.yml")).unwrap_or_default();
    let level = settings.log_level.name();
    let filter = EnvFilter::try_from_env("KPMO_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // A second daemon in one process exists only in tests: the first one logs.
    if mode == Mode::Foreground {
        let ansi = std::io::stderr().is_terminal();
        let _ = fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).try_init();
    } else {
        let path = home.state.join("logs/governor.log");
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).at("open the log", &path)?;
        let _ = fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).try_init();
    }
    std::panic::set_hook(Box::new(|panic| {
        // The message may quote what was being worked on; the place tells enough.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
    Ok(())
}
