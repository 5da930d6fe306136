//! Alibaba Cloud's request signature, version 3 (ACS3-HMAC-SHA256), from the server's side.
//!
//! Document: <https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature>. This
//! shares no code with the client in `shared/`, on purpose: a mistake would have to be made twice to go
//! unnoticed.

use super::{Credentials, UNRESERVED};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::utf8_percent_encode;
use sha2::{Digest as _, Sha256};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// How far a request's date may lie from the server's time, either way.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// A request as far as its signature speaks of it.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The decoded query parameters.
    pub(super) query: &'a [(String, String)],
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// Why a signature is refused. Codes, messages and statuses:
/// <https://help.aliyun.com/document_detail/48054.html>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0} is mandatory for this action.")]
    Missing(&'static str),
    #[error("The request signature does not conform to Aliyun standards.")]
    Incomplete,
    #[error("Specified time stamp or date value is not well formatted.")]
    BadDate,
    #[error("Specified time stamp or date value is expired.")]
    Expired,
    #[error("Specified access key is not found.")]
    UnknownKey,
    #[error(
        "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}"
    )]
    WrongSignature { string_to_sign: String },
    #[error("Specified signature nonce was used already.")]
    NonceUsed,
}

impl Refusal {
    /// Returns the HTTP status and the code.
    pub(super) fn documented(&self) -> (u16, String) {
        match self {
            Refusal::Missing(name) => (400, format!("Missing{name}")),
            Refusal::Incomplete => (400, "IncompleteSignature".to_owned()),
            Refusal::BadDate => (400, "InvalidTimeStamp.Format".to_owned()),
            Refusal::Expired => (400, "InvalidTimeStamp.Expired".to_owned()),
            Refusal::UnknownKey => (404, "InvalidAccessKeyId.NotFound".to_owned()),
            Refusal::WrongSignature { .. } => (400, "SignatureDoesNotMatch".to_owned()),
            Refusal::NonceUsed => (400, "SignatureNonceUsed".to_owned()),
        }
    }
}

/// Checks date, key, signature and, last, that the nonce is new; only a good request uses its nonce up.
pub(super) fn verify(
    request: &Request<'_>,
    key: &Credentials,
    nonces: &Nonces,
    now: Timestamp,
) -> Result<(), Refusal> {
    let date = header(request, "x-acs-date").ok_or(Refusal::Missing("Timestamp"))?;
    let nonce = header(request, "x-acs-signature-nonce").ok_or(Refusal::Missing("SignatureNonce"))?;
    let payload_hash = header(request, "x-acs-content-sha256").ok_or(Refusal::Missing("ContentSha256"))?;
    let authorization = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let claim =
        Claim::read(authorization.ok_or(Refusal::Missing("Authorization"))?).ok_or(Refusal::Incomplete)?;

    let distance = read_date(date).ok_or(Refusal::BadDate)?.duration_since(now).abs();
    if distance > WINDOW {
        return Err(Refusal::Expired);
    }
    if claim.key_id != key.id {
        return Err(Refusal::UnknownKey);
    }
    if !must_be_signed(request.headers)
        .all(|name| claim.signed_headers.split(';').any(|signed| signed == name))
    {
        return Err(Refusal::Incomplete);
    }
    let canonical = canonical_request(request, claim.signed_headers)?;
    let string_to_sign = format!("{ALGORITHM}\n{}", hex::encode(Sha256::digest(canonical)));
    let matches = hex::decode(claim.signature).is_ok_and(|claimed| {
        Hmac::<Sha256>::new_from_slice(key.secret.as_bytes())
            .is_ok_and(|mac| mac.chain_update(&string_to_sign).verify_slice(&claimed).is_ok())
    });
    // The hash is signed as the client states it, so it has to be true as well.
    if !matches || payload_hash != hex::encode(Sha256::digest(request.body)) {
        return Err(Refusal::WrongSignature { string_to_sign });
    }
    if nonces.is_new(nonce, now) { Ok(()) } else { Err(Refusal::NonceUsed) }
}

/// What the `Authorization` header says.
struct Claim<'a> {
    key_id: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl Claim<'_> {
    fn read(authorization: &str) -> Option<Claim<'_>> {
        let mut parts =
            authorization.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.splitn(3, ',').map(str::trim);
        Some(Claim {
            key_id: parts.next()?.strip_prefix("Credential=")?,
            signed_headers: parts.next()?.strip_prefix("SignedHeaders=")?,
            signature: parts.next()?.strip_prefix("Signature=")?,
        })
    }
}

fn header<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}

/// `2023-10-26T10:22:32Z` and nothing else.
fn read_date(date: &str) -> Option<Timestamp> {
    (date.len() == 20 && date.ends_with('Z')).then(|| date.parse().ok())?
}

fn must_be_signed(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.keys().map(http::HeaderName::as_str).filter(|name| *name == "host" || name.starts_with("x-acs-"))
}

fn canonical_request(request: &Request<'_>, signed_headers: &str) -> Result<String, Refusal> {
    let mut query: Vec<String> = request
        .query
        .iter()
        .map(|(key, value)| {
            format!("{}={}", utf8_percent_encode(key, UNRESERVED), utf8_percent_encode(value, UNRESERVED))
        })
        .collect();
    query.sort_unstable();
    let mut headers = String::new();
    for name in signed_headers.split(';') {
        let mut values: Vec<&str> = request
            .headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::trim)
            .collect();
        if values.is_empty() {
            return Err(Refusal::Incomplete);
        }
        values.sort_unstable();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let payload_hash = header(request, "x-acs-content-sha256").unwrap_or_default();
    let Request { method, path, query: _, headers: _, body: _ } = request;
    Ok(format!("{method}\n{path}\n{}\n{headers}\n{signed_headers}\n{payload_hash}", query.join("&")))
}

