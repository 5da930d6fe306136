//! Hours of UTC: what analytics' files hold the calls of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Instant;

/// What an hour has, in milliseconds.
const HOUR_MS: i64 = 60 * 60 * 1000;
/// How long its text is, in bytes.
const TEXT_BYTES: usize = 13;
/// What follows in the text of the time at which it begins.
const BEGINS: &str = ":00:00.000Z";

/// An hour of UTC, between the years 2000 and 2100. Its text, `2025-06-01T02`, sorts as the hours do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(Instant);

impl Hour {
    /// The hour that a time is in.
    pub fn of(at: Instant) -> Self {
        Self(Instant::clamped(at.epoch_millis().div_euclid(HOUR_MS) * HOUR_MS))
    }

    /// When it begins. That moment is of the hour.
    pub fn start(self) -> Instant {
        self.0
    }

    /// Its last millisecond, which is of the hour.
    pub fn last(self) -> Instant {
        Instant::clamped(self.0.epoch_millis() + HOUR_MS - 1)
    }

    /// When it ends: that moment is of the next hour. (Of the last hour that there is, it is the last millisecond.)
    pub fn end(self) -> Instant {
        Instant::clamped(self.0.epoch_millis() + HOUR_MS)
    }

    /// The hour that follows; `None` after the last.
    pub fn next(self) -> Option<Self> {
        Some(Self::of(self.end())).filter(|next| *next != self)
    }

    /// Its date, `2025-06-01`.
    pub fn date(self) -> String {
        self.0.date()
    }

    /// Which hour of its date it is, 0 to 23.
    pub fn of_day(self) -> u8 {
        u8::try_from(self.0.epoch_millis().div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or_default()
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_text().strip_suffix(BEGINS).unwrap_or_default())
    }
}

impl fmt::Debug for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no [`Hour`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an hour of UTC, `2025-06-01T02`, between 2000 and 2100")]
pub struct NotAnHour;

/// As it is displayed.
impl FromStr for Hour {
    type Err = NotAnHour;

    fn from_str(text: &str) -> Result<Self, NotAnHour> {
        if text.len() != TEXT_BYTES {
            return Err(NotAnHour);
        }
        let start = [text, BEGINS].concat().parse::<Instant>().map_err(|_| NotAnHour)?;
        Some(Self::of(start)).filter(|hour| hour.to_string() == text).ok_or(NotAnHour)
    }
}

impl Serialize for Hour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_hour_is_written_and_read() {
        let hour: Hour = "2025-06-01T02".parse().unwrap();
        assert_eq!(
            (hour.to_string().as_str(), hour.date().as_str(), hour.of_day()),
            ("2025-06-01T02", "2025-06-01", 2)
        );
        assert_eq!(hour.start().to_text(), "2025-06-01T02:00:00.000Z");
        assert_eq!(hour.last().to_text(), "2025-06-01T02:59:59.999Z");
        assert_eq!(hour.end().to_text(), "2025-06-01T03:00:00.000Z");
        assert_eq!(serde_json::to_string(&hour).unwrap(), r#""2025-06-01T02""#);
        assert_eq!(serde_json::from_str::<Hour>(r#""2025-06-01T02""#).unwrap(), hour);
        let last: Hour = "2099-12-31T23".parse().unwrap();
        assert_eq!(
            (last.next(), hour.next().map(|next| next.to_string()).as_deref()),
            (None, Some("2025-06-01T03"))
        );
        for text in [
            "",
            "2025-06-01",
            "2025-06-01T24",
            "2025-06-31T00",
            "2025-06-01 02",
            "1999-12-31T23",
            "2025-06-01T2:",
        ] {
            assert_eq!(text.parse::<Hour>(), Err(NotAnHour), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_in_its_hour_and_in_no_other(millis in 946_684_800_000i64..4_102_444_800_000) {
            let at = Instant::from_epoch_millis(millis).unwrap();
            let hour = Hour::of(at);
            prop_assert!(hour.start() <= at && at <= hour.last());
            prop_assert_eq!(hour.to_string(), &at.to_text()[..13]);
            prop_assert_eq!(hour.to_string().parse(), Ok(hour));
            prop_assert_eq!(Hour::of(hour.start()), hour);
            prop_assert_eq!(Hour::of(hour.last()), hour);
            prop_assert!(hour.next().is_none_or(|next| next.start() == hour.end() && next > hour));
        }
    }
}
