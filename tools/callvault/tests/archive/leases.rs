//! Leases on shards: runs that share them, runs that die, and recordings over which they die.

use std::collections::BTreeSet;
use std::time::Duration;

use archive_recordings::handle;
use futures_util::future::join_all;
use platforms::{Fault, Recording as Served};
use runtime::deadline::Deadline;
use runtime::store::shards::{InHand, ShardLeases};
use shared::model::{CallKey, Recording, RecordingState};
use shared::record::keys;

use crate::support::{Rig, alicom, full, within_limit};

const LONG: Duration = Duration::from_secs(900);

fn shard_of(call: &CallKey) -> u8 {
    keys::shard_of(&keys::call_pk(call))
}

fn in_hand(rig: &Rig, call: &CallKey) -> InHand {
    InHand { pk: keys::call_pk(call), sk: keys::recording_sk("main"), call_at: rig.start }
}

/// A run of 60 s leases that takes the shards of calls, names them as in hand, and is never heard of again.
async fn dead_run(rig: &Rig, calls: &[CallKey], seconds: i64) {
    let leases = ShardLeases::new(rig.store.table().clone(), 60);
    for shard in calls.iter().map(shard_of).collect::<BTreeSet<_>>() {
        assert!(leases.take(shard, rig.at(seconds)).await.unwrap().is_some(), "shard {shard} is free");
        let of_shard: Vec<_> = calls.iter().filter(|call| shard_of(call) == shard).collect();
        let in_hand: Vec<_> = of_shard.into_iter().map(|call| in_hand(rig, call)).collect();
        assert!(leases.name(shard, &in_hand, rig.at(seconds)).await.unwrap());
    }
}

/// Has so many runs begin together, and tells how many recordings each archived.
async fn archived_by_runs(rig: &Rig, count: usize) -> Vec<u64> {
    let archivers = join_all((0..count).map(|_| rig.archiver())).await;
    let runs = archivers.iter().map(|archiver| handle(archiver, rig.start, Deadline::after(LONG)));
    join_all(runs).await.into_iter().map(|report| report.unwrap().archived).collect()
}

/// No lease is held, and nothing is named in any.
async fn assert_given_back(rig: &Rig) {
    for lease in rig.store.table().shard_leases().await.unwrap() {
        assert_eq!((lease.lease_owner, lease.in_hand), (None, Vec::new()), "shard {}", lease.shard);
    }
}

#[test]
fn many_runs_at_once_share_the_shards_and_fetch_each_source_once() {
    within_limit(async {
        let rig = Rig::new().await;
        let (runs, recordings) = if full() { (20, 5_000) } else { (20, 200) };
        let names: Vec<_> = (0..recordings).map(|n| format!("call-{n}.wav")).collect();
        rig.serve(names.iter().map(|name| Served::new(name.as_str()).bytes(20_000)).collect()).await;
        let archived = archived_by_runs(&rig, runs).await;
        // Some begin when all shards are held, or nothing is left: nothing of theirs is lost by that.
        assert!(archived.iter().filter(|archived| **archived > 0).count() > 1, "{archived:?}");
        if archived.iter().sum::<u64>() < names.len() as u64 {
            rig.run_after(1).await;
        }
        rig.assert_archived(&names).await;
        for name in &names {
            assert_eq!(rig.provider.traffic(name).gets, 1, "{name}");
        }
        assert_eq!(rig.versions().await, names.len());
        assert_given_back(&rig).await;
    });
}

#[test]
fn runs_that_begin_together_share_the_shards_from_the_first_moment_on() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_WORKERS", 4);
        // Each takes some time, so that nobody has done all before another one looks.
        rig.set("ARCHIVE_CONCURRENCY", 4);
        let names: Vec<_> = (0..160).map(|n| format!("call-{n}.wav")).collect();
        let served = |name: &String| Served::new(name.as_str()).latency(Duration::from_millis(50));
        rig.serve(names.iter().map(served).collect()).await;
        let archived = archived_by_runs(&rig, 4).await;
        assert_eq!(archived.iter().sum::<u64>(), 160, "{archived:?}");
        let largest_two_shards: u64 = {
            let mut counts = [0; keys::SHARDS as usize];
            names.iter().for_each(|name| counts[usize::from(shard_of(&alicom(name)))] += 1);
            counts.sort_unstable();
            counts.iter().rev().take(2).sum()
        };
        assert!(archived.iter().all(|archived| (1..=largest_two_shards).contains(archived)), "{archived:?}");
        assert_given_back(&rig).await;
    });
}

#[test]
fn a_run_that_comes_later_gets_its_share_of_the_shards() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_LEASE_SECONDS", 6);
        rig.set("ARCHIVE_CONCURRENCY", 4);
        rig.set("ARCHIVE_CONCURRENCY_PER_HOST", 4);
        let names: Vec<_> = (0..120).map(|n| format!("call-{n}.wav")).collect();
        let fault = Fault::Drip { bytes_per_second: 50_000 };
        let served = |name: &String| Served::new(name.as_str()).bytes(20_000).fault(fault.clone());
        rig.serve(names.iter().map(served).collect()).await;
        let (first, second) = (rig.archiver().await, rig.archiver().await);
        let later = async {
            while rig.provider.total_traffic().gets == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            handle(&second, rig.start, Deadline::after(LONG)).await
        };
        let (first, second) = tokio::join!(handle(&first, rig.start, Deadline::after(LONG)), later);
        let archived = (first.unwrap().archived, second.unwrap().archived);
        assert_eq!(archived.0 + archived.1, 120, "{archived:?}");
        assert!(archived.1 >= 15, "it had to wait for a shard, and got some: {archived:?}");
        for name in &names {
            assert_eq!(rig.provider.traffic(name).gets, 1, "{name}");
        }
        assert_given_back(&rig).await;
    });
}

