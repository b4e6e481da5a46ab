//! What hooks add to `git commit`: kpmo's beside none, beside the least that a
//! hook asking a daemon can cost, and beside other tools' hooks that do nothing.
//!
//! `cargo bench --bench hook_cost -- [--rounds N]`
//!
//! Every variant is a clone of one repository, with its hooks installed the way
//! its tool does that. A round makes two commits in each, one with hooks and one
//! without, and what hooks add is the difference of these two: where on the disk
//! a clone happens to lie changes what its commits take by more than kpmo's
//! hooks do. prek and lefthook take part where they are found: in the directory
//! `KPMO_TEST_BIN`, in what `tests/all.sh` has set up, or on PATH.

mod world;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
};

use world::{Variant, World};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Rounds before those that count.
const WARM_UP: usize = 5;
/// What kpmo may add to a commit, in milliseconds: linked for musl, and as it
/// comes.
const GOALS: [(&str, f64); 2] = [("kpmo, musl", 5.0), ("kpmo, dynamic", 7.0)];
/// In bytes.
const LARGEST_HOOK: u64 = 2 << 20;

fn main() -> ExitCode {
    match rounds().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hook_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds() -> Result<usize> {
    let mut args = env::args().skip(1);
    let mut rounds = 100;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().ok_or("--rounds wants a number")?.parse()?,
            // cargo's own.
            "--bench" => {}
            other => return Err(format!("{other} is not known; --rounds N is").into()),
        }
    }
    if rounds == 0 { Err("one round at least".into()) } else { Ok(rounds) }
}

fn run(rounds: usize) -> Result<()> {
    // Without a target for a static one both are built to the same place.
    let dynamic = build_hook(&["--dynamic"])?;
    let hooks =
        [("kpmo, dynamic", dynamic.with_file_name("kpmo-hook-dynamic")), ("kpmo, musl", build_hook(&[])?)];
    fs::copy(&dynamic, &hooks[0].1)?;

    // A socket's path has to be short, and a build directory's may be long.
    let place = tempfile::Builder::new().prefix("kpmo-bench-").tempdir_in("/tmp")?;
    let world = World::new(place.path())?;
    let mut variants = vec![world.variant("no hooks")?, world.raw("raw client, musl")?];
    for (name, hook) in &hooks {
        variants.push(world.kpmo(name, hook)?);
    }
    for (name, found) in [("prek", world.prek()?), ("lefthook", world.lefthook()?)] {
        match found {
            Some(variant) => variants.push(variant),
            None => println!("{name} is not here, and not measured\n"),
        }
    }

    let load = load();
    for round in 0..WARM_UP + rounds {
        for index in order(round, variants.len()) {
            let took = variants[index].round(round)?;
            if round >= WARM_UP {
                variants[index].took.push(took);
            }
        }
    }
    for variant in &variants {
        variant.check(WARM_UP + rounds)?;
    }

    println!("{rounds} rounds, {}", machine(&load));
    println!("{}", table(&variants));
    for (name, hook) in &hooks {
        let size = fs::metadata(hook)?.len();
        println!("kpmo-hook ({name}): {} KiB", size / 1024);
        if size > LARGEST_HOOK {
            println!("warning: more than the {} KiB that it may have", LARGEST_HOOK / 1024);
        }
    }
    for (name, goal) in GOALS {
        let added = variants.iter().find(|variant| variant.name == name).map(added);
        if let Some(added) = added.filter(|added| *added > goal) {
            println!("warning: {name} adds {added:.2} ms, and {goal} ms is the goal");
        }
    }
    Ok(())
}

/// Another order each round, and then the same backwards: what a commit leaves
/// behind for the next one falls on each variant alike.
fn order(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = (round as u64 / 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for place in (1..count).rev() {
        // xorshift64: G. Marsaglia, Xorshift RNGs, 2003.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        order.swap(place, usize::try_from(random % (place as u64 + 1)).unwrap_or_default());
    }
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Builds `kpmo-hook` as the installer does; where it is.
fn build_hook(args: &[&str]) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install/build-hook.sh");
    let output = Command::new(script).args(args).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("install/build-hook.sh failed".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().into())
}

/// Median of what commits with hooks took longer than those without, in
/// milliseconds.
fn added(variant: &Variant) -> f64 {
    median(variant.took.iter().map(|took| took.hooked - took.bare).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn table(variants: &[Variant]) -> String {
    let mut table = String::from(
        "\n| hooks | without, ms | with, ms | times | added, ms | times the raw client's |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for variant in variants {
        let bare = median(variant.took.iter().map(|took| took.bare).collect());
        let hooked = median(variant.took.iter().map(|took| took.hooked).collect());
        table.push_str(&format!(
            "| {} | {bare:.2} | {hooked:.2} | {:.2} | {:.2} | {:.2} |\n",
            variant.name,
            hooked / bare,
            added(variant),
            added(variant) / added(&variants[1]),
        ));
    }
    table
}

/// The load of the last minute, where the system tells it.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn machine(load_before: &str) -> String {
    let cores = thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let git = Command::new("git").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    format!(
        "{cores} cores, {}, load {load_before} before and {} after",
        String::from_utf8_lossy(&git).trim_end(),
        load()
    )
}
