//! A second reading of what an edit is about to write, by another parser into
//! other types.

use std::path::Path;

use super::{Repo, RepoStatus, Stage, rules};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    repos: Option<Vec<Entry>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    id: Option<String>,
    name: String,
    local_path: String,
    #[serde(default)]
    remote_url: Option<String>,
    #[serde(default)]
    default_branch: Option<String>,
    #[serde(default)]
    env_template: Option<String>,
    #[serde(default)]
    gitignore_profile: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    verify: Option<Vec<String>>,
}

/// What the other parser makes of a text without byte order mark (which it
/// takes for a column of indentation). An error says what it cannot read,
/// without quoting values.
pub(super) fn repos(text: &str, home: &Path) -> Result<Vec<Repo>, String> {
    let file: File = serde_yaml::from_str(text).map_err(|error| match error.location() {
        Some(place) => format!("a second parser stops at {}:{}", place.line(), place.column()),
        None => "a second parser cannot read it".to_owned(),
    })?;
    if file.version != 1 {
        return Err("a second parser reads another version".into());
    }
    let entries = file.repos.unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| entry.repo(home).ok_or_else(|| "a second parser reads other values".into()))
        .collect()
}

impl Entry {
    fn repo(self, home: &Path) -> Option<Repo> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Some(Repo {
            id: match some(self.id) {
                Some(id) => Some(rules::id(&id).ok()?),
                None => None,
            },
            name: self.name,
            local_path: rules::path(&self.local_path, home).ok()?,
            remote_url: some(self.remote_url),
            default_branch: some(self.default_branch),
            env_template: some(self.env_template),
            gitignore_profile: some(self.gitignore_profile),
            status: some(self.status)
                .map_or(Some(RepoStatus::default()), |word| RepoStatus::from_word(&word))?,
            stage: some(self.stage).map_or(Some(Stage::default()), |word| Stage::from_word(&word))?,
            role: some(self.role),
            tags: self.tags.unwrap_or_default(),
            verify: self.verify.unwrap_or_default(),
        })
    }
}
