//! Processes that tests start, watch and end.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::{PATIENCE, World};

/// A program that runs beside the test, in a process group of its own. Whatever
/// is left of it ends with this.
pub struct Background(Child);

impl Background {
    pub fn start(command: &mut Command) -> Self {
        Self::start_into(command, Path::new("/dev/null"))
    }

    /// Standard output and error go to a file.
    pub fn start_into(command: &mut Command, file: &Path) -> Self {
        let file = fs::File::options().create(true).append(true).open(file).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self(command.process_group(0).spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal to every process of the group.
    pub fn signal_all(&self, name: &str) {
        let group = format!("-{}", self.pid());
        assert!(Command::new("kill").args([&format!("-{name}"), "--", &group]).status().unwrap().success());
    }

    /// Whether any process of the group is left.
    pub fn is_there(&self) -> bool {
        let group = format!("-{}", self.pid());
        Command::new("kill").args(["-0", "--", &group]).stderr(Stdio::null()).status().unwrap().success()
    }

    /// Whether a process of the group has these words in its command line.
    pub fn runs(&self, words: &str) -> bool {
        let listed = Command::new("ps").args(["-A", "-o", "pgid=,args="]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).lines().any(|line| {
            let (group, args) = line.trim().split_once(' ').unwrap_or_default();
            group == self.pid().to_string() && args.contains(words)
        })
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "waited in vain for the end of process {}", self.pid());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // One that has been waited for may have lent its number to another.
        if matches!(self.0.try_wait(), Ok(None)) {
            let group = format!("-{}", self.pid());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = self.0.wait();
        }
    }
}

impl World {
    /// Writes `governor.yml` before there is a governor.
    #[must_use]
    pub fn settings(self, text: &str) -> Self {
        self.configure("governor.yml", &format!("version: 1\n{text}"));
        self
    }

    /// With budgets that hold on a machine under any load.
    #[must_use]
    pub fn patient(self) -> Self {
        self.settings("budgets: {connect_ms: 5000, start_ms: 60000, verdict_ms: 60000}\n")
    }

    /// Writes a file of the home's configuration.
    pub fn configure(&self, name: &str, text: &str) {
        fs::create_dir_all(self.home().join("config")).unwrap();
        fs::write(self.home().join("config").join(name), text).unwrap();
    }

    /// Ends the governor as users do.
    pub fn stop(&self) {
        self.kpmo(["governor", "stop"]).fine();
        assert!(!self.is_running(), "it has stopped");
    }

    /// Kills the governor, if there is one just now. Unlike [`World::kill`] it
    /// may be called while others start governors.
    pub fn kill_any(&self) -> bool {
        let Some(pid) = self.pid().filter(|pid| self.is_governor(*pid)) else { return false };
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    /// Whether this process is a governor of this home: a record may be older
    /// than the process that has its number now.
    pub fn is_governor(&self, pid: u32) -> bool {
        let listed = Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output().unwrap();
        let args = String::from_utf8_lossy(&listed.stdout).into_owned();
        args.contains(self.home().to_str().unwrap()) && args.contains(" governor run")
    }

    /// Events that wait for a governor, oldest first.
    pub fn spool(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.home().join("state/spool")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|kind| kind == "hook"));
        files.sort();
        files
    }

    /// Everything that the ledger has, oldest first.
    pub fn ledger(&self) -> Vec<serde_json::Value> {
        let ran = self.kpmo(["events", "--json"]).fine();
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Commits that the ledger says something about.
    pub fn known_commits(&self) -> BTreeSet<String> {
        let ledger = self.ledger();
        let said = ledger.iter().filter_map(|event| event["attributes"]["commit"].as_str());
        said.flat_map(|commits| commits.split(' ')).map(str::to_owned).collect()
    }

    pub fn knows(&self, commit: &str) -> bool {
        self.known_commits().contains(commit)
    }
}
