//! What is changed of registered repositories: fields, names, places.
//!
//! Nothing but `repos.yml` is written, and that in one edit. The ledger and the
//! store know a repository by its id, so that its history goes on under a new
//! name and at a new place.

use std::{
    fs,
    path::{Path, PathBuf},
};

use similar::TextDiff;

use super::{Error, Governor, Reason};
use crate::{
    fs::{Change, DryRun, RealWriter, Writer, shown},
    git::{Location, linked},
    ledger::{EventDraft, EventKind, Filter},
    registry::{Document, Edit, FieldChange, Repo, RepoChange, without_credentials},
};

/// How a change is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeOptions {
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// The registry's version that the caller has seen.
    pub base_version: Option<String>,
}

/// An entry before and after; the two may be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoDifference {
    /// As it was.
    pub old: Repo,
    /// As it is now, or would be.
    pub new: Repo,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Each repository that was selected, in registry order.
    pub repos: Vec<RepoDifference>,
    /// Version of the registry afterwards.
    pub version: String,
    /// In a dry run: how `repos.yml` would change; without credentials.
    pub diff: String,
    /// What did not stop it.
    pub warnings: Vec<String>,
}

impl RepoDifference {
    /// The keys whose values differ, in the order of the file.
    pub fn fields(&self) -> Vec<&'static str> {
        let (old, new) = (&self.old, &self.new);
        let differs = [
            ("name", old.name != new.name),
            ("local_path", old.local_path != new.local_path),
            ("remote_url", old.remote_url != new.remote_url),
            ("default_branch", old.default_branch != new.default_branch),
            ("env_template", old.env_template != new.env_template),
            ("gitignore_profile", old.gitignore_profile != new.gitignore_profile),
            ("status", old.status != new.status),
            ("stage", old.stage != new.stage),
            ("role", old.role != new.role),
            ("tags", old.tags != new.tags),
            ("verify", old.verify != new.verify),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    fn has_moved(&self) -> bool {
        self.old.local_path != self.new.local_path
    }

    /// What the ledger is told. Of most fields only that they changed: what a
    /// person wrote there is nobody's to keep for ever.
    fn event(&self) -> EventDraft {
        let mut draft = EventDraft::new(EventKind::RepoChanged, "governor");
        draft.repo_id.clone_from(&self.new.id);
        let mut note = |key: &str, value: String| draft.attributes.insert(key.to_owned(), value);
        note("name", self.new.name.clone());
        note("fields", self.fields().join(","));
        if self.old.name != self.new.name {
            note("old_name", self.old.name.clone());
        }
        if self.has_moved() {
            note("path", shown(&self.new.local_path));
            note("old_path", shown(&self.old.local_path));
        }
        if self.old.stage != self.new.stage {
            note("stage", self.new.stage.as_str().to_owned());
            note("old_stage", self.old.stage.as_str().to_owned());
        }
        if self.old.status != self.new.status {
            note("status", self.new.status.as_str().to_owned());
            note("old_status", self.old.status.as_str().to_owned());
        }
        draft
    }
}

impl Governor {
    /// Changes fields of all that the selectors mean (all, if there are none),
    /// in one edit: all of it is done, or nothing.
    pub fn change_repos(
        &self,
        selectors: &[String],
        fields: Vec<FieldChange>,
        options: &ChangeOptions,
    ) -> Result<Changed, Error> {
        let mut warnings = Vec::new();
        let fields = fields
            .into_iter()
            .map(|field| prepared(field, &mut warnings))
            .collect::<Result<Vec<_>, Error>>()?;
        if fields.is_empty() {
            return Err(Error::bad_request("patch", "says nothing that is to be changed"));
        }
        let is_one = fields.iter().any(|field| matches!(field, FieldChange::LocalPath(_)));
        self.change(&fields, options, warnings, |document| {
            let repos = self.select_in(document, selectors)?;
            if is_one && repos.len() > 1 {
                let count = repos.len();
                let message = format!("{count} repositories can't be at one path; select one of them");
                return Err(Error::bad_request("local_path", message));
            }
            Ok(repos)
        })
    }

