//! One hooks directory: kpmo's links in it, and other hooks out of their way.

use std::{
    ffi::OsStr,
    fs::Metadata,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    EVENTS, HookAction, HookChange, InstallError,
    aside::{Aside, alike, entries, links_refused, make_dir},
    events,
    owner::{Standing, runnable, shim_for, standing},
};
use crate::fs::{PathError, Writer, shown};

/// A directory in which git looks for hooks, and kpmo may write.
pub(super) struct HookDir<'a> {
    pub(super) dir: PathBuf,
    pub(super) program: &'a Path,
    pub(super) writer: &'a dyn Writer,
}

impl HookDir<'_> {
    /// Puts kpmo's hook in each place of `names`. There is no moment at which a
    /// hook that stood there would not run: first all of them get a second
    /// place, then their surroundings, and only then are they renamed over.
    pub(super) fn install(&self, names: &[&'static str]) -> Result<Vec<HookChange>, InstallError> {
        let aside = self.aside();
        let found = self.survey(names)?;
        make_dir(&self.dir, self.writer)?;

        let foreign = |standing: &Standing| matches!(standing, Standing::Foreign(_));
        let keeps = found.iter().any(|(_, standing)| foreign(standing));
        if keeps {
            aside.create()?;
        }
        let mut elders = Vec::new();
        for (name, standing) in &found {
            elders.push(match standing {
                Standing::Foreign(metadata) => aside.keep(name, metadata)?,
                _ => None,
            });
        }
        if keeps || aside.exists() {
            aside.mirror(names)?;
        }
        let mut changes = Vec::new();
        for ((name, standing), elder) in found.into_iter().zip(elders) {
            changes.push(self.put(name, standing, elder)?);
        }
        self.sweep(|entry| entry.as_bytes().contains(&b'.'))?;
        Ok(changes)
    }

    /// Says what stands in each place of `names`.
    pub(super) fn check(&self, names: &[&'static str]) -> Result<Vec<HookChange>, PathError> {
        let aside = self.aside();
        names
            .iter()
            .map(|&name| {
                let path = self.dir.join(name);
                let (action, detail) = match standing(&path, self.program)? {
                    Standing::Nothing => (HookAction::Missing, String::new()),
                    Standing::Broken(why) => {
                        (HookAction::Missing, format!("kpmo's hook does not work: {why}"))
                    }
                    Standing::Foreign(_) => (HookAction::Foreign, self.usurped(name)?),
                    Standing::Directory => (HookAction::Foreign, "a directory stands there".into()),
                    Standing::Works => (
                        HookAction::Unchanged,
                        match aside.kept(name, true)? {
                            Some(_) => format!("{} runs first", shown(&aside.place(name))),
                            None => String::new(),
                        },
                    ),
                };
                Ok(HookChange { event: name, path, action, detail })
            })
            .collect()
    }

    /// Takes kpmo's hooks away and puts back what is kept. Reports each of
    /// [`EVENTS`], and other hooks where there was something to do.
    pub(super) fn uninstall(&self) -> Result<Vec<HookChange>, InstallError> {
        let aside = self.aside();
        let mut changes = Vec::new();
        for name in events::all() {
            let is_event = EVENTS.contains(&name);
            let path = self.dir.join(name);
            let standing = standing(&path, self.program)?;
            let kept = aside.kept(name, is_event)?;
            if !is_event && kept.is_none() && !standing.is_ours() {
                continue;
            }
            let (action, detail) = self.take_away(&aside, name, standing, kept)?;
            changes.push(HookChange { event: name, path, action, detail });
        }
        self.sweep(|entry| !events::all().any(|name| entry == name))?;
        aside.clear()?;
        Ok(changes)
    }

    fn aside(&self) -> Aside<'_> {
        Aside::of(&self.dir, self.program, self.writer)
    }

    /// What stands in each place; refuses what can't be moved before anything is
    /// changed.
    fn survey(&self, names: &[&'static str]) -> Result<Vec<(&'static str, Standing)>, InstallError> {
        names
            .iter()
            .map(|&name| {
                let path = self.dir.join(name);
                match standing(&path, self.program)? {
                    Standing::Directory => Err(InstallError::Directory { path }),
                    standing => Ok((name, standing)),
                }
            })
            .collect()
    }

    fn put(
        &self,
        name: &'static str,
        standing: Standing,
        elder: Option<PathBuf>,
    ) -> Result<HookChange, InstallError> {
        let aside = self.aside();
        let path = self.dir.join(name);
        let kept_at = shown(&aside.place(name));
        let (action, detail) = match standing {
            Standing::Works | Standing::Directory => (HookAction::Unchanged, String::new()),
            Standing::Broken(why) => (HookAction::Healed, why),
            Standing::Nothing if aside.kept(name, true)?.is_some() => {
                (HookAction::Healed, format!("it had been taken away; {kept_at} runs first"))
            }
            Standing::Nothing => (HookAction::Installed, String::new()),
            Standing::Foreign(_) => {
                let replaced = elder.map_or_else(String::new, |elder| {
                    format!("; an earlier one, which it had replaced, is kept as {}", shown(&elder))
                });
                let detail = match runnable(&path) {
                    Ok(()) => format!("the hook that stood there is now {kept_at} and runs first"),
                    Err(reason) => {
                        format!("what stood there {reason}: it is kept as {kept_at} and, as before, not run")
                    }
                };
                (HookAction::Chained, detail + &replaced)
            }
        };
        if action != HookAction::Unchanged {
            match self.writer.link(self.program, &path) {
                Err(error) if links_refused(&error) => {
                    self.writer.write(&path, &shim_for(self.program), 0o755)?;
                }
                done => done?,
            }
        }
        Ok(HookChange { event: name, path, action, detail })
    }

    fn take_away(
        &self,
        aside: &Aside<'_>,
        name: &'static str,
        standing: Standing,
        kept: Option<Metadata>,
    ) -> Result<(HookAction, String), InstallError> {
        let path = self.dir.join(name);
        let place = aside.place(name);
        Ok(match (standing, kept) {
            (Standing::Works | Standing::Broken(_) | Standing::Nothing, Some(kept)) => {
                aside.put_back(name, &kept)?;
                let detail = match aside.elder(name)? {
                    Some(elder) => format!("earlier hooks, which it had replaced, stay in {}", shown(&elder)),
                    None => String::new(),
                };
                (HookAction::Restored, detail)
            }
            (Standing::Works | Standing::Broken(_), None) => {
                self.writer.remove(&path)?;
                (HookAction::Removed, String::new())
            }
            (Standing::Nothing, None) => (HookAction::Missing, String::new()),
            // An installation was cut short: both places hold the same hook.
            (Standing::Foreign(found), Some(kept)) if alike((&path, &found), (&place, &kept))? => {
                self.writer.remove(&place)?;
                (HookAction::Foreign, String::new())
            }
            (Standing::Foreign(_) | Standing::Directory, Some(_)) => (
                HookAction::Foreign,
                format!(
                    "it came after kpmo's and is left; the hook from before kpmo stays in {}",
                    shown(&place)
                ),
            ),
            (Standing::Foreign(_) | Standing::Directory, None) => (HookAction::Foreign, String::new()),
        })
    }

    /// Another tool's way of keeping kpmo's hook for its own old one.
    fn usurped(&self, name: &str) -> Result<String, PathError> {
        for suffix in ["legacy", "old"] {
            let beside = self.dir.join(format!("{name}.{suffix}"));
            if standing(&beside, self.program)?.is_ours() {
                return Ok(format!("another tool put it there and made kpmo's hook its {}", shown(&beside)));
            }
        }
        Ok(String::new())
    }

    /// Removes what is ours under a name that is no hook's: links that other
    /// tools renamed (`pre-commit.legacy`), and what a crash left behind.
    fn sweep(&self, is_stray: impl Fn(&OsStr) -> bool) -> Result<(), PathError> {
        for entry in entries(&self.dir)?.into_iter().filter(|entry| is_stray(entry)) {
            let path = self.dir.join(entry);
            if standing(&path, self.program)?.is_ours() {
                self.writer.remove(&path)?;
            }
        }
        Ok(())
    }
}
