use std::{
    ffi::OsString,
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::DirBuilderExt,
    },
    path::{Path, PathBuf},
};

use super::{Git, GitError};
use crate::fs::{IoContext, path_from};

/// What the names of all of them begin with.
const PREFIX: &str = "kpmo-";

/// A directory of our own that goes away with us.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub(super) fn new(git: &Git) -> Result<Self, GitError> {
        let base = git.scratch().map_or_else(std::env::temp_dir, Path::to_path_buf);
        let path = base.join(format!("{PREFIX}{}", uuid::Uuid::now_v7()));
        // The base, too, where it is not there yet.
        DirBuilder::new().recursive(true).mode(0o700).create(&path).at("create the directory", &path)?;
        Ok(Self(path))
    }

    /// Makes an object directory of it that has the objects of `others`, too.
    pub(super) fn with_objects_of(&self, others: &[PathBuf]) -> Result<(), GitError> {
        let info = self.0.join("info");
        fs::create_dir(&info).at("create the directory", &info)?;
        let file = info.join("alternates");
        // By a file and not by git's variable, which not every version reads
        // with a `:` in a path.
        fs::write(&file, alternates(others, b'\n').as_bytes()).at("write", &file)?;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what is left of them in `base`.
pub(super) fn sweep(base: &Path) -> Result<(), GitError> {
    let entries = match fs::read_dir(base) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.at("read the directory", base)?,
    };
    for entry in entries {
        let path = entry.at("read the directory", base)?.path();
        if path.file_name().is_some_and(|name| name.as_bytes().starts_with(PREFIX.as_bytes())) {
            fs::remove_dir_all(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

/// Object directories as git reads them, from a variable with `:` between them
/// or from a file of lines; quoted in C's way where they need be.
pub(super) fn alternates(places: &[PathBuf], separator: u8) -> OsString {
    let mut list = Vec::new();
    for place in places {
        let path = place.as_os_str().as_bytes();
        if path.contains(&separator) || path.contains(&b'\n') || path.starts_with(b"\"") {
            list.push(b'"');
            for byte in path {
                match byte {
                    b'\n' => list.extend(b"\\n"),
                    b'"' | b'\\' => list.extend([b'\\', *byte]),
                    byte => list.push(*byte),
                }
            }
            list.push(b'"');
        } else {
            list.extend(path);
        }
        list.push(separator);
    }
    // A variable that ends in a separator names an empty path.
    if separator != b'\n' {
        list.pop();
    }
    OsString::from_vec(list)
}

/// The paths in a value of `GIT_ALTERNATE_OBJECT_DIRECTORIES`.
pub(super) fn parse_alternates(value: &[u8]) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let path = match rest.strip_prefix(b"\"").and_then(unquoted) {
            Some((path, after)) => {
                rest = after.strip_prefix(b":").unwrap_or(after);
                path
            }
            None => {
                let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
                let path = rest[..end].to_vec();
                rest = rest.get(end + 1..).unwrap_or_default();
                path
            }
        };
        if !path.is_empty() {
            places.push(path_from(&path));
        }
    }
    places
}

/// What stands before the closing quote, and what comes after it.
fn unquoted(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut path = Vec::new();
    let mut rest = quoted;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((path, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                path.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'0'..=b'3' => {
                        let (more, after) = rest.split_at_checked(2)?;
                        rest = after;
                        let digits = [*escaped, more[0], more[1]];
                        u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
                    }
                    other => *other,
                });
            }
            byte => path.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(places in proptest::collection::vec("/[a:\"\\\\\n 0-9é]{0,8}", 0..4)) {
            let places: Vec<PathBuf> = places.into_iter().map(PathBuf::from).collect();
            prop_assert_eq!(parse_alternates(alternates(&places, b':').as_bytes()), places);
        }

        #[test]
        fn whatever_a_variable_says_is_read(value in "[\":\\\\a0-9/]{0,20}") {
            prop_assert!(parse_alternates(value.as_bytes()).iter().all(|path| path != Path::new("")));
        }
    }

    #[test]
    fn what_a_killed_process_left_is_swept_away_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("not/yet");
        let git = Git::new(base.clone());
        git.sweep().unwrap();
        let left = Scratch::new(&git).unwrap();
        let path = left.0.clone();
        std::mem::forget(left);
        fs::write(path.join("index"), "").unwrap();
        fs::write(base.join("other"), "").unwrap();
        git.sweep().unwrap();
        let names: Vec<_> = fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["other"]);
    }
}
