//! Registering what a scan found: all of it in one edit of the registry.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    Error, Governor, Reason, locked,
    moved::{Newcomer, Strays, ambiguous, held},
    onboard::{free_name, gitignore_profile},
    registration::{HEADS_MAX, added},
};
use crate::{
    fs::{DryRun, RealWriter, Writer, shown},
    git::{self, Location, Origin},
    registry::{Document, Edit, RegistryError, Repo, without_credentials},
};

/// What is to be registered.
#[derive(Debug, Clone, Default)]
pub struct FoundOrder {
    /// Absolute paths of repositories.
    pub paths: Vec<PathBuf>,
    /// Leave the hooks alone.
    pub skip_hooks: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// How far it has come, and perhaps what became of a path.
#[derive(Debug)]
pub struct FoundStep {
    /// Steps done.
    pub done: u32,
    /// Steps in all.
    pub total: u32,
    /// In one step for each path.
    pub found: Option<RegisteredFound>,
}

/// What became of a path.
#[derive(Debug)]
pub struct RegisteredFound {
    /// As it was given.
    pub path: PathBuf,
    /// Its entry, or why there is none.
    pub outcome: Result<(FoundOutcome, Repo), Error>,
    /// What did not stop it.
    pub warnings: Vec<String>,
}

/// How a path came to its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundOutcome {
    /// It had it.
    Known,
    /// The entry is new.
    Added,
    /// It had it at this path, which has vanished.
    Moved(PathBuf),
}

/// A path, and what was found there.
struct Find {
    path: PathBuf,
    place: Result<Place, Error>,
    warnings: Vec<String>,
}

/// A repository, and what it is to the registry.
struct Place {
    location: Location,
    standing: Standing,
}

/// What a look at a path met.
enum Met {
    Known(Location, Repo),
    Unknown(Location, Origin),
}

enum Standing {
    Known(Repo),
    Moved {
        repo: Repo,
        from: PathBuf,
    },
    New {
        repo: Repo,
        heads: Vec<String>,
    },
    /// The same repository as an earlier find's.
    Again,
}

impl Governor {
    /// Registers finds, in the order of their paths, which decides who gets which
    /// name. `sink` is told from several threads. An error if nothing could be
    /// registered at all; what only one find fails by is told of that.
    pub fn register_found(&self, order: &FoundOrder, sink: &(dyn Fn(FoundStep) + Sync)) -> Result<(), Error> {
        let dry = DryRun::default();
        let writer: &dyn Writer = if order.dry_run { &dry } else { &RealWriter };
        let mut paths = order.paths.clone();
        paths.sort_unstable();
        paths.dedup();
        let steps = Steps::new(2 * paths.len(), sink);
        let document = self.document();
        let strays = self.strays();

        let origins = in_parallel(&paths, |path| {
            let met = self.meet(path, &strays);
            steps.one(None);
            met
        });
        let mut finds = self.sort_out(&paths, origins, &strays, &document);
        self.follow_found(&mut finds, writer)?;
        self.add_found(&mut finds, writer)?;
        if writer.is_real() {
            self.record(&finds)?;
        }

        let by_dir: HashMap<PathBuf, Repo> = finds.iter().filter_map(Find::first).collect();
        let finds = finds.iter_mut().map(|find| Mutex::new(Some(find))).collect::<Vec<_>>();
        in_parallel(&finds, |find| {
            let Some(find) = locked(find).take() else { return };
            if let Ok(place) = &find.place
                && let Some(repo) = place.repo()
                && !order.skip_hooks
                // In a dry run its entry is not there, and its hooks can be looked at.
                && let Err(error) = self.install_hooks(repo, None, writer)
            {
                find.warnings.push(format!("hooks were not installed: {}", error.message));
            }
            steps.one(Some(find.told(&by_dir)));
        });
        Ok(())
    }

    /// Looks at a path; with what is needed to register it if nobody has.
    fn meet(&self, path: &Path, strays: &Strays) -> Result<Met, Error> {
        if !path.is_absolute() {
            return Err(Error::bad_request("paths", format!("{} is not absolute", shown(path))));
        }
        let location = Location::at(path)?;
        if let Some(repo) = self.registered(&location).filter(|repo| !strays.displaces(repo)) {
            return Ok(Met::Known(location, Repo::clone(&repo)));
        }
        let origin = git::origin(&self.git, &location, HEADS_MAX)?;
        Ok(Met::Unknown(location, origin))
    }

