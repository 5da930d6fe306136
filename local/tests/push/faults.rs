//! A DynamoDB that fails on demand: a proxy before the embedded one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

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
}

type Plan = dyn Fn(u64, &str) -> Fault + Send + Sync;

/// The proxy.
pub(crate) struct FaultyDynamoDb {
    pub(crate) endpoint: String,
    server: tokio::task::JoinHandle<()>,
}

struct Proxy {
    target: String,
    plan: Box<Plan>,
    writes: AtomicU64,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl FaultyDynamoDb {
    /// Stands before `target`. `plan` decides for each write, by its number (counted from 0) and its operation.
    pub(crate) async fn start(
        target: &str,
        plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Arc::new(Proxy {
            target: target.to_owned(),
            plan: Box::new(plan),
            writes: AtomicU64::new(0),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let app = Router::new().fallback(forward).with_state(proxy);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, server }
    }
}

impl Drop for FaultyDynamoDb {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target =
        parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let is_write = matches!(operation.as_str(), "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem");
    let fault = match is_write {
        true => (proxy.plan)(proxy.writes.fetch_add(1, Ordering::SeqCst), &operation),
        false => Fault::None,
    };
    match fault {
        // An error that the SDK does not try again.
        Fault::Crash => return error(StatusCode::BAD_REQUEST, "AccessDeniedException"),
        Fault::ErrorBefore => return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        Fault::Throttled => return error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException"),
        Fault::None | Fault::ErrorAfter => {}
    }
    let mut forwarded = http::Request::post(&proxy.target);
    *forwarded.headers_mut().unwrap() = parts.headers;
    let body = body.collect().await.unwrap().to_bytes();
    let answer = proxy.client.request(forwarded.body(Full::new(body)).unwrap()).await.unwrap();
    match fault {
        Fault::ErrorAfter => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        _ => answer.map(Body::new).into_response(),
    }
}

fn error(status: StatusCode, kind: &str) -> Response {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"on demand"}}"#);
    (status, [("content-type", "application/x-amz-json-1.0")], body).into_response()
}
