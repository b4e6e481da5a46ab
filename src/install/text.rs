//! Where kpmo's hook has to be a text.
//!
//! prek reads the hook that it finds as UTF-8, to see whether it is its own, and
//! gives up over a link to a program; with `--overwrite` it writes through the
//! link. So where prek may be used, the hooks that it may install are shims. They
//! cost a shell each, about 0.7 ms; prek's own cost some 30.

use std::{fs, path::Path};

use super::events;

/// The files at the top of a work tree that prek (and pre-commit) go by.
const CONFIGURATIONS: [&str; 3] = ["prek.toml", ".pre-commit-config.yaml", ".pre-commit-config.yml"];
/// What is longer is not read: it names every hook, for all we know.
const SIZE_LIMIT: u64 = 1 << 20;

/// The hooks that prek may install here: pre-commit, and any that its
/// configuration names (`default_install_hook_types`, `stages`).
pub(super) fn hooks_of_prek(work_tree: Option<&Path>) -> Vec<&'static str> {
    let Some(work_tree) = work_tree else { return Vec::new() };
    let mut found = Vec::new();
    for path in CONFIGURATIONS.map(|name| work_tree.join(name)) {
        let Ok(meta) = fs::metadata(&path) else { continue };
        if !meta.is_file() {
            continue;
        }
        let text = if meta.len() > SIZE_LIMIT { None } else { fs::read(&path).ok() };
        let names = |event: &str| {
            text.as_ref().is_none_or(|text| text.windows(event.len()).any(|part| part == event.as_bytes()))
        };
        found.extend(events::all().filter(|event| *event == "pre-commit" || names(event)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_names_is_a_text() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(hooks_of_prek(None), [""; 0]);
        assert_eq!(hooks_of_prek(Some(dir.path())), [""; 0]);
        fs::create_dir(dir.path().join(".pre-commit-config.yml")).unwrap();
        assert_eq!(hooks_of_prek(Some(dir.path())), [""; 0]);
        fs::write(dir.path().join("prek.toml"), "repos = []\n").unwrap();
        assert_eq!(hooks_of_prek(Some(dir.path())), ["pre-commit"]);
        fs::write(dir.path().join("prek.toml"), "default_install_hook_types = ['pre-push']\n").unwrap();
        assert_eq!(hooks_of_prek(Some(dir.path())), ["pre-commit", "pre-push"]);
    }
}
