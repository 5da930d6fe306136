//! Hiding phone numbers from whoever may not see them.
//!
//! A number that stands by itself is [`masked`]: at least six of its digits are gone, and all of them where it has fewer than eight.
//! In longer text, what looks like a number is blacked out by its pattern, and what tells a number that is known is blacked out
//! wherever it stands ([`Hidden`]). The pattern is no proof: somebody may spell a number in words, or in two halves.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use serde_json::{Map, Value};

/// So many digits of a number that is shown at all are gone, at least.
const HIDDEN_DIGITS: usize = 6;
/// A number of fewer digits is not shown at all.
const MIN_SHOWN: usize = 8;
/// The most digits of a number that are shown: the first three and the last two.
const MAX_SHOWN: usize = 5;
const MAX_SHOWN_FIRST: usize = 3;
/// From so many digits on, what stands in a text looks like a number. Shorter ones are codes, prices, times.
const LOOKS_LIKE_A_NUMBER: usize = 7;
/// So many digits in a row that a known number has too tell of it, in whatever longer text.
const TELLING: usize = 6;
/// So many of its last digits tell of it where they stand by themselves ("the number that ends in 5678").
const TELLING_LAST: usize = 4;
/// Of a number that the platform masked: so many visible digits, each in its place, tell of it.
const TELLING_OF_MASKED: usize = 3;
/// How long a mobile number of China's is.
const MOBILE_DIGITS: usize = 11;
/// How long a landline number of China's is, with the 0 before it and the area's code.
const LANDLINE_DIGITS: RangeInclusive<usize> = 11..=12;
/// How long a number is with its country's code: <https://www.itu.int/rec/T-REC-E.164>. Shorter ones are nobody's own.
const E164_DIGITS: RangeInclusive<usize> = 8..=15;
/// A number is written in so many groups at most: `+86 139 1234 5678`.
const MAX_GROUPS: usize = 5;
/// No more characters than that stand between two digits of one number: `139 - 1234`.
const MAX_BETWEEN: usize = 3;
/// What stands in the place of a number of JSON.
const IN_PLACE_OF_A_NUMBER: &str = "***";

/// A number that stands by itself, with `*` in the place of what is hidden: `139******78`. What is no digit is kept only where
/// it is punctuation of a number.
pub fn masked(number: &str) -> String {
    let counts = |character: &char| !is_between(*character);
    let all = number.chars().filter(counts).count();
    let shown = if all < MIN_SHOWN { 0 } else { MAX_SHOWN.min(all - HIDDEN_DIGITS) };
    let first = shown.min(MAX_SHOWN_FIRST);
    let mut at = 0;
    let mask = |character: char| {
        if is_between(character) {
            return character;
        }
        at += 1;
        let is_shown = at <= first || at > all - (shown - first);
        if is_shown && digit(character).is_some() { character } else { '*' }
    };
    number.chars().map(mask).collect()
}

/// Whether a character may stand between the digits of a number, or before them.
pub(crate) fn is_between(character: char) -> bool {
    matches!(
        character,
        ' ' | '-' | '(' | ')' | '.' | '+' | '\u{a0}' | '\u{2010}'
            ..='\u{2015}' | '\u{3000}' | '（' | '）' | '＋' | '－'
    )
}

/// A character as a digit: of ASCII, of the scripts whose digits phones and speech recognition write, or a Chinese numeral. Of digits of
/// other scripts only that they are some.
fn digit(character: char) -> Option<Digit> {
    /// The zeros of scripts.
    const ZEROS: [char; 7] = ['0', '０', '٠', '۰', '०', '০', '๐'];
    let of_script =
        |zero: char| u32::from(character).checked_sub(u32::from(zero)).filter(|value| *value < 10);
    let value = match character {
        '〇' | '零' => Some(0),
        '一' | '幺' => Some(1),
        '二' | '两' => Some(2),
        '三' => Some(3),
        '四' => Some(4),
        '五' => Some(5),
        '六' => Some(6),
        '七' => Some(7),
        '八' => Some(8),
        '九' => Some(9),
        // Most of what is said is letters, and no digit is among these.
        'a'..='z' | 'A'..='Z' | '\u{4e00}'..='\u{9fff}' => return None,
        _ => ZEROS.into_iter().find_map(of_script),
    };
    match value {
        Some(value) => Some(Digit::Is(value)),
        None => character.is_numeric().then_some(Digit::Unknown),
    }
}

