//! Calls for other programs: what `callvault export --vcon` makes of what was pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use shared::model::Provider;
use shared::record::keys;

use crate::support::{Served, call, post};

const SAMPLES: [(&str, &str); 3] = [
    ("alicom-call-record", include_str!("../../../../functions/alicom-call-record/test_data/sample.json")),
    (
        "ai-voice-call-record",
        include_str!("../../../../functions/ai-voice-call-record/test_data/sample.json"),
    ),
    (
        "laaffic-status-report",
        include_str!("../../../../functions/laaffic-status-report/test_data/sample.json"),
    ),
];
/// When the samples' calls were, in order.
const TIMES: [&str; 3] = ["2025-05-22T04:29:20.000Z", "2025-08-08T01:41:13.000Z", "2026-03-26T07:22:27.000Z"];

async fn push(served: &Served, function: &str, body: &str) {
    let (status, _) = post(&format!("{}/push/{function}/canary-token", served.url), body.to_owned()).await;
    assert_eq!(status, 200, "{function}");
}

/// A stack that was pushed the samples.
async fn served() -> Served {
    let served = Served::start_with(&["--memory", "--no-schedule"], &[]);
    for (function, body) in SAMPLES {
        push(&served, function, body).await;
    }
    served
}

/// What an export says, and the vCons among it.
fn exported(served: &Served, arguments: &[&str]) -> (bool, String, Vec<Value>) {
    let (succeeded, said) = served.operate(&[&["export", "--vcon"], arguments].concat());
    let vcons =
        said.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap());
    (succeeded, said.clone(), vcons.collect())
}

fn fact(vcon: &Value, name: &str) -> String {
    let report =
        vcon["analysis"].as_array().unwrap().iter().find(|analysis| analysis["type"] == "report").unwrap();
    report["body"][name].as_str().unwrap().to_owned()
}

fn times(vcons: &[Value]) -> Vec<String> {
    vcons.iter().map(|vcon| vcon["dialog"][0]["start"].as_str().unwrap().to_owned()).collect()
}

/// The vCons of a folder, by the files' names.
fn in_folder(folder: &Path) -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: &Path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), read(&path))).collect()
}

