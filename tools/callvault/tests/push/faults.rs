//! Stores that fail on demand: proxies before the embedded ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Longer than the functions wait for an attempt.
const LATE: Duration = Duration::from_millis(900);

/// Longer than a push waits for what it could do without, and shorter than an attempt may take.
const SLOW: Duration = Duration::from_millis(230);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: it is handed on, and so is its answer.
    None,
    /// The function is gone: nothing of it arrives any more, and nothing is tried again.
    Crash,
    /// An internal error, before anything was written.
    ErrorBefore,
    /// An internal error, though it was written.
    ErrorAfter,
    /// Throttled.
    Throttled,
    /// It is handed on, and its answer too, when nobody waits for it any more.
    Late,
    /// Nothing: neither is it handed on, nor answered.
    Silent,
    /// The connection is cut in the middle of the answer, before anything was written.
    CutBefore,
    /// The connection is cut in the middle of the answer, though it was written.
    CutAfter,
    /// Of a batch the first half is written, the rest handed back; other requests are not touched.
    HalfUnprocessed,
    /// Of a batch nothing is written, all handed back; other requests are not touched.
    Unprocessed,
}

type Plan = dyn Fn(u64, &str) -> Fault + Send + Sync;

/// A DynamoDB that fails.
pub(crate) struct FaultyDynamoDb {
    pub(crate) endpoint: String,
    requests: Arc<AtomicU64>,
    server: tokio::task::JoinHandle<()>,
}

/// An S3 that fails.
pub(crate) struct FaultyS3 {
    pub(crate) endpoint: String,
    server: tokio::task::JoinHandle<()>,
}

struct Proxy {
    target: String,
    plan: Box<Plan>,
    writes: AtomicU64,
    /// How long each read takes.
    reads_take: Duration,
    requests: Arc<AtomicU64>,
    client: Client<HttpConnector, Full<Bytes>>,
    error: fn(StatusCode, &str) -> Response,
}

impl FaultyDynamoDb {
    /// Stands before `target`. `plan` decides for each write, by its number (counted from 0) and its operation.
    pub(crate) async fn start(
        target: &str,
        plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::default();
        let (endpoint, server) =
            serve(target, Box::new(plan), dynamodb_error, (Arc::clone(&requests), Duration::ZERO)).await;
        Self { endpoint, requests, server }
    }

    /// Stands before `target`, and is slow to read.
    #[allow(dead_code, reason = "it is the pushes' tests that need it")]
    pub(crate) async fn slow_to_read(target: &str) -> Self {
        let requests = Arc::default();
        let plan = Box::new(|_, _: &str| Fault::None);
        let (endpoint, server) = serve(target, plan, dynamodb_error, (Arc::clone(&requests), SLOW)).await;
        Self { endpoint, requests, server }
    }

    /// How many requests came so far, reads and writes.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl FaultyS3 {
    /// Stands before `target`. `plan` decides for each write, by its number (counted from 0) and its method.
    pub(crate) async fn start(
        target: &str,
        plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let (endpoint, server) = serve(target, Box::new(plan), s3_error, Default::default()).await;
        Self { endpoint, server }
    }
}

