use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Error, Governor, Reason,
    call::Judged,
    commit::{Subject, branch_onto, identities},
};
use crate::{
    fs::shown,
    git::{self, Location, Objects, Surroundings},
    registry::Repo,
    rules::{CommitFacts, Finding},
};

/// How long the check of one repository may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Most commits of a range.
const MOST_COMMITS: usize = 10_000;
/// Findings that go out at a time.
const AT_A_TIME: usize = 200;

/// What of a repository is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckScope {
    /// What is staged, as pre-commit does.
    Staged,
    /// Every commit of a range that `git rev-list` understands, as pre-push does.
    Range(String),
    /// All that is in the index (in a bare repository: in HEAD), as if it were new.
    AllFiles,
}

/// A repository that is checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Its id; empty if it is not registered.
    pub id: String,
    /// Its name, or its directory's.
    pub name: String,
    /// Where it is looked for: its work tree, or the bare repository.
    pub path: PathBuf,
    /// The registry has it there, and not around there.
    is_exact: bool,
    /// It is one of those that are meant together: where there is nothing to check,
    /// nobody has asked in vain.
    is_among: bool,
}

impl Checked {
    fn registered(repo: Repo, is_among: bool) -> Self {
        let id = repo.id.unwrap_or_default();
        Self { id, name: repo.name, path: repo.local_path, is_exact: true, is_among }
    }
}

/// What is told of a repository that is checked.
#[derive(Debug)]
pub enum CheckStep {
    /// Some of what was found.
    Findings(Vec<Judged>),
    /// It is done: so many commits and changed files were judged.
    Done {
        /// Commits of a range; 0 where none are asked for.
        commits: usize,
        /// Files that differ from what they were compared with.
        files: usize,
    },
    /// It could not be done.
    Failed(Error),
}

impl Governor {
    /// The repositories that a check is about: those that the selectors mean, each
    /// once, of which one that is a path may be of a repository that is not registered; or
    /// all that are registered and not archived.
    pub fn checked(&self, selectors: &[String], all: bool) -> Result<Vec<Checked>, Error> {
        if selectors.is_empty() && !all {
            return Err(Error::bad_request("selectors", "name the repositories, or set `all`"));
        }
        let mut checked: Vec<Checked> = Vec::new();
        if selectors.is_empty() {
            // One that is gone is told of when it is its turn.
            return Ok(self.active_repos().into_iter().map(|repo| Checked::registered(repo, true)).collect());
        }
        for selector in selectors {
            if !Path::new(selector).is_absolute() {
                let meant = self.select_all(std::slice::from_ref(selector))?;
                let is_among = meant.len() > 1;
                for repo in meant {
                    if !checked.iter().any(|known| known.is_exact && known.name == repo.name) {
                        checked.push(Checked::registered(repo, is_among));
                    }
                }
                continue;
            }
            // Of a linked work tree it is that one's index that is meant.
            let location = Location::discover(Path::new(selector))?;
            let subject = self.subject(&location);
            let (id, name) =
                subject.identity().unwrap_or_else(|| (String::new(), subject.facts.name.clone()));
            checked.push(Checked {
                id,
                name,
                path: PathBuf::from(selector),
                is_exact: false,
                is_among: false,
            });
        }
        Ok(checked)
    }

    /// Runs the rules over a repository; nothing is recorded. `sink` ends it by
    /// returning false.
    pub fn check(&self, checked: &Checked, scope: &CheckScope, sink: &dyn Fn(CheckStep) -> bool) {
        let ended = self.run_check(checked, scope, sink).unwrap_or_else(CheckStep::Failed);
        sink(ended);
    }

