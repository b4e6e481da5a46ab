//! What people type to name repositories: one grammar, here. The contract's
//! head says it for clients, `kpmo repo --help` for people.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use super::{Error, Governor, Reason};
use crate::{
    fs::{
        answering::{self, PATIENCE},
        shown,
    },
    git::Location,
    ledger::Filter,
    registry::{Document, Repo, RepoStatus, Stage, View, closest, nearest, path_of_url, path_text},
};

/// Most names that an error lists.
const LISTED: usize = 10;

/// A registry, ready to be asked for many repositories.
struct Index<'a> {
    document: &'a Document,
    by_name: HashMap<&'a str, usize>,
    by_id: HashMap<&'a str, usize>,
    by_path: HashMap<&'a Path, usize>,
}

impl<'a> Index<'a> {
    fn new(document: &'a Document) -> Self {
        let repos = || document.repos.iter().enumerate();
        Self {
            document,
            by_name: repos().map(|(at, repo)| (repo.name.as_str(), at)).collect(),
            by_id: repos().filter_map(|(at, repo)| Some((repo.id.as_deref()?, at))).collect(),
            by_path: repos().map(|(at, repo)| (repo.local_path.as_path(), at)).collect(),
        }
    }

    /// The entry of exactly this id or name, whatever else the text could mean.
    fn exactly(&self, text: &str) -> Option<usize> {
        let id = self.by_id.get(text).or_else(|| self.by_id.get(text.to_ascii_lowercase().as_str()));
        id.or_else(|| self.by_name.get(text)).copied()
    }

    /// All that `wanted` holds for; an error says that there are none.
    fn all(&self, text: &str, what: &str, wanted: impl Fn(&Repo) -> bool) -> Result<Vec<usize>, Error> {
        let repos = self.document.repos.iter().enumerate();
        let found: Vec<usize> = repos.filter(|(_, repo)| wanted(repo)).map(|(at, _)| at).collect();
        if found.is_empty() {
            let message = format!("no registered repository {what}; `kpmo repo list` shows what there is");
            return Err(not_found(text, message));
        }
        Ok(found)
    }

    fn unknown(&self, text: &str) -> Error {
        let near = nearest(self.document, text);
        let hint = near.map_or_else(
            || "`kpmo repo list` shows what is registered, `kpmo repo add PATH` adds one".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        let named = shown(Path::new(text));
        let error = not_found(text, format!("no registered repository is called {named}; {hint}"));
        match near {
            Some(near) => error.with("nearest", near),
            None => error,
        }
    }
}

fn not_found(text: &str, message: String) -> Error {
    Error::new(Reason::RepoNotFound, message).with("selector", shown(Path::new(text)))
}

/// Whether a text has what makes it a pattern.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// A pattern for names or tags, in which `/` is a character like any other.
fn pattern(text: &str) -> Result<GlobMatcher, Error> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        let named = shown(Path::new(text));
        bad(&named, &format!("{named} is no pattern: {}", error.kind()))
    })
}

/// A word of `repos.yml`, or an error that lists them.
fn word<T>(text: &str, word: &str, from: impl Fn(&str) -> Option<T>, known: &[&str]) -> Result<T, Error> {
    from(word).ok_or_else(|| {
        let named = shown(Path::new(text));
        let meant = closest(known.iter().copied(), word);
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
        bad(&named, &format!("{named}: expected one of {}{meant}", known.join(", ")))
    })
}

/// What is no selector at all.
fn bad(named: &str, message: &str) -> Error {
    Error::new(Reason::BadRequest, message.to_owned()).with("field", "selectors").with("selector", named)
}

impl Governor {
    /// The one repository that a selector means. That it means several is an
    /// error which lists them.
    pub fn select(&self, selector: &str) -> Result<Repo, Error> {
        self.select_one_in(&self.document(), selector)
    }

    /// As [`Governor::select`], with the state of the registry that it is from.
    pub fn select_seen(&self, selector: &str) -> Result<(Repo, View), Error> {
        let view = self.view();
        Ok((self.select_one_in(&view.document, selector)?, view))
    }

