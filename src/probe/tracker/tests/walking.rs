//! Where the walk goes, and how it ends.

use super::*;

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
    assert_eq!(warnings, [place.at("empty"), place.at("other"), place.at("zeros")]);
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
