//! Git LFS beside kpmo's hooks.
//!
//! It puts its hooks in place by itself, whenever one of its filters runs, and gives
//! up in silence where a hook stands. Without the one for pre-push a push leaves the
//! files out. So where kpmo's hooks were there first, it is let install its own
//! where others' are kept, and they are chained like those.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use super::super::{Governor, locked};
use crate::{
    fs::{IoContext as _, RealWriter, Writer as _},
    git::Location,
    install,
    ledger::{EventDraft, EventKind},
    registry::Repo,
};

/// The hook of Git LFS that matters.
const SENDS: &str = "pre-push";

impl Governor {
    /// Before a push, of which the hook runs what has come meanwhile.
    pub(in super::super) fn let_lfs_send(&self, repo: &Repo, location: &Location) {
        // Of most repositories nobody need wait for their turn.
        if Self::lacks_lfs(location) {
            let turn = self.healing.turn(location);
            let _turn = locked(&turn);
            self.let_lfs_install(repo, location);
        }
    }

    fn lacks_lfs(location: &Location) -> bool {
        install::uses_lfs(&location.common_dir, location.work_tree.as_deref())
            && !install::is_chained(&location.common_dir, SENDS)
    }

    /// Does so where it is due. What can't be done is done without, as it is where
    /// there is no Git LFS.
    pub(super) fn let_lfs_install(&self, repo: &Repo, location: &Location) {
        if !Self::lacks_lfs(location) {
            return;
        }
        match self.try_to_let_lfs(repo, location) {
            Ok(false) => {}
            Ok(true) => tracing::info!(repo = repo.name, "hooks of Git LFS are chained"),
            Err(error) => tracing::info!(repo = repo.name, %error, "no hooks of Git LFS"),
        }
    }

    fn try_to_let_lfs(&self, repo: &Repo, location: &Location) -> Result<bool, super::Error> {
        let place = match self.plain(location) {
            Some(place) => place,
            None => self.hooks_place(location, None)?,
        };
        let Some(dir) = install::way_round(&place, &self.hook_program(), SENDS, &RealWriter)? else {
            return Ok(false);
        };
        let mut free = Vec::from(install::HOOKS_OF_LFS.map(|name| dir.join(name)));
        free.retain(|place| !place.exists());
        let installed = self.git.let_lfs_install(location, &dir);
        // The governor's own files are nobody else's; hooks are as the directory is.
        let mode = fs::metadata(&dir).map_or(0o700, |dir| dir.permissions().mode() & 0o755);
        for place in free.iter().filter(|place| place.is_file()) {
            fs::set_permissions(place, Permissions::from_mode(mode)).at("set the mode of", place)?;
        }
        if !dir.join(SENDS).exists() {
            RealWriter.remove_dir_if_empty(&dir)?;
            return installed.map(|()| false).map_err(Into::into);
        }
        let mut draft = EventDraft::new(EventKind::HooksHealed, "governor");
        draft.repo_id.clone_from(&repo.id);
        draft.attributes.insert("hooks".into(), SENDS.into());
        draft.attributes.insert("chained".into(), "git-lfs".into());
        self.ledger.append(draft)?;
        Ok(true)
    }
}
