//! The bus: takes events as EventBridge's PutEvents does, keeps them for a day, hands them out to whoever follows, and posts each to a
//! webhook, as an API destination does.
//!
//! API: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

mod shelf;
mod webhook;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use shelf::Shelf;

pub use webhook::Webhook;

/// The most entries that one request has.
const MAX_ENTRIES: usize = 10;
/// The most bytes that they have together.
const MAX_BYTES: usize = 256 * 1_024;
/// The most events that are handed out at once.
const MAX_PAGE: usize = 500;
/// For how long somebody who follows is kept waiting at most.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// What goes wrong on purpose, in percent of the requests: before anything took effect, after all did, or with half of the entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// How many of a hundred requests fail, in each of the three ways.
    pub percent: u32,
}

/// The bus's parts.
struct Shared {
    shelf: Shelf,
    news: Notify,
    faults: Faults,
    faulty: AtomicU64,
    has_webhook: bool,
}

/// A running bus.
pub struct Bus {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Bus {
    /// Serves the bus on `listener`, and posts to `webhook`. Events are kept in a file in `data`, where there is one.
    ///
    /// # Errors
    /// Where the file can't be had.
    pub fn start(
        listener: TcpListener,
        data: Option<&Path>,
        webhook: Option<Webhook>,
        faults: Faults,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let shelf = Shelf::open(data).context("events can't be kept")?;
        let has_webhook = webhook.is_some();
        let shared =
            Arc::new(Shared { shelf, news: Notify::new(), faults, faulty: AtomicU64::new(0), has_webhook });
        let app = Router::new()
            .route("/", post(put_events))
            .route("/events", get(events))
            .layer(DefaultBodyLimit::max(2 * MAX_BYTES))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends with its task.
            let _ = axum::serve(listener, app).await;
        });
        let mut tasks = vec![server];
        tasks.extend(webhook.map(|webhook| tokio::spawn(webhook::deliver(webhook, Arc::clone(&shared)))));
        Ok(Self { address, shared, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every event that it has, in the order in which it took them.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn events(&self) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let page = self.shared.shelf.after(after, MAX_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = *last;
            all.extend(page.into_iter().map(|(_, event)| event));
        }
    }

    /// How many events still have to be posted to the webhook.
    ///
    /// # Errors
    /// Where that can't be read.
    pub fn undelivered(&self) -> anyhow::Result<u64> {
        self.shared.shelf.undelivered()
    }

    /// Ends it. What is not delivered yet is delivered after the next start.
    pub(crate) fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    source: String,
    #[serde(default)]
    detail_type: String,
    #[serde(default)]
    detail: String,
    time: Option<f64>,
    #[serde(default)]
    resources: Vec<String>,
}

/// The ways in which a request goes wrong on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Before,
    After,
    Partial,
}

impl Shared {
    /// The next fault, if it is time for one: at even distances, so that each way has its turn.
    fn fault(&self) -> Option<Fault> {
        if self.faults.percent == 0 || fastrand::u32(0..100) >= self.faults.percent {
            return None;
        }
        Some(match self.faulty.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Fault::Before,
            1 => Fault::After,
            _ => Fault::Partial,
        })
    }
}

async fn put_events(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target != "AWSEvents.PutEvents" {
        return failure(StatusCode::BAD_REQUEST, "UnknownOperationException");
    }
    let Ok(PutEvents { entries }) = serde_json::from_slice(&body) else {
        return failure(StatusCode::BAD_REQUEST, "SerializationException");
    };
    let bytes: usize = entries
        .iter()
        .map(|entry| entry.detail.len() + entry.source.len() + entry.detail_type.len() + 14)
        .sum();
    if entries.is_empty() || entries.len() > MAX_ENTRIES || bytes > MAX_BYTES {
        return failure(StatusCode::BAD_REQUEST, "ValidationException");
    }
    let fault = shared.fault();
    if fault == Some(Fault::Before) {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalException");
    }
    let mut results = Vec::new();
    let mut events = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        if fault == Some(Fault::Partial) && position % 2 == 0 {
            results.push(json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "on purpose"}));
            continue;
        }
        match event(entry) {
            Some(event) => {
                results.push(json!({"EventId": event["id"]}));
                events.push(event);
            }
            None => {
                results.push(json!({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}))
            }
        }
    }
    let kept = tokio::task::block_in_place(|| shared.shelf.put(&events, shared.has_webhook));
    if let Err(error) = kept {
        tracing::error!(error = %format!("{error:#}"), "events could not be kept");
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalException");
    }
    shared.news.notify_waiters();
    if fault == Some(Fault::After) {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalException");
    }
    let failed = results.iter().filter(|result| result["ErrorCode"].is_string()).count();
    answer(StatusCode::OK, &json!({"FailedEntryCount": failed, "Entries": results}))
}

/// An event, as rules see it and targets get it; `None` of an entry without a source, a type, or an object as its detail.
fn event(entry: Entry) -> Option<Value> {
    let Entry { source, detail_type, detail, time, resources } = entry;
    let detail: Value = serde_json::from_str(&detail).ok()?;
    if source.is_empty() || detail_type.is_empty() || !detail.is_object() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 are far below 2^53")]
    let time = time.and_then(|time| jiff::Timestamp::from_second(time as i64).ok());
    let time = time.unwrap_or_else(jiff::Timestamp::now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Some(json!({
        "version": "0",
        "id": uuid(),
        "detail-type": detail_type,
        "source": source,
        "account": "000000000000",
        "time": time,
        "region": "us-east-1",
        "resources": resources,
        "detail": detail,
    }))
}

/// A random UUID: the bus's own id of what it took, another one each time.
fn uuid() -> String {
    let random = fastrand::u128(..);
    let (version, variant) = (0x4_u128 << 76, 0x2_u128 << 62);
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | version | variant;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[derive(Deserialize)]
struct Following {
    /// The number of the last event that is known; none asks for the last number alone.
    after: Option<u64>,
    /// For how many seconds to wait for news.
    #[serde(default)]
    wait: u64,
}

/// The events after one that is known, and the number of the last: how `callvault events --follow` reads.
async fn events(State(shared): State<Arc<Shared>>, Query(following): Query<Following>) -> Response {
    let Following { after, wait } = following;
    let Some(after) = after else {
        return match shared.shelf.last() {
            Ok(last) => Json(json!({"events": [], "last": last})).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
    };
    let end = tokio::time::Instant::now() + Duration::from_secs(wait).min(MAX_WAIT);
    loop {
        let news = shared.news.notified();
        let Ok(page) = shared.shelf.after(after, MAX_PAGE) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        if !page.is_empty() || left.is_zero() {
            let last = page.last().map_or(after, |(number, _)| *number);
            let events: Vec<_> = page.into_iter().map(|(_, event)| event).collect();
            return Json(json!({"events": events, "last": last})).into_response();
        }
        // What comes between the look and the wait is seen by the next look.
        let _ = tokio::time::timeout(left.min(Duration::from_millis(500)), news).await;
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}

fn failure(status: StatusCode, kind: &str) -> Response {
    answer(status, &json!({"__type": kind, "message": kind}))
}
