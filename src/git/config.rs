//! A repository's own configuration, as much as must be known before git itself
//! is asked: by the syntax of git-config(1), includes not followed.
//!
//! Nothing is trusted: whoever unpacks an archive has its author's `.git`. Files
//! are read only if they are regular ones, so that a pipe keeps nobody.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::Location;
use crate::fs::path_from;

/// No configuration that people have is nearly as large.
const MAX_BYTES: u64 = 4 << 20;

/// Reads a regular file; anything else is an error.
pub(super) fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe waits for its other end unless it is told not to.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`read_regular`], for what is small in every repository.
pub(super) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > MAX_BYTES => Err(io::ErrorKind::FileTooLarge.into()),
        _ => read_regular(path),
    }
}

/// The text of the configuration that is this repository's own, and of the work
/// tree's; an error if there is some that can't be read.
pub(super) fn own_text(location: &Location) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for file in [location.common_dir.join("config"), location.git_dir.join("config.worktree")] {
        match read_small(&file) {
            Ok(more) => text.extend(more),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        text.push(b'\n');
    }
    Ok(text)
}

/// Whether objects that are missing in a repository are missing by intention,
/// because a remote has promised them.
pub(super) fn is_partial(location: &Location) -> bool {
    let text = read_small(&location.common_dir.join("config")).unwrap_or_default();
    settings(&text).iter().any(|setting| match (&*setting.section, &*setting.key) {
        (b"extensions", b"partialclone") => setting.value.as_ref().is_some_and(|value| !value.is_empty()),
        (b"remote", b"promisor") => setting.is_true(),
        _ => false,
    })
}

/// What a repository's configuration says about its work tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Core {
    /// `core.bare`, where it is true.
    pub is_bare: bool,
    /// `core.worktree`.
    pub work_tree: Option<PathBuf>,
}

impl Core {
    /// Of the repository with this common directory; what can't be read says
    /// nothing.
    pub(super) fn of(common_dir: &Path) -> Self {
        let mut core = Self::default();
        let has_own = core.add(&read_small(&common_dir.join("config")).unwrap_or_default());
        if has_own {
            core.add(&read_small(&common_dir.join("config.worktree")).unwrap_or_default());
        }
        core
    }

    /// Whether there is a file more (`extensions.worktreeConfig`).
    fn add(&mut self, text: &[u8]) -> bool {
        let mut has_own = false;
        for setting in settings(text).into_iter().filter(|setting| setting.subsection.is_none()) {
            match (&*setting.section, &*setting.key) {
                (b"core", b"bare") => self.is_bare = setting.is_true(),
                (b"core", b"worktree") => self.work_tree = setting.value.map(|value| path_from(&value)),
                (b"extensions", b"worktreeconfig") => has_own = setting.is_true(),
                _ => {}
            }
        }
        has_own
    }
}

/// One setting; section and key in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub section: Vec<u8>,
    pub subsection: Option<Vec<u8>>,
    pub key: Vec<u8>,
    /// `None`: a key without a value, which means true.
    pub value: Option<Vec<u8>>,
}

impl Setting {
    fn is_true(&self) -> bool {
        match self.value.as_deref().map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"true" | b"yes" | b"on") => true,
            Some(number) => {
                std::str::from_utf8(number).is_ok_and(|text| text.parse().is_ok_and(|it: i64| it != 0))
            }
        }
    }
}

/// The settings of a file, in its order; what is no setting is passed over.
pub(super) fn settings(text: &[u8]) -> Vec<Setting> {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut section, mut subsection) = (Vec::new(), None);
    let mut settings = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        match rest.first() {
            None => return settings,
            Some(b'#' | b';') => rest = after_line(rest),
            Some(b'[') => (section, subsection) = header(&mut rest),
            Some(_) => {
                let end = rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-'));
                let (key, more) = rest.split_at(end.unwrap_or(rest.len()));
                let blank = more.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
                rest = &more[blank.unwrap_or(more.len())..];
                let value = match rest.split_first() {
                    Some((b'=', more)) => {
                        rest = more;
                        Some(value(&mut rest))
                    }
                    _ => {
                        rest = after_line(rest);
                        None
                    }
                };
                if !key.is_empty() {
                    let (section, subsection) = (section.clone(), subsection.clone());
                    settings.push(Setting { section, subsection, key: key.to_ascii_lowercase(), value });
                }
            }
        }
    }
}

