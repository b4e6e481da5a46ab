//! Random documents with everything that hands put into them, and random
//! edits: the entries change as asked, and outside the changed entry's own
//! lines not a byte does.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{Edit, FieldChange, ID, RepoChange, read, repo, try_edited};
use crate::registry::{RepoStatus, Stage};

/// Whole lines, and the entry whose own they are.
type Piece = (Option<usize>, String);

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a document may have or not")]
struct Frame {
    newline: &'static str,
    mark: bool,
    /// Nothing, `---`, or a directive and `---`.
    start: usize,
    end_marker: bool,
    final_break: bool,
    repos_first: bool,
    indent: usize,
    gap: usize,
}

fn frame() -> impl Strategy<Value = Frame> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (select(vec!["\n", "\r\n"]), flags, 0..3usize, select(vec![0, 2, 4]), 1..4usize).prop_map(
        |(newline, (mark, end_marker, final_break, repos_first), start, indent, gap)| Frame {
            newline,
            mark,
            start,
            end_marker,
            final_break,
            repos_first,
            indent,
            gap,
        },
    )
}

/// What stands behind a value, or between lines.
fn trail() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\t", "   # it's {a: [comment", "\t# tab", " \t "])
}

fn between() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", "\n", "# between: - [x\n", "\n# apart\n\n"])
}

/// A key and its value as lines without margin; continued lines are indented
/// by the spaces that they begin with. In flow style if asked.
#[derive(Debug, Clone)]
struct Field {
    block: Vec<String>,
    flow: String,
}

fn field(block: &str, flow: &str) -> Field {
    Field { block: block.split('\n').map(str::to_owned).collect(), flow: flow.to_owned() }
}

fn role() -> impl Strategy<Value = Field> {
    select(vec![
        field("role: plain text", "role: plain text"),
        field("role:   'it''s quoted'", "role: 'it''s, quoted'"),
        field("role: \"dou\\\"ble # no comment\"", "'role': \"dou\\\"ble\""),
        field("role: |\n  # literal\n  - text\n\n  more: {", "role: \"a\\nb\""),
        field("role: >-\n  folded\n  text", "role: [A"),
        field("role: |+\n  kept\n\n", "role: x y"),
        field("role: plain\n  over two\n  lines", "role: plain\n  over two"),
        field("role: 'quoted\n\n  over lines'", "role: 'quoted\n  over'"),
        field("role: ~", "role: null"),
        field("role:", "role: "),
        field("\"role\": ''", "\"role\": ''"),
        field("? role\n: complex", "? role : complex"),
    ])
    .prop_map(|mut role| {
        if role.flow.ends_with("[A") {
            role.flow = "role: '[A'".into();
        }
        role
    })
}

fn tags() -> impl Strategy<Value = Field> {
    select(vec![
        field("tags: [a, 'b', \"c\"]", "tags: [a, 'b', \"c\"]"),
        field("tags: [ a ,b ,]", "tags: [ a ,b ,]"),
        field("tags:\n- a\n- b", "tags: [a]"),
        field("tags:\n  - a # ay\n  # of b\n  - 'b'\n\n  - c", "tags: [a,\n  b]"),
        field("tags: [\n  a, # ay\n  b\n  ]", "tags: [\n  a, # ay\n  b\n  ]"),
        field("tags: []", "tags: []"),
        field("tags:", "tags: "),
        field("tags: [&n a, b]", "tags: [&n a, b]"),
        field("tags:\n  - >-\n    fold\n    ed\n  - |-\n    lit\n  - b", "tags: ['fold ed']"),
    ])
}

fn more() -> impl Strategy<Value = Vec<Field>> {
    let stage = select(vec![field("stage: dev", "stage: dev"), field("stage: 'prod'", "stage: 'prod'")]);
    let remote = select(vec![
        field("remote_url: git@example.org:x.git", "remote_url: git@example.org:x.git"),
        field("remote_url: null", "remote_url: null"),
    ]);
    let verify = select(vec![
        field("verify:\n  - make\n  # then\n  - |\n    one\n    two", "verify: [make]"),
        field("verify: ['a: b', make]", "verify: ['a: b', make]"),
    ]);
    (vec(stage, 0..2), vec(remote, 0..2), vec(verify, 0..2))
        .prop_map(|(stage, remote, verify)| [stage, remote, verify].concat())
}

