//! Random documents in random layouts, and random edits of them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{Edit, HOME, Repo, edited, read};
use crate::registry::{RepoStatus, Stage};

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a document may have or not")]
struct Layout {
    crlf: bool,
    mark: bool,
    final_break: bool,
    indent: usize,
    gap: usize,
    /// Block, brackets on one line, brackets over several.
    list: u8,
    last_comma: bool,
    head: bool,
    beside_list: bool,
    tail: bool,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a document may have or not")]
struct Entry {
    repo: Repo,
    /// Keys on the dash's line, below it, in braces.
    form: u8,
    quotes: u8,
    blank: usize,
    above: bool,
    beside: bool,
    within: bool,
    below: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (flags, select(vec![0, 2, 4]), 1..4usize, 0..3u8).prop_map(|(flags, indent, gap, list)| {
        let (crlf, mark, final_break, last_comma, head, beside_list, tail) = flags;
        Layout { crlf, mark, final_break, indent, gap, list, last_comma, head, beside_list, tail }
    })
}

/// Texts that look like something else in YAML, and texts that do not.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_-]{0,8}",
        select(vec![
            "yes",
            "No",
            "null",
            "~",
            "1",
            "0x1f",
            "1e3",
            "2001-01-01",
            "1:30",
            "1_000",
            ".5",
            ".inf",
            "-",
            "- a",
            "? x",
            "a: b",
            "a #b",
            "#b",
            "*a",
            "&a",
            "!a",
            "%a",
            "`a`",
            "{a}",
            "[a]",
            "a,b",
            "it's",
            "say \"x\"",
            "a\\b",
            "é ü",
            " lead",
            "trail ",
            "a:",
            "---",
            "...",
            "=",
            "<<",
            "\u{feff}x",
            "a\u{2028}b",
            "\u{1f600}",
            "a  b",
            "true",
        ])
        .prop_map(str::to_owned),
    ]
}

fn id(number: u32) -> String {
    format!("0193e4e0-7a10-7000-8000-{number:012x}")
}

fn repo() -> impl Strategy<Value = Repo> {
    let texts = (option::of(word()), option::of(word()), option::of(word()));
    let lists = (vec(word(), 0..3), vec(prop_oneof![word(), Just("a\n\tb\n".to_owned())], 0..3));
    (
        any::<u16>(),
        option::weighted(0.5, any::<u16>()),
        word(),
        word(),
        texts,
        lists,
        0..3usize,
        0..3usize,
        any::<bool>(),
    )
        .prop_map(
            |(salt, own, name, dir, (branch, role, template), (tags, verify), status, stage, at_home)| Repo {
                id: own.map(|own| id(u32::from(own))),
                name: format!("{name}{salt}"),
                local_path: format!("{}/{dir}/{salt}", if at_home { HOME } else { "/srv" }).into(),
                remote_url: Some(format!("git@example.org:x/{salt}.git")).filter(|_| salt % 2 == 0),
                default_branch: branch,
                env_template: template,
                gitignore_profile: None,
                status: RepoStatus::ALL[status],
                stage: Stage::ALL[stage],
                role,
                tags,
                verify,
            },
        )
}

fn entry() -> impl Strategy<Value = Entry> {
    let comments = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (repo(), 0..3u8, any::<u8>(), 0..3usize, comments).prop_map(|(repo, form, quotes, blank, comments)| {
        let (above, beside, within, below) = comments;
        Entry { repo, form, quotes, blank, above, beside, within, below }
    })
}

/// A layout and at least `least` entries.
fn document(least: usize) -> impl Strategy<Value = (Layout, Vec<Entry>)> {
    (layout(), vec(entry(), least..5)).prop_map(|(layout, mut entries)| {
        let mut seen = std::collections::HashSet::new();
        entries.retain(|entry| {
            let repo = &entry.repo;
            let id = repo.id.clone().unwrap_or_else(|| format!("none {}", repo.name));
            seen.insert(id)
                & seen.insert(format!("n {}", repo.name))
                & seen.insert(repo.local_path.display().to_string())
        });
        (layout, entries)
    })
}

