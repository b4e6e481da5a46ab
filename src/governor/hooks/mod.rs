//! The hooks of registered repositories: installed, checked, taken away, and
//! healed by themselves.

mod healing;
mod lfs;
mod noticing;
mod program;
mod setting;
#[cfg_attr(not(target_os = "linux"), path = "unwatched.rs")]
mod watching;
mod written;

use std::{fs, path::PathBuf};

use super::{Error, Governor};
use crate::{
    fs::Writer,
    git::{self, Git, GitError, Location},
    install::{
        self, EVENTS, HookAction, HookChange, HookEntries, HookEntry, HooksMode, HooksPathConfig, HooksPlace,
        HooksState, ON_DEMAND, Wanted,
    },
    ledger::{EventDraft, EventKind},
    registry::Repo,
    rules::EffectivePolicy,
};
pub(super) use healing::Healing;
pub(super) use noticing::start;
use setting::Setting;

/// The hooks of one repository, after what was done.
#[derive(Debug, Clone)]
pub struct RepoHooks {
    /// Where git looks for hooks.
    pub hooks_dir: PathBuf,
    /// By what git runs kpmo's.
    pub mode: HooksMode,
    /// What stands there.
    pub state: HooksState,
    /// Hook by hook.
    pub changes: Vec<HookChange>,
}

impl From<install::Report> for RepoHooks {
    fn from(report: install::Report) -> Self {
        Self { hooks_dir: report.hooks_dir, mode: report.mode, state: report.state, changes: report.changes }
    }
}

impl RepoHooks {
    /// The events about which something was done.
    fn changed(&self) -> Vec<&'static str> {
        let done = |change: &&HookChange| {
            !matches!(change.action, HookAction::Unchanged | HookAction::Foreign | HookAction::Missing)
        };
        self.changes.iter().filter(done).map(|change| change.event).collect()
    }
}

impl Governor {
    /// Puts kpmo's hooks in place, or heals them. `mode` `None`: as they are
    /// installed already.
    pub fn install_hooks(
        &self,
        repo: &Repo,
        mode: Option<HooksMode>,
        writer: &dyn Writer,
    ) -> Result<RepoHooks, Error> {
        let location = Location::at(&repo.local_path)?;
        let turn = self.healing.turn(&location);
        let _turn = super::locked(&turn);
        let hooks = self.put_hooks(repo, &location, mode, writer)?;
        if writer.is_real() {
            self.keep_hooks(repo, &location, &hooks);
        }
        self.record_hooks(repo, EventKind::HooksInstalled, &hooks, writer)?;
        if writer.is_real() {
            // What they tell of is judged by where branches stand now.
            self.want_missed(repo.id.as_deref());
        }
        Ok(hooks)
    }

    /// Says what stands in each hook's place.
    pub fn check_hooks(&self, repo: &Repo) -> Result<RepoHooks, Error> {
        let location = Location::at(&repo.local_path)?;
        let place = self.hooks_place(&location, None)?;
        let (program, events) = (self.hook_program(), self.events_for(repo));
        let report = install::check(&place, &Wanted { program: &program, events: &events, mode: None })?;
        let mut hooks = RepoHooks::from(report);
        hooks.state = state_with(hooks.state, &location);
        for path in work_trees_of_their_own(&location) {
            let (event, action, detail) = ("", HookAction::Foreign, OF_ITS_OWN.to_owned());
            hooks.changes.push(HookChange { event, path, action, detail });
        }
        Ok(hooks)
    }

    /// What stands in the hooks' places, where `core.hooksPath` is known.
    pub(super) fn hooks_state(
        &self,
        repo: &Repo,
        location: &Location,
        configured: Option<git::HooksPath>,
    ) -> Result<HooksState, Error> {
        let place = place(&self.git, location, configured, None)?;
        let (program, events) = (self.hook_program(), self.events_for(repo));
        let found = install::check(&place, &Wanted { program: &program, events: &events, mode: None })?;
        Ok(found.state)
    }

    /// Restores what stood there before.
    pub fn uninstall_hooks(&self, repo: &Repo, writer: &dyn Writer) -> Result<RepoHooks, Error> {
        let location = Location::at(&repo.local_path)?;
        let turn = self.healing.turn(&location);
        let _turn = super::locked(&turn);
        let place = self.hooks_place(&location, None)?;
        let setting = Setting { git: &self.git, location: &location };
        let hooks = install::uninstall(&place, &self.hook_program(), &setting, writer)?.into();
        self.record_hooks(repo, EventKind::HooksUninstalled, &hooks, writer)?;
        Ok(hooks)
    }

    fn put_hooks(
        &self,
        repo: &Repo,
        location: &Location,
        mode: Option<HooksMode>,
        writer: &dyn Writer,
    ) -> Result<RepoHooks, Error> {
        let place = self.hooks_place(location, mode)?;
        let setting = Setting { git: &self.git, location };
        let (program, events) = (self.hook_program(), self.events_for(repo));
        let wanted = Wanted { program: &program, events: &events, mode };
        Ok(install::install(&place, &wanted, &setting, writer)?.into())
    }

