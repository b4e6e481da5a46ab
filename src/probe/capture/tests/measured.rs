//! How long a capture takes, for people to run and look at.

use std::{fmt::Write as _, process::Command, time::Instant};

use super::world::World;

fn times(what: &str, rounds: usize, mut run: impl FnMut(usize)) -> String {
    let mut all: Vec<u128> = (0..rounds)
        .map(|round| {
            let begun = Instant::now();
            run(round);
            begun.elapsed().as_micros()
        })
        .collect();
    all.sort_unstable();
    format!("{what}: median {} us, best {} us\n", all[all.len() / 2], all[0])
}

#[test]
#[ignore = "measures, and asserts nothing about time"]
fn ten_thousand_files() {
    // The phases, where RUST_LOG asks for them.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    let world = World::new();
    world.repo("r");
    for number in 0..10_000 {
        let content = format!("{number} of them, {}\n", "and some more of it ".repeat(number % 150));
        world.write(format!("r/d{}/e{}/f{number}", number % 20, number / 400), content);
    }
    world.git("r", &["add", "."]);
    world.git("r", &["commit", "-q", "-m", "many"]);
    world.still("r");
    let mut report = String::new();
    report += &times("git status", 10, |_| drop(world.git("r", &["status", "--porcelain"])));
    report += &times("first", 1, |_| drop(world.complete("r")));
    report += &times("the same, at first", 1, |_| assert!(world.capture("r").unchanged));
    report += &times("the same", 20, |_| assert!(world.capture("r").unchanged));
    report += &times("one changed", 20, |round| {
        world.write("r/d3/e3/f1203", format!("{round}"));
        world.complete("r");
    });
    let mut prepared = Vec::new();
    for round in 0..20 {
        world.capturer.prepare(&world.store, "r").unwrap();
        world.write("r/d3/e3/f1203", format!("{round} again"));
        let begun = Instant::now();
        world.complete("r");
        prepared.push(begun.elapsed().as_micros());
    }
    prepared.sort_unstable();
    let _ = writeln!(report, "one changed, prepared: median {} us, best {} us", prepared[10], prepared[0]);
    let restic = |repo: &str, args: &[&str]| {
        let status = Command::new("restic")
            .args(["-q", "-r", repo, "--no-cache"])
            .args(args)
            .env("RESTIC_PASSWORD", "x")
            .status();
        assert!(status.unwrap().success());
    };
    let repo = world.at("restic");
    let repo = repo.to_str().unwrap();
    restic(repo, &["init"]);
    let path = world.at("r");
    let backup = ["backup", path.to_str().unwrap()];
    report += &times("restic, first", 1, |_| restic(repo, &backup));
    report += &times("restic, the same", 5, |_| restic(repo, &backup));
    let _ = writeln!(report, "(git and restic with the start of their processes)");
    println!("{report}");
}
