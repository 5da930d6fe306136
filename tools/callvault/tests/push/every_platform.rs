//! Every row of the catalog, all the way: pushed, listed, replayed, exported, erased. A platform that other code has forgotten fails here.

use std::collections::BTreeSet;

use catalog::{PUSH_FUNCTIONS, PushFunction};
use serde_json::{Map, Value};
use shared::model::Provider;
use shared::record::item::is_tombstone;
use shared::record::keys;

use crate::support::{Served, all_items_in, post};

/// Nobody's number, and none that a document's sample has.
const PERSON: &str = "13955566677";

/// The sample of a function's event, about a call of its own, with a person's number in a field that no document has.
fn sample(function: &PushFunction, call: &str) -> Value {
    let event: Value = serde_json::from_str(function.event).unwrap();
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    let mut element = &mut body;
    if let Some(list) = function.push.envelope {
        element = &mut element[list];
    }
    if element.is_array() {
        element = &mut element[0];
    }
    let (object, field) = function.call_id.split_once('.').unwrap_or(("", function.call_id));
    let record: &mut Map<String, Value> = match object {
        "" => element.as_object_mut().unwrap(),
        object => element[object].as_object_mut().unwrap(),
    };
    record.insert(field.to_owned(), call.into());
    record.insert("reachedAt".to_owned(), PERSON.into());
    body
}

#[tokio::test]
async fn every_function_of_every_platform_is_listed_replayed_exported_and_erased() {
    let served = Served::start_with(&["--memory", "--no-schedule"], &[]);
    let store = served.store();
    let mut expected = BTreeSet::new();
    for function in PUSH_FUNCTIONS {
        let name = function.push.function;
        let url = format!("{}/push/{name}/canary-token", served.url);
        let (status, answer) = post(&url, sample(&function, &format!("of {name}")).to_string()).await;
        assert_eq!((status, &answer["code"]), (200, &0.into()), "{name}: {answer}");
        expected.insert(format!("call#{}#of {name}", function.push.provider));
    }
    let caught: BTreeSet<_> = PUSH_FUNCTIONS.iter().map(|function| function.push.provider).collect();
    assert_eq!(caught, Provider::ALL.into_iter().collect(), "a platform that nothing catches");

    let listed = store.table().calls_of_all_days().await.unwrap();
    assert_eq!(listed.into_iter().map(|call| call.pk).collect::<BTreeSet<_>>(), expected);

    let count = expected.len();
    let (succeeded, said) = served.operate(&["replay"]);
    let unchanged = format!("changed 0, unchanged {count}, left 0, failed 0\n");
    assert!(succeeded && said.ends_with(&unchanged), "{said}");
    let (succeeded, said) = served.operate(&["export", "--vcon", "--out", "-"]);
    assert!(succeeded && said.contains(&format!("exported {count}, gone meanwhile 0, failed 0")), "{said}");

    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded && said.contains(&format!(" of {count} calls")), "{said}");
    let items = all_items_in(&store).await;
    assert_eq!(items.len(), count, "a tombstone for each, and nothing else: {items:?}");
    for item in &items {
        let pk = item["pk"].as_str().unwrap();
        assert!(is_tombstone(item) && keys::call_of_pk(pk).is_some() && expected.contains(pk), "{item:?}");
    }
}