    /// Decides what each find is, and names those that are new.
    fn sort_out(
        &self,
        paths: &[PathBuf],
        met: Vec<Result<Met, Error>>,
        strays: &Strays,
        document: &Document,
    ) -> Vec<Find> {
        let unknown: Vec<&Location> = met.iter().filter_map(Met::unknown).collect();
        let mut newcomers = self.newcomers(strays, &unknown).into_iter();
        let mut names = Document { repos: document.repos.clone(), version: String::new() };
        let mut seen: HashSet<PathBuf> = HashSet::new();
        let mut finds = Vec::new();
        for (path, met) in paths.iter().zip(met) {
            let place = met.and_then(|met| match met {
                Met::Known(location, repo) => Ok(Place { location, standing: Standing::Known(repo) }),
                Met::Unknown(location, origin) => {
                    let newcomer = newcomers.next().unwrap_or(Newcomer::New);
                    let standing = if seen.contains(&location.common_dir) {
                        Standing::Again
                    } else {
                        seen.insert(location.common_dir.clone());
                        self.newcomer(&location, newcomer, origin, &mut names)?
                    };
                    Ok(Place { location, standing })
                }
            });
            finds.push(Find { path: path.clone(), place, warnings: Vec::new() });
        }
        finds
    }

    fn newcomer(
        &self,
        location: &Location,
        newcomer: Newcomer,
        origin: Origin,
        names: &mut Document,
    ) -> Result<Standing, Error> {
        let local_path = location.main_path();
        match newcomer {
            Newcomer::Ambiguous(may_be) => return Err(ambiguous(&local_path, &may_be)),
            Newcomer::Moved { repo, in_place_of: Some(other), .. } => {
                return Err(held(&local_path, &repo, &other));
            }
            Newcomer::Moved { repo, .. } => {
                let from = repo.local_path.clone();
                let moved = Repo { local_path, ..*repo };
                self.registry.accepts(&moved)?;
                return Ok(Standing::Moved { repo: moved, from });
            }
            Newcomer::New => {}
        }
        let Origin { profile, heads } = origin;
        if let Some(other) = names.repos.iter().find(|repo| repo.local_path == local_path) {
            let message = format!("{} is the path of {} already", shown(&local_path), other.name);
            return Err(Error::new(Reason::BadRequest, message));
        }
        let name = free_name(names, &local_path);
        let repo = Repo {
            id: Some(self.id_for(names, Some(location))),
            remote_url: profile.remote_url.map(|url| without_credentials(&url)),
            default_branch: profile.default_branch,
            gitignore_profile: gitignore_profile(&local_path).map(str::to_owned),
            name,
            local_path,
            ..Repo::default()
        };
        // Checked alone: one that the file can't hold must not keep the others out.
        self.registry.accepts(&repo)?;
        names.repos.push(repo.clone());
        Ok(Standing::New { repo, heads })
    }

    /// Gives those that have moved their new paths, in one edit.
    fn follow_found(&self, finds: &mut [Find], writer: &dyn Writer) -> Result<(), Error> {
        let gone =
            finds.iter().enumerate().filter_map(|(at, find)| match &find.place.as_ref().ok()?.standing {
                Standing::Moved { repo, .. } => Some((at, (repo.clone(), repo.local_path.clone()))),
                _ => None,
            });
        let (places, moves): (Vec<usize>, Vec<_>) = gone.unzip();
        if moves.is_empty() {
            return Ok(());
        }
        for (at, followed) in places.into_iter().zip(self.follow(&moves, writer, None)?) {
            match (followed, &mut finds[at].place) {
                (Ok(now), Ok(Place { standing: Standing::Moved { repo, .. }, .. })) => *repo = now,
                (Ok(_), _) => {}
                (Err(error), place) => *place = Err(error),
            }
        }
        Ok(())
    }

    /// Adds those that are new, in one edit. Others may have come first since
    /// they were looked at: with a repository, or with its name.
    fn add_found(&self, finds: &mut [Find], writer: &dyn Writer) -> Result<(), Error> {
        let new: Vec<Repo> = finds.iter().filter_map(Find::added).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let plan = |document: &Document| {
            let mut names = document.clone();
            let mut entries = Vec::new();
            for repo in &new {
                let known = document.repos.iter().find(|known| known.local_path == repo.local_path);
                if let Some(known) = known {
                    entries.push((known.clone(), false));
                    continue;
                }
                let mut repo = repo.clone();
                if names.repos.iter().any(|other| other.name == repo.name) {
                    repo.name = free_name(&names, &repo.local_path);
                }
                names.repos.push(repo.clone());
                entries.push((repo, true));
            }
            let added = names.repos.split_off(document.repos.len());
            Ok::<_, RegistryError>((Edit::Add(added), entries))
        };
        let (_, entries) = self.registry.edit_with(writer, None, plan)?;
        let places = finds.iter_mut().filter_map(|find| match &mut find.place.as_mut().ok()?.standing {
            standing @ Standing::New { .. } => Some(standing),
            _ => None,
        });
        for (standing, (entry, is_new)) in places.zip(entries) {
            match standing {
                Standing::New { repo, .. } if is_new => *repo = entry,
                other => *other = Standing::Known(entry),
            }
        }
        Ok(())
    }

