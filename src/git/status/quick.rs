//! A repository that is plainly clean, known without asking git: its index says
//! of every file what it is, and there is no other file. Whatever is less plain
//! (`None`) is git's to say.

use std::{fs::File, io::Read, path::Path};

use git2::{ObjectType, Oid, Repository};
use rustix::fs::{FileType, Mode, OFlags};

use super::{
    super::{
        Head, Location,
        cached_tree::cached_tree,
        config::{own_text, read_regular, read_small, settings},
        libgit,
    },
    WorkState, index, operation,
    stamp::Facts,
    tree::{self, Found, Ignored, Visitor, Walked},
};
use crate::git::Git;

/// Longest index that is read for this; a larger one takes git about as long.
const LARGEST: u64 = 64 << 20;

/// Most files that are read, and their bytes together: those that were written
/// in the same moment as the index, of which times tell nothing.
const MOST_READ: usize = 1_000;
const MOST_BYTES: u64 = 16 << 20;

/// The state of a clean repository, and its work tree. `is_raw`: nothing
/// of the user's says that contents are converted.
pub(super) fn clean(git: &Git, location: &Location, is_raw: bool) -> Option<(WorkState, Walked)> {
    let top = location.work_tree.as_deref()?;
    if !location.object_dirs.is_empty() || !libgit::is_plain(location) {
        return None;
    }
    let path = location.git_dir.join("index");
    let facts = Facts::of_path(&path).ok()?;
    if facts.size > LARGEST {
        return None;
    }
    let bytes = read_regular(&path).ok()?;
    let staged = cached_tree(&bytes, 20)?;
    let written = (u32::try_from(facts.mtime.0).ok()?, u32::try_from(facts.mtime.1).ok()?);
    let listed = index::read(&bytes)?;
    let is_raw = is_raw && !listed.has_attributes && !may_convert(location);
    let left = if is_raw { (MOST_READ, MOST_BYTES) } else { (0, 0) };
    let mut against = Against { listed, written, left };
    let walked = tree::walk(top, &Ignored::default(), &mut against)?;
    // What is left has been deleted.
    if !against.listed.files.is_empty() || Facts::of_path(&path).ok()? != facts {
        return None;
    }
    let repo = Repository::open(&location.git_dir).ok()?;
    let (head, commit) = head_of(&repo)?;
    if repo.find_commit(commit).ok()?.tree_id().to_string() != staged {
        return None;
    }
    let (upstream, ahead_behind) = match &head.branch {
        Some(branch) => apart(&repo, location, branch, commit)?,
        None => (None, None),
    };
    let state = WorkState {
        head,
        upstream,
        ahead_behind,
        stash: stash(location)?,
        operation: operation::of(git, location).ok()?,
        ..WorkState::default()
    };
    Some((state, walked))
}

/// Compares a work tree with its index.
struct Against {
    listed: index::Listed,
    /// When the index was.
    written: (u32, u32),
    /// Files and bytes that may still be read.
    left: (usize, u64),
}

impl Visitor for Against {
    fn see(&mut self, found: &Found<'_>) -> bool {
        if found.facts.kind() == FileType::Directory {
            return self.listed.dirs.contains(&found.path);
        }
        match self.listed.files.remove(&found.path) {
            Some(recorded) if !recorded.is(found.facts) => false,
            Some(recorded) if recorded.is_racy(self.written) => self.has_content(found, &recorded).is_some(),
            Some(_) => true,
            None => false,
        }
    }
}

impl Against {
    fn has_content(&mut self, found: &Found<'_>, recorded: &index::Recorded) -> Option<()> {
        let size = found.facts.size;
        self.left = (self.left.0.checked_sub(1)?, self.left.1.checked_sub(size)?);
        // Opening a pipe waits for its other end unless it is told not to.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(found.dir, found.name, flags, Mode::empty()).ok()?;
        let mut content = Vec::new();
        // One byte more would show that it grows.
        File::from(file).take(size + 1).read_to_end(&mut content).ok()?;
        let id = Oid::hash_object(ObjectType::Blob, &content).ok()?;
        (id.as_bytes() == recorded.id).then_some(())
    }
}

