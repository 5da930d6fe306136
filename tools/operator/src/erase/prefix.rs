//! The same number with another prefix: `13912345678`, `8613912345678`, `+86 139 1234 5678`, `008613912345678`. Pure.
//!
//! What stands before a number may be a country's code or may be part of another person's number: it is for whoever erases to tell. So
//! a number with another prefix is named, and not erased.

use std::fmt;

/// The most digits before a number: `00`, a country's code of three, `0`.
pub(crate) const MAX_PREFIX: usize = 6;

/// The country codes of two digits; those that begin with 1 and 7 have one, all others three.
///
/// <https://www.itu.int/rec/T-REC-E.164/>
const CODES_OF_TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81",
    "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// Two prefixes before the same digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefixes {
    /// The one that the number to erase has; empty for none.
    given: String,
    /// The one that stands in the store.
    found: String,
}

impl Prefixes {
    /// The prefixes by which two numbers, digits alone, differ; `None` where they differ otherwise, or not at all. What they have in
    /// common has `least` digits at least.
    pub(crate) fn between(given: &str, found: &str, least: usize) -> Option<Self> {
        let pairs = (0..=MAX_PREFIX).filter_map(|length| {
            let (prefix, number) = given.split_at_checked(length)?;
            Some((prefix, found.strip_suffix(number).filter(|_| number.len() >= least)?))
        });
        // The shortest prefixes: what is in common is as long as it can be.
        let (given, found) =
            pairs.into_iter().find(|(given, found)| given != found && is_any(given) && is_any(found))?;
        let countries = country(given).zip(country(found));
        let same = countries.is_none_or(|(one, other)| one == other);
        same.then(|| Self { given: given.to_owned(), found: found.to_owned() })
    }
}

/// The options that name both, `NUMBER` in the place of the digits.
impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--callee {}NUMBER --callee {}NUMBER", self.given, self.found)
    }
}

/// Whether digits may stand before a number: a country's code, `00` and one, `0` within a country; or none at all.
fn is_any(prefix: &str) -> bool {
    let code = prefix.strip_prefix("00").unwrap_or(prefix);
    let code = code.strip_suffix('0').filter(|code| is_code(code)).unwrap_or(code);
    matches!(code, "" | "0") || is_code(code)
}

/// The country of a prefix, where it tells one.
fn country(prefix: &str) -> Option<&str> {
    let code = prefix.trim_start_matches('0');
    let code = code.strip_suffix('0').filter(|code| is_code(code)).unwrap_or(code);
    (!code.is_empty()).then_some(code)
}

/// Whether digits are a country's code, as far as that follows from the first two: of those with three not all are given.
fn is_code(digits: &str) -> bool {
    let has_two = || digits.get(..2).is_some_and(|first| CODES_OF_TWO_DIGITS.contains(&first));
    match digits.as_bytes() {
        [b'1' | b'7'] => true,
        [b'1' | b'7' | b'0', ..] => false,
        [_, _] => has_two(),
        [_, _, _] => !has_two(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_known_behind_another_prefix() {
        for (one, other, prefixes) in [
            ("13912345678", "8613912345678", ("", "86")),
            ("13912345678", "008613912345678", ("", "0086")),
            ("13912345678", "013912345678", ("", "0")),
            ("8613912345678", "008613912345678", ("", "00")),
            ("057112345678", "8657112345678", ("0", "86")),
            ("057112345678", "86057112345678", ("", "86")),
            ("99312345678", "85299312345678", ("", "852")),
            ("6505550100", "16505550100", ("", "1")),
        ] {
            let expected = |(given, found): (&str, &str)| {
                Some(Prefixes { given: given.to_owned(), found: found.to_owned() })
            };
            assert_eq!(Prefixes::between(one, other, 6), expected(prefixes), "{one} {other}");
            assert_eq!(Prefixes::between(other, one, 6), expected((prefixes.1, prefixes.0)), "{other} {one}");
        }
    }

    #[test]
    fn what_is_no_prefix_makes_another_number() {
        for (one, other) in [
            ("13912345678", "13912345678"),
            ("13912345678", "13912345679"),
            ("13912345678", "139123456786"),
            ("13912345678", "9913912345678"),
            ("13912345678", "86113912345678"),
            ("8613912345678", "85213912345678"),
            ("13912345678", "345678"),
            ("123456", "86123"),
            ("", ""),
        ] {
            assert_eq!(Prefixes::between(one, other, 6), None, "{one} {other}");
            assert_eq!(Prefixes::between(other, one, 6), None, "{other} {one}");
        }
    }

    #[test]
    fn the_options_name_both() {
        let prefixes = Prefixes::between("8613912345678", "13912345678", 6).unwrap();
        assert_eq!(prefixes.to_string(), "--callee 86NUMBER --callee NUMBER");
    }

    proptest! {
        #[test]
        fn prefixes_and_what_follows_make_both_numbers(given in "[0-9]{0,20}", prefix in "[0-9]{0,6}", cut in 0_usize..7) {
            let found = format!("{prefix}{}", given.get(cut..).unwrap_or_default());
            if let Some(prefixes) = Prefixes::between(&given, &found, 6) {
                let number = given.strip_prefix(&prefixes.given).unwrap();
                prop_assert_eq!(found.strip_prefix(&prefixes.found), Some(number));
                prop_assert!(number.len() >= 6);
            }
        }
    }
}
