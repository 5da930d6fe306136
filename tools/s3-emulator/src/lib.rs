//! The embedded S3: [`s3s`] for the protocol, a small store of our own behind it.
//!
//! Any credentials do; requests are path style. An object is there whole or not at all, whatever happens to the process,
//! and with a data directory an acknowledged one is on the disk. Bytes pass through in small pieces.
//!
//! A request runs through `request` (signature off, chunks undone), the protocol layer and `service` (one method an
//! operation), `receive` if it brings bytes, and ends at `store`, which holds the index, and `blob`, which holds the
//! bytes. `checksum` and `describe` are vocabulary; `joining` measures.

mod blob;
mod checksum;
mod describe;
mod joining;
mod receive;
mod request;
mod service;
mod store;

use std::future::IntoFuture as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time;

use self::joining::Joining;
use self::request::without_signature;
use self::service::LocalS3;
use self::store::{Store, StoreError};

/// How long running requests may take to finish once [`S3::stop`] was called.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// Why the embedded S3 did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// Another process has the data directory open.
    #[error("the data directory is used by another process")]
    InUse,
    /// The data directory can't be used.
    #[error("can't open the embedded S3's store")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The socket can't be served.
    #[error("can't serve the embedded S3")]
    Serve(#[from] io::Error),
    /// The server's task failed.
    #[error("the embedded S3's task failed")]
    Task(#[from] JoinError),
}

/// A running embedded S3. Dropping it ends it too, without waiting.
#[derive(Debug)]
pub struct S3 {
    local_addr: SocketAddr,
    joining: Joining,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl S3 {
    /// Returns the address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the endpoint URL to give to an SDK, together with path style.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// Returns how long it has been busy with putting objects together from the parts of uploads: it copies them, which S3 does not, and who
    /// measures an upload leaves that out.
    #[must_use]
    pub fn joining(&self) -> Duration {
        self.joining.total()
    }

    /// Stops accepting requests and waits, three seconds at most, for running ones to be answered.
    ///
    /// # Errors
    /// When the server had failed before.
    pub async fn stop(self) -> Result<(), S3Error> {
        drop(self.stop);
        Ok(self.server.await??)
    }
}

/// Serves S3 on `listener`, keeping its objects inside `data`, or in a temporary directory without it.
///
/// # Errors
/// When the store can't be opened or the socket not be served.
pub async fn start(listener: TcpListener, data: Option<&Path>) -> Result<S3, S3Error> {
    let local_addr = listener.local_addr()?;
    let data = data.map(Path::to_owned);
    let store = tokio::task::spawn_blocking(move || Store::open(data.as_deref())).await?;
    let store = store.map_err(|error| match error {
        StoreError::InUse => S3Error::InUse,
        error => S3Error::Open(Box::new(error)),
    })?;
    let joining = Joining::default();
    let service = S3ServiceBuilder::new(LocalS3::new(store, joining.clone())).build();
    let app = Router::new().fallback(answer).with_state(service);

    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, app, stopped));
    Ok(S3 { local_addr, joining, stop, server })
}

async fn serve(listener: TcpListener, app: Router, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // It only makes small answers later.
        let _ = connection.set_nodelay(true);
    });
    let (stopping, grace) = oneshot::channel::<()>();
    let served = axum::serve(listener, app).with_graceful_shutdown(async move {
        // An error means that the handle was dropped: a stop as well.
        let _ = stopped.await;
        drop(stopping);
    });
    tokio::select! {
        result = served.into_future() => result,
        // A client that sent half a request would hold the stop for ever.
        () = async { let _ = grace.await; time::sleep(STOP_GRACE).await } => Ok(()),
    }
}

async fn answer(State(service): State<S3Service>, request: Request) -> Response {
    match service.call(without_signature(request)).await {
        Ok(response) => response.map(axum::body::Body::new),
        // The protocol layer logged why.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
