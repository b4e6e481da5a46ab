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

/// A bit of everything.
fn fleet() -> Place {
    let place = Place::new();
    place.repo("plain");
    place.repo("plain/deep/inside");
    place.mkdir("plain/node_modules/x");
    place.repo("plain/node_modules/x");
    place.git("plain", &["worktree", "add", "-q", "../linked"]);
    place.git("plain", &["worktree", "add", "-q", "inner"]);
    place.repo("modules/library");
    place.git("modules/library", &["worktree", "add", "-q", "../further"]);
    place.repo("super");
    place.git("super", &["submodule", "--quiet", "add", "../modules/library", "libs/modules/one"]);
    place.git("super", &["commit", "-q", "-m", "with a submodule"]);
    place.git("super/libs/modules/one", &["worktree", "add", "-q", "../../../../of-submodule"]);
    place.repo("top");
    place.git("top", &["submodule", "--quiet", "add", "../super", "mid"]);
    place.git("top", &["submodule", "--quiet", "update", "--init", "--recursive"]);
    place.git("super", &["worktree", "add", "-q", "../super-linked"]);
    place.git("super-linked", &["submodule", "--quiet", "update", "--init"]);
    place.mkdir("elsewhere");
    place.git("", &["init", "-q", "--separate-git-dir", "elsewhere/separate.git", "separate"]);
    place.git("", &["init", "-q", "--bare", "bare.git"]);
    place.git("", &["init", "-q", "--bare", "bare-without-suffix"]);
    place.git("", &["clone", "-q", "--bare", "plain", "with-trees.git"]);
    place.git("with-trees.git", &["worktree", "add", "-q", "main"]);
    place.git("", &["clone", "-q", "--bare", "plain", "layout/.git"]);
    place.git("layout", &["worktree", "add", "-q", "feature"]);
    place.git("", &["clone", "-q", "--bare", "plain", "hidden/.bare"]);
    fs::write(place.at("hidden/.git"), "gitdir: ./.bare\n").unwrap();
    place.git("hidden", &["worktree", "add", "-q", "feature"]);
    place.git("", &["init", "-q", "--object-format=sha256", "sha256"]);
    place
}

const FLEET: &[&str] = &[
    "bare bare-without-suffix",
    "bare bare.git",
    "bare hidden/.bare",
    "linked hidden/feature [hidden/.bare]",
    "bare layout/.git",
    "linked layout/feature [layout/.git]",
    "linked linked [plain]",
    "linked modules/further [modules/library]",
    "worktree modules/library",
    "linked of-submodule [super/libs/modules/one]",
    "worktree plain",
    "nested plain/deep/inside [plain]",
    "linked plain/inner [plain]",
    "worktree separate",
    "worktree sha256",
    "worktree super",
    "linked super-linked [super]",
    "submodule super-linked/libs/modules/one [super-linked]",
    "submodule super/libs/modules/one [super]",
    "worktree top",
    "submodule top/mid [top]",
    "submodule top/mid/libs/modules/one [top/mid]",
    "bare with-trees.git",
    "linked with-trees.git/main [with-trees.git]",
];

#[test]
fn every_kind_is_told_apart_whatever_the_order() {
    let place = fleet();
    let mut wanted: Vec<_> = FLEET.to_vec();
    wanted.sort_by_key(|line| PathBuf::from(line.split(' ').nth(1).unwrap()));
    for threads in [1, 2, 8, 0] {
        for _ in 0..5 {
            let options = TrackOptions { threads, ..TrackOptions::default() };
            let (found, warnings, _) = place.track_with(&[""], &options);
            assert_eq!(place.listed(&found), wanted);
            assert_eq!(warnings, Vec::<PathBuf>::new());
            if threads == 0 {
                place.check_with_git(&found);
            }
        }
    }
}

