use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Document, Problem, RegistryError, Repo,
    check::{self, Read},
    file::{Stamp, load, stamp},
};
use crate::fs::{PathError, RealWriter, Writer};

/// The mode of a new file: paths and remotes are nobody else's business.
pub(super) const MODE: u32 = 0o600;

/// The registry of one home: its file, and the last good state of it.
///
/// Shared behind an `Arc`; several processes may have one each on the same
/// file.
#[derive(Debug)]
pub struct Registry {
    pub(super) path: PathBuf,
    pub(super) lock_path: PathBuf,
    pub(super) home: PathBuf,
    /// Who edits in this process: one after the other, in the order of coming.
    pub(super) turn: Mutex<()>,
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
        Self { path, lock_path, home, turn: Mutex::default(), memory: None, state: Mutex::new(state) }
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
        self.no_loss(&read)?;
        let places = check::places(&read);
        let places = read.document.repos.iter().cloned().zip(places).collect();
        Ok((read.document, places))
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
            let read = read.and_then(|read| self.no_loss_of(state, &read).map(|()| read));
            match read {
                Ok(read) => {
                    let is_cut_short = read.is_cut_short();
                    state.view = View { document: Arc::new(read.document), problem: None };
                    state.good = true;
                    // That nobody has written anything yet is nothing to remember.
                    if !is_cut_short {
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

    /// A file without a list is what is left of one that was being saved when the
    /// disk was full, or that an editor has only just cut short: where there were
    /// entries, it does not say that there are none now.
    pub(super) fn no_loss(&self, read: &Read<'_>) -> Result<(), RegistryError> {
        self.no_loss_of(&mut self.state(), read)
    }

    fn no_loss_of(&self, state: &mut State, read: &Read<'_>) -> Result<(), RegistryError> {
        if !read.is_cut_short() {
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
