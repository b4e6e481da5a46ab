use std::{collections::HashMap, ops::Range, sync::Arc, time::Instant};

use super::{Error, Governor, Reason};
use crate::{
    git::{Delta, Objects, RawChange},
    rules::{
        Change, ChangeKind, CommitFacts, EffectivePolicy, Facts, Finding, PushFacts, RepoFacts, Siblings,
        judge, judge_apart_from_changes, wants_content,
    },
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
    pub commit: &'a CommitFacts,
    pub push: Option<&'a PushFacts>,
    pub merging: bool,
}

impl Governor {
    /// Judges what differs between two trees. Contents are loaded as they are
    /// needed, so that memory stays bounded however large the commit is. What is
    /// not done at `deadline` is given up, at the next file.
    pub(super) fn judge_delta(
        &self,
        objects: &dyn Objects,
        delta: &Delta,
        ground: Ground<'_>,
        deadline: Instant,
    ) -> Result<Vec<Finding>, Error> {
        let moved = Moved::among(&delta.changes);
        let siblings =
            if ground.policy.wants_siblings() { siblings(objects, delta)? } else { Siblings::default() };
        let mut findings: Vec<Finding> = Vec::new();
        let mut judge_batch = |changes: &mut Vec<Change>| {
            let facts = self.facts(ground, changes, &siblings);
            for finding in judge(&facts, ground.policy) {
                // What is about no file is found in every batch anew.
                if !finding.path.is_empty() || !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
            changes.clear();
        };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (done, raw) in delta.changes.iter().enumerate() {
            in_time(deadline, done, delta)?;
            let change = load(objects, raw, &moved, ground.policy)?;
            let held = |content: &Option<Arc<[u8]>>| content.as_ref().map_or(0, |c| c.len() as u64);
            bytes += held(&change.old) + held(&change.new);
            batch.push(change);
            if bytes > BATCH_BYTES {
                in_time(deadline, done, delta)?;
                judge_batch(&mut batch);
                bytes = 0;
            }
        }
        in_time(deadline, delta.changes.len() - batch.len(), delta)?;
        // At least once: an empty commit is judged, too.
        judge_batch(&mut batch);
        Ok(findings)
    }

    /// Judges what is no matter of changes: the repository, and the commit or the
    /// push as a whole.
    pub(super) fn judge_apart(&self, ground: Ground<'_>) -> Vec<Finding> {
        judge_apart_from_changes(&self.facts(ground, &[], &Siblings::default()), ground.policy)
    }

    fn facts<'a>(&'a self, ground: Ground<'a>, changes: &'a [Change], siblings: &'a Siblings) -> Facts<'a> {
        Facts {
            repo: ground.repo,
            changes,
            siblings,
            commit: ground.commit,
            push: ground.push,
            fingerprint_key: &self.fingerprint_key,
            merging: ground.merging,
        }
    }
}

/// What stands beside the paths that are added: only their directories are read.
fn siblings(objects: &dyn Objects, delta: &Delta) -> Result<Siblings, Error> {
    let added = delta.changes.iter().filter(|change| change.old_mode == 0 && change.new_mode != 0);
    let mut siblings = Siblings::of(added.map(|change| change.path.as_slice()));
    let directories: Vec<Vec<u8>> = siblings.directories().into_iter().map(<[u8]>::to_vec).collect();
    // What a tag of a single file brings stands in no tree.
    if !directories.is_empty() && !delta.tree.is_empty() {
        let directories: Vec<&[u8]> = directories.iter().map(Vec::as_slice).collect();
        objects.names(&delta.tree, &directories, &mut |directory, name| siblings.tell(directory, name))?;
    }
    Ok(siblings)
}

fn in_time(deadline: Instant, done: usize, delta: &Delta) -> Result<(), Error> {
    let all = delta.changes.len();
    // An empty delta takes no time, and its verdict is about the repository.
    if all == 0 || Instant::now() < deadline {
        return Ok(());
    }
    Err(Error::new(
        Reason::Overloaded,
        format!(
            "only {done} of {all} changed files could be judged in the time there is; change fewer at once, or \
             give more time (`budgets.verdict_ms` in governor.yml)"
        ),
    ))
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
    // A blob that a partial clone has left at the remote came from there.
    let Some(size) = objects.size(&raw.new_id)? else { return Ok(change) };
    change.new_size = size;
    if !wants_content(&raw.path, change.new_size, policy) {
        return Ok(change);
    }
    let Some(new) = objects.blob(&raw.new_id)? else { return Ok(change) };
    change.binary = new[..new.len().min(BINARY_PROBE)].contains(&0);
    if !change.binary {
        let old = match is_file(raw.old_mode).then(|| objects.size(&raw.old_id)).transpose()?.flatten() {
            Some(size) if wants_content(&raw.path, size, policy) => objects.blob(&raw.old_id)?,
            _ => None,
        };
        change.added = added_lines(old.as_deref(), &new);
        change.old = old.map(Arc::from);
    }
    change.new = Some(Arc::from(new));
    Ok(change)
}

/// Lines of `new` that `old` lacks, as 0-based ranges: those that have come into
/// the file, wherever they stand in it. A line that has only moved is not added,
/// and of two equal ones the second is if there was one before. This is no diff,
/// which need not be short here but must take no longer than reading does.
fn added_lines(old: Option<&[u8]>, new: &[u8]) -> Vec<Range<u32>> {
    let old: Vec<&[u8]> = lines(old.unwrap_or_default()).collect();
    let new: Vec<&[u8]> = lines(new).collect();
    let before = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, rest) = (&old[before..], &new[before..]);
    let after = old.iter().rev().zip(rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, rest) = (&old[..old.len() - after], &rest[..rest.len() - after]);
    let mut left: HashMap<&[u8], u32> = HashMap::new();
    for line in old {
        *left.entry(line).or_default() += 1;
    }
    let mut added: Vec<Range<u32>> = Vec::new();
    for (at, line) in (before..).zip(rest) {
        if let Some(count) = left.get_mut(line).filter(|count| **count > 0) {
            *count -= 1;
            continue;
        }
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match added.last_mut() {
            Some(range) if range.end == at => range.end = at.saturating_add(1),
            _ => added.push(at..at.saturating_add(1)),
        }
    }
    added
}

