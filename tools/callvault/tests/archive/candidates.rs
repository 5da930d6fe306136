//! Recordings that are announced more than once: every order of processing, repeats and crashes, and which of the URLs is archived.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local_stack::{Options, Stack};
use platforms::{Fault, Recording as Served};
use runtime::clock;
use serde_json::json;
use shared::model::{CallKey, Instant, Provider as Platform, Recording, RecordingSource, RecordingState};
use shared::record::item::{Item, VERSION, recording_item};
use shared::record::keys;
use shared::record::parts::refreshed;

use crate::support::{self, DAY_S, HOUR_S, Rig, alicom, full, source, within_limit};

/// Announces a recording as a push does that was received then.
async fn announce(rig: &Rig, call: &CallKey, source: &RecordingSource, received_at: Instant) {
    let merge = |stored| Ok((refreshed(stored, call, source, received_at)?, ()));
    let sk = keys::recording_sk(&source.slot);
    rig.store.table().upsert(&keys::call_pk(call), &sk, None, merge).await.unwrap();
}

/// The item, without what tells calls and ways apart.
async fn item(rig: &Rig, call: &CallKey) -> Item {
    let stored = rig.store.table().get(&keys::call_pk(call), &keys::recording_sk("main")).await.unwrap();
    let mut item = stored.unwrap();
    for name in [keys::PK, "due", VERSION] {
        item.remove(name);
    }
    item
}

/// What may be announced: what it is, and whether it is alive.
const KINDS: [(&str, bool); 7] = [
    ("alive", true),
    ("alive-signed", true),
    ("gone", false),
    ("signed-long-ago", false),
    ("forbidden-host", false),
    ("no-url", false),
    ("a-page", false),
];

/// A URL of such a kind, and when it expires as far as it says so.
fn url(rig: &Rig, kind: &str, name: &str) -> (String, Option<Instant>) {
    let in_hours = |hours| Timestamp::now() + SignedDuration::from_hours(hours);
    match kind {
        "alive" | "a-page" => {
            let served = Served::new(name).public();
            let served = if kind == "alive" { served } else { served.fault(Fault::Xml { as_audio: true }) };
            rig.provider.add_recording(served);
            (rig.provider.recording_url(name), None)
        }
        "alive-signed" => {
            rig.provider.add_recording(Served::new(name));
            (rig.provider.signed_url(name, in_hours(48)), Some(rig.at(2 * DAY_S)))
        }
        "signed-long-ago" => {
            rig.provider.add_recording(Served::new(name));
            (rig.provider.signed_url(name, in_hours(-48)), Some(rig.at(-2 * DAY_S)))
        }
        "gone" => {
            rig.provider.remove_recording(name);
            (rig.provider.recording_url(name), None)
        }
        "forbidden-host" => ("https://elsewhere.test/1.wav".to_owned(), None),
        "no-url" => (format!("no URL {name}"), None),
        other => panic!("{other}"),
    }
}