/// Whether contents may be other in the repository than in the work tree, by what
/// is the repository's own.
fn may_convert(location: &Location) -> bool {
    let Ok(text) = own_text(location) else { return true };
    let text = text.to_ascii_lowercase();
    let says = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    says(b"autocrlf")
        || says(b"attributesfile")
        || location.common_dir.join("info/attributes").symlink_metadata().is_ok()
}

fn head_of(repo: &Repository) -> Option<(Head, Oid)> {
    let reference = repo.find_reference("HEAD").ok()?;
    let branch = match reference.kind()? {
        git2::ReferenceType::Direct => None,
        git2::ReferenceType::Symbolic => {
            Some(reference.symbolic_target().ok()??.strip_prefix("refs/heads/")?.to_owned())
        }
    };
    let commit = reference.resolve().ok()?.target()?;
    Some((Head { branch, commit: Some(commit.to_string()) }, commit))
}

/// An upstream's short name, and the commits ahead of and behind it.
type Apart = (Option<String>, Option<(u32, u32)>);

/// The upstream of a branch, and how far they are apart; both by the plainest of
/// configurations.
fn apart(repo: &Repository, location: &Location, branch: &str, commit: Oid) -> Option<Apart> {
    let text = own_text(location).ok()?;
    let (mut remotes, mut merges, mut fetches) = (Vec::new(), Vec::new(), Vec::new());
    for setting in settings(&text) {
        let value = || String::from_utf8(setting.value.clone()?).ok();
        let of = setting.subsection.as_deref().unwrap_or_default();
        match (&*setting.section, &*setting.key) {
            (b"branch", b"remote") if of == branch.as_bytes() => remotes.push(value()?),
            (b"branch", b"merge") if of == branch.as_bytes() => merges.push(value()?),
            (b"remote", b"fetch") => fetches.push((of.to_vec(), value()?)),
            _ => {}
        }
    }
    let (remote, merge) = match (remotes.as_slice(), merges.as_slice()) {
        ([], []) => return Some((None, None)),
        ([remote], [merge]) => (remote, merge.strip_prefix("refs/heads/")?),
        _ => return None,
    };
    let mut of_remote = fetches.iter().filter(|(name, _)| name == remote.as_bytes());
    let (_, fetch) = of_remote.next()?;
    let usual = format!("refs/heads/*:refs/remotes/{remote}/*");
    if of_remote.next().is_some() || fetch.strip_prefix('+').unwrap_or(fetch) != usual {
        return None;
    }
    let name = format!("{remote}/{merge}");
    let is_there = |name: &str| repo.find_reference(name).is_ok();
    // git would have to write the name out.
    if is_there(&format!("refs/heads/{name}")) || is_there(&format!("refs/tags/{name}")) {
        return None;
    }
    let upstream = repo.find_reference(&format!("refs/remotes/{name}")).ok()?.target()?;
    if upstream == commit {
        return Some((Some(name), Some((0, 0))));
    }
    let grafted = ["shallow", "info/grafts"];
    if grafted.iter().any(|file| location.common_dir.join(file).symlink_metadata().is_ok()) {
        return None;
    }
    let (ahead, behind) = repo.graph_ahead_behind(commit, upstream).ok()?;
    Some((Some(name), Some((u32::try_from(ahead).ok()?, u32::try_from(behind).ok()?))))
}

/// The stash is a ref whose log has its entries, one a line.
fn stash(location: &Location) -> Option<u32> {
    let log: &Path = &location.common_dir.join("logs/refs/stash");
    if log.symlink_metadata().is_err() && location.common_dir.join("refs/stash").symlink_metadata().is_err() {
        return Some(0);
    }
    let lines = read_small(log).ok()?;
    u32::try_from(lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()).ok()
}
