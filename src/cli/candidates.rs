//! Which repositories could be meant, for a shell whose user presses Tab. Nothing
//! here talks to a governor: `repos.yml` says what there is, at once, whether or not
//! one runs.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use clap_complete::{CompletionCandidate, PathCompleter, engine::ValueCompleter};

use crate::{
    client::{Endpoint, Home},
    fs::shown,
    governor,
    registry::{Registry, Repo, RepoStatus, Stage},
};

/// Candidates for an argument that names repositories.
pub(super) fn repos(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(text) = current.to_str() else { return Vec::new() };
    let repos = registered(home().as_ref());
    if text.starts_with(['.', '/']) || text.contains('/') && !text.contains(':') {
        return PathCompleter::dir().complete(current);
    }
    // bash has it that a word ends at a colon: what is behind is asked for alone.
    if let Some(key) = before_colon() {
        return with_key(&repos, &key, text, "");
    }
    if let Some((key, value)) = text.split_once(':') {
        return with_key(&repos, key, value, &format!("{key}:"));
    }
    let quoting = Quoting::of_shell();
    let typed = quoting.undone(text);
    let names = repos.iter().filter(|repo| repo.name.starts_with(&typed));
    let mut candidates: Vec<_> = names
        .map(|repo| {
            let place = shown(&repo.local_path);
            CompletionCandidate::new(quoting.done(&repo.name)).help(Some(place.into()))
        })
        .collect();
    // Only where somebody has begun to write one: names are what is mostly wanted.
    if !text.is_empty() {
        let keys = ["tag:", "status:", "stage:"].into_iter().filter(|key| key.starts_with(text));
        candidates.extend(keys.map(CompletionCandidate::new));
    }
    candidates
}

fn with_key(repos: &[Repo], key: &str, value: &str, before: &str) -> Vec<CompletionCandidate> {
    let words: BTreeSet<&str> = match key {
        "tag" => repos.iter().flat_map(|repo| &repo.tags).map(String::as_str).collect(),
        "status" => RepoStatus::ALL.into_iter().map(RepoStatus::as_str).collect(),
        "stage" => Stage::ALL.into_iter().map(Stage::as_str).collect(),
        _ => BTreeSet::new(),
    };
    let words = words.into_iter().filter(|word| word.starts_with(value));
    words.map(|word| CompletionCandidate::new(format!("{before}{word}"))).collect()
}

/// The registry as it is, or was when it was last good; nothing where neither
/// can be read.
fn registered(home: Option<&Home>) -> Vec<Repo> {
    let Some(home) = home else { return Vec::new() };
    let user = Endpoint::user(Endpoint::read(home).as_ref());
    let registry = Registry::open(home.config.join("repos.yml"), home.state.join("repos.lock"), user);
    registry.recalling(governor::last_good(home)).view().document.repos.clone()
}

/// The words of the line, as the script passed them on.
fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|arg| arg != "--").skip(1).collect()
}

/// The home that the line is about: its own `--home`, else as always.
fn home() -> Option<Home> {
    let words = words();
    let of_pair = words.windows(2).find(|pair| pair[0] == "--home").map(|pair| PathBuf::from(&pair[1]));
    let given = of_pair.or_else(|| {
        let joined = words.iter().find_map(|word| word.to_str()?.strip_prefix("--home="));
        joined.map(PathBuf::from)
    });
    let given =
        given.or_else(|| std::env::var_os("KPMO_HOME").filter(|home| !home.is_empty()).map(Into::into));
    Home::of_command(given.as_deref().map(Path::new)).ok()
}

/// In bash: the key, where the word before this one is a colon and `tag` or the
/// like stands before that.
fn before_colon() -> Option<String> {
    let at: usize = std::env::var("_CLAP_COMPLETE_INDEX").ok()?.parse().ok()?;
    let words = words();
    let key = words.get(at.checked_sub(2)?)?.to_str()?;
    (words.get(at - 1)? == ":" && matches!(key, "tag" | "status" | "stage")).then(|| key.to_owned())
}

/// Whether names are to be written as the shell wants them: bash puts what it is
/// given onto the line as it is, the others see to that themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    None,
    Bash,
}

impl Quoting {
    fn of_shell() -> Self {
        // Set by the script for bash alone.
        if std::env::var_os("_CLAP_COMPLETE_COMP_TYPE").is_some() { Self::Bash } else { Self::None }
    }

    fn done(self, name: &str) -> String {
        if self == Self::None {
            return name.to_owned();
        }
        let is_plain = |c: char| c.is_alphanumeric() || "-_.,+@%^".contains(c);
        name.chars().flat_map(|c| (!is_plain(c)).then_some('\\').into_iter().chain([c])).collect()
    }

    fn undone(self, text: &str) -> String {
        if self == Self::None {
            return text.to_owned();
        }
        let mut chars = text.chars();
        let mut plain = String::new();
        while let Some(c) = chars.next() {
            plain.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bash_is_given_means_the_name() {
        for (name, wanted) in [("web-shop_2.x", "web-shop_2.x"), ("a b's $x", "a\\ b\\'s\\ \\$x"), ("é", "é")]
        {
            assert_eq!(Quoting::Bash.done(name), wanted);
            assert_eq!(Quoting::Bash.undone(wanted), name);
            assert_eq!(Quoting::None.done(name), name);
        }
    }
}
