//! What a push must never do, whatever it holds.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use local_stack::{Options, Stack};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shared::record::rejected::Rejected;
use testkit::{arbitrary_json, leaks, mutated};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    REPORTS, SAMPLE, Served, all_items, all_items_in, items, options, post, rejected, rejected_in, stack,
};

#[tokio::test]
async fn what_the_table_could_never_take_is_not_answered_503() {
    let stack = stack().await;
    let url = format!("{}{REPORTS}", stack.url());
    let long = "9".repeat(1025);
    let digits = "1".repeat(40);
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for (body, message) in [
        (json!([{"callId": long}]).to_string(), "stored 0, rejected 1"),
        (
            json!([{"callId": "a", "taskId": "t".repeat(3000), "callee": "1".repeat(5000)}]).to_string(),
            "stored 1",
        ),
        (format!(r#"[{{"callId":"b","duration":{digits},"new":{digits}}}]"#), "stored 1"),
        (format!(r#"[{{"callId":"c","new":{}}}]"#, deep(40)), "stored 1"),
        (format!(r#"[{{"callId":"d","new":{}}}]"#, deep(400)), "stored 0, rejected 1"),
        (
            r#"[{"callId":"e","":"an empty name","new":{"":1},"tiny":1e-400,"huge":1e400}]"#.to_owned(),
            "stored 1",
        ),
        (r#"[{"callId":"\ud800"}]"#.to_owned(), "stored 1"),
        (r#"[{"callId":"f","$serde_json::private::Number":"x"}]"#.to_owned(), "stored 0, rejected 1"),
        (r#"[{"callId":"g","new":{"$serde_json::private::Number":"x"}}]"#.to_owned(), "stored 0, rejected 1"),
    ] {
        let (status, answer) = post(&url, body.clone()).await;
        assert_eq!((status, answer["msg"].as_str()), (200, Some(message)), "{body:.200}");
    }
    let extra = items(&stack, "b").await[0]["extra"]["alicom-call-report"].clone();
    assert_eq!(extra["new"], json!(digits), "a number of 40 digits is kept as text");
    assert_eq!(items(&stack, "c").await[0]["extra"]["alicom-call-report"]["new"], json!(deep(40)));
    assert_eq!(rejected(&stack).await.len(), 4);
}

#[tokio::test]
async fn a_field_larger_than_an_item_is_stored_whole() {
    let stack = stack().await;
    let huge: String = ('a'..='z').cycle().take(600_000).collect();
    let body = json!([{"callId": "a", "statusMsg": huge, "duration": 1}]);
    let (status, answer) = post(&format!("{}{REPORTS}", stack.url()), body.to_string()).await;
    assert_eq!((status, answer["msg"].as_str()), (200, Some("stored 1")));
    let items = items(&stack, "a").await;
    let [call, push] = &items[..] else { panic!("a call and a push") };
    assert_eq!(call["duration_s"], 1);
    let bucket = stack.store().bucket();
    let extra = call["extra"]["alicom-call-report"]["large_key"].as_str().unwrap();
    let extra: Value = serde_json::from_slice(&bucket.get(extra).await.unwrap()).unwrap();
    assert_eq!(extra["statusMsg"], huge);
    let verbatim = bucket.get(push["body_key"].as_str().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(verbatim).unwrap(), body[0].to_string());
}

#[test]
fn whatever_comes_is_stored_rejected_or_refused_and_never_an_error_of_ours() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stack = runtime.block_on(stack());
    let url = format!("{}{REPORTS}", stack.url());
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    let with_id = arbitrary_json().prop_map(|value| json!([{"callId": "a", "taskId": value, "new": value}]));
    let bodies = prop_oneof![arbitrary_json(), with_id, mutated(sample)];
    runner
        .run(&bodies, |body| {
            let (status, answer) = runtime.block_on(post(&url, body.to_string()));
            prop_assert!(matches!(status, 200 | 400), "{} {}", status, answer);
            Ok(())
        })
        .unwrap();
    assert!(!runtime.block_on(all_items(&stack)).is_empty(), "some of it was stored");
}

/// A request of bad intent, or of a bad sender, as bytes on a socket.
struct Attack {
    name: String,
    bytes: Vec<u8>,
    /// Whether the sender goes away as soon as it is sent.
    hangs_up: bool,
    outcome: Outcome,
}

/// How it has to end.
enum Outcome {
    /// With one of these statuses, or with the connection closed, and nothing of it kept.
    Refused(&'static [u16]),
    /// With this status, and these bytes kept as rejected.
    Kept(u16, Vec<u8>),
    /// With 200: there is nothing wrong with it, as odd as it looks.
    Served,
}

use Outcome::{Kept, Refused, Served as Fine};

/// A call that must never be found anywhere.
const INTRUDER: &str = r#"[{"callId":"intruder"}]"#;

fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line}\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn raw(headers: &str, body: &str) -> Vec<u8> {
    format!("POST {REPORTS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}")
        .into_bytes()
}

fn attack(name: impl Into<String>, bytes: Vec<u8>, outcome: Outcome) -> Attack {
    Attack { name: name.into(), bytes, hangs_up: false, outcome }
}

/// Ways to come at a push without the token, and ways to write the path that are no more than unusual.
fn around_the_token() -> Vec<Attack> {
    let long = "x".repeat(60_000);
    let wrong = [
        "",
        "/",
        "/ ",
        "/LOCAL",
        "/Local",
        "/loca",
        "/canary-tokenn",
        "/canary-token/",
        "/canary-token//",
        "//canary-token",
        "/./canary-token",
        "/x/../canary-token",
        "/../alicom-call-report/canary-token",
        "/canary-token/..",
        "/canary-token/.",
        "/%2e%2e/canary-token",
        "/..%2fcanary-token",
        "/%2fcanary-token",
        "/canary-token%2f",
        "/%256cocal",
        "/canary-token%00",
        "/%00canary-token",
        "/canary-token%20",
        "/%20canary-token",
        "/canary-token%0d%0a",
        "/canary-token%0a",
        "/canary-token;x=1",
        "/canary-token%3bx",
        "/canary-token%3f",
        "/canary-token%23",
        "/wrong?token=canary-token",
        "/wrong?x=/canary-token",
        "/wrong/canary-token",
        "/canary-token/canary-token",
        "/canary-token,canary-token",
        "/*",
        "/%2a",
        "/{token}",
        "/undefined",
        "/null",
        "/canary-token%ff",
        "/%ff%fe",
        "/%c0%afl",
        "/%ef%bd%8cocal",
        "/loca%cc%81l",
        "/25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6",
        "/%u006cocal",
        "/%",
        "/%6",
        "/%zzcanary-token",
        "/'or'1'='1",
        "/$(canary-token)",
        "/canary-token\\",
        "\\canary-token",
    ];
    let mut attacks: Vec<_> = wrong
        .iter()
        .map(|tail| {
            let line = format!("POST /push/alicom-call-report{tail} HTTP/1.1");
            attack(
                format!("path …{tail}"),
                request(&line, "", INTRUDER.as_bytes()),
                Refused(&[400, 401, 404]),
            )
        })
        .collect();
    for path in [
        "/PUSH/alicom-call-report/canary-token",
        "/push/Alicom-Call-Report/canary-token",
        "/push//alicom-call-report/canary-token",
        "/./push/alicom-call-report/canary-token",
        "/push/./alicom-call-report/canary-token",
        "/push/x/../alicom-call-report/canary-token",
        "/push/x%2f..%2falicom-call-report/canary-token",
        "/push/alicom-call-report%2fcanary-token",
        "/push%2falicom-call-report%2fcanary-token",
        "/push/alicom-call-report%00/canary-token",
        "/push/alicom-call-reports/canary-token",
        "/push/archive-recordings/canary-token",
        "/push/canary-token",
        "/push",
        "/",
        "/alicom-call-report/canary-token",
        "//push/alicom-call-report/canary-token",
        "/push/arn:aws:lambda:x/canary-token",
        "/2015-03-31/functions/nothing/invocations",
        "*",
        "push/alicom-call-report/canary-token",
    ] {
        attacks.push(attack(
            format!("path {path}"),
            request(&format!("POST {path} HTTP/1.1"), "", INTRUDER.as_bytes()),
            // What is no push at all comes to the console, which has no such form.
            Refused(&[400, 404, 405]),
        ));
    }
    attacks.push(attack(
        "a token of 60 KB",
        request(&format!("POST /push/alicom-call-report/{long} HTTP/1.1"), "", INTRUDER.as_bytes()),
        Refused(&[401, 414, 431]),
    ));
    for headers in [
        "Authorization: Bearer canary-token\r\n",
        "X-Token: canary-token\r\n",
        "Cookie: token=canary-token\r\n",
        "X-Original-URL: /push/alicom-call-report/canary-token\r\n",
        "X-Rewrite-URL: /push/alicom-call-report/canary-token\r\n",
        "X-HTTP-Method-Override: POST\r\nToken: canary-token\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
    ] {
        attacks.push(attack(
            format!("wrong token, but {}", headers.trim()),
            request("POST /push/alicom-call-report/wrong HTTP/1.1", headers, INTRUDER.as_bytes()),
            Refused(&[401]),
        ));
    }
    let fine = br#"[{"callId":"fine"}]"#;
    for line in [
        "POST /push/alicom-call-report/%63anary-token HTTP/1.1",
        "POST /push/alicom-call-report/canary-token?x=1&x=2&%ff=%00 HTTP/1.1",
        "POST http://elsewhere/push/alicom-call-report/canary-token HTTP/1.1",
        "POST /push/alicom-call-report/canary-token HTTP/1.0",
        "POST /push/%61licom-call-report/canary-token HTTP/1.1",
    ] {
        attacks.push(attack(line, request(line, "", fine), Fine));
    }
    attacks
}

/// Requests that HTTP does not allow, or that two readers of HTTP would read differently.
fn smuggling() -> Vec<Attack> {
    let n = INTRUDER.len();
    let chunked = format!("{n:x}\r\n{INTRUDER}\r\n0\r\n\r\n");
    let refused = |name: &str, bytes: Vec<u8>| {
        attack(name, bytes, Refused(&[400, 404, 405, 408, 411, 413, 414, 417, 431, 501, 505]))
    };
    let mut attacks = vec![
        refused("two lengths", raw(&format!("Content-Length: 2\r\nContent-Length: {n}\r\n"), INTRUDER)),
        refused("two lengths in one", raw(&format!("Content-Length: 2, {n}\r\n"), INTRUDER)),
        refused("a negative length", raw("Content-Length: -1\r\n", INTRUDER)),
        refused("a signed length", raw(&format!("Content-Length: +{n}\r\n"), INTRUDER)),
        refused("a hexadecimal length", raw("Content-Length: 0x17\r\n", INTRUDER)),
        refused("a length in words", raw("Content-Length: all\r\n", INTRUDER)),
        refused("a length beyond any integer", raw("Content-Length: 99999999999999999999999\r\n", INTRUDER)),
        refused("an unknown transfer coding", raw("Transfer-Encoding: xchunked\r\n", &chunked)),
        refused("chunked, but not at last", raw("Transfer-Encoding: chunked, gzip\r\n", &chunked)),
        refused("a chunk size that is none", raw("Transfer-Encoding: chunked\r\n", "zz\r\nab\r\n0\r\n\r\n")),
        refused(
            "a chunk size beyond any integer",
            raw("Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFFF\r\nab\r\n"),
        ),
        refused("a negative chunk size", raw("Transfer-Encoding: chunked\r\n", "-1\r\nab\r\n0\r\n\r\n")),
        refused(
            "a chunk longer than it says",
            raw("Transfer-Encoding: chunked\r\n", "1\r\nabcd\r\n0\r\n\r\n"),
        ),
        refused(
            "an endless chunk extension",
            raw("Transfer-Encoding: chunked\r\n", &format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(100_000))),
        ),
        refused(
            "endless trailers",
            raw(
                "Transfer-Encoding: chunked\r\n",
                &format!("{n:x}\r\n{INTRUDER}\r\n0\r\n{}\r\n", "X: y\r\n".repeat(50_000)),
            ),
        ),
        refused("a blank before the colon", raw(&format!("Content-Length : {n}\r\n"), INTRUDER)),
        refused("a folded header", raw(&format!("X-Folded: a\r\n b\r\nContent-Length: {n}\r\n"), INTRUDER)),
        refused("a header without a name", raw(&format!(": x\r\nContent-Length: {n}\r\n"), INTRUDER)),
        refused("a header without a colon", raw(&format!("nonsense\r\nContent-Length: {n}\r\n"), INTRUDER)),
        refused("a zero in a header", raw(&format!("X: a\0b\r\nContent-Length: {n}\r\n"), INTRUDER)),
        refused("a bare return in a header", raw(&format!("X: a\rb\r\nContent-Length: {n}\r\n"), INTRUDER)),
        refused(
            "two hundred headers",
            raw(&format!("{}Content-Length: {n}\r\n", "X: y\r\n".repeat(200)), INTRUDER),
        ),
        refused(
            "ten thousand headers",
            raw(&format!("{}Content-Length: {n}\r\n", "X: y\r\n".repeat(10_000)), INTRUDER),
        ),
        refused(
            "a header of a megabyte",
            raw(&format!("X: {}\r\nContent-Length: {n}\r\n", "y".repeat(1 << 20)), INTRUDER),
        ),
        refused(
            "a header name of a megabyte",
            raw(&format!("{}: y\r\nContent-Length: {n}\r\n", "y".repeat(1 << 20)), INTRUDER),
        ),
        refused(
            "a request line of a megabyte",
            request(&format!("POST {REPORTS}?{} HTTP/1.1", "q".repeat(1 << 20)), "", INTRUDER.as_bytes()),
        ),
        refused(
            "a version of another day",
            request(&format!("POST {REPORTS} HTTP/3.7"), "", INTRUDER.as_bytes()),
        ),
        refused("no version", format!("POST {REPORTS}\r\n\r\n").into_bytes()),
        refused("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        refused("noise", (0..=255).cycle().take(4096).chain(*b"\r\n\r\n").collect()),
        refused("zeros", [&[0; 4096][..], b"\r\n\r\n"].concat()),
        refused(
            "a blank in the path",
            request("POST /push/alicom-call-report/lo cal HTTP/1.1", "", INTRUDER.as_bytes()),
        ),
        refused(
            "a tab for a blank",
            format!("POST\t{REPORTS}\tHTTP/1.1\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        ),
    ];
    for method in
        ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "PO ST", "POST\0", "QUERY"]
    {
        attacks.push(refused(
            &format!("the method {method:?}"),
            request(&format!("{method} {REPORTS} HTTP/1.1"), "", INTRUDER.as_bytes()),
        ));
    }
    // What hides behind the first request has no token of its own, and must be read as a request or not at all.
    let second = format!(
        "POST /push/alicom-call-report/wrong HTTP/1.1\r\nHost: x\r\nContent-Length: {n}\r\n\r\n{INTRUDER}"
    );
    let empty = "0\r\n\r\n";
    attacks.push(attack(
        "a length and chunks",
        raw(
            &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", empty.len() + second.len()),
            &format!("{empty}{second}"),
        ),
        Refused(&[400]),
    ));
    attacks.push(attack(
        "chunks and a length",
        raw("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("{empty}{second}")),
        Refused(&[400]),
    ));
    attacks.push(attack("no length, and then another request", raw("", &second), Refused(&[400])));
    attacks
}

/// Senders that go away, or take their time.
fn quitters() -> Vec<Attack> {
    let quits =
        |name: &str, bytes: Vec<u8>| Attack { hangs_up: true, ..attack(name, bytes, Refused(&[400, 408])) };
    vec![
        quits("nothing at all", Vec::new()),
        quits("HTTP/2, and then nothing", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        quits("half a method", b"PO".to_vec()),
        quits("half a head", format!("POST {REPORTS} HTTP/1.1\r\nHost:").into_bytes()),
        quits("a head alone", raw("Content-Length: 23\r\n", "")),
        quits("half a body", raw("Content-Length: 1000\r\n", INTRUDER)),
        quits("a body of a terabyte, in words only", raw("Content-Length: 1099511627776\r\n", INTRUDER)),
        quits("half a chunk", raw("Transfer-Encoding: chunked\r\n", &format!("ff\r\n{INTRUDER}"))),
        quits(
            "chunks without an end",
            raw("Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{INTRUDER}\r\n", INTRUDER.len())),
        ),
        quits("no body after being told to go on", raw("Expect: 100-continue\r\nContent-Length: 23\r\n", "")),
    ]
}

/// Bodies that no platform sends.
fn bodies() -> Vec<Attack> {
    let line = format!("POST {REPORTS} HTTP/1.1");
    let of = |name: &str, body: Vec<u8>, outcome: fn(Vec<u8>) -> Outcome| {
        attack(name, request(&line, "", &body), outcome(body))
    };
    let not_json = |body: Vec<u8>| Kept(400, body);
    let too_large = |body: Vec<u8>| Kept(413, body);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let mut attacks = vec![
        of("nothing", Vec::new(), not_json),
        of("a blank", b" ".to_vec(), not_json),
        of("a byte order mark alone", b"\xef\xbb\xbf".to_vec(), not_json),
        of("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf[]".to_vec(), not_json),
        of("UTF-16", utf16("[{\"callId\":\"x\"}]"), not_json),
        of("UTF-16 with its mark", [&[0xff, 0xfe][..], &utf16("[]")].concat(), not_json),
        of("UTF-7", b"+AFsAXQ-".to_vec(), not_json),
        of("Latin 1", b"[{\"callId\":\"\xe9\"}]".to_vec(), not_json),
        of("an overlong slash", b"[{\"callId\":\"\xc0\xaf\"}]".to_vec(), not_json),
        of("a surrogate in UTF-8", b"[{\"callId\":\"\xed\xa0\x80\"}]".to_vec(), not_json),
        of("beyond Unicode", b"[{\"callId\":\"\xf4\x90\x80\x80\"}]".to_vec(), not_json),
        of("half a character", b"[{\"callId\":\"\xe5\x94".to_vec(), not_json),
        of("zeros", vec![0; 1000], not_json),
        of("a zero after the end", b"[]\0".to_vec(), not_json),
        of("a form", b"callId=x&duration=1".to_vec(), not_json),
        of("XML", b"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>".to_vec(), not_json),
        of("gzip without saying so", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), not_json),
        of("a comma too many", b"[{\"callId\":\"x\",}]".to_vec(), not_json),
        of("a comma too few", b"[{\"callId\":\"x\"}{}]".to_vec(), not_json),
        of("single quotes", b"[{'callId':'x'}]".to_vec(), not_json),
        of("a comment", b"[/* x */]".to_vec(), not_json),
        of("not a number", b"[{\"callId\":NaN}]".to_vec(), not_json),
        of("infinity", b"[{\"callId\":-Infinity}]".to_vec(), not_json),
        of("a leading zero", b"[{\"callId\":007}]".to_vec(), not_json),
        of("a line feed in a text", b"[{\"callId\":\"a\nb\"}]".to_vec(), not_json),
        of("an unknown escape", b"[{\"callId\":\"\\x41\"}]".to_vec(), not_json),
        of("truth", b"true".to_vec(), not_json),
        of("YAML", b"- callId: x".to_vec(), not_json),
        of("lines of JSON", b"{\"callId\":\"x\"}\n{\"callId\":\"y\"}".to_vec(), not_json),
        of("half an array", b"[{\"callId\":\"x\"}".to_vec(), not_json),
        of("two bodies", b"[][]".to_vec(), not_json),
        of("a number", b"7".to_vec(), not_json),
        of("a text", b"\"[]\"".to_vec(), not_json),
        of("null", b"null".to_vec(), not_json),
        of("a hundred thousand brackets left open", vec![b'['; 100_000], not_json),
        of("a million braces left open", "{\"a\":".repeat(500_000).into_bytes(), not_json),
        of("a byte more than is taken", vec![b' '; (4 << 20) + 1], too_large),
        of("nine megabytes", [&b"[\""[..], &vec![b'x'; 9 << 20], b"\"]"].concat(), too_large),
    ];
    for encoding in ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "x"] {
        let body = format!("{encoding} {INTRUDER}").replace("intruder", "encoded").into_bytes();
        let headers = format!("Content-Encoding: {encoding}\r\n");
        attacks.push(attack(
            format!("encoded as {encoding}"),
            request(&line, &headers, &body),
            Kept(415, body),
        ));
    }
    attacks.push(attack(
        "more than the gateway takes",
        request(&line, "", &vec![b'x'; (10 << 20) + 1]),
        Refused(&[413]),
    ));
    for (name, body) in [
        (
            "the same key twice",
            r#"[{"callId":"fine-0","callId":"fine-0","duration":1,"duration":"x"}]"#.to_owned(),
        ),
        ("a million-digit number", format!(r#"[{{"callId":"fine-1","new":{}}}]"#, "9".repeat(1_000_000))),
        (
            "an exponent beyond anything",
            r#"[{"callId":"fine-2","duration":1e999999999,"new":-1E-999999999}]"#.to_owned(),
        ),
        (
            "prototypes",
            r#"[{"callId":"fine-3","__proto__":{"x":1},"constructor":{"prototype":{}}}]"#.to_owned(),
        ),
        ("zeros in texts and names", r#"[{"callId":"fine-4","a\u0000b":"\u0000"}]"#.to_owned()),
        (
            "nesting by a hundred",
            format!(r#"[{{"callId":"fine-5","new":{}{}}}]"#, "[".repeat(100), "]".repeat(100)),
        ),
        ("names by the thousand", {
            let names: Vec<_> = (0..5_000).map(|n| format!(r#""n{n}":{n}"#)).collect();
            format!(r#"[{{"callId":"fine-6",{}}}]"#, names.join(","))
        }),
        (
            "other keys of the table",
            r#"[{"callId":"fine-7","pk":"x","sk":"call","version":9,"ttl":1,"due":"archive#0","sources":{}}]"#
                .to_owned(),
        ),
        (
            "a condition in an id",
            r##"[{"callId":"fine-8","taskId":"x OR attribute_exists(pk)","batchId":"#pk :v"}]"##.to_owned(),
        ),
        ("a path for a slot", r#"[{"callId":"fine-9","outId":"../../../etc/passwd\u0000"}]"#.to_owned()),
    ] {
        attacks.push(attack(name, request(&line, "", body.as_bytes()), Fine));
    }
    let element = r#"{"callId":"fine"}"#;
    let many = format!("[{}]", vec![element; 50_000].join(","));
    attacks.push(attack("fifty thousand times the same element", request(&line, "", many.as_bytes()), Fine));
    let none = format!("[{}]", vec!["0"; 50_000].join(","));
    attacks.push(attack(
        "fifty thousand times the same element that is none",
        request(&line, "", none.as_bytes()),
        Kept(200, b"0".to_vec()),
    ));
    let lines = format!("POST {REPORTS} HTTP/1.1\nHost: x\nContent-Length: 19\n\n[{element}]");
    attacks.push(attack("bare line feeds, which may be taken", lines.into_bytes(), Fine));
    let n = r#"[{"callId":"fine"}]"#.len();
    let trailers = format!("{n:x};x=y\r\n[{{\"callId\":\"fine\"}}]\r\n0\r\nX-Late: canary-token\r\n\r\n");
    attacks.push(attack(
        "chunks with extensions and trailers",
        raw("Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n", &trailers),
        Fine,
    ));
    attacks.push(attack(
        "base64 on a text type",
        request(&line, "Content-Type: image/png\r\n", br#"[{"callId":"fine"}]"#),
        Fine,
    ));
    attacks
}

/// Stands for the status of an answer that doesn't come.
const HANGS: u16 = 0;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends an attack; gives back the status ([`HANGS`] where none comes), or `None` where the connection was closed without one.
async fn status_of(address: &str, attack: &Attack) -> Option<u16> {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // It may be refused before it is all sent.
        let _ = socket.write_all(&attack.bytes).await;
        if attack.hangs_up {
            return None;
        }
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
            }
            // A head is all that is asked for.
            if answer.windows(4).any(|four| four == b"\r\n\r\n") {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        leaks::check(&answer);
        answer.strip_prefix("HTTP/1.").map(|rest| rest[2..5].parse().unwrap())
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Some(HANGS))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_hostile_requests_are_refused_or_kept_and_the_next_good_push_is_served() {
    let served = Served::start(&["--memory"]);
    let address = served.url.strip_prefix("http://").unwrap();
    let good = format!("{}{REPORTS}", served.url);
    let attacks = [around_the_token(), smuggling(), quitters(), bodies()].into_iter().flatten();
    let attacks: Vec<_> = attacks.collect();
    assert!(attacks.len() >= 200, "{}", attacks.len());

    assert_eq!(post(&good, r#"[{"callId":"good"}]"#).await.0, 200);
    let before = served.memory();
    let mut wrong = Vec::new();
    let mut kept = BTreeSet::new();
    for attack in &attacks {
        let status = status_of(address, attack).await;
        let as_expected = match &attack.outcome {
            Refused(statuses) => status.is_none_or(|status| statuses.contains(&status)),
            Kept(expected, body) => {
                kept.insert(body.clone());
                status == Some(*expected)
            }
            Fine => status == Some(200),
        };
        if !as_expected {
            wrong.push(format!("{}: {status:?}", attack.name));
        }
        assert_eq!(post(&good, r#"[{"callId":"good"}]"#).await.0, 200, "after {}", attack.name);
    }
    assert_eq!(wrong, [""; 0]);
    let grown = served.memory().saturating_sub(before) >> 20;
    assert!(grown < 400, "{grown} MiB more in use");

    let store = served.store();
    for item in all_items_in(&store).await {
        let call = item["pk"].as_str().unwrap().strip_prefix("call#alicom#").unwrap();
        assert!(call == "good" || call.starts_with("fine"), "{call}");
    }
    let rejects = rejected_in(&store).await.into_iter();
    let rejects: BTreeSet<_> = rejects
        .map(|(_, reject)| serde_json::from_value::<Rejected>(reject).unwrap().bytes().unwrap())
        .collect();
    let excess: Vec<_> = rejects.difference(&kept).map(|body| String::from_utf8_lossy(body)).collect();
    assert_eq!(excess, [""; 0], "kept, though it was refused");
    assert_eq!(rejects.len(), kept.len(), "everything that has to be kept is");
}

/// What a sender sends that then takes its time, and how it has to end: with this status, or (`None`) with the connection closed.
const SLOW: [(&str, &str, Option<u16>); 5] = [
    ("nothing at all", "", None),
    ("half a head", "POST /push/alicom-call-report/canary-token HTTP/1.1\r\nHost: lo", None),
    (
        "half a body",
        "POST /push/alicom-call-report/canary-token HTTP/1.1\r\nHost: x\r\nContent-Length: 22\r\n\r\n[{\"callId\":",
        Some(408),
    ),
    (
        "half a chunk",
        "POST /push/alicom-call-report/canary-token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n[{\"callId\":",
        Some(408),
    ),
    (
        "half an event to invoke a function with",
        "POST /2015-03-31/functions/alicom-call-report/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        Some(408),
    ),
];

/// Sends the beginning of a request and then a blank at a time; gives back the answer's status (`None`: the connection was closed
/// without one) and how long the connection was kept open.
async fn sent_slowly(address: &str, beginning: &str) -> (Option<u16>, Duration) {
    let began = std::time::Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    writer.write_all(beginning.as_bytes()).await.unwrap();
    let drip = async {
        // Never faster than it would be noticed, and never silent for long: no bound on silence ends it.
        while writer.write_all(if beginning.is_empty() { b"" } else { b" " }).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        std::future::pending().await
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut answer) => {}
        () = drip => {}
        () = tokio::time::sleep(PATIENCE) => panic!("still open"),
    }
    let answer = String::from_utf8_lossy(&answer);
    leaks::check(&answer);
    (answer.strip_prefix("HTTP/1.1 ").map(|rest| rest[..3].parse().unwrap()), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_long_to_send_a_request_loses_the_connection_and_the_next_good_push_is_served() {
    let stack = Stack::start(&Options { read_timeout: 1, ..options() }).await.unwrap();
    let (url, address) = (format!("{}{REPORTS}", stack.url()), stack.url().replace("http://", ""));
    let slow = SLOW.iter().map(|(_, beginning, _)| sent_slowly(&address, beginning));
    let (ends, served) = tokio::join!(join_all(slow), post(&url, r#"[{"callId":"meanwhile"}]"#));
    assert_eq!(served.0, 200);
    for ((name, _, expected), (status, took)) in SLOW.iter().zip(ends) {
        assert_eq!(status, *expected, "{name}");
        assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&took), "{name}: {took:?}");
    }
    assert_eq!(post(&url, r#"[{"callId":"afterwards"}]"#).await.0, 200);
    assert_eq!(all_items(&stack).await.len(), 4, "a call and a push each, and nothing of the others");
}
