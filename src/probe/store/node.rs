//! Entries as the engine's nodes, and back.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use jiff::{Timestamp, tz::TimeZone};
use rustic_core::repofile::{self, Metadata, NodeType};

use super::{Node, NodeKind, Stat, TreeId, mode};

/// The engine's metadata of a file.
pub(super) fn metadata(stat: &Stat) -> Metadata {
    Metadata {
        mode: Some(mode::to_go(stat.mode)),
        mtime: Some(timestamp(stat.mtime)),
        atime: None,
        // An unknown one is stored as 1970, not left out: the engine takes a
        // missing one to be equal to any.
        ctime: Some(timestamp(stat.ctime)),
        uid: Some(stat.uid),
        gid: Some(stat.gid),
        user: None,
        group: None,
        inode: stat.ino,
        device_id: stat.dev,
        size: stat.size,
        links: stat.links,
        extended_attributes: Vec::new(),
    }
}

/// The engine's kind of a FIFO, socket or device; `None` for what is none.
pub(super) fn special(stat: &Stat) -> Option<NodeType> {
    Some(match stat.mode & mode::KIND {
        mode::FIFO => NodeType::Fifo,
        mode::SOCKET => NodeType::Socket,
        mode::BLOCK => NodeType::Dev { device: stat.rdev },
        mode::CHARACTER => NodeType::Chardev { device: stat.rdev },
        _ => return None,
    })
}

/// The engine's kind of a link.
pub(super) fn link(target: &[u8]) -> NodeType {
    NodeType::from_link(Path::new(OsStr::from_bytes(target)))
}

/// What the engine has stored.
pub(super) fn stored(node: &repofile::Node) -> Node {
    let meta = &node.meta;
    let kind = match &node.node_type {
        NodeType::Dir => {
            NodeKind::Directory(TreeId(node.subtree.map(|id| id.to_hex().to_string()).unwrap_or_default()))
        }
        NodeType::File => {
            NodeKind::File(node.content.iter().flatten().map(|id| bytes_of(&id.to_hex())).collect())
        }
        NodeType::Symlink { .. } => NodeKind::Link(node.node_type.to_link().as_os_str().as_bytes().to_vec()),
        _ => NodeKind::Special,
    };
    let rdev = match node.node_type {
        NodeType::Dev { device } | NodeType::Chardev { device } => device,
        _ => 0,
    };
    let stat = Stat {
        mode: meta.mode.map_or(0, mode::from_go),
        uid: meta.uid.unwrap_or(0),
        gid: meta.gid.unwrap_or(0),
        dev: meta.device_id,
        ino: meta.inode,
        links: meta.links,
        size: meta.size,
        rdev,
        mtime: meta.mtime.map_or((0, 0), seconds),
        ctime: meta.ctime.map_or((0, 0), seconds),
    };
    Node { name: node.name().as_bytes().to_vec(), stat, kind }
}

/// The bytes of an id in hexadecimal digits.
fn bytes_of(hexadecimal: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    // The engine's ids are 32 bytes, so that this cannot fail.
    let _ = hex::decode_to_slice(hexadecimal, &mut bytes);
    bytes
}

/// Whether times come back as they are given. The engine writes them with the
/// offset of this machine's zone, rounded to minutes; and more than a hundred years
/// ago there were others.
pub(super) fn is_exact(stat: &Stat) -> bool {
    let zone = TimeZone::system();
    let is_exact = |time| zone.to_offset(timestamp(time)).seconds() % 60 == 0;
    is_exact(stat.mtime) && is_exact(stat.ctime)
}

/// Times before the year -9999 and after 9999 become those.
fn timestamp((seconds, nanoseconds): (i64, u32)) -> Timestamp {
    let whole = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let bound = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_nanosecond(whole).unwrap_or(bound)
}

/// As stat(2) has it: nanoseconds count forward before 1970, too.
fn seconds(time: Timestamp) -> (i64, u32) {
    let whole = time.as_nanosecond();
    let seconds = i64::try_from(whole.div_euclid(1_000_000_000)).unwrap_or_default();
    (seconds, u32::try_from(whole.rem_euclid(1_000_000_000)).unwrap_or_default())
}
