//! What tells a repository from every other, wherever it is: so that one that
//! was moved is known again.
//!
//! Two things are remembered. The mark of its git directory (inode number and
//! time of birth) survives a rename and no copy, so it is proof by itself; it is
//! there from the moment of registration. Root commits and remote survive a move
//! to another disk or machine as well, and copies and clones have them, too: they
//! count only where nothing contradicts. Reading the roots is reading a history,
//! which a thread does that nobody waits for. Where the repository's file system
//! is mounted is remembered, because what is on a disk that isn't there has not
//! vanished.
//!
//! What has left the registry is remembered as well: who comes back gets the id that
//! snapshots and events are under, be it that only a line of the file was lost.
//!
//! All of it can be had again from the repositories: it is kept in a file of its
//! own, and losing that file costs no more than moves that nobody looked at yet, and
//! ids of what has left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Governor, calm, doctor::waiting_events, errands::Errands, locked};
use crate::{
    fs::{
        RealWriter, Writer,
        answering::{self, NoAnswer, PATIENCE},
    },
    git::{self, Location},
    registry::{Document, Repo, without_credentials},
};

/// How many repositories that have left the registry are remembered.
const MOST_FORMER: usize = 4096;

/// What is remembered of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Identity {
    /// Inode number and time of birth of the common git directory; `None` where
    /// the file system knows no such time.
    pub mark: Option<String>,
    /// Where the file system is mounted that the repository is on.
    pub mount: Option<PathBuf>,
    /// Of the remote, without credentials.
    pub remote: Option<String>,
    /// Root commits, in order; none: there is no commit yet, or nobody has looked.
    pub roots: Vec<String>,
    /// State of the configuration's file that `remote` is from.
    config: Option<String>,
}

/// The file's content.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// By the repository's id.
    repos: BTreeMap<String, Identity>,
}

/// What is remembered of all repositories.
pub(super) struct Identities {
    path: PathBuf,
    known: Mutex<BTreeMap<String, Identity>>,
    /// By their ids; more: the history again, too.
    errands: Errands<String, ()>,
    /// Those that the ledger knows, with all that is new in them.
    recorded: Mutex<BTreeSet<String>>,
}

impl Identities {
    /// Those that the file at `path` holds; one that can't be read is begun anew.
    pub(super) fn open(path: PathBuf) -> Self {
        let kept: Kept =
            fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, known: Mutex::new(kept.repos), errands: Errands::default(), recorded: Mutex::default() }
    }

    pub(super) fn of(&self, id: &str) -> Option<Identity> {
        locked(&self.known).get(id).cloned()
    }

    /// Has a repository looked at by and by; `history`: its roots, too, even if
    /// some are known.
    pub(super) fn want(&self, id: &str, history: bool) {
        self.errands.want(id.to_owned(), (), history);
    }

    /// Ends the thread after the repository that it is at.
    pub(super) fn finish(&self) {
        self.errands.finish();
    }

    /// Whether another of `registered` is known by this mark.
    fn is_anothers(&self, id: &str, mark: Option<&str>, registered: &BTreeSet<&str>) -> bool {
        let has_it = |identity: &Identity| mark.is_some() && identity.mark.as_deref() == mark;
        locked(&self.known)
            .iter()
            .any(|(other, identity)| other != id && has_it(identity) && registered.contains(other.as_str()))
    }

    /// Takes in what was learnt; whether that is anything new.
    fn learn(&self, id: &str, identity: Identity) -> bool {
        let mut known = locked(&self.known);
        let is_new = known.get(id) != Some(&identity);
        known.insert(id.to_owned(), identity);
        is_new
    }

    /// The id of a repository with this mark that is not registered any more.
    fn former(&self, mark: &str, registered: &BTreeSet<&str>) -> Option<String> {
        let known = locked(&self.known);
        let left = known.iter().rev().filter(|(id, _)| !registered.contains(id.as_str()));
        left.filter(|(_, identity)| identity.mark.as_deref() == Some(mark)).map(|(id, _)| id.clone()).next()
    }

    /// Writes all that is known: of repositories of the registry, and of so many that
    /// have left it.
    fn keep(&self, registered: &BTreeSet<&str>) {
        let mut known = locked(&self.known);
        let mut over = known.keys().filter(|id| !registered.contains(id.as_str())).count();
        over = over.saturating_sub(MOST_FORMER);
        // The first ids are the oldest.
        known.retain(|id, _| {
            let goes = over > 0 && !registered.contains(id.as_str());
            over -= usize::from(goes);
            !goes
        });
        let kept = Kept { version: 1, repos: known.clone() };
        // Under the lock: of two writers the later one must be the last.
        let written = serde_json::to_vec_pretty(&kept)
            .map_err(|error| error.to_string())
            .and_then(|bytes| RealWriter.write(&self.path, &bytes, 0o600).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!(error, "what tells repositories apart is not written");
        }
    }
}

/// Starts the thread that looks at repositories: at all of them once, and then
/// at those that something happened to. It also sees to it that the ledger knows
/// each of them.
pub(super) fn start(governor: &Arc<Governor>) {
    let governor = Arc::clone(governor);
    let spawned = std::thread::Builder::new().name("identities".into()).spawn(move || {
        calm::be_nice();
        for repo in &governor.registry.view().document.repos {
            governor.want_identity(repo.id.as_deref(), false);
        }
        let mut is_changed = false;
        governor.calm.wait(calm::LONG_QUIET, || governor.is_stopping());
        while let Some((id, errand)) = governor.identities.errands.next() {
            governor.calm.wait(calm::QUIET, || governor.is_stopping());
            match governor.look_for_identity(&id, errand.is_more) {
                Ok(is_new) => is_changed |= is_new,
                Err(NoAnswer) => {
                    governor.identities.errands.postpone(id, errand);
                    continue;
                }
            }
            // It has just answered.
            let is_recorded = locked(&governor.identities.recorded).contains(&id);
            // Events that wait may be of what is new here: they are worked off first.
            if !is_recorded && waiting_events(&governor.home) == 0 && governor.complete_by_id(&id) {
                locked(&governor.identities.recorded).insert(id);
            }
            if is_changed && governor.identities.errands.is_idle() {
                governor.keep_identities();
                is_changed = false;
            }
        }
        if is_changed {
            governor.keep_identities();
        }
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "the thread that looks at repositories could not be started");
    }
}

