//! What is told of calls: on the bus, to a webhook, after a crash.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use catalog::PUSH_FUNCTIONS;
use http::{HeaderMap, StatusCode};
use local_stack::{Options, Stack};
use runtime::clock;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{Served, TOKEN, free_port, options, post, rejected};

/// How long an event may take here.
const PATIENCE: Duration = Duration::from_secs(20);

async fn push(stack: &Stack, function: &str, elements: Value) {
    let url = format!("{}/push/{function}/{TOKEN}", stack.url());
    assert_eq!(post(&url, elements.to_string()).await.0, 200);
}

fn report(call_id: &str) -> Value {
    let now = jiff::Timestamp::now().as_millisecond();
    json!([{"callId": call_id, "callee": "13912345678", "smartStatusCode": "NO_ANSWER", "originateTime": now, "taskId": "7"}])
}

/// What makes a call complete that nobody answered.
fn note(call_id: &str) -> Value {
    json!([{"callId": call_id, "majorIntent": "A"}])
}

fn types(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["detail-type"].as_str().unwrap().to_owned()).collect()
}

/// The bus's events, once `enough` of them are there.
async fn told(stack: &Stack, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let events = stack.bus().events().unwrap();
        if enough(&events) || tokio::time::Instant::now() >= end {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of_call<'a>(events: &'a [Value], call_id: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["detail"]["call_id"] == call_id).collect()
}

/// What a webhook was posted, and when.
#[derive(Clone)]
struct Posted {
    headers: HeaderMap,
    event: Value,
    at: std::time::Instant,
}

/// A port of this machine on which nobody listens, and nobody else can, until the webhook does.
struct Port(TcpSocket);

impl Port {
    fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.local_addr().unwrap().port())
    }
}

/// A webhook that keeps what it is posted, and answers with a status.
#[derive(Clone)]
struct Hook {
    got: Arc<Mutex<Vec<Posted>>>,
    status: Arc<Mutex<StatusCode>>,
}

impl Hook {
    async fn listen(port: Port) -> Self {
        let hook = Self { got: Arc::default(), status: Arc::new(Mutex::new(StatusCode::OK)) };
        let listener = port.0.listen(1_024).unwrap();
        let app = Router::new().fallback(take).with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        hook
    }

    fn calls_told(&self, kind: &str) -> BTreeSet<String> {
        let got = self.got.lock().unwrap();
        let of_kind = got.iter().filter(|posted| posted.event["detail-type"] == kind);
        of_kind.map(|posted| posted.event["detail"]["call_id"].as_str().unwrap().to_owned()).collect()
    }

    async fn await_calls(&self, kind: &str, count: usize) -> BTreeSet<String> {
        let end = tokio::time::Instant::now() + 3 * PATIENCE;
        while self.calls_told(kind).len() < count && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.calls_told(kind)
    }
}

