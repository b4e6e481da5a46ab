//! What a repository is like when it is met for the first time, in as few runs
//! of the git program as may be: a scan meets hundreds.

use std::collections::{BTreeMap, HashSet};

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

/// What a repository's own configuration says of its remotes, to be compared with
/// many at once without asking git.
#[derive(Debug)]
pub struct RemoteHint {
    /// It can't be told from this file.
    may_be_any: bool,
    /// There is one remote.
    has_one: bool,
    /// All that is written in it, in lower case, parted where a remote's name can
    /// end.
    words: HashSet<Vec<u8>>,
}

impl RemoteHint {
    /// Reads a repository's own configuration.
    pub fn of(location: &Location) -> Self {
        let Ok(text) = own_text(location) else {
            return Self { may_be_any: true, has_one: false, words: HashSet::new() };
        };
        let text = text.to_ascii_lowercase();
        let count = |word: &[u8]| text.windows(word.len()).filter(|part| *part == word).count();
        Self {
            // It may be said in another file, or go on in another line.
            may_be_any: count(b"include") > 0 || count(b"\\\n") > 0 || count(b"\\\r\n") > 0,
            has_one: count(b"[remote ") == 1,
            words: text.split(|byte| !is_plain(*byte)).map(<[u8]>::to_vec).collect(),
        }
    }

    /// Whether the remote may be this one: false only if it is not.
    pub fn may_be(&self, url: Option<&str>) -> bool {
        self.may_be_any
            || match url {
                // Of several without an `origin` none is the repository's.
                None => !self.has_one,
                // The last part has no credentials in it, and nothing to escape in
                // most.
                Some(url) => url.rsplit(['/', ':']).next().is_none_or(|name| {
                    let name = name.to_ascii_lowercase().into_bytes();
                    name.is_empty() || !name.iter().all(|byte| is_plain(*byte)) || self.words.contains(&name)
                }),
            }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(config: &str) -> RemoteHint {
        let dir = tempfile::tempdir().unwrap();
        for part in [".git/objects", ".git/refs"] {
            std::fs::create_dir_all(dir.path().join(part)).unwrap();
        }
        std::fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(dir.path().join(".git/config"), config).unwrap();
        RemoteHint::of(&Location::at(dir.path()).unwrap())
    }

    #[test]
    fn only_what_can_be_another_remote_is_ruled_out() {
        let app = hint("[remote \"origin\"]\n\turl = git@example.org:Team/App.git\n");
        for url in ["git@example.org:team/app.git", "App.git", "https://example.org/odd name", "https://x/"] {
            assert!(app.may_be(Some(url)), "{url}");
        }
        for url in ["git@example.org:team/app", "https://example.org/team/pp.git", "lib"] {
            assert!(!app.may_be(Some(url)), "{url}");
        }
        assert!(!app.may_be(None));
        assert!(hint("").may_be(None));
        assert!(hint("[remote \"a\"]\nurl = x\n[remote \"b\"]\nurl = y\n").may_be(None));
        assert!(!hint("[remote \"a\"]\nurl=\"/srv/x\"\n").may_be(Some("y")));
        assert!(hint("[remote \"a\"]\nurl=\"/srv/x\"\n").may_be(Some("/srv/x")));
        assert!(hint("[include]\npath = other\n").may_be(Some("x")));
        assert!(hint("[remote \"a\"]\nurl = /srv/re\\\npo\n").may_be(Some("/srv/repo")));
    }
}