    /// The hooks that this repository is to have: those that every one has, and
    /// those that a rule of its policy needs.
    fn events_for(&self, repo: &Repo) -> Vec<&'static str> {
        events_of(&self.policy().effective(Some(&repo.name), &repo.tags))
    }

    fn hooks_place(&self, location: &Location, mode: Option<HooksMode>) -> Result<HooksPlace, Error> {
        Ok(place(&self.git, location, git::hooks_path(&self.git, location)?, mode)?)
    }

    /// What changed goes into the ledger; what was looked at does not.
    fn record_hooks(
        &self,
        repo: &Repo,
        kind: EventKind,
        hooks: &RepoHooks,
        writer: &dyn Writer,
    ) -> Result<(), Error> {
        let changed = hooks.changed();
        if changed.is_empty() || !writer.is_real() {
            return Ok(());
        }
        let mut draft = EventDraft::new(kind, "governor");
        draft.repo_id.clone_from(&repo.id);
        draft.attributes.insert("hooks".into(), changed.join(","));
        self.ledger.append(draft)?;
        Ok(())
    }
}

/// What is said of a work tree that kpmo's hooks do not run in.
pub(super) const OF_ITS_OWN: &str =
    "a work tree has a core.hooksPath of its own, and kpmo's hooks do not run in it";

/// Configurations of work trees that say for themselves where git looks for hooks,
/// which is not where the repository's are.
pub(super) fn work_trees_of_their_own(location: &Location) -> Vec<PathBuf> {
    // Read as a file only: whoever unpacks an archive has its author's `.git`.
    let text = |path: PathBuf| {
        let is_file = fs::metadata(&path).is_ok_and(|found| found.is_file());
        let text = if is_file { fs::read(path).unwrap_or_default() } else { Vec::new() };
        String::from_utf8_lossy(&text).into_owned()
    };
    let entries = fs::read_dir(location.common_dir.join("worktrees")).into_iter().flatten().flatten();
    let is_there = |dir: &PathBuf| dir.join(text(dir.join("gitdir")).trim_end()).is_file();
    let dirs = entries.map(|entry| entry.path()).filter(is_there).chain([location.common_dir.clone()]);
    let says = |line: &str| line.trim_start().to_ascii_lowercase().starts_with("hookspath");
    let said = dirs.map(|dir| dir.join("config.worktree"));
    let said: Vec<PathBuf> = said.filter(|path| text(path.clone()).lines().any(says)).collect();
    // Else git does not read them.
    let is_on = || {
        let own = text(location.common_dir.join("config")).to_ascii_lowercase();
        own.contains("worktreeconfig")
    };
    if said.is_empty() || !is_on() { Vec::new() } else { said }
}

/// With what healing can't mend.
pub(super) fn state_with(state: HooksState, location: &Location) -> HooksState {
    match state {
        HooksState::Ok if !work_trees_of_their_own(location).is_empty() => HooksState::Partial,
        state => state,
    }
}

/// The hooks that a repository with this policy is to have.
pub(super) fn events_of(policy: &EffectivePolicy) -> Vec<&'static str> {
    let mut events = Vec::from(EVENTS);
    events.extend(ON_DEMAND.into_iter().filter(|event| needs(policy, event)));
    events
}

/// Where kpmo's hooks belong, and what git is configured to; `mode`: as which
/// they are about to be put there.
pub(super) fn place(
    git: &Git,
    location: &Location,
    configured: Option<git::HooksPath>,
    mode: Option<HooksMode>,
) -> Result<HooksPlace, GitError> {
    let found = git::hook_entries(git, location, HookEntries::PREFIX)?;
    let matters = mode == Some(HooksMode::Config) || !found.own.is_empty();
    let too_old = if matters { git::too_old_for_hook_entries(git, location)? } else { None };
    let disabled = found.disabled;
    let ours = found.own.into_iter().map(|(name, entry)| {
        let disabled = disabled.contains(&name);
        (name, HookEntry { command: entry.command, events: entry.events, disabled })
    });
    Ok(HooksPlace {
        common_dir: location.common_dir.clone(),
        work_tree: location.work_tree.clone(),
        configured: configured.map(|configured| HooksPathConfig {
            local: configured.own.is_some(),
            written: configured.own.filter(|own| *own != configured.value),
            value: configured.value,
            inherited: configured.inherited,
        }),
        entries: HookEntries { too_old, ours: ours.collect(), disabled: disabled.clone() },
    })
}

/// Whether a rule of this policy needs a hook that is not installed everywhere.
fn needs(policy: &EffectivePolicy, event: &str) -> bool {
    event == "commit-msg" && policy.wants_commit_msg()
}
