//! Object storage as Alibaba's OSS does it: URLs signed with version 1 of its signature, and its error
//! documents.
//!
//! A URL's path is `/<bucket>/<object>`; the bucket is called `recordings`.
//! Documents: <https://www.alibabacloud.com/help/en/oss/support/0002-00000070> and
//! <https://www.alibabacloud.com/help/en/oss/developer-reference/error-responses>.

use super::UNRESERVED;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use sha1::Sha1;
use std::fmt::Write as _;

/// The bucket, and so the first part of each recording's path.
pub(super) const BUCKET: &str = "recordings";

/// The key the simulator signs with. It is no secret: it opens nothing but what the simulator makes up, and
/// being always the same it lets a URL outlive the process that issued it, as OSS's do.
const KEY_ID: &str = "callvault-simulator";
const KEY_SECRET: &str = "callvault-simulator-signs-with-this";

/// What stands for itself in an object's path, which keeps its slashes.
const IN_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// Why OSS refuses a request for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such object.
    NoSuchKey,
    /// It takes a signature to read it, and there is none.
    Unsigned,
    /// The signature has had its time.
    Expired { at: Timestamp, now: Timestamp },
    /// `Expires` is not a number of seconds.
    BadExpiry,
    /// The signature is another key's.
    UnknownKey,
    /// The signature is not that of this request.
    WrongSignature,
    /// The object store is at fault.
    Internal,
    /// The object store has too much to do.
    Busy,
    /// A first request is refused for no reason (`unauthorized-once`).
    Unauthorized,
}

impl Refusal {
    /// The `fault=expired` refusal, a second after the expiry.
    pub(super) fn just_expired(now: Timestamp) -> Refusal {
        Refusal::Expired { at: now.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(now), now }
    }

    /// Returns the HTTP status, the code and the message OSS documents.
    fn documented(self) -> (u16, &'static str, &'static str) {
        match self {
            Refusal::NoSuchKey => (404, "NoSuchKey", "The specified key does not exist."),
            Refusal::Unsigned => {
                (403, "AccessDenied", "You have no right to access this object because of bucket acl.")
            }
            Refusal::Expired { .. } => (403, "AccessDenied", "Request has expired."),
            Refusal::BadExpiry => (403, "AccessDenied", "Invalid date (should be seconds since epoch)."),
            Refusal::UnknownKey => (
                403,
                "InvalidAccessKeyId",
                "The OSS Access Key Id you provided does not exist in our records.",
            ),
            Refusal::WrongSignature => (
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            ),
            Refusal::Internal => {
                (500, "InternalError", "We encountered an internal error. Please try again.")
            }
            Refusal::Busy => (503, "ServiceUnavailable", "The server is busy. Please try again later."),
            Refusal::Unauthorized => (401, "Unauthorized", "The request is not authorized."),
        }
    }

    /// Returns the HTTP status.
    pub(super) fn status(self) -> u16 {
        self.documented().0
    }

    /// Returns the error document.
    pub(super) fn document(self, request_id: &str, host: &str) -> String {
        let (_, code, message) = self.documented();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>{code}</Code>\n  <Message>{message}</Message>\n  \
             <RequestId>{request_id}</RequestId>\n  <HostId>{}</HostId>\n",
            escape(host)
        );
        if let Refusal::Expired { at, now } = self {
            let stamp = |instant: Timestamp| instant.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
            // Writing to a string can't fail.
            let _ = write!(
                xml,
                "  <Expires>{}</Expires>\n  <ServerTime>{}</ServerTime>\n",
                stamp(at),
                stamp(now)
            );
        }
        xml.push_str("</Error>\n");
        xml
    }
}

/// Returns the percent-encoded path of a recording.
pub(super) fn path(name: &str) -> String {
    format!("/{BUCKET}/{}", utf8_percent_encode(name, IN_PATH))
}

/// Returns the path and query of a `GET` of a recording that is good until `expires_at` (whole seconds).
pub(super) fn signed_path(name: &str, expires_at: Timestamp) -> String {
    let expires = expires_at.as_second().to_string();
    let signature = BASE64.encode(mac(&Method::GET, &expires, name).finalize().into_bytes());
    format!(
        "{}?OSSAccessKeyId={KEY_ID}&Expires={expires}&Signature={}",
        path(name),
        utf8_percent_encode(&signature, UNRESERVED)
    )
}