impl Governor {
    /// Has a repository's identity looked at, by and by.
    pub(super) fn want_identity(&self, id: Option<&str>, history: bool) {
        if let Some(id) = id {
            self.identities.want(id, history);
        }
    }

    /// As [`Governor::want_identity`]; and what came by no event is judged.
    pub(super) fn want_missed(&self, id: Option<&str>) {
        if let Some(id) = id {
            locked(&self.identities.recorded).remove(id);
        }
        self.want_identity(id, false);
    }

    /// Notes what can be had at once of repositories that were just registered
    /// or moved; the rest follows.
    pub(super) fn note_identities(&self, repos: &[(Repo, Location)]) {
        for (repo, location) in repos {
            let Some(id) = &repo.id else { continue };
            let known = self.identities.of(id).unwrap_or_default();
            self.identities.learn(id, placed(known, location));
        }
        self.keep_identities();
        for (repo, _) in repos {
            self.want_identity(repo.id.as_deref(), false);
        }
    }

    /// The id for a repository that has none in `document`: the one that it had, if it
    /// was registered before.
    pub(super) fn id_for(&self, document: &Document, location: Option<&Location>) -> String {
        let mark = location.and_then(|location| mark(&location.common_dir));
        let former = mark.and_then(|mark| self.identities.former(&mark, &ids(document)));
        former.unwrap_or_else(|| Uuid::now_v7().to_string())
    }

    fn keep_identities(&self) {
        self.identities.keep(&ids(&self.registry.view().document));
    }

    /// Whether there is anything new.
    pub(super) fn look_for_identity(&self, id: &str, history: bool) -> Result<bool, NoAnswer> {
        let document = self.registry.view().document;
        let repo = document.repos.iter().find(|repo| repo.id.as_deref() == Some(id));
        let Some(repo) = repo else { return Ok(false) };
        let known = self.identities.of(id).unwrap_or_default();
        let place = answering::within(&repo.local_path, PATIENCE, |path| Place::at(path, known))?;
        let Some(place) = place else { return Ok(false) };
        // Another's repository has come to this path: what is known of the one that
        // was here is what it will be known again by.
        if self.identities.is_anothers(id, place.identity.mark.as_deref(), &ids(&document)) {
            return Ok(false);
        }
        match self.identity(place, history) {
            Ok(identity) => Ok(self.identities.learn(id, identity)),
            Err(error) => {
                tracing::debug!(id, %error, "a repository's identity can't be told now");
                Ok(false)
            }
        }
    }

    /// What is known of a repository, brought up to date.
    fn identity(&self, place: Place, history: bool) -> Result<Identity, Error> {
        let Place { mut identity, location, config } = place;
        if config.is_none() || config != identity.config {
            identity.remote = git::remote_url(&self.git, &location)?.map(|url| without_credentials(&url));
            identity.config = config;
        }
        if history || identity.roots.is_empty() {
            identity.roots = git::roots(&self.git, &location)?;
        }
        Ok(identity)
    }
}

fn ids(document: &Document) -> BTreeSet<&str> {
    document.repos.iter().filter_map(|repo| repo.id.as_deref()).collect()
}

/// What is at a repository's path, without asking git.
struct Place {
    /// What was known before, with the mark and the mount of this place.
    identity: Identity,
    location: Location,
    /// State of the configuration's file.
    config: Option<String>,
}

impl Place {
    /// `None`: no repository is there.
    fn at(path: &Path, known: Identity) -> Option<Self> {
        let location = Location::at(path).ok()?;
        let config = stamp(&location.common_dir.join("config"));
        Some(Self { identity: placed(known, &location), location, config })
    }
}

/// With the mark and the mount of where the repository is now.
fn placed(identity: Identity, location: &Location) -> Identity {
    let mount = mount_of(&location.common_dir).filter(|mount| mount.to_str().is_some());
    Identity { mark: mark(&location.common_dir), mount, ..identity }
}

/// What a git directory keeps when it is renamed, and no copy of it has.
pub(super) fn mark(common_dir: &Path) -> Option<String> {
    let meta = fs::metadata(common_dir).ok()?;
    let born = meta.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{}:{}", meta.ino(), born.as_nanos()))
}

/// State of a file.
fn stamp(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    Some(format!("{}:{}:{}.{}", meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()))
}

/// Where the file system is mounted that a directory is on; another one's root
/// without a mount (a btrfs subvolume) is as good.
fn mount_of(path: &Path) -> Option<PathBuf> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev());
    let own = device(path).ok()?;
    let inside = path.ancestors().take_while(|above| device(above).is_ok_and(|device| device == own));
    inside.last().map(Path::to_path_buf)
}

/// Whether something is mounted there, or it is the root.
pub(super) fn is_mounted(mount: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev());
    match mount.parent() {
        None => true,
        Some(above) => matches!((device(mount), device(above)), (Ok(own), Ok(above)) if own != above),
    }
}
