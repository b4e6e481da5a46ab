//! A home, a governor and repositories of a test's own.
//!
//! ```ignore
//! let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
//! let app = world.at("app");
//! app.write("a.txt", "two\n").git(["commit", "-qam", "second"]).fine().silent();
//! ```
//!
//! Nothing of the machine's gets in: the environment is empty but for a few
//! fixed words, git has no configuration of the user's or the system's, dates
//! stand still. Everything goes away with the [`World`], the governor too.

mod caller;
mod peers;
mod processes;
mod ran;
mod repo;
mod snapshots;
mod tree;

use std::{
    fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

pub use caller::Caller;
pub use peers::{is_root, left_out, newest_git, peer, python, rare_peer};
pub use processes::Background;
pub use ran::Ran;
pub use repo::Repo;
pub use tree::{Tree, differing, same, tree};

/// An AWS access key id, put together so that no file of ours holds one.
pub fn key() -> String {
    ["AKIA", "Z7QJH2V5NTK3XW4P"].concat()
}

/// A line with that key in it.
pub fn secret() -> String {
    format!("key = \"{}\"\n", key())
}

/// Longest that a condition is waited for; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct World {
    dir: tempfile::TempDir,
    /// Comes first in PATH.
    programs: Option<PathBuf>,
}

impl World {
    /// An empty world: a home with the programs in it, no governor yet.
    pub fn new() -> Self {
        // Short, because a socket's path is.
        let dir = tempfile::Builder::new().prefix("k").tempdir_in("/tmp").unwrap();
        let world = Self { dir, programs: None };
        for path in [world.home().join("bin"), world.user(), world.path("src")] {
            fs::create_dir_all(path).unwrap();
        }
        // A link is as good as a copy, and this one is large. Not so the hook: what a
        // tool writes through one of a repository's is to stay in its world.
        let kpmo = world.home().join("bin/kpmo");
        if fs::hard_link(env!("CARGO_BIN_EXE_kpmo"), &kpmo).is_err() {
            Self::program(&kpmo, Path::new(env!("CARGO_BIN_EXE_kpmo")));
        }
        // Where it is given, as users get it.
        let hook =
            std::env::var_os("KPMO_TEST_HOOK").unwrap_or_else(|| env!("CARGO_BIN_EXE_kpmo-hook").into());
        for name in ["kpmo-hook", ".kpmo-hook.spare"] {
            Self::program(&world.home().join("bin").join(name), Path::new(&hook));
        }
        world
    }

    /// Takes away what a governor would put a hook program back from.
    pub fn spare_no_hook(&self) {
        fs::remove_file(self.home().join("bin/.kpmo-hook.spare")).unwrap();
    }

    /// With this git, and not the one on PATH.
    #[must_use]
    pub fn with_git(mut self, git: &Path) -> Self {
        self.programs = git.parent().map(Path::to_path_buf);
        self
    }

    /// Adds a repository with one commit of these files.
    #[must_use]
    pub fn repo(self, name: &str, files: &[(&str, &str)]) -> Self {
        self.init(name, &[], files);
        self
    }

