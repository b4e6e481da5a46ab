//! A small tree of YAML nodes that know where they stand in the text.

use std::{collections::HashMap, ops::Range};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::{
    check::MAX_BYTES,
    problem::{Fault, FileRule},
    text::{line, line_start, skip_trivia},
};

/// How many nodes a file may have once its aliases are expanded: three times
/// what two thousand full entries need, and soon reached by aliases of aliases.
const NODES: usize = 250_000;
/// How many bytes of text a file may have once its aliases are expanded: one
/// large text that many borrow is few nodes.
const BYTES: usize = 4 * MAX_BYTES;
/// How deep nodes may nest; a registry needs four.
const DEPTH: usize = 32;

/// A node of the document.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it stands, in bytes, with its anchor. An alias stands where the
    /// `*name` is; a value left out, right after its colon.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
    /// Where it was written, if it is only referred to here.
    pub origin: Option<Range<usize>>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A text, not yet resolved to a type.
    Scalar {
        /// With quotes, escapes and folding undone.
        value: String,
        /// Unquoted, so that `1` is a number.
        plain: bool,
        /// A `|` or `>` scalar.
        block: bool,
    },
    /// A sequence.
    List {
        /// Its items.
        items: Vec<Node>,
        /// Offset of the `[`, if it is written so.
        open: Option<usize>,
    },
    /// A mapping.
    Map {
        /// Its keys and values, in order, doubled keys and all.
        pairs: Vec<(Node, Node)>,
        /// Offset of the `{`, if it is written so.
        open: Option<usize>,
    },
}

impl Node {
    /// Whether its last piece of text is a `|` or `>` scalar, whose end is
    /// not at the end of a line.
    pub fn ends_in_block_scalar(&self) -> bool {
        self.last_block_scalar().is_some()
    }

    /// Whether blank lines below it are part of its text (`|+`).
    pub fn keeps_blank_lines(&self) -> bool {
        self.last_block_scalar().is_some_and(|text| text.ends_with("\n\n") || text == "\n")
    }

    fn last_block_scalar(&self) -> Option<&str> {
        match &self.kind {
            _ if self.is_alias() => None,
            Kind::Scalar { block, value, .. } => block.then_some(value),
            Kind::List { items, open: None } => items.last()?.last_block_scalar(),
            Kind::Map { pairs, open: None } => pairs.last()?.1.last_block_scalar(),
            Kind::List { .. } | Kind::Map { .. } => None,
        }
    }

    /// Whether it was written elsewhere and is only referred to here.
    pub fn is_alias(&self) -> bool {
        self.origin.is_some()
    }

    /// The aliases in it: where each stands, and where what it refers to does.
    pub fn aliases(&self) -> Vec<(Range<usize>, Range<usize>)> {
        if let Some(origin) = &self.origin {
            return vec![(self.span.clone(), origin.clone())];
        }
        match &self.kind {
            Kind::Scalar { .. } => Vec::new(),
            Kind::List { items, .. } => items.iter().flat_map(Self::aliases).collect(),
            Kind::Map { pairs, .. } => {
                pairs.iter().flat_map(|(key, value)| [key, value]).flat_map(Self::aliases).collect()
            }
        }
    }

    /// Whether it is written in brackets or braces.
    pub fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::List { open: Some(_), .. } | Kind::Map { open: Some(_), .. })
    }

    /// What a copy of it takes.
    fn measure(&self) -> Size {
        let children: Vec<&Self> = match &self.kind {
            Kind::Scalar { value, .. } => return Size { nodes: 1, bytes: value.len(), depth: 0 },
            Kind::List { items, .. } => items.iter().collect(),
            Kind::Map { pairs, .. } => pairs.iter().flat_map(|(key, value)| [key, value]).collect(),
        };
        let add = |sum: Size, more: Size| Size {
            nodes: sum.nodes + more.nodes,
            bytes: sum.bytes + more.bytes,
            depth: sum.depth.max(more.depth + 1),
        };
        children.into_iter().map(Self::measure).fold(Size { nodes: 1, bytes: 0, depth: 0 }, add)
    }
}

