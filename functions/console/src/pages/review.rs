//! A day's work: the next call that nobody has heard, and what one thinks of it.

use maud::{Markup, html};
use readers::filter::problem;
use readers::{Answer, Problem};
use runtime::store::reading::ListedRecord;
use serde_json::Value;
use shared::access::Permission;
use shared::model::{CallId, CallKey, Provider, Review};
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
/// What says that there is no verdict, with the key that takes one back.
const NO_VERDICT: (&str, &str) = ("none", "4");
/// The longest note, in characters.
const MAX_NOTE_CHARACTERS: usize = 2_000;
/// How many pages are looked through for the next call. Whoever asks again goes on.
const MAX_PAGES: usize = 8;

/// Leads to the next call of a filter that nobody has heard, behind the one that is told; from the beginning where there is none.
pub(crate) async fn next(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let filter = CallFilter { reviewed: Some(false), ..filter_of(asked)? };
    record_search(asked, &filter).await?;
    let after = match asked.filters.get("after").and_then(|after| position(asked.frame, after)) {
        // Where an id would stand that somebody made up would tell where a hidden one stands.
        Some(after) if knows(asked, &after).await? => Some(after),
        _ => None,
    };
    let own = after.as_ref().and_then(|after| keys::call_of_pk(&after.pk));
    let filters = asked.filters.clone().without(&["after", "cursor", "limit", "numbers", "reviewed"]);
    // Calls that can be heard come first, those without a recording last.
    let with_sound =
        filter.has_recording.is_none().then(|| CallFilter { has_recording: Some(true), ..filter.clone() });
    for filter in with_sound.iter().chain([&filter]) {
        let today = Some(asked.frame.zone.date(asked.frame.now));
        for start in [after.clone().map(|after| Cursor::new(after, today, filter)), None] {
            if let Some(path) = first_unheard(asked, filter, start, own.as_ref()).await? {
                return Ok(see(filters.at(&path)));
            }
        }
    }
    let w = asked.frame.words;
    let page = Page {
        title: w.next_unheard.to_owned(),
        place: Place::Calls,
        data: Value::Null,
        body: html! {
            section.notice {
                h1 { (w.no_unheard) }
                @if !asked.may(Permission::SeeNumbers) { p.quiet { (w.passed_over) } }
                p { a.button href=(filters.at("/calls")) { (w.calls) } }
            }
        },
        media: None,
    };
    Ok(asked.page(&page))
}

