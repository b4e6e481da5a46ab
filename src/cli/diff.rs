use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINE, Failure,
    args::Diff,
    names,
    show::{counted, print, print_json, put_path},
    snap,
};
use crate::{
    fs::{bytes_of, shown_bytes},
    generated::kanban::{
        ChangeKind, DiffSnapshotsRequest, DiffStarted, DiffSummary, GitState, PathChange,
        diff_snapshots_response::Event, probe_sync_client::ProbeSyncClient,
    },
};

/// Characters that the counts of one file may be drawn with.
const WIDTH: u64 = 40;

#[derive(Default)]
struct Found {
    between: DiffStarted,
    changes: Vec<PathChange>,
    summary: DiffSummary,
}

pub(super) fn run(context: &Context, options: &Diff) -> Result<u8, Failure> {
    let repo = options.repo.as_deref();
    let old = snap::selector(&options.old, repo)?;
    let new = options.new.as_deref().map(|new| snap::selector(new, repo)).transpose()?;
    let request = DiffSnapshotsRequest {
        old: Some(old),
        new,
        paths: options.paths.iter().map(|path| bytes_of(path)).collect(),
        git: options.git,
        count_lines: !options.name_only,
    };
    let found = context.block_on(ask(context, request, options.name_only))?;
    if context.json {
        print_json(&as_json(&found));
    } else if !options.name_only {
        print(&stat(&found));
    }
    Ok(FINE)
}

/// Names are printed as they come; counts want to know the largest first.
async fn ask(context: &Context, request: DiffSnapshotsRequest, name_only: bool) -> Result<Found, Failure> {
    let mut client = ProbeSyncClient::new(context.governor().await?);
    let mut answers = client.diff_snapshots(request).await?.into_inner();
    let mut found = Found::default();
    while let Some(answer) = answers.next().await {
        match answer?.event {
            Some(Event::Started(between)) => found.between = between,
            Some(Event::Changes(some)) if name_only && !context.json => {
                let paths: Vec<_> =
                    some.changes.iter().map(|change| shown_bytes(&change.path) + "\n").collect();
                print(&paths.concat());
            }
            Some(Event::Changes(some)) => found.changes.extend(some.changes),
            Some(Event::Summary(summary)) => found.summary = summary,
            None => {}
        }
    }
    Ok(found)
}

