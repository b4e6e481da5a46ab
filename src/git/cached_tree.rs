//! The tree that an index stands for, where git has written it down there.
//!
//! Before git runs pre-commit it writes the trees of the index and notes their
//! ids in the index's `TREE` extension. Reading that one id instead of building
//! the tree from every entry is what makes a verdict's cost independent of the
//! size of the repository. Where the note is missing or outdated (a hook has
//! staged something since) the answer is `None`, and the tree is built.
//!
//! The format is gitformat-index(5). Nothing is verified: git has just written
//! the file, and would have refused a damaged one.

/// Size of an entry's fixed part before the object id: ten 32-bit numbers.
const STAT: usize = 40;

/// The id, in hexadecimal, of the tree of this index; `id_bytes` is the length
/// of the repository's object ids, 20 or 32.
pub(super) fn cached_tree(index: &[u8], id_bytes: usize) -> Option<String> {
    let mut rest = Bytes(index);
    if rest.take(4)? != b"DIRC" {
        return None;
    }
    let version = rest.number()?;
    if !(2..=4).contains(&version) {
        return None;
    }
    let entries = rest.number()?;
    for _ in 0..entries {
        skip_entry(&mut rest, version, id_bytes)?;
    }
    // What follows are extensions, and at the end a checksum.
    while rest.0.len() > id_bytes {
        let name = rest.take(4)?;
        let size = rest.number()? as usize;
        let body = rest.take(size)?;
        match name {
            b"TREE" => return root(body, id_bytes),
            // Part of the entries is in another file.
            b"link" => return None,
            _ => {}
        }
    }
    None
}

fn skip_entry(rest: &mut Bytes<'_>, version: u32, id_bytes: usize) -> Option<()> {
    let fixed = STAT + id_bytes;
    rest.take(fixed)?;
    let flags = u16::from_be_bytes(rest.take(2)?.try_into().ok()?);
    let extended = version >= 3 && flags & 0x4000 != 0;
    if extended {
        rest.take(2)?;
    }
    if version == 4 {
        // How much of the name before is kept, as a variable-length number; then
        // the rest of the name, and a NUL.
        while rest.take(1)?[0] & 0x80 != 0 {}
        rest.through_nul()?;
        return Some(());
    }
    let head = fixed + 2 + usize::from(extended) * 2;
    let name = match usize::from(flags & 0x0fff) {
        // Too long for the field: it ends at its NUL.
        0x0fff => rest.0.iter().position(|byte| *byte == 0)?,
        length => length,
    };
    // NULs up to a multiple of eight, at least one.
    let whole = (head + name + 8) & !7;
    rest.take(whole - head)?;
    Some(())
}

/// `NUL, number of entries, SP, number of subtrees, LF, id` of the root, which
/// comes first; a negative number of entries means outdated.
fn root(body: &[u8], id_bytes: usize) -> Option<String> {
    let mut rest = Bytes(body);
    rest.through_nul()?;
    let line = rest.0.iter().position(|byte| *byte == b'\n')?;
    let counts = std::str::from_utf8(rest.take(line)?).ok()?;
    let entries: i64 = counts.split(' ').next()?.parse().ok()?;
    rest.take(1)?;
    let id = rest.take(id_bytes)?;
    (entries >= 0).then(|| hex::encode(id))
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn through_nul(&mut self) -> Option<()> {
        let nul = self.0.iter().position(|byte| *byte == 0)?;
        self.take(nul + 1).map(drop)
    }
}
