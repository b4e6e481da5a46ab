//! Where settings come from, for those who look for what is wrong.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Git, GitError, Location, config::read_small};
use crate::fs::path_from;

/// The place of a setting that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingOrigin {
    /// `system`, `global`, `local`, `worktree` or `command`.
    pub scope: String,
    /// Its file, absolute; `None` where it comes from a variable or a command line.
    pub file: Option<PathBuf>,
    /// 1-based; 0 if it was not found there.
    pub line: u32,
    /// As it is written.
    pub value: Vec<u8>,
}

/// Where the setting `SECTION.KEY` that is in force here comes from; `None`: it is
/// not set.
pub fn setting_origin(git: &Git, location: &Location, name: &str) -> Result<Option<SettingOrigin>, GitError> {
    let args = ["config", "--show-scope", "--show-origin", "-z", "--get", name];
    let mut command = git.with_hooks_path(location)?;
    command.args(args);
    let Some(answer) = git.answer(command, location, &args)? else { return Ok(None) };
    let mut fields = answer.split(|byte| *byte == 0);
    let mut next = || fields.next().unwrap_or_default();
    let (scope, origin, value) = (next(), next(), next());
    let file = origin.strip_prefix(b"file:").map(|file| location.directory().join(path_from(file)));
    Ok(Some(SettingOrigin {
        scope: String::from_utf8_lossy(scope).into_owned(),
        line: file.as_deref().map_or(0, |file| line_of(file, name)),
        file,
        value: value.to_vec(),
    }))
}

/// The hooks of git's configuration (2.54 and newer): each name with its command.
pub fn hook_commands(git: &Git, location: &Location) -> Result<Vec<(String, String)>, GitError> {
    let args = ["config", "-z", "--get-regexp", r"^hook\..*\.command$"];
    let listed = git.maybe(location, &args)?.unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    Ok(entries
        .filter_map(|entry| {
            let end = entry.iter().position(|byte| *byte == b'\n')?;
            let name = text(&entry[..end]);
            let name = name.strip_prefix("hook.")?.strip_suffix(".command")?;
            Some((name.to_owned(), text(&entry[end + 1..])))
        })
        .collect())
}

/// The last line of `file` that sets `SECTION.KEY`; 0 if none does.
fn line_of(file: &Path, name: &str) -> u32 {
    let (Ok(text), Some((section, key))) = (
        read_small(file),
        name.to_ascii_lowercase().split_once('.').map(|(section, key)| (section.to_owned(), key.to_owned())),
    ) else {
        return 0;
    };
    let (mut is_section, mut found) = (false, 0);
    for (line, number) in String::from_utf8_lossy(&text).to_ascii_lowercase().lines().zip(1..) {
        let mut rest = line.trim_start();
        if let Some(header) = rest.strip_prefix('[') {
            let (title, after) = header.split_once(']').unwrap_or((header, ""));
            is_section = title.trim() == section;
            rest = after.trim_start();
        }
        let is_key = rest.strip_prefix(&*key).is_some_and(|after| {
            after.is_empty() || after.starts_with(|next: char| next == '=' || next.is_whitespace())
        });
        if is_section && is_key {
            found = number;
        }
    }
    found
}

/// The files of git's configuration that are no repository's: the system's and the
/// user's, with what these include, be it for some repositories only. Also where
/// the system's would be. `home` is the user's directory.
///
/// # Errors
///
/// Only that git gives no answer.
pub fn general_config_files(git: &Git, home: &Path) -> Result<BTreeSet<PathBuf>, GitError> {
    let mut files = BTreeSet::new();
    // From 2.42 on; before that it is known where it is there.
    if let Ok(system) = git.anywhere(&["var", "GIT_CONFIG_SYSTEM"]) {
        files.extend(system.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(path_from));
    }
    let listed = git.anywhere(&["config", "--list", "--show-origin", "-z"])?;
    let mut fields = listed.split(|byte| *byte == 0);
    while let (Some(origin), Some(setting)) = (fields.next(), fields.next()) {
        let Some(file) = origin.strip_prefix(b"file:").map(path_from) else { continue };
        files.extend(included(setting, &file, home));
        files.insert(file);
    }
    files.retain(|file| file.is_absolute());
    Ok(files)
}

/// Which file a setting includes, if it does.
fn included(setting: &[u8], by: &Path, home: &Path) -> Option<PathBuf> {
    let end = setting.iter().position(|byte| *byte == b'\n')?;
    let (key, value) = (&setting[..end], path_from(&setting[end + 1..]));
    let is_it = key == b"include.path" || key.starts_with(b"includeif.") && key.ends_with(b".path");
    is_it.then(|| match value.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => by.parent().unwrap_or(by).join(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_line_is_found_where_git_finds_the_setting() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            line_of(file.path(), "core.hooksPath")
        };
        assert_eq!(line("[core]\n\tbare = false\n\tHooksPath = a\n"), 3);
        assert_eq!(line("[CORE] hookspath=a\n[core \"x\"]\nhookspath = b\n"), 1);
        assert_eq!(line("[core]\nhooksPath = a\nhooksPath = b # the last counts\n"), 3);
        assert_eq!(line("[core]\nhooksPathology = a\n; hooksPath = b\n[other]\nhooksPath = c\n"), 0);
        assert_eq!(line_of(Path::new("/nowhere"), "core.hooksPath"), 0);
    }
}
