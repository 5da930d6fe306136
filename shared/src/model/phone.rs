//! Phone numbers, which may be masked and are never shown whole by accident.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::masking;

/// A phone number as the provider gave it: digits usually, with `*` where an account has numbers masked.
///
/// Nothing else is asked of it (LAAFFIC's sample callee has 22 digits). `Debug` and `Display` show it masked; the whole
/// number is only to be had by [`PhoneNumber::as_str`] and in the stored item.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// The largest number taken for one, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Takes any non-blank text of at most [`PhoneNumber::MAX_BYTES`].
    pub fn new(text: &str) -> Option<Self> {
        Self::is_one(text).then(|| Self(text.trim().to_owned()))
    }

    /// [`PhoneNumber::new`] of a text that is given back where it is none. It is copied only where white space stands around the number.
    pub(crate) fn of(text: String) -> Result<Self, String> {
        match Self::is_one(&text) {
            true if text.trim().len() == text.len() => Ok(Self(text)),
            true => Ok(Self(text.trim().to_owned())),
            false => Err(text),
        }
    }

    fn is_one(text: &str) -> bool {
        let text = text.trim();
        !text.is_empty() && text.len() <= Self::MAX_BYTES
    }

    /// The number as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as it came, to be stored.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// The number without what people write between its digits: `+86 139-0000-0001` is `+8613900000001`.
    pub fn plain(&self) -> String {
        let plus = if self.0.starts_with(['+', '＋']) { "+" } else { "" };
        plus.chars().chain(self.0.chars().filter(|character| !masking::is_between(*character))).collect()
    }

    /// Whether the provider hid some of its digits, so that it can't tell one callee from another.
    pub fn is_masked(&self) -> bool {
        self.0.contains('*')
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.chars().count() >= 9 { 3 } else { 0 };
        for (position, character) in self.0.chars().enumerate() {
            f.write_char(if position < shown { character } else { '*' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_shown_number_keeps_at_most_three_digits() {
        assert_eq!(PhoneNumber::new("13912345678").unwrap().to_string(), "139********");
        assert_eq!(PhoneNumber::new("10086").unwrap().to_string(), "*****");
    }

    #[test]
    fn masked_numbers_pass_and_are_known_as_masked() {
        assert!(PhoneNumber::new("139********").unwrap().is_masked());
        assert!(!PhoneNumber::new("2222222228613200000007").unwrap().is_masked());
        assert_eq!(PhoneNumber::new("  "), None);
    }

    proptest! {
        #[test]
        fn no_more_than_three_digits_are_ever_shown(text in "\\PC{1,40}") {
            if let Some(number) = PhoneNumber::new(&text) {
                let shown = format!("{number:?} {number}").chars().filter(char::is_ascii_digit).count();
                prop_assert!(shown <= 6);
            }
        }
    }
}
