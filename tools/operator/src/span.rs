//! Spans of time, as the commands' `--since` and `--until` tell them: one meaning for all of them.
//!
//! A day, an hour or a moment, each of UTC where it names no zone. A span begins where what `--since` names begins, and ends where what
//! `--until` names ends: a whole day is in it, and a whole hour; a moment is not.

use anyhow::ensure;
use jiff::tz::Offset;
use shared::model::{Hour, Instant};

/// What a day has, in seconds.
pub(crate) const DAY_S: i64 = 24 * 60 * 60;
/// For how many days to come calls are looked for where nobody says until when: a platform's clock may be ahead, and its year the next.
const DAYS_AHEAD: i64 = 366;

/// When a span begins, of `--since`.
pub(crate) fn since(text: &str) -> Result<Instant, String> {
    named(text).map(|(begins, _)| begins)
}

/// When a span ends, of `--until`: that moment is not in it.
pub(crate) fn until(text: &str) -> Result<Instant, String> {
    named(text).map(|(_, ends)| ends)
}

/// When what a text names begins and ends, which is the same of a moment.
fn named(text: &str) -> Result<(Instant, Instant), String> {
    let text = text.trim();
    if let Ok(midnight) = format!("{text}T00").parse::<Hour>() {
        return Ok((midnight.start(), midnight.start().plus_seconds(DAY_S)));
    }
    if let Ok(hour) = text.parse::<Hour>() {
        return Ok((hour.start(), hour.end()));
    }
    let moment = Instant::parse(text, Offset::UTC);
    moment.map(|moment| (moment, moment)).ok_or_else(|| {
        "neither a day (2025-06-01), nor an hour (2025-06-01T02), nor a moment (2025-06-01T02:00:00Z)"
            .to_owned()
    })
}

/// Until when calls are looked for where nobody says so.
pub(crate) fn ahead_of(now: Instant) -> Instant {
    now.plus_seconds(DAYS_AHEAD * DAY_S)
}

/// Fails where a span ends before it begins, or at once.
pub(crate) fn in_order(since: Instant, until: Instant) -> anyhow::Result<()> {
    ensure!(since < until, "--since is not before --until");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_whole_and_moments_are_not_in_what_they_end() {
        for (text, begins, ends) in [
            ("2025-06-01", "2025-06-01T00:00:00.000Z", "2025-06-02T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            ("2025-12-31T23", "2025-12-31T23:00:00.000Z", "2026-01-01T00:00:00.000Z"),
            ("2025-06-01T02:00", "2025-06-01T02:00:00.000Z", "2025-06-01T02:00:00.000Z"),
            ("2025-06-01T02:00:00.001Z", "2025-06-01T02:00:00.001Z", "2025-06-01T02:00:00.001Z"),
            ("2025-06-01 10:00:00+08:00", "2025-06-01T02:00:00.000Z", "2025-06-01T02:00:00.000Z"),
            (" 1748743200000 ", "2025-06-01T02:00:00.000Z", "2025-06-01T02:00:00.000Z"),
        ] {
            let told = (since(text).unwrap().to_text(), until(text).unwrap().to_text());
            assert_eq!(told, (begins.to_owned(), ends.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_the_forms_that_there_are() {
        for text in ["", "yesterday", "2025-06-31", "2025-06", "2025-06-01T24", "1999-12-31", "2025-06-01T"] {
            let error = until(text).unwrap_err();
            assert!(error.contains("2025-06-01T02:00:00Z"), "{text}: {error}");
        }
    }

    #[test]
    fn a_span_has_a_beginning_before_its_end() {
        let check = |from: &str, to: &str| in_order(since(from).unwrap(), until(to).unwrap());
        assert!(check("2025-06-01", "2025-06-01").is_ok());
        assert!(check("2025-06-01T02", "2025-06-01T02").is_ok());
        assert!(check("2025-06-01T02:00:00Z", "2025-06-01T02:00:00Z").is_err());
        assert!(check("2025-06-02", "2025-06-01").is_err());
    }
}
