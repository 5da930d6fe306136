//! What can be read from a recording's URL without fetching it: the URL as its sender meant it, and the moment its
//! signature expires. Pure, so that normalizers can use it.
//!
//! Recordings lie in Alibaba's object storage (OSS), or in one that speaks S3. OSS signs URLs in three ways, and spells
//! the expiry differently in each; the signature's version decides how it is read, never the parameter's name alone:
//! <https://www.alibabacloud.com/help/en/oss/support/0002-00000070> (V1, V2),
//! <https://help.aliyun.com/en/oss/user-guide/0002-00000232> (V4),
//! <https://help.aliyun.com/en/oss/user-guide/0002-00000418> (S3-compatible).

use jiff::{SignedDuration, Timestamp, civil, tz::Offset};
use url::Url;

/// The longest lifetime that a V4 signature may give a URL, in seconds (seven days).
const LONGEST_LIFETIME_S: i64 = 604_800;

/// 2000-01-01 and 2100-01-01, in seconds since the epoch: what lies outside is a duration, milliseconds or nonsense, not
/// the expiry of a recording.
const PLAUSIBLE_EPOCH_S: std::ops::RangeInclusive<i64> = 946_684_800..=4_102_444_800;

/// Spellings that stand for one character of a URL once it has gone through one JSON or HTML encoder too many. Platforms
/// send these, and a signature does not verify with them in place.
const ESCAPES: [(&str, &str); 5] = [
    ("\\u0026", "&"), // JSON, as some encoders write `&`
    ("\\/", "/"),     // JSON, as some encoders write `/`
    ("&amp;", "&"),   // HTML
    ("&#38;", "&"),   // HTML, numeric
    ("&#x26;", "&"),  // HTML, numeric in hexadecimal
];

/// Gives the URL that a sender meant: without the white space around it, and with leftover JSON and HTML escapes of `&`
/// and `/` decoded. Text that has none is given back as it came.
pub fn clean_url(text: &str) -> String {
    let mut url =
        text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}').to_owned();
    for (escape, meant) in ESCAPES {
        url = replace_ignoring_case(&url, escape, meant);
    }
    url
}

/// Tells when the URL's signature expires, as far as the URL says so itself.
///
/// `None` where the URL carries no signature that is known, or one whose expiry is not believable: then the documented
/// lifetime, counted from when the URL was first seen, is all there is.
pub fn expires_at(url: &str) -> Option<Timestamp> {
    // Nothing to read: a signature is made of parameters.
    if !url.contains('?') {
        return None;
    }
    let url = Url::parse(&clean_url(url)).ok()?;
    let signature = Parameters::of(&url);
    // Alibaba's own error pages misspell the parameter's name.
    match signature.get("x-oss-signature-version").or_else(|| signature.get("x-oss-signature-verion")) {
        Some(version) if version.eq_ignore_ascii_case("OSS4-HMAC-SHA256") => {
            lifetime(signature.get("x-oss-date")?, signature.get("x-oss-expires")?, 1)
        }
        Some(version) if version.eq_ignore_ascii_case("OSS2") => epoch(signature.get("x-oss-expires")?),
        Some(_) => None,
        None if signature.has("x-amz-date") => {
            lifetime(signature.get("x-amz-date")?, signature.get("x-amz-expires")?, 0)
        }
        None if signature.has("ossaccesskeyid") || signature.has("signature") => {
            epoch(signature.get("expires")?)
        }
        None => None,
    }
}

/// The query's parameters, found by name in any case; of a repeated one the first counts.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(url: &Url) -> Self {
        Self(url.query_pairs().map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Reads an absolute expiry, in seconds since the epoch.
fn epoch(seconds: &str) -> Option<Timestamp> {
    let seconds = seconds.parse().ok().filter(|seconds| PLAUSIBLE_EPOCH_S.contains(seconds))?;
    Timestamp::from_second(seconds).ok()
}

/// Reads the instant of signing (`20250601T020000Z`) and the lifetime counted from it, in seconds.
fn lifetime(signed_at: &str, lifetime_s: &str, shortest_s: i64) -> Option<Timestamp> {
    // `strptime` would take fewer digits.
    let signed_at = Some(signed_at).filter(|text| text.len() == "20250601T020000Z".len())?;
    let signed_at = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed_at).ok()?;
    let signed_at = Offset::UTC.to_timestamp(signed_at).ok()?;
    if !PLAUSIBLE_EPOCH_S.contains(&signed_at.as_second()) {
        return None;
    }
    let lifetime_s: i64 = lifetime_s.parse().ok()?;
    if !(shortest_s..=LONGEST_LIFETIME_S).contains(&lifetime_s) {
        return None;
    }
    signed_at.checked_add(SignedDuration::from_secs(lifetime_s)).ok()
}

