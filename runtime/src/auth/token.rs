//! A token's parts, before anything of it is believed.
//!
//! Tokens are JSON Web Signatures in the compact form (RFC 7515, RFC 7519). What is done with them is little enough to be written
//! out here, over *ring*: one form, two algorithms, and no parser that a token could talk into another. (The crate `jsonwebtoken`
//! would read `exp` as a number of serde's, which is none here: in this program JSON's numbers keep their digits.)

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Refusal;
use super::keys::Algorithm;

/// The longest token read, in bytes. API Gateway hands on no more than 10 KB of headers.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token that says of itself what it is. Nothing of it is verified.
pub(super) struct Unverified<'a> {
    /// What was signed.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: Algorithm,
    /// By which of its issuer's keys.
    pub(super) key_id: String,
    /// `typ`, without `application/`, in small letters.
    pub(super) kind: Option<String>,
    pub(super) claims: Map<String, Value>,
}

/// The token in a header `Authorization: Bearer …`.
pub(super) fn bearer(authorization: Option<&str>) -> Result<&str, Refusal> {
    let authorization =
        authorization.map(str::trim).filter(|text| !text.is_empty()).ok_or(Refusal::NoToken)?;
    let (scheme, token) = authorization.split_once(' ').ok_or(Refusal::NotBearer)?;
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(token.trim()),
        false => Err(Refusal::NotBearer),
    }
}

impl<'a> Unverified<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::NotAToken);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::NotAToken)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::NotAToken)?;
        let header = object(header)?;
        // What stands there has to be understood (RFC 7515, 4.1.11), and nothing of it is.
        if header.contains_key("crit") {
            return Err(Refusal::NotAToken);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg").and_then(Algorithm::named).ok_or(Refusal::Algorithm)?;
        let kind = text("typ").map(str::to_ascii_lowercase);
        Ok(Self {
            signed,
            signature: decoded(signature)?,
            algorithm,
            key_id: text("kid").ok_or(Refusal::UnknownKey)?.to_owned(),
            kind: kind.map(|kind| kind.strip_prefix("application/").unwrap_or(&kind).to_owned()),
            claims: object(claims)?,
        })
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::NotAToken)
}

fn object(part: &str) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(&decoded(part)?).map_err(|_| Refusal::NotAToken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(header: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(&json!({"iss": "i"})), URL_SAFE_NO_PAD.encode("signature"))
    }

    fn refusal(token: &str) -> Option<Refusal> {
        Unverified::read(token).err()
    }

    #[test]
    fn the_scheme_is_bearer_in_whatever_letters() {
        assert_eq!(bearer(Some("bEARER  abc ")), Ok("abc"));
        for (header, refusal) in [
            (None, Refusal::NoToken),
            (Some(""), Refusal::NoToken),
            (Some("  "), Refusal::NoToken),
            (Some("Bearer"), Refusal::NotBearer),
            (Some("Basic YTpi"), Refusal::NotBearer),
            (Some("DPoP abc"), Refusal::NotBearer),
            (Some("abc.def.ghi"), Refusal::NotBearer),
        ] {
            assert_eq!(bearer(header), Err(refusal), "{header:?}");
        }
    }

    #[test]
    fn a_token_says_what_it_is() {
        let token = token(&json!({"alg": "ES256", "kid": "k", "typ": "application/AT+JWT"}));
        let read = Unverified::read(&token).ok().unwrap();
        assert_eq!(
            (read.algorithm, read.key_id.as_str(), read.kind.as_deref()),
            (Algorithm::Es256, "k", Some("at+jwt"))
        );
        assert_eq!((read.claims["iss"].as_str(), &read.signature[..]), (Some("i"), &b"signature"[..]));
        assert_eq!(format!("{}.{}", read.signed, URL_SAFE_NO_PAD.encode("signature")), token);
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in
            ["", ".", "..", "a.b", "a.b.c.d", "e30.e30.e30", "!.e30.e30", "bnVsbA.e30.AA", "W10.e30.AA"]
        {
            assert!(refusal(garbage).is_some(), "{garbage}");
        }
        let sound = token(&json!({"alg": "RS256", "kid": "k"}));
        assert_eq!(refusal(&sound), None);
        for garbage in [
            format!("{sound}="),
            format!("{sound} "),
            sound.replacen('.', "=.", 1),
            sound.replace('.', ". "),
            format!("{sound}.{sound}"),
            format!("{sound}{}", "A".repeat(MAX_TOKEN_BYTES)),
        ] {
            assert_eq!(refusal(&garbage), Some(Refusal::NotAToken), "{garbage}");
        }
    }

    #[test]
    fn no_other_algorithm_and_nothing_critical_is_taken() {
        for algorithm in [
            "none", "None", "NONE", "", "HS256", "HS512", "RS384", "RS512", "PS256", "ES384", "EdDSA",
            "rs256",
        ] {
            let token = token(&json!({"alg": algorithm, "kid": "k"}));
            assert_eq!(refusal(&token), Some(Refusal::Algorithm), "{algorithm}");
        }
        for (header, expected) in [
            (json!({"kid": "k"}), Refusal::Algorithm),
            (json!({"alg": ["RS256"], "kid": "k"}), Refusal::Algorithm),
            (json!({"alg": "RS256"}), Refusal::UnknownKey),
            (json!({"alg": "RS256", "kid": 7}), Refusal::UnknownKey),
            (json!({"alg": "RS256", "kid": "k", "crit": ["b64"], "b64": false}), Refusal::NotAToken),
        ] {
            assert_eq!(refusal(&token(&header)), Some(expected), "{header}");
        }
    }
}
