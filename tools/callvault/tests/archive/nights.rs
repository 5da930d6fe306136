//! Twelve broken nights: what is wrong is named by `callvault doctor`, and moves the metric of the alarm that should ring.

use std::process::Command;
use std::time::Duration;

use archive_recordings::handle;
use platforms::{Fault, Recording as Served};
use runtime::deadline::Deadline;
use runtime::store::shards::ShardLeases;
use serde_json::Value;
use shared::model::{Instant, Recording, RecordingState};
use shared::record::keys;
use testkit::leaks;

use crate::service::{Service, refusing};
use crate::support::{Names, Rig, alicom, source, within_limit};
use testkit::log::{Log, listen};

const SECRET_ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:canary-AbCdEf";

/// What the doctor says of a rig's stores.
fn doctor(rig: &Rig) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_callvault")).arg("doctor").envs(rig.settings()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    leaks::check(&said);
    assert_eq!(output.status.success(), said.contains("nothing is wrong"), "{said}");
    // Where the table can't be read, that is all that it says.
    let is_told = said.contains("\n! ") || said.contains("the table can't be read");
    assert_eq!(output.status.success(), !is_told, "{said}");
    said
}

/// What a command says of a rig's stores, and whether it succeeds.
async fn callvault(rig: &Rig, arguments: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_callvault"));
    let output = command.args(arguments).envs(rig.settings()).output().await.unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Stores recordings that failed for a reason, and are tried again in an hour; or that were lost for it.
async fn failed(
    rig: &Rig,
    names: impl Iterator<Item = String>,
    url: &str,
    reason: &str,
    state: RecordingState,
) {
    let recordings = names.map(|name| {
        let source = source(Some(format!("{url}/{name}")), None, rig.start);
        let recording = Recording {
            state,
            attempts: 1,
            last_error: Some(reason.to_owned()),
            next_attempt_at: (state == RecordingState::Pending).then(|| rig.at(3_600)),
            lost_at: (state != RecordingState::Pending).then_some(rig.start),
            ..Recording::new(source, rig.start)
        };
        (alicom(&name), recording)
    });
    rig.keep(recordings.collect()).await;
}

/// The values of a metric in what was logged.
fn metric(logged: &str, name: &str) -> Vec<f64> {
    let lines = logged.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.get("_aws").is_some()).filter_map(|line| line[name].as_f64()).collect()
}

/// Runs the archiver, and tells what it logged.
async fn run(rig: &Rig, now: Instant) -> String {
    let (log, _listening): (Log, _) = listen();
    let archiver = rig.archiver_that_resolves(Names(Vec::new())).await;
    let deadline = Deadline::after(Duration::from_secs(60));
    // Whether it fails is the night's matter.
    let ended = handle(&archiver, now, deadline).await;
    let mut logged = log.take();
    if let Err(error) = ended {
        logged.push_str(&format!("\nrun failed: {error}"));
    }
    logged
}

/// A night on which sources or stores fail: the doctor names the cause, and runs find something due and archive nothing.
async fn check(rig: &Rig, cause: &str) -> String {
    let logged = run(rig, rig.start).await;
    assert_eq!(metric(&logged, "RecordingsArchived"), [0.0], "{logged}");
    assert!(metric(&logged, "RecordingsDue")[0] >= 1.0, "{logged}");
    let said = doctor(rig);
    assert!(said.contains(cause), "{cause}: {said}");
    logged
}

#[test]
fn what_is_well_is_said_to_be() {
    within_limit(async {
        let rig = Rig::new().await;
        assert!(doctor(&rig).contains("waiting 0, due 0; next expiry none; lost in the last day 0"));
        rig.serve(vec![Served::new("sound.wav")]).await;
        assert_eq!(rig.run_after(0).await.archived, 1);
        let said = doctor(&rig);
        assert!(said.contains("free; the last run was done") && said.contains("nothing is wrong"), "{said}");
    });
}

#[test]
fn a_host_that_is_not_allowed() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("RECORDING_HOSTS", "*.example.com");
        rig.serve(vec![Served::new("1.wav")]).await;
        let logged =
            check(&rig, "127.0.0.1: 1 failed and is tried again: its host is not in RecordingHosts").await;
        assert_eq!(metric(&logged, "HostsNotAllowed"), [1.0]);
    });
}

#[test]
fn every_url_is_refused() {
    within_limit(async {
        let rig = Rig::new().await;
        let names = (0..20).map(|n| format!("{n}.wav"));
        rig.serve(names.map(|name| Served::new(name).fault(Fault::Expired)).collect()).await;
        let logged =
            check(&rig, "127.0.0.1: 20 failed and are tried again: the source refuses the URL").await;
        assert_eq!(metric(&logged, "RecordingsRetried"), [20.0]);
    });
}

