//! Where a walk over pages goes on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::{CallFilter, Order};
use crate::model::Instant;

/// The first byte, which tells how the rest is to be read.
const VERSION: u8 = 1;
/// How long the digests are.
const DIGEST_BYTES: usize = 8;
/// How long the text of a cursor may be: that of the longest key, with room.
const MAX_TEXT_BYTES: usize = 4096;

/// A place in the order of what is listed: everything is before it or behind it. Of a call it is the time and the partition key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The time by which is listed.
    pub at: Instant,
    /// The partition key. Empty where the place is between two times.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Position {
    /// The place before all that has this time, in ascending order.
    pub fn before(at: Instant) -> Self {
        Self { at, pk: String::new(), sk: String::new() }
    }

    /// The place behind all that has the same time, in an order: it names no call.
    #[must_use]
    pub fn behind_its_time(self, order: Order) -> Self {
        match order {
            // The next millisecond; at the end of time there is none.
            Order::Ascending => match Instant::from_epoch_millis(self.at.epoch_millis() + 1) {
                Some(next) => Self::before(next),
                None => self,
            },
            Order::Descending => Self::before(self.at),
        }
    }
}

/// Where a walk goes on, and of which list. It holds a time and, where a page ended among calls of the same time, the key of the last of them;
/// and no value of a filter, but a digest of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    position: Position,
    /// The day that "today" was when the walk began, where no day was asked for.
    today: Option<Date>,
    list: [u8; DIGEST_BYTES],
}

/// What is no cursor of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was altered, or is of another release.
    #[error("the cursor is not one that this API gave out")]
    Altered,
    /// It is of a list with other filters.
    #[error("the cursor is of a list with other filters")]
    OtherFilters,
}

impl Cursor {
    /// Behind `position` in the list that a filter makes. `today` is the day that it means where it names none.
    pub fn new(position: Position, today: Option<Date>, filter: &CallFilter) -> Self {
        Self { position, today, list: filter.digest() }
    }

    /// Behind `position` in a list of another kind, which a name tells from all others.
    pub fn of_list(position: Position, name: &str) -> Self {
        Self { position, today: None, list: digest(name.as_bytes()) }
    }

    /// The place behind which the list goes on.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The day that "today" was.
    pub fn today(&self) -> Option<Date> {
        self.today
    }

