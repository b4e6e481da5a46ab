//! What the values of an entry must be, for those read and for those written.

use std::path::{Component, Path, PathBuf};

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
        _ => return Ok(()),
    };
    Err(fault.into())
}

/// An id in hyphenated lower case.
pub(super) fn id(id: &str) -> Result<String, String> {
    // The other forms of a UUID (braces, `urn:`, no hyphens) are not searched for.
    match uuid::Uuid::try_parse(id) {
        Ok(uuid) if id.len() == 36 && !uuid.is_nil() => Ok(uuid.hyphenated().to_string()),
        _ => Err("must be a UUID; leave the key out and kpmo assigns one".into()),
    }
}

/// The absolute path that a text of the file means.
pub(super) fn path(text: &str, home: &Path) -> Result<PathBuf, String> {
    let path = match text.strip_prefix('~') {
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
