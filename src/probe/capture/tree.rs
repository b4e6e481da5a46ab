//! What was found on disk, held in memory in little room.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Stat as RawStat};

use crate::probe::store::{Stat, TreeId};

/// No directory: of what isn't one, or hasn't been walked.
const NONE: u32 = u32::MAX;

/// A directory of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DirId(pub u32);

/// One entry of a directory.
#[derive(Debug, Clone)]
pub(super) struct Item {
    begin: u32,
    len: u16,
    /// It is not to be captured.
    pub gone: bool,
    /// Its times don't tell whether it was changed since.
    pub racy: bool,
    dir: u32,
    /// As it was found.
    pub stat: Stat,
}

impl Item {
    /// The directory that this is, once it has been walked.
    pub fn dir(&self) -> Option<DirId> {
        (self.dir != NONE).then_some(DirId(self.dir))
    }

    /// Says that it is the directory `id`.
    pub fn enter(&mut self, id: DirId) {
        self.dir = id.0;
    }

    pub fn kind(&self) -> FileType {
        kind(&self.stat)
    }

    /// Its state as it is stored: of a racy entry the ctime is one that no file
    /// will have, so that it's never taken for unchanged.
    pub fn stored(&self) -> Stat {
        let mut stat = self.stat;
        if self.racy {
            let (seconds, nanos) = stat.ctime;
            stat.ctime = if nanos == 0 { (seconds - 1, 999_999_999) } else { (seconds, nanos - 1) };
        }
        stat
    }
}

/// What is in one directory.
#[derive(Debug, Default)]
pub(super) struct Dir {
    names: Vec<u8>,
    /// In order of their names' bytes, once sorted.
    pub items: Vec<Item>,
    /// Its files are git's own, and small.
    pub is_metadata: bool,
    /// It was not read, because the store has what is in it.
    pub known: Option<TreeId>,
}

impl Dir {
    /// One that was not read.
    pub fn known(tree: TreeId) -> Self {
        Self { known: Some(tree), ..Self::default() }
    }

    pub fn push(&mut self, name: &[u8], stat: Stat, racy: bool, dir: Option<DirId>) {
        // The kernel's names have at most 255 bytes.
        let begin = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.names.extend_from_slice(name);
        self.items.push(Item { begin, len, gone: false, racy, dir: dir.map_or(NONE, |id| id.0), stat });
    }

    pub fn name(&self, item: &Item) -> &[u8] {
        &self.names[item.begin as usize..item.begin as usize + usize::from(item.len)]
    }

    pub fn sort(&mut self) {
        let names = &self.names;
        let name = |item: &Item| &names[item.begin as usize..item.begin as usize + usize::from(item.len)];
        self.items.sort_unstable_by(|one, other| name(one).cmp(name(other)));
    }

    pub fn position(&self, name: &[u8]) -> Option<usize> {
        self.items.binary_search_by(|item| self.name(item).cmp(name)).ok()
    }

    /// The entry of this name, unless it is not to be captured.
    pub fn get(&self, name: &[u8]) -> Option<&Item> {
        self.position(name).map(|at| &self.items[at]).filter(|item| !item.gone)
    }

    /// Whether both, sorted, have the same names.
    pub fn has_same_names(&self, other: &Self) -> bool {
        self.items.len() == other.items.len()
            && self.items.iter().zip(&other.items).all(|(one, two)| self.name(one) == other.name(two))
    }

    /// The entries that are to be captured.
    pub fn present(&self) -> impl Iterator<Item = (&[u8], &Item)> {
        self.items.iter().filter(|item| !item.gone).map(|item| (self.name(item), item))
    }
}

/// Directories that hold no other one, each with all beneath it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    dirs: Vec<Dir>,
    /// None is beneath another.
    pub tops: BTreeMap<PathBuf, Item>,
}

impl Tree {
    pub fn dir(&self, id: DirId) -> &Dir {
        &self.dirs[id.0 as usize]
    }

    pub fn dir_mut(&mut self, id: DirId) -> &mut Dir {
        &mut self.dirs[id.0 as usize]
    }

    /// How many directories.
    pub fn dirs(&self) -> usize {
        self.dirs.len()
    }

    pub fn len(&self) -> usize {
        self.dirs.iter().map(|dir| dir.items.len()).sum()
    }

    /// Takes over what was walked elsewhere; its directories' numbers begin at
    /// the returned one.
    pub fn adopt(&mut self, dirs: Vec<Dir>) -> u32 {
        let first = u32::try_from(self.dirs.len()).unwrap_or(NONE);
        self.dirs.extend(dirs);
        for dir in &mut self.dirs[first as usize..] {
            for item in &mut dir.items {
                if item.dir != NONE {
                    item.dir += first;
                }
            }
        }
        first
    }

