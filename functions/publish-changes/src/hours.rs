//! Marking the hours of the calls that changed: their files for analytics have to be written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;
use runtime::store::Store;
use runtime::store::dirty::minute_of;
use runtime::store::table::TableError;
use shared::model::{Hour, Instant};

/// How many hours are remembered: those that change at the same time are few.
const REMEMBERED: usize = 1_000;

/// What this process has marked, and in which minute: one write an hour and minute is enough.
#[derive(Debug, Default)]
pub(crate) struct Marked(Mutex<BTreeMap<Hour, Instant>>);

impl Marked {
    /// Marks hours at `now`, those that were not marked in this minute already.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub(crate) async fn mark(
        &self,
        store: &Store,
        hours: BTreeSet<Hour>,
        now: Instant,
    ) -> Result<(), TableError> {
        let minute = minute_of(now);
        let marks = hours.into_iter().filter(|hour| !self.has(*hour, minute)).map(async |hour| {
            store.mark_hour(hour, now).await?;
            self.note(hour, minute);
            Ok::<_, TableError>(())
        });
        try_join_all(marks).await.map(|_| ())
    }

    fn has(&self, hour: Hour, minute: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hour) == Some(&minute)
    }

    fn note(&self, hour: Hour, minute: Instant) {
        let mut marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if marked.len() >= REMEMBERED {
            marked.retain(|_, marked| *marked == minute);
        }
        marked.insert(hour, minute);
    }
}
