//! What hooks add to `git commit`: kpmo's beside none, beside the least that a
//! hook asking a daemon can cost, and beside other tools' hooks that do nothing.
//!
//! `cargo bench --bench hook_cost -- [--rounds N]`
//!
//! Every variant is a clone of one repository, with its hooks installed the way
//! its tool does that. A round makes one commit in each, in an order that
//! rotates and turns around; what a hook adds is the difference to the bare
//! commit of the same round. prek and lefthook take part where they are found:
//! in the directory `KPMO_TEST_BIN`, in what `tests/all.sh` has set up, or on
//! PATH.

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
    let mut variants =
        vec![world.variant("no hooks")?, world.variant("no hooks again")?, world.raw("raw client, musl")?];
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
            let took = variants[index].commit(round)?;
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
        let added =
            variants.iter().find(|variant| variant.name == name).map(|variant| added(variant, &variants[0]));
        if let Some(added) = added.filter(|added| *added > goal) {
            println!("warning: {name} adds {added:.2} ms, and {goal} ms is the goal");
        }
    }
    Ok(())
}

/// Rotated every other round, and turned around in between.
fn order(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).map(|index| (index + round / 2) % count).collect();
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

/// Median of what a variant's commits took longer than those without hooks, in
/// milliseconds.
fn added(variant: &Variant, bare: &Variant) -> f64 {
    median(variant.took.iter().zip(&bare.took).map(|(with, without)| with - without).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn table(variants: &[Variant]) -> String {
    let took: Vec<f64> = variants.iter().map(|variant| median(variant.took.clone())).collect();
    let added: Vec<f64> = variants.iter().map(|variant| added(variant, &variants[0])).collect();
    let mut table = String::from(
        "\n| hooks | `git commit`, ms | added, ms | times no hooks | added, times the raw client's |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    for (at, variant) in variants.iter().enumerate() {
        table.push_str(&format!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} |\n",
            variant.name,
            took[at],
            added[at],
            took[at] / took[0],
            added[at] / added[2],
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
