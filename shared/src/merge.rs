//! Merging what the pushes about one call say, in whatever order, however often they come.
//!
//! A [`Record`] holds, without loss, what each function contributed to it: for an attribute that several functions write, the
//! strongest writer's value stands in the record itself; a weaker writer's value, where it differs, stands under
//! `extra.<function>` by the name that the field has in its document. From that every function's contribution can be told again,
//! so that merging is a union: independent of order, and repeating changes nothing.
//!
//! Within one function the newest body wins, field by field; an older one only fills what the newer lacks. A body that is
//! known already changes nothing, even if it comes again after a newer one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::inquiry::{HAS, Inquiry};
use crate::model::Instant;

/// AlicomAgentCallReport.
pub const REPORT: &str = "alicom-call-report";
/// AlicomAgentCallRecord.
pub const RECORD: &str = "alicom-call-record";
/// AlicomAgentCallNote.
pub const NOTE: &str = "alicom-call-note";
/// QueryConversationDetailInfo.
pub const QUERY: &str = "fetch-conversations";

/// A function that writes an attribute, and the name of the field in its document.
pub type Writer = (&'static str, &'static str);

/// Who writes an attribute, strongest first. An attribute that isn't listed has one writer only.
pub type Writers = &'static [(&'static str, &'static [Writer])];

/// Who writes what of a call. AI-voice and LAAFFIC have one writer each.
pub const CALL_WRITERS: Writers = &[
    ("task_id", &[(REPORT, "taskId"), (RECORD, "taskId"), (NOTE, "taskId"), (QUERY, "TaskId")]),
    ("batch_id", &[(REPORT, "batchId"), (RECORD, "batchId"), (NOTE, "batchId"), (QUERY, "BatchId")]),
    ("detail_id", &[(REPORT, "detailId"), (RECORD, "detailId"), (NOTE, "detailId"), (QUERY, "DetailId")]),
    ("out_id", &[(REPORT, "outId"), (RECORD, "outId"), (NOTE, "outId"), (QUERY, "OutId")]),
    ("caller", &[(REPORT, "caller"), (QUERY, "CallerPhone")]),
    ("display_number", &[(REPORT, "realCaller"), (NOTE, "realCaller")]),
    ("callee", &[(REPORT, "callee"), (QUERY, "CalledPhone")]),
    ("originated_at", &[(REPORT, "originateTime"), (QUERY, "StartCallTime"), (RECORD, "startTime")]),
    ("answered_at", &[(REPORT, "startTime"), (QUERY, "PickUpTime")]),
    ("ended_at", &[(REPORT, "endTime"), (QUERY, "ReleaseTime"), (RECORD, "endTime")]),
    ("duration_s", &[(REPORT, "duration"), (QUERY, "Duration"), (RECORD, "duration")]),
    ("outcome", &[(REPORT, "smartStatusCode"), (QUERY, "CallResult")]),
    ("hangup_by", &[(REPORT, "hangupDirection"), (QUERY, "HangupDirection")]),
    ("intent_code", &[(NOTE, "majorIntent"), (QUERY, "MajorIntent")]),
    ("tags", &[(NOTE, "outputTags"), (QUERY, "OutputTags")]),
];

/// Who writes what of a conversation.
pub const CONVERSATION_WRITERS: Writers = &[
    ("turns", &[(NOTE, "conversationRecord"), (QUERY, "ConversationRecord")]),
    ("intent_code", &[(NOTE, "majorIntent"), (QUERY, "MajorIntent")]),
    ("tags", &[(NOTE, "outputTags"), (QUERY, "OutputTags")]),
];

/// What one body of one function says.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The function that caught it.
    pub function: &'static str,
    /// The body's digest, which tells a repeat from news.
    pub body: String,
    /// When it was received.
    pub received_at: Instant,
    /// The attributes that it gives a sound value for.
    pub facts: Map<String, Value>,
    /// All else that it says, under the document's names.
    pub extra: Map<String, Value>,
}

/// What a function has contributed to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// When the newest of its bodies was received.
    pub received_at: Instant,
    /// The digests of its bodies, in order of time.
    pub bodies: Vec<String>,
    /// The attributes that it could have written and gave no sound value for.
    pub lacks: Vec<String>,
}

