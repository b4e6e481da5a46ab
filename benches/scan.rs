//! What it takes to find every repository, beside `fd` and `find`.
//!
//! `cargo bench --bench scan -- [--rounds N]`
//!
//! Two trees of 500 repositories among 300,000 files and directories: one in
//! which kpmo leaves nothing out but the insides of `.git`, one of which a third
//! is in `node_modules`. Each program is run as a whole, kpmo with its governor
//! running, which also says what is registered; caches are warm, and in each
//! round every program has its turn, in another order. `fd` is given the option
//! that suits it best, too (`--prune`: not into what matches). It takes part
//! where it is found, as `fd` or `fdfind`.

use std::{
    env, fs,
    ops::Range,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::Instant,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const REPOS: usize = 500;
/// Files and directories of a tree, those in `.git` among them.
const ENTRIES: usize = 300_000;
/// Files in a directory.
const FILES: usize = 10;
/// Rounds before those that count.
const WARM_UP: usize = 2;

fn main() -> ExitCode {
    match rounds().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scan: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds() -> Result<usize> {
    let mut args = env::args().skip(1);
    let mut rounds = 20;
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

/// A program and its arguments, and what its runs took.
struct Variant {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    /// Milliseconds of each round that counts.
    took: Vec<f64>,
}

/// A home with a running governor.
struct Home {
    top: PathBuf,
}

impl Home {
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.top.join("user"))
            .env("KPMO_HOME", self.top.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null());
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A Committer");
            command.env(format!("GIT_{role}_EMAIL"), "committer@example.org");
        }
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let stopped = self.command(kpmo()).args(["governor", "stop", "--force"]).output();
        if !stopped.is_ok_and(|output| output.status.success()) {
            eprintln!("scan: the governor could not be stopped");
        }
    }
}

fn kpmo() -> &'static str {
    env!("CARGO_BIN_EXE_kpmo")
}

fn run(rounds: usize) -> Result<()> {
    // A socket's path has to be short, and a build directory's may be long.
    let place = tempfile::Builder::new().prefix("kpmo-bench-").tempdir_in("/tmp")?;
    let home = Home { top: place.path().into() };
    fs::create_dir_all(home.top.join("user"))?;
    fs::create_dir_all(home.top.join("home/bin"))?;
    // The home's own program is what a governor is started from.
    symlink(kpmo(), home.top.join("home/bin/kpmo"))?;
    succeed(home.command(kpmo()).args(["governor", "start"]))?;

    let template = home.top.join("template");
    make_template(&home, &template)?;
    println!("{rounds} rounds, {}\n", machine());
    for (title, skipped) in [("nothing left out", 0), ("a third in node_modules", ENTRIES / 3)] {
        let tree = home.top.join(format!("tree{skipped}"));
        let made = make_tree(&template, &tree, skipped)?;
        println!("{title}: {made} files and directories");
        println!("{}", measure(&home, &tree, rounds)?);
        fs::remove_dir_all(&tree)?;
    }
    println!("load {} after", load());
    Ok(())
}

fn measure(home: &Home, tree: &Path, rounds: usize) -> Result<String> {
    let root = tree.to_str().ok_or("the tree's path is not UTF-8")?;
    let mut variants = vec![variant("kpmo scan", kpmo().into(), &["scan", root])];
    if let Some(fd) = ["fd", "fdfind"].into_iter().find_map(on_path) {
        for args in [
            &["-HI", r"^\.git$", root][..],
            &["-HI", "-t", "d", r"^\.git$", root],
            &["-HI", "--prune", r"^\.git$", root],
        ] {
            variants.push(variant(&format!("fd {}", args[..args.len() - 1].join(" ")), fd.clone(), args));
        }
    } else {
        println!("fd is not here, and not measured");
    }
    if let Some(find) = on_path("find") {
        variants.push(variant("find -name .git -prune", find, &[root, "-name", ".git", "-prune", "-print"]));
    }

    for variant in &variants {
        let output = succeed(home.command(&variant.program).args(&variant.args))?;
        let found =
            String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains("/repo")).count();
        if found != REPOS {
            return Err(format!("{} finds {found} of {REPOS} repositories", variant.name).into());
        }
    }
    let count = variants.len();
    for round in 0..WARM_UP + rounds {
        for turn in 0..count {
            let variant =
                &mut variants[(if round % 2 == 0 { turn } else { count - 1 - turn } + round) % count];
            let mut command = home.command(&variant.program);
            command.args(&variant.args).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let status = command.status()?;
            let took = start.elapsed();
            if !status.success() {
                return Err(format!("{} failed", variant.name).into());
            }
            if round >= WARM_UP {
                variant.took.push(took.as_secs_f64() * 1000.0);
            }
        }
    }
    Ok(table(&variants))
}

fn variant(name: &str, program: PathBuf, args: &[&str]) -> Variant {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    Variant { name: name.to_owned(), program, args, took: Vec::new() }
}

fn table(variants: &[Variant]) -> String {
    let of = |variant: &Variant| median(variant.took.clone());
    let own = variants.first().map_or(0.0, of);
    let mut table = String::from("\n| | ms | times kpmo's |\n| --- | ---: | ---: |\n");
    for variant in variants {
        let took = of(variant);
        table.push_str(&format!("| `{}` | {took:.1} | {:.2} |\n", variant.name, took / own));
        if took < own {
            table.push_str(&format!("\nwarning: kpmo is slower than `{}`\n", variant.name));
        }
    }
    table
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// A repository as git makes it, with a commit and the hooks' samples.
fn make_template(home: &Home, template: &Path) -> Result<()> {
    fs::create_dir(template)?;
    fs::write(template.join("a.txt"), "one\n")?;
    for args in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message", "first"]] {
        succeed(home.command("git").current_dir(template).args(args))?;
    }
    Ok(())
}

/// Makes a tree, `skipped` of its entries in `node_modules`; how many it has.
fn make_tree(template: &Path, tree: &Path, skipped: usize) -> Result<usize> {
    let own = ENTRIES / REPOS;
    let in_skipped = skipped / REPOS;
    let mut made = 0;
    for number in 0..REPOS {
        let repo = tree.join(format!("group{}/repo{number}", number % 25));
        fs::create_dir_all(&repo)?;
        let of_git = copy(&template.join(".git"), &repo.join(".git"))?;
        made += of_git + 1;
        made += fill(&repo.join("node_modules"), 0..in_skipped)?;
        made += fill(&repo, 0..own.saturating_sub(of_git + 1 + in_skipped))?;
    }
    Ok(made)
}

/// Makes about so many files and directories, some levels deep.
fn fill(top: &Path, entries: Range<usize>) -> Result<usize> {
    let mut made = 0;
    let mut number = 0;
    while made < entries.len() {
        // Seven to a directory, three levels.
        let directory = top.join(format!("d{}/e{}/f{}", number % 3, number / 3 % 7, number / 21));
        let missing = directory.ancestors().take_while(|above| !above.exists()).count();
        fs::create_dir_all(&directory)?;
        for file in 0..FILES {
            fs::write(directory.join(format!("file{file}.txt")), b"")?;
        }
        made += missing + FILES;
        number += 1;
    }
    Ok(made)
}

fn copy(from: &Path, to: &Path) -> Result<usize> {
    fs::create_dir(to)?;
    let mut made = 1;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            made += copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            made += 1;
        }
    }
    Ok(made)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|place| place.join(name)).find(|program| program.is_file())
}

fn succeed(command: &mut Command) -> Result<std::process::Output> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {said}", output.status).into())
}

/// The load of the last minute, where the system tells it.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores, load {} before", load())
}
