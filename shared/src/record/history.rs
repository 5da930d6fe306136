//! What a call's record was before: whether it was ever what it is not any more.

use serde_json::Value;

use crate::model::Instant;
use crate::record::inquiry::{HAS, HAS_CONVERSATION, HAS_RECORDING};
use crate::record::merge::{NOTE, QUERY, RECORD, REPORT, Record, Source, Writers, writer, written_by};

/// What decides whether a call is complete, and how old it is, beside what only grows; and what the callee wants.
pub const DECISIVE: [&str; 8] = [
    "outcome",
    "answered_at",
    "originated_at",
    "submitted_at",
    "ringing_at",
    "ended_at",
    "intent_code",
    "intent_name",
];

/// The fields that tell those of them that no other function tells, and whatever else one of a platform's several functions tells alone: function,
/// field of its document, attribute. A platform that is not here has one function, whose fields are not known.
pub const OWN_FIELDS: [(&str, &str, &str); 18] = [
    (REPORT, "ringTime", "ringing_at"),
    (NOTE, "call_times", "attempt"),
    ("ai-voice-call-record", "resultStatus", "outcome"),
    ("ai-voice-call-record", "startTime", "originated_at"),
    ("ai-voice-call-record", "endTime", "ended_at"),
    ("ai-voice-call-record", "intentLevel", "intent_code"),
    ("ai-voice-call-record", "intentLevelDetailName", "intent_name"),
    ("laaffic-status-report", "callDescription", "outcome"),
    ("laaffic-status-report", "callStatusNew", "outcome"),
    ("laaffic-status-report", "callStatus", "outcome"),
    ("laaffic-status-report", "terminationCode", "outcome"),
    ("laaffic-status-report", "submitTime", "submitted_at"),
    ("laaffic-status-report", "callTime", "originated_at"),
    ("laaffic-status-report", "ringingTime", "ringing_at"),
    ("laaffic-status-report", "answerTime", "answered_at"),
    ("laaffic-status-report", "hangupTime", "ended_at"),
    ("laaffic-status-report", "intentCode", "intent_code"),
    ("laaffic-status-report", "intent", "intent_name"),
];

/// The first of what `what` finds in a call's record as it was after each of its bodies, in the order of their first receipts. It is asked with
/// when that body was received, and the next one, if there was any. Bodies of one function that were received at once came in one push, and were
/// merged before anybody saw what was between them.
pub fn first_of<Found>(
    writers: Writers,
    record: &Record,
    what: impl Fn(&Record, Instant, Option<Instant>) -> Option<Found>,
) -> Option<Found> {
    let mut bodies: Vec<(Instant, &str, &str)> = record
        .sources
        .iter()
        .flat_map(|(function, source)| {
            let receipts = source.receipts();
            source.bodies.iter().zip(receipts).map(|(body, at)| (at, function.as_str(), body.as_str()))
        })
        .collect();
    bodies.sort_unstable();
    let mut then = record.clone();
    then.sources.clear();
    DECISIVE.iter().for_each(|attribute| drop(then.facts.remove(attribute)));
    // The last word of each function on each attribute, so far.
    let mut said: Vec<(&str, &str, Value)> = Vec::new();
    let next: Vec<_> = bodies.iter().skip(1).map(|(at, by, _)| Some((*at, *by))).chain([None]).collect();
    bodies.into_iter().zip(next).find_map(|((at, function, body), next)| {
        let source = record.sources.get(function)?;
        then.sources.insert(function.to_owned(), source.clone());
        if let Some(has) = has_told(record, &then) {
            then.facts.insert(HAS, has);
        }
        for attribute in DECISIVE {
            let value = says(writers, record, function, source, body, attribute);
            if value.is_some() || takes_back(writers, source, function, body, attribute) {
                said.retain(|(by, of, _)| (*by, *of) != (function, attribute));
            }
            said.extend(value.map(|value| (function, attribute, value)));
            match strongest(writers, attribute, &said) {
                Some(value) => then.facts.insert(attribute, value.clone()),
                None => drop(then.facts.remove(attribute)),
            }
        }
        if next == Some((at, function)) {
            return None;
        }
        what(&then, at, next.map(|(at, _)| at))
    })
}

/// Who says that there is a conversation, and a recording.
const TELLERS: [(&str, [&str; 2]); 2] = [(HAS_CONVERSATION, [NOTE, QUERY]), (HAS_RECORDING, [RECORD, QUERY])];

/// What is stored beside the call, as far as these functions can have told.
fn has_told(record: &Record, then: &Record) -> Option<Value> {
    let mut has = record.facts.get(HAS)?.as_object()?.clone();
    for (name, tellers) in TELLERS {
        let knows = |functions: &Record| tellers.iter().any(|teller| functions.sources.contains_key(*teller));
        // Of a platform with other functions all is told at once.
        if knows(record) && !knows(then) {
            has.remove(name);
        }
    }
    Some(Value::Object(has))
}

/// What one body says of an attribute.
fn says(
    writers: Writers,
    record: &Record,
    function: &str,
    source: &Source,
    body: &str,
    attribute: &str,
) -> Option<Value> {
    if let Some(value) = source.says_apart(body).and_then(|says| says.get(attribute)) {
        return Some(value.clone());
    }
    if source.lacked_by(body).any(|lacking| lacking == attribute) {
        return None;
    }
    // What the function says altogether.
    if source.lacks.iter().any(|lacking| lacking == attribute) {
        return None;
    }
    let said = record.facts.get(attribute);
    match writes(writers, attribute, function) {
        Writes::Shared(field) => {
            record.extra.get(function).and_then(|extra| extra.get(field)).or(said).cloned()
        }
        Writes::Alone | Writes::Unknown => said.cloned(),
        Writes::Nothing => None,
    }
}

