//! One hooks directory: kpmo's hooks in it, and others' out of their way.

use std::{
    ffi::OsStr,
    fs::Metadata,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    EVENTS, HookAction, HookChange, InstallError, ON_DEMAND,
    aside::{Aside, Kept, alike, entries, links_refused, make_dir},
    events,
    owner::{Standing, look, runnable, shim_for, standing},
    retired::is_retired,
    taken::{self, is_of_a_tool},
};
use crate::fs::{FileId, New, PathError, Writer, shown};

/// How often one place is looked at anew because somebody else changes it at that
/// very moment.
const TRIES: usize = 5;

/// A directory in which git looks for hooks, and kpmo may write.
pub(super) struct HookDir<'a> {
    pub(super) dir: PathBuf,
    pub(super) program: &'a Path,
    pub(super) writer: &'a dyn Writer,
    /// Hooks that are to be texts; see [`super::text`].
    pub(super) texts: &'a [&'static str],
}

/// What stands in a hook's place: which file, and whose.
type Surveyed = (Option<FileId>, Standing);

/// What was found in a hook's place, and what becomes of it.
enum Found {
    Other(Standing),
    /// Somebody's hook, to be chained; where an earlier one went.
    Chained(Option<PathBuf>),
    /// The predecessor's, to be archived.
    Retired,
}

