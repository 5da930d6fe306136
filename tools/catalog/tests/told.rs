//! What whoever follows a call's events knows of it, whatever its pushes say and take back, and however old they make it seem: documents as the
//! platforms send them, through the functions' own normalizers.

#![allow(clippy::unwrap_used, reason = "it is a test")]

use catalog::stored_type;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use shared::events::Change;
use shared::events::{Event, EventSettings, EventType, ItemKind, events_again, events_of};
use shared::model::{CallId, CallKey, Instant, Provider};
use shared::normalize::Context;
use shared::record::history::{DECISIVE, OWN_FIELDS};
use shared::record::item::{self, Item, VERSION};
use shared::record::merge::{CALL_WRITERS, Record, merge};
use shared::record::missing::Waiting;
use shared::record::parts::{Element, parts};
use shared::view::Shown;

/// When the first push comes, in seconds since 1970.
const NOW: i64 = 1_748_743_200;
/// Of these, what is told of a call is about the call itself.
const OF_CALLS: [EventType; 2] = [EventType::CallCompleted, EventType::CallCorrected];
/// What tells of the callee's intent.
const INTENT: [&str; 2] = ["intent_code", "intent_name"];

/// How old a push says that its call is.
#[derive(Clone, Copy, Debug)]
enum Time {
    Young,
    Old,
    /// The fields are not there.
    Absent,
    /// They are null.
    Null,
}

/// What is pushed.
#[derive(Clone, Copy, Debug)]
enum Push {
    Report {
        time: Time,
        answered: Option<bool>,
        duration_s: u32,
        intent: Option<Option<char>>,
    },
    Record {
        time: Time,
        duration_s: u32,
    },
    /// The field of the intent may be absent, or null; what was said, too.
    Note {
        intent: Option<Option<char>>,
        turns: Option<bool>,
    },
    /// None: nothing more is waited for.
    Settled,
}

fn at(second: i64) -> Instant {
    Instant::from_epoch_seconds(NOW + second).unwrap()
}

/// Puts a time's fields into a document.
fn put(document: &mut Map<String, Value>, time: Time, fields: &[&str], written: impl Fn(i64) -> Value) {
    for field in fields {
        let value = match time {
            Time::Young => written(NOW - 3_600),
            Time::Old => written(NOW - 50 * 3_600),
            Time::Null => Value::Null,
            Time::Absent => continue,
        };
        document.insert((*field).to_owned(), value);
    }
}

