//! What tells a value apart from code, prose and dummies: for the kinds that
//! have no format of their own.

use std::ops::Range;

use bstr::ByteSlice as _;

use crate::rules::text;

/// Bytes that a value has at least.
const SHORTEST: usize = 8;

/// Bytes that a value has at most.
const LONGEST: usize = 256;

/// Dummies, as documentation and test set-ups have them.
const DUMMIES: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"passw0rd",
    b"pass",
    b"pwd",
    b"secret",
    b"token",
    b"postgres",
    b"mysql",
    b"mongo",
    b"redis",
    b"admin",
    b"root",
    b"user",
    b"username",
    b"guest",
    b"test",
    b"testing",
    b"foo",
    b"bar",
    b"hunter2",
    b"letmein",
    b"qwerty",
    b"sample",
    b"demo",
    b"default",
    b"mypassword",
    b"mysecret",
    b"secretpassword",
    b"hidden",
];

/// Words that only tests and samples have in a value.
const SAMPLE_WORDS: &[&[u8]] =
    &[b"test", b"fake", b"mock", b"sample", b"invalid", b"secret", b"password", b"demo"];

/// Files where values stand without quotes, by extension.
const UNQUOTED: &[&[u8]] = &[
    b"env",
    b"envrc",
    b"ini",
    b"cfg",
    b"conf",
    b"config",
    b"properties",
    b"toml",
    b"yml",
    b"yaml",
    b"tfvars",
    b"sh",
    b"bash",
    b"zsh",
    b"npmrc",
    b"pypirc",
    b"netrc",
    b"service",
];

/// Ends of names, in lower case, that make a name with a secret's word one of
/// something public about it: `token_url`, `secretName`.
const PUBLIC_ENDS: &[&[u8]] = &[
    b"name",
    b"type",
    b"kind",
    b"url",
    b"uri",
    b"path",
    b"file",
    b"audience",
    b"issuer",
    b"version",
    b"header",
    b"prefix",
    b"_id",
    b"-id",
    b".id",
    b"ids",
];

/// Whether the rest of a name (the match begins with it) tells that its value is
/// not the secret itself.
pub(super) fn names_no_secret(rest: &[u8]) -> bool {
    let end = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
    let name = &rest[..end];
    let lower = name.to_ascii_lowercase();
    name.ends_with(b"Id") || name.ends_with(b"ID") || PUBLIC_ENDS.iter().any(|public| lower.ends_with(public))
}

/// The value that an assignment in a line gives, from `at` on: what stands in
/// quotes, or a word where files of that name have values without quotes.
pub(super) fn assigned(line: &[u8], at: usize, path: &[u8]) -> Option<Range<usize>> {
    // Prefixes of string literals, as in b"…" and @"…"; and quotes that are
    // escaped because all this stands in a string.
    let prefix = line[at..].iter().take(3).position(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let quoted = prefix.filter(|prefix| line[at..at + prefix].iter().all(|byte| b"bruf@L\\".contains(byte)));
    let (start, end) = if let Some(prefix) = quoted {
        let quote = line[at + prefix];
        let start = at + prefix + 1;
        let length =
            line[start..].iter().take(LONGEST + 1).position(|byte| *byte == quote || *byte == b'\\')?;
        (start, start + length)
    } else if has_unquoted_values(path) {
        let rest = &line[at..];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`');
        let length = match rest.iter().take(LONGEST + 1).position(ends) {
            Some(length) => length,
            None if rest.len() <= LONGEST => rest.len(),
            None => return None,
        };
        let word = rest[..length].trim_end_with(|end| matches!(end, ',' | ';' | ')'));
        if word.iter().any(|byte| matches!(byte, b'(' | b'[' | b'{' | b'|' | b'*')) {
            return None;
        }
        (at, at + word.len())
    } else {
        return None;
    };
    let fits =
        (SHORTEST..=LONGEST).contains(&(end - start)) && line[start..end].iter().all(u8::is_ascii_graphic);
    fits.then_some(start..end)
}

/// Whether a value looks random: letters and digits with so many bits of
/// entropy per byte, and neither an expression nor made of words.
pub(super) fn is_random(value: &[u8], least_entropy: f64) -> bool {
    value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && text::entropy(value) >= least_entropy
        && !is_code(value)
        && !is_identifier(value)
        && !has_word(value)
}

/// Whether the password of a URL is one that matters. The line begins with the
/// URL's `://`.
pub(super) fn is_url_password(line: &[u8], password: &Range<usize>) -> bool {
    let user = &line[b"://".len()..password.start - 1];
    let host = &line[password.end + 1..];
    let host = &host[..host.iter().position(|byte| !is_host_byte(*byte)).unwrap_or(host.len())];
    let password = &line[password.clone()];
    let lower = password.to_ascii_lowercase();
    // Dummies are often numbered.
    let bare = lower.trim_end_with(|end| end.is_ascii_digit());
    !user.eq_ignore_ascii_case(password)
        && !DUMMIES.contains(&lower.as_slice())
        && !DUMMIES.contains(&bare)
        && !lower.starts_with(b"pass")
        && !password.iter().all(u8::is_ascii_digit)
        && !password.iter().any(|byte| matches!(byte, b'$' | b'{' | b'}' | b'(' | b'*' | b'[' | b','))
        && !is_local(host)
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)
}

/// Hosts of documentation (RFC 2606) and of this machine.
fn is_local(host: &[u8]) -> bool {
    let host = host.to_ascii_lowercase();
    let name = if host.starts_with(b"[") {
        host.as_slice()
    } else {
        host.split(|byte| *byte == b':').next().unwrap_or_default()
    };
    name == b"localhost"
        || name == b"host"
        || name.starts_with(b"127.")
        || name.starts_with(b"[::1]")
        || name == b"0.0.0.0"
        || [
            &b"example.com"[..],
            b"example.org",
            b"example.net",
            b".example",
            b".test",
            b".invalid",
            b".localhost",
        ]
        .iter()
        .any(|end| name.ends_with(end))
}

fn has_unquoted_values(path: &[u8]) -> bool {
    let name = text::file_name(path).to_ascii_lowercase();
    name.starts_with(b".env")
        || name == b"credentials"
        || name.rsplit(|byte| *byte == b'.').next().is_some_and(|extension| UNQUOTED.contains(&extension))
}

/// Whether the value is an expression, a path, a URL or a digest.
fn is_code(value: &[u8]) -> bool {
    value.contains_str("://")
        || value.starts_with(b"/")
        || value.starts_with(b"./")
        || value.starts_with(b"~/")
        || value.starts_with(b"$")
        || [&b"sha1"[..], b"sha256", b"sha384", b"sha512", b"md5"].iter().any(|name| {
            value.strip_prefix(*name).is_some_and(|rest| rest.starts_with(b"-") || rest.starts_with(b":"))
        })
        || (value.contains(&b'{') && value.contains(&b'}'))
}

/// Whether the value is made of words and numbers, as names of things are:
/// `my-service-token-v2`, `TokenKind2`, `2024-01-31`.
fn is_identifier(value: &[u8]) -> bool {
    value
        .split(|byte| !byte.is_ascii_alphanumeric())
        .all(|part| part.iter().all(u8::is_ascii_digit) || is_word(part))
}

/// Letters, and at most four digits after them.
fn is_word(part: &[u8]) -> bool {
    let letters = part.trim_end_with(|end| end.is_ascii_digit());
    part.len() - letters.len() <= 4 && letters.iter().all(u8::is_ascii_alphabetic)
}

fn has_word(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    SAMPLE_WORDS.iter().any(|word| lower.contains_str(word))
}
