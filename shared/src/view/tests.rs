use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{CallId, Provider};
use crate::record::item::Item;
use crate::record::keys;
use crate::view::field::{Kind, field_named};

const NUMBER: &str = "8613912345678";
const DIGEST: &str = "0123456789abcdef";
const RECEIVED: &str = "2025-06-01T02:05:33.120Z";

fn key(call_id: &str) -> CallKey {
    CallKey { provider: Provider::Alicom, call_id: CallId::new(call_id.to_owned()).unwrap() }
}

fn callee_id(number: &str) -> Option<String> {
    Some(format!("id-of-{}", number.len()))
}

const MASKED: Shown<'_> = Shown { numbers: false, callee_id: &callee_id };
const WHOLE: Shown<'_> = Shown { numbers: true, callee_id: &callee_id };

fn item(sk: &str, attributes: Value) -> Item {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    [("sk".to_owned(), sk.into())].into_iter().chain(attributes).collect()
}

/// A call of which a report with these facts came, a note with this text, and a recording.
fn call(call_id: &str, facts: Value, text: &str) -> WholeCall {
    let sources = json!({"alicom-call-report": format!("last {DIGEST}")});
    let mut call = item(
        keys::CALL,
        json!({"sources": sources, "first_received_at": RECEIVED, "updated_at": RECEIVED,
            "extra": {"alicom-call-report": {"more": text}}, "has": {"recording": true}}),
    );
    call.extend(facts.as_object().unwrap().clone());
    let sources = json!({"alicom-call-note": format!("{RECEIVED} {DIGEST}")});
    let turns = json!([{"speaker": "callee", "text": text, "start_ms": 900, "extra": {"more": text}}]);
    let items = vec![
        call,
        item(keys::CONVERSATION, json!({"sources": sources, "turns": turns, "variables": [text]})),
        item(
            &keys::recording_sk("main"),
            json!({"slot": "main", "state": "pending", "call_at": RECEIVED, "first_received_at": RECEIVED,
                "source_url": format!("https://host/{text}"), "source_id": text, "last_error": text}),
        ),
        item(&keys::push_sk("alicom-call-report", DIGEST), json!({"received_at": RECEIVED, "body": text})),
    ];
    WholeCall::read(key(call_id), items).unwrap().unwrap()
}

#[test]
fn a_call_in_a_list_is_its_record_without_codes_and_extra() {
    let facts = json!({
        "callee": NUMBER, "outcome": "answered", "originated_at": "2025-06-01T01:59:45.000Z", "duration_s": 90,
        "cost": {"amount": serde_json::from_str::<Value>("0.9876543210987654321").unwrap(), "currency": "USD"},
        "status": {"statusCode": "200000"}, "out_id": "o-1",
    });
    let call = call("1000^7", facts, "hello");
    let shown = json!({
        "provider": "alicom", "call_id": "1000^7", "call_at": "2025-06-01T01:59:45.000Z", "callee": "861********78",
        "callee_id": "id-of-13", "outcome": "answered", "originated_at": "2025-06-01T01:59:45.000Z", "duration_s": 90,
        "cost": {"amount": "0.9876543210987654321", "currency": "USD"}, "out_id": "o-1",
        "first_received_at": RECEIVED, "updated_at": RECEIVED, "href": "/api/calls/alicom/1000~5E7",
    });
    assert_eq!(Value::Object(listed(&call.key, &call.call, &MASKED)), shown);
    assert_eq!(listed(&call.key, &call.call, &WHOLE)["callee"], NUMBER);
}

