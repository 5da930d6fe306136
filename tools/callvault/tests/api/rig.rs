//! A stack with calls, and readers of it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_stack::issuer::{CONSOLE, MACHINE};
use local_stack::{Options, Stack};
use runtime::store::access::AccessFilter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::access::AccessEntry;
use shared::model::{CallId, CallKey, Provider, Recording, RecordingState};
use shared::record::{item, keys};
use testkit::leaks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::form_urlencoded::Serializer;

/// The number that is called, in whichever form.
pub(crate) const NUMBER: &str = "13700009182";
/// The bytes of every recording.
pub(crate) const AUDIO: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";
/// Every permission.
pub(crate) const ALL: &str = "calls.read calls.pii recordings.listen calls.review operations.read";
/// What whoever may see calls and no numbers has.
pub(crate) const MASKED: &str = "calls.read recordings.listen calls.review operations.read";
const JSON: &str = "application/json";

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A stack, and whoever reads of it.
pub(crate) struct Rig {
    pub(crate) stack: Stack,
}

impl Rig {
    /// A stack without calls.
    pub(crate) async fn empty() -> Self {
        Self::with(Options::in_memory()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        leaks::watch();
        Self { stack: Stack::start(&options).await.unwrap() }
    }

    /// A stack with one call of each platform, of which Alibaba's has everything: recording, conversation, numbers wherever they may be.
    pub(crate) async fn new() -> Self {
        let rig = Self::empty().await;
        rig.push("alicom-call-report", &report("1000^7", "2025-06-01 10:00:00")).await;
        let turns = json!([
            {"role": "assistant", "content": "您好"},
            {"role": "user", "content": format!("我的号码是{NUMBER}"), "seen": NUMBER},
        ]);
        let note = json!([{
            "callId": "1000^7", "majorIntent": "A", "outputTags": {"电话": NUMBER, "=cmd()": "1"}, "taskId": "task-1",
            "conversationRecord": turns.to_string(), "unknownField": NUMBER,
        }]);
        rig.push("alicom-call-note", &note).await;
        let record = json!([{
            "callId": "1000^7", "taskId": "task-1", "startTime": "2025-06-01 10:00:03", "endTime": "2025-06-01 10:01:33",
            "recordFile": format!("https://x.oss-cn-shanghai.aliyuncs.com/{NUMBER}.wav?Expires=1749000000"),
        }]);
        rig.push("alicom-call-record", &record).await;
        for (function, sample) in [
            (
                "ai-voice-call-record",
                include_str!("../../../../functions/ai-voice-call-record/test_data/sample.json"),
            ),
            (
                "laaffic-status-report",
                include_str!("../../../../functions/laaffic-status-report/test_data/sample.json"),
            ),
        ] {
            rig.push_text(function, sample).await;
        }
        rig.archive(&key(Provider::Alicom, "1000^7")).await;
        rig
    }

    pub(crate) async fn push(&self, function: &str, body: &Value) {
        self.push_text(function, &body.to_string()).await;
    }

    async fn push_text(&self, function: &str, body: &str) {
        let request = http::Request::post(format!("{}/push/{function}/local", self.stack.url()));
        let got =
            send(request.header("content-type", JSON).body(Bytes::from(body.to_owned())).unwrap()).await;
        assert!(got.status == 200 && !got.text().contains("rejected"), "{function}: {got:?}");
    }

    /// Archives the recordings of a call, as the archiver would.
    pub(crate) async fn archive(&self, key: &CallKey) {
        let (table, bucket) = (self.stack.store().table(), self.stack.store().bucket());
        for item in table.query(&keys::call_pk(key)).await.unwrap() {
            if !item["sk"].as_str().unwrap().starts_with("recording#") {
                continue;
            }
            let recording: Recording = item::typed(item).unwrap();
            let object = keys::recording_key(key, recording.call_at, &recording.slot, "wav");
            bucket.put(&object, "audio/x-wav", AUDIO.to_vec()).await.unwrap();
            let archived = Recording {
                state: RecordingState::Archived,
                object_key: Some(object),
                media_type: Some("audio/x-wav".to_owned()),
                bytes: Some(AUDIO.len() as u64),
                sha256: Some(hex::encode(Sha256::digest(AUDIO))),
                next_attempt_at: None,
                ..recording
            };
            table.put(item::recording_item(key, archived)).await.unwrap();
        }
    }

    /// A machine's token with these permissions.
    pub(crate) async fn machine(&self, scope: &str) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", MACHINE),
            ("client_secret", MACHINE),
            ("scope", scope),
        ];
        token(&self.form("token", &form).await)
    }

    /// A person's token, with these permissions.
    pub(crate) async fn person(&self, permissions: &str) -> String {
        const VERIFIER: &str = "a verifier that nobody guesses, of 43 letters at least";
        const BACK: &str = "http://127.0.0.1:3000/callback";
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let mut form = vec![
            ("client_id", CONSOLE),
            ("response_type", "code"),
            ("redirect_uri", BACK),
            ("scope", "openid"),
            ("state", "s"),
            ("code_challenge_method", "S256"),
            ("code_challenge", &challenge),
        ];
        form.extend(permissions.split_whitespace().map(|permission| ("permission", permission)));
        if permissions.is_empty() {
            form.push(("persona", "nobody"));
        }
        let got = self.form("authorize", &form).await;
        let back = url::Url::parse(got.header("location")).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", BACK),
            ("client_id", CONSOLE),
            ("code_verifier", VERIFIER),
        ];
        token(&self.form("token", &form).await)
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = http::Request::post(format!("{}/{path}", self.stack.issuer().url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        send(request.body(Bytes::from(body)).unwrap()).await
    }

    /// Asks the API for a path and query.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Got {
        self.get_with(path, token, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, token: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = http::Request::get(format!("{}{path}", self.stack.url()));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(Bytes::new()).unwrap()).await
    }

    /// Sends a request's head as it is, which no client would send, and gives back status and body.
    pub(crate) async fn raw(&self, head: &str) -> (u16, String) {
        let address = self.stack.url().replace("http://", "");
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        (status, answer)
    }

    /// Every entry of the access log.
    pub(crate) async fn access_log(&self) -> Vec<AccessEntry> {
        self.stack.store().access_of(&AccessFilter::default()).await.unwrap()
    }
}

/// Follows a URL, as a browser would, without a token.
pub(crate) async fn follow(url: &str) -> Got {
    send(http::Request::get(url).body(Bytes::new()).unwrap()).await
}

async fn send(request: http::Request<Bytes>) -> Got {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.map(Full::new)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Got { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn token(got: &Got) -> String {
    assert_eq!(got.status, 200, "{got:?}");
    got.json()["access_token"].as_str().unwrap().to_owned()
}

pub(crate) fn key(provider: Provider, call_id: &str) -> CallKey {
    CallKey { provider, call_id: CallId::new(call_id.to_owned()).unwrap() }
}

/// A report of a call to [`NUMBER`], at a time in China.
pub(crate) fn report(call_id: &str, at: &str) -> Value {
    json!([{
        "callId": call_id, "taskId": "task-1", "outId": format!("out-{NUMBER}"), "callee": format!("86{NUMBER}"),
        "caller": "05710000001", "realCaller": "05710000002", "originateTime": at, "startTime": at,
        "duration": 90, "smartStatusCode": "ANSWERED", "hangupDirection": "User",
        "statusMsg": format!("to {NUMBER}"), "moreOfIt": NUMBER,
    }])
}
