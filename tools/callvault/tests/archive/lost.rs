//! Recordings that end badly: listed, left alone, and revived by another URL.

use futures_util::TryStreamExt;
use platforms::{Fault, Recording as Served};
use runtime::store::due::LostRecording;
use shared::model::{CallKey, RecordingSource, RecordingState};
use shared::record::item::Item;
use shared::record::keys;
use shared::record::parts::refreshed;

use crate::support::{DAY_S, HOUR_S, Rig, alicom, source, within_limit};

/// What is listed as lost, newest first, `at_once` after the other as pages of a list are.
async fn listed(rig: &Rig, at_once: usize) -> Vec<LostRecording> {
    let mut all = Vec::new();
    for shard in 0..keys::SHARDS {
        let mut after: Option<LostRecording> = None;
        loop {
            let found: Vec<_> =
                rig.store.table().lost_recordings(shard, after.as_ref()).try_collect().await.unwrap();
            let page = &found[..found.len().min(at_once)];
            assert!(page.is_sorted_by(|one, next| one.lost_at >= next.lost_at), "newest first: {page:?}");
            all.extend_from_slice(page);
            match page.last() {
                Some(last) => after = Some(last.clone()),
                None => break,
            }
        }
    }
    all.sort_by(|one, other| (other.lost_at, &other.pk).cmp(&(one.lost_at, &one.pk)));
    all
}

async fn push(rig: &Rig, call: &CallKey, source: &RecordingSource, received_at: i64) {
    let merge = |stored: Option<Item>| Ok((refreshed(stored, call, source, rig.at(received_at))?, ()));
    let sk = keys::recording_sk("main");
    rig.store.table().update(&keys::call_pk(call), &sk, merge).await.unwrap();
}

#[test]
fn what_is_lost_is_listed_newest_first_and_left_alone_until_another_url_revives_it() {
    within_limit(async {
        let rig = Rig::new().await;
        let names: Vec<_> = (0..20).map(|n| format!("expired-{n}.wav")).collect();
        let expires = |name: &String| Served::new(name.as_str()).fault(Fault::Expired);
        rig.serve(names.iter().map(expires).collect()).await;
        let announced = (0..5).map(|n| {
            (alicom(&format!("failed-{n}.wav")), source(Some("not a URL".to_owned()), None, rig.start))
        });
        rig.announce(announced.collect()).await;
        assert_eq!(rig.run_after(0).await.failed, 5);
        let expired_s = 7 * DAY_S + HOUR_S;
        assert_eq!(rig.run_after(expired_s).await.expired, 20);

        let lost = listed(&rig, 3).await;
        assert_eq!(lost.len(), 25, "each once, whatever the size of the pages");
        assert!(lost[..20].iter().all(|one| one.lost_at >= rig.at(expired_s)));
        assert!(
            lost[20..].iter().all(|one| one.pk.contains("failed-")),
            "those that failed before: {lost:?}"
        );
        let before = rig.recording(&alicom(&names[0])).await;
        assert_eq!((before.state, before.next_attempt_at), (RecordingState::Expired, None));
        assert!(before.lost_at.is_some_and(|at| at >= rig.at(expired_s)));

        // No run looks at it again, and a push that says nothing new leaves it where it is.
        let report = rig.run_after(30 * DAY_S).await;
        assert_eq!((report.oldest_due, report.due, report.next_expiry), (None, 0, None));
        let same = source(before.source_url.clone(), before.source_expires_at, before.call_at);
        push(&rig, &alicom(&names[0]), &same, -HOUR_S).await;
        let after = rig.recording(&alicom(&names[0])).await;
        assert_eq!((after.first_received_at, after.lost_at), (rig.at(-HOUR_S), before.lost_at));
        assert_eq!(listed(&rig, 100).await, lost);

        // Another URL revives it.
        rig.provider.add_recording(Served::new("fresh.wav").public());
        let fresh = source(Some(rig.provider.recording_url("fresh.wav")), None, before.call_at);
        push(&rig, &alicom(&names[0]), &fresh, 30 * DAY_S).await;
        let revived = rig.recording(&alicom(&names[0])).await;
        assert_eq!((revived.state, revived.lost_at), (RecordingState::Pending, None));
        assert_eq!(listed(&rig, 7).await.len(), 24);
        assert_eq!(rig.run_after(30 * DAY_S).await.archived, 1);
        assert_eq!(listed(&rig, 7).await.len(), 24);
    });
}
