use std::{io, path::PathBuf};

use crate::{
    client::{Home, HomeError},
    fs::PathError,
};

/// Why the daemon did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// One home, one governor.
    #[error("a governor is running already for the home whose state is in {}; `kpmo governor status` tells more", home.state.display())]
    AlreadyRunning {
        /// Whose.
        home: Home,
    },
    /// A directory of the home can be read or written by others.
    #[error("{} must belong to you and be closed to others; if it is yours alone, run: chmod 700 {}; otherwise choose another place with KPMO_SOCKET or KPMO_HOME", path.display(), path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// Home or socket can't be had.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file or directory of the home can't be used.
    #[error(
        "{0}; the governor needs its home to be writable: free space or mend the permissions, or choose another with KPMO_HOME"
    )]
    Io(#[from] PathError),
    /// Somebody listens on the socket already.
    #[error("another process listens on {}; end it, or set KPMO_SOCKET to another path", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket can't be bound.
    #[error("cannot listen on {}: {source}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path that must be told in JSON isn't UTF-8.
    #[error("{} is not UTF-8, which the home's path must be", .0.display())]
    NotUtf8(PathBuf),
    /// The governor could not be opened: ledger, configuration.
    #[error(transparent)]
    Governor(#[from] crate::governor::Error),
    /// No threads or descriptors to be had.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    /// The server broke.
    #[error("the server ended by itself: {0}")]
    Serve(tonic::transport::Error),
    /// The server panicked.
    #[error("the server failed: {0}")]
    Panicked(tokio::task::JoinError),
    /// The program could not leave its starter's session.
    #[error("cannot detach: {0}")]
    Detach(io::Error),
}
