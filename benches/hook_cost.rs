//! What hooks add to git: kpmo's beside none, beside the least that a hook asking
//! a daemon can cost, and beside other tools' hooks that do nothing.
//!
//! `cargo bench --bench hook_cost -- [--rounds N] [GROUP…]`
//!
//! Groups, all of them where none is named: `commit` of one line, with all rules
//! and the snapshot that follows; `push` of one commit to a bare repository on
//! the same disk; `large`, a commit of one line among 50,000 files; `rebase` of
//! 100 commits; `at-once`, commits in 64 repositories at the same time.
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

use world::{AtOnce, Fleet, FleetHooks, Took, Variant, World};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Rounds before those that count.
const WARM_UP: usize = 5;
/// What kpmo may add to a commit, in milliseconds: linked for musl, and as it
/// comes.
const GOALS: [(&str, f64); 2] = [("kpmo, musl", 4.5), ("kpmo, dynamic", 7.0)];
/// What it may add to a push.
const PUSH_GOAL: f64 = 4.0;
/// To a commit in a large repository.
const LARGE_GOAL: f64 = 15.0;
/// To each commit of a rebase.
const REBASE_GOAL: f64 = 4.0;
/// How many times as long as one alone the slowest of many commits may take.
const AT_ONCE_GOAL: f64 = 20.0;
/// Of prek's hooks that do nothing kpmo may cost this part.
const PART_OF_PREK: f64 = 8.0;
/// Files of a large repository.
const MANY_FILES: usize = 50_000;
/// Commits of a rebase.
const REBASED: u32 = 100;
/// Repositories that are committed to at once.
const AT_ONCE: usize = 64;
const GROUPS: [&str; 5] = ["commit", "push", "large", "rebase", "at-once"];
/// In bytes.
const LARGEST_HOOK: u64 = 2 << 20;

fn main() -> ExitCode {
    match options().and_then(|(rounds, groups)| run(rounds, &groups)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hook_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<(usize, Vec<String>)> {
    let mut args = env::args().skip(1);
    let mut rounds = 100;
    let mut groups = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().ok_or("--rounds wants a number")?.parse()?,
            // cargo's own.
            "--bench" => {}
            group if GROUPS.contains(&group) => groups.push(group.to_owned()),
            other => {
                let known = GROUPS.join(", ");
                return Err(format!("{other} is not known; --rounds N is, and these groups: {known}").into());
            }
        }
    }
    if groups.is_empty() {
        groups = GROUPS.map(str::to_owned).to_vec();
    }
    if rounds == 0 { Err("one round at least".into()) } else { Ok((rounds, groups)) }
}

fn run(rounds: usize, groups: &[String]) -> Result<()> {
    // Without a target for a static one both are built to the same place.
    let dynamic = build_hook(&["--dynamic"])?;
    let hooks =
        [("kpmo, dynamic", dynamic.with_file_name("kpmo-hook-dynamic")), ("kpmo, musl", build_hook(&[])?)];
    fs::copy(&dynamic, &hooks[0].1)?;

    // A socket's path has to be short, and a build directory's may be long.
    let place = tempfile::Builder::new().prefix("kpmo-bench-").tempdir_in("/tmp")?;
    let world = World::new(place.path())?;
    let musl = &hooks[1].1;
    for group in groups {
        println!("\n## {group}");
        match group.as_str() {
            "commit" => commits(&world, &hooks, rounds)?,
            "push" => {
                let mut variants =
                    vec![world.variant("pushes, no hooks")?, world.kpmo("pushes, kpmo", musl)?];
                variants.extend(world.prek_as("pushes, prek")?);
                let variants: Vec<Variant> =
                    variants.into_iter().map(Variant::with_remotes).collect::<Result<_>>()?;
                let variants = measured(variants, rounds, Variant::push)?;
                println!("{}", table(&variants));
                within("a push", added(&variants[1]), PUSH_GOAL);
            }
            "large" => {
                world.origin("large.git", MANY_FILES, 1)?;
                let variants = vec![world.kpmo_of("large.git", "large, kpmo", musl)?];
                let variants = measured(variants, rounds.div_ceil(4), Variant::round)?;
                println!("{}", table(&variants));
                within(&format!("a commit among {MANY_FILES} files"), added(&variants[0]), LARGE_GOAL);
            }
            "rebase" => {
                let variants = vec![world.kpmo("rebases, kpmo", musl)?.with_topic(REBASED)?];
                let variants = measured(variants, rounds.div_ceil(20), Variant::rebase)?;
                println!("{}", table(&variants));
                within("a commit of a rebase", added(&variants[0]) / f64::from(REBASED), REBASE_GOAL);
            }
            _ => at_once(&world, musl, rounds.div_ceil(8))?,
        }
    }
    for (name, hook) in &hooks {
        let size = fs::metadata(hook)?.len();
        println!("kpmo-hook ({name}): {} KiB", size / 1024);
        if size > LARGEST_HOOK {
            println!("warning: more than the {} KiB that it may have", LARGEST_HOOK / 1024);
        }
    }
    Ok(())
}

