use std::{collections::HashMap, hash::Hash, ops::Range, path::Path};

use sha2::{Digest, Sha256};

use super::{
    Document, Problem, Problems, Repo, RepoStatus, Stage,
    locator::Locator,
    model::closest,
    problem::{Fault, FileRule},
    rules,
    scalar::{Type, decoded, resolve},
    tree::{self, Kind, Node},
};

/// The most that a registry's file may be, in bytes.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// Most mistakes that are noted; more are counted.
pub(super) const NOTED: usize = 1_000;
/// Most of an unknown word that is quoted, in characters.
const WORD: usize = 80;

/// Reads a registry. `home` is what `~` stands for.
///
/// Bytes that say nothing (none at all, or only comments) are a registry
/// without entries.
///
/// # Errors
/// Everything that is wrong, in the order of the file; of more than a thousand
/// mistakes only the first. Where the bytes are not one YAML document that is a
/// single problem: what follows cannot be judged.
pub fn parse(bytes: &[u8], home: &Path) -> Result<Document, Problems> {
    read(bytes, home).map(|read| read.document)
}

/// A registry and the text it was read from.
pub(super) struct Read<'a> {
    /// What it says.
    pub document: Document,
    /// Its text, without byte order mark.
    pub text: &'a str,
    /// The text's nodes, with offsets in `text`; `None` if it says nothing.
    pub root: Option<Node>,
}

impl Read<'_> {
    /// Whether the text does not come as far as to its list of repositories.
    pub fn is_cut_short(&self) -> bool {
        self.root.as_ref().is_none_or(|root| value(root, "repos").is_none())
    }
}

/// What a mapping has under a key.
fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Kind::Map { pairs, .. } = &node.kind else { return None };
    let is_it = |node: &Node| matches!(&node.kind, Kind::Scalar { value, .. } if value == key);
    pairs.iter().find(|(node, _)| is_it(node)).map(|(_, value)| value)
}

/// The name of a state of the file.
pub(super) fn version(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

/// As [`parse`], and keeps the text's structure.
pub(super) fn read<'a>(bytes: &'a [u8], home: &Path) -> Result<Read<'a>, Problems> {
    let text = decoded(bytes, MAX_BYTES)?;
    let root =
        tree::build(text).map_err(|(at, fault)| vec![Locator::new(text, Vec::new()).problem(at, fault)])?;
    let mut check = Check {
        home,
        found: Vec::new(),
        left_out: 0,
        secret: Vec::new(),
        lines: Locator::new(text, Vec::new()),
    };
    let repos = root.as_ref().map(|root| check.document(root)).unwrap_or_default();
    if check.found.is_empty() {
        return Ok(Read { document: Document { repos, version: version(bytes) }, text, root });
    }
    let Check { mut found, left_out, secret, .. } = check;
    found.sort_by_key(|(at, _)| *at);
    let locator = Locator::new(text, secret);
    let listed = found.into_iter().map(|(at, fault)| locator.problem(at, fault)).collect();
    Err(Problems { listed, left_out })
}

/// Where the path of each entry is written, to say something about it.
pub(super) fn places(read: &Read<'_>) -> Vec<Problem> {
    let locator = Locator::new(read.text, Vec::new());
    let list = read.root.as_ref().and_then(|root| value(root, "repos"));
    let Some(Kind::List { items, .. }) = list.map(|list| &list.kind) else { return Vec::new() };
    let place = |(item, repo): (&Node, &Repo)| {
        let at = value(item, "local_path").map_or(item.span.start, |path| path.span.start);
        let fault = Fault { repo: Some(repo.name.clone()), ..Fault::new(FileRule::MissingPath, "") };
        locator.problem(at, fault)
    };
    items.iter().zip(&read.document.repos).map(place).collect()
}

/// Goes through the tree and notes everything that is wrong.
struct Check<'a> {
    home: &'a Path,
    found: Vec<(usize, Fault)>,
    /// How many more there are.
    left_out: usize,
    secret: Vec<Range<usize>>,
    lines: Locator<'a>,
}

/// Where each value was first seen, to find the second.
type Seen<T> = HashMap<T, usize>;

