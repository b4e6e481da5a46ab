use std::{fmt::Display, io::Write};

use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    client::{ConnectError, HomeError, StartError},
    daemon::DaemonError,
    fs::PathError,
};

const GONE: &str = "the governor went away in the middle of the call: it was stopped, or has died; \
                    try again (what became of it is in `logs` of the state directory, which \
                    `kpmo governor status` names; `kpmo governor start` starts it)";

/// Why a command ended without doing its work, in human words.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// A usage or operational error: exit status 2.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), code: 2 }
    }

    pub fn code(&self) -> u8 {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The governor went away under the call.
    pub fn is_gone(&self) -> bool {
        self.message == GONE
    }

    pub fn print(&self) {
        let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(stderr, "kpmo: {style}error:{style:#} {}", self.message);
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let refused = matches!(
            status.code(),
            Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted | Code::PermissionDenied
        );
        // The system's refusal is nobody's finding.
        let is_io = status.get_error_details().error_info().is_some_and(|info| info.reason == "IO");
        // What has a source is our end's word on a connection that is gone, and so is what
        // tonic says of one that is closed.
        let is_gone = status.message().is_empty()
            || std::error::Error::source(&status).is_some()
            || status.message().starts_with("Service was not ready");
        let message = match status.code() {
            Code::Unavailable | Code::Cancelled | Code::Unknown if is_gone => GONE.to_owned(),
            _ => status.message().to_owned(),
        };
        Self { message, code: if refused && !is_io { 1 } else { 2 } }
    }
}

macro_rules! operational {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )+};
}

operational!(HomeError, ConnectError, StartError, PathError, std::io::Error);

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_broke_is_no_riddle() {
        let broke = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let broken = tonic::Status::from_error(Box::new(broke));
        let failure = Failure::from(broken);
        assert_eq!((failure.message(), failure.code()), (GONE, 2));
        let told = Failure::from(tonic::Status::unavailable("the store is busy"));
        assert_eq!(told.message(), "the store is busy");
    }
}
