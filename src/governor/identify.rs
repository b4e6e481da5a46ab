use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{Governor, locked};
use crate::{
    fs::{
        RealWriter,
        answering::{self, PATIENCE},
    },
    git::Location,
    registry::{Document, Edit, RegistryError, Repo, View},
};

/// How often it is looked again at where entries lead that led nowhere, or by way
/// of links: a disk may have been mounted meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long after a try that failed ids are assigned again.
const AGAIN: Duration = Duration::from_secs(3);

/// Which repository lives where, for one version of the registry.
#[derive(Default)]
pub(super) struct Places {
    version: String,
    /// In the registry's order.
    repos: Arc<[Arc<Repo>]>,
    /// By the path that the registry states.
    stated: HashMap<PathBuf, Arc<Repo>>,
    /// By where the repositories are found; not looked for before somebody has
    /// to know.
    found: Option<Arc<Found>>,
    /// What an earlier version found.
    before: Option<Arc<Found>>,
    ids: Arc<Mutex<Ids>>,
}

/// Registered repositories by what is found at their paths.
#[derive(Default)]
struct Found {
    by_common_dir: HashMap<PathBuf, Arc<Repo>>,
    by_path: HashMap<PathBuf, Arc<Repo>>,
    /// What was found, by the path that the registry states: where the next
    /// version states the same, and nothing tells of a change, that is taken on.
    /// Each of many registrations would look at all that were before it.
    looks: HashMap<PathBuf, Look>,
    /// When all or some were looked at last.
    at: Option<Instant>,
}

/// What is at an entry's path.
#[derive(Clone)]
struct Look {
    /// Without links.
    path: PathBuf,
    stamps: Option<[Stamp; 2]>,
    /// The repository's git directory, and whether the entry's path is what it
    /// is known by.
    repo: Option<(PathBuf, bool)>,
}

/// Device, inode, size and times of a file; `None` if it is not there.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64)>;

fn stamp(meta: std::io::Result<fs::Metadata>) -> Stamp {
    let meta = meta.ok()?;
    Some((
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ))
}

impl Look {
    /// Nothing is known of a place, and nothing is taken on: it does not answer.
    fn silent(stated: &Path) -> Self {
        Self { path: stated.to_path_buf(), stamps: None, repo: None }
    }

    /// Whether another repository may be there without a change of the registry.
    fn may_change(&self, stated: &Path) -> bool {
        self.repo.is_none() || self.path != stated
    }

    /// Looks at a place; `before` is what was found there last.
    fn at(stated: &Path, before: Option<&Self>) -> Self {
        let path = fs::canonicalize(stated).unwrap_or_else(|_| stated.to_path_buf());
        // What git writes of a repository's configuration changes its directory.
        let dir = stamp(fs::metadata(&path));
        let stamps = dir.is_some().then(|| [dir, stamp(fs::symlink_metadata(path.join(".git")))]);
        if let Some(before) = before.filter(|before| stamps.is_some() && before.stamps == stamps)
            && before.path == path
        {
            return before.clone();
        }
        let location = Location::at(&path).ok();
        let repo = location.map(|location| {
            let is_main = location.main_path() == path;
            (location.common_dir, is_main)
        });
        Self { path, stamps, repo }
    }
}

/// A place, and what was found there last.
struct Known {
    path: PathBuf,
    look: Option<Look>,
}

impl AsRef<Path> for Known {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// The last try to give ids to entries that people added without one.
#[derive(Default)]
struct Ids {
    version: String,
    problem: Option<String>,
    /// When to try again, if what it failed by may pass.
    again: Option<Instant>,
}

impl Found {
    /// Looks at every repository's place.
    fn look(repos: &[Arc<Repo>], before: &Self) -> Self {
        Self::of(repos, before, |_, _| true)
    }

    /// Looks again where another repository may be than at the last look; `None`
    /// where there is no such place, or it was looked at a moment ago.
    fn look_again(&self, repos: &[Arc<Repo>]) -> Option<Self> {
        let is_due = self.at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        let is_any = || self.looks.iter().any(|(stated, look)| look.may_change(stated));
        (is_due && is_any()).then(|| Self::of(repos, self, |stated, look| look.may_change(stated)))
    }

