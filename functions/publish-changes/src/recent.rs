//! What was published of late, by this process.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use shared::events::Event;
use shared::record::keys;

/// How many events are remembered: those of many batches.
const REMEMBERED: usize = 20_000;

/// The events that the bus took last, by id, call and revision: calls whose ids are hidden may have an id in common, and each is told.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Remembered>);

type Told = (String, String, u64);

fn told(event: &Event) -> Told {
    (event.id.clone(), keys::call_pk(&event.key), event.revision)
}

#[derive(Debug, Default)]
struct Remembered {
    known: HashSet<Told>,
    in_order: VecDeque<Told>,
}

impl Recent {
    /// Whether the bus took an event.
    pub(crate) fn has(&self, event: &Event) -> bool {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.known.contains(&told(event))
    }

    /// Notes that the bus took an event.
    pub(crate) fn note(&self, event: &Event) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = told(event);
        if remembered.known.insert(entry.clone()) {
            remembered.in_order.push_back(entry);
        }
        if remembered.in_order.len() > REMEMBERED
            && let Some(oldest) = remembered.in_order.pop_front()
        {
            remembered.known.remove(&oldest);
        }
    }
}
