//! The numbers to erase: what counts as one, and where a text holds one. Pure.

use std::ops::Range;

use shared::masking::{digit_of_a_script, digit_of_any, is_between_or_unseen};

use super::prefix::{MAX_PREFIX, Prefixes};

/// The fewest digits that are taken for a person's number. Shorter ones are codes, prices, years.
const MIN_DIGITS: usize = 6;
/// Fewer digits before an exponent are not looked for.
const MIN_MANTISSA: usize = 3;
/// How long a day is, as days are written.
const DATE_BYTES: usize = "2025-06-01".len();
/// The most: LAAFFIC's sample has 22.
const MAX_DIGITS: usize = 32;

/// What a character is to a number. What UTF-16 has between ASCII's letters is nothing. Marks that nobody sees separate: a number may begin behind
/// them, and go on.
fn unit_of(character: char) -> Unit {
    match character {
        '0'..='9' => Unit::Digit { value: character as u8, kind: u32::from('0') },
        '\0' => Unit::Nothing,
        between if is_between_or_unseen(between) => Unit::Separator,
        _ if character.is_ascii() => Unit::Other,
        _ => digit_of_any(character)
            .and_then(|digit| u8::try_from(digit).ok())
            .map_or(Unit::Other, |digit| Unit::Digit { value: b'0' + digit, kind: kind_of(character) }),
    }
}

/// Which digits a digit is one of: those of a script, by their zero; Chinese numerals; others that are drawn, by where Unicode has them.
fn kind_of(digit: char) -> u32 {
    match digit_of_a_script(digit) {
        Some(value) => u32::from(digit) - value,
        None if matches!(digit, '\u{3007}' | '\u{4e00}'..='\u{9fff}') => u32::from('〇'),
        None => u32::from(digit) & !0xff,
    }
}

/// The numbers of whom to erase, as digits alone.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(Vec<String>);

/// Where a text holds a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// Each of its digits: a byte, or the escape `\u003…` that stands for one.
    digits: Vec<Range<usize>>,
}

impl Occurrence {
    /// From the first digit to the last.
    pub(crate) fn range(&self) -> Range<usize> {
        let start = self.digits.first().map_or(0, |first| first.start);
        start..self.digits.last().map_or(start, |last| last.end)
    }
}