/// A digit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digit {
    Is(u32),
    /// It is hidden already, or of a script that is not known here.
    Unknown,
}

impl Digit {
    /// Whether both are known, and the same.
    fn is(self, other: Self) -> bool {
        self != Self::Unknown && self == other
    }
}

/// What is to be hidden in text: numbers that are known, and what looks like one.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    known: Vec<Vec<Digit>>,
}

/// What looks like a number in a text, as [`Hidden::in_text`] would black it out: in digits alone, with `*` for each that is not known. Where
/// other digits stand beside what is plainly a number, it is that.
pub fn numbers_in_text(text: &str) -> impl Iterator<Item = String> {
    runs(text, is_between).flat_map(|run| {
        let plainly: Vec<_> = run.plain_numbers().into_iter().map(|digits| run.written(digits)).collect();
        match plainly.is_empty() && run.digits.len() >= LOOKS_LIKE_A_NUMBER {
            true => vec![run.written(0..run.digits.len())],
            false => plainly,
        }
    })
}

/// How much of a text is to be hidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// What tells a known number, and what looks like one.
    Patterns,
    /// What tells a known number.
    Known,
}

impl Hidden {
    /// Hides these numbers, as they are stored: masked ones (`139****1111`) too, as far as they tell anything.
    pub fn new<'a>(numbers: impl IntoIterator<Item = &'a str>) -> Self {
        let digits = |number: &str| -> Vec<_> { number.chars().filter_map(position).collect() };
        Self {
            known: numbers.into_iter().map(digits).filter(|digits| digits.len() >= TELLING_LAST).collect(),
        }
    }

    /// A text without its numbers: each of their digits is `*`.
    pub fn in_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.blacked_out(text, What::Patterns)
    }

    /// An id without what tells a known number. Ids have many digits of their own, which stay.
    pub fn in_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.blacked_out(id, What::Known)
    }

    /// Whether a text tells one of the known numbers.
    pub fn is_told_by(&self, text: &str) -> bool {
        matches!(self.in_id(text), Cow::Owned(_))
    }

    /// JSON without the numbers in its texts, names and numbers.
    pub fn in_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.in_text(&text).into_owned()),
            Value::Number(number) => match self.in_text(&number.to_string()) {
                Cow::Owned(_) => IN_PLACE_OF_A_NUMBER.into(),
                Cow::Borrowed(_) => Value::Number(number),
            },
            Value::Array(list) => list.into_iter().map(|value| self.in_json(value)).collect(),
            Value::Object(object) => {
                let mut hidden = Map::new();
                for (name, value) in object {
                    let mut name = self.in_text(&name).into_owned();
                    // Two names may look the same now.
                    while hidden.contains_key(&name) {
                        name.push('*');
                    }
                    hidden.insert(name, self.in_json(value));
                }
                Value::Object(hidden)
            }
            Value::Null | Value::Bool(_) => value,
        }
    }

    fn blacked_out<'a>(&self, text: &'a str, what: What) -> Cow<'a, str> {
        if text.chars().all(|character| position(character).is_none()) {
            return Cow::Borrowed(text);
        }
        let mut places: Vec<_> =
            runs(text, is_between).flat_map(|run| self.hidden_in(&run, what).collect::<Vec<_>>()).collect();
        // Who speaks, or who hears, puts anything between the digits of a number that is known: commas, strokes, what is not seen.
        if !self.known.is_empty() {
            let apart = |character: char| !character.is_alphanumeric();
            places.extend(runs(text, apart).flat_map(|run| self.told_in(&run).collect::<Vec<_>>()));
            places.sort_unstable_by_key(|place| place.start);
            places.dedup();
        }
        let mut black = String::new();
        let mut kept = 0;
        for place in places {
            black.push_str(&text[kept..place.start]);
            black.push('*');
            kept = place.end;
        }
        match kept {
            0 => Cow::Borrowed(text),
            _ => Cow::Owned(black + &text[kept..]),
        }
    }

    /// The places of the digits that are to be hidden, in order.
    fn hidden_in<'a>(&self, run: &'a Run, what: What) -> impl Iterator<Item = Range<usize>> + 'a {
        let looks_like_one = what == What::Patterns && run.digits.len() >= LOOKS_LIKE_A_NUMBER;
        let all = looks_like_one || self.known.iter().any(|known| is_all_of(run, known));
        let mut hides = if all { vec![true; run.digits.len()] } else { self.tells(run) };
        if !all && what == What::Known {
            for number in run.plain_numbers() {
                hides[number].fill(true);
            }
        }
        run.hidden(hides)
    }

    /// The places of the digits of a run that tell a known number.
    fn told_in<'a>(&self, run: &'a Run) -> impl Iterator<Item = Range<usize>> + 'a {
        run.hidden(self.tells(run))
    }

    /// Which digits of a run tell a known number: each of so many in a row that it has too.
    fn tells(&self, run: &Run) -> Vec<bool> {
        let mut tells = vec![false; run.digits.len()];
        for known in &self.known {
            for start in 0..run.digits.len() {
                if begins_telling(&run.digits[start..], known) {
                    tells[start..start + TELLING].fill(true);
                }
            }
        }
        tells
    }
}