#[test]
fn what_is_full_of_numbers_is_for_those_who_may_see_them() {
    let call = call("7", json!({"callee": NUMBER, "status": {"m": "to 139-1234-5678"}}), "hello");
    let whole = alone(&call, Some(json!({"note": "call 13912345678"})), &WHOLE);
    assert_eq!(whole["call"]["extra"], json!({"alicom-call-report": {"more": "hello"}}));
    assert_eq!(whole["recordings"][0]["source_url"], "https://host/hello");
    assert_eq!(
        whole["pushes"],
        json!([{"function": "alicom-call-report", "received_at": RECEIVED, "digest": DIGEST,
            "href": format!("/api/calls/alicom/7/pushes/alicom-call-report/{DIGEST}")}])
    );
    assert_eq!(whole["review"]["note"], "call 13912345678");
    let masked = alone(&call, Some(json!({"note": "call 13912345678"})), &MASKED);
    assert_eq!(masked["call"].get("extra"), None);
    assert_eq!(masked["call"]["status"]["m"], "to ***-****-****");
    assert_eq!(masked["conversation"]["turns"][0].get("extra"), None);
    assert_eq!(masked["conversation"]["turns"][0]["text"], "hello");
    assert_eq!(masked["recordings"][0].get("source_url"), None);
    assert_eq!(masked["recordings"][0].get("source_id"), None);
    assert_eq!(masked["recordings"][0]["href"], "/api/calls/alicom/7/recordings/main");
    assert_eq!(masked["pushes"], json!([{"function": "alicom-call-report", "received_at": RECEIVED}]));
    assert_eq!(masked["review"]["note"], "call ***********");
}

#[test]
fn a_call_whose_id_tells_the_number_has_no_link_for_those_who_may_not_see_it() {
    let call = call("to-13912345678", json!({"callee": NUMBER}), "hello");
    let shown = alone(&call, None, &MASKED);
    assert_eq!(shown["call"]["call_id"], "to-***********");
    assert_eq!((shown["call"].get("href"), shown["recordings"][0].get("href")), (None, None));
    assert_eq!(listed(&call.key, &call.call, &WHOLE)["href"], "/api/calls/alicom/to-13912345678");
}

#[test]
fn a_number_that_the_platform_masked_has_no_id() {
    let call = call("7", json!({"callee": "139****1111"}), "hello");
    assert_eq!(listed(&call.key, &call.call, &WHOLE).get("callee_id"), None);
}

#[test]
fn turns_that_were_not_fetched_are_not_there() {
    let mut call = call("7", json!({}), "hello");
    call.conversation.as_mut().unwrap().facts.insert("turns", json!({"large_key": "large/1.json"}));
    assert_eq!(alone(&call, None, &WHOLE)["conversation"].get("turns"), None);
}

