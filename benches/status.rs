//! What `kpmo status` takes: beside other tools that show many repositories, and
//! beside git itself; and what a governor of very many costs while nobody asks.
//!
//! `cargo bench --bench status -- [--rounds N] [--repos N] [--fleet N] [--idle SECONDS]`
//!
//! gita and mr (myrepos) take part where they are found: gita by the variable
//! `KPMO_BENCH_GITA` or on PATH, mr on PATH. Every tool looks at the same
//! repositories; a round asks each of them once, in another order each time.
//! kpmo's first call is that of a governor that has just been started.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const FILES: usize = 500;
/// Rounds before those that count.
const WARM_UP: usize = 2;

struct Options {
    rounds: usize,
    repos: usize,
    fleet: usize,
    idle: u64,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("status: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options { rounds: 7, repos: 200, fleet: 2_000, idle: 30 };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number =
            || -> Result<usize> { Ok(args.next().ok_or(format!("{arg} wants a number"))?.parse()?) };
        match arg.as_str() {
            "--rounds" => options.rounds = number()?.max(1),
            "--repos" => options.repos = number()?,
            "--fleet" => options.fleet = number()?,
            "--idle" => options.idle = number()? as u64,
            // cargo's own.
            "--bench" => {}
            other => {
                return Err(format!("{other} is not known; --rounds, --repos, --fleet, --idle N are").into());
            }
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    println!("{}", machine());
    if options.repos > 0 {
        beside_peers(options)?;
    }
    if options.fleet > 0 {
        many(options)?;
    }
    Ok(())
}

/// A directory with repositories, and a home with a governor.
struct World {
    place: tempfile::TempDir,
}

impl World {
    fn new() -> Result<Self> {
        // A socket's path has to be short, and a build directory's may be long.
        let place = tempfile::Builder::new().prefix("kpmo-bench-").tempdir_in("/tmp")?;
        let world = Self { place };
        for dir in ["user", "src", "bin", "home/config"] {
            fs::create_dir_all(world.path(dir))?;
        }
        fs::copy(env!("CARGO_BIN_EXE_kpmo"), world.path("bin/kpmo"))?;
        fs::copy(env!("CARGO_BIN_EXE_kpmo-hook"), world.path("bin/kpmo-hook"))?;
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A program in an environment that holds nothing of this machine's but PATH.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(self.path("src"))
            .stdin(Stdio::null())
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("user"))
            .env("KPMO_HOME", self.path("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A Committer");
            command.env(format!("GIT_{role}_EMAIL"), "committer@example.org");
        }
        command
    }

    fn git(&self, dir: &Path, args: &[&str]) -> Result<()> {
        succeed(self.command("git").current_dir(dir).args(["-c", "gc.auto=0"]).args(args)).map(drop)
    }

    fn kpmo(&self, args: &[&str]) -> Command {
        let mut command = self.command(self.path("bin/kpmo"));
        command.args(args);
        command
    }

    /// Registers repositories by hand, and waits until each is known and has its
    /// first snapshot.
    fn register(&self, repos: &[PathBuf]) -> Result<()> {
        succeed(self.kpmo(&["up"]).arg(self.path("bin")))?;
        succeed(&mut self.kpmo(&["governor", "stop"]))?;
        let mut text = String::from("version: 1\nrepos:\n");
        for repo in repos {
            let name = repo.file_name().unwrap_or_default().to_string_lossy();
            write!(text, "- name: {name}\n  local_path: {}\n", repo.display())?;
        }
        fs::write(self.path("home/config/repos.yml"), text)?;
        succeed(&mut self.kpmo(&["governor", "start"]))?;
        succeed(&mut self.kpmo(&["install-hooks", "--all"]))?;
        self.settle(repos.len())
    }

    /// Waits for what the governor does by itself with so many new repositories.
    fn settle(&self, repos: usize) -> Result<()> {
        let wanted = self.path("home/state/snapshots-wanted");
        let deadline = Instant::now() + Duration::from_secs(900);
        loop {
            let added = succeed(&mut self.kpmo(&["events", "--json", "--kind", "repo-added"]))?.stdout;
            let is_known =
                added.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() >= repos;
            let is_done = fs::read_dir(&wanted).map_or(true, |mut entries| entries.next().is_none());
            if is_known && is_done {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err("the governor does not come to an end".into());
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn pid(&self) -> Result<u32> {
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(self.path("home/state/endpoint.json"))?)?;
        Ok(u32::try_from(record["pid"].as_u64().ok_or("the governor's record has no pid")?)?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = succeed(&mut self.kpmo(&["governor", "stop", "--force"])) {
            eprintln!("status: {error}");
        }
    }
}

fn succeed(command: &mut Command) -> Result<Output> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {said}", output.status).into())
}

/// Milliseconds of a program that succeeds.
fn timed(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    succeed(command)?;
    Ok(start.elapsed().as_secs_f64() * 1_000.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// The most usual fleet: clones, clean but for every tenth.
fn clones(world: &World, count: usize) -> Result<Vec<PathBuf>> {
    let origin = world.path("origin");
    fs::create_dir(&origin)?;
    world.git(&origin, &["init", "-q", "-b", "main"])?;
    for file in 0..FILES {
        let path = origin.join(format!("part{}/file{file}.txt", file % 25));
        fs::create_dir_all(path.parent().unwrap_or(&origin))?;
        let lines = (0..40).map(|line| format!("{file}: line {line}\n"));
        fs::write(path, lines.collect::<String>())?;
    }
    world.git(&origin, &["add", "."])?;
    world.git(&origin, &["commit", "-q", "-m", "first"])?;
    let mut repos = Vec::new();
    for number in 0..count {
        let repo = world.path("src").join(format!("repo{number:04}"));
        let path = repo.to_string_lossy().into_owned();
        world.git(&origin, &["clone", "-q", "--shared", ".", &path])?;
        if number % 10 == 0 {
            fs::write(repo.join("part1/file1.txt"), "changed\n")?;
            fs::write(repo.join("new.txt"), "new\n")?;
        }
        repos.push(repo);
    }
    Ok(repos)
}

fn beside_peers(options: &Options) -> Result<()> {
    let world = World::new()?;
    let repos = clones(&world, options.repos)?;
    world.register(&repos)?;

    let gita = env::var_os("KPMO_BENCH_GITA").map(PathBuf::from).or_else(|| on_path("gita"));
    if let Some(gita) = &gita {
        succeed(world.command(gita).arg("add").args(&repos))?;
    }
    let mr = on_path("mr");
    let config = world.path("src/.mrconfig");
    let sections = repos.iter().map(|repo| {
        let name = repo.file_name().unwrap_or_default().to_string_lossy();
        format!("[{name}]\ncheckout = true\n\n")
    });
    fs::write(&config, sections.collect::<String>())?;
    fs::write(world.path("user/.mrtrust"), format!("{}\n", config.display()))?;

    let mut ways: Vec<(&str, Vec<f64>)> = Vec::new();
    let mut note = |name: &'static str, took: f64| match ways.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) => values.push(took),
        None => ways.push((name, vec![took])),
    };
    for round in 0..WARM_UP + options.rounds {
        let counts = round >= WARM_UP;
        for turn in 0..4 {
            let took: Vec<(&'static str, f64)> = match (turn + round) % 4 {
                0 => {
                    let start = Instant::now();
                    for repo in &repos {
                        succeed(world.command("git").current_dir(repo).args(["status", "--porcelain"]))?;
                    }
                    vec![("git status --porcelain, one by one", start.elapsed().as_secs_f64() * 1_000.0)]
                }
                1 => match &gita {
                    Some(gita) => vec![("gita ll", timed(world.command(gita).arg("ll"))?)],
                    None => Vec::new(),
                },
                2 => match &mr {
                    Some(mr) => vec![(
                        "mr status",
                        timed(world.command(mr).arg("-d").arg(world.path("src")).arg("status"))?,
                    )],
                    None => Vec::new(),
                },
                _ => {
                    succeed(&mut world.kpmo(&["governor", "restart"]))?;
                    let mut took = vec![("kpmo status, first call", timed(&mut world.kpmo(&["status"]))?)];
                    for _ in 0..2 {
                        took.push(("kpmo status, again", timed(&mut world.kpmo(&["status"]))?));
                    }
                    took
                }
            };
            for (name, took) in took.into_iter().filter(|_| counts) {
                note(name, took);
            }
        }
    }
    check(&world, &repos)?;

    println!("\n{} repositories of {FILES} files, {} rounds, {}\n", repos.len(), options.rounds, load());
    let medians: Vec<(&str, f64)> = ways.into_iter().map(|(name, values)| (name, median(values))).collect();
    println!("| way | ms |\n| --- | ---: |");
    for (name, median) in &medians {
        println!("| {name} | {median:.0} |");
    }
    let of =
        |wanted: &str| medians.iter().find(|(name, _)| name.starts_with(wanted)).map(|(_, median)| *median);
    let (Some(first), Some(again), Some(git)) =
        (of("kpmo status, first"), of("kpmo status, again"), of("git status"))
    else {
        return Ok(());
    };
    println!();
    for (peer, name) in [(of("gita"), "gita"), (of("mr"), "mr")] {
        let Some(peer) = peer else {
            println!("{name} is not here, and not measured");
            continue;
        };
        println!("first call: {:.1} times as fast as {name}; again: {:.1} times", peer / first, peer / again);
        warn_if(peer / first < 5.0, "the first call is to be 5 times as fast");
        warn_if(peer / again < 10.0, "the second call is to be 10 times as fast");
    }
    let share = git / f64::from(u32::try_from(cores())?);
    println!("first call: {:.2} of git's own time on {} cores", first / share, cores());
    warn_if(first / share > 1.5, "1.5 is the most that it may take");
    Ok(())
}

fn warn_if(is_missed: bool, goal: &str) {
    if is_missed {
        println!("warning: {goal}");
    }
}

/// What is fast must also be right.
fn check(world: &World, repos: &[PathBuf]) -> Result<()> {
    let output = succeed(&mut world.kpmo(&["status", "--json"]))?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let dirty = told["repos"].as_array().into_iter().flatten().filter(|repo| repo["dirty"] == 2).count();
    let clean = told["repos"].as_array().into_iter().flatten().filter(|repo| repo["dirty"] == 0).count();
    if (dirty, dirty + clean) == (repos.len().div_ceil(10), repos.len()) {
        return Ok(());
    }
    Err(format!("{dirty} repositories are told to be dirty, and {clean} clean").into())
}

/// Very many small repositories.
fn many(options: &Options) -> Result<()> {
    let world = World::new()?;
    let first = world.path("template");
    fs::create_dir(&first)?;
    world.git(&first, &["init", "-q", "-b", "main", "--template="])?;
    for file in ["README.md", "src/main.rs", ".gitignore"] {
        fs::create_dir_all(first.join("src"))?;
        fs::write(first.join(file), "target\n")?;
    }
    world.git(&first, &["add", "."])?;
    world.git(&first, &["commit", "-q", "-m", "first"])?;
    let repos: Vec<PathBuf> =
        (0..options.fleet).map(|number| world.path("src").join(format!("repo{number:04}"))).collect();
    repos.iter().try_for_each(|repo| copy(&first, repo))?;
    world.register(&repos)?;
    let status: Vec<f64> = (0..3).map(|_| timed(&mut world.kpmo(&["status"]))).collect::<Result<_>>()?;
    let list: Vec<f64> = (0..20).map(|_| timed(&mut world.kpmo(&["repo", "list"]))).collect::<Result<_>>()?;
    println!("\n{} registered repositories, {}\n", options.fleet, load());
    println!("kpmo status: {:.0} ms, then {:.0} and {:.0} ms", status[0], status[1], status[2]);
    let list = median(list);
    println!("kpmo repo list: {list:.1} ms");
    warn_if(list > 20.0, "20 ms is the most that it may take");

    let pid = world.pid()?;
    rest(pid)?;
    let before = ticks(pid)?;
    thread::sleep(Duration::from_secs(options.idle));
    let used = ticks(pid)? - before;
    let resident = resident_kib(pid)?;
    println!("resident after that: {:.1} MiB", f64::from(resident) / 1024.0);
    warn_if(resident > 60 * 1024, "60 MiB is the most that it may have");
    println!("{used} ticks of the processor in {} idle seconds", options.idle);
    warn_if(used > 1, "an idle governor uses none");
    Ok(())
}

/// Waits until the governor has done what it does by itself after so many first
/// snapshots: its store is tidied up once nobody has been at work for a while.
fn rest(pid: u32) -> Result<()> {
    const QUIET: Duration = Duration::from_secs(30);
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline {
        let before = ticks(pid)?;
        thread::sleep(QUIET);
        if ticks(pid)? - before <= 2 {
            return Ok(());
        }
    }
    Err("the governor does not come to rest".into())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// User and system time of a process, in ticks (proc_pid_stat(5)).
fn ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |at: usize| -> Result<u64> { Ok(fields.get(at).ok_or("too few fields")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

fn resident_kib(pid: u32) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The load of the last minute, where the system tells it.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load {}", text.split(' ').next().unwrap_or_default())
}

fn machine() -> String {
    let git = Command::new("git").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    format!("{} cores, {}, {}", cores(), String::from_utf8_lossy(&git).trim_end(), load())
}
