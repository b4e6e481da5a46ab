//! The one program that every hook leads to stays what it is.
//!
//! A tool that opens a hook to write into it (`cat > .git/hooks/pre-commit`)
//! writes through the link, into the program of every repository. It may not, by
//! the file's mode; root may all the same, and so may who changes the mode first.
//! What stands there is compared with a spare copy whenever the kernel tells of a
//! change, and at the start; what another wrote is kept in the state directory.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::super::{Error, Governor};
use crate::{
    fs::{IoContext, RealWriter, Writer, shown},
    ledger::{EventDraft, EventKind},
};

/// As the programs of a home are installed.
const MODE: u32 = 0o555;

impl Governor {
    /// Puts the hook program back if it was changed; without a spare copy nobody
    /// can tell.
    pub(super) fn guard_program(&self) {
        match self.mend_program() {
            Ok(Mended::Nothing) => {}
            Ok(Mended::Missing) => tracing::warn!("the hook program was taken away and is put back"),
            Ok(Mended::Overwritten(kept)) => {
                tracing::warn!(kept = %shown(&kept), "the hook program was overwritten and is put back");
            }
            Err(error) => tracing::error!(%error, "the hook program could not be put back"),
        }
    }

    fn mend_program(&self) -> Result<Mended, Error> {
        let program = self.home.hook_program();
        let Some(Overwritten { spare, found }) = overwritten(&program, &self.home.spare_hook_program())?
        else {
            return Ok(Mended::Nothing);
        };
        let name = jiff::Timestamp::now().strftime("overwritten-%Y%m%dT%H%M%S.%6f").to_string();
        let kept = self.home.state.join(name);
        if let Some(found) = &found {
            RealWriter.write(&kept, found, 0o600)?;
        }
        RealWriter.write(&program, &spare, MODE)?;
        let mut draft = EventDraft::new(EventKind::HooksHealed, "governor");
        draft.attributes.insert("hooks".into(), "kpmo-hook".into());
        let before = if found.is_some() { "overwritten" } else { "missing" };
        draft.attributes.insert("before".into(), before.into());
        if found.is_some() {
            draft.attributes.insert("kept".into(), shown(&kept));
        }
        self.ledger.append(draft)?;
        Ok(found.map_or(Mended::Missing, |_| Mended::Overwritten(kept)))
    }
}

/// What was done about the program.
enum Mended {
    Nothing,
    Missing,
    /// Where what stood in its place is kept.
    Overwritten(PathBuf),
}

/// The bytes of the spare copy, and those that stand in its program's place; `None`:
/// nothing does.
#[derive(Debug, PartialEq, Eq)]
struct Overwritten {
    spare: Vec<u8>,
    found: Option<Vec<u8>>,
}

/// What differs from the spare copy, if anything does. With the program every hook
/// that was there before kpmo is gone as well, in silence; who means to be rid of it
/// takes the spare away, too. One that lost its mode gets it back.
fn overwritten(program: &Path, spare: &Path) -> Result<Option<Overwritten>, Error> {
    let read = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.at("read", path).map(Some),
    };
    let Some(spare) = read(spare)? else { return Ok(None) };
    let found = read(program)?;
    if found.as_ref() != Some(&spare) {
        return Ok(Some(Overwritten { spare, found }));
    }
    let meta = fs::metadata(program).at("look at", program)?;
    if meta.permissions().mode() & 0o111 == 0 {
        fs::set_permissions(program, fs::Permissions::from_mode(MODE)).at("set the mode of", program)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_spare_is_told_and_a_lost_mode_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (program, spare) = (dir.path().join("kpmo-hook"), dir.path().join("spare"));
        let told = || overwritten(&program, &spare).unwrap();
        fs::write(&program, "program").unwrap();
        assert!(told().is_none(), "no spare");
        fs::write(&spare, "program").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(told().is_none());
        assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, MODE);
        fs::remove_file(&program).unwrap();
        assert_eq!(told(), Some(Overwritten { spare: b"program".to_vec(), found: None }), "taken away");
        fs::write(&program, "tool").unwrap();
        assert_eq!(told(), Some(Overwritten { spare: b"program".to_vec(), found: Some(b"tool".to_vec()) }));
    }
}
