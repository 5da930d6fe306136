//! One call whole, what is counted, recordings that wait or were lost, and reviews.

use std::collections::BTreeMap;

use fastrand::Rng;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_stack::Stack;
use runtime::store::reading::{Bodies, WaitingPage};
use serde_json::{Value, json};
use shared::model::{CallId, CallKey, Instant, Provider, Recording, RecordingSource, RecordingState};
use shared::reading::{Cursor, Ties, Zone};
use shared::record::item::{self, Item};
use shared::record::keys;
use shared::record::tombstone::tombstone;

use crate::population::{Call, put_review, stack};

fn key(id: &str) -> CallKey {
    CallKey { provider: Provider::Alicom, call_id: CallId::new(id.to_owned()).unwrap() }
}

async fn push(stack: &Stack, function: &str, body: &Value) {
    let url = format!("{}/push/{function}/local", stack.url());
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let request = http::Request::post(url).body(Full::from(body.to_string())).unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_read_whole_with_its_bodies_or_without() {
    let stack = stack().await;
    let store = stack.store();
    let turns = |count: usize| {
        (0..count)
            .map(|number| json!({"role": "user", "content": format!("word {number}")}))
            .collect::<Value>()
    };
    let bodies = [
        ("alicom-call-report", json!({"callId": "a/../b", "callee": "13900000001"})),
        ("alicom-call-record", json!({"callId": "a/../b", "recordFile": "http://a.aliyuncs.com/1"})),
        // Compressed; and in the bucket with its turns.
        ("alicom-call-note", json!({"callId": "a/../b", "conversationRecord": turns(100)})),
        ("alicom-call-note", json!({"callId": "a/../b", "conversationRecord": turns(4_000)})),
    ];
    for (function, body) in &bodies {
        push(&stack, function, &json!([body])).await;
    }
    let key = key("a/../b");
    let left = store.whole_call(&key, Bodies::Left).await.unwrap().unwrap();
    let fetched = store.whole_call(&key, Bodies::Fetched).await.unwrap().unwrap();
    assert_eq!((left.pushes.len(), left.recordings.len()), (4, 1));
    assert!(left.pushes.iter().all(|push| push.body.is_none()));
    let turns = left.conversation.as_ref().unwrap().facts["turns"].as_array().unwrap().len();
    assert_eq!(turns, 4_000, "what lies in the bucket is fetched");
    let mut without = fetched.clone();
    without.pushes.iter_mut().for_each(|push| push.body = None);
    assert_eq!(without, left);
    let mut said: Vec<_> = fetched.pushes.iter().map(|push| push.body.clone().unwrap()).collect();
    let mut sent = bodies.each_ref().map(|(_, body)| body.to_string()).to_vec();
    said.sort();
    sent.sort();
    assert_eq!(said, sent);
    for push in &fetched.pushes {
        let body = store.push_body(&key, &push.function, &push.digest).await.unwrap().unwrap();
        assert_eq!(Some(String::from_utf8(body).unwrap()), push.body);
    }
    assert_eq!(store.push_body(&key, "alicom-call-note", "0123456789abcdef").await.unwrap(), None);
    let nobody = self::key("nobody");
    assert_eq!(store.whole_call(&nobody, Bodies::Left).await.unwrap(), None);

    let push = &fetched.pushes[0];
    store.table().put(tombstone(&key, push.received_at, [], None, 9)).await.unwrap();
    for bodies in [Bodies::Left, Bodies::Fetched] {
        assert_eq!(store.whole_call(&key, bodies).await.unwrap(), None, "it was erased");
    }
    assert_eq!(store.push_body(&key, &push.function, &push.digest).await.unwrap(), None);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_and_the_tasks_of_a_day_are_counted() {
    let stack = stack().await;
    let mut random = Rng::new();
    let calls: Vec<_> = (0..300).map(|number| Call::random(&mut random, number)).collect();
    for call in &calls {
        call.put(stack.store()).await;
    }
    let zone = Zone::default();
    for task in ["1", "2", "a#b/^", "none"] {
        for provider in Provider::ALL {
            let counted = stack.store().count_task(provider, task, &zone).await.unwrap();
            let of_task: Vec<_> = calls
                .iter()
                .filter(|call| call.key.provider == provider && call.task == Some(task))
                .collect();
            assert!(counted.complete);
            let counts = counted.counts;
            assert_eq!(counts.calls, of_task.len() as u64);
            assert_eq!(counts.first_call_at, of_task.iter().map(|call| call.call_at).min());
            assert_eq!(counts.last_call_at, of_task.iter().map(|call| call.call_at).max());
            let busy =
                of_task.iter().filter(|call| call.outcome == Some(shared::model::Outcome::Busy)).count();
            assert_eq!(counts.outcomes.get("busy").copied().unwrap_or_default(), busy as u64);
            assert_eq!(counts.hours.iter().sum::<u64>(), counts.calls);
        }
    }
    let day = stack.store().tasks_of_day(None, "2025-06-01".parse().unwrap(), &zone).await.unwrap();
    let mut expected = BTreeMap::<_, u64>::new();
    for call in calls.iter().filter(|call| call.call_at.plus_seconds(8 * 3_600).date() == "2025-06-01") {
        *expected.entry((call.key.provider, call.task.map(str::to_owned))).or_default() += 1;
    }
    let found: BTreeMap<_, _> =
        day.counts.into_iter().map(|task| ((task.provider, task.task_id), task.counts.calls)).collect();
    assert!(day.complete);
    assert_eq!(found, expected);
    stack.stop().await.unwrap();
}

fn recording(number: i64, expires_at: Option<Instant>) -> Recording {
    let call_at: Instant = "2025-06-01T02:00:00.000Z".parse().unwrap();
    let source = RecordingSource {
        slot: "main".to_owned(),
        url: Some(format!("http://a.aliyuncs.com/{number}")),
        id: None,
        expires_at,
        call_at,
    };
    Recording::new(source, call_at.plus_seconds(number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_that_wait_are_listed_by_their_expiry_and_those_that_were_lost_by_when_they_were() {
    let stack = stack().await;
    let store = stack.store();
    let first: Instant = "2025-06-01T02:00:00.000Z".parse().unwrap();
    let put = async |id: String, recording: Recording, lost_at: Option<Instant>| {
        let key = key(&id);
        let mut item: Item = item::recording_item(&key, recording).into();
        if let Some(lost_at) = lost_at {
            item.insert("due".to_owned(), keys::lost_due_key(keys::shard_of(&keys::call_pk(&key))).into());
            item.insert("due_at".to_owned(), lost_at.to_text().into());
        }
        item.insert("version".to_owned(), 1.into());
        store.table().put(item).await.unwrap();
    };
    for number in 0..40_i64 {
        // Some expire at once, of some nothing is known.
        let expires_at = (number % 10 > 0).then(|| first.plus_seconds((number * 7 % 40) / 2));
        put(format!("wait{number:02}"), recording(number, expires_at), None).await;
        let mut lost = recording(number, None);
        lost.next_attempt_at = None;
        lost.state = if number % 3 == 0 { RecordingState::Failed } else { RecordingState::Expired };
        put(format!("lost{number:02}"), lost, Some(first.plus_seconds(number / 2))).await;
    }
    // The index may tell of what is no more so.
    let mut archived = recording(0, None);
    archived.state = RecordingState::Archived;
    put("archived".to_owned(), archived, Some(first)).await;

    let ties = Ties::under(b"a key that nobody else has");
    let walk = async |state: RecordingState, limit: usize| {
        let (mut found, mut cursor) = (Vec::new(), None::<Cursor>);
        loop {
            let page = store.waiting_recordings(state, cursor.as_ref(), limit, &ties).await.unwrap();
            assert!(page.recordings.len() <= limit && page.unreadable == 0);
            found.extend(page.recordings);
            let Some(next) = page.next else { break };
            let name = WaitingPage::list_name(state);
            assert_eq!(Cursor::decode_of_list(&next.encode(), name).as_ref(), Ok(&next));
            cursor = Some(next);
        }
        assert!(found.iter().all(|waiting| waiting.recording.state == state));
        found
    };
    for limit in [1, 3, 40, 1_000] {
        let pending = walk(RecordingState::Pending, limit).await;
        assert_eq!(pending.len(), 40);
        let places = pending.iter().map(|waiting| {
            let at = waiting.recording.source_expires_at;
            (at.is_none(), at, ties.place(&keys::call_pk(&waiting.key)))
        });
        assert!(places.is_sorted(), "an id has no part in the order of those that expire at once");
        let expiries: Vec<_> = pending.iter().map(|waiting| waiting.recording.source_expires_at).collect();
        assert!(expiries[..36].is_sorted() && expiries[..36].iter().all(Option::is_some), "{expiries:?}");
        assert!(expiries[36..].iter().all(Option::is_none), "what is not known comes last");
        for (state, count) in [(RecordingState::Failed, 14), (RecordingState::Expired, 26)] {
            let lost = walk(state, limit).await;
            let mut ids: Vec<_> = lost.iter().map(|lost| lost.key.call_id.as_str().to_owned()).collect();
            assert!(lost.iter().map(|lost| lost.lost_at).rev().is_sorted(), "the newest first");
            let places: Vec<_> =
                lost.iter().map(|lost| (lost.lost_at, ties.place(&keys::call_pk(&lost.key)))).collect();
            assert!(places.iter().rev().is_sorted() && places.iter().any(|place| place.1 != [0; 8]));
            ids.sort();
            ids.dedup();
            assert_eq!((lost.len(), ids.len()), (count, count));
        }
        assert_eq!(walk(RecordingState::Archived, limit).await, []);
    }
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_are_found_by_their_calls() {
    let stack = stack().await;
    let keys: Vec<_> = (0..150).map(|number| key(&format!("#{number}^"))).collect();
    for key in keys.iter().step_by(2) {
        put_review(stack.store(), key).await;
    }
    let twice: Vec<_> = keys.iter().chain(&keys).cloned().collect();
    let reviews = stack.store().reviews(&twice).await.unwrap();
    assert_eq!(reviews.len(), 75);
    assert!(
        keys.iter()
            .step_by(2)
            .all(|key| reviews[key].is_made() && reviews[key].heard_by.as_deref() == Some("u"))
    );
    assert!(stack.store().reviews(&[]).await.unwrap().is_empty());
    stack.stop().await.unwrap();
}
