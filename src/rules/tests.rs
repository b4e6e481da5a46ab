use std::{
    ops::Range,
    sync::{Arc, LazyLock},
};

use proptest::prelude::*;

use super::*;
use crate::policy::PolicyVersion;

mod cases;

fn all_lines(text: &[u8]) -> Vec<Range<u32>> {
    std::iter::once(0..u32::try_from(text.split_inclusive(|byte| *byte == b'\n').count()).unwrap()).collect()
}

/// The embedded policy, with one rule alone.
fn only(rule: RuleId) -> EffectivePolicy {
    alone(rule, &defaults())
}

fn alone(rule: RuleId, policy: &PolicyVersion) -> EffectivePolicy {
    let mut policy = (*policy.effective(None, &[])).clone();
    for other in RuleId::ALL.into_iter().filter(|other| *other != rule) {
        policy.levels.set(other, None);
    }
    policy
}

fn defaults() -> PolicyVersion {
    crate::policy::load_policy(std::path::Path::new("/nonexistent/policy.yml")).unwrap()
}

fn active() -> RepoFacts {
    RepoFacts {
        registered: true,
        status: Status::Active,
        stage: Stage::Dev,
        default_branch: Some("main".into()),
        name: "fixture".into(),
    }
}

/// Nothing but a repository and changes.
fn facts<'a>(repo: &'a RepoFacts, changes: &'a [Change]) -> Facts<'a> {
    static NOTHING: LazyLock<(Siblings, CommitFacts)> = LazyLock::new(Default::default);
    Facts {
        repo,
        changes,
        siblings: &NOTHING.0,
        commit: &NOTHING.1,
        push: None,
        fingerprint_key: &[7; 32],
        merging: false,
    }
}

pub(super) fn added(path: &str, text: &[u8]) -> Change {
    Change {
        path: path.into(),
        old_path: None,
        kind: ChangeKind::Added,
        old_mode: 0,
        new_mode: 0o100_644,
        new_size: text.len() as u64,
        old: None,
        new: Some(text.into()),
        binary: false,
        added: all_lines(text),
    }
}

pub(super) fn judged(changes: &[Change], policy: &EffectivePolicy) -> Vec<Finding> {
    judge(&facts(&active(), changes), policy)
}

pub(super) fn default_policy() -> EffectivePolicy {
    (*defaults().effective(None, &[])).clone()
}

#[test]
fn names_round_trip() {
    for rule in RuleId::ALL {
        assert_eq!(rule.name().parse(), Ok(rule));
        assert_eq!(RuleId::ALL[rule as usize], rule, "levels are kept by index");
        assert_eq!(RULES.iter().filter(|each| each.id() == rule).count(), 1);
    }
    assert_eq!("branches".parse::<RuleId>().unwrap_err().to_string(), "there is no rule \"branches\"");
}

#[test]
fn findings_are_in_order_and_take_the_policys_severity() {
    let conflict = ["<<<<<<<", " HEAD\n"].concat();
    let changes = [
        added("b.txt", format!("\n{conflict}").as_bytes()),
        added("a.txt", format!("\n\n{conflict}{conflict}").as_bytes()),
        added(".env", b"A=1\n"),
    ];
    let mut policy = default_policy();
    policy.levels.set(RuleId::ConflictMarker, Some(Severity::Warn));
    let found: Vec<_> = judged(&changes, &policy)
        .into_iter()
        .map(|finding| (finding.path, finding.line, finding.severity))
        .collect();
    assert_eq!(
        found,
        [
            (b".env".to_vec(), 0, Severity::Error),
            (b"a.txt".to_vec(), 3, Severity::Warn),
            (b"a.txt".to_vec(), 4, Severity::Warn),
            (b"b.txt".to_vec(), 2, Severity::Warn),
        ]
    );
    for rule in RuleId::ALL {
        policy.levels.set(rule, None);
    }
    assert_eq!(judged(&changes, &policy), []);
}

#[test]
fn content_is_wanted_where_a_rule_looks_into_it() {
    let mut policy = default_policy();
    assert!(wants_content(b"a.txt", 5 << 20, &policy));
    assert!(!wants_content(b"a.txt", (5 << 20) + 1, &policy));
    policy.scan_limit = 10;
    assert!(!wants_content(b"a.txt", 11, &policy));
    for rule in [RuleId::Secrets, RuleId::PrivateKey, RuleId::ConflictMarker] {
        assert!(wants_content(b"a.txt", 1, &policy));
        policy.levels.set(rule, None);
    }
    assert!(!wants_content(b"a.txt", 1, &policy));
    assert!(wants_content(b"sub/.gitignore", 1, &policy));
    policy.levels.set(RuleId::GovernedFiles, None);
    assert!(!wants_content(b"sub/.gitignore", 1, &policy));
}