/// How many digests are remembered for a function; a provider repeats a message at most ten times.
const MAX_BODIES: usize = 32;

/// What all functions together say of a call, or of its conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The strongest writer's value of each attribute.
    pub facts: Map<String, Value>,
    /// By function: what the model has no attribute for, and what a stronger writer says otherwise.
    pub extra: BTreeMap<String, Map<String, Value>>,
    /// By function: what it has contributed.
    pub sources: BTreeMap<String, Source>,
    /// How often a call was asked for. No push changes it, so merging leaves it as it is.
    pub inquiry: Inquiry,
    /// When the first push was received.
    pub first_received_at: Instant,
    /// When the push that last changed the record was received.
    pub updated_at: Instant,
}

/// The record with a contribution merged in; `None` where the record holds it already.
pub fn merge(writers: Writers, stored: Option<&Record>, contribution: &Contribution) -> Option<Record> {
    let Contribution { function, body, received_at, facts, extra } = contribution.clone();
    let mut record = stored.cloned().unwrap_or_else(|| Record {
        facts: Map::new(),
        extra: BTreeMap::new(),
        sources: BTreeMap::new(),
        inquiry: Inquiry::default(),
        first_received_at: received_at,
        updated_at: received_at,
    });
    if record.sources.get(function).is_some_and(|source| source.bodies.contains(&body)) {
        return None;
    }
    let mut claims = Claims::of(writers, &mut record);

    let newest = record.sources.get(function).is_none_or(|source| source.received_at <= received_at);
    let (contested, sole): (Map<_, _>, Map<_, _>) =
        facts.into_iter().partition(|(attribute, _)| writer(writers, attribute, function).is_some());
    overlay(&mut record.facts, sole, newest);
    overlay(claims.0.entry(function.to_owned()).or_default(), contested, newest);
    overlay(record.extra.entry(function.to_owned()).or_default(), extra, newest);

    let source = record.sources.entry(function.to_owned()).or_insert_with(|| Source {
        received_at,
        bodies: Vec::new(),
        lacks: Vec::new(),
    });
    if newest {
        source.received_at = received_at;
        source.bodies.push(body);
    } else {
        source.bodies.insert(0, body);
    }
    source.bodies.drain(..source.bodies.len().saturating_sub(MAX_BODIES));

    claims.settle(writers, &mut record);
    record.extra.retain(|_, extra| !extra.is_empty());
    record.first_received_at = record.first_received_at.min(received_at);
    record.updated_at = record.updated_at.max(received_at);
    Some(record)
}

/// The record that comes of the same bodies as `stored`, read anew: `contribution` gives each body's, by function and digest. What is no
/// word of a body (receipt times, how often the call was asked for) stays as it is. `None` where a body is not to be had any more.
pub fn rebuilt(
    writers: Writers,
    stored: &Record,
    contribution: impl Fn(&str, &str) -> Option<Contribution>,
) -> Option<Record> {
    let mut record: Option<Record> = None;
    for (function, source) in &stored.sources {
        for body in &source.bodies {
            // The bodies are in order of time, and of equally old ones the later wins.
            let contribution =
                Contribution { received_at: source.received_at, ..contribution(function, body)? };
            record = merge(writers, record.as_ref(), &contribution).or(record);
        }
    }
    Some(Record {
        inquiry: stored.inquiry,
        first_received_at: stored.first_received_at,
        updated_at: stored.updated_at,
        ..record?
    })
}

/// By function: its values of the attributes that several functions write.
struct Claims(BTreeMap<String, Map<String, Value>>);

impl Claims {
    /// Takes the claims out of a record.
    fn of(writers: Writers, record: &mut Record) -> Self {
        let mut claims = BTreeMap::new();
        for (function, source) in &record.sources {
            let mut mine = Map::new();
            for (attribute, _) in writers {
                let Some(field) = writer(writers, attribute, function) else { continue };
                if source.lacks.iter().any(|lacking| lacking == attribute) {
                    continue;
                }
                let outranked = record.extra.get_mut(function).and_then(|extra| extra.remove(field));
                if let Some(value) = outranked.or_else(|| record.facts.get(*attribute).cloned()) {
                    mine.insert((*attribute).to_owned(), value);
                }
            }
            claims.insert(function.clone(), mine);
        }
        Self(claims)
    }