    /// Looks at the places that nobody looked at `before`, and at those others that
    /// are `wanted`.
    fn of(repos: &[Arc<Repo>], before: &Self, wanted: impl Fn(&Path, &Look) -> bool) -> Self {
        let is_wanted = |stated: &Path| before.looks.get(stated).is_none_or(|look| wanted(stated, look));
        let places = repos.iter().map(|repo| &repo.local_path).filter(|path| is_wanted(path));
        let places: Vec<Known> =
            places.map(|path| Known { path: path.clone(), look: before.looks.get(path).cloned() }).collect();
        let paths: Vec<PathBuf> = places.iter().map(|place| place.path.clone()).collect();
        let answers =
            answering::each(places, PATIENCE, |place: &Known| Look::at(&place.path, place.look.as_ref()));
        let looks = paths.into_iter().zip(answers);
        let mut looks: HashMap<PathBuf, Look> = looks
            .map(|(path, answer)| {
                let look = answer.unwrap_or_else(|_| Look::silent(&path));
                (path, look)
            })
            .collect();

        let mut found = Self { at: Some(Instant::now()), ..Self::default() };
        for repo in repos {
            let stated = &repo.local_path;
            let look = looks.remove(stated).or_else(|| before.looks.get(stated).cloned());
            let look = look.unwrap_or_else(|| Look::silent(stated));
            if let Some((common_dir, is_main)) = &look.repo {
                // Of an entry each for a work tree and for one that is linked to
                // it, the first is the repository's.
                let known = found.by_common_dir.entry(common_dir.clone()).or_insert_with(|| Arc::clone(repo));
                if *is_main {
                    known.clone_from(repo);
                }
            }
            found.by_path.entry(look.path.clone()).or_insert_with(|| Arc::clone(repo));
            found.looks.insert(stated.clone(), look);
        }
        found
    }

    fn get(&self, location: &Location) -> Option<Arc<Repo>> {
        if let Some(repo) = self.by_common_dir.get(&location.common_dir) {
            return Some(Arc::clone(repo));
        }
        let keys =
            [Some(location.main_path()), location.work_tree.clone(), Some(location.common_dir.clone())];
        keys.into_iter().flatten().find_map(|key| self.by_path.get(&key).cloned())
    }
}

/// The same entry in another state of the registry, by its id: its name may be
/// another's by now.
pub(super) fn entry_of<'a>(document: &'a Document, repo: &Repo) -> Option<&'a Repo> {
    document
        .repos
        .iter()
        .find(|now| if repo.id.is_some() { now.id == repo.id } else { now.name == repo.name })
}

impl Governor {
    /// The registry in force, for what people ask. Entries that they added
    /// without an id get one.
    pub(super) fn document(&self) -> Arc<Document> {
        self.view().document
    }

    /// As [`Governor::document`], and why the file says something else.
    pub(super) fn view(&self) -> View {
        self.assign_ids();
        self.registry.view()
    }

    /// Gives ids to the entries that have none, once for each state of the
    /// registry, and again a little later where only the moment was against it:
    /// somebody held the lock, or the disk was full. May wait for the registry's lock: not for a hook to call.
    pub(super) fn assign_ids(&self) {
        let view = self.registry.view();
        let version = &view.document.version;
        if view.problem.is_some() || view.document.repos.iter().all(|repo| repo.id.is_some()) {
            return;
        }
        let shared = Arc::clone(&locked(&self.places).ids);
        let mut tried = locked(&shared);
        if tried.version == *version && tried.again.is_none_or(|again| Instant::now() < again) {
            return;
        }
        // Looked at before the lock is held: a disk may not answer.
        let missing = view.document.repos.iter().filter(|repo| repo.id.is_none());
        let located = |repo: &Repo| {
            let found = answering::within(&repo.local_path, PATIENCE, |path| Location::at(path).ok());
            (repo.local_path.clone(), found.ok().flatten())
        };
        let places: HashMap<PathBuf, Option<Location>> = missing.map(located).collect();
        let plan = |document: &Document| {
            let missing = document.repos.iter().filter(|repo| repo.id.is_none());
            let mut ids = BTreeMap::<String, String>::new();
            for repo in missing {
                let location = places.get(&repo.local_path).and_then(Option::as_ref);
                let id = self.id_for(document, location);
                // Two entries of one repository are two.
                let is_taken = ids.values().any(|taken| *taken == id);
                ids.insert(repo.name.clone(), if is_taken { Uuid::now_v7().to_string() } else { id });
            }
            Ok::<_, RegistryError>((Edit::AssignIds(ids.clone()), ids))
        };
        let assigned = self.registry.edit_with(&RealWriter, None, plan);
        *tried = Ids { version: version.clone(), ..Ids::default() };
        match assigned {
            // What registering them by hand did not do follows.
            Ok((_, ids)) => ids.values().for_each(|id| self.want_identity(Some(id), false)),
            Err(error) => {
                tracing::warn!(%error, "ids could not be assigned");
                tried.again = error.is_passing().then(|| Instant::now() + AGAIN);
                tried.problem =
                    Some(format!("entries of the registry have no id, and can't be given one: {error}"));
            }
        }
    }

