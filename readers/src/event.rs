//! What API Gateway sends and takes: its payload format 2.0, as far as it is needed here.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//!
//! Path and query are read as they come. A URI that is built of them anew would be another one where an id has a `?` or a `#`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The path as it came.
    pub raw_path: String,
    /// The query as it came.
    #[serde(default)]
    pub raw_query_string: String,
    /// The headers, by their names.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The cookies, each as `name=value`.
    #[serde(default)]
    pub cookies: Vec<String>,
    /// The body, where there is one.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether the body is in base64.
    #[serde(default)]
    pub is_base64_encoded: bool,
    /// What API Gateway knows of it.
    pub request_context: RequestContext,
}

/// What API Gateway knows of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// How it was asked.
    pub http: Http,
    /// The name that it was asked by.
    #[serde(default)]
    pub domain_name: Option<String>,
    /// The API's stage.
    #[serde(default)]
    pub stage: Option<String>,
    /// Its id, for logs.
    #[serde(default)]
    pub request_id: Option<String>,
}

/// How a request was asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Http {
    /// The method.
    pub method: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers.
    pub headers: BTreeMap<&'static str, String>,
    /// The body; in base64 where it is no text.
    pub body: String,
    /// Whether it is.
    pub is_base64_encoded: bool,
    /// What browsers are told to keep, each the value of a `Set-Cookie`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
}

/// What every answer has: nobody between keeps it, and no browser takes it for something else than it says it is.
const ALWAYS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("vary", "accept, accept-language, authorization"),
];

impl Answer {
    /// An answer without a body.
    pub fn empty(status_code: u16) -> Self {
        let headers = ALWAYS.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Self { status_code, headers, body: String::new(), is_base64_encoded: false, cookies: Vec::new() }
    }

    /// An answer with a body of this media type.
    pub fn of(status_code: u16, media_type: &str, body: Vec<u8>) -> Self {
        let (body, is_base64_encoded) = match String::from_utf8(body) {
            Ok(text) => (text, false),
            Err(binary) => (BASE64_STANDARD.encode(binary.as_bytes()), true),
        };
        let answer = Self { body, is_base64_encoded, ..Self::empty(status_code) };
        answer.with("content-type", media_type)
    }

    /// The answer that leads to a URL.
    pub fn found(url: String) -> Self {
        Self::empty(302).with("location", url)
    }

    /// The answer with a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// How many bytes it takes on its way from Lambda to API Gateway, as JSON.
    pub fn payload_bytes(&self) -> usize {
        let escapes = |byte: u8| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..=0x1f => 5,
            _ => 0,
        };
        self.body.len() + self.body.bytes().map(escapes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_bodies_are_in_base64_and_the_size_is_that_of_the_json() {
        let text = Answer::of(200, "text/plain", "a\"b\n\u{1}".into());
        assert_eq!((text.is_base64_encoded, text.payload_bytes()), (false, 5 + 1 + 1 + 5));
        assert_eq!(text.payload_bytes(), serde_json::to_string(&text.body).unwrap().len() - 2);
        let binary = Answer::of(200, "application/zip", vec![0xff, 0xfe]);
        assert_eq!((binary.is_base64_encoded, binary.body.as_str()), (true, "//4="));
        assert_eq!(binary.headers["cache-control"], "no-store");
    }
}
