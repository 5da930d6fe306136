//! How long objects are put together from the parts of uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time that was spent so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Joining(Arc<AtomicU64>);

impl Joining {
    /// Adds what this takes.
    pub(super) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(took_us, Ordering::Relaxed);
        result
    }

    /// All of it.
    pub(super) fn total(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
