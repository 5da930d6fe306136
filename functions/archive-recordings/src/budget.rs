//! The budget of bytes: what all copies of a run may hold together.
//!
//! A copy takes from it what it holds: the recording's length where the source tells it, else a part; of a large recording one part, and up
//! to three where nobody waits. Before the source is asked nobody knows how much that will be, so that a copy enters with an estimate, of what
//! the last ones held: as many are begun as there will be room for, and what the estimate has too much goes back at once. Who waits to enter
//! asks anew once more is known. Whoever needs more gives back what he has, and waits in line: nobody waits for what another one who waits
//! holds.

use std::sync::Arc;

use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How large the parts of an upload are.
pub(crate) const PART_BYTES: usize = 8 * 1024 * 1024;
/// How many of one recording are held at most: one is read while two are sent, so that neither host waits for the other.
pub(crate) const MAX_PARTS: usize = 3;
/// The budget is divided into units of so many bytes.
const UNIT_BYTES: u64 = 64 * 1024;
/// What a copy holds beside the recording: the buffers of two connections.
const OVERHEAD_UNITS: u32 = 2;
/// A part, in units.
const PART_UNITS: u32 = (PART_BYTES as u64 / UNIT_BYTES) as u32;

/// What all copies may hold together.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    all: u32,
    /// How many units a copy is expected to need; `None` before the first one's length is known.
    estimate: watch::Sender<Option<u32>>,
}

/// What one copy has of it. It goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
    parts: usize,
}

impl Budget {
    /// A budget of so many bytes: of one part at least.
    pub(crate) fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX >> 4).min(u32::MAX >> 4);
        let all = units.max(PART_UNITS + OVERHEAD_UNITS);
        Self { units: Arc::new(Semaphore::new(all as usize)), all, estimate: watch::Sender::default() }
    }

    /// Waits for room for a copy of which nothing is known.
    pub(crate) async fn enter(&self) -> Reservation {
        let mut estimate = self.estimate.subscribe();
        loop {
            let expected = estimate.borrow_and_update().unwrap_or(PART_UNITS + OVERHEAD_UNITS);
            // Else all who wait in line when the first answers come would enter with what was thought before.
            select! {
                biased;
                held = self.take(expected) => return Reservation { budget: self.clone(), held, parts: 0 },
                Ok(()) = estimate.changed() => {}
            }
        }
    }

    async fn take(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        // It is never closed, so there is always a permit.
        Arc::clone(&self.units).acquire_many_owned(units.min(self.all)).await.ok()
    }

    /// Learns how much a copy needed: one that needs more counts at once, those that need less little by little.
    fn learn(&self, units: u32) {
        self.estimate.send_if_modified(|estimate| {
            let learned = match *estimate {
                Some(before) if units < before => before - (before - units).div_ceil(4),
                _ => units,
            };
            estimate.replace(learned) != Some(learned)
        });
    }
}

impl Reservation {
    /// Makes it fit a recording of that length, of which nothing was read yet; waits if that is more than what is held. `None` where nobody knows
    /// the length.
    pub(crate) async fn fit(&mut self, length: Option<u64>) {
        let of_length = length.and_then(|length| u32::try_from(length.div_ceil(UNIT_BYTES)).ok());
        let units = OVERHEAD_UNITS + of_length.unwrap_or(PART_UNITS).min(PART_UNITS);
        self.parts = 1;
        self.budget.learn(units);
        let has = self.held.as_ref().map_or(0, |held| u32::try_from(held.num_permits()).unwrap_or(u32::MAX));
        if has >= units {
            drop(self.held.as_mut().and_then(|held| held.split((has - units) as usize)));
        } else {
            self.held = None;
            self.held = self.budget.take(units).await;
        }
    }

