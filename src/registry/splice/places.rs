use std::ops::Range;

use super::Source;
use crate::registry::{
    text::{before_break, is_blank, is_comment, line, line_start, next_line, skip_trivia},
    tree::{Kind, Node},
};

/// Where the pieces of a node are that the parser does not tell.
impl Source<'_> {
    /// The dash of an item of a block list.
    pub(super) fn dash(&self, item: &Node) -> Option<usize> {
        let first = self.first_key(item).unwrap_or(item.span.start).min(item.span.start);
        let mut at = first;
        loop {
            let start = line_start(self.text, at);
            let head = &self.text[start..at];
            // What is before the item on its line, or on lines above it, is
            // space, comments, and the dash.
            let code = head.find('#').map_or(head, |hash| &head[..hash]);
            if let Some(dash) = code.rfind('-') {
                return Some(start + dash);
            }
            if start == 0 || !is_blank(code) {
                return None;
            }
            at = before_break(self.text, start);
        }
    }

    /// Where the first key of a mapping begins, with the `?` before it.
    pub(super) fn first_key(&self, map: &Node) -> Option<usize> {
        let Kind::Map { pairs, open: None } = &map.kind else { return None };
        if map.is_alias() {
            return None;
        }
        Some(self.key_start(&pairs.first()?.0))
    }

    /// Where a key begins, with the `?` before it.
    pub(super) fn key_start(&self, key: &Node) -> usize {
        let head = self.text[..key.span.start].trim_end_matches(' ');
        if head.ends_with('?') { head.len() - 1 } else { key.span.start }
    }

    /// What is before `at` on its line.
    pub(super) fn margin(&self, at: usize) -> String {
        self.text[line_start(self.text, at)..at].to_owned()
    }

    pub(super) fn indent_of(&self, map: &Node) -> Result<String, String> {
        let indent =
            self.margin(self.first_key(map).ok_or("the file is written in a way that kpmo does not edit")?);
        if is_blank(&indent) { Ok(indent) } else { Err("the first key is not first on its line".into()) }
    }

    pub(super) fn column_as_space(&self, at: usize) -> String {
        " ".repeat(self.margin(at).chars().count())
    }

    /// The comma after a piece, past space and comments.
    pub(super) fn comma(&self, end: usize) -> Option<usize> {
        let at = skip_trivia(self.text, end);
        self.text[at..].starts_with(',').then_some(at)
    }

    /// The start of the first line that is not the node's: what is put there
    /// leaves the node as it is.
    pub(super) fn after(&self, node: &Node) -> usize {
        let end = node.span.end;
        if !node.ends_in_block_scalar() {
            return next_line(self.text, end);
        }
        // The parser puts the end of a `|` scalar at what follows it.
        if is_blank(&self.margin(end)) && end > 0 {
            line_start(self.text, end)
        } else {
            next_line(self.text, end)
        }
    }

    /// As [`Self::after`], without the blank lines that a `|` scalar may have
    /// at its end.
    pub(super) fn end_of_text(&self, node: &Node) -> usize {
        let mut end = self.after(node);
        while node.ends_in_block_scalar() && !node.keeps_blank_lines() && end > node.span.start {
            let above = line_start(self.text, before_break(self.text, end));
            if !is_blank(line(self.text, above)) || above == end {
                break;
            }
            end = above;
        }
        end
    }

    /// Past an entry and the comments below it that are indented as its own.
    pub(super) fn end_of(&self, item: &Node, dash: usize) -> usize {
        self.with_inner_comments(self.end_of_text(item), dash)
    }

    pub(super) fn with_inner_comments(&self, mut at: usize, dash: usize) -> usize {
        let column = self.margin(dash).len();
        while at < self.text.len() {
            let line = line(self.text, at);
            if !is_comment(line) || line.len() - line.trim_start_matches(' ').len() <= column {
                break;
            }
            at = next_line(self.text, at);
        }
        at
    }

    /// Where the comment lines right above an item begin, or the item's line.
    pub(super) fn top(&self, items: &[Node], at: usize, dash: usize) -> usize {
        let bound =
            match at.checked_sub(1).and_then(|before| Some((&items[before], self.dash(&items[before])?))) {
                Some((before, dash)) => self.end_of(before, dash),
                None => 0,
            };
        let mut top = line_start(self.text, dash);
        while top > bound {
            let above = line_start(self.text, before_break(self.text, top));
            if !is_comment(line(self.text, above)) {
                break;
            }
            top = above;
        }
        top
    }

    /// Lines put in before the line that begins at `at`. At the end of a text
    /// without final line break they bring their own and leave off the last,
    /// unless the text has no lines yet.
    pub(super) fn at_line_start(&self, at: usize, lines: String, fresh: bool) -> (Range<usize>, String) {
        let open = at == self.text.len() && !self.text.is_empty() && !self.text.ends_with(['\r', '\n']);
        if !open {
            return (at..at, lines);
        }
        let lines = if fresh { lines.as_str() } else { lines.trim_end_matches(['\r', '\n']) };
        (at..at, format!("{}{lines}", self.newline))
    }

    pub(super) fn is_json(&self, map: &Node) -> bool {
        let Kind::Map { pairs, open: Some(_) } = &map.kind else { return false };
        pairs.iter().all(|(key, _)| self.text[key.span.clone()].starts_with('"'))
    }
}