/// A comment that says whose it is, in characters that mean something elsewhere.
fn comment(owner: &str, place: &str) -> String {
    format!("# @{owner}-{place}@ - it's \"{{odd]: , -")
}

/// The comments of a text, in order, as `owner-place`.
fn comments(text: &str) -> Vec<String> {
    text.split("# @").skip(1).map(|rest| rest.split('@').next().unwrap().to_owned()).collect()
}

fn scalar(text: &str, quotes: u8) -> String {
    let printable = text.chars().all(|char| !char.is_control() && char != '\u{feff}' && char != '\u{2028}');
    let plain = text.chars().all(|char| char.is_ascii_lowercase() || char == '/')
        && !["no", "on", "yes", "off", "y", "n", "null", "true"].contains(&text);
    match quotes % 3 {
        0 if plain && !text.is_empty() => text.to_owned(),
        1 if printable => format!("'{}'", text.replace('\'', "''")),
        _ => {
            let escape = |char: char| match char {
                '"' | '\\' => format!("\\{char}"),
                ' '..='~' => char.to_string(),
                char if (char as u32) < 0x10000 => format!("\\u{:04x}", char as u32),
                char => format!("\\U{:08x}", char as u32),
            };
            format!("\"{}\"", text.chars().map(escape).collect::<String>())
        }
    }
}

fn pairs(entry: &Entry) -> Vec<(&'static str, String)> {
    let Repo {
        id,
        name,
        local_path,
        remote_url,
        default_branch,
        env_template,
        status,
        stage,
        role,
        tags,
        verify,
        ..
    } = &entry.repo;
    let one = |text: &str| scalar(text, entry.quotes);
    let all =
        |items: &[String]| format!("[{}]", items.iter().map(|item| one(item)).collect::<Vec<_>>().join(", "));
    let mut pairs = vec![("name", one(name)), ("local_path", one(local_path.to_str().unwrap()))];
    for (key, text) in [
        ("id", id),
        ("remote_url", remote_url),
        ("default_branch", default_branch),
        ("env_template", env_template),
        ("role", role),
    ] {
        pairs.extend(text.as_ref().map(|text| (key, one(text))));
    }
    pairs.push(("status", one(status.as_str())));
    pairs.push(("stage", one(stage.as_str())));
    pairs.push(("tags", all(tags)));
    pairs.push(("verify", all(verify)));
    let by = usize::from(entry.quotes) % pairs.len();
    pairs.rotate_left(by);
    pairs
}

fn braces(entry: &Entry) -> String {
    let pairs: Vec<String> = pairs(entry).into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let comma = if entry.below { "," } else { "" };
    format!("{{{}{comma}}}", pairs.join(", "))
}

fn block(layout: &Layout, owner: &str, entry: &Entry, lines: &mut Vec<String>) {
    let margin = " ".repeat(layout.indent);
    let inner = " ".repeat(layout.indent + 1 + layout.gap);
    if entry.above {
        lines.push(format!("{margin}{}", comment(owner, "above")));
    }
    let dash = format!("{margin}-{}", " ".repeat(layout.gap));
    if entry.form == 2 {
        lines.push(format!("{dash}{}", braces(entry)));
    } else {
        if entry.form == 1 {
            lines.push(format!("{margin}-"));
        }
        for (at, (key, value)) in pairs(entry).into_iter().enumerate() {
            let lead = if at == 0 && entry.form == 0 { &dash } else { &inner };
            let list = value.starts_with('[') && value != "[]" && entry.quotes > 127;
            if list {
                lines.push(format!("{lead}{key}:"));
                let items = if key == "tags" { &entry.repo.tags } else { &entry.repo.verify };
                for item in items {
                    // Without the final line break the text would have none either.
                    if item.ends_with('\n') && layout.final_break {
                        lines.push(format!("{inner}- |"));
                        lines.extend(item.lines().map(|line| format!("{inner}  {line}")));
                    } else {
                        lines.push(format!("{inner}- {}", scalar(item, entry.quotes)));
                    }
                }
            } else {
                lines.push(format!("{lead}{key}: {value}"));
            }
            if at == 1 && entry.within {
                lines.push(format!("{margin}{}", comment(owner, "within")));
            }
        }
    }
    let last_is_text = lines.last().is_some_and(|line| line.ends_with("\tb"));
    if entry.beside && !last_is_text {
        let last = lines.last_mut().unwrap();
        last.push_str("  ");
        last.push_str(&comment(owner, "beside"));
    }
    if entry.below {
        lines.push(format!("{inner}{}", comment(owner, "below")));
    }
}

