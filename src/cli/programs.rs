use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{Context, Failure};
use crate::{
    client::Home,
    daemon,
    fs::{IoContext, RealWriter, Writer, shown},
};

/// The mode of what is installed: many tools write into a hook that they find,
/// through the link, and are not to get at the program behind it.
const MODE: u32 = 0o555;

/// Puts copies of `kpmo` and `kpmo-hook` into the home, so that hooks go on
/// working when a build directory is cleaned or a package removed. Each is
/// replaced at once, or left alone if it is the same. True: something changed.
pub(super) fn install(home: &Home, writer: &dyn Writer) -> Result<bool, Failure> {
    let mut changed = false;
    for (source, target) in pairs(home)? {
        let program = fs::read(&source).at("read", &source)?;
        if is_installed(&target, &program) {
            continue;
        }
        // By a rename, which needs no leave to write to the file itself.
        writer.write(&target, &program, MODE)?;
        changed = true;
    }
    let (path, pointer) = home.pointer();
    if fs::read(&path).ok().as_deref() != Some(&pointer) {
        writer.write(&path, &pointer, 0o600)?;
    }
    Ok(changed)
}

/// Puts them there where there is none to lead hooks to. Where that can't be done,
/// whoever wants hooks is told; in a home that no governor can listen in, nothing is
/// put.
pub(super) fn ensure(context: &Context) {
    if context.socket().is_ok() && !context.home.hook_program().exists() {
        // As the governor has it: what is made here is the user's alone.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        if daemon::prepare(&context.home, &RealWriter).is_ok() {
            let _ = install(&context.home, &RealWriter);
        }
    }
}

fn is_installed(target: &Path, program: &[u8]) -> bool {
    fs::metadata(target).is_ok_and(|found| found.permissions().mode() & 0o777 == MODE)
        && fs::read(target).is_ok_and(|installed| installed == program)
}

/// From where each program is copied to where; none that runs from there
/// already. The spare comes before what it is compared with: the governor may be
/// looking.
fn pairs(home: &Home) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let own = fs::canonicalize(std::env::current_exe()?)?;
    let directory = own.parent().unwrap_or(Path::new("/"));
    if fs::canonicalize(&home.bin).is_ok_and(|bin| bin == directory) {
        return Ok(Vec::new());
    }
    [
        ("kpmo", home.bin.join("kpmo")),
        ("kpmo-hook", home.spare_hook_program()),
        ("kpmo-hook", home.hook_program()),
    ]
    .into_iter()
    .map(|(name, target)| {
        let source = directory.join(name);
        if source.is_file() {
            Ok((source, target))
        } else {
            Err(Failure::new(format!(
                "{} is not there, and belongs beside kpmo; `install/install.sh` builds and installs both",
                shown(&source)
            )))
        }
    })
    .collect()
}
