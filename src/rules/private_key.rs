use std::ops::Range;

use bstr::ByteSlice as _;

use super::{Facts, Finding, Rule, RuleId, Settings, Severity, allow_fingerprint, fingerprint, text};

/// Refuses private keys in text: PEM (PKCS#1, PKCS#8, SEC 1), OpenSSH, SSH2,
/// OpenPGP and PuTTY, encrypted or not, also where the key is one string with
/// `\n` in it.
///
/// A header alone is no key (code that looks for keys has such strings): a run
/// of base64 must follow, unless the file is named as `ssh-keygen` names keys.
/// A key counts as added if any of its lines is.
pub(super) struct PrivateKey;

/// Bytes after a header in which the body must begin: header lines, comments,
/// quotes and line continuations come before it.
const BODY_REACH: usize = 1024;

/// The least length of the run of base64 that makes a body: PEM wraps at 64,
/// OpenSSH at 70, a short key has one line.
const LEAST_RUN: usize = 40;

/// Bytes that a key may have at most: RSA with 16,384 bits has some 13,000.
const LONGEST_KEY: usize = 32 << 10;

/// More than these in one file say nothing new.
const MOST_IN_A_FILE: usize = 20;

const PUTTY: &[u8] = b"PuTTY-User-Key-File-";

impl Rule for PrivateKey {
    fn id(&self) -> RuleId {
        RuleId::PrivateKey
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let settings = &settings.private_key;
        for change in facts.changes {
            let Some(new) = change.new_text() else { continue };
            if change.added.is_empty() || settings.allow_paths.matches(&change.path) {
                continue;
            }
            let spans = text::spans(new, &change.added);
            let named = is_key_name(text::file_name(&change.path));
            let mut cursor = text::LineCursor::new(new);
            let first = out.len();
            for key in keys(new, named) {
                // Touching counts: the key's last line may be all that changed.
                let touched = spans
                    .iter()
                    .any(|span| span.bytes.start < key.whole.end && key.whole.start < span.bytes.end);
                if !touched || cursor.seek(key.whole.start).is_allowed() {
                    continue;
                }
                let fingerprint = fingerprint::fingerprint(
                    facts.fingerprint_key,
                    "private-key",
                    &change.path,
                    &new[key.body.clone()],
                );
                if settings.allow.contains(&fingerprint) {
                    continue;
                }
                out.push(Finding {
                    rule: self.id(),
                    severity: Severity::Error,
                    path: change.path.clone(),
                    line: cursor.seek(key.whole.start).number() + 1,
                    message: "a private key: whoever can read the repository has it then".to_owned(),
                    fix:
                        "take it out of the commit, keep it outside the repository, and replace it if it has \
                          ever been shared"
                            .to_owned(),
                    way_around: allow_fingerprint(self.id(), &fingerprint),
                    fingerprint,
                });
                if out.len() - first == MOST_IN_A_FILE {
                    break;
                }
            }
        }
    }
}

/// A private key in a text.
struct Key {
    /// From the header to the end of the key as far as it can be told.
    whole: Range<usize>,
    /// What the fingerprint is of.
    body: Range<usize>,
}

/// The keys of a text, in order of kind and place.
fn keys(text: &[u8], header_is_enough: bool) -> impl Iterator<Item = Key> {
    let pem = text.find_iter(b"PRIVATE KEY").filter_map(move |at| pem_key(text, at, header_is_enough));
    let putty = text.find_iter(PUTTY).filter_map(move |at| putty_key(text, at));
    pem.chain(putty)
}

/// The key whose header has `PRIVATE KEY` at `at`.
fn pem_key(text: &[u8], at: usize, header_is_enough: bool) -> Option<Key> {
    // "-----BEGIN OPENSSH ", "-----BEGIN PGP ", "---- BEGIN SSH2 ENCRYPTED ".
    let floor = at.saturating_sub(40);
    let begin = floor + text[floor..at].rfind(b"BEGIN ")?;
    let dashes = text[floor..begin].trim_ascii_end();
    if !dashes.ends_with(b"----") || text[begin..at].contains(&b'\n') {
        return None;
    }
    let start = floor + dashes.trim_end_with(|byte| byte == '-').len();
    let after = at + b"PRIVATE KEY".len();
    let rest = text[after..].strip_prefix(b" BLOCK").unwrap_or(&text[after..]);
    let closing = rest.trim_ascii_start();
    if !closing.starts_with(b"----") {
        return None;
    }
    let header_end = text.len() - closing.trim_start_with(|byte| byte == '-').len();
    let tail = &text[header_end..text.len().min(header_end + LONGEST_KEY)];
    // The footer's line belongs to the key; a dash may also open a comment line.
    let tail = &tail[..tail.find(b"---").unwrap_or(tail.len())];
    match find_body(&tail[..tail.len().min(BODY_REACH)]) {
        Some(body) => Some(Key {
            whole: start..header_end + tail.len(),
            body: header_end + body.start..header_end + body.end,
        }),
        None if header_is_enough => Some(Key { whole: start..header_end, body: start..header_end }),
        None => None,
    }
}

/// The key whose PuTTY header stands at `at`. A public part comes before the
/// private one.
fn putty_key(text: &[u8], at: usize) -> Option<Key> {
    let after = at + PUTTY.len();
    let rest = &text[after..text.len().min(after + LONGEST_KEY)];
    let rest = &rest[..rest.find(PUTTY).unwrap_or(rest.len())];
    let private = rest.find(b"Private-Lines:")?;
    let body = find_body(&rest[private..rest.len().min(private + BODY_REACH)])?;
    let body = after + private + body.start..after + private + body.end;
    Some(Key { whole: at..body.end, body })
}

/// The first run of base64 that is long enough and looks like bytes of a key.
fn find_body(text: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    for (at, byte) in text.iter().copied().chain([0]).enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') {
            continue;
        }
        // An escape's letter is not the body's.
        if start > 0 && text[start - 1] == b'\\' && start < at {
            start += 1;
        }
        let run = &text[start.min(at)..at];
        // Paths and words in camel case are runs too, but not so mixed.
        let mixed = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit]
            .iter()
            .all(|class| run.iter().any(class));
        if run.len() >= LEAST_RUN && mixed && text::entropy(run) >= 3.0 {
            return Some(start..at);
        }
        start = at + 1;
    }
    None
}

/// Whether `ssh-keygen` gives private keys such a name.
fn is_key_name(name: &[u8]) -> bool {
    [&b"id_rsa"[..], b"id_dsa", b"id_ecdsa", b"id_ecdsa_sk", b"id_ed25519", b"id_ed25519_sk"].contains(&name)
}
