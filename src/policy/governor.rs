use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    layer::replace,
    value::{self, Bounded, DirName, Limit, Version},
};

/// What `governor.yml` says, over the embedded defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GovernorSettings {
    /// How long a hook waits.
    pub budgets: Budgets,
    /// What a hook does without a governor.
    pub on_unreachable: OnUnreachable,
    /// How repositories are looked for.
    pub scan: ScanSettings,
    /// When snapshots are taken, of what, and how long they are kept.
    pub snapshots: SnapshotSettings,
    /// How hooks are looked after.
    pub hooks: HookSettings,
    /// From which level on the log has entries.
    pub log_level: LogLevel,
}

/// How long a hook waits, from 10 ms to 60 s each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// For a connection to the socket.
    pub connect: Duration,
    /// For a governor that has to be started.
    pub start: Duration,
    /// For the verdict.
    pub verdict: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(250),
            start: Duration::from_secs(3),
            verdict: Duration::from_secs(10),
        }
    }
}

/// What a hook does when the governor can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnUnreachable {
    /// Before a commit or a merge.
    pub commit: Unreachable,
    /// Before a push.
    pub push: Unreachable,
}

impl Default for OnUnreachable {
    fn default() -> Self {
        Self { commit: Unreachable::Warn, push: Unreachable::Block }
    }
}

/// Whether git goes on without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unreachable {
    /// It does, with a warning; the hook's call is spooled.
    Warn,
    /// It does not.
    Block,
}

/// How repositories are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanSettings {
    /// Names of directories that are not entered.
    pub skip: Vec<String>,
    /// Whether other file systems below a root are entered.
    pub cross_file_systems: bool,
}

/// How hooks are looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookSettings {
    /// Whether hooks that were changed by others are put in place again.
    pub heal: bool,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self { heal: true }
    }
}

/// When snapshots are taken, of what, and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// Whether hooks make any; those that are asked for are always taken.
    pub enabled: bool,
    /// Whether `.env` files are in them, although git ignores them.
    pub env: bool,
    /// How long a repository has had no hook before one is taken: up to 60 s.
    pub quiet: Duration,
    /// Bytes that the first one of a repository may read by itself; `None`: any
    /// number.
    pub first_limit: Option<u64>,
    /// Bytes that the store may have on disk; `None`: any number.
    pub quota: Option<u64>,
    /// Which are kept.
    pub keep: Keep,
    /// After how many new ones the others are forgotten, and what they alone
    /// need removed.
    pub prune_after: u64,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            env: true,
            quiet: Duration::from_millis(200),
            first_limit: Some(10 << 30),
            quota: Some(100 << 30),
            keep: Keep::default(),
            prune_after: 500,
        }
    }
}

/// Which snapshots of a repository are kept: of each sort so many, counted back
/// from the newest. One is kept if any sort keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest; at least 1.
    pub last: u64,
    /// The last of an hour, in local time, of hours that have any.
    pub hourly: u64,
    /// Of a day.
    pub daily: u64,
    /// Of a week, from Monday on.
    pub weekly: u64,
    /// Of a month.
    pub monthly: u64,
    /// Of a year.
    pub yearly: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { last: 50, hourly: 48, daily: 30, weekly: 12, monthly: 12, yearly: 10 }
    }
}

/// Levels of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what will need attention.
    Warn,
    /// And what was done.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}

impl LogLevel {
    /// The level's name, as filters of the log take it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A whole file; every key but the version is optional.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsFile {
    #[serde(rename = "version")]
    _version: Version,
    #[serde(default, deserialize_with = "value::or_default")]
    budgets: BudgetsLayer,
    #[serde(default, deserialize_with = "value::or_default")]
    on_unreachable: OnUnreachableLayer,
    #[serde(default, deserialize_with = "value::or_default")]
    scan: ScanLayer,
    #[serde(default, deserialize_with = "value::or_default")]
    snapshots: SnapshotsLayer,
    #[serde(default, deserialize_with = "value::or_default")]
    hooks: HooksLayer,
    #[serde(default, deserialize_with = "value::or_default")]
    log: LogLayer,
}

type Millis = Bounded<10, 60_000>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the file's own names carry the unit")]
struct BudgetsLayer {
    connect_ms: Option<Millis>,
    start_ms: Option<Millis>,
    verdict_ms: Option<Millis>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OnUnreachableLayer {
    commit: Option<Unreachable>,
    push: Option<Unreachable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ScanLayer {
    skip: Option<Vec<DirName>>,
    cross_file_systems: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SnapshotsLayer {
    enabled: Option<bool>,
    env: Option<bool>,
    quiet_ms: Option<Bounded<0, 60_000>>,
    first_limit: Option<Limit>,
    quota: Option<Limit>,
    #[serde(deserialize_with = "value::or_default")]
    keep: KeepLayer,
    prune_after: Option<Bounded<1, 1_000_000>>,
}

type Kept = Bounded<0, 100_000>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeepLayer {
    last: Option<Bounded<1, 100_000>>,
    hourly: Option<Kept>,
    daily: Option<Kept>,
    weekly: Option<Kept>,
    monthly: Option<Kept>,
    yearly: Option<Kept>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HooksLayer {
    heal: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogLayer {
    level: Option<LogLevel>,
}

impl GovernorSettings {
    /// Lays a file over what is there.
    pub(super) fn apply(&mut self, file: &SettingsFile) {
        let duration = |millis: &Option<Millis>| millis.map(|millis| Duration::from_millis(millis.0));
        replace(&mut self.budgets.connect, duration(&file.budgets.connect_ms).as_ref());
        replace(&mut self.budgets.start, duration(&file.budgets.start_ms).as_ref());
        replace(&mut self.budgets.verdict, duration(&file.budgets.verdict_ms).as_ref());
        replace(&mut self.on_unreachable.commit, file.on_unreachable.commit.as_ref());
        replace(&mut self.on_unreachable.push, file.on_unreachable.push.as_ref());
        if let Some(skip) = &file.scan.skip {
            self.scan.skip = skip.iter().map(|name| name.0.clone()).collect();
        }
        replace(&mut self.scan.cross_file_systems, file.scan.cross_file_systems.as_ref());
        self.snapshots.apply(&file.snapshots);
        replace(&mut self.hooks.heal, file.hooks.heal.as_ref());
        replace(&mut self.log_level, file.log.level.as_ref());
    }
}

impl SnapshotSettings {
    fn apply(&mut self, layer: &SnapshotsLayer) {
        replace(&mut self.enabled, layer.enabled.as_ref());
        replace(&mut self.env, layer.env.as_ref());
        replace(&mut self.quiet, layer.quiet_ms.map(|millis| Duration::from_millis(millis.0)).as_ref());
        replace(&mut self.first_limit, layer.first_limit.map(|limit| limit.0).as_ref());
        replace(&mut self.quota, layer.quota.map(|limit| limit.0).as_ref());
        let (keep, wanted) = (&mut self.keep, &layer.keep);
        replace(&mut keep.last, wanted.last.map(|count| count.0).as_ref());
        for (kept, wanted) in [
            (&mut keep.hourly, wanted.hourly),
            (&mut keep.daily, wanted.daily),
            (&mut keep.weekly, wanted.weekly),
            (&mut keep.monthly, wanted.monthly),
            (&mut keep.yearly, wanted.yearly),
        ] {
            replace(kept, wanted.map(|count| count.0).as_ref());
        }
        replace(&mut self.prune_after, layer.prune_after.map(|count| count.0).as_ref());
    }
}
