//! What a vCon says of a call, and what it does not say.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::model::{CallId, Provider};
use crate::record::item::Item;
use crate::view::field::{Kind, field_named};
use crate::whole_call::LargePart;

const NUMBER: &str = "8613912345678";
const RECEIVED: &str = "2025-06-01T02:05:33.120Z";
const LATER: &str = "2025-06-01T02:07:00.000Z";
const DIGESTS: [&str; 2] = ["0123456789abcdef", "fedcba9876543210"];

fn key(call_id: &str) -> CallKey {
    CallKey { provider: Provider::Alicom, call_id: CallId::new(call_id.to_owned()).unwrap() }
}

fn item(sk: &str, attributes: Value) -> Item {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    [("sk".to_owned(), sk.into())].into_iter().chain(attributes).collect()
}

/// The item of a call of which both bodies of its report said so much.
fn call_item(facts: &Value) -> Item {
    let sources = json!({"alicom-call-report": format!("last {}", DIGESTS.join(","))});
    let bodies =
        json!({"alicom-call-report": {DIGESTS[0]: {"at": RECEIVED, "says": {"callee": "13800001111"}}}});
    let mut item = item(
        keys::CALL,
        json!({"sources": sources, "bodies": bodies, "first_received_at": RECEIVED, "updated_at": LATER}),
    );
    item.extend(facts.as_object().unwrap().clone());
    item
}

fn conversation_item(turns: &Value) -> Item {
    item(
        keys::CONVERSATION,
        json!({"sources": {"alicom-call-note": format!("{RECEIVED} {}", DIGESTS[0])}, "turns": turns}),
    )
}

fn recording_item(slot: &str, more: Value) -> Item {
    let mut item = item(
        &keys::recording_sk(slot),
        json!({"slot": slot, "state": "pending", "call_at": RECEIVED, "first_received_at": RECEIVED}),
    );
    item.extend(more.as_object().unwrap().clone());
    item
}

fn archived() -> Value {
    json!({"state": "archived", "sha256": "ab".repeat(32), "media_type": "audio/x-wav", "archived_at": "2025-06-02T00:00:00.000Z"})
}

fn push_item(digest: &str, received_at: &str, body: &str) -> Item {
    item(&keys::push_sk("alicom-call-report", digest), json!({"received_at": received_at, "body": body}))
}

fn url(key: &CallKey, slot: &str) -> Option<String> {
    Some(format!("https://calls.example{}", recording_path(key, slot)))
}

fn shown_as(shown: Shown, call_id: &str, items: Vec<Item>) -> Value {
    let call = WholeCall::read(key(call_id), items).unwrap().unwrap();
    serde_json::to_value(Vcon::of(&call, &Options { shown, recording_url: &url })).unwrap()
}

fn vcon(items: Vec<Item>) -> Value {
    shown_as(Shown::Numbers, "1000^7", items)
}

#[test]
fn an_answered_call_has_its_recordings_and_who_talked() {
    let facts = json!({
        "callee": NUMBER, "display_number": "05710000001", "outcome": "answered", "duration_s": 330,
        "originated_at": "2025-06-01T01:59:45.000Z", "answered_at": "2025-06-01T02:00:00.000Z",
    });
    let turns =
        json!([{"speaker": "agent", "text": "Hello"}, {"speaker": "callee", "text": "Yes", "start_ms": 900}]);
    let vcon = vcon(vec![
        recording_item("customer", archived()),
        recording_item("full", archived()),
        conversation_item(&turns),
        call_item(&facts),
    ]);
    assert_eq!(vcon["vcon"], "0.4.0");
    assert_eq!(
        (&vcon["created_at"], &vcon["updated_at"]),
        (&json!(RECEIVED), &json!("2025-06-02T00:00:00.000Z"))
    );
    let parties = json!([
        {"tel": "tel:05710000001", "type": "bot"},
        {"tel": "tel:8613912345678", "type": "person"},
        {"name": "Alibaba Cloud", "type": "organization"},
    ]);
    assert_eq!(vcon["parties"], parties);
    let dialog = |parties: Value, slot: &str| {
        json!({
            "type": "recording", "start": "2025-06-01T02:00:00.000Z", "parties": parties, "mediatype": "audio/x-wav",
            "url": format!("https://calls.example/api/calls/alicom/1000~5E7/recordings/{slot}"),
            "content_hash": format!("sha256-{}", "q6ur".repeat(10) + "q6s"), "application": "Alibaba Cloud",
        })
    };
    let (mut both, mut customer) = (dialog(json!([0, 1]), "full"), dialog(json!([1]), "customer"));
    both["duration"] = 330.into();
    customer["originator"] = 0.into();
    assert_eq!(vcon["dialog"], json!([both, customer]));
    let turns = json!([
        {"speaker": "agent", "text": "Hello", "party": 0},
        {"speaker": "callee", "text": "Yes", "start_ms": 900, "party": 1},
    ]);
    assert_eq!(vcon["analysis"][0]["body"], json!({"turns": turns}));
    let report = &vcon["analysis"][1];
    assert_eq!((&report["type"], &report["vendor"]), (&json!("report"), &json!("Alibaba Cloud")));
    assert_eq!(
        (&report["body"]["call_id"], &report["body"]["outcome"]),
        (&json!("1000^7"), &json!("answered"))
    );
    let recordings = json!([
        {"dialog": 0, "slot": "full", "state": "archived"}, {"dialog": 1, "slot": "customer", "state": "archived"},
    ]);
    assert_eq!(report["body"]["recordings"], recordings);
    assert_eq!((vcon.get("redacted"), vcon.get("attachments")), (None, None));
}

