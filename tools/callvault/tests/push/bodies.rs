//! What becomes of a body as a whole: nothing that was acknowledged is lost, however it is divided, and what it costs is bounded.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime::store::Store;
use serde_json::{Value, json};
use shared::model::Provider;
use shared::record::item::Item;
use shared::record::keys;
use tokio::net::TcpListener;

use crate::merging::{push, receiver};
use crate::support::{
    REPORTS, Served, all_items, all_items_in, call, items, post, rejected, rejected_in, stack,
};

/// Where LAAFFIC's status reports are pushed to, which come in an envelope.
const STATUS_REPORTS: &str = "/push/laaffic-status-report/canary-token";
/// Where Alibaba's call notes are pushed to, whose conversation is a JSON text in a text.
const NOTES: &str = "/push/alicom-call-note/canary-token";

/// JSON as it is written: names may stand twice, and a text may end in half of a surrogate pair.
#[derive(Clone, Debug)]
enum Written {
    /// A leaf of one of the forms that [`Written::render`] knows.
    Leaf(u8),
    List(Vec<Written>),
    Object(Vec<(u8, Written)>),
}

impl Written {
    /// Its text, in which every leaf is another; the leaves' marks are added to `marks`.
    fn render(&self, marks: &mut Vec<String>, run: &str) -> String {
        match self {
            Self::Leaf(form) => {
                let number = marks.len();
                let (mark, text) = match form % 4 {
                    0 => (format!("7{run}{number:05}7"), format!("7{run}{number:05}7")),
                    1 => (format!("L{run}{number:05}E"), format!("\"L{run}{number:05}E cut \\ud83d\"")),
                    2 => (format!("L{run}{number:05}E"), format!("\"\\udc00L{run}{number:05}E\\n\"")),
                    _ => (format!("L{run}{number:05}E"), format!("\"L{run}{number:05}E\"")),
                };
                marks.push(mark);
                text
            }
            Self::List(list) => {
                let list: Vec<_> = list.iter().map(|value| value.render(marks, run)).collect();
                format!("[{}]", list.join(" ,"))
            }
            Self::Object(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| field(*name, value, marks, run)).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }
}

fn field(name: u8, value: &Written, marks: &mut Vec<String>, run: &str) -> String {
    // Few names, so that many stand twice; one that is half a surrogate pair, one that is empty, and the envelope's own.
    let name = ["a", "b", "cut \\ud83d", "", "array", "voiceId2"][usize::from(name) % 6];
    format!("\"{name}\": {}", value.render(marks, run))
}

fn written() -> impl Strategy<Value = Written> + Clone {
    any::<u8>().prop_map(Written::Leaf).prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Written::List),
            proptest::collection::vec((any::<u8>(), inner), 0..5).prop_map(Written::Object),
        ]
    })
}

/// An element: with an id, with a blank one (rejected), with half a surrogate pair in it, or no object at all (rejected).
fn element() -> impl Strategy<Value = (u8, Written)> + Clone {
    (
        any::<u8>(),
        prop_oneof![3 => proptest::collection::vec((any::<u8>(), written()), 0..5).prop_map(Written::Object), 1 => written()],
    )
}

fn element_text((kind, value): &(u8, Written), marks: &mut Vec<String>, run: &str) -> String {
    let text = value.render(marks, run);
    match (value, kind % 5) {
        (Written::Object(_), 0) | (Written::Leaf(_) | Written::List(_), _) => text,
        (Written::Object(fields), kind) => {
            let id = match kind {
                1 => "\"\"".to_owned(),
                2 => format!("\"{run}-\\ud83d\""),
                _ => format!("\"{run}-{kind}\""),
            };
            let comma = if fields.is_empty() { "" } else { "," };
            format!("{{\"voiceId\":{id}{comma}{}", &text[1..])
        }
    }
}

/// What an envelope has: a list of elements under the list's name, or something beside it.
#[derive(Clone, Debug)]
enum Member {
    Elements(Vec<(u8, Written)>),
    Beside(u8, Written),
}

fn bodies() -> impl Strategy<Value = Vec<Member>> + Clone {
    let elements = proptest::collection::vec(element(), 0..4);
    let member = prop_oneof![
        elements.prop_map(Member::Elements),
        (any::<u8>(), written()).prop_map(|(name, value)| Member::Beside(name, value)),
    ];
    proptest::collection::vec(member, 0..5)
}

