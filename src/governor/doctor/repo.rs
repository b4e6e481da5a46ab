use std::path::{Path, PathBuf};

use super::{
    super::{
        hooks::{OF_ITS_OWN, events_of, place, work_trees_of_their_own},
        registration::HEADS,
    },
    Check, Level, Means,
    home::waiting_events,
};
use crate::{
    fs::shown,
    git::{self, Git, GitError, Location},
    hook::chain,
    install::{self, HookAction, HookChange, HooksState, InstallError, Wanted},
    ledger::{self, EventKind},
    registry::{Document, Repo, RepoStatus},
};

/// Most commits that are named.
const NAMED: usize = 5;

/// What stands between git and a verdict in one repository, in git's order.
pub(super) fn examine(means: &Means<'_>, document: &Document, path: &Path) -> Vec<Check> {
    let git = &means.git;
    let location = match Location::at(path).or_else(|_| Location::discover(path)) {
        Ok(location) => location,
        Err(error) => {
            let fix = "`kpmo scan` finds where it is now, `kpmo repo remove` takes it out of the registry";
            return vec![Check::error("repository", error.to_string(), fix).at(path)];
        }
    };
    let entry = registered(document, &location);
    let name = entry.map_or_else(|| shown(&location.main_path()), |repo| repo.name.clone());
    let mut checks = Vec::new();
    match git::open(git, &location).and_then(|objects| objects.head()) {
        Ok(head) => {
            let on =
                head.branch.map_or_else(|| "a detached HEAD".to_owned(), |branch| format!("branch {branch}"));
            let said = format!("{} on {on}", shown(location.directory()));
            checks.push(Check::fine("repository", said).at(location.directory()));
        }
        Err(error @ GitError::Owner { .. }) => {
            checks.push(Check::error("owner", error.to_string(), "trust it as said, or change its owner"));
        }
        Err(error) => {
            checks.push(
                Check::error("repository", error.to_string(), "`git fsck` tells what is wrong").at(path),
            );
        }
    }
    checks.push(standing(entry, &location));
    let mut trusted = true;
    match place_of_hooks(git, &location) {
        Ok(check) => checks.push(check),
        Err(error) => {
            trusted = false;
            checks.push(Check::error("hooks-path", error.to_string(), ""));
        }
    }
    if trusted {
        checks.extend(hooks(means, &location, entry, &name));
        checks.extend(work_trees(&location));
    }
    if let Ok(commands) = git::hook_commands(git, &location) {
        checks.extend(commands.into_iter().map(|(name, command)| {
            Check::fine("configured-hooks", format!("git's configuration has a hook {name}: {command}"))
        }));
    }
    checks.extend(entry.and_then(|repo| unvalidated(means, &location, repo)));
    checks.into_iter().map(|check| check.of(&name)).collect()
}

/// What is wrong with a registered repository's hooks, in a word; `None`: nothing.
pub(super) fn briefly(means: &Means<'_>, repo: &Repo) -> Option<Check> {
    if repo.status == RepoStatus::Archived && !repo.local_path.exists() {
        return None;
    }
    let wrong = |said: String, fix: String| {
        Some(Check::error("hooks", said, fix).at(&repo.local_path).of(&repo.name))
    };
    let report = Location::at(&repo.local_path)
        .map_err(|e| e.to_string())
        .and_then(|location| look(means, &location, Some(repo)));
    match report {
        Err(said) => wrong(said, format!("`kpmo doctor {}` tells more", repo.name)),
        Ok(report) if report.state == HooksState::Ok => None,
        Ok(report) => wrong(
            format!("hooks are {} in {}", report.state.as_str(), shown(&report.hooks_dir)),
            format!("run: kpmo install-hooks {}", repo.name),
        ),
    }
}

/// The entry of the repository at `location`.
fn registered<'a>(document: &'a Document, location: &Location) -> Option<&'a Repo> {
    let main = location.main_path();
    let by_path =
        |repo: &&Repo| repo.local_path == main || Some(&repo.local_path) == location.work_tree.as_ref();
    let by_git = |repo: &&Repo| {
        Location::at(&repo.local_path).is_ok_and(|other| other.common_dir == location.common_dir)
    };
    document.repos.iter().find(by_path).or_else(|| document.repos.iter().find(by_git))
}

