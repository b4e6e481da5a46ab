use std::{collections::BTreeMap, path::Path};

use super::{
    Document, RegistryError, Repo, RepoChange, RepoStatus, Stage, nearest,
    render::Value,
    rules::{self, KEYS},
};

/// A change of the registry. Entries are named by their names, as they are
/// before it. All of it is done, or nothing.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Appends entries, all or none. Of each only the keys that say something
    /// are written; a path under the home directory is written as `~/…`.
    Add(Vec<Repo>),
    /// Makes the entry `name` say what `repo` says, its name included. Only
    /// the values that differ are rewritten. An id that is there stays.
    Set {
        /// The entry's present name.
        name: String,
        /// What it is to be.
        repo: Box<Repo>,
    },
    /// Changes fields of entries, several of either at once: renames, moves,
    /// sets and clears. Names and paths must be nobody else's only afterwards,
    /// so that two entries can exchange theirs. Of a list only the items that
    /// come and go are touched.
    Change(Vec<RepoChange>),
    /// Takes an entry out, with the comments that belong to it.
    Remove {
        /// The entry's name.
        name: String,
    },
    /// Gives ids to entries, name to id. Those that have one keep it.
    AssignIds(BTreeMap<String, String>),
}

/// The entries after an edit, or why it cannot be.
pub(super) fn applied(document: &Document, edit: &Edit) -> Result<Vec<Repo>, RegistryError> {
    let mut repos = document.repos.clone();
    let index = |name: &str| {
        document.repos.iter().position(|repo| repo.name == name).ok_or_else(|| RegistryError::NotFound {
            name: name.to_owned(),
            nearest: nearest(document, name).map(str::to_owned),
        })
    };
    match edit {
        Edit::Add(added) => {
            for repo in added {
                let repo = checked(repo)?;
                free(&repos, &repo)?;
                repos.push(repo);
            }
        }
        Edit::Set { name, repo } => {
            let at = index(name)?;
            let mut repo = checked(repo)?;
            let old = repos.remove(at);
            repo.id = match (old.id, repo.id) {
                (Some(old), Some(new)) if old != new => {
                    return Err(refused("id", "is assigned once and stays"));
                }
                (old, new) => old.or(new),
            };
            free(&repos, &repo)?;
            repos.insert(at, repo);
        }
        Edit::Change(changes) => {
            let mut touched = Vec::new();
            for change in changes {
                let at = index(&change.name)?;
                change.fields.iter().for_each(|field| field.apply(&mut repos[at]));
                touched.push(at);
            }
            for at in touched {
                repos[at] = checked(&repos[at])?;
                free(repos[..at].iter().chain(&repos[at + 1..]), &repos[at])?;
            }
        }
        Edit::Remove { name } => {
            repos.remove(index(name)?);
        }
        Edit::AssignIds(ids) => {
            for (name, id) in ids {
                let at = index(name)?;
                if repos[at].id.is_some() {
                    continue;
                }
                let id = rules::id(id).map_err(|fault| refused("id", fault))?;
                let holder = repos.iter().find(|repo| repo.id.as_ref() == Some(&id));
                if let Some(holder) = holder {
                    return Err(RegistryError::IdTaken { id, name: holder.name.clone() });
                }
                repos[at].id = Some(id);
            }
        }
    }
    Ok(repos)
}

/// What an entry says, key by key, in the order of writing. `full` also tells
/// status and stage where they are the default.
pub(super) fn fields(repo: &Repo, home: &Path, full: bool) -> Vec<(&'static str, Value)> {
    let value = |key: &str| {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let some = |field: &Option<String>| field.clone().map(Value::Text);
        let list = |items: &[String]| (!items.is_empty()).then(|| Value::List(items.to_owned()));
        match key {
            "id" => some(&repo.id),
            "name" => text(&repo.name),
            "local_path" => text(&rules::written(&repo.local_path, home)),
            "remote_url" => some(&repo.remote_url),
            "default_branch" => some(&repo.default_branch),
            "env_template" => some(&repo.env_template),
            "gitignore_profile" => some(&repo.gitignore_profile),
            "status" => text(repo.status.as_str()).filter(|_| full || repo.status != RepoStatus::default()),
            "stage" => text(repo.stage.as_str()).filter(|_| full || repo.stage != Stage::default()),
            "role" => some(&repo.role),
            "tags" => list(&repo.tags),
            _ => list(&repo.verify),
        }
    };
    KEYS.iter().filter_map(|key| Some((*key, value(key)?))).collect()
}

/// An entry as it will be read back, if the file can hold it.
pub(super) fn checked(repo: &Repo) -> Result<Repo, RegistryError> {
    let mut repo = repo.clone();
    if let Some(id) = &repo.id {
        repo.id = Some(rules::id(id).map_err(|fault| refused("id", fault))?);
    }
    rules::name(&repo.name).map_err(|fault| refused("name", fault))?;
    rules::plain_path(&repo.local_path).map_err(|fault| refused("local_path", fault))?;
    repo.local_path = repo.local_path.components().collect();
    let texts = [
        ("remote_url", &mut repo.remote_url, rules::remote_url as fn(&str) -> Result<(), String>),
        ("default_branch", &mut repo.default_branch, rules::word),
        ("env_template", &mut repo.env_template, rules::name),
        ("gitignore_profile", &mut repo.gitignore_profile, rules::name),
        ("role", &mut repo.role, rules::prose),
    ];
    for (field, text, rule) in texts {
        if text.as_deref() == Some("") {
            *text = None;
        }
        text.as_deref().map_or(Ok(()), rule).map_err(|fault| refused(field, fault))?;
    }
    repo.tags.iter().try_for_each(|tag| rules::tag(tag)).map_err(|fault| refused("tags", fault))?;
    repo.verify.iter().try_for_each(|line| rules::command(line)).map_err(|fault| refused("verify", fault))?;
    Ok(repo)
}

/// Whether an entry's id, name and path are nobody else's.
fn free<'a>(repos: impl IntoIterator<Item = &'a Repo>, new: &Repo) -> Result<(), RegistryError> {
    for repo in repos {
        let name = repo.name.clone();
        if repo.name == new.name {
            return Err(RegistryError::NameTaken { name });
        }
        if repo.local_path == new.local_path {
            return Err(RegistryError::PathTaken { path: new.local_path.clone(), name });
        }
        if let Some(id) = repo.id.clone()
            && repo.id == new.id
        {
            return Err(RegistryError::IdTaken { id, name });
        }
    }
    Ok(())
}

fn refused(field: &'static str, reason: impl Into<String>) -> RegistryError {
    RegistryError::Refused { field, reason: reason.into() }
}
