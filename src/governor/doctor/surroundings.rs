use std::{collections::BTreeMap, path::PathBuf};

use super::Check;
use crate::{fs::shown, git::Git};

/// Before this version git has no way of asking where hooks are.
const OLDEST: (u32, u32) = (2, 26);
/// From this version on git has hooks in its configuration.
const CONFIGURED_HOOKS: (u32, u32) = (2, 54);

/// Variables that lead every git started from here to one repository.
const LEADING: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
];
/// Variables that configure it.
const CONFIGURING: [&str; 3] = ["GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_TEMPLATE_DIR"];
/// What chained hooks are told, and nobody else should be.
const OF_HOOKS: [&str; 2] = [crate::hook::chain::GUARD_VARIABLE, crate::hook::chain::NAME_VARIABLE];

/// Which git there is.
pub(super) fn git(git: &Git) -> Check {
    let version = match git.version() {
        Ok(version) => version,
        Err(error) => return Check::error("git", error.to_string(), "install git, and put it on PATH"),
    };
    let program = on_path("git").map_or_else(String::new, |path| format!(" ({})", shown(&path)));
    let said = format!("git {version}{program}");
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if number < OLDEST {
        let (major, minor) = OLDEST;
        return Check::error(
            "git",
            format!("{said} is too old"),
            format!("kpmo needs git {major}.{minor} or newer"),
        );
    }
    let hooks = if number < CONFIGURED_HOOKS { "" } else { "; it has hooks in its configuration" };
    Check::fine("git", said + hooks)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// What of the environment keeps hooks from their work.
pub(super) fn variables(variables: &BTreeMap<String, String>) -> Vec<Check> {
    let mut checks = Vec::new();
    if variables.get("KPMO_HOOK").is_some_and(|value| value == "0") {
        checks.push(Check::error(
            "environment",
            "KPMO_HOOK=0 is set here: hooks that run from here judge nothing",
            "unset KPMO_HOOK",
        ));
    }
    for name in OF_HOOKS.iter().filter(|name| variables.contains_key(**name)) {
        checks.push(Check::error(
            "environment",
            format!("{name} is set here, as for a hook within a hook: kpmo's may take themselves for that"),
            format!("unset {name}"),
        ));
    }
    let set = |names: &[&str]| {
        let set: Vec<&str> = names.iter().copied().filter(|name| variables.contains_key(*name)).collect();
        (!set.is_empty()).then(|| set.join(", "))
    };
    if let Some(set) = set(&LEADING) {
        checks.push(Check::warn(
            "environment",
            format!("{set}: every git that is started from here is led to one repository, wherever it runs"),
            format!("unset {}", set.replace(',', "")),
        ));
    }
    if let Some(set) = set(&CONFIGURING) {
        checks.push(Check::warn(
            "environment",
            format!("{set}: git that is started from here is configured by the environment, too"),
            "see whether `git config --show-scope --get core.hooksPath` says `command`",
        ));
    }
    for name in ["KPMO_HOME", "KPMO_SOCKET"] {
        if let Some(value) = variables.get(name) {
            let said = format!("{name} is {} here", value.escape_debug());
            checks.push(Check::fine("environment", said));
        }
    }
    if checks.is_empty() {
        checks.push(Check::fine("environment", "no variable is in the way"));
    }
    checks
}