#[tokio::test]
async fn calls_are_exported_in_order_of_time_and_the_same_each_time() {
    let served = served().await;
    let (succeeded, said, vcons) = exported(&served, &[]);
    assert!(succeeded && said.ends_with("exported 3, gone meanwhile 0, failed 0\n"), "{said}");
    let providers: Vec<_> = vcons.iter().map(|vcon| fact(vcon, "provider")).collect();
    assert_eq!(providers, ["alicom", "ai-voice", "laaffic"], "in order of time");
    assert!(vcons.iter().all(|vcon| vcon["redacted"]["type"] == "phone numbers"));
    assert_eq!(vcons.iter().map(|vcon| vcon["uuid"].as_str()).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(exported(&served, &[]).1, said, "the same bytes");

    // What comes later belongs to the same vCon.
    let note = json!([{"callId": fact(&vcons[0], "call_id"), "majorIntent": "A", "outputTags": {"phone": "139-0000-0001"}}]);
    push(&served, "alicom-call-note", &note.to_string()).await;
    let (_, _, later) = exported(&served, &[]);
    assert_eq!(later[0]["uuid"], vcons[0]["uuid"]);
    let report = &later[0]["analysis"][0]["body"];
    assert_eq!(
        (&report["intent_code"], &report["tags"]),
        (&json!("A"), &json!({"phone": ["***-****-****"]}))
    );
    assert_eq!(later[1..], vcons[1..]);
}

/// A platform's clock may be ahead: its calls are exported all the same, and none is left out silently.
#[tokio::test]
async fn calls_of_days_to_come_are_exported_too() {
    let served = Served::start_with(&["--memory", "--no-schedule"], &[]);
    let now = runtime::clock::now();
    for days in [0, 2, 40] {
        let at = now.plus_seconds(days * 86_400).to_text();
        let report = json!([{"callId": days.to_string(), "taskId": "t", "callee": "13900000001", "originateTime": at}]);
        push(&served, "alicom-call-report", &report.to_string()).await;
    }
    let yesterday = now.plus_seconds(-86_400).date();
    let (succeeded, said, vcons) = exported(&served, &["--since", &yesterday]);
    assert!(succeeded && said.ends_with("exported 3, gone meanwhile 0, failed 0\n"), "{said}");
    let ids: Vec<_> = vcons.iter().map(|vcon| fact(vcon, "call_id")).collect();
    assert_eq!(ids, ["0", "2", "40"]);
    let (succeeded, said, _) = exported(&served, &["--since", &yesterday, "--until", &now.date()]);
    assert!(succeeded && said.ends_with("exported 1, gone meanwhile 0, failed 0\n"), "{said}");
}

#[tokio::test]
async fn an_export_is_of_the_calls_of_a_time() {
    let served = served().await;
    for (arguments, expected) in [
        (vec!["--since", "2025-05-22T04:29:20Z"], &TIMES[..]),
        (vec!["--since", "2025-05-22T04:29:20.001Z"], &TIMES[1..]),
        (vec!["--since", "2025-05-22T04:29:20Z", "--until", TIMES[1]], &TIMES[..1]),
        (vec!["--since", "2025-08-07T23:00:00Z", "--until", "2025-08-08T02:00:00Z"], &TIMES[1..2]),
        (vec!["--until", TIMES[2]], &TIMES[..2]),
        // A day is the whole day, an hour the whole hour.
        (vec!["--since", "2025-05-22", "--until", &TIMES[0][..10]], &TIMES[..1]),
        (vec!["--since", &TIMES[1][..10], "--until", &TIMES[1][..10]], &TIMES[1..2]),
        (vec!["--until", &TIMES[1][..13]], &TIMES[..2]),
        (vec!["--since", "2026-03-27T00:00:00Z", "--until", "2026-04-01T00:00:00Z"], &[]),
    ] {
        let (succeeded, said, vcons) = exported(&served, &arguments);
        let told = format!("exported {}, gone meanwhile 0, failed 0\n", expected.len());
        assert!(succeeded && said.ends_with(&told), "{arguments:?}: {said}");
        let starts: Vec<_> = times(&vcons);
        // LAAFFIC's recording begins when the callee answered.
        assert!(
            starts.iter().zip(expected).all(|(start, time)| start[..16] == time[..16])
                && starts.len() == expected.len(),
            "{arguments:?}: {starts:?}"
        );
    }
    for (arguments, complaint) in [
        (&["export", "--since", TIMES[0]][..], "--vcon"),
        (&["export", "--vcon", "--pushes"], "--numbers"),
        (&["export", "--vcon", "--since", TIMES[1], "--until", TIMES[0]], "--since is not before --until"),
        (&["export", "--vcon", "--since", "yesterday"], "neither a day (2025-06-01)"),
        (&["export", "--vcon", "--api-url", "http://calls.example.com"], "not an https URL"),
    ] {
        let (succeeded, said) = served.operate(arguments);
        assert!(!succeeded && said.contains(complaint), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn pushes_are_exported_as_they_came_wherever_they_are_kept() {
    let served = Served::start_with(&["--memory", "--no-schedule"], &[]);
    let turn = |text: String| json!({"role": "user", "content": text});
    let turns = |count: usize| (0..count).map(|number| turn(format!("word {number}"))).collect::<Vec<_>>();
    let bodies = [
        (
            "alicom-call-report",
            json!({"callId": "a/../b", "callee": "13900000001", "x": "\u{2028}<script>"}).to_string(),
        ),
        // Compressed, and in the bucket with its turns.
        ("alicom-call-note", json!({"callId": "a/../b", "conversationRecord": turns(100)}).to_string()),
        ("alicom-call-note", json!({"callId": "a/../b", "conversationRecord": turns(4_000)}).to_string()),
    ];
    for (function, body) in &bodies {
        push(&served, function, &format!("[{body}]")).await;
    }
    let store = served.store();
    let items = store.table().query(&keys::call_pk(&call(Provider::Alicom, "a/../b"))).await.unwrap();
    assert_eq!(items.iter().filter(|item| item.contains_key("body_key")).count(), 1);
    assert!(items.iter().any(|item| item.contains_key("turns_key")));

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a").join("b");
    let export = |arguments: &[&str]| {
        let (succeeded, said, _) =
            exported(&served, &[&["--out", out.to_str().unwrap()], arguments].concat());
        assert!(succeeded && said == "exported 1, gone meanwhile 0, failed 0\n", "{said}");
    };
    export(&["--numbers", "--pushes"]);
    let files = in_folder(&out);
    let (name, vcon) = files.first_key_value().unwrap();
    assert_eq!((files.len(), name), (1, &format!("{}.vcon", vcon["uuid"].as_str().unwrap())));
    let mode = fs::metadata(out.join(name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "for nobody else to read");
    assert_eq!(vcon["parties"][1], json!({"tel": "tel:13900000001", "type": "person"}));
    let attached: Vec<_> =
        vcon["attachments"].as_array().unwrap().iter().map(|push| push["body"].clone()).collect();
    assert_eq!(attached, bodies.each_ref().map(|(_, body)| json!(body)));
    assert_eq!(vcon["analysis"][0]["body"]["turns"].as_array().unwrap().len(), 4_000);

    // The same call again is the same file; without numbers it is another vCon.
    export(&["--numbers"]);
    assert_eq!(in_folder(&out).len(), 1);
    assert_eq!(in_folder(&out)[name].get("attachments"), None);
    export(&[]);
    let files = in_folder(&out);
    assert_eq!(files.len(), 2, "and nothing else is left in the folder");
    let redacted = files.values().find(|vcon| vcon.get("redacted").is_some()).unwrap();
    assert_eq!(
        (&redacted["redacted"]["uuid"], &redacted["parties"][1]["name"]),
        (&vcon["uuid"], &json!("139******01"))
    );
}

#[tokio::test]
async fn an_archived_recording_has_its_hash_and_its_url_where_the_api_is_known() {
    let served = served().await;
    let store = served.store();
    let key = call(Provider::AiVoice, "1953632871532392448");
    let archived = |item: Option<shared::record::item::Item>| {
        let mut item = item.unwrap();
        item.insert("state".to_owned(), "archived".into());
        item.insert("sha256".to_owned(), "ab".repeat(32).into());
        Ok((Some(item.into()), ()))
    };
    store.table().update(&keys::call_pk(&key), &keys::recording_sk("full"), archived).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (api, url) in [
        (
            &["--api-url", "https://calls.example.com/v1/"][..],
            Some(json!(
                "https://calls.example.com/v1/api/calls/ai-voice/1953632871532392448/recordings/full"
            )),
        ),
        (&[], None),
    ] {
        let to = ["--since", TIMES[1], "--until", TIMES[2], "--out", folder.path().to_str().unwrap()];
        assert!(exported(&served, &[&to, api].concat()).0);
        let files = in_folder(folder.path());
        let dialog = &files.values().next().unwrap()["dialog"];
        assert_eq!((files.len(), dialog[0].get("url")), (1, url.as_ref()));
        assert!(dialog[0]["content_hash"].as_str().unwrap().starts_with("sha256-q6ur"));
        assert_eq!((dialog[1].get("url"), dialog[1].get("content_hash")), (None, None), "it is pending");
    }
}

#[tokio::test]
async fn what_was_erased_is_not_exported_and_what_cant_be_read_is_told() {
    let served = served().await;
    assert!(served.operate(&["erase", "--callee", "8613900000001"]).0);
    let (succeeded, said, vcons) = exported(&served, &[]);
    assert!(
        succeeded && vcons.len() == 2 && said.ends_with("exported 2, gone meanwhile 0, failed 0\n"),
        "{said}"
    );
    assert!(vcons.iter().all(|vcon| fact(vcon, "provider") != "ai-voice"));

    // Erased after it was listed: the index still has it.
    let store = served.store();
    let alicom = keys::call_pk(&call(Provider::Alicom, crate::support::SAMPLE_ID));
    let erased = |item: Option<shared::record::item::Item>| {
        let mut item = item.unwrap();
        item.insert("erased_at".to_owned(), TIMES[0].into());
        Ok((Some(item.into()), ()))
    };
    store.table().update(&alicom, keys::CALL, erased).await.unwrap();
    let laaffic = keys::call_pk(&call(Provider::Laaffic, "260326152224160100152"));
    let broken = |item: Option<shared::record::item::Item>| {
        let mut item = item.unwrap();
        item.insert("state".to_owned(), "13900000001".into());
        Ok((Some(item.into()), ()))
    };
    store.table().update(&laaffic, &keys::recording_sk("main"), broken).await.unwrap();
    let (succeeded, said, vcons) = exported(&served, &[]);
    assert!(!succeeded && vcons.is_empty(), "{said}");
    assert!(
        said.contains("call#laaffic#260326152224160100152  failed: the stored item can't be read\n"),
        "{said}"
    );
    assert!(said.contains("exported 0, gone meanwhile 1, failed 1\n"), "{said}");
}
