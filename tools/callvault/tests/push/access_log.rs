//! The access log: it is read as it was written, and all that reads or changes the whole table leaves it alone.

use runtime::store::access::{AccessFilter, AccessRetention};
use serde_json::{Value, json};
use shared::access::{AccessEntry, Actor, ActorKind, Permissions, Via, What};
use shared::model::{CallKey, Instant, Provider};
use shared::record::item::Item;
use shared::record::keys;

use crate::simulation::{recordings, settings};
use crate::support::{Served, all_items_in, call, post};

const PERSON: &str = "13912345678";

fn at(second: u32) -> Instant {
    format!("2025-06-01T02:00:{second:02}Z").parse().unwrap()
}

fn entry(second: u32, kind: ActorKind, what: What, call: Option<CallKey>) -> AccessEntry {
    let actor = Actor { subject: "u".to_owned(), kind, permissions: Permissions::all() };
    AccessEntry::new(at(second), &actor, what, Via::API, call)
}

/// Looks of every kind, at two calls and at lists, the oldest first.
fn entries() -> Vec<AccessEntry> {
    let [seen, other] = ["a^1", "b#/1"].map(|id| call(Provider::Alicom, id));
    let callee_id = "0123456789abcdef1391234567812345";
    vec![
        entry(1, ActorKind::Person, What::CALL, Some(seen.clone())),
        entry(2, ActorKind::Machine, What::recording("main"), Some(seen.clone())),
        entry(3, ActorKind::Person, What::push("alicom-call-report"), Some(other)),
        entry(4, ActorKind::Person, What::list(&[callee_id.to_owned()]), None),
        entry(5, ActorKind::Machine, What::download(&[]), None),
        entry(6, ActorKind::Person, What::CALL_WITH_NUMBERS, Some(seen)),
    ]
}

#[tokio::test]
async fn who_looked_is_read_as_it_was_written() {
    let served = Served::start(&["--memory", "--no-schedule"]);
    let (store, entries) = (served.store(), entries());
    store.record_access(&entries, AccessRetention::default()).await.unwrap();
    // Twice in the same millisecond is two looks.
    store.record_access(&entries[..1], AccessRetention::default()).await.unwrap();

    let of_call = store.access_of_call(&call(Provider::Alicom, "a^1")).await.unwrap();
    let expected = [0, 0, 1, 5].map(|at: usize| entries[at].clone());
    assert_eq!(of_call, expected);
    let of = async |actor: Option<&str>, since: Option<Instant>| {
        store.access_of(&AccessFilter { actor: actor.map(str::to_owned), since }).await.unwrap()
    };
    assert_eq!(of(None, Some(at(2))).await, entries[1..]);
    assert_eq!(of(Some("machine:u"), None).await, [entries[1].clone(), entries[4].clone()]);
    assert_eq!(of(Some("u"), None).await.len(), 7);
    assert_eq!(of(Some("person:nobody"), None).await, []);

    let (succeeded, said) = served.operate(&["audit", "--call", "alicom/a~5E1"]);
    let lines: Vec<_> = said.lines().collect();
    assert!(succeeded && lines.len() == 4, "{said}");
    assert_eq!(lines[2], "2025-06-01T02:00:02.000Z  machine:u  recording main  api  alicom/a~5E1");
    let (succeeded, said) = served.operate(&["audit", "--since", "2025-06-01T02:00:04Z", "--json"]);
    let told: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(succeeded && told.len() == 3, "{said}");
    assert_eq!(
        told[2],
        json!({"at": "2025-06-01T02:00:06.000Z", "actor": "person:u", "what": "call with numbers", "via": "api",
               "provider": "alicom", "call_id": "a^1"})
    );
    assert_eq!(told[1]["call_id"], Value::Null);
    let (succeeded, said) = served.operate(&["audit", "--call", "alicom/a~5E1", "--actor", "machine:u"]);
    assert!(succeeded && said.lines().count() == 1, "{said}");
    for arguments in [&["audit"][..], &["audit", "--call", "nobody/1"], &["audit", "--call", "alicom"]] {
        assert!(!served.operate(arguments).0, "{arguments:?}");
    }
}