#[test]
fn a_call_that_was_not_answered_says_why_in_the_drafts_words() {
    for (outcome, disposition) in [
        ("no_answer", "no-answer"),
        ("busy", "busy"),
        ("congestion", "congestion"),
        ("canceled", "hung-up"),
        ("abandoned", "hung-up"),
        ("voicemail", "voicemail-no-message"),
        ("rejected", "failed"),
        ("powered_off", "failed"),
        ("other", "failed"),
    ] {
        let facts = json!({"outcome": outcome, "originated_at": "2025-06-01T01:59:45.000Z", "duration_s": 0});
        let alone = vcon(vec![call_item(&facts)]);
        let dialog = json!([{
            "type": "incomplete", "start": "2025-06-01T01:59:45.000Z", "parties": [0, 1], "disposition": disposition,
            "application": "Alibaba Cloud",
        }]);
        assert_eq!(alone["dialog"], dialog, "{outcome}");
        // Somebody talked.
        let spoken = vcon(vec![call_item(&facts), conversation_item(&json!([{"text": "Hello"}]))]);
        assert_eq!(spoken["dialog"][0]["type"], "recording", "{outcome}");
        let recorded = vcon(vec![call_item(&facts), recording_item("main", archived())]);
        let kinds: Vec<_> = recorded["dialog"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dialog| dialog["type"].as_str().unwrap())
            .collect();
        match outcome {
            "voicemail" | "other" => assert_eq!(kinds, ["recording"], "{outcome}"),
            _ => {
                assert_eq!(kinds, ["incomplete", "recording"], "the network's announcement: {outcome}");
                assert_eq!(recorded["analysis"][0]["body"]["recordings"][0]["dialog"], 1);
            }
        }
    }
}

#[test]
fn what_is_not_known_yet_gets_its_place_and_its_content_later() {
    let bare =
        json!([{"type": "recording", "start": RECEIVED, "parties": [0, 1], "application": "Alibaba Cloud"}]);
    let early = vcon(vec![call_item(&json!({}))]);
    assert_eq!(early["dialog"], bare);
    let announced = vcon(vec![call_item(&json!({})), recording_item("main", json!({}))]);
    assert_eq!(announced["dialog"], bare);
    let report =
        json!({"type": "recording", "originated_at": "2025-05-22T04:29:20.000Z", "outcome": "answered"});
    let late = vcon(vec![call_item(&report), recording_item("main", archived())]);
    assert_eq!(late["dialog"].as_array().unwrap().len(), 1);
    assert!(late["dialog"][0]["url"].is_string());
    assert_eq!(early["uuid"], late["uuid"], "the same call");
}

