//! What git ignores: asked of git itself.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use crate::{
    fs::path_from,
    git::{Git, GitError, Location, ignored_paths},
};

/// Questions that are put at the same time.
const AT_ONCE: usize = 4;

/// What is ignored in one work tree; absolute paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored {
    /// Directories that are not to be captured.
    pub dirs: Vec<PathBuf>,
    /// Files that are not.
    pub files: Vec<PathBuf>,
}

/// Asks for each of these work trees, by their tops.
pub(super) fn ask_all(
    git: &Git,
    work_trees: &[Location],
    env: bool,
) -> HashMap<PathBuf, Result<Ignored, GitError>> {
    let answers = Mutex::new(HashMap::new());
    let questions = Mutex::new(work_trees.iter());
    let work = || {
        // The lock must not be held while git works.
        let next = || questions.lock().ok()?.next();
        while let Some(location) = next() {
            if let Some(top) = &location.work_tree {
                let answer = ask(git, location, top, env);
                if let Ok(mut answers) = answers.lock() {
                    answers.insert(top.clone(), answer);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(work_trees.len()) {
            scope.spawn(work);
        }
        work();
    });
    answers.into_inner().unwrap_or_default()
}

fn ask(git: &Git, location: &Location, top: &Path, env: bool) -> Result<Ignored, GitError> {
    Ok(sorted_out(ignored_paths(git, location)?, top, env))
}

/// git names an ignored directory alone, and nothing in it. A directory that is
/// not ignored itself, but in which everything is, is named as well as what is
/// in it.
fn sorted_out(mut names: Vec<Vec<u8>>, top: &Path, env: bool) -> Ignored {
    names.sort_unstable();
    let mut ignored = Ignored::default();
    for (at, name) in names.iter().enumerate() {
        match name.strip_suffix(b"/") {
            Some(directory) => {
                if !names.get(at + 1).is_some_and(|next| next.starts_with(name)) {
                    ignored.dirs.push(top.join(path_from(directory)));
                }
            }
            None if env && is_env(name) => {}
            None => ignored.files.push(top.join(path_from(name))),
        }
    }
    ignored
}

/// `.env`, and the likes of `.env.local`.
fn is_env(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name == b".env" || name.starts_with(b".env.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_named_with_its_content_stays() {
        let names = || ["a.o", "obj/", "obj/a.o", "obj/deep/", "target/", "sub/.env"].map(Vec::from).to_vec();
        let top = Path::new("/r");
        let ignored = sorted_out(names(), top, true);
        assert_eq!(ignored.dirs, [Path::new("/r/obj/deep"), Path::new("/r/target")]);
        assert_eq!(ignored.files, [Path::new("/r/a.o"), Path::new("/r/obj/a.o")]);
        assert!(sorted_out(names(), top, false).files.contains(&PathBuf::from("/r/sub/.env")));
        assert!(is_env(b".env.local") && !is_env(b".envrc") && !is_env(b".env/x"));
    }
}
