//! Calls that are known, and not complete.

use std::time::Duration;

use platforms::Call;
use serde_json::json;

use crate::rig::{Rig, SECRET, SOON, note, record, report};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_complete_from_its_pushes_is_never_asked_for() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    rig.push("alicom-call-note", &[note(&call)]).await;
    assert_eq!(rig.due().await, ["1^1"]);
    rig.push("alicom-call-record", &[record(&rig.provider, &call)]).await;
    assert_eq!(rig.due().await, [""; 0]);
    for seconds in [SOON, 86_400, 6 * 86_400] {
        assert_eq!(rig.run(seconds).await.fetched, 0);
    }
    assert_eq!(rig.requests()[0], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn further_pushes_do_not_move_the_time_at_which_a_call_is_due() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.push("alicom-call-report", &[report(&call)]).await;
    let first = rig.item("1^1", "call").await.unwrap();
    rig.push("alicom-call-note", &[note(&call)]).await;
    let second = rig.item("1^1", "call").await.unwrap();
    assert_eq!(first["due_at"], second["due_at"]);
    assert_ne!(first["version"], second["version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_sample_is_stored_whole_with_its_twelve_turns() {
    let rig = Rig::new().await;
    let sample = include_str!("../../../../functions/fetch-conversations/test_data/sample.json");
    let call_id = "1231231231213^11231231231";
    let verbatim = serde_json::value::RawValue::from_string(sample.trim().to_owned()).unwrap();
    let call = Call { call_id: call_id.to_owned(), verbatim: Some(verbatim), ..rig.call("1", 1) };
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    assert_eq!(rig.run(SOON).await.fetched, 1);

    let conversation = rig.item(call_id, "conversation").await.unwrap();
    let turns = conversation["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 12);
    assert_eq!(turns[1], json!({"speaker": "callee", "text": "哎,你是谁?", "interrupted": true}));
    assert_eq!(turns[11], json!({"speaker": "agent", "text": "祝您生活愉快!再见!"}));
    assert_eq!(conversation["variables"][0]["Source"], "示例值");
    let stored = rig.item(call_id, "call").await.unwrap();
    assert_eq!(stored["extra"]["fetch-conversations"]["ReleaseTime"], 98);
    assert_eq!(stored["tags"], json!({"客户意向度": ["高(非常积极,大概率转化)"]}));
    let items = rig.items(call_id).await;
    let push =
        items.iter().find(|item| item["sk"].as_str().unwrap().starts_with("push#fetch-conversations#"));
    assert_eq!(push.unwrap()["body"], sample.trim(), "kept verbatim");
    assert_eq!(rig.item(call_id, "recording#main").await.unwrap()["source_url"], "https://********");
    assert_eq!(rig.due().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_asked_for_again_after_a_growing_pause_until_its_recording_is_there() {
    let rig = Rig::new().await;
    let whole = rig.call("1", 1);
    let call = Call { recording: None, ..whole.clone() };
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    assert_eq!(rig.run(200).await.fetched, 0, "its pushes may still come");
    let first = rig.run(SOON).await;
    assert_eq!((first.fetched, rig.requests()[0]), (1, 1));
    assert_eq!(rig.item("1^1", "conversation").await.unwrap()["turns"].as_array().unwrap().len(), 2);
    let stored = rig.item("1^1", "call").await.unwrap();
    assert_eq!((&stored["asked"], &stored["has"]), (&json!(1), &json!({"conversation": true})));

    rig.run(SOON + 299).await;
    assert_eq!(rig.requests()[0], 1, "too early");
    assert_eq!(rig.run(SOON + 300).await.unchanged, 1);
    rig.run(SOON + 899).await;
    assert_eq!(rig.requests()[0], 2, "the pause has doubled");
    rig.provider.add_call(whole);
    assert_eq!(rig.run(SOON + 900).await.fetched, 1);
    assert_eq!(rig.item("1^1", "recording#main").await.unwrap()["state"], "pending");
    assert_eq!(rig.due().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_never_becomes_complete_is_given_up_when_its_recording_could_be_no_more() {
    let rig = Rig::new().await;
    let call = Call { recording: None, ..rig.call("1", 1) };
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    for hours in 1..=8 * 24 {
        rig.run(hours * 3600).await;
    }
    assert_eq!(rig.due().await, [""; 0]);
    assert!((8..16).contains(&rig.requests()[0]), "{:?}", rig.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_answered_is_asked_for_once() {
    let rig = Rig::new().await;
    let call = Call {
        result: "NO_ANSWER".to_owned(),
        picked_up_at: None,
        turns: Vec::new(),
        recording: None,
        ..rig.call("1", 1)
    };
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    for seconds in [SOON, 86_400] {
        rig.run(seconds).await;
    }
    assert_eq!(rig.requests()[0], 1);
    assert_eq!(rig.item("1^1", "call").await.unwrap()["outcome"], "no_answer");
    assert_eq!(rig.due().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_a_redial_goes_to_the_call_that_it_names() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    let redial = Call { call_id: "1^again".to_owned(), ..rig.call("1", 1) };
    rig.push("alicom-call-report", &[report(&call)]).await;
    rig.push("alicom-call-record", &[record(&rig.provider, &call)]).await;
    let recording = rig.item("1^1", "recording#main").await;
    rig.provider.add_call(call);
    rig.provider.add_call(redial);

    assert_eq!(rig.run(SOON).await.fetched, 1);
    assert_eq!(rig.item("1^1", "conversation").await, None);
    assert_eq!(rig.item("1^1", "recording#main").await, recording, "never renewed by another call's");
    assert_eq!(rig.item("1^1", "call").await.unwrap()["asked"], 1);
    assert!(rig.item("1^again", "conversation").await.is_some());
    assert!(rig.item("1^again", "recording#main").await.is_some());
    assert_eq!(rig.item("1^again", "call").await.unwrap()["detail_id"], "1");
    assert_eq!(rig.due().await, ["1^1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_recording_stays_archived() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    rig.push("alicom-call-record", &[record(&rig.provider, &call)]).await;
    let mut archived = rig.item("1^1", "recording#main").await.unwrap();
    for done in ["next_attempt_at", "due", "due_at"] {
        archived.remove(done);
    }
    archived.insert("state".to_owned(), "archived".into());
    rig.stack.store().table().put(archived.clone()).await.unwrap();
    assert_eq!(rig.run(SOON).await.fetched, 1);
    assert_eq!(rig.item("1^1", "recording#main").await.unwrap(), archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nothing_is_asked_for() {
    let rig = Rig::new().await;
    rig.push("alicom-call-report", &[report(&rig.call("1", 1))]).await;
    let summary = rig.run_with(SOON, None, Duration::from_secs(60)).await;
    assert!(summary.time_left_ms > 0);
    let answer = serde_json::to_value(&summary).unwrap();
    for count in ["fetched", "unchanged", "throttled", "failed", "reconciled"] {
        assert_eq!(answer[count], 0, "{count}");
    }
    assert_eq!(rig.requests(), [0, 0, 0]);
    assert_eq!(rig.due().await, ["1^1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_refused_end_the_run_and_use_up_no_attempt() {
    let rig = Rig::new().await;
    let calls: Vec<_> = (0..40).map(|number| rig.call("1", number)).collect();
    rig.push("alicom-call-report", &calls.iter().map(report).collect::<Vec<_>>()).await;
    calls.iter().for_each(|call| rig.provider.add_call(call.clone()));
    let before = rig.items("1^7").await;

    let summary = rig.run_with(SOON, Some("wrong"), Duration::from_secs(60)).await;
    assert_eq!((summary.denied, summary.fetched, summary.failed), (1, 0, 0));
    assert!(rig.requests()[0] <= 8, "those that were under way: {:?}", rig.requests());
    assert_eq!(rig.requests()[1..], [0, 0]);
    assert_eq!(rig.items("1^7").await, before);

    let summary = rig.run(SOON + 1).await;
    assert_eq!((summary.denied, summary.fetched), (0, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_slows_the_run_down_and_loses_nothing() {
    let rig = Rig::with(&[("ALIBABA_REQUESTS_PER_SECOND", "100"), ("RECONCILE_DAYS", "0")]).await;
    // So many that whichever shard comes first has enough to share the refusals: one call is not asked for without end.
    let calls: Vec<_> = (0..240).map(|number| rig.call("1", number)).collect();
    rig.push("alicom-call-report", &calls.iter().map(report).collect::<Vec<_>>()).await;
    calls.iter().for_each(|call| rig.provider.add_call(call.clone()));
    rig.provider.throttle_next(20);

    let summary = rig.run(SOON).await;
    assert_eq!((summary.fetched, summary.failed), (240, 0));
    assert_eq!((summary.throttled, rig.requests()[0]), (20, 260));
    assert_eq!(rig.due().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_platform_does_not_know_is_asked_for_later() {
    let rig = Rig::with(&[("RECONCILE_DAYS", "0")]).await;
    rig.push("alicom-call-report", &[report(&rig.call("1", 1))]).await;
    let summary = rig.run(SOON).await;
    assert_eq!((summary.fetched, summary.failed), (0, 1));
    assert_eq!(rig.item("1^1", "call").await.unwrap()["asked"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_time_nothing_is_asked_for_and_the_next_run_goes_on() {
    let rig = Rig::new().await;
    let call = rig.call("1", 1);
    rig.provider.add_call(call.clone());
    rig.push("alicom-call-report", &[report(&call)]).await;
    let summary = rig.run_with(SOON, Some(SECRET), Duration::from_secs(5)).await;
    assert_eq!((summary.fetched, summary.failed, rig.requests()), (0, 0, [0, 0, 0]));
    assert_eq!(rig.run(SOON).await.fetched, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_overlap_share_the_rate_since_only_one_of_them_asks() {
    let settings = [("ALIBABA_REQUESTS_PER_SECOND", "20"), ("RECONCILE_DAYS", "0")];
    let rig = Rig::with(&settings).await;
    let calls: Vec<_> = (0..20).map(|number| rig.call("1", number)).collect();
    rig.push("alicom-call-report", &calls.iter().map(report).collect::<Vec<_>>()).await;
    calls.iter().for_each(|call| rig.provider.add_call(call.clone()));

    let (one, two, three) = tokio::join!(rig.run(SOON), rig.run(SOON), rig.run(SOON));
    let summaries = [one, two, three];
    assert_eq!(summaries.iter().map(|summary| summary.overlapped).sum::<u64>(), 2, "{summaries:?}");
    assert_eq!(summaries.iter().map(|summary| summary.fetched).sum::<u64>(), 20, "{summaries:?}");
    assert_eq!(rig.requests()[0], 20);
    assert_eq!(rig.run(SOON).await.overlapped, 0, "the lease is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_a_run_that_died_lapses() {
    let rig = Rig::with(&[("ALIBABA_REQUESTS_PER_SECOND", "0.2"), ("RECONCILE_DAYS", "0")]).await;
    let calls: Vec<_> = (0..3).map(|number| rig.call("1", number)).collect();
    rig.push("alicom-call-report", &calls.iter().map(report).collect::<Vec<_>>()).await;
    calls.iter().for_each(|call| rig.provider.add_call(call.clone()));
    // It waits for its second turn while it is dropped. (Its task would go on: the run itself is dropped here.)
    let died = rig.run_here(SOON, Duration::from_secs(600));
    assert!(tokio::time::timeout(Duration::from_secs(2), died).await.is_err(), "it was under way");
    assert_eq!(rig.run_with(SOON + 300, Some(SECRET), Duration::from_secs(11)).await.overlapped, 1);
    assert_eq!(rig.run_with(SOON + 620, Some(SECRET), Duration::from_secs(11)).await.overlapped, 0);
}
