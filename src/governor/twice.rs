//! The same event of the same operation, told twice.
//!
//! git runs hooks of its configuration (`hook.NAME.command`, from 2.54 on) and
//! hooks of the hooks directory, and kpmo's may be in both; other tools call
//! kpmo's hook from theirs. The second call gets the first one's verdict, and no
//! findings, which have been said. It is the same operation if the same process
//! of git's tells the same event with the same arguments and input while HEAD
//! and the index are what they were: a rebase runs post-commit many times, each
//! with another HEAD, and a hook that stages something makes another index.

use std::{
    collections::VecDeque,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Error,
    call::{HookCall, Judgement},
    locked,
};
use crate::{fs::path_from, generated::kanban::HookEvent, git};

/// How many operations are remembered. Processes are told apart by when they
/// began, so that none is remembered for too long.
const REMEMBERED: usize = 256;

/// What was answered lately.
#[derive(Default)]
pub(super) struct Twice(Mutex<VecDeque<(Key, Answered)>>);

type Key = [u8; 32];
/// Locked while the answer is being found; the call that it was found for.
type Answered = Arc<Mutex<Option<(Uuid, Judgement)>>>;

impl Twice {
    /// What `answer` says, or has said to an earlier call of the same operation.
    pub(super) fn once(
        &self,
        call: &HookCall,
        policy: &str,
        answer: impl FnOnce() -> Result<Judgement, Error>,
    ) -> Result<Judgement, Error> {
        let Some(key) = operation(call, policy) else { return answer() };
        let slot = self.slot(key);
        let mut answered = locked(&slot);
        match &*answered {
            // A hook whose connection broke asks again.
            Some((id, before)) if *id == call.id => Ok(before.clone()),
            Some((_, before)) => Ok(Judgement {
                verdict: before.verdict,
                repo: before.repo.clone(),
                findings: Vec::new(),
                left_out: 0,
            }),
            None => {
                let judgement = answer()?;
                *answered = Some((call.id, judgement.clone()));
                Ok(judgement)
            }
        }
    }

    /// Whether an event that was kept by its hook was kept by another of the same
    /// operation before. Of events that git tells once a process, since nobody
    /// knows any more what HEAD was.
    pub(super) fn is_repeated(&self, call: &HookCall) -> bool {
        let told_once = matches!(call.event, HookEvent::PreCommit | HookEvent::PreMergeCommit);
        if !told_once || call.invocation.is_empty() {
            return false;
        }
        let slot = self.slot(hash(call, &[b"replayed"]));
        let mut first = locked(&slot);
        first.get_or_insert_with(|| (call.id, Judgement::default())).0 != call.id
    }

    fn slot(&self, key: Key) -> Answered {
        let mut recent = locked(&self.0);
        if let Some((_, slot)) = recent.iter().find(|(known, _)| *known == key) {
            return Arc::clone(slot);
        }
        let slot = Answered::default();
        recent.push_back((key, Arc::clone(&slot)));
        let surplus = recent.len().saturating_sub(REMEMBERED);
        recent.drain(..surplus);
        slot
    }
}

/// Names an operation; `None` where it can't be told from another.
fn operation(call: &HookCall, policy: &str) -> Option<Key> {
    if call.invocation.is_empty() || call.replayed {
        return None;
    }
    let git_dir = call.surroundings.path("GIT_DIR").unwrap_or_else(|| call.surroundings.cwd.join(".git"));
    let head = fs::read(git_dir.join("HEAD")).ok()?;
    let mut state = vec![git_dir.as_os_str().as_bytes().to_vec(), policy.as_bytes().to_vec()];
    if let Some(name) = head.strip_prefix(b"ref: ") {
        let common = common_dir(&git_dir);
        state.push(fs::read(common.join(path_from(name.trim_ascii_end()))).unwrap_or_default());
        // All that there is to see of refs in a reftable.
        state.push(stamp(&common.join("reftable/tables.list")));
    }
    state.push(head);
    if matches!(call.event, HookEvent::PreCommit | HookEvent::PreMergeCommit) {
        let index = call.surroundings.path("GIT_INDEX_FILE");
        state.push(stamp(&index.unwrap_or_else(|| git_dir.join("index"))));
    }
    if call.event == HookEvent::CommitMsg {
        // A message that was refused is mended, and one that passed may be changed by
        // another tool's hook.
        let file = call.args.first().map(|file| call.surroundings.cwd.join(path_from(file)));
        let text = file.and_then(|file| git::message_file(&file).ok().flatten());
        state.push(text.unwrap_or_default().into_bytes());
    }
    let state: Vec<&[u8]> = state.iter().map(Vec::as_slice).collect();
    Some(hash(call, &state))
}

fn common_dir(git_dir: &Path) -> PathBuf {
    match fs::read(git_dir.join("commondir")) {
        Ok(path) => git_dir.join(path_from(path.trim_ascii_end())),
        Err(_) => git_dir.to_path_buf(),
    }
}

/// What changes with a file's content; empty if there is none.
fn stamp(file: &Path) -> Vec<u8> {
    let Ok(meta) = fs::metadata(file) else { return Vec::new() };
    let parts = [meta.ino(), meta.size(), meta.mtime().cast_unsigned(), meta.mtime_nsec().cast_unsigned()];
    parts.iter().flat_map(|part| part.to_be_bytes()).collect()
}

fn hash(call: &HookCall, state: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(&call.invocation);
    add(call.event.as_str_name().as_bytes());
    add(call.surroundings.cwd.as_os_str().as_bytes());
    add(&call.stdin);
    for part in call.args.iter().map(Vec::as_slice).chain([&b""[..]]).chain(state.iter().copied()) {
        add(part);
    }
    hash.finalize().into()
}