#[derive(Debug, Clone)]
struct Entry {
    fields: Vec<(Field, &'static str, &'static str)>,
    /// Where the name and the path stand among them.
    salt: usize,
    /// Keys on the dash's line, below it, in braces on one line, over lines.
    form: u8,
    above: &'static str,
    below: &'static str,
    beside: &'static str,
}

fn entry() -> impl Strategy<Value = Entry> {
    let fields = (prop::option::of(role()), prop::option::of(tags()), more());
    let fields = fields.prop_map(|(role, tags, more)| {
        [role.into_iter().collect(), tags.into_iter().collect(), more].concat()
    });
    let fields = fields.prop_flat_map(|fields: Vec<Field>| {
        let count = fields.len() + 2;
        (Just(fields), vec((trail(), between()), count))
    });
    let fields = fields.prop_map(|(fields, around)| {
        let name = field("name: NAME", "name: NAME");
        let path = field("local_path: \"/srv/NAME\"", "local_path: '/srv/NAME'");
        let all = [name, path].into_iter().chain(fields).zip(around);
        all.map(|(field, (trail, between))| (field, trail, between)).collect::<Vec<_>>()
    });
    (fields, any::<prop::sample::Index>(), 0..4u8, between(), between(), trail()).prop_map(
        |(mut fields, by, form, above, below, beside)| {
            let salt = by.index(fields.len());
            fields.rotate_left(salt);
            Entry { fields, salt, form, above, below, beside }
        },
    )
}

/// Lines with a margin each; blank ones stay blank.
fn indented(text: &str, margin: usize) -> String {
    let margin = " ".repeat(margin);
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") };
    text.split_terminator('\n').map(line).collect()
}

impl Entry {
    fn lines(&self, frame: &Frame, name: &str) -> String {
        let inner = frame.indent + 1 + frame.gap;
        let named = |text: &str| text.replace("NAME", name);
        let dash = format!("{}-{}", " ".repeat(frame.indent), " ".repeat(frame.gap));
        if self.form >= 2 {
            let glue = if self.form == 2 { ", ".to_owned() } else { format!(", # c\n{}", " ".repeat(inner)) };
            let fields: Vec<String> = self
                .fields
                .iter()
                .map(|(field, ..)| {
                    named(&field.flow).replace("\n  ", &format!("\n{}", " ".repeat(inner + 2)))
                })
                .collect();
            let last = if self.salt.is_multiple_of(2) { "," } else { "" };
            return format!("{dash}{{{}{last}}}{}\n", fields.join(&glue), self.beside);
        }
        let mut text = String::new();
        for (at, (field, trail, between)) in self.fields.iter().enumerate() {
            for (number, line) in field.block.iter().enumerate() {
                // Behind a `|` or in a text that goes on a comment would be text.
                let trail = if field.block.len() == 1 { trail } else { "" };
                let margin = if at == 0 && number == 0 { 0 } else { inner };
                let line = format!("{}{trail}", named(line));
                text.push_str(&indented(if line.is_empty() { "\n" } else { &line }, margin));
            }
            if at + 1 < self.fields.len() {
                text.push_str(&indented(between, inner));
            }
        }
        match self.form {
            0 => format!("{dash}{text}"),
            // libyaml, which reads again, takes no tab behind a dash.
            _ => format!(
                "{}-{}\n{}{text}",
                " ".repeat(frame.indent),
                self.beside.replace('\t', " "),
                " ".repeat(inner)
            ),
        }
    }
}

