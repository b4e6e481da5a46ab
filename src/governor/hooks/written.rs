//! What git wrote into a configuration when it set `core.hooksPath`, so that the lines
//! from before come back as they were: several of them, with comments, however they
//! were written.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Lines of a file, before and after a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Written {
    /// What differs; `None`: nothing does.
    pub(super) fn between(before: &[u8], after: &[u8]) -> Option<Self> {
        let (one, other) = (lines(before), lines(after));
        let first = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        let rest = one.len().min(other.len()) - first;
        let last = one.iter().rev().zip(other.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let (before, after) = (&one[first..one.len() - last], &other[first..other.len() - last]);
        (before != after).then(|| Self { before: before.concat(), after: after.concat() })
    }

    /// The text with the lines from before, if it has those from after once.
    fn undone(&self, text: &[u8]) -> Option<Vec<u8>> {
        let is_here = |at: &usize| text[*at..].starts_with(&self.after);
        let starts = text.split_inclusive(|byte| *byte == b'\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        });
        let mut found = starts.filter(is_here);
        let (at, None) = (found.next()?, found.next()) else { return None };
        let mut undone = text[..at].to_vec();
        undone.extend(&self.before);
        undone.extend(&text[at + self.after.len()..]);
        (!self.after.is_empty()).then_some(undone)
    }

    /// For a file: the length of what came after, in a line of its own, that, and what
    /// was before.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n", self.after.len()).into_bytes();
        bytes.extend(&self.after);
        bytes.extend(&self.before);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let length: usize = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
        let (after, before) = bytes[end + 1..].split_at_checked(length)?;
        Some(Self { before: before.to_vec(), after: after.to_vec() })
    }

    /// Puts the lines from before into a configuration, under git's own lock. False:
    /// somebody has it, or has changed those lines since.
    pub(super) fn undo(&self, config: &Path) -> io::Result<bool> {
        let config = fs::canonicalize(config)?;
        let lock = locked_by(&config);
        let mut file = match File::create_new(&lock) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            file => file?,
        };
        let mut write = || {
            let Some(text) = self.undone(&fs::read(&config)?) else { return Ok(false) };
            file.set_permissions(fs::metadata(&config)?.permissions())?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&lock, &config)?;
            Ok(true)
        };
        let written = write();
        if !matches!(written, Ok(true)) {
            fs::remove_file(&lock)?;
        }
        written
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn locked_by(config: &Path) -> PathBuf {
    let mut name = config.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_from_before_come_back_among_others() {
        let before = b"[core]\n\tbare = false\n hookspath=a ; why\r\n[x]\n\ty = 1\n[core]\n\thooksPath = b\n";
        let after = b"[core]\n\tbare = false\n[x]\n\ty = 1\n[core]\n\thooksPath = /r/.git/kpmo/hooks\n";
        let written = Written::between(before, after).unwrap();
        assert_eq!(Written::from_bytes(&written.to_bytes()).as_ref(), Some(&written));
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        let with = |text: &[u8]| [text, b"[user]\n\tname = later\n"].concat();
        fs::write(&config, with(after)).unwrap();
        assert!(written.undo(&config).unwrap());
        assert_eq!(fs::read(&config).unwrap(), with(before));
        // What is not there (any more) stays as it is; and so does what somebody has.
        assert!(!written.undo(&config).unwrap());
        assert_eq!(fs::read(&config).unwrap(), with(before));
        fs::write(&config, after).unwrap();
        fs::write(locked_by(&config), "").unwrap();
        assert!(!written.undo(&config).unwrap());
        assert!(locked_by(&config).exists());
        assert_eq!(Written::between(before, before), None);
    }
}
