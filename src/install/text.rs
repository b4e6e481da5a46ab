//! Where kpmo's hook has to be a text.
//!
//! prek reads the hook that it finds as UTF-8, to see whether it is its own, and
//! gives up over a link to a program; with `--overwrite` it writes through the
//! link. So where prek may be used, the hooks that it may install are shims. They
//! cost a shell each, about 0.7 ms; prek's own cost some 30.
//!
//! A repository that several users share has texts as well: a link would lead the
//! others into a home that they may not enter, so that git would pass by in
//! silence, and by the team's own hook, which is kept aside, too. The text runs
//! that one.
//!
//! And where Git LFS is used its four are texts: it shows the hook that it finds,
//! and is told by its users to write over it, which through a link would be the
//! program of every repository.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use super::{HooksPlace, events};

/// The files at the top of a work tree that prek (and pre-commit) go by.
const CONFIGURATIONS: [&str; 3] = ["prek.toml", ".pre-commit-config.yaml", ".pre-commit-config.yml"];
/// The files at the top of a work tree by which hooks are texts, or not.
pub const READ_BY_OTHERS: [&str; 4] = [ATTRIBUTES, CONFIGURATIONS[0], CONFIGURATIONS[1], CONFIGURATIONS[2]];
const ATTRIBUTES: &str = ".gitattributes";
/// The hooks of Git LFS.
pub const HOOKS_OF_LFS: [&str; 4] = ["pre-push", "post-checkout", "post-commit", "post-merge"];
/// What is longer is not read: it names every hook, for all we know.
const SIZE_LIMIT: u64 = 1 << 20;

/// The hooks that are to be texts in a repository.
pub(super) fn hooks(place: &HooksPlace) -> Vec<&'static str> {
    if is_shared(&place.common_dir) {
        events::all().collect()
    } else {
        let mut hooks = hooks_of_prek(place.work_tree.as_deref());
        if uses_lfs(&place.common_dir, place.work_tree.as_deref()) {
            hooks.extend(HOOKS_OF_LFS);
        }
        hooks
    }
}

/// Whether files of this repository are kept by Git LFS, as far as the top of the
/// work tree and its own store tell.
pub fn uses_lfs(common_dir: &Path, work_tree: Option<&Path>) -> bool {
    let says_so = |path: &Path| {
        let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= SIZE_LIMIT);
        let text = if is_small { fs::read(path).unwrap_or_default() } else { Vec::new() };
        text.windows(b"filter=lfs".len()).any(|part| part == b"filter=lfs")
    };
    common_dir.join("lfs/objects").is_dir() || work_tree.is_some_and(|top| says_so(&top.join(ATTRIBUTES)))
}

/// Whether other users work in this repository: it says so itself, belongs to
/// another, or others may put hooks there. A group of the user's own number is
/// the user's alone, as many systems have it.
fn is_shared(common_dir: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let is_others = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| {
            let by_group = found.permissions().mode() & 0o020 != 0 && found.gid() != found.uid();
            found.uid() != own || by_group || found.permissions().mode() & 0o002 != 0
        })
    };
    let text = fs::read_to_string(common_dir.join("config")).unwrap_or_default();
    says_shared(&text) || is_others(common_dir) || is_others(&common_dir.join("hooks"))
}

/// What a repository's own configuration says of `core.sharedRepository`; the
/// last has the word. Source: git-config(1).
fn says_shared(config: &str) -> bool {
    let mut is_shared = false;
    for line in config.lines() {
        let line = line.trim().to_ascii_lowercase();
        let Some(rest) = line.strip_prefix("sharedrepository") else { continue };
        let value = rest.trim_start().strip_prefix('=').unwrap_or("true").trim().trim_matches('"');
        is_shared = match value {
            "" | "false" | "no" | "off" | "umask" | "0" => false,
            value => {
                u32::from_str_radix(value, 8).is_ok_and(|mode| mode < 8 || mode & 0o077 != 0)
                    || !value.bytes().all(|byte| byte.is_ascii_digit())
            }
        };
    }
    is_shared
}

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
    fn a_repository_is_shared_if_it_says_so_or_others_may_write_there() {
        for (said, is_shared) in [
            ("[core]\n\tbare = false\n", false),
            ("[core]\n\tsharedRepository = group\n", true),
            ("[core]\n\tsharedrepository = 1\n", true),
            ("[core]\n\tsharedrepository = 2\n", true),
            ("[core]\n\tsharedrepository = 0660\n", true),
            ("[core]\n\tsharedrepository = 0600\n", false),
            ("[core]\n\tsharedrepository\n", true),
            ("[core]\n\tsharedrepository = umask\n", false),
            ("[core]\n\tsharedrepository = all\n\tsharedrepository = false\n", false),
        ] {
            assert_eq!(says_shared(said), is_shared, "{said}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_shared(dir.path()));
        let hooks = dir.path().join("hooks");
        fs::create_dir(&hooks).unwrap();
        fs::set_permissions(&hooks, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(is_shared(dir.path()));
    }

    #[test]
    fn lfs_is_used_where_attributes_say_so_or_it_has_kept_something() {
        let dir = tempfile::tempdir().unwrap();
        let (top, common) = (dir.path(), dir.path().join(".git"));
        fs::write(top.join(ATTRIBUTES), "*.txt text\n").unwrap();
        assert!(!uses_lfs(&common, Some(top)));
        fs::write(top.join(ATTRIBUTES), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
        assert!(uses_lfs(&common, Some(top)) && !uses_lfs(&common, None));
        fs::create_dir_all(common.join("lfs/objects")).unwrap();
        assert!(uses_lfs(&common, None));
    }

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