fn standing(entry: Option<&Repo>, location: &Location) -> Check {
    let Some(repo) = entry else {
        return Check::error("registered", "the repository is not registered", adding(location));
    };
    if repo.status == RepoStatus::Archived {
        let said = format!("registered as {}, which is archived: commits are refused", repo.name);
        return Check::warn("registered", said, "to go on with it change its `status` in repos.yml");
    }
    if repo.id.is_none() {
        let said = format!("registered as {}, without an id", repo.name);
        return Check::warn("registered", said, "`kpmo repo list` gives it one");
    }
    Check::fine("registered", format!("registered as {} ({})", repo.name, repo.status.as_str()))
}

/// How a repository is registered, and gets its hooks with that.
fn adding(location: &Location) -> String {
    match location.main_path().to_str() {
        Some(path) => format!("run: kpmo repo add {path}"),
        None => "run there: kpmo repo add .".to_owned(),
    }
}

/// Where git looks for hooks, and why.
fn place_of_hooks(git: &Git, location: &Location) -> Result<Check, GitError> {
    let Some(origin) = git::setting_origin(git, location, "core.hooksPath")? else {
        let dir = location.common_dir.join("hooks");
        let said = format!("git looks for hooks in {}, as it does by default", shown(&dir));
        return Ok(Check::fine("hooks-path", said).at(&dir));
    };
    let value = crate::fs::shown_bytes(&origin.value);
    let said = match &origin.file {
        Some(file) => {
            let file = shown(file);
            let place = if origin.line == 0 { file } else { format!("{file}:{}", origin.line) };
            format!("core.hooksPath is {value}, set in {place} ({})", origin.scope)
        }
        None => format!("core.hooksPath is {value}, set by the command line or the environment"),
    };
    let check = Check::fine("hooks-path", said).line(origin.line);
    Ok(match &origin.file {
        Some(file) => check.at(file),
        None => check,
    })
}

fn look(means: &Means<'_>, location: &Location, repo: Option<&Repo>) -> Result<install::Report, String> {
    let configured = git::hooks_path(&means.git, location).map_err(|error| error.to_string())?;
    let place = place(&means.git, location, configured, None).map_err(|error| error.to_string())?;
    let tags = repo.map(|repo| repo.tags.as_slice()).unwrap_or_default();
    let events = events_of(&means.policy.effective(repo.map(|repo| repo.name.as_str()), tags));
    let wanted = Wanted { program: &means.home.bin.join("kpmo-hook"), events: &events, mode: None };
    install::check(&place, &wanted).map_err(|error: InstallError| error.to_string())
}

/// Each hook's place: what stands there, and what it runs first.
fn hooks(means: &Means<'_>, location: &Location, repo: Option<&Repo>, name: &str) -> Vec<Check> {
    let report = match look(means, location, repo) {
        Ok(report) => report,
        Err(error) => return vec![Check::error("hooks", error, "make it readable for this user")],
    };
    let is_too_old = |change: &HookChange| change.detail.contains("runs no hooks by its configuration");
    let mode = if report.changes.iter().any(is_too_old) { " --mode links" } else { "" };
    let fix = repo.map_or_else(|| adding(location), |_| format!("run: kpmo install-hooks {name}{mode}"));
    if report.state == HooksState::Missing && report.changes.iter().all(|change| change.detail.is_empty()) {
        let said = format!("none of kpmo's hooks is in {}", shown(&report.hooks_dir));
        return vec![Check::error("hooks", said, fix).at(&report.hooks_dir)];
    }
    let mut checks = Vec::new();
    for change in report.changes {
        let detail = if change.detail.is_empty() { String::new() } else { format!(" ({})", change.detail) };
        let event = change.event;
        let check = match change.action {
            HookAction::Unchanged => {
                let chained = chain::chained_hooks(&change.path, event, location.directory());
                let first = chained.iter().map(|hook| format!("; {} runs first", shown(hook)));
                Check::fine("hooks", format!("{event} is kpmo's{}", first.collect::<String>()))
            }
            HookAction::Foreign => {
                Check::error("hooks", format!("{event} is another's{detail}"), fix.clone())
            }
            _ => Check::error("hooks", format!("{event} is missing{detail}"), fix.clone()),
        };
        checks.push(check.at(&change.path));
    }
    checks
}

