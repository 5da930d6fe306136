//! How long an invocation may still run.

use crate::clock;
use std::pin::pin;
use std::time::Duration;

/// The time at which Lambda ends the invocation.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(tokio::time::Instant);

impl Deadline {
    /// The deadline that the invocation's context names, in milliseconds since 1970; `0` (no Lambda, as on the local stack) is
    /// fifteen minutes from now, the longest that Lambda allows.
    pub fn of_context(deadline_ms: u64) -> Self {
        let left_ms = match deadline_ms {
            0 => 15 * 60 * 1000,
            at => i64::try_from(at)
                .unwrap_or(i64::MAX)
                .saturating_sub(clock::now().epoch_millis())
                .max(0)
                .unsigned_abs(),
        };
        Self::after(Duration::from_millis(left_ms))
    }

    /// A deadline after some time from now.
    pub fn after(left: Duration) -> Self {
        Self(tokio::time::Instant::now() + left)
    }

    /// How much time is left; zero once it has passed.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(tokio::time::Instant::now())
    }

    /// The deadline less some time that is needed to end well.
    pub fn less(&self, reserve: Duration) -> tokio::time::Instant {
        self.0.checked_sub(reserve).unwrap_or(self.0)
    }
}

/// In how many steps silence is noticed.
const STEPS: u32 = 9;

/// Waits for work as long as somebody answers meanwhile: `None` once the number of `answers` has not changed for `silence`, or at `end`
/// whatever happens.
///
/// A processor that is slow is not silence: a step in which the work itself kept it busy counts as one, however long it took.
pub async fn unless_silent<T>(
    work: impl Future<Output = T>,
    answers: impl Fn() -> u64,
    silence: Duration,
    end: tokio::time::Instant,
) -> Option<T> {
    let mut work = pin!(work);
    let (mut heard, mut silent_steps) = (answers(), 0);
    while silent_steps < STEPS && tokio::time::Instant::now() < end {
        if let Ok(done) = tokio::time::timeout(silence / STEPS, work.as_mut()).await {
            return Some(done);
        }
        silent_steps = if answers() == heard { silent_steps + 1 } else { 0 };
        heard = answers();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SILENCE: Duration = Duration::from_millis(90);

    fn in_a_minute() -> tokio::time::Instant {
        tokio::time::Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn who_answers_is_waited_for_and_who_does_not_is_not() {
        let answers = Cell::new(0);
        let talking = async {
            for _ in 0..20 {
                tokio::time::sleep(SILENCE / 4).await;
                answers.set(answers.get() + 1);
            }
        };
        assert_eq!(unless_silent(talking, || answers.get(), SILENCE, in_a_minute()).await, Some(()));
        let silent = std::future::pending::<()>();
        assert_eq!(unless_silent(silent, || answers.get(), SILENCE, in_a_minute()).await, None);
    }

    #[tokio::test]
    async fn a_slow_processor_is_no_silence_and_the_end_is_the_end() {
        let busy = async {
            for _ in 0..3 {
                std::thread::sleep(2 * SILENCE);
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(unless_silent(busy, || 0, SILENCE, in_a_minute()).await, Some(()));
        let answers = Cell::new(0);
        let talking_on = async {
            loop {
                tokio::time::sleep(SILENCE / 20).await;
                answers.set(answers.get() + 1);
            }
        };
        let end = tokio::time::Instant::now() + SILENCE;
        assert_eq!(unless_silent(talking_on, || answers.get(), SILENCE, end).await, None::<()>);
    }
}
