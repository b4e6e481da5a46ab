//! What a repository is like when it is met for the first time, in as few runs
//! of the git program as may be: a scan meets hundreds.

use std::collections::BTreeMap;

use super::{Git, GitError, Head, Location, Profile, config::own_text};

/// Most root commits that are told; what has more is told apart by these.
const ROOTS_MAX: usize = 64;

/// A repository's [`Profile`], and where its branches stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What it says of itself.
    pub profile: Profile,
    /// Commits of HEAD and the local branches, each once.
    pub heads: Vec<String>,
}

/// As [`super::profile`] and [`super::heads`] tell it, with at most `limit`
/// heads.
pub fn origin(git: &Git, location: &Location, limit: usize) -> Result<Origin, GitError> {
    let settings = settings(git, location)?;
    let remote = the_remote(&settings);

    let remote_head = remote.map(|(name, _)| format!("refs/remotes/{name}/HEAD"));
    let mut args = vec!["for-each-ref", "--format=%(refname) %(objectname) %(symref)", "refs/heads"];
    args.extend(remote_head.as_deref());
    let listed = git.output(location, &args)?;
    let listed = String::from_utf8_lossy(&listed);
    let refs: Vec<(&str, &str, &str)> = listed
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ' ');
            Some((parts.next()?, parts.next()?, parts.next().unwrap_or_default()))
        })
        .collect();
    let branches = || refs.iter().filter_map(|(name, id, _)| Some((name.strip_prefix("refs/heads/")?, *id)));
    let of_remote = refs.iter().find(|(name, ..)| Some(*name) == remote_head.as_deref());
    let of_remote = of_remote.and_then(|(name, _, target)| target.strip_prefix(name.strip_suffix("HEAD")?));

    let head = head(git, location, &branches().collect::<Vec<_>>())?;
    let configured = settings.iter().rev().find(|(key, _)| key == "init.defaultbranch");
    let usual = configured.map(|(_, value)| value.as_str()).into_iter().chain(["main", "master"]);
    let default_branch = of_remote
        .or_else(|| usual.into_iter().find(|name| branches().any(|(branch, _)| branch == *name)))
        .map(str::to_owned)
        .or_else(|| head.branch.clone());

    let mut heads: Vec<String> = Vec::new();
    for id in head.commit.as_deref().into_iter().chain(branches().map(|(_, id)| id)).take(limit) {
        if !heads.iter().any(|known| known == id) {
            heads.push(id.to_owned());
        }
    }
    let remote_url = remote.map(|(_, url)| url.to_owned());
    Ok(Origin { profile: Profile { remote_url, default_branch, head }, heads })
}

/// URL of the remote that [`Profile::remote_url`] is about.
pub fn remote_url(git: &Git, location: &Location) -> Result<Option<String>, GitError> {
    Ok(the_remote(&settings(git, location)?).map(|(_, url)| url.to_owned()))
}

/// The commits without parents that HEAD, branches and other refs lead to, in
/// order; not those of stashes and notes, which come and go, nor of tags and
/// what was fetched, which are others' doing. Reads the whole history.
pub fn roots(git: &Git, location: &Location) -> Result<Vec<String>, GitError> {
    let args = [
        "rev-list",
        "--max-parents=0",
        "--exclude=refs/stash",
        "--exclude=refs/notes/*",
        "--exclude=refs/remotes/*",
        "--exclude=refs/tags/*",
        "--all",
    ];
    let listed = git.output(location, &args)?;
    let mut roots: Vec<String> = String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect();
    roots.sort_unstable();
    roots.truncate(ROOTS_MAX);
    Ok(roots)
}

/// Whether a repository's remote may be this one, from its configuration alone:
/// false only if it is not.
pub fn may_have_remote(location: &Location, url: Option<&str>) -> bool {
    let Ok(text) = own_text(location) else { return true };
    let says = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    // It may be said in another file.
    if says(b"include") {
        return true;
    }
    match url {
        // Of several without an `origin` none is the repository's.
        None => text.windows(8).filter(|part| part.eq_ignore_ascii_case(b"[remote ")).count() != 1,
        // The last part has no credentials in it, and nothing to escape in most.
        Some(url) => url.rsplit(['/', ':']).next().is_none_or(|name| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
            name.is_empty() || !name.bytes().all(|byte| plain(&byte)) || says(name.as_bytes())
        }),
    }
}

/// Where HEAD points, given the branches that there are.
fn head(git: &Git, location: &Location, branches: &[(&str, &str)]) -> Result<Head, GitError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    let target = git.maybe(location, &["symbolic-ref", "--quiet", "HEAD"])?.map(text);
    let branch = target.as_deref().map(|name| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned());
    let known = branch.as_deref().and_then(|branch| branches.iter().find(|(name, _)| *name == branch));
    let commit = match (known, &target) {
        (Some((_, id)), _) => Some((*id).to_owned()),
        (None, Some(name)) if name.starts_with("refs/heads/") => None,
        _ => git.maybe(location, &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])?.map(text),
    };
    Ok(Head { branch, commit })
}

/// Name and URL of the only remote, else of `origin`.
fn the_remote(settings: &[(String, String)]) -> Option<(&str, &str)> {
    let urls: BTreeMap<&str, &str> = settings
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("remote.")?.strip_suffix(".url")?, value.as_str())))
        .collect();
    let one = if urls.len() == 1 { urls.first_key_value() } else { urls.get_key_value("origin") };
    one.map(|(name, url)| (*name, *url))
}

/// Every setting that counts here, those that win last; section and key in lower
/// case.
fn settings(git: &Git, location: &Location) -> Result<Vec<(String, String)>, GitError> {
    let listed = git.output(location, &["config", "--list", "-z"])?;
    let text = String::from_utf8_lossy(&listed).into_owned();
    let pair = |item: &str| {
        let (key, value) = item.split_once('\n')?;
        Some((key.to_owned(), value.to_owned()))
    };
    Ok(text.split('\0').filter_map(pair).collect())
}