    /// As [`World::repo`], with more arguments for `git init`.
    pub fn init(&self, name: &str, args: &[&str], files: &[(&str, &str)]) -> Repo<'_> {
        self.init_at(self.path("src").join(name), args, files)
    }

    fn init_at(&self, path: PathBuf, args: &[&str], files: &[(&str, &str)]) -> Repo<'_> {
        fs::create_dir_all(&path).unwrap();
        let repo = Repo::new(self, path);
        repo.git(["init", "-q"].iter().chain(args)).fine();
        if !files.is_empty() {
            for (file, text) in files {
                repo.write(file, text);
            }
            repo.git(["add", "."]).fine();
            repo.git(["commit", "-qm", "first"]).fine();
        }
        repo
    }

    /// Registers and hooks all repositories so far.
    #[must_use]
    pub fn up(self) -> Self {
        self.kpmo(["up", self.path("src").to_str().unwrap()]).fine();
        self
    }

    /// A repository by its name.
    pub fn at(&self, name: &str) -> Repo<'_> {
        Repo::new(self, self.path("src").join(name))
    }

    /// A repository in the user's home directory.
    pub fn init_in_home(&self, name: &str) -> Repo<'_> {
        self.init_at(self.user().join(name), &[], &[])
    }

    /// A bare repository beside those that are governed: the other side of a push.
    pub fn bare(&self, name: &str, args: &[&str]) -> Repo<'_> {
        self.init_at(self.path("remote").join(name), &[&["--bare"], args].concat(), &[])
    }

    /// Writes `policy.yml`.
    pub fn policy(&self, text: &str) {
        fs::create_dir_all(self.home().join("config")).unwrap();
        fs::write(self.home().join("config/policy.yml"), format!("version: 1\n{text}")).unwrap();
    }

    /// The text of `repos.yml`.
    pub fn registry(&self) -> String {
        fs::read_to_string(self.home().join("config/repos.yml")).unwrap()
    }

    /// Edits `repos.yml` by hand.
    #[track_caller]
    pub fn edit_registry(&self, from: &str, to: &str) {
        let text = self.registry();
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(self.home().join("config/repos.yml"), text.replacen(from, to, 1)).unwrap();
    }

    /// What `kpmo status` says of a repository.
    #[track_caller]
    pub fn status(&self, name: &str) -> serde_json::Value {
        self.json(["status", name])["repos"][0].clone()
    }

    /// Waits until a repository has so many unvalidated commits.
    #[track_caller]
    pub fn until_unvalidated(&self, name: &str, count: u64) {
        self.until(&format!("{name} has {count} unvalidated"), || self.status(name)["unvalidated"] == count);
    }

    /// A path in this world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The governor's home.
    pub fn home(&self) -> PathBuf {
        self.path("h")
    }

    /// The user's home directory.
    pub fn user(&self) -> PathBuf {
        self.path("u")
    }

    pub fn socket(&self) -> PathBuf {
        self.home().join("run/governor.sock")
    }

    /// Runs `kpmo` from the home, as hooks and installations have it.
    #[must_use = "say whether it was to go well: fine(), refused(), …"]
    pub fn kpmo<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        let mut command = self.command(self.home().join("bin/kpmo"));
        command.args(args).current_dir(self.path("src"));
        Ran::of(&mut command)
    }

    /// What `kpmo --json` prints, parsed.
    pub fn json<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> serde_json::Value {
        let args: Vec<&str> = args.into_iter().chain(["--json"]).collect();
        let ran = self.kpmo(&args);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {ran:?}"))
    }

    /// The events of this kind, oldest first.
    pub fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let ran = self.kpmo(["events", "--json", "--kind", kind]).fine();
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of this kind, once there are so many: what is not waited for
    /// is recorded a moment after the answer.
    #[track_caller]
    pub fn until_events(&self, kind: &str, count: usize) -> Vec<serde_json::Value> {
        self.until(&format!("there are {count} events `{kind}`"), || self.events(kind).len() >= count);
        let events = self.events(kind);
        assert_eq!(events.len(), count, "{events:?}");
        events
    }

    /// A program in this world's environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", self.search_path())
            .env("HOME", self.user())
            .env("LC_ALL", "C")
            .env("TERM", "dumb")
            .env("KPMO_HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "T")
            .env("GIT_AUTHOR_EMAIL", "t@example.org")
            .env("GIT_COMMITTER_NAME", "T")
            .env("GIT_COMMITTER_EMAIL", "t@example.org")
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_EDITOR", "true");
        let global = self.user().join(".gitconfig");
        if !global.exists() {
            fs::write(global, "[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[protocol \"file\"]\n\tallow = always\n").unwrap();
        }
        command
    }

    /// Puts a program before those on PATH, under this name.
    #[must_use]
    pub fn with_program(self, name: &str, program: &Path) -> Self {
        fs::create_dir_all(self.path("path")).unwrap();
        std::os::unix::fs::symlink(program, self.path("path").join(name)).unwrap();
        self
    }

    fn search_path(&self) -> std::ffi::OsString {
        let path = std::env::var_os("PATH").unwrap();
        let own = Some(self.path("path")).filter(|own| own.is_dir());
        let first = self.programs.iter().cloned().chain(own);
        std::env::join_paths(first.chain(std::env::split_paths(&path))).unwrap()
    }

    /// Process id of the governor, by its record.
    pub fn pid(&self) -> Option<u32> {
        let record = fs::read(self.home().join("state/endpoint.json")).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
        u32::try_from(record["pid"].as_u64()?).ok()
    }

    /// Sends the governor a signal, by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().expect("a governor has been running").to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "kill -{name} {pid}");
    }

    /// Kills the governor, and waits until it is gone.
    pub fn kill(&self) {
        self.signal("KILL");
        self.until("the governor is dead", || !self.is_running());
    }

    /// Whether a governor holds this home's lock.
    pub fn is_running(&self) -> bool {
        let lock = self.home().join("state/governor.lock");
        match fs::File::open(lock) {
            Ok(file) => matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    /// Waits for a condition.
    #[track_caller]
    pub fn until(&self, what: &str, condition: impl Fn() -> bool) {
        self.until_or(what, String::new, condition);
    }

    /// The same; `why` is said where it was in vain.
    #[track_caller]
    pub fn until_or(&self, what: &str, why: impl Fn() -> String, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain until {what}: {}", why());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Every byte of every file in the home, the ledger among them.
    pub fn home_contains(&self, needle: &str) -> Option<PathBuf> {
        contains(&self.home(), needle.as_bytes(), &self.home().join("bin"))
    }

    /// Writes an executable file.
    pub fn script(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut content = tempfile::tempfile().unwrap();
        content.write_all(text.as_bytes()).unwrap();
        content.rewind().unwrap();
        put_program(path, content);
    }

    /// Puts an executable file with another's content.
    pub fn program(path: &Path, content: &Path) {
        put_program(path, fs::File::open(content).unwrap());
    }
}

/// Writes a program by way of another process: were it open for writing in this
/// one, what other tests start meanwhile would inherit that, and a program that
/// anybody has open for writing can't be run. By a rename, so that nothing is written
/// through a link that a governor puts in the place meanwhile.
fn put_program(path: &Path, content: fs::File) {
    let mut put = Command::new("sh");
    put.args(["-c", "cat >\"$0.new\" && chmod 755 \"$0.new\" && mv -f \"$0.new\" \"$0\""])
        .arg(path)
        .stdin(content);
    assert!(put.status().unwrap().success(), "{}", path.display());
}

impl Drop for World {
    fn drop(&mut self) {
        if self.is_running()
            && let Some(pid) = self.pid()
        {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            self.until("the governor is dead", || !self.is_running());
        }
    }
}

fn contains(dir: &Path, needle: &[u8], skip: &Path) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if path == skip {
            continue;
        }
        if kind.is_dir() {
            if let Some(found) = contains(&path, needle, skip) {
                return Some(found);
            }
        } else if kind.is_file()
            && fs::read(&path).is_ok_and(|b| b.windows(needle.len()).any(|w| w == needle))
        {
            return Some(path);
        }
    }
    None
}
