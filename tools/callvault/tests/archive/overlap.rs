//! Runs that overlap, claims of an earlier release's runs, pushes in between, and runs that have to end.

use std::time::Duration;

use archive_recordings::handle;
use futures_util::future::join_all;
use platforms::{Fault, Recording as Served};
use runtime::deadline::Deadline;
use shared::model::{Recording, RecordingState};
use shared::record::item;
use shared::record::keys;

use crate::support::{DAY_S, Rig, alicom, full, source, within_limit};

const LONG: Duration = Duration::from_secs(900);

#[test]
fn three_archivers_at_once_fetch_each_source_once() {
    within_limit(async {
        let rig = Rig::new().await;
        let names: Vec<_> = (0..if full() { 1_000 } else { 90 }).map(|n| format!("call-{n}.wav")).collect();
        // Each takes half a second, so that no archiver is done before the others have begun.
        let fault = Fault::Drip { bytes_per_second: 400_000 };
        let served = |name: &String| Served::new(name.as_str()).bytes(200_000).fault(fault.clone());
        rig.serve(names.iter().map(served).collect()).await;
        let archivers = join_all((0..3).map(|_| rig.archiver())).await;
        let runs = archivers.iter().map(|archiver| handle(archiver, rig.start, Deadline::after(LONG)));
        let reports: Vec<_> = join_all(runs).await.into_iter().map(Result::unwrap).collect();
        let archived: Vec<_> = reports.iter().map(|report| report.archived).collect();
        assert_eq!(archived.iter().sum::<u64>(), names.len() as u64, "{archived:?}");
        assert!(archived.iter().all(|archived| *archived > 0), "the work is shared: {archived:?}");
        rig.assert_archived(&names).await;
        for name in &names {
            assert_eq!(rig.provider.traffic(name).gets, 1, "{name}");
        }
        assert_eq!(rig.versions().await, names.len());
    });
}

#[test]
fn a_claim_of_an_earlier_releases_run_is_respected_until_it_lapses() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("claimed.wav")]).await;
        let claimed = Recording {
            lease_until: Some(rig.at(960)),
            lease_owner: Some("a run that died".to_owned()),
            ..rig.recording(&alicom("claimed.wav")).await
        };
        rig.keep(vec![(alicom("claimed.wav"), claimed)]).await;
        assert_eq!(rig.run_after(900).await.archived, 0);
        assert_eq!(rig.run_after(961).await.archived, 1);
    });
}

#[test]
fn an_object_that_a_dead_run_left_is_taken_for_what_it_is() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("gone.wav"), Served::new("there.wav")]).await;
        assert_eq!(rig.run_after(0).await.archived, 2);
        // As if both runs had died just before they could say so; the one source is gone by now, the other recording was
        // announced anew.
        for (name, died) in [("gone.wav", true), ("there.wav", false)] {
            let archived = rig.recording(&alicom(name)).await;
            let source = source(archived.source_url.clone(), archived.source_expires_at, archived.call_at);
            let died = Recording {
                lease_until: died.then(|| rig.at(59)),
                lease_owner: died.then(|| "a run that died".to_owned()),
                ..Recording::new(source, rig.start)
            };
            rig.keep(vec![(alicom(name), died)]).await;
        }
        rig.provider.remove_recording("gone.wav");
        assert_eq!(rig.run_after(60).await.archived, 2);
        rig.assert_archived(&["there.wav".to_owned()]).await;
        rig.archived(&alicom("gone.wav")).await;
        assert_eq!((rig.provider.traffic("gone.wav").gets, rig.provider.traffic("there.wav").gets), (1, 2));
        assert_eq!(rig.versions().await, 2, "neither is written again");
    });
}