fn body_text(members: &[Member], marks: &mut Vec<String>, run: &str) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|member| match member {
            Member::Elements(elements) => {
                let elements: Vec<_> =
                    elements.iter().map(|element| element_text(element, marks, run)).collect();
                format!("\"array\" : [{}]", elements.join(","))
            }
            Member::Beside(name, value) => field(*name, value, marks, run),
        })
        .collect();
    format!("{{ {} }}", members.join(" , "))
}

/// All text that is kept, wherever it is: items' values, and objects, those of rejects as they came.
async fn everything(store: &Store) -> String {
    let mut all = String::new();
    for item in all_items_in(store).await {
        for text in item.values().filter_map(Value::as_str) {
            all.push_str(text);
            all.push('\n');
        }
    }
    let bucket = store.bucket();
    let mut pages = bucket.client.list_objects_v2().bucket(&bucket.name).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents() {
            let bytes = bucket.get(object.key().unwrap()).await.unwrap();
            let text = String::from_utf8(bytes).unwrap();
            match serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|reject| Some(reject.get("reason").and(reject.get("body"))?.as_str()?.to_owned()))
            {
                Some(body) => all.push_str(&body),
                None => all.push_str(&text),
            }
            all.push('\n');
        }
    }
    all
}

fn missing(marks: &[String], everything: &str) -> Vec<String> {
    marks.iter().filter(|mark| !everything.contains(mark.as_str())).cloned().collect()
}

#[test]
fn every_leaf_of_an_acknowledged_body_is_kept_and_still_is_after_redriving() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let served = Served::start(&["--memory"]);
    let store = served.store();
    let url = format!("{}{STATUS_REPORTS}", served.url);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let runs = std::cell::Cell::new(100);
    let all_marks = std::cell::RefCell::new(Vec::new());
    runner
        .run(&bodies(), |members| {
            runs.set(runs.get() + 1);
            let (run, mut marks) = (format!("{:03}", runs.get()), Vec::new());
            let body = body_text(&members, &mut marks, &run);
            let (status, answer) = runtime.block_on(post(&url, body.clone()));
            prop_assert_eq!(status, 200, "{} {}", body, answer);
            let lost = missing(&marks, &runtime.block_on(everything(&store)));
            prop_assert!(lost.is_empty(), "{:?} of {} are nowhere", lost, body);
            all_marks.borrow_mut().extend(marks);
            Ok(())
        })
        .unwrap();
    assert!(all_marks.borrow().len() > 100, "{} leaves", all_marks.borrow().len());
    let (redriven, said) = served.operate(&["redrive"]);
    assert!(redriven, "{said}");
    assert_eq!(missing(&all_marks.borrow(), &runtime.block_on(everything(&store))), [""; 0], "{said}");
}

async fn pushes_of(store: &Store, provider: Provider, id: &str) -> Vec<Item> {
    let items = store.table().query(&keys::call_pk(&call(provider, id))).await.unwrap();
    items.into_iter().filter(|item| item["sk"].as_str().unwrap().starts_with("push#")).collect()
}

/// The texts of the envelopes in a table, by digest.
async fn envelopes(items: &[Item]) -> Vec<(String, String)> {
    let envelopes = items.iter().filter(|item| item["sk"] == "envelope");
    envelopes
        .map(|item| {
            let digest =
                item["pk"].as_str().unwrap().strip_prefix("envelope#laaffic-status-report#").unwrap();
            (digest.to_owned(), item["body"].as_str().unwrap().to_owned())
        })
        .collect()
}

/// Two lists of one name, and what stands beside them.
const BESIDE_IT: &str =
    r#"{"array":[{"voiceId":"1"}],"x":1,"array":7,"x":"\ud83d","array":[{"voiceId":"2"}]}"#;

