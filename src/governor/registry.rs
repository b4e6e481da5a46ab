//! `repos.yml` as a whole: take over the predecessor's, check, export.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use similar::TextDiff;
use uuid::Uuid;

use super::{
    Error, Governor,
    registration::{HEADS_MAX, added},
};
use crate::{
    client::Home,
    fs::{Change, DryRun, RealWriter, Writer, shown},
    git::{self, Location},
    ledger::{EventDraft, EventKind},
    registry::{
        Document, Edit, FileRule, Former, Predecessor, Problem, Problems, Registry, RegistryError, Repo,
        View, as_json, as_yaml, parse_predecessor,
    },
};

/// Most problems that are told at once.
const TOLD_MAX: usize = 1_000;

/// A file of the predecessor's that is to be taken over.
#[derive(Debug, Clone, Default)]
pub struct ImportOrder {
    /// Its bytes.
    pub content: Vec<u8>,
    /// What it is called, for messages.
    pub file: PathBuf,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// The registry's version that the caller has seen.
    pub base_version: Option<String>,
}

/// What came of an import.
#[derive(Debug)]
pub struct ImportReport {
    /// Entries that were added, in the order of the file.
    pub added: Vec<Repo>,
    /// Entries of the file that were left, and why.
    pub skipped: Vec<Skipped>,
    /// What became something else, was left out, or is not there.
    pub notes: Vec<Problem>,
    /// What changes in `repos.yml`, as a unified diff; only of a dry run.
    pub diff: String,
    /// Version of the registry afterwards.
    pub version: String,
}

/// An entry that was not imported.
#[derive(Debug)]
pub struct Skipped {
    /// What it would have become.
    pub repo: Repo,
    /// Line in the predecessor's file.
    pub line: usize,
    /// Why it was left.
    pub reason: String,
}

/// What a look at a registry's file gave.
#[derive(Debug)]
pub struct CheckReport {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it; if anything is, nothing of it can be used.
    pub errors: Vec<Problem>,
    /// What is not as it should be, but can be used.
    pub warnings: Vec<Problem>,
    /// Problems beyond those that are listed.
    pub left_out: usize,
    /// How many entries it has; 0 where it can't be used.
    pub repos: usize,
    /// Names the state of the file.
    pub version: String,
}

/// A form in which the registry can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Governor {
    /// Takes the predecessor's registry over, in one edit of `repos.yml`: all
    /// that is new, or nothing. Entries that are registered already, by name or
    /// by path, are left as they are. Hooks and snapshots are not its business.
    pub fn import_registry(&self, order: &ImportOrder) -> Result<ImportReport, Error> {
        let Predecessor { entries, mut notes } = parse_predecessor(&order.content, self.registry.user_home())
            .map_err(|problems| RegistryError::NotTakenOver { path: order.file.clone(), problems })?;
        notes.extend(entries.iter().filter_map(unusual));
        notes.sort_by_key(|note| (note.line, note.column));
        let ids: Vec<String> = entries.iter().map(|_| Uuid::now_v7().to_string()).collect();
        let dry = DryRun::default();
        let writer: &dyn Writer = if order.dry_run { &dry } else { &RealWriter };
        let plan = |document: &Document| {
            let known = Known::of(document);
            let (mut added, mut skipped) = (Vec::new(), Vec::new());
            for (former, id) in entries.iter().zip(&ids) {
                match known.holder(&former.repo) {
                    Some(reason) => {
                        skipped.push(Skipped { repo: former.repo.clone(), line: former.path.line, reason });
                    }
                    None => added.push(Repo { id: Some(id.clone()), ..former.repo.clone() }),
                }
            }
            Ok::<_, RegistryError>((Edit::Add(added.clone()), (added, skipped)))
        };
        let before =
            if order.dry_run { fs::read(self.registry.path()).unwrap_or_default() } else { Vec::new() };
        let (document, (added, skipped)) =
            self.registry.edit_with(writer, order.base_version.as_deref(), plan)?;
        let diff = diff(self.registry.path(), &before, &dry);
        self.imported(order, ImportReport { added, skipped, notes, diff, version: document.version.clone() })
    }

    /// Records what was added.
    fn imported(&self, order: &ImportOrder, report: ImportReport) -> Result<ImportReport, Error> {
        if order.dry_run || report.added.is_empty() {
            return Ok(report);
        }
        let mut draft = EventDraft::new(EventKind::RegistryImported, "governor");
        draft.attributes.insert("file".into(), shown(&order.file));
        draft.attributes.insert("sha256".into(), hex::encode(Sha256::digest(&order.content)));
        draft.attributes.insert("added".into(), report.added.len().to_string());
        draft.attributes.insert("skipped".into(), report.skipped.len().to_string());
        draft.attributes.insert("registry_version".into(), report.version.clone());
        self.ledger.append(draft)?;
        for repo in &report.added {
            // Where branches stood tells later what came to be unseen. One that
            // is not there, or can't be read, has nothing to tell.
            let heads = Location::at(&repo.local_path).and_then(|at| git::heads(&self.git, &at, HEADS_MAX));
            let heads = heads.unwrap_or_else(|error| {
                tracing::info!(%error, "where its branches stand is not known");
                Vec::new()
            });
            self.ledger.append(added(repo, &heads))?;
        }
        Ok(report)
    }

    /// Checks this home's `repos.yml` as it is now.
    pub fn check_registry(&self) -> Result<CheckReport, Error> {
        check_registry(self.registry.path(), self.registry.user_home(), Some(last_good(&self.home)))
    }

    /// The registry in canonical form: every key of every entry. Where the file
    /// can't be used that is the last good state, and why comes with it.
    pub fn export_registry(&self, format: ExportFormat) -> (String, View) {
        self.assign_ids();
        let view = self.registry.view();
        let home = self.registry.user_home();
        let text = match format {
            ExportFormat::Yaml => as_yaml(&view.document.repos, home),
            ExportFormat::Json => format!("{:#}\n", as_json(&view.document.repos, home)),
        };
        (text, view)
    }
}

