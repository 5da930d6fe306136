//! Points in time, and how the providers write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
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

/// How long the text is, and the date in it, in bytes.
const TEXT_BYTES: usize = 24;
const DATE_BYTES: usize = 10;

impl Instant {
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

    /// Milliseconds since 1970-01-01T00:00:00Z, kept inside the range of [`Instant`].
    pub fn clamped(millis: i64) -> Self {
        let millis = millis.clamp(EARLIEST_MS, LATEST_MS - 1);
        Self(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// The same as jiff has it.
    pub(crate) fn timestamp(self) -> Timestamp {
        self.0
    }

    /// Any of the forms in which a provider writes a time, `zone` being that of the forms that carry none:
    ///
    /// | text | meaning |
    /// |---|---|
    /// | 9 or 10 digits | seconds since 1970 (AI-voice) |
    /// | 12 or 13 digits | milliseconds since 1970 (LAAFFIC, QueryConversationDetailInfo) |
    /// | 14 or 17 digits | `yyyyMMddHHmmss`, `yyyyMMddHHmmssSSS` (LAAFFIC's document) |
    /// | `2025-06-01 10:00:00`, a `T` between, a fraction of the second | civil time (Alibaba, Yiwise) |
    /// | the same and `Z` or an offset: `+08:00`, `+0800`, `+08` | as it says (RFC 3339) |
    ///
    /// `None` for anything else: a time is never guessed. A zone's name (`CST`, `[Europe/Berlin]`) is not understood, but behind
    /// an offset, which says it all; a second 60 and an hour 24 are no time of a clock.
    pub fn parse(text: &str, zone: Offset) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.len() {
                9 | 10 => Self::from_epoch_seconds(text.parse().ok()?),
                12 | 13 => Self::from_epoch_millis(text.parse().ok()?),
                14 | 17 => {
                    let mut rest = Rest(text.as_bytes());
                    let civil = rest.civil("", None, "")?;
                    let millis = if rest.0.is_empty() { 0 } else { rest.digits(3)? };
                    let civil = civil.checked_add(SignedDuration::from_millis(millis.into())).ok()?;
                    Self::from_civil(civil, zone)
                }
                _ => None,
            };
        }
        let mut rest = Rest(text.as_bytes());
        let basic = text.as_bytes().get(4) != Some(&b'-');
        let civil = match basic {
            false => rest.civil("-", Some(b"Tt "), ":")?,
            true => rest.civil("", Some(b"Tt"), "")?,
        };
        match rest.zone()? {
            Some(offset) => Self::from_civil(civil, offset),
            None => Self::from_civil(civil, zone),
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
        date_of(as_text(&self.ascii())).to_owned()
    }

    /// The text as it is displayed. An item has up to a dozen times, and the formatting machinery costs more than they do.
    pub fn to_text(self) -> String {
        as_text(&self.ascii()).to_owned()
    }

    fn ascii(self) -> [u8; TEXT_BYTES] {
        // Never negative, and below 2^32 days by far.
        let millis = self.epoch_millis().unsigned_abs();
        let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
        let (year, month, day) = civil_date(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut two = |place: usize, number: u64| {
            text[place] = b'0' + (number / 10 % 10) as u8;
            text[place + 1] = b'0' + (number % 10) as u8;
        };
        two(0, year / 100);
        two(2, year % 100);
        two(5, month);
        two(8, day);
        two(11, of_day / 3_600_000);
        two(14, of_day / 60_000 % 60);
        two(17, of_day / 1_000 % 60);
        two(20, of_day % 1_000 / 10);
        text[22] = b'0' + (of_day % 10) as u8;
        text
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

/// ASCII as text.
fn as_text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}

/// The year, month and day of so many days after 1970-01-01: Howard Hinnant's `civil_from_days`,
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Whether a text is seen at a glance to be an [`Instant`] as it is displayed: `2025-06-01T02:00:00.000Z`. The last days of a month are
/// not, for those are counted.
pub(crate) fn is_plainly_an_instant(text: &str) -> bool {
    let text = text.as_bytes();
    let is_of_form = text.len() == TEXT_BYTES
        && text.iter().zip(b"2000-00-00T00:00:00.000Z").all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        });
    let two = |place: usize| (text[place] - b'0') * 10 + (text[place + 1] - b'0');
    is_of_form
        && text[1] == b'0'
        && (1..=12).contains(&two(5))
        && (1..=28).contains(&two(8))
        && two(11) < 24
        && two(14) < 60
        && two(17) < 60
}

/// Whether a text is an [`Instant`] as it is displayed, on whatever day.
pub(crate) fn is_an_instant(text: &str) -> bool {
    is_plainly_an_instant(text) || text.parse::<Instant>().is_ok_and(|instant| instant.to_string() == text)
}

/// The date of an [`Instant`] as it is displayed.
pub(crate) fn date_of(text: &str) -> &str {
    text.get(..DATE_BYTES).unwrap_or(text)
}

/// What is left to read of a time's text.
///
/// It is read here, and not by [`jiff`], which takes more: it makes second 59 of a second 60, and passes over a zone's name.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Takes so many digits.
    fn digits(&mut self, count: usize) -> Option<i32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0'))
        })
    }

    /// Takes one of these bytes, where it is next.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (next, rest) = self.0.split_first()?;
        if !bytes.contains(next) {
            return None;
        }
        self.0 = rest;
        Some(*next)
    }

    /// Takes this text.
    fn exactly(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text.as_bytes())?;
        Some(())
    }

    /// Takes a date and a time of day, down to the minute at least: a bare date would be a made-up midnight.
    fn civil(&mut self, dash: &str, between: Option<&[u8]>, colon: &str) -> Option<DateTime> {
        let year = self.digits(4)?;
        self.exactly(dash)?;
        let month = self.digits(2)?;
        self.exactly(dash)?;
        let day = self.digits(2)?;
        if let Some(between) = between {
            self.one_of(between)?;
        }
        let hour = self.digits(2)?;
        self.exactly(colon)?;
        let minute = self.digits(2)?;
        let (mut second, mut nanos) = (0, 0);
        // The basic form (`20250601T100000Z`) always has seconds.
        if colon.is_empty() || self.0.starts_with(b":") {
            self.exactly(colon)?;
            second = self.digits(2)?;
            if self.one_of(b".,").is_some() {
                nanos = self.nanoseconds()?;
            }
        }
        let [month, day, hour, minute, second] =
            [month, day, hour, minute, second].map(|number| i8::try_from(number).unwrap_or(-1));
        DateTime::new(i16::try_from(year).ok()?, month, day, hour, minute, second, nanos).ok()
    }

    /// Takes a fraction of a second, of whatever length; what is finer than nanoseconds is cut off.
    fn nanoseconds(&mut self) -> Option<i32> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        (length > 0).then(|| padded.fold(0, |number, digit| number * 10 + i32::from(digit - b'0')))
    }

    /// Takes all that is left, which is nothing, or an offset from UTC: `Z`, `+08:00`, `+0800`, `+08`.
    fn zone(&mut self) -> Option<Option<Offset>> {
        if self.0.is_empty() {
            return Some(None);
        }
        // Never more than one: `strftime`'s `%F %T %z` has it.
        let _ = self.one_of(b" ");
        let offset = match self.one_of(b"Zz+-")? {
            sign @ (b'+' | b'-') => {
                let hours = self.digits(2)?;
                let colon = self.one_of(b":").is_some();
                let minutes = if colon || !(self.0.is_empty() || self.0.starts_with(b"[")) {
                    self.digits(2)?
                } else {
                    0
                };
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = (hours * 60 + minutes) * 60;
                Offset::from_seconds(if sign == b'-' { -seconds } else { seconds }).ok()?
            }
            _ => Offset::UTC,
        };
        // RFC 9557: a name behind the offset adds nothing, unless it is marked as critical.
        if self.one_of(b"[").is_some() {
            let (last, name) = self.0.split_last()?;
            let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-:.".contains(byte);
            if *last != b']' || name.is_empty() || !name.iter().all(of_name) {
                return None;
            }
            self.0 = &[];
        }
        self.0.is_empty().then_some(Some(offset))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(as_text(&self.ascii()))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(as_text(&self.ascii()))
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
        // As it is displayed, which is how it stands in every item.
        if text.len() == TEXT_BYTES
            && let Some(rest) = text.strip_suffix('Z')
        {
            let mut rest = Rest(rest.as_bytes());
            let civil = rest.civil("-", Some(b"T"), ":").filter(|_| rest.0.is_empty());
            if let Some(instant) = civil.and_then(|civil| Self::from_civil(civil, Offset::UTC)) {
                return Ok(instant);
            }
        }
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

    proptest! {
        #[test]
        fn every_time_is_written_and_read_as_jiff_does(millis in EARLIEST_MS..LATEST_MS) {
            let instant = Instant::from_epoch_millis(millis).unwrap();
            let expected = format!("{:.3}", instant.0);
            prop_assert_eq!(&instant.to_text(), &expected);
            prop_assert_eq!(instant.to_string(), &expected[..]);
            prop_assert_eq!(instant.date(), &expected[..10]);
            prop_assert!(is_plainly_an_instant(&expected) || &expected[8..10] > "28");
            prop_assert_eq!(expected.parse::<Instant>(), Ok(instant));
        }

        #[test]
        fn whatever_jiff_reads_of_a_text_is_read(text in "2[01][0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9][.,:][0-9]{3}[Zz0]") {
            let expected = text.parse::<Timestamp>().ok().and_then(|time| Instant::from_epoch_millis(time.as_millisecond()));
            prop_assert_eq!(text.parse::<Instant>().ok(), expected);
            if is_plainly_an_instant(&text) {
                prop_assert_eq!(expected.map(Instant::to_text), Some(text));
            }
        }
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
            ("2025-06-01 10:00", "2025-06-01T02:00:00.000Z"),
            ("2025-06-01t10:00:00z", "2025-06-01T10:00:00.000Z"),
            ("2025-06-01T10:00:00,25", "2025-06-01T02:00:00.250Z"),
            ("2025-06-01T10:00:00.123456789012+02", "2025-06-01T08:00:00.123Z"),
            ("2025-06-01 10:00:00+0530", "2025-06-01T04:30:00.000Z"),
            ("2025-06-01 10:00:00 -0800", "2025-06-01T18:00:00.000Z"),
            ("2025-06-01T10:00+08:00[Asia/Shanghai]", "2025-06-01T02:00:00.000Z"),
            ("2025-06-01T10:00:00Z[Etc/UTC]", "2025-06-01T10:00:00.000Z"),
            ("20250601T100000Z", "2025-06-01T10:00:00.000Z"),
            ("20250601T100000", "2025-06-01T02:00:00.000Z"),
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
            // A zone that is named, and one that is none.
            "2025-06-01T10:00:00[Europe/Berlin]",
            "2025-06-01T10:00:00[America/Port-au-Prince]",
            "2025-06-01 10:00:00 CST",
            "2025-06-01 10:00:00 UTC+8",
            "2025-06-01 10:00:00 PM",
            "2025-06-01T10:00:00+02:00[!Asia/Shanghai]",
            "2025-06-01T10:00:00+02:00[]",
            "2025-06-01T10:00:00+24:00",
            "2025-06-01T10:00:00+08:60",
            "2025-06-01T10:00:00+8",
            "2025-06-01T10:00:00+080",
            "2025-06-01T10:00:00-",
            "2025-06-01 10:00:00  +0800",
            // No time of a clock.
            "2025-06-01 24:00:00",
            "2025-06-30T23:59:60Z",
            "2025-06-01 10:00:60",
            "20250601100060",
            "20250601240000",
            "2025-W22-7T10:00:00",
            "2025-152T10:00:00Z",
            "2025-06-01T10",
            "2025-06-01T10:00:00.",
            "20250601T1000Z",
            "+002025-06-01T10:00:00Z",
            "2025-06-01T10:00:00 ]",
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

        /// [`jiff`] is the judge: what is read of a text with an offset is what it reads, and a text with more is left alone.
        #[test]
        fn a_time_with_an_offset_is_what_it_says(
            instant in EARLIEST_MS + 86_400_000..LATEST_MS - 86_400_000,
            minutes in -23 * 60..=23 * 60,
            more in "[ -~]{0,4}",
        ) {
            let instant = Instant::from_epoch_millis(instant).unwrap();
            let offset = Offset::from_seconds(minutes * 60).unwrap();
            let text = format!("{:.3}{offset}", offset.to_datetime(instant.0));
            prop_assert_eq!(parse(&text), Some(instant.to_string()), "{}", text);
            let longer = format!("{text}{more}");
            let read = longer.trim().parse::<Timestamp>().ok().map(|read| format!("{read:.3}"));
            if let Some(ours) = parse(&longer) {
                prop_assert_eq!(Some(ours), read, "{}", longer);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", digits in "[0-9]{0,20}") {
            let _ = parse(&text);
            let _ = parse(&digits);
        }
    }
}
