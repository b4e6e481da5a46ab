use std::{fs::File, os::unix::process::CommandExt, process::Command};

use super::DaemonError;
use crate::client::Home;

/// Leaves the starter's session, marks every inherited descriptor to be closed,
/// and becomes the daemon proper by running this program again. Returns only if
/// that fails.
///
/// Two steps because closing descriptors that others may own can't be done
/// safely within one process; the kernel does it when a program is run.
pub(super) fn detach(home: &Home) -> DaemonError {
    // Fails only for a process that leads its group already, which then has no
    // terminal to lose.
    let _ = rustix::process::setsid();
    close_fds::set_fds_cloexec(3, &[]);
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return DaemonError::Detach(error),
    };
    let mut command = Command::new(program);
    match home.root() {
        Some(root) => command.arg("--home").arg(root),
        None if Home::of_installed().as_ref() == Some(home) => command.arg("--installed"),
        None => &mut command,
    };
    DaemonError::Detach(command.args(["governor", "run", "--daemon"]).exec())
}

/// Tells the starter that we serve: standard error, the pipe that it reads, is
/// closed. From here on only the log is written.
pub(super) fn ready() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
