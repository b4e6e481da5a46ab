//! Lines of a text whose line breaks may be LF, CR LF or CR, as YAML has them.

/// The offsets at which lines begin; a final line break begins an empty line.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    while let Some(end) = text[at..].find(['\r', '\n']) {
        at = after_break(text, at + end);
        starts.push(at);
    }
    starts
}

/// Where the line that `at` is in begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\r', '\n']).map_or(0, |end| end + 1)
}

/// Where the line that `at` is in ends, before its break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\r', '\n']).map_or(text.len(), |end| at + end)
}

/// Where the line after the one that `at` is in begins.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    after_break(text, line_end(text, at))
}

/// The line that begins at `at`, without its break.
pub(super) fn line(text: &str, at: usize) -> &str {
    &text[at..line_end(text, at)]
}

/// Where the line break before `at` begins, if `at` begins a line.
pub(super) fn before_break(text: &str, at: usize) -> usize {
    let head = &text[..at];
    head.strip_suffix("\r\n").or_else(|| head.strip_suffix(['\r', '\n'])).map_or(at, str::len)
}

/// The line break that the text uses, by its first.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find(['\r', '\n']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

/// Whether a line says nothing.
pub(super) fn is_blank(line: &str) -> bool {
    line.trim_matches([' ', '\t']).is_empty()
}

/// Whether a line is a comment and nothing else.
pub(super) fn is_comment(line: &str) -> bool {
    line.trim_start_matches([' ', '\t']).starts_with('#')
}

/// Past white space, line breaks and comments.
pub(super) fn skip_trivia(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text[at..].trim_start_matches([' ', '\t', '\r', '\n']);
        at = text.len() - rest.len();
        if !rest.starts_with('#') {
            return at;
        }
        at = line_end(text, at);
    }
}

fn after_break(text: &str, at: usize) -> usize {
    match text.as_bytes().get(at) {
        Some(b'\r') if text.as_bytes().get(at + 1) == Some(&b'\n') => at + 2,
        Some(_) => at + 1,
        None => at,
    }
}
