//! libgit2 and the program must say the same, and what git itself says.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

mod agree;
mod trusted;

fn git(dir: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    // What a shell has of these would come before what is configured.
    for name in std::env::vars_os().map(|(name, _)| name) {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            git.env_remove(name);
        }
    }
    let output = git
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "0")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn repository(format: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q", &format!("--object-format={format}")]);
    write(dir.path(), "a.txt", "one\n");
    write(dir.path(), "dir/b.txt", "two\n");
    write(dir.path(), "dir/gone.txt", "three\n");
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-q", "-m", "first"]);
    dir
}

fn work_state(location: &Location) -> WorkState {
    Memory::default().look(&Git::default()).at(location, &[]).unwrap().work
}

fn stage_something(dir: &Path) {
    write(dir, "a.txt", "one\nmore\n");
    write(dir, "new/c.txt", "new\n");
    git(dir, &["rm", "-q", "dir/gone.txt"]);
    git(dir, &["add", "."]);
}

#[test]
fn both_ways_say_the_same_of_the_index() {
    let dir = repository("sha1");
    stage_something(dir.path());
    let location = Location::discover(dir.path()).unwrap();
    let library = open(&Git::default(), &location).unwrap();
    let program = open_by_program(&Git::default(), &location).unwrap();
    let objects_before = git(dir.path(), &["count-objects", "-v"]);
    let staged = library.staged(None).unwrap();
    assert_eq!(staged, program.staged(None).unwrap());
    assert_eq!(git(dir.path(), &["count-objects", "-v"]), objects_before, "nothing may be written");
    assert_eq!(staged.tree, git(dir.path(), &["write-tree"]));
    assert_eq!(staged.base_tree, git(dir.path(), &["rev-parse", "HEAD^{tree}"]));
    let paths: Vec<_> = staged.changes.iter().map(|c| String::from_utf8_lossy(&c.path)).collect();
    assert_eq!(paths, ["a.txt", "dir/gone.txt", "new/c.txt"]);
    let new = &staged.changes[2];
    assert_eq!((new.old_mode, new.new_mode, new.old_id.as_str()), (0, 0o100_644, ""));
    for objects in [&library, &program] {
        assert_eq!(objects.blob(&new.new_id).unwrap().unwrap(), b"new\n");
        assert_eq!(objects.size(&new.new_id).unwrap(), Some(4));
    }
    assert_eq!(library.head().unwrap(), program.head().unwrap());
}

#[test]
fn a_sha256_repository_is_read_by_the_program() {
    let dir = repository("sha256");
    stage_something(dir.path());
    let location = Location::discover(dir.path()).unwrap();
    let objects = open(&Git::default(), &location).unwrap();
    let staged = objects.staged(None).unwrap();
    assert_eq!(staged.tree.len(), 64);
    assert_eq!(staged.tree, git(dir.path(), &["write-tree"]));
    assert_eq!(objects.blob(&staged.changes[0].new_id).unwrap().unwrap(), b"one\nmore\n");
}

#[test]
fn a_first_commit_is_compared_with_nothing() {
    for format in ["sha1", "sha256"] {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", &format!("--object-format={format}")]);
        write(dir.path(), "a.txt", "one\n");
        git(dir.path(), &["add", "."]);
        let location = Location::discover(dir.path()).unwrap();
        let objects = open(&Git::default(), &location).unwrap();
        let staged = objects.staged(None).unwrap();
        assert_eq!(staged.base_tree, git(dir.path(), &["hash-object", "-t", "tree", "/dev/null"]));
        assert_eq!(staged.changes.len(), 1);
        assert_eq!(objects.head().unwrap(), Head { branch: Some("main".into()), commit: None });
    }
}

#[test]
fn split_and_sparse_indexes_are_read_by_the_program() {
    let dir = repository("sha1");
    git(dir.path(), &["config", "core.splitIndex", "true"]);
    git(dir.path(), &["update-index", "--split-index"]);
    stage_something(dir.path());
    let location = Location::discover(dir.path()).unwrap();
    let staged = open(&Git::default(), &location).unwrap().staged(None).unwrap();
    assert_eq!(staged.tree, git(dir.path(), &["write-tree"]));
    assert_eq!(staged.changes.len(), 3);
}

#[test]
fn commits_and_histories_agree() {
    let dir = repository("sha1");
    stage_something(dir.path());
    git(dir.path(), &["commit", "-q", "-m", "second"]);
    let location = Location::discover(dir.path()).unwrap();
    let library = open(&Git::default(), &location).unwrap();
    let program = open_by_program(&Git::default(), &location).unwrap();
    let (first, second) = (git(dir.path(), &["rev-parse", "HEAD~"]), git(dir.path(), &["rev-parse", "HEAD"]));
    for objects in [&library, &program] {
        let commit = objects.commit(&second).unwrap();
        assert_eq!(commit.parents, std::slice::from_ref(&first));
        assert_eq!(objects.between(Some(&first), &second).unwrap().changes.len(), 3);
        assert_eq!(objects.between(None, &first).unwrap().changes.len(), 3);
        let fresh = objects.new_commits(&[&second], std::slice::from_ref(&first), None, 10).unwrap();
        assert_eq!(fresh, std::slice::from_ref(&second));
        let unknown = "0123456789".repeat(4);
        assert_eq!(objects.new_commits(&[&second], &[unknown], Some("origin"), 10).unwrap().len(), 2);
    }
    assert_eq!(
        library.between(Some(&first), &second).unwrap(),
        program.between(Some(&first), &second).unwrap()
    );
}

