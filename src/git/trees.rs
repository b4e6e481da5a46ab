//! How two trees differ, reading no more of them than it takes.
//!
//! libgit2's own comparison reads every subtree, also where both sides name the
//! same one; in a repository of many directories that is nearly all of its time.

use std::collections::BTreeMap;

use git2::{Error, Oid, Repository, Tree};

use super::RawChange;

/// git's mode of a subtree.
const SUBTREE: u32 = 0o040_000;

/// A name's mode and object.
type Entry = (u32, Oid);

/// Every path that differs, in order. Equal subtrees are passed over unread.
pub(super) fn differences(
    repo: &Repository,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
) -> Result<Vec<RawChange>, Error> {
    let mut walk = Walk { repo, changes: Vec::new() };
    walk.trees(&[], old, new)?;
    walk.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.changes)
}

struct Walk<'a> {
    repo: &'a Repository,
    changes: Vec<RawChange>,
}

impl Walk<'_> {
    fn trees(&mut self, prefix: &[u8], old: Option<&Tree<'_>>, new: Option<&Tree<'_>>) -> Result<(), Error> {
        let mut names: BTreeMap<Vec<u8>, [Option<Entry>; 2]> = BTreeMap::new();
        for (side, tree) in [old, new].into_iter().enumerate() {
            for entry in tree.into_iter().flatten() {
                let seen = names.entry(entry.name_bytes().to_vec()).or_default();
                seen[side] = Some((entry.filemode_raw().cast_unsigned(), entry.id()));
            }
        }
        for (name, [old, new]) in names {
            if old != new {
                self.entries(&[prefix, &name].concat(), old, new)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, path: &[u8], old: Option<Entry>, new: Option<Entry>) -> Result<(), Error> {
        let of =
            |entry: Option<Entry>, subtree: bool| entry.filter(|(mode, _)| (*mode == SUBTREE) == subtree);
        let (old_file, new_file) = (of(old, false), of(new, false));
        if old_file.is_some() || new_file.is_some() {
            let side =
                |entry: Option<Entry>| entry.map_or((0, String::new()), |(mode, id)| (mode, id.to_string()));
            let ((old_mode, old_id), (new_mode, new_id)) = (side(old_file), side(new_file));
            self.changes.push(RawChange { path: path.to_vec(), old_mode, new_mode, old_id, new_id });
        }
        let (old_tree, new_tree) = (of(old, true), of(new, true));
        if old_tree.is_none() && new_tree.is_none() {
            return Ok(());
        }
        let find = |entry: Option<Entry>| entry.map(|(_, id)| self.repo.find_tree(id)).transpose();
        let (old, new) = (find(old_tree)?, find(new_tree)?);
        self.trees(&[path, b"/"].concat(), old.as_ref(), new.as_ref())
    }
}
