//! The archiver as a process of its own: killed at any moment, and measured.
//!
//! The process is this test binary once more, running the one ignored test, which is the function's `main` word for word; the test
//! plays Lambda's Runtime API to it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive_recordings::{Archiver, handle};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use callvault::provider::Recording as Served;
use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::deadline::Deadline;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use crate::object::aws_cli;
use crate::support::{Rig, alicom, full, within_limit};

const PROCESS: &str = "CALLVAULT_TEST_ARCHIVER";

#[test]
#[ignore = "the process that the other tests start"]
fn lambda_process() {
    if std::env::var_os(PROCESS).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served: Result<(), Error> = runtime.block_on(async {
        shared::telemetry::init(std::io::stderr);
        let archiver = Archiver::from_environment().await?;
        run(service_fn(async |event: LambdaEvent<Value>| {
            let deadline = Deadline::of_context(event.context.deadline);
            handle(&archiver, shared::model::Instant::now(), deadline).await.map_err(Error::from)
        }))
        .await
    });
    served.unwrap();
}

/// Lambda's Runtime API: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
struct Lambda {
    address: String,
    invoke: mpsc::UnboundedSender<()>,
    answers: mpsc::UnboundedReceiver<Value>,
}

type Ends = (Mutex<mpsc::UnboundedReceiver<()>>, mpsc::UnboundedSender<Value>);

impl Lambda {
    async fn start() -> Self {
        let (invoke, invocations) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let ends: Arc<Ends> = Arc::new((Mutex::new(invocations), answer));
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
            .with_state(ends);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, invoke, answers }
    }

    /// Starts the function's process.
    fn spawn(&self, settings: &BTreeMap<String, String>) -> Process {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::lambda_process", "--ignored", "--nocapture"])
            .env(PROCESS, "1")
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "archive-recordings")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "test")
            .envs(settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Process(child.unwrap())
    }

    /// Invokes it, and waits for the answer.
    async fn invoke(&mut self) -> Value {
        self.invoke.send(()).unwrap();
        timeout(Duration::from_secs(600), self.answers.recv()).await.unwrap().unwrap()
    }
}

async fn next(State(ends): State<Arc<Ends>>) -> impl IntoResponse {
    // Held back until there is an invocation. A process that was killed while it waited is not waited for: the lock is let go.
    let invocation = ends.0.lock().await.recv().await;
    let deadline_ms = shared::model::Instant::now().plus_seconds(900).epoch_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "1".to_owned()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:1:function:archive-recordings".to_owned(),
        ),
    ];
    let event = include_str!("../../../events/archive-recordings.json");
    match invocation {
        Some(()) => (StatusCode::OK, headers, event).into_response(),
        None => StatusCode::GONE.into_response(),
    }
}

async fn answered(State(ends): State<Arc<Ends>>, body: Bytes) -> StatusCode {
    ends.1.send(serde_json::from_slice(&body).unwrap()).unwrap();
    StatusCode::ACCEPTED
}

/// The function's process. It is killed when dropped.
struct Process(Child);

