//! How snapshots are named and shown, in every command that has to do with
//! them.

use jiff::Zoned;
use serde_json::{Map, Value, json};

use super::{Failure, names, selectors, times};
use crate::{
    fs::shown_bytes,
    generated::kanban::{
        ChangeKind, PathChange, RepoFailure, Snapshot, SnapshotSelector, snapshot_selector::Which,
    },
};

/// Fewest digits that name a snapshot.
const FEWEST: usize = 4;
/// Digits that people are shown: enough to be the only one.
const SHOWN: usize = 10;

/// What is meant by `text`: an id's first digits, `latest`, or a time. What is
/// not an id is of `repo`, or of the repository that the caller is in.
pub(super) fn selector(text: &str, repo: Option<&str>) -> Result<SnapshotSelector, Failure> {
    let which = which(text)?;
    let is_id = matches!(&which, Which::Id(id) if id != "latest");
    let repo = match repo {
        None if is_id => String::new(),
        given => selectors::selector(given.unwrap_or("."))?,
    };
    Ok(SnapshotSelector { repo, which: Some(which) })
}

fn which(text: &str) -> Result<Which, Failure> {
    if text == "latest" {
        return Ok(Which::Id(text.to_owned()));
    }
    if text.len() >= FEWEST && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Which::Id(text.to_ascii_lowercase()));
    }
    if text.len() < FEWEST
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && times::parse(text, &Zoned::now()).is_err()
    {
        return Err(Failure::new(format!(
            "{text:?} names no snapshot: at least {FEWEST} digits of its id do"
        )));
    }
    times::parse(text, &Zoned::now()).map(|time| Which::At(times::to_proto(time))).map_err(|_| {
        Failure::new(format!(
            "{text:?} names no snapshot: write the first {FEWEST} or more digits of its id, `latest`, or a time \
             (`kpmo restore --help` has the forms)"
        ))
    })
}

/// The first digits of an id.
pub(super) fn short(id: &str) -> String {
    id.get(..SHOWN).unwrap_or(id).to_owned()
}

/// The keys that scripts rely on.
pub(super) fn as_json(snapshot: &Snapshot) -> Map<String, Value> {
    let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut object = Map::new();
    object.insert("id".into(), json!(snapshot.id));
    object.insert("repo".into(), given(&snapshot.repo_id));
    object.insert("time".into(), json!(times::rfc3339(snapshot.time.as_ref())));
    object.insert("trigger".into(), json!(snapshot.trigger));
    object.insert("branch".into(), given(&snapshot.branch));
    object.insert("head".into(), given(&snapshot.head));
    object.insert("status".into(), json!(names::snapshot_status(snapshot.status())));
    object
}

/// And what else is known, where a command is about one.
pub(super) fn as_whole_json(snapshot: &Snapshot) -> Map<String, Value> {
    let mut object = as_json(snapshot);
    object.insert("name".into(), json!(snapshot.repo_name));
    object.insert("files".into(), json!(snapshot.files));
    object.insert("bytes".into(), json!(snapshot.bytes));
    object.insert("added_bytes".into(), json!(snapshot.added_bytes));
    if snapshot.ledger_seq > 0 {
        object.insert("ledger_seq".into(), json!(snapshot.ledger_seq));
    }
    object
}

/// A snapshot in a few words: id, time, status.
pub(super) fn in_words(snapshot: &Snapshot) -> String {
    let status = names::snapshot_status(snapshot.status());
    format!("{} of {} ({status})", short(&snapshot.id), times::local(snapshot.time.as_ref()))
}

/// What could not be done for one repository.
pub(super) fn failure_as_json(id: &str, name: &str, failure: &RepoFailure) -> Value {
    let reason = names::plain(failure.reason().as_str_name(), "ERROR_REASON_");
    json!({ "repo": id, "name": name, "reason": reason, "message": failure.message })
}

/// The letter that git has for it.
pub(super) const fn letter(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Added => 'A',
        ChangeKind::Deleted => 'D',
        ChangeKind::TypeChanged => 'T',
        ChangeKind::Renamed => 'R',
        ChangeKind::Modified | ChangeKind::ModeChanged | ChangeKind::Unspecified => 'M',
    }
}

/// The path, or both of what was renamed.
pub(super) fn changed_path(change: &PathChange) -> String {
    if change.old_path.is_empty() {
        shown_bytes(&change.path)
    } else {
        format!("{} => {}", shown_bytes(&change.old_path), shown_bytes(&change.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_have_three_sorts_of_names() {
        let of = |text: &str| selector(text, Some("app"));
        assert_eq!(of("ABCD").unwrap().which, Some(Which::Id("abcd".to_owned())));
        assert_eq!(of(&"0".repeat(64)).unwrap().which, Some(Which::Id("0".repeat(64))));
        assert_eq!(of("latest").unwrap().which, Some(Which::Id("latest".to_owned())));
        let Some(Which::At(at)) = of("2026-03-01T12:00:00Z").unwrap().which else { panic!("it is a time") };
        assert_eq!(at.seconds, 1_772_366_400);
        assert!(matches!(of("2h").unwrap().which, Some(Which::At(_))));
        // An age, although its characters are digits of an id.
        assert!(matches!(of("3d").unwrap().which, Some(Which::At(_))));
        for text in ["abc", "", "abcg", "Latest", &"0".repeat(65)] {
            assert!(format!("{:?}", of(text).unwrap_err()).contains("names no snapshot"), "{text:?}");
        }
    }

    #[test]
    fn an_id_needs_no_repository() {
        assert_eq!(selector("abcd", None).unwrap().repo, "");
        assert_eq!(selector("abcd", Some("app")).unwrap().repo, "app");
        let here = std::env::current_dir().unwrap().to_string_lossy().into_owned();
        assert_eq!(selector("latest", None).unwrap().repo, here);
        assert_eq!(selector("2h", None).unwrap().repo, here);
    }
}
