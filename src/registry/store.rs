use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Document, Edit, Problem, RegistryError, Repo,
    check::{self, Read},
    edit,
    file::{Stamp, load, stamp},
    opinion, splice,
};
use crate::fs::{FileLock, IoContext, PathError, RealWriter, Writer};

/// How long an edit waits for another's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// The mode of a new file: paths and remotes are nobody else's business.
const MODE: u32 = 0o600;

/// The registry of one home: its file, and the last good state of it.
///
/// Shared behind an `Arc`; several processes may have one each on the same
/// file.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    lock_path: PathBuf,
    home: PathBuf,
    /// Where the last good state is kept for the next process.
    memory: Option<Memory>,
    state: Mutex<State>,
}

/// A file with the last good state.
#[derive(Debug)]
struct Memory {
    path: PathBuf,
    /// Whether it is written, too.
    is_kept: bool,
}

/// The registry at one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// The file's content; if it is broken, that of the last good state seen,
    /// or no entries where there was none.
    pub document: Arc<Document>,
    /// Why the file as it is now is not what `document` says.
    pub problem: Option<Arc<RegistryError>>,
}

#[derive(Debug)]
struct State {
    view: View,
    /// The file that `view` is about; `None` before the first look, and after
    /// one that failed.
    seen: Option<Seen>,
    /// Whether `view` has something good, or all that there is of it.
    good: bool,
}

#[derive(Debug)]
struct Seen {
    stamp: Option<Stamp>,
    /// Whether the file had been at rest when it was read. One that changed
    /// just then may change again without its times telling.
    settled: bool,
    version: String,
}

impl Registry {
    /// The registry in the file `path`; `lock_path` is locked while it is
    /// edited, `home` is what `~` stands for. Nothing is read yet.
    pub fn open(path: PathBuf, lock_path: PathBuf, home: PathBuf) -> Self {
        let document = Arc::new(Document { repos: Vec::new(), version: check::version(b"") });
        let state = State { view: View { document, problem: None }, seen: None, good: false };
        Self { path, lock_path, home, memory: None, state: Mutex::new(state) }
    }

    /// Keeps each good state in the file `memory`, and begins with the one that
    /// is there if the registry's own file is broken: a governor that starts
    /// over a broken edit goes on where the last one was.
    #[must_use]
    pub fn remembering(self, memory: PathBuf) -> Self {
        Self { memory: Some(Memory { path: memory, is_kept: true }), ..self }
    }

    /// As [`Registry::remembering`], for one that only looks: nothing is written.
    #[must_use]
    pub fn recalling(self, memory: PathBuf) -> Self {
        Self { memory: Some(Memory { path: memory, is_kept: false }), ..self }
    }

    /// The file that the registry is in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `~` stands for in it.
    pub fn user_home(&self) -> &Path {
        &self.home
    }

    /// The registry as it is now. Looks at the file's metadata each time and
    /// reads it where that has changed, so that edits by hand are seen at once.
    /// Blocks on the file system.
    pub fn view(&self) -> View {
        let mut state = self.state();
        if let Err(error) = self.refresh(&mut state) {
            state.seen = None;
            self.fall_back(&mut state);
            state.view.problem = Some(Arc::new(error.into()));
        }
        state.view.clone()
    }

    /// Reads the file as it is now, and tells where each entry's path is written
    /// (the problem there says nothing yet). Nothing is remembered.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`], [`RegistryError::Emptied`], and
    /// [`RegistryError::Io`].
    pub fn check(&self) -> Result<(Document, Vec<(Repo, Problem)>), RegistryError> {
        let content = load(&self.path)?;
        let read = check::read(&content.bytes, &self.home)
            .map_err(|problems| RegistryError::Invalid { path: self.path.clone(), problems })?;
        self.no_loss(&mut self.state(), &read)?;
        let places = check::places(&read);
        let places = read.document.repos.iter().cloned().zip(places).collect();
        Ok((read.document, places))
    }

