//! What the values of an entry must be, for those read and for those written.

use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::fs::path_from;

const FILE_URL: &str = "file://";
/// RFC 3986, 2.3, and the separator.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The keys of an entry, in the order in which kpmo writes them.
pub(super) const KEYS: [&str; 12] = [
    "id",
    "name",
    "local_path",
    "remote_url",
    "default_branch",
    "env_template",
    "gitignore_profile",
    "status",
    "stage",
    "role",
    "tags",
    "verify",
];

/// What is wrong with a value, as the end of a sentence that begins with the
/// key; never quotes the value.
type Verdict = Result<(), String>;

/// Names are shown, typed, and used as file names of hooks' spools and logs.
pub(super) fn name(name: &str) -> Verdict {
    let fault = match name {
        "" => "must not be empty",
        "." | ".." => "must not be `.` or `..`",
        _ if name.len() > 100 => "is longer than 100 bytes",
        _ if name.contains('/') => "must not contain `/`",
        _ if name.contains(char::is_control) => "must not contain control characters",
        _ if name.contains(is_turning) => "must not contain characters that change the direction of text",
        _ => return Ok(()),
    };
    Err(fault.into())
}

/// Whether a character has what follows shown in another order (Unicode's bidirectional
/// controls).
fn is_turning(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An id in hyphenated lower case.
pub(super) fn id(id: &str) -> Result<String, String> {
    // The other forms of a UUID (braces, `urn:`, no hyphens) are not searched for.
    match uuid::Uuid::try_parse(id) {
        Ok(uuid) if id.len() == 36 && !uuid.is_nil() => Ok(uuid.hyphenated().to_string()),
        _ => Err("must be a UUID; leave the key out and kpmo assigns one".into()),
    }
}

/// A path as text: one that is not UTF-8 as a file URL with its bytes escaped
/// (RFC 8089).
pub fn path_text(path: &Path) -> String {
    let escaped = || percent_encode(path.as_os_str().as_encoded_bytes(), ESCAPED);
    path.to_str().map_or_else(|| format!("{FILE_URL}{}", escaped()), str::to_owned)
}

/// The path of a file URL; `None`: it is none.
pub fn path_of_url(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix(FILE_URL)?;
    Some(path_from(&percent_decode_str(path).collect::<Vec<u8>>()))
}

/// A path as the file shall have it: below the home directory as `~/…`.
pub(super) fn written(path: &Path, home: &Path) -> String {
    let rest = path.strip_prefix(home).ok().filter(|_| home.parent().is_some());
    match rest.and_then(Path::to_str) {
        Some("") => "~".to_owned(),
        Some(rest) => format!("~/{rest}"),
        None => path_text(path),
    }
}

/// The absolute path that a text of the file means.
pub(super) fn path(text: &str, home: &Path) -> Result<PathBuf, String> {
    let path = match text.strip_prefix('~') {
        None if text.starts_with(FILE_URL) => path_of_url(text).unwrap_or_default(),
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        Some(_) => return Err("must not name another user's home; write the path in full".into()),
        None => PathBuf::from(text),
    };
    plain_path(&path)?;
    Ok(path.components().collect())
}

/// Whether a path names one place without a working directory or links.
pub(super) fn plain_path(path: &Path) -> Verdict {
    let fault = if path.as_os_str().is_empty() {
        "must not be empty"
    } else if !path.is_absolute() {
        "must be absolute, or begin with `~/`"
    } else if path.components().any(|part| part == Component::ParentDir) {
        "must not contain `..`"
    } else if path.as_os_str().as_encoded_bytes().contains(&0) {
        "must not contain NUL"
    } else {
        return Ok(());
    };
    Err(fault.into())
}

/// A remote's URL.
pub(super) fn remote_url(url: &str) -> Verdict {
    word(url)?;
    if super::model::has_password(url) {
        return Err("must not carry a password; leave it to git's credential helper".into());
    }
    Ok(())
}

/// A text of one line.
pub(super) fn word(text: &str) -> Verdict {
    if text.contains(char::is_control) {
        return Err("must not contain control characters".into());
    }
    Ok(())
}

/// A text that may have several lines.
pub(super) fn prose(text: &str) -> Verdict {
    word(&text.replace(['\n', '\t'], " "))
}

/// One tag.
pub(super) fn tag(text: &str) -> Verdict {
    if text.is_empty() { Err("must not have an empty item".into()) } else { word(text) }
}

/// One command.
pub(super) fn command(text: &str) -> Verdict {
    if text.trim().is_empty() { Err("must not have an empty item".into()) } else { prose(text) }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    #[test]
    fn a_path_of_any_bytes_comes_back_from_its_text() {
        let home = Path::new("/home/u");
        for (bytes, text) in [
            (&b"/home/u"[..], "~"),
            (b"/home/u/a b", "~/a b"),
            (b"/srv/caf\xc3\xa9", "/srv/caf\u{e9}"),
            (b"/srv/caf\xe9", "file:///srv/caf%E9"),
            (b"/home/u/a%20 #\xff/x-y_z.~", "file:///home/u/a%2520%20%23%FF/x-y_z.~"),
        ] {
            let path = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(written(path, home), text);
            assert_eq!(super::path(text, home).unwrap(), path);
        }
        // Below a home that is not UTF-8 the rest may be.
        let home = Path::new(OsStr::from_bytes(b"/home/\xff"));
        let path = home.join("app");
        assert_eq!((written(&path, home), super::path("~/app", home).unwrap()), ("~/app".into(), path));
        for wrong in ["file:relative", "file://%2e%2e/x", "file:///a/../b", "file:///%00"] {
            super::path(wrong, home).unwrap_err();
        }
    }
}
