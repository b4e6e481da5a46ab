use std::time::{Duration, Instant};

use super::{
    Error, Governor, Reason,
    call::{HookCall, Judged, Judgement},
    commit::{Subject, passes, summary},
};
use crate::{
    git::{self, Delta, Location, Objects, RawChange, Target},
    ledger::{CommitState, EventDraft, EventKind, Projection},
    registry::without_credentials,
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
                    let found = self.judge_delta(&*objects, &delta, subject.ground(false))?;
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
                findings.extend(self.judge_pushed(&subject, &*objects, commit)?);
                judged += 1;
            }
            if commits.len() > ONE_BY_ONE {
                let base = base(&*objects, line, &commits)?;
                let delta = objects.between(base.as_deref(), &tip)?;
                let net = self.judge_delta(&*objects, &delta, subject.ground(false))?;
                findings.extend(net.into_iter().map(|finding| of_commit(finding, &tip)));
            }
        }
        // The same line of the same file, in a commit and in the sum of all.
        findings.dedup_by(|a, b| a.finding == b.finding);
        if lines.is_empty() || findings.is_empty() {
            // An archived repository is none to push from either, whatever it holds.
            let empty = Delta { base_tree: String::new(), tree: String::new(), changes: Vec::new() };
            let about_all = self.judge_delta(&*objects, &empty, subject.ground(false))?;
            findings.extend(about_all.into_iter().map(|finding| of_commit(finding, "")));
        }
        self.record_push(call, &subject, &lines, &remote, &url, &findings, judged);
        Ok(Judgement::of(findings, subject.identity()))
    }

    /// Judges one commit of a push, and remembers how it stands. One that can't
    /// be judged is an error: it is not to go out.
    fn judge_pushed(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
    ) -> Result<Vec<Judged>, Error> {
        let standing = self.standing(subject, objects, commit);
        if let Some(id) = subject.id()
            && !standing.known
            && standing.state != CommitState::Validated
        {
            let mut draft = EventDraft::new(EventKind::LateVerdict, "hook");
            draft.repo_id = Some(id.to_owned());
            draft.attributes = summary(&standing.findings);
            draft.projection =
                Some(Projection::Commit { commit_id: commit.to_owned(), state: standing.state });
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
            ("remote", without_credentials(remote)),
            ("url", without_credentials(url)),
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
