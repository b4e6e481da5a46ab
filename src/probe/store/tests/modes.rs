use proptest::prelude::*;

use super::super::mode;

const KINDS: &[u32] = &[0o140_000, 0o120_000, 0o100_000, 0o060_000, 0o040_000, 0o020_000, 0o010_000];

proptest! {
    #[test]
    fn a_mode_survives(kind in 0..KINDS.len(), bits in 0_u32..0o10_000) {
        let mode = KINDS[kind] | bits;
        prop_assert_eq!(mode::from_go(mode::to_go(mode)), mode);
    }
}

/// What restic writes for these, on a machine with Go.
#[test]
fn modes_are_go_s() {
    assert_eq!(mode::to_go(0o100_644), 0o644);
    assert_eq!(mode::to_go(0o040_755), 0x8000_0000 | 0o755);
    assert_eq!(mode::to_go(0o120_777), 0x0800_0000 | 0o777);
    assert_eq!(mode::to_go(0o104_755), 0x0080_0000 | 0o755);
    assert_eq!(mode::to_go(0o102_755), 0x0040_0000 | 0o755);
    assert_eq!(mode::to_go(0o041_777), 0x8000_0000 | 0x0010_0000 | 0o777);
    assert_eq!(mode::to_go(0o020_600), 0x0400_0000 | 0x0020_0000 | 0o600);
    assert_eq!(mode::to_go(0o060_600), 0x0400_0000 | 0o600);
    assert_eq!(mode::to_go(0o010_600), 0x0200_0000 | 0o600);
    assert_eq!(mode::to_go(0o140_600), 0x0100_0000 | 0o600);
}

#[test]
fn a_kind_that_nobody_knows_is_none() {
    assert_eq!(mode::from_go(1 << 19 | 0o644), 0o644);
}
