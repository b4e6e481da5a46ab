use std::{fs, os::unix::fs::MetadataExt, path::Path};

use super::DaemonError;
use crate::{
    client::Home,
    fs::{IoContext, Writer},
};

/// Creates what is missing of a home. State, probe and run hold what is nobody
/// else's business: 0700, and refused if others could get in.
pub fn prepare(home: &Home, writer: &dyn Writer) -> Result<(), DaemonError> {
    let logs = home.state.join("logs");
    let spool = home.spool();
    let private: [&Path; 4] = [&home.state, &home.probe, &logs, &spool];
    for path in private.iter().chain(&[home.config.as_path(), home.bin.as_path()]) {
        writer.create_dir_all(path, 0o700)?;
    }
    for path in private {
        if path.exists() {
            private_directory(path)?;
        }
    }
    Ok(())
}

/// Refuses a directory that isn't ours alone. Links are not followed.
pub(super) fn private_directory(path: &Path) -> Result<(), DaemonError> {
    let meta = fs::symlink_metadata(path).at("look at", path)?;
    let ours = meta.uid() == rustix::process::getuid().as_raw();
    if meta.is_dir() && ours && meta.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(DaemonError::Open { path: path.into() })
    }
}
