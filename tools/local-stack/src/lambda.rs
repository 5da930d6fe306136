//! Lambda, as far as a function's process sees it: the Runtime API, the environment, and being frozen.
//!
//! API: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// How long an invocation may take, as the function is told where nothing else is said.
const TIMEOUT_S: i64 = 900;

/// Lambda's Runtime API for one process. Dropping it ends it.
#[derive(Debug)]
pub struct Lambda {
    address: SocketAddr,
    invocations: mpsc::UnboundedSender<String>,
    moments: mpsc::UnboundedReceiver<Moment>,
    server: JoinHandle<()>,
}

/// What the process did, and when.
#[derive(Debug)]
enum Moment {
    /// It asked for its next invocation: all work before is done.
    Ready(Instant),
    /// It answered one.
    Answered(Instant, Value),
}

/// The process ended, or doesn't answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the function's process neither answers nor asks for an invocation")]
pub struct Silent(#[from] tokio::time::error::Elapsed);

struct Ends {
    invocations: Mutex<mpsc::UnboundedReceiver<String>>,
    moments: mpsc::UnboundedSender<Moment>,
    timeout_s: i64,
}

impl Lambda {
    /// Serves the API on a free port of this machine, with as much time for an invocation as there may be.
    pub async fn start() -> io::Result<Self> {
        Self::with_timeout(TIMEOUT_S).await
    }

    /// Serves the API on a free port of this machine. The function is told that an invocation has `timeout_s` seconds; nothing ends it
    /// then.
    pub async fn with_timeout(timeout_s: i64) -> io::Result<Self> {
        let (invocations, to_invoke) = mpsc::unbounded_channel();
        let (happened, moments) = mpsc::unbounded_channel();
        let ends = Arc::new(Ends { invocations: Mutex::new(to_invoke), moments: happened, timeout_s });
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
            .route("/2018-06-01/runtime/init/error", post(answered))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(ends);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            // It ends with its handle, or when the socket is lost, which the invocation to come tells.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, invocations, moments, server })
    }

    /// The function's program, with the environment that Lambda gives.
    pub fn command(&self, program: &Path, function: &str, memory_mb: u32) -> Command {
        let mut command = Command::new(program);
        command
            .env("AWS_LAMBDA_RUNTIME_API", self.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string())
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "local")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local");
        command
    }

    /// Invokes the function with an event, and doesn't wait.
    pub fn invoke(&self, event: impl Into<String>) {
        // The server holds the other end as long as this lives.
        let _ = self.invocations.send(event.into());
    }

    /// Waits until the process has answered, and gives back when it did and what. An error is an answer too.
    pub async fn answered(&mut self, patience: Duration) -> Result<(Instant, Value), Silent> {
        let answer = async {
            loop {
                match self.moments.recv().await {
                    Some(Moment::Answered(at, answer)) => return (at, answer),
                    Some(Moment::Ready(_)) => {}
                    None => std::future::pending().await,
                }
            }
        };
        Ok(tokio::time::timeout(patience, answer).await?)
    }

    /// Waits until the process asks for its next invocation, and gives back when it did.
    pub async fn ready(&mut self, patience: Duration) -> Result<Instant, Silent> {
        let ready = async {
            loop {
                match self.moments.recv().await {
                    Some(Moment::Ready(at)) => return at,
                    Some(Moment::Answered(..)) => {}
                    None => std::future::pending().await,
                }
            }
        };
        Ok(tokio::time::timeout(patience, ready).await?)
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(ends): State<Arc<Ends>>) -> Response {
    let _ = ends.moments.send(Moment::Ready(Instant::now()));
    // Held back until there is an invocation. A process that was killed while it waited is not waited for: the lock is let go.
    let Some(event) = ends.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline_ms = runtime::clock::now().plus_seconds(ends.timeout_s).epoch_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "1".to_owned()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:local".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (StatusCode::OK, headers, event).into_response()
}

async fn answered(State(ends): State<Arc<Ends>>, body: Bytes) -> StatusCode {
    let at = Instant::now();
    // What is no JSON is shown as it is: it is never an answer that somebody waits for.
    let answer = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    let _ = ends.moments.send(Moment::Answered(at, answer));
    StatusCode::ACCEPTED
}

/// A function's process. It is killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// The processor time that its threads have used so far: of those that are still there, which all are for ten seconds at least.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += figure(text.split_whitespace().next())?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory that it had so far, in bytes.
    pub fn peak_memory_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        Ok(figure(line.and_then(|line| line.split_whitespace().next()))? * 1024)
    }

    /// Freezes it, as Lambda does between invocations.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn figure(text: Option<&str>) -> io::Result<u64> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
