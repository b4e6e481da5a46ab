//! Repositories that are not where the registry says, and finding them again.
//!
//! An entry's repository has vanished if nothing is at its path and the file
//! system that it was on is mounted: what can't be read, and what is on a disk
//! that isn't there or does not answer, has not. It is displaced if another entry's
//! is at its path, by its mark (see `identity`), and no longer at its own: then
//! several have been renamed, one to where another was. A find that nobody
//! registered is one of these if it has its mark, or else its root commits and its
//! remote. A copy is none as long as the original is there, because that has not
//! vanished. Of several that it may be nothing is guessed.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
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
    fs::{
        Writer,
        answering::{self, PATIENCE},
        shown,
    },
    git::{self, Location, RemoteHint},
    ledger::{EventDraft, EventKind},
    registry::{Document, Edit, FieldChange, RegistryError, Repo, RepoChange, without_credentials},
};

/// How many directories beside the one that is gone are looked at.
const MOST_BESIDE: usize = 10_000;

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
    /// Its path does not answer.
    Silent,
}

/// Registered repositories that are not where their entries say.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// Nothing is at their paths.
    pub vanished: Vec<Repo>,
    /// Other entries' repositories are at their paths.
    pub displaced: Vec<Repo>,
}

impl Strays {
    /// Whether what is at the path of this entry is another's.
    pub fn displaces(&self, repo: &Repo) -> bool {
        self.displaced.iter().any(|displaced| displaced.name == repo.name)
    }
}

/// Where to look for a registered repository.
struct Stated {
    path: PathBuf,
    /// Where its file system was mounted.
    mount: Option<PathBuf>,
}

impl Stated {
    fn of(repo: &Repo, identity: Option<&Identity>) -> Self {
        let mount = identity.and_then(|identity| identity.mount.clone());
        Self { path: repo.local_path.clone(), mount }
    }

    fn whereabouts(&self) -> Whereabouts {
        match fs::metadata(&self.path) {
            Ok(_) => Whereabouts::There,
            Err(error) if error.kind() == ErrorKind::NotFound => match &self.mount {
                Some(mount) if !is_mounted(mount) => Whereabouts::Unmounted,
                _ => Whereabouts::Vanished,
            },
            Err(_) => Whereabouts::Unreadable,
        }
    }

    /// With the mark of the repository that is there.
    fn look(&self) -> (Whereabouts, Option<String>) {
        let whereabouts = self.whereabouts();
        let is_there = whereabouts == Whereabouts::There;
        let location = is_there.then(|| Location::at(&self.path).ok()).flatten();
        (whereabouts, location.and_then(|location| mark(&location.common_dir)))
    }
}

impl AsRef<Path> for Stated {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// What a find is that nobody registered.
#[derive(Debug, Clone)]
pub(super) enum Newcomer {
    /// A new one.
    New,
    /// A registered one that is no longer at its path; `proven` by its mark. Where
    /// it is now may be the path of another entry, which is at none of the finds.
    Moved { repo: Box<Repo>, proven: bool, in_place_of: Option<String> },
    /// Any of these, or none.
    Ambiguous(Vec<Repo>),
}

/// A registered repository that is not at its path, and what is known of it.
struct Vanished {
    repo: Repo,
    identity: Identity,
}

/// Those that have vanished, by their remotes.
type Remotes<'a> = HashMap<Option<&'a str>, Vec<&'a Vanished>>;

/// Root commits and remote of a find.
type Descent = (Option<String>, Vec<String>);

impl Governor {
    /// Where a registered repository is. Looks at the file system, for a limited
    /// time.
    pub fn whereabouts(&self, repo: &Repo) -> Whereabouts {
        let identity = repo.id.as_deref().and_then(|id| self.identities.of(id));
        let stated = Stated::of(repo, identity.as_ref());
        answering::within(&repo.local_path, PATIENCE, move |_| stated.whereabouts())
            .unwrap_or(Whereabouts::Silent)
    }

