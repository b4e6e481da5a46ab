//! What a snapshot costs, beside `git status` and beside stock restic.
//!
//! `cargo bench --bench snapshot -- [--rounds N]`
//!
//! One repository of 10,000 files, packed. A round asks for its status, for a
//! snapshot of what has not changed, for its status again, and for a snapshot
//! after one line was added to one file; every third round restic makes a backup
//! with a parent. First snapshots are made once a run, in a new store each.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const FILES: u64 = 10_000;
/// Of every so many rounds restic takes part in one: it takes a second.
const RESTIC_EVERY: usize = 3;

fn main() -> ExitCode {
    match rounds().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("snapshot: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds() -> Result<usize> {
    let mut args = env::args().skip(1);
    let mut rounds = 30;
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

struct Place {
    top: PathBuf,
    repo: PathBuf,
}

impl Place {
    /// A command that sees nothing of the user's.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.top)
            .env("KPMO_HOME", self.top.join("h"))
            .env("RESTIC_REPOSITORY", self.top.join("restic"))
            .env("RESTIC_PASSWORD", "measured")
            .env("RESTIC_CACHE_DIR", self.top.join("cache"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(args)
            .current_dir(&self.repo)
            .stdin(Stdio::null());
        command
    }

    /// Milliseconds.
    fn time(&self, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Result<f64> {
        let mut command = self.command(program, args);
        let start = Instant::now();
        let output = command.output()?;
        let took = start.elapsed();
        if !output.status.success() {
            return Err(format!("{args:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(took.as_secs_f64() * 1_000.0)
    }

    fn kpmo(&self, args: &[&str]) -> Result<f64> {
        self.time(env!("CARGO_BIN_EXE_kpmo"), args)
    }

    fn git(&self, args: &[&str]) -> Result<f64> {
        self.time("git", args)
    }

    /// The governor's memory: now, and at most so far; MiB.
    fn memory(&self) -> Result<(u64, u64)> {
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(self.top.join("h/state/endpoint.json"))?)?;
        let status = fs::read_to_string(format!("/proc/{}/status", record["pid"]))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
            Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.command(env!("CARGO_BIN_EXE_kpmo"), &["governor", "stop"]).output();
    }
}

fn run(rounds: usize) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("kpmo-bench-").tempdir_in("/tmp")?;
    let place = Place { top: dir.path().into(), repo: dir.path().join("src/app") };
    make_repository(&place)?;
    fs::create_dir_all(place.top.join("h/config"))?;
    // Hooks would take snapshots between ours.
    fs::write(place.top.join("h/config/governor.yml"), "version: 1\nsnapshots: {enabled: false}\n")?;
    place.kpmo(&["up", "--yes", &place.top.join("src").to_string_lossy()])?;
    let has_restic = place.time("restic", &["init"]).is_ok();

    let first_restic = if has_restic { place.time("restic", &["backup", "--quiet", "."])? } else { f64::NAN };
    let first = place.kpmo(&["snapshot", "app"])?;
    let (mut status, mut same, mut one, mut restic) = (vec![], vec![], vec![], vec![]);
    for round in 0..rounds {
        status.push(place.git(&["status", "--porcelain"])?);
        same.push(place.kpmo(&["snapshot", "app"])?);
        status.push(place.git(&["status", "--porcelain"])?);
        if has_restic && round % RESTIC_EVERY == 0 {
            restic.push(place.time("restic", &["backup", "--quiet", "."])?);
        }
        let changed = place.repo.join("d050/f5000");
        fs::OpenOptions::new().append(true).open(changed)?.write_all(format!("{round}\n").as_bytes())?;
        // Old enough not to be doubtful by its time.
        thread::sleep(Duration::from_millis(50));
        one.push(place.kpmo(&["snapshot", "app"])?);
        // What follows a snapshot is done when nobody waits.
        thread::sleep(Duration::from_millis(200));
    }
    let (now, most) = place.memory()?;

    let status = median(status);
    println!("{rounds} rounds, {FILES} files\n");
    println!("| | ms | times git status |\n| --- | ---: | ---: |");
    let row = |what: &str, ms: f64| println!("| {what} | {ms:.1} | {:.2} |", ms / status);
    row("git status --porcelain", status);
    row("kpmo snapshot, nothing changed", median(same));
    row("kpmo snapshot, one line added", median(one));
    row("kpmo snapshot, the first", first);
    if has_restic {
        row("restic backup with a parent", median(restic));
        row("restic backup, the first", first_restic);
    } else {
        println!("\nrestic is not here, and not measured");
    }
    println!("\ngovernor: {now} MiB resident, {most} MiB at most");
    Ok(())
}

fn make_repository(place: &Place) -> Result<()> {
    fs::create_dir_all(&place.repo)?;
    place.git(&["init", "--quiet"])?;
    for (name, value) in
        [("user.name", "T"), ("user.email", "t@example.org"), ("gc.auto", "0"), ("maintenance.auto", "false")]
    {
        place.git(&["config", name, value])?;
    }
    // xorshift64: G. Marsaglia, Xorshift RNGs, 2003.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for number in 0..FILES {
        let file = place.repo.join(format!("d{:03}/f{number}", number / 100));
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        let mut text = String::new();
        while (text.len() as u64) < 1_000 + number % 3_000 {
            text.push_str(&format!("{:x}\n", next()));
        }
        fs::write(file, text)?;
    }
    place.git(&["add", "."])?;
    place.git(&["commit", "--quiet", "-m", "first"])?;
    place.git(&["gc", "--quiet"])?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return f64::NAN;
    }
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
