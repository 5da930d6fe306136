//! Every way in which a source misbehaves, many at a time, among sound recordings.

use platforms::{Fault, Recording};
use serde_json::json;
use shared::model::RecordingState::{self, Archived, Expired, Failed, Pending};
use shared::record::keys;
use testkit::log::listen;

use crate::support::{DAY_S, HOUR_S, Rig, alicom, full, within_limit};

/// What a fault deserves: the state and the reason after the first run, and the state once the URL's time is over.
fn deserved(fault: &Fault) -> (RecordingState, &'static str, RecordingState) {
    match fault {
        Fault::NotFound { .. } => (Pending, "status 404", Archived),
        Fault::Expired => (Pending, "status 403; the provider gives no fresh URL", Expired),
        Fault::ServerError { times: None } => (Pending, "status 500", Expired),
        Fault::ServerError { times: Some(_) } => (Pending, "status 503", Archived),
        Fault::Truncated => (Pending, "sent 100000 bytes of 200000", Expired),
        Fault::Stall | Fault::Drip { .. } => (Pending, "took too long (end)", Expired),
        Fault::LongerLength => (Pending, "sent 200000 bytes of 201000", Expired),
        // Half a recording is better than none.
        Fault::ShorterLength => {
            (Pending, "cut short: its header tells of 200000 bytes, 100000 came", Archived)
        }
        Fault::Chunked => (Archived, "", Archived),
        Fault::Redirect { .. } => (Pending, "the host 169.254.169.254 is not allowed", Expired),
        Fault::Xml { .. } | Fault::Html => (Pending, "markup or JSON came in place of audio", Expired),
        Fault::Endless => (Failed, "sends more than 1000000 bytes", Failed),
        Fault::Empty => (Pending, "only 44 bytes came", Expired),
        Fault::UnauthorizedOnce => (Pending, "status 401", Archived),
    }
}

#[test]
fn every_sound_recording_is_archived_and_every_other_ends_as_its_fault_deserves() {
    within_limit(async {
        let (all, of_each) = if full() { (1_000, 10) } else { (60, 1) };
        let mut rig = Rig::new().await;
        rig.set("MAX_RECORDING_BYTES", 1_000_000);
        rig.set("RECORDING_TIMEOUT_SECONDS", 4);
        rig.set("ARCHIVE_CONCURRENCY", 16);
        rig.set("ARCHIVE_CONCURRENCY_PER_HOST", 16);
        let faulty: Vec<(String, Fault)> = (0..of_each)
            .flat_map(|n| Fault::every().into_iter().enumerate().map(move |(kind, fault)| (n, kind, fault)))
            .map(|(n, kind, fault)| (format!("faulty-{kind}-{n}.wav"), fault))
            .collect();
        let sound: Vec<String> = (faulty.len()..all)
            .map(|n| format!("sound-{n}.{}", if n % 2 == 0 { "wav" } else { "mp3" }))
            .collect();
        let recording = |name: &str| Recording::new(name).bytes(200_000);
        let misbehaving = faulty.iter().map(|(name, fault)| recording(name).fault(fault.clone()));
        rig.serve(misbehaving.chain(sound.iter().map(|name| recording(name))).collect()).await;

        let first = rig.run_after(0).await;
        assert_eq!(first.archived as usize, sound.len() + of_each, "the sound ones and those in chunks");
        assert_eq!((first.failed, first.expired, first.left), (of_each as u64, 0, 0));
        assert_eq!(first.retried as usize, faulty.len() - 2 * of_each);
        assert_eq!(first.host_not_allowed, of_each as u64);
        assert_eq!(first.oldest_due, Some(rig.start));
        rig.assert_archived(&sound).await;
        for (name, fault) in &faulty {
            let (state, reason, _) = deserved(fault);
            let recording = rig.recording(&alicom(name)).await;
            assert_eq!(recording.state, state, "{fault}: {recording:?}");
            let told = recording.last_error.unwrap_or_default();
            assert!(told.contains(reason) && told.is_empty() == reason.is_empty(), "{fault}: {told}");
            assert!(!told.contains("Signature") && !told.contains("http"), "{told}");
            assert_eq!((recording.attempts, recording.lease_until), (1, None));
        }

        let mut last = None;
        for seconds in [600, HOUR_S, 3 * HOUR_S, 7 * DAY_S - 1_800, 7 * DAY_S + 2 * HOUR_S] {
            last = Some(rig.run_after(seconds).await);
        }
        let last = last.unwrap();
        assert_eq!((last.retried, last.left, last.expiring_soon), (0, 0, 0));
        for (name, fault) in &faulty {
            let (_, reason, state) = deserved(fault);
            let recording = rig.recording(&alicom(name)).await;
            assert_eq!(recording.state, state, "{fault}: {recording:?}");
            let told = recording.last_error.clone().unwrap_or_default();
            match (state, fault) {
                (Archived, Fault::ShorterLength) => {
                    assert_eq!((recording.bytes, told.contains(reason)), (Some(100_000), true));
                    rig.archived(&alicom(name)).await;
                }
                (Archived, _) => {
                    assert_eq!(told, "");
                    rig.assert_archived(std::slice::from_ref(name)).await;
                }
                _ => assert!(told.contains(reason), "{fault}: {told}"),
            }
        }
        for name in &sound {
            assert_eq!(rig.provider.traffic(name).gets, 1, "{name} is fetched once, however often it runs");
        }
        let archived = faulty.iter().filter(|(_, fault)| deserved(fault).2 == Archived).count() + sound.len();
        assert_eq!((rig.objects().await.len(), rig.versions().await), (archived, archived));
        assert_eq!(rig.unfinished_uploads().await, 0);
        assert_eq!(rig.run_after(30 * DAY_S).await.oldest_due, None, "nothing is due any more");
    });
}

