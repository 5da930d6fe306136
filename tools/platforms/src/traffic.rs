//! What was asked of the simulator, counted, so that a test can say "each source was fetched once".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How often one recording, or all of them, were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// `GET` requests, refused and partial ones included.
    pub gets: u64,
    /// `HEAD` requests.
    pub heads: u64,
    /// Bodies of a whole sound file that were handed over to the last byte.
    pub completed: u64,
    /// Bytes of recordings handed over.
    pub bytes: u64,
}

/// A recording's counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    gets: AtomicU64,
    heads: AtomicU64,
    completed: AtomicU64,
    bytes: AtomicU64,
    /// How often each fault that passes has struck, by its text.
    struck: Mutex<HashMap<String, u32>>,
}

impl Counters {
    pub(super) fn count_get(&self) {
        self.gets.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_head(&self) {
        self.heads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_completed(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// True, and counted, as long as the fault has struck fewer than so many times.
    pub(super) fn strikes(&self, fault: &str, times: u32) -> bool {
        let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = struck.entry(fault.to_owned()).or_default();
        let strikes = *so_far < times;
        *so_far = so_far.saturating_add(u32::from(strikes));
        strikes
    }

    pub(super) fn snapshot(&self) -> Traffic {
        Traffic {
            gets: self.gets.load(Ordering::Relaxed),
            heads: self.heads.load(Ordering::Relaxed),
            completed: self.completed.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl std::iter::Sum for Traffic {
    fn sum<I: Iterator<Item = Traffic>>(all: I) -> Traffic {
        all.fold(Traffic::default(), |sum, one| Traffic {
            gets: sum.gets + one.gets,
            heads: sum.heads + one.heads,
            completed: sum.completed + one.completed,
            bytes: sum.bytes + one.bytes,
        })
    }
}
