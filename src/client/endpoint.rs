use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Home, HomeError,
    home::{check_socket, check_socket_path},
};

/// `endpoint.json`: what the governor tells those who want to reach it. It
/// outlives the governor, so that a hook knows the socket, the program to start
/// and what to do if that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Path of the unix socket.
    pub socket: PathBuf,
    /// Process that wrote this record.
    pub pid: u32,
    /// Its version, for instance "0.1.0".
    pub version: String,
    /// The program to start when there is no governor.
    pub binary: PathBuf,
    /// The home directory of the user: what `~` in `repos.yml` stands for, and where
    /// git's configuration is, whatever `HOME` says to whoever starts the next one.
    #[serde(default)]
    pub user: Option<PathBuf>,
    /// What hooks do when they can't reach the governor.
    #[serde(default)]
    pub on_unreachable: OnUnreachable,
    /// How long hooks wait.
    #[serde(default)]
    pub budgets: Budgets,
}

/// What a hook does when the governor can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unreachable {
    /// Say so and let git go on.
    Warn,
    /// Refuse.
    Block,
}

/// [`Unreachable`], by kind of hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnUnreachable {
    /// pre-commit and pre-merge-commit.
    pub commit: Unreachable,
    /// pre-push.
    pub push: Unreachable,
}

impl Default for OnUnreachable {
    fn default() -> Self {
        Self { commit: Unreachable::Warn, push: Unreachable::Block }
    }
}

/// How long a hook waits, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// For a connection.
    pub connect_ms: u64,
    /// For the governor to start.
    pub start_ms: u64,
    /// For the verdict.
    pub verdict_ms: u64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { connect_ms: 250, start_ms: 3_000, verdict_ms: 10_000 }
    }
}

impl Budgets {
    /// For a connection.
    pub fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    /// For the first sign of life on a connection: the kernel accepts for a
    /// governor that is stopped, so a connection alone proves nothing. Four
    /// times the connection's own, for a machine under load.
    pub fn sign_of_life(&self) -> Duration {
        self.connect() * 4
    }

    /// For the governor to start.
    pub fn start(&self) -> Duration {
        Duration::from_millis(self.start_ms)
    }

    /// For the verdict.
    pub fn verdict(&self) -> Duration {
        Duration::from_millis(self.verdict_ms)
    }
}

impl Endpoint {
    /// The record of this home, if there is one that can be read. A damaged one
    /// counts as none: the next governor writes it anew.
    pub fn read(home: &Home) -> Option<Self> {
        serde_json::from_slice(&fs::read(home.endpoint_file()).ok()?).ok()
    }

    /// The socket to listen on and to connect to: `KPMO_SOCKET`, else the
    /// record's, else the home's default. A record whose directory is gone is
    /// that of a home that was moved.
    pub fn socket(home: &Home, recorded: Option<&Self>) -> Result<PathBuf, HomeError> {
        let kept = recorded.map(|endpoint| &endpoint.socket).filter(|socket| {
            std::env::var_os("KPMO_SOCKET").is_none() && socket.parent().is_some_and(Path::is_dir)
        });
        match kept {
            Some(socket) => check_socket_path(socket.clone()),
            None => home.default_socket(),
        }
    }

    /// The user's home directory: the record's while it is there, else as the
    /// environment has it.
    pub fn user(recorded: Option<&Self>) -> PathBuf {
        let recorded = recorded.and_then(|endpoint| endpoint.user.clone());
        recorded.filter(|user| user.is_dir()).or_else(std::env::home_dir).unwrap_or_default()
    }

    /// Whether a socket that can be trusted stands at `socket`.
    pub fn socket_is_there(socket: &Path) -> Result<bool, HomeError> {
        check_socket(socket)
    }
}
