use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::net::UnixListener;

use super::{
    DaemonError,
    accept::{Incoming, Listener},
    places::private_directory,
};
use crate::{
    client::{Endpoint, HomeError},
    fs::{IoContext, RealWriter, Writer},
};

/// The bound socket, and how to tell that it is still the one at its path.
pub(super) struct Socket {
    listener: Listener,
    path: PathBuf,
    identity: (u64, u64),
}

/// Binds the governor's socket. Called under the governor's lock: a socket that
/// nobody answers on is then a dead governor's, and is replaced. Anything else
/// in its place is left alone and named.
pub(super) fn bind(path: &Path) -> Result<Socket, DaemonError> {
    let bind_error = |source| DaemonError::Bind { path: path.into(), source };
    let directory = path.parent().ok_or_else(|| HomeError::NotAbsolute(path.into()))?;
    RealWriter.create_dir_all(directory, 0o700)?;
    private_directory(directory)?;
    if Endpoint::socket_is_there(path)? {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(DaemonError::SocketInUse { path: path.into() }),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => RealWriter.remove(path)?,
            Err(error) => return Err(bind_error(error)),
        }
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(bind_error)?;
    // Nobody else can get into the directory, so nobody was there before this.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).at("set the mode of", path)?;
    listener.set_nonblocking(true).map_err(bind_error)?;
    let meta = fs::symlink_metadata(path).at("look at", path)?;
    let listener = UnixListener::from_std(listener).map_err(bind_error)?;
    Ok(Socket {
        listener: Arc::new(Mutex::new(Some(listener))),
        path: path.into(),
        identity: (meta.dev(), meta.ino()),
    })
}

impl Socket {
    /// Connections, until [`Socket::close`].
    pub(super) fn accepting(&self) -> Incoming {
        Incoming::new(Arc::clone(&self.listener))
    }

    /// Whether the path still leads here.
    pub(super) fn is_still_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| meta.file_type().is_socket() && (meta.dev(), meta.ino()) == self.identity)
    }

    /// Takes no more connections and removes the socket, unless somebody has put
    /// another in its place. Whoever comes now finds nobody here, and need not
    /// wait for one who is leaving.
    pub(super) fn close(&self) {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.is_still_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