#[test]
fn a_fresher_url_that_comes_meanwhile_is_not_put_off_by_the_old_ones_failure() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("RECORDING_TIMEOUT_SECONDS", 2);
        rig.serve(vec![Served::new("stalls.wav").fault(Fault::Stall)]).await;
        rig.provider.add_recording(Served::new("sound.wav").public());
        let call = alicom("stalls.wav");
        let push = async {
            while rig.provider.traffic("stalls.wav").gets == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let url = rig.provider.recording_url("sound.wav");
            let source = source(Some(url), Some(rig.at(8 * DAY_S)), rig.start);
            let merge = |stored: Option<item::Item>| {
                let stored = item::typed::<Recording>(stored.unwrap_or_default()).ok();
                let fresh = stored.and_then(|stored| stored.refreshed(&source, rig.at(1)));
                let recording = fresh.unwrap_or_else(|| Recording::new(source.clone(), rig.at(1)));
                Ok((Some(item::recording_item(&call, recording)), ()))
            };
            let sk = keys::recording_sk("main");
            rig.store.table().upsert(&keys::call_pk(&call), &sk, None, merge).await.unwrap();
        };
        let (report, ()) = tokio::join!(rig.run_after(0), push);
        assert_eq!((report.left, report.retried), (1, 0));
        let recording = rig.recording(&call).await;
        assert_eq!((recording.next_attempt_at, recording.attempts), (Some(rig.at(1)), 0), "due at once");
        assert_eq!((recording.lease_owner, recording.last_error), (None, None));
        assert_eq!(rig.run_after(5).await.archived, 1);
        let (recording, _) = rig.archived(&call).await;
        assert_eq!(recording.sha256, rig.provider.sha256_of("sound.wav"));
    });
}

#[test]
fn a_run_ends_before_its_deadline_and_leaves_nothing_behind() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_CONCURRENCY", 4);
        let slow = |n: usize| Served::new(format!("slow-{n}.wav")).bytes(200_000);
        rig.serve((0..40).map(|n| slow(n).fault(Fault::Drip { bytes_per_second: 10_000 })).collect()).await;
        let archiver = rig.archiver().await;
        let deadline = Deadline::after(Duration::from_secs(5));
        let report = handle(&archiver, rig.start, deadline).await.unwrap();
        assert!(report.time_left_ms > 0, "it answers in time");
        assert_eq!((report.left, report.retried, report.archived), (40, 0, 0));
        assert_eq!(rig.objects().await.len(), 0);
        let mut tried = 0;
        for n in 0..40 {
            let recording = rig.recording(&alicom(&format!("slow-{n}.wav"))).await;
            assert_eq!((recording.state, recording.lease_owner), (RecordingState::Pending, None));
            assert_eq!(recording.next_attempt_at, Some(rig.start), "still due");
            tried += rig.provider.traffic(&format!("slow-{n}.wav")).gets;
        }
        assert!((1..=4).contains(&tried), "{tried} were begun");
    });
}

#[test]
fn an_upload_that_is_cut_off_is_aborted() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("large.wav").bytes(40_000_000).fault(Fault::Stall)]).await;
        let archiver = rig.archiver().await;
        let begun = async {
            while rig.unfinished_uploads().await == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let run = handle(&archiver, rig.start, Deadline::after(Duration::from_secs(5)));
        let (report, ()) = tokio::join!(run, begun);
        assert_eq!(report.unwrap().left, 1);
        assert_eq!((rig.unfinished_uploads().await, rig.objects().await.len()), (0, 0));
        assert_eq!(rig.recording(&alicom("large.wav")).await.lease_owner, None, "the claim is let go");
    });
}

#[test]
fn what_expires_first_is_worked_on_first() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_CONCURRENCY", 1);
        let names: Vec<_> = (0..12).map(|n| format!("{n}.wav")).collect();
        let announced = names.iter().enumerate().map(|(n, name)| {
            rig.provider.add_recording(
                Served::new(name.as_str()).public().fault(Fault::Drip { bytes_per_second: 1_000 }),
            );
            // The later, the sooner it expires; of the last nothing is known.
            let expires_at = (n != 11).then(|| rig.at(7 * DAY_S - 3_600 * n as i64));
            (alicom(name), source(Some(rig.provider.recording_url(name)), expires_at, rig.start))
        });
        rig.announce(announced.collect()).await;
        let archiver = rig.archiver().await;
        let report = handle(&archiver, rig.start, Deadline::after(Duration::from_secs(2))).await.unwrap();
        assert_eq!(report.left, 12, "there is time for none");
        let mut tried = Vec::new();
        for name in &names {
            let (pk, sk) = (keys::call_pk(&alicom(name)), keys::recording_sk("main"));
            let item = rig.store.table().get(&pk, &sk).await.unwrap().unwrap();
            let recording = rig.recording(&alicom(name)).await;
            assert_eq!(item["version"] != 1, recording.attempts > 0, "what is not worked on is not written");
            if recording.attempts > 0 {
                tried.push(name.as_str());
            }
        }
        assert_eq!(tried, ["10.wav"]);
        assert_eq!(rig.provider.total_traffic().gets, 1);
    });
}
