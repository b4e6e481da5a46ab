//! What an event of the past says, and the commits that it brought.

use std::{collections::HashSet, path::Path};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::{
    Error, Governor,
    call::HookCall,
    commit::{Subject, hook_name},
    registration::HEADS,
};
use crate::{
    generated::kanban::HookEvent,
    git::{self, Head, Location, Objects},
    ledger::{CommitState, EventDraft, EventKind, EventRecord, Filter, Projection},
};

/// Most branches that are looked at where nobody knows any more which was meant.
const MOST_TIPS: usize = 100;
/// Most commits that one event is taken to have made.
const AT_ONCE: usize = 100;
/// Most commits that are walked to those that the reflog tells of.
const MOST_MADE: usize = 1_000;

impl Governor {
    /// Records what an event of the past says, and judges the commits that it
    /// brought and that nobody judged.
    pub(super) fn digest(&self, call: &HookCall) {
        if self.twice.is_repeated(call) {
            return;
        }
        let mut draft = EventDraft::new(EventKind::HeadMoved, "hook");
        draft.event_id = call.id;
        draft.attributes.insert("hook".into(), hook_name(call.event.as_str_name()));
        draft.attributes.insert("occurred_at".into(), call.occurred_at.to_string());
        if call.skipped {
            draft.attributes.insert("skipped".into(), "KPMO_HOOK=0".into());
        }
        let noted = self.after.noted(call.id);
        let around = || around(call, noted.as_ref().map(|noted| noted.common_dir.as_path()));
        let place = Location::of(&call.surroundings).or_else(|error| around().ok_or(error));
        let place = place.map_err(Error::from);
        let Ok(location) = place else {
            let why = place.map_or_else(|error| error.message, |_| String::new());
            draft.attributes.insert("unreadable".into(), why);
            self.ledger.append_later(draft);
            return;
        };
        let subject = self.subject(&location);
        match subject.id() {
            Some(id) => draft.repo_id = Some(id.to_owned()),
            None => {
                draft.attributes.insert("repository".into(), subject.facts.name.clone());
            }
        }
        if call.event == HookEvent::PrePush {
            Self::skipped_push(call, &mut draft);
            self.ledger.append_later(draft);
            return;
        }
        if matches!(call.event, HookEvent::PreCommit | HookEvent::PreMergeCommit) {
            draft.kind = EventKind::Unjudged;
            self.ledger.append_later(draft);
            return;
        }
        if let Err(error) =
            self.note_movement(call, &subject, &location, noted.and_then(|noted| noted.head), &mut draft)
        {
            tracing::warn!(repo = subject.facts.name, %error, "a repository could not be read");
            draft.attributes.insert("unreadable".into(), error.message);
        }
        let repo_id = draft.repo_id.clone();
        self.ledger.append_later(draft);
        // A merge may bring another history along.
        self.want_identity(repo_id.as_deref(), call.event == HookEvent::PostMerge);
        self.look_after_hooks(&subject, &location);
        self.want_snapshot(repo_id.as_deref(), &hook_name(call.event.as_str_name()));
    }

