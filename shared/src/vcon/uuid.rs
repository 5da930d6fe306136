//! UUIDs of version 8, built as those of version 7 are (RFC 9562): 48 bits of milliseconds since 1970, and then bits that tell them
//! apart.
//!
//! Those bits are not random, and not of a host's name as the draft proposes: they are of the SHA-256 of what the UUID is for, so that
//! the same call has the same UUID wherever it is exported. The time is that of the first receipt. The time of the call would not do:
//! it becomes known later, when another UUID was told already.

use sha2::{Digest, Sha256};

use crate::model::Instant;

/// The UUID of what has this name, which came to be at `at`.
pub(super) fn of(at: Instant, name: &str) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&at.epoch_millis().to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&Sha256::digest(name)[..10]);
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_time_its_version_and_its_variant() {
        let at = Instant::from_epoch_millis(0x0197_2947_3a80).unwrap();
        let uuid = of(at, "call#alicom#1");
        assert_eq!(&uuid[..15], "01972947-3a80-8", "{uuid}");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"), "{uuid}");
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid, of(at, "call#alicom#1"));
        assert_ne!(uuid, of(at, "call#alicom#2"));
        assert_ne!(uuid, of(at.plus_seconds(1), "call#alicom#1"));
    }
}
