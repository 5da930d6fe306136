//! In which order things are listed that have the same time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How many bytes of a code tell two keys apart. Where two have the same, the keys themselves decide.
const PLACE_BYTES: usize = 8;

/// The order of what has the same time: by partition keys, or by a code of them that nobody can reckon without a key. A partition key has an
/// id in it, which may be hidden from a reader: its place among others would tell between which ids it is.
#[derive(Clone, Default)]
pub struct Ties(Option<Hmac<Sha256>>);

impl Ties {
    /// By the partition keys themselves: for whoever may see them.
    pub fn by_key() -> Self {
        Self(None)
    }

    /// By their HMAC-SHA-256 under this key.
    pub fn under(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).ok())
    }

    /// The place of a partition key among those of the same time. No key at all, which is the place between two times, comes first.
    pub fn place(&self, pk: &str) -> [u8; PLACE_BYTES] {
        let mut place = [0; PLACE_BYTES];
        if let Some(code) = self.0.as_ref().filter(|_| !pk.is_empty()) {
            let mut code = code.clone();
            code.update(pk.as_bytes());
            place.copy_from_slice(&code.finalize().into_bytes()[..PLACE_BYTES]);
        }
        place
    }
}

impl std::fmt::Debug for Ties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Ties(under a key)" } else { "Ties(by key)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_under_a_key_are_other_ones_than_under_another() {
        let keys = ["call#alicom#1", "call#alicom#2", "call#alicom#3", "call#alicom#4", "call#alicom#5"];
        let order = |ties: Ties| {
            let mut keys = keys;
            keys.sort_by_key(|pk| (ties.place(pk), *pk));
            keys
        };
        assert_eq!(order(Ties::by_key()), keys);
        let under = |key: u8| order(Ties::under(&[key; 32]));
        assert_eq!(under(1), under(1));
        assert!((0..20).any(|key| under(key) != keys) && (0..20).any(|key| under(key) != under(20)));
        // The place between two times is before all that has one of them.
        assert!(keys.iter().all(|pk| Ties::under(&[1; 32]).place("") <= Ties::under(&[1; 32]).place(pk)));
        assert!(!format!("{:?}", Ties::under(b"canary")).contains("canary"));
    }
}