#[test]
fn what_expires_within_a_day_is_counted_even_while_it_waits() {
    within_limit(async {
        let rig = Rig::new().await;
        let fault = Fault::ServerError { times: None };
        rig.serve(vec![Recording::new("soon.wav").fault(fault)]).await;
        assert_eq!(rig.run_after(0).await.expiring_soon, 0);
        let report = rig.run_after(6 * DAY_S + HOUR_S).await;
        assert_eq!((report.expiring_soon, report.retried), (1, 1));
        let report = rig.run_after(6 * DAY_S + HOUR_S).await;
        assert_eq!((report.expiring_soon, report.retried), (1, 0), "it waits");
        assert_eq!(rig.run_after(8 * DAY_S).await.expired, 1);
    });
}

/// Somebody wrote to the table by hand, or a newer version did.
#[test]
fn what_cannot_be_read_is_set_aside_and_all_others_are_archived() {
    within_limit(async {
        let rig = Rig::new().await;
        let sound: Vec<_> = (0..20).map(|n| format!("sound-{n}.wav")).collect();
        let damaged = ["type.wav", "state.wav", "entry.wav"];
        let served = sound.iter().map(String::as_str).chain(damaged);
        rig.serve(served.map(|name| Recording::new(name).bytes(20_000)).collect()).await;
        let table = rig.store.table();
        for (name, attribute, value) in [
            ("type.wav", "attempts", json!("canary, expected 13900000000")),
            ("state.wav", "state", json!("canary")),
            // This one the index itself does not hold as it should.
            ("entry.wav", "source_expires_at", json!(13_900_000_000_i64)),
        ] {
            let (pk, sk) = (keys::call_pk(&alicom(name)), keys::recording_sk("main"));
            let mut item = table.get(&pk, &sk).await.unwrap().unwrap();
            item.insert(attribute.to_owned(), value);
            // Older than all others, and it expires soon.
            item.insert("due_at".to_owned(), json!(rig.at(-HOUR_S)));
            table.put(item).await.unwrap();
        }
        let (log, _listening) = listen();
        let report = rig.run_after(60).await;
        let logged = log.take();
        assert_eq!((report.archived, report.unreadable, report.left, report.retried), (20, 3, 0, 0));
        assert_eq!((report.due, report.oldest_due), (20, Some(rig.start)), "the others are not late");
        assert!(logged.contains("\"RecordingsUnreadable\":3"), "{logged}");
        assert!(!logged.contains("canary") && !logged.contains("1390000000"), "{logged}");
        for (name, message, why) in [
            ("type.wav", "unreadable_recording", "expected u64"),
            ("state.wav", "unreadable_recording", "expected one of"),
            ("entry.wav", "unreadable_entry", "expected"),
        ] {
            let call = keys::element_digest(&keys::call_pk(&alicom(name)));
            let lines: Vec<_> = logged.lines().filter(|line| line.contains(&call)).collect();
            assert_eq!(lines.len(), 1, "{name}: {logged}");
            assert!(lines[0].contains(message) && lines[0].contains(why), "{name}: {}", lines[0]);
        }
        rig.assert_archived(&sound).await;

        // It stays there, for whoever mends it, and every run tells of it.
        let report = rig.run_after(120).await;
        assert_eq!((report.archived, report.unreadable, report.due, report.oldest_due), (0, 3, 0, None));
        assert!(log.take().contains("\"RecordingsUnreadable\":3"));
    });
}