fn written(layout: &Layout, entries: &[Entry]) -> String {
    let mut lines = Vec::new();
    if layout.head {
        lines.extend([comment("file", "head"), String::new()]);
    }
    lines.push("version: 1".to_owned());
    let beside = if layout.beside_list { format!("  {}", comment("file", "list")) } else { String::new() };
    match layout.list {
        0 => {
            lines.push(format!("repos:{beside}"));
            for (at, entry) in entries.iter().enumerate() {
                lines.extend(vec![String::new(); entry.blank]);
                block(layout, &at.to_string(), entry, &mut lines);
            }
        }
        1 => {
            let items: Vec<String> = entries.iter().map(braces).collect();
            let comma = if layout.last_comma && !items.is_empty() { "," } else { "" };
            lines.push(format!("repos: [{}{comma}]{beside}", items.join(", ")));
        }
        _ => {
            lines.push(format!("repos: [{beside}"));
            for (at, entry) in entries.iter().enumerate() {
                let comma = if at + 1 < entries.len() || layout.last_comma { "," } else { "" };
                let beside = if entry.beside { comment(&at.to_string(), "beside") } else { String::new() };
                lines.push(format!("  {}{comma} {beside}", braces(entry)));
            }
            lines.push(" ]".to_owned());
        }
    }
    if layout.tail {
        lines.extend([String::new(), comment("file", "tail")]);
    }
    let newline = if layout.crlf { "\r\n" } else { "\n" };
    let mark = if layout.mark { "\u{feff}" } else { "" };
    format!("{mark}{}{}", lines.join(newline), if layout.final_break { newline } else { "" })
}

/// Whether `new` is `old` with something put in at one place.
fn is_inserted(old: &str, new: &str) -> bool {
    let head = old.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
    let tail = old.bytes().rev().zip(new.bytes().rev()).take_while(|(old, new)| old == new).count();
    head + tail >= old.len()
}

/// Whether all of `old` is in `new`, in order.
fn is_within(old: &str, new: &str) -> bool {
    let mut rest = new.chars();
    old.chars().all(|char| rest.any(|other| other == char))
}

