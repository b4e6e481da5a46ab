//! Whose repositories are read, and what of them is never run or waited for.

use super::*;

/// A program that runs git with these words of the shell before it.
fn git_with(dir: &Path, words: &str) -> Git {
    let program = dir.join("git");
    // Written by another process: what is open for writing in this one, others
    // that it starts at this moment inherit, and then it can't be run.
    let text = format!("#!/bin/sh\n{words} exec git \"$@\"\n");
    let script = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
    assert!(Command::new("sh").args(["-c", script]).arg(&program).arg(text).status().unwrap().success());
    Git::of_program(program)
}

#[test]
fn of_what_is_not_wholly_ours_git_is_asked_whether_it_trusts() {
    let dir = tempfile::tempdir().unwrap();
    let repo = repository("sha1");
    let location = Location::discover(repo.path()).unwrap();
    let (us, other) = (rustix::process::geteuid().as_raw(), u32::MAX - 1);
    let git = Git::default();
    git.trust_as(&location, us).unwrap();
    // Here git sees an owner that it trusts, after all.
    git.trust_as(&location, other).unwrap();

    let foreign = "GIT_TEST_ASSUME_DIFFERENT_OWNER=1 HOME=/nowhere";
    let git = git_with(dir.path(), foreign);
    git.trust_as(&location, us).unwrap();
    assert!(
        matches!(git.trust_as(&location, other), Err(GitError::Owner { path }) if path == location.directory())
    );

    let config = dir.path().join("config");
    std::fs::write(&config, format!("[safe]\ndirectory = {}\n", location.directory().display())).unwrap();
    git_with(dir.path(), &format!("{foreign} GIT_CONFIG_GLOBAL='{}'", config.display()))
        .trust_as(&location, other)
        .unwrap();
}

#[test]
fn the_programs_that_a_repository_names_are_not_run() {
    let dir = repository("sha1");
    let at = dir.path();
    git(at, &["config", "extensions.worktreeConfig", "true"]);
    for (file, key, name) in [
        (".git/config", "clean", "one"),
        (".git/config", "process", "t=w.o"),
        (".git/more", "clean", "three"),
        (".git/config.worktree", "smudge", "Four"),
    ] {
        let key = format!("filter.{name}.{key}");
        git(at, &["config", "--file", file, &key, "touch ran; cat"]);
        git(at, &["config", "--file", file, &format!("filter.{name}.required"), "true"]);
    }
    git(at, &["config", "include.path", "more"]);
    write(
        at,
        ".gitattributes",
        "* filter=Four\na.txt filter=one\ndir/b.txt filter=t=w.o\ndir/gone.txt filter=three\n",
    );
    for file in ["a.txt", "dir/b.txt", "dir/gone.txt"] {
        // Of the same size: only the content tells.
        let text = std::fs::read_to_string(at.join(file)).unwrap();
        write(at, file, &text.to_uppercase());
    }
    let hook = at.join(".git/hooks/post-index-change");
    write(at, ".git/hooks/post-index-change", "#!/bin/sh\ntouch ran\n");
    assert!(Command::new("chmod").arg("755").arg(hook).status().unwrap().success());

    // Also where it is the submodule of another.
    let around = repository("sha1");
    let inside = around.path().join("sub");
    assert!(Command::new("cp").arg("-a").args([at, &*inside]).status().unwrap().success());
    let entry = format!("160000,{},sub", git(at, &["rev-parse", "HEAD"]));
    git(around.path(), &["update-index", "--add", "--cacheinfo", &entry]);
    git(around.path(), &["commit", "-q", "-m", "sub"]);
    assert_eq!(work_state(&Location::discover(around.path()).unwrap()).unstaged, 1);
    assert!(!inside.join("ran").exists());
    let _ = Command::new("git").arg("status").current_dir(around.path()).output().unwrap();
    assert!(inside.join("ran").exists());

    let location = Location::discover(at).unwrap();
    let state = work_state(&location);
    assert_eq!(state.dirty, 4);
    open_by_program(&Git::default(), &location).unwrap().staged(None).unwrap();
    assert!(!at.join("ran").exists());
    // As they would be.
    let _ = Command::new("git").arg("status").current_dir(at).output().unwrap();
    assert!(at.join("ran").exists());
}

