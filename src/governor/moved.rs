//! Repositories that are not where the registry says, and finding them again.
//!
//! An entry's repository has vanished if nothing is at its path and the file
//! system that it was on is mounted: what can't be read, and what is on a disk
//! that isn't there, has not. A find that nobody registered is a vanished one if
//! it has its mark (see `identity`), or else its root commits and its remote. A
//! copy is none as long as the original is there, because that has not vanished.
//! Of several that it may be nothing is guessed.

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    AddOptions, Error, Governor, Reason,
    identify::entry_of,
    identity::{Identity, is_mounted, mark},
};
use crate::{
    fs::{Writer, shown},
    git::{self, Location},
    ledger::{EventDraft, EventKind},
    registry::{Document, Edit, FieldChange, RegistryError, Repo, RepoChange, without_credentials},
};

/// Where a registered repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Something is at its path.
    There,
    /// Nothing is at its path.
    Vanished,
    /// Nothing is at its path, nor is the file system mounted that it was on.
    Unmounted,
    /// What is at its path can't be told.
    Unreadable,
}

/// What a find is that nobody registered.
#[derive(Debug, Clone)]
pub(super) enum Newcomer {
    /// A new one.
    New,
    /// A registered one that has vanished from its path; `proven` by its mark.
    Moved { repo: Box<Repo>, proven: bool },
    /// Any of these, or none.
    Ambiguous(Vec<Repo>),
}

/// A registered repository that has vanished, and what is known of it.
struct Vanished {
    repo: Repo,
    identity: Identity,
}

/// Root commits and remote of a find.
type Descent = (Option<String>, Vec<String>);

