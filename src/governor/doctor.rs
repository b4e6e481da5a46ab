//! Why hooks would, or would not, run and be answered: everything that can be
//! wrong on the way from git to a verdict, in the order of that way.
//!
//! Nothing is started, written or locked: this reads the home and the repository
//! as they are, with or without a governor. Whether one answers is for the caller
//! to find out, who has the connection.

mod home;
mod repo;
mod surroundings;

pub use home::OPEN;
pub(super) use home::waiting_events;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::registry::Places;
use crate::{
    client::{Endpoint, Home},
    git::{Git, Location},
    policy::{PolicyVersion, load_policy},
    registry::{Document, Registry, Repo, path_of_url},
};

/// How a thing that was looked at stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Fine,
    /// Worth knowing; hooks run and are answered.
    Warn,
    /// Hooks do not run, or are not answered, as they should.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What sort of thing, in kebab-case.
    pub rule: &'static str,
    /// How it stands.
    pub level: Level,
    /// Name of the repository that it is about; empty for the home.
    pub repo: String,
    /// Where.
    pub path: Option<PathBuf>,
    /// 1-based line there; 0: no line in particular.
    pub line: u32,
    /// What was found.
    pub message: String,
    /// What to do about it; empty where nothing need be done.
    pub fix: String,
}

impl Check {
    fn new(rule: &'static str, level: Level, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { rule, level, repo: String::new(), path: None, line: 0, message, fix: String::new() }
    }

    /// As it should be.
    pub fn fine(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(rule, Level::Fine, message)
    }

    /// Worth knowing.
    pub fn warn(rule: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..Self::new(rule, Level::Warn, message) }
    }

    /// Wrong.
    pub fn error(rule: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..Self::new(rule, Level::Error, message) }
    }

    fn at(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    fn line(self, line: u32) -> Self {
        Self { line, ..self }
    }

    fn of(self, repo: &str) -> Self {
        Self { repo: repo.to_owned(), ..self }
    }
}

/// By what repositories are looked at.
struct Means<'a> {
    home: &'a Home,
    git: Git,
    /// That of the file; where it can't be used, the default.
    policy: PolicyVersion,
}

/// What is looked at.
pub struct Doctor<'a> {
    means: Means<'a>,
    document: std::sync::Arc<Document>,
    registry_problem: Option<std::sync::Arc<crate::registry::RegistryError>>,
}

impl<'a> Doctor<'a> {
    /// Reads the registry of `home`.
    pub fn new(home: &'a Home) -> Self {
        let user = Endpoint::user(Endpoint::read(home).as_ref());
        let registry = Registry::open(home.config.join("repos.yml"), home.state.join("repos.lock"), user);
        let view = registry.recalling(super::last_good(home)).view();
        let policy = load_policy(&home.config.join("policy.yml")).unwrap_or_default();
        let means = Means { home, git: Git::default(), policy };
        Self { means, document: view.document, registry_problem: view.problem }
    }

    /// What hooks meet before any repository comes into it; `variables` are those
    /// of the environment.
    pub fn surroundings(&self, variables: &BTreeMap<String, String>) -> Vec<Check> {
        let mut checks = vec![surroundings::git(&self.means.git)];
        checks.extend(surroundings::variables(variables));
        checks
    }

    /// The home: programs, directories, socket, configuration, ledger, spool.
    pub fn home(&self) -> Vec<Check> {
        let mut checks = home::programs(self.means.home);
        checks.extend(home::places(self.means.home));
        checks.push(home::endpoint(self.means.home));
        checks.extend(home::user(self.means.home));
        checks.extend(home::configuration(self.means.home, self.registry_problem.as_deref(), &self.document));
        checks.extend(home::idle_settings(self.means.home, &self.means.policy, &self.document));
        checks.extend(home::ledger(self.means.home, &self.document));
        checks.extend(home::spool(self.means.home));
        checks.extend(home::overwritten(self.means.home));
        checks
    }

    /// The repository that a name, an id or a path means; `None`: there is none.
    pub fn find(&self, selector: &str) -> Option<PathBuf> {
        if let Some(repo) =
            crate::registry::find(&self.document, selector).filter(|_| !selector.contains('/'))
        {
            return Some(repo.local_path.clone());
        }
        let path = path_of_url(selector).unwrap_or_else(|| selector.into());
        let path = std::path::absolute(path).ok()?;
        Location::discover(&std::fs::canonicalize(path).ok()?).ok().map(|location| location.main_path())
    }

    /// One repository, thoroughly.
    pub fn repo(&self, path: &Path) -> Vec<Check> {
        repo::examine(&self.means, &self.document, path)
    }

    /// Every registered repository, as far as its hooks go; what is fine is only
    /// counted.
    pub fn fleet(&self) -> Vec<Check> {
        let repos = &self.document.repos;
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        let look = |repo: &Repo| repo::briefly(&self.means, repo);
        let mut wrong: Vec<Check> = std::thread::scope(|scope| {
            let parts = repos.chunks(repos.len().div_ceil(workers).max(1));
            let looking: Vec<_> = parts
                .map(|part| scope.spawn(move || part.iter().filter_map(look).collect::<Vec<_>>()))
                .collect();
            looking.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
        });
        let mut places = Places::default();
        wrong.extend(repos.iter().filter_map(|repo| {
            let (said, fix) = places.doubled(repo)?;
            Some(Check::warn("same-place", said, fix).at(&repo.local_path).of(&repo.name))
        }));
        if wrong.is_empty() {
            let count = repos.len();
            let things = if count == 1 { "repository" } else { "repositories" };
            wrong.push(Check::fine("hooks", format!("hooks are in place in {count} registered {things}")));
        }
        wrong
    }
}
