//! What a reader carries for us from page to page, and is not to read: a text that only who has the key makes and opens.
//!
//! A synthetic initialization vector (as in RFC 5297, with HMAC-SHA-256 as the pseudorandom function): the code of the text is what the
//! text is encrypted by, so that nothing random is needed, and a text that was altered opens no more.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How many bytes of the code stand before the text.
const TAG_BYTES: usize = 16;
/// What the code of a text, and the stream that it is encrypted by, begin with: no code of one is one of the other.
const TEXT: &[u8] = b"text\0";
const STREAM: &[u8] = b"stream\0";

/// Seals texts under a key, and opens them.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

/// A key for a purpose, which tells nothing of the one that it is derived from.
pub(super) fn derived_key(mut key: Hmac<Sha256>, purpose: &str) -> [u8; 32] {
    key.update(purpose.as_bytes());
    key.finalize().into_bytes().into()
}

impl Seal {
    /// Under a key that is derived from another one, for a purpose.
    pub(super) fn derived(key: Hmac<Sha256>, purpose: &str) -> Option<Self> {
        Hmac::new_from_slice(&derived_key(key, purpose)).ok().map(Self)
    }

    /// A text that says nothing, in letters that need no escape in a URL.
    pub fn seal(&self, text: &str) -> String {
        let mut sealed = self.tag(text.as_bytes()).to_vec();
        sealed.extend(self.streamed(&sealed, text.as_bytes()));
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The text that was sealed; `None` where it was not sealed under this key, or altered.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (tag, rest) = bytes.split_at_checked(TAG_BYTES)?;
        let text = self.streamed(tag, rest);
        let mut code = self.0.clone();
        code.update(TEXT);
        code.update(&text);
        // In constant time.
        code.verify_truncated_left(tag).ok()?;
        String::from_utf8(text).ok()
    }

    fn tag(&self, text: &[u8]) -> [u8; TAG_BYTES] {
        let mut code = self.0.clone();
        code.update(TEXT);
        code.update(text);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&code.finalize().into_bytes()[..TAG_BYTES]);
        tag
    }

    /// A text, encrypted, or what was encrypted, as it was.
    fn streamed(&self, tag: &[u8], text: &[u8]) -> Vec<u8> {
        let mut streamed = Vec::with_capacity(text.len());
        for (number, block) in (0_u64..).zip(text.chunks(32)) {
            let mut code = self.0.clone();
            code.update(STREAM);
            code.update(tag);
            code.update(&number.to_be_bytes());
            let stream = code.finalize().into_bytes();
            streamed.extend(block.iter().zip(stream).map(|(byte, key)| byte ^ key));
        }
        streamed
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(key: &[u8]) -> Seal {
        Seal::derived(Hmac::new_from_slice(key).unwrap(), "tests").unwrap()
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_opens_under_its_key_alone() {
        let text = "call#alicom#13900000001";
        let sealed = seal(b"one").seal(text);
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("1390"), "{sealed}");
        assert_eq!(seal(b"one").open(&sealed).as_deref(), Some(text));
        assert_eq!(seal(b"two").open(&sealed), None);
        let other = Seal::derived(Hmac::new_from_slice(b"one").unwrap(), "other tests").unwrap();
        assert_eq!(other.open(&sealed), None, "another purpose");
    }

    #[test]
    fn what_is_altered_opens_no_more() {
        let sealed = seal(b"one").seal("call#alicom#10000161^1000018");
        for place in 0..sealed.len() {
            for other in ["A", "z", "", "%", "é"] {
                let altered = format!("{}{other}{}", &sealed[..place], &sealed[place + 1..]);
                assert!(altered == sealed || seal(b"one").open(&altered).is_none(), "{altered}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "\\PC{0,100}") {
            prop_assert_eq!(seal(b"one").open(&seal(b"one").seal(&text)), Some(text));
        }
    }
}
