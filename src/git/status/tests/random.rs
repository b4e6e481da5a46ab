//! Random edits, each followed by a comparison with git.

use super::*;

/// xorshift64: G. Marsaglia, Xorshift RNGs, 2003.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }
}

const FILES: [&str; 12] = [
    "a.txt",
    "A.TXT",
    "dir/b.txt",
    "dir/deep/c.txt",
    "new.txt",
    "dir/new.o",
    "lib/x",
    "lib/y/z",
    "build/out",
    "late",
    "späte",
    "dir/with space",
];

/// One edit; most of them may fail where they make no sense.
fn edit(world: &World, random: &mut Random, step: usize) -> String {
    let file = FILES[random.below(FILES.len())];
    let path = world.path(file);
    let git = |args: &[&str]| drop(try_git(&world.top(), args));
    let kind = random.below(40);
    match kind {
        0..=3 => {
            // The size stays the same, and the time may.
            let _ = fs::create_dir_all(path.parent().unwrap());
            let _ = fs::write(&path, format!("{:04}\n", step % 7));
        }
        4 => drop(fs::write(&path, format!("{step}\n").repeat(random.below(4)))),
        5 => drop(
            Command::new("chmod")
                .arg(["+x", "-x"][random.below(2)])
                .arg(&path)
                .stderr(std::process::Stdio::null())
                .status(),
        ),
        6 => drop(fs::remove_file(&path)),
        7 => drop(fs::rename(&path, world.path(FILES[random.below(FILES.len())]))),
        8 => {
            let _ = fs::remove_file(&path);
            let _ = std::os::unix::fs::symlink("a.txt", &path);
        }
        9..=11 => git(&["add", "--", file]),
        12 | 13 => git(&["add", "--all"]),
        14 | 15 => git(&["commit", "-q", "-m", "x"]),
        16 => git(&["add", "--intent-to-add", "--", file]),
        17 => git(&[
            "update-index",
            ["--assume-unchanged", "--no-assume-unchanged"][random.below(2)],
            "--",
            file,
        ]),
        18 => git(&["update-index", ["--skip-worktree", "--no-skip-worktree"][random.below(2)], "--", file]),
        19 => drop(fs::write(
            world.path([".gitignore", "dir/.gitignore"][random.below(2)]),
            ["*.o\nbuild\n", "late\n", "", "dir/*\n!dir/b.txt\n", "/lib/\n"][random.below(5)],
        )),
        20 => drop(fs::write(world.path(".git/info/exclude"), ["", "new.txt\n", "lib/y\n"][random.below(3)])),
        21 => drop(fs::create_dir_all(world.path(["void/inner", "lib", "build/deep"][random.below(3)]))),
        22 => drop(fs::remove_dir_all(world.path(["void", "lib", "build", "dir/deep"][random.below(4)]))),
        23 => git(&["stash", "-q"]),
        24 => git(&["stash", "pop", "-q"]),
        25 => git(&["reset", "-q", "--hard"]),
        26 => git(&["checkout", "-q", ["main", "--detach", "-"][random.below(3)]]),
        27 => git(&["update-ref", "refs/remotes/origin/main", ["HEAD", "HEAD~1", "main"][random.below(3)]]),
        28 => git(&["pack-refs", "--all"]),
        29 => git(&[
            "config",
            ["core.autocrlf", "core.fileMode", "status.renames"][random.below(3)],
            ["true", "false"][random.below(2)],
        ]),
        30 => drop(fs::write(
            world.path(".gitattributes"),
            ["* text=auto\n", "*.txt eol=crlf\n", ""][random.below(3)],
        )),
        31 => drop(Command::new("touch").args(["-d", "2020-02-02"]).arg(&path).status()),
        32 => {
            let inner = ["lib/nested", "lib", "lib/y"][random.below(3)];
            git(&["init", "-q", inner]);
            git(&["-C", inner, "commit", "-q", "--allow-empty", "-m", "x"]);
        }
        33 => drop(fs::remove_dir_all(world.path(["lib/.git", "lib/y/.git"][random.below(2)]))),
        34 | 35 => {
            drop(fs::write(world.path(["sub/x", "sub/new"][random.below(2)]), format!("{:04}\n", step % 7)));
        }
        36 => git(&["-C", "sub", "commit", "-q", "-a", "--allow-empty", "-m", "x"]),
        37 => git([
            &["-C", "sub", "reset", "-q", "--hard"][..],
            &["-C", "sub", "clean", "-qfd"],
            &["add", "sub"],
        ][random.below(3)]),
        38 => {
            git(&["config", "submodule.sub.ignore", ["all", "dirty", "untracked", "none"][random.below(4)]]);
        }
        // As other tools do, which refreshes the index.
        _ => git(&["update-index", "-q", "--really-refresh"]),
    }
    format!("step {step}: {kind} {file}")
}

#[test]
fn whatever_is_done_what_is_told_is_what_git_says() {
    let seed = std::env::var("KPMO_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) | 1);
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for round in 0..3 {
        let world = World::committed();
        // What is plainly clean is known without asking; this is not.
        if round > 0 {
            world.add_submodule("sub");
        }
        world.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        world.git(&["config", "remote.origin.url", "nowhere"]);
        world.git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
        world.git(&["branch", "-q", "--set-upstream-to=origin/main"]);
        for step in 0..90 {
            if random.below(12) == 0 {
                // Not every state is remembered.
                World::until_settled();
                world.seen();
            }
            if random.below(4) == 0 {
                world.memory.forget_names();
            }
            let what = edit(&world, &mut random, step);
            let when = format!("KPMO_SEED={seed}, round {round}, {what}");
            world.check(&when);
            if random.below(3) == 0 {
                world.check(&format!("{when}, once more"));
            }
        }
    }
}
