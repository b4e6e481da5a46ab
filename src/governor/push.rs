mod brought;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use brought::Brought;

use super::{
    Error, Governor, Reason,
    call::{HookCall, Judged, Judgement},
    commit::{Subject, passes, summary},
    facts::Ground,
};
use crate::{
    git::{self, Delta, Location, Objects, RawChange, Target},
    ledger::{CommitState, EventDraft, EventKind},
    rules::{CommitFacts, Finding, PushFacts, RefUpdate, RefUpdateKind, shown_remote},
};

/// Most commits of a push that are judged one by one; of a longer history the
/// newest are, and the rest by what it amounts to.
const ONE_BY_ONE: usize = 200;
/// Most commits of a push that are looked through for where they begin.
const FARTHEST: usize = 20_000;

/// One line that git wrote to pre-push.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RefLine {
    /// `None`: the ref is to go away.
    local_id: Option<String>,
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
        if let Some(repo) = &subject.repo {
            self.let_lfs_send(repo, &location);
        }
        let lines = parse_lines(&call.stdin)?;
        let text = |at: usize| call.args.get(at).map(|arg| String::from_utf8_lossy(arg).into_owned());
        let (remote, url) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
        // Without a configured remote git gives the URL in its place.
        let tracked = (remote != url && !remote.is_empty()).then_some(remote.as_str());

        let objects = git::open(&self.git, &location)?;
        let mut findings = Vec::new();
        let mut judged = 0;
        let nothing = CommitFacts::default();
        let old = Subject::for_old_commits(&subject);
        let judges_words = subject.policy.wants_identity() || subject.policy.wants_commit_msg();
        let unvalidated: HashSet<String> = match subject.id() {
            Some(id) => self.ledger.unvalidated(id)?.into_iter().collect(),
            None => HashSet::new(),
        };
        let mut tips = Vec::new();
        for line in &lines {
            let Some(local_id) = &line.local_id else { continue };
            match objects.target(local_id)? {
                Target::Commit(tip) => tips.push((line, tip)),
                other => {
                    let delta = without_commit(&*objects, line, other)?;
                    let ground = subject.ground(&nothing, false);
                    let found = self.judge_delta(&*objects, &delta, ground, deadline)?;
                    findings.extend(found.into_iter().map(|finding| of_commit(finding, "")));
                }
            }
        }
        let all: Vec<&str> = tips.iter().map(|(_, tip)| tip.as_str()).collect();
        let seen: Vec<String> = lines.iter().filter_map(|line| line.remote_id.clone()).collect();
        let walk = |seen: &[String]| match all[..] {
            [] => Ok(Vec::new()),
            _ => objects.new_commits(&all, seen, tracked, FARTHEST + 1),
        };
        let mut brought = Brought::new(&*objects, walk(&seen)?, tips.len());
        let since: HashSet<String> = match subject.id() {
            Some(id) if judges_words => {
                walk(&[seen.clone(), self.heads_before(id)?].concat())?.into_iter().collect()
            }
            None if judges_words => brought.all().iter().cloned().collect(),
            _ => HashSet::new(),
        };
        for (line, tip) in &tips {
            if Instant::now() > deadline {
                return Err(too_long(judged, patience));
            }
            let commits = match brought.by(tip)? {
                Some(commits) => commits,
                // Whether anything of it is new is not known so far back.
                None => objects.new_commits(&[tip], &seen, tracked, FARTHEST + 1)?,
            };
            for commit in commits.iter().take(ONE_BY_ONE) {
                if Instant::now() > deadline {
                    return Err(too_long(judged, patience));
                }
                let by = if judges_words && !since.contains(commit) { &old } else { &subject };
                findings.extend(self.judge_pushed(by, &*objects, commit, deadline)?);
                judged += 1;
            }
            if commits.len() > ONE_BY_ONE {
                let is_whole = commits.len() <= FARTHEST && !brought.is_cut_short();
                let base = base(&*objects, line, commits.last().filter(|_| is_whole))?;
                let delta = objects.between(base.as_deref(), tip)?;
                let net = self.judge_delta(&*objects, &delta, subject.ground(&nothing, false), deadline)?;
                findings.extend(net.into_iter().map(|finding| of_commit(finding, tip)));
                for commit in &commits[ONE_BY_ONE..] {
                    if Instant::now() > deadline {
                        return Err(too_long(judged, patience));
                    }
                    // What one brought and the next took away is in no sum.
                    if unvalidated.contains(commit) {
                        findings.extend(self.judge_pushed(&subject, &*objects, commit, deadline)?);
                        judged += 1;
                    } else if since.contains(commit) {
                        findings.extend(self.judge_unread(&subject, &*objects, commit)?);
                    }
                }
            }
        }
        // The same line of the same file, in a commit and in the sum of all.
        findings.dedup_by(|a, b| a.finding == b.finding);
        // The push itself; an archived repository is none to push from either,
        // whatever it holds.
        let push = push_facts(&subject, &*objects, &url, &lines)?;
        let as_a_whole = self.judge_apart(Ground { push: Some(&push), ..subject.ground(&nothing, false) });
        for finding in as_a_whole {
            if !findings.iter().any(|judged| judged.finding == finding) {
                findings.push(of_commit(finding, ""));
            }
        }
        self.record_push(call, &subject, &lines, &remote, &url, &findings, judged);
        self.want_snapshot(subject.id(), "pre-push");
        Ok(Judgement::of(findings, subject.identity()))
    }

    /// What the ledger is told of a push that somebody wanted unjudged.
    pub(super) fn skipped_push(call: &HookCall, draft: &mut EventDraft) {
        draft.kind = EventKind::Push;
        draft.attributes.insert("outcome".into(), "skipped".into());
        if let Some(remote) = call.args.first() {
            draft.attributes.insert("remote".into(), shown_remote(&String::from_utf8_lossy(remote)));
        }
        // What git wrote is told as far as it can be read.
        let lines = parse_lines(&call.stdin).unwrap_or_default();
        let refs: Vec<&str> = lines.iter().take(20).map(|line| line.remote_ref.as_str()).collect();
        draft.attributes.insert("refs".into(), refs.join(" "));
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
            let draft = standing.draft(subject, id, commit);
            self.ledger.append_later(EventDraft { actor: "hook".to_owned(), ..draft });
        }
        if let Some(mut error) = standing.error {
            error.message = format!("commit {}: {}", commit.get(..10).unwrap_or(commit), error.message);
            return Err(error);
        }
        Ok(standing.findings.into_iter().map(|finding| of_commit(finding, commit)).collect())
    }

    /// Judges what one commit says of itself, where its changes are judged in the
    /// sum of many.
    fn judge_unread(
        &self,
        subject: &Subject,
        objects: &dyn Objects,
        commit: &str,
    ) -> Result<Vec<Judged>, Error> {
        let passed =
            |id| self.ledger.commit_state(id, commit).ok().flatten().is_some_and(CommitState::passed);
        if subject.id().is_some_and(passed) {
            return Ok(Vec::new());
        }
        let read = objects.commit(commit)?;
        let facts = subject.commit_facts(&read);
        let findings = self.judge_apart(subject.ground(&facts, read.parents.len() > 1));
        Ok(findings.into_iter().map(|finding| of_commit(finding, commit)).collect())
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
            ("remote", shown_remote(remote)),
            ("url", shown_remote(url)),
            ("refs", refs.join(" ")),
            ("commits", judged.to_string()),
        ] {
            draft.attributes.insert(key.into(), value);
        }
        self.ledger.append_later(draft);
    }
}

