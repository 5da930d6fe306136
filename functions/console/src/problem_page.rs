//! What somebody is told where there is no page.

use maud::{Markup, html};
use readers::Problem;
use serde_json::json;

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
        Problem::UnknownParameter { name, .. } => html! { (w.bad_filter) " " code { (brief(name, 40)) } },
        Problem::RepeatedParameter(name)
        | Problem::BadValue { name, .. }
        | Problem::Together { name, .. }
        | Problem::ForbiddenValue { name, .. } => html! { (w.bad_filter) " " code { (name) } },
        Problem::Query(_) | Problem::LongQuery(_) => html! { (w.bad_filter) },
        Problem::Forbidden(permission) => {
            html! { (w.forbidden) (w.colon) code { (permission.as_str()) } (w.stop) (w.forbidden_hint) }
        }
        Problem::NoSuchCall | Problem::BadId(_) => html! { (w.no_such_call) },
        Problem::NoSuchTask => html! { (w.no_such_task) },
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
