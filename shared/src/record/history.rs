//! What a call's record was before: whether it was ever what it is not any more.

use serde_json::Value;

use crate::model::Instant;
use crate::record::inquiry::{HAS, HAS_CONVERSATION, HAS_RECORDING};
use crate::record::merge::{NOTE, QUERY, RECORD, Record, Source, Writers};

/// What decides whether a call is complete, and how old it is, beside what only grows.
const DECISIVE: [&str; 6] =
    ["outcome", "answered_at", "originated_at", "submitted_at", "ringing_at", "ended_at"];

/// The first of what `what` finds in a call's record as it was after each of its bodies, in the order of their first receipts. It is asked with
/// when that body was received, and the next one, if there was any. What was taken back by a null is taken as it was before: that suffices
/// to know whether a call was ever complete.
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
    let next: Vec<_> = bodies.iter().skip(1).map(|(at, _, _)| Some(*at)).chain([None]).collect();
    bodies.into_iter().zip(next).find_map(|((at, function, body), next)| {
        let source = record.sources.get(function)?;
        then.sources.insert(function.to_owned(), source.clone());
        if let Some(has) = has_told(record, &then) {
            then.facts.insert(HAS, has);
        }
        for attribute in DECISIVE {
            if let Some(value) = says(writers, record, function, source, body, attribute) {
                said.retain(|(by, of, _)| (*by, *of) != (function, attribute));
                said.push((function, attribute, value));
            }
            if let Some(value) = strongest(writers, attribute, &said) {
                then.facts.insert(attribute, value.clone());
            }
        }
        what(&then, at, next)
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
    if let Some(apart) = source.apart.get(body) {
        if let Some(value) = apart.get("says").and_then(|says| says.get(attribute)) {
            return Some(value.clone());
        }
        let lacks = apart.get("lacks").and_then(Value::as_array).into_iter().flatten();
        if lacks.filter_map(Value::as_str).any(|lacking| lacking == attribute) {
            return None;
        }
    }
    // What the function says altogether.
    if source.lacks.iter().any(|lacking| lacking == attribute) {
        return None;
    }
    let ranking = writers.iter().find(|(known, _)| *known == attribute).map(|(_, ranking)| *ranking);
    let Some(ranking) = ranking.filter(|ranking| ranking.iter().any(|(writer, _)| *writer == function))
    else {
        let is_sole = ranking.is_none() || record.sources.len() == 1;
        return record.facts.get(attribute).filter(|_| is_sole).cloned();
    };
    let field = ranking.iter().find(|(writer, _)| *writer == function).map(|(_, field)| *field)?;
    let outranked = record.extra.get(function).and_then(|extra| extra.get(field));
    outranked.or_else(|| record.facts.get(attribute)).cloned()
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