#[test]
fn announcements_in_any_order_end_in_the_same_item_and_what_is_alive_is_archived() {
    within_limit(async {
        let rig = Rig::new().await;
        let mut generator = fastrand::Rng::new();
        let (rounds, orders) = if full() { (60, 12) } else { (10, 5) };
        for round in 0..rounds {
            let kinds: Vec<_> =
                (0..generator.usize(1..=5)).map(|_| KINDS[generator.usize(..KINDS.len())]).collect();
            // Each with its first receipt, some at the same time.
            let announced: Vec<_> = kinds
                .iter()
                .enumerate()
                .map(|(n, (kind, alive))| {
                    let name = format!("{round}-{}-{kind}.wav", ["b", "a", "d", "c", "e"][n]);
                    let (url, expires_at) = url(&rig, kind, &name);
                    let call_at = rig.at(-generator.i64(0..3) * DAY_S);
                    let received_at = rig.at(-HOUR_S + generator.i64(0..4));
                    (source(Some(url), expires_at, call_at), received_at, alive.then_some(name))
                })
                .collect();
            let mut items = Vec::new();
            for order in 0..orders {
                let call = alicom(&format!("{round}-{order}"));
                let mut processed: Vec<_> = announced.iter().chain(&announced).collect();
                generator.shuffle(&mut processed);
                if order % 2 == 0 {
                    for (source, received_at, _) in processed {
                        announce(&rig, &call, source, *received_at).await;
                    }
                } else {
                    // By many at once, of whom some die on the way, before and after their write: all is pushed again.
                    let dying = processed.iter().map(|(source, received_at, _)| {
                        let died = std::time::Duration::from_micros(generator.u64(0..4_000));
                        tokio::time::timeout(died, announce(&rig, &call, source, *received_at))
                    });
                    join_all(dying.collect::<Vec<_>>()).await;
                    join_all(processed.iter().map(|(source, at, _)| announce(&rig, &call, source, *at)))
                        .await;
                }
                items.push(item(&rig, &call).await);
            }
            for item in &items {
                assert_eq!(item, &items[0], "{announced:?}");
            }
            rig.run_after(0).await;
            let mut alive: Vec<_> = announced
                .iter()
                .filter_map(|(source, at, name)| Some((*at, source.url.clone(), name.clone()?)))
                .collect();
            alive.sort();
            for order in 0..orders {
                let call = alicom(&format!("{round}-{order}"));
                match alive.last() {
                    Some((_, _, name)) => {
                        let (recording, _) = rig.archived(&call).await;
                        assert_eq!(recording.sha256, rig.provider.sha256_of(name), "{announced:?}");
                    }
                    None => {
                        let recording = rig.recording(&call).await;
                        let dead = |kind: &str, only: &[&str]| only.contains(&kind);
                        let expected = if kinds.iter().all(|(kind, _)| dead(kind, &["no-url"])) {
                            RecordingState::Failed
                        } else if kinds.iter().all(|(kind, _)| dead(kind, &["no-url", "signed-long-ago"])) {
                            RecordingState::Expired
                        } else {
                            RecordingState::Pending
                        };
                        assert_eq!(recording.state, expected, "{announced:?}");
                    }
                }
            }
        }
    });
}

/// Announces URLs one second after the other, as the names are given, and archives: tells which was archived.
async fn archived_of(rig: &Rig, call: &str, announced: &[(&str, Option<Instant>)]) -> String {
    let call = alicom(call);
    for (n, (name, expires_at)) in announced.iter().enumerate() {
        let source = source(Some(rig.provider.recording_url(name)), *expires_at, rig.start);
        announce(rig, &call, &source, rig.at(i64::try_from(n).unwrap())).await;
    }
    rig.run_after(60).await;
    let (recording, _) = rig.archived(&call).await;
    let archived = announced.iter().find(|(name, _)| rig.provider.sha256_of(name) == recording.sha256);
    archived.unwrap().0.to_owned()
}

#[test]
fn a_corrected_url_is_archived_whatever_its_name_and_its_lifetime() {
    within_limit(async {
        let rig = Rig::new().await;
        for name in ["2.wav", "a.wav", "b.wav", "plain.wav", "signed.wav"] {
            rig.provider.add_recording(Served::new(name).public());
        }
        rig.provider.remove_recording("1.wav");
        // The dead one again does not come before the one that is alive.
        assert_eq!(
            archived_of(&rig, "1", &[("1.wav", None), ("2.wav", None), ("1.wav", None)]).await,
            "2.wav"
        );
        // It is not the alphabet that decides.
        assert_eq!(archived_of(&rig, "2", &[("b.wav", None), ("a.wav", None)]).await, "a.wav");
        assert_eq!(archived_of(&rig, "3", &[("a.wav", None), ("b.wav", None)]).await, "b.wav");
        // A lifetime that ended, or that is long, hides no plain URL.
        let (over, long) = (Some(rig.at(-DAY_S)), Some(rig.at(7 * DAY_S)));
        assert_eq!(archived_of(&rig, "4", &[("signed.wav", over), ("plain.wav", None)]).await, "plain.wav");
        assert_eq!(archived_of(&rig, "5", &[("signed.wav", long), ("plain.wav", None)]).await, "plain.wav");
        assert_eq!(archived_of(&rig, "6", &[("plain.wav", None), ("signed.wav", over)]).await, "plain.wav");
    });
}

