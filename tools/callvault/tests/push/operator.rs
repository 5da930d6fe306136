//! The operator's commands, as processes of their own on a served stack's stores.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use catalog::PUSH_FUNCTIONS;
use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::clock;
use runtime::store::hashes::Unhashed;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use shared::model::{CallFacts, Outcome, Provider, Recording, RecordingSource, RecordingState};
use shared::normalize::{Context, Normalized, PushType, Rejection};
use shared::record::item::{Item, VERSION, recording_item};
use shared::record::keys;

use crate::support::{Served, all_items_in, call, post, post_with, rejected_in};

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
    let nothing = "nothing lies under rejected/alicom-call-note/\nstored 0, still rejected 0, failed 0\n";
    assert!(succeeded && said == nothing, "{said}");
    for all in ["rejected", "rejected/", "/rejected/alicom-call-report", "alicom-call-report/"] {
        let (succeeded, said) = served.operate(&["redrive", "--dry-run", "--prefix", all]);
        assert!(
            succeeded && said.ends_with("would be stored 10, still rejected 1, failed 0\n"),
            "{all}: {said}"
        );
    }
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

#[tokio::test]
async fn what_is_still_rejected_is_told_with_its_reasons_by_the_trial_as_by_the_run() {
    let served = Served::start_with(&["--memory"], &[("MAX_BODY_BYTES", "40")]);
    let push = async |function: &str, body: String| {
        let url = format!("{}/push/{function}/canary-token", served.url);
        assert_eq!(post(&url, body).await.0, 413);
    };
    let mixed =
        json!([{"callId": "1"}, {"callee": "13912345678"}, {"callee": "13912345679"}, "13912345678 said", 5]);
    push("alicom-call-report", mixed.to_string()).await;
    push("ai-voice-call-record", format!("{{\"callee\":\"13912345678\", cut off here: {}", "x".repeat(40)))
        .await;
    push("laaffic-status-report", json!({"array": [], "nothing": "x".repeat(40)}).to_string()).await;
    let lines = |said: &str| -> Vec<String> {
        let rejects = said.lines().filter(|line| line.starts_with(' ') || line.starts_with("rejected/"));
        let without_key = |line: &str| match line.split_once(".json  ") {
            Some((_, told)) => told.strip_prefix("would be ").unwrap_or(told).to_owned(),
            None => line.to_owned(),
        };
        rejects.map(without_key).collect()
    };
    let expected = [
        "stored 0, still rejected 1",
        "    still rejected: the body is not JSON: line 1, column 26 (1)",
        "stored 1, still rejected 4",
        "    still rejected: no usable call id in callId (2)",
        "    still rejected: not an object (2)",
        "stored 0",
    ];
    let (succeeded, said) = served.operate(&["redrive", "--dry-run"]);
    assert!(succeeded && lines(&said) == expected, "{said}");
    let (succeeded, said) = served.operate(&["redrive"]);
    assert!(succeeded && lines(&said) == expected, "{said}");
    assert!(said.ends_with("\nstored 1, still rejected 2, failed 0\n"), "{said}");
    // Each by itself now.
    let (_, said) = served.operate(&["redrive"]);
    assert!(said.ends_with("\nstored 0, still rejected 5, failed 0\n"), "{said}");
    assert_eq!(said.matches("still rejected: no usable call id in callId (1)").count(), 2, "{said}");
}

