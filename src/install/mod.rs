//! git's hooks in one repository: put, check, heal, take away.
//!
//! In the repository's own hooks directory each event becomes a link to the
//! home's `bin/kpmo-hook`; a hook that stood there is kept beside it, in
//! `hooks.kpmo/`, where `kpmo-hook` finds it and runs it first. Where
//! `core.hooksPath` leads elsewhere, nothing is changed there: a directory of
//! kpmo's own comes before it. From git 2.54 on the hooks may be entries of the
//! repository's configuration instead ([`HooksMode::Config`]). [`uninstall`]
//! leaves everything as it was.
//!
//! Each step leaves a repository in which every hook from before still runs,
//! and [`install`] carries on from wherever it was cut short. Hooks of kpmo's
//! predecessor are the exception: they are archived and not run.
//!
//! Limits: one [`install`] or [`uninstall`] at a time for a repository (the
//! governor sees to that), and a `core.hooksPath` that another scope than the
//! repository's own configuration sets is known as it was when kpmo's was put
//! before it.

mod aside;
mod configured;
mod dir;
mod error;
mod events;
mod owner;
mod place;
mod report;
mod retired;
mod shadow;
mod taken;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

pub use error::InstallError;
pub use events::{EVENTS, ON_DEMAND};
pub use place::{
    HookEntries, HookEntry, HooksMode, HooksPathConfig, HooksPlace, Refused, RepoConfig, config_record,
};
pub use report::{HookAction, HookChange, HooksState, Report};
pub use text::{HOOKS_OF_LFS, READ_BY_OTHERS, uses_lfs};

use crate::fs::{DryRun, Writer, shown};
use aside::{Aside, make_dir};
use dir::HookDir;
use owner::{look, runnable, standing};
use place::Layout;
use shadow::Shadow;

/// What is to stand in a repository.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The home's `bin/kpmo-hook`, absolute.
    pub program: &'a Path,
    /// The events, by git's names: [`EVENTS`], and those of [`ON_DEMAND`] that a
    /// rule needs.
    pub events: &'a [&'static str],
    /// `None`: as they are installed already, else by links.
    pub mode: Option<HooksMode>,
}

/// Puts kpmo's hooks in place, or heals them. Doing it again changes nothing.
///
/// With a writer that does not write, the report says what would be done and
/// `config` is not called.
///
/// # Errors
///
/// [`InstallError::HookProgram`], [`InstallError::OldGit`],
/// [`InstallError::Directory`] and [`InstallError::NotADirectory`] come before
/// anything is changed; the others can come in the middle, after which every
/// hook from before still runs.
pub fn install(
    place: &HooksPlace,
    wanted: &Wanted<'_>,
    config: &dyn RepoConfig,
    writer: &dyn Writer,
) -> Result<Report, InstallError> {
    let program = wanted.program;
    let usable = if program.is_absolute() { runnable(program) } else { Err("is not an absolute path") };
    usable.map_err(|reason| InstallError::HookProgram { path: program.to_owned(), reason })?;

    let mode = wanted.mode.unwrap_or_else(|| place.mode());
    let (hooks_dir, changes) =
        match mode {
            HooksMode::Links => {
                let installed = install_links(place, wanted, config, writer)?;
                configured::uninstall(place, wanted.events, config, writer)?;
                installed
            }
            HooksMode::Config => {
                let mut changes = configured::install(place, program, wanted.events, config, writer)?;
                let (hooks_dir, freed) = uninstall_links(place, program, config, writer)?;
                let restored = freed.into_iter().filter(|change| change.action == HookAction::Restored);
                changes.extend(restored.map(|change| HookChange {
                    detail: "git runs it by itself, after kpmo's".into(),
                    ..change
                }));
                (hooks_dir, changes)
            }
        };
    let state = HooksState::after(&changes[..wanted.events.len().min(changes.len())]);
    Ok(Report { hooks_dir, mode, state, changes })
}

