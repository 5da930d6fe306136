//! Posting events to a webhook, as a rule with an API destination does: the whole event, again and again for a day.
//!
//! While the webhook takes nothing, one event at a time is tried: to try all that wait costs this machine much, and tells no more.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html>

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use operator::http::Http;
use runtime::backoff::Backoff;

use super::Shared;
use super::shelf::{Pending, now};

/// How long an API destination is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// For how long, and how often, an event is tried.
const TRIED_MS: i64 = 24 * 60 * 60 * 1_000;
const MAX_ATTEMPTS: u32 = 185;
/// The pauses between attempts. EventBridge's begin at some seconds; whoever looks at a local stack does not want to wait so long.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// How many are posted at once.
const CONCURRENCY: usize = 16;
/// How many are read at once.
const MAX_DUE: usize = 256;
/// How long nothing is looked for where nothing was due and nobody told of news.
const IDLE: Duration = Duration::from_millis(200);

/// Where events are posted to.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The URL. It may hold a secret: nobody logs it.
    pub url: String,
    /// A header, and its value.
    pub header: Option<(String, String)>,
}

/// What became of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It is of no use to try again.
    Refused,
    Again,
}

/// Delivers what is due, for ever.
pub(super) async fn deliver(webhook: Webhook, shared: Arc<Shared>) {
    let http = Http::new();
    // How often in a row the webhook took nothing.
    let mut failures = 0;
    loop {
        let news = shared.news.notified();
        let limit = if failures > 0 { 1 } else { MAX_DUE };
        let due = tokio::task::block_in_place(|| shared.shelf.due(limit)).unwrap_or_default();
        if due.is_empty() {
            let _ = tokio::time::timeout(IDLE, news).await;
            continue;
        }
        let mut taken = 0;
        let is_deaf = AtomicBool::new(false);
        // Once none of the first ones was taken, the others wait.
        let tried = stream::iter(due).take_while(|_| ready(!is_deaf.load(Ordering::Relaxed)));
        let posts = tried.map(|pending| post(&http, &webhook, pending)).buffer_unordered(CONCURRENCY);
        // What is delivered is noted a few at a time: a dead webhook must not hold up the notes on others.
        let mut posts = posts.ready_chunks(CONCURRENCY);
        while let Some(tried) = posts.next().await {
            taken += tried.iter().filter(|(outcome, _)| *outcome != Outcome::Again).count();
            is_deaf.store(taken == 0, Ordering::Relaxed);
            let settled: Vec<_> = tried.into_iter().map(|(_, settled)| settled).collect();
            if let Err(error) = tokio::task::block_in_place(|| shared.shelf.settle(&settled)) {
                tracing::error!(error = %format!("{error:#}"), "deliveries could not be noted");
            }
        }
        failures = if taken == 0 { failures + 1 } else { 0 };
        BACKOFF.pause(failures).await;
    }
}

/// Posts an event, and tells what became of it, when it is due again, and after how many attempts.
async fn post(http: &Http, webhook: &Webhook, pending: Pending) -> (Outcome, (u64, Option<i64>, u32)) {
    let Pending { number, event, attempts, at } = pending;
    let header = webhook.header.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let outcome = match http.post_with(&webhook.url, event, header, TIMEOUT).await {
        Ok((200..300, _)) => Outcome::Done,
        Ok((409 | 429 | 500.., _)) | Err(_) => Outcome::Again,
        Ok(_) => Outcome::Refused,
    };
    let attempts = attempts + 1;
    let due = match outcome {
        Outcome::Done => None,
        Outcome::Again if attempts < MAX_ATTEMPTS && now() - at < TRIED_MS => {
            let pause = i64::try_from(BACKOFF.after(attempts).as_millis()).unwrap_or(i64::MAX);
            Some(now() + pause)
        }
        Outcome::Again | Outcome::Refused => {
            tracing::warn!(attempts, "an event was given up: the webhook does not take it");
            None
        }
    };
    (outcome, (number, due, attempts))
}
