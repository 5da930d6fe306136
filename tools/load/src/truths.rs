//! The truth of each call as an object, for whoever compares something else with it than the stores: analytics' files.

use std::collections::BTreeSet;

use runtime::store::Store;
use serde_json::{Map, Value};
use shared::record::item::Item;
use shared::record::keys::{CALL, SK};

use super::call::World;
use super::plan::kinds;
use super::report::Sent;
use super::truth;

/// What is told of the calls of which something is stored, and that were not erased: their attributes, what was said (`turns`), and which
/// recordings there are (`recordings`, by slot). Which messages of a call came through, and which of two came first, the stores tell; what
/// they say is the simulator's.
pub(super) async fn truths(
    world: &World,
    calls: u32,
    store: &Store,
    sent: &Sent,
) -> anyhow::Result<Vec<Map<String, Value>>> {
    let mut truths = Vec::new();
    for call in (0..calls).filter(|index| !sent.erased.contains(index)).map(|index| world.call(index)) {
        let items = store.table().query(&truth::partition(&call)).await?;
        let of = |sk: &str| items.iter().find(|item| item.get(SK).and_then(Value::as_str) == Some(sk));
        let received_at = |push: &Item| push.get("received_at").and_then(Value::as_str).map(str::to_owned);
        let elements: Vec<_> = kinds(&call).iter().map(|kind| world.element(&call, *kind)).collect();
        let stored = elements.iter().filter_map(|element| {
            let push = of(&truth::push_key(element))?;
            Some((element, received_at(push).unwrap_or_default()))
        });
        let stored: Vec<_> = stored.collect();
        let (false, Some(item)) = (stored.is_empty() || !call.named, of(CALL)) else { continue };
        let said = truth::said_by_function(&stored);
        let mut told = truth::call_item(&call, &said);
        if !told.contains_key("call_at") {
            // No message told a time: it is the first receipt's.
            told.extend(item.get("first_received_at").map(|at| ("call_at".to_owned(), at.clone())));
        }
        let turns = truth::conversation_item(&call, &said).and_then(|mut item| item.remove("turns"));
        let slots = stored.iter().flat_map(|(element, _)| truth::recording_items(&call, &element.says));
        let slots: BTreeSet<_> = slots.map(|(recording, _)| recording.slot).collect();
        told.insert("turns".to_owned(), turns.unwrap_or_else(|| Vec::<Value>::new().into()));
        told.insert("recordings".to_owned(), slots.into_iter().collect::<Vec<_>>().into());
        truths.push(told);
    }
    Ok(truths)
}
