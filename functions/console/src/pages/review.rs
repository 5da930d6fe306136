//! A day's work: the next call that nobody has heard, and what one thinks of it.

use maud::{Markup, html};
use readers::filter::problem;
use readers::{Answer, Problem};
use runtime::store::reading::ListedRecord;
use serde_json::Value;
use shared::access::Permission;
use shared::model::{CallId, CallKey, Provider};
use shared::reading::{CallFilter, Cursor, Position};
use shared::record::keys;
use shared::view::{self, Mask};

use crate::frame::{Frame, Page, Place, brief, text, visible};
use crate::link::Filters;
use crate::pages::calls::{filter_of, record_search};
use crate::pages::{call, whole_call};
use crate::{Asked, see};

/// The verdicts that there are, each with the key that gives it.
const VERDICTS: [(&str, &str); 3] = [("good", "1"), ("bad", "2"), ("unsure", "3")];
/// The longest note, in characters.
const MAX_NOTE_CHARACTERS: usize = 2_000;
/// How many pages are looked through for the next call. Whoever asks again goes on.
const MAX_PAGES: usize = 8;

/// Leads to the next call of a filter that nobody has heard, behind the one that is told; from the beginning where there is none.
pub(crate) async fn next(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let filter = CallFilter { reviewed: Some(false), ..filter_of(asked)? };
    record_search(asked, &filter).await?;
    let after = asked.filters.get("after").and_then(|after| position(asked.frame, after));
    let own = after.as_ref().and_then(|after| keys::call_of_pk(&after.pk));
    let filters = asked.filters.clone().without(&["after", "cursor", "limit", "numbers", "reviewed"]);
    let starts =
        [after.map(|after| Cursor::new(after, Some(asked.frame.zone.date(asked.frame.now)), &filter)), None];
    for start in starts {
        if let Some(path) = first_unheard(asked, &filter, start, own.as_ref()).await? {
            return Ok(see(filters.at(&path)));
        }
    }
    let w = asked.frame.words;
    let page = Page {
        title: w.next_unheard.to_owned(),
        place: Place::Calls,
        data: Value::Null,
        body: html! { section.notice { h1 { (w.no_unheard) } p { a.button href=(filters.at("/calls")) { (w.calls) } } } },
        media: None,
    };
    Ok(asked.page(&page))
}