/// Whether what stands between other text tells a known number: its last digits, or all that the platform left visible of it.
fn is_all_of(run: &Run, known: &[Digit]) -> bool {
    let digits = &run.digits;
    let is_end = digits.len() >= TELLING_LAST
        && known.len() >= digits.len()
        && digits.iter().rev().zip(known.iter().rev()).all(|(digit, known)| digit.is(*known));
    let visible = known.iter().filter(|known| **known != Digit::Unknown).count();
    let fits = visible < known.len()
        && visible >= TELLING_OF_MASKED
        && digits.len() == known.len()
        && digits.iter().zip(known).all(|(digit, known)| *known == Digit::Unknown || digit.is(*known));
    is_end || fits
}

/// Whether so many digits as tell of a number begin here.
fn begins_telling(digits: &[Digit], known: &[Digit]) -> bool {
    digits.len() >= TELLING
        && known.windows(TELLING).any(|known| digits.iter().zip(known).all(|(digit, known)| digit.is(*known)))
}

/// Whether digits by themselves are plainly a number, whosever it is: a mobile or a landline number of China's, with the country's code or
/// without, or one that is written with a plus and its country's code. An id of the platform's own that looks so is hidden too.
fn is_plainly_a_number(digits: &[Digit], has_plus: bool) -> bool {
    use Digit::Is;
    let own = match digits {
        [Is(0), Is(0), Is(8), Is(6), own @ ..] | [Is(8), Is(6), own @ ..] if own.len() == MOBILE_DIGITS => {
            own
        }
        own => own,
    };
    match own {
        [Is(1), Is(3..=9), ..] if own.len() == MOBILE_DIGITS => true,
        [Is(0), Is(1..=9), ..] => LANDLINE_DIGITS.contains(&own.len()),
        [Is(1..=9), ..] => has_plus && E164_DIGITS.contains(&own.len()),
        _ => false,
    }
}

/// Digits with nothing but what may stand between the digits of a number.
#[derive(Default)]
struct Run {
    digits: Vec<Digit>,
    places: Vec<Place>,
}

impl Before {
    fn of(character: char) -> Self {
        if matches!(character, '+' | '＋') { Self::Plus } else { Self::Else }
    }
}

impl Run {
    /// Which digits are plainly a number: those of one group, or of a few that follow each other. `13912345678-1` has two groups.
    fn plain_numbers(&self) -> Vec<Range<usize>> {
        let all = self.places.len();
        let starts: Vec<_> = (0..all).filter(|at| self.places[*at].before != Before::Digit).collect();
        let mut numbers = Vec::new();
        for (group, start) in starts.iter().enumerate() {
            let mut ends = starts[group + 1..].iter().chain([&all]).peekable();
            // No area's code begins with a 0 that stands alone: `0.12345678901` is money.
            if self.digits[*start] == Digit::Is(0) && ends.peek() == Some(&&(start + 1)) {
                continue;
            }
            for end in ends.take(MAX_GROUPS) {
                let has_plus = self.places[*start].before == Before::Plus;
                if is_plainly_a_number(&self.digits[*start..*end], has_plus) {
                    numbers.push(*start..*end);
                }
            }
        }
        numbers
    }

