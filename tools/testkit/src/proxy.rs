//! A proxy before a service, to see what is asked of it.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A proxy on a free port of this machine. It ends when it is dropped.
pub struct Proxy {
    endpoint: String,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Hands each request on to `target`, an endpoint URL, once it was shown to `seen` with its body.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(target: &str, seen: impl Fn(&Parts, &Bytes) + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let target = target.to_owned();
        let app = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            seen(&parts, &body);
            forward(&client, &target, parts, body).await
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, server }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(
    client: &Client<HttpConnector, Full<Bytes>>,
    target: &str,
    parts: Parts,
    body: Bytes,
) -> Response {
    let target = format!("{target}{}", parts.uri.path_and_query().unwrap());
    let mut forwarded = http::Request::builder().method(parts.method).uri(target);
    // `host` with the others: it is signed.
    *forwarded.headers_mut().unwrap() = parts.headers;
    let answer = client.request(forwarded.body(Full::new(body)).unwrap()).await.unwrap();
    answer.map(Body::new).into_response()
}
