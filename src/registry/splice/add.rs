use super::{Source, Splices, value_of};
use crate::registry::{
    Repo,
    edit::fields,
    render,
    text::{before_break, is_blank, line, line_end, line_start, next_line},
    tree::{Kind, Node},
};

impl Source<'_> {
    pub(super) fn add(&self, root: Option<&Node>, repos: &[Repo]) -> Result<Splices, String> {
        let root = root.filter(|root| matches!(root.kind, Kind::Map { .. }));
        let Some(root) = root else {
            let text = self.text.trim_matches([' ', '\t', '\r', '\n']);
            let head = if text.is_empty() {
                [
                    "# The repositories that kpmo governs. Edit it freely: kpmo keeps comments and order.",
                    "version: 1",
                    "repos:",
                ]
                .as_slice()
            } else {
                ["version: 1", "repos:"].as_slice()
            };
            let head = head.join(self.newline);
            let block = self.block(repos, "  ", 2, false);
            let lines = format!("{head}{}{block}", self.newline);
            return Ok(vec![self.at_line_start(self.text.len(), lines, true)]);
        };
        let Some((key, value)) = value_of(root, "repos") else {
            if root.is_flow() {
                let item = format!("[{}]", self.braced(repos, self.is_json(root)).join(", "));
                return Ok(self.append_in_braces(root, "repos", &item, self.is_json(root)));
            }
            let indent = self.indent_of(root)?;
            let block = self.block(repos, &format!("{indent}  "), 2, false);
            let lines = format!("{indent}repos:{}{block}", self.newline);
            return Ok(vec![self.at_line_start(self.after(root), lines, false)]);
        };
        match &value.kind {
            Kind::List { .. } if value.is_alias() => Err("`repos:` is an alias".into()),
            Kind::List { items, open: None } => self.add_to_block(items, repos),
            Kind::List { items, open: Some(_) } if !items.is_empty() => {
                Ok(self.add_to_brackets(items, value.span.end, &self.braced(repos, self.is_json(root))))
            }
            // Empty: brackets, a null, or nothing.
            kind => {
                let json = self.is_json(root);
                let inside = match kind {
                    Kind::List { open: Some(open), .. } => *open + 1..value.span.end - 1,
                    _ => value.span.clone(),
                };
                let bare = is_blank(&self.text[inside.clone()]) || !matches!(kind, Kind::List { .. });
                if !root.is_flow()
                    && bare
                    && key.span.start < value.span.start
                    && value.span.start <= line_end(self.text, key.span.end)
                {
                    let indent = format!("{}  ", self.indent_of(root)?);
                    let block = self.block(repos, &indent, 2, false);
                    let start = self.text[..value.span.start].trim_end_matches(' ').len();
                    return Ok(vec![
                        (start..value.span.end, String::new()),
                        self.at_line_start(next_line(self.text, value.span.end), block, false),
                    ]);
                }
                let items = self.braced(repos, json).join(", ");
                Ok(vec![if matches!(kind, Kind::List { .. }) {
                    (inside.start..inside.start, items)
                } else {
                    (inside, format!(" [{items}]"))
                }])
            }
        }
    }

    fn add_to_block(&self, items: &[Node], repos: &[Repo]) -> Result<Splices, String> {
        let last = items.last().ok_or("the list is empty")?;
        let dash = self.dash(last).ok_or("the last entry has no dash")?;
        let indent = self.margin(dash);
        if !is_blank(&indent) {
            return Err("the last entry's dash is not first on its line".into());
        }
        // Keep to the last entry's own layout, where it is on the dash's line.
        let first = self.first_key(last).unwrap_or(last.span.start);
        let same_line = line_start(self.text, first) == line_start(self.text, dash);
        let width = if same_line { first - dash } else { 2 };
        let raw = last.ends_in_block_scalar();
        let apart = !raw
            && items.len() > 1
            && is_blank(line(
                self.text,
                line_start(self.text, before_break(self.text, self.top(items, items.len() - 1, dash))),
            ));
        let at = self.with_inner_comments(self.after(last), dash);
        let block = self.block(repos, &indent, width, apart);
        Ok(vec![self.at_line_start(at, block, false)])
    }

    /// `new` are items, each on one line; `end` is past the closing bracket.
    pub(super) fn add_to_brackets(&self, items: &[Node], end: usize, new: &[String]) -> Splices {
        let Some(last) = items.last() else { return Vec::new() };
        let close = end - 1;
        let comma = self.comma(last.span.end);
        let tail = comma.map_or(last.span.end, |comma| comma + 1);
        let own_line = is_blank(&self.margin(last.span.start)) && line_end(self.text, tail) < close;
        if !own_line {
            let (before, after) = if comma.is_some() { (" ", ",") } else { (", ", "") };
            return vec![(tail..tail, format!("{before}{}{after}", new.join(", ")))];
        }
        let mut splices = Splices::new();
        if comma.is_none() {
            splices.push((tail..tail, ",".into()));
        }
        let indent = self.margin(last.span.start);
        let between = format!(",{}{indent}", self.newline);
        let after = if comma.is_some() { "," } else { "" };
        let lines = format!("{indent}{}{after}{}", new.join(&between), self.newline);
        let at = next_line(self.text, tail);
        splices.push((at..at, lines));
        splices
    }

    /// Entries as lines; `width` is from the dash to the keys.
    fn block(&self, repos: &[Repo], indent: &str, width: usize, apart: bool) -> String {
        let inner = format!("{indent}{}", " ".repeat(width));
        let mut block = String::new();
        for repo in repos {
            if apart {
                block.push_str(self.newline);
            }
            let fields = fields(repo, self.home, false);
            let pairs = fields.iter().map(|(key, value)| render::pair(key, value, &inner, self.newline));
            let pairs = pairs.collect::<Vec<_>>().join(&format!("{}{inner}", self.newline));
            block.extend([indent, "-", &" ".repeat(width - 1), &pairs, self.newline]);
        }
        block
    }

    fn braced(&self, repos: &[Repo], json: bool) -> Vec<String> {
        repos.iter().map(|repo| render::braced(&fields(repo, self.home, false), json)).collect()
    }
}
