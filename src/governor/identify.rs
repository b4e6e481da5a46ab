use std::{collections::HashMap, fs, path::PathBuf, sync::Arc};

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
    by_path: HashMap<PathBuf, Arc<Repo>>,
}

impl Governor {
    /// The registry in force. Entries that people added without an id get one.
    pub(super) fn document(&self) -> Arc<Document> {
        let view = self.registry.view();
        if view.problem.is_some() || view.document.repos.iter().all(|repo| repo.id.is_some()) {
            return view.document;
        }
        let missing = view.document.repos.iter().filter(|repo| repo.id.is_none());
        let ids = missing.map(|repo| (repo.name.clone(), Uuid::now_v7().to_string())).collect();
        match self.registry.edit(&RealWriter, Some(&view.document.version), &Edit::AssignIds(ids)) {
            Ok(document) => document,
            Err(error) => {
                tracing::warn!(%error, "ids could not be assigned");
                view.document
            }
        }
    }

    /// The registered repository that lives at `location`, if any.
    pub(super) fn registered(&self, location: &Location) -> Option<Arc<Repo>> {
        let document = self.document();
        let mut places = locked(&self.places);
        if places.version != document.version {
            places.by_path = document
                .repos
                .iter()
                .map(|repo| {
                    let path = fs::canonicalize(&repo.local_path).unwrap_or_else(|_| repo.local_path.clone());
                    (path, Arc::new(repo.clone()))
                })
                .collect();
            places.version.clone_from(&document.version);
        }
        let keys =
            [Some(location.main_path()), location.work_tree.clone(), Some(location.common_dir.clone())];
        keys.into_iter().flatten().find_map(|key| places.by_path.get(&key).cloned())
    }

    /// The repository that a selector means: an id, a name, or a path.
    pub fn select(&self, selector: &str) -> Result<Repo, Error> {
        let document = self.document();
        if let Some(repo) = find(&document, selector) {
            return Ok(repo.clone());
        }
        if selector.starts_with('/')
            && let Ok(location) = Location::discover(std::path::Path::new(selector))
            && let Some(repo) = self.registered(&location)
        {
            return Ok(Repo::clone(&repo));
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
