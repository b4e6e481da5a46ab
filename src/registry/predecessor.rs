//! The predecessor's registry, read so that it can be taken over: `meta:` and a
//! mapping of names, `repos: {NAME: {local_path, remote_url, branch, …}}`.
//!
//! Files of that kind were written by hand and by scripts and read by a loader
//! that let much pass. What that loader passed over is a note here and no
//! error: a key given twice (the later one wins, as it did there), unknown
//! keys, values that mean nothing. What would be guessed is an error: a path
//! that is not absolute, a status that nobody knows.

use std::{collections::HashMap, ops::Range, path::Path};

use super::{
    Problem, Problems, Repo, RepoStatus, Stage,
    check::{NOTED, no_such, unknown},
    locator::Locator,
    model::without_credentials,
    problem::{Fault, FileRule},
    rules,
    scalar::{Type, decoded, resolve},
    tree::{self, Kind, Node},
};

/// The most that a file may be, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// The keys of an entry.
const KEYS: [&str; 9] = [
    "local_path",
    "remote_url",
    "branch",
    "env_template",
    "gitignore_profile",
    "status",
    "role",
    "env_stage",
    "write_authority",
];
/// Who writes governed files in any case.
const GOVERNOR: &str = "kanban-pmo";

/// What a file of the predecessor's says.
#[derive(Debug)]
pub struct Predecessor {
    /// Its entries, in the order of the file; names and paths are unique.
    pub entries: Vec<Former>,
    /// What was passed over, left out, or has become something else; in the
    /// order of the file.
    pub notes: Vec<Problem>,
}

/// One entry.
#[derive(Debug)]
pub struct Former {
    /// What it becomes; without id.
    pub repo: Repo,
    /// Where its path is written, to say that nothing is there.
    pub path: Problem,
}

/// Reads a file of the predecessor's. `home` is what `~` stands for.
///
/// # Errors
/// Everything that keeps it from being taken over, in the order of the file.
pub fn parse_predecessor(bytes: &[u8], home: &Path) -> Result<Predecessor, Problems> {
    let text = decoded(bytes, MAX_BYTES)?;
    let lines = Locator::new(text, Vec::new());
    let root = tree::build(text).map_err(|(at, fault)| Problems::from(vec![lines.problem(at, fault)]))?;
    let mut reading =
        Reading { home, lines, wrong: Vec::new(), notes: Vec::new(), secret: Vec::new(), owner: None };
    let found = reading.document(root.as_ref());
    let Reading { mut wrong, notes, secret, .. } = reading;
    let locator = Locator::new(text, secret);
    let placed = |mut faults: Vec<(usize, Fault)>| {
        faults.sort_by_key(|(at, _)| *at);
        faults.into_iter().map(|(at, fault)| locator.problem(at, fault)).collect::<Vec<_>>()
    };
    if !wrong.is_empty() {
        let left_out = wrong.len().saturating_sub(NOTED);
        wrong.truncate(NOTED);
        return Err(Problems { listed: placed(wrong), left_out });
    }
    let entries = found.into_iter().map(|(at, repo)| {
        let fault = Fault { repo: Some(repo.name.clone()), ..Fault::new(FileRule::MissingPath, "") };
        Former { path: locator.problem(at, fault), repo }
    });
    Ok(Predecessor { entries: entries.collect(), notes: placed(notes) })
}

struct Reading<'a> {
    home: &'a Path,
    lines: Locator<'a>,
    wrong: Vec<(usize, Fault)>,
    notes: Vec<(usize, Fault)>,
    secret: Vec<Range<usize>>,
    /// The entry that is being read.
    owner: Option<String>,
}

