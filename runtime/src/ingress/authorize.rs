//! Who may push: a request is nothing but suspect until [`authorize`] has made it an [`Authorized`] one.

use std::net::IpAddr;

use lambda_http::http::header::CONTENT_ENCODING;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config::PushConfig;

/// A request whose sender knows a token and comes from an address that may push. Only [`authorize`] makes one.
pub struct Authorized {
    body: Vec<u8>,
    content_encoding: Option<String>,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The path names no token that opens the function.
    Token,
    /// The sender's address is not among those that may push.
    Address,
}

impl Authorized {
    /// The body, decoded where API Gateway had put it into base64.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// A `Content-Encoding` other than `identity`, which no platform sends.
    pub fn content_encoding(&self) -> Option<&str> {
        self.content_encoding.as_deref()
    }
}

/// Lets a request to `function` pass whose path ends in a token that opens it, and whose sender's address, as API Gateway reports it (never a
/// header, which anybody can write), is allowed.
pub fn authorize(request: Request, function: &str, config: &PushConfig) -> Result<Authorized, Denial> {
    let parameters = request.path_parameters();
    let token = parameters.first("token").unwrap_or_default();
    if !is_accepted(token, config.tokens.of(function)) {
        return Err(Denial::Token);
    }
    if !config.allowed_sources.is_empty() {
        let address = source_address(&request).ok_or(Denial::Address)?;
        if !config.allowed_sources.iter().any(|network| network.contains(&address)) {
            return Err(Denial::Address);
        }
    }
    let encodings: Vec<_> = request.headers().get_all(CONTENT_ENCODING).iter().collect();
    let content_encoding = encodings
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        .find(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
    let body = match request.into_body() {
        Body::Text(text) => text.into_bytes(),
        Body::Binary(bytes) => bytes,
        // The type is open for further kinds; there is nothing to read in one that isn't known.
        _ => Vec::new(),
    };
    Ok(Authorized { body, content_encoding })
}

/// Whether the token's digest is among those accepted. Every digest is compared whole, so that the time taken tells nothing.
fn is_accepted<'a>(token: &str, digests: impl Iterator<Item = &'a [u8; 32]>) -> bool {
    let digest = Sha256::digest(token);
    let accepted = digests.fold(Choice::from(0), |any, accepted| any | digest[..].ct_eq(&accepted[..]));
    !token.is_empty() && bool::from(accepted)
}

fn source_address(request: &Request) -> Option<IpAddr> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => {
            context.http.source_ip.as_deref()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
        }
        #[allow(unreachable_patterns, reason = "other crates may compile other event shapes in")]
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Tokens, Zones};
    use serde_json::{Value, json};

    fn config(sources: &[&str]) -> PushConfig {
        PushConfig {
            tokens: Tokens::everywhere(vec![Sha256::digest("old").into(), Sha256::digest("new").into()]),
            allowed_sources: sources.iter().map(|network| network.parse().unwrap()).collect(),
            max_body_bytes: 1024,
            zones: Zones::default(),
            retention_days: None,
        }
    }

    fn request(token: Value, address: &str, headers: Value) -> Request {
        let event = json!({
            "version": "2.0",
            "routeKey": "POST /push/f/{token}",
            "rawPath": "/push/f/x",
            "rawQueryString": "",
            "headers": headers,
            "pathParameters": token,
            "requestContext": {
                "accountId": "1", "apiId": "api", "domainName": "localhost", "domainPrefix": "api", "requestId": "r",
                "routeKey": "r", "stage": "$default", "time": "01/Jun/2025:02:00:00 +0000", "timeEpoch": 1748743200000_i64,
                "http": {"method": "POST", "path": "/push/f/x", "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": "t"},
            },
            "body": "W10=",
            "isBase64Encoded": true,
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn a_known_token_passes_old_or_new() {
        for token in ["old", "new"] {
            let authorized =
                authorize(request(json!({"token": token}), "203.0.113.7", json!({})), "f", &config(&[]))
                    .ok()
                    .unwrap();
            assert_eq!(authorized.body(), b"[]", "base64 is decoded");
            assert_eq!(authorized.content_encoding(), None);
        }
    }

    #[test]
    fn no_other_token_passes() {
        for token in [
            json!({"token": "NEW"}),
            json!({"token": ""}),
            json!({}),
            json!({"token": "new/"}),
            json!({"other": "new"}),
        ] {
            let denial = authorize(request(token.clone(), "203.0.113.7", json!({})), "f", &config(&[])).err();
            assert_eq!(denial, Some(Denial::Token), "{token}");
        }
    }

    #[test]
    fn only_the_address_that_api_gateway_reports_counts() {
        let config = config(&["203.0.113.0/24"]);
        let token = json!({"token": "new"});
        for (address, headers, denial) in [
            ("203.0.113.7", json!({}), None),
            ("::ffff:203.0.113.7", json!({}), None),
            ("198.51.100.1", json!({"x-forwarded-for": "203.0.113.7"}), Some(Denial::Address)),
            ("2001:db8::1", json!({}), Some(Denial::Address)),
            ("nowhere", json!({}), Some(Denial::Address)),
        ] {
            assert_eq!(
                authorize(request(token.clone(), address, headers), "f", &config).err(),
                denial,
                "{address}"
            );
        }
    }

    #[test]
    fn a_content_encoding_is_seen() {
        for (encoding, seen) in [("gzip", Some("gzip")), ("identity", None), ("", None)] {
            let request =
                request(json!({"token": "new"}), "203.0.113.7", json!({"content-encoding": encoding}));
            assert_eq!(authorize(request, "f", &config(&[])).ok().unwrap().content_encoding(), seen);
        }
    }
}