    /// How many parts may be held.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// Takes room for one part more, if there is some that nobody waits for. Whether it was taken.
    pub(crate) fn grow(&mut self) -> bool {
        if self.parts >= MAX_PARTS {
            return false;
        }
        let Ok(more) = Arc::clone(&self.budget.units).try_acquire_many_owned(PART_UNITS) else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        self.parts += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn held(budget: &Budget) -> u64 {
        (u64::from(budget.all) - budget.units.available_permits() as u64) * UNIT_BYTES
    }

    #[tokio::test]
    async fn what_is_small_takes_its_length_and_makes_room_for_many() {
        let budget = Budget::new(64 * MIB);
        let mut copies = Vec::new();
        // The first ones take a part each, until the source told.
        for _ in 0..7 {
            copies.push(budget.enter().await);
        }
        assert!(budget.enter().now_or_never().is_none(), "there is no room for another part");
        for copy in &mut copies {
            copy.fit(Some(240_000)).await;
        }
        let of_each = 4 * UNIT_BYTES + u64::from(OVERHEAD_UNITS) * UNIT_BYTES;
        assert_eq!(held(&budget), 7 * of_each);
        let mut more = 0;
        while let Some(mut copy) = budget.enter().now_or_never() {
            copy.fit(Some(240_000)).await;
            copies.push(copy);
            more += 1;
        }
        assert!(more > 120, "{more}");
        assert!(held(&budget) <= 64 * MIB);
        drop(copies);
        assert_eq!(held(&budget), 0);
    }

    #[tokio::test]
    async fn who_waits_in_line_asks_for_what_the_last_ones_held() {
        let budget = Budget::new(64 * MIB);
        let mut first = Vec::new();
        for _ in 0..7 {
            first.push(budget.enter().await);
        }
        let (enter, mut entered) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..100 {
            let (budget, enter) = (budget.clone(), enter.clone());
            tokio::spawn(async move { enter.send(budget.enter().await) });
        }
        tokio::task::yield_now().await;
        assert!(entered.is_empty());
        for copy in &mut first {
            copy.fit(Some(240_000)).await;
            tokio::task::yield_now().await;
        }
        // None of those who enter has been told its length yet.
        while first.len() < 90 {
            let more = timeout(Duration::from_secs(5), entered.recv()).await;
            first.extend(more.expect("too few entered"));
        }
        assert!(held(&budget) <= 64 * MIB);
    }

    #[tokio::test]
    async fn what_is_large_holds_a_part_and_more_where_nobody_waits() {
        let budget = Budget::new(40 * MIB);
        let mut first = budget.enter().await;
        first.fit(Some(1_000 * MIB)).await;
        assert_eq!(first.parts(), 1);
        assert!(first.grow() && first.grow() && !first.grow(), "three parts at most");
        let mut second = budget.enter().await;
        second.fit(None).await;
        assert!(!second.grow(), "the budget is spent");
        let third = budget.enter();
        let mut third = Box::pin(third);
        assert!(timeout(Duration::from_millis(10), &mut third).await.is_err());
        drop(first);
        assert!(third.now_or_never().is_some());
        assert!(held(&budget) <= 40 * MIB);
    }

    #[tokio::test]
    async fn those_who_need_more_than_they_entered_with_never_wait_for_each_other() {
        let budget = Budget::new(20 * MIB);
        // As after many small ones.
        (0..40).for_each(|_| budget.learn(4));
        let mut copies = Vec::new();
        while let Some(copy) = budget.enter().now_or_never() {
            copies.push(copy);
        }
        assert!(copies.len() > 60, "{}", copies.len());
        let all = copies.into_iter().map(|mut copy| {
            let budget = &budget;
            async move {
                copy.fit(None).await;
                assert!(held(budget) <= 20 * MIB);
                tokio::task::yield_now().await;
            }
        });
        timeout(Duration::from_secs(5), futures_util::future::join_all(all)).await.unwrap();
        assert_eq!(held(&budget), 0);
    }

    #[tokio::test]
    async fn a_budget_is_of_one_part_at_least_and_one_recording_always_fits() {
        let budget = Budget::new(1);
        let mut copy = budget.enter().await;
        copy.fit(Some(u64::MAX)).await;
        assert!(!copy.grow());
    }
}
