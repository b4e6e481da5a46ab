use jiff::Timestamp;
use uuid::Uuid;

use super::{Error, Governor};
use crate::{
    fs::path_from,
    generated::kanban::{HookEvent, HookRequest, Verdict},
    git::Surroundings,
    rules::{Finding, Severity},
};

/// What a hook told, checked and with paths resolved.
#[derive(Debug, Clone)]
pub struct HookCall {
    /// The call's own id: the same call told twice counts once.
    pub id: Uuid,
    /// git's hook.
    pub event: HookEvent,
    /// The hook's arguments.
    pub args: Vec<Vec<u8>>,
    /// What git wrote to the hook.
    pub stdin: Vec<u8>,
    /// Where git ran it.
    pub surroundings: Surroundings,
    /// When git ran it.
    pub occurred_at: Timestamp,
    /// Told afterwards, because nobody was there at the time.
    pub replayed: bool,
    /// Which process of git's ran the hook; opaque, empty if nobody knows.
    pub invocation: Vec<u8>,
    /// Somebody wanted nothing judged before.
    pub skipped: bool,
}

impl TryFrom<&HookRequest> for HookCall {
    type Error = Error;

    fn try_from(request: &HookRequest) -> Result<Self, Error> {
        let cwd = path_from(&request.working_directory);
        if !cwd.is_absolute() {
            return Err(Error::bad_request("working_directory", "must be absolute"));
        }
        let at = request.occurred_at.unwrap_or_default();
        Ok(Self {
            id: Uuid::parse_str(&request.call_id).map_err(|e| Error::bad_request("call_id", e))?,
            event: request.event(),
            args: request.args.clone(),
            stdin: request.stdin.clone(),
            surroundings: Surroundings {
                cwd,
                variables: request
                    .git_env
                    .iter()
                    .map(|var| (var.name.clone(), path_from(&var.value).into_os_string()))
                    .collect(),
            },
            occurred_at: Timestamp::new(at.seconds, at.nanos)
                .map_err(|e| Error::bad_request("occurred_at", e))?,
            replayed: request.replayed,
            invocation: request.invocation.clone(),
            skipped: request.skipped,
        })
    }
}

/// A finding, and for a push the commit it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What the rule found.
    pub finding: Finding,
    /// Hexadecimal commit id; empty for the index.
    pub commit: String,
}

/// What the governor answers a hook.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Go on, or not.
    pub verdict: Verdict,
    /// Why, in order of path and line.
    pub findings: Vec<Judged>,
    /// Findings beyond those.
    pub left_out: usize,
    /// Id and name of the repository, if it is registered.
    pub repo: Option<(String, String)>,
}

/// Most findings that one answer lists.
const LISTED: usize = 50;

impl Judgement {
    /// The verdict that these findings make.
    pub(super) fn of(mut findings: Vec<Judged>, repo: Option<(String, String)>) -> Self {
        let refused = findings.iter().any(|judged| judged.finding.severity == Severity::Error);
        // What refuses is listed first, so that it is never what is left out.
        findings.sort_by(|a, b| {
            let key = |judged: &Judged| judged.finding.severity != Severity::Error;
            key(a).cmp(&key(b))
        });
        let left_out = findings.len().saturating_sub(LISTED);
        findings.truncate(LISTED);
        Self { verdict: if refused { Verdict::Refuse } else { Verdict::Pass }, findings, left_out, repo }
    }

    /// Taken in; nothing to judge.
    pub(super) fn noted(repo: Option<(String, String)>) -> Self {
        Self { verdict: Verdict::Noted, repo, ..Self::default() }
    }
}

impl Governor {
    /// Answers one hook; one that git runs twice for the same thing is judged and
    /// recorded once. May block on files: call it on a blocking thread.
    pub fn hook(&self, call: &HookCall, encoded: &[u8]) -> Result<Judgement, Error> {
        let _serving = self.calm.serve();
        // By another policy it is another question.
        let policy = self.policy();
        self.twice.once(call, &policy.digest(), || self.answer(call, encoded))
    }

    fn answer(&self, call: &HookCall, encoded: &[u8]) -> Result<Judgement, Error> {
        match call.event {
            HookEvent::PreCommit | HookEvent::PreMergeCommit if !call.replayed => self.before_commit(call),
            HookEvent::CommitMsg if !call.replayed => self.before_message(call),
            HookEvent::PrePush if call.skipped => self.take_in(call, encoded),
            HookEvent::PrePush if !call.replayed => self.before_push(call),
            HookEvent::PreCommit
            | HookEvent::PreMergeCommit
            | HookEvent::PostCommit
            | HookEvent::PostCheckout
            | HookEvent::PostMerge
            | HookEvent::PostRewrite
            | HookEvent::PostApplypatch => self.take_in(call, encoded),
            // Its commit, if it became one, is judged with its message.
            HookEvent::CommitMsg => Ok(Judgement::noted(None)),
            HookEvent::PreRebase => Ok(self.before_rebase(call)),
            other => Err(Error::bad_request(
                "event",
                format!("{} is judged by no rule of this version", other.as_str_name()),
            )),
        }
    }
}