#[test]
fn each_is_found_once_however_roots_overlap() {
    let place = fleet();
    let all = place.track(&[""]);
    assert_eq!(place.track(&["plain/deep", "", "", "plain", "super/libs"]), all);
    // A parent is known even where the walk does not come by it.
    assert_eq!(place.track(&["super/libs"]), ["submodule super/libs/modules/one [super]"]);
    assert_eq!(
        place.track(&["linked", "plain/inner"]),
        ["linked linked [plain]", "linked plain/inner [plain]"]
    );
    // A root is walked even where it would be left out.
    let skipped = place.track(&["plain/node_modules", "plain"]);
    assert!(skipped.contains(&"worktree plain/node_modules/x".to_owned()), "{skipped:?}");
    symlink(place.at("plain"), place.at("link")).unwrap();
    assert_eq!(place.track(&["link", "plain"]), place.track(&["plain"]));
}

#[test]
fn reftable_repositories_are_found() {
    let place = Place::new();
    if place.try_git("", &["init", "-q", "--ref-format=reftable", "repo"]).is_none() {
        eprintln!("LEFT OUT: reftable repositories; this git makes none");
        return;
    }
    place.git("repo", &["commit", "-q", "--allow-empty", "-m", "first"]);
    place.git("repo", &["worktree", "add", "-q", "../linked"]);
    place.git("", &["clone", "-q", "--bare", "--ref-format=reftable", "repo", "bare"]);
    assert_eq!(place.track(&[""]), ["bare bare", "linked linked [repo]", "worktree repo"]);
}