fn pieces(frame: &Frame, entries: &[Entry]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut put = |owner, text: String| pieces.push((owner, text));
    put(None, ["", "---\n", "%YAML 1.2\n---  # begins\n"][frame.start].to_owned());
    put(None, "# head\n\n".to_owned());
    if !frame.repos_first {
        put(None, "version: 1   # of the format\n".to_owned());
    }
    put(None, "repos:  # all\n".to_owned());
    for (at, entry) in entries.iter().enumerate() {
        put(None, indented(entry.above, frame.indent));
        put(Some(at), entry.lines(frame, &format!("n{at}")));
        put(None, indented(entry.below, frame.indent));
    }
    if frame.repos_first {
        put(None, "version: 1\n".to_owned());
    }
    if frame.end_marker {
        put(None, "...\n# after the end\n".to_owned());
    }
    // Blank lines below a text that keeps them are that text's.
    for at in 0..pieces.len() {
        let Some(entry) = pieces[at].0.map(|owner| &entries[owner]) else { continue };
        if entry.form < 2 && entry.fields.last().is_some_and(|(field, ..)| field.block[0].ends_with("|+")) {
            for below in at + 1..pieces.len() {
                let text = std::mem::take(&mut pieces[below].1);
                let rest = text.trim_start_matches('\n');
                pieces[at].1.push_str(&text[..text.len() - rest.len()]);
                pieces[below].1 = rest.to_owned();
                if !rest.is_empty() {
                    break;
                }
            }
        }
    }
    for (_, text) in &mut pieces {
        *text = text.replace('\n', frame.newline);
    }
    if frame.mark {
        pieces[0].1.insert(0, '\u{feff}');
    }
    if !frame.final_break
        && let Some((_, last)) = pieces.iter_mut().rev().find(|(_, text)| !text.is_empty())
    {
        last.truncate(last.trim_end_matches(['\r', '\n']).len());
    }
    pieces
}

fn document() -> impl Strategy<Value = Vec<Piece>> {
    (frame(), vec(entry(), 1..5)).prop_map(|(frame, entries)| pieces(&frame, &entries))
}

fn text_of(pieces: &[Piece]) -> String {
    pieces.iter().map(|(_, text)| text.as_str()).collect()
}

fn fields() -> impl Strategy<Value = Vec<FieldChange>> {
    let word = || select(vec!["new", "a", "b", "it's", "x: y", "#c", "true", "", "[z]", "two\nlines"]);
    let line = || select(vec!["new", "a", "b", "it's", "x: y", "#c", "true", "[z]"]);
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let items = || vec(line().prop_map(str::to_owned), 0..3);
    let change = prop_oneof![
        line().prop_map(|name| FieldChange::Name(format!("{name}-renamed"))),
        line().prop_map(|name| FieldChange::LocalPath(format!("/home/dev/{name}").into())),
        line().prop_map(move |text| FieldChange::RemoteUrl(some(text))),
        Just(FieldChange::RemoteUrl(None)),
        line().prop_map(move |text| FieldChange::DefaultBranch(some(text))),
        line().prop_map(move |text| FieldChange::EnvTemplate(some(text))),
        Just(FieldChange::GitignoreProfile(Some("rust".into()))),
        select(RepoStatus::ALL.to_vec()).prop_map(FieldChange::Status),
        select(Stage::ALL.to_vec()).prop_map(FieldChange::Stage),
        word().prop_map(move |text| FieldChange::Role(some(text))),
        Just(FieldChange::Role(None)),
        items().prop_map(FieldChange::Tags),
        items().prop_map(FieldChange::AddTags),
        items().prop_map(FieldChange::RemoveTags),
        items().prop_map(FieldChange::Verify),
    ];
    vec(change, 1..4)
}

/// The text after an edit; `None` where what moves up to a `|` text would
/// become part of it: a line break that it lacks at the very end, blank lines
/// that `|+` keeps. That is refused, not written.
fn after(text: &str, change: &Edit) -> Option<String> {
    match try_edited(text, change) {
        Ok(after) => Some(after),
        Err(_) if !text.ends_with('\n') && text.contains(['|', '>']) => None,
        Err(_) if text.contains("|+") => None,
        Err(reason) => panic!("{reason}"),
    }
}

/// The lines that say something, without those of `owner`.
fn said(pieces: &[Piece], owner: usize) -> Vec<String> {
    let others = pieces.iter().filter(|(own, _)| *own != Some(owner));
    nonblank(&others.map(|(_, text)| text.as_str()).collect::<String>())
}

