//! Exponential backoff with jitter: how long to pause before something is tried again.

use std::time::Duration;

/// Pauses that double from one failure to the next, up to a longest. Half of each is chance, lest clients that failed together come
/// back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// After the first failure the pause is `first` at most, and it is never more than `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after so many failures in a row; none where nothing has failed yet.
    pub fn after(self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let doubled = self.first.saturating_mul(1 << doublings.min(16));
        doubled.min(self.longest).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Waits for that long.
    pub async fn pause(self, failures: u32) {
        if failures > 0 {
            tokio::time::sleep(self.after(failures)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_chance() {
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(640));
        assert_eq!(backoff.after(0), Duration::ZERO);
        for (failures, longest_ms) in [(1, 20), (2, 40), (3, 80), (6, 640), (7, 640), (u32::MAX, 640)] {
            let longest = Duration::from_millis(longest_ms);
            let pauses: Vec<_> = (0..200).map(|_| backoff.after(failures)).collect();
            assert!(pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)), "{failures}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{failures}: all alike");
        }
    }
}
