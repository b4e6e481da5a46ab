//! git's hooks in one repository: put, check, heal, take away.
//!
//! In the repository's own hooks directory each of [`EVENTS`] becomes a link to
//! the home's `bin/kpmo-hook`; a hook that stood there is kept beside it, in
//! `hooks.kpmo/`, where `kpmo-hook` finds it and runs it first. Where
//! `core.hooksPath` leads elsewhere, nothing is changed there: a directory of
//! kpmo's own comes before it. [`uninstall`] leaves everything as it was.
//!
//! Each step leaves a repository in which every hook from before still runs,
//! and [`install`] carries on from wherever it was cut short.
//!
//! Limits: one [`install`] or [`uninstall`] at a time for a repository (the
//! governor sees to that), and a `core.hooksPath` that another scope than the
//! repository's own configuration sets is known as it was when kpmo's was put
//! before it.

mod aside;
mod dir;
mod error;
mod events;
mod owner;
mod place;
mod report;
mod shadow;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::InstallError;
pub use events::EVENTS;
pub use place::{HooksPathConfig, HooksPathSetting, HooksPlace};
pub use report::{HookAction, HookChange, HooksState, Report};

use crate::fs::{DryRun, Writer, shown};
use aside::make_dir;
use dir::HookDir;
use owner::{look, runnable};
use place::Layout;
use shadow::Shadow;

/// Puts kpmo's hooks in place, or heals them. Doing it again changes nothing.
///
/// `hook_program` is the absolute path of the home's `bin/kpmo-hook`. With a
/// writer that does not write, the report says what would be done and `setting`
/// is not called.
///
/// # Errors
///
/// [`InstallError::HookProgram`], [`InstallError::Directory`] and
/// [`InstallError::NotADirectory`] come before anything is changed; the others
/// can come in the middle, after which every hook from before still runs.
pub fn install(
    place: &HooksPlace,
    hook_program: &Path,
    setting: &dyn HooksPathSetting,
    writer: &dyn Writer,
) -> Result<Report, InstallError> {
    let usable =
        if hook_program.is_absolute() { runnable(hook_program) } else { Err("is not an absolute path") };
    usable.map_err(|reason| InstallError::HookProgram { path: hook_program.to_owned(), reason })?;

    let shadow = Shadow { place, program: hook_program, setting, writer };
    let (hooks_dir, changes) = match place.layout() {
        Layout::Direct => {
            let dir = HookDir { dir: place.hooks(), program: hook_program, writer };
            match look(&dir.dir)? {
                Some(found) if !found.is_dir() => return Err(InstallError::NotADirectory { path: dir.dir }),
                Some(_) => {}
                None => {
                    make_dir(&place.own(), writer)?;
                    writer.write(&place.made_hooks(), b"", 0o644)?;
                }
            }
            let changes = dir.install(&EVENTS)?;
            shadow.remove_files()?;
            (dir.dir, changes)
        }
        layout => (place.shadow(), shadow.install(&layout)?),
    };
    Ok(Report { hooks_dir, state: HooksState::after(&changes), changes })
}

/// Says what stands in each place; changes nothing.
///
/// # Errors
///
/// [`InstallError::Path`] or [`InstallError::NotWritable`] if the places can't be
/// looked at.
pub fn check(place: &HooksPlace, hook_program: &Path) -> Result<Report, InstallError> {
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
    let writer = DryRun::default();
    let dir = HookDir { dir: hooks_dir, program: hook_program, writer: &writer };
    let mut changes = dir.check(&EVENTS)?;
    for change in changes.iter_mut().filter(|change| change.detail.is_empty()) {
        if change.action != HookAction::Unchanged {
            change.detail.clone_from(&aside);
        }
    }
    Ok(Report { hooks_dir: dir.dir, state: HooksState::after(&changes), changes })
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
    setting: &dyn HooksPathSetting,
    writer: &dyn Writer,
) -> Result<Report, InstallError> {
    let shadow = Shadow { place, program: hook_program, setting, writer };
    let layout = place.layout();
    let (hooks_dir, first) = match &layout {
        Layout::Direct => (place.hooks(), Vec::new()),
        Layout::Elsewhere(_) => {
            let dir = shadow.dir_before(&layout)?;
            let standing = HookDir { dir: dir.clone(), program: hook_program, writer }.check(&EVENTS)?;
            shadow.remove_files()?;
            (dir, standing)
        }
        Layout::Shadowed | Layout::Moved { .. } => (shadow.dir_before(&layout)?, shadow.uninstall(&layout)?),
    };
    // Also where git does not look at present: kpmo's hooks may be there from
    // before core.hooksPath was set.
    let own = if place.hooks().is_symlink() {
        Vec::new()
    } else {
        HookDir { dir: place.hooks(), program: hook_program, writer }.uninstall()?
    };
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
    let state = HooksState::after(&changes[..EVENTS.len().min(changes.len())]);
    Ok(Report { hooks_dir, state, changes })
}