    /// Puts the claims back: the strongest into the record, those that differ from it under `extra`.
    fn settle(self, writers: Writers, record: &mut Record) {
        for (attribute, ranking) in writers {
            let strongest = ranking.iter().find_map(|(function, _)| self.0.get(*function)?.get(*attribute));
            match strongest {
                Some(value) => record.facts.insert((*attribute).to_owned(), value.clone()),
                None => continue,
            };
            for (function, field) in *ranking {
                if let Some(claim) = self.0.get(*function).and_then(|mine| mine.get(*attribute)) {
                    let extra = record.extra.entry((*function).to_owned()).or_default();
                    // An older body's unsound value must not be taken for a claim once a newer body gave a sound one.
                    if Some(claim) == strongest {
                        extra.remove(*field);
                    } else {
                        extra.insert((*field).to_owned(), claim.clone());
                    }
                }
            }
        }
        for (function, source) in &mut record.sources {
            let mine = &self.0[function];
            source.lacks = writers
                .iter()
                .filter(|(attribute, _)| {
                    writer(writers, attribute, function).is_some() && !mine.contains_key(*attribute)
                })
                .map(|(attribute, _)| (*attribute).to_owned())
                .collect();
        }
    }
}

/// The name of the field by which a function writes an attribute, if it does and is not the only one.
fn writer(writers: Writers, attribute: &str, function: &str) -> Option<&'static str> {
    let (_, ranking) = writers.iter().find(|(name, _)| *name == attribute)?;
    ranking.iter().find(|(name, _)| *name == function).map(|(_, field)| *field)
}

/// The attributes that every function adds to.
const UNIONS: [&str; 2] = ["status", HAS];

