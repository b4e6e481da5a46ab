//! What a user's own configuration, and what a repository's names beside itself,
//! contributes to what `git status` says: files outside the repository.

use std::{
    fs::File,
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::super::{
    Git, Location,
    config::{own_text, read_small, settings},
};
use super::stamp::{Facts, PathKey, Stamp, is_exact};
use crate::fs::{bytes_of, path_from};

/// As git has it: includes in includes.
const DEEPEST: usize = 10;

/// Where git looks for what is not a repository's own, by `git var`.
#[derive(Debug)]
pub(super) struct Users {
    config: Vec<PathBuf>,
    attributes: Vec<PathBuf>,
    /// These, and what is ignored where nothing is configured.
    others: Vec<PathBuf>,
    home: PathBuf,
}

/// What these files are at this moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsersNow {
    pub stamp: Stamp,
    /// There is something about branches or remotes of some name.
    pub says_branches: bool,
    /// There may be a `core.hooksPath`.
    pub says_hooks_path: bool,
    /// Contents may be other in repositories than in work trees.
    pub may_convert: bool,
}

impl Users {
    /// `None`: this git does not say where it looks.
    pub fn of(git: &Git) -> Option<Self> {
        let listed = git.anywhere(&["var", "-l"]).ok()?;
        let home = std::env::home_dir()?;
        let (mut config, mut attributes) = (Vec::new(), Vec::new());
        let mut tells = false;
        for line in listed.split(|byte| *byte == b'\n') {
            let value = |name: &[u8]| line.strip_prefix(name).map(path_from);
            tells |= line.starts_with(b"GIT_ATTR_GLOBAL=") || line.starts_with(b"GIT_CONFIG_GLOBAL=");
            config.extend(value(b"GIT_CONFIG_SYSTEM=").or_else(|| value(b"GIT_CONFIG_GLOBAL=")));
            attributes.extend(value(b"GIT_ATTR_SYSTEM=").or_else(|| value(b"GIT_ATTR_GLOBAL=")));
        }
        let xdg = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
        let xdg = xdg.map_or_else(|| home.join(".config"), PathBuf::from);
        let others = attributes.iter().cloned().chain([xdg.join("git/ignore")]).collect();
        tells.then_some(Self { config, attributes, others, home })
    }

    #[cfg(test)]
    pub fn in_file(config: &Path) -> Self {
        let home = config.parent().unwrap_or(Path::new("/")).to_owned();
        Self { config: vec![config.to_owned()], attributes: Vec::new(), others: Vec::new(), home }
    }

    /// `None`: something can't be read, or not in a way that tells each change.
    pub fn now(&self) -> Option<UsersNow> {
        let mut files = Files::new(&self.home, None);
        self.config.iter().try_for_each(|path| files.config(path, 0))?;
        self.others.iter().try_for_each(|path| files.plain(path))?;
        let has_attributes = self.attributes.iter().any(|path| path.symlink_metadata().is_ok());
        let says = |word: &[u8]| files.text.windows(word.len()).any(|part| part == word);
        Some(UsersNow {
            stamp: files.stamp,
            says_branches: files.says_branches,
            says_hooks_path: says(b"hookspath"),
            may_convert: says(b"autocrlf") || says(b"attributesfile") || has_attributes,
        })
    }

    /// The same for what a repository's own configuration names: included files,
    /// and others with patterns.
    pub fn named_by(&self, location: &Location) -> Option<Stamp> {
        let text = own_text(location).ok()?.to_ascii_lowercase();
        let says = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        if !says(b"include") && !says(b"excludesfile") && !says(b"attributesfile") {
            return Some(Stamp::default());
        }
        let mut files = Files::new(&self.home, Some(location.directory()));
        for path in [location.common_dir.join("config"), location.git_dir.join("config.worktree")] {
            files.config(&path, 0)?;
        }
        Some(files.stamp)
    }
}

/// Whether a repository's configuration may say where hooks are.
pub(super) fn may_move_hooks(location: &Location) -> bool {
    let Ok(text) = own_text(location) else { return true };
    let text = text.to_ascii_lowercase();
    let says = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    says(b"hookspath") || says(b"[include")
}

struct Files<'a> {
    home: &'a Path,
    /// What other relative paths than includes are relative to; `None`: to each
    /// work tree.
    base: Option<&'a Path>,
    stamp: Stamp,
    /// Of all configuration, in lower case.
    text: Vec<u8>,
    says_branches: bool,
}

impl<'a> Files<'a> {
    fn new(home: &'a Path, base: Option<&'a Path>) -> Self {
        Self { home, base, stamp: Stamp::default(), text: Vec::new(), says_branches: false }
    }

    fn config(&mut self, path: &Path, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        self.plain(path)?;
        let text = match read_small(path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) || path == Path::new("/dev/null") => return Some(()),
            Err(_) => return None,
        };
        let directory = path.parent()?;
        for setting in settings(&text) {
            // All, whatever their conditions say: more than counts does no harm.
            let is_include = matches!(&*setting.section, b"include" | b"includeif") && setting.key == b"path";
            let is_other =
                setting.section == b"core" && matches!(&*setting.key, b"excludesfile" | b"attributesfile");
            self.says_branches |=
                matches!(&*setting.section, b"branch" | b"remote") && setting.subsection.is_some();
            let Some(value) = setting.value.filter(|value| !value.is_empty()) else { continue };
            if is_include {
                let path = self.expand(&value, Some(directory))?;
                self.config(&path, depth + 1)?;
            } else if is_other {
                let path = self.expand(&value, self.base)?;
                self.plain(&path)?;
            }
        }
        self.text.extend(text.to_ascii_lowercase());
        self.text.push(b'\n');
        Some(())
    }

    /// `None`: in a way that git alone understands, or another file in each work
    /// tree.
    fn expand(&self, value: &[u8], base: Option<&Path>) -> Option<PathBuf> {
        match value {
            [b'~', b'/', rest @ ..] => Some(self.home.join(path_from(rest))),
            [b'~', ..] => None,
            _ if value.starts_with(b"%(") || value.starts_with(b":(") => None,
            [b'/', ..] => Some(path_from(value)),
            _ => Some(base?.join(path_from(value))),
        }
    }

    /// Adds a file, links followed, if it is there.
    fn plain(&mut self, path: &Path) -> Option<()> {
        if path == Path::new("/dev/null") {
            return Some(());
        }
        // Opening a pipe waits for its other end unless it is told not to.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = match File::options().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Some(()),
            Err(_) => return None,
        };
        let facts = Facts::of(&rustix::fs::fstat(&file).ok()?);
        if !is_exact(&file) || facts.kind() != rustix::fs::FileType::RegularFile {
            return None;
        }
        self.stamp.add(PathKey::default().below(&bytes_of(path)), &facts);
        Some(())
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
