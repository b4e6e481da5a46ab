//! Hooks that git runs by its configuration (`hook.NAME.command`). Source:
//! git-hook(1) of git 2.54.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
};

use super::{Git, GitError, Location, config};
use crate::fs::path_from;

/// The first version that runs them.
const SINCE: (u32, u32) = (2, 54);

/// Entries of the configuration, as they are in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookEntries {
    /// By name: those whose name has the prefix that was asked for, and that the
    /// repository's own configuration has.
    pub own: BTreeMap<String, HookEntry>,
    /// Names and events that are switched off (`hook.NAME.enabled`), in any
    /// configuration.
    pub disabled: BTreeSet<String>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookEntry {
    /// The command.
    pub command: OsString,
    /// The events.
    pub events: Vec<String>,
}

/// The entries whose names begin with `prefix`. Where the repository's own
/// configuration has none, git is not asked.
pub fn hook_entries(git: &Git, location: &Location, prefix: &str) -> Result<HookEntries, GitError> {
    let mut entries = HookEntries::default();
    if !has_entries(&config::own_text(location).unwrap_or_default(), prefix) {
        return Ok(entries);
    }
    let args = ["config", "--show-scope", "-z", "--get-regexp", r"^hook\."];
    let listed = git.maybe(location, &args)?.unwrap_or_default();
    let mut fields = listed.split(|byte| *byte == 0);
    while let (Some(scope), Some(setting)) = (fields.next(), fields.next()) {
        let (key, value) = match setting.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&setting[..end], &setting[end + 1..]),
            // A key alone is true.
            None => (setting, &b"true"[..]),
        };
        let key = String::from_utf8_lossy(key);
        let Some((name, key)) = key.strip_prefix("hook.").and_then(|rest| rest.rsplit_once('.')) else {
            continue;
        };
        if key == "enabled" {
            let off = matches!(&*value.to_ascii_lowercase(), b"false" | b"no" | b"off" | b"0" | b"");
            if off {
                entries.disabled.insert(name.to_owned())
            } else {
                entries.disabled.remove(name)
            };
        }
        if !name.starts_with(prefix) || !matches!(scope, b"local" | b"worktree") {
            continue;
        }
        let entry = entries.own.entry(name.to_owned()).or_default();
        match key {
            "command" => entry.command = path_from(value).into_os_string(),
            // An empty one takes back those before it.
            "event" if value.is_empty() => entry.events.clear(),
            "event" => entry.events.push(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
    }
    Ok(entries)
}

/// Whether a configuration's text has entries with this prefix. That it has the
/// word is not enough: it may be a part of a path.
fn has_entries(text: &[u8], prefix: &str) -> bool {
    let is_entry = |setting: config::Setting| {
        setting.section == b"hook"
            && setting.subsection.is_some_and(|name| name.starts_with(prefix.as_bytes()))
    };
    text.windows(prefix.len()).any(|part| part == prefix.as_bytes())
        && config::settings(text).into_iter().any(is_entry)
}

/// Makes an entry of the repository's own configuration that runs `command` on
/// `event`; what there is under that name goes first.
pub fn set_hook_entry(
    git: &Git,
    location: &Location,
    name: &str,
    event: &str,
    command: &OsStr,
) -> Result<(), GitError> {
    remove_hook_entry(git, location, name)?;
    // The event last: an entry without one is never run.
    for (key, value) in [("command", command), ("event", event.as_ref())] {
        let mut config = git.at(location)?;
        config.args(["config", "--local", &format!("hook.{name}.{key}")]).arg(value);
        git.finish(config, location, &["config"])?;
    }
    Ok(())
}

/// Takes an entry out of the repository's own configuration, if it is there.
pub fn remove_hook_entry(git: &Git, location: &Location, name: &str) -> Result<(), GitError> {
    let section = format!("hook.{name}");
    let mut config = git.at(location)?;
    config.args(["config", "--local", "--remove-section", &section]);
    let output = git.run(config, location, "config")?;
    // 128: there is no such section.
    if output.status.success() || String::from_utf8_lossy(&output.stderr).contains("no such section") {
        return Ok(());
    }
    Err(super::command::refused(&output.stderr, location, &["config"]))
}

/// git's version, if it is too old to run hooks by its configuration.
pub fn too_old_for_hook_entries(git: &Git, location: &Location) -> Result<Option<String>, GitError> {
    let said = git.output(location, &["version"])?;
    let said = String::from_utf8_lossy(&said);
    let version = said.trim().strip_prefix("git version ").unwrap_or(&said).trim().to_owned();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok((known < SINCE).then_some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_the_same_word_is_no_entry() {
        let has = |text: &str| has_entries(text.as_bytes(), "mine-");
        assert!(!has("[remote \"origin\"]\n\turl = /home/u/mine-board\n"));
        assert!(!has("[hook \"theirs\"]\n\tcommand = mine-hook\n"));
        assert!(has("[hook \"mine-pre-commit\"]\n\tevent = pre-commit\n"));
        assert!(has("[core]\nbare = false\n[Hook \"mine-x\"] enabled = false\n"));
    }
}