/// Checks a request's signature if it has one, and that it has one if it needs one.
///
/// The method is part of what is signed: OSS refuses a `HEAD` of a URL that was signed for `GET`, and so does
/// this. Parameters beyond the three are not, so that `&fault=` can be appended.
pub(super) fn check(
    method: &Method,
    name: &str,
    query: &[(String, String)],
    needed: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (Some(key_id), Some(expires), Some(signature)) =
        (parameter("OSSAccessKeyId"), parameter("Expires"), parameter("Signature"))
    else {
        let signed_in_part =
            ["OSSAccessKeyId", "Expires", "Signature"].into_iter().any(|name| parameter(name).is_some());
        return if needed || signed_in_part { Err(Refusal::Unsigned) } else { Ok(()) };
    };
    let at = expires
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or(Refusal::BadExpiry)?;
    if now >= at {
        return Err(Refusal::Expired { at, now });
    }
    if key_id != KEY_ID {
        return Err(Refusal::UnknownKey);
    }
    let signature = BASE64.decode(signature).map_err(|_| Refusal::WrongSignature)?;
    mac(method, expires, name).verify_slice(&signature).map_err(|_| Refusal::WrongSignature)
}

fn mac(method: &Method, expires: &str, name: &str) -> Hmac<Sha1> {
    // HMAC takes a key of any length: the error can't happen, and an unkeyed HMAC would match nothing.
    let mut mac = Hmac::<Sha1>::new_from_slice(KEY_SECRET.as_bytes())
        .unwrap_or_else(|_| Hmac::new(&Default::default()));
    // Content-MD5 and Content-Type are empty, and there are no x-oss- headers.
    mac.update(format!("{method}\n\n\n{expires}\n/{BUCKET}/{name}").as_bytes());
    mac
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn query(signed_path: &str) -> Vec<(String, String)> {
        let (_, query) = signed_path.split_once('?').unwrap();
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// OpenSSL agrees: `printf 'GET\n\n\n1700000000\n/recordings/a.wav' | openssl dgst -sha1 -hmac callvault-simulator-signs-with-this -binary | base64`
    #[test]
    fn signature_is_that_of_version_1() {
        let signed = query(&signed_path("a.wav", at(1_700_000_000)));
        assert_eq!(signed[2], ("Signature".to_owned(), "ziWZ/VwPRG5Ed5EdVqF8M4/WI3w=".to_owned()));
    }

    #[test]
    fn good_until_it_expires() {
        let signed = query(&signed_path("50%^ a/b.wav", at(1_000)));
        assert_eq!(check(&Method::GET, "50%^ a/b.wav", &signed, true, at(999)), Ok(()));
        let late = check(&Method::GET, "50%^ a/b.wav", &signed, true, at(1_000));
        assert_eq!(late, Err(Refusal::Expired { at: at(1_000), now: at(1_000) }));
    }

    #[test]
    fn any_change_is_noticed() {
        let signed = query(&signed_path("a.wav", at(1_000)));
        let check_changed = |at_index: usize, value: &str| {
            let mut changed = signed.clone();
            changed[at_index].1 = value.to_owned();
            check(&Method::GET, "a.wav", &changed, false, at(10))
        };
        assert_eq!(check_changed(0, "other"), Err(Refusal::UnknownKey));
        assert_eq!(check_changed(1, "1001"), Err(Refusal::WrongSignature));
        assert_eq!(check_changed(1, "soon"), Err(Refusal::BadExpiry));
        assert_eq!(check_changed(2, "AAAA"), Err(Refusal::WrongSignature));
        assert_eq!(check_changed(2, "!"), Err(Refusal::WrongSignature));
        assert_eq!(check(&Method::GET, "b.wav", &signed, false, at(10)), Err(Refusal::WrongSignature));
        assert_eq!(check(&Method::HEAD, "a.wav", &signed, false, at(10)), Err(Refusal::WrongSignature));
        assert_eq!(check(&Method::GET, "a.wav", &signed[..2], false, at(10)), Err(Refusal::Unsigned));
    }

    #[test]
    fn without_a_signature_only_what_is_public() {
        assert_eq!(check(&Method::GET, "a.wav", &[], true, at(10)), Err(Refusal::Unsigned));
        assert_eq!(check(&Method::GET, "a.wav", &[], false, at(10)), Ok(()));
    }
}
