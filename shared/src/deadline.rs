//! How long an invocation may still run.

use std::time::Duration;

use crate::model::Instant;

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
                .saturating_sub(Instant::now().epoch_millis())
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
