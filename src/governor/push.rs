use std::time::{Duration, Instant};

use super::{
    Error, Governor, Reason,
    call::{HookCall, Judged, Judgement},
    commit::{Subject, passes, summary},
};
use crate::{
    git::{self, Delta, Location, Objects, RawChange, Target},
    ledger::{CommitState, EventDraft, EventKind, Projection},
    rules::Finding,
};

/// Most commits of a push that are judged one by one; of a longer history the
/// newest are, and the rest by what it amounts to.
const ONE_BY_ONE: usize = 200;
/// Most commits of a push that are looked through for where they begin.
const FARTHEST: usize = 20_000;

/// One line that git wrote to pre-push.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RefLine {
    local_id: String,
    remote_ref: String,
    remote_id: Option<String>,
}

impl Governor {
    /// pre-push: judges every commit that the other side does not have.
    pub(super) fn before_push(&self, call: &HookCall) -> Result<Judgement, Error> {
        let patience = self.settings().budgets.verdict.mul_f32(0.8);
        let deadline = Instant::now() + patience;
        let location = Location::of(&call.surroundings)?;
        let subject = self.subject(&location);
        let lines = parse_lines(&call.stdin)?;
        let text = |at: usize| call.args.get(at).map(|arg| String::from_utf8_lossy(arg).into_owned());
        let (remote, url) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
        // Without a configured remote git gives the URL in its place.
        let tracked = (remote != url && !remote.is_empty()).then_some(remote.as_str());

        let objects = git::open(&self.git, &location)?;
        let mut findings = Vec::new();
        let mut judged = 0;
        for line in &lines {
            let tip = match objects.target(&line.local_id)? {
                Target::Commit(tip) => tip,
                other => {
                    let delta = without_commit(&*objects, line, other)?;
                    let found = self.judge_delta(&*objects, &delta, subject.ground(false), deadline)?;
                    findings.extend(found.into_iter().map(|finding| of_commit(finding, "")));
                    continue;
                }
            };
            let seen: Vec<String> = line.remote_id.iter().cloned().collect();
            let commits = objects.new_commits(&tip, &seen, tracked, FARTHEST + 1)?;
            for commit in commits.iter().take(ONE_BY_ONE) {
                if Instant::now() > deadline {
                    return Err(too_long(judged, patience));
                }
                findings.extend(self.judge_pushed(&subject, &*objects, commit, deadline)?);
                judged += 1;
            }
            if commits.len() > ONE_BY_ONE {
                let base = base(&*objects, line, &commits)?;
                let delta = objects.between(base.as_deref(), &tip)?;
                let net = self.judge_delta(&*objects, &delta, subject.ground(false), deadline)?;
                findings.extend(net.into_iter().map(|finding| of_commit(finding, &tip)));
            }
        }
        // The same line of the same file, in a commit and in the sum of all.
        findings.dedup_by(|a, b| a.finding == b.finding);
        if lines.is_empty() || findings.is_empty() {
            // An archived repository is none to push from either, whatever it holds.
            let empty = Delta { base_tree: String::new(), tree: String::new(), changes: Vec::new() };
            let about_all = self.judge_delta(&*objects, &empty, subject.ground(false), deadline)?;
            findings.extend(about_all.into_iter().map(|finding| of_commit(finding, "")));
        }
        self.record_push(call, &subject, &lines, &remote, &url, &findings, judged);
        self.want_snapshot(subject.id(), "pre-push");
        Ok(Judgement::of(findings, subject.identity()))
    }

    /// Judges one commit of a push, and remembers how it stands. One that can't
    /// be judged is an error: it is not to go out.
    fn judge_pushed(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
        deadline: Instant,
    ) -> Result<Vec<Judged>, Error> {
        let standing = self.standing_by(subject, objects, commit, deadline);
        // Not judged for lack of time says nothing of the commit.
        let is_late = standing.error.as_ref().is_some_and(|error| matches!(error.reason, Reason::Overloaded));
        if let Some(id) = subject.id()
            && !standing.known
            && !is_late
            && standing.state != CommitState::Validated
        {
            let mut draft = EventDraft::new(EventKind::LateVerdict, "hook");
            draft.repo_id = Some(id.to_owned());
            draft.attributes = summary(&standing.findings);
            draft.projection =
                Some(Projection::Commits { ids: vec![commit.to_owned()], state: standing.state });
            self.ledger.append_later(draft);
        }
        if let Some(mut error) = standing.error {
            error.message = format!("commit {}: {}", commit.get(..10).unwrap_or(commit), error.message);
            return Err(error);
        }
        Ok(standing.findings.into_iter().map(|finding| of_commit(finding, commit)).collect())
    }