/// How many nodes, how much text, and how deep.
#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// What keeps a text from being a tree: the offset, and what is wrong there.
pub(super) type NoTree = (usize, Fault);

fn syntax(message: impl Into<String>) -> Fault {
    Fault::new(FileRule::Syntax, message)
}

fn too_large(message: String) -> Fault {
    Fault::new(FileRule::TooLarge, message)
}

/// A collection that is still being read.
struct Open {
    start: usize,
    bracket: Option<usize>,
    anchor: usize,
    map: bool,
    children: Vec<Node>,
}

/// Reads the one document of a text without byte order mark; `None` if it
/// says nothing.
pub(super) fn build(text: &str) -> Result<Option<Node>, NoTree> {
    let mut builder = Builder {
        text,
        bytes: (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect()),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        bytes_copied: 0,
        root: None,
    };
    let mut parser: Parser<StrInput> = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = builder.offset(error.marker().index());
            let at = if error.info().contains("found a tab") { tab_from(text, at) } else { at };
            (at, syntax(format!("not YAML: {}", error.info())).fix(mend(text, at, error.info())))
        })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let at = builder.offset(span.start.index());
                let fault = syntax("a second document begins here").fix("the file is one document");
                return Err((at, fault));
            }
        }
        builder.event(event, span)?;
    }
    Ok(builder.root)
}

/// The tab that indents a line from `at` on: of a value that seems to go on, the
/// parser names the beginning.
fn tab_from(text: &str, at: usize) -> usize {
    let mut start = at;
    while let Some(end) = text[start..].find('\n') {
        start += end + 1;
        let indent =
            &text[start..][..text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len()];
        if let Some(tab) = indent.find('\t') {
            return start + tab;
        }
    }
    at
}

/// What would make YAML of it, where the parser's words do not tell.
fn mend(text: &str, at: usize, info: &str) -> &'static str {
    // The parser may stop at the tab, or at what is behind it.
    let indent = line(text, line_start(text, at.min(text.len())));
    let indent = &indent[..indent.len() - indent.trim_start_matches([' ', '\t']).len()];
    if indent.contains('\t') || info.contains("found a tab") {
        "indent with spaces, not with tabs"
    } else if text[at..].starts_with([']', '}']) && info.contains("indentation") {
        // Common, and older readers take it, but YAML 1.2 does not.
        "indent it deeper than its key"
    } else {
        ""
    }
}