#[test]
fn a_url_is_https_and_only_of_what_is_archived() {
    let items = |more: Value| vec![call_item(&json!({})), recording_item("main", more)];
    for state in ["pending", "expired", "failed"] {
        let vcon = vcon(items(json!({"state": state, "sha256": "ab".repeat(32)})));
        assert_eq!(
            (vcon["dialog"][0].get("url"), vcon["dialog"][0].get("content_hash")),
            (None, None),
            "{state}"
        );
        assert_eq!(vcon["analysis"][0]["body"]["recordings"][0]["state"], state);
    }
    let call = WholeCall::read(key("1"), items(archived())).unwrap().unwrap();
    for recording_url in
        [|_: &CallKey, _: &str| Some("http://127.0.0.1/1".to_owned()), |_: &CallKey, _: &str| None]
    {
        let options = Options { shown: Shown::Numbers, recording_url: &recording_url };
        let vcon = serde_json::to_value(Vcon::of(&call, &options)).unwrap();
        assert_eq!(vcon["dialog"][0].get("url"), None);
        assert!(
            vcon["dialog"][0]["content_hash"].is_string(),
            "whoever has the recording otherwise can check it"
        );
    }
}

#[test]
fn sha_512_is_told_where_it_is_known() {
    for (more, starts) in [
        (json!({"sha512": "cd".repeat(64)}), Some("sha512-zc3Nzc3N")),
        (json!({"sha512": "cd"}), Some("sha256-q6urq6ur")),
        (json!({"sha256": "no"}), None),
    ] {
        let mut recording = archived();
        recording.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let vcon = vcon(vec![call_item(&json!({})), recording_item("main", recording)]);
        let hash = vcon["dialog"][0].get("content_hash").and_then(Value::as_str);
        assert_eq!(hash.map(|hash| &hash[..15]), starts);
        assert!(hash.is_none_or(|hash| !hash.contains(['=', '+', '/'])));
    }
    let odd = recording_item("main", json!({"state": "archived", "media_type": "audio/x-wav\r\nx: y"}));
    assert_eq!(vcon(vec![call_item(&json!({})), odd])["dialog"][0].get("mediatype"), None);
}

#[test]
fn whoever_may_not_see_numbers_gets_a_vcon_of_its_own() {
    let facts = json!({
        "callee": NUMBER, "caller": "05710000002", "display_number": "05710000001", "task_id": "118100001234",
        "out_id": "x-13912345678", "tags": {"call back": ["13912345679"], NUMBER: ["5678"]},
        "status": {"statusMsg": "called 139 1234 5678"}, "duration_s": 13912345678i64, "cost": {"amount": 0.0007654321, "currency": "USD"},
    });
    let turns = json!([{"speaker": "agent", "text": "Is it 138-0000-1111?", "start_ms": 7654321, "extra": {"n": 13912345678i64}}]);
    let items = vec![call_item(&facts), conversation_item(&turns), push_item(DIGESTS[1], LATER, NUMBER)];
    let masked = shown_as(Shown::WithoutNumbers, "7", items.clone());
    let whole = shown_as(Shown::NumbersAndPushes, "7", items);
    assert_eq!(masked["redacted"], json!({"uuid": whole["uuid"], "type": "phone numbers"}));
    assert_ne!(masked["uuid"], whole["uuid"]);
    let parties = json!([
        {"name": "057******01", "type": "bot"}, {"name": "861********78", "type": "person"},
        {"name": "Alibaba Cloud", "type": "organization"},
    ]);
    assert_eq!(masked["parties"], parties);
    let report = json!({
        "provider": "alicom", "call_id": "7", "callee": "861********78", "caller": "057******02", "display_number": "057******01",
        "task_id": "118100001234", "out_id": "x-***********", "tags": {"call back": ["***********"], "*************": ["****"]},
        "status": {"statusMsg": "called *** **** ****"}, "cost": {"amount": "0.0007654321", "currency": "USD"},
    });
    assert_eq!(masked["analysis"][1]["body"], report);
    let turn = json!({"speaker": "agent", "text": "Is it ***-****-****?", "start_ms": 7654321, "extra": {"n": "***"}, "party": 0});
    assert_eq!(masked["analysis"][0]["body"]["turns"], json!([turn]));
    assert_eq!(masked.get("attachments"), None);
    assert_eq!(whole["analysis"][1]["body"]["tags"], facts["tags"]);
}

