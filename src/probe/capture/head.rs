//! Where HEAD points, from git's files as they were read.

use std::path::Path;

use super::{files::read_small, metadata::Contents};
use crate::git::{Git, GitError, Head, Location};

/// A symbolic ref may lead to another; git gives up after as many.
const DEPTH: usize = 5;

/// HEAD of `location`, from `contents` as far as they have it.
pub(super) fn head(git: &Git, location: &Location, contents: &Contents) -> Result<Head, GitError> {
    let bytes = |path: &Path| match contents.get(path) {
        Some(bytes) => Some(bytes.to_vec()),
        None => read_small(path).ok(),
    };
    let file = location.git_dir.join("HEAD");
    let text = match std::fs::read_link(&file) {
        // As git once made it.
        Ok(target) => [b"ref: ", target.as_os_str().as_encoded_bytes()].concat(),
        Err(_) => bytes(&file).unwrap_or_default(),
    };
    let Some(name) = text.strip_prefix(b"ref:").map(|name| name.trim_ascii().to_vec()) else {
        return Ok(Head { branch: None, commit: id(&text) });
    };
    if name == b"refs/heads/.invalid" {
        return asked(git, location);
    }
    let branch = short(&name);
    let mut name = name;
    for _ in 0..DEPTH {
        // Refs of one work tree alone are in its own git directory.
        let path = crate::fs::path_from(&name);
        let loose = bytes(&location.git_dir.join(&path)).or_else(|| bytes(&location.common_dir.join(&path)));
        let commit = match loose {
            Some(text) => match text.strip_prefix(b"ref:") {
                Some(next) => {
                    name = next.trim_ascii().to_vec();
                    continue;
                }
                None => id(&text),
            },
            None => bytes(&location.common_dir.join("packed-refs")).and_then(|text| packed(&text, &name)),
        };
        return Ok(Head { branch: Some(branch), commit });
    }
    Ok(Head { branch: Some(branch), commit: None })
}

/// Refs are in a table that git alone reads.
fn asked(git: &Git, location: &Location) -> Result<Head, GitError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    Ok(Head {
        branch: git.maybe(location, &["symbolic-ref", "--quiet", "--short", "HEAD"])?.map(text),
        commit: git.maybe(location, &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])?.map(text),
    })
}

fn short(name: &[u8]) -> String {
    String::from_utf8_lossy(name.strip_prefix(b"refs/heads/").unwrap_or(name)).into_owned()
}

fn id(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii();
    (matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit))
        .then(|| String::from_utf8_lossy(text).into_owned())
}

fn packed(text: &[u8], name: &[u8]) -> Option<String> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let space = line.iter().position(|byte| *byte == b' ')?;
        (line[space + 1..].trim_ascii_end() == name).then(|| id(&line[..space]))?
    })
}