    /// Some of the digits, and nothing between them.
    fn written(&self, digits: Range<usize>) -> String {
        let written = |digit: &Digit| match digit {
            Digit::Is(value) => char::from_digit(*value, 10).unwrap_or('*'),
            Digit::Unknown => '*',
        };
        self.digits[digits].iter().map(written).collect()
    }

    /// The places of the digits that are to be hidden. What is hidden already stays as it is.
    fn hidden(&self, hides: Vec<bool>) -> impl Iterator<Item = Range<usize>> + '_ {
        let places = self.places.iter().zip(hides);
        places.filter(|(place, hides)| *hides && !place.is_hidden).map(|(place, _)| place.range.clone())
    }
}

/// Where a digit stands.
struct Place {
    range: Range<usize>,
    /// It is a `*`.
    is_hidden: bool,
    /// What stands between it and the digit before, or before the first.
    before: Before,
}

/// What stands before a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The digit before.
    Digit,
    /// A plus.
    Plus,
    /// Something else.
    Else,
}

/// A character as the digit of a number that may be masked.
fn position(character: char) -> Option<Digit> {
    match character {
        '*' | '＊' => Some(Digit::Unknown),
        _ => digit(character),
    }
}

/// The runs of digits in a text, with what may stand between them. A date is none.
fn runs(text: &str, may_be_between: impl Fn(char) -> bool) -> impl Iterator<Item = Run> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut run = Run::default();
        let mut between = 0;
        let mut before = Before::Else;
        while let Some(character) = text[at..].chars().next() {
            let end = at + character.len_utf8();
            match position(character) {
                Some(_) if run.digits.is_empty() && begins_with_date(&text[at..]) => {
                    at += DATE_BYTES;
                    before = Before::Else;
                    continue;
                }
                Some(digit) => {
                    run.digits.push(digit);
                    let is_hidden = matches!(character, '*' | '＊');
                    run.places.push(Place { range: at..end, is_hidden, before });
                    (between, before) = (0, Before::Digit);
                }
                None if may_be_between(character) && between < MAX_BETWEEN => {
                    between += 1;
                    before = Before::of(character);
                }
                None => {
                    at = end;
                    before = Before::of(character);
                    if run.digits.is_empty() {
                        between = 0;
                        continue;
                    }
                    return Some(run);
                }
            }
            at = end;
        }
        (!run.digits.is_empty()).then_some(run)
    })
}

const DATE_BYTES: usize = "2025-06-01".len();

