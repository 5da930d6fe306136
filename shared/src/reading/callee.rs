//! Looking for the calls of a number, in whichever form platforms write it.

use crate::masking::{digit_of_a_script, is_nothing_by_itself};
use crate::model::PhoneNumber;

/// How China's country code is written before a number of its own.
const CODES: [&str; 4] = ["", "86", "+86", "0086"];
/// How long a mobile number of China's is.
const MOBILE_DIGITS: usize = 11;

/// A number to look for. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct CalleeSearch {
    /// As it may be stored: `13900000001`, `+8613900000001`. The first is the form that all of them have in common.
    forms: Vec<String>,
}

impl CalleeSearch {
    /// Reads a number as people write it, `+86 139-0000-0001`. `None` for what is no number, and for a masked one, which many callees
    /// share.
    pub fn read(text: &str) -> Option<Self> {
        let number = PhoneNumber::new(text).filter(|number| !number.is_masked())?;
        let written = PhoneNumber::new(&in_usual_digits(text)).filter(|number| !number.is_masked())?.plain();
        let own = CODES[1..].iter().filter_map(|code| written.strip_prefix(code)).find(|own| is_mobile(own));
        let own = own.or_else(|| Some(&*written).filter(|own| is_mobile(own)));
        let mut forms = match own {
            // Without a code it may be a number of another country, too.
            Some(own) => CODES.iter().chain(["+"].iter()).map(|code| [*code, own].concat()).collect(),
            None => {
                let digits = written.trim_start_matches('+');
                vec![digits.to_owned(), format!("+{digits}")]
            }
        };
        // As it was typed, whatever it is: it may be stored so.
        for typed in [number.plain(), number.as_str().to_owned()] {
            if !forms.contains(&typed) {
                forms.push(typed);
            }
        }
        forms.retain(|form| form.chars().any(|character| character != '+'));
        (!forms.is_empty()).then_some(Self { forms })
    }

    /// How it may be stored: the keys of the index `by-callee`.
    pub fn forms(&self) -> &[String] {
        &self.forms
    }

    /// Whether a stored number is it, however it is written.
    pub fn is(&self, stored: &str) -> bool {
        self.forms.iter().any(|form| form == stored)
            || PhoneNumber::new(&in_usual_digits(stored))
                .is_some_and(|stored| self.forms.contains(&stored.plain()))
    }
}

impl std::fmt::Debug for CalleeSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CalleeSearch(…)")
    }
}

/// A number in ASCII's digits and stars, which an input method may write in full width; and without the marks that nobody sees and that come
/// along where it is copied from a list of contacts.
fn in_usual_digits(number: &str) -> String {
    let usual = |character: char| match character {
        '＊' => '*',
        _ => digit_of_a_script(character).and_then(|digit| char::from_digit(digit, 10)).unwrap_or(character),
    };
    number.chars().filter(|character| !is_nothing_by_itself(*character)).map(usual).collect()
}

/// Whether it is a mobile number of China's, without the country code.
fn is_mobile(number: &str) -> bool {
    number.len() == MOBILE_DIGITS
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && number.starts_with('1')
        && !number.starts_with("10")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_whichever_form_it_is_written() {
        let forms = ["13900000001", "8613900000001", "+8613900000001", "008613900000001"];
        for typed in [
            "13900000001",
            "+86 139-0000-0001",
            "8613900000001",
            " 0086 13900000001 ",
            "１３９００００　０００１",
            "＋８６（139）0000－0001",
            "\u{202d}139 0000 0001\u{202c}",
        ] {
            let search = CalleeSearch::read(typed).unwrap();
            assert!(forms.iter().all(|form| search.is(form)), "{typed}");
            assert!(search.is("+86 (139) 0000-0001") && search.is("139.0000.0001"), "{typed}");
            assert!(!search.is("13900000002"));
            assert!(!format!("{search:?}").contains('9'), "it is shown to nobody");
        }
        // No number of China's: its code is its own.
        let search = CalleeSearch::read("+1 (650) 253-0000").unwrap();
        assert!(search.is("16502530000") && search.is("+16502530000") && !search.is("8616502530000"));
        assert!(CalleeSearch::read("14155550199").unwrap().is("+14155550199"));
        // What platforms send is no number in any form at times.
        assert!(CalleeSearch::read("sip:1.2@x").unwrap().is("sip:1.2@x"));
        assert!(CalleeSearch::read("１３９０００００００１").unwrap().is("１３９０００００００１"));
        for none in ["", "  ", "139****0001", "139＊＊＊＊0001", "+", "\u{202d}"] {
            assert!(CalleeSearch::read(none).is_none(), "{none}");
        }
    }
}