/// Whether the ledger knows HEAD: as a commit that was judged, or from the moment
/// of registration; or a remote has it.
fn head_is_known(means: &Means<'_>, location: &Location, ledger: &Path, id: &str) -> bool {
    let head = git::open(&means.git, location).and_then(|objects| objects.head());
    let Some(head) = head.ok().and_then(|head| head.commit) else { return true };
    if ledger::knows_commit(ledger, id, &head).unwrap_or(true) {
        return true;
    }
    let added = ledger::newest(ledger, &[EventKind::RepoAdded], Some(id), 1).unwrap_or_default();
    let heads = added.first().and_then(|event| event.attributes.get(HEADS));
    // Without the record nobody can say what is new.
    heads.is_none_or(|heads| heads.split(' ').any(|known| known == head))
        || git::led_to(&means.git, location, &[head], git::LedBy::Remotes).is_ok_and(|out| !out.is_empty())
}

/// Work trees that say for themselves where git looks for hooks: not here.
fn work_trees(location: &Location) -> Vec<Check> {
    let says = |path: PathBuf| {
        let said = format!("{OF_ITS_OWN}: {}", shown(&path));
        Check::error("hooks-path", said, "run there: git config --worktree --unset core.hooksPath").at(&path)
    };
    work_trees_of_their_own(location).into_iter().map(says).collect()
}

/// Commits that the rules did not pass and that are still there, as far as the
/// ledger knows by now.
fn unvalidated(means: &Means<'_>, location: &Location, repo: &Repo) -> Option<Check> {
    const RULE: &str = "unvalidated";
    const LATER: &str = "ask again once it has worked them off; `kpmo governor status` tells whether it runs";
    let path = means.home.state.join("ledger.sqlite3");
    let commits = ledger::unvalidated(&path, repo.id.as_deref()?).ok()?;
    let present = git::led_to(&means.git, location, &commits, git::LedBy::Anything).ok()?;
    let waiting = waiting_events(means.home);
    if present.is_empty() && waiting > 0 {
        let said = "whether every commit has passed is not known yet: events wait for the governor";
        return Some(Check::warn(RULE, said, LATER));
    }
    if present.is_empty() && !head_is_known(means, location, &path, repo.id.as_deref()?) {
        let said = "HEAD has commits that no hook told of, and that are not judged yet";
        return Some(Check::warn(RULE, said, "the next hook, or `kpmo governor restart`, has them judged"));
    }
    if present.is_empty() {
        return Some(Check::new(RULE, Level::Fine, "every commit since registration has passed"));
    }
    let named: Vec<String> = present.iter().take(NAMED).map(|id| id.chars().take(10).collect()).collect();
    let more = if present.len() > NAMED { ", and more" } else { "" };
    let have = if present.len() == 1 { "1 commit has" } else { &format!("{} commits have", present.len()) };
    let said = format!("{have} not passed the rules: {}{more}", named.join(", "));
    let said = if waiting > 0 { format!("{said}; events wait, so there may be others") } else { said };
    let out = git::led_to(&means.git, location, &present, git::LedBy::Remotes).unwrap_or_default();
    let (said, fix) = if out.len() == present.len() {
        let fix = "`kpmo check --range COMMIT^..COMMIT` says what is wrong with one; what is secret must be revoked";
        (format!("{said}; a remote has them already"), fix)
    } else {
        (format!("{said}; pushes of them are refused"), "`git push` says what is wrong with each")
    };
    Some(Check::warn(RULE, said, fix))
}
