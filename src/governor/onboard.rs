use std::path::{Path, PathBuf};

use super::{Error, Governor, Reason, hooks::RepoHooks, identify::entry_of};
use crate::{
    fs::{DryRun, RealWriter, Writer, shown},
    git::{self, Location},
    ledger::{EventDraft, EventKind},
    registry::{Document, Edit, RegistryError, Repo, without_credentials},
};

/// How a repository is to be onboarded.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// In or of the repository, absolute.
    pub path: PathBuf,
    /// `None`: from the directory's name.
    pub name: Option<String>,
    /// Leave the hooks alone.
    pub skip_hooks: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// The registry's version that the caller has seen.
    pub base_version: Option<String>,
}

/// An onboarded repository.
#[derive(Debug)]
pub struct Added {
    /// Its entry.
    pub repo: Repo,
    /// False: it was registered already.
    pub created: bool,
    /// Its hooks, unless they were to be left alone or could not be put.
    pub hooks: Option<RepoHooks>,
    /// It was registered at this path, which has vanished.
    pub moved_from: Option<PathBuf>,
    /// Version of the registry afterwards.
    pub version: String,
    /// What did not stop it.
    pub warnings: Vec<String>,
}

/// A repository that was taken out of the registry.
#[derive(Debug)]
pub struct Removed {
    /// Its entry as it was.
    pub repo: Repo,
    /// Its hooks, if they were taken away.
    pub hooks: Option<RepoHooks>,
    /// Version of the registry afterwards.
    pub version: String,
}

fn writer(dry_run: bool) -> Box<dyn Writer> {
    if dry_run { Box::new(DryRun::default()) } else { Box::new(RealWriter) }
}

impl Governor {
    /// Onboards a repository in one call: registry entry, then hooks, then the
    /// record. Each step can be repeated, so that a crash between two is mended
    /// by calling again.
    pub fn add_repo(&self, options: &AddOptions) -> Result<Added, Error> {
        let path = &options.path;
        if !path.is_absolute() {
            return Err(Error::bad_request("path", "must be absolute"));
        }
        if !path.exists() {
            let shown = shown(path);
            return Err(
                Error::new(Reason::PathNotFound, format!("{shown} does not exist")).with("path", shown)
            );
        }
        let location = Location::discover(path)?;
        let writer = writer(options.dry_run);
        if !options.dry_run {
            self.assign_ids();
        }
        let mut warnings = Vec::new();
        let mut moved_from = None;
        let (repo, created, version) = match self.registered(&location) {
            Some(repo) => (Repo::clone(&repo), false, self.document().version.clone()),
            None => match self.moved(&location, options, &*writer)? {
                Some((repo, from)) => {
                    warnings.extend(kept_name(&repo, options.name.as_deref()));
                    moved_from = Some(from);
                    (repo, false, self.document().version.clone())
                }
                None => self.register(&location, options, &*writer)?,
            },
        };
        let mut hooks = None;
        if !options.skip_hooks {
            match self.install_hooks(&repo, None, &*writer) {
                Ok(installed) => hooks = Some(installed),
                Err(error) => warnings.push(format!("hooks were not installed: {}", error.message)),
            }
        }
        if !options.dry_run {
            // Also of one that was registered without: by hand, or before a crash.
            let is_new = match self.complete_registration(&repo, &location) {
                // What it was added for is there and works.
                Err(error) if !created => {
                    warnings.push(format!("it is not recorded as added yet: {}", error.message));
                    false
                }
                completed => completed?,
            };
            // One that was registered before is recorded already.
            if created && !is_new {
                self.want_snapshot(repo.id.as_deref(), "added");
            }
            if created || is_new || moved_from.is_some() {
                self.note_identities(&[(repo.clone(), location.clone())]);
            }
        }
        Ok(Added { repo, created, hooks, moved_from, version, warnings })
    }

    fn register(
        &self,
        location: &Location,
        options: &AddOptions,
        writer: &dyn Writer,
    ) -> Result<(Repo, bool, String), Error> {
        let profile = git::profile(&self.git, location)?;
        let local_path = location.main_path();
        let new = Repo {
            remote_url: profile.remote_url.map(|url| without_credentials(&url)),
            default_branch: profile.default_branch,
            gitignore_profile: gitignore_profile(&local_path).map(str::to_owned),
            local_path,
            ..Repo::default()
        };
        let plan = |document: &Document| {
            // Others may have come first: with this repository, or with its name.
            let known = self.registered(location).and_then(|known| entry_of(document, &known).cloned());
            if let Some(known) = known {
                return Ok((Edit::Add(Vec::new()), (known, false)));
            }
            let name = options.name.clone().unwrap_or_else(|| free_name(document, &new.local_path));
            let id = Some(self.id_for(document, Some(location)));
            let repo = Repo { id, name, ..new.clone() };
            Ok::<_, Error>((Edit::Add(vec![repo.clone()]), (repo, true)))
        };
        let base = options.base_version.as_deref();
        let (document, (repo, created)) = self.registry.edit_with(writer, base, plan)?;
        Ok((repo, created, document.version.clone()))
    }