#[test]
fn what_only_looks_like_git_is_left_alone() {
    let place = Place::new();
    place.mkdir("empty/.git");
    place.mkdir("half/.git/objects");
    fs::write(place.at("half/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
    for directory in ["seems.git/objects", "seems.git/refs", "files"] {
        place.mkdir(directory);
    }
    fs::write(place.at("seems.git/HEAD"), "once upon a time").unwrap();
    fs::write(place.at("files/.git"), "not git's\n").unwrap();
    symlink("nowhere", place.mkdir("dead").join(".git")).unwrap();
    place.repo("seems.git/objects/real");
    place.repo("repo");
    place.repo("repo/.git/hidden");
    assert_eq!(place.track(&[""]), ["worktree repo", "worktree seems.git/objects/real"]);
}

#[test]
fn a_link_as_dot_git_is_followed_as_git_does() {
    let place = Place::new();
    place.repo("repo");
    symlink("../repo/.git", place.mkdir("second").join(".git")).unwrap();
    let (found, ..) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(place.listed(&found), ["worktree repo", "worktree second"]);
    assert_eq!(found[0].common_dir, found[1].common_dir);
}

#[test]
fn a_git_directory_that_is_gone_is_a_warning() {
    let place = Place::new();
    place.repo("repo");
    place.git("repo", &["worktree", "add", "-q", "../linked"]);
    fs::remove_dir_all(place.at("repo")).unwrap();
    place.repo("linked/inside");
    let (found, warnings, _) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(place.listed(&found), ["worktree linked/inside"]);
    assert_eq!(warnings, [place.at("linked")]);
}

/// Opening a pipe would wait for a writer that never comes.
#[test]
fn pipes_in_place_of_files_do_not_hang() {
    let place = Place::new();
    let pipe = |path: &str| {
        let path = place.at(path);
        drop(fs::remove_file(&path));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    };
    place.mkdir("pipe");
    pipe("pipe/.git");
    place.repo("config");
    pipe("config/.git/config");
    place.repo("head");
    pipe("head/.git/HEAD");
    let (found, warnings, _) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(place.listed(&found), ["worktree config"]);
    assert_eq!(warnings, [place.at("pipe")]);
}

#[test]
fn links_are_not_followed() {
    let place = Place::new();
    place.repo("a/repo");
    symlink("..", place.at("a/up")).unwrap();
    symlink(".", place.at("a/repo/self")).unwrap();
    symlink(&place.root, place.at("a/repo/top")).unwrap();
    symlink("a/repo", place.at("again")).unwrap();
    let (found, warnings, summary) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(place.listed(&found), ["worktree a/repo"]);
    assert_eq!((warnings.len(), summary.directories), (0, 3));
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_utf_8() {
    let place = Place::new();
    place.repo("repo");
    let odd = OsStr::from_bytes(b"caf\xe9 \n$(x)");
    fs::create_dir(place.at(odd)).unwrap();
    fs::rename(place.at("repo"), place.at(odd).join("repo")).unwrap();
    let (found, ..) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(bytes_of(&found[0].path), bytes_of(&place.at(odd).join("repo")));
    assert_eq!(found.len(), 1);
}

#[test]
fn what_is_skipped_is_a_setting() {
    let place = Place::new();
    for path in ["target/a", "x/target/b", "Library/Caches/c", "Caches/d", ".local/share/Trash/e", "vendor/f"]
    {
        place.repo(path);
    }
    assert_eq!(place.track(&[""]), ["worktree Caches/d", "worktree vendor/f"]);
    let options =
        TrackOptions { skip: vec!["x/target".to_owned(), "vendor".to_owned()], ..TrackOptions::default() };
    let (found, ..) = place.track_with(&[""], &options);
    let wanted = [
        "worktree .local/share/Trash/e",
        "worktree Caches/d",
        "worktree Library/Caches/c",
        "worktree target/a",
    ];
    assert_eq!(place.listed(&found), wanted);
}

#[test]
fn deep_trees_are_walked_to_the_end() {
    let place = Place::new();
    let deep = vec!["d"; 400].join("/");
    place.mkdir(&deep);
    place.repo(&deep);
    let (found, warnings, summary) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!((found.len(), warnings.len()), (1, 0));
    assert_eq!(found[0].path, place.at(&deep));
    assert_eq!(summary.directories, 401);
}

#[test]
fn wide_trees_are_walked_by_many() {
    let place = Place::new();
    for number in 0..300 {
        place.mkdir(format!("{}/{}/{}", number % 7, number % 11, number));
    }
    fs::create_dir_all(place.at("3/4/.git/objects")).unwrap();
    fs::create_dir_all(place.at("3/4/.git/refs")).unwrap();
    fs::write(place.at("3/4/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
    let counts: BTreeSet<_> = [1, 2, 5, 16]
        .into_iter()
        .map(|threads| {
            let options = TrackOptions { threads, ..TrackOptions::default() };
            let (found, _, summary) = place.track_with(&[""], &options);
            assert_eq!(found.len(), 1);
            summary.directories
        })
        .collect();
    assert_eq!(counts, BTreeSet::from([1 + 7 + 77 + 300]));
}

#[test]
fn unreadable_and_missing_directories_are_warnings() {
    let place = Place::new();
    let (_, warnings, summary) = place.track_with(&["missing", ""], &TrackOptions::default());
    assert_eq!((warnings, summary.directories), (vec![place.at("missing")], 1));

    let closed = place.mkdir("closed");
    place.repo("open");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        eprintln!("LEFT OUT: a directory that can't be read; root reads all");
    } else {
        let (found, warnings, _) = place.track_with(&[""], &TrackOptions::default());
        assert_eq!(place.listed(&found), ["worktree open"]);
        assert_eq!(warnings, std::slice::from_ref(&closed));
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

/// Longer paths than the kernel takes are one more thing that can't be read.
#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_too_long_are_warnings() {
    let place = Place::new();
    let name = "n".repeat(200);
    let mut path = place.root.clone();
    while path.as_os_str().len() + 201 < 4090 {
        path.push(&name);
    }
    fs::create_dir_all(&path).unwrap();
    // Further down there is only a relative way.
    let made =
        Command::new("mkdir").arg("-p").arg(format!("{name}/{name}")).current_dir(&path).status().unwrap();
    assert!(made.success());
    let (_, warnings, _) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(warnings, [path.join(&name)]);
    let removed = Command::new("rm").arg("-rf").arg(&name).current_dir(&path).status().unwrap();
    assert!(removed.success());
}

#[test]
fn other_file_systems_are_left_alone_unless_told() {
    let place = Place::new();
    place.repo("here");
    let there = place.mkdir("there");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&there).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("LEFT OUT: other file systems; mounting one needs root");
        return;
    }
    place.repo("there/repo");
    let one = place.track(&[""]);
    let both_roots = place.track(&["", "there"]);
    let options = TrackOptions { cross_file_systems: true, ..TrackOptions::default() };
    let (all, ..) = place.track_with(&["", "there"], &options);
    assert!(Command::new("umount").arg("-l").arg(&there).status().unwrap().success());
    assert_eq!(one, ["worktree here"]);
    assert_eq!(both_roots, ["worktree here", "worktree there/repo"]);
    assert_eq!(place.listed(&all), both_roots);
}

#[test]
fn the_walk_ends_when_told() {
    let place = Place::new();
    for number in 0..20 {
        place.git("", &["init", "-q", &format!("repo-{number}")]);
    }
    let seen = Mutex::new(0);
    let options = TrackOptions { threads: 1, ..TrackOptions::default() };
    let summary = track(std::slice::from_ref(&place.root), &options, &|_| {
        *seen.lock().unwrap() += 1;
        ControlFlow::Break(())
    });
    assert_eq!((summary.found, seen.into_inner().unwrap()), (1, 1));
}

/// `directories` empty directories.
fn wide(directories: u64) -> Place {
    let place = Place::new();
    for number in 1..directories {
        fs::create_dir(place.at(number.to_string())).unwrap();
    }
    place
}

#[test]
fn long_walks_tell_how_far_they_are() {
    let place = wide(3 * PROGRESS + 1);
    for threads in [1, 4] {
        let told = Mutex::new(Vec::new());
        let options = TrackOptions { threads, ..TrackOptions::default() };
        let summary = track(std::slice::from_ref(&place.root), &options, &|tracked| {
            if let Tracked::Progress(so_far) = tracked {
                told.lock().unwrap().push(so_far.directories);
            }
            ControlFlow::Continue(())
        });
        let told = told.into_inner().unwrap();
        assert_eq!((summary.directories, told.len()), (3 * PROGRESS + 1, 3));
        assert!(told.iter().all(|so_far| (PROGRESS..=summary.directories).contains(so_far)), "{told:?}");
    }
}

#[test]
fn a_walk_that_finds_nothing_ends_when_told() {
    let place = wide(3 * PROGRESS);
    let options = TrackOptions { threads: 1, ..TrackOptions::default() };
    let summary = track(std::slice::from_ref(&place.root), &options, &|_| ControlFlow::Break(()));
    assert_eq!(summary.directories, PROGRESS);
}

/// As a power failure leaves it.
#[test]
fn a_repository_that_has_lost_its_head_is_a_warning() {
    let place = Place::new();
    place.repo("whole");
    for (name, head) in [("empty", ""), ("zeros", "\0\0\0\0"), ("other", "no HEAD of git's\n")] {
        place.repo(name);
        fs::write(place.at(name).join(".git/HEAD"), head).unwrap();
    }
    let (found, warnings, _) = place.track_with(&[""], &TrackOptions::default());
    assert_eq!(place.listed(&found), ["worktree whole"]);
    assert_eq!(warnings, [place.at("empty"), place.at("zeros")]);
}

/// Directories come and go while they are walked.
#[test]
fn what_goes_away_meanwhile_is_no_failure() {
    let place = wide(40);
    for number in 1..40 {
        place.mkdir(format!("{number}/a/b/c"));
    }
    place.repo("repo");
    let options = TrackOptions { threads: 1, ..TrackOptions::default() };
    // The repository is met at some moment; all around it goes at that moment.
    let warned = Mutex::new(0);
    let found = track(std::slice::from_ref(&place.root), &options, &|tracked| {
        match tracked {
            Tracked::Found(_) => {
                for number in 1..40 {
                    drop(fs::remove_dir_all(place.at(number.to_string())));
                }
                fs::remove_dir_all(place.at("repo")).unwrap();
            }
            Tracked::Warning { .. } => *warned.lock().unwrap() += 1,
            Tracked::Progress(_) => {}
        }
        ControlFlow::Continue(())
    });
    assert_eq!((found.found, warned.into_inner().unwrap()), (1, 0));
}

#[test]
fn a_sink_that_panics_does_not_hang_the_walk() {
    let place = Place::new();
    place.repo("repo");
    let options = TrackOptions { threads: 4, ..TrackOptions::default() };
    let walked =
        std::panic::catch_unwind(|| track(std::slice::from_ref(&place.root), &options, &|_| panic!("sink")));
    assert!(walked.is_err());
    assert!(place.dir.path().exists());
}