impl HookDir<'_> {
    /// Puts kpmo's hook in each place of `names`. There is no moment at which a
    /// hook that stood there would not run: first all of them get a second
    /// place, then their surroundings, and only then are they renamed over. What
    /// somebody puts there meanwhile is not: it is found like what stood there.
    pub(super) fn install(&self, names: &[&'static str]) -> Result<Vec<HookChange>, InstallError> {
        let aside = self.aside();
        let survey = self.survey(names)?;
        make_dir(&self.dir, self.writer)?;
        let withdrawn = self.withdraw(names)?;

        let keeps = survey.iter().any(|(_, (_, standing))| matches!(standing, Standing::Foreign(_)));
        if keeps {
            aside.create()?;
        }
        let taken = self.keep_taken(&aside, names)?;
        let mut found = Vec::new();
        for (name, (seen, standing)) in survey {
            found.push((name, seen, self.keep(&aside, name, standing)?));
        }
        if keeps || !taken.is_empty() || aside.exists() {
            aside.mirror(names)?;
        }
        let mut changes = Vec::new();
        for (name, seen, found) in found {
            let mut change = self.put_in_the_end(&aside, name, seen, found)?;
            if let Some(kept) = aside.kept(name)?
                && is_retired(&aside.place(name), &kept)
            {
                aside.archive_kept(name)?;
                change.action = HookAction::Archived;
                change.detail = archived_detail(&aside.archive(name));
            }
            changes.push(change);
        }
        let taken = self.take_kept(taken)?;
        for change in changes.iter_mut().filter(|change| taken.contains(&change.event)) {
            if change.action == HookAction::Unchanged {
                change.action = HookAction::Healed;
                change.detail = format!("what another tool took over is kept in {}", shown(&aside.place("")));
            }
        }
        changes.extend(withdrawn);
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
                    Standing::Broken(why) | Standing::AnotherHomes(why) => {
                        (HookAction::Missing, format!("kpmo's hook does not work: {why}"))
                    }
                    Standing::Foreign(_) => (HookAction::Foreign, self.usurped(name)?),
                    Standing::Directory => (HookAction::Foreign, "a directory stands there".into()),
                    Standing::Works => (
                        HookAction::Unchanged,
                        match (aside.kept(name)?, aside.archived(name)?) {
                            (Some(_), _) => format!("{} runs first", shown(&aside.place(name))),
                            (None, Some(_)) => archived_detail(&aside.archive(name)),
                            (None, None) => String::new(),
                        },
                    ),
                };
                Ok(HookChange { event: name, path, action, detail })
            })
            .collect()
    }

    /// Whether anything here is kpmo's, or was put aside by it.
    pub(super) fn has_traces(&self) -> Result<bool, PathError> {
        for name in events::all() {
            if standing(&self.dir.join(name), self.program)?.is_ours() {
                return Ok(true);
            }
        }
        let aside = self.aside();
        for name in EVENTS.into_iter().chain(ON_DEMAND) {
            if aside.kept_or_archived(name)?.is_some() {
                return Ok(true);
            }
        }
        for entry in entries(&self.dir)?.into_iter().filter(|entry| entry.as_bytes().contains(&b'.')) {
            if standing(&self.dir.join(entry), self.program)?.is_ours() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes kpmo's hooks away and puts back what is kept. Reports each of
    /// [`EVENTS`], and other hooks where there was something to do.
    pub(super) fn uninstall(&self) -> Result<Vec<HookChange>, InstallError> {
        let aside = self.aside();
        let mut changes = Vec::new();
        for name in events::all() {
            if let Some(change) = self.take_away(&aside, name)? {
                changes.push(change);
            }
        }
        if self.is_another_homes()? {
            return Ok(changes);
        }
        self.sweep(|entry| !events::all().any(|name| entry == name))?;
        aside.clear()?;
        Ok(changes)
    }

    /// Whether the hooks here are those of another home, and work for that.
    pub(super) fn is_another_homes(&self) -> Result<bool, PathError> {
        for name in EVENTS {
            if matches!(standing(&self.dir.join(name), self.program)?, Standing::AnotherHomes(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn aside(&self) -> Aside<'_> {
        Aside::of(&self.dir, self.program, self.writer)
    }

    /// What stands in each place; refuses what can't be moved before anything is
    /// changed.
    fn survey(&self, names: &[&'static str]) -> Result<Vec<(&'static str, Surveyed)>, InstallError> {
        names.iter().map(|&name| Ok((name, self.look_at(name)?))).collect()
    }

    fn look_at(&self, name: &str) -> Result<Surveyed, InstallError> {
        let path = self.dir.join(name);
        // First which file it is: one that takes its place is then no more what
        // was seen.
        let seen = look(&path)?.as_ref().map(FileId::of);
        match standing(&path, self.program)? {
            Standing::Directory => Err(InstallError::Directory { path }),
            standing => Ok((seen, standing)),
        }
    }

    /// Gives a hook of somebody's its second place.
    fn keep(&self, aside: &Aside<'_>, name: &'static str, standing: Standing) -> Result<Found, InstallError> {
        Ok(match standing {
            Standing::Foreign(meta) if is_retired(&self.dir.join(name), &meta) => {
                aside.put_in_archive(name, &meta)?;
                Found::Retired
            }
            Standing::Foreign(meta) => Found::Chained(aside.keep(name, &meta)?),
            other => Found::Other(other),
        })
    }

    /// Puts kpmo's hook in its place, whatever others put there meanwhile.
    fn put_in_the_end(
        &self,
        aside: &Aside<'_>,
        name: &'static str,
        mut seen: Option<FileId>,
        mut found: Found,
    ) -> Result<HookChange, InstallError> {
        for _ in 0..TRIES {
            if let Some(change) = self.put(name, seen, found)? {
                return Ok(change);
            }
            let standing;
            (seen, standing) = self.look_at(name)?;
            if matches!(standing, Standing::Foreign(_)) {
                aside.create()?;
            }
            found = self.keep(aside, name, standing)?;
        }
        Err(InstallError::Restless { path: self.dir.join(name) })
    }

    /// `None`: something else stands there than was `seen`, and goes on to.
    fn put(
        &self,
        name: &'static str,
        seen: Option<FileId>,
        found: Found,
    ) -> Result<Option<HookChange>, InstallError> {
        let aside = self.aside();
        let path = self.dir.join(name);
        let as_text = self.texts.contains(&name);
        let kept_at = shown(&aside.place(name));
        let (action, detail) = match found {
            Found::Other(Standing::Works) if as_text && path.is_symlink() => {
                (HookAction::Healed, "it is a script now, which prek and other users can read".to_owned())
            }
            Found::Other(Standing::Works | Standing::Directory | Standing::Foreign(_)) => {
                (HookAction::Unchanged, String::new())
            }
            Found::Other(Standing::Broken(why) | Standing::AnotherHomes(why)) => (HookAction::Healed, why),
            Found::Other(Standing::Nothing) if aside.kept(name)?.is_some() => {
                (HookAction::Healed, format!("it had been taken away; {kept_at} runs first"))
            }
            Found::Other(Standing::Nothing) => (HookAction::Installed, String::new()),
            Found::Retired => (HookAction::Archived, archived_detail(&aside.archive(name))),
            Found::Chained(elder) => {
                let replaced = elder.map_or_else(String::new, |elder| {
                    let what = if taken::is_name(&elder) { "took over" } else { "replaced" };
                    format!("; an earlier one, which it {what}, is kept as {}", shown(&elder))
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
            let shim = || self.writer.put(New::File(&shim_for(self.program), 0o755), &path, seen);
            let is_put = if as_text {
                shim()?
            } else {
                match self.writer.put(New::Link(self.program), &path, seen) {
                    Err(error) if links_refused(&error) => shim()?,
                    done => done?,
                }
            };
            if !is_put {
                return Ok(None);
            }
        }
        Ok(Some(HookChange { event: name, path, action, detail }))
    }

    /// Takes away kpmo's hooks of events that are not wanted any more.
    fn withdraw(&self, names: &[&'static str]) -> Result<Vec<HookChange>, InstallError> {
        let aside = self.aside();
        let mut changes = Vec::new();
        for name in ON_DEMAND.into_iter().filter(|name| !names.contains(name)) {
            if standing(&self.dir.join(name), self.program)?.is_ours() {
                changes.extend(self.take_away(&aside, name)?);
            }
        }
        if !changes.is_empty() && !aside.keeps_any()? {
            aside.clear()?;
        }
        Ok(changes)
    }

    /// One hook; `None` where it is none of [`EVENTS`] and there is nothing to do.
    fn take_away(&self, aside: &Aside<'_>, name: &'static str) -> Result<Option<HookChange>, InstallError> {
        let path = self.dir.join(name);
        let standing = standing(&path, self.program)?;
        let always = EVENTS.contains(&name);
        // Another home's stays with what it chains.
        if !matches!(standing, Standing::AnotherHomes(_)) {
            self.give_taken(aside, name)?;
        }
        let kept = aside.kept_or_archived(name)?;
        if !always && kept.is_none() && !standing.is_ours() {
            self.forget_taken(aside, name)?;
            return Ok(None);
        }
        let is_anothers = matches!(standing, Standing::AnotherHomes(_));
        let (action, detail) = self.restore(aside, name, standing, kept)?;
        if !is_anothers {
            self.forget_taken(aside, name)?;
        }
        Ok(Some(HookChange { event: name, path, action, detail }))
    }

    fn restore(
        &self,
        aside: &Aside<'_>,
        name: &'static str,
        standing: Standing,
        kept: Option<Kept>,
    ) -> Result<(HookAction, String), InstallError> {
        let path = self.dir.join(name);
        Ok(match (standing, kept) {
            (Standing::Works | Standing::Broken(_) | Standing::Nothing, Some(kept)) => {
                aside.put_back(name, &kept)?;
                let archived = match aside.archived(name)? {
                    Some(_) if kept.0 != aside.archive(name) => Some(aside.archive(name)),
                    _ => None,
                };
                let detail = match aside.elder(name)?.or(archived) {
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
            (Standing::Foreign(found), Some((place, kept))) if alike((&path, &found), (&place, &kept))? => {
                self.writer.remove(&place)?;
                (HookAction::Foreign, String::new())
            }
            (Standing::Foreign(_) | Standing::Directory, Some(kept)) => {
                let stays = match aside.taken_over(name)?.filter(|_| !is_of_a_tool(&kept.0, &path)) {
                    Some(taken) => {
                        aside.put_back(&taken, &kept)?;
                        format!("is {}, as that tool would have kept it", shown(&self.dir.join(taken)))
                    }
                    None => format!("stays in {}", shown(&kept.0)),
                };
                let detail = format!("it came after kpmo's and is left; the hook from before kpmo {stays}");
                (HookAction::Foreign, detail)
            }
            (Standing::Foreign(_) | Standing::Directory, None) => (HookAction::Foreign, String::new()),
            (Standing::AnotherHomes(why), _) => (HookAction::Foreign, why + ", and is left"),
        })
    }

    /// Another tool's way of keeping kpmo's hook for its own old one.
    fn usurped(&self, name: &str) -> Result<String, PathError> {
        Ok(self.aside().taken_over(name)?.map_or_else(String::new, |taken| {
            let beside = self.dir.join(taken);
            format!("another tool put it there and made kpmo's hook its {}", shown(&beside))
        }))
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

fn archived_detail(place: &Path) -> String {
    format!(
        "the hook of kpmo's predecessor is archived as {} and not run: kpmo does what it did",
        shown(place)
    )
}

/// Whether the hook at `path` is somebody's, and the predecessor's.
pub(super) fn stands_retired(path: &Path) -> Result<bool, PathError> {
    Ok(look(path)?.is_some_and(|found: Metadata| is_retired(path, &found)))
}
