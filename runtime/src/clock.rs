//! The clock.

use jiff::Timestamp;
use shared::model::Instant;

/// What time it is, to the millisecond.
///
/// # Panics
/// If the system's clock stands outside the years 2000 to 2100.
#[expect(clippy::expect_used, reason = "a clock that is off by decades must not date a record")]
pub fn now() -> Instant {
    Instant::from_epoch_millis(Timestamp::now().as_millisecond())
        .expect("the system's clock is between 2000 and 2100")
}
