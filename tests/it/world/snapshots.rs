//! Snapshots of a test's repositories.

use std::{path::Path, process::Command};

use super::{Ran, World, peer};

impl World {
    /// A repository's snapshots, newest first.
    #[track_caller]
    pub fn snapshots(&self, repo: &str) -> Vec<serde_json::Value> {
        let listed = self.json(["snapshots", repo]);
        listed["snapshots"].as_array().unwrap_or_else(|| panic!("{listed}")).clone()
    }

    /// Waits until nothing waits for a snapshot.
    #[track_caller]
    pub fn until_captured(&self) {
        let waiting = || self.json(["governor", "status"])["snapshots_waiting"].as_u64();
        let marks = self.home().join("state/snapshots-wanted");
        let is_marked = || std::fs::read_dir(&marks).is_ok_and(|mut marks| marks.next().is_some());
        self.until_or(
            "events are worked off and captured",
            || self.log(),
            || self.spool().is_empty() && waiting() == Some(0) && !is_marked(),
        );
    }

    /// Takes a snapshot now, and returns its id.
    #[track_caller]
    pub fn snapshot(&self, repo: &str) -> String {
        self.kpmo(["snapshot", repo]).fine();
        self.snapshots(repo)[0]["id"].as_str().unwrap().to_owned()
    }

    /// Stock restic on this home's store; `None` where there is no restic.
    pub fn restic<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Option<Ran> {
        let restic = peer("restic")?;
        let told = |what: &str| self.kpmo(["probe", what]).fine().stdout.trim_end().to_owned();
        let mut command: Command = self.command(restic);
        command.args(["-r", &told("path"), "--password-file", &told("password-file"), "--no-cache"]);
        Some(Ran::of(command.args(args)))
    }

    /// A governor's log.
    pub fn log(&self) -> String {
        let path = self.home().join("state/logs/governor.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Whether nothing of a restore is left beside a path.
    #[track_caller]
    pub fn nothing_beside(&self, path: &Path) {
        let beside: Vec<_> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.contains("kpmo-"))
            .collect();
        assert_eq!(beside, Vec::<String>::new());
    }
}
