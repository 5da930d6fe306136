//! A day's work: the next call that nobody has heard, and what one thinks of it.

use maud::{Markup, html};
use readers::filter::problem;
use readers::{Answer, Problem};
use runtime::store::reading::ListedRecord;
use serde_json::Value;
use shared::access::Permission;
use shared::model::{CallId, CallKey, Provider};
use shared::path_id::unescaped;
use shared::reading::{CallFilter, Cursor, Position};
use shared::record::keys;
use shared::view::{self, href};

use crate::Asked;
use crate::frame::{Frame, Page, Place, brief, text, visible};
use crate::pages::call::console_path;
use crate::pages::calls::filter_of;
use crate::pages::whole_call;
use crate::sign_in::own_path;

/// The verdicts that there are, each with the key that gives it.
const VERDICTS: [(&str, &str); 3] = [("good", "1"), ("bad", "2"), ("unsure", "3")];
/// The longest note, in characters.
const MAX_NOTE_CHARACTERS: usize = 2_000;
/// How many pages are looked through for the next call. Whoever asks again goes on.
const MAX_PAGES: usize = 8;

/// Leads to the next call of a filter that nobody has heard, behind the one that is told; from the beginning where there is none.
pub(crate) async fn next(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let filter = CallFilter { reviewed: Some(false), ..filter_of(asked)? };
    let after = asked.filters.get("after").and_then(position);
    let own = after.as_ref().and_then(|after| keys::call_of_pk(&after.pk));
    let filters = asked.filters.clone().without(&["after", "cursor", "limit", "numbers", "reviewed"]);
    let starts =
        [after.map(|after| Cursor::new(after, Some(asked.frame.zone.date(asked.frame.now)), &filter)), None];
    for start in starts {
        if let Some(key) = first_unheard(asked, &filter, start, own.as_ref()).await? {
            let path = filters.at(&console_path(&href::call(&key)));
            return Ok(Answer { status_code: 303, ..Answer::found(path) });
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

async fn first_unheard(
    asked: &Asked<'_>,
    filter: &CallFilter,
    start: Option<Cursor>,
    but: Option<&CallKey>,
) -> Result<Option<CallKey>, Problem> {
    let callee_id = |number: &str| asked.visit.callee_ids.id_of(number);
    let mut cursor = start;
    for _ in 0..MAX_PAGES {
        let page = asked.visit.reader.store.list_calls(filter, cursor.as_ref(), 2, &callee_id).await;
        let page = page.map_err(problem)?;
        // One whose id tells a number has no link, for whom numbers are masked.
        let has_link = |call: &ListedRecord| {
            view::listed(&call.key, &call.record, &asked.visit.shown(&callee_id)).contains_key("href")
        };
        if let Some(call) = page.calls.into_iter().find(|call| Some(&call.key) != but && has_link(call)) {
            return Ok(Some(call.key));
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The place of a call in a list, as the parameter `after` tells it: time, platform, id.
fn position(after: &str) -> Option<Position> {
    let mut parts = after.splitn(3, ',');
    let (at, provider, id) = (parts.next()?, parts.next()?, parts.next()?);
    let key = CallKey { provider: Provider::named(provider)?, call_id: CallId::new(unescaped(id)?)? };
    Some(Position { at: at.parse().ok()?, pk: keys::call_pk(&key), sk: keys::CALL.to_owned() })
}

/// Keeps what somebody thinks of a call, and marks it as heard.
pub(crate) async fn save(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let call = whole_call(asked, key).await?;
    let mut review = store.review(key).await.map_err(problem)?.unwrap_or_default();
    let verdict = asked.field("verdict").filter(|verdict| VERDICTS.iter().any(|(known, _)| known == verdict));
    let note = asked.field("note").map(str::trim).unwrap_or_default();
    let note: String = visible(note).chars().take(MAX_NOTE_CHARACTERS).collect();
    // Browsers write line ends in two letters.
    let note = note.replace("\r\n", "\n");
    let mask = visit.mask(call.callee_numbers());
    let is_same = review.note.as_deref().map(|known| mask.text(known)).unwrap_or_default() == note.as_str();
    let by = asked.visit.actor.subject.clone();
    review.heard_at = review.heard_at.or(Some(visit.now));
    review.heard_by = review.heard_by.or_else(|| Some(by.clone()));
    if !is_same || verdict.is_some_and(|verdict| review.verdict.as_deref() != Some(verdict)) {
        review.verdict = verdict.map(str::to_owned).or(review.verdict);
        if !is_same {
            review.note = Some(note).filter(|note| !note.is_empty());
        }
        (review.noted_at, review.noted_by) = (Some(visit.now), Some(by));
    }
    let put = store.put_review(key, &review).await;
    put.map_err(|error| Problem::unavailable("The table", &error))?;
    let here = asked.field("here").map_or("/", own_path);
    let query = here.split_once('?').map_or("", |(_, query)| query);
    let filters = crate::link::Filters::of(query);
    let back = match asked.field("then") {
        Some("next") => {
            let at = view::call_at(&call.call).to_text();
            let after = format!("{at},{},{}", key.provider, shared::path_id::escaped(key.call_id.as_str()));
            filters.with("after", &after).at("/calls/next")
        }
        _ => filters.at(&console_path(&href::call(key))),
    };
    Ok(Answer { status_code: 303, ..Answer::found(back) })
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