    fn run_check(
        &self,
        checked: &Checked,
        scope: &CheckScope,
        sink: &dyn Fn(CheckStep) -> bool,
    ) -> Result<CheckStep, Error> {
        let look = if checked.is_exact { Location::at } else { Location::discover };
        let location = &look(&checked.path)?;
        let subject = self.subject(location);
        let objects = git::open(&self.git, location)?;
        let deadline = Instant::now() + PATIENCE;
        let (mut files, mut commits) = (0, 0);
        match scope {
            CheckScope::Staged => {
                if location.work_tree.is_none() {
                    if checked.is_among {
                        return Ok(CheckStep::Done { commits, files });
                    }
                    let path = shown(&checked.path);
                    let why =
                        format!("{path} has no work tree, so nothing is staged: check a range, or all files");
                    return Err(Error::new(Reason::BadRequest, why));
                }
                let delta = objects.staged(None)?;
                let merging = git::is_merging(location);
                // Who asks about one asks what a commit would come to; of many, those where
                // none is about to be made are none of the answer.
                if checked.is_among && delta.changes.is_empty() && !merging {
                    return Ok(CheckStep::Done { commits, files });
                }
                let here = Surroundings::directory(location.directory());
                let commit = CommitFacts {
                    onto: branch_onto(&subject, &*objects, location, merging)?,
                    ..identities(&subject, &*objects, &here)?
                };
                files = delta.changes.len();
                let findings =
                    self.judge_delta(&*objects, &delta, subject.ground(&commit, merging), deadline)?;
                tell(findings, "", sink);
            }
            CheckScope::AllFiles => {
                let tree = match &location.work_tree {
                    Some(_) => Some(objects.staged(None)?.tree),
                    None => objects.head()?.commit,
                };
                if let Some(tree) = tree {
                    let delta = objects.between(None, &tree)?;
                    let commit = CommitFacts::default();
                    files = delta.changes.len();
                    let findings =
                        self.judge_delta(&*objects, &delta, subject.ground(&commit, false), deadline)?;
                    tell(findings, "", sink);
                }
            }
            CheckScope::Range(range) => {
                for commit in self.range(location, range)? {
                    let (changed, findings) = self.examine(&subject, &*objects, &commit, deadline)?;
                    files += changed;
                    commits += 1;
                    if !tell(findings, &commit, sink) {
                        break;
                    }
                }
            }
        }
        Ok(CheckStep::Done { commits, files })
    }

    /// The commits of a range, oldest first.
    fn range(&self, location: &Location, range: &str) -> Result<Vec<String>, Error> {
        let most = format!("--max-count={}", MOST_COMMITS + 1);
        let args = ["rev-list", "--reverse", &most, "--end-of-options", range, "--"];
        let listed = self.git.output(location, &args).map_err(|error| match error {
            git::GitError::Program { message, .. } => {
                Error::bad_request("range", message.trim_start_matches("fatal: "))
            }
            other => other.into(),
        })?;
        let commits: Vec<String> = String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect();
        if commits.len() > MOST_COMMITS {
            let why = format!("it has more than {MOST_COMMITS} commits; name a shorter one");
            return Err(Error::bad_request("range", why));
        }
        Ok(commits)
    }

    /// Judges a commit whatever the ledger says of it.
    fn examine(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
        deadline: Instant,
    ) -> Result<(usize, Vec<Finding>), Error> {
        let read = objects.commit(commit)?;
        let facts = subject.commit_facts(&read);
        let delta = objects.between(read.parents.first().map(String::as_str), commit)?;
        let ground = subject.ground(&facts, read.parents.len() > 1);
        Ok((delta.changes.len(), self.judge_delta(objects, &delta, ground, deadline)?))
    }
}

/// Tells findings, some at a time; false: nobody listens any more.
fn tell(findings: Vec<Finding>, commit: &str, sink: &dyn Fn(CheckStep) -> bool) -> bool {
    let mut judged: Vec<Judged> =
        findings.into_iter().map(|finding| Judged { finding, commit: commit.to_owned() }).collect();
    while !judged.is_empty() {
        let rest = judged.split_off(judged.len().min(AT_A_TIME));
        if !sink(CheckStep::Findings(std::mem::replace(&mut judged, rest))) {
            return false;
        }
    }
    true
}