    /// Records those that are new, in one write, and what they are known by.
    fn record(&self, finds: &[Find]) -> Result<(), Error> {
        let mut noted = Vec::new();
        for place in finds.iter().filter_map(|find| find.place.as_ref().ok()) {
            match &place.standing {
                Standing::New { repo, heads } => {
                    self.ledger.append_later(added(repo, heads));
                    noted.push((repo.clone(), place.location.clone()));
                }
                Standing::Moved { repo, .. } => noted.push((repo.clone(), place.location.clone())),
                // Also of one that was registered without: by hand, or before a crash.
                Standing::Known(repo) => match self.complete_registration(repo, &place.location) {
                    Ok(true) => noted.push((repo.clone(), place.location.clone())),
                    Ok(false) => {}
                    Err(error) => tracing::info!(repo = repo.name, %error, "not recorded as added yet"),
                },
                Standing::Again => {}
            }
        }
        if noted.is_empty() {
            return Ok(());
        }
        self.ledger.flush()?;
        self.note_identities(&noted);
        for repo in finds.iter().filter_map(Find::added) {
            self.want_snapshot(repo.id.as_deref(), "added");
        }
        Ok(())
    }
}

impl Met {
    fn unknown(met: &Result<Self, Error>) -> Option<&Location> {
        match met {
            Ok(Self::Unknown(location, _)) => Some(location),
            _ => None,
        }
    }
}

impl Place {
    fn repo(&self) -> Option<&Repo> {
        match &self.standing {
            Standing::Known(repo) | Standing::Moved { repo, .. } | Standing::New { repo, .. } => Some(repo),
            Standing::Again => None,
        }
    }
}

impl Find {
    /// Its entry, where that is new.
    fn added(&self) -> Option<&Repo> {
        match &self.place.as_ref().ok()?.standing {
            Standing::New { repo, .. } => Some(repo),
            _ => None,
        }
    }

    /// Its common git directory, and its entry.
    fn first(&self) -> Option<(PathBuf, Repo)> {
        let place = self.place.as_ref().ok()?;
        Some((place.location.common_dir.clone(), place.repo()?.clone()))
    }

    /// What to tell of it; `by_dir` are all entries by common git directory.
    fn told(&mut self, by_dir: &HashMap<PathBuf, Repo>) -> RegisteredFound {
        let nothing = || Err(Error::new(Reason::Internal, "it was told already"));
        let place = std::mem::replace(&mut self.place, nothing());
        let outcome = place.and_then(|Place { location, standing }| match standing {
            Standing::Known(repo) => Ok((FoundOutcome::Known, repo)),
            Standing::Moved { repo, from } => Ok((FoundOutcome::Moved(from), repo)),
            Standing::New { repo, .. } => Ok((FoundOutcome::Added, repo)),
            Standing::Again => match by_dir.get(&location.common_dir) {
                Some(repo) => Ok((FoundOutcome::Known, repo.clone())),
                None => Err(Error::new(Reason::BadRequest, "it is one with another that was left out")),
            },
        });
        RegisteredFound { path: self.path.clone(), outcome, warnings: std::mem::take(&mut self.warnings) }
    }
}

/// Counts, and tells.
struct Steps<'a> {
    done: AtomicU32,
    total: u32,
    sink: &'a (dyn Fn(FoundStep) + Sync),
}

impl<'a> Steps<'a> {
    fn new(total: usize, sink: &'a (dyn Fn(FoundStep) + Sync)) -> Self {
        Self { done: AtomicU32::new(0), total: u32::try_from(total).unwrap_or(u32::MAX), sink }
    }

    fn one(&self, found: Option<RegisteredFound>) {
        let done = self.done.fetch_add(1, Relaxed) + 1;
        (self.sink)(FoundStep { done, total: self.total, found });
    }
}

/// Does work on each, several at a time; what came of each, in their order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8).min(items.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, item)) =
                    Some(next.fetch_add(1, Relaxed)).and_then(|at| Some((at, items.get(at)?)))
                {
                    let result = work(item);
                    locked(&done).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
