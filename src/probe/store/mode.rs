//! The format keeps a file's mode as Go's `fs.FileMode`, whose bits for kinds
//! and for setuid, setgid and sticky are not where `st_mode` has them.

const PERMISSIONS: u32 = 0o777;

/// `st_mode`'s bits for the kind of a file.
pub(super) const KIND: u32 = 0o170_000;
pub(super) const SOCKET: u32 = 0o140_000;
pub(super) const LINK: u32 = 0o120_000;
pub(super) const FILE: u32 = 0o100_000;
pub(super) const BLOCK: u32 = 0o060_000;
pub(super) const DIRECTORY: u32 = 0o040_000;
pub(super) const CHARACTER: u32 = 0o020_000;
pub(super) const FIFO: u32 = 0o010_000;

/// Kinds: `st_mode`'s bits, and Go's (<https://pkg.go.dev/io/fs#FileMode>).
const KINDS: &[(u32, u32)] = &[
    (FILE, 0),
    (DIRECTORY, 1 << 31),
    (LINK, 1 << 27),
    (BLOCK, 1 << 26),
    (CHARACTER, 1 << 26 | 1 << 21),
    (FIFO, 1 << 25),
    (SOCKET, 1 << 24),
];

/// Of a kind that `st_mode` does not know.
const IRREGULAR: u32 = 1 << 19;

/// Setuid, setgid, sticky: `st_mode`'s bits, and Go's.
const SPECIAL: &[(u32, u32)] = &[(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// Go's mode of an `st_mode`.
pub(super) fn to_go(mode: u32) -> u32 {
    let kind = KINDS.iter().find(|(kind, _)| *kind == mode & KIND).map_or(IRREGULAR, |(_, go)| *go);
    let special = SPECIAL.iter().filter(|(bit, _)| mode & bit != 0).fold(0, |all, (_, go)| all | go);
    (mode & PERMISSIONS) | kind | special
}

/// The `st_mode` of a mode of Go's; a kind that `st_mode` does not know is none.
pub(super) fn from_go(go: u32) -> u32 {
    let bits = KINDS.iter().fold(IRREGULAR, |all, (_, go)| all | go);
    let kind = KINDS.iter().find(|(_, kind)| *kind == go & bits).map_or(0, |(kind, _)| *kind);
    let special = SPECIAL.iter().filter(|(_, bit)| go & bit != 0).fold(0, |all, (mode, _)| all | mode);
    (go & PERMISSIONS) | kind | special
}
