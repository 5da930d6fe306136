//! The archiver as a process of its own: killed at any moment, and measured.
//!
//! The process is this test binary once more, running the one ignored test, which is the function's `main` word for word; the test
//! plays Lambda's Runtime API to it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use archive_recordings::{Archiver, handle};
use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use local_stack::lambda::{Lambda, Process};
use platforms::Recording as Served;
use runtime::deadline::Deadline;
use serde_json::Value;
use testkit::leaks;

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
        runtime::telemetry::init(std::io::stderr);
        let archiver = Archiver::from_environment().await?;
        run(service_fn(async |event: LambdaEvent<Value>| {
            let deadline = Deadline::of_context(event.context.deadline);
            handle(&archiver, runtime::clock::now(), deadline).await.map_err(Error::from)
        }))
        .await
    });
    served.unwrap();
}

const EVENT: &str = include_str!("../../../../events/archive-recordings.json");

/// Starts the function's process under a Lambda of its own.
async fn start(settings: &BTreeMap<String, String>) -> (Lambda, Process) {
    let lambda = Lambda::start().await.unwrap();
    let (log, stderr) = std::io::pipe().unwrap();
    let mut command = lambda.command(&std::env::current_exe().unwrap(), "archive-recordings", 256);
    command
        .args(["--exact", "process::lambda_process", "--ignored", "--nocapture"])
        .env(PROCESS, "1")
        .envs(settings)
        .stdout(Stdio::null())
        .stderr(stderr);
    // It ends with the process.
    std::thread::spawn(|| {
        BufReader::new(log).lines().map_while(Result::ok).for_each(|line| leaks::check(&line))
    });
    let process = Process::start(command).unwrap();
    (lambda, process)
}

/// Invokes it, and waits for the answer.
async fn invoke(lambda: &mut Lambda) -> Value {
    lambda.invoke(EVENT);
    lambda.answered(Duration::from_secs(600)).await.unwrap().1
}

#[test]
fn killed_at_any_moment_it_archives_all_in_the_end_and_shows_nothing_partial() {
    within_limit(async {
        let (kills, small, large) = if full() { (20, 600, 24) } else { (5, 60, 5) };
        let mut rig = Rig::new().await;
        rig.set("RECORDING_TIMEOUT_SECONDS", 3);
        rig.set("ARCHIVE_LEASE_SECONDS", 4);
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
            let (lambda, process) = start(rig.settings()).await;
            lambda.invoke(EVENT);
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

        let (mut lambda, _process) = start(rig.settings()).await;
        let mut last = Value::Null;
        for _ in 0..30 {
            last = invoke(&mut lambda).await;
            if rig.objects().await.len() == names.len() && last["oldest_due"].is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
        assert!(last["oldest_due"].is_null(), "{last}");
        rig.assert_archived(&names).await;
        assert_eq!(rig.versions().await, names.len(), "one object each, written once");
        // Uploads older than a run are gone with the next.
        tokio::time::sleep(Duration::from_secs(5)).await;
        invoke(&mut lambda).await;
        assert_eq!(rig.unfinished_uploads().await, 0);
    });
}

#[test]
fn a_long_recording_takes_little_memory() {
    within_limit(async {
        let bytes: u64 = if full() { 1024 * 1024 * 1024 } else { 96 * 1024 * 1024 };
        let mut rig = Rig::new().await;
        rig.set("MAX_RECORDING_BYTES", 2 * bytes);
        let (mut lambda, process) = start(rig.settings()).await;
        let (mut took, mut compared) = (Vec::new(), Vec::new());
        // Twice, since something else may happen on this machine meanwhile.
        for name in ["long-1.wav", "long-2.wav"] {
            rig.serve(vec![Served::new(name).bytes(bytes)]).await;
            let url = rig.recording(&alicom(name)).await.source_url.unwrap();
            let begun = Instant::now();
            let answer = invoke(&mut lambda).await;
            took.push(begun.elapsed());
            assert_eq!((&answer["archived"], &answer["bytes"]), (&1.into(), &bytes.into()), "{answer}");
            if full() {
                let endpoint = rig.s3.endpoint();
                let begun = Instant::now();
                tokio::task::spawn_blocking(move || pipe(&url, &endpoint)).await.unwrap();
                compared.push(begun.elapsed());
            }
        }
        let peak_mib = process.peak_memory_bytes().unwrap() / 1024 / 1024;
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
