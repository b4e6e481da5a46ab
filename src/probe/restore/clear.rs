//! What is left of the old: what git ignores comes over, what a snapshot has
//! goes, and the rest is kept.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use super::{RestoreError, Run, ask::untracked_in, content, journal::Unit, plan::joined, verify::compare};
use crate::{
    fs::{IoContext, shown},
    git::Location,
    probe::store::{Node, NodeKind, Snapshot, Store},
};

impl Run<'_> {
    /// Ends a unit whose new is in place. Returns what was kept: all that can't be
    /// cleared away, if it is tried for the last time.
    pub(super) fn settle(
        &self,
        unit: &Unit,
        snapshot: Option<&Snapshot>,
        present: Option<&Snapshot>,
        is_last_try: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Option<PathBuf>, RestoreError> {
        let Some(meta) = metadata(&unit.beside)? else { return Ok(None) };
        if meta.is_dir() {
            self.bring_ignored(unit, snapshot, warnings)?;
        }
        let is_gone = match present {
            Some(present) => {
                let node = content::find(self.store, &present.tree, &unit.present)?;
                let sweep = Sweep { run: self, store: Some(self.store), device: meta.dev() };
                match sweep.sweep(&unit.beside, node.as_ref(), false) {
                    Err(error) if is_last_try => {
                        warnings.push(format!("what a snapshot has is kept, too: {error}"));
                        false
                    }
                    is_gone => is_gone?,
                }
            }
            // A directory that was empty is nothing to keep.
            None => meta.is_dir() && fs::remove_dir(&unit.beside).is_ok(),
        };
        if is_gone {
            return Ok(None);
        }
        self.rename(&unit.beside, &unit.kept)?;
        Ok(Some(unit.kept.clone()))
    }

    /// Removes something that was made, with all that is in it.
    pub(super) fn remove(&self, path: &Path) -> Result<(), RestoreError> {
        let Some(meta) = metadata(path)? else { return Ok(()) };
        let sweep = Sweep { run: self, store: None, device: meta.dev() };
        sweep.sweep(path, None, false)?;
        Ok(())
    }

    /// Brings over what git ignores and the new has not. What can't be brought
    /// over stays with the old.
    fn bring_ignored(
        &self,
        unit: &Unit,
        snapshot: Option<&Snapshot>,
        warnings: &mut Vec<String>,
    ) -> Result<(), RestoreError> {
        for path in &unit.ignored {
            if let Err(error) = self.bring(unit, path) {
                warnings.push(format!("{} does not come over: {error}", shown(path)));
            }
        }
        let Some(snapshot) = snapshot else { return Ok(()) };
        // What was ignored may not be ignored where it is now: git would show it.
        let ignored: HashSet<&PathBuf> = unit.ignored.iter().collect();
        let mut back = BTreeSet::new();
        for work_tree in &unit.work_trees {
            let Ok(location) = Location::at(work_tree) else { continue };
            let untracked = untracked_in(self.git, &location).unwrap_or_else(|error| {
                warnings.push(format!(
                    "whether git ignores what came over to {} can't be told: {error}",
                    shown(work_tree)
                ));
                Vec::new()
            });
            for path in untracked {
                let Ok(path) = path.strip_prefix(&unit.place) else { continue };
                let Some(whole) = path.ancestors().find(|path| ignored.contains(&path.to_path_buf())) else {
                    continue;
                };
                let is_in =
                    |path: &Path| content::find(self.store, &snapshot.tree, &joined(&unit.source, path));
                if is_in(whole)?.is_none() {
                    back.insert(whole.to_path_buf());
                } else if is_in(path)?.is_none() {
                    back.insert(path.to_path_buf());
                }
            }
        }
        for path in back {
            self.rename(&unit.place.join(&path), &unit.beside.join(&path))?;
        }
        Ok(())
    }

    /// Brings over one path, relative to the unit.
    fn bring(&self, unit: &Unit, path: &Path) -> Result<(), RestoreError> {
        let (from, to) = (unit.beside.join(path), unit.place.join(path));
        let is_missing =
            |root: &&PathBuf| path.starts_with(root) && matches!(metadata(&unit.place.join(root)), Ok(None));
        if unit.left.iter().any(|root| root == path) || unit.left.iter().any(|root| is_missing(&root)) {
            return Ok(());
        }
        let Some(old) = metadata(&from)? else { return Ok(()) };
        match metadata(&to)? {
            None if !unit.left.iter().any(|root| root.starts_with(path)) => {
                if self.make_parents(unit, path)? {
                    self.rename(&from, &to)?;
                }
                return Ok(());
            }
            None if self.make_parents(unit, path)? => make_like(&to, &old)?,
            Some(new) if new.is_dir() && old.is_dir() => {}
            _ => return Ok(()),
        }
        for entry in fs::read_dir(&from).at("read the directory", &from)? {
            let entry = entry.at("read the directory", &from)?;
            self.bring(unit, &path.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// Makes the directories that `path` is in; false if there is something else.
    fn make_parents(&self, unit: &Unit, path: &Path) -> Result<bool, RestoreError> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for dir in above {
            let to = joined(&unit.place, dir);
            match metadata(&to)? {
                Some(meta) if meta.is_dir() => {}
                Some(_) => return Ok(false),
                None => {
                    self.step("create the directory", &to)?;
                    let old = joined(&unit.beside, dir);
                    make_like(&to, &fs::symlink_metadata(&old).at("look at", &old)?)?;
                }
            }
        }
        Ok(true)
    }
}

fn make_like(path: &Path, like: &Metadata) -> Result<(), RestoreError> {
    let mode = like.mode() & 0o7777;
    Ok(fs::DirBuilder::new().mode(mode).create(path).at("create the directory", path)?)
}

/// Removes what is in the store.
struct Sweep<'a> {
    run: &'a Run<'a>,
    /// Where what is removed must be; `None`: all goes.
    store: Option<&'a dyn Store>,
    /// Other file systems are left alone.
    device: u64,
}

impl Sweep<'_> {
    /// Removes what is at `path`, which the snapshot has as `node`; true if
    /// nothing is left.
    fn sweep(&self, path: &Path, node: Option<&Node>, in_git_dir: bool) -> Result<bool, RestoreError> {
        let meta = fs::symlink_metadata(path).at("look at", path)?;
        if !meta.is_dir() {
            if self.store.is_some() && !self.is_stored(path, &meta, node, in_git_dir)? {
                return Ok(false);
            }
            self.run.step("remove", path)?;
            fs::remove_file(path).at("remove", path)?;
            return Ok(true);
        }
        if meta.dev() != self.device {
            return Ok(false);
        }
        let nodes = match (self.store, node.map(|node| &node.kind)) {
            (Some(store), Some(NodeKind::Directory(tree))) => store.tree(tree)?,
            _ => Vec::new(),
        };
        let name = path.file_name().unwrap_or_default();
        // A work tree may be in a git directory, and git has no locks among hooks.
        let is_peoples = name == "hooks" || path.join(".git").symlink_metadata().is_ok();
        let in_git_dir = (in_git_dir && !is_peoples) || name == ".git" || content::is_git_dir(&nodes);
        let nodes: HashMap<&[u8], &Node> = nodes.iter().map(|node| (&*node.name, node)).collect();
        let mode = meta.mode() & 0o7777;
        if mode & 0o700 != 0o700 {
            set_mode(path, mode | 0o700)?;
        }
        let mut is_empty = true;
        let entries: Vec<_> =
            fs::read_dir(path).and_then(Iterator::collect::<io::Result<_>>).at("read the directory", path)?;
        for entry in entries {
            let name = entry.file_name();
            let node = nodes.get(name.as_bytes()).copied();
            is_empty &= self.sweep(&entry.path(), node, in_git_dir)?;
        }
        if is_empty {
            self.run.step("remove the directory", path)?;
            fs::remove_dir(path).at("remove the directory", path)?;
        } else if mode & 0o700 != 0o700 {
            set_mode(path, mode)?;
        }
        Ok(is_empty)
    }

    /// Whether the snapshot has this file as it is, or never would have it.
    fn is_stored(
        &self,
        path: &Path,
        meta: &Metadata,
        node: Option<&Node>,
        in_git_dir: bool,
    ) -> Result<bool, RestoreError> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        if in_git_dir && node.is_none() && is_passing(name) {
            return Ok(true);
        }
        let (Some(node), Some(store)) = (node, self.store) else { return Ok(false) };
        if rustix::fs::FileType::from_raw_mode(meta.mode())
            != rustix::fs::FileType::from_raw_mode(node.stat.mode)
        {
            return Ok(false);
        }
        let NodeKind::File(pieces) = &node.kind else {
            return Ok(match &node.kind {
                NodeKind::Link(target) => {
                    fs::read_link(path).is_ok_and(|there| there.as_os_str().as_bytes() == target)
                }
                _ => true,
            });
        };
        let stat = &node.stat;
        let time = |seconds: i64, nanoseconds: i64| (seconds, u32::try_from(nanoseconds).unwrap_or(0));
        let is_untouched = meta.ino() == stat.ino
            && meta.len() == stat.size
            && time(meta.mtime(), meta.mtime_nsec()) == stat.mtime
            && time(meta.ctime(), meta.ctime_nsec()) == stat.ctime;
        Ok(is_untouched || compare(store, pieces, path, &mut |_| true)?.is_none())
    }
}

/// What git needs for a moment; snapshots leave it out.
fn is_passing(name: &[u8]) -> bool {
    name.ends_with(b".lock") || name.starts_with(b"tmp_") || name.starts_with(b"fsmonitor--daemon")
}

fn set_mode(path: &Path, mode: u32) -> Result<(), RestoreError> {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode)).at("set the mode of", path)?)
}

fn metadata(path: &Path) -> Result<Option<Metadata>, RestoreError> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error).at("look at", path).map_err(Into::into),
    }
}
