//! The operator's commands, as processes of their own on a served stack's stores.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ObjectLockMode;
use serde_json::{Value, json};
use shared::model::{CallFacts, Instant, Outcome};
use shared::normalized::{Context, Normalized, PushType, Rejection};
use shared::store::Store;

use crate::support::{Served, all_items_in, post, rejected_in};

#[tokio::test]
async fn what_was_rejected_is_stored_by_redriving_once_the_cause_is_mended_and_then_gone() {
    let served = Served::start_with(&["--memory"], &[("MAX_BODY_BYTES", "40")]);
    let url = format!("{}/push/alicom-call-report/canary-token", served.url);
    for call in 0..10 {
        let body = json!([{"callId": format!("{call}"), "statusMsg": "longer than the forty bytes allowed"}]);
        assert_eq!(post(&url, body.to_string()).await.0, 413);
    }
    assert_eq!(post(&url, r#"[{"duration":1}]"#).await.1["msg"], "stored 0, rejected 1");
    let store = served.store();
    let received: Vec<Value> =
        rejected_in(&store).await.iter().map(|(_, reject)| reject["received_at"].clone()).collect();
    assert_eq!(received.len(), 11);

    let (succeeded, said) = served.operate(&["redrive", "--dry-run"]);
    assert!(succeeded && said.ends_with("would be stored 10, still rejected 1, failed 0\n"), "{said}");
    assert_eq!(all_items_in(&store).await.len(), 0, "a dry run stores nothing");

    let (succeeded, said) = served.operate(&["redrive", "--prefix", "alicom-call-note/"]);
    assert!(succeeded && said == "stored 0, still rejected 0, failed 0\n", "{said}");
    let (succeeded, said) = served.operate(&["redrive"]);
    assert!(succeeded && said.ends_with("stored 10, still rejected 1, failed 0\n"), "{said}");
    let items = all_items_in(&store).await;
    assert_eq!(items.len(), 20);
    for item in items.iter().filter(|item| item["sk"] == "call") {
        assert!(received.contains(&item["first_received_at"]), "the original receipt time is kept");
    }
    let left = rejected_in(&store).await;
    assert_eq!(left.len(), 1, "what is stored is gone from rejected/");
    assert_eq!(left[0].1["reason"], "no usable call id in callId");

    let (succeeded, said) = served.operate(&["redrive"]);
    assert!(succeeded && said.ends_with("stored 0, still rejected 1, failed 0\n"), "{said}");
    assert_eq!(all_items_in(&store).await, items, "a second redrive changes nothing");
}

/// Every version of every object, with its bytes.
async fn all_versions(store: &Store) -> Vec<(String, Vec<u8>)> {
    let bucket = store.bucket();
    let list = bucket.client.list_object_versions().bucket(&bucket.name).send().await.unwrap();
    let mut versions = Vec::new();
    for version in list.versions() {
        let key = version.key().unwrap();
        let get = bucket
            .client
            .get_object()
            .bucket(&bucket.name)
            .key(key)
            .version_id(version.version_id().unwrap());
        versions.push((key.to_owned(), get.send().await.unwrap().body.collect().await.unwrap().to_vec()));
    }
    versions
}

#[tokio::test]
async fn erasing_leaves_nothing_of_the_person_and_everything_of_the_others() {
    let (person, other) = ("13912345678", "13987654321");
    let served = Served::start(&["--memory"]);
    let push = async |function: &str, body: Value| {
        let (status, _) =
            post(&format!("{}/push/{function}/canary-token", served.url), body.to_string()).await;
        assert_eq!(status, 200);
    };
    for (call, callee) in [("a^1", person), ("b^1", other)] {
        push("alicom-call-report", json!([{"callId": call, "callee": callee}])).await;
        push("alicom-call-record", json!([{"callId": call, "recordFile": "http://a.aliyuncs.com/1"}])).await;
        let turns = json!([{"role": "user", "content": format!("my number is {callee}")}]).to_string();
        push("alicom-call-note", json!([{"callId": call, "conversationRecord": turns}])).await;
        let long = json!({"callId": format!("long {call}"), "calledPhoneNumber": callee, "notes": callee.repeat(9000)});
        push("ai-voice-call-record", long).await;
        push(
            "laaffic-status-report",
            json!({"array": [{"voiceId": call, "callee": callee}, {"callee": callee}]}),
        )
        .await;
    }
    let store = served.store();
    // An archived recording, in two versions.
    let bucket = store.bucket();
    let call = crate::support::call(shared::model::Provider::Alicom, "a^1");
    let recording = all_items_in(&store)
        .await
        .into_iter()
        .find(|item| item["pk"] == "call#alicom#a^1" && item["sk"] == "recording#main");
    let recording: shared::model::Recording = shared::item::typed(recording.unwrap()).unwrap();
    let key = shared::keys::recording_key(&call, recording.call_at, "main", "wav");
    for version in ["first", "second"] {
        let body = format!("{version} recording of {person}").into_bytes();
        bucket.client.put_object().bucket(&bucket.name).key(&key).body(body.into()).send().await.unwrap();
    }
    let of = |number: &str, items: &[shared::item::Item], versions: &[(String, Vec<u8>)]| {
        let items = items.iter().filter(|item| serde_json::to_string(item).unwrap().contains(number)).count();
        let versions =
            versions.iter().filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains(number)).count();
        (items, versions)
    };
    let (items, versions) = (all_items_in(&store).await, all_versions(&store).await);
    let before = of(other, &items, &versions);
    assert!(of(person, &items, &versions) > (5, 4), "there is something to erase");

    let (succeeded, said) = served.operate(&["erase", "--callee", person, "--dry-run"]);
    assert!(
        succeeded && said.starts_with("would remove 10 items of 3 calls, and 5 versions of objects\n"),
        "{said}"
    );
    assert_eq!(all_items_in(&store).await.len(), items.len(), "a dry run removes nothing");

    let (succeeded, said) = served.operate(&["erase", "--callee", person]);
    assert!(
        succeeded && said.starts_with("removed 10 items of 3 calls, and 5 versions of objects\n"),
        "{said}"
    );
    assert!(said.contains("point-in-time backups"), "it names what it can't reach: {said}");
    let (items, versions) = (all_items_in(&store).await, all_versions(&store).await);
    assert_eq!(of(person, &items, &versions), (0, 0), "nothing of the person is left");
    assert_eq!(of(other, &items, &versions), before, "nothing of anybody else is gone");

    let (succeeded, said) = served.operate(&["erase", "--callee", person]);
    assert!(
        succeeded && said.starts_with("removed 0 items of 0 calls, and 0 versions of objects\n"),
        "{said}"
    );
}

#[tokio::test]
async fn erasing_names_what_is_locked_and_finds_it_again_once_it_is_not() {
    let person = "13912345678";
    let served = Served::start(&["--memory"]);
    for call in ["governed", "compliant"] {
        for (function, push) in [
            ("alicom-call-report", json!([{"callId": call, "callee": person}])),
            ("alicom-call-record", json!([{"callId": call, "recordFile": "http://a.aliyuncs.com/1"}])),
        ] {
            let (status, _) =
                post(&format!("{}/push/{function}/canary-token", served.url), push.to_string()).await;
            assert_eq!(status, 200);
        }
    }
    let store = served.store();
    let bucket = store.bucket();
    let mut keys = Vec::new();
    for (call, mode) in [("governed", ObjectLockMode::Governance), ("compliant", ObjectLockMode::Compliance)]
    {
        let (pk, sk) = (format!("call#alicom#{call}"), shared::keys::recording_sk("main"));
        let mut item = store.table().get(&pk, &sk).await.unwrap().unwrap();
        let recording: shared::model::Recording = shared::item::typed(item.clone()).unwrap();
        let call = crate::support::call(shared::model::Provider::Alicom, call);
        let key = shared::keys::recording_key(&call, recording.call_at, "main", "wav");
        let put =
            bucket.client.put_object().bucket(&bucket.name).key(&key).body(person.as_bytes().to_vec().into());
        let until = DateTime::from_secs(4_000_000_000);
        put.object_lock_mode(mode).object_lock_retain_until_date(until).send().await.unwrap();
        item.insert("object_key".to_owned(), key.clone().into());
        store.table().put(item).await.unwrap();
        keys.push(key);
    }
    let left = async || {
        let items = all_items_in(&store).await;
        let mut items: Vec<_> = items
            .iter()
            .map(|item| format!("{} {}", item["pk"].as_str().unwrap(), item["sk"].as_str().unwrap()))
            .collect();
        items.sort();
        (items, all_versions(&store).await.into_iter().map(|(key, _)| key).collect::<Vec<_>>())
    };

    for options in [&["--dry-run"][..], &[]] {
        let (succeeded, said) = served.operate(&[&["erase", "--callee", person], options].concat());
        assert!(!succeeded, "{said}");
        assert!(said.contains("4 items of 2 calls, and 0 versions of objects\n"), "{said}");
        for (key, mode) in keys.iter().zip(["GOVERNANCE", "COMPLIANCE"]) {
            assert_eq!(said.matches(key.as_str()).count(), 1, "it is named once: {said}");
            let line =
                said.lines().find(|line| line.starts_with(&format!("can't be removed: {key} (version ")));
            let line = line.unwrap_or_else(|| panic!("{key} is not named: {said}"));
            assert!(line.ends_with(&format!("locked until 2096-10-02T07:06:40.000Z, mode {mode}")), "{line}");
        }
    }
    let of = |call: &str| ["call", "recording#main"].map(|sk| format!("call#alicom#{call} {sk}")).to_vec();
    assert_eq!(
        left().await,
        ([of("compliant"), of("governed")].concat(), vec![keys[1].clone(), keys[0].clone()])
    );

    let (succeeded, said) = served.operate(&["erase", "--callee", person, "--bypass-governance"]);
    assert!(
        !succeeded && said.starts_with("removed 2 items of 2 calls, and 1 versions of objects\n"),
        "{said}"
    );
    assert_eq!(left().await, (of("compliant"), vec![keys[1].clone()]), "nobody bypasses compliance mode");
}

/// A mapping with a fault: whatever the report says, the line was busy; neither callee nor status is read.
fn faulty(mut report: shared::fields::Fields, _: &Context) -> Result<Normalized, Rejection> {
    let call_id = shared::normalized::call_id(&mut report, "callId")?;
    let call = CallFacts {
        task_id: report.text("taskId"),
        outcome: report.take("smartStatusCode", |_| Some(Outcome::Busy)),
        ..CallFacts::default()
    };
    Ok(Normalized { call, ..Normalized::new(call_id, report) })
}

#[tokio::test]
async fn replaying_after_a_mapping_was_mended_changes_just_what_it_should() {
    let served = Served::start(&["--memory"]);
    let store = served.store();
    let receiver = served.receiver();
    let received_at = Instant::now();
    let report = |call: &str| json!([{"callId": call, "taskId": "1", "callee": "13900000001", "smartStatusCode": "ANSWERED"}]);
    let faulty = PushType { normalize: faulty, ..alicom_call_report::PUSH };
    for call in ["a", "b"] {
        receiver.receive_again(&faulty, report(call).to_string().as_bytes(), received_at).await;
    }
    let record = json!([{"callId": "a", "recordFile": "http://a.aliyuncs.com/1", "duration": 7}]);
    post(&format!("{}/push/alicom-call-record/canary-token", served.url), record.to_string()).await;
    // Read soundly from the start.
    post(&format!("{}/push/alicom-call-report/canary-token", served.url), report("c").to_string()).await;
    let before = all_items_in(&store).await;

    let (succeeded, said) = served.operate(&["replay", "--dry-run"]);
    assert!(succeeded && said.ends_with("would be changed 2, unchanged 1, left 0, failed 0\n"), "{said}");
    assert_eq!(all_items_in(&store).await, before, "a dry run changes nothing");

    let (succeeded, said) = served.operate(&["replay", "--function", "alicom-call-note"]);
    assert!(succeeded && said == "changed 0, unchanged 0, left 0, failed 0\n", "{said}");
    let (succeeded, said) = served.operate(&["replay", "--since", "2099-01-01T00:00:00Z"]);
    assert!(succeeded && said == "changed 0, unchanged 0, left 0, failed 0\n", "{said}");

    let (succeeded, said) = served.operate(&["replay", "--function", "alicom-call-report"]);
    assert!(succeeded, "{said}");
    let changed = "callee, outcome, status";
    let told = format!(
        "call#alicom#a  {changed}\ncall#alicom#b  {changed}\nchanged 2, unchanged 1, left 0, failed 0\n"
    );
    assert_eq!(said, told);
    let after = all_items_in(&store).await;
    for (before, after) in before.iter().zip(&after) {
        if after["sk"] != "call" || after["call_id"] == "c" {
            assert_eq!(before, after);
            continue;
        }
        assert_eq!((&before["outcome"], &after["outcome"]), (&json!("busy"), &json!("answered")));
        assert_eq!((before.get("callee"), &after["callee"]), (None, &json!("13900000001")));
        assert_eq!(before["first_received_at"], after["first_received_at"]);
        assert_eq!(before.get("duration_s"), after.get("duration_s"), "what other pushes say stays");
    }
    let (_, said) = served.operate(&["replay"]);
    assert!(said.ends_with("changed 0, unchanged 3, left 0, failed 0\n"), "{said}");

    // What a push said that is no longer kept stays: the record holds it.
    let push = after.iter().find(|item| item["pk"] == "call#alicom#b" && item["sk"] != "call").unwrap();
    let (client, table) = store.table().client();
    let key = |name: &str| AttributeValue::S(push[name].as_str().unwrap().to_owned());
    client.delete_item().table_name(table).key("pk", key("pk")).key("sk", key("sk")).send().await.unwrap();
    let note = json!([{"callId": "b", "majorIntent": "A"}]);
    post(&format!("{}/push/alicom-call-note/canary-token", served.url), note.to_string()).await;
    let (succeeded, said) = served.operate(&["replay"]);
    assert!(succeeded && said.ends_with("changed 0, unchanged 3, left 0, failed 0\n"), "{said}");
}
