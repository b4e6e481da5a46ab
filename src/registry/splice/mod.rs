//! Edits of the text: pieces put in and taken out, all other bytes as they were.
//!
//! The crate `yaml-edit` was tried for this and does much of it well, but not
//! all: the comment above an entry stays when the entry goes, and then speaks
//! of its neighbour; an entry added to a bracketed list of several lines lands
//! at the margin; the blank lines that set entries apart are not kept up; and
//! a `repos:` with nothing behind it has no list to add to. Since these need
//! the text spliced at places that the tree knows anyway, everything is done
//! so: one mechanism, and what lies outside of a splice survives by
//! construction.

use std::{collections::BTreeMap, ops::Range, path::Path};

mod add;
mod list;
mod places;
mod remove;
mod set;

use super::{
    Edit, Repo,
    check::Read,
    edit::fields,
    render::Value,
    rules::KEYS,
    text::{line_starts, newline},
    tree::{self, Kind, Node},
};

/// Pieces to replace, by their place in the old text.
type Splices = Vec<(Range<usize>, String)>;

/// Carries out an edit; `new` are the entries as they shall be. The reason
/// why it cannot be done is for people.
pub(super) fn edited(read: &Read<'_>, new: &[Repo], edit: &Edit, home: &Path) -> Result<String, String> {
    let old = &read.document.repos;
    let source = Source::new(read.text, home);
    let root = read.root.as_ref();
    let changed = || old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
    let splices = match edit {
        Edit::Add(_) => source.add(root, &new[old.len()..])?,
        Edit::Remove { name } => {
            let (list, items) = list_of(root)?;
            let at = old.iter().position(|repo| repo.name == *name).ok_or("the entry is gone")?;
            source.remove(list, items, at)?
        }
        Edit::AssignIds(_) => {
            let mut splices = Splices::new();
            for (at, (_, new)) in changed() {
                let id = new.id.clone().map(Value::Text);
                splices.extend(source.set(&list_of(root)?.1[at], "id", id.as_ref())?);
            }
            splices
        }
        Edit::Set { .. } | Edit::Change(_) => {
            let changed = changed().map(|(at, (old, new))| Changed::new(at, old, new, home)).collect();
            return set_all(read.text.to_owned(), changed, home);
        }
    };
    spliced(read.text, root, splices)
}

/// An entry's fields as the text has them by now, and as they shall be.
struct Changed {
    at: usize,
    now: BTreeMap<&'static str, Value>,
    wanted: BTreeMap<&'static str, Value>,
}

impl Changed {
    fn new(at: usize, old: &Repo, new: &Repo, home: &Path) -> Self {
        let fields = |repo| fields(repo, home, true).into_iter().collect();
        Self { at, now: fields(old), wanted: fields(new) }
    }

    /// The next splices about this key: all that it needs, or one item of a
    /// list. None: there is nothing left to do.
    fn step(&mut self, source: &Source<'_>, entry: &Node, key: &'static str) -> Result<Splices, String> {
        let wanted = self.wanted.get(key);
        if self.now.get(key) == wanted {
            return Ok(Splices::new());
        }
        if let (Some(Value::List(now)), Some(Value::List(wanted))) = (self.now.get_mut(key), wanted)
            && let Some(splices) = source.list_step(entry, key, now, wanted)
        {
            return Ok(splices);
        }
        let splices = source.set(entry, key, wanted)?;
        match wanted.cloned() {
            Some(value) => self.now.insert(key, value),
            None => self.now.remove(key),
        };
        Ok(splices)
    }
}

/// Rewrites what differs, key by key: a key put in or taken out changes what is
/// right for its neighbours.
fn set_all(mut text: String, mut changed: Vec<Changed>, home: &Path) -> Result<String, String> {
    for key in KEYS {
        while changed.iter().any(|entry| entry.now.get(key) != entry.wanted.get(key)) {
            let root = tree::build(&text).map_err(|(_, fault)| fault.message)?;
            let (_, items) = list_of(root.as_ref())?;
            let source = Source::new(&text, home);
            let mut splices = Splices::new();
            for entry in &mut changed {
                let item = items.get(entry.at).ok_or("the entry is gone")?;
                splices.extend(entry.step(&source, item, key)?);
            }
            text = spliced(&text, root.as_ref(), splices)?;
        }
    }
    Ok(text)
}

/// The list of entries.
fn list_of(root: Option<&Node>) -> Result<(&Node, &[Node]), String> {
    let list = root.and_then(|root| value_of(root, "repos")).map(|(_, value)| value);
    match list.map(|list| (list, &list.kind)) {
        Some((list, Kind::List { items, .. })) => Ok((list, items)),
        _ => Err("there is no list of repositories".into()),
    }
}

fn value_of<'n>(map: &'n Node, key: &str) -> Option<&'n (Node, Node)> {
    let Kind::Map { pairs, .. } = &map.kind else { return None };
    pairs.iter().find(|(node, _)| matches!(&node.kind, Kind::Scalar { value, .. } if value == key))
}

/// Puts the pieces in. Those at one place keep their order.
fn spliced(text: &str, root: Option<&Node>, mut splices: Splices) -> Result<String, String> {
    shared(text, root, &splices)?;
    splices.sort_by_key(|(range, _)| range.start);
    let mut new = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for (range, piece) in splices {
        if range.start < at {
            return Err("two changes meet in one place".into());
        }
        new.push_str(&text[at..range.start]);
        new.push_str(&piece);
        at = range.end;
    }
    new.push_str(&text[at..]);
    Ok(new)
}

/// Refuses to change what an alias elsewhere stands for: it would change there,
/// too, or be gone.
fn shared(text: &str, root: Option<&Node>, splices: &Splices) -> Result<(), String> {
    let gone = |at: usize| splices.iter().any(|(range, _)| range.contains(&at));
    for (alias, origin) in root.map(Node::aliases).unwrap_or_default() {
        let within = |range: &Range<usize>| origin.start < range.start && range.start < origin.end;
        let changed = gone(origin.start) || splices.iter().any(|(range, _)| within(range));
        if changed && !gone(alias.start) {
            let starts = line_starts(text);
            let line = |at: usize| starts.partition_point(|start| *start <= at);
            return Err(format!(
                "what it would change on line {} is used on line {}, too, as the alias `{}`",
                line(origin.start),
                line(alias.start),
                &text[alias]
            ));
        }
    }
    Ok(())
}

struct Source<'a> {
    text: &'a str,
    newline: &'static str,
    home: &'a Path,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, home: &'a Path) -> Self {
        Self { text, newline: newline(text), home }
    }
}
