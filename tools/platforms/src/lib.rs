//! The call platforms, played: object storage with recordings in it, Alibaba's and LAAFFIC's APIs, and
//! everything that goes wrong with them, on demand.
//!
//! All state is in memory, and what isn't said follows from names: the same recording has the same bytes in
//! every process, and a URL that was signed by one is good in the next. A [`Provider`] is told what to know,
//! and counts what it is asked.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acs3;
mod alibaba;
mod answers;
mod calls;
mod download;
mod fault;
mod laaffic;
mod mp3;
mod oss;
mod recording;
mod shelf;
mod throttle;
mod traffic;
mod wav;

pub use calls::{Call, DetailStatus, Speaker, Tag, Task, TaskStatus, Turn, Variable};
pub use fault::{Fault, UnknownFault};
pub use recording::{Access, Format, MAX_BYTES, Recording, sha256_of};
pub use traffic::Traffic;

use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use std::{fmt, io};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where a local stack tells, at its API, what belongs to it: `{"provider": "http://127.0.0.1:4000"}`, its simulator. Nothing on AWS does.
pub const LOCAL_STACK: &str = "/.well-known/callvault-local-stack";

/// What stands for itself in a query or a path: RFC 3986's unreserved characters.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What time it is for the simulator: dates of requests and expiry of URLs are checked against it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An API key.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key id, or API key.
    pub id: String,
    /// What signs.
    pub secret: String,
}

/// How the simulator is set up.
#[derive(Clone)]
pub struct Settings {
    /// The key Alibaba's API accepts.
    pub alibaba: Credentials,
    /// The key LAAFFIC's API accepts.
    pub laaffic: Credentials,
    /// What time it is.
    pub clock: Clock,
    /// How long the URLs are good that the APIs hand out.
    pub url_lifetime: SignedDuration,
    /// The base of the URLs handed out, without a slash at its end, where that is not the address listened on.
    pub base_url: Option<String>,
}

impl Default for Settings {
    /// Keys `local`/`local`, the system's clock, URLs good for seven days.
    fn default() -> Settings {
        let local = Credentials { id: "local".to_owned(), secret: "local".to_owned() };
        Settings {
            alibaba: local.clone(),
            laaffic: local,
            clock: Arc::new(Timestamp::now),
            url_lifetime: SignedDuration::from_hours(7 * 24),
            base_url: None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { alibaba, laaffic, clock: _, url_lifetime, base_url } = self;
        f.debug_struct("Settings")
            .field("alibaba", alibaba)
            .field("laaffic", laaffic)
            .field("url_lifetime", url_lifetime)
            .field("base_url", base_url)
            .finish_non_exhaustive()
    }
}

/// A running simulator. Clones are handles to the same one; it stops with [`Provider::stop`] or with the last
/// handle.
#[derive(Clone)]
pub struct Provider {
    simulator: Arc<Simulator>,
    address: SocketAddr,
    server: Arc<Server>,
}

/// What runs, and how to end it: dropping the sender ends it too.
struct Server {
    stop: watch::Sender<()>,
}

/// Starts a simulator on a socket that is listened on. Call it within a Tokio runtime.
///
/// # Errors
/// When the listener can't tell its own address.
pub fn start(listener: TcpListener, settings: Settings) -> io::Result<Provider> {
    let address = listener.local_addr()?;
    let simulator = Arc::new(Simulator::new(address, settings));
    let app = Router::new()
        .route("/", get(alibaba::rpc).post(alibaba::rpc))
        .route("/recordings/{*name}", get(download::download))
        .route("/voice/getRecordingFileUrl", get(laaffic::recording_file_url))
        .with_state(Arc::clone(&simulator));
    let (stop, stopped) = watch::channel(());
    tokio::spawn(serve(listener, app, stopped));
    Ok(Provider { simulator, address, server: Arc::new(Server { stop }) })
}

/// Accepts connections until told to stop, then drops them all: some of the answers have no end to wait for.
async fn serve(listener: TcpListener, app: Router, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Nothing is ever sent but "stop"; an error means that the last handle is gone.
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let service = TowerToHyperService::new(app.clone());
                    connections.spawn(async move {
                        let http = auto::Builder::new(TokioExecutor::new());
                        // It fails when a client goes away or a fault breaks it off: nothing to report.
                        let _ = http.serve_connection(TokioIo::new(socket), service).await;
                    });
                }
                // Out of file descriptors, say: there will be some again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

impl Provider {
    /// Returns the base of all URLs, `http://127.0.0.1:4000`, without a slash at its end. It is the endpoint
    /// of both APIs, too.
    pub fn base_url(&self) -> &str {
        &self.simulator.base_url
    }

    /// Returns the address listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, breaks off all connections, and returns when that is done.
    pub async fn stop(&self) {
        self.server.stop.send_replace(());
        self.server.stop.closed().await;
    }

    /// Has a recording to serve, in place of one of the same name.
    pub fn add_recording(&self, recording: Recording) {
        self.simulator.shelf.put(recording);
    }

    /// Has a recording no more: its URLs answer 404 from now on, those yet to be handed out too.
    pub fn remove_recording(&self, name: &str) {
        self.simulator.shelf.take_away(name);
    }

