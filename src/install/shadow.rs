//! kpmo's hooks where `core.hooksPath` leads away from the repository's own
//! hooks directory.
//!
//! What it leads to may be tracked, shared by other repositories or written
//! anew by its tool at any time: nothing there is touched. Instead a directory
//! of kpmo's own, in the git directory, comes before it, and `kpmo/chain` says
//! what it came before. The chain is written first and the setting last, and
//! taken away in the reverse order: after a crash git finds either the hooks
//! from before or all of kpmo's with their chain.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    EVENTS, HookAction, HookChange, HooksPathConfig, HooksPlace, InstallError, ON_DEMAND, RepoConfig,
    aside::{entries, is_temporary, make_dir},
    dir::{HookDir, stands_retired},
    events::{PASSED_IF_PRESENT, PASSED_THROUGH},
    owner::{look, runnable, standing},
    place::{Layout, Refused, config_record},
};
use crate::fs::{IoContext, PathError, Writer, bytes_of, path_from, shown};

const LOCAL: &[u8] = b"local\n";
const INHERITED: &[u8] = b"inherited\n";

/// kpmo's own hooks directory in one repository.
pub(super) struct Shadow<'a> {
    pub(super) place: &'a HooksPlace,
    pub(super) program: &'a Path,
    pub(super) config: &'a dyn RepoConfig,
    pub(super) writer: &'a dyn Writer,
    pub(super) texts: &'a [&'static str],
}

