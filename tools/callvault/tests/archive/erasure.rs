//! Calls that are erased while the archiver works on their recordings.

use std::time::Duration;

use platforms::{Fault, Recording as Served};
use shared::model::CallKey;
use shared::record::item::VERSION;
use shared::record::item::is_tombstone;
use shared::record::keys;
use shared::record::tombstone::tombstone;

use crate::support::{Rig, alicom, within_limit};

/// Erases a call as the operator's command does: the tombstone first, then the rest.
async fn erase(rig: &Rig, call: &CallKey) {
    let table = rig.store.table();
    let prefix = keys::recording_prefix(call, rig.start);
    table.put(tombstone(call, rig.at(1), [prefix], None, 2)).await.unwrap();
    table.delete(&keys::call_pk(call), &keys::recording_sk("main")).await.unwrap();
}

#[test]
fn an_erasure_amid_a_copy_leaves_no_item_and_a_tombstone_that_is_due() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.set("RECORDING_TIMEOUT_SECONDS", 4);
        // One is copied to its end, one fails.
        let copied = Served::new("copied.wav").bytes(60_044).fault(Fault::Drip { bytes_per_second: 60_000 });
        rig.serve(vec![copied, Served::new("stalls.wav").fault(Fault::Stall)]).await;
        let calls = ["copied.wav", "stalls.wav"].map(alicom);
        let erasure = async {
            for call in &calls {
                while rig.provider.traffic(call.call_id.as_str()).gets == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                erase(&rig, call).await;
            }
        };
        let (report, ()) = tokio::join!(rig.run_after(0), erasure);
        assert_eq!((report.archived, report.retried), (0, 0));
        assert_eq!(rig.objects().await.len(), 1, "the copy was under way");
        for call in &calls {
            let items = rig.store.table().query(&keys::call_pk(call)).await.unwrap();
            assert_eq!(items.len(), 1, "nothing is brought back: {items:?}");
            let item = &items[0];
            assert!(is_tombstone(item));
            assert_eq!(
                item["due"],
                keys::erased_due_key(keys::shard_of(&keys::call_pk(call))),
                "the sweep has to look again"
            );
            assert!(item["due_at"].as_str().unwrap() >= rig.at(0).to_string().as_str());
            assert_eq!(item[VERSION], 3, "a sweep under way notices");
        }
        // What is not erased gets no tombstone, and no item.
        assert_eq!(rig.run_after(3_600).await.oldest_due, None);
    });
}
