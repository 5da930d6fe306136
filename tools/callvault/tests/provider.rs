//! The provider simulator through its sockets: every fault, every check of its APIs.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use md5::Md5;
use platforms::{
    Call, Credentials, DetailStatus, Fault, Provider, Recording, Settings, Speaker, Tag, Task, TaskStatus,
    Turn, Variable, sha256_of, start,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// The longest any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for what is to go on for ever.
const LONG_ENOUGH: Duration = Duration::from_millis(700);
/// The simulator's first instant, 2025-06-01T02:00:00Z.
const START: i64 = 1_748_743_200;

/// A simulator whose clock the test holds.
struct Rig {
    provider: Provider,
    clock: Arc<AtomicI64>,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    nonces: AtomicU64,
}

struct Fetched {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete,
    /// The connection was closed too early.
    Broken,
    /// Nothing more within the time allowed, or more than the bytes allowed.
    Unfinished,
}

impl Rig {
    async fn new() -> Rig {
        let clock = Arc::new(AtomicI64::new(START));
        let read = Arc::clone(&clock);
        let settings = Settings {
            clock: Arc::new(move || second(read.load(Ordering::Relaxed))),
            laaffic: Credentials { id: "bDqJFiq9".to_owned(), secret: "7bz1lzh9".to_owned() },
            ..Settings::default()
        };
        let provider = start(TcpListener::bind("127.0.0.1:0").await.unwrap(), settings).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Rig { provider, clock, client, nonces: AtomicU64::new(0) }
    }

    fn now(&self) -> Timestamp {
        second(self.clock.load(Ordering::Relaxed))
    }

    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn send(&self, request: Request<Full<Bytes>>, patience: Duration, most_bytes: usize) -> Fetched {
        let response =
            timeout(PATIENCE, self.client.request(request)).await.expect("no answer in time").unwrap();
        let (head, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        let read = async {
            while let Some(frame) = incoming.frame().await {
                match frame {
                    Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                    Err(_) => return End::Broken,
                }
                if body.len() > most_bytes {
                    return End::Unfinished;
                }
            }
            End::Complete
        };
        let end = timeout(patience, read).await.unwrap_or(End::Unfinished);
        Fetched { status: head.status, headers: head.headers, body, end }
    }

    async fn get(&self, url: &str) -> Fetched {
        let request = Request::get(url).body(Full::default()).unwrap();
        self.send(request, PATIENCE, usize::MAX).await
    }

    async fn get_for(&self, url: &str, patience: Duration) -> Fetched {
        let request = Request::get(url).body(Full::default()).unwrap();
        self.send(request, patience, 10_000_000).await
    }

    async fn get_range(&self, url: &str, range: &str) -> Fetched {
        let request = Request::get(url).header(RANGE, range).body(Full::default()).unwrap();
        self.send(request, PATIENCE, usize::MAX).await
    }

    /// Adds a public recording of 30,000 bytes with a fault, and returns it and its URL.
    fn faulty(&self, fault: &str) -> (Recording, String) {
        let name = format!("{}.wav", fault.replace(|letter: char| !letter.is_alphanumeric(), "-"));
        let recording = Recording::new(name.as_str()).bytes(30_000).public().fault(fault.parse().unwrap());
        self.provider.add_recording(recording.clone());
        let url = self.provider.recording_url(&name);
        (recording, url)
    }

    /// Sends a signed request to Alibaba's API, as it is after `change`.
    async fn rpc_changed(
        &self,
        action: &str,
        parameters: &[(&str, &str)],
        change: impl FnOnce(&mut Rpc),
    ) -> (StatusCode, Value) {
        let mut rpc = Rpc {
            method: Method::POST,
            action: Some(action.to_owned()),
            version: Some("2019-10-15".to_owned()),
            parameters: parameters
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            date: self.now(),
            nonce: format!("nonce-{}", self.nonces.fetch_add(1, Ordering::Relaxed)),
            key_id: "local".to_owned(),
            secret: "local".to_owned(),
        };
        change(&mut rpc);
        let fetched = self.send(rpc.sign(self.provider.base_url()), PATIENCE, usize::MAX).await;
        assert_eq!(fetched.headers[CONTENT_TYPE], "application/json;charset=utf-8");
        (fetched.status, serde_json::from_slice(&fetched.body).unwrap())
    }

    async fn rpc(&self, action: &str, parameters: &[(&str, &str)]) -> Value {
        let (status, answer) = self.rpc_changed(action, parameters, |_| ()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// Asks LAAFFIC for a recording's URL.
    async fn laaffic(&self, query: &str, key: &str, secret: &str, timestamp: i64) -> Value {
        let sign = hex::encode(Md5::digest(format!("{key}{secret}{timestamp}")));
        let request = Request::get(format!("{}/voice/getRecordingFileUrl?{query}", self.provider.base_url()))
            .header("Api-Key", key)
            .header("Timestamp", timestamp)
            .header("Sign", sign)
            .body(Full::default())
            .unwrap();
        let fetched = self.send(request, PATIENCE, usize::MAX).await;
        assert_eq!(fetched.status, StatusCode::OK);
        serde_json::from_slice(&fetched.body).unwrap()
    }
}

/// A request to Alibaba's API before it is signed.
struct Rpc {
    method: Method,
    action: Option<String>,
    version: Option<String>,
    parameters: Vec<(String, String)>,
    date: Timestamp,
    nonce: String,
    key_id: String,
    secret: String,
}

impl Rpc {
    /// Signs as a client does; the official vector and the official SDK hold the simulator to the same.
    fn sign(&self, base_url: &str) -> Request<Full<Bytes>> {
        let host = base_url.strip_prefix("http://").unwrap();
        let mut headers = vec![
            ("host", host.to_owned()),
            ("x-acs-content-sha256", hex::encode(Sha256::digest(b""))),
            ("x-acs-date", self.date.to_string()),
            ("x-acs-signature-nonce", self.nonce.clone()),
        ];
        headers.extend(self.action.clone().map(|action| ("x-acs-action", action)));
        headers.extend(self.version.clone().map(|version| ("x-acs-version", version)));
        headers.sort_unstable();
        let mut sorted = self.parameters.clone();
        sorted.sort_unstable();
        // Spaces are %20 in what is signed; in the URL a form's "+" means the same.
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&sorted).finish();
        let canonical_query = query.replace('+', "%20").replace('*', "%2A").replace("%7E", "~");
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!(
            "{}\n/\n{canonical_query}\n{lines}\n{names}\n{}",
            self.method,
            hex::encode(Sha256::digest(b""))
        );
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical)));
        let signature = hex::encode(mac.chain_update(to_sign).finalize().into_bytes());
        let mut request = Request::builder().method(&self.method).uri(format!("{base_url}/?{query}")).header(
            "authorization",
            format!(
                "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
                self.key_id
            ),
        );
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Full::default()).unwrap()
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

// ---- Recordings

#[tokio::test]
async fn sound_recordings_have_length_type_tag_and_the_bytes_foretold() {
    let rig = Rig::new().await;
    for (name, media_type) in [("50%^ up/a b.wav", "audio/x-wav"), ("call.mp3", "audio/mpeg")] {
        let recording = Recording::new(name).bytes(200_001).public();
        rig.provider.add_recording(recording.clone());
        let url = rig.provider.recording_url(name);
        let fetched = rig.get(&url).await;
        assert_eq!((fetched.status, fetched.end), (StatusCode::OK, End::Complete));
        assert_eq!(fetched.headers[CONTENT_LENGTH], "200001");
        assert_eq!(fetched.headers[CONTENT_TYPE], media_type);
        assert_eq!(fetched.headers[ACCEPT_RANGES], "bytes");
        assert_eq!(fetched.headers[ETAG].to_str().unwrap(), recording.etag());
        assert_eq!(fetched.body.len(), 200_001);
        assert_eq!(sha256(&fetched.body), sha256_of(&recording));
        assert_eq!(rig.provider.sha256_of(name), Some(sha256_of(&recording)));

        let head = rig.send(Request::head(&url).body(Full::default()).unwrap(), PATIENCE, 0).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        for name in [CONTENT_LENGTH, CONTENT_TYPE, ETAG] {
            assert_eq!(head.headers[&name], fetched.headers[&name]);
        }
    }
}

#[tokio::test]
async fn unknown_names_of_sound_files_are_made_up() {
    let rig = Rig::new().await;
    let fetched = rig.get(&format!("{}?bytes=5000", rig.provider.recording_url("made-up.mp3"))).await;
    assert_eq!(sha256(&fetched.body), sha256_of(&Recording::new("made-up.mp3").bytes(5_000)));
    let other = rig.get(&rig.provider.recording_url("made-up.txt")).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    let wrong = rig.get(&format!("{}?bytes=many", rig.provider.recording_url("made-up.mp3"))).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let wrong = rig.get(&format!("{}?fault=nonsense", rig.provider.recording_url("made-up.mp3"))).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_range_is_served() {
    let rig = Rig::new().await;
    let url = format!("{}?bytes=100000", rig.provider.recording_url("range.wav"));
    let whole = rig.get(&url).await.body;
    for (range, from, to) in
        [("bytes=0-43", 0, 44), ("bytes=65530-65545", 65_530, 65_546), ("bytes=-7", 99_993, 100_000)]
    {
        let part = rig.get_range(&url, range).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.headers[CONTENT_RANGE].to_str().unwrap(), format!("bytes {from}-{}/100000", to - 1));
        assert_eq!(part.headers[CONTENT_LENGTH].to_str().unwrap(), (to - from).to_string());
        assert!(part.body == whole[from..to], "{range}");
    }
    let outside = rig.get_range(&url, "bytes=100000-").await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.headers[CONTENT_RANGE], "bytes */100000");
    assert_eq!(rig.get_range(&url, "bytes=0-1,4-5").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signed_urls_are_good_until_they_expire() {
    let rig = Rig::new().await;
    let recording = Recording::new("signed^1.wav").bytes(2_000);
    rig.provider.add_recording(recording.clone());
    let url = rig.provider.signed_url("signed^1.wav", second(START + 60));
    assert_eq!(sha256(&rig.get(&url).await.body), sha256_of(&recording));
    rig.pass(60);
    let late = rig.get(&url).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert_eq!(late.headers[CONTENT_TYPE], "application/xml");
    let document = text(&late.body);
    assert!(
        document.contains("<Code>AccessDenied</Code>\n  <Message>Request has expired.</Message>"),
        "{document}"
    );
    assert!(document.contains("<Expires>2025-06-01T02:01:00.000Z</Expires>"), "{document}");
    let fresh = rig.provider.signed_url("signed^1.wav", second(START + 120));
    assert_eq!(rig.get(&fresh).await.status, StatusCode::OK);
    rig.provider.remove_recording("signed^1.wav");
    let gone = rig.get(&fresh).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(text(&gone.body).contains("<Code>NoSuchKey</Code>"));
}

#[tokio::test]
async fn tampered_and_missing_signatures_are_refused() {
    let rig = Rig::new().await;
    rig.provider.add_recording(Recording::new("signed.wav").bytes(2_000));
    rig.provider.add_recording(Recording::new("other.wav").bytes(2_000));
    let url = rig.provider.signed_url("signed.wav", second(START + 60));
    let later = url.replace(&(START + 60).to_string(), &(START + 6_000).to_string());
    assert_ne!(url, later);
    let check = async |url: &str, code: &str| {
        let refused = rig.get(url).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{code}");
        assert!(text(&refused.body).contains(&format!("<Code>{code}</Code>")), "{}", text(&refused.body));
    };
    check(&later, "SignatureDoesNotMatch").await;
    check(&url.replace("signed.wav", "other.wav"), "SignatureDoesNotMatch").await;
    check(&url.replace("callvault-simulator", "somebody"), "InvalidAccessKeyId").await;
    check(&rig.provider.recording_url("signed.wav"), "AccessDenied").await;
    let head = rig.send(Request::head(&url).body(Full::default()).unwrap(), PATIENCE, 0).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN, "signed for GET");
    assert_eq!(
        rig.get(&format!("{url}&fault=html")).await.status,
        StatusCode::OK,
        "what isn't signed may be added"
    );
}

#[tokio::test]
async fn traffic_is_counted_by_name() {
    let rig = Rig::new().await;
    let url = format!("{}?bytes=100000", rig.provider.recording_url("counted.wav"));
    rig.get(&url).await;
    rig.get_range(&url, "bytes=0-9").await;
    rig.send(Request::head(&url).body(Full::default()).unwrap(), PATIENCE, 0).await;
    rig.get(&format!("{url}&fault=expired")).await;
    rig.get(&format!("{}?bytes=500", rig.provider.recording_url("second.wav"))).await;
    let traffic = rig.provider.traffic("counted.wav");
    assert_eq!((traffic.gets, traffic.heads, traffic.completed, traffic.bytes), (3, 1, 1, 100_010));
    let total = rig.provider.total_traffic();
    assert_eq!((total.gets, total.heads, total.completed, total.bytes), (4, 1, 2, 100_510));
    assert_eq!(rig.provider.traffic("never asked for.wav").gets, 0);
}

// ---- Faults

#[tokio::test]
async fn passing_faults_strike_as_often_as_said_and_then_pass() {
    let rig = Rig::new().await;
    for (fault, status, times) in [
        ("not-found:3", StatusCode::NOT_FOUND, 3),
        ("server-error:2", StatusCode::SERVICE_UNAVAILABLE, 2),
        ("unauthorized-once", StatusCode::UNAUTHORIZED, 1),
    ] {
        let (recording, url) = rig.faulty(fault);
        for strike in 0..times {
            assert_eq!(rig.get(&url).await.status, status, "{fault}, strike {strike}");
        }
        let passed = rig.get(&url).await;
        assert_eq!(passed.status, StatusCode::OK, "{fault}");
        assert_eq!(sha256(&passed.body), sha256_of(&recording), "{fault}");
    }
}

#[tokio::test]
async fn lasting_refusals_last() {
    let rig = Rig::new().await;
    for (fault, status, code) in [
        ("expired", StatusCode::FORBIDDEN, "AccessDenied"),
        ("server-error", StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    ] {
        let (_, url) = rig.faulty(fault);
        for _ in 0..3 {
            let refused = rig.get(&url).await;
            assert_eq!(refused.status, status);
            assert!(text(&refused.body).contains(&format!("<Code>{code}</Code>")));
        }
    }
}

#[tokio::test]
async fn bodies_break_off_where_they_should() {
    let rig = Rig::new().await;
    for (fault, promised, sent) in [("truncated", "30000", 15_000), ("wrong-length:longer", "31000", 30_000)]
    {
        let (_, url) = rig.faulty(fault);
        let broken = rig.get(&url).await;
        assert_eq!((broken.status, broken.end), (StatusCode::OK, End::Broken), "{fault}");
        assert_eq!(broken.headers[CONTENT_LENGTH], promised, "{fault}");
        assert_eq!(broken.body.len(), sent, "{fault}");
        assert_eq!(rig.provider.traffic(&url[url.rfind('/').unwrap() + 1..]).completed, 0, "{fault}");
    }
}

#[tokio::test]
async fn stalled_body_neither_ends_nor_breaks() {
    let rig = Rig::new().await;
    let (_, url) = rig.faulty("stall");
    let stalled = rig.get_for(&url, LONG_ENOUGH).await;
    assert_eq!((stalled.body.len(), stalled.end), (15_000, End::Unfinished));
    assert_eq!(stalled.headers[CONTENT_LENGTH], "30000");
}

#[tokio::test]
async fn shorter_length_cuts_the_file_where_http_sees_nothing() {
    let rig = Rig::new().await;
    let (_, url) = rig.faulty("wrong-length:shorter");
    let cut = rig.get(&url).await;
    assert_eq!((cut.body.len(), cut.end), (15_000, End::Complete));
    assert_eq!(cut.headers[CONTENT_LENGTH], "15000");
    assert_eq!(cut.body[4..8], 29_992_u32.to_le_bytes(), "its header knows better");
}

#[tokio::test]
async fn chunked_is_sound_but_for_its_length() {
    let rig = Rig::new().await;
    let (recording, url) = rig.faulty("chunked");
    let chunked = rig.get(&url).await;
    assert_eq!(chunked.headers.get(CONTENT_LENGTH), None);
    assert_eq!((sha256(&chunked.body), chunked.end), (sha256_of(&recording), End::Complete));
    assert_eq!(rig.provider.traffic(recording.name()).completed, 1);
}

#[tokio::test]
async fn drip_comes_slowly_and_whole() {
    let rig = Rig::new().await;
    let url = rig.provider.recording_url("drip.wav");
    let slow = rig.get_for(&format!("{url}?bytes=1000&fault=drip"), LONG_ENOUGH).await;
    assert_eq!(slow.end, End::Unfinished);
    assert!((1..100).contains(&slow.body.len()), "{}", slow.body.len());
    let quicker = rig.get(&format!("{url}?bytes=1000&fault=drip:5000")).await;
    assert_eq!(sha256(&quicker.body), sha256_of(&Recording::new("drip.wav").bytes(1_000)));
}

#[tokio::test]
async fn endless_never_ends() {
    let rig = Rig::new().await;
    let (_, url) = rig.faulty("endless");
    let endless = rig.get_for(&url, PATIENCE).await;
    assert_eq!(endless.end, End::Unfinished);
    assert!(endless.body.len() > 10_000_000, "it sends as fast as one reads");
    assert_eq!(endless.headers.get(CONTENT_LENGTH), None);
}

#[tokio::test]
async fn redirects_go_where_they_say() {
    let rig = Rig::new().await;
    let (_, url) = rig.faulty("redirect-private");
    let away = rig.get(&url).await;
    assert_eq!(away.status, StatusCode::FOUND);
    assert!(away.headers[LOCATION].to_str().unwrap().starts_with("http://169.254.169.254/"));
    let (_, url) = rig.faulty("redirect:http://[::ffff:10.0.0.1]/a?b=c");
    assert_eq!(rig.get(&url).await.headers[LOCATION], "http://[::ffff:10.0.0.1]/a?b=c");
}

#[tokio::test]
async fn what_is_no_audio_says_200_all_the_same() {
    let rig = Rig::new().await;
    for (fault, media_type, start) in [
        ("xml-200", "application/xml", "<?xml"),
        ("xml-200:audio", "audio/x-wav", "<?xml"),
        ("html", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("empty", "audio/x-wav", "RIFF"),
    ] {
        let (_, url) = rig.faulty(fault);
        let answer = rig.get(&url).await;
        assert_eq!((answer.status, answer.end), (StatusCode::OK, End::Complete), "{fault}");
        assert_eq!(answer.headers[CONTENT_TYPE], media_type, "{fault}");
        assert!(answer.body.starts_with(start.as_bytes()), "{fault}");
        assert_eq!(
            answer.headers[CONTENT_LENGTH].to_str().unwrap(),
            answer.body.len().to_string(),
            "{fault}"
        );
    }
    let (_, url) = rig.faulty("empty");
    assert_eq!(rig.get(&url).await.body.len(), 44);
}

#[tokio::test]
async fn every_fault_can_be_asked_for_in_the_url() {
    let rig = Rig::new().await;
    for fault in Fault::every() {
        let words = fault.to_string();
        let query: String = url::form_urlencoded::byte_serialize(words.as_bytes()).collect();
        let name = format!("{}.wav", words.replace(|letter: char| !letter.is_alphanumeric(), "-"));
        let url = format!("{}?bytes=9000&fault={query}", rig.provider.recording_url(&name));
        let answer = rig.get_for(&url, LONG_ENOUGH).await;
        let sound = answer.status == StatusCode::OK
            && answer.end == End::Complete
            && answer.headers.contains_key(CONTENT_LENGTH)
            && answer.body.len() == 9_000;
        assert!(!sound, "{words} makes no difference");
    }
}

#[tokio::test]
async fn stop_ends_what_has_no_end() {
    let rig = Rig::new().await;
    let (_, url) = rig.faulty("stall");
    let reading = rig.get_for(&url, PATIENCE);
    let stopping = async {
        while rig.provider.total_traffic().bytes == 0 {
            tokio::task::yield_now().await;
        }
        rig.provider.stop().await;
    };
    let (stalled, ()) = timeout(PATIENCE, async { tokio::join!(reading, stopping) }).await.unwrap();
    assert_eq!(stalled.end, End::Broken);
    assert!(tokio::net::TcpStream::connect(rig.provider.address()).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn last_handle_takes_the_simulator_with_it() {
    let rig = Rig::new().await;
    let address = rig.provider.address();
    let handle = rig.provider.clone();
    drop(rig);
    assert!(tokio::net::TcpStream::connect(address).await.is_ok(), "one handle is left");
    drop(handle);
    let gone = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it still listens");
}

// ---- Alibaba's API

const CONVERSATION: &str = "QueryConversationDetailInfo";
const DETAILS: &str = "QueryAiCallDetailPage";
const TASKS: &str = "QueryAiCallTaskPage";
const DETAIL: [(&str, &str); 3] = [("TaskId", "138"), ("BatchId", "B202"), ("DetailId", "9662")];

fn call() -> Call {
    Call {
        out_id: Some("out 1\n".to_owned()),
        major_intent: Some("D".to_owned()),
        turns: vec![
            Turn { speaker: Speaker::Agent, text: "您好".to_owned() },
            Turn { speaker: Speaker::Callee, text: "<客户打断>哎,你是谁?".to_owned() },
        ],
        tags: vec![Tag {
            id: "9ca2".to_owned(),
            name: "客户意向度".to_owned(),
            description: "评估".to_owned(),
            value: "[\"高\"]".to_owned(),
        }],
        variables: vec![Variable {
            id: "22".to_owned(),
            key: "name".to_owned(),
            name: "姓名".to_owned(),
            value: "张三".to_owned(),
            required: false,
        }],
        recording: Some("call^1.wav".to_owned()),
        ..Call::answered("138", "B202", "9662", "call^1", second(START - 600))
    }
}

#[tokio::test]
async fn conversation_is_answered_in_full_with_a_fresh_url_each_time() {
    let rig = Rig::new().await;
    rig.provider.add_call(call());
    rig.provider.add_recording(Recording::new("call^1.wav").bytes(4_000));
    let answer = rig.rpc(CONVERSATION, &DETAIL).await;
    let url = answer["Data"]["RecordingFileDownloadUrl"].as_str().unwrap().to_owned();
    let mut data = answer["Data"].clone();
    data.as_object_mut().unwrap().remove("RecordingFileDownloadUrl");
    assert_eq!(
        data,
        json!({
            "CallerPhone": "057100000000", "CalledPhone": "13700000000", "CallId": "call^1", "CallResult": "ANSWERED",
            "StatusCode": "200005", "StatusMsg": "呼叫结束(双呼)", "HangupDirection": "0", "Duration": 16, "MajorIntent": "D",
            "StartCallTime": (START - 600) * 1_000, "PickUpTime": (START - 595) * 1_000, "ReleaseTime": (START - 579) * 1_000,
            "OutId": "out 1\n",
            "Variables": [{"Required": false, "Value": "张三", "Id": "22", "Key": "name", "Name": "姓名"}],
            "OutputTags": [{"OutputTagDescription": "评估", "OutputTagName": "客户意向度", "OutputTagValue": "[\"高\"]", "Id": "9ca2"}],
            "ConversationRecord":
                r#"[{"content":"您好","role":"assistant"},{"content":"<客户打断>哎,你是谁?","role":"user"}]"#,
        })
    );
    assert_eq!((&answer["Code"], &answer["Success"]), (&json!("OK"), &json!(true)));
    assert_eq!(rig.get(&url).await.body.len(), 4_000);

    rig.pass(7 * 24 * 3_600);
    assert_eq!(rig.get(&url).await.status, StatusCode::FORBIDDEN);
    let renewed =
        rig.rpc(CONVERSATION, &DETAIL).await["Data"]["RecordingFileDownloadUrl"].as_str().unwrap().to_owned();
    assert_eq!(rig.get(&renewed).await.body.len(), 4_000);
    assert_eq!(rig.provider.api_requests(CONVERSATION), 2);
}

#[tokio::test]
async fn answer_is_for_the_detail_s_latest_call() {
    let rig = Rig::new().await;
    rig.provider.add_call(call());
    rig.provider.add_call(Call::answered("138", "B202", "9662", "redial^2", second(START - 60)));
    assert_eq!(rig.rpc(CONVERSATION, &DETAIL).await["Data"]["CallId"], "redial^2");
    let details = rig.rpc(DETAILS, &[("TaskId", "138"), ("Status", "1")]).await;
    assert_eq!(
        (&details["Data"]["Total"], &details["Data"]["List"][0]["CallId"]),
        (&json!(1), &json!("redial^2"))
    );
}

#[tokio::test]
async fn data_can_be_given_word_for_word() {
    let rig = Rig::new().await;
    let verbatim = "{\n  \"CallId\": \"1^2\",\"StartCallTime\": 123123123123123 , \"Duration\":1.60e1 }";
    let verbatim = serde_json::value::RawValue::from_string(verbatim.to_owned()).unwrap();
    rig.provider.add_call(Call { verbatim: Some(verbatim.clone()), ..call() });
    let request = Rpc {
        method: Method::POST,
        action: Some(CONVERSATION.to_owned()),
        version: Some("2019-10-15".to_owned()),
        parameters: DETAIL.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        date: rig.now(),
        nonce: "n".to_owned(),
        key_id: "local".to_owned(),
        secret: "local".to_owned(),
    };
    let fetched = rig.send(request.sign(rig.provider.base_url()), PATIENCE, usize::MAX).await;
    assert!(text(&fetched.body).contains(&format!("\"Data\":{}", verbatim.get())), "{}", text(&fetched.body));
}

#[tokio::test]
async fn unknown_and_pending_calls_are_answered_without_success_or_result() {
    let rig = Rig::new().await;
    let unknown = rig.rpc(CONVERSATION, &DETAIL).await;
    assert_eq!((&unknown["Success"], unknown.get("Data")), (&json!(false), None));
    rig.provider.add_call(Call {
        status: DetailStatus::Pending,
        picked_up_at: None,
        released_at: None,
        ..call()
    });
    let pending = rig.rpc(CONVERSATION, &DETAIL).await;
    assert_eq!(pending["Success"], true);
    for absent in ["CallResult", "StartCallTime", "PickUpTime", "ReleaseTime"] {
        assert_eq!(pending["Data"].get(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn what_the_gateway_refuses() {
    let rig = Rig::new().await;
    rig.provider.add_call(call());
    let check = async |status: u16, code: &str, change: fn(&mut Rpc)| {
        let (got, answer) = rig.rpc_changed(CONVERSATION, &DETAIL, change).await;
        assert_eq!((got.as_u16(), answer["Code"].as_str()), (status, Some(code)), "{answer}");
        for name in ["Message", "RequestId", "HostId"] {
            assert!(answer[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {answer}");
        }
    };
    check(400, "SignatureDoesNotMatch", |rpc| rpc.secret.push('x')).await;
    check(404, "InvalidAccessKeyId.NotFound", |rpc| rpc.key_id.push('x')).await;
    check(400, "InvalidTimeStamp.Expired", |rpc| rpc.date -= SignedDuration::from_secs(901)).await;
    check(400, "InvalidTimeStamp.Expired", |rpc| rpc.date += SignedDuration::from_secs(901)).await;
    check(400, "InvalidTimeStamp.Format", |rpc| rpc.date += SignedDuration::from_millis(1)).await;
    check(400, "MissingAction", |rpc| rpc.action = None).await;
    check(404, "InvalidAction.NotFound", |rpc| rpc.action = Some("DeleteEverything".to_owned())).await;
    check(400, "MissingVersion", |rpc| rpc.version = None).await;
    check(404, "InvalidVersion", |rpc| rpc.version = Some("2020-01-01".to_owned())).await;
    check(400, "MissingTaskId", |rpc| rpc.parameters.retain(|(key, _)| key != "TaskId")).await;
    check(400, "MissingBatchId", |rpc| rpc.parameters.retain(|(key, _)| key != "BatchId")).await;
    check(400, "MissingDetailId", |rpc| rpc.parameters[2].1.clear()).await;

    let (accepted, _) = rig.rpc_changed(CONVERSATION, &DETAIL, |rpc| rpc.nonce = "twice".to_owned()).await;
    assert_eq!(accepted, StatusCode::OK);
    check(400, "SignatureNonceUsed", |rpc| rpc.nonce = "twice".to_owned()).await;
}

#[tokio::test]
async fn parameters_may_be_anything_and_the_method_get() {
    let rig = Rig::new().await;
    let odd = "a b+c*d~e/f%&=漢^";
    rig.provider.add_call(Call { task_id: odd.to_owned(), ..call() });
    let parameters = [("TaskId", odd), ("BatchId", "B202"), ("DetailId", "9662")];
    let (status, answer) = rig.rpc_changed(CONVERSATION, &parameters, |rpc| rpc.method = Method::GET).await;
    assert_eq!((status, &answer["Data"]["CallId"]), (StatusCode::OK, &json!("call^1")));
    let in_query = |rpc: &mut Rpc| {
        rpc.parameters.push(("Action".to_owned(), rpc.action.take().unwrap()));
        rpc.parameters.push(("Version".to_owned(), rpc.version.take().unwrap()));
    };
    let (status, answer) = rig.rpc_changed(CONVERSATION, &parameters, in_query).await;
    assert_eq!((status, &answer["Data"]["CallId"]), (StatusCode::OK, &json!("call^1")));
}

#[tokio::test]
async fn throttling_and_outages_come_on_demand() {
    let rig = Rig::new().await;
    rig.provider.add_call(call());
    let ask = async || {
        let (status, answer) = rig.rpc_changed(CONVERSATION, &DETAIL, |_| ()).await;
        (status.as_u16(), answer["Code"].as_str().unwrap().to_owned())
    };
    let throttled = (400, "Throttling.User".to_owned());
    let fine = (200, "OK".to_owned());
    rig.provider.throttle_next(2);
    assert_eq!([ask().await, ask().await, ask().await], [throttled.clone(), throttled.clone(), fine.clone()]);
    rig.provider.fail_next(1);
    assert_eq!([ask().await, ask().await], [(503, "ServiceUnavailable".to_owned()), fine.clone()]);
    assert_eq!(rig.provider.throttled(), 2);
    rig.provider.throttle(NonZeroU32::new(1));
    let mut answers = Vec::new();
    for _ in 0..200 {
        answers.push(ask().await);
        if answers.contains(&throttled) {
            break;
        }
    }
    assert!(answers.contains(&throttled), "200 requests took more than 200 seconds, or none was throttled");
    rig.provider.throttle(None);
    assert_eq!(ask().await, fine);
}

#[tokio::test]
async fn details_come_in_pages_latest_first() {
    let rig = Rig::new().await;
    for number in 0..25 {
        let id = format!("{number:02}");
        rig.provider.add_call(Call::answered(
            "138",
            "B202",
            id.as_str(),
            id.as_str(),
            second(START + number),
        ));
    }
    let page = async |parameters: &[(&str, &str)]| {
        let parameters = [&[("TaskId", "138"), ("Status", "1")], parameters].concat();
        let data = rig.rpc(DETAILS, &parameters).await["Data"].take();
        let ids =
            data["List"].as_array().unwrap().iter().map(|item| item["CallId"].as_str().unwrap().to_owned());
        (data["Total"].clone(), data["PageNo"].clone(), data["PageSize"].clone(), ids.collect::<Vec<_>>())
    };
    let (total, number, size, ids) = page(&[]).await;
    assert_eq!((total, number, size), (json!(25), json!(1), json!(10)), "the defaults");
    assert_eq!((ids.len(), ids[0].as_str(), ids[9].as_str()), (10, "24", "15"));
    let (total, _, size, ids) = page(&[("PageNo", "3"), ("PageSize", "12")]).await;
    assert_eq!((total, size, ids), (json!(25), json!(12), vec!["00".to_owned()]));
    assert!(page(&[("PageNo", "4"), ("PageSize", "12")]).await.3.is_empty());
    let window = [("StartCallingTime", (START + 3) * 1_000), ("EndCallingTime", (START + 5) * 1_000)];
    let window = window.map(|(key, ms)| (key, ms.to_string()));
    let (total, _, _, ids) = page(&window.each_ref().map(|(key, ms)| (*key, ms.as_str()))).await;
    assert_eq!((total, ids), (json!(3), ["05", "04", "03"].map(str::to_owned).to_vec()));
    for wrong in
        [("PageNo", "0"), ("PageSize", "101"), ("PageNo", "x"), ("EncryptionType", "1"), ("DetailIds", "1")]
    {
        let answer = rig.rpc(DETAILS, &[("TaskId", "138"), ("Status", "1"), wrong]).await;
        assert_eq!(
            (&answer["Success"], &answer["Message"]),
            (&json!(false), &json!("参数不合法")),
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn details_are_filtered_by_what_the_request_names() {
    let rig = Rig::new().await;
    let base = |id: &str| Call::answered("138", "B202", id, id, second(START));
    rig.provider.add_call(Call { callee: "1".to_owned(), out_id: Some("mine".to_owned()), ..base("1") });
    rig.provider.add_call(Call { result: "USER_BUSY".to_owned(), picked_up_at: None, ..base("2") });
    rig.provider.add_call(Call {
        batch_id: "B203".to_owned(),
        major_intent: Some("A".to_owned()),
        ..base("3")
    });
    rig.provider.add_call(Call {
        status: DetailStatus::Failed,
        failed_reason: Some("主动取消".to_owned()),
        ..base("4")
    });
    rig.provider.add_call(Call {
        status: DetailStatus::Pending,
        imported_at: second(START + 9),
        ..base("5")
    });
    rig.provider.add_call(Call {
        released_at: Some(second(START + 600)),
        imported_at: second(START + 9),
        ..base("6")
    });
    let imported_from = ((START + 9) * 1_000).to_string();
    let imported_to = (START * 1_000).to_string();
    for (status, filter, expected) in [
        ("1", ("BatchId", ""), vec!["6", "1", "2", "3"]),
        ("1", ("BatchId", "B203"), vec!["3"]),
        ("1", ("CallResult", "USER_BUSY"), vec!["2"]),
        ("1", ("CalledNumber", "1"), vec!["1"]),
        ("1", ("OutId", "mine"), vec!["1"]),
        ("1", ("MajorIntent", "A"), vec!["3"]),
        ("1", ("DetailIds", "[2,3]"), vec!["2", "3"]),
        ("1", ("MinConversationDuration", "5"), vec!["6"]),
        ("1", ("MaxConversationDuration", "5"), vec!["1", "2", "3"]),
        ("1", ("StartImportedTime", imported_from.as_str()), vec!["6"]),
        ("1", ("EndImportedTime", imported_to.as_str()), vec!["1", "2", "3"]),
        ("2", ("BatchId", ""), vec!["4"]),
        ("0", ("BatchId", ""), vec!["5"]),
    ] {
        let answer = rig.rpc(DETAILS, &[("TaskId", "138"), ("Status", status), filter]).await;
        let list = answer["Data"]["List"].as_array().unwrap();
        let mut ids: Vec<&str> = list.iter().map(|item| item["DetailId"].as_str().unwrap()).collect();
        let mut expected = expected;
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected, "{filter:?}");
        let answered_status = match status {
            "1" => 4,
            "2" => 5,
            _ => 1,
        };
        assert!(list.iter().all(|item| item["Status"] == answered_status));
    }
    let (status, answer) = rig.rpc_changed(DETAILS, &[("TaskId", "138")], |_| ()).await;
    assert_eq!((status, &answer["Code"]), (StatusCode::BAD_REQUEST, &json!("MissingStatus")));
    let other = rig.rpc(DETAILS, &[("TaskId", "none"), ("Status", "1")]).await;
    assert_eq!((&other["Success"], &other["Data"]["Total"]), (&json!(true), &json!(0)));
}

#[tokio::test]
async fn detail_has_conversation_and_recording() {
    let rig = Rig::new().await;
    rig.provider.add_call(call());
    rig.provider.add_recording(Recording::new("call^1.wav").bytes(4_000));
    let detail = rig.rpc(DETAILS, &[("TaskId", "138"), ("Status", "1")]).await["Data"]["List"][0].take();
    let url = detail["RecordingFilePath"].as_str().unwrap();
    assert_eq!(rig.get(url).await.body.len(), 4_000);
    assert_eq!(detail["Options"], r#"{"name":"张三"}"#);
    assert_eq!((&detail["ConversationTurnCount"], &detail["ConversationDuration"]), (&json!(2), &json!(16)));
    let turns: Value = serde_json::from_str(detail["ConversationRecord"].as_str().unwrap()).unwrap();
    assert_eq!(turns[1], json!({"content": "<客户打断>哎,你是谁?", "role": "user"}));
}

#[tokio::test]
async fn tasks_are_listed_and_filtered() {
    let rig = Rig::new().await;
    rig.provider.add_call(call());
    rig.provider.add_call(Call { status: DetailStatus::Pending, detail_id: "9663".to_owned(), ..call() });
    rig.provider.add_task(Task {
        task_id: "139".to_owned(),
        name: "回访 June".to_owned(),
        agent_name: "小云".to_owned(),
        status: TaskStatus::Init,
        created_at: second(START),
    });
    let ids = async |parameters: &[(&str, &str)]| {
        let data = rig.rpc(TASKS, parameters).await["Data"].take();
        let list =
            data["List"].as_array().unwrap().iter().map(|task| task["TaskId"].as_str().unwrap().to_owned());
        (data["Total"].as_u64().unwrap(), list.collect::<Vec<_>>())
    };
    let one = |id: &str| (1, vec![id.to_owned()]);
    assert_eq!(ids(&[]).await, (2, vec!["139".to_owned(), "138".to_owned()]));
    assert_eq!(ids(&[("PageSize", "1"), ("PageNo", "2")]).await, (2, vec!["138".to_owned()]));
    assert_eq!(ids(&[("TaskId", "138")]).await, one("138"));
    assert_eq!(ids(&[("Status", "INIT")]).await, one("139"));
    assert_eq!(ids(&[("Status", "RUNNING")]).await, one("138"));
    assert_eq!(ids(&[("TaskName", "回访")]).await, one("139"));
    assert_eq!(ids(&[("AgentName", "云")]).await, one("139"));
    assert_eq!(rig.rpc(TASKS, &[("Status", "0")]).await["Success"], false);
    let task = rig.rpc(TASKS, &[("TaskId", "138")]).await["Data"]["List"][0].take();
    assert_eq!(
        (&task["TotalCount"], &task["SucceedCount"], &task["CompleteRate"]),
        (&json!(2), &json!(1), &json!("50%"))
    );
    assert_eq!(task["CreateTime"], (START - 600) * 1_000);
}

#[tokio::test]
async fn a_person_asking_is_told_what_there_is() {
    let rig = Rig::new().await;
    let page = rig.get(rig.provider.base_url()).await;
    assert_eq!(page.status, StatusCode::OK);
    for fault in Fault::every() {
        let words = fault.to_string();
        let kind = words.split(':').next().unwrap();
        assert!(text(&page.body).contains(kind), "{kind}");
    }
}

// ---- LAAFFIC's API

#[tokio::test]
async fn laaffic_turns_an_id_into_a_url() {
    let rig = Rig::new().await;
    let recording = Recording::new("laaffic-1.mp3").bytes(3_000);
    rig.provider.add_laaffic_recording("file 1", recording.clone());
    for query in ["recordingFileId=file%201", "recordingFileId=file+1&sourceType=sip"] {
        let answer = rig.laaffic(query, "bDqJFiq9", "7bz1lzh9", START).await;
        assert_eq!((&answer["status"], &answer["reason"]), (&json!("0"), &json!("success")));
        assert_eq!(answer["data"]["expireTime"], (START + 7 * 24 * 3_600) * 1_000);
        let url = answer["data"]["url"].as_str().unwrap();
        assert_eq!(sha256(&rig.get(url).await.body), sha256_of(&recording));
    }
    assert_eq!(rig.provider.api_requests("getRecordingFileUrl"), 2);
}

#[tokio::test]
async fn laaffic_checks_key_sign_time_and_parameters() {
    let rig = Rig::new().await;
    rig.provider.add_laaffic_recording("1", Recording::new("laaffic-1.mp3"));
    let check = async |status: &str, query: &str, key: &str, secret: &str, timestamp: i64| {
        let answer = rig.laaffic(query, key, secret, timestamp).await;
        assert_eq!(
            (answer["status"].as_str(), answer.get("data")),
            (Some(status), None),
            "{query} {key} {timestamp}"
        );
    };
    let good = "recordingFileId=1";
    check("-1", good, "other", "7bz1lzh9", START).await;
    check("-1", good, "bDqJFiq9", "other", START).await;
    check("-16", good, "bDqJFiq9", "7bz1lzh9", START - 901).await;
    check("-16", good, "bDqJFiq9", "7bz1lzh9", START + 901).await;
    check("-22", "recordingFileId=2", "bDqJFiq9", "7bz1lzh9", START).await;
    check("-22", "sourceType=group", "bDqJFiq9", "7bz1lzh9", START).await;
    check("-22", "recordingFileId=1&sourceType=carrier", "bDqJFiq9", "7bz1lzh9", START).await;
    let unsigned = rig.get(&format!("{}/voice/getRecordingFileUrl?{good}", rig.provider.base_url())).await;
    assert_eq!(serde_json::from_slice::<Value>(&unsigned.body).unwrap()["status"], "-1");
}

// ---- Alibaba's own client

/// Runs `official_sdk.py` against the simulator. `OFFICIAL_SDK_PYTHON` names a Python that has the packages of
/// `official_sdk_requirements.txt`.
#[tokio::test]
#[ignore = "needs Alibaba's SDK for Python; set OFFICIAL_SDK_PYTHON"]
async fn official_sdk_is_accepted_and_refused_where_due() {
    let python = std::env::var("OFFICIAL_SDK_PYTHON").expect("OFFICIAL_SDK_PYTHON is not set");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = start(listener, Settings::default()).unwrap();
    provider.add_call(call());
    provider.add_recording(Recording::new("call^1.wav"));
    let endpoint = provider.address().to_string();
    let run = async |secret: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/official_sdk.py");
        let mut command = tokio::process::Command::new(&python);
        command.args([script, &endpoint, "local", secret, "138", "B202", "9662"]).kill_on_drop(true);
        timeout(Duration::from_secs(60), command.output()).await.expect("the script hangs").unwrap()
    };
    let good = run("local").await;
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let bad = run("wrong").await;
    assert_eq!(bad.status.code(), Some(1), "the script notices a refusal");
    assert!(String::from_utf8_lossy(&bad.stderr).contains("SignatureDoesNotMatch"));
}
