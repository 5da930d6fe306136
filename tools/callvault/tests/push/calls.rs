//! Looking at calls from a terminal: `callvault calls`.

use serde_json::{Value, json};
use shared::model::Provider;
use shared::record::keys;

use crate::support::{Served, call, post};

async fn push(served: &Served, function: &str, body: &Value) {
    let (status, _) = post(&format!("{}/push/{function}/canary-token", served.url), body.to_string()).await;
    assert_eq!(status, 200, "{function}");
}

/// A stack that was pushed a few calls.
async fn served() -> Served {
    let served = Served::start_with(&["--memory", "--no-schedule"], &[]);
    let report = |id: &str, hour: u8, outcome: &str| {
        json!({
            "callId": id, "taskId": "7", "callee": "13900000001", "originateTime": format!("2025-06-01 {hour:02}:00:00"),
            "smartStatusCode": outcome, "duration": hour,
        })
    };
    let reports =
        json!([report("a^1", 9, "ANSWERED"), report("b/2", 10, "USER_BUSY"), report("c", 23, "ANSWERED")]);
    push(&served, "alicom-call-report", &reports).await;
    let note = json!([{"callId": "a^1", "majorIntent": "A", "outputTags": {"phone": "139-0000-0001"},
        "conversationRecord": [{"role": "user", "content": "call 13900000001\u{1b}[2J"}]}]);
    push(&served, "alicom-call-note", &note).await;
    served
}

fn listed(served: &Served, arguments: &[&str]) -> Value {
    let (succeeded, said) = served.operate(&[&["calls", "list", "--json"], arguments].concat());
    assert!(succeeded, "{said}");
    serde_json::from_str(said.lines().next().unwrap()).unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["calls"].as_array().unwrap().iter().map(|call| call["call_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn calls_are_listed_by_what_is_asked_for_and_without_numbers() {
    let served = served().await;
    for (arguments, expected) in [
        (&["--day", "2025-06-01"][..], &["c", "b/2", "a^1"][..]),
        (&["--day", "2025-06-01", "--order", "asc"], &["a^1", "b/2", "c"]),
        (&["--day", "2025-06-01", "--zone", "America/New_York"], &["c"]),
        (&["--task", "7", "--provider", "alicom"], &["c", "b/2", "a^1"]),
        (&["--callee", "+86 139 0000 0001", "--outcome", "busy"], &["b/2"]),
        (
            &["--task", "7", "--outcome", "busy", "--outcome", "answered", "--min-duration-s", "10"],
            &["c", "b/2"],
        ),
        (&["--task", "7", "--intent", "A", "--tag", "phone", "--reviewed", "false"], &["a^1"]),
        (&["--task", "7", "--has-recording", "true"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(ids(&listed(&served, arguments)), expected, "{arguments:?}");
    }
    let first = listed(&served, &["--task", "7", "--limit", "2"]);
    let next = first["next"].as_str().unwrap();
    assert_eq!((ids(&first), &first["scanned"]), (vec!["c", "b/2"], &json!(2)));
    let second = listed(&served, &["--task", "7", "--limit", "2", "--cursor", next]);
    assert_eq!((ids(&second), &second["next"]), (vec!["a^1"], &Value::Null));
    let masked = &second["calls"][0];
    assert_eq!(
        (&masked["callee"], &masked["tags"]),
        (&json!("139******01"), &json!({"phone": ["***-****-****"]}))
    );
    assert_eq!(masked["href"], "/api/calls/alicom/a~5E1");
    // On this machine the local stack's key is taken.
    let callee_id = masked["callee_id"].as_str().unwrap();
    let of_callee = listed(&served, &["--task", "7", "--callee-id", callee_id]);
    assert!(ids(&of_callee).contains(&"a^1"), "{of_callee}");
    assert_eq!(ids(&listed(&served, &["--task", "7", "--callee-id", &"0".repeat(32)])), [""; 0]);
    let whole = listed(&served, &["--task", "7", "--intent", "A", "--numbers"]);
    assert_eq!(whole["calls"][0]["callee"], "13900000001");

    let (succeeded, said) = served.operate(&["calls", "list", "--task", "7", "--limit", "1", "--all"]);
    assert!(succeeded && said.contains("alicom/a~5E1") && said.contains("alicom/b~2F2"), "{said}");
    assert!(said.contains("2025-06-01 23:00:00") && !said.contains("13900000001"), "{said}");
    let (succeeded, said) = served.operate(&["calls", "list", "--task", "7", "--limit", "1"]);
    assert!(succeeded && said.contains("it goes on with --cursor "), "{said}");

    for (arguments, complaint) in [
        (&["--cursor", next][..], "the cursor is of a list with other filters"),
        (&["--task", "7", "--cursor", "AAAA"], "the cursor is not one that this API gave out"),
        (&["--day", "yesterday"], "not a date"),
        (&["--zone", "Asia/Nowhere"], "not a zone"),
        (&["--outcome", "fine"], "no outcome; there are answered, voicemail"),
        (&["--callee", "139****0001"], "not a number that one callee alone has"),
        (&["--limit", "1001"], "not a number from 1 to 1000"),
    ] {
        let (succeeded, said) = served.operate(&[&["calls", "list"], arguments].concat());
        assert!(!succeeded && said.contains(complaint), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_call_is_shown_with_all_that_is_stored_of_it() {
    let served = served().await;
    let (succeeded, said) = served.operate(&["calls", "show", "alicom/a~5E1"]);
    assert!(succeeded && said.contains("139******01") && said.contains("callee: call ***"), "{said}");
    assert!(!said.contains('\u{1b}'), "a text of a push moves no cursor");
    let (succeeded, said) = served.operate(&["calls", "show", "alicom/a^1", "--json", "--numbers"]);
    let whole: Value = serde_json::from_str(&said).unwrap();
    assert!(succeeded);
    assert_eq!(whole["call"]["callee"], "13900000001");
    assert_eq!(whole["conversation"]["turns"][0]["text"], "call 13900000001\u{1b}[2J");
    assert_eq!(whole["pushes"].as_array().unwrap().len(), 2);
    for (name, complaint) in
        [("alicom/nobody", "there is no such call"), ("other/1", "there is no provider other")]
    {
        let (succeeded, said) = served.operate(&["calls", "show", name]);
        assert!(!succeeded && said.contains(complaint), "{said}");
    }
    // Nor is there one any more that was erased.
    let erased = |item: Option<shared::record::item::Item>| {
        let mut item = item.unwrap();
        item.insert("erased_at".to_owned(), "2025-06-01T02:00:00.000Z".into());
        Ok((Some(item.into()), ()))
    };
    let pk = keys::call_pk(&call(Provider::Alicom, "a^1"));
    served.store().table().update(&pk, keys::CALL, erased).await.unwrap();
    assert!(!served.operate(&["calls", "show", "alicom/a~5E1"]).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_followed_as_they_come() {
    let served = std::sync::Arc::new(Served::start_with(&["--memory", "--no-schedule"], &[]));
    let following = tokio::task::spawn_blocking({
        let served = std::sync::Arc::clone(&served);
        move || served.operate(&["calls", "tail", "--every", "1", "--lines", "2", "--json"])
    });
    // Of a call that tells no time of its own the receipt is its time: now.
    while !following.is_finished() {
        let id = format!("{}", fastrand::u64(..));
        push(&served, "alicom-call-note", &json!([{"callId": id, "majorIntent": "A"}])).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let (succeeded, said) = following.await.unwrap();
    let calls: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(succeeded && calls.len() == 2, "{said}");
    assert_ne!(calls[0]["call_id"], calls[1]["call_id"]);
}