/// The document of a push, and the function that catches it.
fn document(platform: Provider, push: Push) -> Option<(&'static str, Value)> {
    let alibaba = |second: i64| {
        let time = jiff::Timestamp::from_second(second + 8 * 3_600).unwrap();
        json!(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    };
    let mut document = Map::new();
    let function = match (platform, push) {
        (Provider::Alicom, Push::Report { time, answered, duration_s, .. }) => {
            let outcome = answered.map(|answered| if answered { "ANSWERED" } else { "NO_ANSWER" });
            document.extend([
                ("callId".to_owned(), json!("1")),
                ("smartStatusCode".to_owned(), json!(outcome)),
                ("duration".to_owned(), json!(duration_s)),
            ]);
            put(&mut document, time, &["startTime", "endTime", "originateTime", "ringTime"], alibaba);
            "alicom-call-report"
        }
        (Provider::Alicom, Push::Record { time, duration_s }) => {
            document.extend([
                ("callId".to_owned(), json!("1")),
                (
                    "recordFile".to_owned(),
                    json!(format!("https://x.oss-cn-shanghai.aliyuncs.com/{duration_s}.wav")),
                ),
                ("duration".to_owned(), json!(duration_s)),
            ]);
            put(&mut document, time, &["startTime", "endTime"], alibaba);
            "alicom-call-record"
        }
        (Provider::Alicom, Push::Note { intent, turns }) => {
            document.insert("callId".to_owned(), json!("1"));
            document.extend(intent.map(|intent| ("majorIntent".to_owned(), json!(intent))));
            let turns = turns.map(|any| if any { r#"[{"role":"user","content":"yes"}]"# } else { "[]" });
            document.extend(turns.map(|turns| ("conversationRecord".to_owned(), json!(turns))));
            "alicom-call-note"
        }
        (Provider::AiVoice, Push::Report { time, answered, duration_s, intent }) => {
            let outcome = answered.map(|answered| if answered { "ANSWERED" } else { "NO_ANSWER" });
            document.extend([
                ("callId".to_owned(), json!("1")),
                ("resultStatus".to_owned(), json!(outcome)),
                ("chatDuration".to_owned(), json!(duration_s)),
            ]);
            document.extend(intent.map(|intent| ("intentLevel".to_owned(), json!(intent))));
            put(&mut document, time, &["startTime", "endTime"], |second| json!(second));
            "ai-voice-call-record"
        }
        (Provider::Laaffic, Push::Report { time, answered, duration_s, intent }) => {
            let status = answered.map(|answered| if answered { 50 } else { 40 });
            document.extend([
                ("voiceId".to_owned(), json!("1")),
                ("callStatus".to_owned(), json!(status)),
                ("callDuration".to_owned(), json!(duration_s)),
            ]);
            document.extend(intent.map(|intent| ("intentCode".to_owned(), json!(intent))));
            let fields = ["submitTime", "callTime", "ringingTime", "answerTime", "hangupTime"];
            put(&mut document, time, &fields, |second| json!(second * 1_000));
            "laaffic-status-report"
        }
        _ => return None,
    };
    Some((function, Value::Object(document)))
}

fn push() -> impl Strategy<Value = Push> {
    let time = || prop_oneof![3 => Just(Time::Young), 3 => Just(Time::Old), 2 => Just(Time::Absent), 1 => Just(Time::Null)];
    let answered = prop_oneof![3 => Just(Some(true)), 3 => Just(Some(false)), 1 => Just(None)];
    let intent = || prop_oneof![2 => Just(None), 1 => Just(Some(None)), 3 => Just(Some(Some('A'))), 3 => Just(Some(Some('B')))];
    let turns = prop_oneof![1 => Just(None), 1 => Just(Some(false)), 4 => Just(Some(true))];
    prop_oneof![
        3 => (time(), answered, prop_oneof![Just(0_u32), Just(30), Just(44)], intent())
            .prop_map(|(time, answered, duration_s, intent)| Push::Report { time, answered, duration_s, intent }),
        1 => (time(), prop_oneof![Just(30_u32), Just(31)]).prop_map(|(time, duration_s)| Push::Record { time, duration_s }),
        2 => (intent(), turns).prop_map(|(intent, turns)| Push::Note { intent, turns }),
        1 => Just(Push::Settled),
    ]
}

/// A call as whoever follows its events knows it: the last that was told of it, each id once.
#[derive(Debug, Default)]
struct Follower {
    ids: Vec<String>,
    types: Vec<EventType>,
    completed: usize,
    known: Option<Value>,
    intent: Option<Value>,
}

impl Follower {
    fn hear(&mut self, events: &[Event]) {
        for event in events {
            // What is as it was before is told by the id of then: of these it is the revision that tells what is news.
            let comes_back = [EventType::CallCorrected, EventType::CallIntent];
            if self.ids.contains(&event.id) && !comes_back.contains(&event.event_type) {
                continue;
            }
            self.ids.push(event.id.clone());
            self.types.push(event.event_type);
            if event.event_type == EventType::CallIntent {
                self.intent = Some(intent(&event.detail["call"]));
            }
            if OF_CALLS.contains(&event.event_type) {
                assert!(
                    event.event_type == EventType::CallCompleted || self.completed > 0,
                    "first it is completed"
                );
                self.completed += usize::from(event.event_type == EventType::CallCompleted);
                self.known = Some(facts(&event.detail["call"]));
            }
        }
    }
}

fn intent(call: &Value) -> Value {
    INTENT.iter().map(|name| ((*name).to_owned(), call[*name].clone())).collect()
}

fn facts(call: &Value) -> Value {
    let mut call = call.clone();
    for name in ["first_received_at", "updated_at"] {
        call.as_object_mut().unwrap().remove(name);
    }
    call
}

/// Merges a push that is received at a second; whether it says anything new.
fn pushed(key: &CallKey, push: Push, second: i64, record: &mut Option<Record>) -> bool {
    let Some((function, document)) = document(key.provider, push) else { return false };
    let push = stored_type(function).unwrap();
    let context = Context { received_at: at(second), utc_offset: jiff::tz::offset(8) };
    let text = document.to_string();
    let normalized = push.normalized(&text, &context).unwrap();
    let key = key.clone();
    let element =
        Element { key, push, context, expires: None, text, envelope: None, asked: None, normalized };
    merge(CALL_WRITERS, record, parts(element).call)
}

/// Pushes in the order in which they come, each with whether it is in the same body as the one before: then both are received and written at once.
fn check(platform: Provider, mut pushes: Vec<(Push, bool)>) -> Result<(), TestCaseError> {
    // Of notes with what was said and notes without it is not kept which of them told it: all of a call's are of one kind.
    let first = pushes.iter().find_map(|(push, _)| match push {
        Push::Note { turns, .. } => Some(*turns),
        _ => None,
    });
    for (push, _) in &mut pushes {
        if let (Push::Note { turns, .. }, Some(first)) = (push, first) {
            *turns = first;
        }
    }
    let key = CallKey { provider: platform, call_id: CallId::new("1".to_owned()).unwrap() };
    let shown = Shown { numbers: false, callee_id: &|_| None };
    let settings = EventSettings::default();
    let item_of = |record: &Record, version: u64| {
        let waiting = Waiting { inquiry_delay_s: 300, complete_after_s: 3_600 };
        let mut item: Item = item::call_item(&key, record.clone(), waiting).unwrap().into();
        item.insert(VERSION.to_owned(), version.into());
        item
    };
    let function = |push: &Push| document(platform, *push).map(|(function, _)| function);
    let bodies = pushes.chunk_by(|(one, _), (other, is_beside)| {
        *is_beside && function(one).is_some() && function(one) == function(other)
    });
    let (mut record, mut version, mut follower) = (None::<Record>, 0_u64, Follower::default());
    for (second, body) in (0..).zip(bodies) {
        let old = record.as_ref().map(|record| item_of(record, version));
        let mut is_news = false;
        for (push, _) in body {
            is_news |= match (push, &mut record) {
                (Push::Settled, Some(record)) => {
                    let is_first = record.inquiry.settled_at.is_none();
                    record.inquiry.settled_at.get_or_insert(at(second));
                    is_first
                }
                (Push::Settled, None) => false,
                _ => pushed(&key, *push, second, &mut record),
            };
        }
        if !is_news {
            continue;
        }
        version += 1;
        let now = record.as_ref().unwrap();
        let change = Change {
            key: key.clone(),
            kind: ItemKind::Call,
            at: at(second),
            old,
            new: Some(item_of(now, version)),
        };
        let events = events_of(change, None, &settings, &shown).unwrap();
        follower.hear(&events);
        if let Some(known) = &follower.known {
            let is = facts(&Value::Object(shared::view::listed(&key, now, &shown)));
            prop_assert_eq!(known, &is, "live, after {}: {:?}", second, body);
        }
    }
    prop_assert!(follower.completed <= 1);
    let Some(record) = record else { return Ok(()) };
    let later = at(100 * 3_600);
    let again =
        events_again(key.clone(), ItemKind::Call, later, item_of(&record, version), None, &settings, &shown);
    let again = again.unwrap();
    for event in &again {
        prop_assert!(
            follower.ids.contains(&event.id),
            "nobody was told {:?}: {:?}",
            event.event_type,
            event.detail
        );
    }
    let is_corrected = |events: &[EventType]| events.contains(&EventType::CallCorrected);
    let again_types: Vec<_> = again.iter().map(|event| event.event_type).collect();
    prop_assert!(
        !is_corrected(&follower.types) || is_corrected(&again_types),
        "who missed the last correction"
    );
    let mut late = Follower::default();
    late.hear(&again);
    prop_assert_eq!(&late.known, &follower.known, "whoever missed all knows as much");
    // Of an intent that is another one by now nothing is left to tell.
    let is = intent(&Value::Object(shared::view::listed(&key, &record, &shown)));
    prop_assert!(late.intent.is_some() || follower.intent.as_ref() != Some(&is), "and the intent");
    Ok(())
}

/// What history takes for the fields of documents are such.
#[test]
fn the_fields_that_history_knows_feed_what_it_takes_them_for() {
    for (function, field, attribute) in OWN_FIELDS {
        let feeds = stored_type(function).unwrap().feeds.call;
        assert!(feeds.contains(&(field, attribute)), "{function}: {field} feeds no {attribute}");
    }
    // Of each of several functions of a platform, all that it tells alone is known.
    for push in catalog::pushes() {
        let is_ranked = |attribute: &str| CALL_WRITERS.iter().any(|(known, _)| *known == attribute);
        let is_one_of_several = CALL_WRITERS
            .iter()
            .any(|(_, ranking)| ranking.iter().any(|(function, _)| *function == push.function));
        for (field, attribute) in push.feeds.call.iter().filter(|_| is_one_of_several) {
            let is_shown = !attribute.starts_with("extra.") && *attribute != "status";
            assert!(
                is_ranked(attribute)
                    || !is_shown
                    || OWN_FIELDS.contains(&(push.function, *field, *attribute)),
                "{}: {field} tells {attribute} alone",
                push.function
            );
        }
    }
    // Of each function with a row, all that decides is known.
    for push in catalog::pushes() {
        let has_rows = OWN_FIELDS.iter().any(|(function, ..)| *function == push.function);
        for (field, attribute) in
            push.feeds.call.iter().filter(|(_, attribute)| has_rows && DECISIVE.contains(attribute))
        {
            let ranked = CALL_WRITERS
                .iter()
                .any(|(known, ranking)| known == attribute && ranking.contains(&(push.function, *field)));
            assert!(
                ranked || OWN_FIELDS.contains(&(push.function, field, attribute)),
                "{}: {field}",
                push.function
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn who_follows_a_call_knows_what_it_is(
        platform in prop_oneof![3 => Just(Provider::Alicom), 1 => Just(Provider::AiVoice), 1 => Just(Provider::Laaffic)],
        pushes in proptest::collection::vec((push(), proptest::bool::weighted(0.3)), 1..7),
    ) {
        check(platform, pushes)?;
    }
}