    /// Changes the file, and nothing of it but what `edit` is about, keeping
    /// its mode (0600 for a new one). If the file is a link, what it points to
    /// is changed. A writer that is not real changes nothing and takes no lock;
    /// what would be is returned all the same.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] or [`RegistryError::Emptied`] if the file is
    /// broken as it stands,
    /// [`RegistryError::Stale`] if it is not at `base_version`,
    /// [`RegistryError::Busy`] if the lock was not to be had in five seconds,
    /// [`RegistryError::NameTaken`], [`RegistryError::PathTaken`],
    /// [`RegistryError::IdTaken`], [`RegistryError::NotFound`] and
    /// [`RegistryError::Refused`] if the edit makes no sense,
    /// [`RegistryError::EditFailed`] if the text cannot be changed so that
    /// exactly the wanted entries are read from it. Nothing is written then.
    pub fn edit(
        &self,
        writer: &dyn Writer,
        base_version: Option<&str>,
        edit: &Edit,
    ) -> Result<Arc<Document>, RegistryError> {
        let _lock = if writer.is_real() {
            let lock = FileLock::acquire_within(&self.lock_path, PATIENCE)?;
            Some(lock.ok_or_else(|| RegistryError::Busy { lock: self.lock_path.clone() })?)
        } else {
            None
        };
        // The file that a link points to is replaced, not the link.
        let target = match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !self.path.is_symlink() => self.path.clone(),
            target => target.at("resolve", &self.path)?,
        };
        let content = load(&target)?;
        let invalid = |problems| RegistryError::Invalid { path: self.path.clone(), problems };
        let old = check::read(&content.bytes, &self.home).map_err(invalid)?;
        self.no_loss(&mut self.state(), &old)?;
        if let Some(base) = base_version
            && base != old.document.version
        {
            return Err(RegistryError::Stale { current: old.document.version });
        }
        let wanted = edit::applied(&old.document, edit, &self.home)?;
        if wanted == old.document.repos {
            return Ok(Arc::new(old.document));
        }
        let failed = |reason| RegistryError::EditFailed { path: self.path.clone(), reason };
        let text = splice::edited(&old, &wanted, edit, &self.home).map_err(failed)?;
        let mark = &content.bytes[..content.bytes.len() - old.text.len()];
        let bytes = [mark, text.as_bytes()].concat();
        let document = self.confirmed(&bytes, &text, &wanted).map_err(failed)?;
        let mode = content.meta.as_ref().map_or(MODE, |meta| meta.mode() & 0o7777);
        writer.write(&target, &bytes, mode)?;
        Ok(Arc::new(document))
    }

    /// Whether the file can hold such an entry: [`RegistryError::Refused`] says
    /// why not. Other entries are not looked at.
    pub fn accepts(&self, repo: &super::Repo) -> Result<(), RegistryError> {
        edit::checked(repo, &self.home).map(drop)
    }

    /// Reads what is about to be written, twice, and compares.
    fn confirmed(&self, bytes: &[u8], text: &str, wanted: &[super::Repo]) -> Result<Document, String> {
        let document = check::parse(bytes, &self.home).map_err(|problems| {
            let first = problems.listed.first().map(Problem::sentence).unwrap_or_default();
            format!("the result would not be a registry ({first})")
        })?;
        if document.repos != wanted {
            return Err("the result would say something else than was asked for".into());
        }
        if opinion::repos(text, &self.home)? != wanted {
            return Err("a second parser reads other values".into());
        }
        Ok(document)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, state: &mut State) -> Result<(), PathError> {
        if let Some(seen) = &state.seen
            && seen.settled
            && stamp(&self.path)? == seen.stamp
        {
            return Ok(());
        }
        let content = load(&self.path)?;
        let version = check::version(&content.bytes);
        let known = state.seen.as_ref().is_some_and(|seen| seen.version == version);
        if !known {
            let read = check::read(&content.bytes, &self.home)
                .map_err(|problems| RegistryError::Invalid { path: self.path.clone(), problems });
            let read = read.and_then(|read| self.no_loss(state, &read).map(|()| read));
            match read {
                Ok(read) => {
                    let is_blank = read.is_blank();
                    state.view = View { document: Arc::new(read.document), problem: None };
                    state.good = true;
                    // That nobody has written anything yet is nothing to remember.
                    if !is_blank {
                        self.remember(&content.bytes);
                    }
                }
                Err(error) => {
                    self.fall_back(state);
                    state.view.problem = Some(Arc::new(error));
                }
            }
        }
        let stamp = content.meta.as_ref().map(Stamp::of);
        // That there is no file is sure at every look.
        let settled = stamp.as_ref().is_none_or(Stamp::is_settled);
        state.seen = Some(Seen { stamp, settled, version });
        Ok(())
    }
}

impl Registry {
    /// Not having it is no reason to fail: it is needed only if the file breaks.
    fn remember(&self, bytes: &[u8]) {
        let Some(Memory { path: memory, is_kept: true }) = &self.memory else { return };
        if fs::read(memory).is_ok_and(|kept| kept == bytes) {
            return;
        }
        if let Err(error) = RealWriter.write(memory, bytes, MODE) {
            tracing::warn!(%error, "the registry's last good state could not be kept");
        }
    }

    /// A file without a document is what is left of one that was being saved when
    /// the disk was full, or that an editor has only just cut short: where there
    /// were entries, it does not say that there are none now.
    fn no_loss(&self, state: &mut State, read: &Read<'_>) -> Result<(), RegistryError> {
        if !read.is_blank() {
            return Ok(());
        }
        self.fall_back(state);
        match state.view.document.repos.len() {
            0 => Ok(()),
            kept => Err(RegistryError::Emptied { path: self.path.clone(), kept }),
        }
    }

    /// Before anything good was seen, what an earlier process kept is the best.
    fn fall_back(&self, state: &mut State) {
        let Some(memory) = self.memory.as_ref().filter(|_| !state.good) else { return };
        state.good = true;
        let kept = load(&memory.path).ok().and_then(|content| check::parse(&content.bytes, &self.home).ok());
        if let Some(document) = kept {
            state.view.document = Arc::new(document);
        }
    }
}
