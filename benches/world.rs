//! The repository, its clones, and the hooks in them.

use std::{
    cell::OnceCell,
    env,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    os::unix::{
        fs::symlink,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::Result;

mod groups;

pub(super) use groups::{AtOnce, Fleet, FleetHooks};

const FILES: usize = 1000;
const COMMITS: usize = 200;
/// Name of the hook that other tools run, and the word in what they print that
/// tells that they do.
const NO_OP: &str = "noop";

/// A clone with its hooks, and what its commits took.
pub(super) struct Variant {
    /// For people.
    pub name: String,
    /// Of each round that counts.
    pub took: Vec<Took>,
    place: PathBuf,
    repo: PathBuf,
    /// Directory in front of PATH.
    tools: Option<PathBuf>,
    daemon: Daemon,
}

/// Milliseconds of two runs, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Took {
    /// Without hooks.
    pub bare: f64,
    /// With them.
    pub hooked: f64,
}

/// What the variant's hooks talk to.
enum Daemon {
    None,
    /// How often it was asked.
    Raw(Arc<AtomicUsize>),
    Kpmo(Kpmo),
}

/// A home with a running governor.
struct Kpmo {
    place: PathBuf,
    program: PathBuf,
    home: PathBuf,
}

impl Kpmo {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = hermetic(&self.place, &self.program, None);
        command.env("KPMO_HOME", &self.home).args(args);
        command
    }

    /// Waits for work that goes on after the commit: it would slow down the next
    /// variant's.
    fn settle(&self) -> Result<()> {
        let state = self.home.join("state");
        let deadline = Instant::now() + Duration::from_secs(120);
        // Events that are not worked off, and snapshots that are not taken.
        let is_work = |entry: fs::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_left = |name: &str| -> Result<bool> {
            let dir = state.join(name);
            Ok(dir.exists() && fs::read_dir(&dir)?.flatten().any(is_work))
        };
        while is_left("spool")? || is_left("snapshots-wanted")? {
            if Instant::now() > deadline {
                return Err("the governor leaves work undone".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Kpmo {
    fn drop(&mut self) {
        if let Err(error) = succeed(&mut self.command(&["governor", "stop", "--force"])) {
            eprintln!("hook_cost: {error}");
        }
    }
}

impl Variant {
    /// Makes a commit without hooks, which is taken back, and one with them; in
    /// that order or the other.
    pub fn round(&self, round: usize) -> Result<Took> {
        let bare = || {
            let took = self.commit(2 * round, &["-c", "core.hooksPath=/dev/null", "commit"])?;
            succeed(&mut self.git(&[
                "-c",
                "core.hooksPath=/dev/null",
                "reset",
                "--quiet",
                "--hard",
                "HEAD^",
            ]))?;
            Ok::<_, Box<dyn std::error::Error>>(took)
        };
        let hooked = || self.commit(2 * round + 1, &["commit"]);
        pair(round, bare, hooked)
    }

    /// Adds a line to a file and commits that; milliseconds of the commit alone.
    fn commit(&self, number: usize, command: &[&str]) -> Result<f64> {
        self.stage(number)?;
        let mut commit = self.git(command);
        commit.args(["--quiet", "--message", "one line more"]).stdout(Stdio::null()).stderr(Stdio::null());
        self.timed(&mut commit)
    }

    /// Milliseconds of a run; what goes on after it is not counted, and waited for.
    fn timed(&self, git: &mut Command) -> Result<f64> {
        let start = Instant::now();
        let status = git.status()?;
        let took = start.elapsed();
        if !status.success() {
            return Err(format!("{}: {git:?} failed", self.name).into());
        }
        if let Daemon::Kpmo(kpmo) = &self.daemon {
            kpmo.settle()?;
        }
        Ok(took.as_secs_f64() * 1000.0)
    }

    fn stage(&self, number: usize) -> Result<()> {
        let file = file_name(number * 7 % FILES);
        writeln!(fs::OpenOptions::new().append(true).open(self.repo.join(&file))?, "change {number}")?;
        succeed(&mut self.git(&["add", &file])).map(drop)
    }

    /// Whether the hooks were there at each of so many commits.
    pub fn check(&self, commits: usize) -> Result<()> {
        let (seen, expected) = match &self.daemon {
            Daemon::None => return Ok(()),
            Daemon::Raw(asked) => (asked.load(Ordering::Relaxed), 2 * commits),
            Daemon::Kpmo(kpmo) => {
                let events = succeed(&mut kpmo.command(&["events", "--json", "--kind", "verdict"]))?;
                (String::from_utf8_lossy(&events.stdout).lines().count(), commits)
            }
        };
        if seen == expected {
            return Ok(());
        }
        Err(format!("{}: {seen} calls were seen, and {expected} expected", self.name).into())
    }

    /// A commit in which another tool shows that its hooks run.
    fn prove(&self) -> Result<()> {
        self.stage(0)?;
        let output = succeed(&mut self.git(&["commit", "--message", "the first"]))?;
        let said = [output.stdout, output.stderr].concat();
        let times = said.windows(NO_OP.len()).filter(|word| *word == NO_OP.as_bytes()).count();
        if times < 2 {
            let said = String::from_utf8_lossy(&said);
            return Err(format!("{}: its hooks do not run; git said: {said}", self.name).into());
        }
        Ok(())
    }

    fn git(&self, args: &[&str]) -> Command {
        let mut git = hermetic(&self.place, "git", self.tools.as_deref());
        git.current_dir(&self.repo).args(args);
        git
    }
}

/// Where it all takes place.
pub(super) struct World {
    place: PathBuf,
    floor: OnceCell<Floor>,
}

/// The least that hooks can cost.
struct Floor {
    /// A directory of hooks.
    hooks: PathBuf,
    /// How often their daemon was asked.
    asked: Arc<AtomicUsize>,
}

impl World {
    /// Makes the repository that all variants are clones of.
    pub fn new(place: &Path) -> Result<Self> {
        fs::create_dir(place.join("user"))?;
        let world = Self { place: place.into(), floor: OnceCell::new() };
        world.origin("origin.git", FILES, COMMITS)?;
        Ok(world)
    }

    /// A bare repository with so many files, all of them in its first commit, and
    /// so many commits.
    pub fn origin(&self, name: &str, files: usize, commits: usize) -> Result<()> {
        let origin = self.place.join(name);
        succeed(
            self.command("git").args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&origin),
        )?;
        let mut import = self.command("git");
        import.current_dir(&origin).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut import = import.spawn()?;
        let history = history(files, commits)?;
        import.stdin.take().ok_or("git fast-import takes no input")?.write_all(history.as_bytes())?;
        if import.wait()?.success() { Ok(()) } else { Err("git fast-import failed".into()) }
    }

    /// A clone without hooks.
    pub fn variant(&self, name: &str) -> Result<Variant> {
        self.variant_of("origin.git", name)
    }

    fn variant_of(&self, origin: &str, name: &str) -> Result<Variant> {
        let directory = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let variant = Variant {
            name: name.to_owned(),
            took: Vec::new(),
            place: self.place.clone(),
            repo: self.place.join(directory),
            tools: None,
            daemon: Daemon::None,
        };
        succeed(self.command("git").args(["clone", "--quiet", origin]).arg(&variant.repo))?;
        for (key, value) in [("gc.auto", "0"), ("maintenance.auto", "false")] {
            succeed(&mut variant.git(&["config", key, value]))?;
        }
        Ok(variant)
    }

    /// With the floor's hooks.
    pub fn raw(&self, name: &str) -> Result<Variant> {
        let floor = self.floor()?;
        let variant = self.variant(name)?;
        for hook in fs::read_dir(&floor.hooks)? {
            let hook = hook?;
            symlink(fs::read_link(hook.path())?, variant.repo.join(".git/hooks").join(hook.file_name()))?;
        }
        Ok(Variant { daemon: Daemon::Raw(Arc::clone(&floor.asked)), ..variant })
    }

    /// The floor: a client of nothing but the standard library, whose daemon
    /// always agrees.
    fn floor(&self) -> Result<&Floor> {
        if self.floor.get().is_none() {
            let floor = self.make_floor()?;
            // Nobody else makes one.
            let _ = self.floor.set(floor);
        }
        self.floor.get().ok_or_else(|| "there is no floor".into())
    }

    fn make_floor(&self) -> Result<Floor> {
        let program = self.place.join("raw_client");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-C", "opt-level=3", "-C", "lto=fat", "-C", "codegen-units=1"]);
        rustc.args(["-C", "panic=abort", "-C", "strip=symbols"]);
        if cfg!(target_os = "linux") {
            rustc.arg("--target").arg(format!("{}-unknown-linux-musl", env::consts::ARCH));
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/raw_client.rs");
        succeed(rustc.arg("-o").arg(&program).arg(source))?;

        let listener = UnixListener::bind(self.place.join("raw.sock"))?;
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if agree(&mut stream).is_ok() {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let hooks = self.place.join("raw_hooks");
        fs::create_dir(&hooks)?;
        for hook in ["pre-commit", "post-commit"] {
            symlink(&program, hooks.join(hook))?;
        }
        Ok(Floor { hooks, asked })
    }

    /// kpmo with this build of its hook, and a governor of its own.
    pub fn kpmo(&self, name: &str, hook: &Path) -> Result<Variant> {
        self.kpmo_of("origin.git", name, hook)
    }

    /// The same in a clone of another repository.
    pub fn kpmo_of(&self, origin: &str, name: &str, hook: &Path) -> Result<Variant> {
        let variant = self.variant_of(origin, name)?;
        let home = variant.repo.with_extension("home");
        let programs = variant.repo.with_extension("bin");
        fs::create_dir(&programs)?;
        fs::copy(env!("CARGO_BIN_EXE_kpmo"), programs.join("kpmo"))?;
        fs::copy(hook, programs.join("kpmo-hook"))?;
        let kpmo = Kpmo { place: self.place.clone(), program: programs.join("kpmo"), home };
        // With nothing to find: a home, the programs in it, and its governor.
        succeed(kpmo.command(&["up"]).arg(&programs))?;
        succeed(kpmo.command(&["repo", "add"]).arg(&variant.repo))?;
        Ok(Variant { daemon: Daemon::Kpmo(kpmo), ..variant })
    }

    /// prek, if it is here.
    pub fn prek(&self) -> Result<Option<Variant>> {
        self.prek_as("prek")
    }

    /// The same in a clone of its own.
    pub fn prek_as(&self, directory: &str) -> Result<Option<Variant>> {
        let config = format!(
            "repos:\n- repo: local\n  hooks:\n  - id: {NO_OP}\n    name: {NO_OP}\n    language: system\n    \
             entry: 'true'\n    always_run: true\n    pass_filenames: false\n    \
             stages: [pre-commit, post-commit, pre-push]\n"
        );
        let install = ["install", "-t", "pre-commit", "-t", "post-commit", "-t", "pre-push"];
        self.tool("prek", directory, ".pre-commit-config.yaml", &config, &install)
    }

    /// lefthook, if it is here.
    pub fn lefthook(&self) -> Result<Option<Variant>> {
        let event = |name: &str| format!("{name}:\n  jobs:\n  - name: {NO_OP}\n    run: 'true'\n");
        let config = event("pre-commit") + &event("post-commit");
        self.tool("lefthook", "lefthook", "lefthook.yml", &config, &["install"])
    }

    fn tool(
        &self,
        name: &str,
        directory: &str,
        file: &str,
        config: &str,
        install: &[&str],
    ) -> Result<Option<Variant>> {
        let Some(program) = native(name) else { return Ok(None) };
        let mut variant = self.variant(directory)?;
        variant.tools = program.parent().map(Path::to_path_buf);
        fs::write(variant.repo.join(file), config)?;
        succeed(&mut variant.git(&["add", file]))?;
        succeed(&mut variant.git(&["commit", "--quiet", "--message", "its configuration"]))?;
        let mut installer = hermetic(&self.place, &program, variant.tools.as_deref());
        succeed(installer.current_dir(&variant.repo).args(install))?;
        variant.prove()?;
        Ok(Some(variant))
    }

    fn command(&self, program: &str) -> Command {
        hermetic(&self.place, program, None)
    }
}

/// A program in an environment that holds nothing of this machine's but PATH.
fn hermetic(place: &Path, program: impl AsRef<OsStr>, tools: Option<&Path>) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(tools.map(Path::to_path_buf).into_iter().chain(env::split_paths(&path)));
    let mut command = Command::new(program);
    command
        .env_clear()
        .current_dir(place)
        .stdin(Stdio::null())
        .env("PATH", path.unwrap_or_default())
        .env("HOME", place.join("user"))
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("RAW_CLIENT_SOCKET", place.join("raw.sock"));
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "A Committer");
        command.env(format!("GIT_{role}_EMAIL"), "committer@example.org");
    }
    command
}

fn succeed(command: &mut Command) -> Result<Output> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {said}", output.status).into())
}

/// Runs both, in this order or the other.
fn pair(
    round: usize,
    bare: impl FnOnce() -> Result<f64>,
    hooked: impl FnOnce() -> Result<f64>,
) -> Result<Took> {
    if round % 4 < 2 {
        let bare = bare()?;
        Ok(Took { bare, hooked: hooked()? })
    } else {
        let hooked = hooked()?;
        Ok(Took { bare: bare()?, hooked })
    }
}

/// For `git fast-import`: a first commit with all files, then one change each.
fn history(files: usize, commits: usize) -> Result<String> {
    let mut history = String::new();
    for commit in 0..commits {
        let at = 1_700_000_000 + commit;
        write!(
            history,
            "commit refs/heads/main\ncommitter A Committer <committer@example.org> {at} +0000\n"
        )?;
        history.push_str("data 6\nchange\n");
        for file in if commit == 0 { 0..files } else { commit..commit + 1 } {
            let lines = (0..40).map(|line| format!("{file}: line {line} as of {commit}\n"));
            let text = lines.collect::<String>();
            write!(history, "M 100644 inline {}\ndata {}\n{text}\n", file_name(file), text.len())?;
        }
    }
    Ok(history)
}

fn file_name(file: usize) -> String {
    format!("part{}/file{file}.txt", file % 40)
}

/// Reads a question and answers it.
fn agree(stream: &mut UnixStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or_default()];
    stream.read_exact(&mut question)?;
    stream.write_all(&[0])
}

/// The program itself: the wrapper that a package puts before it can cost more
/// than what it wraps.
fn native(name: &str) -> Option<PathBuf> {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-env/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let known = env::var_os("KPMO_TEST_BIN").map(PathBuf::from);
    let places = known.into_iter().chain([set_up]).chain(env::split_paths(&path));
    places.map(|place| place.join(name)).find(|program| is_native(program))
}

fn is_native(program: &Path) -> bool {
    let mut magic = [0; 4];
    let read = fs::File::open(program).and_then(|mut file| file.read_exact(&mut magic));
    // ELF, and Mach-O of 64 bits and of several architectures.
    read.is_ok() && [*b"\x7fELF", [0xcf, 0xfa, 0xed, 0xfe], [0xca, 0xfe, 0xba, 0xbe]].contains(&magic)
}