impl Governor {
    /// Where a registered repository is. Looks at the file system.
    pub fn whereabouts(&self, repo: &Repo) -> Whereabouts {
        match fs::metadata(&repo.local_path) {
            Ok(_) => Whereabouts::There,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let identity = repo.id.as_deref().and_then(|id| self.identities.of(id));
                match identity.and_then(|identity| identity.mount) {
                    Some(mount) if !is_mounted(&mount) => Whereabouts::Unmounted,
                    _ => Whereabouts::Vanished,
                }
            }
            Err(_) => Whereabouts::Unreadable,
        }
    }

    /// Registered repositories that have vanished from their paths.
    pub(super) fn vanished(&self) -> Vec<Repo> {
        let document = self.document();
        document
            .repos
            .iter()
            .filter(|repo| self.whereabouts(repo) == Whereabouts::Vanished)
            .cloned()
            .collect()
    }

    /// What finds are that nobody registered, in their order. Neither of two finds
    /// that may be the same repository is taken for it.
    pub(super) fn newcomers(&self, finds: &[&Location]) -> Vec<Newcomer> {
        let known = |repo: Repo| {
            let identity = self.identities.of(repo.id.as_deref()?)?;
            Some(Vanished { repo, identity })
        };
        let vanished: Vec<Vanished> = self.vanished().into_iter().filter_map(known).collect();
        if vanished.is_empty() {
            return vec![Newcomer::New; finds.len()];
        }
        // A linked work tree is the repository that it is of.
        let mut several: Vec<&Location> = finds.to_vec();
        several.sort_unstable_by(|one, other| one.common_dir.cmp(&other.common_dir));
        several.dedup_by(|one, other| one.common_dir == other.common_dir);
        let whose: HashMap<&Path, Newcomer> =
            several.iter().map(|find| &*find.common_dir).zip(self.whose(&several, &vanished)).collect();
        finds.iter().map(|find| whose.get(&*find.common_dir).cloned().unwrap_or(Newcomer::New)).collect()
    }

    /// What finds are, of which no two are one repository.
    fn whose(&self, finds: &[&Location], vanished: &[Vanished]) -> Vec<Newcomer> {
        let marked = |find: &&Location| {
            let mark = mark(&find.common_dir);
            let has_it = |gone: &&Vanished| mark.is_some() && gone.identity.mark == mark;
            vanished.iter().filter(has_it).collect::<Vec<_>>()
        };
        let proven: Vec<Vec<&Vanished>> = finds.iter().map(marked).collect();
        let is_taken =
            |gone: &&Vanished| proven.iter().flatten().any(|taken| taken.repo.name == gone.repo.name);
        let left: Vec<&Vanished> = vanished.iter().filter(|gone| !is_taken(gone)).collect();
        let may_be: Vec<Vec<&Vanished>> = finds
            .iter()
            .zip(&proven)
            .map(|(find, proven)| if proven.is_empty() { self.kin(find, &left) } else { proven.clone() })
            .collect();
        let claims = |gone: &Vanished| {
            may_be.iter().flatten().filter(|claimed| claimed.repo.name == gone.repo.name).count()
        };
        let judge = |(may_be, proven): (&Vec<&Vanished>, &Vec<&Vanished>)| match may_be.as_slice() {
            [] => Newcomer::New,
            [only] if claims(only) == 1 => {
                Newcomer::Moved { repo: Box::new(only.repo.clone()), proven: !proven.is_empty() }
            }
            several => Newcomer::Ambiguous(several.iter().map(|gone| gone.repo.clone()).collect()),
        };
        may_be.iter().zip(&proven).map(judge).collect()
    }

    /// Those with the root commits and the remote of a find.
    fn kin<'a>(&self, find: &Location, vanished: &[&'a Vanished]) -> Vec<&'a Vanished> {
        let mut descent: Option<Option<Descent>> = None;
        let mut is_kin = |gone: &Vanished| {
            if gone.identity.roots.is_empty() || !git::may_have_remote(find, gone.identity.remote.as_deref())
            {
                return false;
            }
            // The history is read once, and only where all else agrees.
            let of_find = descent.get_or_insert_with(|| self.descent(find).ok());
            of_find.as_ref().is_some_and(|(remote, roots)| {
                *remote == gone.identity.remote && *roots == gone.identity.roots
            })
        };
        vanished.iter().copied().filter(|gone| is_kin(gone)).collect()
    }

    fn descent(&self, location: &Location) -> Result<Descent, Error> {
        let remote = git::remote_url(&self.git, location)?.map(|url| without_credentials(&url));
        Ok((remote, git::roots(&self.git, location)?))
    }

    /// The entry of a repository that is not registered at its place, if it is
    /// one that has vanished from another: with its new path, and
    /// the old one. An error if that
    /// can't be told. A `name` decides it, that of one that it may be or another,
    /// where the mark is no proof.
    pub(super) fn moved(
        &self,
        location: &Location,
        options: &AddOptions,
        writer: &dyn Writer,
    ) -> Result<Option<(Repo, PathBuf)>, Error> {
        let name = options.name.as_deref();
        let repo = match self.newcomers(&[location]).remove(0) {
            Newcomer::New => return Ok(None),
            Newcomer::Moved { repo, proven } => match name {
                Some(name) if !proven && name != repo.name => return Ok(None),
                _ => *repo,
            },
            Newcomer::Ambiguous(may_be) => {
                let Some(name) = name else { return Err(ambiguous(&location.main_path(), &may_be)) };
                match may_be.into_iter().find(|repo| repo.name == name) {
                    Some(repo) => repo,
                    None => return Ok(None),
                }
            }
        };
        let from = repo.local_path.clone();
        let to = location.main_path();
        let moved = self.follow(&[(repo, to)], writer, options.base_version.as_deref())?.remove(0)?;
        Ok(Some((moved, from)))
    }

    /// Gives entries the paths that their repositories have now, in one edit, and
    /// changes nothing else of them. What became of each, in their order: one may
    /// have left the registry meanwhile.
    pub(super) fn follow(
        &self,
        moves: &[(Repo, PathBuf)],
        writer: &dyn Writer,
        base_version: Option<&str>,
    ) -> Result<Vec<Result<Repo, Error>>, Error> {
        let plan = |document: &Document| {
            let olds: Vec<Option<Repo>> =
                moves.iter().map(|(repo, _)| entry_of(document, repo).cloned()).collect();
            let change = |(old, (_, path)): (&Option<Repo>, &(Repo, PathBuf))| {
                let fields = vec![FieldChange::LocalPath(path.clone())];
                Some(RepoChange { name: old.as_ref()?.name.clone(), fields })
            };
            let changes = olds.iter().zip(moves).filter_map(change).collect();
            Ok::<_, RegistryError>((Edit::Change(changes), olds))
        };
        let (_, olds) = self.registry.edit_with(writer, base_version, plan)?;
        let mut followed = Vec::new();
        for (old, (repo, path)) in olds.into_iter().zip(moves) {
            let Some(old) = old else {
                let gone = RegistryError::NotFound { name: repo.name.clone(), nearest: None };
                followed.push(Err(gone.into()));
                continue;
            };
            let now = Repo { local_path: path.clone(), ..old.clone() };
            // Another call may have followed it.
            if writer.is_real() && old != now {
                self.ledger.append_later(moved_event(&old, &now));
                self.want_snapshot(now.id.as_deref(), "moved");
            }
            followed.push(Ok(now));
        }
        if writer.is_real() {
            // One wait for all of them.
            self.ledger.flush()?;
        }
        Ok(followed)
    }
}

fn moved_event(old: &Repo, new: &Repo) -> EventDraft {
    let mut draft = EventDraft::new(EventKind::RepoMoved, "governor");
    draft.repo_id.clone_from(&new.id);
    draft.attributes.insert("name".into(), new.name.clone());
    draft.attributes.insert("old_path".into(), shown(&old.local_path));
    draft.attributes.insert("path".into(), shown(&new.local_path));
    draft
}

/// Why a find is not registered that may be any of these.
pub(super) fn ambiguous(path: &Path, may_be: &[Repo]) -> Error {
    let names: Vec<&str> = may_be.iter().map(|repo| repo.name.as_str()).collect();
    let shown = shown(path);
    let message = match may_be {
        [only] => format!(
            "{shown} may be {}, which is gone from {}, and so may another find",
            only.name,
            crate::fs::shown(&only.local_path)
        ),
        _ => format!("{shown} may be any of {}, which are gone from their paths", names.join(", ")),
    };
    let first = names.first().copied().unwrap_or_default();
    let hint = format!(
        "if it is {first}, say `kpmo repo set {first} --local-path {shown}`; if it is a new one, \
         `kpmo repo add {shown} --name NAME`"
    );
    Error::new(Reason::MoveAmbiguous, format!("{message}; {hint}"))
        .with("path", shown)
        .with("candidates", names.join(","))
}