/// The path of the first call that nobody has heard.
async fn first_unheard(
    asked: &Asked<'_>,
    filter: &CallFilter,
    start: Option<Cursor>,
    but: Option<&CallKey>,
) -> Result<Option<String>, Problem> {
    let callee_id = |number: &str| asked.visit.callee_ids.id_of(number);
    let mut cursor = start;
    for _ in 0..MAX_PAGES {
        let page = asked.visit.reader.store.list_calls(filter, cursor.as_ref(), 2, &callee_id).await;
        let page = page.map_err(problem)?;
        let others = page.calls.iter().filter(|call| Some(&call.key) != but);
        // One whose id tells a number has no page for whoever may not see it.
        let mut paths = others.filter_map(|ListedRecord { key, record, .. }| {
            asked.frame.call_path(key, &Mask::of(record.callee_numbers()))
        });
        if let Some(path) = paths.next() {
            return Ok(Some(path));
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The place of a call in a list, as the parameter `after` tells it: time, platform, id.
fn position(frame: &Frame<'_>, after: &str) -> Option<Position> {
    let mut parts = after.splitn(3, ',');
    let (at, provider, id) = (parts.next()?, parts.next()?, parts.next()?);
    let key = CallKey { provider: Provider::named(provider)?, call_id: CallId::new(frame.id_of(id)?)? };
    Some(Position { at: at.parse().ok()?, pk: keys::call_pk(&key), sk: keys::CALL.to_owned() })
}

/// Keeps what somebody thinks of a call, and marks it as heard.
pub(crate) async fn save(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let (call, path) = whole_call(asked, key).await?;
    let mut review = store.review(key).await.map_err(problem)?.unwrap_or_default();
    let verdict = asked.field("verdict").filter(|verdict| !verdict.is_empty());
    if verdict.is_some_and(|verdict| !VERDICTS.iter().any(|(known, _)| *known == verdict)) {
        let expected = VERDICTS.map(|(name, _)| name).join(", ");
        return Err(Problem::BadValue { name: "verdict", expected });
    }
    let mask = visit.mask(call.callee_numbers());
    let known = review.note.as_deref().map(|known| mask.text(known).into_owned()).unwrap_or_default();
    // A form without the field says nothing of the note. Browsers write line ends in two letters.
    let note = asked.field("note").map(|note| visible(note.trim()).replace("\r\n", "\n"));
    let note = note.map(|note| note.chars().take(MAX_NOTE_CHARACTERS).collect::<String>());
    let note = note.filter(|note| *note != known);
    let by = asked.visit.actor.subject.clone();
    review.heard_at = review.heard_at.or(Some(visit.now));
    review.heard_by = review.heard_by.or_else(|| Some(by.clone()));
    if note.is_some() || verdict.is_some_and(|verdict| review.verdict.as_deref() != Some(verdict)) {
        review.verdict = verdict.map(str::to_owned).or(review.verdict);
        if let Some(note) = note {
            review.note = Some(note).filter(|note| !note.is_empty());
        }
        (review.noted_at, review.noted_by) = (Some(visit.now), Some(by));
    }
    let put = store.put_review(key, &review).await;
    put.map_err(|error| Problem::unavailable("The table", &error))?;
    let filters = Filters::of(asked.here().1);
    Ok(see(match asked.field("then") {
        Some("next") => {
            let after = call::after(view::call_at(&call.call), key.provider, &path);
            filters.with("after", &after).at("/calls/next")
        }
        _ => filters.at(&path),
    }))
}

/// The form by which a call is judged.
pub(crate) fn card(frame: &Frame<'_>, review: &Value, path: &str) -> Markup {
    let w = frame.words;
    let verdict = text(review, "verdict").unwrap_or_default();
    html! {
        section.card.review {
            h2 { (w.review) }
            @if review.get("heard_at").is_none() { p.quiet { (w.not_reviewed) } }
            @if let Some(at) = frame.when_of(review.get("heard_at")) {
                p.quiet { (w.heard_by) " " (brief(text(review, "heard_by").unwrap_or_default(), 40)) " · " (at) }
            }
            @if let Some(at) = frame.when_of(review.get("noted_at")) {
                p.quiet { (w.noted_by) " " (brief(text(review, "noted_by").unwrap_or_default(), 40)) " · " (at) }
            }
            @if !frame.may(Permission::ReviewCalls) {
                @if !verdict.is_empty() { p { strong { (w.verdict_name(verdict).unwrap_or(w.unknown)) } } }
                @if let Some(note) = text(review, "note") { p.note { (visible(note)) } }
                p.quiet { (w.may_not_review) }
            } @else {
                form action=(format!("{path}/review")) method="post" data-review {
                    (frame.form_fields())
                    fieldset.verdicts {
                        legend.hidden { (w.verdict) }
                        @for (value, key) in VERDICTS {
                            label {
                                input type="radio" name="verdict" value=(value) checked[value == verdict];
                                span { (w.verdict_name(value).unwrap_or_default()) kbd { (key) } }
                            }
                        }
                    }
                    label { span { (w.note) }
                        textarea name="note" rows="3" maxlength=(MAX_NOTE_CHARACTERS) { (visible(text(review, "note").unwrap_or_default())) }
                    }
                    div.do {
                        button.primary name="then" value="next" { (w.save_next) }
                        button name="then" value="stay" { (w.save) }
                    }
                    p.quiet { (w.mark_heard) }
                }
                details.keys { summary { (w.keys) } p { (w.keys_help) } }
            }
        }
    }
}
