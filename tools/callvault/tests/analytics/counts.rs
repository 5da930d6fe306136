//! What is counted of tasks: of what was counted before, and of what has changed since.

use runtime::clock;
use runtime::store::reading::Counted;
use serde_json::json;
use shared::model::Provider;
use shared::reading::{TaskCounts, Zone};

use crate::rig::Rig;

async fn push(rig: &Rig, call_id: &str, at: &str, duration: u64) {
    let report = json!([{
        "callId": call_id, "taskId": "t", "originateTime": at, "smartStatusCode": "ANSWERED", "duration": duration,
    }]);
    rig.push("alicom-call-report", &report).await;
}

async fn count(rig: &Rig) -> Counted<TaskCounts> {
    rig.store().count_task(Provider::Alicom, "t", &Zone::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_and_what_has_changed_since_are_added_up() {
    let rig = Rig::new().await;
    for (id, at) in [("1", "2025-06-01 10:00:00"), ("2", "2025-06-01 10:30:00"), ("3", "2025-06-01 12:00:00")]
    {
        push(&rig, id, at, 10).await;
    }
    let live = count(&rig).await;
    assert_eq!((live.counts.calls, live.complete), (3, true), "none is counted before");
    rig.settle().await;
    let counted = count(&rig).await;
    assert_eq!((counted.counts, counted.complete), (live.counts, true));
    // A marked hour is read.
    push(&rig, "4", "2025-06-01 10:45:00", 30).await;
    rig.mark(&["2025-06-01T02"], clock::now()).await;
    let counted = count(&rig).await;
    assert_eq!((counted.counts.calls, counted.counts.durations.sum_s(), counted.complete), (4, 60, true));
    assert_eq!((counted.counts.hours[10], counted.counts.hours[12]), (3, 1));
    // An hour that nobody has ever counted is read.
    push(&rig, "5", "2025-06-02 10:45:00", 5).await;
    assert_eq!(count(&rig).await.counts.calls, 5);
    let day = rig.store().tasks_of_day(None, "2025-06-01".parse().unwrap(), &Zone::default()).await.unwrap();
    assert_eq!((day.counts.len(), day.counts[0].counts.calls, day.complete), (1, 4, true));
    rig.stack.stop().await.unwrap();
}

/// What was counted is read, and not the calls.
#[tokio::test(flavor = "multi_thread")]
async fn clean_hours_are_not_read() {
    let rig = Rig::new().await;
    push(&rig, "1", "2025-06-01 10:00:00", 10).await;
    rig.settle().await;
    let before = rig.store().table().answers();
    let counted = count(&rig).await;
    let asked = rig.store().table().answers() - before;
    // The marks, the task's hours, and the end of these.
    assert!(asked <= 3 && counted.counts.calls == 1, "{asked} questions");
    rig.stack.stop().await.unwrap();
}
