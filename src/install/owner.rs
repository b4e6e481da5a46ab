//! Whose hook stands in a place: decided here and nowhere else.
//!
//! A link is kpmo's by where it leads, a shim by its second line; never by
//! anything else in a file's text, which others may quote.

use std::{
    fs::{self, File, Metadata},
    io::{ErrorKind, Read as _},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::fs::{IoContext, PathError, path_from, shown};

const SHIM: &str = include_str!("../../hooks/shim.sh");
/// File beside the hook program that makes a directory the `bin/` of a home.
const HOME_MARK: &str = "home.json";
const PROGRAM_NAME: &str = "kpmo-hook";
/// A shim is far smaller; nothing longer needs to be read to know it is none.
const SHIM_LIMIT: u64 = 64 * 1024;

/// What is in a hook's place.
#[derive(Debug)]
pub(super) enum Standing {
    Nothing,
    /// kpmo's hook, and it leads to `program`.
    Works,
    /// kpmo's hook, and it does not work for this home: why.
    Broken(String),
    /// kpmo's hook, of another home, for which it works: why not for this one.
    AnotherHomes(String),
    /// A hook of somebody else's, of whatever kind.
    Foreign(Metadata),
    Directory,
}

impl Standing {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Works | Self::Broken(_) | Self::AnotherHomes(_))
    }
}

/// Looks at `path` for a home whose hook program is `program`.
pub(super) fn standing(path: &Path, program: &Path) -> Result<Standing, PathError> {
    let Some(found) = look(path)? else { return Ok(Standing::Nothing) };
    if found.is_dir() {
        return Ok(Standing::Directory);
    }
    if found.is_symlink() {
        let target = fs::read_link(path).at("read the link", path)?;
        if target == program {
            return Ok(match runnable(program) {
                Ok(()) => Standing::Works,
                Err(reason) => Standing::Broken(format!("it leads to {}, which {reason}", shown(program))),
            });
        }
        let why = format!("it leads to {}, which is not this home's", shown(&target));
        return Ok(match is_hook_program(path, &target) {
            true if runnable(path).is_ok() => Standing::AnotherHomes(why),
            true => Standing::Broken(why),
            false => Standing::Foreign(found),
        });
    }
    if !found.is_file() || !is_shim(path) {
        return Ok(Standing::Foreign(found));
    }
    let text = fs::read(path).at("read", path)?;
    Ok(if let Some(other) = shim_of(&text).filter(|other| other != program && runnable(other).is_ok()) {
        Standing::AnotherHomes(format!("it calls {}, which is not this home's", shown(&other)))
    } else if text != shim_for(program) {
        Standing::Broken("it is a shim for another home, or of another version".into())
    } else if !may_execute(path) {
        Standing::Broken("it is not executable".into())
    } else if let Err(reason) = runnable(program) {
        Standing::Broken(format!("it calls {}, which {reason}", shown(program)))
    } else {
        Standing::Works
    })
}

/// What is at `path` itself; `None` if nothing is.
pub(super) fn look(path: &Path) -> Result<Option<Metadata>, PathError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).at("look at", path),
    }
}

/// Whether git would run this file: a regular one, after links, that this user
/// may execute. Otherwise says what it is instead.
pub(super) fn runnable(path: &Path) -> Result<(), &'static str> {
    match fs::metadata(path) {
        Err(_) => Err("is not there"),
        Ok(found) if !found.is_file() => Err("is not a file"),
        Ok(_) if !may_execute(path) => Err("is not executable"),
        Ok(_) => Ok(()),
    }
}

/// As git asks: an access list, or a mount, may have another say than the mode.
fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The shim that stands in for a link to `program`.
pub(super) fn shim_for(program: &Path) -> Vec<u8> {
    let (before, after) = SHIM.split_once("@HOOK@").unwrap_or((SHIM, ""));
    let mut shim = Vec::from(before);
    shim.extend(quoted(program));
    shim.extend(after.as_bytes());
    shim
}

/// The program that a shim calls, where its path needs no escapes.
fn shim_of(text: &[u8]) -> Option<PathBuf> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"hook='"))?;
    let path = line.strip_suffix(b"'")?;
    (!path.contains(&b'\'')).then(|| path_from(path))
}

/// A path as one word of a shell's.
pub(super) fn quoted(path: &Path) -> Vec<u8> {
    let mut word = vec![b'\''];
    for &byte in path.as_os_str().as_bytes() {
        // A quote ends the quoting, stands escaped, and quoting begins anew.
        if byte == b'\'' { word.extend(br"'\''") } else { word.push(byte) }
    }
    word.push(b'\'');
    word
}

/// Whether a link to `target` from `path` leads to the hook program of a home,
/// or to where one was: kpmo's links are absolute, and a dead one runs nothing.
fn is_hook_program(path: &Path, target: &Path) -> bool {
    let dir = target.parent().unwrap_or(target);
    let absolute = path.parent().unwrap_or(path).join(target);
    target.file_name().is_some_and(|name| name == PROGRAM_NAME)
        && (absolute.with_file_name(HOME_MARK).exists()
            || target.is_absolute() && dir.ends_with("bin") && !absolute.exists())
}

/// A file that can't be read is not known to be ours.
fn is_shim(path: &Path) -> bool {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SHIM_LIMIT).read_to_end(&mut text));
    read.is_ok() && text.split(|&byte| byte == b'\n').nth(1) == SHIM.lines().nth(1).map(str::as_bytes)
}