#[test]
fn a_url_that_stalls_leaves_time_for_the_others() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.provider.add_recording(Served::new("alive.wav").public());
        let fault = Fault::Drip { bytes_per_second: 1_000 };
        rig.provider.add_recording(Served::new("slow.wav").public().fault(fault));
        let call = alicom("1");
        for (n, name) in ["alive.wav", "slow.wav"].into_iter().enumerate() {
            let source = source(Some(rig.provider.recording_url(name)), None, rig.start);
            announce(&rig, &call, &source, rig.at(i64::try_from(n).unwrap())).await;
        }
        let archiver = rig.archiver().await;
        let deadline = runtime::deadline::Deadline::after(std::time::Duration::from_secs(8));
        let report = archive_recordings::handle(&archiver, rig.at(60), deadline).await.unwrap();
        assert_eq!(report.archived, 1);
        let (recording, _) = rig.archived(&call).await;
        assert_eq!(recording.sha256, rig.provider.sha256_of("alive.wav"));
    });
}

/// The slots of the recordings that are stored of a call, and the URL and id of each.
async fn stored_of_laaffic(stack: &Stack, call: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let pk = keys::call_pk(&support::call(Platform::Laaffic, call));
    let items = stack.store().table().query(&pk).await.unwrap();
    let recordings = items.into_iter().filter(|item| item["sk"].as_str().unwrap().starts_with("recording#"));
    recordings
        .map(|item| shared::record::item::typed::<Recording>(item).unwrap())
        .map(|recording| (recording.slot, recording.source_url, recording.source_id))
        .collect()
}

#[test]
fn laaffics_recording_is_one_by_url_and_by_id_and_where_it_was_named_by_its_id_before() {
    within_limit(async {
        let stack = Stack::start(&Options::in_memory()).await.unwrap();
        let push = async |report: serde_json::Value| {
            let event = include_str!("../../../../events/laaffic-status-report.json");
            let mut event: serde_json::Value = serde_json::from_str(event).unwrap();
            event["body"] = json!({"array": [report]}).to_string().into();
            let answer = stack.functions().invoke("laaffic-status-report", event).await.unwrap();
            assert_eq!(answer["statusCode"], 200, "{answer}");
        };
        let (url, id) = ("https://rec.example.com/1.wav", "7.wav");
        push(json!({"voiceId": "new", "recordingFileUrl": url})).await;
        push(json!({"voiceId": "new", "recordingFileId": id})).await;
        let both = (Some(url.to_owned()), Some(id.to_owned()));
        let found = stored_of_laaffic(&stack, "new").await;
        assert_eq!(found, [("main".to_owned(), both.0.clone(), both.1.clone())]);

        // As the release before stored it.
        let old = support::call(Platform::Laaffic, "old");
        let now = clock::now();
        let by_id = RecordingSource {
            slot: id.to_owned(),
            url: None,
            id: Some(id.to_owned()),
            expires_at: None,
            call_at: now,
        };
        let mut stored: Item = recording_item(&old, Recording::new(by_id, now)).into();
        stored.insert(VERSION.to_owned(), 1.into());
        stack.store().table().put(stored).await.unwrap();
        push(json!({"voiceId": "old", "recordingFileId": id, "recordingFileUrl": url})).await;
        push(json!({"voiceId": "old", "recordingFileId": id})).await;
        assert_eq!(stored_of_laaffic(&stack, "old").await, [(id.to_owned(), both.0, both.1)]);
        stack.stop().await.unwrap();
    });
}