    /// As [`Governor::select`], in one state of the registry.
    pub(super) fn select_one_in(&self, document: &Document, selector: &str) -> Result<Repo, Error> {
        let found = self.meant(&Index::new(document), selector)?;
        if let [at] = found[..] {
            return Ok(document.repos[at].clone());
        }
        let listed = found.iter().take(LISTED).map(|at| document.repos[*at].name.as_str());
        let listed: Vec<&str> = listed.collect();
        let more = found.len().saturating_sub(LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let given = shown(Path::new(selector));
        let message = format!(
            "{given} means {} repositories, and one is wanted: {}{more}",
            found.len(),
            listed.join(", ")
        );
        Err(Error::new(Reason::RepoAmbiguous, message)
            .with("selector", given)
            .with("matches", listed.join("\n")))
    }

    /// Those that the selectors mean, each once, in registry order; all if there
    /// are none.
    pub fn select_all(&self, selectors: &[String]) -> Result<Vec<Repo>, Error> {
        self.select_in(&self.document(), selectors)
    }

    /// As [`Governor::select_all`], with the state of the registry that they are
    /// from.
    pub fn select_all_seen(&self, selectors: &[String]) -> Result<(Vec<Repo>, View), Error> {
        let view = self.view();
        Ok((self.select_in(&view.document, selectors)?, view))
    }

    /// As [`Governor::select_all`], in one state of the registry.
    pub(super) fn select_in(&self, document: &Document, selectors: &[String]) -> Result<Vec<Repo>, Error> {
        if selectors.is_empty() {
            return Ok(document.repos.clone());
        }
        let index = Index::new(document);
        let mut wanted = vec![false; document.repos.len()];
        for selector in selectors {
            for at in self.meant(&index, selector)? {
                wanted[at] = true;
            }
        }
        let chosen = document.repos.iter().zip(wanted).filter(|(_, wanted)| *wanted);
        Ok(chosen.map(|(repo, _)| repo.clone()).collect())
    }

    /// The id under which the ledger and the store know what a selector means.
    /// What has left the registry is still found by its id.
    pub fn history_of(&self, selector: &str) -> Result<String, Error> {
        let unknown = match self.select(selector) {
            Ok(repo) => return Ok(repo.id.unwrap_or_default()),
            Err(error) => error,
        };
        let Ok(id) = uuid::Uuid::try_parse(selector) else { return Err(unknown) };
        let id = id.hyphenated().to_string();
        let about = Filter { repo_id: Some(id.clone()), ..Filter::default() };
        let is_known =
            self.ledger.last_snapshot(&id)?.is_some() || !self.ledger.read(1, 1, &about)?.is_empty();
        if is_known { Ok(id) } else { Err(unknown) }
    }

    /// The places in the registry of what a selector means; never empty.
    fn meant(&self, index: &Index<'_>, text: &str) -> Result<Vec<usize>, Error> {
        if let Some(at) = index.exactly(text) {
            return Ok(vec![at]);
        }
        let path = path_of_url(text).or_else(|| text.starts_with('/').then(|| text.into()));
        if let Some(path) = path {
            return self.at_path(index, &path).map(|at| vec![at]);
        }
        let named = |value: &str| shown(Path::new(value));
        match text.split_once(':') {
            Some(("tag", tag)) => {
                let matcher = if is_pattern(tag) { Some(pattern(tag)?) } else { None };
                let is_it = |known: &String| {
                    known == tag || matcher.as_ref().is_some_and(|matcher| matcher.is_match(known))
                };
                let found = index
                    .all(text, &format!("has the tag {}", named(tag)), |repo| repo.tags.iter().any(is_it));
                let tags = || index.document.repos.iter().flat_map(|repo| &repo.tags).map(String::as_str);
                found.map_err(|error| match closest(tags(), tag) {
                    Some(near) => {
                        let message = format!("no registered repository has the tag {}", named(tag));
                        not_found(text, format!("{message}; did you mean tag:{near}?"))
                            .with("nearest", format!("tag:{near}"))
                    }
                    None => error,
                })
            }
            Some(("status", given)) => {
                let known = RepoStatus::ALL.map(RepoStatus::as_str);
                let status = word(text, given, RepoStatus::from_word, &known)?;
                index.all(text, &format!("is {given}"), |repo| repo.status == status)
            }
            Some(("stage", given)) => {
                let stage = word(text, given, Stage::from_word, &Stage::ALL.map(Stage::as_str))?;
                index.all(text, &format!("has the stage {given}"), |repo| repo.stage == stage)
            }
            _ if is_pattern(text) => {
                let matcher = pattern(text)?;
                let what = format!("has a name that matches {}", named(text));
                index.all(text, &what, |repo| matcher.is_match(&repo.name))
            }
            _ => Err(index.unknown(text)),
        }
    }

    /// The repository at a path, or around it.
    fn at_path(&self, index: &Index<'_>, path: &Path) -> Result<usize, Error> {
        let text = &path_text(path);
        let path: PathBuf = path.components().collect();
        if let Some(at) = index.by_path.get(&*path) {
            return Ok(*at);
        }
        // Not by the path's text alone: what is not there is in no repository.
        let looked = answering::within(&path, PATIENCE, |path| {
            let around = fs::canonicalize(path).ok().and_then(|path| Location::discover(&path).ok());
            (real(path), around, path.exists())
        });
        let named = shown(&path);
        let Ok((real, around, exists)) = looked else {
            let message = format!("{named} does not answer; the disk or network behind it may be gone");
            return Err(not_found(text, message));
        };
        let stated = real.as_deref().and_then(|real| index.by_path.get(real)).copied();
        let found = stated.or_else(|| {
            let repo = self.registered(&around?)?;
            // By its name: the registry may be a newer one.
            index.by_name.get(repo.name.as_str()).copied()
        });
        found.ok_or_else(|| {
            let message = if exists {
                format!("{named} is in no registered repository; `kpmo repo add {named}` registers one")
            } else {
                format!("{named} does not exist, and no registered repository is said to be there")
            };
            not_found(text, message)
        })
    }
}

/// A path without links; where the last of it is gone, what is above it without.
fn real(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = fs::canonicalize(path) {
        return Some(real);
    }
    match path.components().next_back()? {
        Component::Normal(name) => Some(real(path.parent()?)?.join(name)),
        _ => None,
    }
}