/// Whether a text begins with a date that is no part of a number: `2025-06-01`, alone or with a time behind it.
fn begins_with_date(text: &str) -> bool {
    let Some((date, after)) = text.split_at_checked(DATE_BYTES) else { return false };
    let is_date =
        date.parse::<jiff::civil::Date>().is_ok() && (date.starts_with("19") || date.starts_with("20"));
    let mut rest = after.chars();
    let ends = match rest.next() {
        None => true,
        Some(' ') => {
            let time: Vec<_> = rest.take(3).collect();
            matches!(time[..], [hour, minute, ':'] if hour.is_ascii_digit() && minute.is_ascii_digit())
        }
        Some(next) => position(next).is_none() && !is_between(next),
    };
    is_date && ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_number_by_itself_keeps_at_most_five_digits_and_six_are_gone() {
        for (number, shown) in [
            ("13912345678", "139******78"),
            ("+86 139-1234-5678", "+86 1**-****-**78"),
            ("139****1111", "139******11"),
            ("2222222228613200000007", "222*****************07"),
            ("123456789", "123******"),
            ("12345678", "12******"),
            ("1234567", "*******"),
            ("10086", "*****"),
            ("Wang 12345678", "**** ******78"),
            ("sip:13912345678@x", "*****************"),
            ("", ""),
        ] {
            assert_eq!(masked(number), shown, "{number}");
        }
    }

    #[test]
    fn what_looks_like_a_number_is_blacked_out_and_all_else_stays() {
        let hidden = Hidden::default();
        for (text, black) in [
            ("call 13912345678!", "call ***********!"),
            ("+86 (139) 1234-5678", "+** (***) ****-****"),
            ("我的号码是一三九一二三四五六七八。", "我的号码是***********。"),
            ("１３９１２３４５６７８", "***********"),
            ("139****1111", "***********"),
            ("room 101, floor 12, 99.50", "room 101, floor 12, 99.50"),
            ("123456", "123456"),
            ("2025-06-01 10:00:00", "2025-06-01 10:00:00"),
            ("on 2025-06-01, then", "on 2025-06-01, then"),
            ("139 2025-06-01", "*** ****-**-**"),
            ("2025-06-01 13912345678", "****-**-** ***********"),
            ("2025-06-0113912345678", "****-**-*************"),
            ("9025-06-01", "****-**-**"),
            ("", ""),
        ] {
            assert_eq!(hidden.in_text(text), black, "{text}");
        }
    }

    #[test]
    fn what_tells_a_known_number_is_blacked_out_of_ids_too() {
        let hidden = Hidden::new(["8613912345678"]);
        for (id, black) in [
            ("order-13912345678-7", "order-***********-7"),
            ("912345", "******"),
            ("x0123456x", "x0******x"),
            ("5678", "****"),
            ("a5678b", "a****b"),
            ("95678", "95678"),
            ("91234", "91234"),
            ("10000161^1000018", "10000161^1000018"),
        ] {
            assert_eq!(hidden.in_id(id), black, "{id}");
            assert_eq!(hidden.is_told_by(id), id != black, "{id}");
        }
        let hidden = Hidden::new(["139****1111", "186********"]);
        for (id, black) in [
            ("13900001111", "***********"),
            ("18600000001", "***********"),
            ("1111", "****"),
            ("1390000111", "1390000111"),
            // Whosever it is.
            ("13900001112", "***********"),
            ("139000011110", "139000011110"),
        ] {
            assert_eq!(hidden.in_id(id), black, "{id}");
        }
        assert_eq!(Hidden::new(["7", "***", ""]).in_id("7"), "7", "what is no number hides nothing");
    }

    #[test]
    fn whatever_stands_between_the_digits_of_a_known_number_it_is_hidden() {
        let hidden = Hidden::new(["8613712345987"]);
        for between in [
            "，", "、", "·", "•", "_", "/", ":", "|", ";", "#", "=", "\u{200b}", "\u{2003}", "\t", "\n",
            "\u{ad}", " - ",
        ] {
            let text = format!("137{between}1234{between}5987");
            assert_eq!(hidden.in_text(&text), format!("***{between}****{between}****"), "{between:?}");
            assert_eq!(hidden.in_id(&text), format!("***{between}****{between}****"), "{between:?}");
        }
        // What is not known goes by its pattern, and a list of prices is none.
        assert_eq!(Hidden::default().in_text("100，200，300"), "100，200，300");
    }

    #[test]
    fn an_id_that_is_a_mobile_number_is_hidden_though_nobody_is_known_by_it() {
        let hidden = Hidden::default();
        for (id, black) in [
            ("T-13712345987", "T-***********"),
            ("8613712345987", "*************"),
            ("008613712345987", "***************"),
            ("call-+86 137-1234-5987-2", "call-+** ***-****-****-*"),
            ("13712345987-1", "***********-1"),
            ("20250601-13712345987", "20250601-***********"),
            ("2025-06-01-13712345987", "2025-06-01-***********"),
            ("1_13712345987_2", "1_***********_2"),
            ("057112345678^1", "************^1"),
            ("010 12345678", "*** ********"),
            ("+16502530000", "+***********"),
            ("to+1-650-253-0000", "to+*-***-***-****"),
            ("＋447700900123", "＋************"),
            // Ids of platforms', and times.
            ("116012854210^103984184210", "116012854210^103984184210"),
            ("260326152224160100152", "260326152224160100152"),
            ("447700900123", "447700900123"),
            ("0000000012345", "0000000012345"),
            ("0.12345678901", "0.12345678901"),
            ("2025-06-01T02:00:00+0800", "2025-06-01T02:00:00+0800"),
            ("10000161^1000018", "10000161^1000018"),
            ("12345678901", "12345678901"),
            ("137123459870", "137123459870"),
            ("1937000000000000001", "1937000000000000001"),
        ] {
            assert_eq!(hidden.in_id(id), black, "{id}");
        }
    }

    #[test]
    fn what_looks_like_a_number_is_found_in_digits() {
        for (text, numbers) in [
            ("call 137 1234-5987, or １３７１２３４５９８８", vec!["13712345987", "13712345988"]),
            ("20250601-13712345987", vec!["13712345987"]),
            ("+86 13712345987", vec!["8613712345987", "13712345987"]),
            ("139****1111", vec!["139****1111"]),
            ("1234567", vec!["1234567"]),
            ("0.12345678901", vec!["012345678901"]),
            ("room 101, 99.50, 2025-06-01", vec![]),
        ] {
            assert_eq!(numbers_in_text(text).collect::<Vec<_>>(), numbers, "{text}");
        }
    }

    #[test]
    fn json_stays_json() {
        let hidden = Hidden::new(["13912345678"]);
        let value = json!({"13912345678": 1, "13912345679": 13912345678i64, "n": [0.5, 123456, null, true], "t": "5678"});
        let black =
            json!({"***********": 1, "************": "***", "n": [0.5, "***", null, true], "t": "****"});
        assert_eq!(hidden.in_json(value), black);
    }

    /// Text with digits in it, of several scripts, and what may stand between them.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,40}", "[0-9 *()+.-]{0,40}", "[0-9一二三零０-９a^#-]{0,30}", "[0-9]{1,30}"]
    }

    fn digits(text: &str) -> Vec<char> {
        text.chars().filter(|character| digit(*character).is_some()).collect()
    }

    proptest! {
        #[test]
        fn of_every_number_six_digits_are_gone_and_all_of_a_short_one(number in texts()) {
            let shown = masked(&number);
            prop_assert_eq!(number.chars().count(), shown.chars().count());
            let gone = digits(&number).len() - digits(&shown).len();
            let all = number.chars().filter(|character| !is_between(*character)).count();
            prop_assert!(digits(&shown).is_empty() || (all >= 8 && all - digits(&shown).len() >= 6));
            // What the platform or this hid.
            if digits(&number).len() == all {
                prop_assert!(gone >= 6 || gone == all);
                prop_assert!(all >= 8 || gone == all);
            }
            prop_assert_eq!(masked(&shown), shown);
        }

        #[test]
        fn nothing_is_left_that_looks_like_a_number_or_tells_the_known_one(
            number in "[0-9]{8,22}", text in texts(), before in texts(), from in 0usize..16, more in 6usize..22,
        ) {
            let part: String = number.chars().skip(from.min(number.len() - 6)).take(more).collect();
            let text = format!("{before}{part}{text}");
            let hidden = Hidden::new([number.as_str()]);
            for black in [hidden.in_text(&text), hidden.in_id(&text)] {
                prop_assert_eq!(black.chars().count(), text.chars().count());
                for (was, is) in text.chars().zip(black.chars()) {
                    prop_assert!(was == is || (is == '*' && digit(was).is_some()), "only digits go");
                }
                let windows: Vec<_> = black.split(|character: char| !character.is_ascii_digit()).collect();
                for left in windows {
                    for window in left.as_bytes().windows(6) {
                        prop_assert!(!number.as_bytes().windows(6).any(|known| known == window), "{text} {black}");
                    }
                }
            }
            let black = hidden.in_text(&text).into_owned();
            prop_assert!(black.split(|character: char| !character.is_ascii_digit()).all(|left| left.len() < 7));
            prop_assert_eq!(hidden.in_text(&black), black.as_str(), "once is enough");
        }
    }
}