#[test]
fn what_a_dead_run_had_in_hand_is_taken_over_once_its_lease_has_lapsed() {
    within_limit(async {
        let rig = Rig::new().await;
        let calls = ["1.wav", "2.wav", "3.wav"].map(alicom);
        rig.serve(calls.iter().map(|call| Served::new(call.call_id.as_str())).collect()).await;
        dead_run(&rig, &calls, 0).await;
        let report = rig.run_after(59).await;
        assert_eq!((report.archived, report.left, report.due), (0, 0, 3), "they are another run's");
        assert_eq!(rig.provider.total_traffic().gets, 0);
        assert_eq!(rig.run_after(61).await.archived, 3);
        for call in &calls {
            let (recording, _) = rig.archived(call).await;
            assert_eq!((recording.attempts, recording.deaths), (2, 0), "the dead run's attempt counts");
        }
        assert_given_back(&rig).await;
    });
}

#[test]
fn a_lease_that_was_taken_over_names_nothing_for_the_run_that_had_it() {
    within_limit(async {
        let rig = Rig::new().await;
        let table = rig.store.table();
        let (slow, quick) = (ShardLeases::new(table.clone(), 60), ShardLeases::new(table.clone(), 60));
        let named = [in_hand(&rig, &alicom("1"))];
        assert_eq!(slow.take(3, rig.at(0)).await.unwrap(), Some(Vec::new()));
        assert_eq!(
            slow.take(3, rig.at(1)).await.unwrap(),
            Some(Vec::new()),
            "a repeated request finds its own"
        );
        assert!(slow.name(3, &named, rig.at(1)).await.unwrap());
        assert_eq!(quick.take(3, rig.at(60)).await.unwrap(), None, "it was renewed by naming");
        assert_eq!(quick.take(3, rig.at(61)).await.unwrap(), Some(named.to_vec()));
        assert!(!slow.renew(3, rig.at(61)).await.unwrap());
        assert!(!slow.name(3, &[], rig.at(61)).await.unwrap());
        slow.give_back(3, rig.at(62)).await.unwrap();
        let lease = &table.shard_leases().await.unwrap()[3];
        assert_eq!(lease.holder(rig.at(62)), Some(quick.owner()));
        assert_eq!(lease.in_hand, named, "until it names something else");
        quick.give_back(3, rig.at(63)).await.unwrap();
        assert_given_back(&rig).await;
    });
}

#[test]
fn a_recording_over_which_runs_die_ends_failed_and_one_that_was_beside_it_does_not() {
    within_limit(async {
        let rig = Rig::new().await;
        let (poison, beside) = (alicom("poison.wav"), alicom("beside.wav"));
        rig.serve(vec![Served::new("poison.wav"), Served::new("beside.wav")]).await;
        for (call, deaths) in [(&poison, 5), (&beside, 2)] {
            let recording = Recording { deaths, ..rig.recording(call).await };
            rig.keep(vec![(call.clone(), recording)]).await;
        }
        dead_run(&rig, &[poison.clone(), beside.clone()], 0).await;
        let report = rig.run_after(60).await;
        assert_eq!((report.failed, report.archived), (1, 1));
        let recording = rig.recording(&poison).await;
        assert_eq!(recording.state, RecordingState::Failed);
        let told = recording.last_error.unwrap();
        assert_eq!(told, "6 runs of the archiver died while they had it in hand");
        assert_eq!(rig.provider.traffic("poison.wav").gets, 0, "it is not tried once more");
        let (recording, _) = rig.archived(&beside).await;
        assert_eq!((recording.deaths, recording.attempts), (0, 2));
        assert_given_back(&rig).await;
    });
}

#[test]
fn what_becomes_due_of_a_shard_that_is_held_is_archived_by_the_run_that_holds_it() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("ARCHIVE_LEASE_SECONDS", 6);
        // So slow that it is in hand for as long as the test takes.
        let slow = Served::new("slow.wav").bytes(20_000).fault(Fault::Drip { bytes_per_second: 900 });
        rig.serve(vec![slow]).await;
        let archiver = rig.archiver().await;
        let of_its_shard =
            |n: &i32| shard_of(&alicom(&format!("later-{n}.wav"))) == shard_of(&alicom("slow.wav"));
        let name = (0..).find(of_its_shard).map(|n| format!("later-{n}.wav")).unwrap();
        let later = async {
            while rig.provider.total_traffic().gets == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            rig.serve(vec![Served::new(name.as_str())]).await;
            while rig.recording(&alicom(&name)).await.state == RecordingState::Pending {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let (report, ()) = tokio::join!(handle(&archiver, rig.start, Deadline::after(LONG)), later);
        assert_eq!(report.unwrap().archived, 2);
        assert_given_back(&rig).await;
    });
}