/// Every run of digits in JSON, in names too; times, which are always written alike, and figures of this test are none.
fn runs_of_digits(value: &Value, runs: &mut Vec<String>) {
    let add = |text: &str, runs: &mut Vec<String>| {
        if text.parse::<Instant>().is_err() {
            // A path's `~32` is no digit of an id.
            let parts = text.split('~').enumerate().map(|(at, part)| {
                if at > 0 && text.starts_with('/') { part.get(2..).unwrap_or(part) } else { part }
            });
            runs.extend(
                parts.flat_map(|part| part.split(|byte: char| !byte.is_ascii_digit())).map(str::to_owned),
            );
        }
    };
    match value {
        Value::String(text) => add(text, runs),
        Value::Number(number) => add(&number.to_string(), runs),
        Value::Array(list) => list.iter().for_each(|value| runs_of_digits(value, runs)),
        Value::Object(object) => {
            for (name, value) in object {
                add(name, runs);
                runs_of_digits(value, runs);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Sums would be short of it else.
#[test]
fn an_amount_is_shown_that_has_the_digits_in_which_the_callee_ends() {
    let facts = json!({"callee": "8613912340035", "cost": {"amount": "0.0035", "currency": "USD"}, "duration_s": 40_035});
    let call = call("c", facts, "");
    let shown = alone(&call, None, &MASKED);
    assert_eq!(shown["call"]["cost"], json!({"amount": "0.0035", "currency": "USD"}));
    assert_eq!(shown["call"]["duration_s"], json!(40_035));
    // What follows the point comes of reckoning, and is nobody's number but by chance; unless it is the callee's.
    let cost = |amount: &str| {
        let facts = json!({"callee": "8613912340035", "cost": {"amount": amount, "currency": "CNY"}});
        alone(&self::call("c", facts, ""), None, &MASKED)["call"]["cost"]["amount"].clone()
    };
    for amount in ["1.5166666667", "15.166666667", "0.13666666667", "151.66666667", "1.3912999999"] {
        assert_eq!(cost(amount), amount);
    }
    for amount in ["1.3912340035", "0.13912340035", "13777777777", "13777777777.5"] {
        assert_ne!(cost(amount), amount);
    }
    let facts = json!({"callee": "8613912340035", "cost": {"amount": "12340035", "currency": "USD"}});
    let shown = alone(&self::call("c", facts, ""), None, &MASKED);
    assert_eq!(shown["call"]["cost"], json!({"amount": "********", "currency": "USD"}));
}

proptest! {
    /// Whatever is the same in all calls, and whatever somebody writes who tries candidates: what is hidden of it tells nothing of the callee.
    #[test]
    fn what_is_hidden_of_texts_and_codes_tells_nothing_of_the_callee(
        one in "1[3-9][0-9]{9}", other in "1[3-9][0-9]{9}", before in "\\PC{0,6}", from in 0usize..8, at in 0usize..6,
    ) {
        let part = &one[from..];
        let text = format!("{before}q{part}q {} q{}x{}", &one[7..], &one[..3], &one[3..]);
        let short = &one[from.min(4)..][..4 + from % 4];
        let shown = [&one, &other].map(|callee| {
            let name = ["intent_code", "intent_name", "outcome", "task_id", "batch_id", "script_id"][at];
            let facts = json!({"callee": callee, "caller": "1", "status": {"c": short, "m": text}, "tags": {"t": [short, text]}, name: short});
            let mut shown = alone(&call("c", facts, &text), Some(json!({"note": text})), &MASKED);
            let call = shown["call"].as_object_mut().unwrap();
            call.remove("callee");
            call.remove("callee_id");
            shown
        });
        prop_assert_eq!(&shown[0], &shown[1]);
    }

    #[test]
    fn the_callees_number_is_nowhere_for_those_who_may_not_see_it(
        number in "[0-9]{8,15}", from in 0usize..8, more in 6usize..16, before in "\\PC{0,6}", at in 0usize..9,
    ) {
        let part: String = number.chars().skip(from.min(number.len() - 6)).take(more).collect();
        let text = format!("{before}{part}");
        let mut facts = json!({"callee": number, "caller": number, "display_number": part, "tags": {text.clone(): [text.clone()]}});
        let name = ["out_id", "task_id", "batch_id", "intent_code", "intent_name", "outcome", "status", "new", "script_id"][at];
        facts[name] = if name == "status" { json!({text.clone(): text}) } else { json!(text) };
        facts["duration_s"] = serde_json::from_str(part.trim_start_matches('0')).unwrap_or(json!(0));
        // An id of a call is not blank.
        let call = call(&format!("c{text}"), facts, &text);
        let review = json!({"note": text});
        let shown = [listed(&call.key, &call.call, &MASKED), alone(&call, Some(review), &MASKED)];
        // An id that many calls share is told by ten digits, or by eight that stand by themselves.
        let is_shared = field_named(name).is_some_and(|field| field.kind == Kind::SharedId);
        for mut shown in shown {
            let call = if shown.contains_key("call") { shown["call"].as_object_mut().unwrap() } else { &mut shown };
            let shared = is_shared.then(|| call.remove(name)).flatten();
            for (value, length) in [(Some(Value::Object(shown)), 8), (shared, 10)] {
                let mut runs = Vec::new();
                runs_of_digits(value.as_ref().unwrap_or(&Value::Null), &mut runs);
                for run in runs.iter().filter(|run| run.len() >= 8) {
                    let tells = |known: &[u8]| run.as_bytes().windows(length).any(|window| window == known);
                    prop_assert!(!number.as_bytes().windows(length).any(tells), "{} in {:?}", run, value);
                    prop_assert!(!number.contains(run.as_str()), "{} in {:?}", run, value);
                }
            }
        }
    }
}
