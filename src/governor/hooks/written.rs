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
    /// What differs; `None`: nothing does, or something else as well, which may be
    /// somebody's who wrote at the same moment.
    pub(super) fn between(before: &[u8], after: &[u8]) -> Option<Self> {
        let (one, other) = (lines(before), lines(after));
        let first = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        let rest = one.len().min(other.len()) - first;
        let last = one.iter().rev().zip(other.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let (before, after) = (&one[first..one.len() - last], &other[first..other.len() - last]);
        let only_in = |one: &[&[u8]], other: &[&[u8]]| -> Vec<String> {
            let mut left = other.to_vec();
            let mut only = Vec::new();
            for line in one {
                match left.iter().position(|other| other == line) {
                    Some(at) => drop(left.swap_remove(at)),
                    None => only.push(String::from_utf8_lossy(line).to_ascii_lowercase()),
                }
            }
            only
        };
        let (gone, new) = (only_in(before, after), only_in(after, before));
        let is_of_it = |line: &String| line.contains("hookspath");
        (new.len() == 1 && new.iter().chain(&gone).all(is_of_it))
            .then(|| Self { before: before.concat(), after: after.concat() })
    }

    /// This change after an `earlier` one, where it replaced what that one wrote.
    pub(super) fn after(self, earlier: Self) -> Self {
        if earlier.after == self.before { Self { before: earlier.before, ..self } } else { self }
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
        let rest = &text[at + self.after.len()..];
        // It was the last line, and is not any more.
        if !rest.is_empty() && !self.before.is_empty() && !self.before.ends_with(b"\n") {
            undone.push(b'\n');
        }
        undone.extend(rest);
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
    /// somebody has changed those lines since. `None`: somebody has the lock.
    pub(super) fn undo(&self, config: &Path) -> io::Result<Option<bool>> {
        let config = fs::canonicalize(config)?;
        let lock = locked_by(&config);
        let mut file = match File::create_new(&lock) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            file => file?,
        };
        let mut write = || {
            let Some(text) = self.undone(&fs::read(&config)?) else { return Ok(Some(false)) };
            file.set_permissions(fs::metadata(&config)?.permissions())?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&lock, &config)?;
            Ok(Some(true))
        };
        let written = write();
        if !matches!(written, Ok(Some(true))) {
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
        assert_eq!(written.undo(&config).unwrap(), Some(true));
        assert_eq!(fs::read(&config).unwrap(), with(before));
        // What is not there (any more) stays as it is; and so does what somebody has.
        assert_eq!(written.undo(&config).unwrap(), Some(false));
        assert_eq!(fs::read(&config).unwrap(), with(before));
        fs::write(&config, after).unwrap();
        fs::write(locked_by(&config), "").unwrap();
        assert_eq!(written.undo(&config).unwrap(), None);
        assert!(locked_by(&config).exists());
        assert_eq!(Written::between(before, before), None);
    }

    #[test]
    fn what_others_wrote_and_a_last_line_without_a_break_do_no_harm() {
        let ours = "\thooksPath = /r/.git/kpmo/hooks\n";
        let with = |lines: &str| format!("[core]\n{lines}").into_bytes();
        let later = b"[remote \"x\"]\n";
        // The line before gets a break from git; somebody adds a setting meanwhile.
        for (before, after) in [
            ("\tbare = false", format!("\tbare = false\n{ours}")),
            ("\thooksPath = a\n", format!("{ours}\tignoreCase = true\n")),
        ] {
            assert_eq!(Written::between(&with(before), &with(&after)), None, "{before}");
        }
        let written = Written::between(&with("\thooksPath = a"), &with(ours)).unwrap();
        let text = [with(ours), later.to_vec()].concat();
        assert_eq!(written.undone(&text).unwrap(), [with("\thooksPath = a\n"), later.to_vec()].concat());
        assert_eq!(written.undone(&with(ours)).unwrap(), with("\thooksPath = a"));
        // A repository that moved: what was there before kpmo.
        let moved = "\thooksPath = /s/.git/kpmo/hooks\n";
        let again = Written::between(&with(ours), &with(moved)).unwrap().after(written);
        assert_eq!(again.undone(&with(moved)).unwrap(), with("\thooksPath = a"));
    }
}