    /// Where a repository is that is no longer at its path, if it was only given
    /// another name there, by its mark.
    pub(super) fn renamed(&self, repo: &Repo) -> Option<Location> {
        let own = self.identities.of(repo.id.as_deref()?)?.mark?;
        let entries = fs::read_dir(repo.local_path.parent()?).ok()?.flatten().take(MOST_BESIDE);
        let is_it = |path: &PathBuf| {
            [path.join(".git"), path.clone()].iter().any(|dir| mark(dir).as_deref() == Some(&*own))
        };
        let path = entries.map(|entry| entry.path()).find(is_it)?;
        Location::at(&path).ok()
    }

    /// Registered repositories that are not where the registry says.
    pub(super) fn strays(&self) -> Strays {
        let repos = &self.document().repos;
        let known: Vec<Option<Identity>> =
            repos.iter().map(|repo| self.identities.of(repo.id.as_deref()?)).collect();
        let stated = repos.iter().zip(&known).map(|(repo, identity)| Stated::of(repo, identity.as_ref()));
        let looks = answering::each(stated.collect(), PATIENCE, Stated::look);
        let looks: Vec<_> =
            looks.into_iter().map(|look| look.unwrap_or((Whereabouts::Silent, None))).collect();

        let own = |at: usize| known[at].as_ref()?.mark.as_deref();
        let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
        for at in 0..repos.len() {
            owners.entry(own(at).unwrap_or_default()).or_default().push(at);
        }
        // What is at its own path as well (two entries for one repository) is nobody's
        // that has come here.
        let is_anothers = |at: usize| {
            let (Some(found), Some(own)) = (looks[at].1.as_deref(), own(at)) else { return false };
            let owners = owners.get(found).filter(|_| found != own);
            owners.is_some_and(|owners| owners.iter().all(|owner| looks[*owner].1.as_deref() != Some(found)))
        };
        let mut strays = Strays::default();
        for (at, repo) in repos.iter().enumerate() {
            if looks[at].0 == Whereabouts::Vanished {
                strays.vanished.push(repo.clone());
            } else if is_anothers(at) {
                strays.displaced.push(repo.clone());
            }
        }
        strays
    }

    /// What finds are that nobody registered, in their order. Neither of two finds
    /// that may be the same repository is taken for it.
    pub(super) fn newcomers(&self, strays: &Strays, finds: &[&Location]) -> Vec<Newcomer> {
        let known = |repo: &Repo| {
            let identity = self.identities.of(repo.id.as_deref()?)?;
            Some(Vanished { repo: repo.clone(), identity })
        };
        let vanished: Vec<Vanished> =
            strays.vanished.iter().chain(&strays.displaced).filter_map(known).collect();
        if vanished.is_empty() {
            return vec![Newcomer::New; finds.len()];
        }
        // A linked work tree is the repository that it is of.
        let mut several: Vec<&Location> = finds.to_vec();
        several.sort_unstable_by(|one, other| one.common_dir.cmp(&other.common_dir));
        several.dedup_by(|one, other| one.common_dir == other.common_dir);
        let mut whose = self.whose(&several, &vanished);
        note_held_places(&several, &mut whose, &strays.displaced);
        let whose: HashMap<&Path, Newcomer> =
            several.iter().map(|find| &*find.common_dir).zip(whose).collect();
        finds.iter().map(|find| whose.get(&*find.common_dir).cloned().unwrap_or(Newcomer::New)).collect()
    }