/// Replaces every occurrence of an ASCII text, whatever its case.
fn replace_ignoring_case(text: &str, from: &str, to: &str) -> String {
    let folded = text.to_ascii_lowercase();
    let mut replaced = String::with_capacity(text.len());
    let mut rest = 0;
    for (found, _) in folded.match_indices(from) {
        replaced.push_str(&text[rest..found]);
        replaced.push_str(to);
        rest = found + from.len();
    }
    replaced.push_str(&text[rest..]);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_another_encoder_are_decoded() {
        for (sent, meant) in [
            ("https://a.example/r.wav?x=1&y=2", "https://a.example/r.wav?x=1&y=2"),
            (" \t\r\nhttps://a.example/r.wav\n\u{feff}", "https://a.example/r.wav"),
            ("https://a.example/r.wav?x=1\\u0026y=2\\u0026z=3", "https://a.example/r.wav?x=1&y=2&z=3"),
            ("https://a.example/r.wav?x=1&amp;y=2&AMP;z=3", "https://a.example/r.wav?x=1&y=2&z=3"),
            ("https://a.example/r.wav?x=1&#38;y=2&#X26;z=3", "https://a.example/r.wav?x=1&y=2&z=3"),
            ("https:\\/\\/a.example\\/r.wav", "https://a.example/r.wav"),
            (
                "https://a.example/\u{5f55}\u{97f3}.wav?x=1&amp;y=\u{0130}",
                "https://a.example/\u{5f55}\u{97f3}.wav?x=1&y=\u{0130}",
            ),
            ("https://a.example/r.wav?sig=a%26amp%3Bb%2F", "https://a.example/r.wav?sig=a%26amp%3Bb%2F"),
            ("", ""),
        ] {
            assert_eq!(clean_url(sent), meant, "{sent:?}");
        }
    }

    #[test]
    fn the_expiry_is_read_by_the_version_of_the_signature() {
        for (shows, query, expiry) in [
            ("V1", "OSSAccessKeyId=k&Expires=1749000000&Signature=s", Some("2025-06-04T01:20:00Z")),
            (
                "V1, names in another case",
                "ossaccesskeyid=k&EXPIRES=1749000000&signature=s",
                Some("2025-06-04T01:20:00Z"),
            ),
            (
                "V1, HTML-escaped",
                "OSSAccessKeyId=k&amp;Expires=1749000000&amp;Signature=s",
                Some("2025-06-04T01:20:00Z"),
            ),
            (
                "V1, JSON-escaped",
                "OSSAccessKeyId=k\\u0026Expires=1749000000\\u0026Signature=s",
                Some("2025-06-04T01:20:00Z"),
            ),
            (
                "V1, of a repeated one the first",
                "OSSAccessKeyId=k&Expires=1749000000&Expires=1&Signature=s",
                Some("2025-06-04T01:20:00Z"),
            ),
            ("V1, milliseconds", "OSSAccessKeyId=k&Expires=1749000000000&Signature=s", None),
            ("V1, a duration", "OSSAccessKeyId=k&Expires=3600&Signature=s", None),
            ("V1, negative", "OSSAccessKeyId=k&Expires=-1749000000&Signature=s", None),
            ("V1, beyond any integer", "OSSAccessKeyId=k&Expires=99999999999999999999999&Signature=s", None),
            ("V1, empty", "OSSAccessKeyId=k&Expires=&Signature=s", None),
            ("no signature", "Expires=1749000000", None),
            (
                "V2",
                "x-oss-signature-version=OSS2&x-oss-expires=1749000000&x-oss-access-key-id=k&x-oss-signature=s",
                Some("2025-06-04T01:20:00Z"),
            ),
            ("V2, a duration", "x-oss-signature-version=OSS2&x-oss-expires=3600", None),
            (
                "V4",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20250601T020000Z&x-oss-expires=3600",
                Some("2025-06-01T03:00:00Z"),
            ),
            (
                "V4, the longest",
                "X-Oss-Signature-Version=OSS4-HMAC-SHA256&X-Oss-Date=20250601T020000Z&X-Oss-Expires=604800",
                Some("2025-06-08T02:00:00Z"),
            ),
            (
                "V4, longer",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20250601T020000Z&x-oss-expires=604801",
                None,
            ),
            (
                "V4, zero",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20250601T020000Z&x-oss-expires=0",
                None,
            ),
            (
                "V4, an epoch as on the error pages",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20250601T020000Z&x-oss-expires=1749000000",
                None,
            ),
            (
                "V4, the name as on the error pages",
                "x-oss-signature-verion=OSS4-HMAC-SHA256&x-oss-date=20250601T020000Z&x-oss-expires=3600",
                Some("2025-06-01T03:00:00Z"),
            ),
            ("V4, no date", "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-expires=3600", None),
            (
                "V4, no such day",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20250631T020000Z&x-oss-expires=3600",
                None,
            ),
            (
                "V4, a short date",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=2025061T020000Z&x-oss-expires=3600",
                None,
            ),
            (
                "V4, long ago",
                "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=00010101T000000Z&x-oss-expires=3600",
                None,
            ),
            (
                "V4 beside a V1 parameter",
                "Expires=1749999999&Signature=s&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20250601T020000Z&x-oss-expires=3600",
                Some("2025-06-01T03:00:00Z"),
            ),
            ("a version of another day", "x-oss-signature-version=OSS9&x-oss-expires=1749000000", None),
            (
                "S3",
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20250601T020000Z&X-Amz-Expires=0&X-Amz-Signature=s",
                Some("2025-06-01T02:00:00Z"),
            ),
            ("S3, no lifetime", "X-Amz-Date=20250601T020000Z", None),
            ("no query", "", None),
        ] {
            let url = format!("http://alicom-fc-record-biz.cn-hangzhou.oss.aliyuncs.com/a/b.wav?{query}");
            let expected = expiry.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(expires_at(&url), expected, "{shows}");
        }
    }

    #[test]
    fn what_is_no_url_has_no_expiry() {
        for text in
            ["", "   ", "recording pending", "//no.scheme/x?Expires=1749000000&Signature=s", "http://["]
        {
            assert_eq!(expires_at(text), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", query in "(x-oss-date=|x-oss-expires=|Expires=|&|[0-9TZ-]{1,20}|\\\\u0026|.){0,12}") {
            expires_at(&text);
            expires_at(&format!("https://a.example/?x-oss-signature-version=OSS4-HMAC-SHA256&{query}"));
            expires_at(&format!("https://a.example/?Signature=&{query}"));
        }
    }
}
