use std::{collections::HashMap, hash::Hash, ops::Range, path::Path};

use sha2::{Digest, Sha256};

use super::{
    Document, Problem, Repo, RepoStatus, Stage,
    model::closest,
    problem::Locator,
    rules,
    tree::{self, Kind, Node},
};

/// The most that a registry's file may be, in bytes.
pub(super) const MAX_BYTES: usize = 8 << 20;

/// Reads a registry. `home` is what `~` stands for.
///
/// Bytes that say nothing (none at all, or only comments) are a registry
/// without entries.
///
/// # Errors
/// Everything that is wrong, in the order of the file. Where the bytes are not
/// one YAML document that is a single problem: what follows cannot be judged.
pub fn parse(bytes: &[u8], home: &Path) -> Result<Document, Vec<Problem>> {
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

/// The name of a state of the file.
pub(super) fn version(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

/// As [`parse`], and keeps the text's structure.
pub(super) fn read<'a>(bytes: &'a [u8], home: &Path) -> Result<Read<'a>, Vec<Problem>> {
    let text = decoded(bytes).map_err(|problem| vec![problem])?;
    let root = tree::build(text)
        .map_err(|(at, message)| vec![Locator::new(text, Vec::new()).problem(at, message)])?;
    let mut check =
        Check { home, found: Vec::new(), secret: Vec::new(), lines: Locator::new(text, Vec::new()) };
    let repos = root.as_ref().map(|root| check.document(root)).unwrap_or_default();
    if check.found.is_empty() {
        return Ok(Read { document: Document { repos, version: version(bytes) }, text, root });
    }
    let Check { mut found, secret, .. } = check;
    found.sort_by_key(|(at, _)| *at);
    let locator = Locator::new(text, secret);
    Err(found.into_iter().map(|(at, message)| locator.problem(at, message)).collect())
}

/// The text without its byte order mark, if it is one that YAML can have.
fn decoded(bytes: &[u8]) -> Result<&str, Problem> {
    let body = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if body.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Locator::new("", Vec::new()).problem(0, message));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        let shown = String::from_utf8_lossy(body);
        let message = format!("not UTF-8: the byte 0x{:02x}", body[at]);
        Locator::new(&shown, Vec::new()).problem(at, message)
    })?;
    // The parser takes NUL for the end of its input, so that what follows it
    // would go unread.
    let unwanted = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r' | '\u{85}');
    match text.char_indices().find(|(_, char)| unwanted(*char)) {
        None => Ok(text),
        Some((at, char)) => {
            let message = format!(
                "the control character U+{:04X}; YAML wants it escaped, in double quotes",
                char as u32
            );
            Err(Locator::new(text, Vec::new()).problem(at, message))
        }
    }
}

/// The type that YAML's core schema gives to an unquoted text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// Nothing.
    Null,
    /// A truth value.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
}

/// Resolves an unquoted scalar (YAML 1.2, 10.3.2).
pub(super) fn resolve(plain: &str) -> Type {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => return Type::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Type::Bool,
        _ => {}
    }
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let radix = plain
        .strip_prefix("0x")
        .map(|digits| (digits, 16))
        .or_else(|| plain.strip_prefix("0o").map(|digits| (digits, 8)));
    let number = match radix {
        Some((digits, radix)) => !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)),
        None if matches!(unsigned, ".inf" | ".Inf" | ".INF") => true,
        None if matches!(plain, ".nan" | ".NaN" | ".NAN") => true,
        // Rust's floats are YAML's, but for `inf`, `nan` and `infinity`.
        None => {
            unsigned.starts_with(|char: char| char.is_ascii_digit() || char == '.')
                && unsigned.parse::<f64>().is_ok()
        }
    };
    if number { Type::Number } else { Type::Text }
}

/// Goes through the tree and notes everything that is wrong.
struct Check<'a> {
    home: &'a Path,
    found: Vec<(usize, String)>,
    secret: Vec<Range<usize>>,
    lines: Locator<'a>,
}

/// Where each value was first seen, to find the second.
type Seen<T> = HashMap<T, usize>;

