//! What receivers know of a call: whether it was told as completed, and whether anything changed since.

use super::EventSettings;
use super::change::INTENT;
use crate::model::{CallKey, Instant};
use crate::reading::is_complete;
use crate::record::history::{OWN_FIELDS, first_of, takes_back};
use crate::record::merge::{CALL_WRITERS, Record, Source, Writer, writer, written_by};
use crate::view;
use crate::view::field::field_named;

/// Whether a call is no old one at a time.
pub(super) fn is_recent(call: &Record, at: Instant, settings: &EventSettings) -> bool {
    settings.max_age_s.is_none_or(|max_age_s| at.seconds_since(view::call_at(call)) <= max_age_s)
}

/// When a call was told as completed, if it was: it was complete, or settled, and no old one by what was known of it then.
pub(super) fn completed_at(key: &CallKey, call: &Record, settings: &EventSettings) -> Option<Instant> {
    first_told(call, settings, |then, is_settled| is_settled || is_complete(key.provider, then))
}

/// Whether the intent that a call has was told: it was known, and the call no old one by what was known of it then. How old it was had to be known
/// too, or nothing more be waited for.
pub(super) fn is_intent_told(key: &CallKey, call: &Record, settings: &EventSettings) -> bool {
    let is_known = |then: &Record| INTENT.iter().all(|name| then.facts.get(name) == call.facts.get(name));
    let told = first_told(call, settings, |then, is_settled| {
        is_known(then)
            && (is_settled || view::told_call_at(then).is_some() || is_complete(key.provider, then))
    });
    told.is_some()
}

/// When something was first so of a call that was no old one by what was known of it then. It is asked of what was known, and whether nothing more
/// was waited for.
fn first_told(
    call: &Record,
    settings: &EventSettings,
    is_so: impl Fn(&Record, bool) -> bool,
) -> Option<Instant> {
    let settled_at = call.inquiry.settled_at;
    let told = first_of(CALL_WRITERS, call, |then, at, next| {
        // Once nothing more is waited for, each body finds it done.
        let settled = settled_at
            .map(|settled| settled.max(at))
            .filter(|settled| next.is_none_or(|next| *settled < next));
        let so = is_so(then, false).then_some(at).or(settled.filter(|_| is_so(then, true)));
        so.filter(|so| is_recent(then, *so, settings))
    });
    // What its bodies do not tell by themselves any more became known by the last one at the latest.
    told.or_else(|| {
        // The rest is only to be looked for where it would be told: most calls are asked about while they are not complete.
        let by_last =
            Some(call.updated_at).filter(|at| is_so(call, false) && is_recent(call, *at, settings))?;
        let was_so = first_of(CALL_WRITERS, call, |then, _, _| is_so(then, false).then_some(()));
        was_so.is_none().then_some(by_last)
    })
}

/// Whether what was received after a time may have changed a fact of a call: a function told of it then for the first time, or otherwise than
/// before. One that was changed back was changed too: who missed only the last change has to be told.
pub(super) fn has_changed_since(call: &Record, time: Instant) -> bool {
    call.sources.iter().any(|(function, source)| {
        let receipts = source.receipts();
        let before = source.bodies.iter().zip(&receipts).filter(|(_, at)| **at <= time).count();
        // What was received at once came in one push: nobody saw what was between.
        let mut seen = (before.max(1)..source.bodies.len())
            .filter(|first| receipts.get(first - 1) != receipts.get(*first))
            .map(|first| &source.bodies[..first]);
        (before == 0 && tells_a_fact(call, function, source, time))
            || seen.any(|first| differs(call, function, source, first))
    })
}

/// Whether all was known of a call at a time.
pub(super) fn was_complete_at(key: &CallKey, call: &Record, time: Instant) -> bool {
    let was = first_of(CALL_WRITERS, call, |then, at, next| {
        (at <= time && next.is_none_or(|next| next > time)).then(|| is_complete(key.provider, then))
    });
    was.unwrap_or_else(|| is_complete(key.provider, call))
}

/// Whether a function tells a fact of a call that was not told by another one at a time, and that no stronger one tells.
fn tells_a_fact(call: &Record, function: &str, source: &Source, time: Instant) -> bool {
    let is_lacking =
        |source: &Source, attribute: &str| source.lacks.iter().any(|lacking| lacking == attribute);
    // A weaker one's word stands beside only where it is another one.
    let says_the_same = |(writer, field): &Writer, attribute: &str| {
        let told = call.sources.get(*writer).filter(|source| !is_lacking(source, attribute));
        *writer != function
            && told.is_some_and(|source| source.receipts().first().is_some_and(|first| *first <= time))
            && call.extra.get(*writer).is_none_or(|extra| !extra.contains_key(*field))
    };
    let mut told = written_by(CALL_WRITERS, function)
        .map(|(attribute, _)| attribute)
        .filter(|attribute| !is_lacking(source, attribute) && is_believed(call, function, attribute));
    let is_only_one = written_by(CALL_WRITERS, function).next().is_none();
    is_only_one
        || OWN_FIELDS.iter().any(|(writer, _, alone)| *writer == function && call.facts.contains_key(alone))
        || told.any(|attribute| !ranking(attribute).any(|writer| says_the_same(writer, attribute)))
}

/// Who writes an attribute that several functions write, strongest first.
fn ranking(attribute: &str) -> impl Iterator<Item = &'static Writer> {
    CALL_WRITERS.iter().filter(move |(known, _)| *known == attribute).flat_map(|(_, ranking)| ranking.iter())
}

/// Whether the first bodies of a function say together otherwise than it does altogether, of what is a fact.
fn differs(call: &Record, function: &str, source: &Source, first: &[String]) -> bool {
    let is_lacking = |body: &str, attribute: &str| source.lacked_by(body).any(|lacking| lacking == attribute);
    let says_otherwise = |body: &str, attribute: &str| {
        source.says_apart(body).is_some_and(|says| says.contains_key(attribute))
    };
    // Whether the function says anything of it altogether. What no other function tells is a fact by its word alone.
    let is_said = |attribute: &str| match writer(CALL_WRITERS, attribute, function) {
        Some(_) => !source.lacks.iter().any(|lacking| lacking == attribute),
        None => call.facts.contains_key(attribute),
    };
    let was_otherwise = |attribute: &str| {
        for body in first.iter().rev() {
            if says_otherwise(body, attribute) {
                return true;
            }
            if takes_back(CALL_WRITERS, source, function, body, attribute) {
                break;
            }
            if is_said(attribute) && !is_lacking(body, attribute) {
                return false;
            }
        }
        is_said(attribute)
    };
    let said = first.iter().filter_map(|body| source.says_apart(body)).flat_map(|says| says.keys());
    let lacking = first.last().into_iter().flat_map(|last| source.lacked_by(last));
    let is_fact = |name: &str| call.facts.contains_key(name) || field_named(name).is_some();
    said.map(String::as_str)
        .chain(lacking)
        .any(|name| is_fact(name) && is_believed(call, function, name) && was_otherwise(name))
}

/// Whether no stronger function tells an attribute: else what a weaker one says is no fact.
fn is_believed(call: &Record, function: &str, attribute: &str) -> bool {
    let stronger = ranking(attribute).map(|(writer, _)| *writer).take_while(|writer| *writer != function);
    let mut telling = stronger.filter_map(|writer| call.sources.get(writer));
    !telling.any(|source| !source.lacks.iter().any(|lacking| lacking == attribute))
}