fn breaks(text: &str) -> (bool, bool, bool) {
    let bare = text.replace("\r\n", "");
    (text.contains("\r\n") && bare.contains('\n'), bare.contains('\r'), text.ends_with('\n'))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read((layout, entries) in document(0)) {
        let text = written(&layout, &entries);
        let repos: Vec<Repo> = entries.into_iter().map(|entry| entry.repo).collect();
        prop_assert_eq!(read(&text).repos, repos);
    }

    #[test]
    fn adding_touches_nothing_else((layout, entries) in document(0), new in repo(), second in option::of(repo())) {
        let text = written(&layout, &entries);
        let mut new = vec![new];
        new.extend(second);
        for (at, repo) in new.iter_mut().enumerate() {
            repo.name = format!("{}-new{at}", repo.name);
            repo.local_path.push(format!("new{at}"));
            repo.id = Some(id(0xffff_0000 + u32::try_from(at).unwrap()));
        }
        let after = edited(&text, &Edit::Add(new));
        prop_assert_eq!(comments(&text), comments(&after));
        prop_assert_eq!(breaks(&text), breaks(&after), "{}\n=>\n{}", text, after);
        if layout.list == 0 {
            prop_assert!(is_inserted(&text, &after), "{}\n=>\n{}", text, after);
        } else if !entries.is_empty() {
            prop_assert!(is_within(&text, &after), "{}\n=>\n{}", text, after);
        }
    }

    #[test]
    fn removing_takes_what_belongs_to_it((layout, entries) in document(1), which in any::<prop::sample::Index>()) {
        let text = written(&layout, &entries);
        let at = which.index(entries.len());
        let after = edited(&text, &Edit::Remove { name: entries[at].repo.name.clone() });
        let (own, above) = (format!("{at}-"), format!("{at}-above"));
        let others = |comments: Vec<String>| comments.into_iter().filter(|comment| !comment.starts_with(&own)).collect::<Vec<_>>();
        prop_assert_eq!(others(comments(&text)), others(comments(&after)), "{}\n=>\n{}", text, after);
        let left: Vec<String> = comments(&after).into_iter().filter(|comment| comment.starts_with(&own)).collect();
        let heading = layout.list == 0 && at + 1 < entries.len() && entries[at + 1].blank == 0 && !entries[at + 1].above;
        prop_assert!(left.iter().all(|comment| heading && *comment == above), "{}\n=>\n{}", text, after);
        prop_assert_eq!(breaks(&text), breaks(&after), "{}\n=>\n{}", text, after);
        if layout.list == 0 {
            prop_assert!(is_inserted(&after, &text), "{}\n=>\n{}", text, after);
        } else {
            prop_assert!(is_within(&after, &text), "{}\n=>\n{}", text, after);
        }
    }

    #[test]
    fn what_is_added_can_be_removed_without_a_trace((layout, entries) in document(0), mut new in repo()) {
        // An empty list in brackets becomes one of lines, which stays one.
        if layout.list != 0 && entries.is_empty() {
            return Ok(());
        }
        let text = written(&layout, &entries);
        new.name.push_str("-new");
        new.local_path.push("new");
        new.id = None;
        let name = new.name.clone();
        let after = edited(&edited(&text, &Edit::Add(vec![new])), &Edit::Remove { name });
        if layout.list == 0 && !(entries.is_empty() && layout.tail) {
            prop_assert_eq!(text, after);
        } else {
            prop_assert_eq!(comments(&text), comments(&after));
        }
    }

    #[test]
    fn assigning_puts_ids_in_and_nothing_else((layout, entries) in document(0)) {
        let text = written(&layout, &entries);
        let lacking = entries.iter().filter(|entry| entry.repo.id.is_none());
        let ids: std::collections::BTreeMap<String, String> =
            lacking.enumerate().map(|(at, entry)| (entry.repo.name.clone(), id(0xffff_0000 + u32::try_from(at).unwrap()))).collect();
        let mut after = edited(&text, &Edit::AssignIds(ids.clone()));
        for id in ids.values() {
            let start = after.find(&format!("id: {id}")).unwrap();
            let rest = &after[start + 4 + id.len()..];
            let end = after.len() - rest.trim_start_matches([',', ' ', '\r', '\n']).len();
            after.replace_range(start..end, "");
        }
        prop_assert_eq!(text, after);
    }

    #[test]
    fn setting_keeps_the_comments((layout, entries) in document(1), which in any::<prop::sample::Index>(), to in repo()) {
        let text = written(&layout, &entries);
        let old = &entries[which.index(entries.len())].repo;
        let to = Repo { id: old.id.clone(), name: format!("{}-new", to.name), local_path: to.local_path.join("new"), ..to };
        let after = edited(&text, &Edit::Set { name: old.name.clone(), repo: Box::new(to) });
        let kept = comments(&after);
        let file = |comments: &[String], all: bool| comments.iter().filter(|comment| all || !comment.starts_with(char::is_numeric)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(file(&comments(&text), false), file(&kept, false), "{}\n=>\n{}", text, after);
        prop_assert_eq!(breaks(&text), breaks(&after), "{}\n=>\n{}", text, after);
    }

    #[test]
    fn no_bytes_upset_the_reader(bytes in vec(any::<u8>(), 0..200), text in "[-a-z:#&*!|>'\"{}\\[\\], \n\t~1?%@]{0,80}") {
        for bytes in [bytes.as_slice(), text.as_bytes(), format!("version: 1\nrepos:\n{text}").as_bytes()] {
            if let Err(problems) = crate::registry::parse(bytes, super::home()) {
                prop_assert!(!problems.listed.is_empty());
                for problem in problems.listed {
                    prop_assert!(problem.line > 0 && problem.column > 0 && problem.to_string().contains('^'));
                }
            }
        }
    }
}