/// Commits of one line, by every variant there is.
fn commits(world: &World, hooks: &[(&str, PathBuf)], rounds: usize) -> Result<()> {
    let mut variants = vec![world.variant("no hooks")?, world.raw("raw client, musl")?];
    for (name, hook) in hooks {
        variants.push(world.kpmo(name, hook)?);
    }
    for (name, found) in [("prek", world.prek()?), ("lefthook", world.lefthook()?)] {
        match found {
            Some(variant) => variants.push(variant),
            None => println!("{name} is not here, and not measured\n"),
        }
    }

    let variants = measured(variants, rounds, Variant::round)?;
    for variant in &variants {
        variant.check(WARM_UP + rounds)?;
    }
    println!("{}", table(&variants));
    let of = |name: &str| variants.iter().find(|variant| variant.name == name).map(added);
    for (name, goal) in GOALS {
        if let Some(added) = of(name) {
            within(&format!("a commit ({name})"), added, goal);
        }
    }
    if let (Some(ours), Some(prek)) = (of("kpmo, musl"), of("prek")) {
        within("a commit, beside prek", ours, prek / PART_OF_PREK);
    }
    Ok(())
}

/// Runs so many rounds of each, in turn, after some that don't count.
fn measured(
    mut variants: Vec<Variant>,
    rounds: usize,
    run: impl Fn(&Variant, usize) -> Result<Took>,
) -> Result<Vec<Variant>> {
    let load = load();
    for round in 0..WARM_UP + rounds {
        for index in order(round, variants.len()) {
            let took = run(&variants[index], round)?;
            if round >= WARM_UP {
                variants[index].took.push(took);
            }
        }
    }
    println!("{rounds} rounds, {}", machine(&load));
    Ok(variants)
}

/// Commits in many repositories at once; also without hooks and by those of the
/// floor, since on few processors that alone takes its time.
fn at_once(world: &World, hook: &Path, rounds: usize) -> Result<()> {
    const WAYS: [(&str, FleetHooks); 3] = [
        ("no hooks", FleetHooks::None),
        ("raw client, musl", FleetHooks::Raw),
        ("kpmo, musl", FleetHooks::Kpmo),
    ];
    let load = load();
    let fleet = Fleet::new(world, hook, AT_ONCE)?;
    let mut took: [Vec<AtOnce>; 3] = Default::default();
    for round in 0..2 + rounds {
        for way in order(round, WAYS.len()) {
            let at_once = fleet.at_once(WAYS[way].1)?;
            if round >= 2 {
                took[way].push(at_once);
            }
        }
    }
    println!("{rounds} rounds, {}\n", machine(&load));
    println!(
        "| hooks | one alone, ms | the slowest of {AT_ONCE}, ms | times |\n| --- | ---: | ---: | ---: |"
    );
    for ((name, hooks), took) in WAYS.into_iter().zip(&took) {
        let of = |value: fn(&AtOnce) -> f64| median(took.iter().map(value).collect());
        let times = of(|took| took.slowest / took.single);
        println!("| {name} | {:.2} | {:.2} | {times:.1} |", of(|took| took.single), of(|took| took.slowest));
        if hooks == FleetHooks::Kpmo {
            println!();
            within("the slowest, in times of one alone,", times, AT_ONCE_GOAL);
        }
    }
    Ok(())
}

/// Says what something came to, and whether that is within its goal.
fn within(what: &str, took: f64, goal: f64) {
    let verdict = if took > goal { "warning: beyond" } else { "within" };
    println!("{what}: {took:.2}, {verdict} {goal:.2}");
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
    let raw = variants.iter().find(|variant| variant.name.starts_with("raw"));
    for variant in variants {
        let bare = median(variant.took.iter().map(|took| took.bare).collect());
        let hooked = median(variant.took.iter().map(|took| took.hooked).collect());
        table.push_str(&format!(
            "| {} | {bare:.2} | {hooked:.2} | {:.2} | {:.2} | {} |\n",
            variant.name,
            hooked / bare,
            added(variant),
            raw.map_or_else(|| "-".to_owned(), |raw| format!("{:.2}", added(variant) / added(raw))),
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