    /// Why entries of the registry are without an id; nothing is tried.
    pub(super) fn id_problem(&self) -> Option<String> {
        let version = self.registry.view().document.version.clone();
        let shared = Arc::clone(&locked(&self.places).ids);
        // While somebody tries, nothing has failed yet.
        let tried = shared.try_lock().ok()?;
        tried.problem.clone().filter(|_| tried.version == version)
    }

    /// The registered repository that lives at `location`, if any. Neither waits
    /// for the registry's lock nor changes it: hooks come this way.
    pub(super) fn registered(&self, location: &Location) -> Option<Arc<Repo>> {
        let document = self.registry.view().document;
        let (repos, before, has_looked) = {
            let mut places = locked(&self.places);
            if places.version != document.version {
                places.repos = document.repos.iter().cloned().map(Arc::new).collect();
                let by_path = places.repos.iter().map(|repo| (repo.local_path.clone(), Arc::clone(repo)));
                places.stated = by_path.collect();
                if let Some(found) = places.found.take() {
                    places.before = Some(found);
                }
                places.version.clone_from(&document.version);
            }
            // Where the path itself says it, no other repository is looked at,
            // which may be on a disk that does not answer.
            let around = location.common_dir.parent().filter(|_| location.common_dir.ends_with(".git"));
            let plain = around.and_then(|path| places.stated.get(path));
            if let Some(repo) = plain.or_else(|| places.stated.get(&location.common_dir)) {
                return Some(Arc::clone(repo));
            }
            let repos = Arc::clone(&places.repos);
            match &places.found {
                Some(found) => match found.get(location) {
                    Some(repo) => return Some(repo),
                    None => (repos, Some(Arc::clone(found)), true),
                },
                None => (repos, places.before.clone(), false),
            }
        };
        // Others need not wait for what this meets.
        let found = if has_looked {
            before?.look_again(&repos)?
        } else {
            Found::look(&repos, before.as_deref().unwrap_or(&Found::default()))
        };
        let found = Arc::new(found);
        let mut places = locked(&self.places);
        if places.version == document.version {
            places.found = Some(Arc::clone(&found));
            places.before = None;
        }
        found.get(location)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::client::Home;

    fn repository(path: &Path) -> Location {
        fs::create_dir_all(path).unwrap();
        assert!(Command::new("git").args(["init", "-q"]).current_dir(path).status().unwrap().success());
        Location::at(path).unwrap()
    }

    /// As a link to a disk that is mounted later, without a change of the registry.
    #[test]
    fn where_an_entry_leads_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::single(&dir.path().join("home")).unwrap();
        for place in [&home.config, &home.state, &home.probe] {
            fs::create_dir_all(place).unwrap();
        }
        let link = dir.path().join("link");
        let listed = format!("version: 1\nrepos:\n- name: app\n  local_path: {}\n", link.display());
        fs::write(home.config.join("repos.yml"), listed).unwrap();
        std::os::unix::fs::symlink("disk/app", &link).unwrap();
        let governor = Governor::open(home, dir.path().join("socket")).unwrap();
        let other = repository(&dir.path().join("other"));
        assert!(governor.registered(&other).is_none());
        let app = repository(&dir.path().join("disk/app"));
        let known = loop {
            match governor.registered(&app) {
                Some(known) => break known,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(known.name, "app");
        assert!(governor.registered(&other).is_none());
        // Another disk in its place.
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("other", &link).unwrap();
        while governor.registered(&other).is_none() {
            std::thread::yield_now();
        }
    }
}