impl Numbers {
    /// Takes numbers as they are written: `13912345678`, `+86 139-1234-5678`.
    ///
    /// # Errors
    /// What is wrong with one, without telling it: a masked number is of many people, and one with few digits could be
    /// anything.
    pub(crate) fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let number = |text: &str| {
            if text.contains('*') {
                return Err("a number with `*` is masked: many people have it, and nobody can be told by it");
            }
            match digits(text) {
                None => Err("a number consists of digits, ` -().` between them, and `+` before them"),
                Some(digits) if digits.len() < MIN_DIGITS => {
                    Err("a number of fewer than 6 digits could be anything")
                }
                Some(digits) if digits.len() > MAX_DIGITS => Err("no number has more than 32 digits"),
                Some(digits) => Ok(digits),
            }
        };
        texts.into_iter().map(number).collect::<Result<_, _>>().map(Self).map_err(str::to_owned)
    }

    /// The numbers' digits.
    pub(crate) fn digits(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a text is one of the numbers, and nothing else. A day is none, though its digits be a number's: it is in many people's calls.
    pub(crate) fn is(&self, text: &str) -> bool {
        // Most texts are not worth a copy.
        let may_be = text.len() >= MIN_DIGITS && text.len() <= 4 * MAX_DIGITS;
        may_be && !begins_with_date(text) && digits(text).is_some_and(|digits| self.0.contains(&digits))
    }

    /// Whether a number of JSON, as it is written there, is one of the numbers: `13912345678`, `1.3912345678E10`.
    pub(crate) fn is_json_number(&self, token: &str) -> bool {
        plain_digits(token).is_some_and(|digits| self.0.contains(&digits))
    }

    /// By which prefixes a text that is a number, and nothing else, differs from one of the numbers: `+86 139 1234 5678`.
    pub(crate) fn prefixes_of(&self, text: &str) -> Option<Prefixes> {
        let may_be = text.len() >= MIN_DIGITS && text.len() <= 4 * MAX_DIGITS;
        let digits = may_be.then(|| digits(text)).flatten()?;
        self.0.iter().find_map(|number| Prefixes::between(number, &digits, MIN_DIGITS))
    }

    /// [`Numbers::prefixes_of`] for a number of JSON, as it is written there.
    pub(crate) fn prefixes_of_json_number(&self, token: &str) -> Option<Prefixes> {
        let digits = plain_digits(token)?;
        self.0.iter().find_map(|number| Prefixes::between(number, &digits, MIN_DIGITS))
    }

    /// Where a text holds one of the numbers, alone or in longer text, its digits written out or as escapes. A longer
    /// number does not hold a shorter one.
    pub(crate) fn occurrences(&self, text: &[u8]) -> Vec<Occurrence> {
        let mut found = Vec::new();
        runs(text, |run, before_exponent| collect(run, &self.0, before_exponent, &mut found));
        found.sort_by_key(|found| found.range().start);
        found.dedup();
        found
    }

    /// Whether a text holds one of the numbers anywhere.
    pub(crate) fn are_in(&self, text: &[u8]) -> bool {
        !self.occurrences(text).is_empty()
    }

    /// Whether a text holds one of the numbers anywhere, or may hold one with another prefix as a whole value.
    pub(crate) fn may_be_in(&self, text: &[u8]) -> bool {
        let mut found = Vec::new();
        let mut is_alike = false;
        runs(text, |run, before_exponent| {
            collect(run, &self.0, before_exponent, &mut found);
            is_alike = is_alike
                || before_exponent && self.0.iter().any(|number| is_alike_before_exponent(run, number))
                || self.prefixes_of_groups(run).next().is_some();
        });
        is_alike || !found.is_empty()
    }

    /// By which prefixes what a text holds differs from one of the numbers: `ring +8613912345678`.
    pub(crate) fn prefixes_in(&self, text: &[u8]) -> Vec<Prefixes> {
        let mut found = Vec::new();
        runs(text, |run, _| found.extend(self.prefixes_of_groups(run)));
        found
    }

    /// The same of the groups of a run, of one or some that follow each other. Where the number itself begins a group, what stands before it is none of
    /// its digits.
    fn prefixes_of_groups<'a>(&'a self, run: &'a [Digit]) -> impl Iterator<Item = Prefixes> + 'a {
        let bounds = move |from: usize| {
            (from..=run.len()).filter(|at| *at == 0 || *at == run.len() || run[*at].begins_group)
        };
        let pairs = move |number: &'a str| {
            let longest = number.len() + MAX_PREFIX;
            let starts = bounds(0).filter(|start| *start < run.len());
            starts.flat_map(move |start| {
                bounds(start + 1)
                    .take_while(move |end| *end <= start + longest)
                    .map(move |end| &run[start..end])
            })
        };
        self.0.iter().flat_map(move |number| {
            let may_be = |digits: &&[Digit]| {
                let is_itself = digits.len().checked_sub(number.len()).is_some_and(|at| {
                    digits[at].begins_group && digits[at..].iter().map(|digit| digit.value).eq(number.bytes())
                });
                digits.len().abs_diff(number.len()) <= MAX_PREFIX
                    && digits.last().map(|digit| digit.value) == number.bytes().last()
                    && !is_itself
            };
            let between = move |digits| Prefixes::between(number, &text_of(digits), MIN_DIGITS);
            pairs(number).filter(may_be).filter_map(between)
        })
    }
}

/// Calls `visit` with each run of digits in a text, and whether an exponent follows it (`1.39E10`). What only looks like an escape
/// (`D:\u13912345678.wav`) is read as its digits too, a second time.
fn runs(text: &[u8], mut visit: impl FnMut(&[Digit], bool)) {
    if runs_by(text, unit, &mut visit) {
        let literally =
            |text: &[u8]| doubtful(text).map_or_else(|| unit(text), |length| (length, Unit::Other));
        runs_by(text, literally, &mut visit);
    }
}

