//! What is told does not depend on the way by which it became known: pushes in other orders, repeats, redriven rejects, replays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use operator::http::Http;
use serde_json::{Value, json};

use crate::simulation::{recordings, settings};
use crate::support::{Served, TOKEN, free_port, post};

/// How long events may take here.
const PATIENCE: Duration = Duration::from_secs(60);
/// The types of which the same news may be told by several ids, on the way to the last word.
const ON_THE_WAY: [&str; 3] = ["call.updated", "call.corrected", "call.intent"];

/// A stack that tells everything, and its bus.
struct Told {
    served: Served,
    bus: String,
}

/// A push: its function, and its element.
type Push = (&'static str, Value);

impl Told {
    fn start(hosts: &str, platform: &str, more: &[(&str, &str)]) -> Self {
        let port = free_port();
        let settings = [&settings(hosts, platform)[..], &[("EVENT_TYPES", "all")], more].concat();
        let served = Served::start_with(&["--memory", "--no-schedule", "--bus-port", &port], &settings);
        Self { served, bus: format!("http://127.0.0.1:{port}") }
    }

    async fn push(&self, pushes: &[Push], status: u16) {
        for (function, element) in pushes {
            let url = format!("{}/push/{function}/{TOKEN}", self.served.url);
            assert_eq!(post(&url, json!([element]).to_string()).await.0, status, "{function}");
        }
    }

    async fn archive(&self) -> Value {
        let invocations = format!("{}/2015-03-31/functions/archive-recordings/invocations", self.served.url);
        post(&invocations, "{}").await.1
    }

    fn operate(&self, arguments: &[&str]) -> String {
        let (succeeded, said) = tokio::task::block_in_place(|| self.served.operate(arguments));
        assert!(succeeded, "{said}");
        said
    }

    /// All that the bus took, once it has what is told of a call that is pushed now.
    async fn events(&self, last: &str) -> Vec<Value> {
        self.push(&missed(last, jiff::Timestamp::now().as_millisecond()), 200).await;
        self.events_with(last).await
    }

    /// The same, where the pushes are rejected, and redriven.
    async fn redriven_events(&self, last: &str) -> Vec<Value> {
        self.push(&missed(last, jiff::Timestamp::now().as_millisecond()), 413).await;
        self.operate(&["redrive"]);
        self.events_with(last).await
    }

    async fn events_with(&self, last: &str) -> Vec<Value> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (http, mut all, mut after) = (Http::new(), Vec::new(), 0);
            loop {
                let url = format!("{}/events?after={after}", self.bus);
                let (_, page) = http.get(&url, PATIENCE).await.unwrap();
                let mut page: Value = serde_json::from_slice(&page).unwrap();
                let Value::Array(events) = page["events"].take() else { panic!("{page}") };
                if events.is_empty() {
                    break;
                }
                all.extend(events);
                after = page["last"].as_u64().unwrap();
            }
            let is_last = |event: &Value| event["detail"]["call_id"] == last;
            if all.iter().any(|event| is_last(event) && event["detail-type"] == "call.completed") {
                all.retain(|event| !is_last(event));
                return all;
            }
            assert!(tokio::time::Instant::now() < end, "what was pushed last is not told");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The pushes of a call that was answered: of each function more than one, and an announcement of its recording.
fn answered(call_id: &str, at_ms: i64, recording: &str) -> Vec<Push> {
    let report = |seconds: u32| {
        json!({"callId": call_id, "callee": "13912345678", "smartStatusCode": "ANSWERED", "originateTime": at_ms,
            "startTime": at_ms + 5_000, "duration": seconds})
    };
    let said = json!([{"role": "user", "content": "喂"}]).to_string();
    let note = |intent: &str| json!({"callId": call_id, "majorIntent": intent, "conversationRecord": said});
    vec![
        ("alicom-call-report", report(30)),
        ("alicom-call-record", json!({"callId": call_id, "recordFile": recording})),
        ("alicom-call-note", note("A")),
        ("alicom-call-report", report(31)),
        ("alicom-call-note", note("B")),
    ]
}

/// The pushes of a call that nobody answered.
fn missed(call_id: &str, at_ms: i64) -> Vec<Push> {
    let report = json!({"callId": call_id, "smartStatusCode": "NO_ANSWER", "originateTime": at_ms});
    vec![("alicom-call-report", report), ("alicom-call-note", json!({"callId": call_id, "majorIntent": "C"}))]
}

fn types(events: &[Value]) -> BTreeSet<&str> {
    events.iter().filter_map(|event| event["detail-type"].as_str()).collect()
}

/// The ids of what is told once, with their types.
fn once(events: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = events.iter().map(|event| (text(&event["detail-type"]), text(&event["detail"]["id"])));
    all.filter(|(kind, _)| !ON_THE_WAY.contains(&kind.as_str())).collect()
}

/// What whoever listens to these types knows of each call in the end, but for when it was received.
fn last_word(events: &[Value], types: &[&str]) -> BTreeMap<String, Value> {
    let mut words = BTreeMap::new();
    let told = |event: &&Value| types.iter().any(|kind| event["detail-type"] == *kind);
    for event in events.iter().filter(told) {
        let mut call = event["detail"]["call"].clone();
        // Of a call that tells no time itself, the list's is that of its receipt.
        for stamp in ["first_received_at", "updated_at", "call_at"] {
            call.as_object_mut().unwrap().remove(stamp);
        }
        words.insert(event["detail"]["call_id"].as_str().unwrap().to_owned(), call);
    }
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_in_any_order_repeats_redriven_rejects_and_replays_tell_the_same_by_the_same_ids() {
    let platform = recordings().await;
    let hosts = platform.address().to_string();
    let now = jiff::Timestamp::now().as_millisecond() - 60_000;
    let mut pushes = Vec::new();
    for call in 0..4 {
        let recording = platform.recording_url(&format!("{call}.wav"));
        pushes.extend(answered(&format!("answered-{call}"), now, &recording));
        pushes.extend(missed(&format!("missed-{call}"), now));
    }
    pushes.push(("ai-voice-call-record", json!({"callId": "voice", "resultStatus": "NO_ANSWER"})));
    pushes.push(("laaffic-status-report", json!({"voiceId": "laaffic", "callStatus": 20})));

    let start = |more: &[(&str, &str)]| {
        tokio::task::block_in_place(|| Told::start(&hosts, platform.base_url(), more))
    };
    // As they come, repeated, and replayed.
    let in_order = start(&[]);
    in_order.push(&pushes, 200).await;
    assert_eq!(in_order.archive().await["archived"], 4);
    in_order.push(&pushes, 200).await;
    in_order.operate(&["replay"]);
    let expected = in_order.events("last").await;
    let kinds = [
        "call.completed",
        "call.corrected",
        "call.intent",
        "call.updated",
        "conversation.ready",
        "recording.archived",
    ];
    assert_eq!(types(&expected), kinds.into());
    // Ten calls, of which four have a conversation and a recording.
    assert_eq!(once(&expected).len(), 10 + 4 + 4);

    // Notes first, then recordings, then the rest: of one function the order stays, for the later word of a function counts.
    let other_way = start(&[]);
    let mut sorted = pushes.clone();
    sorted.sort_by_key(|(function, _)| {
        ["alicom-call-note", "alicom-call-record"].iter().position(|first| first == function).unwrap_or(9)
    });
    other_way.push(&sorted, 200).await;
    assert_eq!(other_way.archive().await["archived"], 4);
    // Everything is rejected, and stored by redriving, by another order of functions each time.
    let redriven = start(&[("MAX_BODY_BYTES", "10")]);
    redriven.push(&pushes, 413).await;
    for function in [
        "alicom-call-record",
        "alicom-call-note",
        "alicom-call-report",
        "ai-voice-call-record",
        "laaffic-status-report",
    ] {
        let said = redriven.operate(&["redrive", "--prefix", &format!("{function}/")]);
        assert!(said.ends_with("still rejected 0, failed 0\n"), "{said}");
    }
    assert_eq!(redriven.archive().await["archived"], 4);
    redriven.push(&pushes, 413).await;
    redriven.operate(&["redrive"]);
    redriven.operate(&["replay"]);
    for (name, told) in [
        ("the other way", other_way.events("last").await),
        ("redriven", redriven.redriven_events("last").await),
    ] {
        assert_eq!(once(&told), once(&expected), "{name}");
        for types in [&["call.completed", "call.corrected"][..], &["call.updated"]] {
            assert_eq!(last_word(&told, types), last_word(&expected, types), "{name}: {types:?}");
        }
        let intents = |events: &[Value]| -> BTreeMap<String, Value> {
            let all = events.iter().filter(|event| event["detail-type"] == "call.intent");
            all.map(|event| (event["detail"]["call_id"].to_string(), event["detail"]["id"].clone())).collect()
        };
        assert_eq!(intents(&told), intents(&expected), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_old_pushes_alerts_nobody_whichever_way_they_come() {
    let platform = recordings().await;
    let hosts = platform.address().to_string();
    let now = jiff::Timestamp::now().as_millisecond();
    let mut pushes = Vec::new();
    for week in 1..=52 {
        let at = now - week * 7 * 86_400_000;
        pushes.extend(missed(&format!("missed-{week}"), at));
        if week % 10 == 0 {
            let recording = platform.recording_url(&format!("{week}.wav"));
            let mut of_call = answered(&format!("answered-{week}"), at, &recording);
            // The note comes first, and tells no time.
            of_call.rotate_left(2);
            pushes.extend(of_call);
        }
    }
    let start = |more: &[(&str, &str)]| {
        tokio::task::block_in_place(|| Told::start(&hosts, platform.base_url(), more))
    };
    let fresh = start(&[]);
    fresh.push(&pushes, 200).await;
    // As if a mapping had been wrong, which replaying mends.
    let store = fresh.served.store();
    for mut item in crate::support::all_items_in(&store).await {
        if item["sk"] == "call" && item.remove("outcome").is_some() {
            store.table().put(item).await.unwrap();
        }
    }
    let said = fresh.operate(&["replay"]);
    assert!(said.contains("changed 57, unchanged 0"), "{said}");
    let redriven = start(&[("MAX_BODY_BYTES", "10")]);
    redriven.push(&pushes, 413).await;
    redriven.operate(&["redrive"]);
    for (name, told) in
        [("fresh", fresh.events("last").await), ("redriven", redriven.redriven_events("last").await)]
    {
        assert_eq!(types(&told), ["call.updated", "conversation.ready"].into(), "{name}");
        let calls: BTreeSet<_> = told.iter().map(|event| event["detail"]["call_id"].to_string()).collect();
        assert_eq!(calls.len(), 57, "{name}");
    }
}
