//! The archiver as a process of its own: killed at any moment, and measured.
//!
//! The process is this test binary once more, running the one ignored test, which is the function's `main` word for word; the test
//! plays Lambda's Runtime API to it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use archive_recordings::{Archiver, handle};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use local_stack::lambda::{Lambda, Process};
use platforms::Recording as Served;
use runtime::config::process_environment;
use runtime::deadline::Deadline;
use runtime::outbound::fetch::SystemResolver;
use serde_json::Value;
use shared::model::RecordingState;
use testkit::leaks;

use crate::object::aws_cli;
use crate::support::{Rig, alicom, full, source, within_limit};

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
        let archiver = Archiver::new(&process_environment(), Deadly(SystemResolver)).await?;
        run(service_fn(async |event: LambdaEvent<Value>| {
            let deadline = Deadline::of_context(event.context.deadline);
            handle(&archiver, runtime::clock::now(), deadline).await.map_err(Error::from)
        }))
        .await
    });
    served.unwrap();
}

/// The name of a host over which the process dies.
const DEADLY: &str = "deadly.test";

/// Finds hosts as the system does, but for the one over which the process dies, as one dies for want of memory: at once.
#[derive(Clone, Debug)]
struct Deadly(SystemResolver);

impl ResolveDns for Deadly {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        if name == DEADLY {
            std::process::abort();
        }
        self.0.resolve_dns(name)
    }
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
fn a_recording_that_aborts_the_process_ends_failed_while_its_shard_goes_on() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_LEASE_SECONDS", 2);
        rig.set("RECORDING_HOSTS", format!("{},{DEADLY}", rig.provider.address()));
        let poison = alicom("poison.wav");
        let url = format!("http://{DEADLY}/poison.wav");
        rig.announce(vec![(poison.clone(), source(Some(url), None, rig.start))]).await;
        let mut names = Vec::new();
        let mut died = 0;
        for round in 0..12 {
            // Some of each shard, as they come while the poison is still there.
            let fresh: Vec<_> = (0..24).map(|n| format!("sound-{round}-{n}.wav")).collect();
            rig.serve(fresh.iter().map(|name| Served::new(name.as_str())).collect()).await;
            names.extend(fresh);
            let (mut lambda, mut process) = start(rig.settings()).await;
            lambda.invoke(EVENT);
            while lambda.answered(Duration::from_millis(100)).await.is_err() && !process.has_ended().unwrap()
            {
            }
            died += u64::from(process.has_ended().unwrap());
            if rig.recording(&poison).await.state != RecordingState::Pending {
                break;
            }
            // Its leases have to lapse first.
            tokio::time::sleep(Duration::from_millis(2_100)).await;
        }
        let recording = rig.recording(&poison).await;
        assert_eq!(recording.state, RecordingState::Failed, "{recording:?}");
        assert_eq!(died, 6, "after so many deaths it is given up");
        assert!(recording.last_error.unwrap().contains("6 runs of the archiver died"));
        rig.assert_archived(&names).await;
        assert_eq!(rig.versions().await, names.len(), "one object each, written once");
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

#[test]
fn many_large_recordings_at_once_stay_within_the_budget() {
    within_limit(async {
        let (count, bytes) = if full() { (100, 100_000_000) } else { (24, 24_000_000) };
        let rig = Rig::new().await;
        let names: Vec<_> = (0..count).map(|n| format!("large-{n}.wav")).collect();
        rig.serve(names.iter().map(|name| Served::new(name.as_str()).bytes(bytes)).collect()).await;
        // 256 MB of memory are 96 MB of budget.
        let (mut lambda, process) = start(rig.settings()).await;
        let answer = invoke(&mut lambda).await;
        assert_eq!(answer["archived"], count, "{answer}");
        let peak_mib = process.peak_memory_bytes().unwrap() / 1024 / 1024;
        writeln!(std::io::stderr(), "{count} recordings of {bytes} bytes: {peak_mib} MiB").unwrap();
        assert!((40..192).contains(&peak_mib), "{peak_mib} MiB");
        assert_eq!(rig.objects().await.len(), count);
        assert_eq!(rig.unfinished_uploads().await, 0);
    });
}

#[test]
fn many_small_recordings_are_copied_at_once_and_take_little_memory() {
    within_limit(async {
        let count = if full() { 5_000 } else { 512 };
        let rig = Rig::new().await;
        let names: Vec<_> = (0..count).map(|n| format!("small-{n}.wav")).collect();
        let served =
            |name: &String| Served::new(name.as_str()).bytes(240_000).latency(Duration::from_millis(500));
        rig.serve(names.iter().map(served).collect()).await;
        let (mut lambda, process) = start(rig.settings()).await;
        let begun = Instant::now();
        let answer = invoke(&mut lambda).await;
        let took = begun.elapsed();
        assert_eq!(answer["archived"], count, "{answer}");
        let peak_mib = process.peak_memory_bytes().unwrap() / 1024 / 1024;
        let a_second = f64::from(count) / took.as_secs_f64();
        writeln!(std::io::stderr(), "{count} of 240 KB, {a_second:.0} a second, {peak_mib} MiB").unwrap();
        // Eight at once would be sixteen a second, whatever the machine.
        assert!(a_second > 32.0, "{a_second} a second");
        assert!(peak_mib < 192, "{peak_mib} MiB");
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
