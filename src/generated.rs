//! The contract, as Rust: `generated/` is made from `proto/` and committed, so
//! that a build needs no protobuf compiler. The proto files document it.

/// Package `kanban.v1`: registry, hooks, events, the governor.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::nursery)]
pub mod kanban {
    include!("../generated/kanban.v1.rs");
}

/// Package `probe.v1`: the governor's hands.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::nursery)]
pub mod probe {
    include!("../generated/probe.v1.rs");
}

/// The `FileDescriptorSet` of both packages, for reflection.
#[cfg(feature = "governor")]
pub const DESCRIPTORS: &[u8] = include_bytes!("../generated/descriptors.bin");
