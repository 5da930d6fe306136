//! An id of a callee that tells no number: the same person has the same one everywhere, and nobody can count back without the key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::seal::{Seal, derived_key};
use crate::reading::{CalleeSearch, Ties};

/// How many bytes of the code an id has.
const ID_BYTES: usize = 16;

/// The least bytes that a key has. Numbers are few: whoever can try keys can try numbers too.
pub const MIN_KEY_BYTES: usize = 32;

/// Gives ids to callees; none, where there is no key.
#[derive(Clone, Default)]
pub struct CalleeIds(Option<Hmac<Sha256>>);

/// A key that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shorter than {MIN_KEY_BYTES} characters")]
pub struct KeyTooShort;

impl CalleeIds {
    /// Ids under a key.
    ///
    /// # Errors
    /// [`KeyTooShort`], where it has fewer than [`MIN_KEY_BYTES`].
    pub fn with_key(key: &[u8]) -> Result<Self, KeyTooShort> {
        if key.len() < MIN_KEY_BYTES {
            return Err(KeyTooShort);
        }
        Ok(Self(Hmac::new_from_slice(key).ok()))
    }

    /// No ids.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether there is a key.
    pub fn have_key(&self) -> bool {
        self.0.is_some()
    }

    /// The id of a number, with the country's code or without: 16 bytes of the HMAC-SHA-256 of the form that all ways to write it have in
    /// common, in hex. `None` without a key, and for a number that the platform masked, which many callees share.
    pub fn id_of(&self, number: &str) -> Option<String> {
        let mut code = self.0.clone()?;
        let number = CalleeSearch::read(number)?;
        code.update(number.forms().first()?.as_bytes());
        Some(hex::encode(&code.finalize().into_bytes()[..ID_BYTES]))
    }

    /// What seals cursors, which may name a call whose id tells a number. `None` without a key.
    pub fn cursors(&self) -> Option<Seal> {
        Seal::derived(self.0.clone()?, "cursors of lists")
    }

    /// By what calls of the same time are ordered, whose ids may be hidden. `None` without a key.
    pub fn ties(&self) -> Option<Ties> {
        Some(Ties::under(&derived_key(self.0.clone()?, "order within a time")))
    }
}

impl std::fmt::Debug for CalleeIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "CalleeIds(by a key)" } else { "CalleeIds(none)" })
    }
}

/// Whether this is an id of a callee by its form.
pub fn is_callee_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a canary of thirty-two characters";

    #[test]
    fn an_id_is_the_first_half_of_the_numbers_hmac() {
        // printf 13900000000 | openssl dgst -sha256 -hmac 'a canary of thirty-two characters'
        let id = CalleeIds::with_key(KEY).unwrap().id_of("13900000000").unwrap();
        assert_eq!(id, "411f28b9c491cde3f537ac80457f4e12");
        assert!(is_callee_id(&id));
        for same in [" 13900000000 ", "+86 139-0000-0000", "8613900000000"] {
            assert_eq!(CalleeIds::with_key(KEY).unwrap().id_of(same).as_ref(), Some(&id), "{same}");
        }
        assert_ne!(CalleeIds::with_key(KEY).unwrap().id_of("13900000001"), Some(id));
    }

    #[test]
    fn without_a_key_or_a_whole_number_there_is_none() {
        assert_eq!(CalleeIds::none().id_of("13900000000"), None);
        for number in ["139****0000", "", " "] {
            assert_eq!(CalleeIds::with_key(KEY).unwrap().id_of(number), None, "{number:?}");
        }
        assert_eq!(CalleeIds::with_key(&KEY[..31]).err(), Some(KeyTooShort));
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{:?}", CalleeIds::with_key(KEY).unwrap()).contains("canary"));
    }
}
