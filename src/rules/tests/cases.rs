//! Each rule's positives and negatives, which stand beside it as data.

use std::sync::Arc;

use serde::Deserialize;

use super::*;

/// One line of a rule's `cases.yml`: a change, and what the rule says of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    what: String,
    registered: bool,
    status: String,
    merging: bool,
    stage: Option<Stage>,
    /// What else is in the judged tree.
    beside: Vec<String>,
    /// The branch that is committed to.
    onto: Option<String>,
    author: Option<String>,
    committer: Option<String>,
    message: Option<String>,
    push: Option<Push>,
    /// The rule's settings, as in `policy.yml`.
    settings: serde_json::Map<String, serde_json::Value>,
    path: String,
    old_path: Option<String>,
    kind: String,
    /// In octal.
    mode: String,
    size: Option<u64>,
    binary: bool,
    old: Option<String>,
    text: Option<String>,
    /// All of `text`, if it isn't said.
    added: Option<Vec<(u32, u32)>>,
    /// "SEVERITY LINE START-OF-MESSAGE" of each finding, in order.
    finds: Vec<String>,
}

/// A push, as far as rules see it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    url: String,
    /// "REF created|moved|forced|deleted [tagged|untagged]".
    #[serde(default)]
    refs: Vec<String>,
}

impl Push {
    fn facts(&self) -> PushFacts {
        let update = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            let kind = match words[1] {
                "created" => RefUpdateKind::Created,
                "moved" => RefUpdateKind::Moved,
                "forced" => RefUpdateKind::Forced,
                "deleted" => RefUpdateKind::Deleted,
                other => panic!("{other}"),
            };
            let tagged = words.get(2).map(|word| match *word {
                "tagged" => true,
                "untagged" => false,
                other => panic!("{other}"),
            });
            RefUpdate { name: words[0].to_owned(), kind, tagged }
        };
        PushFacts { url: self.url.clone(), refs: self.refs.iter().map(update).collect() }
    }
}

impl Default for Case {
    fn default() -> Self {
        Self {
            what: String::new(),
            registered: true,
            status: "active".into(),
            merging: false,
            stage: None,
            beside: Vec::new(),
            onto: None,
            author: None,
            committer: None,
            message: None,
            push: None,
            settings: serde_json::Map::new(),
            path: "file.txt".into(),
            old_path: None,
            kind: "added".into(),
            mode: "100644".into(),
            size: None,
            binary: false,
            old: None,
            text: None,
            added: None,
            finds: Vec::new(),
        }
    }
}

impl Case {
    fn change(&self, unmask: &dyn Fn(&str) -> String) -> Change {
        let bytes =
            |text: &Option<String>| text.as_deref().map(unmask).map(|text| Arc::from(text.into_bytes()));
        let new: Option<Arc<[u8]>> = bytes(&self.text);
        let old: Option<Arc<[u8]>> = bytes(&self.old);
        let mode = u32::from_str_radix(&self.mode, 8).unwrap();
        let kind = match self.kind.as_str() {
            "added" => ChangeKind::Added,
            "modified" => ChangeKind::Modified,
            "deleted" => ChangeKind::Deleted,
            "renamed" => ChangeKind::Renamed,
            "type-changed" => ChangeKind::TypeChanged,
            other => panic!("{other}"),
        };
        Change {
            path: self.path.clone().into_bytes(),
            old_path: self.old_path.clone().map(String::into_bytes),
            kind,
            old_mode: if old.is_some() { 0o100_644 } else { 0 },
            new_mode: if kind == ChangeKind::Deleted { 0 } else { mode },
            new_size: self.size.unwrap_or_else(|| new.as_ref().map_or(0, |new| new.len() as u64)),
            added: match &self.added {
                Some(ranges) => ranges.iter().map(|(start, end)| *start..*end).collect(),
                None if kind == ChangeKind::Renamed => Vec::new(),
                None => all_lines(new.as_deref().unwrap_or_default()),
            },
            old,
            new,
            binary: self.binary,
        }
    }

    fn repo(&self) -> RepoFacts {
        let status = match self.status.as_str() {
            "active" => Status::Active,
            "archived" => Status::Archived,
            "offline-only" => Status::OfflineOnly,
            other => panic!("{other}"),
        };
        RepoFacts { status, stage: self.stage.unwrap_or(Stage::Dev), registered: self.registered, ..active() }
    }

    fn commit(&self) -> CommitFacts {
        CommitFacts {
            onto: self.onto.clone(),
            author: self.author.clone(),
            committer: self.committer.clone(),
            message: self.message.clone(),
        }
    }

