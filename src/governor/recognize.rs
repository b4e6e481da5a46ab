//! What a scan finds is told to the governor as it is met, and recognised: what
//! is registered, what has moved, and what has vanished.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{Governor, moved::Newcomer};
use crate::{
    fs::path_from,
    generated::probe::{TrackRequest, TrackResponse, track_response::Event},
    git::Location,
    probe,
    registry::Repo,
};

/// What is known of finds.
#[derive(Debug)]
pub struct Recognition {
    /// In the order of the finds.
    pub finds: Vec<Recognized>,
    /// Entries whose repositories have vanished, and are not among the finds.
    pub vanished: Vec<Repo>,
}

/// What is known of a find.
#[derive(Debug, Clone)]
pub enum Recognized {
    /// Nobody registered it.
    New,
    /// It is registered.
    Registered(Repo),
    /// It is registered, at a path from which it has vanished.
    Moved(Repo),
    /// It may be any of these, which have vanished from their paths.
    Ambiguous(Vec<Repo>),
}

impl Governor {
    /// Walks directories as the probe's contract has it; `sink` is told of each
    /// find as it is met, and ends the walk by returning false.
    pub fn track(&self, request: &TrackRequest, sink: &(dyn Fn(TrackResponse) -> bool + Sync)) {
        let document = self.document();
        let by_path: HashMap<&Path, &Repo> =
            document.repos.iter().map(|repo| (repo.local_path.as_path(), repo)).collect();
        let options = self.track_options(request.skip.clone(), request.cross_file_systems);
        probe::track_for(&request.roots, &options, &|answer| {
            if let Some(Event::Found(found)) = &answer.event
                && let Some(repo) = by_path.get(&*path_from(&found.path))
            {
                // It is where it should be: the time to note what it is known by.
                self.want_identity(repo.id.as_deref(), false);
            }
            sink(answer)
        });
    }

    /// What is known of finds, each the path of a repository and its common git
    /// directory. Changes nothing.
    pub fn recognize(&self, finds: &[(PathBuf, PathBuf)]) -> Recognition {
        let document = self.document();
        let strays = self.strays();
        let by_path: HashMap<&Path, &Repo> =
            document.repos.iter().map(|repo| (repo.local_path.as_path(), repo)).collect();
        let mut known: Vec<Recognized> = Vec::with_capacity(finds.len());
        let mut unknown: Vec<(usize, Location)> = Vec::new();
        for (at, (path, common_dir)) in finds.iter().enumerate() {
            let around = common_dir.parent().filter(|_| common_dir.ends_with(".git"));
            // Where paths say it, no file need be looked at.
            let mut stated = [Some(path.as_path()), around, Some(common_dir)].into_iter().flatten();
            let mut repo = stated.find_map(|path| by_path.get(path)).map(|repo| Repo::clone(repo));
            // A path says nothing where another's repository is.
            repo = repo.filter(|repo| !strays.displaces(repo));
            if repo.is_none()
                && !document.repos.is_empty()
                && let Ok(location) = Location::at(path)
            {
                repo = self.registered(&location).map(|repo| Repo::clone(&repo));
                repo = repo.filter(|repo| !strays.displaces(repo));
                // Only what stands alone has entries.
                if repo.is_none() && !belongs(&location) {
                    unknown.push((at, location));
                }
            }
            known.push(repo.map_or(Recognized::New, Recognized::Registered));
        }
        let newcomers =
            self.newcomers(&strays, &unknown.iter().map(|(_, location)| location).collect::<Vec<_>>());
        for ((at, _), newcomer) in unknown.iter().zip(newcomers) {
            known[*at] = match newcomer {
                Newcomer::New => Recognized::New,
                Newcomer::Moved { repo, .. } => Recognized::Moved(*repo),
                Newcomer::Ambiguous(may_be) => Recognized::Ambiguous(may_be),
            };
        }
        let is_found = |repo: &Repo| {
            known.iter().any(|known| matches!(known, Recognized::Moved(moved) if moved.name == repo.name))
        };
        let gone = strays.vanished.into_iter().chain(strays.displaced);
        let vanished = gone.filter(|repo| !is_found(repo)).collect();
        Recognition { finds: known, vanished }
    }
}

/// Whether a repository is a linked work tree, or a submodule with its git
/// directory in its superproject's.
fn belongs(location: &Location) -> bool {
    let is_in = |above: &Path| {
        above.ends_with("modules") && above.parent().is_some_and(|above| above.join("HEAD").exists())
    };
    location.git_dir != location.common_dir || location.common_dir.ancestors().skip(1).any(is_in)
}