    /// The entry at this path.
    pub fn find(&self, path: &Path) -> Option<&Item> {
        let (top, mut item) = self.top_of(path)?;
        for part in path.strip_prefix(top).ok()? {
            item = self.dir(item.dir()?).get(part.as_bytes())?;
        }
        Some(item)
    }

    /// The directory at this path, if it has been walked.
    pub fn find_dir(&self, path: &Path) -> Option<DirId> {
        self.find(path)?.dir()
    }

    fn top_of(&self, path: &Path) -> Option<(&Path, &Item)> {
        path.ancestors().find_map(|above| self.tops.get_key_value(above)).map(|(top, item)| (&**top, item))
    }

    /// Puts a walked directory where it belongs: into the directory above if
    /// that is here, with those between made up by `stat`; else as a top. Of one that
    /// was made up before, what is in that is to be walked again.
    pub fn attach(
        &mut self,
        path: &Path,
        stat: Stat,
        dir: Option<DirId>,
        between: &dyn Fn(&Path) -> Option<Stat>,
    ) {
        let id = dir.map_or(NONE, |id| id.0);
        let top = Item { begin: 0, len: 0, gone: false, racy: false, dir: id, stat };
        let Some(parent) = path.parent().filter(|parent| self.top_of(parent).is_some()) else {
            self.tops.insert(path.into(), top);
            return;
        };
        if self.find_dir(parent).is_none() {
            let Some(stat) = between(parent) else { return };
            let made = DirId(self.adopt(vec![Dir::default()]));
            self.attach(parent, stat, Some(made), between);
        }
        let (Some(above), Some(name)) = (self.find_dir(parent), path.file_name()) else { return };
        let above = self.dir_mut(above);
        match above.position(name.as_bytes()) {
            Some(at) => {
                let item = &mut above.items[at];
                if item.gone {
                    // Nothing else of it was wanted.
                    item.gone = false;
                }
                item.stat = stat;
                item.dir = id;
            }
            None => {
                above.push(name.as_bytes(), stat, false, dir);
                above.sort();
            }
        }
    }

    /// Directories that are to be captured and that nobody has looked into.
    pub fn unwalked(&self) -> Vec<PathBuf> {
        let mut unwalked = Vec::new();
        for (path, top) in &self.tops {
            self.add_unwalked(&mut path.clone(), top, &mut unwalked);
        }
        unwalked
    }

    fn add_unwalked(&self, path: &mut PathBuf, item: &Item, unwalked: &mut Vec<PathBuf>) {
        let Some(id) = item.dir() else {
            unwalked.extend((item.kind() == FileType::Directory).then(|| path.clone()));
            return;
        };
        for (name, item) in self.dir(id).present() {
            if item.kind() == FileType::Directory {
                path.push(OsStr::from_bytes(name));
                self.add_unwalked(path, item, unwalked);
                path.pop();
            }
        }
    }

    /// Leaves out what is at `path`, but not what is in `kept` or leads there.
    pub fn cut(&mut self, path: &Path, kept: &[PathBuf]) {
        if kept.iter().any(|kept| kept == path) {
            return;
        }
        if kept.iter().any(|kept| kept.starts_with(path)) {
            let Some(id) = self.find_dir(path) else { return };
            let names: Vec<PathBuf> =
                self.dir(id).present().map(|(name, _)| path.join(OsStr::from_bytes(name))).collect();
            for name in names {
                self.cut(&name, kept);
            }
            return;
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        if let Some(id) = self.find_dir(parent) {
            let dir = self.dir_mut(id);
            if let Some(at) = dir.position(name.as_bytes()) {
                dir.items[at].gone = true;
            }
        }
    }
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(number(stat.mode))
}

pub(super) fn is_dir(stat: &Stat) -> bool {
    kind(stat) == FileType::Directory
}

/// The system's answer in the store's words.
pub(super) fn stat_from(raw: &RawStat) -> Stat {
    Stat {
        mode: number(raw.st_mode),
        uid: raw.st_uid,
        gid: raw.st_gid,
        dev: number(raw.st_dev),
        ino: number(raw.st_ino),
        links: number(raw.st_nlink),
        size: number(raw.st_size),
        rdev: number(raw.st_rdev),
        mtime: (raw.st_mtime, number(raw.st_mtime_nsec)),
        ctime: (raw.st_ctime, number(raw.st_ctime_nsec)),
    }
}

/// Which of C's types a number has differs from one platform to the next.
fn number<T: TryInto<U>, U: Default>(value: T) -> U {
    value.try_into().unwrap_or_default()
}