#[test]
fn allowed_paths_are_left_alone() {
    let mut policy = default_policy();
    let globs = || PathGlobs::new(vec!["tests/data/".into()]).unwrap();
    policy.settings.conflict_marker.allow_paths = globs();
    policy.settings.large_file.allow_paths = globs();
    let conflict = ["<<<<<<<", " HEAD\n"].concat();
    for path in ["tests/data/deep/a.txt", "a.txt"] {
        let mut change = added(path, conflict.as_bytes());
        change.new_size = 11 << 20;
        assert_eq!(judged(&[change], &policy).len(), if path == "a.txt" { 2 } else { 0 });
    }
}

#[test]
fn globs_read_like_gitignore() {
    let matches =
        |glob: &str, path: &str| PathGlobs::new(vec![glob.into()]).unwrap().matches(path.as_bytes());
    assert!(matches("*.lock", "a/b/Cargo.lock") && matches("*.lock", "Cargo.lock"));
    assert!(matches("src/*.rs", "src/a.rs") && !matches("src/*.rs", "src/b/a.rs"));
    assert!(!matches("src/*.rs", "sub/src/a.rs") && matches("src/**/*.rs", "src/b/c/a.rs"));
    assert!(matches("/a.txt", "a.txt") && !matches("/a.txt", "b/a.txt"));
    assert!(matches("fixtures/", "x/fixtures/y/z") && !matches("fixtures/", "fixtures"));
    assert!(PathGlobs::new(vec!["a[".into()]).is_err() && PathGlobs::new(vec!["/".into()]).is_err());
    assert!(!PathGlobs::default().matches(b"a"));
}

#[test]
fn of_two_that_come_together_one_is_told_and_of_a_directory_one_file() {
    let changes: Vec<Change> =
        ["ONE.txt", "Src/a.rs", "Src/b.rs", "one.txt"].iter().map(|path| added(path, b"")).collect();
    let mut siblings = Siblings::of(changes.iter().map(|change| change.path.as_slice()));
    assert_eq!(siblings.directories(), [&b""[..], b"Src"]);
    for (directory, name) in [("", "Src"), ("", "src"), ("", "one.txt"), ("", "ONE.txt"), ("", "other")] {
        siblings.tell(directory.as_bytes(), name.as_bytes());
    }
    let repo = active();
    let found = judge(&Facts { siblings: &siblings, ..facts(&repo, &changes) }, &only(RuleId::CaseCollision));
    let paths: Vec<_> = found.iter().map(|finding| String::from_utf8_lossy(&finding.path)).collect();
    assert_eq!(paths, ["ONE.txt", "Src/a.rs"]);
}

#[test]
fn messages_are_read_as_git_commits_them() {
    let hash = || CommentPrefix::Is("#".into());
    let cut = "# ------------------------ >8 ------------------------\n# Do not\ndiff --git a b\n";
    for (comment, text, wanted) in [
        (hash(), "\n\nsubject \n\nbody\n# On branch main\n#\n".to_owned(), "subject\n\nbody"),
        (hash(), format!("subject\n{cut}"), "subject"),
        (hash(), "#only\n".to_owned(), ""),
        (CommentPrefix::None, "#1 is done\n".to_owned(), "#1 is done"),
        (CommentPrefix::Is(";".into()), "#1 is done\n; On branch\n".to_owned(), "#1 is done"),
        (CommentPrefix::Is("//".into()), "a\n// On branch\n".to_owned(), "a"),
        (CommentPrefix::Auto, "#1 is done\n\n; Please enter\n; On branch\n".to_owned(), "#1 is done"),
        (CommentPrefix::Auto, "subject\n".to_owned(), "subject"),
    ] {
        assert_eq!(committed_message(&text, &comment), wanted, "{text:?}");
    }
}

#[test]
fn cards_are_named_in_the_subject_and_in_trailers() {
    for (message, wanted) in [
        ("TASK-B06: do it", &["TASK-B06"][..]),
        ("do it (TASK-1, TASK-A-2) TASK-1", &["TASK-1", "TASK-A-2"]),
        ("do it\nfor TASK-9\n\nCard: TASK-B06\ncloses: TASK-B07\n", &["TASK-9", "TASK-B06", "TASK-B07"]),
        ("do it\n\nas TASK-B06 has it\n", &[]),
        ("MULTITASK-1 TASK- task-1", &[]),
        ("", &[]),
    ] {
        assert_eq!(cards(message), wanted, "{message:?}");
    }
}

#[test]
fn contents_stay_out_of_debug_output() {
    let changes = [added("a.txt", b"hidden-content")];
    let shown = format!("{:?}", facts(&active(), &changes));
    assert!(shown.contains("a.txt") && !shown.contains("hidden") && !shown.contains("7, 7"));
}