    #[expect(clippy::too_many_arguments, reason = "each is one thing that the record says")]
    fn record_push(
        &self,
        call: &HookCall,
        subject: &Subject,
        lines: &[RefLine],
        remote: &str,
        url: &str,
        findings: &[Judged],
        judged: usize,
    ) {
        let findings: Vec<Finding> = findings.iter().map(|judged| judged.finding.clone()).collect();
        let mut draft = EventDraft::new(EventKind::Push, "hook");
        draft.event_id = call.id;
        draft.repo_id = subject.id().map(str::to_owned);
        draft.attributes = summary(&findings);
        let refs: Vec<&str> = lines.iter().take(20).map(|line| line.remote_ref.as_str()).collect();
        let outcome = if passes(&findings) { "pass" } else { "refuse" };
        for (key, value) in [
            ("outcome", outcome.to_owned()),
            ("remote", recorded(remote)),
            ("url", recorded(url)),
            ("refs", refs.join(" ")),
            ("commits", judged.to_string()),
        ] {
            draft.attributes.insert(key.into(), value);
        }
        self.ledger.append_later(draft);
    }
}

/// What the other side has of the history that a push goes on with; `None`:
/// nothing, or it lies too far back to be told, and then all of it is new.
fn base(objects: &dyn Objects, line: &RefLine, commits: &[String]) -> Result<Option<String>, Error> {
    if let Some(id) = line.remote_id.as_ref().filter(|id| objects.commit(id).is_ok()) {
        return Ok(Some(id.clone()));
    }
    match commits.last() {
        Some(oldest) if commits.len() <= FARTHEST => Ok(objects.commit(oldest)?.parents.into_iter().next()),
        _ => Ok(None),
    }
}

/// What a tag of a tree or of a file brings; such a file is named by its ref.
fn without_commit(objects: &dyn Objects, line: &RefLine, target: Target) -> Result<Delta, Error> {
    Ok(match target {
        Target::Commit(id) | Target::Tree(id) => objects.between(None, &id)?,
        Target::Blob(id) => {
            let path = line.remote_ref.clone().into_bytes();
            let change =
                RawChange { path, old_mode: 0, new_mode: 0o100_644, old_id: String::new(), new_id: id };
            Delta { base_tree: String::new(), tree: String::new(), changes: vec![change] }
        }
    })
}

fn of_commit(finding: Finding, commit: &str) -> Judged {
    Judged { finding, commit: commit.to_owned() }
}

fn too_long(judged: usize, patience: Duration) -> Error {
    Error::new(
        Reason::Overloaded,
        format!(
            "{judged} commits were judged within {} ms and more are to be pushed; push again, what was \
             judged is remembered (`budgets.verdict_ms` in governor.yml gives more time)",
            patience.as_millis()
        ),
    )
}

/// What the ledger keeps of a remote's URL, or of the name or path that stands in
/// its place: transport, host and path. A ledger is for ever, and forges take
/// tokens in every other part of a URL.
fn recorded(remote: &str) -> String {
    // `HELPER::ADDRESS`, gitremote-helpers(7).
    if let Some((helper, address)) = remote.split_once("::")
        && !helper.is_empty()
        && helper.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        // ext's address is a command line, in which anything may stand.
        let address = if helper == "ext" { String::new() } else { recorded(address) };
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

/// `LOCAL-REF SP LOCAL-ID SP REMOTE-REF SP REMOTE-ID LF`; deletions have nothing
/// to judge.
fn parse_lines(stdin: &[u8]) -> Result<Vec<RefLine>, Error> {
    let mut lines = Vec::new();
    for line in stdin.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let text = String::from_utf8_lossy(line);
        // A ref's name has no space; what a user pushed (`HEAD~1`) may.
        let mut words = text.rsplitn(4, ' ');
        let (Some(remote_id), Some(remote_ref), Some(local_id)) = (words.next(), words.next(), words.next())
        else {
            return Err(Error::bad_request("stdin", "not what git writes to pre-push"));
        };
        let is_id = |id: &str| matches!(id.len(), 40 | 64) && id.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_id(remote_id) || !is_id(local_id) {
            return Err(Error::bad_request("stdin", "not what git writes to pre-push"));
        }
        let known = |id: &str| (!id.bytes().all(|digit| digit == b'0')).then(|| id.to_owned());
        if let Some(local_id) = known(local_id) {
            lines.push(RefLine { local_id, remote_ref: remote_ref.to_owned(), remote_id: known(remote_id) });
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_url_is_where_and_never_by_whose_leave() {
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
            assert_eq!(recorded(url), wanted, "{url}");
            assert!(!recorded(url).contains("TO"), "{url}");
        }
    }

    #[test]
    fn ref_lines_are_read_and_deletions_left_out() {
        let (one, two, none) = ("1".repeat(40), "2".repeat(40), "0".repeat(40));
        let stdin = format!(
            "refs/heads/main {one} refs/heads/main {two}\n(delete) {none} refs/heads/old {two}\nHEAD@{{1 day ago}} {one} refs/heads/new {none}\n"
        );
        let lines = parse_lines(stdin.as_bytes()).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].remote_id.as_deref(), Some(two.as_str()));
        assert_eq!((lines[1].remote_ref.as_str(), &lines[1].remote_id), ("refs/heads/new", &None));
        assert!(parse_lines(b"nonsense\n").is_err());
        assert!(parse_lines(b"").unwrap().is_empty());
    }
}