async fn take(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let status = *hook.status.lock().unwrap();
    if status.is_success() {
        let event = serde_json::from_slice(&body).unwrap();
        hook.got.lock().unwrap().push(Posted { headers, event, at: std::time::Instant::now() });
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_told_as_it_becomes_known_and_a_repeat_tells_nothing() {
    let stack =
        Stack::start(&Options { dynamodb_endpoint: None, no_events: false, ..options() }).await.unwrap();
    push(&stack, "alicom-call-report", report("1")).await;
    push(&stack, "alicom-call-note", note("1")).await;
    let recording = json!([{"callId": "2", "recordFile": stack.provider().recording_url("canary.wav")}]);
    push(&stack, "alicom-call-record", recording.clone()).await;
    let archived = stack.functions().invoke(archive_recordings::FUNCTION, json!({})).await.unwrap();
    assert_eq!(archived["archived"], 1, "{archived}");
    let events = told(&stack, |events| events.len() >= 3).await;
    let mut kinds = types(&events);
    kinds.sort();
    assert_eq!(kinds, ["call.completed", "call.intent", "recording.archived"]);
    for _ in 0..2 {
        push(&stack, "alicom-call-note", note("1")).await;
        push(&stack, "alicom-call-record", recording.clone()).await;
    }
    push(&stack, "alicom-call-report", report("3")).await;
    push(&stack, "alicom-call-note", note("3")).await;
    let events = told(&stack, |events| events.len() >= 5).await;
    assert_eq!(events.len(), 5, "{:?}", types(&events));
    assert_eq!(of_call(&events, "3").len(), 2, "what was repeated came before");
    let completed = of_call(&events, "1")[0];
    assert_eq!(completed["source"], "callvault");
    let detail = &completed["detail"];
    assert_eq!((&detail["complete"], &detail["revision"]), (&json!(true), &json!(2)));
    assert_eq!(
        (&detail["href"], &detail["call"]["callee"]),
        (&json!("/api/calls/alicom/1"), &json!("139******78"))
    );
    assert!(!events.iter().any(|event| event.to_string().contains("13912345678")));
    stack.stop().await.unwrap();
}

/// Every fixture of every document.
#[tokio::test(flavor = "multi_thread")]
async fn no_event_of_any_fixture_shows_a_number_whole() {
    let settings = [("EVENT_TYPES", "all")];
    let port = Port::reserve();
    let webhook = format!("http://127.0.0.1:{port}/");
    let hook = Hook::listen(port).await;
    let served = Served::start_with(&["--memory", "--no-schedule", "--webhook", &webhook], &settings);
    let mut numbers = BTreeSet::new();
    for function in PUSH_FUNCTIONS {
        let name = function.push.function;
        for file in std::fs::read_dir(format!("../../functions/{name}/test_data")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let body = std::fs::read(&path).unwrap();
                post(&format!("{}/push/{name}/{TOKEN}", served.url), body).await;
            }
        }
    }
    for item in crate::support::all_items_in(&served.store()).await {
        let callee = item.get("callee").and_then(Value::as_str).unwrap_or_default();
        if callee.len() >= 8 && callee.bytes().all(|byte| byte.is_ascii_digit()) {
            numbers.insert(callee.to_owned());
        }
    }
    assert!(!numbers.is_empty());
    let updated = hook.await_calls("call.updated", 10).await;
    assert!(updated.len() >= 10, "{updated:?}");
    for Posted { event, .. } in hook.got.lock().unwrap().iter() {
        let text = event.to_string();
        assert!(numbers.iter().all(|number| !text.contains(number)), "{}", event["detail-type"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_call_tells_that_and_nothing_else() {
    let stack =
        Stack::start(&Options { dynamodb_endpoint: None, no_events: false, ..options() }).await.unwrap();
    push(&stack, "alicom-call-report", report("1")).await;
    let remover = sweep_erased::Remover {
        table: stack.store().table(),
        bucket: stack.store().bucket(),
        bypass_governance: false,
    };
    let key = crate::support::call(shared::model::Provider::Alicom, "1");
    remover.erase(&key, runtime::clock::now()).await.unwrap();
    push(&stack, "alicom-call-note", note("1")).await;
    push(&stack, "alicom-call-report", report("2")).await;
    push(&stack, "alicom-call-note", note("2")).await;
    let events = told(&stack, |events| of_call(events, "2").len() >= 2).await;
    let of_erased = of_call(&events, "1");
    assert_eq!(of_erased.len(), 1, "{:?}", types(&events));
    assert_eq!(of_erased[0]["detail-type"], "call.erased");
    assert_eq!(of_erased[0]["detail"].get("call"), None);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_dead_gets_everything_once_it_is_back() {
    let port = Port::reserve();
    let webhook = format!("http://127.0.0.1:{port}/hook?key=canary").parse().unwrap();
    let header = Some(("x-token".to_owned(), "canary-token".to_owned()));
    let options = Options {
        dynamodb_endpoint: None,
        webhook: Some(webhook),
        webhook_header: header,
        no_events: false,
        ..options()
    };
    let stack = Stack::start(&options).await.unwrap();
    for call in ["1", "2", "3"] {
        push(&stack, "alicom-call-report", report(call)).await;
        push(&stack, "alicom-call-note", note(call)).await;
    }
    told(&stack, |events| events.len() >= 6).await;
    assert_eq!(stack.bus().undelivered().unwrap(), 6);
    let hook = Hook::listen(port).await;
    *hook.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(stack.bus().undelivered().unwrap(), 6, "what is refused is tried again");
    *hook.status.lock().unwrap() = StatusCode::OK;
    assert_eq!(hook.await_calls("call.completed", 3).await.len(), 3);
    assert_eq!(hook.await_calls("call.intent", 3).await.len(), 3);
    let Posted { headers, event, .. } = hook.got.lock().unwrap()[0].clone();
    assert_eq!(
        (&headers["x-token"], &headers["content-type"]),
        (&"canary-token".parse().unwrap(), &"application/json; charset=utf-8".parse().unwrap())
    );
    let names: Vec<_> = event.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        ["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"]
    );
    stack.stop().await.unwrap();
}

/// Whatever a kill leaves between the write and the webhook is found.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_everything_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let webhook = format!("http://127.0.0.1:{port}/");
    let options = [
        "--data",
        folder.path().to_str().unwrap(),
        "--no-schedule",
        "--webhook",
        &webhook,
        "--bus-faults",
        "20",
    ];
    let mut expected = BTreeSet::new();
    for round in 0..4 {
        let served = Served::start(&options);
        for call in 0..20 {
            let call_id = format!("{round}-{call}");
            for (function, body) in
                [("alicom-call-report", report(&call_id)), ("alicom-call-note", note(&call_id))]
            {
                let url = format!("{}/push/{function}/{TOKEN}", served.url);
                assert_eq!(post(&url, body.to_string()).await.0, 200);
            }
            expected.insert(call_id);
        }
        served.end("-KILL");
    }
    let served = Served::start(&options);
    let hook = Hook::listen(port).await;
    assert_eq!(hook.await_calls("call.completed", expected.len()).await, expected);
    assert_eq!(hook.await_calls("call.intent", expected.len()).await, expected);
    let ids = |kind: &str| -> BTreeSet<_> {
        let got = hook.got.lock().unwrap();
        let of_kind = got.iter().filter(|posted| posted.event["detail-type"] == kind);
        of_kind.map(|posted| posted.event["detail"]["id"].to_string()).collect()
    };
    assert_eq!(ids("call.completed").len(), expected.len(), "each by one id");
    drop(served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_understood_is_set_aside_and_holds_up_no_other() {
    let stack =
        Stack::start(&Options { dynamodb_endpoint: None, no_events: false, ..options() }).await.unwrap();
    push(&stack, "alicom-call-report", report("0")).await;
    for poison in 0..5 {
        let item =
            json!({"pk": format!("call#alicom#poison-{poison}"), "sk": "call", "sources": 7, "version": 1});
        stack.store().table().put(item.as_object().unwrap().clone()).await.unwrap();
    }
    let item = json!({"pk": "call#alicom#poison-0", "sk": "recording#main", "state": "archived", "slot": 7});
    stack.store().table().put(item.as_object().unwrap().clone()).await.unwrap();
    let began = tokio::time::Instant::now();
    for call in 1..20 {
        push(&stack, "alicom-call-report", report(&call.to_string())).await;
        push(&stack, "alicom-call-note", note(&call.to_string())).await;
        let pushed = tokio::time::Instant::now();
        told(&stack, |events| of_call(events, &call.to_string()).len() >= 2).await;
        assert!(
            pushed.elapsed() < Duration::from_secs(1),
            "{:?} after {:?}",
            pushed.elapsed(),
            began.elapsed()
        );
    }
    let aside = rejected(&stack).await;
    let aside: Vec<_> =
        aside.iter().filter(|(key, _)| key.starts_with("rejected/publish-changes/")).collect();
    assert_eq!(aside.len(), 6);
    assert!(aside.iter().all(|(_, reject)| reject["body"].as_str().unwrap().contains("poison-")));
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_told_again_with_the_ids_that_it_had() {
    let port = Port::reserve();
    let webhook = format!("http://127.0.0.1:{port}/");
    let hook = Hook::listen(port).await;
    let bus = free_port();
    let served = Served::start(&["--memory", "--no-schedule", "--webhook", &webhook, "--bus-port", &bus]);
    for (function, body) in [("alicom-call-report", report("1")), ("alicom-call-note", note("1"))] {
        assert_eq!(post(&format!("{}/push/{function}/{TOKEN}", served.url), body.to_string()).await.0, 200);
    }
    hook.await_calls("call.completed", 1).await;
    hook.await_calls("call.intent", 1).await;
    let ids = || -> BTreeSet<_> {
        hook.got.lock().unwrap().iter().map(|posted| posted.event["detail"]["id"].to_string()).collect()
    };
    let told = ids();
    assert_eq!(told.len(), 2);
    let endpoint = format!("http://127.0.0.1:{bus}");
    let operate_by = |key: Option<&str>, arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_callvault"))
            .args(arguments)
            .envs([
                ("TABLE_NAME", "callvault"),
                ("BUCKET_NAME", "callvault"),
                ("EVENT_BUS_NAME", "callvault"),
            ])
            .envs([("DYNAMODB_ENDPOINT", &served.dynamodb), ("S3_ENDPOINT", &served.s3)])
            .env("EVENTBRIDGE_ENDPOINT", &endpoint)
            .env_remove("CALLEE_ID_KEY")
            .envs(key.map(|key| ("CALLEE_ID_KEY", key)))
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let operate = |arguments: &[&str]| operate_by(Some("the local stack's, which is no secret"), arguments);
    let said = operate(&["events", "resend", "--since", "2025-06-01T00:00:00Z"]);
    assert_eq!(said, "events that were put on the bus again: 2\n");
    let count = || hook.got.lock().unwrap().len();
    let end = tokio::time::Instant::now() + PATIENCE;
    while count() < 4 && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((count(), ids()), (4, told));
    assert!(
        operate(&["events", "resend", "--since", "2099-06-01T00:00:00Z", "--until", "2099-06-02T00:00:00Z"])
            .contains(": 0")
    );
    // The whole of today is up to its end, and not to its first hour's.
    let today = &clock::now().to_text()[..10];
    let of_today = operate(&["events", "resend", "--since", "2025-06-01", "--until", today, "--dry-run"]);
    assert!(of_today.contains(": 2"), "{of_today}");
    // Whoever names no key of callees' ids has the stack's own, on this machine.
    let said = operate_by(None, &["events", "resend", "--since", "2025-06-01T00:00:00Z", "--dry-run"]);
    assert!(said.contains(": 2") && !said.contains("CALLEE_ID_KEY"), "{said}");
    let said = operate(&["events", "test"]);
    assert_eq!(said, "put 9 events on the bus, one of each type\n");
    let all = operate(&["events", "--follow", "--from-start", "--count", "13", "--bus", &endpoint]);
    assert_eq!(all.lines().count(), 13);
    assert!(all.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["source"] == "callvault"));
}

/// How long each of a stack's pushes took, in microseconds, and what it used of the processor, in milliseconds.
async fn measured(served: &Served, round: usize, took: &mut Vec<u128>) {
    let calls = 40;
    for call in 0..calls {
        let call_id = format!("{round}-{call}");
        for (function, body) in
            [("alicom-call-report", report(&call_id)), ("alicom-call-note", note(&call_id))]
        {
            let url = format!("{}/push/{function}/{TOKEN}", served.url);
            let began = std::time::Instant::now();
            assert_eq!(post(&url, body.to_string()).await.0, 200);
            took.push(began.elapsed().as_micros());
        }
    }
}

fn median(mut took: Vec<u128>) -> u128 {
    took.sort_unstable();
    took[took.len() / 2]
}

/// Pushes do not wait for what is told of them. What it costs is written down, and bounded with room for a machine that does other things.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_do_not_wait_for_a_dead_webhook_which_gets_all_once_it_lives() {
    let port = Port::reserve();
    let webhook = format!("http://127.0.0.1:{port}/");
    let without = Served::start(&["--memory", "--no-schedule", "--no-events"]);
    let with = Served::start(&["--memory", "--no-schedule", "--webhook", &webhook]);
    let (mut of_without, mut of_with) = (Vec::new(), Vec::new());
    let before = [without.cpu_ms(), with.cpu_ms()];
    for round in 0..10 {
        measured(&without, round, &mut of_without).await;
        measured(&with, round, &mut of_with).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let cpu = [without.cpu_ms() - before[0], with.cpu_ms() - before[1]];
    let p50 = [median(of_without), median(of_with)];
    let mut out = std::io::stdout();
    let told = format!("p50 without and with the stream: {p50:?} µs; processor: {cpu:?} ms\n");
    std::io::Write::write_all(&mut out, told.as_bytes()).unwrap();
    // This is a build without optimization, on a machine that does other things: a bound that only a fault breaks.
    assert!(p50[1] <= p50[0] * 2, "{told}");
    let hook = Hook::listen(port).await;
    assert_eq!(hook.await_calls("call.completed", 400).await.len(), 400);
}

/// How long it takes from a push's answer to the webhook, at many pushes a second. It is told and not held to anything: the machine does
/// other things.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_the_webhook_soon_after_the_push_was_answered() {
    const CALLS: u64 = 400;
    const CALLS_A_SECOND: u64 = 100;
    let port = Port::reserve();
    let webhook = format!("http://127.0.0.1:{port}/");
    let hook = Hook::listen(port).await;
    let served = Served::start(&["--memory", "--no-schedule", "--webhook", &webhook]);
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / CALLS_A_SECOND));
    let mut calls = Vec::new();
    for call in 0..CALLS {
        ticks.tick().await;
        let url = served.url.clone();
        calls.push(tokio::spawn(async move {
            let call_id = call.to_string();
            for (function, body) in
                [("alicom-call-report", report(&call_id)), ("alicom-call-note", note(&call_id))]
            {
                assert_eq!(post(&format!("{url}/push/{function}/{TOKEN}"), body.to_string()).await.0, 200);
            }
            (call_id, std::time::Instant::now())
        }));
    }
    let mut answered = std::collections::BTreeMap::new();
    for call in calls {
        let (call_id, at) = call.await.unwrap();
        answered.insert(call_id, at);
    }
    let told = hook.await_calls("call.completed", answered.len()).await;
    assert_eq!(told.len(), answered.len());
    let got = hook.got.lock().unwrap();
    let completed = got.iter().filter(|posted| posted.event["detail-type"] == "call.completed");
    let mut took: Vec<_> = completed
        .map(|posted| {
            let call_id = posted.event["detail"]["call_id"].as_str().unwrap();
            posted.at.saturating_duration_since(answered[call_id]).as_millis()
        })
        .collect();
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    let line =
        format!("from a push's answer to the webhook: p50 {} ms, p99 {p99} ms\n", took[took.len() / 2]);
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
}
