use std::ops::Range;

use super::{Source, Splices};
use crate::registry::{
    render::{self, Value},
    text::{before_break, is_blank, line_end, line_start, skip_trivia},
    tree::{Kind, Node},
};

impl Source<'_> {
    /// Makes one key of an entry say `value`, or nothing.
    pub(super) fn set(
        &self,
        item: &Node,
        key: &'static str,
        value: Option<&Value>,
    ) -> Result<Splices, String> {
        let Kind::Map { pairs, open } = &item.kind else { return Err("the entry is no mapping".into()) };
        if item.is_alias() {
            return Err("the entry is an alias".into());
        }
        let json = self.is_json(item);
        let is_it = |node: &Node| matches!(&node.kind, Kind::Scalar { value, .. } if value == key);
        let place = pairs.iter().position(|(node, _)| is_it(node));
        Ok(match (place, value) {
            (Some(at), Some(value)) => vec![self.replace(item, &pairs[at], key, value, json)?],
            (Some(at), None) => self.remove_pair(item, pairs, at),
            (None, Some(value)) if key == "id" => vec![self.prepend(item, key, value, json)?],
            (None, Some(value)) if open.is_some() => {
                self.append_in_braces(item, key, &render::in_line(value, json), json)
            }
            (None, Some(value)) => {
                let indent = self.column_as_space(self.first_key(item).ok_or("the entry is empty")?);
                let line = render::pair(key, value, &indent, self.newline);
                vec![self.at_line_start(
                    self.end_of_text(item),
                    format!("{indent}{line}{}", self.newline),
                    false,
                )]
            }
            (None, None) => Splices::new(),
        })
    }

    fn prepend(
        &self,
        item: &Node,
        key: &str,
        value: &Value,
        json: bool,
    ) -> Result<(Range<usize>, String), String> {
        let text = render::in_line(value, json);
        if let Kind::Map { open: Some(open), .. } = item.kind {
            let at = open + 1;
            return Ok((at..at, format!("{}: {text}, ", render::scalar(key, json))));
        }
        let first = self.first_key(item).ok_or("the entry is empty")?;
        let indent = self.column_as_space(first);
        Ok((first..first, format!("{key}: {text}{}{indent}", self.newline)))
    }

    pub(super) fn append_in_braces(&self, map: &Node, key: &str, value: &str, json: bool) -> Splices {
        let Kind::Map { pairs, open: Some(open) } = &map.kind else { return Splices::new() };
        let new = format!("{}: {value}", render::scalar(key, json));
        let Some((_, last)) = pairs.last() else { return vec![(open + 1..open + 1, new)] };
        let end = last.span.end;
        vec![match self.comma(end) {
            Some(comma) => (comma + 1..comma + 1, format!(" {new},")),
            // `key:,` is another key to older readers.
            None if last.span.is_empty() => (end..end, format!(" , {new}")),
            None => (end..end, format!(", {new}")),
        }]
    }

    fn replace(
        &self,
        item: &Node,
        (node, old): &(Node, Node),
        key: &str,
        value: &Value,
        json: bool,
    ) -> Result<(Range<usize>, String), String> {
        let scalar = matches!(old.kind, Kind::Scalar { block: false, .. });
        if scalar && old.span.is_empty() {
            return Ok((old.span.clone(), format!(" {}", render::in_line(value, json))));
        }
        if scalar || old.is_alias() || old.is_flow() {
            let quoted =
                json || self.text[old.span.clone()].starts_with('"') && matches!(value, Value::Text(_));
            return Ok((old.span.clone(), render::in_line(value, quoted)));
        }
        // A block: all from the colon to its last character goes.
        let colon = skip_trivia(self.text, node.span.end);
        if !self.text[colon..].starts_with(':') {
            return Err(format!("`{key}` is written in a way that kpmo does not edit"));
        }
        let end = before_break(self.text, self.end_of_text(old));
        let indent = self.column_as_space(self.first_key(item).ok_or("the entry is empty")?);
        let pair = render::pair(key, value, &indent, self.newline);
        let mut text = pair[key.len()..].to_owned();
        // What is said beside the key, or the sign of a block, stays on its line.
        let line = &self.text[colon..line_end(self.text, colon).min(end)];
        if let Some(at) = line.find(" #").or_else(|| line.find("\t#")) {
            let first = text.find(['\r', '\n']).unwrap_or(text.len());
            text.insert_str(first, &format!(" {}", line[at..].trim()));
        }
        Ok((colon..end, text))
    }

    fn remove_pair(&self, item: &Node, pairs: &[(Node, Node)], at: usize) -> Splices {
        let (key, value) = (self.key_start(&pairs[at].0), &pairs[at].1);
        if item.is_flow() {
            let span = |(key, value): &(Node, Node)| self.key_start(key)..value.span.end;
            return self.remove_between_commas(&pairs.iter().map(span).collect::<Vec<_>>(), at);
        }
        let piece = if is_blank(&self.margin(key)) {
            line_start(self.text, key)..self.end_of_text(value)
        } else {
            // On the dash's line: the next key moves up, unless there is a
            // comment between that would be lost.
            let end = pairs.get(at + 1).map_or(value.span.end, |(next, _)| self.key_start(next));
            let between = &self.text[value.span.end.min(end)..end];
            let space = between.len() - between.trim_start_matches([' ', '\t']).len();
            key..if between.contains('#') { value.span.end + space } else { end }
        };
        let mut piece = piece;
        if piece.end == self.text.len() && !self.text.ends_with(['\r', '\n']) {
            piece.start = before_break(self.text, piece.start);
        }
        vec![(piece, String::new())]
    }
}
