use std::{
    fmt, fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Longest socket path that is used, in bytes. Linux takes 107 and macOS 103.
pub const SOCKET_PATH_MAX: usize = 103;

/// The file beside the installed binaries that says which home they belong to.
const POINTER: &str = "home.json";

/// Where one governor lives: one home, one governor, one lock, one socket.
///
/// Either everything is beneath one directory (`KPMO_HOME`), or the platform's
/// own directories are used. [`Home`] only names places; nothing is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `repos.yml`, `policy.yml`, `governor.yml`.
    pub config: PathBuf,
    /// Ledger, logs, spool, endpoint record, locks.
    pub state: PathBuf,
    /// Snapshots.
    pub probe: PathBuf,
    /// The stable copies of `kpmo` and `kpmo-hook` that hooks point to.
    pub bin: PathBuf,
    /// Everything is beneath this directory.
    root: Option<PathBuf>,
}

/// The content of [`POINTER`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Pointer {
    /// The platform's directories, as they were when the binaries were put there.
    Platform { config: PathBuf, state: PathBuf, data: PathBuf },
    /// The directory above is a home of its own, wherever it has been moved to.
    Single { single: bool },
}

/// Why no home, or no socket in it, could be found.
#[derive(Debug)]
pub enum HomeError {
    /// Neither a variable nor the user database says where the user lives.
    NoUserDirectory,
    /// A home or socket path must be absolute.
    NotAbsolute(PathBuf),
    /// A socket's path is too long for the system.
    SocketPathTooLong(PathBuf),
    /// What stands in the socket's place, or holds it, can't be trusted.
    Untrusted {
        /// The path in question.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A file could not be read.
    Io(PathBuf, io::Error),
}

impl fmt::Display for HomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUserDirectory => {
                write!(f, "cannot tell where your home directory is; set KPMO_HOME to a directory of yours")
            }
            Self::NotAbsolute(path) => {
                write!(f, "{} is not an absolute path; KPMO_HOME and KPMO_SOCKET must be", path.display())
            }
            Self::SocketPathTooLong(path) => write!(
                f,
                "the socket path {} has {} bytes, and a unix socket takes at most {SOCKET_PATH_MAX}; \
                 set KPMO_SOCKET to a shorter path, or choose a shorter KPMO_HOME",
                path.display(),
                path.as_os_str().len()
            ),
            Self::Untrusted { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Io(path, error) => write!(f, "cannot read {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for HomeError {}

impl Home {
    /// The home beneath one directory (absolute).
    pub fn single(root: &Path) -> Result<Self, HomeError> {
        if !root.is_absolute() {
            return Err(HomeError::NotAbsolute(root.into()));
        }
        Ok(Self {
            config: root.join("config"),
            state: root.join("state"),
            probe: root.join("probe"),
            bin: root.join("bin"),
            root: Some(root.into()),
        })
    }

    fn platform(config: PathBuf, state: PathBuf, data: &Path) -> Self {
        Self { config, state, probe: data.join("probe"), bin: data.join("bin"), root: None }
    }

    /// The home of a command line: `--home`, else `KPMO_HOME`, else the
    /// platform's directories.
    #[cfg(feature = "governor")]
    pub fn of_command(flag: Option<&Path>) -> Result<Self, HomeError> {
        if let Some(root) = flag.map(Path::to_owned).or_else(|| env_path("KPMO_HOME")) {
            // In quotes, and after a `=`, a shell leaves `~` to us.
            let root = match root.strip_prefix("~") {
                Ok(rest) => std::env::home_dir().ok_or(HomeError::NoUserDirectory)?.join(rest),
                Err(_) => root,
            };
            let root = std::path::absolute(&root).map_err(|error| HomeError::Io(root, error))?;
            return Self::single(&root);
        }
        let dirs = directories::ProjectDirs::from("", "", "kpmo").ok_or(HomeError::NoUserDirectory)?;
        let state = dirs.state_dir().map_or_else(|| dirs.data_local_dir().join("state"), Path::to_path_buf);
        Ok(Self::platform(dirs.config_dir().into(), state, dirs.data_local_dir()))
    }

    /// The home of a hook: what stands beside the program itself, else
    /// `KPMO_HOME`, else the platform's directories in the home directory of the
    /// user database. No variable that a GUI or a remote session may lack has a
    /// say where hooks were installed from a home.
    pub fn of_hook() -> Result<Self, HomeError> {
        if let Some(home) = Self::of_installed() {
            return Ok(home);
        }
        if let Some(root) = env_path("KPMO_HOME") {
            return Self::single(&root);
        }
        let user = user_directory().ok_or(HomeError::NoUserDirectory)?;
        if cfg!(target_os = "macos") {
            let data = user.join("Library/Application Support/kpmo");
            return Ok(Self::platform(data.clone(), data.join("state"), &data));
        }
        let data = user.join(".local/share/kpmo");
        Ok(Self::platform(user.join(".config/kpmo"), user.join(".local/state/kpmo"), &data))
    }

    /// The home that this program was installed in, if it was.
    pub fn of_installed() -> Option<Self> {
        Self::beside(std::env::current_exe().ok()?.parent()?)
    }

    /// The home that the binaries in `bin` were put there for, if any.
    fn beside(bin: &Path) -> Option<Self> {
        let pointer = fs::read(bin.join(POINTER)).ok()?;
        match serde_json::from_slice(&pointer).ok()? {
            Pointer::Platform { config, state, data } => Some(Self::platform(config, state, &data)),
            Pointer::Single { .. } => Self::single(bin.parent()?).ok(),
        }
    }

    /// Path and content of the file that makes `bin` point back at this home.
    #[cfg(feature = "governor")]
    pub fn pointer(&self) -> (PathBuf, Vec<u8>) {
        let pointer = match (&self.root, self.bin.parent()) {
            (None, Some(data)) => Pointer::Platform {
                config: self.config.clone(),
                state: self.state.clone(),
                data: data.into(),
            },
            _ => Pointer::Single { single: true },
        };
        let mut text = serde_json::to_vec(&pointer).unwrap_or_default();
        text.push(b'\n');
        (self.bin.join(POINTER), text)
    }

    /// The directory that `--home` would name, where there is one.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The governor's record of where it listens.
    pub fn endpoint_file(&self) -> PathBuf {
        self.state.join("endpoint.json")
    }

    /// The program that every hook leads to.
    pub fn hook_program(&self) -> PathBuf {
        self.bin.join("kpmo-hook")
    }

    /// A copy of it, which no hook leads to: what was written through a hook's link
    /// is known, and mended, by this.
    pub fn spare_hook_program(&self) -> PathBuf {
        self.bin.join(".kpmo-hook.spare")
    }

    /// Triggers that could not be delivered, one file each.
    pub fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }

    /// Held for life by the governor of this home.
    pub fn governor_lock(&self) -> PathBuf {
        self.state.join("governor.lock")
    }

    /// Held by whoever is starting the governor.
    pub fn start_lock(&self) -> PathBuf {
        self.state.join("start.lock")
    }

    /// The socket's place when nothing else says: `KPMO_SOCKET`, else the home's
    /// own.
    ///
    /// # Errors
    /// [`HomeError::SocketPathTooLong`], [`HomeError::NotAbsolute`].
    pub fn default_socket(&self) -> Result<PathBuf, HomeError> {
        let socket = match (env_path("KPMO_SOCKET"), &self.root) {
            (Some(socket), _) => socket,
            (None, Some(root)) => root.join("run/governor.sock"),
            (None, None) => {
                let uid = rustix::process::getuid().as_raw();
                let runtime = PathBuf::from(format!("/run/user/{uid}"));
                match fs::symlink_metadata(&runtime) {
                    Ok(meta) if meta.is_dir() && meta.uid() == uid => runtime.join("kpmo/governor.sock"),
                    _ => self.state.join("run/governor.sock"),
                }
            }
        };
        check_socket_path(socket)
    }
}

/// A socket path that the system can bind and connect to.
pub(super) fn check_socket_path(socket: PathBuf) -> Result<PathBuf, HomeError> {
    if !socket.is_absolute() {
        return Err(HomeError::NotAbsolute(socket));
    }
    if socket.as_os_str().as_bytes().len() > SOCKET_PATH_MAX {
        return Err(HomeError::SocketPathTooLong(socket));
    }
    Ok(socket)
}

/// Whether `socket` is a socket of ours in a directory of ours; links are not
/// followed. `Ok(false)`: there is nothing.
pub(super) fn check_socket(socket: &Path) -> Result<bool, HomeError> {
    let uid = rustix::process::getuid().as_raw();
    let untrusted = |path: &Path, why: String| Err(HomeError::Untrusted { path: path.into(), why });
    let meta = match fs::symlink_metadata(socket) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(HomeError::Io(socket.into(), error)),
    };
    if !meta.file_type().is_socket() {
        return untrusted(socket, "not a socket, but stands where the governor's socket belongs; move it away, or set KPMO_SOCKET to another path".into());
    }
    if meta.uid() != uid {
        return untrusted(
            socket,
            format!(
                "this socket belongs to user {} and not to you ({uid}); run git as that user, or set KPMO_SOCKET to another path",
                meta.uid()
            ),
        );
    }
    if let Some(dir) = socket.parent() {
        let meta = fs::symlink_metadata(dir).map_err(|e| HomeError::Io(dir.into(), e))?;
        if !meta.is_dir() || meta.uid() != uid || meta.mode() & 0o077 != 0 {
            return untrusted(
                dir,
                format!(
                    "the socket's directory must be a directory of yours that nobody else may enter; if it is yours alone, run: chmod 700 {}; otherwise choose another with KPMO_SOCKET",
                    dir.display()
                ),
            );
        }
    }
    Ok(true)
}

fn env_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The user's home directory by the user database; `HOME` only where that does
/// not know the user (directory services).
fn user_directory() -> Option<PathBuf> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 6 && fields[2] == uid)
        .map(|fields| PathBuf::from(fields[5]))
        .filter(|path| path.is_absolute())
        .or_else(std::env::home_dir)
}

#[cfg(all(test, feature = "governor"))]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_back_to_its_home_even_when_moved() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::single(&dir.path().join("a")).unwrap();
        let (path, text) = home.pointer();
        fs::create_dir_all(&home.bin).unwrap();
        fs::write(&path, text).unwrap();
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        let moved = Home::beside(&dir.path().join("b/bin")).unwrap();
        assert_eq!(moved, Home::single(&dir.path().join("b")).unwrap());
    }

    #[test]
    fn a_platform_pointer_keeps_the_directories_of_its_day() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let home = Home::platform(at("config"), at("state"), &at("data"));
        let (path, text) = home.pointer();
        fs::create_dir_all(&home.bin).unwrap();
        fs::write(&path, text).unwrap();
        assert_eq!(Home::beside(&home.bin).unwrap(), home);
    }

    #[test]
    fn a_long_socket_path_is_refused_with_its_length() {
        let long = PathBuf::from(format!("/{}", "x".repeat(120)));
        let error = check_socket_path(long).unwrap_err().to_string();
        assert!(error.contains("121 bytes"), "{error}");
    }
}
