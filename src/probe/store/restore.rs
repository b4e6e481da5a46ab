//! Out of the store again.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File, FileTimes},
    os::{
        fd::AsRawFd,
        unix::fs::{PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustic_core::{DataId, LocalDestination, LsOptions, RestoreOptions, RusticResult, repofile::Node};

use super::{
    Progress, RusticStore, SnapshotId, Stat, StoreError,
    backend::{Backend, Ending, Seen},
    failure, node, put,
    watch::Meter,
};
use crate::fs::IoContext;

const WHAT: &str = "restore the snapshot";

impl RusticStore {
    /// See [`super::Store::restore`].
    pub(super) fn restore_to(
        &self,
        id: &SnapshotId,
        path: &Path,
        target: &Path,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let _held = self.lock.shared()?;
        let meter = Meter::default();
        meter.watch(WHAT, target, progress, || {
            let backend = self.stoppable(&meter, Ending::Unwind);
            let handle = self.handle(backend, meter.clone())?;
            let tree = self.find(&handle, id)?.tree;
            let failed = |error: Box<_>| failure::of_engine(WHAT, target, &error);
            // Not the index that is kept for reading: this one goes back with the
            // handle, and the handle tells this caller how far it is.
            let repository = handle.to_indexed().map_err(failed)?;
            let none = || StoreError::NoPath { path: path.into() };
            let top = put::lookup(&repository, tree, path)?.filter(Node::is_dir).ok_or_else(none)?;
            let Reachable { text, _open } = Reachable::new(target)?;
            let destination = LocalDestination::new(&text, false, false).map_err(failed)?;
            let options = RestoreOptions::default().numeric_id(true);
            let all = LsOptions::default();
            let nodes = || -> RusticResult<_> {
                let mut links = Links::default();
                let nodes = repository.ls(&top, &all)?;
                Ok(nodes.map(move |item| item.map(|(path, node)| (path, links.checked(node)))))
            };
            let plan = nodes()
                .and_then(|nodes| repository.prepare_restore(&options, nodes, &destination, false))
                .map_err(failed)?;
            // The engine dies of a full disk: better not to begin.
            if plan.restore_size > free_bytes(target)? {
                return Err(StoreError::Full { what: WHAT, path: target.into() });
            }
            nodes()
                .and_then(|nodes| repository.restore(plan, &options, nodes, &destination))
                .map_err(failed)?;
            set_own(target, &node::stored(&top).stat)
        })
    }

    /// Files for a handle that ends where the meter's caller wants an end.
    pub(super) fn stoppable(&self, meter: &Meter, ending: Ending) -> Arc<Backend> {
        Arc::new(self.files(Seen::Yes).until(meter.stop(), ending))
    }
}

/// Which files are one file with several names.
///
/// The engine goes by device and inode alone. But a snapshot is not of one
/// moment, and an inode can have been two files while it was taken; so names are
/// only linked where the content is the same, too.
#[derive(Default)]
struct Links {
    first: HashMap<(u64, u64), Vec<DataId>>,
}

impl Links {
    /// The node; on its own, if it is not what the first of its inode was.
    fn checked(&mut self, mut node: Node) -> Node {
        if node.meta.links > 1 && node.is_file() {
            let content = node.content.clone().unwrap_or_default();
            match self.first.entry((node.meta.device_id, node.meta.inode)) {
                Entry::Vacant(first) => {
                    first.insert(content);
                }
                Entry::Occupied(first) if *first.get() != content => node.meta.links = 1,
                Entry::Occupied(_) => {}
            }
        }
        node
    }
}

/// A directory by a path that is text, which is all that the engine takes.
struct Reachable {
    text: String,
    _open: Option<File>,
}

impl Reachable {
    fn new(directory: &Path) -> Result<Self, StoreError> {
        if let Some(text) = directory.to_str() {
            return Ok(Self { text: format!("{text}/"), _open: None });
        }
        let open = File::open(directory).at("open", directory)?;
        let text = format!("/proc/self/fd/{}/", open.as_raw_fd());
        if !PathBuf::from(&text).is_dir() {
            let message = format!("the path {} is not UTF-8", crate::fs::shown(directory));
            return Err(StoreError::Store { what: WHAT, message });
        }
        Ok(Self { text, _open: Some(open) })
    }
}

fn free_bytes(directory: &Path) -> Result<u64, StoreError> {
    let space = rustix::fs::statvfs(directory).map_err(std::io::Error::from);
    let space = space.at("look for free space in", directory)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Owner, mode and time of the directory that was restored into; the engine only
/// sees to what is in it.
fn set_own(directory: &Path, stat: &Stat) -> Result<(), StoreError> {
    let open = File::open(directory).at("open", directory)?;
    // Only root may give files away; the others restore what is theirs.
    let _ = chown(directory, Some(stat.uid), Some(stat.gid));
    let mode = fs::Permissions::from_mode(stat.mode & 0o7777);
    fs::set_permissions(directory, mode).at("set the mode of", directory)?;
    let (seconds, nanoseconds) = stat.mtime;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { SystemTime::UNIX_EPOCH - whole } else { SystemTime::UNIX_EPOCH + whole };
    let time = time + Duration::from_nanos(nanoseconds.into());
    open.set_times(FileTimes::new().set_modified(time).set_accessed(time))
        .at("set the time of", directory)?;
    Ok(())
}
