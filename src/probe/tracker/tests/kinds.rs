//! What is found, and what kind it is.

use super::*;

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
