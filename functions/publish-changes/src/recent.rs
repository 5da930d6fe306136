//! What was published of late, by this process.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use shared::events::Event;

/// How many events are remembered: those of many batches.
const REMEMBERED: usize = 20_000;

/// The events that the bus took last, by id and revision.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    known: HashSet<(String, u64)>,
    in_order: VecDeque<(String, u64)>,
}

impl Recent {
    /// Whether the bus took an event.
    pub(crate) fn has(&self, event: &Event) -> bool {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.known.contains(&(event.id.clone(), event.revision))
    }

    /// Notes that the bus took an event.
    pub(crate) fn note(&self, event: &Event) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = (event.id.clone(), event.revision);
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
