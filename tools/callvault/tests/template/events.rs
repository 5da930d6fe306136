//! What is told of events in files, against what they are: schemas, the documentation's samples and recipes, the template's rules.
//!
//! `UPDATE_EVENTS=1` writes schemas and samples anew.

use std::collections::BTreeSet;

use operator::sample_events;
use serde_json::{Map, Value, json};
use shared::events::{Event, EventType, MAX_DETAIL_BYTES, schema};
use shared::model::Instant;

use crate::template::{Template, list, read, read_json, root};

const PAGE: &str = "docs/events.md";

/// An event as a rule's target gets it.
fn whole(event: &Event) -> Value {
    json!({
        "version": "0",
        "id": "0f9e7a4c-5b1d-4e62-9a57-3f1d6c0b8e21",
        "detail-type": event.event_type.as_str(),
        "source": "callvault",
        "account": "123456789012",
        "time": "2025-06-01T02:05:33Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": event.detail,
    })
}

/// One event of each type, always the same.
fn samples() -> Vec<(EventType, Value)> {
    let at = Instant::from_epoch_millis(1_748_743_533_120).unwrap();
    let samples = sample_events("10000161^1000018", at).unwrap();
    samples.into_iter().map(|(kind, event)| (kind, whole(&event))).collect()
}

fn is_updating() -> bool {
    std::env::var_os("UPDATE_EVENTS").is_some()
}

/// Which field feeds the tags is each function's own knowledge; events need all of them, to tell that tags are missing.
#[test]
fn the_fields_that_feed_tags_are_those_of_the_functions() {
    let pushes =
        catalog::PUSH_FUNCTIONS.into_iter().map(|known| known.push).chain([fetch_conversations::ANSWER]);
    let fields: BTreeSet<_> = pushes
        .flat_map(|push| push.feeds.call.iter().filter(|(_, attribute)| *attribute == "tags"))
        .map(|(field, _)| *field)
        .collect();
    assert_eq!(fields, shared::events::TAG_FIELDS.into());
}

#[test]
fn there_is_a_sample_of_every_type() {
    let kinds: BTreeSet<_> = samples().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, EventType::ALL.into());
}

#[test]
fn every_type_has_its_schema_and_its_sample_is_as_the_schema_says() {
    let folder = root().join("events/schemas");
    for kind in EventType::ALL {
        let schema = schema(kind);
        let path = format!("events/schemas/{}.json", kind.as_str());
        if is_updating() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(root().join(&path), serde_json::to_string_pretty(&schema).unwrap() + "\n")
                .unwrap();
        }
        assert_eq!(read_json(&path), schema, "{path}: UPDATE_EVENTS=1 writes it anew");
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, EventType::ALL.len());
    for (kind, event) in samples() {
        let mut wrong = Vec::new();
        check(&schema(kind), &event, "", &mut wrong);
        assert_eq!(wrong, [""; 0], "{}", kind.as_str());
        assert!(event["detail"].to_string().len() <= MAX_DETAIL_BYTES);
        // What the schema does not name is told to nobody who reads it.
        let named = schema(kind)["properties"]["detail"]["properties"].clone();
        for part in ["recording", "call"] {
            let attributes = event["detail"].get(part).and_then(Value::as_object).into_iter().flatten();
            for (name, _) in attributes {
                assert!(named[part]["properties"].get(name).is_some(), "{}: {part}.{name}", kind.as_str());
            }
        }
        for (name, _) in event["detail"].as_object().unwrap() {
            assert!(named.get(name).is_some(), "{}: {name}", kind.as_str());
        }
    }
}