#[test]
fn an_id_that_tells_the_number_is_not_told_by_a_url() {
    let items = vec![call_item(&json!({"callee": NUMBER})), recording_item("main", archived())];
    let told = shown_as(Shown::WithoutNumbers, "call of 13912345678", items.clone());
    assert_eq!(
        (told["dialog"][0].get("url"), &told["analysis"][0]["body"]["call_id"]),
        (None, &json!("call of ***********"))
    );
    assert!(shown_as(Shown::Numbers, "call of 13912345678", items)["dialog"][0]["url"].is_string());
}

#[test]
fn pushes_are_attached_as_they_came_in_order_of_their_receipt() {
    let body = "{\"callId\" : \"1\",\"x\":\"\u{2028}<script>\\u0000\"}";
    let pushes = vec![
        push_item(DIGESTS[1], RECEIVED, "{}"),
        push_item(DIGESTS[0], LATER, body),
        call_item(&json!({})),
    ];
    let vcon = shown_as(Shown::NumbersAndPushes, "1", pushes);
    let attachments = json!([
        {
            "purpose": "push alicom-call-report 0123456789abcdef", "start": RECEIVED, "party": 2, "dialog": 0,
            "mediatype": "application/json", "encoding": "none", "body": body,
        },
        {
            "purpose": "push alicom-call-report fedcba9876543210", "start": LATER, "party": 2, "dialog": 0,
            "mediatype": "application/json", "encoding": "none", "body": "{}",
        },
    ]);
    assert_eq!(vcon["attachments"], attachments, "as the record knows the receipts");
}

#[test]
fn a_number_is_a_tel_url_if_it_is_one() {
    for (number, expected) in [
        ("13912345678", json!({"tel": "tel:13912345678", "type": "person"})),
        ("+86 (139) 1234-5678", json!({"tel": "tel:+86(139)1234-5678", "type": "person"})),
        ("139****1111", json!({"name": "139****1111", "type": "person"})),
        ("+", json!({"name": "+", "type": "person"})),
        ("13912345678;ext=1", json!({"name": "13912345678;ext=1", "type": "person"})),
    ] {
        assert_eq!(vcon(vec![call_item(&json!({"callee": number}))])["parties"][1], expected);
    }
    assert_eq!(vcon(vec![call_item(&json!({}))])["parties"][1], json!({"type": "person"}));
}

#[test]
fn no_vcon_is_made_of_an_erased_call_or_of_none() {
    let at: Instant = RECEIVED.parse().unwrap();
    let tombstone = crate::record::tombstone::tombstone(&key("1"), at, [], None, 2);
    let left = push_item(DIGESTS[0], RECEIVED, "{}");
    assert_eq!(WholeCall::read(key("1"), vec![left.clone(), tombstone]).unwrap(), None);
    assert_eq!(WholeCall::read(key("1"), vec![left]).unwrap(), None);
    assert_eq!(WholeCall::read(key("1"), Vec::new()).unwrap(), None);
}