    /// Gives a repository another name.
    pub fn rename_repo(
        &self,
        selector: &str,
        new_name: &str,
        options: &ChangeOptions,
    ) -> Result<Changed, Error> {
        let fields = [FieldChange::Name(new_name.to_owned())];
        let select = |document: &Document| self.select_one_in(document, selector).map(|repo| vec![repo]);
        let mut changed = self.change(&fields, options, Vec::new(), select)?;
        let policy = self.policy();
        if let Some(RepoDifference { old, new }) = changed.repos.first()
            && old.name != new.name
            && policy.names_repo(&old.name)
        {
            changed.warnings.push(format!(
                "policy.yml has settings for `{}`, which goes by the name: rename it there, too, and they are `{}`'s",
                old.name, new.name
            ));
        }
        Ok(changed)
    }

    fn change(
        &self,
        fields: &[FieldChange],
        options: &ChangeOptions,
        mut warnings: Vec<String>,
        select: impl Fn(&Document) -> Result<Vec<Repo>, Error>,
    ) -> Result<Changed, Error> {
        self.assign_ids();
        let dry = DryRun::default();
        let writer: &dyn Writer = if options.dry_run { &dry } else { &RealWriter };
        // What was selected must be what is changed.
        let plan = |document: &Document| {
            let old = select(document)?;
            let change = |repo: &Repo| RepoChange { name: repo.name.clone(), fields: fields.to_vec() };
            Ok::<_, Error>((Edit::Change(old.iter().map(change).collect()), old))
        };
        let (new, old) = self.registry.edit_with(writer, options.base_version.as_deref(), plan)?;
        let diff = dry.changes().iter().find_map(as_diff).transpose()?;
        let repos = differences(old, &new);
        for repo in repos.iter().filter(|repo| repo.has_moved()) {
            warnings.extend(left_behind(repo));
            warnings.extend(cut_off(&repo.new));
        }
        if !options.dry_run {
            self.note_changes(&repos, &mut warnings)?;
        }
        Ok(Changed { repos, version: new.version.clone(), diff: diff.unwrap_or_default(), warnings })
    }

    /// Records what changed, and sees to what follows from it.
    fn note_changes(&self, repos: &[RepoDifference], warnings: &mut Vec<String>) -> Result<(), Error> {
        let changed = || repos.iter().filter(|repo| repo.old != repo.new);
        // One wait for all of them.
        changed().for_each(|repo| self.ledger.append_later(repo.event()));
        if changed().next().is_some() {
            self.ledger.flush()?;
        }
        for RepoDifference { new, .. } in changed().filter(|repo| repo.has_moved()) {
            // Hooks whose directory is given by an absolute path lead nowhere now.
            if self.had_hooks(new)?
                && let Err(error) = self.install_hooks(new, None, &RealWriter)
            {
                let name = &new.name;
                warnings.push(format!(
                    "the hooks of {name} may not work at the new place: {}; `kpmo install-hooks {name}` tries again",
                    error.message
                ));
            }
            self.want_snapshot(new.id.as_deref(), "moved");
        }
        Ok(())
    }