/// What of a value is not as a schema says, as far as ours go.
fn check(schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
    let is_of_type = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        other => panic!("{other}"),
    };
    let kinds = list(&schema["type"]);
    if !kinds.is_empty()
        && schema.get("type").is_some()
        && !kinds.iter().any(|kind| is_of_type(kind.as_str().unwrap()))
    {
        wrong.push(format!("{path}: not {}", schema["type"]));
    }
    if schema.get("const").is_some_and(|expected| expected != value) {
        wrong.push(format!("{path}: not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        wrong.push(format!("{path}: none of {}", schema["enum"]));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let text = value.as_str().unwrap_or_default();
        if !regex::Regex::new(pattern).unwrap().is_match(text) {
            wrong.push(format!("{path}: not like {pattern}"));
        }
    }
    if schema["format"] == "date-time"
        && value.as_str().is_none_or(|at| at.parse::<jiff::Timestamp>().is_err())
    {
        wrong.push(format!("{path}: no time"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            wrong.push(format!("{path}.{name}: missing"));
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            check(schema, value, &format!("{path}.{name}"), wrong);
        }
    }
    if let Some(schema) = schema.get("items") {
        for value in value.as_array().into_iter().flatten() {
            check(schema, value, &format!("{path}[]"), wrong);
        }
    }
}

/// The samples that the page shows, between `<!-- event: <type> -->` and the end of the block.
#[test]
fn the_page_shows_every_event_as_it_comes() {
    let mut page = read(PAGE);
    for (kind, event) in samples() {
        let mark = format!("<!-- event: {} -->\n```json\n", kind.as_str());
        let start = page.find(&mark).unwrap_or_else(|| panic!("{PAGE}: no {mark}")) + mark.len();
        let end = start + page[start..].find("```").unwrap();
        let shown = serde_json::to_string_pretty(&event).unwrap() + "\n";
        if is_updating() {
            page.replace_range(start..end, &shown);
            std::fs::write(root().join(PAGE), &page).unwrap();
        } else {
            assert_eq!(&page[start..end], shown, "{}: UPDATE_EVENTS=1 writes it anew", kind.as_str());
        }
    }
    for kind in EventType::ALL {
        assert!(page.contains(&format!("| `{}` |", kind.as_str())), "{}", kind.as_str());
    }
}

/// What an input transformer makes of an event, as EventBridge documents it.
///
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>
fn transformed(transformer: &Value, event: &Value) -> Value {
    let mut text = transformer["InputTemplate"].as_str().unwrap().to_owned();
    for (name, path) in transformer["InputPathsMap"].as_object().unwrap() {
        let path = path.as_str().unwrap().strip_prefix("$.").unwrap_or_else(|| panic!("{path}"));
        let value = path.split('.').try_fold(event, |value, name| value.get(name));
        let place = format!("<{name}>");
        assert!(text.contains(&place), "{place} is of no use");
        // Between quotes it stands as it is; elsewhere as JSON.
        let plain = match value {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let as_json = value.map_or_else(|| "\"\"".to_owned(), Value::to_string);
        let mut made = String::new();
        let mut in_quotes = false;
        let mut rest = text.as_str();
        while let Some(character) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix(&place) {
                made.push_str(if in_quotes { &plain } else { &as_json });
                rest = after;
                continue;
            }
            in_quotes ^= character == '"';
            made.push(character);
            rest = &rest[character.len_utf8()..];
        }
        text = made;
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn sample(kind: EventType) -> Value {
    samples().into_iter().find(|(known, _)| *known == kind).unwrap().1
}

/// The recipes' input transformers, as the page has them after `<!-- transformer: <name> -->`.
fn recipe(name: &str) -> Value {
    let page = read(PAGE);
    let (_, rest) = page
        .split_once(&format!("<!-- transformer: {name} -->\n```json\n"))
        .unwrap_or_else(|| panic!("{name}"));
    serde_json::from_str(rest.split_once("```").unwrap().0).unwrap()
}

#[test]
fn the_recipes_make_what_their_receivers_take() {
    let (lead, lost, done) = (
        sample(EventType::CallIntent),
        sample(EventType::RecordingExpired),
        sample(EventType::CallCompleted),
    );
    let call_id = done["detail"]["call_id"].as_str().unwrap();
    for (name, text) in
        [("dingtalk", "/text/content"), ("wecom", "/text/content"), ("feishu", "/content/text")]
    {
        let transformer = recipe(name);
        for event in [&lead, &lost, &done] {
            let message = transformed(&transformer, event);
            let told =
                message.pointer(text).and_then(Value::as_str).unwrap_or_else(|| panic!("{name}: {message}"));
            assert!(told.contains(call_id), "{name}: {told}");
        }
        let message = transformed(&transformer, &lead);
        assert!(message["msgtype"] == "text" || message["msg_type"] == "text", "{message}");
    }
    let hubspot = transformed(&recipe("hubspot"), &done);
    let properties = hubspot["properties"].as_object().unwrap();
    assert!(
        properties["hs_timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(),
        "{properties:?}"
    );
    assert_eq!(properties["hs_call_status"], "COMPLETED");
    assert!(properties["hs_call_title"].as_str().unwrap().contains(call_id));
}

#[test]
fn the_templates_rules_take_our_events_and_the_leads_message_is_a_text() {
    let template = Template::read();
    let rule = &template.resource("LeadRule")["Properties"];
    let pattern = &rule["EventPattern"];
    assert_eq!(pattern["source"], json!(["callvault"]));
    assert_eq!(pattern["detail-type"], json!([EventType::CallIntent.as_str()]));
    // By its code or by its name, whichever the platform tells.
    let by = |attribute: &str| json!({"call": {attribute: {"Ref": "LeadIntents"}}});
    assert_eq!(pattern["detail"], json!({"$or": [by("intent_code"), by("intent_name")]}));
    let lead = sample(EventType::CallIntent);
    assert!(lead["detail"]["call"]["intent_code"].is_string());
    let message = transformed(&rule["Targets"][0]["InputTransformer"], &lead);
    let message = message.as_str().unwrap();
    assert!(
        message.starts_with("Lead ") && message.contains(lead["detail"]["href"].as_str().unwrap()),
        "{message}"
    );
    let kinds = |parameter: &str| -> BTreeSet<String> {
        let default = template.parameters()[parameter]["Default"].as_str().unwrap().to_owned();
        default.split(',').map(str::to_owned).collect()
    };
    let published = kinds("EventTypes");
    let by_default: BTreeSet<_> = EventType::ALL
        .into_iter()
        .filter(|kind| kind.is_on_by_default())
        .map(|kind| kind.as_str().to_owned())
        .collect();
    assert_eq!(published, by_default);
    assert!(kinds("WebhookDetailTypes").is_subset(&published));
    assert_eq!(
        template.resource("WebhookRule")["Properties"]["EventPattern"],
        json!({"source": ["callvault"], "detail-type": {"Ref": "WebhookDetailTypes"}})
    );
}

/// The event source mapping hands over what events are made of, and nothing else.
#[test]
fn the_filter_takes_the_items_that_events_are_made_of() {
    let template = Template::read();
    let mapping = &template.resource("Changes")["Properties"];
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(mapping["EventSourceArn"], json!({"Fn::GetAtt": "Table.StreamArn"}));
    let filters = list(&mapping["FilterCriteria"]["Filters"]);
    let [filter] = &filters[..] else { panic!("one filter") };
    let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
    let takes = |pk: &str, sk: &str| {
        let keys = json!({"dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}}});
        matches(&pattern, &keys)
    };
    for sk in ["call", "conversation", "recording#main", "recording#~1"] {
        assert!(takes("call#alicom#1", sk), "{sk}");
        assert!(shared::events::ItemKind::of_sk(sk).is_some(), "{sk}");
    }
    for (pk, sk) in [
        ("call#alicom#1", "push#alicom-call-report#1"),
        ("access#alicom#1", "call"),
        ("dirty", "2025-06-01T02"),
        ("envelope#f#1", "envelope"),
        ("review#alicom#1", "review"),
    ] {
        assert!(!takes(pk, sk), "{pk} {sk}");
    }
}

/// Whether a value is what a pattern of Lambda's asks for: lists of texts and prefixes.
fn matches(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(fields) => {
            fields.iter().all(|(name, pattern)| value.get(name).is_some_and(|value| matches(pattern, value)))
        }
        Value::Array(allowed) => allowed.iter().any(|allowed| match allowed {
            Value::Object(rule) => is_prefix(rule, value),
            text => text == value,
        }),
        _ => false,
    }
}

fn is_prefix(rule: &Map<String, Value>, value: &Value) -> bool {
    let prefix = rule["prefix"].as_str().unwrap();
    value.as_str().is_some_and(|text| text.starts_with(prefix))
}
