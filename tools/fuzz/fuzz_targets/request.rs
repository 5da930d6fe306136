//! A request's event as API Gateway makes it, of whatever its sender has a hand in: nobody gets in without the token, nor from another
//! network, and who does has sent this body.
//!
//! What API Gateway writes by itself is sound: the library panics where the host, the path or base64 are not.

#![no_main]

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use runtime::ingress::authorize::{Denial, authorize};

const TOKEN: &str = "fuzzed-token";
/// The network that may push, and its addresses' first three octets.
const NETWORK: (&str, [u8; 3]) = ("198.51.100.0/24", [198, 51, 100]);

/// What of an event follows from what is sent, and from where.
#[derive(Arbitrary, Debug)]
struct Sent<'a> {
    /// `None`: the right one.
    token: Option<&'a str>,
    /// `None`: one that may push.
    source_ip: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    query: Vec<(&'a str, &'a str)>,
    content_encoding: Option<&'a str>,
    body: Option<&'a [u8]>,
}

libfuzzer_sys::fuzz_target!(|sent: Sent<'_>| {
    let token = sent.token.unwrap_or(TOKEN);
    let source_ip = sent.source_ip.unwrap_or("198.51.100.7");
    let its_own = ["host", "x-forwarded-proto"];
    let others =
        sent.headers.iter().filter(|(name, _)| !its_own.contains(&name.to_ascii_lowercase().as_str()));
    let mut headers: Map<String, Value> =
        others.map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    headers.extend(sent.content_encoding.map(|encoding| ("content-encoding".to_owned(), encoding.into())));
    let query: Map<String, Value> =
        sent.query.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let text = sent.body.and_then(|body| std::str::from_utf8(body).ok());
    let body = sent.body.map(|body| text.map_or_else(|| STANDARD.encode(body), str::to_owned));
    let event = json!({
        "version": "2.0",
        "routeKey": "POST /push/alicom-call-report/{token}",
        "rawPath": "/push/alicom-call-report/token",
        "rawQueryString": "",
        "headers": headers,
        "queryStringParameters": query,
        "requestContext": {
            "accountId": "0", "apiId": "callvault", "domainName": "localhost", "domainPrefix": "callvault",
            "http": {
                "method": "POST", "path": "/push/alicom-call-report/token", "protocol": "HTTP/1.1",
                "sourceIp": source_ip, "userAgent": "",
            },
            "requestId": "1", "routeKey": "POST /push/alicom-call-report/{token}", "stage": "$default",
            "time": "01/Jun/2025:02:00:00 +0000", "timeEpoch": 1_748_743_200_000_u64,
        },
        "pathParameters": {"token": token},
        "body": body,
        "isBase64Encoded": text.is_none(),
    });
    // It takes no header's name that isn't one.
    let Ok(request) = lambda_http::request::from_str(&event.to_string()) else { return };

    let mut config = testkit::push_config(vec![Sha256::digest(TOKEN).into()]);
    config.allowed_sources = vec![NETWORK.0.parse().expect("a network")];
    let may_push = match source_ip.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.octets()[..3] == NETWORK.1,
        _ => false,
    };
    match authorize(request, "alicom-call-report", &config) {
        Err(Denial::Token) => assert_ne!(token, TOKEN),
        Err(Denial::Address) => assert!(token == TOKEN && !may_push, "{source_ip}"),
        Ok(authorized) => {
            assert!(token == TOKEN && may_push, "{token} from {source_ip}");
            assert_eq!(authorized.body(), sent.body.unwrap_or_default());
        }
    }
});