#[test]
fn the_host_is_gone_from_dns() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("RECORDING_HOSTS", "gone.test");
        let url = Some("http://gone.test/1.wav".to_owned());
        rig.announce(vec![(alicom("1"), source(url, None, rig.start))]).await;
        check(&rig, "gone.test: 1 failed and is tried again: DNS does not know the host").await;
    });
}

#[test]
fn s3_refuses() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        service.answers(403, "<Error><Code>AccessDenied</Code><Message>canary</Message></Error>");
        rig.set("S3_ENDPOINT", &service.endpoint);
        rig.serve(vec![Served::new("1.wav")]).await;
        check(&rig, "1 failed and is tried again: S3 refuses or fails: AccessDenied (\"the bucket did not take the recording: AccessDenied").await;
    });
}

#[test]
fn the_disk_of_this_machine_is_full() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        // As the embedded S3 answers where a file can't be written.
        service.answers(500, "<Error><Code>InternalError</Code><Message>canary</Message></Error>");
        rig.set("S3_ENDPOINT", &service.endpoint);
        rig.serve(vec![Served::new("1.wav")]).await;
        check(&rig, "InternalError").await;
        assert!(doctor(&rig).contains("see whether the disk is full"));
    });
}

#[test]
fn the_secret_is_gone() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        service.refuses("ResourceNotFoundException");
        rig.set("PROVIDER_SECRET_ARN", SECRET_ARN);
        rig.set("AWS_ENDPOINT_URL_SECRETS_MANAGER", &service.endpoint);
        rig.serve(vec![Served::new("1.wav").fault(Fault::Expired)]).await;
        let logged =
            check(&rig, "the secret could not be read: ResourceNotFoundException: no URL is renewed").await;
        assert_eq!(metric(&logged, "SecretUnreadable"), [1.0]);
    });
}

#[test]
fn a_source_is_slow() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("RECORDING_TIMEOUT_SECONDS", 1);
        rig.serve(vec![Served::new("1.wav").fault(Fault::Stall)]).await;
        check(&rig, "127.0.0.1: 1 failed and is tried again: the source is slow").await;
    });
}

#[test]
fn the_table_is_throttled() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        service.refuses("ProvisionedThroughputExceededException");
        rig.set("DYNAMODB_ENDPOINT", &service.endpoint);
        let logged = run(&rig, rig.start).await;
        // Lambda counts it among the function's errors.
        assert!(
            logged.contains("run failed: a query failed: ProvisionedThroughputExceededException"),
            "{logged}"
        );
        let said = doctor(&rig);
        assert!(said.contains("the table can't be read") && said.contains("ProvisionedThroughput"), "{said}");
    });
}

#[test]
fn a_lease_is_stuck_since_a_clock_is_wrong() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("1.wav")]).await;
        let shard = keys::shard_of(&keys::call_pk(&alicom("1.wav")));
        // Of a run whose clock was an hour ahead.
        let ahead = ShardLeases::new(rig.store.table().clone(), 60);
        ahead.take(shard, rig.at(3_600)).await.unwrap().unwrap();
        let logged = check(&rig, &format!("shard {shard}: its lease holds until {}", rig.at(3_660))).await;
        assert!(metric(&logged, "OldestDueMinutes")[0] >= 0.0);
        // The longer it lasts, the older is what is due.
        let logged = run(&rig, rig.at(3_000)).await;
        assert!(metric(&logged, "OldestDueMinutes")[0] >= 49.0, "{logged}");
    });
}

#[test]
fn a_run_died_and_none_has_come_since() {
    within_limit(async {
        let rig = Rig::new().await;
        let shard = keys::shard_of(&keys::call_pk(&alicom("1.wav")));
        let dead = ShardLeases::new(rig.store.table().clone(), 60);
        dead.take(shard, rig.at(-3_600)).await.unwrap().unwrap();
        let said = doctor(&rig);
        assert!(said.contains(&format!("shard {shard}: the run that held it died")), "{said}");
        assert!(
            said.contains(&format!("shard {shard}: a run died, and no run of the archiver has come since")),
            "{said}"
        );
        // The next run takes over, though nothing is due.
        rig.run_after(0).await;
        let said = doctor(&rig);
        assert!(said.contains("nothing is wrong") && !said.contains("in hand:"), "{said}");
    });
}