fn after_line(text: &[u8]) -> &[u8] {
    text.iter().position(|byte| *byte == b'\n').map_or(&[], |end| &text[end + 1..])
}

/// `[section]`, `[section "sub"]` or `[section.sub]`; a setting may follow on
/// the same line.
fn header(rest: &mut &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let (mut section, mut subsection) = (Vec::new(), None::<Vec<u8>>);
    let mut is_quoted = false;
    let mut bytes = rest[1..].iter().enumerate();
    let mut end = rest.len();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\n' => {
                end = at + 1;
                break;
            }
            b'"' => {
                is_quoted = !is_quoted;
                subsection.get_or_insert_default();
            }
            b'\\' if is_quoted => {
                subsection.get_or_insert_default().extend(bytes.next().map(|(_, byte)| *byte));
            }
            b']' if !is_quoted => {
                end = at + 2;
                break;
            }
            byte if is_quoted => subsection.get_or_insert_default().push(*byte),
            byte if byte.is_ascii_whitespace() => {}
            byte => section.push(byte.to_ascii_lowercase()),
        }
    }
    *rest = &rest[end..];
    if subsection.is_none()
        && let Some(dot) = section.iter().position(|byte| *byte == b'.')
    {
        subsection = Some(section.split_off(dot + 1));
        section.pop();
    }
    (section, subsection)
}

/// A value without its quotes, escapes, continuations and comment.
fn value(rest: &mut &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let (mut is_quoted, mut is_comment) = (false, false);
    // White space outside quotes counts only if something follows.
    let mut kept = 0;
    let mut at = 0;
    while let Some(byte) = rest.get(at).copied() {
        at += 1;
        match byte {
            b'\n' => break,
            _ if is_comment => continue,
            b'#' | b';' if !is_quoted => {
                is_comment = true;
                continue;
            }
            b'"' => is_quoted = !is_quoted,
            b'\\' => {
                let crlf = rest[at..].starts_with(b"\r\n");
                match rest.get(at).copied() {
                    _ if crlf => at += 1,
                    Some(b'\n') | None => {}
                    Some(b'n') => value.push(b'\n'),
                    Some(b't') => value.push(b'\t'),
                    Some(b'b') => value.push(8),
                    Some(other) => value.push(other),
                }
                at += 1;
                kept = value.len();
                continue;
            }
            byte if byte.is_ascii_whitespace() && !is_quoted && value.is_empty() => continue,
            byte => value.push(byte),
        }
        if is_quoted || !byte.is_ascii_whitespace() {
            kept = value.len();
        }
    }
    *rest = &rest[at.min(rest.len())..];
    value.truncate(kept);
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `git config --list -z` of a file: `NAME LF VALUE NUL`, or `NAME NUL`.
    fn by_git(text: &[u8]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut git = std::process::Command::new("git");
        git.args(["config", "--list", "-z", "--file"]).arg(file.path());
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let entries = output.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let mut parts = entry.splitn(2, |byte| *byte == b'\n');
                (parts.next().unwrap().to_vec(), parts.next().map(<[u8]>::to_vec))
            })
            .collect()
    }

    #[test]
    fn settings_are_what_git_reads() {
        let text: &[u8] = b"; first\n[core] bare = true # yes\n\tWorkTree = \"../a  b\\\\\" c ; d\n\
            [REMOTE \"o \\\" ] x\"]promisor\n\n  url = a\\\n   b\\tc \"#;\" \n[branch.Main] # c\nmerge=x\r\n\
            [a-b]\nc-d =\n[extensions]\n\tpartialClone = origin\n";
        let ours: Vec<_> = settings(text)
            .into_iter()
            .map(|setting| {
                let mut name = setting.section;
                for part in setting.subsection.into_iter().chain([setting.key]) {
                    name.push(b'.');
                    name.extend(part);
                }
                (name, setting.value)
            })
            .collect();
        assert_eq!(ours, by_git(text));
    }

    proptest! {
        #[test]
        fn whatever_a_file_holds_is_read(text in proptest::collection::vec(
            proptest::sample::select(b"[]\"\\=#; \n\r\tab.1-\xff".to_vec()), 0..64))
        {
            for setting in settings(&text) {
                prop_assert!(!setting.key.is_empty());
            }
        }
    }

    #[test]
    fn a_pipe_keeps_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("config");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(read_regular(&pipe).is_err());
        assert_eq!(Core::of(dir.path()), Core::default());
    }
}