/// What the rules are told of a push as a whole. What costs a look at the history
/// is asked about protected branches alone.
fn push_facts(
    subject: &Subject,
    objects: &dyn Objects,
    url: &str,
    lines: &[RefLine],
) -> Result<PushFacts, Error> {
    let mut push = PushFacts { url: url.to_owned(), refs: Vec::new() };
    if !subject.policy.wants_push() || !subject.facts.registered {
        return Ok(push);
    }
    let settings = &subject.policy.settings;
    for line in lines {
        let branch = line.remote_ref.strip_prefix("refs/heads/");
        let is_protected = branch.is_some_and(|branch| settings.branch.protects(&subject.facts, branch));
        if !is_protected {
            continue;
        }
        let kind = match (&line.local_id, &line.remote_id) {
            (None, _) => RefUpdateKind::Deleted,
            (Some(_), None) => RefUpdateKind::Created,
            (Some(local), Some(remote)) if objects.leads_to(local, remote)? => RefUpdateKind::Moved,
            (Some(_), Some(_)) => RefUpdateKind::Forced,
        };
        let wants_tag = settings.stage.tagged.contains(&subject.facts.stage);
        let tagged = match line.local_id.as_ref().filter(|_| wants_tag) {
            Some(local) => Some(objects.is_tagged(local)?),
            None => None,
        };
        push.refs.push(RefUpdate { name: line.remote_ref.clone(), kind, tagged });
    }
    Ok(push)
}

/// What the other side has of the history that a push goes on with, of which
/// `oldest` is the first that is new; `None`: nothing, or it lies too far back to be
/// told, and then all of it is new.
fn base(objects: &dyn Objects, line: &RefLine, oldest: Option<&String>) -> Result<Option<String>, Error> {
    if let Some(id) = line.remote_id.as_ref().filter(|id| objects.commit(id).is_ok()) {
        return Ok(Some(id.clone()));
    }
    Ok(match oldest {
        Some(oldest) => objects.commit(oldest)?.parents.into_iter().next(),
        None => None,
    })
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

/// `LOCAL-REF SP LOCAL-ID SP REMOTE-REF SP REMOTE-ID LF`.
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
        let (local_id, remote_id) = (known(local_id), known(remote_id));
        lines.push(RefLine { local_id, remote_ref: remote_ref.to_owned(), remote_id });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_lines_are_read_and_deletions_known() {
        let (one, two, none) = ("1".repeat(40), "2".repeat(40), "0".repeat(40));
        let stdin = format!(
            "refs/heads/main {one} refs/heads/main {two}\n(delete) {none} refs/heads/old {two}\nHEAD@{{1 day ago}} {one} refs/heads/new {none}\n"
        );
        let lines = parse_lines(stdin.as_bytes()).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].remote_id.as_deref(), Some(two.as_str()));
        assert_eq!((lines[1].remote_ref.as_str(), &lines[1].local_id), ("refs/heads/old", &None));
        assert_eq!((lines[2].remote_ref.as_str(), &lines[2].remote_id), ("refs/heads/new", &None));
        assert!(parse_lines(b"nonsense\n").is_err());
        assert!(parse_lines(b"").unwrap().is_empty());
    }
}