#[test]
fn the_schedule_is_off() {
    within_limit(async {
        let rig = Rig::new().await;
        let since = rig.at(-1_200);
        let url = Some(rig.provider.recording_url("1.wav"));
        rig.keep(vec![(alicom("1.wav"), Recording::new(source(url, None, since), since))]).await;
        let said = doctor(&rig);
        assert!(said.contains("no run of the archiver has come for more than six minutes"), "{said}");
        // Who forces it in vain does not wipe out since when no run has come.
        let (succeeded, told) =
            callvault(&rig, &["archive", "--call", "alicom/1~2Ewav", "--wait", "0"]).await;
        assert!(!succeeded && told.contains("no run has come to it. Its shard"), "{told}");
        let said = doctor(&rig);
        assert!(said.contains("no run of the archiver has come for more than six minutes"), "{said}");
        assert!(said.contains("is the schedule of archive-recordings enabled?"), "{said}");
        // A run comes, and all is well.
        rig.provider.add_recording(Served::new("1.wav").public());
        assert_eq!(rig.run_after(0).await.archived, 1);
        assert!(doctor(&rig).contains("nothing is wrong"));
    });
}

#[test]
fn runs_die_over_a_recording() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("poison.wav")]).await;
        let call = alicom("poison.wav");
        rig.keep(vec![(call.clone(), Recording { deaths: 2, attempts: 2, ..rig.recording(&call).await })])
            .await;
        let said = doctor(&rig);
        assert!(said.contains("alicom/poison~2Ewav of 2 runs: the archiver dies over it"), "{said}");
        rig.keep(vec![(call.clone(), Recording { deaths: 6, attempts: 6, ..rig.recording(&call).await })])
            .await;
        let logged = run(&rig, rig.start).await;
        assert_eq!(metric(&logged, "RecordingsFailed"), [1.0]);
        let said = doctor(&rig);
        assert!(said.contains("1 was lost in the last day: the archiver dies over it"), "{said}");
    });
}

#[test]
fn one_recording_is_forced() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("1.wav").fault(Fault::Expired), Served::new("2.wav")]).await;
        assert_eq!(rig.run_after(0).await.retried, 1);
        rig.provider.add_recording(Served::new("1.wav"));
        let settings = rig.settings().clone();
        let force = move |call: &'static str, wait: &'static str| {
            let settings = settings.clone();
            tokio::task::spawn_blocking(move || {
                let output = Command::new(env!("CARGO_BIN_EXE_callvault"))
                    .args(["archive", "--call", call, "--wait", wait])
                    .envs(settings)
                    .output()
                    .unwrap();
                (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
            })
        };
        let (succeeded, said) = force("alicom/1.wav", "0").await.unwrap();
        assert!(!succeeded && said.contains("recording#main  is due now"), "{said}");
        assert!(said.contains("no run has come to it"), "{said}");
        // Made due, it is taken by the next run, long before it would have been.
        let runs = async {
            while rig.recording(&alicom("1.wav")).await.object_key.is_none() {
                tokio::time::sleep(Duration::from_millis(200)).await;
                rig.run_after(5).await;
            }
        };
        let (forced, ()) = tokio::join!(force("alicom/1.wav", "60"), runs);
        let (succeeded, said) = forced.unwrap();
        assert!(succeeded && said.contains("is archived: recordings/provider=alicom/"), "{said}");
        rig.assert_archived(&["1.wav".to_owned()]).await;
        let (succeeded, said) = force("alicom/2.wav", "0").await.unwrap();
        assert!(succeeded && said.contains("recording#main  is archived"), "{said}");
        for (call, complaint) in
            [("alicom/none", "there is no such call"), ("other/1", "there is no provider other, only alicom")]
        {
            let (succeeded, said) = force(call, "0").await.unwrap();
            assert!(!succeeded && said.contains(complaint), "{said}");
        }
    });
}

#[test]
fn no_cause_is_hidden_by_another_however_many_there_are() {
    within_limit(async {
        let rig = Rig::new().await;
        let names = |first: u32, count: u32| (first..first + count).map(|n| n.to_string());
        let pending = RecordingState::Pending;
        failed(&rig, names(0, 1_300), "http://a.example", "the source answered with status 403", pending)
            .await;
        failed(&rig, names(5_000, 400), "http://b.example:81", "the host b.example is not allowed", pending)
            .await;
        let said = doctor(&rig);
        assert!(
            said.contains("! a.example: 1300 failed and are tried again: the source refuses the URL"),
            "{said}"
        );
        assert!(
            said.contains("! b.example: 400 failed and are tried again: its host is not in RecordingHosts"),
            "{said}"
        );
        assert!(said.contains("exactly `b.example:81`"), "{said}");
    });
}