/// The last one is the same with and without its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    whole.split(|byte| *byte == b'\n').take(if text.is_empty() { 0 } else { usize::MAX })
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range of lines is what is meant")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn added_is_what_was_not_there() {
        for (old, new, added) in [
            ("", "", vec![]),
            ("", "\n", vec![0..1]),
            ("a\nb\n", "a\nb", vec![]),
            ("a\nb", "a\nb\nc\n", vec![2..3]),
            ("a\nb\nc\n", "c\na\nb\n", vec![]),
            ("a\n", "a\na\n", vec![1..2]),
            ("a\nb\nc\n", "x\na\ny\nz\nc\n\n", vec![0..1, 2..4, 5..6]),
            ("a\nb\n", "", vec![]),
        ] {
            assert_eq!(added_lines(Some(old.as_bytes()), new.as_bytes()), added, "{old:?} {new:?}");
        }
        assert_eq!(added_lines(None, b"a\nb"), [0..2]);
        assert_eq!(added_lines(None, b""), []);
    }

    proptest! {
        /// Whatever is added and whatever is not: as many of each line as there
        /// are more of it.
        #[test]
        fn every_line_is_counted_once(old in "[ab\n]{0,24}", new in "[ab\n]{0,24}") {
            let count = |text: &[&[u8]], line: &[u8]| text.iter().filter(|it| **it == line).count();
            let (before, after): (Vec<_>, Vec<_>) =
                (lines(old.as_bytes()).collect(), lines(new.as_bytes()).collect());
            let ranges = added_lines(Some(old.as_bytes()), new.as_bytes());
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            let added: Vec<&[u8]> =
                ranges.into_iter().flatten().map(|at| after[usize::try_from(at).unwrap()]).collect();
            for line in &after {
                let more = count(&after, line).saturating_sub(count(&before, line));
                prop_assert_eq!(count(&added, line), more);
            }
        }
    }

    #[test]
    fn a_column_of_two_values_takes_no_longer_than_any_other_file() {
        let column = |shift: u32| -> String {
            let value = |line: u32| {
                if line.wrapping_mul(2_654_435_761).rotate_left(shift) & 64 == 0 { "0\n" } else { "1\n" }
            };
            (0..1_500_000).map(value).collect()
        };
        let (old, new) = (column(0), column(5));
        let start = Instant::now();
        added_lines(Some(old.as_bytes()), new.as_bytes());
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
