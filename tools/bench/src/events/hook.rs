//! A webhook: one that notes which calls it was told of as completed, and one that takes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// When each call was first told as completed.
type Told = Arc<Mutex<BTreeMap<String, Instant>>>;

/// A webhook. It ends when it is dropped.
pub(super) struct Hook {
    url: String,
    told: Told,
    server: JoinHandle<()>,
}

impl Hook {
    /// One that takes everything.
    pub(super) async fn listen() -> anyhow::Result<Self> {
        let told = Told::default();
        Self::serve(Router::new().fallback(take).with_state(Arc::clone(&told)), told).await
    }

    /// One that is there and fails.
    pub(super) async fn dead() -> anyhow::Result<Self> {
        let fails = Router::new().fallback(|| async { StatusCode::SERVICE_UNAVAILABLE });
        Self::serve(fails, Told::default()).await
    }

    async fn serve(app: Router, told: Told) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let server = tokio::spawn(async move {
            // It ends with its handle.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { url, told, server })
    }

    /// Where it is posted to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The calls that were told as completed, and when, as soon as there are so many, or it was waited for long enough.
    pub(super) async fn completed(&self, count: usize, patience: Duration) -> BTreeMap<String, Instant> {
        let end = Instant::now() + patience;
        loop {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if told.len() >= count || Instant::now() >= end {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(told): State<Told>, body: Bytes) -> StatusCode {
    let at = Instant::now();
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    if event["detail-type"] == "call.completed"
        && let Some(call_id) = event["detail"]["call_id"].as_str()
    {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.entry(call_id.to_owned()).or_insert(at);
    }
    StatusCode::OK
}