/// Where a text begins with what is an escape, or a `u` with digits behind it: how long all but the digits is.
fn doubtful(text: &[u8]) -> Option<usize> {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let digits = text.get(slashes..slashes + ESCAPE)?.strip_prefix(b"u")?;
    let is_read_so = slashes > 0 && digits.iter().all(u8::is_ascii_digit);
    (is_read_so && matches!(unit(text), (_, Unit::Other))).then_some(slashes + 1)
}

/// [`runs`], read in one way. Whether there is anything to be read in the other.
fn runs_by(
    text: &[u8],
    unit: impl Fn(&[u8]) -> (usize, Unit),
    visit: &mut impl FnMut(&[Digit], bool),
) -> bool {
    let mut has_doubtful = false;
    let mut run: Vec<Digit> = Vec::new();
    let mut begins_group = false;
    let mut at = 0;
    while at < text.len() {
        has_doubtful |= text[at] == b'\\' && doubtful(&text[at..]).is_some();
        let (length, unit) = unit(&text[at..]);
        match unit {
            Unit::Digit { value, kind } => {
                // Beside digits of another kind (`第一13912345678`) a number begins, and ends.
                let is_other = run.last().is_some_and(|before| before.kind != kind);
                let begins_group = std::mem::take(&mut begins_group) || is_other;
                run.push(Digit { value, kind, place: at..at + length, begins_group });
            }
            Unit::Separator => begins_group = true,
            Unit::Nothing => {}
            Unit::Other => {
                visit(&run, matches!(text[at], b'e' | b'E'));
                run.clear();
                begins_group = false;
            }
        }
        at += length;
    }
    visit(&run, false);
    has_doubtful
}

/// What stands at the beginning of a text.
enum Unit {
    Digit {
        /// As ASCII has it.
        value: u8,
        /// Which digits it is one of.
        kind: u32,
    },
    Separator,
    /// What UTF-16 has between ASCII's letters.
    Nothing,
    Other,
}

fn unit(text: &[u8]) -> (usize, Unit) {
    match text[0] {
        // However often it is escaped: JSON in JSON has `\\u0031`.
        b'\\' => {
            let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
            match (&text[slashes..], code_unit(&text[slashes..])) {
                // White space.
                ([b'n' | b'r' | b't' | b'f', ..], _) => (slashes + 1, Unit::Separator),
                // Its own digits are none of a number's, whatever it stands for.
                (escape, Some(first)) => {
                    let second = || escape[ESCAPE..].strip_prefix(&text[..slashes]).and_then(code_unit);
                    let both = [Some(first), second()];
                    match char::decode_utf16(both.into_iter().flatten()).next() {
                        Some(Ok(character)) if character.len_utf16() == 2 => {
                            (2 * (slashes + ESCAPE), unit_of(character))
                        }
                        Some(Ok(character)) => (slashes + ESCAPE, unit_of(character)),
                        _ => (slashes + ESCAPE, Unit::Other),
                    }
                }
                _ => (slashes, Unit::Other),
            }
        }
        byte if byte.is_ascii() => (1, unit_of(char::from(byte))),
        _ => {
            // Of what is no text each byte is something else. No character is longer than four bytes, and no more is looked at: it is done for each.
            let begins = &text[..text.len().min(4)];
            let begins = begins.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
            begins.map_or((1, Unit::Other), |character| (character.len_utf8(), unit_of(character)))
        }
    }
}

/// How long an escape is without its backslashes: `u0031`.
const ESCAPE: usize = 5;

/// What an escape with which a text begins stands for, without its backslashes, `u0031`: a character, or half of one.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(text.get(1..ESCAPE)?).ok().filter(|_| text[0] == b'u')?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// A digit of a run: digits with nothing but separators between them.
struct Digit {
    value: u8,
    kind: u32,
    place: Range<usize>,
    /// Whether a separator stands before it, or a digit of another kind.
    begins_group: bool,
}

