use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use prost::Message;

use super::Home;
use crate::generated::kanban::HookRequest;

/// What the name of a kept event ends in.
pub const SPOOL_SUFFIX: &str = ".hook";

/// Keeps an event that the governor is yet to work off, as a file of its own.
///
/// The hook keeps what it could not tell; the governor keeps what it was told
/// until the ledger has it. File names begin with the time that git told it, so
/// that their order is the order of events. The file appears whole or not at
/// all; `durable` makes it outlive a loss of power, too, at the price of two
/// syncs.
pub fn keep(spool: &Path, request: &HookRequest, durable: bool) -> io::Result<PathBuf> {
    keep_in(spool, request, durable, None)
}

/// As [`keep`], in a file that is there already: one in the same directory that
/// nobody reads, whatever it holds. If it is not to be durable, a loss of power may
/// leave that, or a part of it, under the new name.
pub fn keep_in(
    spool: &Path,
    request: &HookRequest,
    durable: bool,
    spare: Option<PathBuf>,
) -> io::Result<PathBuf> {
    let told = HookRequest { replayed: true, ..request.clone() };
    let at = told.occurred_at.unwrap_or_default();
    let name = format!("{:012}.{:09}-{}", at.seconds.max(0), at.nanos.max(0), told.call_id);
    let unfinished = spare.unwrap_or_else(|| spool.join(format!(".{name}")));
    let finished = spool.join(format!("{name}{SPOOL_SUFFIX}"));
    let kept = (|| {
        let open =
            || OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&unfinished);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(spool)?;
                open()?
            }
            opened => opened?,
        };
        let bytes = told.encode_to_vec();
        file.write_all(&bytes)?;
        // Not emptied before: ext4 writes to the disk what was, when it is closed.
        let length = bytes.len() as u64;
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        give_to_owner(&file, spool)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&unfinished, &finished)?;
        if durable {
            File::open(spool)?.sync_all()?;
        }
        Ok(())
    })();
    if kept.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    kept.map(|()| finished)
}

/// What root keeps in a user's home (`sudo git commit`) the user's governor is to
/// read.
fn give_to_owner(file: &File, spool: &Path) -> io::Result<()> {
    let owner = fs::metadata(spool)?;
    if rustix::process::geteuid().is_root() && owner.uid() != 0 {
        let (uid, gid) = (rustix::fs::Uid::from_raw(owner.uid()), rustix::fs::Gid::from_raw(owner.gid()));
        rustix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// How long a governor that could not be reached is not tried again by hooks of
/// what has happened already: a rebase runs one for each of its commits, and each
/// would wait.
const NOT_AGAIN: Duration = Duration::from_secs(10);

/// Remembers that the governor could not be reached just now.
pub fn not_reached(home: &Home) {
    // Where this can't be kept, each hook waits as long as it may.
    let _ = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(mark(home));
}

/// The governor is there.
pub fn reached(home: &Home) {
    let _ = fs::remove_file(mark(home));
}

/// Whether the governor could not be reached a moment ago.
pub fn was_not_reached(home: &Home) -> bool {
    let age = fs::metadata(mark(home)).and_then(|meta| meta.modified()).map(|at| at.elapsed());
    matches!(age, Ok(Ok(age)) if age < NOT_AGAIN)
}

fn mark(home: &Home) -> PathBuf {
    home.state.join("unreachable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_used_again_holds_the_event_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        for earlier in [0, 7, 10_000] {
            let spare = dir.path().join(".spare");
            fs::write(&spare, "x".repeat(earlier)).unwrap();
            let request = HookRequest { call_id: format!("after {earlier}"), ..HookRequest::default() };
            let kept = keep_in(dir.path(), &request, false, Some(spare.clone())).unwrap();
            let read = HookRequest::decode(&*fs::read(&kept).unwrap()).unwrap();
            assert_eq!(read, HookRequest { replayed: true, ..request });
            assert!(!spare.exists());
        }
    }
}
