//! An issuer's public keys, of a JSON Web Key Set (RFC 7517, RFC 7518).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// The most keys that are taken of a set.
const MAX_KEYS: usize = 100;
/// The length of a coordinate on the curve P-256, in bytes.
const P256_BYTES: usize = 32;

/// By what tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA by PKCS #1, with SHA-256.
    Rs256,
    /// ECDSA on the curve P-256, with SHA-256.
    Es256,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A public key, with the one algorithm that it is used by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Modulus and exponent, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point on the curve, uncompressed.
    P256(Vec<u8>),
}

impl PublicKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether the signature of a text was made with this key's other half. An RSA key of less than 2,048 bits verifies nothing.
    pub(super) fn verifies(&self, signed: &str, signature: &[u8]) -> bool {
        let verified = match self {
            Self::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), signature)
            }
            Self::P256(point) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(signed.as_bytes(), signature)
            }
        };
        verified.is_ok()
    }

    fn of_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let number = |name: &str| {
            let bytes = bytes(name)?;
            let first = bytes.iter().position(|byte| *byte != 0)?;
            Some(bytes[first..].to_vec())
        };
        // Some keys are for encryption.
        let key = match (text("use").unwrap_or("sig"), text("kty")?) {
            ("sig", "RSA") => Self::Rsa { n: number("n")?, e: number("e")? },
            ("sig", "EC") if text("crv") == Some("P-256") => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                let sound = x.len() == P256_BYTES && y.len() == P256_BYTES;
                sound.then(|| Self::P256([&[4], &x[..], &y[..]].concat()))?
            }
            _ => return None,
        };
        let named = text("alg").is_none_or(|name| Algorithm::named(name) == Some(key.algorithm()));
        named.then_some(key)
    }
}

/// An issuer's public keys, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(Vec<(String, PublicKey)>);

impl KeySet {
    /// The keys of a set that are of use here; `None` where it is no set. Those without an id are of none.
    pub(super) fn of_json(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        let named = keys
            .iter()
            .filter_map(|jwk| Some((jwk.get("kid")?.as_str()?.to_owned(), PublicKey::of_jwk(jwk)?)));
        Some(Self(named.take(MAX_KEYS).collect()))
    }

    /// The key of that id, if it is for that algorithm: what a token says of its algorithm never decides over how a key is used.
    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> Option<&PublicKey> {
        let of_id = self.0.iter().filter(|(known, _)| known == id).map(|(_, key)| key);
        of_id.into_iter().find(|key| key.algorithm() == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_for_something_else_are_left_out() {
        let zeros = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![7; bytes]);
        let rsa = json!({"kid": "r", "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0, 1, 2]), "e": "AQAB"});
        let ec = json!({"kid": "e", "kty": "EC", "crv": "P-256", "x": zeros(32), "y": zeros(32), "alg": "ES256", "use": "sig"});
        let with = |base: &Value, name: &str, value: Value| {
            let mut key = base.clone();
            key[name] = value;
            key
        };
        let set = json!({"keys": [
            with(&rsa, "use", json!("enc")),
            with(&rsa, "alg", json!("RS512")),
            with(&rsa, "alg", json!("ES256")),
            with(&rsa, "n", json!("AAAA")),
            with(&rsa, "n", json!("%")),
            with(&rsa, "kid", json!(null)),
            with(&rsa, "kty", json!("oct")),
            with(&ec, "crv", json!("P-384")),
            with(&ec, "x", json!(zeros(31))),
            with(&ec, "y", json!(null)),
            json!("key"),
            rsa, ec,
        ]});
        let keys = KeySet::of_json(&set).unwrap();
        assert_eq!(keys.0.len(), 2, "{keys:?}");
        assert_eq!(
            keys.find("r", Algorithm::Rs256),
            Some(&PublicKey::Rsa { n: vec![1, 2], e: vec![1, 0, 1] })
        );
        assert!(keys.find("e", Algorithm::Es256).is_some());
        assert_eq!(keys.find("r", Algorithm::Es256), None, "a key has one algorithm");
        assert_eq!(keys.find("x", Algorithm::Rs256), None);
    }

    #[test]
    fn what_is_no_set_is_none() {
        for other in [json!([]), json!({}), json!({"keys": {}}), json!(null)] {
            assert_eq!(KeySet::of_json(&other), None, "{other}");
        }
        assert_eq!(KeySet::of_json(&json!({"keys": []})), Some(KeySet::default()));
    }
}