/// Adds values to an object: over those that are there, or only where none is. To [`UNIONS`] is added likewise.
fn overlay(base: &mut Map<String, Value>, values: Map<String, Value>, over: bool) {
    for (key, value) in values {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(base)), Value::Object(value)) if UNIONS.contains(&key.as_str()) => {
                overlay(base, value, over)
            }
            (Some(_), _) if !over => {}
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(second: i64) -> Instant {
        Instant::from_epoch_seconds(1_748_743_200 + second).unwrap()
    }

    fn contribution(function: &'static str, second: i64, facts: Value, extra: Value) -> Contribution {
        let object = |value: Value| value.as_object().unwrap().clone();
        Contribution {
            function,
            body: format!("{function}@{second}"),
            received_at: at(second),
            facts: object(facts),
            extra: object(extra),
        }
    }

    fn merged(contributions: &[Contribution]) -> Record {
        let mut record = None;
        for contribution in contributions {
            record = merge(CALL_WRITERS, record.as_ref(), contribution).or(record);
        }
        record.unwrap()
    }

    #[test]
    fn the_strongest_writer_wins_whenever_it_came_and_the_weaker_value_stays_in_extra() {
        let report =
            contribution(REPORT, 1, json!({"originated_at": "R", "duration_s": 5}), json!({"bDuration": 4}));
        let record = contribution(
            RECORD,
            2,
            json!({"originated_at": "C", "duration_s": 5, "task_id": "1"}),
            json!({}),
        );
        for order in [[&report, &record], [&record, &report]] {
            let merged = merged(&order.map(Clone::clone));
            assert_eq!(
                Value::Object(merged.facts),
                json!({"originated_at": "R", "duration_s": 5, "task_id": "1"})
            );
            assert_eq!(
                serde_json::to_value(merged.extra).unwrap(),
                json!({"alicom-call-report": {"bDuration": 4}, "alicom-call-record": {"startTime": "C"}})
            );
        }
    }

    #[test]
    fn a_null_removes_nothing_and_the_last_received_body_wins() {
        let first = contribution(REPORT, 1, json!({"callee": "1", "ringing_at": "a"}), json!({}));
        let second = contribution(REPORT, 2, json!({"callee": "2"}), json!({}));
        for order in [[&first, &second], [&second, &first]] {
            assert_eq!(
                Value::Object(merged(&order.map(Clone::clone)).facts),
                json!({"callee": "2", "ringing_at": "a"})
            );
        }
    }

    #[test]
    fn a_repeat_of_an_older_body_is_no_news() {
        let first = contribution(REPORT, 1, json!({"callee": "1"}), json!({}));
        let second = contribution(REPORT, 2, json!({"callee": "2"}), json!({}));
        let record = merged(&[first.clone(), second]);
        let repeated = Contribution { received_at: at(9), ..first };
        assert_eq!(merge(CALL_WRITERS, Some(&record), &repeated), None);
    }

    #[test]
    fn a_value_that_a_newer_body_displaced_is_still_the_weaker_writers() {
        let first = contribution(REPORT, 1, json!({"callee": "1"}), json!({}));
        let query = contribution(QUERY, 2, json!({"callee": "1"}), json!({}));
        let second = contribution(REPORT, 3, json!({"callee": "2"}), json!({}));
        let merged = merged(&[first, query, second]);
        assert_eq!(merged.extra[QUERY]["CalledPhone"], "1");
    }

    #[test]
    fn an_unsound_value_is_never_taken_for_a_sound_one() {
        let unsound = contribution(REPORT, 1, json!({}), json!({"originateTime": "yesterday"}));
        let record = contribution(RECORD, 2, json!({"originated_at": "C"}), json!({}));
        let merged = merged(&[unsound, record]);
        assert_eq!(merged.facts["originated_at"], "C");
        assert_eq!(merged.extra[REPORT]["originateTime"], "yesterday");
    }

    fn any_contribution() -> impl Strategy<Value = Contribution> {
        let functions = prop_oneof![Just(REPORT), Just(RECORD), Just(NOTE), Just(QUERY)];
        // Each function with at most two different bodies, of the times 0 and 1.
        (functions, 0..2_i64, proptest::collection::vec((0..CALL_WRITERS.len(), 0..3), 0..12), 0..3).prop_map(
            |(function, body, facts, extra)| {
                let mut contribution = contribution(function, body, json!({}), json!({}));
                contribution.facts.insert("status".to_owned(), json!({function: body}));
                contribution
                    .facts
                    .insert(HAS.to_owned(), json!({function: true, format!("{function} {body}"): true}));
                contribution.facts.insert(format!("only {function}"), json!(extra));
                contribution.extra.insert(format!("unknown {extra}"), json!(body));
                for (attribute, value) in facts {
                    let (attribute, writers) = CALL_WRITERS[attribute];
                    match writers.iter().find(|(writer, _)| *writer == function) {
                        Some((_, field)) if value == 0 => {
                            contribution.extra.insert((*field).to_owned(), json!("unsound"))
                        }
                        Some(_) => contribution.facts.insert(attribute.to_owned(), json!(value)),
                        None => None,
                    };
                }
                contribution
            },
        )
    }

    proptest! {
        /// Whatever the order, and however often each comes.
        #[test]
        fn merging_is_a_union(
            (contributions, shuffled) in proptest::collection::vec(any_contribution(), 1..8).prop_flat_map(|list| {
                // A body is what it is: the same digest never stands for two contents.
                let mut seen = std::collections::BTreeSet::new();
                let list: Vec<_> = list.into_iter().filter(|one| seen.insert(one.body.clone())).collect();
                let repeated = [list.clone(), list.clone()].concat();
                (Just(list), Just(repeated).prop_shuffle())
            })
        ) {
            let (in_order, shuffled) = (merged(&contributions), merged(&shuffled));
            prop_assert_eq!(&in_order.facts, &shuffled.facts);
            for contribution in &contributions {
                let has = shuffled.facts[HAS].as_object().unwrap();
                let added = contribution.facts[HAS].as_object().unwrap();
                prop_assert!(added.keys().all(|what| has.contains_key(what)), "{added:?} in {has:?}");
            }
            prop_assert_eq!(&in_order.extra, &shuffled.extra);
            prop_assert_eq!(&in_order.first_received_at, &shuffled.first_received_at);
            for contribution in &contributions {
                prop_assert_eq!(merge(CALL_WRITERS, Some(&shuffled), contribution), None);
            }
            let again = rebuilt(CALL_WRITERS, &shuffled, |function, body| {
                contributions.iter().find(|one| one.function == function && one.body == body).cloned()
            });
            prop_assert_eq!(again.as_ref(), Some(&shuffled), "what is read as before comes to the same");
            prop_assert_eq!(rebuilt(CALL_WRITERS, &shuffled, |_, _| None), None);
        }
    }
}