/// The nonces of the last half hour: older requests are refused by their date.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    nonces: HashSet<String>,
    by_age: VecDeque<(Timestamp, String)>,
}

impl Nonces {
    /// Remembers a nonce, and says whether it was new.
    fn is_new(&self, nonce: &str, now: Timestamp) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.by_age.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW + WINDOW) {
            if let Some((_, old)) = seen.by_age.pop_front() {
                seen.nonces.remove(&old);
            }
        }
        let is_new = seen.nonces.insert(nonce.to_owned());
        if is_new {
            seen.by_age.push_back((now, nonce.to_owned()));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SIGNED: &str =
        "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";

    /// The step-by-step example of the document. (Its overview table shows the same signature beside another
    /// date and nonce, which do not produce it.)
    struct Example {
        query: Vec<(String, String)>,
        headers: HeaderMap,
        key: Credentials,
        now: Timestamp,
        body: &'static [u8],
    }

    fn official() -> Example {
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders={SIGNED},\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
        let headers = [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", EMPTY_SHA256),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
            ("authorization", &authorization),
        ];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().unwrap());
        }
        Example {
            query: vec![
                ("RegionId".to_owned(), "cn-shanghai".to_owned()),
                ("ImageId".to_owned(), "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned()),
            ],
            headers: map,
            key: Credentials { id: "YourAccessKeyId".to_owned(), secret: "YourAccessKeySecret".to_owned() },
            now: "2023-10-26T10:30:00Z".parse().unwrap(),
            body: b"",
        }
    }

    impl Example {
        fn verify_with(&self, nonces: &Nonces) -> Result<(), Refusal> {
            let request = Request {
                method: "POST",
                path: "/",
                query: &self.query,
                headers: &self.headers,
                body: self.body,
            };
            verify(&request, &self.key, nonces, self.now)
        }

        /// What is answered to the example after a change.
        fn changed(change: impl FnOnce(&mut Example)) -> Result<(), Refusal> {
            let mut example = official();
            change(&mut example);
            example.verify_with(&Nonces::default())
        }

        fn set(&mut self, name: &'static str, value: &str) {
            self.headers.insert(name, value.parse().unwrap());
        }
    }

    #[test]
    fn official_example_is_accepted() {
        assert_eq!(Example::changed(|_| ()), Ok(()));
    }

    #[test]
    fn any_change_breaks_the_signature() {
        let check = |change: fn(&mut Example)| {
            let answer = Example::changed(change);
            assert!(matches!(answer, Err(Refusal::WrongSignature { .. })), "{answer:?}");
        };
        check(|example| example.key.secret.push('x'));
        check(|example| example.query[0].1.push('x'));
        check(|example| example.query.push(("More".to_owned(), String::new())));
        check(|example| example.set("x-acs-action", "StopInstances"));
        check(|example| example.set("x-acs-date", "2023-10-26T10:22:33Z"));
        check(|example| example.body = b"x");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (header, name) in [
            ("x-acs-date", "Timestamp"),
            ("x-acs-signature-nonce", "SignatureNonce"),
            ("x-acs-content-sha256", "ContentSha256"),
            ("authorization", "Authorization"),
        ] {
            let answer = Example::changed(|example| drop(example.headers.remove(header)));
            assert_eq!(answer, Err(Refusal::Missing(name)));
        }
    }

    #[test]
    fn date_has_a_quarter_of_an_hour_either_way() {
        let at = |now: &str| Example::changed(|example| example.now = now.parse().unwrap());
        assert_eq!(at("2023-10-26T10:37:32Z"), Ok(()));
        assert_eq!(at("2023-10-26T10:37:33Z"), Err(Refusal::Expired));
        assert_eq!(at("2023-10-26T10:07:32Z"), Ok(()));
        assert_eq!(at("2023-10-26T10:07:31Z"), Err(Refusal::Expired));
        for date in ["2023-10-26 10:22:32", "2023-10-26T18:22:32+08", "Thu, 26 Oct 2023 10:22:32 GMT"] {
            assert_eq!(
                Example::changed(|example| example.set("x-acs-date", date)),
                Err(Refusal::BadDate),
                "{date}"
            );
        }
    }

    #[test]
    fn key_and_form_are_checked() {
        assert_eq!(Example::changed(|example| example.key.id.push('x')), Err(Refusal::UnknownKey));
        assert_eq!(
            Example::changed(|example| example.set("authorization", "Basic abc")),
            Err(Refusal::Incomplete)
        );
        // A header that is not signed could be changed on the way.
        assert_eq!(
            Example::changed(|example| example.set("x-acs-security-token", "t")),
            Err(Refusal::Incomplete)
        );
        assert_eq!(
            Example::changed(|example| drop(example.headers.remove("host"))),
            Err(Refusal::Incomplete)
        );
    }

    #[test]
    fn nonce_is_good_for_one_request_that_was_good() {
        let nonces = Nonces::default();
        let mut example = official();
        example.key.secret.push('x');
        assert!(matches!(example.verify_with(&nonces), Err(Refusal::WrongSignature { .. })));
        example = official();
        assert_eq!(example.verify_with(&nonces), Ok(()));
        assert_eq!(example.verify_with(&nonces), Err(Refusal::NonceUsed));
    }

    #[test]
    fn old_nonces_are_forgotten() {
        let nonces = Nonces::default();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        assert!(nonces.is_new("a", at(0)));
        assert!(!nonces.is_new("a", at(30)));
        assert!(nonces.is_new("b", at(31)));
        assert_eq!(nonces.seen.lock().unwrap().nonces, HashSet::from(["b".to_owned()]));
    }
}