    /// As text, of letters that need no escape in a URL.
    pub fn encode(&self) -> String {
        let Self { position: Position { at, pk, sk }, today, list } = self;
        let today = today.map_or_else(String::new, |today| today.to_string());
        let mut bytes = vec![VERSION];
        bytes.extend(list);
        bytes.extend(at.epoch_millis().to_be_bytes());
        // Between zeros. A key may hold one too: it is escaped.
        bytes.extend([&today, &escaped(sk), &escaped(pk)].map(String::as_str).join("\0").into_bytes());
        let check = digest(&bytes);
        bytes.extend(check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor of a list of calls that a text is.
    ///
    /// # Errors
    /// [`CursorError`], where it is none, or of another filter.
    pub fn decode(text: &str, filter: &CallFilter) -> Result<Self, CursorError> {
        Self::read(text, filter.digest())
    }

    /// The cursor of the list of this name that a text is.
    ///
    /// # Errors
    /// [`CursorError`], where it is none, or of another list.
    pub fn decode_of_list(text: &str, name: &str) -> Result<Self, CursorError> {
        Self::read(text, digest(name.as_bytes()))
    }

    fn read(text: &str, list: [u8; DIGEST_BYTES]) -> Result<Self, CursorError> {
        let cursor = Self::parse(text).ok_or(CursorError::Altered)?;
        match cursor.list == list {
            true => Ok(cursor),
            false => Err(CursorError::OtherFilters),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, check) = bytes.split_last_chunk::<DIGEST_BYTES>()?;
        if digest(said) != *check {
            return None;
        }
        let (version, rest) = said.split_first()?;
        let (list, rest) = rest.split_first_chunk::<DIGEST_BYTES>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let mut rest = std::str::from_utf8(rest).ok()?.splitn(3, '\0');
        let [today, sk, pk] = [rest.next()?, rest.next()?, rest.next()?];
        let today = match today {
            "" => None,
            today => Some(today.parse().ok()?),
        };
        let at = Instant::from_epoch_millis(i64::from_be_bytes(*at))?;
        let position = Position { at, pk: unescaped(pk)?, sk: unescaped(sk)? };
        (*version == VERSION).then_some(Self { position, today, list: *list })
    }
}

fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut short = [0; DIGEST_BYTES];
    short.copy_from_slice(&Sha256::digest(bytes)[..DIGEST_BYTES]);
    short
}

/// A key without zeros.
fn escaped(key: &str) -> String {
    key.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0")
}

fn unescaped(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '\u{1}' => match characters.next()? {
                '0' => '\0',
                '1' => '\u{1}',
                _ => return None,
            },
            other => other,
        });
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;
    use proptest::prelude::*;

    fn cursor(pk: &str, filter: &CallFilter) -> Cursor {
        let at = "2025-06-01T02:00:00.000Z".parse().unwrap();
        let position = Position { at, pk: pk.to_owned(), sk: "call".to_owned() };
        Cursor::new(position, "2025-06-01".parse().ok(), filter)
    }

    #[test]
    fn a_cursor_is_of_its_filters_alone() {
        let filter = CallFilter { outcomes: vec![Outcome::Busy], ..CallFilter::default() };
        let cursor = cursor("call#alicom#1", &filter);
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text, &filter), Ok(cursor));
        for other in [
            CallFilter::default(),
            CallFilter { order: Order::Ascending, ..filter.clone() },
            CallFilter { outcomes: vec![Outcome::Other], ..filter.clone() },
        ] {
            assert_eq!(Cursor::decode(&text, &other), Err(CursorError::OtherFilters));
        }
        assert_eq!(Cursor::decode_of_list(&text, "recordings"), Err(CursorError::OtherFilters));
        let other = Cursor::of_list(Position::before(cursor_at()), "recordings");
        assert_eq!(Cursor::decode_of_list(&other.encode(), "recordings"), Ok(other.clone()));
        assert_eq!(Cursor::decode(&other.encode(), &filter), Err(CursorError::OtherFilters));
    }

    fn cursor_at() -> Instant {
        "2025-06-01T02:00:00.000Z".parse().unwrap()
    }

    #[test]
    fn whatever_is_changed_of_a_cursor_it_is_none_any_more() {
        let filter = CallFilter::default();
        let text = cursor("call#alicom#10000161^1000018", &filter).encode();
        for place in 0..text.len() {
            for other in ["A", "z", "-", "", "=", "%", "é"] {
                let altered = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                if altered != text {
                    assert_eq!(Cursor::decode(&altered, &filter), Err(CursorError::Altered), "{altered}");
                }
            }
        }
        for text in ["", "A", "AAAA", &"A".repeat(5_000), &format!("{text}A"), &format!("{text}{text}")] {
            assert_eq!(Cursor::decode(text, &filter), Err(CursorError::Altered));
        }
    }

    proptest! {
        #[test]
        fn every_cursor_comes_back(pk in "[\\PC\0\u{1}\u{2}]{0,200}", millis: i64, has_day: bool) {
            let filter = CallFilter::default();
            let mut cursor = cursor(&pk, &filter);
            cursor.position.at = Instant::clamped(millis);
            cursor.today = cursor.today.filter(|_| has_day);
            let text = cursor.encode();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(Cursor::decode(&text, &filter), Ok(cursor));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,80}") {
            prop_assert_eq!(Cursor::decode(&text, &CallFilter::default()), Err(CursorError::Altered));
        }
    }
}
