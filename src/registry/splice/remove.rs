use std::ops::Range;

use super::{Source, Splices};
use crate::registry::{
    text::{before_break, is_blank, is_comment, line, line_end, line_start, next_line},
    tree::Node,
};

impl Source<'_> {
    pub(super) fn remove(&self, list: &Node, items: &[Node], at: usize) -> Result<Splices, String> {
        if list.is_alias() {
            return Err("`repos:` is an alias".into());
        }
        if list.is_flow() {
            let spans: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
            return Ok(self.remove_between_commas(&spans, at));
        }
        let item = &items[at];
        let dash = self.dash(item).ok_or("the entry has no dash")?;
        if !is_blank(&self.margin(dash)) {
            return Err("the entry's dash is not first on its line".into());
        }
        let end = self.end_of(item, dash);
        let bound = match at.checked_sub(1) {
            Some(before) => {
                self.end_of(&items[before], self.dash(&items[before]).ok_or("an entry has no dash")?)
            }
            None => 0,
        };
        let below = line(self.text, end);
        let closing = at + 1 == items.len() || end == self.text.len();
        // A comment above speaks of this entry, unless another entry follows
        // at once: then it may be the heading of both.
        let top = self.top(items, at, dash);
        let mut start =
            if closing || is_blank(below) || is_comment(below) { top } else { line_start(self.text, dash) };
        let mut end = end;
        // Of the blank lines around it one side stays.
        if start == top && (closing || is_blank(below)) {
            let mut above = start;
            while above > bound
                && is_blank(line(self.text, line_start(self.text, before_break(self.text, above))))
            {
                above = line_start(self.text, before_break(self.text, above));
            }
            if above < start && (end == self.text.len() || is_blank(below)) {
                start = above.max(bound);
            } else if at == 0 && !closing {
                while end < self.text.len() && is_blank(line(self.text, end)) {
                    end = next_line(self.text, end);
                }
            }
        }
        // A text without final line break shall have none afterwards.
        if end == self.text.len() && !self.text.ends_with(['\r', '\n']) {
            start = before_break(self.text, start);
        }
        Ok(vec![(start..end, String::new())])
    }

    /// Takes one of several pieces out that commas separate.
    pub(super) fn remove_between_commas(&self, spans: &[Range<usize>], at: usize) -> Splices {
        let span = &spans[at];
        let comma = self.comma(span.end);
        let tail = comma.map_or(span.end, |comma| comma + 1);
        let rest = &self.text[tail..line_end(self.text, tail)];
        let alone = is_blank(&self.margin(span.start)) && (is_blank(rest) || is_comment(rest));
        let piece = if alone {
            line_start(self.text, span.start)..next_line(self.text, tail)
        } else if at + 1 < spans.len() || at == 0 {
            let space = rest.len() - rest.trim_start_matches(' ').len();
            // A comment must keep a space before it.
            span.start..if is_comment(rest) { tail } else { tail + space }
        } else {
            // The indentation stays for the bracket, which must be as deep.
            let own_line = is_blank(&self.margin(span.start));
            let lead = self.text[..span.start].trim_end_matches(' ').len();
            let start = if own_line { span.start } else { lead };
            start..tail
        };
        let mut splices = vec![(piece, String::new())];
        // The last of them takes the comma before it along, if it had none itself.
        if comma.is_none()
            && at > 0
            && let Some(before) = self.comma(spans[at - 1].end)
        {
            splices.push((before..before + 1, String::new()));
        }
        splices
    }
}