    /// The names beside the change's, as whoever reads a tree tells them.
    fn siblings(&self, change: &Change) -> Siblings {
        let is_added = matches!(change.kind, ChangeKind::Added | ChangeKind::Renamed);
        let mut siblings = Siblings::of(is_added.then_some(change.path.as_slice()));
        for path in self.beside.iter().chain([&self.path]) {
            for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
                let (directory, name) = path[..at].rsplit_once('/').unwrap_or(("", &path[..at]));
                siblings.tell(directory.as_bytes(), name.as_bytes());
            }
        }
        siblings
    }

    /// The policy with one rule alone, and this case's settings of it.
    fn policy(&self, rule: RuleId) -> EffectivePolicy {
        if self.settings.is_empty() {
            return only(rule);
        }
        // `protected` is the setting of one rule that another one reads.
        let of = |key: &str| if key == "protected" { RuleId::Branch } else { rule };
        let mut rules = serde_json::Map::new();
        for (key, value) in &self.settings {
            let of = rules.entry(of(key).name()).or_insert_with(|| serde_json::json!({}));
            of[key] = value.clone();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yml");
        std::fs::write(&path, serde_json::json!({ "version": 1, "rules": rules }).to_string()).unwrap();
        alone(rule, &crate::policy::load_policy(&path).unwrap())
    }
}

fn check_cases(rule: RuleId, cases: &str, unmask: &dyn Fn(&str) -> String) {
    let cases: Vec<Case> = serde_yaml::from_str(cases).unwrap();
    let default = only(rule);
    let mut wrong = Vec::new();
    for case in &cases {
        let changes = [case.change(unmask)];
        let (repo, commit) = (case.repo(), case.commit());
        let push = case.push.as_ref().map(Push::facts);
        let facts = Facts {
            siblings: &case.siblings(&changes[0]),
            commit: &commit,
            push: push.as_ref(),
            merging: case.merging,
            ..facts(&repo, &changes)
        };
        let policy = if case.settings.is_empty() { &default } else { &case.policy(rule) };
        let found = judge(&facts, policy);
        let shown: Vec<_> = found
            .iter()
            .map(|finding| format!("{} {} {}", finding.severity, finding.line, finding.message))
            .collect();
        let as_told = shown.len() == case.finds.len()
            && shown.iter().zip(&case.finds).all(|(shown, told)| shown.starts_with(told.as_str()));
        if !as_told {
            wrong.push(format!("{}: told {:?}, found {shown:?}", case.what, case.finds));
        }
        for finding in &found {
            assert_eq!(finding.rule, rule);
            assert!(!finding.fix.is_empty() && !finding.way_around.is_empty());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        cases.iter().any(|case| case.finds.is_empty()) && cases.iter().any(|case| !case.finds.is_empty())
    );
}

fn without_separator(text: &str) -> String {
    text.replace('␟', "")
}

#[test]
fn cases_of_registered() {
    check_cases(RuleId::Registered, include_str!("../registered.cases.yml"), &without_separator);
}

#[test]
fn cases_of_workflows() {
    check_cases(RuleId::Workflows, include_str!("../workflows.cases.yml"), &without_separator);
}

#[test]
fn cases_of_large_file() {
    check_cases(RuleId::LargeFile, include_str!("../large_file.cases.yml"), &without_separator);
}

#[test]
fn cases_of_conflict_marker() {
    check_cases(RuleId::ConflictMarker, include_str!("../conflict_marker.cases.yml"), &without_separator);
}

#[test]
fn cases_of_private_key() {
    check_cases(RuleId::PrivateKey, include_str!("../private_key.cases.yml"), &without_separator);
}

#[test]
fn cases_of_secrets() {
    check_cases(RuleId::Secrets, include_str!("../secrets/cases.yml"), &without_separator);
}

#[test]
fn cases_of_governed_files() {
    let with_markers = |text: &str| {
        text.replace("P{", "# >>> kpmo profile >>>")
            .replace("P}", "# <<< kpmo profile <<<")
            .replace("M{", "# >>> kpmo mandatory >>>")
            .replace("M}", "# <<< kpmo mandatory <<<")
    };
    check_cases(RuleId::GovernedFiles, include_str!("../governed_files.cases.yml"), &with_markers);
}

#[test]
fn cases_of_branch() {
    check_cases(RuleId::Branch, include_str!("../branch.cases.yml"), &without_separator);
}

#[test]
fn cases_of_identity() {
    check_cases(RuleId::Identity, include_str!("../identity.cases.yml"), &without_separator);
}

#[test]
fn cases_of_case_collision() {
    check_cases(RuleId::CaseCollision, include_str!("../case_collision.cases.yml"), &without_separator);
}

#[test]
fn cases_of_message() {
    check_cases(RuleId::Message, include_str!("../message.cases.yml"), &without_separator);
}

#[test]
fn cases_of_stage() {
    check_cases(RuleId::Stage, include_str!("../stage.cases.yml"), &without_separator);
}
