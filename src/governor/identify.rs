use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use uuid::Uuid;

use super::{Error, Governor, Reason, locked};
use crate::{
    fs::{RealWriter, shown},
    git::Location,
    registry::{Document, Edit, Repo, find, nearest},
};

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
    ids: Arc<Mutex<Ids>>,
}

/// Registered repositories by what is found at their paths.
#[derive(Default)]
struct Found {
    by_common_dir: HashMap<PathBuf, Arc<Repo>>,
    by_path: HashMap<PathBuf, Arc<Repo>>,
}

/// The last try to give ids to entries that people added without one.
#[derive(Default)]
struct Ids {
    version: String,
    problem: Option<String>,
}

impl Found {
    /// Looks at every repository's place.
    fn look(repos: &[Arc<Repo>]) -> Self {
        let mut found = Self::default();
        for repo in repos {
            let path = fs::canonicalize(&repo.local_path).unwrap_or_else(|_| repo.local_path.clone());
            if let Ok(location) = Location::at(&path) {
                let is_main = location.main_path() == path;
                let known = found.by_common_dir.entry(location.common_dir);
                // Of an entry each for a work tree and for one that is linked to
                // it, the first is the repository's.
                let known = known.or_insert_with(|| Arc::clone(repo));
                if is_main {
                    known.clone_from(repo);
                }
            }
            found.by_path.entry(path).or_insert_with(|| Arc::clone(repo));
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

impl Governor {
    /// The registry in force, for what people ask. Entries that they added
    /// without an id get one.
    pub(super) fn document(&self) -> Arc<Document> {
        self.assign_ids();
        self.registry.view().document
    }

    /// Gives ids to the entries that have none, once for each state of the
    /// registry. May wait for the registry's lock: not for a hook to call.
    pub(super) fn assign_ids(&self) {
        let view = self.registry.view();
        let missing = view.document.repos.iter().filter(|repo| repo.id.is_none());
        let ids: Vec<_> = missing.map(|repo| (repo.name.clone(), Uuid::now_v7().to_string())).collect();
        if view.problem.is_some() || ids.is_empty() {
            return;
        }
        let shared = Arc::clone(&locked(&self.places).ids);
        let mut tried = locked(&shared);
        if tried.version == view.document.version {
            return;
        }
        tried.version.clone_from(&view.document.version);
        tried.problem = None;
        let edit = Edit::AssignIds(ids.into_iter().collect());
        if let Err(error) = self.registry.edit(&RealWriter, Some(&view.document.version), &edit) {
            tracing::warn!(%error, "ids could not be assigned");
            tried.problem =
                Some(format!("entries of the registry have no id, and can't be given one: {error}"));
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
        let repos = {
            let mut places = locked(&self.places);
            if places.version != document.version {
                places.repos = document.repos.iter().cloned().map(Arc::new).collect();
                let by_path = places.repos.iter().map(|repo| (repo.local_path.clone(), Arc::clone(repo)));
                places.stated = by_path.collect();
                places.found = None;
                places.version.clone_from(&document.version);
            }
            // Where the path itself says it, no other repository is looked at,
            // which may be on a disk that does not answer.
            let around = location.common_dir.parent().filter(|_| location.common_dir.ends_with(".git"));
            let plain = around.and_then(|path| places.stated.get(path));
            if let Some(repo) = plain.or_else(|| places.stated.get(&location.common_dir)) {
                return Some(Arc::clone(repo));
            }
            if let Some(found) = &places.found {
                return found.get(location);
            }
            Arc::clone(&places.repos)
        };
        // Others need not wait for what this meets.
        let found = Arc::new(Found::look(&repos));
        let mut places = locked(&self.places);
        if places.version == document.version {
            places.found = Some(Arc::clone(&found));
        }
        found.get(location)
    }

    /// The repository that a selector means: an id, a name, or a path in it.
    pub fn select(&self, selector: &str) -> Result<Repo, Error> {
        let document = self.document();
        let path = Path::new(selector);
        let selected = if path.is_absolute() {
            let stated = document.repos.iter().find(|repo| repo.local_path == path).cloned();
            // Not by its name alone: what is not there is in no repository.
            stated.or_else(|| {
                let location = Location::discover(&fs::canonicalize(path).ok()?).ok()?;
                self.registered(&location).map(|repo| Repo::clone(&repo))
            })
        } else {
            find(&document, selector).cloned()
        };
        if let Some(repo) = selected {
            return Ok(repo);
        }
        let near = nearest(&document, selector);
        let hint = near.map_or_else(
            || "`kpmo repo list` shows what is registered, `kpmo repo add PATH` adds one".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        let shown = shown(std::path::Path::new(selector));
        let error =
            Error::new(Reason::RepoNotFound, format!("no registered repository is called {shown}; {hint}"))
                .with("selector", shown);
        Err(match near {
            Some(near) => error.with("nearest", near),
            None => error,
        })
    }

    /// Those that the selectors mean, each once, in registry order; all if there
    /// are none.
    pub fn select_all(&self, selectors: &[String]) -> Result<Vec<Repo>, Error> {
        let document = self.document();
        if selectors.is_empty() {
            return Ok(document.repos.clone());
        }
        let wanted = selectors.iter().map(|s| self.select(s)).collect::<Result<Vec<_>, _>>()?;
        let is_wanted = |repo: &&Repo| wanted.iter().any(|wanted| wanted.name == repo.name);
        Ok(document.repos.iter().filter(is_wanted).cloned().collect())
    }
}
