//! Points in time, and how the providers write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time in UTC with millisecond precision, between the years 2000 and 2100.
///
/// It is written as RFC 3339 with always three digits of milliseconds (`2025-06-01T02:00:00.000Z`), so that its text
/// sorts as the times do. What lies outside the range is no time of a call: the providers' samples hold
/// `123123123123123` and `98` in fields that are documented as timestamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Timestamp);

const EARLIEST_MS: i64 = 946_684_800_000; // 2000-01-01T00:00:00Z
const LATEST_MS: i64 = 4_102_444_800_000; // 2100-01-01T00:00:00Z

impl Instant {
    /// The current time.
    ///
    /// # Panics
    /// If the system's clock stands outside the years 2000 to 2100.
    #[expect(clippy::expect_used, reason = "a clock that is off by decades must not date a record")]
    pub fn now() -> Self {
        Self::from_epoch_millis(Timestamp::now().as_millisecond())
            .expect("the system clock is between 2000 and 2100")
    }

    /// Milliseconds since 1970-01-01T00:00:00Z; `None` outside the range of [`Instant`].
    pub fn from_epoch_millis(millis: i64) -> Option<Self> {
        if !(EARLIEST_MS..LATEST_MS).contains(&millis) {
            return None;
        }
        Timestamp::from_millisecond(millis).ok().map(Self)
    }

    /// Seconds since 1970-01-01T00:00:00Z; `None` outside the range of [`Instant`].
    pub fn from_epoch_seconds(seconds: i64) -> Option<Self> {
        Self::from_epoch_millis(seconds.checked_mul(1000)?)
    }

    /// Any of the forms in which a provider writes a time, `zone` being that of the forms that carry none:
    ///
    /// | text | meaning |
    /// |---|---|
    /// | 9 or 10 digits | seconds since 1970 (AI-voice) |
    /// | 12 or 13 digits | milliseconds since 1970 (LAAFFIC, QueryConversationDetailInfo) |
    /// | 14 or 17 digits | `yyyyMMddHHmmss`, `yyyyMMddHHmmssSSS` (LAAFFIC's document) |
    /// | `2025-06-01 10:00:00`, a `T` between, a fraction of the second | civil time (Alibaba, Yiwise) |
    /// | RFC 3339 | as it says |
    ///
    /// `None` for anything else: a time is never guessed.
    pub fn parse(text: &str, zone: Offset) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.len() {
                9 | 10 => Self::from_epoch_seconds(text.parse().ok()?),
                12 | 13 => Self::from_epoch_millis(text.parse().ok()?),
                14 => Self::from_civil(strtime::parse("%Y%m%d%H%M%S", text).ok()?.to_datetime().ok()?, zone),
                17 => {
                    let (seconds, millis) = text.split_at(14);
                    let civil = strtime::parse("%Y%m%d%H%M%S", seconds).ok()?.to_datetime().ok()?;
                    let millis = SignedDuration::from_millis(millis.parse().ok()?);
                    Self::from_civil(civil.checked_add(millis).ok()?, zone)
                }
                _ => None,
            };
        }
        // A civil time needs all of its parts: a bare date would be a made-up midnight.
        if text.len() < "2025-06-01 10:00".len() {
            return None;
        }
        // Only a time with `Z` or an offset is one without a zone given. To try the others as one would cost more than all else.
        let has_zone =
            text.bytes().skip("2025-06-01".len()).any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
        match has_zone.then(|| text.parse::<Timestamp>()) {
            Some(Ok(timestamp)) => Self::from_epoch_millis(timestamp.as_millisecond()),
            Some(Err(_)) | None => Self::from_civil(text.parse().ok()?, zone),
        }
    }

    fn from_civil(civil: DateTime, zone: Offset) -> Option<Self> {
        Self::from_epoch_millis(zone.to_timestamp(civil).ok()?.as_millisecond())
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn epoch_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The date in UTC, `2025-06-01`.
    pub fn date(self) -> String {
        Offset::UTC.to_datetime(self.0).date().to_string()
    }

    /// This time and `seconds` more (or less, when negative), kept inside the range of [`Instant`].
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let millis = self.epoch_millis().saturating_add(seconds.saturating_mul(1000));
        Self::from_epoch_millis(millis.clamp(EARLIEST_MS, LATEST_MS - 1)).unwrap_or(self)
    }

    /// Seconds from `earlier` to this time, negative when it lies after.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        (self.epoch_millis() - earlier.epoch_millis()).div_euclid(1000)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no [`Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time between 2000 and 2100")]
pub struct NotAnInstant;

/// As it is displayed: RFC 3339.
impl FromStr for Instant {
    type Err = NotAnInstant;

    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let timestamp = text.parse::<Timestamp>().map_err(|_| NotAnInstant)?;
        Self::from_epoch_millis(timestamp.as_millisecond()).ok_or(NotAnInstant)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<String> {
        Instant::parse(text, Offset::constant(8)).map(|instant| instant.to_string())
    }

    #[test]
    fn every_documented_form_is_understood() {
        for (text, expected) in [
            ("2025-06-01 10:00:00", "2025-06-01T02:00:00.000Z"),
            ("2025-06-01T10:00:00", "2025-06-01T02:00:00.000Z"),
            ("2025-06-01 10:00:00.250", "2025-06-01T02:00:00.250Z"),
            ("2025-06-01T10:00:00+02:00", "2025-06-01T08:00:00.000Z"),
            ("2025-06-01T10:00:00Z", "2025-06-01T10:00:00.000Z"),
            ("1754617273", "2025-08-08T01:41:13.000Z"),
            ("1774509744963", "2026-03-26T07:22:24.963Z"),
            ("20260326152224", "2026-03-26T07:22:24.000Z"),
            ("20260326152224963", "2026-03-26T07:22:24.963Z"),
            (" 2025-06-01 10:00:00 ", "2025-06-01T02:00:00.000Z"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_never_made_into_one() {
        for text in [
            "",
            " ",
            "98",
            "123123123123123",
            "0",
            "-1",
            "2025-02-30 10:00:00",
            "2025-06-01",
            "10:00:00",
            "20261326152224",
            "1.5",
            "1e10",
            "nonsense",
            "2025-06-01 25:00:00",
            "0000-00-00 00:00:00",
            "9999-12-31 00:00:00",
            "99999999999999999999999999",
            "２０２５-06-01 10:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_sorts_as_time_does_and_reads_back(a in EARLIEST_MS..LATEST_MS, b in EARLIEST_MS..LATEST_MS) {
            let (a, b) = (Instant::from_epoch_millis(a).unwrap(), Instant::from_epoch_millis(b).unwrap());
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.to_string().len(), 24);
            prop_assert_eq!(serde_json::from_value::<Instant>(serde_json::to_value(a).unwrap()).unwrap(), a);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", digits in "[0-9]{0,20}") {
            let _ = parse(&text);
            let _ = parse(&digits);
        }
    }
}
