//! What somebody is told where there is no page.

use maud::{Markup, html};
use readers::Problem;
use serde_json::json;
use shared::masking::in_name;

use crate::frame::{Frame, Page, Place, brief};
use crate::words::Words;

/// The page that tells a problem.
pub(crate) fn page(frame: &Frame<'_>, problem: &Problem) -> Page {
    let w = frame.words;
    Page {
        title: w.wrong.to_owned(),
        place: Place::Elsewhere,
        data: json!({"problem": problem.tag(), "status": problem.status()}),
        body: html! {
            section.notice {
                h1 { (w.wrong) }
                p { (told(w, problem)) }
                p { a.button href="/" { (w.back) } }
            }
        },
        media: None,
    }
}

fn told(w: &Words, problem: &Problem) -> Markup {
    match problem {
        Problem::UnknownParameter { name, .. } => html! { (w.unknown_filter) (w.colon) (unknown(w, name)) },
        Problem::RepeatedParameter(name) => html! { (w.repeated_filter) (w.colon) (named(w, name)) },
        Problem::BadValue { name, .. } => html! { (w.bad_value) (w.colon) (named(w, name)) },
        Problem::Together { name, other } | Problem::BelowLeast { name: other, least: name, .. } => {
            html! { (w.filters_together) (w.colon) (named(w, name)) (w.and) (named(w, other)) }
        }
        Problem::ForbiddenValue { name, .. } => html! { (w.looks_like_number) (w.colon) (named(w, name)) },
        Problem::Query { .. } => html! { (w.bad_address) },
        Problem::LongQuery(_) => html! { (w.too_long) },
        Problem::Forbidden(permission) => {
            html! {
                (w.forbidden) (w.colon) (w.permission(*permission)) (w.open) code { (permission.as_str()) } (w.close) (w.stop) (w.forbidden_hint)
            }
        }
        Problem::NoSuchTask | Problem::BadId("task_id") => html! { (w.no_such_task) },
        Problem::NoSuchCall | Problem::BadId(_) => html! { (w.no_such_call) },
        Problem::NoSuchPath | Problem::NoSuchPart(_) => html! { (w.not_found) },
        Problem::NotArchived(_) => html! { (w.not_archived) },
        Problem::StaleForm => html! { (w.stale_form) },
        Problem::Method | Problem::NotAcceptable(_) => html! { (w.method) },
        Problem::TooLarge(_) => html! { (w.too_much) },
        Problem::Unauthenticated(_) => html! { (w.sign_in_failed) },
        Problem::NoKeys | Problem::Unavailable { .. } => html! { (w.later) },
        Problem::Unreadable { .. } => html! { (w.broken) },
    }
}

/// A filter by its name on the page and in the URL.
fn named(w: &Words, name: &str) -> Markup {
    // "Day" and `day` say the same.
    let word = w.parameter(name);
    let is_same = word.is_some_and(|word| word.eq_ignore_ascii_case(name));
    html! { @if let Some(word) = word { strong { (word) } @if !is_same { " " } } @if !is_same { code { (name) } } }
}

/// A filter that there is not, by the name that somebody made up: it may be none, or one that is not seen.
fn unknown(w: &Words, name: &str) -> Markup {
    // A number may be given where none belongs.
    let shown = brief(&in_name(name), 40);
    match shown.trim().is_empty() {
        true => html! { strong { (w.no_name) } },
        false => html! { code { (shown) } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Language;
    use shared::access::Permission;

    #[test]
    fn what_is_called_as_it_is_written_is_named_once() {
        let told = |words| told(words, &Problem::RepeatedParameter("day")).into_string();
        assert!(told(Language::English.words()).ends_with("<strong>Day</strong>"));
        assert!(told(Language::Chinese.words()).ends_with("<strong>日期</strong> <code>day</code>"));
    }

    #[test]
    fn whatever_is_wrong_with_a_filter_it_is_named() {
        for words in Language::ALL.map(Language::words) {
            for (problem, names) in [
                (Problem::UnknownParameter { name: "days".to_owned(), known: vec![] }, vec!["days"]),
                (
                    Problem::UnknownParameter { name: "to13700009182".to_owned(), known: vec![] },
                    vec!["to***********"],
                ),
                (Problem::UnknownParameter { name: String::new(), known: vec![] }, vec![words.no_name]),
                (
                    Problem::UnknownParameter { name: " \u{200b}\0".to_owned(), known: vec![] },
                    vec![words.no_name],
                ),
                (Problem::RepeatedParameter("day"), vec![words.day]),
                (
                    Problem::BadValue { name: "limit", came: String::new(), expected: String::new() },
                    vec!["limit", words.per_page],
                ),
                (
                    Problem::BelowLeast { name: "max_duration_s", came: 9, least: "min_duration_s" },
                    vec![words.filters_together, words.at_least, words.at_most],
                ),
                (Problem::Together { name: "task", other: "callee_id" }, vec!["task", "callee_id"]),
                (
                    Problem::ForbiddenValue { name: "intent", permission: Permission::SeeNumbers },
                    vec!["intent"],
                ),
            ] {
                let told = told(words, &problem).into_string().to_lowercase();
                assert!(names.iter().all(|name| told.contains(&name.to_lowercase())), "{problem:?}: {told}");
            }
            for problem in [Problem::Query { name: "x".to_owned(), what: "y" }, Problem::LongQuery(7)] {
                let told = told(words, &problem).into_string();
                assert!(!told.trim().ends_with([':', '：']), "{told}");
            }
        }
    }
}
