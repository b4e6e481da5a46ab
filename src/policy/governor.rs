use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    layer::replace,
    value::{self, Bounded, DirName, Version},
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
        replace(&mut self.log_level, file.log.level.as_ref());
    }
}