    /// Takes a repository out of the registry, and its hooks out of it. What
    /// the ledger knows of it stays.
    pub fn remove_repo(
        &self,
        selector: &str,
        keep_hooks: bool,
        dry_run: bool,
        base_version: Option<&str>,
    ) -> Result<Removed, Error> {
        let repo = self.select(selector)?;
        let writer = writer(dry_run);
        // By its id: meanwhile another may have come to its name.
        let plan = |document: &Document| match entry_of(document, &repo) {
            Some(now) => Ok((Edit::Remove { name: now.name.clone() }, now.clone())),
            None => Err(RegistryError::NotFound { name: repo.name.clone(), nearest: None }),
        };
        // What can't be taken out of the registry keeps its hooks.
        self.registry.edit_with(&DryRun::default(), base_version, plan)?;
        // A repository that is gone has no hooks to take away.
        let hooks = match self.uninstall_unless(keep_hooks, &repo, &*writer) {
            Err(error) if matches!(error.reason, Reason::NotARepository) => None,
            other => other?,
        };
        let (document, repo) = self.registry.edit_with(&*writer, base_version, plan)?;
        if !dry_run {
            let mut draft = EventDraft::new(EventKind::RepoRemoved, "governor");
            draft.repo_id.clone_from(&repo.id);
            draft.attributes.insert("name".into(), repo.name.clone());
            self.ledger.append(draft)?;
            self.snapshots.forget(repo.id.as_deref().unwrap_or_default());
        }
        Ok(Removed { repo, hooks, version: document.version.clone() })
    }

    fn uninstall_unless(
        &self,
        keep: bool,
        repo: &Repo,
        writer: &dyn Writer,
    ) -> Result<Option<RepoHooks>, Error> {
        if keep || !repo.local_path.exists() {
            return Ok(None);
        }
        self.uninstall_hooks(repo, writer).map(Some)
    }
}

/// What to say where another name was asked for than a moved repository has.
fn kept_name(repo: &Repo, asked: Option<&str>) -> Option<String> {
    asked.filter(|asked| *asked != repo.name).map(|asked| {
        format!("it is {}, which has moved, and keeps that name; it was not renamed to {asked}", repo.name)
    })
}

/// Most bytes of a directory's name that are taken for a repository's: two of
/// these and a number with its hyphens are what a name may have, 100 bytes.
const PART_MAX: usize = 45;

/// The directory's name; where that is taken, with the parent's in front; then
/// with a number behind.
pub(super) fn free_name(document: &Document, path: &Path) -> String {
    let part = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        // What is not UTF-8 can't be typed.
        let name = name.replace(char::REPLACEMENT_CHARACTER, "_");
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let name = name.trim().trim_end_matches(".git");
        name[..name.floor_char_boundary(PART_MAX)].trim_end().to_owned()
    };
    let taken = |name: &str| document.repos.iter().any(|repo| repo.name == name);
    let own = match part(Some(path)) {
        name if matches!(name.as_str(), "" | "." | "..") => "repository".to_owned(),
        name => name,
    };
    if !taken(&own) {
        return own;
    }
    let longer = match part(path.parent()) {
        parent if parent.is_empty() => own,
        parent => format!("{parent}-{own}"),
    };
    if !taken(&longer) {
        return longer;
    }
    // One more than there are names taken: one of these is free.
    let mut numbered = (2..=document.repos.len() + 2).map(|n| format!("{longer}-{n}"));
    numbered.find(|name| !taken(name)).unwrap_or(longer)
}

/// The `.gitignore` profile that the files at the top of a work tree ask for.
pub(super) fn gitignore_profile(path: &Path) -> Option<&'static str> {
    const BY_FILE: [(&str, &str); 10] = [
        ("Cargo.toml", "rust"),
        ("go.mod", "go"),
        ("pyproject.toml", "python"),
        ("setup.py", "python"),
        ("requirements.txt", "python"),
        ("pom.xml", "java"),
        ("build.gradle", "java"),
        ("Gemfile", "ruby"),
        ("composer.json", "php"),
        ("package.json", "node"),
    ];
    BY_FILE.iter().find(|(file, _)| path.join(file).is_file()).map(|(_, profile)| *profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_taken_name_gets_its_parents_and_then_a_number() {
        let mut document = Document { repos: Vec::new(), version: String::new() };
        for wanted in ["api", "work-api", "work-api-2", "work-api-3"] {
            let name = free_name(&document, Path::new("/home/u/work/api"));
            assert_eq!(name, wanted);
            document.repos.push(Repo { name, ..Repo::default() });
        }
        assert_eq!(free_name(&document, Path::new("/srv/tool.git")), "tool");
        assert_eq!(free_name(&document, Path::new("/")), "repository");
    }

    #[test]
    fn a_long_name_is_cut_to_what_the_registry_takes() {
        let registry = Registry::open("/r".into(), "/l".into(), "/home/u".into());
        for letters in ["ab", "репозиторий ", "仓库", "é", "👩‍👩‍👧"] {
            let part = letters.repeat(200 / letters.len());
            let path = PathBuf::from(format!("/{part}/{part}.git"));
            let mut document = Document { repos: Vec::new(), version: String::new() };
            for _ in 0..120 {
                let name = free_name(&document, &path);
                let repo = Repo { name, local_path: path.clone(), ..Repo::default() };
                registry.accepts(&repo).unwrap();
                assert!(document.repos.iter().all(|other| other.name != repo.name), "{}", repo.name);
                document.repos.push(repo);
            }
            assert!(part.starts_with(&document.repos[0].name) && document.repos[0].name.len() > 40);
        }
    }
}