impl Process {
    /// The most memory that it had so far, in bytes.
    fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn killed_at_any_moment_it_archives_all_in_the_end_and_shows_nothing_partial() {
    within_limit(async {
        let (kills, small, large) = if full() { (20, 600, 24) } else { (5, 60, 5) };
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_LEASE_SECONDS", 2);
        rig.set("ARCHIVE_CONCURRENCY", 4);
        let names: Vec<_> = (0..small)
            .map(|n| (format!("small-{n}.wav"), 200_000))
            .chain((0..large).map(|n| (format!("large-{n}.wav"), 20_000_000)))
            .collect();
        rig.serve(names.iter().map(|(name, bytes)| Served::new(name.as_str()).bytes(*bytes)).collect()).await;
        let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
        let mut whole = true;
        let mut cut_off = 0;

        for _ in 0..kills {
            let lambda = Lambda::start().await;
            let process = lambda.spawn(rig.settings());
            lambda.invoke.send(()).unwrap();
            let before = rig.provider.total_traffic().gets;
            // It may find nothing to fetch: all that is left is claimed by the run that was killed before, whose lease holds.
            let patience = Instant::now() + Duration::from_secs(4);
            while rig.provider.total_traffic().gets == before && Instant::now() < patience {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let moment = Instant::now() + Duration::from_millis(fastrand::u64(0..600));
            while Instant::now() < moment {
                whole &= rig.objects().await.iter().all(|(_, bytes)| [200_000, 20_000_000].contains(bytes));
            }
            drop(process);
            let traffic = rig.provider.total_traffic();
            cut_off += u64::from(traffic.gets as usize > rig.objects().await.len());
        }
        assert!(cut_off > 0, "some kill came in the midst of a copy");
        assert!(whole, "an object is visible only whole");

        let mut lambda = Lambda::start().await;
        let _process = lambda.spawn(rig.settings());
        let mut last = Value::Null;
        for _ in 0..30 {
            last = lambda.invoke().await;
            if rig.objects().await.len() == names.len() && last["oldest_due"].is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
        assert!(last["oldest_due"].is_null(), "{last}");
        rig.assert_archived(&names).await;
        assert_eq!(rig.versions().await, names.len(), "one object each, written once");
        // Uploads older than a run are gone with the next.
        tokio::time::sleep(Duration::from_secs(3)).await;
        lambda.invoke().await;
        assert_eq!(rig.unfinished_uploads().await, 0);
    });
}

#[test]
fn a_long_recording_takes_little_memory() {
    within_limit(async {
        let bytes: u64 = if full() { 1024 * 1024 * 1024 } else { 96 * 1024 * 1024 };
        let mut rig = Rig::new().await;
        rig.set("MAX_RECORDING_BYTES", 2 * bytes);
        let mut lambda = Lambda::start().await;
        let process = lambda.spawn(rig.settings());
        let (mut took, mut compared) = (Vec::new(), Vec::new());
        // Twice, since something else may happen on this machine meanwhile.
        for name in ["long-1.wav", "long-2.wav"] {
            rig.serve(vec![Served::new(name).bytes(bytes)]).await;
            let url = rig.recording(&alicom(name)).await.source_url.unwrap();
            let begun = Instant::now();
            let answer = lambda.invoke().await;
            took.push(begun.elapsed());
            assert_eq!((&answer["archived"], &answer["bytes"]), (&1.into(), &bytes.into()), "{answer}");
            if full() {
                let endpoint = rig.s3.endpoint();
                let begun = Instant::now();
                tokio::task::spawn_blocking(move || pipe(&url, &endpoint)).await.unwrap();
                compared.push(begun.elapsed());
            }
        }
        let peak_mib = process.peak_memory_bytes() / 1024 / 1024;
        assert!(peak_mib < 100, "{peak_mib} MiB");
        if let (Some(took), Some(compared)) = (took.iter().min(), compared.iter().min()) {
            let mut out = std::io::stderr();
            writeln!(out, "1 GiB: {peak_mib} MiB, {took:.1?}; curl | aws s3 cp: {compared:.1?}").unwrap();
            assert!(*took < 2 * *compared, "{took:?}, {compared:?}");
        }
    });
}

/// What the archiver's pace is held against: `curl <url> | aws s3 cp - <object>`.
fn pipe(url: &str, s3: &str) {
    let mut curl = Command::new("curl").args(["-sS", url]).stdout(Stdio::piped()).spawn().unwrap();
    let mut aws = aws_cli(s3);
    aws.args(["s3", "cp", "-", "s3://callvault/compared"]).stdin(curl.stdout.take().unwrap());
    assert!(aws.status().unwrap().success());
    assert!(curl.wait().unwrap().success());
}
