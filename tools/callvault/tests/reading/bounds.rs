//! What a page costs, whatever is asked for.

use std::time::Duration;

use bench::billing::{Bill, Meter};
use fastrand::Rng;
use local_stack::Stack;
use runtime::store::Store;
use runtime::store::reading::{CallPage, MAX_PAGE_BYTES};
use serde_json::{Value, json};
use shared::model::{HangupBy, Instant, Outcome, Provider};
use shared::reading::{CallFilter, CalleeSearch, Ties, Zone};
use shared::record::item::Item;

use crate::index::Lagging;
use crate::population::{Call, callee_id, stack, store_by};

/// Of a page of 50 by day: read units within a day of UTC, and of a day that spans two.
const MAX_UNITS: [f64; 2] = [35.0, 42.0];
/// And how many requests one after the other.
const MAX_ROUNDS: u64 = 3;

/// Pushes complete calls of Alibaba's, spread over a day of China's.
async fn push_calls(stack: &Stack, count: usize) {
    let function = |push: &str| format!("{}/push/{push}/local", stack.url());
    let numbers: Vec<_> = (0..count).collect();
    for chunk in numbers.chunks(100) {
        let id = |number: usize| format!("10000161823{number:04}^10001824091{number:04}");
        let reports = chunk.iter().map(|number| {
            let (hour, minute, second) = (number % 24, number / 24 % 60, number % 60);
            let time = |plus: usize| format!("2025-06-01 {hour:02}:{minute:02}:{:02}", (second + plus) % 60);
            json!({
                "callId": id(*number), "taskId": "118100000000012345", "detailId": "966200000000012345", "batchId": "B20250601001",
                "outId": "123456", "caller": "05718000000", "realCaller": "057187654321", "callee": format!("1390000{number:04}"),
                "originateTime": time(0), "ringTime": time(5), "startTime": time(10), "endTime": time(50), "duration": 40,
                "hangupDirection": "User", "statusCode": "200010", "statusMsg": "用户关机", "smartStatusCode": "ANSWERED",
            })
        });
        let notes = chunk.iter().map(|number| {
            json!({
                "callId": id(*number), "taskId": "118100000000012345", "majorIntent": "A", "call_times": 1,
                "outputTags": {"客户称呼": "王先生", "客户意向度": ["高(非常积极,大概率转化)"], "关注点": ["价格", "续航"]},
                "conversationRecord": json!([{"content": "您好", "role": "assistant"}]).to_string(),
            })
        });
        for (push, body) in [
            ("alicom-call-report", reports.collect::<Value>()),
            ("alicom-call-note", notes.collect::<Value>()),
        ] {
            let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build_http::<http_body_util::Full<bytes::Bytes>>();
            let request = http::Request::post(function(push)).body(body.to_string().into()).unwrap();
            assert_eq!(client.request(request).await.unwrap().status(), 200);
        }
    }
}