    /// What finds are, of which no two are one repository.
    fn whose(&self, finds: &[&Location], vanished: &[Vanished]) -> Vec<Newcomer> {
        let mut by_mark: HashMap<&str, Vec<&Vanished>> = HashMap::new();
        for gone in vanished {
            if let Some(mark) = &gone.identity.mark {
                by_mark.entry(mark).or_default().push(gone);
            }
        }
        let marked = |find: &&Location| {
            mark(&find.common_dir).and_then(|mark| by_mark.get(&*mark).cloned()).unwrap_or_default()
        };
        let proven: Vec<Vec<&Vanished>> = finds.iter().map(marked).collect();
        let taken: HashSet<&str> = proven.iter().flatten().map(|taken| taken.repo.name.as_str()).collect();
        let mut left = Remotes::new();
        for gone in vanished.iter().filter(|gone| !taken.contains(gone.repo.name.as_str())) {
            // What has no commit is like any other that has none.
            if !gone.identity.roots.is_empty() {
                left.entry(gone.identity.remote.as_deref()).or_default().push(gone);
            }
        }
        let may_be: Vec<Vec<&Vanished>> = finds
            .iter()
            .zip(&proven)
            .map(|(find, proven)| if proven.is_empty() { self.kin(find, &left) } else { proven.clone() })
            .collect();
        let mut claims: HashMap<&str, usize> = HashMap::new();
        for claimed in may_be.iter().flatten() {
            *claims.entry(&claimed.repo.name).or_default() += 1;
        }
        let judge = |(may_be, proven): (&Vec<&Vanished>, &Vec<&Vanished>)| match may_be.as_slice() {
            [] => Newcomer::New,
            [only] if claims[only.repo.name.as_str()] == 1 => {
                let proven = !proven.is_empty();
                Newcomer::Moved { repo: Box::new(only.repo.clone()), proven, in_place_of: None }
            }
            several => Newcomer::Ambiguous(several.iter().map(|gone| gone.repo.clone()).collect()),
        };
        may_be.iter().zip(&proven).map(judge).collect()
    }

    /// Those with the root commits and the remote of a find.
    fn kin<'a>(&self, find: &Location, vanished: &Remotes<'a>) -> Vec<&'a Vanished> {
        if vanished.is_empty() {
            return Vec::new();
        }
        let hint = RemoteHint::of(find);
        // The history is read only where the configuration does not speak against it.
        if !vanished.keys().any(|remote| hint.may_be(*remote)) {
            return Vec::new();
        }
        let Ok((remote, roots)) = self.descent(find) else { return Vec::new() };
        let of_remote = vanished.get(&remote.as_deref()).map(Vec::as_slice).unwrap_or_default();
        of_remote.iter().copied().filter(|gone| gone.identity.roots == roots).collect()
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
        let repo = match self.newcomers(&self.strays(), &[location]).remove(0) {
            Newcomer::New => return Ok(None),
            Newcomer::Moved { repo, proven, in_place_of } => match (name, in_place_of) {
                (Some(name), _) if !proven && name != repo.name => return Ok(None),
                (_, Some(other)) => return Err(held(&location.main_path(), &repo, &other)),
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

/// Notes which finds are at paths that other entries hold still: those of entries
/// that move away with them do not count, unless these can't.
fn note_held_places(finds: &[&Location], whose: &mut [Newcomer], displaced: &[Repo]) {
    loop {
        let leaves = |newcomer: &Newcomer| match newcomer {
            Newcomer::Moved { repo, in_place_of: None, .. } => Some(repo.name.clone()),
            _ => None,
        };
        let leaving: HashSet<String> = whose.iter().filter_map(leaves).collect();
        let held = displaced.iter().filter(|other| !leaving.contains(&other.name));
        let held: HashMap<&Path, &str> =
            held.map(|other| (other.local_path.as_path(), other.name.as_str())).collect();
        let mut is_done = true;
        for (find, newcomer) in finds.iter().zip(whose.iter_mut()) {
            if let Newcomer::Moved { in_place_of: place @ None, .. } = newcomer
                && let Some(other) = held.get(find.main_path().as_path())
            {
                *place = Some((*other).to_owned());
                is_done = false;
            }
        }
        if is_done {
            return;
        }
    }
}

/// Why an entry does not follow its repository to a path that is another's.
pub(super) fn held(path: &Path, repo: &Repo, other: &str) -> Error {
    let shown = shown(path);
    let message = format!(
        "{shown} is {}, which was at {}; but the registry says that {other} is there, and that one was not \
         found: search where it is now as well, or say `kpmo repo remove {other}`",
        repo.name,
        crate::fs::shown(&repo.local_path)
    );
    Error::new(Reason::MoveAmbiguous, message).with("path", shown).with("candidates", other)
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