/// The table of exit codes in docs/operating.md, row by row.
#[tokio::test]
async fn exit_codes_are_those_that_are_documented() {
    let served = Served::start_with(&["--memory", "--no-schedule"], &[]);
    let url = format!("{}/push/alicom-call-report/canary-token", served.url);
    let report = json!([{"callId": "1", "callee": "13912345678"}, {"callee": "13912345678"}]);
    assert_eq!(post(&url, report.to_string()).await.0, 200);
    let store = served.store();
    let smoke = ["smoke", "--url", &served.url, "--answers-alone", "--token"];
    let simulate = [
        "simulate",
        "--to",
        &served.url,
        "--calls",
        "1",
        "--no-recordings",
        "--time-scale",
        "0.01",
        "--token",
    ];
    let sound: [&[&str]; 9] = [
        &["audit", "--since", "2025-06-01T00:00:00Z"],
        &["calls", "list"],
        &["token"],
        &["redrive"],
        &["replay"],
        &["export", "--vcon"],
        &["erase", "--callee", "13900000000"],
        &[&smoke[..], &["canary-token"]].concat(),
        &[&simulate[..], &["canary-token"]].concat(),
    ];
    let code = |arguments: &[&str]| {
        let (code, said) = served.operate_with_code(arguments);
        let code = code.unwrap();
        assert!(
            code == 0 || said.contains("callvault: ") || said.contains("error: "),
            "{arguments:?}: {said}"
        );
        code
    };
    for command in [["calls", "show", "alicom/w~zz"], ["audit", "--call", "alicom/w~zz"]] {
        assert_eq!(code(&command), 2, "{command:?}");
    }
    for command in sound {
        assert_eq!(code(command), 0, "{command:?}");
        assert_eq!(code(&[command, &["--no-such-option"]].concat()), 2, "{command:?}");
    }
    // What can't be read: a reject of somebody else's, a push without a body, a call without receipts.
    let bucket = store.bucket();
    let put =
        bucket.client.put_object().bucket(&bucket.name).key("rejected/x.json").body(b"{}".to_vec().into());
    put.send().await.unwrap();
    for (sk, more) in [("push#alicom-call-report#0", "function"), ("call", "day")] {
        let day = "2025-06-01#0";
        let item = json!({"pk": "call#alicom#2", "sk": sk, more: if more == "day" { day } else { "alicom-call-report" },
            "received_at": "2025-06-01T02:00:00.000Z", "call_at": "2025-06-01T02:00:00.000Z"});
        store.table().put(item.as_object().unwrap().clone()).await.unwrap();
    }
    let unsound: [&[&str]; 7] = [
        &["calls", "show", "alicom/nobody"],
        &["redrive"],
        &["replay"],
        &["export", "--vcon"],
        &["erase", "--callee", "13900000000"],
        &[&smoke[..], &["another"]].concat(),
        &[&simulate[..], &["another"]].concat(),
    ];
    let documented = include_str!("../../../../docs/operating.md");
    for command in unsound {
        assert_eq!(code(command), 1, "{command:?}");
        let row = format!("| `{}` | ", command[0]);
        assert_eq!(documented.lines().filter(|line| line.starts_with(&row)).count(), 1, "{row}");
    }
}