/// Notes where a run holds a number that begins and ends where groups do. Before an exponent (`1.39E10`) a number has no zeros at its
/// end.
fn collect(run: &[Digit], numbers: &[String], before_exponent: bool, found: &mut Vec<Occurrence>) {
    if run.len() < if before_exponent { MIN_MANTISSA } else { MIN_DIGITS } {
        return;
    }
    let begins_group = |at: usize| at == 0 || at == run.len() || run[at].begins_group;
    let mut at = 0;
    while at < run.len() {
        let holds = |number: &&str| {
            let end = at + number.len();
            let same = |(digit, own): (u8, &Digit)| digit == own.value;
            begins_group(at)
                && end <= run.len()
                && begins_group(end)
                && number.bytes().zip(&run[at..end]).all(same)
        };
        let mut whole = numbers.iter().map(String::as_str);
        let mut shortened = numbers.iter().map(|number| number.trim_end_matches('0'));
        let is_last = |number: &&str| before_exponent && at + number.len() == run.len();
        match whole.find(holds).or_else(|| shortened.find(|number| is_last(number) && holds(number))) {
            Some(number) if number.len() >= MIN_MANTISSA => {
                let digits = &run[at..at + number.len()];
                found.push(Occurrence { digits: digits.iter().map(|digit| digit.place.clone()).collect() });
                at += number.len();
            }
            _ => at += 1,
        }
    }
}

/// Whether what a run ends with, from the beginning of a group on, may be a number with another prefix, without the zeros at its end that the
/// exponent stands for.
fn is_alike_before_exponent(run: &[Digit], number: &str) -> bool {
    let number = number.trim_end_matches('0');
    let zeros = run.iter().rev().take_while(|digit| digit.value == b'0').count();
    let run = &run[..run.len() - zeros];
    // Most runs are not worth a copy.
    run.last().map(|digit| digit.value) == number.bytes().last()
        && (run.len().saturating_sub(number.len() + MAX_PREFIX)..run.len())
            .filter(|at| *at == 0 || run[*at].begins_group)
            .any(|start| Prefixes::between(number, &text_of(&run[start..]), 1).is_some())
}

/// The digits of a run alone.
fn text_of(run: &[Digit]) -> String {
    run.iter().map(|digit| char::from(digit.value)).collect()
}

impl Occurrence {
    /// The places of the digits.
    pub(crate) fn places(&self) -> impl Iterator<Item = Range<usize>> {
        self.digits.iter().cloned()
    }
}

/// Whether a text begins with a day of these centuries, as days are written: `2025-06-01`, `2025.06.01`, `2025 06 01`.
fn begins_with_date(text: &str) -> bool {
    let day = text.trim().get(..DATE_BYTES).map(|day| day.replace(['.', ' '], "-"));
    day.is_some_and(|day| {
        let is_of_these_centuries = day.starts_with("19") || day.starts_with("20");
        is_of_these_centuries && day.as_bytes()[4] == b'-' && day.parse::<jiff::civil::Date>().is_ok()
    })
}

/// The digits of a text that holds nothing but digits, separators, and space around them.
fn digits(text: &str) -> Option<String> {
    let (mut digits, mut has_plus) = (String::new(), false);
    for character in text.trim().chars() {
        match (character, unit_of(character)) {
            ('+' | '＋', _) if digits.is_empty() && !has_plus => has_plus = true,
            ('+' | '＋', _) | ('\0', _) | (_, Unit::Other) => return None,
            (_, Unit::Digit { value, .. }) => digits.push(char::from(value)),
            (_, Unit::Separator | Unit::Nothing) => {}
        }
    }
    (!digits.is_empty()).then_some(digits)
}

