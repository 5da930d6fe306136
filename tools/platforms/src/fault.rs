//! The ways in which a recording's server misbehaves, one for each way in which recordings were lost
//! elsewhere.
//!
//! A fault is registered with its recording, or asked for in the URL (`?fault=not-found:3`), in the same
//! words.

use std::fmt;
use std::str::FromStr;

/// What `redirect-private` points at: the address every cloud serves its machines' credentials on.
const METADATA_URL: &str = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
/// Bytes a second, where `drip` names none.
const SLOW: u64 = 16;

/// How a recording misbehaves. The text forms of [`FromStr`] and [`fmt::Display`] are given in backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `not-found:3`: 404 for the first so many requests, as when a URL is announced before its file exists;
    /// then sound.
    NotFound {
        /// How many requests.
        times: u32,
    },
    /// `expired`: 403, `Request has expired.`, whatever the URL's signature says.
    Expired,
    /// `server-error`: 500 always; `server-error:2`: 503 for the first two requests, then sound.
    ServerError {
        /// How many requests; always, if absent.
        times: Option<u32>,
    },
    /// `truncated`: the right `Content-Length`, and the connection closed after half the body.
    Truncated,
    /// `stall`: the right `Content-Length`, and nothing more after half the body, the connection left open.
    Stall,
    /// `wrong-length:longer`: a `Content-Length` of 1,000 bytes too many; the connection closes after the
    /// whole file.
    LongerLength,
    /// `wrong-length:shorter`: a `Content-Length` of half the file, and no more than that is sent. HTTP sees
    /// nothing wrong; only the file's own header tells of more.
    ShorterLength,
    /// `chunked`: no `Content-Length`; otherwise sound.
    Chunked,
    /// `drip`, `drip:64`: a sound body at so many bytes a second.
    Drip {
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// `redirect-private`: 302 to the cloud's metadata address; `redirect:<url>`: 302 to that URL.
    Redirect {
        /// The `Location`, as it is sent.
        to: String,
    },
    /// `xml-200`: an OSS error document with status 200; `xml-200:audio`: the same, with the recording's
    /// media type.
    Xml {
        /// Whether it pretends to be audio.
        as_audio: bool,
    },
    /// `endless`: sound without `Content-Length` that never ends.
    Endless,
    /// `empty`: a WAV header of 44 bytes, and no sound.
    Empty,
    /// `unauthorized-once`: 401 for the first request, then sound.
    UnauthorizedOnce,
    /// `html`: status 200 and a login page.
    Html,
}

/// A text that names no fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "no such fault; there are not-found:N, expired, server-error[:N], truncated, stall, wrong-length:longer, wrong-length:shorter, chunked, \
     drip[:BYTES], redirect-private, redirect:URL, xml-200[:audio], endless, empty, unauthorized-once, html"
)]
pub struct UnknownFault;

impl Fault {
    /// One of every kind, for a test or a load that wants them all.
    pub fn every() -> Vec<Fault> {
        vec![
            Fault::NotFound { times: 3 },
            Fault::Expired,
            Fault::ServerError { times: None },
            Fault::ServerError { times: Some(2) },
            Fault::Truncated,
            Fault::Stall,
            Fault::LongerLength,
            Fault::ShorterLength,
            Fault::Chunked,
            Fault::Drip { bytes_per_second: SLOW },
            Fault::Redirect { to: METADATA_URL.to_owned() },
            Fault::Xml { as_audio: false },
            Fault::Xml { as_audio: true },
            Fault::Endless,
            Fault::Empty,
            Fault::UnauthorizedOnce,
            Fault::Html,
        ]
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Fault, UnknownFault> {
        let (name, detail) = match text.split_once(':') {
            Some((name, detail)) => (name, Some(detail)),
            None => (text, None),
        };
        Ok(match (name, detail) {
            ("not-found", Some(times)) => Fault::NotFound { times: number(times)? },
            ("expired", None) => Fault::Expired,
            ("server-error", None) => Fault::ServerError { times: None },
            ("server-error", Some(times)) => Fault::ServerError { times: Some(number(times)?) },
            ("truncated", None) => Fault::Truncated,
            ("stall", None) => Fault::Stall,
            ("wrong-length", Some("longer")) => Fault::LongerLength,
            ("wrong-length", Some("shorter")) => Fault::ShorterLength,
            ("chunked", None) => Fault::Chunked,
            ("drip", None) => Fault::Drip { bytes_per_second: SLOW },
            ("drip", Some(bytes)) => Fault::Drip { bytes_per_second: number::<u64>(bytes)?.max(1) },
            ("redirect-private", None) => Fault::Redirect { to: METADATA_URL.to_owned() },
            ("redirect", Some(url)) if !url.is_empty() => Fault::Redirect { to: url.to_owned() },
            ("xml-200", None) => Fault::Xml { as_audio: false },
            ("xml-200", Some("audio")) => Fault::Xml { as_audio: true },
            ("endless", None) => Fault::Endless,
            ("empty", None) => Fault::Empty,
            ("unauthorized-once", None) => Fault::UnauthorizedOnce,
            ("html", None) => Fault::Html,
            _ => return Err(UnknownFault),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotFound { times } => write!(f, "not-found:{times}"),
            Fault::Expired => f.write_str("expired"),
            Fault::ServerError { times: None } => f.write_str("server-error"),
            Fault::ServerError { times: Some(times) } => write!(f, "server-error:{times}"),
            Fault::Truncated => f.write_str("truncated"),
            Fault::Stall => f.write_str("stall"),
            Fault::LongerLength => f.write_str("wrong-length:longer"),
            Fault::ShorterLength => f.write_str("wrong-length:shorter"),
            Fault::Chunked => f.write_str("chunked"),
            Fault::Drip { bytes_per_second } => write!(f, "drip:{bytes_per_second}"),
            Fault::Redirect { to } => write!(f, "redirect:{to}"),
            Fault::Xml { as_audio: false } => f.write_str("xml-200"),
            Fault::Xml { as_audio: true } => f.write_str("xml-200:audio"),
            Fault::Endless => f.write_str("endless"),
            Fault::Empty => f.write_str("empty"),
            Fault::UnauthorizedOnce => f.write_str("unauthorized-once"),
            Fault::Html => f.write_str("html"),
        }
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, UnknownFault> {
    text.parse().map_err(|_| UnknownFault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_back_from_its_text() {
        for fault in Fault::every() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn short_forms_are_understood() {
        let check = |text: &str, fault: Fault| assert_eq!(text.parse(), Ok(fault), "{text}");
        check("drip", Fault::Drip { bytes_per_second: 16 });
        check("drip:0", Fault::Drip { bytes_per_second: 1 });
        check("redirect-private", Fault::Redirect { to: METADATA_URL.to_owned() });
        check("redirect:http://[::1]:80/a?b", Fault::Redirect { to: "http://[::1]:80/a?b".to_owned() });
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "nonsense",
            "not-found",
            "not-found:x",
            "not-found:-1",
            "wrong-length",
            "redirect:",
            "expired:1",
        ] {
            assert_eq!(text.parse::<Fault>(), Err(UnknownFault), "{text}");
        }
    }
}
