use std::{error::Error as StdError, path::Path, path::PathBuf};

use super::{Error, Governor};
use crate::{
    fs::Writer,
    git::{self, Git, Location},
    install::{self, HookAction, HookChange, HooksPathConfig, HooksPathSetting, HooksPlace, HooksState},
    ledger::{EventDraft, EventKind},
    registry::Repo,
};

/// The hooks of one repository, after what was done.
#[derive(Debug, Clone)]
pub struct RepoHooks {
    /// Where git looks for hooks.
    pub hooks_dir: PathBuf,
    /// What stands there.
    pub state: HooksState,
    /// Hook by hook.
    pub changes: Vec<HookChange>,
}

impl From<install::Report> for RepoHooks {
    fn from(report: install::Report) -> Self {
        Self { hooks_dir: report.hooks_dir, state: report.state, changes: report.changes }
    }
}

/// A repository's own `core.hooksPath`, by the git program.
struct Setting<'a> {
    git: &'a Git,
    location: &'a Location,
}

type Refused = Box<dyn StdError + Send + Sync>;

impl HooksPathSetting for Setting<'_> {
    fn set(&self, value: &Path) -> Result<(), Refused> {
        Ok(git::set_hooks_path(self.git, self.location, Some(value))?)
    }

    fn unset(&self) -> Result<(), Refused> {
        Ok(git::set_hooks_path(self.git, self.location, None)?)
    }
}

impl Governor {
    /// Puts kpmo's hooks in place, or heals them.
    pub fn install_hooks(&self, repo: &Repo, writer: &dyn Writer) -> Result<RepoHooks, Error> {
        let location = Location::at(&repo.local_path)?;
        let place = self.hooks_place(&location)?;
        let setting = Setting { git: &self.git, location: &location };
        let hooks = install::install(&place, &self.hook_program(), &setting, writer)?.into();
        self.record_hooks(repo, EventKind::HooksInstalled, &hooks, writer)?;
        Ok(hooks)
    }

    /// Says what stands in each hook's place.
    pub fn check_hooks(&self, repo: &Repo) -> Result<RepoHooks, Error> {
        let location = Location::at(&repo.local_path)?;
        Ok(install::check(&self.hooks_place(&location)?, &self.hook_program())?.into())
    }

    /// Restores what stood there before.
    pub fn uninstall_hooks(&self, repo: &Repo, writer: &dyn Writer) -> Result<RepoHooks, Error> {
        let location = Location::at(&repo.local_path)?;
        let place = self.hooks_place(&location)?;
        let setting = Setting { git: &self.git, location: &location };
        let hooks = install::uninstall(&place, &self.hook_program(), &setting, writer)?.into();
        self.record_hooks(repo, EventKind::HooksUninstalled, &hooks, writer)?;
        Ok(hooks)
    }

    fn hooks_place(&self, location: &Location) -> Result<HooksPlace, Error> {
        let configured = git::hooks_path(&self.git, location)?;
        Ok(HooksPlace {
            common_dir: location.common_dir.clone(),
            work_tree: location.work_tree.clone(),
            configured: configured
                .map(|configured| HooksPathConfig { value: configured.value, local: configured.local }),
        })
    }

    /// What changed goes into the ledger; what was looked at does not.
    fn record_hooks(
        &self,
        repo: &Repo,
        kind: EventKind,
        hooks: &RepoHooks,
        writer: &dyn Writer,
    ) -> Result<(), Error> {
        let changed: Vec<&str> = hooks
            .changes
            .iter()
            .filter(|change| {
                !matches!(change.action, HookAction::Unchanged | HookAction::Foreign | HookAction::Missing)
            })
            .map(|change| change.event)
            .collect();
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
