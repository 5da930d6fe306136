//! Fresh URLs, from the provider.

use jiff::{SignedDuration, Timestamp};
use platforms::{Fault, Recording as Served};
use shared::model::{CallKey, Provider, RecordingSource, RecordingState};

use crate::support::{DAY_S, HOUR_S, Rig, SECRET, alicom, call, source, within_limit};

fn laaffic(id: &str) -> CallKey {
    call(Provider::Laaffic, id)
}

/// Announces a recording of LAAFFIC's whose URL died an hour ago, or which has none.
async fn announce(rig: &Rig, name: &str, with_url: bool) {
    let an_hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let url = with_url.then(|| rig.provider.signed_url(name, an_hour_ago));
    let expires_at = with_url.then(|| rig.at(-HOUR_S));
    let source = RecordingSource { id: Some(format!("id-{name}")), ..source(url, expires_at, rig.start) };
    rig.announce(vec![(laaffic(name), source)]).await;
}

fn known(rig: &Rig, recording: Served) {
    rig.provider.add_laaffic_recording(format!("id-{}", recording.name()), recording);
}

#[test]
fn a_dead_url_is_renewed_and_archived_and_so_is_an_id_without_one() {
    within_limit(async {
        let rig = Rig::new().await;
        for (name, with_url) in [("dead.wav", true), ("id-only.wav", false)] {
            known(&rig, Served::new(name));
            announce(&rig, name, with_url).await;
        }
        assert_eq!(rig.run_after(0).await.archived, 2);
        for name in ["dead.wav", "id-only.wav"] {
            let (recording, _) = rig.archived(&laaffic(name)).await;
            assert_eq!(recording.sha256, rig.provider.sha256_of(name));
        }
        assert_eq!(rig.provider.api_requests("getRecordingFileUrl"), 2);
    });
}

#[test]
fn a_url_that_is_refused_before_its_time_is_renewed_too() {
    within_limit(async {
        let rig = Rig::new().await;
        known(&rig, Served::new("refused.wav"));
        let url = rig.provider.signed_url("refused.wav", Timestamp::now() - SignedDuration::from_hours(1));
        let source = RecordingSource {
            id: Some("id-refused.wav".to_owned()),
            ..source(Some(url), Some(rig.at(DAY_S)), rig.start)
        };
        rig.announce(vec![(laaffic("refused.wav"), source)]).await;
        assert_eq!(rig.run_after(0).await.archived, 1);
        assert_eq!(rig.provider.traffic("refused.wav").gets, 2, "the old one was tried first");
    });
}

#[test]
fn what_the_provider_has_no_more_ends_expired() {
    within_limit(async {
        let rig = Rig::new().await;
        // One whose id nobody knows, one whose file is gone although a URL is given for it.
        known(&rig, Served::new("removed.wav"));
        rig.provider.remove_recording("removed.wav");
        for name in ["unknown.wav", "removed.wav"] {
            announce(&rig, name, true).await;
        }
        assert_eq!(rig.run_after(0).await.expired, 2);
        for (name, reason) in [("unknown.wav", "the provider has it no more"), ("removed.wav", "status 404")]
        {
            let recording = rig.recording(&laaffic(name)).await;
            assert_eq!(recording.state, RecordingState::Expired);
            let told = recording.last_error.unwrap_or_default();
            assert!(told.contains(reason), "{told}");
        }
    });
}

#[test]
fn a_provider_that_can_not_be_asked_is_no_reason_to_give_up() {
    within_limit(async {
        let mut rig = Rig::new().await;
        known(&rig, Served::new("later.wav"));
        announce(&rig, "later.wav", true).await;
        rig.set("LAAFFIC_API_SECRET", "wrong");
        assert_eq!(rig.run_after(0).await.retried, 1);
        let recording = rig.recording(&laaffic("later.wav")).await;
        assert_eq!(recording.state, RecordingState::Pending);
        let told = recording.last_error.unwrap_or_default();
        assert!(told.contains("the provider could not be asked: denied"), "{told}");
        rig.set("LAAFFIC_API_SECRET", SECRET);
        assert_eq!(rig.run_after(HOUR_S).await.archived, 1);
    });
}