#[tokio::test]
async fn what_stands_beside_the_list_is_kept_whatever_becomes_of_the_elements() {
    let stack = stack().await;
    let url = format!("{}{STATUS_REPORTS}", stack.url());
    for (body, message) in [
        (r#"{"array":[{"voiceId":""}],"batch":"KEEP"}"#, "stored 0, rejected 1"),
        (r#"{"batch":"EMPTY","array":[]}"#, "stored 0"),
        (BESIDE_IT, "stored 2"),
        (r#"{"array":[{"voiceId":"1"}],"batch":"another"}"#, "stored 1"),
    ] {
        let (status, answer) = post(&url, body).await;
        assert_eq!((status, answer["msg"].as_str()), (200, Some(message)), "{body}");
    }
    let mut envelopes = envelopes(&all_items(&stack).await).await;
    envelopes.sort_by_key(|(_, text)| text.len());
    let texts: Vec<_> = envelopes.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            r#"{"batch":"KEEP"}"#,
            r#"{"batch":"EMPTY"}"#,
            r#"{"batch":"another"}"#,
            r#"{"x":1,"array":7,"x":"\ud83d"}"#
        ]
    );
    let both = BTreeSet::from([envelopes[2].0.clone(), envelopes[3].0.clone()]);
    let named = async || {
        let pushes = pushes_of(stack.store(), Provider::Laaffic, "1").await;
        assert_eq!(pushes.len(), 1, "the same element is one push");
        pushes[0]["envelopes"].as_str().unwrap().split(',').map(str::to_owned).collect::<BTreeSet<_>>()
    };
    // On a machine that is too busy to read in time what is stored, a repeat makes up for it.
    for _ in 0..10 {
        if named().await != both {
            assert_eq!(post(&url, BESIDE_IT).await.0, 200);
        }
    }
    assert_eq!(named().await, both, "in both envelopes");
    assert_eq!(rejected(&stack).await[0].1["envelope"], json!(envelopes[0].0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_envelope_is_kept_once_and_named_by_each_element() {
    let stack = stack().await;
    let elements: Vec<_> = (0..300).map(|n| json!({"voiceId": format!("{n:04}")})).collect();
    let large = "x".repeat(3 << 20);
    let body = json!({"array": elements, "blob": large}).to_string();
    let (status, answer) = post(&format!("{}{STATUS_REPORTS}", stack.url()), body).await;
    assert_eq!((status, answer["msg"].as_str()), (200, Some("stored 300")));
    let items = all_items(&stack).await;
    let size: usize = items.iter().map(|item| json!(item).to_string().len()).sum();
    assert!(size < 500_000, "{size} bytes in the table");
    let envelope = items.iter().find(|item| item["sk"] == "envelope").unwrap();
    let digest = envelope["pk"].as_str().unwrap().rsplit('#').next().unwrap();
    assert_eq!(items.iter().filter(|item| item.get("envelopes") == Some(&json!(digest))).count(), 300);
    let kept = stack.store().bucket().get(envelope["body_key"].as_str().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), json!({"blob": large}).to_string());
}

#[tokio::test]
async fn half_a_surrogate_pair_is_stored_and_kept_as_it_came() {
    let stack = stack().await;
    for (route, body) in [
        (
            REPORTS,
            r#"[{"callId":"a","statusMsg":"cut \ud83d","new \uDC00":{"\ud83d":"\\ud83d\ud83d\ude00"}}]"#,
        ),
        (
            NOTES,
            r#"[{"callId":"b","conversationRecord":"[{\"role\":\"user\",\"content\":\"cut \\ud83d\"}]"}]"#,
        ),
        (REPORTS, r#"[{"callId":"c\ud83d"}]"#),
    ] {
        let (status, answer) = post(&format!("{}{route}", stack.url()), body).await;
        assert_eq!((status, answer["msg"].as_str()), (200, Some("stored 1")), "{body}");
    }
    let [call, push] = &items(&stack, "a").await[..] else { panic!("a call and a push") };
    let extra = &call["extra"]["alicom-call-report"];
    assert_eq!(call["status"]["statusMsg"].as_str().or(extra["statusMsg"].as_str()), Some("cut \u{fffd}"));
    assert_eq!(extra["new \u{fffd}"], json!({"\u{fffd}": "\\ud83d\u{1f600}"}));
    assert!(push["body"].as_str().unwrap().contains(r#""cut \ud83d""#), "{push:?}");
    let conversation =
        items(&stack, "b").await.into_iter().find(|item| item["sk"] == "conversation").unwrap();
    assert_eq!(conversation["turns"][0]["text"], "cut \u{fffd}");
    assert_eq!(items(&stack, "c\u{fffd}").await.len(), 2);
}

#[tokio::test]
async fn a_number_is_a_number_only_where_every_reader_reads_it() {
    let stack = stack().await;
    let wide = "9".repeat(38);
    let (kept, changed) = (
        ["1", "-12.5", "9007199254740993", &wide, "0.000001"],
        [
            ("0e999", json!(0)),
            ("-0", json!(0)),
            ("1.50", serde_json::from_str("1.5").unwrap()),
            ("1e2", json!(100)),
        ],
    );
    let too_wide = format!("1{}", "0".repeat(38));
    let texts = ["1e38", &too_wide, "1e125", "1e-130", "9007199254740993.5", "12345678901234567890.25"];
    let numbers: Vec<_> =
        kept.iter().copied().chain(changed.iter().map(|(text, _)| *text)).chain(texts).collect();
    let body = format!(r#"[{{"callId":"n","new":[{}]}}]"#, numbers.join(","));
    let (status, answer) = post(&format!("{}{REPORTS}", stack.url()), body.clone()).await;
    assert_eq!((status, answer["msg"].as_str()), (200, Some("stored 1")), "{answer}");
    let expected: Vec<Value> = kept
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .chain(changed.map(|(_, value)| value))
        // serde_json writes the sign of an exponent.
        .chain(texts.iter().map(|text| json!(text.replace("e3", "e+3").replace("e1", "e+1"))))
        .collect();
    assert_eq!(items(&stack, "n").await[0]["extra"]["alicom-call-report"]["new"], json!(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_too_many_elements_or_rejects_is_kept_once_and_taken_apart_by_redriving() {
    let served = Served::start(&["--memory"]);
    let store = served.store();
    let url = format!("{}{REPORTS}", served.url);
    // Beyond the limit of rejects: what is sound is stored, the rest kept with the body.
    let bad = |count: u32| (0..count).map(|n| format!("{n}")).collect::<Vec<_>>().join(",");
    let (status, answer) = post(&url, format!(r#"[{{"callId":"a"}},{{"callId":"b"}},{}]"#, bad(150))).await;
    assert_eq!((status, answer["msg"].as_str()), (200, Some("stored 2, rejected 150")));
    let kept = rejected_in(&store).await;
    assert_eq!(kept.len(), 1);
    assert!(
        kept[0].1["reason"].as_str().unwrap().starts_with("150 elements rejected"),
        "{:?}",
        kept[0].1["reason"]
    );
    // Beyond the limit of elements: the body is kept, and nothing of it stored yet.
    let (status, _) = post(&url, format!(r#"[{},{{"callId":"c"}}]"#, bad(10_000))).await;
    assert_eq!(status, 413);
    assert_eq!(rejected_in(&store).await.len(), 2);
    assert!(items_in(&store, "c").await.is_empty());
    let (redriven, said) = served.operate(&["redrive"]);
    assert!(redriven, "{said}");
    assert_eq!(items_in(&store, "c").await.len(), 2, "{said}");
    let rest = rejected_in(&store).await;
    let mut sizes: Vec<_> = rest
        .iter()
        .map(|(_, reject)| {
            serde_json::from_str::<Vec<Value>>(reject["body"].as_str().unwrap()).unwrap().len()
        })
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [150, 10_000], "only what is still rejected is kept");
    let (_, again) = served.operate(&["redrive"]);
    assert!(again.contains("stored 0, still rejected 2, failed 0"), "{again}");
    assert_eq!(rejected_in(&store).await.len(), 2);
    let (_, log) = served.end("-TERM");
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < 2_000, "a log line of {longest} bytes");
}

async fn items_in(store: &Store, id: &str) -> Vec<Item> {
    store.table().query(&keys::call_pk(&call(Provider::Alicom, id))).await.unwrap()
}

/// What accepts connections and says nothing.
async fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
        }
    });
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_store_is_silent_a_push_is_answered_within_five_seconds() {
    let stack = stack().await;
    let stores = stack.stores().clone();
    let (dynamodb, s3) = (stores.dynamodb_endpoint.unwrap(), stores.s3_endpoint.unwrap());
    let silent = silence().await;
    let large = "x".repeat(70_000);
    let (sound, bad, huge) = (r#"[{"callId":"a"}]"#, "[1]", format!(r#"[{{"callId":"a","new":"{large}"}}]"#));
    let enveloped = format!(r#"{{"array":[{{"voiceId":"1"}},2],"beside":"{large}"}}"#);
    for (what, dynamodb, s3, function, body, expected) in [
        ("a reject", &dynamodb, &silent, "alicom-call-report", bad, 503),
        ("a body that is no JSON", &dynamodb, &silent, "alicom-call-report", "{", 503),
        ("a large field", &dynamodb, &silent, "alicom-call-report", huge.as_str(), 503),
        ("a large envelope", &dynamodb, &silent, "laaffic-status-report", enveloped.as_str(), 503),
        ("a call without a table", &silent, &s3, "alicom-call-report", sound, 503),
        (
            "a large envelope without either",
            &silent,
            &silent,
            "laaffic-status-report",
            enveloped.as_str(),
            503,
        ),
        ("a large field without either", &silent, &silent, "alicom-call-report", huge.as_str(), 503),
        ("a call without a bucket", &dynamodb, &silent, "alicom-call-report", sound, 200),
    ] {
        let receiver = receiver(&stack, dynamodb, s3);
        let began = Instant::now();
        let pushed = tokio::time::timeout(Duration::from_secs(10), push(&receiver, function, body)).await;
        let took = began.elapsed();
        assert_eq!(pushed.ok(), Some(expected), "{what}");
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
}
