use super::{Source, Splices};
use crate::registry::{
    render,
    text::{before_break, is_blank, line_start},
    tree::{Kind, Node},
};

/// What brings one list nearer to another.
enum Step {
    Remove(usize),
    Append(String),
}

impl Source<'_> {
    /// Takes one item out of a list of texts, or puts one at its end, so that
    /// `now` comes nearer to `wanted`, and notes it in `now`. `None`: that is
    /// no way here, and the list must be written anew.
    pub(super) fn list_step(
        &self,
        entry: &Node,
        key: &str,
        now: &mut Vec<String>,
        wanted: &[String],
    ) -> Option<Splices> {
        let step = step(now, wanted)?;
        let Kind::Map { pairs, .. } = &entry.kind else { return None };
        let (_, held) = pairs
            .iter()
            .find(|(node, _)| matches!(&node.kind, Kind::Scalar { value, .. } if value == key))?;
        let Kind::List { items, open } = &held.kind else { return None };
        if entry.is_alias() || held.is_alias() || items.len() != now.len() {
            return None;
        }
        let splices = match (&step, open) {
            (Step::Remove(at), Some(_)) => {
                let spans: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
                self.remove_between_commas(&spans, *at)
            }
            (Step::Append(text), Some(_)) => {
                let json = self.is_json(entry);
                self.add_to_brackets(items, held.span.end, &[render::scalar(text, json)])
            }
            (Step::Remove(at), None) => {
                let start = line_start(self.text, self.own_dash(&items[*at])?);
                let end = self.end_of_text(&items[*at]);
                let open = end == self.text.len() && !self.text.ends_with(['\r', '\n']);
                vec![(if open { before_break(self.text, start) } else { start }..end, String::new())]
            }
            (Step::Append(text), None) => {
                let last = items.last()?;
                let indent = self.margin(self.own_dash(last)?);
                let line = format!("{indent}- {}{}", render::scalar(text, false), self.newline);
                vec![self.at_line_start(self.end_of_text(last), line, false)]
            }
        };
        match step {
            Step::Remove(at) => {
                now.remove(at);
            }
            Step::Append(text) => now.push(text),
        }
        Some(splices)
    }

    /// The dash of an item, if it is the first thing on its line.
    fn own_dash(&self, item: &Node) -> Option<usize> {
        self.dash(item).filter(|dash| is_blank(&self.margin(*dash)))
    }
}

/// The first step from one list to the other, where something of it stays and
/// what stays keeps its order.
fn step(now: &[String], wanted: &[String]) -> Option<Step> {
    let mut kept = 0;
    let mut gone = None;
    for (at, item) in now.iter().enumerate() {
        if wanted.get(kept) == Some(item) {
            kept += 1;
        } else {
            gone = gone.or(Some(at));
        }
    }
    match gone {
        _ if kept == 0 => None,
        Some(at) => Some(Step::Remove(at)),
        None => wanted.get(kept).cloned().map(Step::Append),
    }
}
