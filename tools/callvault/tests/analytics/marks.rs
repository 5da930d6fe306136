//! When files are written: marks, and what is never written again.

use std::time::Duration;

use futures_util::StreamExt;
use local_stack::Options;
use runtime::clock;
use runtime::deadline::Deadline;
use runtime::store::dirty::minute_of;
use runtime::store::lease::Lease;
use serde_json::json;
use shared::model::{Hour, Instant, Provider};
use sweep_erased::Remover;

use crate::rig::{NUMBER, Rig, exporter, key};

const HOUR: &str = "2025-06-01T02";

fn report(call_id: &str, at: &str) -> serde_json::Value {
    json!([{"callId": call_id, "taskId": "t", "callee": NUMBER, "originateTime": at, "smartStatusCode": "ANSWERED"}])
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_taken_once_the_indexes_have_caught_up_and_goes_if_it_is_as_it_was() {
    let rig = Rig::new().await;
    rig.push("alicom-call-report", &report("1", "2025-06-01 10:00:00")).await;
    assert_eq!(rig.settle().await, 2, "no turns, no recordings");
    // Later than whatever the stack marks.
    let begin = minute_of(clock::now()).plus_seconds(86_400);
    let at = |second: i64| begin.plus_seconds(second);
    rig.mark(&[HOUR], at(10)).await;
    rig.mark(&[HOUR], at(50)).await;
    let early = rig.run_at(at(119)).await.unwrap();
    assert_eq!((early.hours, rig.store().dirty_hours().await.unwrap().len()), (0, 1));
    let run = rig.run_at(at(120)).await.unwrap();
    assert_eq!((run.hours, run.put), (1, 0), "its bytes are the same");
    assert_eq!(rig.store().dirty_hours().await.unwrap(), []);
    // A mark that is set again in the meantime stays, and so does one whose last minute is too young.
    rig.mark(&[HOUR], at(3_600)).await;
    rig.mark(&[HOUR], at(3_780)).await;
    assert_eq!(rig.run_at(at(3_810)).await.unwrap().hours, 1);
    let marks = rig.store().dirty_hours().await.unwrap();
    assert_eq!((marks[0].marked_at, marks[0].since), (at(3_780), at(3_720)));
    let run = rig.run_at(at(3_900)).await.unwrap();
    assert_eq!((run.hours, rig.store().dirty_hours().await.unwrap().len()), (1, 0));
    rig.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_changes_all_the_time_is_written_all_the_same() {
    let rig = Rig::new().await;
    let begin = minute_of(clock::now());
    let (mut runs, mut last) = (0, 0);
    for minute in 0..12_i64 {
        let now = begin.plus_seconds(60 * minute);
        rig.mark(&[HOUR], now).await;
        if minute % 2 == 1 {
            let run = rig.run_at(now.plus_seconds(30)).await.unwrap();
            runs += run.hours;
            last = if run.hours > 0 { minute } else { last };
        }
    }
    assert!((4..=5).contains(&runs) && last == 11, "{runs} runs, the last in minute {last}");
    rig.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_moves_is_in_one_hour_and_an_erased_one_in_none() {
    let rig = Rig::new().await;
    // The record tells a time that the report corrects.
    let record = json!([{"callId": "1", "taskId": "t", "startTime": "2025-06-01 09:59:00", "endTime": "2025-06-01 10:01:00"}]);
    rig.push("alicom-call-record", &record).await;
    rig.push("alicom-call-report", &report("2", "2025-06-01 10:30:00")).await;
    let hours = ["2025-06-01T01", HOUR];
    rig.export(&hours).await;
    assert_eq!(rig.rows("calls", hours[0]).await.unwrap().len(), 1);
    rig.push("alicom-call-report", &report("1", "2025-06-01 10:00:01")).await;
    let run = rig.export(&hours).await;
    assert_eq!(run.removed, 2, "a file without rows, and what was counted of it");
    assert_eq!(rig.rows("calls", hours[0]).await, None);
    assert_eq!(rig.rows("calls", hours[1]).await.unwrap().len(), 2);
    let store = rig.store();
    let remover = Remover { table: store.table(), bucket: store.bucket(), bypass_governance: false };
    for call in ["1", "2"] {
        remover.erase(&key(Provider::Alicom, call), clock::now()).await.unwrap();
    }
    rig.export(&hours).await;
    assert!(rig.objects().await.is_empty(), "an hour without calls has no objects");
    rig.stack.stop().await.unwrap();
}

/// Neither who asks for it, nor the schedule, makes an object of nothing.
#[tokio::test(flavor = "multi_thread")]
async fn hours_without_calls_have_no_objects_although_they_are_marked() {
    let rig = Rig::new().await;
    rig.push("alicom-call-report", &report("1", "2025-06-01 10:30:00")).await;
    rig.settle().await;
    let before = rig.objects().await;
    let now = clock::now();
    for hour in 0..6 {
        let hour = format!("2025-06-01T{hour:02}").parse().unwrap();
        rig.store().mark_hour_to_mend(hour, now).await.unwrap();
    }
    let run = rig.run_at(now.plus_seconds(180)).await.unwrap();
    assert_eq!((run.hours, run.put, run.removed), (6, 0, 0));
    assert_eq!(rig.objects().await, before);
    let (succeeded, said) =
        rig.operate(&["analytics", "verify", "--since", "2025-06-01T00", "--until", "2025-06-01T05"]).await;
    assert!(succeeded && said == "1 hours, 1 calls, 0 hours differ\n", "{said}");
    rig.stack.stop().await.unwrap();
}

/// Attempts in vain at a recording are in no column: what `Change::may_show` passes over changes no file.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_in_vain_again_and_again_changes_no_file() {
    let rig = Rig::new().await;
    let record = json!([{
        "callId": "1", "taskId": "t", "startTime": "2025-06-01 10:00:00", "endTime": "2025-06-01 10:01:00",
        "recordFile": "https://recordings.example.com/1.wav",
    }]);
    rig.push("alicom-call-record", &record).await;
    rig.settle().await;
    let table = rig.store().table();
    let entries: Vec<_> = {
        let mut entries = Vec::new();
        for shard in 0..shared::record::keys::SHARDS {
            entries.extend(table.due_recordings(shard).map(Result::unwrap).collect::<Vec<_>>().await);
        }
        entries
    };
    assert_eq!(entries.len(), 1);
    let fail = async |reason: &str| {
        let now = clock::now().plus_seconds(40 * 86_400);
        let (_, job) = table.jobs(entries.clone(), now).await.unwrap().pop().unwrap();
        let job = job.unwrap().unwrap();
        table.postpone(&job, now.plus_seconds(-1), reason, None).await.unwrap();
    };
    // The first failure has its reason, which is shown.
    fail("no such file").await;
    assert_eq!(rig.export(&[HOUR]).await.put, 1);
    let told = rig.rows("recordings", HOUR).await.unwrap();
    assert_eq!((&told[0]["state"], &told[0]["last_error"]), (&json!("pending"), &json!("no such file")));
    assert_eq!(told[0]["attempts"], serde_json::Value::Null, "while it waits");
    for _ in 0..3 {
        fail("no such file").await;
    }
    assert_eq!(rig.export(&[HOUR]).await.put, 0);
    let (succeeded, said) = rig.operate(&["analytics", "verify", "--since", HOUR, "--until", HOUR]).await;
    assert!(succeeded, "the files are what is stored: {said}");
    fail("another reason").await;
    assert_eq!(rig.export(&[HOUR]).await.put, 1);
    rig.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_do_not_write_at_once() {
    let rig = Rig::new().await;
    let now = at("2026-01-01T00:00:00Z");
    let store = rig.store();
    let lease = Lease::take(store.table(), export_calls::FUNCTION, now, Duration::from_secs(80)).await;
    let lease = lease.unwrap().unwrap();
    rig.mark(&[HOUR], now.plus_seconds(-600)).await;
    let run = rig.run_at(now).await.unwrap();
    assert!(run.other_run && run.hours == 0);
    // It lives: what it renews holds for as long again.
    assert!(lease.renew(now.plus_seconds(60)).await.unwrap());
    assert!(rig.run_at(now.plus_seconds(60 + 89)).await.unwrap().other_run);
    // It died, or stood still for too long: then it has lost the lease for good.
    let run = rig.run_at(now.plus_seconds(60 + 91)).await.unwrap();
    assert_eq!((run.other_run, run.hours), (false, 1));
    assert!(!lease.renew(now.plus_seconds(60 + 92)).await.unwrap());
    rig.stack.stop().await.unwrap();
}

/// The next run but one of the schedule, at the latest, goes on where one was killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_holds_up_the_next_for_less_than_two_minutes() {
    let rig = Rig::new().await;
    rig.push("alicom-call-report", &report("1", "2025-06-01 10:00:00")).await;
    let now = clock::now().plus_seconds(3_600);
    rig.mark(&[HOUR], now.plus_seconds(-600)).await;
    // Nobody answers at this bucket: the run has its lease, and waits.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let stuck = exporter(&rig.stack, &[("S3_ENDPOINT", &endpoint)]);
    let run = tokio::spawn(async move {
        let _ = export_calls::handle(&stuck, now, Deadline::after(Duration::from_secs(900))).await;
    });
    let (_waiting, _) = silent.accept().await.unwrap();
    let killed_at = now;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    assert!(rig.run_at(killed_at.plus_seconds(60)).await.unwrap().other_run);
    let next = rig.run_at(killed_at.plus_seconds(119)).await.unwrap();
    assert_eq!((next.other_run, next.hours, next.failed), (false, 1, 0));
    assert_eq!(rig.rows("calls", HOUR).await.unwrap().len(), 1);
    rig.stack.stop().await.unwrap();
}

/// What a run leaves that dies while it uploads a file in parts is gone with the next run, since somebody in it may be erased meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_uploads_that_broke_off_are_removed() {
    let rig = Rig::new().await;
    let bucket = &rig.bucket().0;
    let begin = async |key: &str| {
        let upload = bucket.client.create_multipart_upload().bucket(&bucket.name).key(key).send();
        let id = upload.await.unwrap().upload_id.unwrap();
        let part = bucket.client.upload_part().bucket(&bucket.name).key(key).upload_id(id).part_number(1);
        part.body(NUMBER.as_bytes().to_vec().into()).send().await.unwrap();
    };
    begin("turns/day=2025-06-01/02.parquet").await;
    // Athena's, which may be at work.
    begin("athena-results/1.csv").await;
    rig.push("alicom-call-report", &report("1", "2025-06-01 10:00:00")).await;
    rig.export(&[HOUR]).await;
    let left = bucket.client.list_multipart_uploads().bucket(&bucket.name).send().await.unwrap();
    let left: Vec<_> = left.uploads().iter().map(|upload| upload.key().unwrap().to_owned()).collect();
    assert_eq!(left, ["athena-results/1.csv"]);
    rig.stack.stop().await.unwrap();
}

/// Whatever becomes of runs, and whenever: once one comes to its end, the files are what they would have been at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_leaves_nothing_that_the_next_does_not_mend() {
    let rig = Rig::new().await;
    for number in 0..40 {
        let at = format!("2025-06-01 10:{:02}:00", number % 60);
        rig.push("alicom-call-report", &report(&number.to_string(), &at)).await;
    }
    let hours: Vec<_> = (0..4).map(|hour| format!("2025-06-01T{hour:02}")).collect();
    let hours: Vec<_> = hours.iter().map(String::as_str).collect();
    let mut now = clock::now();
    rig.mark(&hours, now).await;
    for round in 0..20_u64 {
        now = now.plus_seconds(400);
        rig.push("alicom-call-report", &report(&format!("more-{round}"), "2025-06-01 10:15:00")).await;
        rig.mark(&[HOUR], now.plus_seconds(-130)).await;
        let run = export_calls::handle(&rig.exporter, now, Deadline::after(Duration::from_secs(30)));
        // It is killed at some moment.
        let _ = tokio::time::timeout(Duration::from_millis(round * 6), run).await;
    }
    let run = rig.run_at(now.plus_seconds(400)).await.unwrap();
    assert_eq!((run.other_run, run.failed, run.left), (false, 0, 0));
    assert_eq!(rig.store().dirty_hours().await.unwrap(), []);
    let mut ids: Vec<_> =
        rig.rows("calls", HOUR).await.unwrap().into_iter().map(|row| row["call_id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60);
    let files = rig.objects().await;
    // From the beginning, they are the same bytes.
    let exporter = exporter(&rig.stack, &[]);
    for hour in hours {
        for (set, file) in exporter.files_of(hour.parse::<Hour>().unwrap()).await.unwrap().files {
            let key = shared::record::keys::analytics_key(set, hour.parse().unwrap());
            assert_eq!(files.contains_key(&key), file.rows > 0, "{key}");
            if let Some(bytes) = files.get(&key) {
                use sha2::Digest;
                assert_eq!(hex::encode(sha2::Sha256::digest(bytes)), file.sha256, "{key}");
            }
        }
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_was_lost_is_made_up_for_once_a_day() {
    // Nobody marks anything on a stack without events.
    let options = Options { no_events: true, ..Options::in_memory() };
    let rig = Rig::on(&options, &[("EXPORT_DAYS", "3")]).await;
    let now = clock::now();
    let two_hours_ago = now.plus_seconds(-7_200);
    let offset = two_hours_ago.plus_seconds(8 * 3_600).to_text();
    let local = format!("{} {}", &offset[..10], &offset[11..19]);
    rig.push("alicom-call-report", &report("1", &local)).await;
    let run = rig.run_at(now).await.unwrap();
    assert_eq!((run.hours, run.marked), (0, 1), "nobody has marked it");
    let run = rig.run_at(now.plus_seconds(240)).await.unwrap();
    assert_eq!((run.hours, run.calls, run.marked), (1, 1, 0));
    assert_eq!(rig.rows("calls", &Hour::of(two_hours_ago).to_string()).await.unwrap().len(), 1);
    let run = rig.run_at(now.plus_seconds(86_400)).await.unwrap();
    assert_eq!((run.hours, run.marked), (0, 0), "all is well");
    rig.stack.stop().await.unwrap();
}
