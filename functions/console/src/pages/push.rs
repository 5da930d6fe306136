//! A push as it came.

use maud::html;
use readers::filter::problem;
use readers::{Answer, Problem, request};
use serde_json::{Value, json};
use shared::access::What;
use shared::model::CallKey;

use crate::Asked;
use crate::frame::{Page, Place, visible};

/// The longest text that is shown, in bytes: a push may have megabytes.
const MAX_SHOWN_BYTES: usize = 2_000_000;

pub(crate) async fn answer(
    asked: &Asked<'_>,
    key: &CallKey,
    function: &str,
    digest: &str,
) -> Result<Answer, Problem> {
    let body = asked.visit.reader.store.push_body(key, function, digest).await.map_err(problem)?;
    let body = body.ok_or(Problem::NoSuchPart("push"))?;
    asked.visit.record(What::of("push"), Some(key)).await?;
    let text = match serde_json::from_slice::<Value>(&body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    let mut end = text.len().min(MAX_SHOWN_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let w = asked.frame.words;
    // The call's page is above, whichever way its id is written.
    let path = request::path(asked.event);
    let path = path.split_once("/pushes/").map_or(path, |(call, _)| call);
    let page = Page {
        title: format!("{} · {function}", w.push),
        place: Place::Calls,
        data: json!(null),
        body: html! {
            nav.crumbs { a href=(path) { (w.call) } }
            h1 { (w.push) " " (asked.frame.function(function)) }
            pre.code { (visible(&text[..end])) @if end < text.len() { "…" } }
        },
        media: None,
    };
    Ok(asked.page(&page))
}