fn install_links(
    place: &HooksPlace,
    wanted: &Wanted<'_>,
    config: &dyn RepoConfig,
    writer: &dyn Writer,
) -> Result<(PathBuf, Vec<HookChange>), InstallError> {
    let program = wanted.program;
    let texts = &*text::hooks(place);
    let shadow = Shadow { place, program, config, writer, texts };
    let layout = place.layout();
    let is_past = shadow.is_past(&layout)?;
    Ok(match layout {
        _ if is_past => {
            let (dir, mut changes) = install_directly(place, wanted, writer)?;
            shadow.uninstall(&layout)?;
            for change in changes.iter_mut().filter(|change| change.action == HookAction::Unchanged) {
                change.action = HookAction::Healed;
                change.detail = "nothing but kpmo's sets core.hooksPath any more: it is taken out".into();
            }
            (dir, changes)
        }
        Layout::Direct => {
            let done = install_directly(place, wanted, writer)?;
            shadow.remove_files()?;
            done
        }
        layout => (place.shadow(), shadow.install(&layout, wanted.events)?),
    })
}

fn install_directly(
    place: &HooksPlace,
    wanted: &Wanted<'_>,
    writer: &dyn Writer,
) -> Result<(PathBuf, Vec<HookChange>), InstallError> {
    let dir = HookDir { dir: place.hooks(), program: wanted.program, writer, texts: &text::hooks(place) };
    match look(&dir.dir)? {
        Some(found) if !found.is_dir() => return Err(InstallError::NotADirectory { path: dir.dir }),
        Some(_) => {}
        None => {
            make_dir(&place.own(), writer)?;
            writer.write(&place.made_hooks(), b"", 0o644)?;
        }
    }
    let changes = dir.install(wanted.events)?;
    Ok((dir.dir, changes))
}

/// Says what stands in each place; changes nothing.
///
/// # Errors
///
/// [`InstallError::Path`] or [`InstallError::NotWritable`] if the places can't be
/// looked at.
pub fn check(place: &HooksPlace, wanted: &Wanted<'_>) -> Result<Report, InstallError> {
    let (hooks_dir, aside) = match place.layout() {
        Layout::Direct => (place.hooks(), String::new()),
        Layout::Shadowed => (place.shadow(), String::new()),
        Layout::Elsewhere(configured) => {
            let dir = place.resolve(&configured.value);
            let why = format!("git looks for hooks in {}", shown(&dir));
            (dir, why)
        }
        Layout::Moved { from } => {
            let why = format!("core.hooksPath is still that of {}", shown(&from));
            (from.join("kpmo/hooks"), why)
        }
    };
    let mode = place.mode();
    let changes = if mode == HooksMode::Config {
        configured::check(place, wanted.program, wanted.events)
    } else {
        let writer = DryRun::default();
        let dir = HookDir { dir: hooks_dir.clone(), program: wanted.program, writer: &writer, texts: &[] };
        let mut changes = dir.check(wanted.events)?;
        for change in changes.iter_mut().filter(|change| change.detail.is_empty()) {
            if change.action != HookAction::Unchanged {
                change.detail.clone_from(&aside);
            }
        }
        changes
    };
    Ok(Report { hooks_dir, mode, state: HooksState::after(&changes), changes })
}

/// Whether kpmo's hooks were installed here and not uninstalled: anything of
/// them is left, wherever git looks at present. Where nothing is, somebody took
/// them away, and healing would be against their will.
///
/// # Errors
///
/// [`InstallError::Path`] if the places can't be looked at.
pub fn is_installed(place: &HooksPlace, program: &Path) -> Result<bool, InstallError> {
    let writer = DryRun::default();
    let traces = |dir| HookDir { dir, program, writer: &writer, texts: &[] }.has_traces();
    Ok(place.mode() == HooksMode::Config
        || look(&place.chain())?.is_some()
        || traces(place.hooks())?
        || traces(place.shadow())?)
}

