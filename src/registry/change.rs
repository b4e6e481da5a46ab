use std::path::PathBuf;

use super::{Repo, RepoStatus, Stage};

/// What shall become of one entry: its fields, one after the other. The id is
/// no field: it is assigned once and stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoChange {
    /// The entry's name before the edit.
    pub name: String,
    /// In this order; of two about one field the later wins.
    pub fields: Vec<FieldChange>,
}

/// What one field of an entry shall say. `None` and an empty list take the key
/// out of the file; so does an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldChange {
    /// Renames the entry.
    Name(String),
    /// Absolute; written as `~/…` below the home directory.
    LocalPath(PathBuf),
    /// Without a password.
    RemoteUrl(Option<String>),
    /// Short branch name.
    DefaultBranch(Option<String>),
    /// Name of the `.env` template.
    EnvTemplate(Option<String>),
    /// Name of the `.gitignore` profile.
    GitignoreProfile(Option<String>),
    /// Whether kpmo looks after it.
    Status(RepoStatus),
    /// How far it has been promoted.
    Stage(Stage),
    /// Free text.
    Role(Option<String>),
    /// All tags, in this order.
    Tags(Vec<String>),
    /// Tags to put behind those that are there; one that is there stays where
    /// it is.
    AddTags(Vec<String>),
    /// Tags to take out; one that is not there is no error.
    RemoveTags(Vec<String>),
    /// All commands of `kpmo verify`, in this order.
    Verify(Vec<String>),
}

impl FieldChange {
    /// The key in `repos.yml` that this is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::LocalPath(_) => "local_path",
            Self::RemoteUrl(_) => "remote_url",
            Self::DefaultBranch(_) => "default_branch",
            Self::EnvTemplate(_) => "env_template",
            Self::GitignoreProfile(_) => "gitignore_profile",
            Self::Status(_) => "status",
            Self::Stage(_) => "stage",
            Self::Role(_) => "role",
            Self::Tags(_) | Self::AddTags(_) | Self::RemoveTags(_) => "tags",
            Self::Verify(_) => "verify",
        }
    }

    /// Makes an entry say it; nothing is checked.
    pub(super) fn apply(&self, repo: &mut Repo) {
        match self {
            Self::Name(name) => repo.name.clone_from(name),
            Self::LocalPath(path) => repo.local_path.clone_from(path),
            Self::RemoteUrl(url) => repo.remote_url.clone_from(url),
            Self::DefaultBranch(branch) => repo.default_branch.clone_from(branch),
            Self::EnvTemplate(name) => repo.env_template.clone_from(name),
            Self::GitignoreProfile(name) => repo.gitignore_profile.clone_from(name),
            Self::Status(status) => repo.status = *status,
            Self::Stage(stage) => repo.stage = *stage,
            Self::Role(role) => repo.role.clone_from(role),
            Self::Tags(tags) => repo.tags.clone_from(tags),
            Self::AddTags(tags) => {
                for tag in tags {
                    if !repo.tags.contains(tag) {
                        repo.tags.push(tag.clone());
                    }
                }
            }
            Self::RemoveTags(tags) => repo.tags.retain(|tag| !tags.contains(tag)),
            Self::Verify(commands) => repo.verify.clone_from(commands),
        }
    }
}