#[test]
fn what_was_lost_is_revived_by_its_host() {
    within_limit(async {
        let rig = Rig::new().await;
        let reason = "127.0.0.1 has an address that is refused (loopback)";
        let names = || (0..120).map(|n| n.to_string());
        failed(&rig, names(), "http://127.0.0.1:81", reason, RecordingState::Failed).await;
        let other = ["other".to_owned()].into_iter();
        failed(&rig, other, "http://a.example", "not a URL", RecordingState::Failed).await;
        let said = doctor(&rig);
        assert!(said.contains("add exactly `127.0.0.1:81` to RecordingHosts"), "{said}");
        assert!(said.contains("callvault archive --lost --host 127.0.0.1 --dry-run"), "{said}");
        let lost = ["archive", "--lost", "--host", "127.0.0.1:81"];
        let (succeeded, said) = callvault(&rig, &[&lost[..], &["--dry-run"]].concat()).await;
        assert!(succeeded && said.contains("would be due 120, changed meanwhile 0, unreadable 0"), "{said}");
        assert_eq!(rig.recording(&alicom("7")).await.state, RecordingState::Failed);
        let since = rig.at(60).to_string();
        let (succeeded, said) = callvault(&rig, &["archive", "--lost", "--since", &since]).await;
        assert!(succeeded && said.contains("due now 0"), "{said}");
        let (succeeded, said) = callvault(&rig, &lost).await;
        assert!(succeeded && said.contains("127.0.0.1:81: due now 120\ndue now 120, changed"), "{said}");
        assert_eq!(rig.recording(&alicom("7")).await.state, RecordingState::Pending);
        assert_eq!(rig.recording(&alicom("other")).await.state, RecordingState::Failed);
    });
}

#[test]
fn the_table_takes_no_writes() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let refusing = refusing(&rig.settings()["DYNAMODB_ENDPOINT"], ".PutItem").await;
        rig.set("DYNAMODB_ENDPOINT", refusing);
        let said = doctor(&rig);
        assert!(
            said.contains("! the table takes no writes: an item could not be written: InternalServerError"),
            "{said}"
        );
        assert!(said.contains("a full disk"), "{said}");
    });
}

#[test]
fn the_state_is_told_without_the_bucket_and_with_what_cannot_be_read() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.serve(vec![Served::new("1.wav"), Served::new("2.wav")]).await;
        let pk = keys::call_pk(&alicom("1.wav"));
        let mut item = rig.store.table().get(&pk, "recording#main").await.unwrap().unwrap();
        item.insert("attempts".to_owned(), "many".into());
        rig.store.table().put(item).await.unwrap();
        rig.set("S3_ENDPOINT", "http://127.0.0.1:9");
        let said = doctor(&rig);
        assert!(said.starts_with("waiting 2, due 2") && said.contains("shard 0: free"), "{said}");
        assert!(said.contains("! the bucket callvault at http://127.0.0.1:9 can't be reached"), "{said}");
        assert!(
            said.contains(
                "! alicom/1~2Ewav recording#main: stored, but no recording that this version can read"
            ),
            "{said}"
        );
    });
}

#[test]
fn a_call_is_named_in_any_form_and_what_it_lacks_is_told_apart() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.keep(vec![(alicom("w^1"), Recording::new(source(None, None, rig.start), rig.start))]).await;
        for call in [
            "alicom/w~5E1",
            "alicom/w^1",
            "/api/calls/alicom/w~5E1",
            "https://calls.example/api/calls/alicom/w~5E1",
        ] {
            let (_, said) =
                callvault(&rig, &["archive", "--call", call, "--slot", "recording#main", "--wait", "0"])
                    .await;
            assert!(said.contains("recording#main  is due now"), "{call}: {said}");
        }
        let (_, said) = callvault(&rig, &["archive", "--call", "alicom/w~5E1", "--slot", "full"]).await;
        assert!(said.contains("the call has no such recording, only main"), "{said}");
        for (call, pk) in [("alicom/bare", "bare"), ("alicom/gone", "gone")] {
            let mut item = serde_json::Map::new();
            item.insert("pk".to_owned(), keys::call_pk(&alicom(pk)).into());
            item.insert("sk".to_owned(), "call".into());
            if pk == "gone" {
                item.insert("erased_at".to_owned(), rig.start.to_string().into());
            }
            rig.store.table().put(item).await.unwrap();
            let (_, said) = callvault(&rig, &["archive", "--call", call]).await;
            let told =
                if pk == "gone" { "the call was erased" } else { "no recording of the call was announced" };
            assert!(said.contains(told), "{said}");
        }
    });
}

#[test]
fn who_reads_no_further_is_told_nothing_more() {
    within_limit(async {
        let rig = Rig::new().await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
        let piped = std::process::Stdio::piped;
        let mut child =
            command.arg("doctor").envs(rig.settings()).stdout(piped()).stderr(piped()).spawn().unwrap();
        // As `| head` does, once it has enough.
        drop(child.stdout.take());
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
        // As a shell tells of SIGPIPE.
        assert!(
            output.status.code() == Some(141) && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    });
}
