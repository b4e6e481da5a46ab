//! Making the store, and what opens it.
//!
//! Beside the store lie two files: the password, for restic, and the master key,
//! which spares kpmo the derivation from the password. Whoever loses one of them
//! can have it made anew from the other.
//!
//! The store is made under another name and gets its own when it is whole and
//! both files are there. So a crash leaves either nothing that counts, or
//! everything; and keys without a store are not a crash's doing, but a sign that
//! the store was moved or removed: then nothing is made in its place.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use rustic_backend::LocalBackend;
use rustic_core::{
    ConfigOptions, Credentials, ErrorKind, KeyOptions, NoProgressBars, ProgressBars, Repository,
    RepositoryBackends, RepositoryOptions, RusticError, RusticResult, WriteBackend,
    repofile::{Chunker, MasterKey},
};

use super::{
    StoreError,
    backend::{Backend, Seen},
    failure,
    lock::StoreLock,
};
use crate::fs::{IoContext, RealWriter, Writer};

/// The engine's handle of an open store.
pub(super) type Handle = Repository<rustic_core::OpenStatus>;

/// Files of contents are packed into files of this size: small enough that the
/// few that are in memory at a time cost little, large enough that there are not
/// too many of them.
const DATA_PACK: &str = "8 MiB";
const TREE_PACK: &str = "4 MiB";

/// zstd's lowest level. The engine sets an encoder up for every file, small as it
/// is; at the next levels that takes more than 3 MiB of memory each time.
const COMPRESSION: i32 = 1;

/// Where a store's files are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The directory that everything is in.
    pub(super) dir: PathBuf,
    /// restic's repository.
    pub(super) store: PathBuf,
    /// restic's repository while it is being made.
    coming: PathBuf,
    pub(super) password: PathBuf,
    key: PathBuf,
    pub(super) lock: PathBuf,
}

impl Places {
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.into(),
            store: dir.join("store"),
            coming: dir.join("store.new"),
            password: dir.join("password"),
            key: dir.join("master.key"),
            lock: dir.join("lock"),
        }
    }

    /// The store's files as the engine sees them.
    pub(super) fn local(&self) -> Result<Arc<dyn WriteBackend>, StoreError> {
        local(&self.store)
    }
}

/// Opens a handle.
pub(super) fn open(
    backend: Arc<dyn WriteBackend>,
    credentials: &Credentials,
    progress: impl ProgressBars,
    place: &Path,
) -> Result<Handle, StoreError> {
    let options = RepositoryOptions::default().no_cache(true);
    let backends = RepositoryBackends::new(backend, None);
    Repository::new_with_progress(&options, &backends, progress)
        .and_then(|closed| closed.open(credentials))
        .map_err(|error| failure::of_engine("open the store", place, &error))
}

/// The key of the store; makes the store if there is none, and mends what is
/// missing of the files beside it.
pub(super) fn key(places: &Places, lock: &StoreLock) -> Result<MasterKey, StoreError> {
    RealWriter.create_dir_all(&places.dir, 0o700)?;
    if let Some(key) = whole(places)? {
        return Ok(key);
    }
    let _alone = lock.alone()?;
    if let Some(key) = whole(places)? {
        return Ok(key);
    }
    if is_there(&places.store)? {
        return mend(places);
    }
    if is_there(&places.coming)? {
        fs::remove_dir_all(&places.coming).at("remove the unfinished store", &places.coming)?;
    } else if let Some(file) = [&places.key, &places.password].into_iter().find(|file| file.exists()) {
        return Err(StoreError::Store {
            what: "open the store",
            message: format!(
                "{} is missing, but its key {} is there: bring the store back, or move the key away \
                 to begin a new one",
                crate::fs::shown(&places.store),
                crate::fs::shown(file),
            ),
        });
    }
    make(places)
}

/// The key, if store, key and password are there and fit.
fn whole(places: &Places) -> Result<Option<MasterKey>, StoreError> {
    let Some(key) = read_key(&places.key)? else { return Ok(None) };
    if !is_there(&places.store.join("config"))? || read_password(&places.password)?.is_none() {
        return Ok(None);
    }
    let fits = open_with(places, &Credentials::Masterkey(key.clone())).is_ok();
    Ok(fits.then_some(key))
}

/// Makes a file beside the store anew from the other.
fn mend(places: &Places) -> Result<MasterKey, StoreError> {
    if !is_there(&places.store.join("config"))? {
        return Err(StoreError::Store {
            what: "open the store",
            message: format!(
                "{} has no file `config`: it is damaged, or not a store",
                crate::fs::shown(&places.store)
            ),
        });
    }
    let by_key = match read_key(&places.key)? {
        Some(key) => open_with(places, &Credentials::Masterkey(key)).ok(),
        None => None,
    };
    let password = read_password(&places.password)?;
    match (by_key, password) {
        (Some(handle), None) => {
            // The store first: a password that does not open it is worth nothing.
            let password = new_password();
            add_password(&handle, &password, &places.store)?;
            write_password(places, &password)?;
            Ok(handle.key())
        }
        (Some(handle), Some(_)) => Ok(handle.key()),
        (None, Some(password)) => {
            let handle = open_with(places, &Credentials::Password(password))?;
            let key = handle.key();
            write_key(places, &key)?;
            Ok(key)
        }
        (None, None) => Err(StoreError::Store {
            what: "open the store",
            message: format!(
                "neither {} nor {} opens it",
                crate::fs::shown(&places.key),
                crate::fs::shown(&places.password)
            ),
        }),
    }
}