impl Check<'_> {
    fn wrong(&mut self, at: usize, message: impl Into<String>) {
        self.found.push((at, message.into()));
    }

    fn document(&mut self, root: &Node) -> Vec<Repo> {
        let pairs = match &root.kind {
            Kind::Map { pairs, .. } => pairs,
            Kind::Scalar { value, plain: true, .. } if resolve(value) == Type::Null => return Vec::new(),
            _ => {
                self.wrong(root.span.start, "expected `version: 1` and a list `repos:`");
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
            self.wrong(root.span.start, "the key `version` is missing: add the line `version: 1`");
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
                self.wrong(at, "a key must be a word");
                self.secret.push(value.span.clone());
                continue;
            };
            let Some(known_key) = keys.iter().find(|known| *known == word) else {
                let meant = closest(keys.iter().copied(), word);
                let hint = meant.map_or_else(
                    || format!("known are {}", listed(keys)),
                    |key| format!("did you mean `{key}`?"),
                );
                self.wrong(at, format!("unknown key `{}`: {hint}", word.escape_debug()));
                self.secret.push(value.span.clone());
                continue;
            };
            if self.doubled(&mut seen, known_key, at, || format!("the key `{known_key}`")) {
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
        what: impl Fn() -> String,
    ) -> bool {
        let Some(first) = seen.get(&value) else {
            seen.insert(value, at);
            return false;
        };
        let line = self.lines.line(*first);
        self.wrong(at, format!("{} is on line {line} already", what()));
        true
    }

    fn version(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar { value, plain: true, .. } if value == "1" => {}
            Kind::Scalar { plain: true, value, .. } if resolve(value) == Type::Number => {
                self.wrong(node.span.start, "this version of the format is not known: expected `version: 1`");
            }
            _ => self.wrong(node.span.start, "expected the number 1"),
        }
    }

    fn repos(&mut self, node: &Node) -> Vec<Repo> {
        let Some(items) = self.items(node, "expected a list of repositories") else { return Vec::new() };
        let (mut ids, mut names, mut paths) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut repos = Vec::new();
        for item in items {
            let Kind::Map { pairs, .. } = &item.kind else {
                self.wrong(item.span.start, "expected a repository: `name:`, `local_path:` and so on");
                continue;
            };
            let pairs = self.known(pairs, &rules::KEYS);
            let repo = self.repo(item, &pairs);
            // An alias brings the places of what it stands for with it.
            let place = |key: &str| {
                let value = pairs.iter().find(|(known, _)| *known == key);
                value.map_or(
                    item.span.start,
                    |(_, value)| if item.aliased { item.span.start } else { value.span.start },
                )
            };
            if let Some(id) = repo.id.clone() {
                self.doubled(&mut ids, id, place("id"), || "this id".into());
            }
            if !repo.name.is_empty() {
                let what = || format!("the name `{}`", repo.name);
                self.doubled(&mut names, repo.name.clone(), place("name"), what);
            }
            if !repo.local_path.as_os_str().is_empty() {
                self.doubled(&mut paths, repo.local_path.clone(), place("local_path"), || "this path".into());
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
                self.wrong(item.span.start, format!("this repository has no `{key}`"));
            }
        }
        repo
    }

    /// A text; `None` if there is none, or (noted) something else.
    fn text(&mut self, node: &Node) -> Option<String> {
        let Kind::Scalar { value, plain, .. } = &node.kind else {
            self.wrong(node.span.start, "expected a text");
            return None;
        };
        match if *plain { resolve(value) } else { Type::Text } {
            Type::Text => return (!value.is_empty()).then(|| value.clone()),
            Type::Null => {}
            Type::Bool => {
                self.wrong(node.span.start, "expected a text, this is a truth value: put it in quotes");
            }
            Type::Number => {
                self.wrong(node.span.start, "expected a text, this is a number: put it in quotes");
            }
        }
        None
    }

    fn judged<T>(&mut self, key: &str, node: &Node, verdict: Result<T, String>) -> Option<T> {
        verdict.map_err(|fault| self.wrong(node.span.start, format!("`{key}` {fault}"))).ok()
    }

    fn required<T: Default>(
        &mut self,
        key: &str,
        node: &Node,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let before = self.found.len();
        if let Some(text) = self.text(node) {
            return self.judged(key, node, rule(&text)).unwrap_or_default();
        }
        if self.found.len() == before {
            let tilde = matches!(&node.kind, Kind::Scalar { value, .. } if value == "~");
            let hint = if tilde { ": a `~` alone means nothing in YAML, put it in quotes" } else { "" };
            self.wrong(node.span.start, format!("`{key}` must not be empty{hint}"));
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
            self.wrong(node.span.start, format!("`{key}` must be one of {}", listed(words)));
            T::default()
        })
    }

    /// The items of a list, none for a null.
    fn items<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List { items, .. } => return Some(items),
            Kind::Scalar { value, plain: true, .. } if resolve(value) == Type::Null => {}
            _ => self.wrong(node.span.start, expected),
        }
        None
    }

    fn texts(&mut self, key: &str, node: &Node, rule: fn(&str) -> Result<(), String>) -> Vec<String> {
        let items = self.items(node, "expected a list of texts").unwrap_or_default();
        let mut texts = Vec::new();
        for item in items {
            let before = self.found.len();
            let text = self.text(item);
            if self.found.len() == before {
                // Nothing and "" are told the same.
                let text = text.unwrap_or_default();
                texts.extend(self.judged(key, item, rule(&text)).map(|()| text));
            }
        }
        texts
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