/// A store that is not there is one sentence, by every command that needs one.
#[test]
fn a_store_that_cannot_be_reached_is_one_line_that_names_it() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let aws =
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
        for variable in aws {
            command.env_remove(variable);
        }
        let nowhere = [
            ("AWS_CONFIG_FILE", "/nowhere"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        command.args(arguments).env("TABLE_NAME", "callvault").env("BUCKET_NAME", "callvault");
        let output = command.envs(nowhere).envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let told = format!(
        "callvault: the table callvault at {closed} can't be reached: connection refused (is the local stack running? `callvault`)\n"
    );
    let stores = [("DYNAMODB_ENDPOINT", closed.as_str()), ("S3_ENDPOINT", &closed)];
    for command in [
        &["redrive"][..],
        &["replay"],
        &["export", "--vcon"],
        &["erase", "--callee", "13912345678"],
        &["smoke", "--url", "http://127.0.0.1:9", "--token", "x"],
        &["simulate", "--verify", "--calls", "1"],
    ] {
        let said = run(command, &stores);
        let said = said.replace("without --answers-alone the stores are looked into: ", "");
        assert_eq!(said, told, "{command:?}");
    }
    let said = run(&["replay"], &[]);
    assert!(said.starts_with("callvault: no AWS region is set: set AWS_REGION"), "{said}");
    let said = run(&["replay"], &[("AWS_REGION", "eu-west-1")]);
    assert!(said.starts_with("callvault: no AWS credentials are set: set AWS_PROFILE"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn a_compressed_body_is_redriven_as_what_it_says() {
    let served = Served::start_with(&["--memory"], &[]);
    let url = format!("{}/push/alicom-call-report/canary-token", served.url);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(br#"[{"callId":"a","duration":1},{"callId":"b"}]"#).unwrap();
    let gzip = gzip.finish().unwrap();
    let cut = gzip[..gzip.len() - 9].to_vec();
    for body in [gzip, cut] {
        assert_eq!(post_with(&url, body, &[("content-encoding", "gzip")]).await.0, 415);
    }
    let told = "would be stored 1, still rejected 1, failed 0\n";
    let (succeeded, said) = served.operate(&["redrive", "--dry-run"]);
    assert!(succeeded && said.ends_with(told), "{said}");
    let (succeeded, said) = served.operate(&["redrive"]);
    assert!(succeeded && said.ends_with("stored 1, still rejected 1, failed 0\n"), "{said}");
    assert!(said.contains("still rejected: its compressed body can't be read to its end"), "{said}");
    assert_eq!(all_items_in(&served.store()).await.len(), 4, "two calls, and what was pushed of each");
    assert_eq!(rejected_in(&served.store()).await.len(), 1, "what can't be read stays");
}

/// A mapping with a fault: whatever the report says, the line was busy; neither callee nor status is read.
fn faulty(mut report: shared::normalize::fields::Fields, _: &Context) -> Result<Normalized, Rejection> {
    let call_id = shared::normalize::call_id(&mut report, "callId")?;
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
    let received_at = clock::now();
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
    let [pk, sk] = ["pk", "sk"].map(|name| push[name].as_str().unwrap());
    store.table().delete(pk, sk).await.unwrap();
    let note = json!([{"callId": "b", "majorIntent": "A"}]);
    post(&format!("{}/push/alicom-call-note/canary-token", served.url), note.to_string()).await;
    let (succeeded, said) = served.operate(&["replay"]);
    assert!(succeeded && said.ends_with("changed 0, unchanged 3, left 0, failed 0\n"), "{said}");
}

#[tokio::test]
async fn smoke_tells_what_works_and_leaves_nothing() {
    let served = Served::start_with(&["--memory"], &[]);
    let store = served.store();
    let smoke = |token: &str, more: &[&str]| {
        let arguments = ["smoke", "--url", &served.url, "--token", token];
        served.operate(&[&arguments[..], more].concat())
    };
    let (succeeded, said) = smoke("canary-token", &[]);
    assert!(succeeded && said.matches(": stored, in ").count() == PUSH_FUNCTIONS.len(), "{said}");
    assert_eq!(all_items_in(&store).await.len(), 0, "nothing stays in the table");
    let versions = || store.bucket().client.list_object_versions().bucket(&store.bucket().name).send();
    let left = versions().await.unwrap();
    assert!(left.versions().is_empty() && left.delete_markers().is_empty(), "nothing stays in the bucket");

    let (succeeded, said) = smoke("another-token", &[]);
    assert!(!succeeded && said.matches("failed: answered 401").count() == PUSH_FUNCTIONS.len(), "{said}");

    let (succeeded, said) = smoke("canary-token", &["--answers-alone"]);
    let count = PUSH_FUNCTIONS.len();
    assert!(succeeded && said.contains(&format!("the made-up calls stay, {count} of them")), "{said}");
    let items = all_items_in(&store).await;
    let calls: BTreeSet<_> = items.iter().map(|item| item["pk"].as_str().unwrap()).collect();
    let named: BTreeSet<_> = said.lines().filter_map(|line| line.strip_prefix("  call#")).collect();
    assert_eq!(
        calls,
        named
            .iter()
            .map(|call| format!("call#{call}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect()
    );
}

#[tokio::test]
async fn smoke_fails_where_the_stores_are_not_those_of_the_functions() {
    let (served, other) = (Served::start_with(&["--memory"], &[]), Served::start_with(&["--memory"], &[]));
    let (succeeded, said) = other.operate(&["smoke", "--url", &served.url, "--token", "canary-token"]);
    let expected = "failed: acknowledged, but not in this table";
    assert!(!succeeded && said.matches(expected).count() == PUSH_FUNCTIONS.len(), "{said}");
}

/// A recording as an earlier release archived it, with these bytes in the bucket, and its SHA-256 as it is told.
async fn archived_before(served: &Served, id: &str, bytes: &[u8], sha256: &str) -> (String, String) {
    let key = call(Provider::Alicom, id);
    let now = clock::now();
    let source =
        RecordingSource { slot: "main".to_owned(), url: None, id: None, expires_at: None, call_at: now };
    let object_key = keys::recording_key(&key, now, "main", "wav");
    let recording = Recording {
        state: RecordingState::Archived,
        next_attempt_at: None,
        object_key: Some(object_key.clone()),
        bytes: Some(bytes.len() as u64),
        sha256: Some(sha256.to_owned()),
        ..Recording::new(source, now)
    };
    let store = served.store();
    let mut item: Item = recording_item(&key, recording).into();
    item.insert(VERSION.to_owned(), 3.into());
    store.table().put(item).await.unwrap();
    let bucket = store.bucket();
    let put = bucket.client.put_object().bucket(&bucket.name).key(&object_key);
    put.body(bytes.to_vec().into()).send().await.unwrap();
    (keys::call_pk(&key), object_key)
}

#[tokio::test]
async fn the_sha512_of_older_recordings_is_added_once_and_only_to_what_is_still_the_same() {
    let served = Served::start_with(&["--memory"], &[]);
    let bytes = b"RIFF, as it was archived".repeat(1_000);
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let mut pks = Vec::new();
    for n in 0..20 {
        pks.push(archived_before(&served, &format!("old-{n}"), &bytes, &sha256).await.0);
    }
    let (damaged, damaged_key) = archived_before(&served, "damaged", b"RIFF, and no more", &sha256).await;
    let (succeeded, said) = served.operate(&["backfill-hashes", "--dry-run"]);
    assert!(succeeded && said == "would be hashed 21\n", "{said}");
    let (succeeded, said) = served.operate(&["backfill-hashes"]);
    assert!(!succeeded && said.contains("hashed 20, changed meanwhile 0, failed 1\n"), "{said}");
    assert!(said.contains(&format!("{damaged_key}  failed: it is not what was archived")), "{said}");

    let store = served.store();
    let sk = keys::recording_sk("main");
    for pk in &pks {
        let item = store.table().get(pk, &sk).await.unwrap().unwrap();
        assert_eq!(item["sha512"], hex::encode(Sha512::digest(&bytes)));
        assert_eq!((&item[VERSION], &item["sha256"]), (&json!(4), &json!(sha256)));
    }
    assert_eq!(store.table().get(&damaged, &sk).await.unwrap().unwrap().get("sha512"), None);

    // What is done is not done again; and what an erasure took away meanwhile is not brought back.
    store.table().delete(&damaged, &sk).await.unwrap();
    let (succeeded, said) = served.operate(&["backfill-hashes"]);
    assert!(succeeded && said == "hashed 0, changed meanwhile 0, failed 0\n", "{said}");
    let gone =
        Unhashed { pk: damaged.clone(), sk: sk.clone(), object_key: damaged_key, sha256: sha256.clone() };
    let whole = keys::recording_key(&call(Provider::Alicom, "old-0"), clock::now(), "main", "wav");
    let digests = store.bucket().digests(&whole).await.unwrap();
    assert!(!store.table().add_sha512(&gone, &digests).await.unwrap());
    assert_eq!(store.table().get(&damaged, &sk).await.unwrap(), None);
}

/// Runs a command whose output, or complaints, nobody reads. Its exit code.
fn unheard(served: &Served, arguments: &[&str], deaf: fn(&mut std::process::Child)) -> Option<i32> {
    let mut child = served.operator(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    deaf(&mut child);
    child.wait_with_output().unwrap().status.code()
}

/// Whoever reads what is told may go: `… | head`. What was not told is not well, and nothing panics.
#[tokio::test]
async fn a_reader_that_goes_makes_no_command_panic_or_say_that_all_is_well() {
    let served = Served::start(&["--memory"]);
    let report = json!([{"callId": "1", "taskId": "t", "callee": "13712345678", "originateTime": "2025-06-01 10:00:00"}]);
    let url = format!("{}/push/alicom-call-report/canary-token", served.url);
    assert_eq!(post(&url, report.to_string()).await.0, 200);
    let commands: [&[&str]; 11] = [
        &["redrive", "--dry-run"],
        &["replay", "--dry-run"],
        &["erase", "--callee", "13712345678", "--dry-run"],
        &["doctor"],
        &["archive", "--lost", "--dry-run"],
        &["backfill-hashes", "--dry-run"],
        &["analytics", "verify", "--since", "2025-06-01T02", "--until", "2025-06-01T02"],
        &["export", "--vcon"],
        &["calls", "list", "--day", "2025-06-01"],
        &["calls", "show", "alicom/1"],
        &["token"],
    ];
    for command in commands {
        let code = unheard(&served, command, |child| drop(child.stdout.take()));
        assert_eq!(code, Some(141), "{command:?}, as a shell tells of SIGPIPE");
    }
    // What it fails by can't be told either.
    let deaf = |child: &mut std::process::Child| drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(unheard(&served, &["calls", "show", "alicom/2"], deaf), Some(1));
}
