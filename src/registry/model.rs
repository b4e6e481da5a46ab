use std::path::{Component, Path, PathBuf};

/// Whether kpmo looks after a repository, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RepoStatus {
    /// Governed: every rule applies.
    #[default]
    Active,
    /// Kept for the record: commits are refused.
    Archived,
    /// Governed, and must not talk to anything beyond loopback.
    OfflineOnly,
}

impl RepoStatus {
    /// Every status, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Active, Self::Archived, Self::OfflineOnly];

    /// The word for it in `repos.yml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
            Self::OfflineOnly => "offline-only",
        }
    }

    /// What a word of `repos.yml` says.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// How far a repository has been promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stage {
    /// Local working state.
    #[default]
    Dev,
    /// Reviewed, verified, push-ready.
    Staging,
    /// Pushed and tagged.
    Prod,
}

impl Stage {
    /// Every stage, from the first to the last.
    pub const ALL: [Self; 3] = [Self::Dev, Self::Staging, Self::Prod];

    /// The word for it in `repos.yml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }

    /// What a word of `repos.yml` says.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }
}

/// One entry of `repos.yml`. Optional texts are never empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repo {
    /// UUID in hyphenated lower case; `None` until kpmo has assigned one to an
    /// entry written by hand.
    pub id: Option<String>,
    /// Unique in the registry; 1 to 100 bytes, no `/`, no control characters.
    pub name: String,
    /// Absolute, `~` expanded, without `.`, `..` and doubled or final slashes.
    pub local_path: PathBuf,
    /// Where it is fetched from, without a password.
    pub remote_url: Option<String>,
    /// Short branch name.
    pub default_branch: Option<String>,
    /// Name of the `.env` template.
    pub env_template: Option<String>,
    /// Name of the `.gitignore` profile.
    pub gitignore_profile: Option<String>,
    /// Active unless said otherwise.
    pub status: RepoStatus,
    /// Dev unless said otherwise.
    pub stage: Stage,
    /// Free text.
    pub role: Option<String>,
    /// Labels, in the order of the file.
    pub tags: Vec<String>,
    /// Commands of `kpmo verify`, in order.
    pub verify: Vec<String>,
}

/// A registry that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The entries, in the order of the file.
    pub repos: Vec<Repo>,
    /// Names this state of the file: the first 128 bits of the SHA-256 of its
    /// bytes, in hexadecimal. An absent file is as an empty one.
    pub version: String,
}

/// The entry that a selector means: an id, a name, or the absolute path of a
/// repository or of anything in it (the innermost repository wins). Paths are
/// compared as written; links are not followed.
pub fn find<'a>(document: &'a Document, selector: &str) -> Option<&'a Repo> {
    let repos = &document.repos;
    let id = |repo: &&Repo| repo.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(selector));
    if let Some(repo) = repos.iter().find(id).or_else(|| repos.iter().find(|repo| repo.name == selector)) {
        return Some(repo);
    }
    let path = Path::new(selector);
    // `/a/../b` is not in `/a`, and what it is in depends on links.
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    repos
        .iter()
        .filter(|repo| path.starts_with(&repo.local_path))
        .max_by_key(|repo| repo.local_path.components().count())
}

/// The registered name that `name` may be a slip of, if any is close.
pub fn nearest<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    closest(document.repos.iter().map(|repo| repo.name.as_str()), name)
}

/// The candidate that is at most a third of `word` (and at least one
/// character) away from it.
pub fn closest<'a>(candidates: impl Iterator<Item = &'a str>, word: &str) -> Option<&'a str> {
    let reach = (word.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::osa_distance(&candidate.to_lowercase(), &word.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A remote's URL as the registry may hold it: for HTTP the user goes with the
/// password, and all from a `?` on, since tokens are given there, too; otherwise
/// only the password goes. What is no URL (`git@host:path`, a path) is returned as
/// is.
pub fn without_credentials(url: &str) -> String {
    let is_http = is_http(url);
    let url = if is_http { url.split(['?', '#']).next().unwrap_or(url) } else { url };
    let Some((start, end)) = user_info(url) else { return url.to_owned() };
    let kept = match url[start..end].split_once(':') {
        _ if is_http => "",
        Some((user, _)) => user,
        None => return url.to_owned(),
    };
    let rest = if kept.is_empty() { &url[end + 1..] } else { &url[end..] };
    format!("{}{kept}{rest}", &url[..start])
}

/// Whether a URL carries a password.
pub(super) fn has_password(url: &str) -> bool {
    user_info(url).is_some_and(|(start, end)| url[start..end].contains(':'))
}

/// Where the `user:password` of a URL begins and ends (at the `@`), in bytes.
pub(super) fn user_info(url: &str) -> Option<(usize, usize)> {
    let start = url.find("://")? + 3;
    let authority = url[start..].split(['/', '?', '#']).next()?;
    Some((start, start + authority.rfind('@')?))
}

fn is_http(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}