    /// Returns a recording's URL without a signature: good for a public recording only.
    pub fn recording_url(&self, name: &str) -> String {
        format!("{}{}", self.base_url(), oss::path(name))
    }

    /// Returns a recording's URL that is good until an instant (whole seconds).
    pub fn signed_url(&self, name: &str, expires_at: Timestamp) -> String {
        self.simulator.signed_url(name, expires_at)
    }

    /// Returns the SHA-256, in hex, of a recording's file; `None` if no such recording was added.
    pub fn sha256_of(&self, name: &str) -> Option<String> {
        self.simulator.shelf.recording(name).map(|recording| sha256_of(&recording))
    }

    /// Returns what was asked of one recording.
    pub fn traffic(&self, name: &str) -> Traffic {
        self.simulator.shelf.traffic(name)
    }

    /// Returns what was asked of all recordings.
    pub fn total_traffic(&self) -> Traffic {
        self.simulator.shelf.total_traffic()
    }

    /// Knows a task of Alibaba's. One that is not said is made up when its first call is added.
    pub fn add_task(&self, task: Task) {
        self.simulator.calls.put_task(task);
    }

    /// Knows a call of Alibaba's. A second one of the same detail is a redial: from then on both queries
    /// answer with that, whichever was asked for, as the platform does.
    pub fn add_call(&self, call: Call) {
        self.simulator.calls.put_call(call);
    }

    /// Knows a recording of LAAFFIC's by its file id, and has it to serve.
    pub fn add_laaffic_recording(&self, file_id: impl Into<String>, recording: Recording) {
        let name = recording.name().to_owned();
        self.add_recording(recording);
        self.simulator
            .laaffic_files
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(file_id.into(), name);
    }

    /// Answers so many requests a second to Alibaba's API, and the others with `Throttling.User`; all, if
    /// `None`.
    pub fn throttle(&self, per_second: Option<NonZeroU32>) {
        self.simulator.throttle.limit(per_second);
    }

    /// Answers the next so many requests to Alibaba's API with `Throttling.User`.
    pub fn throttle_next(&self, requests: u32) {
        self.simulator.throttle.throttle_next(requests);
    }

    /// Answers the next so many requests to Alibaba's API with `ServiceUnavailable` (503).
    pub fn fail_next(&self, requests: u32) {
        self.simulator.throttle.fail_next(requests);
    }

    /// Returns how many requests to Alibaba's API were throttled.
    pub fn throttled(&self) -> u64 {
        self.simulator.throttle.throttled()
    }

    /// Returns how many requests an API operation has seen, refused ones included:
    /// `QueryConversationDetailInfo`, `getRecordingFileUrl`, …
    pub fn api_requests(&self, operation: &str) -> u64 {
        let requests = self.simulator.api_requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.get(operation).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What the handlers share.
struct Simulator {
    settings: Settings,
    base_url: String,
    /// `host:port`, which errors call `HostId`.
    host: String,
    shelf: shelf::Shelf,
    calls: calls::Book,
    laaffic_files: RwLock<HashMap<String, String>>,
    throttle: throttle::Throttle,
    nonces: acs3::Nonces,
    api_requests: Mutex<HashMap<String, u64>>,
    answers: AtomicU64,
}

impl Simulator {
    fn new(address: SocketAddr, settings: Settings) -> Simulator {
        let mut reachable = address;
        if address.ip().is_unspecified() {
            reachable.set_ip([127, 0, 0, 1].into());
        }
        let base_url = settings.base_url.clone().unwrap_or_else(|| format!("http://{reachable}"));
        Simulator {
            settings,
            base_url,
            host: reachable.to_string(),
            shelf: shelf::Shelf::default(),
            calls: calls::Book::default(),
            laaffic_files: RwLock::default(),
            throttle: throttle::Throttle::default(),
            nonces: acs3::Nonces::default(),
            api_requests: Mutex::default(),
            answers: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    fn signed_url(&self, name: &str, expires_at: Timestamp) -> String {
        format!("{}{}", self.base_url, oss::signed_path(name, expires_at))
    }

    /// Returns a URL signed now, and when it expires.
    fn fresh_url(&self, name: &str) -> (String, Timestamp) {
        let expires_at = self.now().saturating_add(self.settings.url_lifetime).unwrap_or(Timestamp::MAX);
        (self.signed_url(name, expires_at), expires_at)
    }

    /// The name of a recording of LAAFFIC's. An id that was never said and is called like a simulation's sound file is its name.
    fn recording_of_file(&self, file_id: &str) -> Option<String> {
        let known = self.laaffic_files.read().unwrap_or_else(PoisonError::into_inner).get(file_id).cloned();
        known.or_else(|| file_id.starts_with("simulated-").then(|| file_id.to_owned()))
    }

    fn count_request(&self, operation: &str) {
        let mut requests = self.api_requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(operation.to_owned()).or_default() += 1;
    }

    /// Returns the next request id, which looks like Alibaba's: a UUID in capitals.
    fn request_id(&self) -> String {
        let answer = self.answers.fetch_add(1, Ordering::Relaxed);
        let digits = hex::encode_upper(Sha256::digest(answer.to_be_bytes()));
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32]].join("-")
    }
}

/// Decodes a query string.
fn parse_query(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}