fn stat(found: &Found) -> String {
    let lines = |change: &PathChange| change.insertions.zip(change.deletions);
    let most = found.changes.iter().filter_map(lines).map(|(plus, minus)| plus + minus).max().unwrap_or(0);
    let paths: Vec<String> = found.changes.iter().map(snap::changed_path).collect();
    let longest = paths.iter().map(|path| path.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let (mut insertions, mut deletions) = (0, 0);
    for (change, path) in found.changes.iter().zip(paths) {
        let what = match lines(change) {
            _ if change.kind() == ChangeKind::ModeChanged => {
                format!("mode {:04o} -> {:04o}", change.old_mode & 0o7777, change.new_mode & 0o7777)
            }
            Some((plus, minus)) => {
                insertions += plus;
                deletions += minus;
                // As long as they are few, one sign a line.
                let scaled = |count: u64| if most <= WIDTH { count } else { (count * WIDTH).div_ceil(most) };
                let signs =
                    |sign: &str, count| sign.repeat(usize::try_from(scaled(count)).unwrap_or_default());
                format!("{:>5} {}{}", plus + minus, signs("+", plus), signs("-", minus))
            }
            None => format!("{} -> {} bytes", change.old_size, change.new_size),
        };
        text.push_str(&format!(" {} {path:<longest$} | {what}\n", snap::letter(change.kind())));
    }

    text.push_str(&format!(
        " {} changed, {}, {}\n",
        counted(found.changes.len() as u64, "path", "paths"),
        counted(insertions, "insertion(+)", "insertions(+)"),
        counted(deletions, "deletion(-)", "deletions(-)"),
    ));
    text.push_str(&git_state(&found.summary));
    text
}

/// What is different for git, a line each; nothing where nothing is.
fn git_state(summary: &DiffSummary) -> String {
    let (old, new) = (summary.old.clone().unwrap_or_default(), summary.new.clone().unwrap_or_default());
    let mut text = String::new();
    let mut moved = |what: &str, old: String, new: String| {
        if old != new {
            let given = |text: String| if text.is_empty() { "-".to_owned() } else { text };
            text.push_str(&format!(" {what}: {} -> {}\n", given(old), given(new)));
        }
    };
    let stashes = |state: &GitState| state.stashes.map(|count| count.to_string()).unwrap_or_default();
    moved("branch", old.branch.clone(), new.branch.clone());
    moved("HEAD", snap::short(&old.head), snap::short(&new.head));
    for change in &summary.refs {
        moved(&shown_bytes(&change.name), shortened(&change.old), shortened(&change.new));
    }
    moved("stashes", stashes(&old), stashes(&new));
    moved("in progress", old.operation.clone(), new.operation.clone());
    if summary.refs_left_out > 0 {
        text.push_str(&format!(" and {} more refs\n", summary.refs_left_out));
    }
    if summary.refs_unknown {
        text.push_str(" refs: not compared (reftable)\n");
    }
    if summary.index_changed {
        text.push_str(" index: changed\n");
    }
    text
}

/// An object's id in short; another ref's name whole.
fn shortened(value: &str) -> String {
    if value.starts_with("ref: ") { value.to_owned() } else { snap::short(value) }
}

fn as_json(found: &Found) -> Value {
    let changes: Vec<_> = found.changes.iter().map(change_as_json).collect();
    let state = |state: Option<&GitState>| {
        let state = state.cloned().unwrap_or_default();
        let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        json!({
            "branch": given(&state.branch), "head": given(&state.head),
            "stashes": state.stashes, "operation": given(&state.operation),
        })
    };
    let refs: Vec<_> = found
        .summary
        .refs
        .iter()
        .map(|change| {
            let mut object = Map::new();
            put_path(&mut object, "name", &change.name);
            object.insert("old".into(), json!(change.old));
            object.insert("new".into(), json!(change.new));
            object
        })
        .collect();
    json!({
        "old": snap::as_json(&found.between.old.clone().unwrap_or_default()),
        "new": snap::as_json(&found.between.new.clone().unwrap_or_default()),
        "changes": changes,
        "git": {
            "old": state(found.summary.old.as_ref()),
            "new": state(found.summary.new.as_ref()),
            "refs": refs,
            "refs_left_out": found.summary.refs_left_out,
            "refs_unknown": found.summary.refs_unknown,
            "index_changed": found.summary.index_changed,
        },
    })
}

/// A change, for scripts.
pub(super) fn change_as_json(change: &PathChange) -> Map<String, Value> {
    let mut object = Map::new();
    put_path(&mut object, "path", &change.path);
    object.insert("change".into(), json!(names::plain(change.kind().as_str_name(), "CHANGE_KIND_")));
    if !change.old_path.is_empty() {
        put_path(&mut object, "old_path", &change.old_path);
    }
    for (key, mode) in [("old_mode", change.old_mode), ("new_mode", change.new_mode)] {
        object.insert(key.into(), if mode == 0 { Value::Null } else { json!(format!("{mode:06o}")) });
    }
    object.insert("old_size".into(), json!(change.old_size));
    object.insert("new_size".into(), json!(change.new_size));
    object.insert("insertions".into(), json!(change.insertions));
    object.insert("deletions".into(), json!(change.deletions));
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::kanban::RefChange;

    fn change(path: &str, kind: ChangeKind, lines: Option<(u64, u64)>) -> PathChange {
        PathChange {
            path: path.into(),
            kind: kind.into(),
            old_mode: 0o100_644,
            new_mode: 0o100_755,
            old_size: 5,
            new_size: 7,
            insertions: lines.map(|(plus, _)| plus),
            deletions: lines.map(|(_, minus)| minus),
            ..PathChange::default()
        }
    }

    #[test]
    fn counts_are_drawn_like_gits() {
        let mut renamed = change("new", ChangeKind::Renamed, None);
        renamed.old_path = b"o\nld".to_vec();
        let found = Found {
            changes: vec![
                change("a.txt", ChangeKind::Modified, Some((2, 1))),
                change("run", ChangeKind::ModeChanged, None),
                change("logo", ChangeKind::Modified, None),
                renamed,
            ],
            ..Found::default()
        };
        assert_eq!(
            stat(&found),
            " M a.txt        |     3 ++-\n \
             M run          | mode 0644 -> 0755\n \
             M logo         | 5 -> 7 bytes\n \
             R o\\nld => new | 5 -> 7 bytes\n \
             4 paths changed, 2 insertions(+), 1 deletion(-)\n"
        );
    }

    #[test]
    fn many_lines_are_drawn_to_scale() {
        let found = Found {
            changes: vec![
                change("a", ChangeKind::Added, Some((4_000, 0))),
                change("b", ChangeKind::Modified, Some((1, 1))),
            ],
            ..Found::default()
        };
        let text = stat(&found);
        assert_eq!(text.matches('+').count(), 40 + 1 + 1, "{text}");
        assert!(text.contains("    2 +-\n"), "{text}");
    }

    #[test]
    fn what_git_would_say_is_said_where_it_differs() {
        let state = |head: &str, operation: &str| GitState {
            branch: "main".to_owned(),
            head: head.repeat(40),
            stashes: Some(1),
            operation: operation.to_owned(),
        };
        let same =
            DiffSummary { old: Some(state("a", "")), new: Some(state("a", "")), ..DiffSummary::default() };
        assert_eq!(git_state(&same), "");
        let other = DiffSummary {
            new: Some(state("b", "merge")),
            refs: vec![RefChange { name: b"refs/heads/x".to_vec(), old: String::new(), new: "c".repeat(40) }],
            index_changed: true,
            refs_left_out: 2,
            ..same
        };
        assert_eq!(
            git_state(&other),
            " HEAD: aaaaaaaaaa -> bbbbbbbbbb\n refs/heads/x: - -> cccccccccc\n in progress: - -> merge\n \
             and 2 more refs\n index: changed\n"
        );
    }
}
