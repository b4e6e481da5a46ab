use super::{
    Facts, Finding, PushFacts, RefUpdate, RefUpdateKind, Rule, RuleId, Settings, Severity, Status, switch_off,
};

/// Refuses pushes that a repository's stage or status forbids: that rewrite or
/// delete a protected branch, that bring an untagged commit onto one where tags
/// are demanded, and any beyond this machine of an offline-only repository.
pub(super) struct StageRule;

impl Rule for StageRule {
    fn id(&self) -> RuleId {
        RuleId::Stage
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let Some(push) = facts.push.filter(|_| facts.repo.registered) else { return };
        out.extend(beyond_this_machine(facts, push));
        for update in &push.refs {
            out.extend(onto_protected(facts, settings, update));
        }
    }
}

fn finding(message: String, fix: &str, around: Option<String>) -> Finding {
    let switch_off = switch_off(RuleId::Stage);
    Finding {
        rule: RuleId::Stage,
        severity: Severity::Error,
        path: Vec::new(),
        line: 0,
        message,
        fix: fix.to_owned(),
        way_around: match around {
            Some(around) => format!("{around}; or {switch_off}"),
            None => switch_off,
        },
        fingerprint: String::new(),
    }
}

fn beyond_this_machine(facts: &Facts<'_>, push: &PushFacts) -> Option<Finding> {
    if facts.repo.status != Status::OfflineOnly || is_local(&push.url) {
        return None;
    }
    let name = &facts.repo.name;
    Some(finding(
        format!("{name:?} is offline-only, and {:?} is not on this machine", shown_remote(&push.url)),
        "push to a path on this machine, or leave it as it is",
        Some(format!("set `status: active` for {name:?} in repos.yml")),
    ))
}

fn onto_protected(facts: &Facts<'_>, settings: &Settings, update: &RefUpdate) -> Option<Finding> {
    let branch = update.name.strip_prefix("refs/heads/")?;
    if !settings.branch.protects(facts.repo, branch) {
        return None;
    }
    let stage = facts.repo.stage.name();
    let unprotect = || Some(format!("take the branch out of `rules.branch.protected.{stage}` in policy.yml"));
    match update.kind {
        RefUpdateKind::Deleted => Some(finding(
            format!("this push deletes {branch}, which is protected at the stage {stage}"),
            "leave the branch where it is",
            unprotect(),
        )),
        RefUpdateKind::Forced => Some(finding(
            format!(
                "this push gives up commits that {branch} has on the other side; it is protected at the stage {stage}"
            ),
            "bring them in first (`git fetch`, then `git merge` or `git rebase`), and push without force",
            unprotect(),
        )),
        RefUpdateKind::Created | RefUpdateKind::Moved
            if update.tagged == Some(false) && settings.stage.tagged.contains(&facts.repo.stage) =>
        {
            Some(finding(
                format!(
                    "at the stage {stage} only tagged commits go onto {branch}, and no tag leads to this one"
                ),
                "tag what you push (`git tag -a VERSION`), and push the tag with it",
                Some(format!("take {stage} out of `rules.stage.tagged` in policy.yml")),
            ))
        }
        RefUpdateKind::Created | RefUpdateKind::Moved => None,
    }
}

/// Whether a remote's URL leads nowhere beyond this machine: a path, `file://`,
/// or a loopback address.
pub fn is_local(url: &str) -> bool {
    // `HELPER::ADDRESS`, gitremote-helpers(7): what it does, nobody knows.
    if let Some((helper, _)) = url.split_once("::")
        && !helper.is_empty()
        && helper.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        return false;
    }
    if let Some((scheme, rest)) = url.split_once("://") {
        let authority = rest.split('/').next().unwrap_or_default();
        // A host in a file's URL is a share on it.
        return match scheme {
            "file" => authority.is_empty() || authority == "localhost",
            _ => is_loopback(authority),
        };
    }
    match url.split_once(':') {
        // `user@host:path`.
        Some((before, _)) if !before.contains('/') => is_loopback(before),
        _ => !url.is_empty(),
    }
}

