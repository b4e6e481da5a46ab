use std::{
    ffi::OsString,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tokio::io::AsyncReadExt;

use super::{Budgets, ConnectError, Connection, Endpoint, Home, connect};

/// Why the governor could not be started.
#[derive(Debug)]
pub enum StartError {
    /// It could not be reached, and starting it would not help.
    Connect(ConnectError),
    /// There is no program to start.
    NoProgram(PathBuf),
    /// The program could not be run.
    Spawn(PathBuf, io::Error),
    /// One runs, and is looked for elsewhere: where it listens, and what was asked for.
    Elsewhere(PathBuf, PathBuf),
    /// It started and gave up; what it said.
    Failed(String),
    /// It did not come up in time.
    TooSlow(Duration),
    /// The state directory can't be used.
    State(PathBuf, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::NoProgram(path) => write!(
                f,
                "there is no governor to start: {} is not there; run `kpmo up`, which puts it there",
                path.display()
            ),
            Self::Spawn(path, error) => write!(f, "cannot run {}: {error}", path.display()),
            Self::Elsewhere(listens, asked) => write!(
                f,
                "this home's governor listens on {}, and KPMO_SOCKET is {}; unset it, or run `kpmo governor \
                 stop` without it and start anew",
                listens.display(),
                asked.display()
            ),
            Self::Failed(said) => write!(f, "the governor did not start: {said}"),
            Self::TooSlow(after) => {
                write!(f, "the governor did not come up within {} ms", after.as_millis())
            }
            Self::State(path, error) => write!(f, "cannot use {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ConnectError> for StartError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

/// What starting the governor came to.
enum Started {
    /// It serves.
    Serves,
    /// Another one holds the home.
    ByAnother,
}

/// Exit status of a governor whose home has one already (`EX_TEMPFAIL`).
pub const ALREADY_RUNNING: i32 = 75;
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(5);

/// Settings of glibc's allocator, sizes in bytes. Left alone it keeps what many
/// threads had for a moment: restoring a file of 2 GB left it with seven times the
/// memory. The encoder that a snapshot sets up for each file is a block of somewhat
/// more than 1 MiB: such a one is kept, or a large first snapshot takes twice the
/// time.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "1572864"), ("MALLOC_TRIM_THRESHOLD_", "1572864")];

/// Connects to the governor of `home`; if there is none, starts `program` (or
/// the recorded one) and waits for it. One starter at a time: whoever loses the
/// start lock waits for the winner's governor.
pub async fn connect_or_start(
    home: &Home,
    program: Option<&Path>,
    budgets: Budgets,
) -> Result<Connection, StartError> {
    let deadline = Instant::now() + budgets.start();
    loop {
        let recorded = Endpoint::read(home);
        let socket = Endpoint::socket(home, recorded.as_ref()).map_err(ConnectError::from)?;
        match connect(&socket, budgets.connect()).await {
            Err(ConnectError::NotRunning(_)) => {}
            other => return Ok(other?),
        }
        if let Some(_starting) = try_start_lock(home)? {
            let program = program.map_or_else(
                || recorded.map_or_else(|| home.bin.join("kpmo"), |endpoint| endpoint.binary),
                Path::to_path_buf,
            );
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StartError::TooSlow(budgets.start()));
            }
            match tokio::time::timeout(left, start(home, &program)).await {
                Err(_) => return Err(StartError::TooSlow(budgets.start())),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Started::ByAnother)) => {
                    if let Some(listens) = listens_elsewhere(home, budgets.connect()).await {
                        return Err(StartError::Elsewhere(listens, socket));
                    }
                    // Which is about to serve, or to end: look again.
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Ok(Ok(Started::Serves)) => {}
            }
            // It is up: it closed its end only then. It may listen elsewhere
            // than the record of its predecessor said.
            let recorded = Endpoint::read(home);
            let socket = Endpoint::socket(home, recorded.as_ref()).map_err(ConnectError::from)?;
            return Ok(connect(&socket, budgets.connect()).await?);
        }
        if Instant::now() >= deadline {
            return Err(StartError::TooSlow(budgets.start()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where the home's governor can be reached, if that is not where everybody who is
/// told the same looks for it by now.
async fn listens_elsewhere(home: &Home, within: Duration) -> Option<PathBuf> {
    let recorded = Endpoint::read(home)?;
    if Endpoint::socket(home, Some(&recorded)).is_ok_and(|asked| asked == recorded.socket) {
        return None;
    }
    connect(&recorded.socket, within).await.ok().map(|_| recorded.socket)
}

/// The start lock, if nobody else holds it.
fn try_start_lock(home: &Home) -> Result<Option<File>, StartError> {
    let state = |error| StartError::State(home.state.clone(), error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&home.state).map_err(state)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(home.start_lock())
        .map_err(state)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(state(error)),
    }
}

/// Starts the governor detached and returns once it serves.
///
/// Its standard error is a pipe that it closes when it is ready; what comes
/// through before is why it gives up.
async fn start(home: &Home, program: &Path) -> Result<Started, StartError> {
    if !program.is_file() {
        return Err(StartError::NoProgram(program.into()));
    }
    let failed = |error| StartError::Spawn(program.into(), error);
    let mut command = Command::new(program);
    match home.root() {
        Some(root) => {
            command.arg("--home").arg(root);
        }
        // Of our environment and its own record the record is right: a hook may
        // run where the variables that chose the directories are missing.
        None if program.parent() == Some(&home.bin) => {
            command.arg("--installed");
        }
        None => {}
    }
    command.env_clear().envs(clean_environment(home));
    let mut child = command
        .args(["governor", "run", "--detached"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut pipe =
            tokio::net::unix::pipe::Receiver::from_owned_fd(OwnedFd::from(stderr)).map_err(failed)?;
        pipe.read_to_end(&mut said).await.map_err(failed)?;
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    // Ready says nothing. A last word and a closed pipe mean that it gave up.
    if said.is_empty() {
        return Ok(Started::Serves);
    }
    // It has closed its standard error, so it has ended or is about to.
    match child.wait().map_err(failed)?.code() {
        Some(ALREADY_RUNNING) => Ok(Started::ByAnother),
        _ => Err(StartError::Failed(said)),
    }
}

/// What a daemon needs of its starter's environment, and no more: it outlives
/// the terminal, virtual environment and repository that it was started from.
fn clean_environment(home: &Home) -> Vec<(&'static str, OsString)> {
    const KEPT: [&str; 9] = [
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "TZ",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "KPMO_SOCKET",
    ];
    const SYSTEM: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin";
    let mut environment: Vec<_> =
        KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect();
    // git's and kpmo's configuration hang on it, and a hook may lack it, or have one
    // that somebody set for a moment.
    let user = Endpoint::user(Endpoint::read(home).as_ref());
    if !user.as_os_str().is_empty() {
        environment.push(("HOME", user.into_os_string()));
    }
    // git's exec path stands first in a hook's PATH; relative entries depend on
    // a working directory that is left.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).filter(|d| d.is_absolute()).collect();
    for system in std::env::split_paths(SYSTEM) {
        if !directories.contains(&system) {
            directories.push(system);
        }
    }
    if let Ok(path) = std::env::join_paths(directories) {
        environment.push(("PATH", path));
    }
    for (name, value) in ALLOCATOR {
        environment.push((name, value.into()));
    }
    environment
}
