//! How things look: tables, JSON, progress.

use std::io::{IsTerminal, Write};

use base64::Engine as _;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};

use super::Failure;
use crate::fs::shown_bytes;

/// Prints to standard output. A reader that is gone ends us quietly, as it does
/// `cat`.
pub(super) fn print(text: &str) {
    put(anstream::stdout().lock(), text.as_bytes());
}

/// As [`print`], for what may not be text.
pub(super) fn print_bytes(bytes: &[u8]) {
    put(std::io::stdout().lock(), bytes);
}

fn put(mut stdout: impl Write, bytes: &[u8]) {
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        Failure::new(format!("cannot print: {error}")).print();
        std::process::exit(2);
    }
}

/// Prints a line to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Prints one JSON value, and a newline.
pub(super) fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

/// A table without rules, wide as the terminal; empty cells are dashes.
pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }));
    }
    let text: Vec<String> =
        table.lines().map(|line| line.trim_end().trim_start_matches(' ').to_owned()).collect();
    format!("{}\n", text.join("\n"))
}

/// Columns of the terminal that standard output is; `None`: it is none.
pub(super) fn width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// A line's worth of text, its middle left out where it is too long: both ends of
/// a path tell more.
pub(super) fn fitted(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room || room == 0 {
        return text.to_owned();
    }
    let (front, back) = ((room - 1) / 2, (room - 1) - (room - 1) / 2);
    text.chars().take(front).chain(['…']).chain(text.chars().skip(length - back)).collect()
}

/// Puts a path into an object: lossily, and where that loses something with its
/// bytes beside it in base64.
pub(super) fn put_path(object: &mut Map<String, Value>, key: &str, path: &[u8]) {
    object.insert(key.to_owned(), json!(String::from_utf8_lossy(path)));
    if std::str::from_utf8(path).is_err() {
        let bytes = base64::engine::general_purpose::STANDARD.encode(path);
        object.insert(format!("{key}_bytes"), json!(bytes));
    }
}

/// So many of something, in words.
pub(super) fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A path for people; the home directory as `~`.
pub(super) fn path(path: &[u8]) -> String {
    let text = shown_bytes(path);
    match std::env::home_dir() {
        Some(home) if home.as_os_str().len() > 1 => match text.strip_prefix(&*home.to_string_lossy()) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
            _ => text,
        },
        _ => text,
    }
}

/// A bar on standard error, on a terminal; nothing elsewhere.
pub(super) fn progress(length: Option<u64>, doing: &'static str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(length, target);
    let template = if length.is_some() { "{msg} {wide_bar} {pos}/{len}" } else { "{spinner} {msg} {pos}" };
    // A template that can't be read leaves the default.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(doing);
    bar
}