fn nonblank(text: &str) -> Vec<String> {
    text.split(['\r', '\n']).filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_change_keeps_to_the_lines_of_its_entries(
        pieces in document(),
        changes in vec((any::<prop::sample::Index>(), fields()), 1..3),
    ) {
        let text = text_of(&pieces);
        let repos = read(&text).repos;
        let mut wanted: Vec<RepoChange> = Vec::new();
        for (at, (which, mut fields)) in changes.into_iter().enumerate() {
            for field in &mut fields {
                if let FieldChange::Name(name) = field { name.push_str(&at.to_string()); }
                if let FieldChange::LocalPath(path) = field { path.push(at.to_string()); }
            }
            wanted.push(RepoChange { name: repos[which.index(repos.len())].name.clone(), fields });
        }
        let touched: Vec<usize> = wanted.iter().filter_map(|change| repos.iter().position(|repo| repo.name == change.name)).collect();
        let Some(after) = after(&text, &Edit::Change(wanted.clone())) else { return Ok(()) };
        // What stands around the touched entries stands there still, in order.
        let mut rest = after.as_str();
        let mut fixed = vec![String::new()];
        for (owner, piece) in &pieces {
            match owner {
                Some(own) if touched.contains(own) => fixed.push(String::new()),
                _ => fixed.last_mut().unwrap().push_str(piece),
            }
        }
        let last = fixed.len() - 1;
        for (at, piece) in fixed.iter().enumerate() {
            let found = if at == 0 { rest.strip_prefix(piece.as_str()) }
                else if at == last { rest.ends_with(piece.as_str()).then_some("") }
                else { rest.find(piece.as_str()).map(|found| &rest[found + piece.len()..]) };
            prop_assert!(found.is_some(), "{wanted:?}\n{text}\n=>\n{after}");
            rest = found.unwrap();
        }
        prop_assert_eq!(text.contains("\r\n"), after.contains("\r\n"));
        prop_assert!(!text.contains("\r\n") || !after.replace("\r\n", "").contains('\n'), "{}", after);
    }

    #[test]
    fn what_is_added_stands_between_what_was(pieces in document()) {
        let text = text_of(&pieces);
        let mut new = repo("added", "/srv/added");
        new.tags = vec!["a".into()];
        let Some(after) = after(&text, &Edit::Add(vec![new])) else { return Ok(()) };
        let head = text.bytes().zip(after.bytes()).take_while(|(old, new)| old == new).count();
        let tail = text.bytes().rev().zip(after.bytes().rev()).take_while(|(old, new)| old == new).count();
        prop_assert!(head + tail >= text.len(), "{}\n=>\n{}", text, after);
    }

    #[test]
    fn what_is_removed_takes_no_others_lines(pieces in document(), which in any::<prop::sample::Index>()) {
        let text = text_of(&pieces);
        let repos = read(&text).repos;
        let at = which.index(repos.len());
        let Some(after) = after(&text, &Edit::Remove { name: repos[at].name.clone() }) else { return Ok(()) };
        let (kept, others) = (nonblank(&after), said(&pieces, at));
        // Comments around it may be its own.
        let comment = |line: &&String| line.trim_start().starts_with('#');
        let code = |lines: &[String]| lines.iter().filter(|line| !comment(line)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(code(&kept), code(&others), "{}\n=>\n{}", text, after);
        let (had, has) = (others.iter().filter(comment).count(), kept.iter().filter(comment).count());
        prop_assert!(has <= had && had - has <= 4, "{}\n=>\n{}", text, after);
    }

    #[test]
    fn an_id_is_one_line_more(pieces in document(), which in any::<prop::sample::Index>()) {
        let text = text_of(&pieces);
        let repos = read(&text).repos;
        let name = repos[which.index(repos.len())].name.clone();
        let Some(after) = after(&text, &Edit::AssignIds([(name, ID.to_owned())].into())) else { return Ok(()) };
        let start = after.find(&format!("id: {ID}")).unwrap();
        let rest = &after[start + 4 + ID.len()..];
        let rest = rest.trim_start_matches([',', ' ', '\r', '\n']);
        prop_assert_eq!(format!("{}{rest}", &after[..start]), text);
    }
}
