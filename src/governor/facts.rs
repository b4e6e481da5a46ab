use std::{collections::HashMap, sync::Arc};

use imara_diff::{Algorithm, Diff, InternedInput, sources::byte_lines};

use super::{Error, Governor};
use crate::{
    git::{Delta, Objects, RawChange},
    rules::{Change, ChangeKind, EffectivePolicy, Facts, Finding, RepoFacts, judge, wants_content},
};

/// Most content that is held at a time while a large commit is judged.
const BATCH_BYTES: u64 = 32 << 20;
/// git's own measure: a NUL in the first bytes makes a blob binary.
const BINARY_PROBE: usize = 8_000;

/// What is judged, apart from the changes.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub repo: &'a RepoFacts,
    pub policy: &'a EffectivePolicy,
    pub merging: bool,
}

impl Governor {
    /// Judges what differs between two trees. Contents are loaded as they are
    /// needed, so that memory stays bounded however large the commit is.
    pub(super) fn judge_delta(
        &self,
        objects: &dyn Objects,
        delta: &Delta,
        ground: Ground<'_>,
    ) -> Result<Vec<Finding>, Error> {
        let moved = Moved::among(&delta.changes);
        let mut findings: Vec<Finding> = Vec::new();
        let mut judge_batch = |changes: &mut Vec<Change>| {
            let facts = Facts {
                repo: ground.repo,
                changes,
                fingerprint_key: &self.fingerprint_key,
                merging: ground.merging,
            };
            for finding in judge(&facts, ground.policy) {
                // What is about no file is found in every batch anew.
                if !finding.path.is_empty() || !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
            changes.clear();
        };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for raw in &delta.changes {
            let change = load(objects, raw, &moved, ground.policy)?;
            let held = |content: &Option<Arc<[u8]>>| content.as_ref().map_or(0, |c| c.len() as u64);
            bytes += held(&change.old) + held(&change.new);
            batch.push(change);
            if bytes > BATCH_BYTES {
                judge_batch(&mut batch);
                bytes = 0;
            }
        }
        // At least once: an empty commit is judged, too.
        judge_batch(&mut batch);
        Ok(findings)
    }
}

/// Files that are gone under one path and there under another, unchanged.
struct Moved<'a>(HashMap<&'a str, &'a [u8]>);

impl<'a> Moved<'a> {
    fn among(changes: &'a [RawChange]) -> Self {
        let gone = changes.iter().filter(|change| change.new_mode == 0 && is_file(change.old_mode));
        Self(gone.map(|change| (change.old_id.as_str(), change.path.as_slice())).collect())
    }

    fn from(&self, change: &RawChange) -> Option<&'a [u8]> {
        if change.old_mode != 0 || !is_file(change.new_mode) {
            return None;
        }
        self.0.get(change.new_id.as_str()).copied()
    }
}

fn is_file(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}

fn load(
    objects: &dyn Objects,
    raw: &RawChange,
    moved: &Moved<'_>,
    policy: &EffectivePolicy,
) -> Result<Change, Error> {
    let old_path = moved.from(raw);
    let kind = match (raw.old_mode, raw.new_mode) {
        (_, 0) => ChangeKind::Deleted,
        (0, _) if old_path.is_some() => ChangeKind::Renamed,
        (0, _) => ChangeKind::Added,
        (old, new) if old & 0o170_000 != new & 0o170_000 => ChangeKind::TypeChanged,
        _ => ChangeKind::Modified,
    };
    let mut change = Change {
        path: raw.path.clone(),
        old_path: old_path.map(<[u8]>::to_vec),
        kind,
        old_mode: raw.old_mode,
        new_mode: raw.new_mode,
        // Stays 0 where the content is what it was: nothing is added by a change
        // of mode or name.
        new_size: 0,
        old: None,
        new: None,
        binary: false,
        added: Vec::new(),
    };
    if !is_file(raw.new_mode) || raw.old_id == raw.new_id || kind == ChangeKind::Renamed {
        return Ok(change);
    }
    change.new_size = objects.size(&raw.new_id)?;
    if !wants_content(&raw.path, change.new_size, policy) {
        return Ok(change);
    }
    let new = objects.blob(&raw.new_id)?;
    change.binary = new[..new.len().min(BINARY_PROBE)].contains(&0);
    if !change.binary {
        let old = if is_file(raw.old_mode) && wants_content(&raw.path, objects.size(&raw.old_id)?, policy) {
            Some(objects.blob(&raw.old_id)?)
        } else {
            None
        };
        change.added = added_lines(old.as_deref(), &new);
        change.old = old.map(Arc::from);
    }
    change.new = Some(Arc::from(new));
    Ok(change)
}

/// Lines of `new` that `old` lacks, as 0-based ranges.
#[expect(clippy::single_range_in_vec_init, reason = "one range of lines is what is meant")]
fn added_lines(old: Option<&[u8]>, new: &[u8]) -> Vec<std::ops::Range<u32>> {
    let Some(old) = old else {
        let lines = u32::try_from(byte_lines(new).count()).unwrap_or(u32::MAX);
        return if lines == 0 { Vec::new() } else { vec![0..lines] };
    };
    let input = InternedInput::new(old, new);
    let diff = Diff::compute(Algorithm::Histogram, &input);
    diff.hunks().map(|hunk| hunk.after).filter(|lines| !lines.is_empty()).collect()
}
