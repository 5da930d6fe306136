use std::time::Duration;

use super::super::api::ApiErrorKind;
use super::super::loopback::{Server, send};
use super::super::rate::RequestRate;
use super::*;

fn key() -> ApiKey {
    ApiKey { key: "bDqJFiq9".to_owned(), secret: "7bz1lzh9".to_owned() }
}

#[test]
fn the_documents_example_gives_its_signature() {
    assert_eq!(key().sign(1_630_468_800), "05d7a50893e22a5c4bb3216ae3396c7c");
}

#[test]
fn no_secret_and_no_signed_url_is_shown() {
    assert!(!format!("{:?}", key()).contains("7bz1lzh9"));
    let found = RecordingFileUrl { url: "https://a.example/r?Signature=s".to_owned(), expires_at: None };
    assert!(!format!("{found:?}").contains("Signature"));
}

#[test]
fn an_answer_is_a_url_or_says_what_is_wrong() {
    use ApiErrorKind::*;
    let v1 = "https://a.example/r?OSSAccessKeyId=k&Expires=1749000000&Signature=s";
    for (http_status, body, expected) in [
        (
            200,
            r#"{"status":"0","reason":"success","data":{"url":"https://a.example/r","expireTime":1755679164264}}"#
                .to_owned(),
            Ok(("https://a.example/r", Some("2025-08-20T08:39:24.264Z"))),
        ),
        (
            200,
            r#"{"status":0,"data":{"url":" https:\\/\\/a.example\\/r?x=1&amp;y=2 ","expireTime":"1755679164264"}}"#
                .to_owned(),
            Ok(("https://a.example/r?x=1&y=2", Some("2025-08-20T08:39:24.264Z"))),
        ),
        // Without a believable time the URL's own counts.
        (200, format!(r#"{{"status":"0","data":{{"url":"{v1}"}}}}"#), Ok((v1, Some("2025-06-04T01:20:00Z")))),
        (
            200,
            format!(r#"{{"status":"0","data":{{"url":"{v1}","expireTime":3600}}}}"#),
            Ok((v1, Some("2025-06-04T01:20:00Z"))),
        ),
        (
            200,
            r#"{"status":"0","data":{"url":"https://a.example/r"}}"#.to_owned(),
            Ok(("https://a.example/r", None)),
        ),
        (200, r#"{"status":"0","reason":"success","data":null}"#.to_owned(), Err(NotFound)),
        (200, r#"{"status":"0","data":{"url":"","expireTime":0}}"#.to_owned(), Err(NotFound)),
        (200, r#"{"status":"0"}"#.to_owned(), Err(NotFound)),
        (200, r#"{"status":"-1","reason":"authentication error"}"#.to_owned(), Err(Denied)),
        (200, r#"{"status":-2}"#.to_owned(), Err(Denied)),
        (200, r#"{"status":"-16"}"#.to_owned(), Err(Denied)),
        (200, r#"{"status":"-18"}"#.to_owned(), Err(Unavailable)),
        (200, r#"{"status":"-22"}"#.to_owned(), Err(BadParameter)),
        (200, r#"{"status":"-99"}"#.to_owned(), Err(Unexpected)),
        (200, r#"{"reason":"success"}"#.to_owned(), Err(Unexpected)),
        (200, "[]".to_owned(), Err(Unexpected)),
        (200, "<html>".to_owned(), Err(Unexpected)),
        (500, "".to_owned(), Err(Unavailable)),
        (503, r#"{"status":"0","data":{"url":"https://a.example/r"}}"#.to_owned(), Err(Unavailable)),
        (429, "slow down".to_owned(), Err(Throttled)),
        (404, "".to_owned(), Err(NotFound)),
        (401, "".to_owned(), Err(Denied)),
    ] {
        let read = read_answer(http_status, &Bytes::from(body.clone()));
        let read = read.as_ref().map(|found| (found.url.as_str(), found.expires_at)).map_err(ApiError::kind);
        let expected =
            expected.map(|(url, time)| (url, time.map(|time: &str| time.parse::<Timestamp>().unwrap())));
        assert_eq!(read, expected, "{http_status} {body}");
    }
}

#[tokio::test]
async fn a_recording_is_asked_for_by_its_id_with_a_signature_of_the_moment() {
    let server = Server::start("127.0.0.1:0", |_| {
        let body = r#"{"status":"0","reason":"success","data":{"url":"https://a.example/r","expireTime":1755679164264}}"#;
        vec![send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))]
    })
    .await;
    let base_url = format!("http://127.0.0.1:{}", server.port()).parse().unwrap();
    let settings = ApiSettings::new(base_url, RequestRate::per_second(100.0).unwrap());
    let laaffic = Laaffic::new(settings, key());
    let deadline = Instant::now() + Duration::from_secs(20);

    let before = Timestamp::now().as_second();
    let found = laaffic.recording_file_url("a b&c=1", SourceType::Group, deadline).await.unwrap();
    laaffic.recording_file_url("7", SourceType::Sip, deadline).await.unwrap();
    let after = Timestamp::now().as_second();
    assert_eq!(found.url, "https://a.example/r");

    let requests = server.requests();
    assert!(
        requests[0].starts_with(
            "GET /voice/getRecordingFileUrl?recordingFileId=a+b%26c%3D1&sourceType=group HTTP/1.1\r\n"
        ),
        "{}",
        requests[0]
    );
    assert!(requests[1].contains("?recordingFileId=7&sourceType=sip "), "{}", requests[1]);
    let header = |name: &str| {
        let line = requests[0].lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} in {}", requests[0])).to_owned()
    };
    let timestamp: i64 = header("timestamp").parse().unwrap();
    assert!((before..=after).contains(&timestamp));
    assert_eq!(header("api-key"), "bDqJFiq9");
    assert_eq!(header("sign"), key().sign(timestamp));
    assert!(!requests[0].contains("7bz1lzh9"));
}