/// Whether the host of `user@host:port` is this machine.
fn is_loopback(authority: &str) -> bool {
    // With these, nobody knows what a program takes for the host.
    if authority.contains(['?', '#', '\\']) {
        return false;
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_address = || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || is_address()
}

/// What is shown and kept of a remote's URL, or of the name or path that stands in
/// its place: transport, host and path. A ledger is for ever, and forges take
/// tokens in every other part of a URL.
pub fn shown_remote(remote: &str) -> String {
    // `HELPER::ADDRESS`, gitremote-helpers(7).
    if let Some((helper, address)) = remote.split_once("::")
        && !helper.is_empty()
        && helper.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        // ext's address is a command line, in which anything may stand.
        let address = if helper == "ext" { String::new() } else { shown_remote(address) };
        return format!("{helper}::{address}");
    }
    if let Some((before, rest)) = remote.split_once("://") {
        let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).next();
        let scheme = scheme.unwrap_or_default();
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let host = host(authority);
        // With a user name or a host that is none, nobody knows where what ends.
        let path = if host.is_some() { path_alone(path) } else { "" };
        return format!("{scheme}://{}{path}", host.unwrap_or_default());
    }
    // A path, unless there is a colon before the first slash: `user@host:path`.
    match remote.split_once(':') {
        Some((before, path)) if !before.contains('/') => {
            // `user:token@host:path` is none of git's, and yet people write it.
            let (host_name, path) = match path.split_once('@') {
                Some((_, more)) if before.contains('@') || more.contains(':') => {
                    more.split_once(':').unwrap_or((more, ""))
                }
                _ => (before, path),
            };
            host(host_name).map_or_else(String::new, |host| format!("{host}:{}", path_alone(path)))
        }
        _ => path_alone(remote).to_owned(),
    }
}

/// Host and port of a URL's authority; `None` if it is anything else.
fn host(authority: &str) -> Option<&str> {
    let has_user = authority.contains('@');
    if has_user && authority.contains(['?', '#']) {
        return None;
    }
    let authority = authority.split(['?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let is_name = |c: char| c.is_alphanumeric() || "-._~".contains(c);
    let is_address = name.starts_with('[')
        && name.ends_with(']')
        && name[1..name.len() - 1].chars().all(|c| c.is_ascii_hexdigit() || ":.%".contains(c));
    (port.chars().all(|c| c.is_ascii_digit()) && (is_address || name.chars().all(is_name))).then_some(host)
}

/// A path without query and fragment, and without a URL within it.
fn path_alone(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match path.find("://") {
        Some(inner) => &path[..path[..inner].rfind('/').unwrap_or(0)],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_is_where_and_never_by_whose_leave() {
        for (url, wanted) in [
            ("origin", "origin"),
            ("/srv/git/a@b.git", "/srv/git/a@b.git"),
            ("../up:stream", "../up:stream"),
            ("https://example.org/a/b.git", "https://example.org/a/b.git"),
            ("https://TOK@example.org:8443/a", "https://example.org:8443/a"),
            ("https://u:TOK@[::1]:80/a", "https://[::1]:80/a"),
            ("https://u:TO@K@h/a", "https://h/a"),
            ("https://h/x?private_token=TOK", "https://h/x"),
            ("https://h?private_token=TOK/x", "https://h/x"),
            ("https://h?x=TOK@y/x", "https://"),
            ("https://h/x#TOK", "https://h/x"),
            ("https://TOK#K@h/x", "https://"),
            ("https://u:TO/K@h/x", "https://"),
            ("https://h/https://TOK@other/x", "https://h"),
            ("ssh://git@h:22/x", "ssh://h:22/x"),
            ("file:///srv/x.git", "file:///srv/x.git"),
            ("git@h:a/b.git", "h:a/b.git"),
            ("u:TOK@h:a/b.git", "h:a/b.git"),
            ("h:a/b.git?token=TOK", "h:a/b.git"),
            ("codecommit::https://TOK@h/x", "codecommit::https://h/x"),
            ("codecommit::eu-west-1://TOK@repo", "codecommit::eu-west-1://repo"),
            ("gcrypt::ssh://TOK@h/x", "gcrypt::ssh://h/x"),
            ("ext::sh -c 'curl https://TOK@h/x' TOK", "ext::"),
            ("x https://TOK@h/x?TOK", "https://h/x"),
            ("", ""),
        ] {
            assert_eq!(shown_remote(url), wanted, "{url}");
            assert!(!shown_remote(url).contains("TO"), "{url}");
        }
    }

    #[test]
    fn what_is_local_is_on_this_machine() {
        for url in [
            "/srv/git/a.git",
            "../a.git",
            "a.git",
            "./a:b",
            "file:///srv/a.git",
            "file://localhost/srv/a.git",
            "ssh://git@localhost/a",
            "https://127.0.0.1:3000/a",
            "http://[::1]:80/a",
            "git@localhost:a",
            "http://u:p@127.9.9.9/a",
            "http://git.localhost/a",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://example.org/a",
            "git@example.org:a",
            "ssh://10.0.0.1/a",
            "file://server/share/a.git",
            "ext::sh",
            "http://localhost.example.org/a",
            "http://127.0.0.1@example.org/a",
            "git://[fe80::1]/a",
            "",
            "http://example.org#@localhost/a",
            "http://example.org?@localhost/a",
            "http://example.org\\@localhost/a",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