impl Check<'_> {
    fn wrong(&mut self, at: usize, fault: Fault) {
        if self.found.len() < NOTED {
            self.found.push((at, fault));
        } else {
            self.left_out += 1;
        }
    }

    /// How many mistakes there are so far.
    fn count(&self) -> usize {
        self.found.len() + self.left_out
    }

    fn type_wrong(&mut self, at: usize, message: &str, fix: &str) {
        self.wrong(at, Fault::new(FileRule::WrongType, message).fix(fix));
    }

    fn document(&mut self, root: &Node) -> Vec<Repo> {
        let pairs = match &root.kind {
            Kind::Map { pairs, .. } => pairs,
            Kind::Scalar { value, plain: true, .. } if resolve(value) == Type::Null => return Vec::new(),
            _ => {
                self.type_wrong(root.span.start, "expected `version: 1` and a list `repos:`", "");
                return Vec::new();
            }
        };
        let mut version = false;
        let mut repos = Vec::new();
        for (key, value) in self.known(pairs, &["version", "repos"]) {
            if key == "version" {
                version = true;
                self.version(value);
            } else {
                repos = self.repos(value);
            }
        }
        if !version {
            let fault = Fault::new(FileRule::MissingKey, "the key `version` is missing");
            self.wrong(root.span.start, fault.fix("add the line `version: 1`"));
        }
        repos
    }

    /// The pairs of a mapping whose keys are known, the first of each.
    fn known<'n>(
        &mut self,
        pairs: &'n [(Node, Node)],
        keys: &[&'static str],
    ) -> Vec<(&'static str, &'n Node)> {
        let mut seen: Seen<&str> = HashMap::new();
        let mut known = Vec::new();
        for (key, value) in pairs {
            let at = key.span.start;
            let Kind::Scalar { value: word, .. } = &key.kind else {
                self.type_wrong(at, "a key must be a word", "");
                self.secret.push(value.span.clone());
                continue;
            };
            let Some(known_key) = keys.iter().find(|known| *known == word) else {
                self.wrong(at, unknown(word, keys));
                self.secret.push(value.span.clone());
                continue;
            };
            if self.doubled(&mut seen, known_key, at, FileRule::DuplicateKey, || {
                format!("the key `{known_key}`")
            }) {
                continue;
            }
            known.push((*known_key, value));
        }
        known
    }

    /// Whether a value was seen before, which is then noted as wrong.
    fn doubled<T: Hash + Eq>(
        &mut self,
        seen: &mut Seen<T>,
        value: T,
        at: usize,
        rule: FileRule,
        what: impl Fn() -> String,
    ) -> bool {
        let Some(first) = seen.get(&value) else {
            seen.insert(value, at);
            return false;
        };
        let line = self.lines.line(*first);
        self.wrong(at, Fault::new(rule, format!("{} is on line {line} already", what())));
        true
    }

    fn version(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar { value, plain: true, .. } if value == "1" => {}
            Kind::Scalar { plain: true, value, .. } if resolve(value) == Type::Number => {
                let fault = Fault::new(FileRule::BadValue, "this version of the format is not known");
                self.wrong(node.span.start, fault.fix("expected `version: 1`"));
            }
            _ => self.type_wrong(node.span.start, "expected the number 1", ""),
        }
    }

    fn repos(&mut self, node: &Node) -> Vec<Repo> {
        let mapping = matches!(&node.kind, Kind::Map { pairs, .. } if !pairs.is_empty());
        let fix = "a mapping of names is the predecessor's format, which `kpmo registry import FILE` takes";
        let fix = if mapping { fix } else { "" };
        let Some(items) = self.items(node, "expected a list of repositories", fix) else {
            return Vec::new();
        };
        let (mut ids, mut names, mut paths) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut repos = Vec::new();
        for item in items {
            let Kind::Map { pairs, .. } = &item.kind else {
                let fix = "`name:`, `local_path:` and so on";
                self.type_wrong(item.span.start, "expected a repository", fix);
                continue;
            };
            let before = self.found.len();
            let pairs = self.known(pairs, &rules::KEYS);
            let repo = self.repo(item, &pairs);
            // An alias brings the places of what it stands for with it.
            let place = |key: &str| {
                let value = pairs.iter().find(|(known, _)| *known == key);
                value.map_or(item.span.start, |(_, value)| {
                    if item.is_alias() { item.span.start } else { value.span.start }
                })
            };
            if let Some(id) = repo.id.clone() {
                self.doubled(&mut ids, id, place("id"), FileRule::DuplicateId, || "this id".into());
            }
            if !repo.name.is_empty() {
                let what = || format!("the name `{}`", repo.name);
                self.doubled(&mut names, repo.name.clone(), place("name"), FileRule::DuplicateName, what);
            }
            if !repo.local_path.as_os_str().is_empty() {
                let what = || "this path".into();
                let at = place("local_path");
                self.doubled(&mut paths, repo.local_path.clone(), at, FileRule::DuplicatePath, what);
            }
            if !repo.name.is_empty() {
                self.found[before..].iter_mut().for_each(|(_, fault)| fault.repo = Some(repo.name.clone()));
            }
            repos.push(repo);
        }
        repos
    }

    fn repo(&mut self, item: &Node, pairs: &[(&'static str, &Node)]) -> Repo {
        let mut repo = Repo::default();
        let (mut named, mut placed) = (false, false);
        for (key, node) in pairs {
            match *key {
                "id" => {
                    repo.id = self.text(node).and_then(|id| self.judged(key, node, rules::id(&id)));
                }
                "name" => {
                    named = true;
                    repo.name = self.required(key, node, |name| rules::name(name).map(|()| name.to_owned()));
                }
                "local_path" => {
                    placed = true;
                    let home = self.home;
                    repo.local_path = self.required(key, node, |text| rules::path(text, home));
                }
                "remote_url" => repo.remote_url = self.optional(key, node, rules::remote_url),
                "default_branch" => repo.default_branch = self.optional(key, node, rules::word),
                // Both name a file of the configuration.
                "env_template" => repo.env_template = self.optional(key, node, rules::name),
                "gitignore_profile" => repo.gitignore_profile = self.optional(key, node, rules::name),
                "status" => {
                    let words = RepoStatus::ALL.map(RepoStatus::as_str);
                    repo.status = self.one_of(key, node, &words, RepoStatus::from_word);
                }
                "stage" => {
                    repo.stage = self.one_of(key, node, &Stage::ALL.map(Stage::as_str), Stage::from_word);
                }
                "role" => repo.role = self.optional(key, node, rules::prose),
                "tags" => repo.tags = self.texts(key, node, rules::tag),
                _ => repo.verify = self.texts(key, node, rules::command),
            }
        }
        for (key, there) in [("name", named), ("local_path", placed)] {
            if !there {
                let fault = Fault::new(FileRule::MissingKey, format!("this repository has no `{key}`"));
                self.wrong(item.span.start, fault);
            }
        }
        repo
    }

    /// A text; `None` if there is none, or (noted) something else.
    fn text(&mut self, node: &Node) -> Option<String> {
        let Kind::Scalar { value, plain, .. } = &node.kind else {
            self.type_wrong(node.span.start, "expected a text", "");
            return None;
        };
        match if *plain { resolve(value) } else { Type::Text } {
            Type::Text => return (!value.is_empty()).then(|| value.clone()),
            Type::Null => {}
            Type::Bool => {
                self.type_wrong(
                    node.span.start,
                    "expected a text, this is a truth value",
                    "put it in quotes",
                );
            }
            Type::Number => {
                self.type_wrong(node.span.start, "expected a text, this is a number", "put it in quotes");
            }
        }
        None
    }

    fn judged<T>(&mut self, key: &str, node: &Node, verdict: Result<T, String>) -> Option<T> {
        verdict.map_err(|verdict| self.wrong(node.span.start, Fault::value(key, &verdict))).ok()
    }

    fn required<T: Default>(
        &mut self,
        key: &str,
        node: &Node,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let before = self.count();
        if let Some(text) = self.text(node) {
            return self.judged(key, node, rule(&text)).unwrap_or_default();
        }
        if self.count() == before {
            let tilde = matches!(&node.kind, Kind::Scalar { value, .. } if value == "~");
            let fix = if tilde { "a `~` alone means nothing in YAML, put it in quotes" } else { "" };
            let fault = Fault::new(FileRule::BadValue, format!("`{key}` must not be empty"));
            self.wrong(node.span.start, fault.fix(fix));
        }
        T::default()
    }

    fn optional(&mut self, key: &str, node: &Node, rule: fn(&str) -> Result<(), String>) -> Option<String> {
        let text = self.text(node)?;
        self.judged(key, node, rule(&text)).map(|()| text)
    }

    fn one_of<T: Default>(
        &mut self,
        key: &str,
        node: &Node,
        words: &[&str],
        from: fn(&str) -> Option<T>,
    ) -> T {
        let Some(word) = self.text(node) else { return T::default() };
        from(&word).unwrap_or_else(|| {
            self.wrong(node.span.start, no_such(key, &word, words));
            T::default()
        })
    }

    /// The items of a list, none for a null.
    fn items<'n>(&mut self, node: &'n Node, expected: &str, fix: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List { items, .. } => return Some(items),
            Kind::Scalar { value, plain: true, .. } if resolve(value) == Type::Null => {}
            _ => self.type_wrong(node.span.start, expected, fix),
        }
        None
    }

    fn texts(&mut self, key: &str, node: &Node, rule: fn(&str) -> Result<(), String>) -> Vec<String> {
        let items = self.items(node, "expected a list of texts", "write `[a, b]`").unwrap_or_default();
        let mut texts = Vec::new();
        for item in items {
            let before = self.count();
            let text = self.text(item);
            if self.count() == before {
                // Nothing and "" are told the same.
                let text = text.unwrap_or_default();
                texts.extend(self.judged(key, item, rule(&text)).map(|()| text));
            }
        }
        texts
    }
}

/// A key that is none of those that are known.
pub(super) fn unknown(word: &str, keys: &[&str]) -> Fault {
    let quoted: String = word.chars().take(WORD).collect();
    let cut = if quoted.len() < word.len() { "…" } else { "" };
    let fault = Fault::new(FileRule::UnknownKey, format!("unknown key `{}{cut}`", quoted.escape_debug()));
    // A word that long is no slip of a key.
    match closest(keys.iter().copied(), &quoted).filter(|_| cut.is_empty()) {
        Some(key) => fault.fix(format!("did you mean `{key}`?")),
        None => fault.fix(format!("known are {}", listed(keys))),
    }
}

/// A value that is none of the words that it may be.
pub(super) fn no_such(key: &str, word: &str, words: &[&str]) -> Fault {
    let fault = Fault::new(FileRule::BadValue, format!("`{key}` must be one of {}", listed(words)));
    match closest(words.iter().copied(), word) {
        Some(word) => fault.fix(format!("did you mean `{word}`?")),
        None => fault,
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
