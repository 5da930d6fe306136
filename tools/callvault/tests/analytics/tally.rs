//! A proxy before S3 that counts what is asked of it: what would be billed, by the object that it is about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How often what was asked for: by method and path.
pub(crate) type Asked = BTreeMap<(String, String), u64>;

/// The proxy. It ends when it is dropped.
pub(crate) struct Tally {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Asked>>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Forwarding {
    target: String,
    asked: Arc<Mutex<Asked>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Tally {
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::default();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let forwarding = Forwarding { target: target.to_owned(), asked: Arc::clone(&asked), client };
        let app = Router::new().fallback(forward).with_state(forwarding);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, asked, server }
    }

    /// What was asked for since the last time.
    pub(crate) fn take(&self) -> Asked {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(State(forwarding): State<Forwarding>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    *forwarding.asked.lock().unwrap().entry((method, path)).or_default() += 1;
    let target = format!("{}{}", forwarding.target, parts.uri.path_and_query().unwrap());
    let mut forwarded = http::Request::builder().method(parts.method).uri(target);
    // `host` with the others: it is signed.
    *forwarded.headers_mut().unwrap() = parts.headers;
    let answer = forwarding.client.request(forwarded.body(Full::new(body)).unwrap()).await.unwrap();
    answer.map(Body::new).into_response()
}