/// Whether whoever asks may know of the call that stands at a place.
async fn knows(asked: &Asked<'_>, place: &Position) -> Result<bool, Problem> {
    let Some(key) = keys::call_of_pk(&place.pk) else { return Ok(false) };
    match asked.visit.check_call(&key).await {
        Ok(()) => Ok(true),
        Err(Problem::NoSuchCall) => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// The path of the first call that nobody has heard.
async fn first_unheard(
    asked: &Asked<'_>,
    filter: &CallFilter,
    start: Option<Cursor>,
    but: Option<&CallKey>,
) -> Result<Option<String>, Problem> {
    let callee_id = |number: &str| asked.visit.callee_ids.id_of(number);
    let ties = asked.visit.ties().await?;
    let mut cursor = start;
    for _ in 0..MAX_PAGES {
        let page = asked.visit.reader.store.list_calls(filter, cursor.as_ref(), 2, &callee_id, &ties).await;
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

/// A note as a form brings it. Browsers write line ends in two letters.
fn note_of(field: &str) -> String {
    visible(field.trim()).replace("\r\n", "\n").chars().take(MAX_NOTE_CHARACTERS).collect()
}

/// A note that was written over the one that was shown, where digits were hidden: what begins and ends it as the shown one does is as it is stored.
/// Where that would show a digit which was hidden, nothing is taken from what is stored: whoever writes between stars must not find what was in
/// their places.
fn restored(written: &str, shown: &str, stored: &str, mask: &Mask) -> String {
    let [letters, shown, stored] = [written, shown, stored].map(|text| text.chars().collect::<Vec<_>>());
    if shown.len() != stored.len() {
        return written.to_owned();
    }
    let same = |(one, other): &(&char, &char)| one == other;
    let begins = letters.iter().zip(&shown).take_while(same).count();
    let most = letters.len().min(shown.len()) - begins;
    let ends = letters.iter().rev().zip(shown.iter().rev()).take(most).take_while(same).count();
    // So much at its beginning and at its end is taken from what is stored.
    let with = |first: usize, last: usize| -> String {
        let (end, middle) = (&stored[stored.len() - last..], &letters[first..letters.len() - last]);
        stored[..first].iter().chain(middle).chain(end).collect()
    };
    // The same but for the stars next to what was written.
    let is_star = |letter: &&char| **letter == '*';
    let first = begins - shown[..begins].iter().rev().take_while(is_star).count();
    let last = ends - shown[shown.len() - ends..].iter().take_while(is_star).count();
    let mut ways = [(begins, ends), (begins, last), (first, ends), (first, last)]
        .map(|(first, last)| with(first, last))
        .into_iter();
    let is_hidden_still = |note: &String| mask.text(note) == mask.text(written);
    ways.find(is_hidden_still).unwrap_or_else(|| written.to_owned())
}

/// Keeps what somebody thinks of a call, and marks it as heard.
pub(crate) async fn save(asked: &Asked<'_>, key: &CallKey) -> Result<Answer, Problem> {
    let visit = &asked.visit;
    let store = &visit.reader.store;
    let (call, path) = whole_call(asked, key).await?;
    let said = asked.field("verdict").filter(|verdict| !verdict.is_empty());
    // None, where it is taken back.
    let verdict = said.filter(|verdict| *verdict != NO_VERDICT.0);
    let shown = asked.field("verdict_was").filter(|verdict| !verdict.is_empty());
    let is_as_shown = said.is_none() || verdict == shown;
    if verdict.is_some_and(|verdict| !VERDICTS.iter().any(|(known, _)| *known == verdict)) {
        let (came, expected) =
            (verdict.unwrap_or_default().to_owned(), VERDICTS.map(|(name, _)| name).join(", "));
        return Err(Problem::BadValue { name: "verdict", came, expected });
    }
    let mask = visit.mask(call.callee_numbers());
    let by = asked.visit.actor.subject.clone();
    let change = |mut review: Review| {
        let stored = review.note.clone().unwrap_or_default();
        let known = mask.text(&stored).into_owned();
        // A form without the field says nothing of the note, nor does one in which it is as it was shown: somebody may have written another
        // meanwhile, on another page.
        let note = asked.field("note").map(note_of);
        let was = asked.field("note_was").map(note_of);
        let note = note.filter(|note| *note != known && was.as_ref() != Some(note));
        review.heard_at = review.heard_at.or(Some(visit.now));
        review.heard_by = review.heard_by.or_else(|| Some(by.clone()));
        let is_another = !is_as_shown && review.verdict.as_deref() != verdict;
        if note.is_some() || is_another {
            if is_another {
                review.verdict = verdict.map(str::to_owned);
            }
            if let Some(note) = note {
                review.note = Some(restored(&note, &known, &stored, &mask)).filter(|note| !note.is_empty());
            }
            (review.noted_at, review.noted_by) = (Some(visit.now), Some(by.clone()));
        }
        review
    };
    let put = store.change_review(key, change).await;
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
                    // As it is shown, so that what is left as it is takes back nobody's word.
                    @let note = visible(text(review, "note").unwrap_or_default());
                    input type="hidden" name="verdict_was" value=(verdict);
                    input type="hidden" name="note_was" value=(note);
                    fieldset.verdicts {
                        legend.hidden { (w.verdict) }
                        @for (value, key) in VERDICTS {
                            label {
                                input type="radio" name="verdict" value=(value) checked[value == verdict];
                                span { (w.verdict_name(value).unwrap_or_default()) kbd { (key) } }
                            }
                        }
                        @if !verdict.is_empty() {
                            label {
                                input type="radio" name="verdict" value=(NO_VERDICT.0);
                                span { (w.no_verdict) kbd { (NO_VERDICT.1) } }
                            }
                        }
                    }
                    label { span { (w.note) }
                        textarea name="note" rows="3" maxlength=(MAX_NOTE_CHARACTERS) { (note) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_to_a_note_leaves_the_digits_that_are_hidden_of_it() {
        let (stored, shown) = ("quoted 12800 yuan, call 13912345678", "quoted ***** yuan, call ***********");
        for (written, kept) in [
            ("quoted ***** yuan, call ***********. agreed", "quoted 12800 yuan, call 13912345678. agreed"),
            ("He was quoted ***** yuan, call ***********", "He was quoted 12800 yuan, call 13912345678"),
            ("quoted ***** euros, call ***********", "quoted 12800 euros, call 13912345678"),
            ("quoted ***** yuan", "quoted 12800 yuan"),
            ("call ***********", "call 13912345678"),
            ("something else", "something else"),
            ("", ""),
        ] {
            assert_eq!(restored(written, shown, stored, &Mask::of([])), kept, "{written}");
        }
    }

    #[test]
    fn nothing_that_is_written_between_stars_shows_what_was_in_their_places() {
        let stored = "call 13987654321, not 13900001111";
        let mask = Mask::of([]);
        let shown = mask.text(stored).into_owned();
        for at in 0..=shown.len() {
            for typed in ["x", "是", " ", "xx", ", or ", "1", "*"] {
                for cut in 0..3.min(shown.len() - at + 1) {
                    let written = format!("{}{typed}{}", &shown[..at], &shown[at + cut..]);
                    let kept = restored(&written, &shown, stored, &mask);
                    assert_eq!(mask.text(&kept), mask.text(&written), "{written}");
                }
            }
        }
        let kept = |written: &str| restored(written, &shown, stored, &mask);
        assert_eq!(kept("call ***x********, not ***********"), "call ***x87654321, not 13900001111");
        assert_eq!(kept("call ********x***, not ***********"), "call 13987654x***, not 13900001111");
        assert_eq!(kept("call ***********, or not ***********"), "call 13987654321, or not 13900001111");
    }
}
