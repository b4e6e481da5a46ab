use std::{ffi::OsStr, path::Path};

use crate::{
    fs::shown,
    git::{self, Git, Location},
    install::{Refused, RepoConfig},
};

/// A repository's own configuration, by the git program.
pub(super) struct Setting<'a> {
    pub git: &'a Git,
    pub location: &'a Location,
}

impl RepoConfig for Setting<'_> {
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused> {
        let before = git::hooks_path(self.git, self.location)?;
        git::set_hooks_path(self.git, self.location, Some(value))?;
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
        Ok(git::set_hooks_path(self.git, self.location, None)?)
    }

    fn set_hook(&self, name: &str, event: &str, command: &OsStr) -> Result<(), Refused> {
        Ok(git::set_hook_entry(self.git, self.location, name, event, command)?)
    }

    fn remove_hook(&self, name: &str) -> Result<(), Refused> {
        Ok(git::remove_hook_entry(self.git, self.location, name)?)
    }
}
