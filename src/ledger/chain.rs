use sha2::{Digest, Sha256};

/// What stands for the hash of the event before the first.
pub(super) const GENESIS: [u8; 32] = [0; 32];

const DOMAIN: &[u8] = b"kpmo-ledger-1";

/// An event as stored, all that its hash covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub seq: u64,
    pub event_id: &'a [u8; 16],
    pub time_ns: i64,
    pub kind: &'a str,
    pub repo_id: Option<&'a str>,
    pub card: Option<&'a str>,
    pub actor: &'a str,
    pub attributes: &'a str,
}

impl Fields<'_> {
    /// The event's hash, given that of the event before; the encoding is that
    /// of the room's documentation.
    pub(super) fn hash(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(before);
        digest.update(DOMAIN);
        digest.update(self.seq.to_be_bytes());
        digest.update(self.event_id);
        digest.update(self.time_ns.to_be_bytes());
        for text in [Some(self.kind), self.repo_id, self.card, Some(self.actor), Some(self.attributes)] {
            match text {
                None => digest.update([0]),
                Some(text) => {
                    digest.update([1]);
                    digest.update((text.len() as u64).to_be_bytes());
                    digest.update(text);
                }
            }
        }
        digest.finalize().into()
    }
}
