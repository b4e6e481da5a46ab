use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Failure;
use crate::{
    client::Home,
    fs::{IoContext, Writer, shown},
};

/// The programs that a home keeps copies of.
const PROGRAMS: [&str; 2] = ["kpmo", "kpmo-hook"];

/// Puts copies of `kpmo` and `kpmo-hook` into the home, so that hooks go on
/// working when a build directory is cleaned or a package removed. Each is
/// replaced at once, or left alone if it is the same. True: something changed.
pub(super) fn install(home: &Home, writer: &dyn Writer) -> Result<bool, Failure> {
    let mut changed = false;
    for (source, target) in pairs(home)? {
        let program = fs::read(&source).at("read", &source)?;
        if fs::read(&target).is_ok_and(|installed| installed == program) {
            continue;
        }
        writer.write(&target, &program, 0o755)?;
        changed = true;
    }
    let (path, pointer) = home.pointer();
    if fs::read(&path).ok().as_deref() != Some(&pointer) {
        writer.write(&path, &pointer, 0o600)?;
    }
    Ok(changed)
}

/// From where each program is copied to where; none that runs from there
/// already.
fn pairs(home: &Home) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let own = fs::canonicalize(std::env::current_exe()?)?;
    let directory = own.parent().unwrap_or(Path::new("/"));
    if fs::canonicalize(&home.bin).is_ok_and(|bin| bin == directory) {
        return Ok(Vec::new());
    }
    PROGRAMS
        .iter()
        .map(|name| {
            let source = directory.join(name);
            if source.is_file() {
                Ok((source, home.bin.join(name)))
            } else {
                Err(Failure::new(format!(
                    "{} is not there, and belongs beside kpmo; `install/install.sh` builds and installs both",
                    shown(&source)
                )))
            }
        })
        .collect()
}
