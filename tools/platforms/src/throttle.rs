//! Whether the Alibaba API has time for a request: the rate limit and the outages a test orders.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is answered.
    Admitted,
    /// It is one too many (`Throttling.User`).
    Throttled,
    /// The service is down (`ServiceUnavailable`).
    Unavailable,
}

/// The limits in force.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    per_second: Option<NonZeroU32>,
    /// When the current second began, and how many requests it has seen.
    second: Option<(Instant, u32)>,
    throttle_next: u32,
    fail_next: u32,
    throttled: u64,
}

impl Throttle {
    /// Admits so many requests in each second; all, if `None`.
    pub(super) fn limit(&self, per_second: Option<NonZeroU32>) {
        self.with(|state| (state.per_second, state.second) = (per_second, None));
    }

    /// Throttles the next so many requests.
    pub(super) fn throttle_next(&self, requests: u32) {
        self.with(|state| state.throttle_next = requests);
    }

    /// Fails the next so many requests.
    pub(super) fn fail_next(&self, requests: u32) {
        self.with(|state| state.fail_next = requests);
    }

    /// Returns how many requests were throttled.
    pub(super) fn throttled(&self) -> u64 {
        self.with(|state| state.throttled)
    }

    /// Decides on one request that arrives at `now`.
    pub(super) fn admit(&self, now: Instant) -> Admission {
        self.with(|state| {
            let admission = state.admit(now);
            state.throttled += u64::from(admission == Admission::Throttled);
            admission
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn admit(&mut self, now: Instant) -> Admission {
        if self.fail_next > 0 {
            self.fail_next -= 1;
            return Admission::Unavailable;
        }
        if self.throttle_next > 0 {
            self.throttle_next -= 1;
            return Admission::Throttled;
        }
        let Some(per_second) = self.per_second else {
            return Admission::Admitted;
        };
        let (began, seen) = match self.second {
            Some((began, seen)) if now.duration_since(began) < Duration::from_secs(1) => (began, seen),
            _ => (now, 0),
        };
        if seen >= per_second.get() {
            return Admission::Throttled;
        }
        self.second = Some((began, seen + 1));
        Admission::Admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Admission::{Admitted, Throttled, Unavailable};

    #[test]
    fn each_second_admits_its_share() {
        let throttle = Throttle::default();
        throttle.limit(NonZeroU32::new(2));
        let start = Instant::now();
        let after_ms = |ms| throttle.admit(start + Duration::from_millis(ms));
        assert_eq!(
            [after_ms(0), after_ms(10), after_ms(20), after_ms(999)],
            [Admitted, Admitted, Throttled, Throttled]
        );
        assert_eq!([after_ms(1_000), after_ms(1_001), after_ms(1_002)], [Admitted, Admitted, Throttled]);
        assert_eq!(throttle.throttled(), 3);
        throttle.limit(None);
        assert_eq!(after_ms(1_003), Admitted);
    }

    #[test]
    fn what_is_ordered_comes_once() {
        let throttle = Throttle::default();
        throttle.throttle_next(1);
        throttle.fail_next(2);
        let now = Instant::now();
        let answers = [(); 4].map(|()| throttle.admit(now));
        assert_eq!(answers, [Unavailable, Unavailable, Throttled, Admitted]);
    }
}
