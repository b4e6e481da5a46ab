//! Values that stand for a secret and are none.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What examples and templates have in them, in any case.
const WORDS: &[&[u8]] = &[
    b"example",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"replaceme",
    b"replace_me",
    b"replace-me",
    b"your_",
    b"your-",
    b"yourtoken",
    b"yourkey",
    b"yoursecret",
    b"redacted",
    b"insert_",
    b"xxxx",
    b"....",
    b"****",
    b"____",
    b"----",
    b"1234567890",
    b"0123456789",
    b"abcdefgh",
    b"zyxwvut",
    b"deadbeef",
    b"dummy",
    b"notreal",
    b"not-a-real",
    b"not_a_real",
    b"foobar",
    b"lorem",
    b"aaaaaaaa",
    b"00000000",
    b"11111111",
];

/// Marks of templates and interpolation.
const MARKS: &[&[u8]] =
    &[b"<", b">", b"${", b"$(", b"{{", b"}}", b"#{", b"%(", b"%s", b"{}", b"\xe2\x80\xa6"];

/// Values that vendors publish as examples, or that every installation of
/// theirs has, by a part that no other value will have.
const PUBLISHED: &[&[u8]] = &[
    // The token of jwt.io: "sub" is 1234567890.
    b"eyJzdWIiOiIxMjM0NTY3ODkwI",
    // The account key of Azure's storage emulator.
    b"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6I",
];

static PARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(WORDS.iter().chain(MARKS).chain(PUBLISHED))
        .expect("some dozens of short words fit")
});

/// Whether a value is a placeholder, a template or a published example.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    value.first().is_none_or(|first| value.iter().all(|byte| byte == first)) || PARTS.is_match(value)
}