/// Makes a store, and the files beside it.
fn make(places: &Places) -> Result<MasterKey, StoreError> {
    let what = "make the store";
    let failed = |error: Box<_>| failure::of_engine(what, &places.dir, &error);
    RealWriter.create_dir_all(&places.coming, 0o700)?;
    let backend = Arc::new(Backend::new(local(&places.coming)?, &places.coming, Seen::Yes));
    let key = MasterKey::new();
    let options = RepositoryOptions::default().no_cache(true);
    let backends = RepositoryBackends::new(backend.clone(), None);
    let handle = Repository::new_with_progress(&options, &backends, NoProgressBars {})
        .and_then(|closed| {
            closed.init(&Credentials::Masterkey(key.clone()), &KeyOptions::default(), &config()?)
        })
        .map_err(failed)?;
    let password = new_password();
    add_password(&handle, &password, &places.coming)?;
    for directory in ["", "data", "index", "keys", "snapshots"] {
        let directory = places.coming.join(directory);
        fs::File::open(&directory).and_then(|file| file.sync_all()).at("sync the directory", &directory)?;
    }
    backend.sync()?;
    write_password(places, &password)?;
    write_key(places, &key)?;
    RealWriter.rename(&places.coming, &places.store)?;
    Ok(key)
}

fn config() -> RusticResult<ConfigOptions> {
    let mut options = ConfigOptions::default().set_version(2).set_chunker(Chunker::Rabin);
    options.set_datapack_size = Some(size(DATA_PACK)?);
    options.set_datapack_growfactor = Some(0);
    options.set_treepack_size = Some(size(TREE_PACK)?);
    options.set_treepack_growfactor = Some(0);
    options.set_compression = Some(COMPRESSION);
    Ok(options)
}

/// A size as the engine has them.
pub(super) fn size<T: FromStr<Err = String>>(text: &str) -> RusticResult<T> {
    text.parse()
        .map_err(|error: String| RusticError::with_source(ErrorKind::InvalidInput, "not a size", error))
}

fn add_password(handle: &Handle, password: &str, place: &Path) -> Result<(), StoreError> {
    let options = KeyOptions::default().username("kpmo".to_owned()).with_created(true);
    let added = handle.add_key(password, &options);
    added.map_err(|error| failure::of_engine("add the password to the store", place, &error))?;
    Ok(())
}

fn open_with(places: &Places, credentials: &Credentials) -> Result<Handle, StoreError> {
    open(places.local()?, credentials, NoProgressBars {}, &places.store)
}

fn local(path: &Path) -> Result<Arc<dyn WriteBackend>, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Store {
        what: "open the store",
        message: format!("the path {} is not UTF-8", crate::fs::shown(path)),
    })?;
    let backend =
        LocalBackend::new(text, None).map_err(|error| failure::of_engine("open the store", path, &error))?;
    Ok(Arc::new(backend))
}

/// The key, if the file is there and holds one. Whatever else it holds is not
/// told: it might be most of a key.
fn read_key(path: &Path) -> Result<Option<MasterKey>, StoreError> {
    let Some(text) = read_secret(path)? else { return Ok(None) };
    let key: Option<MasterKey> = serde_json::from_slice(&text).ok();
    // The engine does not look at lengths, but dies of wrong ones.
    Ok(key.filter(|key| key.encrypt.len() == 32 && key.mac.k.len() == 16 && key.mac.r.len() == 16))
}

fn read_password(path: &Path) -> Result<Option<String>, StoreError> {
    let Some(text) = read_secret(path)? else { return Ok(None) };
    let text = String::from_utf8(text).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// A file that only its owner may read; if others may, that is ended first.
fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => {
            let mode = fs::metadata(path).at("read the mode of", path)?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).at("set the mode of", path)?;
            }
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path)?,
    }
}

fn write_key(places: &Places, key: &MasterKey) -> Result<(), StoreError> {
    let text = serde_json::to_vec(key).map_err(|_| StoreError::Store {
        what: "write the key",
        message: "it can't be put into JSON".into(),
    })?;
    Ok(RealWriter.write(&places.key, &text, 0o600)?)
}

fn write_password(places: &Places, password: &str) -> Result<(), StoreError> {
    Ok(RealWriter.write(&places.password, format!("{password}\n").as_bytes(), 0o600)?)
}

/// 256 random bits in hexadecimal digits.
fn new_password() -> String {
    hex::encode(MasterKey::new().encrypt)
}

/// Whether there is anything; an error where that can't be told, lest a store
/// that can't be looked at be taken for none.
fn is_there(path: &Path) -> Result<bool, StoreError> {
    Ok(path.try_exists().at("look for", path)?)
}
