//! A snapshot as the engine keeps it, and back.
//!
//! What restic knows, too, is where restic looks for it: time, host, paths, and
//! in tags what one may want to filter by. The rest is JSON in the description,
//! which restic passes over.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::tz::TimeZone;
use rustic_core::{
    SnapshotOptions, StringList,
    repofile::{SnapshotFile, SnapshotSummary},
};
use serde::{Deserialize, Serialize};

use super::{Draft, Snapshot, SnapshotId, SnapshotStatus, Stored, TreeId};
use crate::fs::path_from;

/// Marks snapshots that are kpmo's.
const TAG: &str = "kpmo";
const REPO: &str = "repo:";
const TRIGGER: &str = "trigger:";
const STATUS: &str = "status:";

/// Version of the description.
const VERSION: u32 = 1;

/// What restic has no field for.
#[derive(Serialize, Deserialize)]
struct Description {
    kpmo: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    repo_name: String,
    roots: Vec<Root>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ledger_seq: Option<u64>,
}

/// The fields of restic's paths are sorted, and text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Root {
    Text(String),
    Bytes { base64: String },
}

impl Root {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.into()),
            None => Self::Bytes { base64: STANDARD.encode(path.as_os_str().as_bytes()) },
        }
    }

    fn path(self) -> Option<PathBuf> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Bytes { base64 } => Some(path_from(&STANDARD.decode(base64).ok()?)),
        }
    }
}

/// Who takes snapshots here.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    hostname: String,
    username: String,
    uid: u32,
    gid: u32,
}

impl Identity {
    /// This process's user on this machine.
    pub(super) fn of_this_process() -> Self {
        // The engine asks the system; it fails only for a name that isn't UTF-8.
        let hostname = SnapshotOptions::default().command(String::new()).to_snapshot();
        let uid = rustix::process::getuid().as_raw();
        let username = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        Self {
            hostname: hostname.map_or_else(|_| "localhost".into(), |snapshot| snapshot.hostname),
            username: username.unwrap_or_else(|| uid.to_string()),
            uid,
            gid: rustix::process::getgid().as_raw(),
        }
    }
}

/// The file of a snapshot.
pub(super) fn to_file(
    stored: &Stored,
    tree: rustic_core::TreeId,
    draft: &Draft,
    identity: &Identity,
) -> SnapshotFile {
    let description = Description {
        kpmo: VERSION,
        repo_name: draft.repo_name.clone(),
        roots: draft.roots.iter().map(|root| Root::of(root)).collect(),
        branch: draft.branch.clone(),
        head: draft.head.clone(),
        reasons: draft.reasons.clone(),
        ledger_seq: draft.ledger_seq,
    };
    let time = draft.time.to_zoned(TimeZone::UTC);
    let mut summary = SnapshotSummary::default();
    summary.total_files_processed = stored.files;
    summary.total_bytes_processed = stored.bytes;
    summary.data_added_packed = stored.added;
    summary.backup_start = time.clone();
    summary.backup_end = time.clone();
    let mut tags = vec![TAG.to_owned()];
    if !draft.repo_id.is_empty() {
        tags.push(format!("{REPO}{}", draft.repo_id));
    }
    tags.push(format!("{TRIGGER}{}", draft.trigger));
    tags.push(format!("{STATUS}{}", draft.status.as_str()));
    SnapshotFile {
        time,
        program_version: concat!("kpmo ", env!("CARGO_PKG_VERSION")).into(),
        tree,
        paths: list(draft.roots.iter().map(|root| root.to_string_lossy().into_owned())),
        hostname: identity.hostname.clone(),
        username: identity.username.clone(),
        uid: identity.uid,
        gid: identity.gid,
        tags: list(tags),
        summary: Some(summary),
        description: serde_json::to_string(&description).ok(),
        ..SnapshotFile::default()
    }
}

/// The snapshot of a file; `None` for one that is not kpmo's, or of a kpmo that
/// writes descriptions which this one does not know.
pub(super) fn of_file(file: &SnapshotFile) -> Option<Snapshot> {
    let tagged = |prefix: &str| file.tags.iter().find_map(|tag| tag.strip_prefix(prefix));
    if !file.tags.contains(TAG) {
        return None;
    }
    let description: Description = serde_json::from_str(file.description.as_deref()?).ok()?;
    if description.kpmo != VERSION {
        return None;
    }
    let summary = file.summary.as_ref();
    Some(Snapshot {
        id: SnapshotId(file.id.to_hex().to_string()),
        tree: TreeId(file.tree.to_hex().to_string()),
        draft: Draft {
            repo_id: tagged(REPO).unwrap_or_default().into(),
            repo_name: description.repo_name,
            time: file.time.timestamp(),
            trigger: tagged(TRIGGER)?.into(),
            roots: description.roots.into_iter().map(Root::path).collect::<Option<_>>()?,
            branch: description.branch,
            head: description.head,
            status: SnapshotStatus::parse(tagged(STATUS)?)?,
            reasons: description.reasons,
            ledger_seq: description.ledger_seq,
        },
        files: summary.map_or(0, |summary| summary.total_files_processed),
        bytes: summary.map_or(0, |summary| summary.total_bytes_processed),
        added: summary.map_or(0, |summary| summary.data_added_packed),
    })
}

fn list(items: impl IntoIterator<Item = String>) -> StringList {
    let mut list = StringList::default();
    for item in items {
        list.add(item);
    }
    list
}