impl Shadow<'_> {
    /// Puts hooks for `events`, and for what else git might call there.
    pub(super) fn install(
        &self,
        layout: &Layout,
        events: &[&'static str],
    ) -> Result<Vec<HookChange>, InstallError> {
        let before = self.before(layout)?;
        make_dir(&self.place.own(), self.writer)?;
        let is_new = fs::read(self.place.chain()).is_ok_and(|chain| chain != bytes_of(&before.value));
        self.record(&self.place.chain(), &bytes_of(&before.value))?;
        let mut origin = Vec::from(if before.local { LOCAL } else { INHERITED });
        if let Some(written) = &before.written {
            origin.extend(bytes_of(written));
        }
        self.record(&self.place.origin(), &origin)?;

        let before_dir = self.place.resolve(&before.value);
        let mut names = Vec::from(EVENTS);
        names.extend(ON_DEMAND);
        names.extend(PASSED_THROUGH);
        for name in PASSED_IF_PRESENT {
            let path = self.place.shadow().join(name);
            if look(&before_dir.join(name))?.is_some() {
                names.push(name);
            } else if standing(&path, self.program)?.is_ours() {
                self.writer.remove(&path)?;
            }
        }
        let own = self.dir();
        let aside = own.aside();
        let mut stopped = Vec::new();
        for name in &names {
            if stands_retired(&before_dir.join(name))? {
                aside.stop(name)?;
                stopped.push(*name);
            } else {
                aside.unstop(name)?;
            }
        }
        let mut changes = own.install(&names)?;
        changes.retain(|change| events.contains(&change.event));
        for change in &mut changes {
            let chained = before_dir.join(change.event);
            if change.action == HookAction::Installed && stopped.contains(&change.event) {
                change.detail = format!(
                    "{} is a hook of kpmo's predecessor: it is left there and not run",
                    shown(&chained)
                );
            } else if change.action == HookAction::Installed && runnable(&chained).is_ok() {
                change.action = HookAction::Chained;
                change.detail = format!("{} runs first", shown(&chained));
            } else if change.action == HookAction::Unchanged && is_new {
                change.action = HookAction::Healed;
                change.detail = format!("core.hooksPath is {} now, without kpmo", shown(&before.value));
            }
        }
        if *layout != Layout::Shadowed && self.writer.is_real() {
            let set = self.set(|config| config.set_hooks_path(&self.place.shadow()));
            if set.is_err() && matches!(layout, Layout::Elsewhere(_)) {
                // git goes on looking elsewhere: nothing that it will not find is left.
                self.remove_files()?;
            }
            set?;
        }
        Ok(changes)
    }

    /// Gives `core.hooksPath` back and takes the directory away.
    pub(super) fn uninstall(&self, layout: &Layout) -> Result<Vec<HookChange>, InstallError> {
        if *layout == Layout::Shadowed && self.dir().is_another_homes()? {
            return Ok(self.dir().check(&EVENTS)?);
        }
        let before = self.before(layout)?;
        if self.writer.is_real() {
            self.set(|config| {
                if before.local {
                    config.set_hooks_path(before.written.as_ref().unwrap_or(&before.value))
                } else {
                    config.unset_hooks_path()
                }
            })?;
        }
        let before_dir = self.place.resolve(&before.value);
        let mut changes = self.remove_files()?;
        changes.retain(|change| EVENTS.contains(&change.event));
        for change in &mut changes {
            let chained = before_dir.join(change.event);
            if change.action == HookAction::Restored {
                // What another tool put over kpmo's is back in a place where git
                // does not look any more.
                change.action = HookAction::Foreign;
                change.detail = format!(
                    "another tool put it into kpmo's own directory, where git does not look any more; it is \
                     left as {}",
                    shown(&change.path)
                );
            } else if change.action == HookAction::Removed && runnable(&chained).is_ok() {
                change.action = HookAction::Restored;
                change.path = chained;
            }
        }
        Ok(changes)
    }

    /// Takes the directory away, where git does not look at it (any more).
    pub(super) fn remove_files(&self) -> Result<Vec<HookChange>, InstallError> {
        let own = self.place.own();
        let present = entries(&own)?;
        if !own.is_dir() || present == ["made-hooks"] {
            return Ok(Vec::new());
        }
        let changes = self.dir().uninstall()?;
        let leftovers = present.into_iter().filter(|entry| is_temporary(entry));
        for entry in leftovers.map(|entry| own.join(entry)).chain([
            self.place.chain(),
            self.place.origin(),
            config_record(&self.place.common_dir),
        ]) {
            if look(&entry)?.is_some() {
                self.writer.remove(&entry)?;
            }
        }
        for dir in [self.place.shadow(), own] {
            if dir.is_dir() {
                self.writer.remove_dir_if_empty(&dir)?;
            }
        }
        Ok(changes)
    }

    /// The directory where git would look without kpmo's setting.
    pub(super) fn dir_before(&self, layout: &Layout) -> Result<PathBuf, InstallError> {
        Ok(self.place.resolve(&self.before(layout)?.value))
    }

    pub(super) fn dir(&self) -> HookDir<'_> {
        HookDir { dir: self.place.shadow(), program: self.program, writer: self.writer, texts: self.texts }
    }

    /// What `core.hooksPath` was, or would be, without kpmo. If the record of it
    /// is lost, git's own default is the nearest to it.
    fn before(&self, layout: &Layout) -> Result<HooksPathConfig, InstallError> {
        if let Layout::Elsewhere(configured) = layout {
            return Ok(configured.clone());
        }
        let inherited = self.place.configured.as_ref().and_then(|configured| configured.inherited.clone());
        let chain = self.place.chain();
        if look(&chain)?.is_none() {
            let value = inherited.clone().unwrap_or_else(|| self.place.hooks());
            return Ok(HooksPathConfig { value, inherited, ..HooksPathConfig::default() });
        }
        let mut value = path_from(&fs::read(&chain).at("read", &chain)?);
        if let Layout::Moved { from } = layout
            && let Ok(inside) = value.strip_prefix(from)
        {
            value = self.place.common_dir.join(inside);
        }
        let path = self.place.origin();
        let origin = if look(&path)?.is_some() { fs::read(&path).at("read", &path)? } else { Vec::new() };
        let written = origin.strip_prefix(LOCAL);
        let local = written.is_some();
        let written = written.filter(|written| !written.is_empty()).map(path_from);
        // What was inherited may be another by now.
        if !local && let Some(now) = &inherited {
            value.clone_from(now);
        }
        Ok(HooksPathConfig { value, local, written, inherited })
    }

    /// Whether it came before a `core.hooksPath` of the user's or the system's that is
    /// no more: then git is to look where it does by default. What another home put there
    /// is taken over first.
    pub(super) fn is_past(&self, layout: &Layout) -> Result<bool, InstallError> {
        if !matches!(layout, Layout::Shadowed | Layout::Moved { .. }) || self.place.hooks().is_symlink() {
            return Ok(false);
        }
        let before = self.before(layout)?;
        Ok(!before.local && before.inherited.is_none() && !self.dir().is_another_homes()?)
    }

    /// Writes a file of the record, unless it says so already. Whoever may
    /// enter the directory may read it: the hook of any of them needs it.
    fn record(&self, path: &Path, content: &[u8]) -> Result<(), PathError> {
        if fs::read(path).is_ok_and(|there| there == content) {
            return Ok(());
        }
        let common = &self.place.common_dir;
        let mode = fs::metadata(common).at("look at", common)?.permissions().mode() & 0o666;
        self.writer.write(path, content, mode)
    }

    fn set(&self, change: impl Fn(&dyn RepoConfig) -> Result<(), Refused>) -> Result<(), InstallError> {
        change(self.config).map_err(|source| InstallError::Setting { source })
    }
}