impl Reading<'_> {
    fn wrong(&mut self, at: usize, fault: Fault) {
        self.wrong.push((at, Fault { repo: self.owner.clone(), ..fault }));
    }

    fn note(&mut self, at: usize, rule: FileRule, message: impl Into<String>) {
        self.notes.push((at, Fault { repo: self.owner.clone(), ..Fault::new(rule, message) }));
    }

    /// The entries, each with the place of its path.
    fn document(&mut self, root: Option<&Node>) -> Vec<(usize, Repo)> {
        let at = root.map_or(0, |root| root.span.start);
        let Some(Node { kind: Kind::Map { pairs, .. }, .. }) = root else {
            self.wrong(at, Fault::new(FileRule::WrongType, "expected a mapping `repos:` of names"));
            return Vec::new();
        };
        let pairs = self.last_of_each(pairs);
        let mut repos = None;
        for (key, node, value) in pairs {
            match key {
                "repos" => repos = Some(value),
                "meta" => {}
                // The number of its format.
                "version" if matches!(value.kind, Kind::Scalar { .. }) => {}
                _ => self.pass_over(node, value, key, &["meta", "repos"]),
            }
        }
        match repos.map(|repos| (repos, &repos.kind)) {
            Some((_, Kind::Map { pairs, .. })) => self.repos(pairs),
            Some((_, Kind::Scalar { value, plain: true, .. })) if resolve(value) == Type::Null => Vec::new(),
            Some((node, Kind::List { .. })) => {
                let fault = Fault::new(FileRule::WrongType, "expected a mapping of names, this is a list");
                let fix = "that is kpmo's own format: there is nothing to import";
                self.wrong(node.span.start, fault.fix(fix));
                Vec::new()
            }
            Some((node, _)) => {
                self.wrong(node.span.start, Fault::new(FileRule::WrongType, "expected a mapping of names"));
                Vec::new()
            }
            None => {
                self.wrong(at, Fault::new(FileRule::MissingKey, "the key `repos` is missing"));
                Vec::new()
            }
        }
    }

    fn pass_over(&mut self, key: &Node, value: &Node, word: &str, known: &[&str]) {
        self.secret.push(value.span.clone());
        let mut fault = unknown(word, known);
        fault.message.push_str(" is left out");
        fault.repo.clone_from(&self.owner);
        if word == "<<" {
            let fault = Fault::new(FileRule::UnknownKey, "the merge key `<<` is not read");
            self.wrong(key.span.start, fault.fix("write the values out"));
        } else {
            self.notes.push((key.span.start, fault));
        }
    }

    /// The pairs of a mapping; of a key that is there more than once the last.
    fn last_of_each<'n>(&mut self, pairs: &'n [(Node, Node)]) -> Vec<(&'n str, &'n Node, &'n Node)> {
        let mut last: Vec<(&str, &Node, &Node)> = Vec::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (key, value) in pairs {
            let Kind::Scalar { value: word, .. } = &key.kind else {
                self.secret.push(value.span.clone());
                self.wrong(key.span.start, Fault::new(FileRule::WrongType, "a key must be a word"));
                continue;
            };
            let pair = (word.as_str(), key, value);
            match seen.get(word.as_str()) {
                None => {
                    seen.insert(word, last.len());
                    last.push(pair);
                }
                Some(at) => {
                    let (first, second) =
                        (self.lines.line(last[*at].1.span.start), self.lines.line(key.span.start));
                    let message = format!(
                        "the key `{word}` is on line {first} and on line {second}: the later one wins"
                    );
                    self.note(key.span.start, FileRule::DuplicateKey, message);
                    last[*at] = pair;
                }
            }
        }
        last
    }

    fn repos(&mut self, pairs: &[(Node, Node)]) -> Vec<(usize, Repo)> {
        let mut repos: Vec<(usize, Repo)> = Vec::new();
        let mut governed = Vec::new();
        for (name, key, value) in self.last_of_each(pairs) {
            self.owner = Some(name.to_owned());
            if let Err(verdict) = rules::name(name) {
                self.wrong(key.span.start, Fault::value("name", &verdict));
            }
            let Kind::Map { pairs, .. } = &value.kind else {
                let fault = Fault::new(FileRule::WrongType, "expected a repository");
                self.wrong(value.span.start, fault.fix("`local_path:`, `branch:` and so on"));
                continue;
            };
            let Some((at, repo)) = self.repo(name, key, pairs, &mut governed) else { continue };
            match repos.iter().find(|(_, other)| other.local_path == repo.local_path) {
                None => repos.push((at, repo)),
                Some((first, other)) => {
                    let line = self.lines.line(*first);
                    let message = format!("left out: its path is `{}`'s, on line {line}", other.name);
                    self.note(at, FileRule::DuplicatePath, message);
                }
            }
        }
        self.owner = None;
        if let Some(first) = governed.first() {
            let message = format!(
                "`write_authority: {GOVERNOR}` is left out ({}): the governor alone writes in any case",
                if governed.len() == 1 { "once".to_owned() } else { format!("{} times", governed.len()) }
            );
            self.note(*first, FileRule::Dropped, message);
        }
        repos
    }

    fn repo(
        &mut self,
        name: &str,
        key: &Node,
        pairs: &[(Node, Node)],
        governed: &mut Vec<usize>,
    ) -> Option<(usize, Repo)> {
        let mut repo = Repo { name: name.to_owned(), ..Repo::default() };
        let before = self.wrong.len();
        let mut path = None;
        let mut local_only = None;
        for (field, node, value) in self.last_of_each(pairs) {
            if !KEYS.contains(&field) {
                self.pass_over(node, value, field, &KEYS);
                continue;
            }
            let at = value.span.start;
            let Some(text) = self.text(value) else { continue };
            match field {
                "local_path" => {
                    let found = self.judged(field, at, rules::path(&text, self.home));
                    path = Some(at);
                    repo.local_path = found.unwrap_or_default();
                }
                "remote_url" => {
                    let url = without_credentials(&text);
                    if url != text {
                        self.note(at, FileRule::Dropped, "the credentials in this URL are left out");
                    }
                    repo.remote_url = self.judged(field, at, rules::remote_url(&url)).map(|()| url);
                }
                "branch" if text.eq_ignore_ascii_case("unknown") => {
                    self.note(at, FileRule::Converted, "`branch: unknown` becomes no default branch");
                }
                "branch" => {
                    repo.default_branch = self.judged(field, at, rules::word(&text)).map(|()| text);
                }
                "env_template" => {
                    repo.env_template = self.judged(field, at, rules::name(&text)).map(|()| text);
                }
                "gitignore_profile" => {
                    repo.gitignore_profile = self.judged(field, at, rules::name(&text)).map(|()| text);
                }
                "role" => repo.role = self.judged(field, at, rules::prose(&text)).map(|()| text),
                "status" if text == "local-only" => local_only = Some(at),
                "status" => match RepoStatus::from_word(&text) {
                    Some(status) => repo.status = status,
                    None => self.wrong(
                        at,
                        no_such(field, &text, &["active", "local-only", "archived", "offline-only"]),
                    ),
                },
                "env_stage" if text == "legacy" => {
                    repo.tags.push("legacy".into());
                    self.note(
                        at,
                        FileRule::Converted,
                        "`env_stage: legacy` becomes the stage dev and the tag `legacy`",
                    );
                }
                "env_stage" => match Stage::from_word(&text) {
                    Some(stage) => repo.stage = stage,
                    None => self.wrong(at, no_such(field, &text, &["dev", "staging", "prod", "legacy"])),
                },
                _ if text == GOVERNOR => governed.push(at),
                _ => {
                    let tag = format!("write-authority:{text}");
                    if self.judged(field, at, rules::tag(&tag)).is_some() {
                        let message =
                            format!("`write_authority` becomes the tag `{tag}`: only the governor writes");
                        self.note(at, FileRule::Converted, message);
                        repo.tags.push(tag);
                    }
                }
            }
        }
        if let Some(at) = local_only {
            let without = if repo.remote_url.take().is_some() { ", and its remote is left out" } else { "" };
            let message = format!("`status: local-only` becomes active with the tag `local-only`{without}");
            self.note(at, FileRule::Converted, message);
            repo.tags.push("local-only".into());
        }
        if path.is_none() {
            let fault = Fault::new(FileRule::MissingKey, "this repository has no `local_path`");
            self.wrong(key.span.start, fault);
        }
        path.filter(|_| self.wrong.len() == before).map(|at| (at, repo))
    }

    /// A scalar's text, whatever its type; `None` if it says nothing, or
    /// (noted) is none.
    fn text(&mut self, node: &Node) -> Option<String> {
        match &node.kind {
            Kind::Scalar { value, plain, .. } if *plain && resolve(value) == Type::Null => None,
            Kind::Scalar { value, .. } => Some(value.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => {
                self.wrong(node.span.start, Fault::new(FileRule::WrongType, "expected a text"));
                None
            }
        }
    }

    fn judged<T>(&mut self, key: &str, at: usize, verdict: Result<T, String>) -> Option<T> {
        verdict.map_err(|verdict| self.wrong(at, Fault::value(key, &verdict))).ok()
    }
}