async fn page(store: &Store, filter: &CallFilter, limit: usize) -> CallPage {
    store.list_calls(filter, None, limit, &callee_id, &Ties::by_key()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_fifty_by_day_takes_three_rounds_and_few_units() {
    let stack = stack().await;
    push_calls(&stack, 1_000).await;
    let endpoint = stack.stores().dynamodb_endpoint.clone().unwrap();
    let meter = Meter::start(&endpoint).await.unwrap();
    let lagging = Lagging::start(&endpoint, Duration::from_millis(60)).await;
    let (billed, timed) = (store_by(&stack, meter.endpoint()), store_by(&stack, &lagging.endpoint));
    for store in [&billed, &timed] {
        store.table().connect().await.unwrap();
    }

    for (zone, max_units) in [("UTC", MAX_UNITS[0]), ("Asia/Shanghai", MAX_UNITS[1])] {
        let filter = CallFilter {
            days: "2025-06-01".parse().ok(),
            zone: Zone::named(zone).unwrap(),
            ..CallFilter::default()
        };
        let (mut cursor, mut pages, mut units) = (None, 0, Vec::new());
        loop {
            let _ = meter.take();
            let _ = lagging.take_requests();
            let found =
                billed.list_calls(&filter, cursor.as_ref(), 50, &callee_id, &Ties::by_key()).await.unwrap();
            let bill = meter.take();
            let same =
                timed.list_calls(&filter, cursor.as_ref(), 50, &callee_id, &Ties::by_key()).await.unwrap();
            let (requests, rounds) = lagging.take_requests();
            assert_eq!(same, found);
            assert!(bill.read() <= max_units, "{zone}: {} units, {requests} requests", bill.read());
            assert!(rounds <= MAX_ROUNDS, "{zone}: {rounds} rounds, {requests} requests");
            units.push(bill.read());
            pages += 1;
            let is_full = found.calls.len() == 50;
            cursor = found.next;
            if cursor.is_none() {
                break;
            }
            assert!(is_full, "only the last page is short");
        }
        let calls = if zone == "UTC" { 16 * 1_000 / 24 } else { 1_000 };
        assert!((calls / 50..=calls / 50 + 1).contains(&pages), "{zone}: {pages} pages, units {units:?}");
    }
    drop((lagging, meter));
    stack.stop().await.unwrap();
}

/// Calls of one day and task that are alike, but for their times.
async fn alike(stack: &Stack, count: usize) {
    let mut random = Rng::new();
    let call_at: Instant = "2025-06-01T02:00:00.000Z".parse().unwrap();
    let mut items = Vec::new();
    for number in 0..count {
        let call = Call::random(&mut random, number);
        let call = Call {
            key: shared::model::CallKey { provider: Provider::Alicom, ..call.key },
            call_at: call_at.plus_seconds(i64::try_from(number / 4).unwrap()),
            task: Some("1"),
            callee: Some("13900000001"),
            outcome: Some(Outcome::Answered),
            intent: "A",
            tag: "a",
            duration_s: Some(10),
            hangup_by: HangupBy::Agent,
            has_recording: true,
            reviewed: false,
            updated_at: call_at,
        };
        items.push(Item::from(call.item()).into());
    }
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let batch: Vec<_> = items.by_ref().take(25).collect();
        stack.store().table().put_batch(batch).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_for_a_page_is_bounded_with_each_filter_although_nothing_matches() {
    /// Calls that are looked at, and read units: each call is half of one, and once more where its review is asked for.
    const MOST: u64 = 2_400;
    let stack = stack().await;
    alike(&stack, 5_000).await;
    let meter = Meter::start(stack.stores().dynamodb_endpoint.as_ref().unwrap()).await.unwrap();
    let store = store_by(&stack, meter.endpoint());
    store.table().connect().await.unwrap();
    let (none, text) = (CallFilter::default, |text: &str| Some(text.to_owned()));
    let asked = [
        CallFilter { callee_id: text("id of nobody"), ..none() },
        CallFilter { outcomes: vec![Outcome::Busy], ..none() },
        CallFilter { intent: text("B"), ..none() },
        CallFilter { tag: text("b"), ..none() },
        CallFilter { min_duration_s: Some(11), ..none() },
        CallFilter { max_duration_s: Some(9), ..none() },
        CallFilter { hangup_by: Some(HangupBy::Callee), ..none() },
        CallFilter { has_recording: Some(false), ..none() },
        CallFilter { reviewed: Some(true), ..none() },
        CallFilter { updated_since: "2025-06-01T02:00:00.001Z".parse().ok(), ..none() },
    ];
    let indexes = [
        CallFilter { days: "2025-06-01".parse().ok(), ..none() },
        CallFilter { task: text("1"), ..none() },
        CallFilter { callee: CalleeSearch::read("13900000001"), ..none() },
    ];
    for asked in asked {
        for index in &indexes {
            let CallFilter { days, task, callee, .. } = index.clone();
            let filter = CallFilter { days, task, callee, ..asked.clone() };
            let _ = meter.take();
            let found = page(&store, &filter, 50).await;
            let bill = meter.take();
            assert!(found.calls.is_empty() && found.next.is_some(), "{filter:?}: it goes on");
            assert!((2_000..=MOST).contains(&found.scanned), "{filter:?}: {} calls", found.scanned);
            let each = if filter.reviewed.is_some() { 1.0 } else { 0.5 };
            let most = each * 2_400.0 + index_units(&bill);
            assert!(bill.read() <= most && index_units(&bill) <= 100.0, "{filter:?}: {} units", bill.read());
        }
    }
    // What the index tells of a call is not read of the call.
    let others = CallFilter { provider: Some(Provider::Laaffic), ..indexes[0].clone() };
    let _ = meter.take();
    let found = page(&store, &others, 50).await;
    assert!(found.calls.is_empty() && found.scanned == 5_000 && found.next.is_none());
    let bill = meter.take();
    assert_eq!(bill.read(), index_units(&bill), "no call is read");
    drop(meter);
    stack.stop().await.unwrap();
}

fn index_units(bill: &Bill) -> f64 {
    bill.charges.iter().filter(|charge| charge.index.is_some()).map(|charge| charge.read).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_ends_at_four_megabytes() {
    let stack = stack().await;
    let mut random = Rng::new();
    let mut expected = Vec::new();
    for number in 0..120 {
        let call = Call {
            call_at: "2025-06-01T02:00:00.000Z".parse().unwrap(),
            ..Call::random(&mut random, number)
        };
        let mut item = call.item();
        item.insert("tags".to_owned(), json!(["x".repeat(100_000)]));
        stack.store().table().put(item).await.unwrap();
        expected.push(call.place());
    }
    let filter = CallFilter { days: "2025-06-01".parse().ok(), ..CallFilter::default() };
    let (mut found, mut cursor, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let page = stack
            .store()
            .list_calls(&filter, cursor.as_ref(), 1_000, &callee_id, &Ties::by_key())
            .await
            .unwrap();
        sizes.push(page.calls.len());
        assert!(page.calls.len() * 100_000 <= MAX_PAGE_BYTES);
        found.extend(
            page.calls.into_iter().map(|call| (call.call_at, shared::record::keys::call_pk(&call.key))),
        );
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(sizes, [41, 41, 38]);
    stack.stop().await.unwrap();
}