/// Takes kpmo's hooks away and restores exactly what was there before. A hook
/// that has since taken the place of kpmo's is left, and the report says where
/// the one from before kpmo is.
///
/// # Errors
///
/// As [`install`], less [`InstallError::HookProgram`]; doing it again carries on.
pub fn uninstall(
    place: &HooksPlace,
    hook_program: &Path,
    config: &dyn RepoConfig,
    writer: &dyn Writer,
) -> Result<Report, InstallError> {
    let all: Vec<&'static str> = EVENTS.into_iter().chain(ON_DEMAND).collect();
    let entries = configured::uninstall(place, &all, config, writer)?;
    let (hooks_dir, mut changes) = uninstall_links(place, hook_program, config, writer)?;
    for gone in entries {
        match changes.iter_mut().find(|change| change.event == gone.event) {
            Some(change) if change.action == HookAction::Missing => *change = gone,
            Some(_) => {}
            None => changes.push(gone),
        }
    }
    let state = HooksState::after(&changes[..EVENTS.len().min(changes.len())]);
    Ok(Report { hooks_dir, mode: HooksMode::Links, state, changes })
}

/// Whether a hook of this name is kept beside the repository's own hooks directory.
pub fn is_chained(common_dir: &Path, name: &str) -> bool {
    Aside::of(&common_dir.join("hooks"), Path::new(""), &DryRun::default()).place(name).exists()
}

/// Where a tool may put its hooks that kpmo's are in the way of: they are then
/// chained. `None`: kpmo's is not in the place of `name`, or has one to chain
/// already.
///
/// # Errors
///
/// [`InstallError::Path`] if the places can't be looked at, or the directory can't
/// be made.
pub fn way_round(
    place: &HooksPlace,
    program: &Path,
    name: &str,
    writer: &dyn Writer,
) -> Result<Option<PathBuf>, InstallError> {
    if place.mode() == HooksMode::Config || place.layout() != Layout::Direct {
        return Ok(None);
    }
    let dir = HookDir { dir: place.hooks(), program, writer, texts: &[] };
    let aside = dir.aside();
    if !standing(&place.hooks().join(name), program)?.is_ours() || aside.kept_or_archived(name)?.is_some() {
        return Ok(None);
    }
    aside.create()?;
    Ok(Some(aside.place("")))
}

fn uninstall_links(
    place: &HooksPlace,
    program: &Path,
    config: &dyn RepoConfig,
    writer: &dyn Writer,
) -> Result<(PathBuf, Vec<HookChange>), InstallError> {
    let shadow = Shadow { place, program, config, writer, texts: &[] };
    let layout = place.layout();
    let directory = |dir| HookDir { dir, program, writer, texts: &[] };
    let (hooks_dir, first) = match &layout {
        Layout::Direct => (place.hooks(), Vec::new()),
        Layout::Elsewhere(_) => {
            let dir = shadow.dir_before(&layout)?;
            let standing = directory(dir.clone()).check(&EVENTS)?;
            shadow.remove_files()?;
            (dir, standing)
        }
        Layout::Shadowed | Layout::Moved { .. } => (shadow.dir_before(&layout)?, shadow.uninstall(&layout)?),
    };
    // Also where git does not look at present: kpmo's hooks may be there from
    // before core.hooksPath was set.
    let own = if place.hooks().is_symlink() { Vec::new() } else { directory(place.hooks()).uninstall()? };
    if layout == Layout::Direct {
        shadow.remove_files()?;
    }
    if look(&place.made_hooks())?.is_some() {
        writer.remove_dir_if_empty(&place.hooks())?;
        writer.remove(&place.made_hooks())?;
        writer.remove_dir_if_empty(&place.own())?;
    }
    let changes = if first.is_empty() {
        own
    } else {
        let done = |action| !matches!(action, HookAction::Missing | HookAction::Foreign);
        first.into_iter().chain(own.into_iter().filter(|change| done(change.action))).collect()
    };
    Ok((hooks_dir, changes))
}
