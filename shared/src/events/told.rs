//! What receivers know of a call: whether it was told as completed, and whether anything changed since.

use super::EventSettings;
use crate::model::{CallKey, Instant};
use crate::reading::is_complete;
use crate::record::history::first_of;
use crate::record::merge::{CALL_WRITERS, RECORD, Record, Source, written_by};
use crate::view;
use crate::view::field::field_named;

/// Whether a call is no old one at a time.
pub(super) fn is_recent(call: &Record, at: Instant, settings: &EventSettings) -> bool {
    settings.max_age_s.is_none_or(|max_age_s| at.seconds_since(view::call_at(call)) <= max_age_s)
}

/// When a call was told as completed, if it was: it was complete, or settled, and no old one by what was known of it then.
pub(super) fn completed_at(key: &CallKey, call: &Record, settings: &EventSettings) -> Option<Instant> {
    let settled_at = call.inquiry.settled_at;
    let is_complete = |call: &Record| is_complete(key.provider, call);
    let told = first_of(CALL_WRITERS, call, |then, at, next| {
        // Once nothing more is waited for, each body finds it done.
        let settled = settled_at
            .map(|settled| settled.max(at))
            .filter(|settled| next.is_none_or(|next| *settled < next));
        let done = is_complete(then).then_some(at).or(settled);
        done.filter(|done| is_recent(then, *done, settings))
    });
    // What its bodies do not tell by themselves any more became known by the last one at the latest.
    told.or_else(|| {
        // The rest is only to be looked for where it would be told: most calls are asked about while they are not complete.
        let by_last =
            Some(call.updated_at).filter(|at| is_complete(call) && is_recent(call, *at, settings))?;
        let was_complete = first_of(CALL_WRITERS, call, |then, _, _| is_complete(then).then_some(()));
        was_complete.is_none().then_some(by_last)
    })
}

/// Whether what was received after a time may have changed a fact of a call: a function told of it then for the first time, or otherwise than before.
pub(super) fn has_changed_since(call: &Record, time: Instant) -> bool {
    call.sources.iter().any(|(function, source)| {
        let receipts = source.receipts();
        let before = source.bodies.iter().zip(receipts).filter(|(_, at)| *at <= time).count();
        before < source.bodies.len()
            && match before {
                0 => tells_a_fact(call, function, source),
                _ => differs(call, function, source, &source.bodies[..before]),
            }
    })
}

/// Whether a function tells a fact of a call that no stronger one tells. What it tells alone is not told apart from what others do: all but
/// those of recordings tell such.
fn tells_a_fact(call: &Record, function: &str, source: &Source) -> bool {
    let mut told = written_by(CALL_WRITERS, function)
        .filter(|(attribute, _)| !source.lacks.iter().any(|lacking| lacking == attribute));
    function != RECORD || told.any(|(attribute, _)| is_believed(call, function, attribute))
}

/// Whether the first bodies of a function say together otherwise than it does altogether, of what is a fact.
fn differs(call: &Record, function: &str, source: &Source, first: &[String]) -> bool {
    let Some((last, earlier)) = first.split_last() else { return false };
    // What the last of them does not say, one before it may have said: as it is now, otherwise, or not either.
    let was_otherwise = |name: &str| {
        let said = earlier.iter().rev().find(|body| !source.lacked_by(body).any(|lacking| lacking == name));
        said.is_none_or(|body| source.says_apart(body).is_some_and(|says| says.contains_key(name)))
    };
    let otherwise = source.says_apart(last).into_iter().flat_map(|says| says.keys()).map(String::as_str);
    let mut changed = otherwise.chain(source.lacked_by(last).filter(|name| was_otherwise(name)));
    let is_fact = |name: &str| call.facts.contains_key(name) || field_named(name).is_some();
    changed.any(|name| is_fact(name) && is_believed(call, function, name))
}

/// Whether no stronger function tells an attribute: else what a weaker one says is no fact.
fn is_believed(call: &Record, function: &str, attribute: &str) -> bool {
    let ranking = CALL_WRITERS.iter().find(|(known, _)| *known == attribute).map(|(_, ranking)| *ranking);
    let stronger =
        ranking.into_iter().flatten().map(|(writer, _)| *writer).take_while(|writer| *writer != function);
    let mut telling = stronger.filter_map(|writer| call.sources.get(writer));
    !telling.any(|source| !source.lacks.iter().any(|lacking| lacking == attribute))
}