/// How a function tells an attribute.
enum Writes {
    /// By this field, and others tell it too.
    Shared(&'static str),
    /// No other function tells it: by [`OWN_FIELDS`].
    Alone,
    /// Not at all.
    Nothing,
    /// It is its platform's one function: by whichever field.
    Unknown,
}

fn writes(writers: Writers, attribute: &str, function: &str) -> Writes {
    let is_known = || {
        written_by(writers, function).next().is_some()
            || OWN_FIELDS.iter().any(|(writer, ..)| *writer == function)
    };
    match writer(writers, attribute, function) {
        Some(field) => Writes::Shared(field),
        None if OWN_FIELDS.iter().any(|(writer, _, of)| (*writer, *of) == (function, attribute)) => {
            Writes::Alone
        }
        None if is_known() => Writes::Nothing,
        None => Writes::Unknown,
    }
}

/// Whether a body takes back by a null what its function said of an attribute before, as far as its fields are known.
pub(crate) fn takes_back(
    writers: Writers,
    source: &Source,
    function: &str,
    body: &str,
    attribute: &str,
) -> bool {
    let mut nulls = source.nulls_of(body);
    match writes(writers, attribute, function) {
        Writes::Shared(field) => nulls.any(|null| null == field),
        Writes::Alone => nulls.any(|null| OWN_FIELDS.contains(&(function, null, attribute))),
        Writes::Nothing => false,
        Writes::Unknown => nulls.next().is_some(),
    }
}

/// The word of whoever is believed.
fn strongest<'a>(writers: Writers, attribute: &str, said: &'a [(&str, &str, Value)]) -> Option<&'a Value> {
    let of = |function: &str| {
        said.iter().find(|(by, known, _)| (*by, *known) == (function, attribute)).map(|(_, _, value)| value)
    };
    let ranking = writers.iter().find(|(known, _)| *known == attribute);
    let ranked = ranking.and_then(|(_, ranking)| ranking.iter().find_map(|(function, _)| of(function)));
    ranked.or_else(|| said.iter().find(|(_, known, _)| *known == attribute).map(|(_, _, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Provider;
    use crate::reading::is_complete;
    use crate::record::merge::{CALL_WRITERS, Contribution, NOTE, RECORD, REPORT, merge};
    use serde_json::{Map, json};
    use std::collections::BTreeSet;

    /// When it came to be complete.
    fn completed(record: &Record) -> Option<Instant> {
        first_of(CALL_WRITERS, record, |then, at, _| is_complete(Provider::Alicom, then).then_some(at))
    }

    fn record(said: &[(&'static str, &str, Value)]) -> Record {
        let mut record = None;
        for (second, (function, body, facts)) in said.iter().enumerate() {
            let at = 1_748_743_200 + i64::try_from(second).unwrap();
            let contribution = Contribution {
                function,
                body: (*body).to_owned(),
                received_at: Instant::from_epoch_seconds(at).unwrap(),
                facts: facts.as_object().unwrap().clone().into(),
                extra: Map::new(),
                nulls: BTreeSet::new(),
                feeds: &[("smartStatusCode", "outcome"), ("startTime", "answered_at")],
            };
            merge(CALL_WRITERS, &mut record, contribution);
        }
        record.unwrap()
    }

    #[test]
    fn a_call_that_was_complete_before_its_last_push_is_known() {
        let report = (REPORT, "1", json!({"outcome": "answered"}));
        let recording = (RECORD, "1", json!({"has": {"recording": true}}));
        let note = (NOTE, "1", json!({"has": {"conversation": true}}));
        let later = (REPORT, "2", json!({"outcome": "answered", "duration_s": 3}));
        for order in
            [[&report, &recording, &note], [&note, &report, &recording], [&recording, &note, &report]]
        {
            let once = record(&order.map(Clone::clone));
            assert_eq!(completed(&once), Some(once.updated_at), "{order:?}");
            let again = record(&[&order.map(Clone::clone)[..], std::slice::from_ref(&later)].concat());
            assert_eq!(completed(&again), Some(once.updated_at), "{order:?}");
        }
    }

    #[test]
    fn a_call_that_was_complete_before_it_turned_out_to_be_answered_is_known() {
        let busy = (REPORT, "1", json!({"outcome": "busy"}));
        let note = (NOTE, "1", json!({}));
        let answered = (REPORT, "2", json!({"outcome": "answered"}));
        let recording = (RECORD, "1", json!({"has": {"recording": true}}));
        for (said, expected) in [
            (vec![busy.clone(), note.clone(), answered.clone()], true),
            (vec![busy.clone(), answered.clone(), note.clone()], false),
            (vec![answered.clone(), note.clone()], false),
            (vec![busy.clone(), answered, recording], false),
            (vec![busy], false),
        ] {
            let record = record(&said);
            assert!(!is_complete(Provider::Alicom, &record), "{said:?}");
            assert_eq!(completed(&record).is_some(), expected, "{said:?}");
        }
    }

    #[test]
    fn a_time_that_was_corrected_is_known_as_it_was_before() {
        let at = |day: &str| json!({"originated_at": format!("2025-{day}T02:00:00.000Z")});
        let record =
            record(&[(REPORT, "1", at("06-01")), (NOTE, "1", json!({})), (REPORT, "2", at("05-01"))]);
        let times = std::cell::RefCell::new(Vec::new());
        let _: Option<()> = first_of(CALL_WRITERS, &record, |then, _, _| {
            times.borrow_mut().push(then.facts.get("originated_at").cloned());
            None
        });
        let expected = ["06-01", "06-01", "05-01"].map(|day| at(day).get("originated_at").cloned());
        assert_eq!(times.into_inner(), expected);
    }
}