struct Builder<'a> {
    text: &'a str,
    /// Byte offset of each character; `None` where the two are the same.
    bytes: Option<Vec<usize>>,
    open: Vec<Open>,
    /// Each anchor's node, and its size.
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    bytes_copied: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    /// The parser counts characters.
    fn offset(&self, index: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.text.len()),
            None => index.min(self.text.len()),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), NoTree> {
        let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
        if let Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_)) = event
        {
            return Err((start, syntax("YAML tags have no place here")));
        }
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let span = match style {
                    _ if start == end => self.after_colon(start),
                    ScalarStyle::SingleQuoted => start..self.quoted_end(start, end, '\''),
                    ScalarStyle::DoubleQuoted => start..self.quoted_end(start, end, '"'),
                    _ => start..end,
                };
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let plain = style == ScalarStyle::Plain;
                let mut value = value.into_owned();
                // A text that ends without a line break has none (YAML 1.2, 8.1.1.2).
                if block && end == self.text.len() && !self.text.ends_with(['\r', '\n']) {
                    value.truncate(value.trim_end_matches('\n').len());
                }
                let kind = Kind::Scalar { value, plain, block };
                self.put(Node { span, kind, origin: None }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(start, end, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(start, end, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = self.open.pop() else { return Ok(()) };
                let last = done.children.last().map(|child| child.span.end);
                let end = match done.bracket {
                    Some(open) => self.close(last.unwrap_or(open + 1)).unwrap_or(start + 1),
                    None => last.unwrap_or(done.start),
                };
                let span = done.start..end;
                let kind = if done.map {
                    Kind::Map { pairs: paired(done.children), open: done.bracket }
                } else {
                    Kind::List { items: done.children, open: done.bracket }
                };
                self.put(Node { span, kind, origin: None }, done.anchor)
            }
            Event::Alias(anchor) => {
                let Some((_, size)) = self.anchors.get(&anchor) else {
                    return Err((start, syntax("this alias is part of what it stands for")));
                };
                let size = *size;
                self.copied(start, size)?;
                if self.open.len() + size.depth > DEPTH {
                    return Err((start, too_large(format!("nested more than {DEPTH} deep"))));
                }
                let node = &self.anchors[&anchor].0;
                let node =
                    Node { span: start..end, kind: node.kind.clone(), origin: Some(node.span.clone()) };
                self.put(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, start: usize, end: usize, anchor: usize, map: bool) -> Result<(), NoTree> {
        if self.open.len() == DEPTH {
            return Err((start, too_large(format!("nested more than {DEPTH} deep"))));
        }
        self.open.push(Open { start, bracket: self.bracket(start, end), anchor, map, children: Vec::new() });
        Ok(())
    }

    /// Counts what is about to be copied, before it is: the copy is what a bomb
    /// is after.
    fn copied(&mut self, at: usize, size: Size) -> Result<(), NoTree> {
        self.nodes += size.nodes;
        self.bytes_copied += size.bytes;
        let message = if self.nodes > NODES {
            format!("aliases expand this file to more than {NODES} nodes")
        } else if self.bytes_copied > BYTES {
            format!("anchors and aliases expand this file to more than {} MiB", BYTES >> 20)
        } else {
            return Ok(());
        };
        Err((at, too_large(message)))
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), NoTree> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err((node.span.start, too_large(format!("the file has more than {NODES} nodes"))));
        }
        if anchor != 0 {
            let size = node.measure();
            self.copied(node.span.start, size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    /// The end of a quoted scalar. The parser tells where what follows it
    /// begins, past spaces and comments.
    fn quoted_end(&self, start: usize, end: usize, quote: char) -> usize {
        let piece = &self.text[start..end];
        // An anchor before it can have a quote in its name.
        let name = piece.find([' ', '\t', '\r', '\n']).filter(|_| piece.starts_with('&')).unwrap_or(0);
        let Some(open) = piece[name..].find(quote) else { return end };
        let body = start + name + open + 1;
        let mut chars = self.text[body..end].char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            if quote == '"' && char == '\\' {
                chars.next();
            } else if char == quote {
                if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                    chars.next();
                } else {
                    return body + at + 1;
                }
            }
        }
        end
    }

    /// The bracket or brace that a collection begins with, past its anchor. A
    /// block collection's start is empty, or its anchor and the space after.
    fn bracket(&self, start: usize, end: usize) -> Option<usize> {
        let piece = &self.text[start..end];
        let name = piece.find([' ', '\t', '\r', '\n', '[', '{']).filter(|_| piece.starts_with('&'));
        let at = name.map_or(start, |length| skip_trivia(self.text, start + length));
        (start < end && self.text[at..].starts_with(['[', '{'])).then_some(at)
    }

    /// The end of a collection in brackets or braces, given where its last
    /// child ends. The parser tells the place of a final comma instead.
    fn close(&self, last: usize) -> Option<usize> {
        let mut at = skip_trivia(self.text, last);
        if self.text[at..].starts_with(',') {
            at = skip_trivia(self.text, at + 1);
        }
        self.text[at..].starts_with([']', '}']).then_some(at + 1)
    }

    /// The place of a value that was left out, given where its key ends.
    fn after_colon(&self, at: usize) -> Range<usize> {
        let colon = skip_trivia(self.text, at);
        let at = if self.text[colon..].starts_with(':') { colon + 1 } else { at };
        at..at
    }
}

fn paired(children: Vec<Node>) -> Vec<(Node, Node)> {
    let mut children = children.into_iter();
    std::iter::from_fn(|| Some((children.next()?, children.next()?))).collect()
}
