mod kinds;
mod walking;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    process::Command,
    sync::Mutex,
};

use tempfile::TempDir;

use super::*;
use crate::fs::{bytes_of, path_from};

/// A directory with repositories made by git itself.
struct Place {
    dir: TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        Self { dir, root }
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    fn mkdir(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Runs git in a directory, with nobody's settings.
    fn try_git(&self, directory: &str, args: &[&str]) -> Option<Vec<u8>> {
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always", "-C"])
            .arg(self.at(directory))
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z")
            .output()
            .unwrap();
        output.status.success().then_some(output.stdout)
    }

    fn git(&self, directory: &str, args: &[&str]) -> Vec<u8> {
        self.try_git(directory, args).unwrap_or_else(|| panic!("git {args:?} in {directory} failed"))
    }

    /// A repository with one commit.
    fn repo(&self, path: &str) {
        self.mkdir(path);
        self.git(path, &["init", "-q"]);
        self.git(path, &["commit", "-q", "--allow-empty", "-m", "first"]);
    }

    fn track_with(&self, roots: &[&str], options: &TrackOptions) -> (Vec<Found>, Vec<PathBuf>, Summary) {
        let roots: Vec<_> = roots.iter().map(|root| self.at(root)).collect();
        let (found, warnings) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let summary = track(&roots, options, &|tracked| {
            match tracked {
                Tracked::Found(one) => found.lock().unwrap().push(one),
                Tracked::Warning { path, .. } => warnings.lock().unwrap().push(path),
                Tracked::Progress(_) => {}
            }
            ControlFlow::Continue(())
        });
        let (mut found, mut warnings) = (found.into_inner().unwrap(), warnings.into_inner().unwrap());
        found.sort();
        warnings.sort();
        assert_eq!(summary.found, found.len() as u64);
        assert_eq!(summary.warnings, warnings.len() as u64);
        (found, warnings, summary)
    }

    /// What is found, as "kind path [parent]", relative to this place.
    fn track(&self, roots: &[&str]) -> Vec<String> {
        let options = TrackOptions { threads: 3, ..TrackOptions::default() };
        let (found, warnings, _) = self.track_with(roots, &options);
        assert_eq!(warnings, Vec::<PathBuf>::new());
        self.listed(&found)
    }

    fn listed(&self, found: &[Found]) -> Vec<String> {
        let relative = |path: &Path| {
            let relative = path.strip_prefix(&self.root).unwrap_or(path);
            if relative == Path::new("") { ".".to_owned() } else { relative.display().to_string() }
        };
        found
            .iter()
            .map(|one| match &one.parent {
                None => format!("{} {}", one.kind.as_str(), relative(&one.path)),
                Some(parent) => {
                    format!("{} {} [{}]", one.kind.as_str(), relative(&one.path), relative(parent))
                }
            })
            .collect()
    }

    /// Compares what is found with what git itself says of each.
    fn check_with_git(&self, found: &[Found]) {
        for one in found {
            let path = one.path.strip_prefix(&self.root).unwrap().to_str().unwrap();
            let ask = |question: &[&str]| {
                let args = [&["rev-parse", "--path-format=absolute"], question].concat();
                path_from(self.git(path, &args).trim_ascii_end())
            };
            assert_eq!(one.common_dir, ask(&["--git-common-dir"]), "{one:?}");
            let is_bare = self.git(path, &["rev-parse", "--is-bare-repository"]) == b"true\n";
            assert_eq!(one.kind == RepoKind::Bare, is_bare, "{one:?}");
            if !is_bare {
                assert_eq!(one.path, ask(&["--show-toplevel"]), "{one:?}");
                assert_eq!(one.kind == RepoKind::Linked, one.common_dir != ask(&["--git-dir"]), "{one:?}");
                let superproject = ask(&["--show-superproject-working-tree"]);
                let is_submodule = superproject != Path::new("");
                assert_eq!(one.kind == RepoKind::Submodule, is_submodule, "{one:?}");
                if is_submodule {
                    assert_eq!(one.parent.as_ref(), Some(&superproject));
                }
            }
        }
    }
}
