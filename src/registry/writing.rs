use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Document, Edit, Problem, Registry, RegistryError, Repo, check, edit,
    file::{Content, Stamp, load, stamp},
    opinion, splice,
    store::MODE,
};
use crate::fs::{FileLock, IoContext, PathError, Writer};

/// How long an edit waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it does so at least, however long its turn took to come.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// How often an edit begins anew because somebody saves the file meanwhile.
const TRIES: usize = 5;

impl Registry {
    /// Changes the file, and nothing of it but what `edit` is about: as
    /// [`Registry::edit_with`], with an edit that is made up already.
    ///
    /// # Errors
    /// As [`Registry::edit_with`].
    pub fn edit(
        &self,
        writer: &dyn Writer,
        base_version: Option<&str>,
        edit: &Edit,
    ) -> Result<Arc<Document>, RegistryError> {
        let planned = self.edit_with(writer, base_version, |_| Ok::<_, RegistryError>((edit.clone(), ())));
        planned.map(|(document, ())| document)
    }

    /// Changes the file, and nothing of it but what the planned edit is about,
    /// keeping its mode (0600 for a new one). If the file is a link, what it
    /// points to is changed. A writer that is not real changes nothing and takes
    /// no lock; what would be is returned all the same, with what else `plan` told.
    ///
    /// `plan` sees the registry as no other editor of kpmo's can change it until
    /// the edit is written. It must not edit, and is asked again where somebody
    /// saves the file by hand meanwhile: it tells, and does nothing.
    ///
    /// # Errors
    /// What `plan` refuses, and
    /// [`RegistryError::Invalid`] or [`RegistryError::Emptied`] if the file is
    /// broken as it stands,
    /// [`RegistryError::Stale`] if it is not at `base_version`,
    /// [`RegistryError::Busy`] if the lock was not to be had in five seconds,
    /// [`RegistryError::Restless`] if the file was saved again and again,
    /// [`RegistryError::NameTaken`], [`RegistryError::PathTaken`],
    /// [`RegistryError::IdTaken`], [`RegistryError::NotFound`] and
    /// [`RegistryError::Refused`] if the edit makes no sense,
    /// [`RegistryError::ReadOnly`] if nobody may write to the file,
    /// [`RegistryError::EditFailed`] if the text cannot be changed so that
    /// exactly the wanted entries are read from it. Nothing is written then.
    pub fn edit_with<T, E: From<RegistryError>>(
        &self,
        writer: &dyn Writer,
        base_version: Option<&str>,
        plan: impl Fn(&Document) -> Result<(Edit, T), E>,
    ) -> Result<(Arc<Document>, T), E> {
        let (_turn, _lock);
        if writer.is_real() {
            let begun = Instant::now();
            // Threads queue here: trying for the file's lock has no order, and
            // some of many would try in vain.
            _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            _lock = self.locked(PATIENCE.saturating_sub(begun.elapsed()).max(LEAST_PATIENCE))?;
        }
        for _ in 0..TRIES {
            if let Some(done) = self.try_edit(writer, base_version, &plan)? {
                return Ok(done);
            }
        }
        Err(RegistryError::Restless { path: self.path.clone() }.into())
    }

    fn locked(&self, patience: Duration) -> Result<FileLock, RegistryError> {
        FileLock::acquire_within(&self.lock_path, patience)?
            .ok_or_else(|| RegistryError::Busy { lock: self.lock_path.clone() })
    }

    /// `Ok(None)`: somebody else has changed the file, and nothing was written.
    fn try_edit<T, E: From<RegistryError>>(
        &self,
        writer: &dyn Writer,
        base_version: Option<&str>,
        plan: &impl Fn(&Document) -> Result<(Edit, T), E>,
    ) -> Result<Option<(Arc<Document>, T)>, E> {
        let target = self.target().map_err(RegistryError::from)?;
        let content = load(&target).map_err(RegistryError::from)?;
        let invalid = |problems| RegistryError::Invalid { path: self.path.clone(), problems };
        let old = check::read(&content.bytes, &self.home).map_err(invalid)?;
        self.no_loss(&old)?;
        if let Some(base) = base_version
            && base != old.document.version
        {
            return Err(RegistryError::Stale { current: old.document.version }.into());
        }
        let (edit, told) = plan(&old.document)?;
        let wanted = edit::applied(&old.document, &edit)?;
        if wanted == old.document.repos {
            return Ok(Some((Arc::new(old.document), told)));
        }
        let failed = |reason| RegistryError::EditFailed { path: self.path.clone(), reason };
        let text = splice::edited(&old, &wanted, &edit, &self.home).map_err(failed)?;
        let mark = &content.bytes[..content.bytes.len() - old.text.len()];
        let bytes = [mark, text.as_bytes()].concat();
        let document = self.confirmed(&bytes, &text, &wanted).map_err(failed)?;
        let mode = content.meta.as_ref().map_or(MODE, |meta| meta.mode() & 0o7777);
        // Replacing it would need no leave of the file's own.
        if mode & 0o222 == 0 && writer.is_real() {
            return Err(RegistryError::ReadOnly { path: target }.into());
        }
        let is_written = writer
            .write_if(&target, &bytes, mode, &|| is_as_read(&target, &content))
            .map_err(RegistryError::from)?;
        Ok(is_written.then(|| (Arc::new(document), told)))
    }

    /// The file that a link points to is replaced, not the link.
    fn target(&self) -> Result<PathBuf, PathError> {
        match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !self.path.is_symlink() => {
                Ok(self.path.clone())
            }
            target => target.at("resolve", &self.path),
        }
    }

    /// Whether the file can hold such an entry: [`RegistryError::Refused`] says
    /// why not. Other entries are not looked at.
    pub fn accepts(&self, repo: &Repo) -> Result<(), RegistryError> {
        edit::checked(repo).map(drop)
    }

    /// Reads what is about to be written, twice, and compares.
    fn confirmed(&self, bytes: &[u8], text: &str, wanted: &[Repo]) -> Result<Document, String> {
        let document = check::parse(bytes, &self.home).map_err(|problems| {
            let first = problems.listed.first().map(Problem::sentence).unwrap_or_default();
            format!("the result would not be a registry ({first})")
        })?;
        if document.repos != wanted {
            let last = "if its last line has no line break at its end, give it one";
            return Err(format!("the result would say something else than was asked for ({last})"));
        }
        if opinion::repos(text, &self.home)? != wanted {
            return Err("a second parser reads other values".into());
        }
        Ok(document)
    }
}

/// Whether a file is still what was read of it.
fn is_as_read(path: &Path, content: &Content) -> Result<bool, PathError> {
    let now = stamp(path)?;
    if now != content.meta.as_ref().map(Stamp::of) {
        return Ok(false);
    }
    // Of one that changed only just now the times may not tell.
    match now {
        Some(now) if !now.is_settled() => Ok(load(path)?.bytes == content.bytes),
        _ => Ok(true),
    }
}