#[test]
fn linked_work_trees_and_git_files_are_located() {
    let dir = repository("sha1");
    let linked = tempfile::tempdir().unwrap();
    let linked = linked.path().join("linked");
    git(dir.path(), &["worktree", "add", "-q", linked.to_str().unwrap()]);
    let location = Location::discover(&linked).unwrap();
    let main = Location::discover(&dir.path().join("dir")).unwrap();
    assert_eq!(location.common_dir, main.common_dir);
    assert_ne!(location.git_dir, main.git_dir);
    assert_eq!(location.main_path(), dir.path().canonicalize().unwrap());
    assert_eq!(main.main_path(), location.main_path());
    assert!(matches!(Location::discover(Path::new("/")), Err(GitError::NotARepository { .. })));
}

#[test]
fn the_state_of_a_work_tree_is_gits() {
    let dir = repository("sha1");
    let origin = tempfile::tempdir().unwrap();
    git(origin.path(), &["init", "-q", "--bare"]);
    git(dir.path(), &["remote", "add", "origin", origin.path().to_str().unwrap()]);
    git(dir.path(), &["push", "-q", "-u", "origin", "main"]);
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "ahead"]);
    git(dir.path(), &["mv", "a.txt", "moved.txt"]);
    write(dir.path(), "untracked", "x");
    let location = Location::discover(dir.path()).unwrap();
    let state = work_state(&location);
    assert_eq!((state.dirty, state.ahead_behind), (2, Some((1, 0))));
    assert_eq!(state.head.branch.as_deref(), Some("main"));
    let profile = profile(&Git::default(), &location).unwrap();
    assert_eq!(profile.default_branch.as_deref(), Some("main"));
}

#[test]
fn the_tree_that_git_noted_in_the_index_is_found_in_every_format() {
    use super::cached_tree::cached_tree;
    for (format, id_bytes) in [("sha1", 20), ("sha256", 32)] {
        for version in ["2", "3", "4"] {
            let dir = repository(format);
            write(dir.path(), &format!("{}/file", "long-name-".repeat(20)), "x\n");
            write(dir.path(), "e/f/g", "x\n");
            git(dir.path(), &["add", "."]);
            if version == "3" {
                // Only an entry with an extended flag makes git write version 3.
                git(dir.path(), &["update-index", "--skip-worktree", "a.txt"]);
            } else {
                git(dir.path(), &["update-index", "--index-version", version]);
            }
            let read = || std::fs::read(dir.path().join(".git/index")).unwrap();
            assert_eq!(read()[7], version.as_bytes()[0] - b'0');
            // Staging outdates the note; writing the tree renews it.
            let tree = git(dir.path(), &["write-tree"]);
            assert_eq!(cached_tree(&read(), id_bytes), Some(tree), "{format} {version}");
            write(dir.path(), "dir/b.txt", "changed\n");
            git(dir.path(), &["add", "dir"]);
            assert_eq!(cached_tree(&read(), id_bytes), None, "{format} {version}");
            let whole = read();
            for end in 0..whole.len() {
                // Cut short at any place it is no answer, and no panic.
                assert_eq!(cached_tree(&whole[..end], id_bytes), None);
            }
        }
    }
}

#[test]
fn objects_are_found_where_gits_variables_say() {
    for format in ["sha1", "sha256"] {
        let parent = tempfile::tempdir().unwrap();
        let at = parent.path().canonicalize().unwrap().join("a:b\n\"c");
        std::fs::create_dir(&at).unwrap();
        git(&at, &["init", "-q", &format!("--object-format={format}")]);
        write(&at, "a.txt", "one\n");
        git(&at, &["add", "."]);
        git(&at, &["commit", "-qm", "first"]);
        let objects = at.join("other:objects");
        std::fs::create_dir(&objects).unwrap();
        write(&at, "dir/b.txt", "elsewhere\n");
        let mut add = Command::new("git");
        add.args(["add", "dir/b.txt"]).current_dir(&at).env("GIT_OBJECT_DIRECTORY", &objects);
        assert!(add.status().unwrap().success());

        let plain = Location::discover(&at).unwrap();
        for variables in [
            vec![("GIT_OBJECT_DIRECTORY".to_owned(), objects.clone().into_os_string())],
            vec![("GIT_ALTERNATE_OBJECT_DIRECTORIES".to_owned(), "/nowhere:\"other:objects\"".into())],
        ] {
            let location = Location::of(&Surroundings { cwd: at.clone(), variables }).unwrap();
            for open in [open, open_by_program] {
                let staged = open(&Git::default(), &location).unwrap().staged(None).unwrap();
                let [change] = staged.changes.as_slice() else { panic!("{staged:?}") };
                let read = open(&Git::default(), &location).unwrap().blob(&change.new_id).unwrap();
                assert_eq!(read.unwrap(), b"elsewhere\n");
                assert!(open(&Git::default(), &plain).unwrap().blob(&change.new_id).is_err());
            }
        }
    }
}

