use sha2::{Digest as _, Sha256};

/// Names a secret at a place without telling it: the first 16 hexadecimal
/// digits of SHA-256 over key, kind, path and secret, each preceded by its
/// length (64 bits, little-endian) so that no two lists of parts read alike.
pub(super) fn fingerprint(key: &[u8; 32], kind: &str, path: &[u8], secret: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [key.as_slice(), kind.as_bytes(), path, secret] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..8])
}
