//! What receivers know of a call: whether it was told as completed, and whether anything changed since.

use serde_json::Value;

use super::EventSettings;
use crate::model::{CallKey, Instant};
use crate::reading::is_complete;
use crate::record::history::first_of;
use crate::record::merge::{CALL_WRITERS, Record, Source};
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
        let is_then = |settled: &Instant| at <= *settled && next.is_none_or(|next| *settled < next);
        let done = is_complete(then).then_some(at).or(settled_at.filter(is_then));
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
    call.sources.values().any(|source| {
        let receipts = source.receipts();
        let before = source.bodies.iter().zip(receipts).filter(|(_, at)| *at <= time).count();
        let last_before = before.checked_sub(1).and_then(|last| source.bodies.get(last));
        before < source.bodies.len() && last_before.is_none_or(|body| differs(call, source, body))
    })
}

/// Whether a body says otherwise than its function does altogether, of what is a fact.
fn differs(call: &Record, source: &Source, body: &str) -> bool {
    let Some(apart) = source.apart.get(body) else { return false };
    let says = apart.get("says").and_then(Value::as_object).into_iter().flat_map(|says| says.keys());
    let lacks = apart.get("lacks").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let is_fact = |name: &str| call.facts.contains_key(name) || field_named(name).is_some();
    says.map(String::as_str).chain(lacks).any(is_fact)
}