impl Drop for FaultyDynamoDb {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Drop for FaultyS3 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    target: &str,
    plan: Box<Plan>,
    error: fn(StatusCode, &str) -> Response,
    (requests, reads_take): (Arc<AtomicU64>, Duration),
) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let proxy = Arc::new(Proxy {
        target: target.to_owned(),
        plan,
        writes: AtomicU64::new(0),
        reads_take,
        requests,
        client: Client::builder(TokioExecutor::new()).build_http(),
        error,
    });
    let app = Router::new().fallback(answer).with_state(proxy);
    (endpoint, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

async fn answer(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    proxy.requests.fetch_add(1, Ordering::SeqCst);
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.map_or(parts.method.as_str(), |target| target.rsplit('.').next().unwrap());
    let is_write = matches!(
        operation,
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "PUT" | "POST" | "DELETE"
    );
    let mut fault = match is_write {
        true => (proxy.plan)(proxy.writes.fetch_add(1, Ordering::SeqCst), operation),
        false => Fault::None,
    };
    if !is_write {
        tokio::time::sleep(proxy.reads_take).await;
    }
    if operation != "BatchWriteItem" && matches!(fault, Fault::HalfUnprocessed | Fault::Unprocessed) {
        fault = Fault::None;
    }
    let batch = operation == "BatchWriteItem";
    // A client that hung up midway left nothing to hand on.
    let Ok(body) = body.collect().await else { return cut() };
    let body = body.to_bytes();
    match fault {
        // An error that the SDK does not try again.
        Fault::Crash => return (proxy.error)(StatusCode::BAD_REQUEST, "AccessDeniedException"),
        Fault::ErrorBefore => {
            return (proxy.error)(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
        }
        Fault::Throttled => {
            return (proxy.error)(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException");
        }
        Fault::CutBefore => return cut(),
        Fault::Silent => return std::future::pending().await,
        Fault::Late => {
            // It arrives, whether its sender still waits or not.
            let forwarding = tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                forward(&proxy, parts, body).await
            });
            return forwarding.await.unwrap();
        }
        Fault::HalfUnprocessed | Fault::Unprocessed if batch => {
            let mut request: Value = serde_json::from_slice(&body).unwrap();
            let (table, items) = request["RequestItems"].as_object_mut().unwrap().iter_mut().next().unwrap();
            let items = items.as_array_mut().unwrap();
            let written = if fault == Fault::Unprocessed { 0 } else { items.len().div_ceil(2) };
            let rest = items.split_off(written);
            let unprocessed = match rest.len() {
                0 => json!({}),
                _ => json!({ table.as_str(): rest }),
            };
            if written > 0 {
                let mut parts = parts;
                parts.headers.remove(CONTENT_LENGTH);
                let answer = forward(&proxy, parts, request.to_string().into()).await;
                assert_eq!(answer.status(), 200);
            }
            let answer = json!({"UnprocessedItems": unprocessed}).to_string();
            return ([(CONTENT_TYPE, "application/x-amz-json-1.0")], answer).into_response();
        }
        Fault::None | Fault::ErrorAfter | Fault::CutAfter | Fault::HalfUnprocessed | Fault::Unprocessed => {}
    }
    let answer = forward(&proxy, parts, body).await;
    match fault {
        Fault::ErrorAfter => (proxy.error)(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        Fault::CutAfter => cut(),
        _ => answer,
    }
}

async fn forward(proxy: &Proxy, parts: http::request::Parts, body: Bytes) -> Response {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = http::Request::builder().method(parts.method).uri(format!("{}{path}", proxy.target));
    *forwarded.headers_mut().unwrap() = parts.headers;
    match proxy.client.request(forwarded.body(Full::new(body)).unwrap()).await {
        Ok(answer) => answer.map(Body::new).into_response(),
        // The store is gone, and so is the connection to it.
        Err(_) => cut(),
    }
}

/// An answer that ends before the end that it announced.
fn cut() -> Response {
    let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut on demand"))];
    let headers = HeaderMap::from_iter([(CONTENT_LENGTH, http::HeaderValue::from_static("100"))]);
    (headers, Body::from_stream(stream::iter(pieces))).into_response()
}

fn dynamodb_error(status: StatusCode, kind: &str) -> Response {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"on demand"}}"#);
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
}

fn s3_error(status: StatusCode, kind: &str) -> Response {
    let (status, code) = match kind {
        "InternalServerError" => (status, "InternalError"),
        "ProvisionedThroughputExceededException" => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        _ => (StatusCode::FORBIDDEN, "AccessDenied"),
    };
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>on demand</Message></Error>");
    (status, [(CONTENT_TYPE, "application/xml")], body).into_response()
}
