//! How kpmo writes values into YAML.

use std::fmt::Write as _;

use super::scalar::{Type, resolve};

/// A value of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// One text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// A text as a scalar on one line: unquoted where every reader of YAML, old
/// or new, in or out of brackets, takes it for the text it is; in single
/// quotes where it can be; escaped in double quotes otherwise. `json` asks for
/// double quotes, so that a file that is JSON stays JSON.
pub(super) fn scalar(text: &str, json: bool) -> String {
    if json || text.chars().any(|char| !is_printable(char)) {
        return double_quoted(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// A list of texts in brackets.
pub(super) fn list(items: &[String], json: bool) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item, json)).collect();
    format!("[{}]", items.join(", "))
}

/// An entry in braces.
pub(super) fn braced(fields: &[(&'static str, Value)], json: bool) -> String {
    let pair = |(key, value): &(&str, Value)| format!("{}: {}", scalar(key, json), in_line(value, json));
    format!("{{{}}}", fields.iter().map(pair).collect::<Vec<_>>().join(", "))
}

/// A value on one line.
pub(super) fn in_line(value: &Value, json: bool) -> String {
    match value {
        Value::Text(text) => scalar(text, json),
        Value::List(items) => list(items, json),
    }
}

/// A key and its value as lines, each but the first indented by `indent`, the
/// last without line break. Commands get a line each.
pub(super) fn pair(key: &str, value: &Value, indent: &str, newline: &str) -> String {
    match value {
        Value::List(items) if key == "verify" && !items.is_empty() => {
            let mut text = format!("{key}:");
            for item in items {
                let _ = write!(text, "{newline}{indent}  - {}", scalar(item, false));
            }
            text
        }
        value => format!("{key}: {}", in_line(value, false)),
    }
}

fn is_plain(text: &str) -> bool {
    let edge = |char: char| char == ' ' || char == ':';
    let allowed = |char: char| char.is_alphanumeric() || " _./~@+-:=".contains(char);
    let begins = text.starts_with(|char: char| char.is_alphabetic() || char == '/' || char == '_')
        || text.starts_with("~/");
    // Of what begins with a digit only ids: dates, `1_000` and `1:30` are
    // numbers to old readers.
    let begins = begins || uuid::Uuid::try_parse(text).is_ok_and(|_| text.len() == 36);
    let word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    begins
        && text.chars().all(allowed)
        && !text.ends_with(edge)
        && !text.contains(": ")
        && !word.contains(&text.to_lowercase().as_str())
        && resolve(text) == Type::Text
}

/// YAML 1.2, 5.1, less what some reader takes for a line break.
fn is_printable(char: char) -> bool {
    matches!(char, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // All that is not printable is below U+10000.
            char if !is_printable(char) => {
                let _ = write!(quoted, "\\u{:04x}", char as u32);
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