/// The digits of a whole, positive number of JSON: some platforms' languages write large ones as `1.3912345678E10`.
fn plain_digits(token: &str) -> Option<String> {
    let (mantissa, exponent) = match token.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (token, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let zeros = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    match usize::try_from(zeros) {
        Ok(zeros) if zeros > MAX_DIGITS => return None,
        Ok(zeros) => digits.push_str(&"0".repeat(zeros)),
        Err(_) => {
            let kept = digits.len().checked_sub(usize::try_from(zeros.unsigned_abs()).ok()?)?;
            if digits[kept..].bytes().any(|byte| byte != b'0') {
                return None;
            }
            digits.truncate(kept);
        }
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(number: &str) -> Numbers {
        Numbers::read([number]).unwrap()
    }

    #[test]
    fn a_number_may_be_written_in_many_ways_and_is_the_same() {
        let number = numbers("+86 139-1234 (5678)");
        for text in [
            "8613912345678",
            " +8613912345678\n",
            "86 (139) 1234.5678",
            "＋８６１３９１２３４５６７８",
            "86\u{a0}139\u{2011}1234\u{3000}5678",
            "\u{202a}+8613912345678\u{202c}",
            "٨٦١٣٩١٢٣٤٥٦٧٨",
            "៨៦១៣៩១២៣៤៥៦៧៨",
            "八六 一三九 一二三四 五六七八",
            "⁸⁶①③⑨①②③④₅₆₇₈",
            "86\u{2009}139\u{202f}1234\t5678",
            "86\u{2212}139\u{ad}1234\u{fe58}56\u{fe0f}78",
        ] {
            assert!(number.is(text), "{text}");
        }
        for text in ["13912345678", "8613912345678x", "86139123456789", "8613912345678+", ""] {
            assert!(!number.is(text), "{text}");
        }
    }

    #[test]
    fn a_day_is_no_number_though_its_digits_be_one() {
        let day = numbers("20270601");
        for text in ["2027-06-01", " 2027.06.01 ", "2027 06 01"] {
            assert!(!day.is(text), "{text}");
            assert!(day.are_in(text.as_bytes()), "it is named: {text}");
        }
        assert!(!numbers("2027060110").is("2027-06-01 10"));
        for text in ["20270601", "2027-0601", "2027 0601", "+2027-06-01", "20-27-06-01"] {
            assert!(day.is(text), "{text}");
        }
        assert!(numbers("61270601").is("6127-06-01") && numbers("20271301").is("2027-13-01"), "no day");
    }

    #[test]
    fn what_could_be_many_peoples_is_refused_and_not_told() {
        for text in ["139****1111", "1", "12345", "", "  ", "+", "abc", "1391234567x", &"1".repeat(33)] {
            let error = Numbers::read(["13912345678", text]).unwrap_err();
            assert!(text.len() < 3 || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn numbers_of_json_are_compared_by_their_value() {
        let number = numbers("13912345678");
        for token in
            ["13912345678", "13912345678.0", "1.3912345678E10", "1391234567800e-2", "1.3912345678e+10"]
        {
            assert!(number.is_json_number(token), "{token}");
        }
        for token in ["13912345678.5", "-13912345678", "139123456780", "1.3912345678E11", "1e99", "0", "1e-5"]
        {
            assert!(!number.is_json_number(token), "{token}");
        }
    }

    #[test]
    fn a_text_holds_a_number_at_the_bounds_of_its_digits() {
        let number = numbers("13912345678");
        for text in [
            "call 13912345678!",
            "13912345678",
            r"\u0031\u003391\u0032345678",
            r"\\u0031391234567\\u0038",
            "139-1234-5678",
            "+86 139 1234 5678",
            "a=1&callee=13912345678",
            "call １３９１２３４５６７８!",
            r"\uff11\uFF13９12345678",
            "\u{200b}139\u{2011}1234\u{2011}5678\u{200e}",
            "第一13912345678二",
            "客户一１３９１２３４５６７８",
            "①１３９１２３４５６７８",
            "2️⃣13912345678",
            "20250601\u{1f}13912345678\u{1f}5",
            r"5\u000113912345678",
            "1\u{4}1\x003\x009\x001\x002\x003\x004\x005\x006\x007\x008\0",
            r"D:\u13912345678.wav",
            r"D:\\u13912345678.wav",
            r"\u753513912345678\u7535",
            "我的号码是一三九一二三四五六七八。",
            r"\u5f2013912345678",
            r"\\u4e0013912345678\\u4e09",
            r"\u002213912345678\u0022",
            r"139\n1234\t5678",
            r"\ud835\udfcf3912345678",
            r"\\ud835\\udfcf3912345678",
            r"\ud83513912345678",
            "1️⃣3️⃣9️⃣12345678",
            "1\x003\x009\x001\x002\x003\x004\x005\x006\x007\x008\x00",
        ] {
            assert!(number.are_in(text.as_bytes()), "{text}");
        }
        for text in ["1.39E10", "[1.39e+10]", "13900000000.0"] {
            assert!(numbers("13900000000").are_in(text.as_bytes()), "{text}");
            let token = text.trim_matches(['[', ']']);
            assert!(numbers("13900000000").is_json_number(token), "{text}");
        }
        for text in ["139123456789", "913912345678", "1391234567", r"\u00319\u0031", "a1b3", "13912,345678"] {
            assert!(!number.are_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_number_with_another_prefix_is_another_one_that_is_known() {
        let number = numbers("13912345678");
        for text in ["8613912345678", "+86 139 1234 5678", "0086-13912345678", " (0)139 1234 5678"] {
            assert!(!number.is(text) && number.prefixes_of(text).is_some(), "{text}");
            assert!(number.may_be_in(format!("{{\"a\":\"{text}\"}}").as_bytes()), "{text}");
        }
        for token in ["8613912345678", "8.613912345678E12", "86139123456780e-1"] {
            assert!(number.prefixes_of_json_number(token).is_some(), "{token}");
            assert!(number.may_be_in(format!("[1,{token}]").as_bytes()), "{token}");
        }
        assert!(numbers("13900000000").may_be_in(b"[8.6139E12]"));
        for text in ["13912345678", "9913912345678", "a8613912345678", "86139123456789", "5678", ""] {
            assert_eq!(number.prefixes_of(text), None, "{text}");
        }
        assert!(!number.may_be_in(br#"{"a":"86139123456789","b":"9913912345678"}"#));
    }

    fn seen(text: String) -> String {
        text.chars().filter(|character| !matches!(unit_of(*character), Unit::Nothing)).collect()
    }

    proptest! {
        #[test]
        fn what_has_another_prefix_may_be_in_whatever_is_written(
            number in "[1-9][0-9]{9,12}", prefix in "(00)?(86|1|852)", gap in "[ .()-]{0,3}",
        ) {
            let text = format!("+{prefix}{gap}{number}");
            let numbers = numbers(&number);
            prop_assert_eq!(numbers.prefixes_of(&text).is_some(), !numbers.is(&text));
            prop_assert!(numbers.may_be_in(format!("[{{\"to\":\"{text}\"}}]").as_bytes()), "{}", text);
        }

        #[test]
        fn whatever_stands_around_a_number_it_is_found_where_it_is(
            // Across what is not seen the number would go on.
            before in "[^0-9 .()+-]{0,9}".prop_map(seen), after in "([^0-9 .()+-].{0,9})?".prop_map(seen), number in "[1-9][0-9]{5,20}",
        ) {
            // A backslash before it makes no escape of it.
            prop_assume!(!before.ends_with('\\') && !before.contains("\\u"));
            prop_assume!(!after.starts_with(|character: char| character.is_ascii_digit()));
            let text = format!("{before}{number}{after}");
            let found = numbers(&number).occurrences(text.as_bytes());
            prop_assert!(found.iter().any(|found| text[found.range()] == number), "{text}");
        }

        #[test]
        fn no_text_is_too_strange(text: Vec<u8>) {
            numbers("123456").occurrences(&text);
        }

        #[test]
        fn no_token_is_too_strange(token in "[0-9.eE+-]{0,12}") {
            numbers("123456").is_json_number(&token);
        }
    }
}