#[test]
fn what_is_too_large_for_an_item_is_put_where_it_belongs() {
    let mut conversation = conversation_item(&json!([]));
    conversation.remove("turns");
    conversation.insert("turns_key".to_owned(), "large/1.json".into());
    let whole = |conversation: &Item| vcon(vec![call_item(&json!({})), conversation.clone()]);
    assert_eq!(whole(&conversation)["analysis"][0]["type"], "report", "without its object");
    let part = LargePart::of(&conversation).unwrap();
    assert_eq!((part.key.as_str(), part.is_body()), ("large/1.json", false));
    assert!(part.clone().put_into(&mut conversation.clone(), b"{".to_vec()).is_err());
    part.put_into(&mut conversation, br#"[{"text":"Hello"}]"#.to_vec()).unwrap();
    assert_eq!(LargePart::of(&conversation), None);
    assert_eq!(whole(&conversation)["analysis"][0]["body"]["turns"][0]["text"], "Hello");

    let mut push = push_item(DIGESTS[0], RECEIVED, "");
    push.remove("body");
    push.insert("body_key".to_owned(), "large/2.json".into());
    let call =
        |push: &Item| WholeCall::read(key("1"), vec![call_item(&json!({})), push.clone()]).unwrap().unwrap();
    assert_eq!(call(&push).pushes[0].body, None);
    let part = LargePart::of(&push).unwrap();
    assert!(part.is_body());
    part.put_into(&mut push, b"{}".to_vec()).unwrap();
    assert_eq!(call(&push).pushes[0].body.as_deref(), Some("{}"));
}

/// Text that tells a number, in one of the ways in which people write it, or does not.
fn texts(number: &str) -> impl Strategy<Value = String> + Clone + use<> {
    let dashed = number.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-");
    let forms = vec![
        number.to_owned(),
        format!("+86{number}"),
        number[number.len() - 8..].to_owned(),
        number[..6].to_owned(),
        dashed,
        "1181".to_owned(),
        String::new(),
    ];
    let form = proptest::sample::select(forms);
    prop_oneof![
        form.clone(),
        ("\\PC{0,9}", form, "\\PC{0,9}").prop_map(|(before, form, after)| before + &form + &after),
    ]
}

/// JSON that tells a number somewhere, perhaps: as text, as a number, as a name.
fn values(number: &str) -> impl Strategy<Value = Value> + Clone + use<> {
    let text = texts(number);
    let as_number = Value::Number(number.parse().unwrap());
    let leaf = prop_oneof![
        3 => text.clone().prop_map(Value::String),
        1 => Just(as_number),
        1 => (0u64..2000).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(Value::Bool(true)),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A call whose callee has this number: its id, and its items.
fn calls(number: String) -> impl Strategy<Value = (String, String, Vec<Item>)> {
    const ATTRIBUTES: [&str; 19] = [
        "task_id",
        "out_id",
        "app_id",
        "script_id",
        "caller",
        "display_number",
        "originated_at",
        "answered_at",
        "duration_s",
        "billed_s",
        "outcome",
        "hangup_by",
        "intent_code",
        "intent_name",
        "tags",
        "cost",
        "attempt",
        "status",
        "of a later release",
    ];
    let sound = prop_oneof![
        proptest::sample::select(vec![
            "answered",
            "busy",
            "no_answer",
            "voicemail",
            "2025-06-01T02:00:00.000Z"
        ])
        .prop_map(Value::from),
        (0u64..600).prop_map(Value::from),
    ];
    let value = prop_oneof![sound, values(&number)];
    let facts =
        proptest::collection::btree_map(proptest::sample::select(ATTRIBUTES.to_vec()), value.clone(), 0..12);
    let turn = (proptest::sample::select(vec!["agent", "callee", "x"]), texts(&number), value.clone(), value.clone())
        .prop_map(|(speaker, text, start_ms, extra)| json!({"speaker": speaker, "text": text, "start_ms": start_ms, "extra": extra}));
    let turns =
        proptest::option::of(proptest::collection::vec(prop_oneof![4 => turn, 1 => value.clone()], 0..4));
    let slot = prop_oneof![3 => proptest::sample::select(vec!["main", "full", "customer"]).prop_map(str::to_owned), 1 => texts(&number)];
    let state = proptest::sample::select(vec!["pending", "archived", "expired", "failed"]);
    let media_type = proptest::sample::select(vec![
        "audio/x-wav".to_owned(),
        format!("audio/{number}"),
        "none".to_owned(),
    ]);
    let recordings = proptest::collection::btree_map(slot, (state, media_type), 0..4);
    let pushes = proptest::collection::vec(texts(&number), 0..3);
    let call_id = texts(&number).prop_filter("a call id is not blank", |id| !id.trim().is_empty());
    (call_id, facts, turns, recordings, pushes, value).prop_map(
        move |(call_id, facts, turns, recordings, pushes, variables)| {
            let mut facts: Map<String, Value> =
                facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            facts.insert("callee".to_owned(), number.clone().into());
            let mut items = vec![call_item(&Value::Object(facts))];
            items.extend(turns.map(|turns| {
                let mut conversation = conversation_item(&Value::Array(turns));
                conversation.insert("variables".to_owned(), variables);
                conversation
            }));
            items.extend(recordings.into_iter().map(|(slot, (state, media_type))| {
                recording_item(
                    &slot,
                    json!({"state": state, "media_type": media_type, "sha256": "ab".repeat(32)}),
                )
            }));
            items.extend(pushes.iter().zip(DIGESTS).map(|(body, digest)| push_item(digest, LATER, body)));
            (number.clone(), call_id, items)
        },
    )
}

fn any_call() -> impl Strategy<Value = (String, String, Vec<Item>)> {
    "[1-9][0-9]{7,21}".prop_flat_map(calls)
}

/// Visits every text, name and number of a vCon, but what is reckoned from the whole: UUIDs and hashes.
fn visit(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => look(&number.to_string()),
        Value::String(text) => look(text),
        Value::Array(list) => list.iter().for_each(|value| visit(value, look)),
        Value::Object(object) => {
            for (name, value) in
                object.iter().filter(|(name, _)| !["uuid", "content_hash"].contains(&name.as_str()))
            {
                look(name);
                visit(value, look);
            }
        }
    }
}

/// Takes out of a vCon the ids that many calls share.
fn take_shared_ids(value: &mut Value, taken: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| take_shared_ids(value, taken)),
        Value::Object(object) => {
            let is_shared =
                |name: &&String| field_named(name).is_some_and(|field| field.kind == Kind::SharedId);
            let names: Vec<_> = object.keys().filter(is_shared).cloned().collect();
            taken.extend(names.iter().filter_map(|name| object.remove(name)));
            object.values_mut().for_each(|value| take_shared_ids(value, taken));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a place is one of a list's.
fn is_of(place: &Value, list: &Value) -> bool {
    let length = list.as_array().unwrap().len();
    place.as_u64().is_some_and(|place| usize::try_from(place).unwrap() < length)
}

proptest! {
    #[test]
    fn the_same_call_makes_the_same_vcon_in_whatever_order_it_is_read(
        (_, id, items) in any_call(), order in any::<u64>(),
    ) {
        let mut shuffled = items.clone();
        fastrand::Rng::with_seed(order).shuffle(&mut shuffled);
        for shown in [Shown::WithoutNumbers, Shown::Numbers, Shown::NumbersAndPushes] {
            let one = shown_as(shown, &id, items.clone()).to_string();
            prop_assert_eq!(&one, &shown_as(shown, &id, shuffled.clone()).to_string());
        }
    }

    #[test]
    fn no_eight_digits_of_a_hidden_number_are_anywhere((number, id, items) in any_call()) {
        let mut vcon = shown_as(Shown::WithoutNumbers, &id, items);
        let mut shared = Vec::new();
        take_shared_ids(&mut vcon, &mut shared);
        let mut told = Vec::new();
        // An id that many calls share is told by ten digits, or by eight that stand by themselves.
        for (value, length) in [(vcon, 8), (Value::Array(shared), 10)] {
            visit(&value, &mut |text| {
                for digits in text.split(|character: char| !character.is_ascii_digit()) {
                    let known = |some: &[u8]| number.as_bytes().windows(length).any(|known| known == some);
                    let tells = digits.as_bytes().windows(length).any(known) || digits.len() >= 8 && number.contains(digits);
                    told.extend(tells.then(|| text.to_owned()));
                }
            });
        }
        prop_assert!(told.is_empty(), "{number}: {told:?}");
    }

    #[test]
    fn every_place_is_one_that_there_is((_, id, items) in any_call()) {
        for shown in [Shown::WithoutNumbers, Shown::NumbersAndPushes] {
            let vcon = shown_as(shown, &id, items.clone());
            let (parties, dialogs) = (&vcon["parties"], &vcon["dialog"]);
            for dialog in dialogs.as_array().unwrap() {
                prop_assert!(dialog["parties"].as_array().unwrap().iter().all(|party| is_of(party, parties)));
                prop_assert!(dialog.get("originator").is_none_or(|party| is_of(party, parties)));
                prop_assert_eq!(dialog.get("disposition").is_some(), dialog["type"] == "incomplete");
            }
            for analysis in vcon["analysis"].as_array().unwrap() {
                prop_assert!(is_of(&analysis["dialog"], dialogs));
                for turn in analysis["body"]["turns"].as_array().into_iter().flatten() {
                    prop_assert!(turn.get("party").is_none_or(|party| is_of(party, parties)));
                }
                for recording in analysis["body"]["recordings"].as_array().into_iter().flatten() {
                    prop_assert!(is_of(&recording["dialog"], dialogs));
                    let place = usize::try_from(recording["dialog"].as_u64().unwrap()).unwrap();
                    prop_assert_eq!(&dialogs[place]["type"], "recording");
                }
            }
            for attachment in vcon.get("attachments").into_iter().flat_map(|all| all.as_array().unwrap()) {
                prop_assert!(is_of(&attachment["party"], parties) && is_of(&attachment["dialog"], dialogs));
            }
        }
    }
}