#[test]
fn spans_are_the_bytes_of_lines() {
    let text = b"a\nbb\n\nccc";
    let spans = |lines: &[(u32, u32)]| {
        let lines: Vec<_> = lines.iter().map(|(start, end)| *start..*end).collect();
        text::spans(text, &lines).into_iter().map(|span| (span.first_line, span.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(spans(&[(0, 4)]), [(0, 0..9)]);
    assert_eq!(spans(&[(1, 2), (3, 4)]), [(1, 2..5), (3, 6..9)]);
    assert_eq!(spans(&[(3, 99)]), [(3, 6..9)]);
    assert_eq!(spans(&[(4, 5)]), []);
    // Not as they should be: out of order, overlapping, reversed.
    assert_eq!(spans(&[(1, 3), (0, 4), (9, 2)]), [(1, 2..6), (3, 6..9)]);
}

#[test]
fn a_cursor_knows_its_line() {
    let mut cursor = text::LineCursor::new(b"a\nb kpmo:allow\n\nc");
    let mut at = |at| {
        let line = cursor.seek(at);
        (line.number(), line.is_allowed())
    };
    let places = [
        (0, (0, false)),
        (1, (0, false)),
        (2, (1, true)),
        (14, (1, true)),
        (15, (2, false)),
        (16, (3, false)),
    ];
    for (byte, line) in places.into_iter().chain([(99, (3, false)), (3, (1, true))]) {
        assert_eq!(at(byte), line, "byte {byte}");
    }
}

#[test]
fn the_cases_themselves_hold_no_secret() {
    for cases in [
        include_str!("secrets/cases.yml"),
        include_str!("private_key.cases.yml"),
        include_str!("conflict_marker.cases.yml"),
        include_str!("secrets/tests.rs"),
        include_str!("secrets/kinds.rs"),
    ] {
        assert_eq!(judged(&[added("cases.yml", cases.as_bytes())], &default_policy()), []);
    }
}

prop_compose! {
    /// Any change that a caller could make up, sensible or not.
    fn any_change()(
        path in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..30),
            Just(b".gitignore".to_vec()), Just(b".env".to_vec()), Just(b"home/id_rsa".to_vec()),
            Just(b".github/workflows/ci.yml".to_vec()),
        ],
        kind in prop_oneof![
            Just(ChangeKind::Added), Just(ChangeKind::Modified), Just(ChangeKind::Deleted),
            Just(ChangeKind::Renamed), Just(ChangeKind::TypeChanged),
        ],
        old in proptest::option::of(any_content()),
        new in proptest::option::of(any_content()),
        modes in (any_mode(), any_mode()),
        size in any::<u64>(),
        binary in proptest::bool::weighted(0.1),
        added in proptest::collection::vec((any::<u32>(), any::<u32>()).prop_map(|(a, b)| a % 20..b % 40), 0..4),
    ) -> Change {
        Change {
            path, old_path: None, kind, old_mode: modes.0, new_mode: modes.1, new_size: size,
            old: old.map(Arc::from), new: new.map(Arc::from), binary, added,
        }
    }
}

fn any_mode() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0o100_644u32), 1 => Just(0), 1 => Just(0o120_000), 1 => any::<u32>()]
}

/// Bytes, with what the rules look for among them.
fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "[ -~]{0,80}".prop_map(String::into_bytes),
        proptest::sample::select(vec![
            "\n",
            "\r\n",
            "<<<<<<< ",
            ">>>>>>> ",
            "=======\n",
            "-----BEGIN ",
            "RSA PRIVATE KEY",
            "PRIVATE KEY-----",
            " BLOCK-----",
            "-----END ",
            "---",
            "PuTTY-User-Key-File-",
            "Private-Lines:",
            "ghp_",
            "eyJ",
            ":AA",
            "://",
            ":",
            "@",
            "password = \"",
            "\"",
            "token: ",
            "\\n",
            "# >>> kpmo profile >>>\n",
            "# <<< kpmo profile <<<\n",
            "# >>> kpmo mandatory >>>",
            "kpmo:allow",
            ".atlasv1.",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn judging_never_panics(changes in proptest::collection::vec(any_change(), 0..4), merging: bool) {
        let repo = active();
        let facts = Facts { merging, ..facts(&repo, &changes) };
        let policy = default_policy();
        let found = judge(&facts, &policy);
        prop_assert!(found.is_sorted_by_key(|finding| (&finding.path, finding.line)));
        for finding in &found {
            let lines = changes.iter().filter(|change| change.path == finding.path).flat_map(|change| &change.new);
            let most = lines.map(|new| new.split(|byte| *byte == b'\n').count()).max().unwrap_or(0);
            prop_assert!(finding.line as usize <= most);
        }
    }
}
