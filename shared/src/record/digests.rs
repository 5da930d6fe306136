//! The digests of a recording's bytes: SHA-256, by which S3 and others check what they get, and SHA-512, which a vCon tells.

use sha2::{Digest, Sha256, Sha512};

/// Reckons both digests as the bytes pass.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    sha256: Sha256,
    sha512: Sha512,
}

/// The digests of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256, hex.
    pub sha256: String,
    /// SHA-512, hex.
    pub sha512: String,
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    /// The digests of all that was taken.
    #[must_use]
    pub fn finish(self) -> Digests {
        let Self { sha256, sha512 } = self;
        Digests { sha256: hex::encode(sha256.finalize()), sha512: hex::encode(sha512.finalize()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values>: the one of "abc".
    #[test]
    fn both_are_as_the_standard_has_them_however_the_bytes_come() {
        let mut whole = Hasher::default();
        whole.update(b"abc");
        let mut divided = Hasher::default();
        [b"a".as_slice(), b"", b"bc"].into_iter().for_each(|bytes| divided.update(bytes));
        let digests = whole.finish();
        assert_eq!(digests, divided.finish());
        assert_eq!(digests.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            digests.sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }
}
