//! Calls of which no push came, or not all.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use platforms::{Call, DetailStatus};
use serde_json::{Value, json};
use shared::record::missing::Missing;

use crate::rig::{Rig, SECRET, SOON, key, note, record, report};

/// Which of 500 calls' pushes never come: reports, records and notes of 60 each, all three of 20.
fn lost(number: i64) -> [bool; 3] {
    [0..60, 60..120, 120..180].map(|range| range.contains(&number) || (180..200).contains(&number))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_500_calls_whose_pushes_were_lost_every_one_is_complete_in_the_end() {
    let rig = Rig::new().await;
    // Of the last five of the 20 no push of the whole task came.
    let task = |number| if (195..200).contains(&number) { "unheard-of" } else { "1" };
    let calls: Vec<Call> = (0..500).map(|number| rig.call(task(number), number)).collect();
    calls.iter().for_each(|call| rig.provider.add_call(call.clone()));
    let pushes: [(&str, Vec<Value>); 3] = [
        ("alicom-call-report", calls.iter().map(report).collect()),
        ("alicom-call-record", calls.iter().map(|call| record(&rig.provider, call)).collect()),
        ("alicom-call-note", calls.iter().map(note).collect()),
    ];
    for (push, (function, elements)) in pushes.into_iter().enumerate() {
        let come: Vec<_> = (0..)
            .zip(elements)
            .filter(|(number, _)| !lost(*number)[push])
            .map(|(_, element)| element)
            .collect();
        rig.push(function, &come).await;
    }
    assert_eq!(rig.due().await.len(), 180);

    let summary = rig.run(SOON).await;
    assert_eq!((summary.fetched, summary.reconciled, summary.failed), (200, 20, 0));
    assert_eq!(rig.requests()[0], 200, "one request for each call that is missing something");
    assert_eq!(rig.due().await, [""; 0]);

    let keys: Vec<_> = calls.iter().map(|call| key(&call.call_id)).collect();
    let stored = rig.stack.store().calls(&keys).await.unwrap();
    assert_eq!(stored.len(), 500);
    for (number, call) in (0..).zip(&calls) {
        let record = &stored[&key(&call.call_id)];
        assert!(Missing::of(record).is_nothing(), "{number}");
        assert_eq!(record.facts["outcome"], "answered");
        let found_by = record.extra.get("fetch-conversations").and_then(|extra| extra.get("found_by"));
        assert_eq!(found_by.is_some(), (180..200).contains(&number), "{number}");

        let items = rig.items(&call.call_id).await;
        let item = |sk: &str| items.iter().find(|item| item["sk"] == sk).unwrap();
        assert_eq!(item("conversation")["turns"].as_array().unwrap().len(), 2);
        let recording = item("recording#main");
        assert_eq!(recording["state"], "pending");
        assert!(recording["due"].as_str().unwrap().starts_with("archive#"));
        let place = format!("{}/recordings/{}?", rig.provider.base_url(), call.recording.as_deref().unwrap());
        assert!(recording["source_url"].as_str().unwrap().starts_with(&place), "{number}");
    }

    // A wrong key to the API keeps no recording from being archived.
    let report = rig.archive(SOON, "wrong").await;
    assert_eq!((report.archived, report.retried, report.expired, report.failed), (500, 0, 0, 0));
    for call in &calls {
        let recording = rig.item(&call.call_id, "recording#main").await.unwrap();
        assert_eq!(recording["state"], "archived");
        let truth = rig.provider.sha256_of(call.recording.as_deref().unwrap()).unwrap();
        assert_eq!(recording["sha256"], truth);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_url_is_renewed_through_the_api_and_archived() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    let expired = rig
        .provider
        .signed_url(call.recording.as_deref().unwrap(), Timestamp::now() - SignedDuration::from_hours(1));
    rig.push("alicom-call-record", &[json!({"callId": call.call_id, "recordFile": expired})]).await;

    let refused = rig.archive(SOON, "wrong").await;
    assert_eq!((refused.archived, refused.retried), (0, 1), "it waits for the key to be mended");
    let renewed = rig.archive(SOON + 7 * 3_600, SECRET).await;
    assert_eq!((renewed.archived, renewed.retried), (1, 0));
    let recording = rig.item(&call.call_id, "recording#main").await.unwrap();
    assert_eq!(recording["sha256"], rig.provider.sha256_of(call.recording.as_deref().unwrap()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_missing_few_requests_say_so() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    rig.push("alicom-call-record", &[record(&rig.provider, &call)]).await;
    rig.push("alicom-call-note", &[note(&call)]).await;

    const HOUR: i64 = 3600;
    for (seconds, requests, what) in [
        (SOON, [0, 2, 1], "the tasks, its completed and its failed calls"),
        (SOON + 300, [0, 2, 1], "read a short while ago"),
        (SOON + HOUR, [0, 4, 2], "read again, with an overlap"),
        (SOON + 3 * HOUR, [0, 6, 3], "once more, for calls that end late"),
        (SOON + 5 * HOUR, [0, 6, 4], "the task is at rest"),
        (SOON + 9 * HOUR, [0, 6, 5], "and stays so"),
    ] {
        let summary = rig.run(seconds).await;
        assert_eq!((rig.requests(), summary.fetched), (requests, 0), "{what}");
    }
    rig.provider
        .add_call(Call { started_at: call.started_at + SignedDuration::from_hours(9), ..rig.call("1", 2) });
    assert_eq!(rig.run(SOON + 12 * HOUR).await.reconciled, 1, "until it makes calls again");
    assert_eq!(rig.requests(), [1, 8, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_pushes_name_no_ids_waits_for_its_tasks_list() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.provider.add_call(call.clone());
    let mut without_ids = report(&call);
    without_ids
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["taskId", "batchId", "detailId"].contains(&name.as_str()));
    rig.push("alicom-call-report", &[without_ids]).await;
    let summary = rig.run(SOON).await;
    assert_eq!((summary.without_ids, summary.reconciled), (1, 1));
    assert_eq!(rig.requests()[0], 1);
    assert_eq!(rig.item("1^1", "call").await.unwrap()["detail_id"], "1");
    assert_eq!(rig.due().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_are_found_and_calls_too_young_to_miss_are_left_alone() {
    let rig = Rig::new().await;
    let failed = Call {
        status: DetailStatus::Failed,
        result: "INVALID_NUMBER".to_owned(),
        picked_up_at: None,
        turns: Vec::new(),
        recording: None,
        ..rig.call("1", 1)
    };
    let young = rig.call("1", 2);
    let young = Call { started_at: young.started_at + SignedDuration::from_mins(55), ..young };
    rig.provider.add_call(failed);
    rig.provider.add_call(young);
    assert_eq!(rig.run(0).await.reconciled, 1);
    assert_eq!(rig.item("1^1", "call").await.unwrap()["outcome"], "invalid_number");
    assert_eq!(rig.items("1^2").await.len(), 0);
    assert_eq!(rig.run(3600).await.reconciled, 1);
    assert!(rig.item("1^2", "call").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_was_broken_off_is_made_up_for() {
    let rig = Rig::new().await;
    let calls: Vec<_> = (0..3).map(|number| rig.call("1", number)).collect();
    calls.iter().for_each(|call| rig.provider.add_call(call.clone()));
    assert_eq!(rig.run_with(SOON, Some("wrong"), std::time::Duration::from_secs(60)).await.denied, 1);
    assert_eq!(rig.requests(), [0, 0, 1]);
    assert_eq!(rig.run(SOON).await.reconciled, 3, "no mark was set");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_long_is_read_window_by_window() {
    let rig = Rig::new().await;
    // Entries without a call's id: never called, so only their number matters.
    let day = SignedDuration::from_hours(24);
    for number in 0..2_500 {
        let call = Call {
            status: DetailStatus::Failed,
            recording: None,
            call_id: String::new(),
            detail_id: number.to_string(),
            ..rig.call("1", 0)
        };
        rig.provider.add_call(Call { started_at: call.started_at - day * (number % 6), ..call });
    }
    let last = rig.call("1", 3_000);
    rig.provider.add_call(last.clone());
    let oldest = rig.call("1", 3_001);
    rig.provider.add_call(Call { started_at: oldest.started_at - day * 6, ..oldest.clone() });
    assert_eq!(rig.run(SOON).await.reconciled, 2);
    let [details, pages, tasks] = rig.requests();
    assert_eq!((details, tasks), (2, 1));
    assert!((27..60).contains(&pages), "{pages} pages for 25 full ones");
    let marks = rig.stack.store().table().query("reconciled#alicom").await.unwrap();
    let sks: BTreeSet<_> = marks.iter().map(|mark| mark["sk"].as_str().unwrap()).collect();
    assert_eq!(sks, BTreeSet::from(["all", "task#1"]));
    assert_eq!(marks[0]["until"], marks[1]["until"]);
}