#[test]
fn a_pipe_in_a_files_place_keeps_nobody() {
    let fifo = |path: PathBuf| {
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let dir = repository("sha1");
    let location = Location::discover(dir.path()).unwrap();
    fifo(dir.path().join(".git/index"));
    assert!(open(&Git::default(), &location).unwrap().staged(None).is_err());
    fifo(dir.path().join(".git/config"));
    // Only git itself still looks there, and is stopped.
    Location::discover(dir.path()).unwrap();
    assert!(matches!(open(&Git::default(), &location).err(), Some(GitError::TimedOut { .. })));
}

#[test]
fn a_place_is_what_git_has_there_and_not_around_it() {
    let dir = repository("sha1");
    let at = dir.path().canonicalize().unwrap();
    let dot_git = at.join(".git");
    for path in [&at, &dot_git] {
        let location = Location::at(path).unwrap();
        assert_eq!((&location.git_dir, location.work_tree.as_ref()), (&dot_git, Some(&at)));
    }
    for path in [at.join("dir"), at.join("nowhere"), dot_git.join("refs")] {
        assert!(matches!(Location::at(&path), Err(GitError::Gone { path: told }) if told == path));
    }

    // `.git` leads to a bare repository; work is done in linked work trees.
    let top = at.join("top");
    git(&at, &["clone", "-q", "--bare", ".", "top/.bare"]);
    write(&top, ".git", "gitdir: ./.bare\n");
    git(&top, &["worktree", "add", "-q", "linked"]);
    let (by_top, linked) = (Location::at(&top).unwrap(), Location::at(&top.join("linked")).unwrap());
    assert_eq!((by_top.work_tree.as_ref(), by_top.main_path()), (None, top.join(".bare")));
    assert_eq!(
        (linked.work_tree.as_ref(), linked.main_path()),
        (Some(&top.join("linked")), top.join(".bare"))
    );
    assert_eq!(Location::at(&linked.main_path()).unwrap().common_dir, linked.common_dir);

    // The work tree is elsewhere.
    let elsewhere = at.join("dir");
    git(&at, &["config", "core.worktree", "../dir"]);
    let location = Location::at(&at).unwrap();
    assert_eq!((location.work_tree.as_ref(), location.main_path()), (Some(&elsewhere), at.clone()));
    let variables = vec![("GIT_DIR".to_owned(), "../.git".into())];
    let location = Location::of(&Surroundings { cwd: elsewhere.clone(), variables }).unwrap();
    assert_eq!((location.work_tree.as_ref(), location.main_path()), (Some(&elsewhere), at));
}

/// What is looked at is what git goes by: names may end in white space.
#[test]
fn the_configuration_that_is_read_is_the_one_that_counts() {
    let dir = repository("sha1");
    let at = dir.path();
    git(at, &["worktree", "add", "-q", "sub"]);
    let own = at.join(".git/worktrees/sub");
    assert!(Command::new("cp").args(["-a", ".git", "common"]).current_dir(at).status().unwrap().success());
    assert!(Command::new("cp").args(["-a", ".git", "common "]).current_dir(at).status().unwrap().success());
    git(at, &["config", "--file", "common /config", "filter.e.clean", "touch ran; cat"]);
    write(at, "sub/.gitattributes", "* filter=e\n");
    write(at, "sub/a.txt", "ONE\n");
    for text in ["../../../common \n", "../../../common \r\n\n"] {
        std::fs::write(own.join("commondir"), text).unwrap();
        let location = Location::at(&at.join("sub")).unwrap();
        assert!(location.common_dir.ends_with("common "), "{location:?}");
        assert_eq!(work_state(&location).dirty, 2);
        assert!(!at.join("sub/ran").exists());
    }
    let _ = Command::new("git").arg("status").current_dir(at.join("sub")).output().unwrap();
    assert!(at.join("sub/ran").exists());
    // What can't be read is not another place.
    std::fs::write(own.join("commondir"), "\n".repeat(5 << 20)).unwrap();
    assert!(matches!(Location::at(&at.join("sub")), Err(GitError::Io(_))));
}