    fn note_movement(
        &self,
        call: &HookCall,
        subject: &Subject,
        location: &Location,
        head: Option<Head>,
        draft: &mut EventDraft,
    ) -> Result<(), Error> {
        let objects = git::open(&self.git, location)?;
        let is_replay = head.is_none();
        let head = head.map_or_else(|| objects.head(), Ok)?;
        let mut note = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                draft.attributes.insert(key.to_owned(), value.to_owned());
            }
        };
        note("branch", head.branch.as_deref());
        note("head", head.commit.as_deref());
        let arg = |at: usize| call.args.get(at).and_then(|arg| std::str::from_utf8(arg).ok());
        match call.event {
            HookEvent::PostCheckout => {
                note("previous", arg(0));
                note("head", arg(1));
            }
            HookEvent::PostRewrite => note("command", arg(0)),
            _ => {}
        }
        let Some(id) = subject.id() else { return Ok(()) };
        let mut tips: Vec<String> = head.commit.into_iter().collect();
        if is_replay {
            // HEAD may have been elsewhere then.
            tips.extend(
                call.args
                    .first()
                    .filter(|_| call.event == HookEvent::PostCheckout)
                    .and_then(|arg| id_of(arg)),
            );
            tips.extend(git::heads(&self.git, location, MOST_TIPS)?);
        } else if call.event == HookEvent::PostCheckout {
            return Ok(());
        }
        let mut validated = Vec::new();
        let mut made = self.made_unknown(location, id)?;
        let mut fresh = self.fresh_from(&*objects, id, &tips, &made)?;
        made.retain(|commit| !fresh.contains(commit));
        fresh.extend(self.made_past_hooks(&*objects, id, &tips, &made));
        for commit in fresh {
            let standing = self.standing(subject, &*objects, &commit);
            if standing.known {
                continue;
            }
            // What an earlier governor took in it may have recorded, too, and an
            // event is recorded once: what is new goes with events of its own.
            if standing.state == CommitState::Validated && !is_replay {
                validated.push(commit);
                continue;
            }
            let late = standing.draft(subject, id, &commit);
            self.ledger.append_later(EventDraft { event_id: derived_id(call.id, &commit), ..late });
        }
        if !validated.is_empty() {
            draft.projection = Some(Projection::Commits { ids: validated, state: CommitState::Validated });
        }
        Ok(())
    }

    /// As [`Governor::fresh_commits`], of several tips; each commit once.
    pub(super) fn fresh_from(
        &self,
        objects: &dyn Objects,
        id: &str,
        tips: &[String],
        made: &HashSet<String>,
    ) -> Result<Vec<String>, Error> {
        let mut fresh: Vec<String> = Vec::new();
        for (at, tip) in tips.iter().enumerate() {
            if tips[..at].contains(tip) {
                continue;
            }
            match self.fresh_commits(objects, id, tip, made) {
                Ok(found) => fresh.extend(found),
                // What another branch led to may be gone by now.
                Err(error) if at > 0 => tracing::info!(tip, %error, "its commits are not judged late"),
                Err(error) => return Err(error),
            }
        }
        let mut seen = HashSet::new();
        fresh.retain(|commit| seen.insert(commit.clone()));
        Ok(fresh)
    }

    /// Commits that `tip` leads to and that are not known, oldest first. What
    /// a remote has was judged where it came from, and what was there when the
    /// repository was registered is none of ours.
    fn fresh_commits(
        &self,
        objects: &dyn Objects,
        id: &str,
        tip: &str,
        made: &HashSet<String>,
    ) -> Result<Vec<String>, Error> {
        let known = |commit: &String| self.ledger.commit_state(id, commit).ok().flatten().is_some();
        // One that was made on top of a known one: no history need be read.
        if made.contains(tip) {
            let parents = objects.commit(tip)?.parents;
            if !parents.is_empty() && parents.iter().all(known) {
                return Ok(vec![tip.to_owned()]);
            }
        }
        let walked = objects.new_commits(&[tip], &self.heads_before(id)?, Some("*"), AT_ONCE)?;
        // A known one may be younger than what a merge brought.
        let mut fresh: Vec<String> = walked.into_iter().filter(|commit| !known(commit)).collect();
        fresh.reverse();
        Ok(fresh)
    }

    /// The latest commits that were made here since the repository was registered, and
    /// are not known, as the reflogs have it; a remote may have them by now.
    pub(super) fn made_unknown(&self, location: &Location, id: &str) -> Result<HashSet<String>, Error> {
        let Some(added) = self.added(id)? else { return Ok(HashSet::new()) };
        let since = added.time.as_second();
        let known = |commit: &String| self.ledger.commit_state(id, commit).is_ok_and(|state| state.is_some());
        let logs = git::made_here(location).into_iter();
        let unknown = logs.flat_map(|made| {
            let since_then = made.into_iter().filter(|made| made.at >= since).map(|made| made.commit);
            since_then.take_while(|commit| !known(commit))
        });
        Ok(unknown.collect())
    }

    /// Those of them that a branch leads to, oldest first: made and pushed while no hook
    /// ran.
    pub(super) fn made_past_hooks(
        &self,
        objects: &dyn Objects,
        id: &str,
        tips: &[String],
        unknown: &HashSet<String>,
    ) -> Vec<String> {
        if unknown.is_empty() {
            return Vec::new();
        }
        // What a branch leads to may be gone by now.
        let there = tips.iter().filter(|tip| objects.commit(tip).is_ok());
        let tips: Vec<&str> = there.map(String::as_str).collect();
        let walk = || Ok::<_, Error>(objects.new_commits(&tips, &self.heads_before(id)?, None, MOST_MADE)?);
        match walk() {
            Ok(walked) => walked.into_iter().rev().filter(|commit| unknown.contains(commit)).collect(),
            Err(error) => {
                tracing::info!(repo_id = id, %error, "what was made past hooks is not looked for");
                Vec::new()
            }
        }
    }

    fn added(&self, id: &str) -> Result<Option<EventRecord>, Error> {
        let filter = Filter { kinds: vec![EventKind::RepoAdded], repo_id: Some(id.to_owned()) };
        Ok(self.ledger.read(1, 1, &filter)?.into_iter().next())
    }

    /// Where the repository's branches stood when it was registered.
    pub(in super::super) fn heads_before(&self, id: &str) -> Result<Vec<String>, Error> {
        let added = self.added(id)?;
        let heads = added.as_ref().and_then(|event| event.attributes.get(HEADS));
        Ok(heads.map(|heads| heads.split(' ').map(str::to_owned).collect()).unwrap_or_default())
    }
}

/// The repository that a linked work tree belonged to which is gone by now.
fn around(call: &HookCall, common_dir: Option<&Path>) -> Option<Location> {
    if let Some(common_dir) = common_dir {
        return Location::at(common_dir).ok();
    }
    let git_dir = call.surroundings.path("GIT_DIR")?;
    let worktrees = git_dir.parent().filter(|dir| dir.ends_with("worktrees"))?;
    Location::at(worktrees.parent()?).ok()
}

/// An object id among a hook's arguments; none: there was nothing.
fn id_of(arg: &[u8]) -> Option<String> {
    let id = std::str::from_utf8(arg).ok()?;
    id.bytes().any(|digit| digit != b'0').then(|| id.to_owned())
}

/// The same for the same call and commit, so that a replay changes nothing.
fn derived_id(call: Uuid, commit: &str) -> Uuid {
    let digest = Sha256::new().chain_update(call.as_bytes()).chain_update(commit).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
