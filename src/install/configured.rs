//! kpmo's hooks as entries of the repository's configuration, which git runs by
//! itself from version 2.54 on.
//!
//! Nothing in any hooks directory is touched then, and every tool installs and
//! uninstalls as if kpmo were not there. git runs these before the hook in the
//! directory, so that what such a hook then changes in the index is judged late,
//! like any commit that came by another way. Each event has an entry of its own,
//! `hook.kpmo-EVENT`, whose command says the event and does nothing where the
//! program is gone: git refuses every commit over a program that it can't start.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt as _,
    path::Path,
};

use super::{
    HookAction, HookChange, HooksPlace, InstallError, RepoConfig,
    owner::{quoted, runnable},
    place::HookEntries,
};
use crate::fs::Writer;

/// The name of the entry of an event.
fn name_of(event: &str) -> String {
    format!("{}{event}", HookEntries::PREFIX)
}

/// What git's shell is to run for an event. git appends `"$@"` if the hook has
/// arguments, so that the call must come last.
fn command_of(program: &Path, event: &str) -> OsString {
    let program = quoted(program);
    let mut command = b"test ! -x ".to_vec();
    command.extend(&program);
    command.extend(b" || exec ");
    command.extend(&program);
    command.extend(b" run ");
    command.extend(event.as_bytes());
    OsString::from_vec(command)
}

/// Makes the entries of `events` and takes out kpmo's others.
pub(super) fn install(
    place: &HooksPlace,
    program: &Path,
    events: &[&'static str],
    config: &dyn RepoConfig,
    writer: &dyn Writer,
) -> Result<Vec<HookChange>, InstallError> {
    if let Some(version) = &place.entries.too_old {
        return Err(InstallError::OldGit { version: version.clone() });
    }
    let set = |name: &str, event: &str, command: &OsStr| {
        config.set_hook(name, event, command).map_err(|source| InstallError::Setting { source })
    };
    let mut changes = check(place, program, events);
    for change in changes.iter_mut().filter(|change| change.action == HookAction::Missing) {
        let name = name_of(change.event);
        let was_there = place.entries.ours.contains_key(&name);
        if was_there && is_as_made(place, program, change.event) {
            // Switched off from elsewhere: not ours to mend.
            continue;
        }
        if writer.is_real() {
            set(&name, change.event, &command_of(program, change.event))?;
        }
        if !place.entries.disabled.contains(change.event) {
            change.action = if was_there { HookAction::Healed } else { HookAction::Installed };
        }
    }
    let wanted: Vec<String> = events.iter().map(|event| name_of(event)).collect();
    remove_where(place, config, writer, |name| !wanted.contains(name))?;
    Ok(changes)
}

/// Says what there is for each of `events`.
pub(super) fn check(place: &HooksPlace, program: &Path, events: &[&'static str]) -> Vec<HookChange> {
    let path = place.common_dir.join("config");
    events
        .iter()
        .map(|&event| {
            let (action, detail) = match wrong(place, program, event) {
                None => (HookAction::Unchanged, String::new()),
                Some(why) => (HookAction::Missing, why),
            };
            HookChange { event, path: path.clone(), action, detail }
        })
        .collect()
}

/// Takes all entries out; reports each of `events`.
pub(super) fn uninstall(
    place: &HooksPlace,
    events: &[&'static str],
    config: &dyn RepoConfig,
    writer: &dyn Writer,
) -> Result<Vec<HookChange>, InstallError> {
    remove_where(place, config, writer, |_| true)?;
    let path = place.common_dir.join("config");
    let was_there = |event: &&&str| place.entries.ours.contains_key(&name_of(event));
    Ok(events
        .iter()
        .filter(was_there)
        .map(|&event| HookChange {
            event,
            path: path.clone(),
            action: HookAction::Removed,
            detail: String::new(),
        })
        .collect())
}

fn remove_where(
    place: &HooksPlace,
    config: &dyn RepoConfig,
    writer: &dyn Writer,
    unwanted: impl Fn(&String) -> bool,
) -> Result<(), InstallError> {
    for name in place.entries.ours.keys().filter(|name| unwanted(name)) {
        if writer.is_real() {
            config.remove_hook(name).map_err(|source| InstallError::Setting { source })?;
        }
    }
    Ok(())
}

fn is_as_made(place: &HooksPlace, program: &Path, event: &str) -> bool {
    place
        .entries
        .ours
        .get(&name_of(event))
        .is_some_and(|entry| entry.command == command_of(program, event) && entry.events == [event])
}

/// Why git does not run kpmo's hook of this event.
fn wrong(place: &HooksPlace, program: &Path, event: &str) -> Option<String> {
    let name = name_of(event);
    let Some(entry) = place.entries.ours.get(&name) else {
        return Some(format!("the configuration has no hook.{name}"));
    };
    if !is_as_made(place, program, event) {
        return Some(format!("hook.{name} of the configuration is not as kpmo makes it"));
    }
    if let Some(version) = &place.entries.too_old {
        return Some(format!("git {version} runs no hooks by its configuration, which 2.54 and later do"));
    }
    if entry.disabled {
        return Some(format!("hook.{name}.enabled is false"));
    }
    if place.entries.disabled.contains(event) {
        return Some(format!("hook.{event}.enabled is false: git runs no hook of this event"));
    }
    runnable(program).err().map(|reason| format!("it calls {}, which {reason}", crate::fs::shown(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_its_event_and_survives_the_programs_end() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("o'hara $x\\bin/kpmo-hook");
        let run = || {
            let mut script = command_of(&program, "pre-push");
            script.push(" \"$@\"");
            std::process::Command::new("sh").arg("-c").arg(script).args(["sh", "a b", "c"]).output().unwrap()
        };
        let gone = run();
        assert!(gone.status.success() && gone.stderr.is_empty(), "{gone:?}");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/bin/echo", &program).unwrap();
        assert_eq!(run().stdout, b"run pre-push a b c\n");
    }
}