/// Where a home keeps the last good state of its registry.
pub fn last_good(home: &Home) -> PathBuf {
    home.state.join("repos.last-good.yml")
}

/// Checks a file that is to be a registry; needs no governor. `home` is what
/// `~` stands for; `memory` has the last good state, if it is a home's own file.
///
/// # Errors
/// Only that the file could not be read.
pub fn check_registry(path: &Path, home: &Path, memory: Option<PathBuf>) -> Result<CheckReport, Error> {
    let registry = Registry::open(path.to_owned(), PathBuf::new(), home.to_owned());
    let registry = match memory {
        Some(memory) => registry.recalling(memory),
        None => registry,
    };
    let (document, Problems { listed: mut errors, left_out }) = match registry.check() {
        Ok(document) => (Some(document), Problems::default()),
        Err(RegistryError::Invalid { problems, .. }) => (None, problems),
        Err(RegistryError::Emptied { kept, .. }) => (None, vec![Problem::emptied(kept)].into()),
        Err(error) => return Err(error.into()),
    };
    let mut warnings = Vec::new();
    let mut places = Places::default();
    for (repo, place) in document.iter().flat_map(|(_, places)| places) {
        warnings.extend(unusual(&Former { repo: repo.clone(), path: place.clone() }));
        warnings.extend(places.doubled(repo).map(|(message, fix)| Problem {
            rule: FileRule::SamePlace,
            message,
            fix: fix.to_owned(),
            ..place.clone()
        }));
    }
    let all = errors.len() + left_out + warnings.len();
    errors.truncate(TOLD_MAX);
    warnings.truncate(TOLD_MAX - errors.len());
    Ok(CheckReport {
        path: path.to_owned(),
        left_out: all - errors.len() - warnings.len(),
        repos: document.as_ref().map_or(0, |(document, _)| document.repos.len()),
        version: document.map(|(document, _)| document.version.clone()).unwrap_or_default(),
        errors,
        warnings,
    })
}

/// Where entries are, with links (and `.git`) followed: two that are at one place are one
/// repository, which hooks and snapshots know by one of its names only.
#[derive(Default)]
pub(super) struct Places(HashMap<PathBuf, String>);

impl Places {
    /// What to say of an entry that is where one before it is, and the mend.
    pub(super) fn doubled(&mut self, repo: &Repo) -> Option<(String, &'static str)> {
        let path = &repo.local_path;
        let found = Location::at(path).map(|found| found.work_tree.unwrap_or(found.common_dir));
        let place = fs::canonicalize(found.as_ref().unwrap_or(path)).ok()?;
        match self.0.entry(place) {
            Entry::Vacant(free) => {
                free.insert(repo.name.clone());
                None
            }
            Entry::Occupied(taken) => Some((
                format!("{} is the repository that `{}` is", shown(&repo.local_path), taken.get()),
                "take one of the two entries out",
            )),
        }
    }
}

/// What is not as it should be at an entry's path; no reason not to have it.
fn unusual(entry: &Former) -> Option<Problem> {
    let path = &entry.repo.local_path;
    let (rule, message, fix) = if !path.exists() {
        let fix = "clone it there, or take the entry out";
        (FileRule::MissingPath, format!("{} does not exist", shown(path)), fix)
    } else if Location::at(path).is_err() {
        let fix = "mend the path (`kpmo scan` finds repositories), or take the entry out";
        (FileRule::NotARepository, format!("{} is no git repository", shown(path)), fix)
    } else {
        return None;
    };
    Some(Problem { rule, message, fix: fix.to_owned(), ..entry.path.clone() })
}

/// What was made of the file in a dry run, as a unified diff.
fn diff(path: &Path, before: &[u8], dry: &DryRun) -> String {
    let after = dry.changes().into_iter().find_map(|change| match change {
        Change::Write(_, bytes) => Some(bytes),
        _ => None,
    });
    let Some(after) = after else { return String::new() };
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(&after));
    let name = shown(path);
    TextDiff::from_lines(&*before, &*after).unified_diff().header(&name, &name).to_string()
}

/// Names and places that are taken.
struct Known<'a> {
    document: &'a Document,
    /// With links followed.
    places: HashSet<PathBuf>,
}

impl<'a> Known<'a> {
    fn of(document: &'a Document) -> Self {
        let places = document.repos.iter().filter_map(|repo| fs::canonicalize(&repo.local_path).ok());
        Self { places: places.collect(), document }
    }

    /// Why an entry is not to be added.
    fn holder(&self, new: &Repo) -> Option<String> {
        let repos = &self.document.repos;
        if let Some(same) = repos.iter().find(|repo| repo.local_path == new.local_path) {
            return Some(if same.name == new.name {
                "registered already".to_owned()
            } else {
                format!("its path is registered already, as `{}`", same.name)
            });
        }
        if let Some(same) = repos.iter().find(|repo| repo.name == new.name) {
            return Some(format!("the name is taken by the repository at {}", shown(&same.local_path)));
        }
        let place = fs::canonicalize(&new.local_path).ok()?;
        let same = repos.iter().filter(|_| self.places.contains(&place));
        let mut same =
            same.filter(|repo| fs::canonicalize(&repo.local_path).is_ok_and(|other| other == place));
        same.next().map(|repo| format!("its place is registered already, as `{}`", repo.name))
    }
}
