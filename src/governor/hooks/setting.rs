use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use super::written::Written;
use crate::{
    fs::{RealWriter, Writer as _, shown},
    git::{self, Git, Location},
    install::{self, Refused, RepoConfig},
};

/// A repository's own configuration, by the git program.
pub(super) struct Setting<'a> {
    pub git: &'a Git,
    pub location: &'a Location,
}

impl Setting<'_> {
    fn config(&self) -> PathBuf {
        self.location.common_dir.join("config")
    }

    fn record(&self) -> PathBuf {
        install::config_record(&self.location.common_dir)
    }

    /// Gives the lines back that kpmo's setting took the place of, if they say what is
    /// wanted. False: that is left to git.
    fn give_back(&self, wanted: Option<&Path>) -> Result<bool, Refused> {
        let Ok(record) = fs::read(self.record()) else { return Ok(false) };
        let undone = Written::from_bytes(&record).map(|written| written.undo(&self.config()));
        if matches!(undone, Some(Ok(None))) {
            return Err(
                "somebody else is changing the configuration (config.lock is there); try again".into()
            );
        }
        RealWriter.remove(&self.record())?;
        if !matches!(undone, Some(Ok(Some(true)))) {
            return Ok(false);
        }
        let now = git::hooks_path(self.git, self.location)?;
        Ok(now.and_then(|now| now.own).as_deref() == wanted)
    }
}

impl RepoConfig for Setting<'_> {
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused> {
        let is_ours = value == self.location.common_dir.join("kpmo/hooks");
        if !is_ours && self.give_back(Some(value))? {
            return Ok(());
        }
        let before = git::hooks_path(self.git, self.location)?;
        let text = fs::read(self.config()).unwrap_or_default();
        git::set_hooks_path(self.git, self.location, Some(value))?;
        if is_ours && let Some(written) = Written::between(&text, &fs::read(self.config())?) {
            let earlier = fs::read(self.record()).ok().and_then(|record| Written::from_bytes(&record));
            let written = match earlier {
                Some(earlier) => written.after(earlier),
                None => written,
            };
            RealWriter.write(&self.record(), &written.to_bytes(), 0o600)?;
        }
        // One that git expands (`~/hooks`) is somebody's, given back as it was.
        let is_in_force = |now: &git::HooksPath| now.value == value || !value.is_absolute();
        let Some(now) = git::hooks_path(self.git, self.location)?.filter(|now| !is_in_force(now)) else {
            return Ok(());
        };
        // Another file has the last word; nothing is left of ours.
        let own = before.and_then(|before| before.own);
        git::set_hooks_path(self.git, self.location, own.as_deref())?;
        Err(format!(
            "a file that it includes, or that of the work tree, sets core.hooksPath to {} after it \
             (`git config --show-origin core.hooksPath` names the file): take it out there, or put it into the \
             repository's own configuration",
            shown(&now.value)
        )
        .into())
    }

    fn unset_hooks_path(&self) -> Result<(), Refused> {
        if self.give_back(None)? {
            return Ok(());
        }
        Ok(git::set_hooks_path(self.git, self.location, None)?)
    }

    fn set_hook(&self, name: &str, event: &str, command: &OsStr) -> Result<(), Refused> {
        Ok(git::set_hook_entry(self.git, self.location, name, event, command)?)
    }

    fn remove_hook(&self, name: &str) -> Result<(), Refused> {
        Ok(git::remove_hook_entry(self.git, self.location, name)?)
    }
}
