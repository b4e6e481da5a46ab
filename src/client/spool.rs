use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use prost::Message;

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
    let told = HookRequest { replayed: true, ..request.clone() };
    let at = told.occurred_at.unwrap_or_default();
    let name = format!("{:012}.{:09}-{}", at.seconds.max(0), at.nanos.max(0), told.call_id);
    let unfinished = spool.join(format!(".{name}"));
    let finished = spool.join(format!("{name}{SPOOL_SUFFIX}"));
    let kept = (|| {
        let open =
            || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(spool)?;
                open()?
            }
            opened => opened?,
        };
        file.write_all(&told.encode_to_vec())?;
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
