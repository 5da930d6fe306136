//! How often a provider's API is asked: a rate that all calls of a client share, and that gives way when the provider
//! says it is too much.

use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A number of requests per second, greater than zero; it may be a fraction (`0.5` is one every two seconds).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct RequestRate(f64);

/// A rate that is no number greater than zero, or too small to ever ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of requests per second from 0.001 to 10000")]
pub struct InvalidRate;

impl RequestRate {
    /// Checks a number of requests per second.
    ///
    /// # Errors
    /// [`InvalidRate`] outside of 0.001 to 10,000.
    pub fn per_second(requests: f64) -> Result<Self, InvalidRate> {
        if (0.001..=10_000.0).contains(&requests) { Ok(Self(requests)) } else { Err(InvalidRate) }
    }

    fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl FromStr for RequestRate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::per_second(text.trim().parse().map_err(|_| InvalidRate)?)
    }
}

/// Spaces requests evenly; clones share the rate. Nothing is saved up while idle, since providers count in short windows.
#[derive(Clone, Debug)]
pub struct RateLimiter(Arc<Mutex<Pace>>);

/// The turn that was waited for lies beyond the caller's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no turn is free before the deadline")]
pub struct NoTurn;

impl RateLimiter {
    /// Starts at the given rate, which is never exceeded.
    pub fn new(rate: RequestRate) -> Self {
        Self(Arc::new(Mutex::new(Pace::new(rate.interval()))))
    }

    /// Waits for the next turn.
    ///
    /// # Errors
    /// [`NoTurn`], at once and without taking a turn, if the next one comes after `deadline`.
    pub async fn turn(&self, deadline: Instant) -> Result<(), NoTurn> {
        let turn = self.pace().reserve(Instant::now(), deadline).ok_or(NoTurn)?;
        sleep_until(turn).await;
        Ok(())
    }

    /// Slows down: the provider said it was asked too often.
    pub fn throttled(&self) {
        self.pace().slow_down(Instant::now());
    }

    /// How often the provider said so.
    pub fn throttles(&self) -> u64 {
        self.pace().throttles
    }

    /// Speeds up again, little by little, as far as the rate allows.
    pub fn answered(&self) {
        self.pace().speed_up();
    }

    /// The pace is sound after each single assignment, so a panic elsewhere does it no harm.
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every throttle doubles the interval, up to this many times the rate's own.
const SLOWEST: u32 = 32;

/// The clock's readings are arguments, so that a test can be a minute later.
#[derive(Debug)]
struct Pace {
    usual: Duration,
    interval: Duration,
    next: Option<Instant>,
    slowed_at: Option<Instant>,
    throttles: u64,
}

impl Pace {
    fn new(usual: Duration) -> Self {
        Self { usual, interval: usual, next: None, slowed_at: None, throttles: 0 }
    }

    fn reserve(&mut self, now: Instant, deadline: Instant) -> Option<Instant> {
        let turn = self.next.map_or(now, |next| next.max(now));
        if turn > deadline {
            return None;
        }
        self.next = Some(turn + self.interval);
        Some(turn)
    }

    fn slow_down(&mut self, now: Instant) {
        self.throttles += 1;
        // Requests that were under way together are throttled together: that is one reason to slow down, not many.
        if self.slowed_at.is_some_and(|slowed_at| now < slowed_at + self.interval) {
            return;
        }
        self.slowed_at = Some(now);
        self.interval = (self.interval * 2).min(self.usual * SLOWEST);
        let pause = now + self.interval;
        self.next = Some(self.next.map_or(pause, |next| next.max(pause)));
    }

    fn speed_up(&mut self) {
        self.interval = self.interval.mul_f64(0.9).max(self.usual);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn turns(pace: &mut Pace, now: Instant, count: usize) -> Vec<Duration> {
        let far = now + 10_000 * SECOND;
        (0..count).map(|_| pace.reserve(now, far).unwrap() - now).collect()
    }

    #[test]
    fn turns_are_spaced_evenly_and_none_is_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::new(SECOND);
        assert_eq!(turns(&mut pace, start, 3), [Duration::ZERO, SECOND, 2 * SECOND]);
        let after_a_pause = start + 100 * SECOND;
        assert_eq!(turns(&mut pace, after_a_pause, 2), [Duration::ZERO, SECOND]);
    }

    #[test]
    fn a_turn_after_the_deadline_is_not_taken() {
        let start = Instant::now();
        let mut pace = Pace::new(SECOND);
        assert_eq!(pace.reserve(start, start), Some(start));
        assert_eq!(pace.reserve(start, start + SECOND / 2), None);
        assert_eq!(pace.reserve(start, start + SECOND), Some(start + SECOND));
    }

    #[test]
    fn throttling_slows_down_once_for_what_was_under_way_together() {
        let start = Instant::now();
        let mut pace = Pace::new(SECOND);
        pace.slow_down(start);
        pace.slow_down(start + SECOND / 10);
        assert_eq!(turns(&mut pace, start, 2), [2 * SECOND, 4 * SECOND]);
        pace.slow_down(start + 3 * SECOND);
        assert_eq!((pace.interval, pace.throttles), (4 * SECOND, 3));
    }

    #[test]
    fn the_pace_has_a_floor_and_comes_back_to_the_rate_but_not_above() {
        let start = Instant::now();
        let mut pace = Pace::new(SECOND);
        for later in 0..20 {
            pace.slow_down(start + later * 100 * SECOND);
        }
        assert_eq!(pace.interval, SLOWEST * SECOND);
        pace.speed_up();
        assert!(pace.interval < SLOWEST * SECOND && pace.interval > SLOWEST * SECOND / 2);
        for _ in 0..100 {
            pace.speed_up();
        }
        assert_eq!(pace.interval, SECOND);
    }

    #[test]
    fn rates_are_numbers_above_zero() {
        for (text, interval) in [
            ("10", Some(Duration::from_millis(100))),
            (" 0.5 ", Some(2 * SECOND)),
            ("0", None),
            ("-1", None),
            ("1e9", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
            ("ten", None),
        ] {
            assert_eq!(text.parse::<RequestRate>().ok().map(RequestRate::interval), interval, "{text:?}");
        }
    }

    #[tokio::test]
    async fn clones_share_the_turns() {
        let limiter = RateLimiter::new(RequestRate::per_second(20.0).unwrap());
        let other = limiter.clone();
        let start = Instant::now();
        let deadline = start + 100 * SECOND;
        for _ in 0..2 {
            limiter.turn(deadline).await.unwrap();
            other.turn(deadline).await.unwrap();
        }
        assert!(start.elapsed() >= Duration::from_millis(150));

        let limiter = RateLimiter::new(RequestRate::per_second(0.001).unwrap());
        limiter.turn(deadline).await.unwrap();
        assert_eq!(limiter.clone().turn(deadline).await, Err(NoTurn));
    }
}
