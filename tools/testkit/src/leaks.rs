//! What must never be told in a log, a metric or an answer: tokens, keys, numbers, signed URLs, bodies.
//!
//! The tests plant [`CANARY`] in the secrets that they make up. Whatever a test starts has its logs watched: a leak ends the test's
//! process at once, so it can't be overlooked, on whichever thread it was told.

use std::io::{self, Write};
use std::process::abort;

use runtime::telemetry;

/// What every made-up secret holds.
pub const CANARY: &str = "canary";

/// What of a text must not be told; `None` where nothing is.
pub fn leak(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let token = text.split("/push/").skip(1).filter_map(|path| path.split_once('/')).any(|(_, token)| {
        // A route names it in braces.
        token.starts_with(|first: char| first.is_ascii_alphanumeric())
    });
    if text.contains(CANARY) {
        Some("a canary")
    } else if token {
        Some("a path with a token")
    } else if text.contains("/recordings/") || text.contains("signature=") || text.contains("ossaccesskeyid")
    {
        Some("a recording's URL")
    } else if numbers(&text).any(is_phone_number) {
        Some("a phone number")
    } else {
        None
    }
}

/// The runs of digits that are words of their own: not of a hash, nor a fraction's.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether it is a mobile's number in China or one of Hangzhou's, as all of the documents' samples are, with the country's code or
/// without.
fn is_phone_number(digits: &str) -> bool {
    let digits = digits.strip_prefix("86").unwrap_or(digits);
    let mobile = digits.len() == 11 && digits.starts_with('1') && digits.as_bytes()[1] >= b'3';
    mobile || digits.starts_with("0571") && (8..=12).contains(&digits.len())
}

/// Watches all that this process logs from now on, as it would log it in production.
pub fn watch() {
    // Once is enough.
    let _ = tracing::subscriber::set_global_default(telemetry::subscriber(|| Watched));
}

/// Ends this process where a text tells what must not be told.
pub fn check(text: &str) {
    if let Some(what) = leak(text) {
        // Past what captures the output of tests, which would be lost.
        let _ = writeln!(io::stderr(), "LEAK: {what} in {text}");
        abort();
    }
}

struct Watched;

impl Write for Watched {
    /// Is handed a line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        check(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_leak_is_seen() {
        for (text, what) in [
            (r#"{"message":"denied","token":"Canary-token"}"#, "a canary"),
            ("POST /push/alicom-call-report/4f0a HTTP/1.1", "a path with a token"),
            ("error sending request for url (http://h/recordings/a.wav)", "a recording's URL"),
            ("http://a.aliyuncs.com/b.wav?Expires=1&Signature=c", "a recording's URL"),
            (r#"{"callee":"13900000001"}"#, "a phone number"),
            ("+8613900000001 was called", "a phone number"),
            (r#"{"caller":"057100000000"}"#, "a phone number"),
        ] {
            assert_eq!(leak(text), Some(what), "{text}");
        }
    }

    #[test]
    fn what_may_be_told_is_no_leak() {
        for text in [
            "",
            r#"{"timestamp":"2025-06-01T02:00:00.13900000001Z","level":"INFO","message":"push","function":"alicom-call-report"}"#,
            "POST /push/alicom-call-report/{token}",
            r#"{"_aws":{"Timestamp":1748743200000},"StoreLatency":0.13912345678,"RecordingBytes":13912345}"#,
            "sha256 a13912345678f, request 00000000000000001391",
            "recordings/provider=alicom/date=2025-06-01/1^2/main.wav",
            "139****0001",
        ] {
            assert_eq!(leak(text), None, "{text}");
        }
    }
}
