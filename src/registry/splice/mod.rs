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

use std::{ops::Range, path::Path};

mod add;
mod places;
mod remove;
mod set;

use super::{
    Edit, Repo,
    check::Read,
    edit::fields,
    render::Value,
    rules::KEYS,
    text::newline,
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
        Edit::Set { .. } => {
            let mut text = read.text.to_owned();
            for (at, (old, new)) in changed() {
                text = set_all(text, at, old, new, home)?;
            }
            return Ok(text);
        }
    };
    spliced(read.text, splices)
}

/// Rewrites what differs between two states of the entry `at`, key by key: a
/// key put in or taken out changes what is right for its neighbours.
fn set_all(mut text: String, at: usize, old: &Repo, new: &Repo, home: &Path) -> Result<String, String> {
    let (before, after) = (fields(old, home, true), fields(new, home, true));
    let get = |fields: &[(&'static str, Value)], key: &str| {
        fields.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
    };
    for key in KEYS {
        let value = get(&after, key);
        if value == get(&before, key) {
            continue;
        }
        let root = tree::build(&text).map_err(|(_, fault)| fault)?;
        let splices = Source::new(&text, home).set(&list_of(root.as_ref())?.1[at], key, value.as_ref())?;
        text = spliced(&text, splices)?;
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
fn spliced(text: &str, mut splices: Splices) -> Result<String, String> {
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