#[test]
fn only_in_a_partial_clone_may_a_blob_be_missing() {
    let origin = repository("sha1");
    git(origin.path(), &["config", "uploadpack.allowFilter", "true"]);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", origin.path().display());
    git(dir.path(), &["clone", "-q", "--filter=blob:none", "--no-checkout", &url, "."]);
    let blob = git(origin.path(), &["rev-parse", "HEAD:a.txt"]);
    let location = Location::discover(dir.path()).unwrap();
    for open in [open, open_by_program] {
        let objects = open(&Git::default(), &location).unwrap();
        assert_eq!((objects.size(&blob).unwrap(), objects.blob(&blob).unwrap()), (None, None));
    }
    git(dir.path(), &["config", "--remove-section", "remote.origin"]);
    let _ = Command::new("git")
        .args(["config", "--unset", "extensions.partialClone"])
        .current_dir(dir.path())
        .status();
    for open in [open, open_by_program] {
        let objects = open(&Git::default(), &location).unwrap();
        assert!(objects.size(&blob).is_err() && objects.blob(&blob).is_err());
    }
}

#[test]
fn trees_are_compared_as_git_does_whatever_becomes_of_a_name() {
    let dir = repository("sha1");
    for (name, text) in [("file", "f\n"), ("both/deep/x", "x\n"), ("both/y", "y\n"), ("both.txt", "t\n")] {
        write(dir.path(), name, text);
    }
    std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-q", "-m", "before"]);
    // A file becomes a directory, a directory a file, a link a file; a mode changes.
    for name in ["file", "link"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    std::fs::remove_dir_all(dir.path().join("both")).unwrap();
    for (name, text) in [("file/inner", "i\n"), ("both", "b\n"), ("link", "l\n")] {
        write(dir.path(), name, text);
    }
    git(dir.path(), &["update-index", "--chmod=+x", "both.txt"]);
    git(dir.path(), &["add", "-A"]);
    git(dir.path(), &["update-index", "--chmod=+x", "both.txt"]);
    git(dir.path(), &["commit", "-q", "-m", "after"]);
    let location = Location::discover(dir.path()).unwrap();
    let delta = |objects: Box<dyn Objects>| objects.between(Some("HEAD~"), "HEAD").unwrap();
    let program = delta(open_by_program(&Git::default(), &location).unwrap());
    let (old, new) = (git(dir.path(), &["rev-parse", "HEAD~"]), git(dir.path(), &["rev-parse", "HEAD"]));
    let library = open(&Git::default(), &location).unwrap().between(Some(&old), &new).unwrap();
    assert_eq!(library, program);
    assert_eq!(library.changes.len(), 7, "{library:?}");
}

#[test]
fn changed_and_ignored_paths_are_named_as_they_are() {
    let dir = repository("sha1");
    write(dir.path(), "two words.txt", "in conflict\n");
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-q", "-m", "base"]);
    git(dir.path(), &["switch", "-q", "-c", "side"]);
    for (branch, text) in [("side", "theirs\n"), ("main", "ours\n")] {
        git(dir.path(), &["switch", "-q", branch]);
        write(dir.path(), "two words.txt", text);
        git(dir.path(), &["commit", "-q", "-a", "-m", branch]);
    }
    let merged = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org", "merge", "-q", "side"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(!merged.status.success(), "{merged:?}");
    git(dir.path(), &["mv", "a.txt", "moved to.txt"]);
    write(dir.path(), "dir/b.txt", "changed\n");
    write(dir.path(), "new/un tracked", "x\n");
    write(dir.path(), ".git/info/exclude", "*.o\nbuilt/\n");
    write(dir.path(), "dir/x.o", "x\n");
    write(dir.path(), "built/y", "x\n");
    let location = Location::discover(dir.path()).unwrap();
    let sorted = |paths: Vec<Vec<u8>>| {
        let mut paths: Vec<String> = paths.into_iter().map(|path| String::from_utf8(path).unwrap()).collect();
        paths.sort();
        paths
    };
    let changed = sorted(changed_paths(&Git::default(), &location).unwrap());
    assert_eq!(changed, ["dir/b.txt", "moved to.txt", "new/", "two words.txt"]);
    assert_eq!(work_state(&location).dirty, 4);
    assert_eq!(sorted(ignored_paths(&Git::default(), &location).unwrap()), ["built/", "dir/x.o"]);
}