/// The items that lie in partitions of readers.
async fn of_readers(served: &Served) -> Vec<Item> {
    let mut items = all_items_in(&served.store()).await;
    items.retain(|item| {
        let pk = item[keys::PK].as_str().unwrap();
        keys::is_access_pk(pk) || pk.starts_with("review#")
    });
    items.sort_by_key(|item| item[keys::PK].to_string() + &item[keys::SK].to_string());
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_over_the_whole_table_leaves_what_readers_wrote() {
    let recordings = recordings().await;
    let hosts = recordings.address().to_string();
    let served = Served::start_with(&["--memory", "--no-schedule"], &settings(&hosts, recordings.base_url()));
    let store = served.store();
    let body = json!([{"callId": "a^1", "callee": PERSON}]).to_string();
    let url = format!("{}/push/alicom-call-report/canary-token", served.url);
    assert_eq!(post(&url, body).await.0, 200);
    store.record_access(&entries(), AccessRetention::default()).await.unwrap();
    // Times and ids that have a number's digits, which nobody may take for one.
    let odd = json!({"pk": "access#alicom#a^1", "sk": format!("{}#{PERSON}", at(7)), "actor": "person:u", "what": "call",
                     "via": "api", "ttl": PERSON.parse::<u64>().unwrap()});
    let review = json!({"pk": "review#alicom#a^1", "sk": "review", "verdict": "good", "note": "friendly",
                        "heard_by": "person:u", "heard_at": at(8)});
    for item in [odd, review] {
        store.table().put(item.as_object().unwrap().clone()).await.unwrap();
    }
    let before = of_readers(&served).await;
    assert_eq!(before.len(), 8);

    let (succeeded, said) = served.operate(&["replay"]);
    assert!(succeeded && said.ends_with("unchanged 1, left 0, failed 0\n"), "{said}");
    let (succeeded, said) = served.operate(&["redrive"]);
    assert!(succeeded, "{said}");
    let (succeeded, said) = served.operate(&["export", "--vcon"]);
    assert!(succeeded && said.contains("exported 1, "), "{said}");
    let (succeeded, said) = served.operate(&[
        "simulate",
        "--token",
        "canary-token",
        "--to",
        &served.url,
        "--recording-base",
        recordings.base_url(),
        "--calls",
        "5",
        "--rate",
        "50",
        "--time-scale",
        "0.001",
        "--patience",
        "30",
        "--verify",
    ]);
    // The call, its log, two days' lists and a review are no simulation's.
    assert!(succeeded && said.contains("0 differences"), "{said}");
    assert_eq!(of_readers(&served).await, before);

    // A file with many persons in it.
    store
        .bucket()
        .put_json_if_absent(&format!("{}2025-06-01/a/calls.csv", keys::DOWNLOADS), PERSON.into())
        .await
        .unwrap();
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded && said.starts_with("removed 3 items of 1 calls"), "{said}");
    assert!(said.contains("removed 1 files that readers were given"), "{said}");
    let sweep = format!("{}/2015-03-31/functions/sweep-erased/invocations", served.url);
    assert_eq!(post(&sweep, "{}").await.0, 200);
    // What people said of it goes with it.
    let logged = |item: &Item| item["pk"].as_str().is_some_and(keys::is_access_pk);
    let (log, reviews): (Vec<_>, Vec<_>) = before.into_iter().partition(logged);
    assert_eq!(reviews.len(), 1);
    assert_eq!(of_readers(&served).await, log, "who looked at an erased call stays known");
}

/// What somebody wrote about a person is no log.
#[tokio::test]
async fn a_number_in_a_note_is_blacked_out_by_an_erasure() {
    let served = Served::start(&["--memory", "--no-schedule"]);
    let store = served.store();
    let review = json!({"pk": "review#alicom#a^1", "sk": "review", "note": format!("call back at {PERSON}")});
    store.table().put(review.as_object().unwrap().clone()).await.unwrap();
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded, "{said}");
    let review = store.table().get("review#alicom#a^1", "review").await.unwrap().unwrap();
    let note = review["note"].as_str().unwrap();
    assert!(note.starts_with("call back at ") && !note.contains("1391"), "{note}");
}
