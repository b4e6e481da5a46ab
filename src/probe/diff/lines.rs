use similar::{Algorithm, DiffTag, capture_diff_slices};

/// Lines that came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    /// Lines that are new.
    pub insertions: u64,
    /// Lines that are gone.
    pub deletions: u64,
}

/// Above this nobody wants to know lines; bytes.
pub(super) const LARGEST: u64 = 1 << 20;

/// How two texts differ; `None` if one of them is no text, as git tells.
pub(super) fn between(old: &[u8], new: &[u8]) -> Option<Lines> {
    // git looks no further, either.
    const LOOKED_AT: usize = 8_000;
    let is_binary = |bytes: &[u8]| bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0);
    if is_binary(old) || is_binary(new) {
        return None;
    }
    let split = |text| <[u8]>::split_inclusive(text, |byte| *byte == b'\n').collect::<Vec<_>>();
    let mut lines = Lines::default();
    for op in capture_diff_slices(Algorithm::Histogram, &split(old), &split(new)) {
        let (tag, old, new) = op.as_tag_tuple();
        if matches!(tag, DiffTag::Delete | DiffTag::Replace) {
            lines.deletions += old.len() as u64;
        }
        if matches!(tag, DiffTag::Insert | DiffTag::Replace) {
            lines.insertions += new.len() as u64;
        }
    }
    Some(lines)
}
