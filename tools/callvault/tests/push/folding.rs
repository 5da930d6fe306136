//! A record is a function of the set of its bodies and their first receipts: whatever the order, the repeats, the crashes, and whatever was
//! forgotten meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use catalog::stored_type;
use futures_util::future::join_all;
use local_stack::Stack;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use runtime::aws::Account;
use runtime::clock;
use runtime::config::Environment;
use runtime::ingress::answer::Answer;
use runtime::ingress::receive::Receiver;
use runtime::store::Stored;
use serde_json::{Map, Value, json};
use shared::model::{Instant, Provider};
use shared::normalize::Context;
use shared::record::item::{Asked, Item};
use shared::record::keys;
use shared::record::merge::{NOTE, QUERY, RECORD, REPORT};
use shared::record::parts::Element;
use shared::record::tombstone;

use crate::faults::{Fault, FaultyDynamoDb, FaultyS3};
use crate::merging::{push, receiver};
use crate::support::{Served, all_items, all_items_in, call, items, post, rejected, stack};

/// A field of a document, and two sound values and an unsound one of it.
type Field = (&'static str, [&'static str; 3]);

/// The functions and the fields of their documents. A field that no document knows is among them.
const FIELDS: [(&str, &[Field]); 4] = [
    (
        REPORT,
        &[
            ("taskId", ["\"1181\"", "1182", "[]"]),
            ("outId", ["\"7\"", "\"8\\n\"", "\" \""]),
            ("callee", ["\"13900000001\"", "\"13900000002\"", "{}"]),
            ("originateTime", ["\"2025-06-01 09:59:45\"", "\"2025-06-01 09:59:46\"", "\"yesterday\""]),
            ("ringTime", ["\"2025-06-01 09:59:50\"", "\"2025-06-01 09:59:51\"", "true"]),
            ("startTime", ["\"2025-06-01 10:00:00\"", "\"2025-06-01 10:00:01\"", "\"-\""]),
            ("duration", ["330", "\"0\"", "1.5"]),
            ("smartStatusCode", ["\"ANSWERED\"", "\"NO_ANSWER\"", "[1]"]),
            ("hangupDirection", ["\"User\"", "\"Robot\"", "{\"a\":1}"]),
            ("statusCode", ["\"200010\"", "200011", "false"]),
            ("bDuration", ["1.50", "0.0", "\"4\""]),
        ],
    ),
    (
        RECORD,
        &[
            ("taskId", ["\"1181\"", "\"1183\"", "{}"]),
            ("startTime", ["\"2025-06-01 09:59:44\"", "\"2025-06-01 09:59:47\"", "\"soon\""]),
            ("duration", ["125", "126", "\"long\""]),
            ("recordFile", ["\"http://a.aliyuncs.com/1.wav\"", "\"http://a.aliyuncs.com/2.wav\"", "7"]),
            ("codec", ["\"pcm\"", "1e2", "[0.10]"]),
        ],
    ),
    (
        NOTE,
        &[
            ("realCaller", ["\"05711111\"", "\"05712222\"", "[]"]),
            ("majorIntent", ["\"A\"", "\"B\"", "{}"]),
            ("outputTags", ["{\"interest\":[\"high\"]}", "{\"name\":\"Wang\"}", "{}"]),
            ("call_times", ["1", "2", "\"twice\""]),
            (
                "conversationRecord",
                [
                    r#""[{\"role\":\"user\",\"content\":\"yes\"}]""#,
                    r#""[{\"role\":\"user\",\"content\":\"no\"}]""#,
                    "\"\"",
                ],
            ),
        ],
    ),
    (
        QUERY,
        &[
            ("OutId", ["\"7\"", "\"9\\n\"", "{}"]),
            ("CalledPhone", ["\"13900000001\"", "\"13900000003\"", "[]"]),
            ("StartCallTime", ["1748743185000", "1748743186000", "98"]),
            ("CallResult", ["\"ANSWERED\"", "\"USER_BUSY\"", "[]"]),
            ("MajorIntent", ["\"A\"", "\"C\"", "{}"]),
            (
                "OutputTags",
                [
                    r#"[{"OutputTagName":"interest","OutputTagValue":"[\"high\"]"}]"#,
                    r#"[{"OutputTagName":"name","OutputTagValue":"Li"}]"#,
                    "[]",
                ],
            ),
            (
                "ConversationRecord",
                [r#"[{"role":"user","content":"yes"}]"#, r#"[{"role":"user","content":"perhaps"}]"#, "\"[\""],
            ),
        ],
    ),
];

/// Stands for the call's id.
const ID: &str = "@call@";

/// One body: of which function, its text, and when it was received first.
#[derive(Clone, Debug)]
struct Said {
    function: &'static str,
    text: String,
    first: Instant,
}

/// One delivery of a body.
#[derive(Clone, Debug)]
enum Step {
    /// Received so many seconds after the first receipt.
    Delivered { body: usize, later_s: i64 },
    /// The same, but the function crashes after so many writes.
    Crashed { body: usize, later_s: i64, writes: i64 },
    /// Half of the pushes are forgotten.
    Expired(u64),
}

fn at(second: i64) -> Instant {
    Instant::from_epoch_seconds(1_748_743_533 + second).unwrap()
}

/// Up to five bodies of each function about the call [`ID`], and one at least.
fn bodies() -> impl Strategy<Value = Vec<Said>> {
    let of_function = |number: usize, most: usize| {
        let (_, fields) = FIELDS[number];
        let body = (proptest::collection::vec(0..5_usize, fields.len()), 0..6_i64);
        proptest::collection::vec(body, 0..=most)
    };
    let bodies = (of_function(0, 5), of_function(1, 5), of_function(2, 5), of_function(3, 3)).prop_map(
        |(reports, records, notes, answers)| {
            let mut seen = BTreeSet::new();
            let mut said = Vec::new();
            for (number, bodies) in [reports, records, notes, answers].into_iter().enumerate() {
                let (function, fields) = FIELDS[number];
                for (choices, second) in bodies {
                    let text = text(function, fields, &choices);
                    if seen.insert((function, text.clone())) {
                        // Some are received at once: the digest decides.
                        said.push(Said { function, text, first: at(second) });
                    }
                }
            }
            said
        },
    );
    bodies.prop_filter("none", |bodies| !bodies.is_empty())
}

fn text(function: &str, fields: &[(&str, [&str; 3])], choices: &[usize]) -> String {
    let name = if function == QUERY { "CallId" } else { "callId" };
    let mut text = format!("{{\"{name}\":\"{ID}\"");
    for ((field, values), choice) in fields.iter().zip(choices) {
        let value = match choice {
            0 => continue,
            1 => "null",
            choice => values[choice - 2],
        };
        text.push_str(&format!(",\"{field}\":{value}"));
    }
    text + "}"
}

/// Each body at its first receipt, repeats, crashes, and what is forgotten: in any order.
fn steps(bodies: usize) -> impl Strategy<Value = Vec<Step>> {
    let repeats = proptest::collection::vec((any::<Index>(), 1..20_i64), 0..6);
    let crashes = proptest::collection::vec((any::<Index>(), 0..20_i64, 0..4_i64), 0..4);
    let expiries = proptest::collection::vec(any::<u64>(), 0..2);
    (repeats, crashes, expiries)
        .prop_map(move |(repeats, crashes, expiries)| {
            let each = (0..bodies).map(|body| Step::Delivered { body, later_s: 0 });
            let repeats = repeats
                .into_iter()
                .map(|(body, later_s)| Step::Delivered { body: body.index(bodies), later_s });
            let crashes = crashes.into_iter().map(|(body, later_s, writes)| Step::Crashed {
                body: body.index(bodies),
                later_s,
                writes,
            });
            each.chain(repeats)
                .chain(crashes)
                .chain(expiries.into_iter().map(Step::Expired))
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// A receiver that stores as of whatever time, and forgets pushes after some years.
fn for_operator(stack: &Stack, dynamodb_endpoint: &str) -> Receiver {
    let look_up = |variable: &str| match variable {
        "DYNAMODB_ENDPOINT" => Some(dynamodb_endpoint.to_owned()),
        "PUSH_RETENTION_DAYS" => Some("36500".to_owned()),
        store => stack.variable(store),
    };
    let environment = Environment::new(&look_up);
    Receiver::for_operator(&environment, Account::of_function(&environment, stack.stores()).unwrap()).unwrap()
}

/// Stores a body as received at a time. Whether it is durable.
async fn store(receiver: &Receiver, said: &Said, received_at: Instant) -> bool {
    let push = stored_type(said.function).unwrap();
    if said.function != QUERY {
        let answer = receiver.receive_again(&push, said.text.as_bytes(), received_at).await;
        return matches!(answer, Answer::Kept { stored: 1, rejected: 0, .. });
    }
    let context = Context { received_at, utc_offset: receiver.utc_offset(push.provider) };
    let normalized = push.normalized(&said.text, &context).unwrap();
    let ids = [("task_id", "1181"), ("batch_id", "B1"), ("detail_id", "9662")];
    let asked = Asked {
        ids: ids.map(|(attribute, id)| (attribute.to_owned(), id.to_owned())).into(),
        found_by: Some("reconciliation".to_owned()),
    };
    let element = Element {
        key: call(Provider::Alicom, normalized.call_id.as_str()),
        push,
        context,
        expires: Some(received_at.epoch_millis() / 1000 + 3_153_600_000),
        text: said.text.clone(),
        envelope: None,
        asked: Some(asked),
        normalized,
    };
    matches!(receiver.store().store(vec![element]).await[..], [Ok(Stored::Kept)])
}

async fn forget(stack: &Stack, id: &str, which: u64) {
    for (number, item) in items(stack, id).await.into_iter().enumerate() {
        let sk = item["sk"].as_str().unwrap();
        if sk.starts_with("push#") && which >> number & 1 == 1 {
            stack.store().table().delete(item["pk"].as_str().unwrap(), sk).await.unwrap();
        }
    }
}

/// What is stored of a call, without how often it was written: the call and its conversation; and the pushes. What announcements of
/// recordings come to is shown elsewhere.
async fn stored(stack: &Stack, id: &str) -> (Vec<Item>, Vec<Item>) {
    let mut all = items(stack, id).await;
    all.iter_mut().for_each(|item| drop(item.remove("version")));
    all.retain(|item| !item["sk"].as_str().unwrap().starts_with("recording#"));
    all.into_iter().partition(|item| !item["sk"].as_str().unwrap().starts_with("push#"))
}

#[test]
fn whatever_the_order_the_repeats_the_crashes_and_what_is_forgotten_the_items_are_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (in_order, shuffled) = runtime.block_on(async { (stack().await, stack().await) });
    let endpoint = |stack: &Stack| stack.stores().dynamodb_endpoint.clone().unwrap();
    let plain = for_operator(&in_order, &endpoint(&in_order));
    let tried = for_operator(&shuffled, &endpoint(&shuffled));
    let writes_left = Arc::new(AtomicI64::new(0));
    let left = Arc::clone(&writes_left);
    let crashing = runtime.block_on(FaultyDynamoDb::start(&endpoint(&shuffled), move |_, _| {
        match left.fetch_sub(1, Ordering::SeqCst) > 0 {
            true => Fault::None,
            false => Fault::Crash,
        }
    }));
    let crashing = for_operator(&shuffled, &crashing.endpoint);

    let cases = bodies().prop_flat_map(|bodies| {
        let steps = steps(bodies.len());
        (Just(bodies), steps)
    });
    let number = std::cell::Cell::new(0);
    let config = Config { cases: 48, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    TestRunner::new(config)
        .run(&cases, |(mut said, steps)| {
            number.set(number.get() + 1);
            let id = format!("10000161^{}", number.get());
            said.iter_mut().for_each(|said| said.text = said.text.replace(ID, &id));
            runtime.block_on(async {
                let mut sorted: Vec<_> = said.iter().collect();
                sorted.sort_by_key(|said| said.first);
                for said in sorted {
                    assert!(store(&plain, said, said.first).await);
                }
                for step in &steps {
                    match step {
                        Step::Delivered { body, later_s } => {
                            let said = &said[*body];
                            assert!(store(&tried, said, said.first.plus_seconds(*later_s)).await, "{step:?}");
                        }
                        Step::Crashed { body, later_s, writes } => {
                            writes_left.store(*writes, Ordering::SeqCst);
                            let said = &said[*body];
                            store(&crashing, said, said.first.plus_seconds(*later_s)).await;
                        }
                        Step::Expired(which) => forget(&shuffled, &id, *which).await,
                    }
                }
                let (expected, pushes) = stored(&in_order, &id).await;
                let (found, kept) = stored(&shuffled, &id).await;
                prop_assert_eq!(&found, &expected, "{:?}\n{:#?}", steps, said);
                for push in kept {
                    prop_assert!(pushes.contains(&push), "{push:?} is none of {pushes:?}");
                }
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_what_was_accepted_changes_nothing_and_loses_nothing_even_twice() {
    let served = Served::start(&["--memory"]);
    let receiver = served.receiver();
    let mut runner = TestRunner::deterministic();
    for number in 0..30 {
        for mut said in bodies().new_tree(&mut runner).unwrap().current() {
            said.text = said.text.replace(ID, &format!("call-{number}"));
            assert!(store(&receiver, &said, said.first).await);
        }
    }
    // More bodies than any provider sends, and other providers' samples.
    for second in 0..40 {
        let text = format!(r#"{{"callId":"often","callee":"139000000{second:02}","cost":{second}.10}}"#);
        assert!(store(&receiver, &Said { function: REPORT, text, first: at(second) }, at(second)).await);
    }
    // More than an item has room for.
    for second in 0..60 {
        let fields: Vec<_> =
            (0..4).map(|field| format!(r#""f{field}":"{}""#, format!("{second:04}").repeat(750))).collect();
        let text = format!(r#"{{"callId":"much","callee":"139000000{second:02}",{}}}"#, fields.join(","));
        assert!(store(&receiver, &Said { function: REPORT, text, first: at(second) }, at(second)).await);
    }
    for function in ["ai-voice-call-record", "laaffic-status-report"] {
        let sample = format!("../../functions/{function}/test_data/sample.json");
        let sample = std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(sample)).unwrap();
        let url = format!("{}/push/{function}/canary-token", served.url);
        assert_eq!(post(&url, sample).await.0, 200);
    }
    let store = served.store();
    let before = all_items_in(&store).await;
    let (succeeded, said) = served.operate(&["replay"]);
    assert!(succeeded && said.starts_with("changed 0, "), "{said}");
    assert!(said.ends_with("left 0, failed 0\n"), "{said}");
    assert_eq!(all_items_in(&store).await, before, "nothing was written");

    // What is not kept any more stays in the record.
    for (number, item) in
        before.iter().filter(|item| item["sk"].as_str().unwrap().starts_with("push#")).enumerate()
    {
        if number % 2 == 0 {
            let [pk, sk] = ["pk", "sk"].map(|name| item[name].as_str().unwrap());
            store.table().delete(pk, sk).await.unwrap();
        }
    }
    for _ in 0..2 {
        let (succeeded, said) = served.operate(&["replay"]);
        assert!(succeeded && said.starts_with("changed 0, ") && said.ends_with("failed 0\n"), "{said}");
    }
    let records = |items: Vec<Item>| -> Vec<Item> {
        items.into_iter().filter(|item| !item["sk"].as_str().unwrap().starts_with("push#")).collect()
    };
    assert_eq!(records(all_items_in(&store).await), records(before));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_stored_without_its_ids_keeps_them_when_it_is_read_anew() {
    let served = Served::start(&["--memory"]);
    let receiver = served.receiver();
    let text = r#"{"CallId":"asked","CallResult":"ANSWERED"}"#.to_owned();
    assert!(store(&receiver, &Said { function: QUERY, text, first: at(0) }, at(0)).await);
    let store = served.store();
    let find = |items: &[Item], sk: &str| {
        items.iter().find(|item| item["sk"].as_str().unwrap().starts_with(sk)).cloned().unwrap()
    };
    let before = all_items_in(&store).await;
    let mut push = find(&before, "push#");
    assert_eq!(
        push["asked_by"],
        json!({"task_id": "1181", "batch_id": "B1", "detail_id": "9662", "found_by": "reconciliation"})
    );
    push.remove("asked_by");
    store.table().put(push).await.unwrap();
    let (succeeded, said) = served.operate(&["replay"]);
    assert!(succeeded && said == "changed 0, unchanged 1, left 0, failed 0\n", "{said}");
    assert_eq!(find(&all_items_in(&store).await, "call"), find(&before, "call"));
}

/// Every object of the bucket that an item names and that isn't there.
async fn dangling(stack: &Stack) -> Vec<String> {
    fn names(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.starts_with("large/") => found.push(text.clone()),
            Value::Array(list) => list.iter().for_each(|value| names(value, found)),
            Value::Object(map) => map.values().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let mut named = Vec::new();
    all_items(stack).await.into_iter().for_each(|item| names(&Value::Object(item), &mut named));
    let mut dangling = Vec::new();
    for name in named {
        if stack.store().bucket().get(&name).await.is_err() {
            dangling.push(name);
        }
    }
    dangling
}

/// Three elements about two calls: of one of them a note too long for an item, and a field that is.
fn large_elements() -> String {
    let words = "字".repeat(30_000);
    json!([
        {"callId": "a", "majorIntent": "A", "outputTags": {"interest": ["high"]}},
        {"callId": "a", "conversationRecord": json!([{"role": "user", "content": words}]).to_string()},
        {"callId": "a", "unknown": "x".repeat(70_000)},
        {"callId": "b", "unknown": "y".repeat(70_000)},
        {"callId": "b", "call_times": 2},
    ])
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_item_names_an_object_that_is_not_there_whichever_write_fails() {
    let stack = stack().await;
    let [dynamodb, s3] = [&stack.stores().dynamodb_endpoint, &stack.stores().s3_endpoint]
        .map(|endpoint| endpoint.clone().unwrap());
    let large = |number: u64| {
        large_elements()
            .replace("\"a\"", &format!("\"a{number}\""))
            .replace("\"b\"", &format!("\"b{number}\""))
    };
    let mut objects = 0;
    for failing in 0.. {
        let count = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&count);
        let faulty = FaultyS3::start(&s3, move |number, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            if number == failing { Fault::Crash } else { Fault::None }
        });
        let faulty = faulty.await;
        let status = push(&receiver(&stack, &dynamodb, &faulty.endpoint), NOTE, &large(failing)).await;
        assert_eq!(dangling(&stack).await, Vec::<String>::new(), "with object {failing}");
        objects = count.load(Ordering::SeqCst);
        if status == 200 {
            break;
        }
        assert_eq!(status, 503);
        // What could be stored is, and nothing of the rest.
        assert_eq!(push(&receiver(&stack, &dynamodb, &s3), NOTE, &large(failing)).await, 200);
        assert_eq!(dangling(&stack).await, Vec::<String>::new());
    }
    assert_eq!(objects, 6, "two fields, a conversation, and the three elements that they are of");
    for failing in 0..12 {
        let faulty =
            FaultyDynamoDb::start(
                &dynamodb,
                move |number, _| {
                    if number == failing { Fault::Crash } else { Fault::None }
                },
            );
        let faulty = faulty.await;
        push(&receiver(&stack, &faulty.endpoint, &s3), NOTE, &large(100 + failing)).await;
        assert_eq!(dangling(&stack).await, Vec::<String>::new(), "with write {failing}");
    }
    // Two fields that are too large do not hide each other.
    let extra = |item: &Item| item["extra"][NOTE]["large_key"].clone();
    let more = json!([{"callId": "a0", "unknown": "z".repeat(70_000)}]).to_string();
    assert_eq!(push(&receiver(&stack, &dynamodb, &s3), NOTE, &more).await, 200);
    let call = items(&stack, "a0").await.into_iter().find(|item| item["sk"] == "call").unwrap();
    assert_eq!(extra(&call).as_array().map(Vec::len), Some(2), "{call:?}");
}

/// An attempt that could store the verbatim push and no more, a correction, and the first one again while the table is slow: that one's place
/// is before the correction all the same, be it alone in its body or one of several.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_after_a_correction_does_not_undo_it_where_the_table_is_slow_to_read() {
    let stack = stack().await;
    let [dynamodb, s3] = [&stack.stores().dynamodb_endpoint, &stack.stores().s3_endpoint]
        .map(|endpoint| endpoint.clone().unwrap());
    let quick = receiver(&stack, &dynamodb, &s3);
    let slow = FaultyDynamoDb::slow_to_read(&dynamodb).await;
    let slow = receiver(&stack, &slow.endpoint, &s3);
    let table = stack.store().table();
    for elements in [1, 2, 30] {
        let id = format!("again-{elements}");
        let key = call(Provider::Alicom, &id);
        let lasted = |seconds: u64| {
            let others = (1..elements).map(|at| json!({"callId": format!("{id}-{at}"), "duration": seconds}));
            let all: Vec<_> =
                std::iter::once(json!({"callId": id, "duration": seconds})).chain(others).collect();
            Value::from(all).to_string()
        };
        let push_of = async |duration: u64| {
            let text = json!({"callId": id, "duration": duration}).to_string();
            let push = keys::push_sk(REPORT, &keys::element_digest(&text));
            table.get(&keys::call_pk(&key), &push).await.unwrap().unwrap()
        };
        assert_eq!(push(&quick, REPORT, &lasted(10)).await, 200);
        let first = push_of(10).await;
        table.delete(&keys::call_pk(&key), keys::CALL).await.unwrap();
        assert_eq!(push(&quick, REPORT, &lasted(20)).await, 200);
        assert_eq!(push(&slow, REPORT, &lasted(10)).await, 200);
        let known = table.get(&keys::call_pk(&key), keys::CALL).await.unwrap().unwrap();
        assert_eq!(known["duration_s"], 20, "of {elements}");
        assert_eq!(push_of(10).await, first, "of {elements}: it stays as it is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_leaves_the_push_and_its_first_receipt_as_they_are() {
    let stack = stack().await;
    let receiver = for_operator(&stack, stack.stores().dynamodb_endpoint.as_deref().unwrap());
    for (function, body) in [
        (REPORT, r#"{"callId":"1","callee":"13900000001"}"#),
        (RECORD, r#"{"callId":"1","recordFile":"http://a.aliyuncs.com/1.wav"}"#),
        ("ai-voice-call-record", r#"{"callId":"1","pay":"0.10","callDetailList":[{"text":"a"}]}"#),
        ("laaffic-status-report", r#"{"array":[{"voiceId":"1","cost":"0.10"}]}"#),
    ] {
        let push = stored_type(function).unwrap();
        let mut seen = Vec::new();
        for second in [5, 9, 5, 3, 7] {
            let answer = receiver.receive_again(&push, body.as_bytes(), at(second)).await;
            assert!(matches!(answer, Answer::Kept { stored: 1, .. }));
            seen.push(all_items(&stack).await);
        }
        let receipts = |items: &[Item]| -> BTreeMap<String, Value> {
            let pushes = items
                .iter()
                .filter(|item| item["sk"].as_str().unwrap().starts_with(&format!("push#{function}")));
            pushes.map(|item| (item["sk"].to_string(), item["received_at"].clone())).collect()
        };
        assert_eq!(seen[0], seen[1], "{function}: a repeat writes nothing");
        assert_eq!(seen[1], seen[2], "{function}");
        assert_eq!(receipts(&seen[2]).values().next(), Some(&json!(at(5).to_string())));
        assert_eq!(
            receipts(&seen[3]).values().next(),
            Some(&json!(at(3).to_string())),
            "it was first received then"
        );
        assert_eq!(receipts(&seen[4]), receipts(&seen[3]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_call_is_stored_and_the_answer_does_not_claim_it() {
    let stack = stack().await;
    let url = |function: &str| format!("{}/push/{function}/canary-token", stack.url());
    let key = call(Provider::Alicom, "gone");
    let erased_at = at(0);
    let tombstone = tombstone::tombstone(&key, erased_at, [], None, 3);
    stack.store().table().put(tombstone.clone()).await.unwrap();
    let note = json!([
        {"callId": "gone", "majorIntent": "A", "conversationRecord": r#"[{"role":"user","content":"yes"}]"#},
        {"callId": "other", "majorIntent": "B"},
    ]);
    let answer = post(&url(NOTE), note.to_string()).await;
    assert_eq!(answer, (200, json!({"code": 0, "msg": "stored 1, of erased calls 1"})));
    assert_eq!(
        items(&stack, "gone").await,
        std::slice::from_ref(&tombstone),
        "it is not even due: nothing came to lie beside it"
    );
    assert!(rejected(&stack).await.is_empty());

    // What was under way during the erasure lies beside the tombstone: whoever meets it has it swept.
    let push = keys::push_sk(NOTE, "x");
    let mut left = tombstone.clone();
    left.insert("sk".to_owned(), keys::CONVERSATION.into());
    left.remove("erased_at");
    left.remove("first_received_at");
    left.insert("sources".to_owned(), json!({NOTE: format!("{erased_at} {push}")}));
    stack.store().table().put(left).await.unwrap();
    assert_eq!(post(&url(NOTE), note.to_string()).await.1["msg"], "stored 1, of erased calls 1");
    let item = items(&stack, "gone").await.into_iter().find(|item| item["sk"] == "call").unwrap();
    assert!(item["due"].as_str().unwrap().starts_with("erased#"), "{item:?}");
    assert!(item.contains_key("due_at") && item["erased_at"] == tombstone["erased_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_learns_of_the_erasure_only_when_it_merges_has_the_call_swept() {
    let stack = stack().await;
    let [dynamodb, s3] = [&stack.stores().dynamodb_endpoint, &stack.stores().s3_endpoint]
        .map(|endpoint| endpoint.clone().unwrap());
    let key = call(Provider::Alicom, "gone");
    let table = stack.store().table().clone();
    let tombstone = tombstone::tombstone(&key, at(0), [], None, 3);
    // The erasure comes between reading and writing. The call and the verbatim push are put side by side: both wait until it is there, or
    // the call may be stored before it.
    let erased = std::sync::Once::new();
    let faulty = FaultyDynamoDb::start(&dynamodb, move |_, operation| {
        if operation == "PutItem" {
            let erase = || {
                let (table, tombstone) = (table.clone(), tombstone.clone());
                tokio::runtime::Handle::current().block_on(async { table.put(tombstone).await.unwrap() });
            };
            tokio::task::block_in_place(|| erased.call_once(erase));
        }
        Fault::None
    });
    let faulty = faulty.await;
    let report = json!([{"callId": "gone", "callee": "13900000001"}]).to_string();
    assert_eq!(push(&receiver(&stack, &faulty.endpoint, &s3), REPORT, &report).await, 200);
    let item = items(&stack, "gone").await.into_iter().find(|item| item["sk"] == "call").unwrap();
    assert!(item.contains_key("erased_at"), "{item:?}");
    assert!(item["due"].as_str().unwrap().starts_with("erased#"), "{item:?}");
}

/// How many pushes for one call come at once.
const AT_ONCE: usize = 40;
/// How many requests they may take together: each a few for itself, and some more for each time that it meets another.
const MOST_REQUESTS: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn forty_pushes_for_one_call_at_once_are_all_stored_in_a_bounded_number_of_requests() {
    let stack = stack().await;
    let counting =
        FaultyDynamoDb::start(stack.stores().dynamodb_endpoint.as_deref().unwrap(), |_, _| Fault::None).await;
    // As many functions, each with its own way to the stores, open from its start on. None loses patience with a busy machine: what is
    // counted is how often they get in each other's way.
    let receivers: Vec<_> = (0..AT_ONCE).map(|_| for_operator(&stack, &counting.endpoint)).collect();
    for receiver in &receivers {
        receiver.store().table().connect().await.unwrap();
    }
    let connecting = counting.requests();
    let pushes = receivers.iter().enumerate().map(|(number, receiver)| async move {
        let (function, field) =
            [(REPORT, "duration"), (RECORD, "duration"), (NOTE, "call_times")][number % 3];
        let body =
            json!([{"callId": "crowded", field: number, format!("field {number}"): number}]).to_string();
        let push = stored_type(function).unwrap();
        receiver.receive_again(&push, body.as_bytes(), clock::now()).await
    });
    let answers = join_all(pushes).await;
    let requests = counting.requests() - connecting;
    let stored = |answer: &Answer| matches!(answer, Answer::Kept { stored: 1, rejected: 0, .. });
    assert!(answers.iter().all(stored), "{requests} requests: {answers:?}");
    assert!(requests <= MOST_REQUESTS, "{requests} requests");
    let items = items(&stack, "crowded").await;
    assert_eq!(items.len(), 1 + AT_ONCE);
    let call = items.iter().find(|item| item["sk"] == "call").unwrap();
    let extra: usize =
        call["extra"].as_object().unwrap().values().map(|extra| extra.as_object().map_or(0, Map::len)).sum();
    assert!(extra >= AT_ONCE, "{call:?}");
}

/// How often the same push is delivered at once, and how many times that is tried: chance decides which delivery is merged when.
const DELIVERIES: i64 = 6;
const ROUNDS: usize = 60;

/// A sender that lost patience sends again what is still being stored.
#[tokio::test(flavor = "multi_thread")]
async fn deliveries_at_once_agree_on_the_first_receipt() {
    let stack = stack().await;
    let endpoint = stack.stores().dynamodb_endpoint.clone().unwrap();
    let receivers: Vec<_> = (0..DELIVERIES).map(|_| for_operator(&stack, &endpoint)).collect();
    let push = stored_type(REPORT).unwrap();
    for round in 0..ROUNDS {
        let id = format!("at once {round}");
        let body = json!([{"callId": id, "duration": 5}]).to_string();
        let first = clock::now();
        let mut order: Vec<_> = receivers.iter().zip(0..).collect();
        fastrand::shuffle(&mut order);
        let deliveries = order.into_iter().map(|(receiver, number)| {
            let (body, received_at) = (body.clone(), first.plus_seconds(number));
            async move {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..6))).await;
                receiver.receive_again(&push, body.as_bytes(), received_at).await
            }
        });
        let answers = join_all(deliveries).await;
        assert!(
            answers.iter().all(|answer| matches!(answer, Answer::Kept { rejected: 0, .. })),
            "{answers:?}"
        );
        let items = items(&stack, &id).await;
        let of = |prefix: &str| {
            items.iter().find(|item| item["sk"].as_str().unwrap().starts_with(prefix)).unwrap()
        };
        assert_eq!(of("call")["first_received_at"], first.to_string(), "round {round}");
        assert_eq!(of("push#")["received_at"], first.to_string(), "round {round}");
    }
}
