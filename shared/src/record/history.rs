//! What a call's record was before: whether it was ever what it is not any more.

use serde_json::Value;

use crate::model::Instant;
use crate::record::inquiry::{HAS, HAS_CONVERSATION, HAS_RECORDING};
use crate::record::merge::{NOTE, QUERY, RECORD, Record, Source, Writers};

/// What decides whether a call is complete, beside what only grows.
const DECISIVE: [&str; 2] = ["outcome", "answered_at"];

/// Since when a call's record is, or was at some time, what `is` asks for: the receipt of the body by which it came to be. `None` where it
/// never was, as far as its bodies tell. What was taken back by a null is taken as it was before: that suffices to know whether a call was
/// ever complete.
pub fn ever_since(writers: Writers, record: &Record, is: impl Fn(&Record) -> bool) -> Option<Instant> {
    since(writers, record, is, 0)
}

/// Whether it was that before the last body that was received.
pub fn has_been_before(writers: Writers, record: &Record, is: impl Fn(&Record) -> bool) -> bool {
    since(writers, record, is, 1).is_some()
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

fn since(
    writers: Writers,
    record: &Record,
    is: impl Fn(&Record) -> bool,
    without_last: usize,
) -> Option<Instant> {
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
    let count = bodies.len().saturating_sub(without_last);
    bodies.into_iter().take(count).find_map(|(at, function, body)| {
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
        is(&then).then_some(at)
    })
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
        let complete = |record: &Record| is_complete(Provider::Alicom, record);
        let report = (REPORT, "1", json!({"outcome": "answered"}));
        let recording = (RECORD, "1", json!({"has": {"recording": true}}));
        let note = (NOTE, "1", json!({"has": {"conversation": true}}));
        let later = (REPORT, "2", json!({"outcome": "answered", "duration_s": 3}));
        for order in
            [[&report, &recording, &note], [&note, &report, &recording], [&recording, &note, &report]]
        {
            let once = record(&order.map(Clone::clone));
            assert!(complete(&once) && !has_been_before(CALL_WRITERS, &once, complete), "{order:?}");
            let again = record(&[&order.map(Clone::clone)[..], std::slice::from_ref(&later)].concat());
            assert!(has_been_before(CALL_WRITERS, &again, complete), "{order:?}");
        }
    }

    #[test]
    fn a_call_that_was_complete_before_it_turned_out_to_be_answered_is_known() {
        let busy = (REPORT, "1", json!({"outcome": "busy"}));
        let note = (NOTE, "1", json!({}));
        let answered = (REPORT, "2", json!({"outcome": "answered"}));
        let recording = (RECORD, "1", json!({"has": {"recording": true}}));
        let complete = |record: &Record| is_complete(Provider::Alicom, record);
        for (said, expected) in [
            (vec![busy.clone(), note.clone(), answered.clone()], true),
            (vec![busy.clone(), answered.clone(), note.clone()], false),
            (vec![answered.clone(), note.clone()], false),
            (vec![busy.clone(), answered, recording], false),
            (vec![busy], false),
        ] {
            let record = record(&said);
            assert!(!complete(&record), "{said:?}");
            assert_eq!(ever_since(CALL_WRITERS, &record, complete).is_some(), expected, "{said:?}");
        }
    }
}