#[test]
fn a_fresh_url_is_kept_where_the_fetch_has_to_be_repeated() {
    within_limit(async {
        let rig = Rig::new().await;
        known(&rig, Served::new("busy.wav").fault(Fault::ServerError { times: Some(1) }));
        announce(&rig, "busy.wav", true).await;
        assert_eq!(rig.run_after(0).await.retried, 1);
        let recording = rig.recording(&laaffic("busy.wav")).await;
        assert!(
            recording.source_expires_at.unwrap() > rig.at(6 * DAY_S),
            "{:?}",
            recording.source_expires_at
        );
        assert_eq!(rig.run_after(HOUR_S).await.archived, 1);
        assert_eq!(rig.provider.api_requests("getRecordingFileUrl"), 1, "it is not asked for again");
    });
}

#[test]
fn past_its_time_a_url_is_tried_all_the_same_since_clocks_differ() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("alive.wav"), Served::new("dead.wav").fault(Fault::Expired)]).await;
        let report = rig.run_after(7 * DAY_S + 60).await;
        assert_eq!((report.archived, report.expired), (1, 1));
        assert_eq!(rig.provider.traffic("dead.wav").gets, 1);
    });
}

#[test]
fn a_lifetime_that_is_unknown_does_not_end_by_the_clock() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.provider.add_recording(Served::new("x.wav").public().fault(Fault::NotFound { times: 2 }));
        let url = rig.provider.recording_url("x.wav");
        rig.announce(vec![(alicom("x.wav"), source(Some(url), None, rig.start))]).await;
        for days in [0, 100] {
            assert_eq!(rig.run_after(days * DAY_S).await.retried, 1);
        }
        assert_eq!(rig.run_after(101 * DAY_S).await.archived, 1);
    });
}

#[test]
fn a_renewed_url_is_judged_by_its_own_expiry() {
    within_limit(async {
        let rig = Rig::new().await;
        // The old URL is dead; behind the fresh one the file is still growing.
        known(&rig, Served::new("growing.wav").bytes(400_044).fault(Fault::ShorterLength));
        announce(&rig, "growing.wav", true).await;
        assert_eq!(rig.run_after(0).await.retried, 1);
        let recording = rig.recording(&laaffic("growing.wav")).await;
        let told = recording.last_error.unwrap_or_default();
        assert!(told.contains("cut short"), "{told}");
        assert_eq!(rig.objects().await.len(), 0);
        known(&rig, Served::new("growing.wav").bytes(400_044));
        assert_eq!(rig.run_after(HOUR_S).await.archived, 1);
        let (recording, bytes) = rig.archived(&laaffic("growing.wav")).await;
        assert_eq!((bytes.len(), recording.last_error), (400_044, None));
    });
}

#[test]
fn a_url_that_is_of_no_use_does_not_end_a_recording_whose_id_is_known() {
    within_limit(async {
        let rig = Rig::new().await;
        let an_hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
        let urls = [
            ("none.wav", "not a URL".to_owned()),
            ("scheme.wav", "ftp://elsewhere.test/1.wav".to_owned()),
            ("host.wav", "https://elsewhere.test/1.wav".to_owned()),
            ("refused.wav", rig.provider.signed_url("refused.wav", an_hour_ago)),
            ("address.wav", "http://169.254.169.254/1.wav".to_owned()),
        ];
        for (name, url) in urls {
            known(&rig, Served::new(name));
            let source =
                RecordingSource { id: Some(format!("id-{name}")), ..source(Some(url), None, rig.start) };
            rig.announce(vec![(laaffic(name), source)]).await;
        }
        let report = rig.run_after(0).await;
        assert_eq!((report.archived, report.failed, report.retried), (5, 0, 0));
    });
}

#[test]
fn a_url_that_is_of_no_use_waits_for_a_provider_that_can_not_be_asked() {
    within_limit(async {
        let mut rig = Rig::new().await;
        known(&rig, Served::new("later.wav"));
        let source = RecordingSource {
            id: Some("id-later.wav".to_owned()),
            ..source(Some("not a URL".to_owned()), None, rig.start)
        };
        rig.announce(vec![(laaffic("later.wav"), source)]).await;
        rig.set("LAAFFIC_API_SECRET", "wrong");
        assert_eq!(rig.run_after(0).await.retried, 1);
        rig.set("LAAFFIC_API_SECRET", SECRET);
        assert_eq!(rig.run_after(HOUR_S).await.archived, 1);
    });
}