    /// Whether kpmo's hooks were put last, rather than taken away.
    fn had_hooks(&self, repo: &Repo) -> Result<bool, Error> {
        let kinds = vec![EventKind::HooksInstalled, EventKind::HooksUninstalled];
        let about = Filter { kinds, repo_id: repo.id.clone() };
        let last = self.ledger.read(1, usize::MAX, &about)?.pop();
        Ok(last.is_some_and(|event| event.kind == EventKind::HooksInstalled))
    }
}

/// A field's change as it can be written, if it makes sense.
fn prepared(field: FieldChange, warnings: &mut Vec<String>) -> Result<FieldChange, Error> {
    Ok(match field {
        FieldChange::RemoteUrl(Some(url)) => {
            let clean = without_credentials(&url);
            if clean != url {
                warnings.push("what the URL has of a user, a password or a query is left out".to_owned());
            }
            FieldChange::RemoteUrl(Some(clean))
        }
        FieldChange::LocalPath(path) => FieldChange::LocalPath(place(&path)?),
        other => other,
    })
}

/// Where the repository is that is said to be at `path`.
fn place(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_absolute() {
        return Err(Error::bad_request("local_path", "must be absolute"));
    }
    if !path.exists() {
        let named = shown(path);
        let message = format!("{named} does not exist; move the repository there first, then tell kpmo");
        return Err(Error::new(Reason::PathNotFound, message).with("path", named));
    }
    Ok(Location::at(path)?.main_path())
}

/// A repository that moved leaves nothing where it was.
fn left_behind(repo: &RepoDifference) -> Option<String> {
    let old = &repo.old.local_path;
    let there = Location::at(old).ok()?;
    let is_same = Location::at(&repo.new.local_path).is_ok_and(|new| new.common_dir == there.common_dir);
    let (name, old) = (&repo.new.name, shown(old));
    (!is_same).then(|| {
        format!("{old} still has a repository, which {name} is not any more; `kpmo repo add {old}` registers it, too")
    })
}

/// Linked work trees name their repository's place; git does not find it from
/// them, nor do snapshots find them, before they are told where it is.
fn cut_off(repo: &Repo) -> Option<String> {
    let common_dir = Location::at(&repo.local_path).ok()?.common_dir;
    let is_lost = |top: &Path| top.join(".git").is_file() && Location::at(top).is_err();
    let trees = linked(&common_dir).trees;
    let lost: Vec<String> =
        trees.iter().map(|tree| &*tree.top).filter(|top| is_lost(top)).map(shown).collect();
    let place = shown(&repo.local_path);
    (!lost.is_empty()).then(|| {
        format!(
            "linked work trees still name the old place: {}; `git -C {place} worktree repair` tells them the new one",
            lost.join(", ")
        )
    })
}

fn differences(old: Vec<Repo>, new: &Document) -> Vec<RepoDifference> {
    // Entries keep their order, and those of before are in the order of the file.
    let by_id: std::collections::HashMap<&str, &Repo> =
        new.repos.iter().filter_map(|repo| Some((repo.id.as_deref()?, repo))).collect();
    old.into_iter()
        .filter_map(|old| {
            let same = old.id.as_deref().and_then(|id| by_id.get(id).copied());
            let new = same.or_else(|| new.repos.iter().find(|repo| repo.name == old.name))?.clone();
            Some(RepoDifference { old, new })
        })
        .collect()
}

/// What a write would change, as a unified diff.
fn as_diff(change: &Change) -> Option<Result<String, Error>> {
    let Change::Write(path, new) = change else { return None };
    let old = match fs::read(path) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(source) => {
            let message = format!("cannot read {}: {source}", shown(path));
            return Some(Err(Error::new(Reason::Io, message).with("path", shown(path))));
        }
    };
    let (old, new) = (String::from_utf8_lossy(&old), String::from_utf8_lossy(new));
    let (old, new) = (masked(&old), masked(&new));
    let name = shown(path);
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    Some(Ok(diff.unified_diff().context_radius(3).header(&name, &name).to_string()))
}

/// A text in whose URLs users and passwords are stars: a comment may have one.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let authority = after.split(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).next().unwrap_or("");
        rest = match authority.rfind('@') {
            Some(end) => {
                masked.push_str("***");
                &after[end..]
            }
            None => after,
        };
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_urls_are_masked_wherever_they_stand() {
        for (text, wanted) in [
            ("a: https://u:p@example.org/x@y # z\n", "a: https://***@example.org/x@y # z\n"),
            ("# ssh://git@h http://t@h\n", "# ssh://***@h http://***@h\n"),
            ("git@example.org:x.git\n", "git@example.org:x.git\n"),
            ("https://example.org/?q=a@b", "https://example.org/?q=a@b"),
            ("https://p@ss:w@h", "https://***@h"),
            ("://", "://"),
        ] {
            assert_eq!(masked(text), wanted);
        }
    }

    #[test]
    fn an_event_tells_names_and_places_but_not_what_people_wrote() {
        let old = Repo {
            name: "app".into(),
            local_path: "/a".into(),
            role: Some("x".into()),
            verify: vec!["curl -H token".into()],
            ..Repo::default()
        };
        let new = Repo {
            name: "web".into(),
            local_path: "/b".into(),
            stage: crate::registry::Stage::Prod,
            ..Repo::default()
        };
        let event = RepoDifference { old, new }.event();
        let told: Vec<_> = event.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            told,
            [
                "fields=name,local_path,stage,role,verify",
                "name=web",
                "old_name=app",
                "old_path=/a",
                "old_stage=dev",
                "path=/b",
                "stage=prod"
            ]
        );
    }
}
