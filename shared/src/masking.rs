//! Hiding phone numbers from whoever may not see them.
//!
//! A number that stands by itself is [`masked`]: at least six of its digits are gone, and all of them where it has fewer than eight.
//!
//! In text every longer run of digits is blacked out, whoever the callee is ([`in_text`]). To hide only what the callee's number has too would
//! tell it: of a text that is the same in all calls, it would be gone just where the callee has these digits. The pattern is no proof: somebody
//! may spell a number in words, or in parts.
//!
//! Ids have many digits of their own, which stay. Of them only what is plainly a number is blacked out, or is as good as all of one that is
//! known ([`Hidden`]): so many digits no id shares by chance. An id that many calls share meets the numbers of them all, and is seen beside each:
//! where one call hid it, the others would tell what was hidden. So it takes more to hide one.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use serde_json::{Map, Value};

use crate::model::is_an_instant;

/// So many digits of a number that is shown at all are gone, at least.
const HIDDEN_DIGITS: usize = 6;
/// A number of fewer digits is not shown at all.
const MIN_SHOWN: usize = 8;
/// The most digits of a number that are shown: the first three and the last two.
const MAX_SHOWN: usize = 5;
const MAX_SHOWN_FIRST: usize = 3;
/// From so many digits on, what stands in a text looks like a number.
const LOOKS_LIKE_A_NUMBER: usize = 7;
/// So many digits together may be a number's last ones ("the number that ends in 5678"), or one of its groups.
const PART_OF_A_NUMBER: usize = 4;
/// So many digits with anything but letters between them may be a number that was spelled.
const SPELLED: usize = 6;
/// A platform's code has so many digits at most.
const CODE: usize = 6;
/// Of a number that the platform masked: so many visible digits, each in its place, tell of it.
const TELLING_OF_MASKED: usize = 3;
/// So many tell of it wherever its length stands among more digits: no id shares them by chance.
const SURE_OF_MASKED: usize = 7;
/// How long a mobile number of China's is.
const MOBILE_DIGITS: usize = 11;
/// How long a landline number of China's is, with the 0 before it and the area's code.
const LANDLINE_DIGITS: RangeInclusive<usize> = 11..=12;
/// How long a number is with its country's code: <https://www.itu.int/rec/T-REC-E.164>. Shorter ones are nobody's own.
const E164_DIGITS: RangeInclusive<usize> = 8..=15;
/// So many digits in a row that a known number has too are as good as all of it: without the country's code most have no more.
const NEARLY_ALL: usize = 8;
/// So many in a row that it has too are told even by an id that many calls share, whatever other digits stand beside them.
const TOLD_BY_ALL: usize = 10;
/// A number of fewer digits is nobody's own, and hides nothing in an id.
const LEAST_KNOWN: usize = 7;
/// A number is written in so many groups at most: `+86 139 1234 5678`.
const MAX_GROUPS: usize = 5;
/// In an id, with whatever signs between them, in so many: each of its digits by itself.
const MAX_GROUPS_IN_ID: usize = *E164_DIGITS.end();
/// In an id the first group of a number, behind its country's code, has so many digits: a mobile network's, or an area's.
const FIRST_GROUP: RangeInclusive<usize> = 3..=4;
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
pub fn is_between(character: char) -> bool {
    matches!(
        character,
        ' ' | '-' | '(' | ')' | '.' | '+' | '\u{a0}' | '\u{2010}'
            ..='\u{2015}' | '\u{3000}' | '（' | '）' | '＋' | '－'
    )
}

/// Whether a character is a dash, or is written for one, beside those of [`is_between`]: what else Unicode has as such (`Pd`), a minus, a bullet that is
/// a dash, waves, the sign that lengthens a vowel.
fn is_dash(character: char) -> bool {
    const DASHES: &str = "~\u{58a}\u{5be}\u{1400}\u{1806}\u{2043}\u{2053}\u{2212}\u{223c}\u{2e17}\u{2e1a}\u{2e3a}\u{2e3b}\u{2e40}\
        \u{2e5d}\u{301c}\u{3030}\u{30a0}\u{30fc}\u{fe31}\u{fe32}\u{fe58}\u{fe63}\u{ff5e}\u{ff70}\u{10d6e}\u{10ead}";
    DASHES.contains(character)
}

/// Whether a character may stand between the digits of a number, of which nobody has to be known: what [`is_between`] knows, all other white space and
/// dashes, and what nobody sees.
pub fn is_between_or_unseen(character: char) -> bool {
    is_between(character)
        || character.is_whitespace()
        || character.is_control()
        || is_dash(character)
        || is_nothing_by_itself(character)
}

/// The same in an id, which may have other signs there, too. No `^`, which platforms' own ids have, and no `:`, which times have.
fn is_between_in_id(character: char) -> bool {
    is_between_or_unseen(character)
        || matches!(character, '_' | '＿' | '/' | '／' | ',' | '，' | '、' | '·' | '•' | '|')
}

/// Whether a character is a mark that nobody sees: of no width, or which direction a text runs in. Such come along where a number is copied from a
/// list of contacts.
pub fn is_unseen_mark(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Whether a character is nothing by itself: a mark that nobody sees, one that gives the character before another form, as an emoji's, or a filler.
pub fn is_nothing_by_itself(character: char) -> bool {
    let is_form = matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{20e3}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_form || is_unseen_mark(character)
}

/// Whether a character may stand between digits that were spelled: anything but letters. What Unicode counts as letters and is not read as
/// one is none: fillers, modifiers, and signs that repeat or lengthen the letter before.
fn is_apart(character: char) -> bool {
    let is_read = !matches!(
        character,
        'ª' | 'º' | '\u{2b0}'..='\u{2ff}' | '\u{37a}' | '\u{640}' | '\u{115f}' | '\u{1160}' | '\u{3005}' | '\u{3031}'..='\u{3035}'
            | '\u{303b}' | '\u{309d}' | '\u{309e}' | '\u{30fc}'..='\u{30fe}' | '\u{3164}' | '\u{ff70}' | '\u{ffa0}'
    );
    !(character.is_alphanumeric() && is_read)
}

/// The digit that a character is, of ASCII or another script.
pub fn digit_of_a_script(character: char) -> Option<u32> {
    /// The zeros of scripts, each with its nine digits behind it, in order: what Unicode has as decimal digits (`Nd`,
    /// <https://www.unicode.org/Public/17.0.0/ucd/extracted/DerivedNumericType.txt>), and subscripts.
    const ZEROS: [u32; 76] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
        0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
        0x1c50, 0x2080, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
        0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0,
        0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16a60,
        0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
        0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
    ];
    if character.is_ascii() {
        return character.to_digit(10);
    }
    let at = ZEROS.partition_point(|zero| *zero <= u32::from(character));
    u32::from(character).checked_sub(ZEROS[at.checked_sub(1)?]).filter(|value| *value < 10)
}

/// The digit that a character is: of ASCII or another script, one that is drawn (`①`, `¹`), or a Chinese numeral.
pub fn digit_of_any(character: char) -> Option<u32> {
    match digit(character)? {
        Digit::Is(value) => Some(value),
        Digit::Unknown => None,
    }
}

/// Which of so many characters it is, counted from the first.
fn among(character: char, first: char, count: u32) -> Option<u32> {
    u32::from(character).checked_sub(u32::from(first)).filter(|value| *value < count)
}

/// A character as a digit: of ASCII, of the scripts whose digits phones and speech recognition write, or a Chinese numeral. Of digits of
/// other scripts only that they are some.
fn digit(character: char) -> Option<Digit> {
    /// The ones of digits that are drawn, from 1 to 9.
    const ONES: [char; 10] = ['①', '⑴', '⒈', '❶', '➀', '➊', '⓵', '㈠', '㊀', '\u{1f102}'];
    let value = match character {
        '〇' | '零' | '⓪' | '⓿' | '⁰' | '\u{1f100}' | '\u{1f101}' | '\u{1f10b}' | '\u{1f10c}' => {
            Some(0)
        }
        '一' | '幺' | '么' | '壹' | '壱' | '弌' | '¹' => Some(1),
        '二' | '两' | '兩' | '贰' | '貳' | '弐' | '弍' | '²' => Some(2),
        '三' | '叁' | '叄' | '參' | '弎' | '³' => Some(3),
        '四' | '肆' => Some(4),
        '五' | '伍' => Some(5),
        '六' | '陆' | '陸' => Some(6),
        '七' | '柒' => Some(7),
        '八' | '捌' => Some(8),
        '九' | '玖' => Some(9),
        // Most of what is said is letters, and no digit is among these.
        'a'..='z' | 'A'..='Z' | '\u{4e00}'..='\u{9fff}' => return None,
        '⁴'..='⁹' => among(character, '⁴', 6).map(|value| value + 4),
        _ => {
            let drawn = || ONES.into_iter().find_map(|one| Some(among(character, one, 9)? + 1));
            digit_of_a_script(character).or_else(drawn)
        }
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

/// What looks like a number in a text: in digits alone, with `*` for each that is not known. Where other digits stand beside what is plainly a
/// number, it is that.
pub fn numbers_in_text(text: &str) -> impl Iterator<Item = String> {
    runs(text, is_between).flat_map(|run| {
        let plainly: Vec<_> = run.plain_numbers().into_iter().map(|digits| run.written(digits)).collect();
        match plainly.is_empty() && run.digits.len() >= LOOKS_LIKE_A_NUMBER {
            true => vec![run.written(0..run.digits.len())],
            false => plainly,
        }
    })
}

/// A text without whatever may tell a number: four digits that may stand together as a number's do, and six with anything but letters between
/// them. Dates and times stay. It asks for no known number, so that what is hidden tells nothing of one.
pub fn in_text(text: &str) -> Cow<'_, str> {
    without_runs(text, PART_OF_A_NUMBER, SPELLED)
}

/// The name that somebody gave to something, without what looks like a number. A year, a price and a batch may stand in it.
pub fn in_name(name: &str) -> Cow<'_, str> {
    without_runs(name, LOOKS_LIKE_A_NUMBER, LOOKS_LIKE_A_NUMBER)
}

/// A text without the runs of so many digits and more, and of so many with anything but letters between them.
fn without_runs(text: &str, together: usize, spelled: usize) -> Cow<'_, str> {
    if text.chars().all(|character| position(character).is_none()) {
        return Cow::Borrowed(text);
    }
    let long = |length: usize| move |run: &Run| run.digits.len() >= length;
    let together = runs(text, is_between).filter(long(together));
    let all = together.chain(runs_apart(text).filter(long(spelled)));
    let places = all.flat_map(|run| run.hidden(vec![true; run.digits.len()]).collect::<Vec<_>>());
    black(text, places.collect())
}

/// A platform's code as it is (`200010`), and any other text as [`in_text`] has it.
fn in_code(code: &str) -> Cow<'_, str> {
    let is_code = code.len() <= CODE && code.bytes().all(|byte| byte.is_ascii_digit());
    if is_code { Cow::Borrowed(code) } else { in_text(code) }
}

/// JSON, each text, name and number in it as [`in_text`] has it.
pub fn in_json(value: Value) -> Value {
    each_leaf(value, in_text)
}

/// JSON of a platform's codes: a code of up to six digits stays as it is (`200010`), every other text and number, and each name, is as
/// [`in_text`] has it.
pub fn in_codes(value: Value) -> Value {
    each_leaf(value, in_code)
}

fn each_leaf(value: Value, hidden: fn(&str) -> Cow<'_, str>) -> Value {
    match value {
        // As times are always written here: nobody's number is written so.
        Value::String(text) if is_an_instant(&text) => Value::String(text),
        Value::String(text) => Value::String(hidden(&text).into_owned()),
        Value::Number(number) => match hidden(&number.to_string()) {
            Cow::Owned(_) => IN_PLACE_OF_A_NUMBER.into(),
            Cow::Borrowed(_) => Value::Number(number),
        },
        Value::Array(list) => list.into_iter().map(|value| each_leaf(value, hidden)).collect(),
        Value::Object(object) => {
            let named = object
                .into_iter()
                .map(|(name, value)| (in_text(&name).into_owned(), each_leaf(value, hidden)));
            let mut named: Vec<_> = named.collect();
            // Two names may look the same now: each gets a star more than the one before, in the order of what is shown beside them. That of the
            // names themselves would tell which is the lesser.
            named.sort_by_cached_key(|(name, value)| (name.clone(), value.to_string()));
            let mut shown = Map::new();
            for (mut name, value) in named {
                while shown.contains_key(&name) {
                    name.push('*');
                }
                shown.insert(name, value);
            }
            Value::Object(shown)
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// How many calls an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// One, or what belongs to it.
    None,
    /// Many, with as many callees.
    ManyCalls,
}

/// What is to be hidden in ids: numbers that are known, and what is plainly one.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    known: Vec<Vec<Digit>>,
}

impl Hidden {
    /// Hides these numbers, as they are stored: masked ones (`139****1111`) too, as far as they tell anything.
    pub fn new<'a>(numbers: impl IntoIterator<Item = &'a str>) -> Self {
        let digits = |number: &str| -> Vec<_> { number.chars().filter_map(position).collect() };
        Self { known: numbers.into_iter().map(digits).filter(|digits| digits.len() >= LEAST_KNOWN).collect() }
    }

    /// An id without what is plainly a number, and without what is all of a known one, or as good as all.
    pub fn in_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.hidden_of(id, Sharing::None)
    }

    /// The same of an id that many calls share, as a task's: where digits of a known number are a part of more, it takes as many as no number of
    /// a million has in common with it by chance.
    pub fn in_shared_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.hidden_of(id, Sharing::ManyCalls)
    }

    fn hidden_of<'a>(&self, id: &'a str, sharing: Sharing) -> Cow<'a, str> {
        if id.chars().all(|character| position(character).is_none()) {
            return Cow::Borrowed(id);
        }
        let mut places: Vec<_> =
            runs(id, is_between).flat_map(|run| self.hidden_in(&run, sharing).collect::<Vec<_>>()).collect();
        // With other signs between them, what is plainly a number.
        let plainly = |run: Run| run.hidden_numbers(run.plain_numbers_in_id()).collect::<Vec<_>>();
        places.extend(runs(id, is_between_in_id).flat_map(plainly));
        // A `*` may stand between the digits of a number, too.
        if id.contains(['*', '＊']) {
            places.extend(runs(id, is_between_in_id).map(Run::without_hidden).flat_map(plainly));
        }
        // Anything may stand between the digits of a number that is known: commas, strokes, what is not seen.
        if !self.known.is_empty() {
            let apart = runs_apart(id).map(Run::without_hidden);
            places.extend(apart.flat_map(|run| self.told_in(&run, sharing).collect::<Vec<_>>()));
        }
        black(id, places)
    }

    /// Whether an id tells a number.
    pub fn is_told_by(&self, id: &str) -> bool {
        matches!(self.in_id(id), Cow::Owned(_))
    }

    /// Whether an amount of money tells a number: a known one by whichever of its digits, or any by what stands before its point. What follows the
    /// point comes of reckoning, `1.3666666667`.
    pub fn is_told_by_amount(&self, amount: &str) -> bool {
        let whole = amount.split('.').next().unwrap_or_default();
        self.is_told_by(whole)
            || runs_apart(amount)
                .map(Run::without_hidden)
                .any(|run| self.told_in(&run, Sharing::None).next().is_some())
    }

    /// The places of the digits that are to be hidden, in order.
    fn hidden_in<'a>(&self, run: &'a Run, sharing: Sharing) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut hides = self.tells(run, sharing);
        for place in self.known.iter().flat_map(|known| masked_places(&run.digits, known, sharing)) {
            hides[place].fill(true);
        }
        for number in run.plain_numbers() {
            hides[number].fill(true);
        }
        run.hidden(hides)
    }

    /// The places of the digits of a run that tell a known number.
    fn told_in<'a>(&self, run: &'a Run, sharing: Sharing) -> impl Iterator<Item = Range<usize>> + 'a {
        run.hidden(self.tells(run, sharing))
    }

    /// Which digits of a run tell a known number: each of so many in a row that it has too.
    fn tells(&self, run: &Run, sharing: Sharing) -> Vec<bool> {
        let mut tells = vec![false; run.digits.len()];
        for known in &self.known {
            let least = known.len().min(NEARLY_ALL);
            let sure = known.len().min(TOLD_BY_ALL);
            for start in 0..run.digits.len() {
                for from in 0..=known.len() - least {
                    let alike = run.digits[start..].iter().zip(&known[from..]);
                    let length = alike.take_while(|(digit, known)| digit.is(**known)).count();
                    let told = start..start + length;
                    let is_sure = length >= sure || sharing == Sharing::None || run.stands_alone(&told);
                    if length >= least && is_sure {
                        tells[told].fill(true);
                    }
                }
            }
        }
        tells
    }
}

/// A text with `*` in these places, which may be named twice.
fn black(text: &str, mut places: Vec<Range<usize>>) -> Cow<'_, str> {
    places.sort_unstable_by_key(|place| place.start);
    places.dedup();
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

/// Where digits are all that the platform left visible of a known number, each in its place: all of them, or, where enough are visible, as many
/// among others as the number has.
fn masked_places(digits: &[Digit], known: &[Digit], sharing: Sharing) -> Vec<Range<usize>> {
    let visible = known.iter().filter(|known| **known != Digit::Unknown).count();
    let is_told = match digits.len() == known.len() {
        true => visible >= TELLING_OF_MASKED,
        false => visible >= SURE_OF_MASKED && sharing == Sharing::None,
    };
    if visible == known.len() || !is_told {
        return Vec::new();
    }
    let fits = |digits: &[Digit]| {
        digits.iter().zip(known).all(|(digit, known)| *known == Digit::Unknown || digit.is(*known))
    };
    let windows = digits.windows(known.len()).enumerate().filter(|(_, window)| fits(window));
    windows.map(|(at, _)| at..at + known.len()).collect()
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
    /// Which digits are plainly a number: those of one group, or of a few that follow each other. `13912345678-1` has two groups. Of a landline's number
    /// they are as people write one: `07-1791391536` is the end of a date, and seconds.
    fn plain_numbers(&self) -> Vec<Range<usize>> {
        let is_written_so = |(digits, groups): &(Range<usize>, Vec<usize>)| {
            let is_landline = matches!(self.digits[digits.clone()], [Digit::Is(0), Digit::Is(1..), ..]);
            !is_landline || self.are_grouped_as_a_number(digits, groups)
        };
        let numbers = self.numbers_of_groups(MAX_GROUPS).into_iter();
        numbers.filter(is_written_so).map(|(digits, _)| digits).collect()
    }

    /// The same in an id, whatever signs stand between the groups: where they are those of a number, and no date's and time's
    /// (`2025_06_01_10_30_45_123`).
    fn plain_numbers_in_id(&self) -> Vec<Range<usize>> {
        let numbers = self.numbers_of_groups(MAX_GROUPS_IN_ID).into_iter();
        let as_people_do = numbers.filter(|(digits, groups)| self.are_grouped_as_a_number(digits, groups));
        as_people_do.map(|(digits, _)| digits).collect()
    }

    /// Digits that are plainly a number, with how long their groups are, of which there are so many at most. A group ends where something stands between
    /// two digits; or where they do not belong together, too: `第一13912345678`.
    fn numbers_of_groups(&self, max_groups: usize) -> Vec<(Range<usize>, Vec<usize>)> {
        let all = 0..self.places.len();
        let by_signs: Vec<_> = all.clone().filter(|at| self.places[*at].before != Before::Digit).collect();
        let by_kinds: Vec<_> = all.filter(|at| self.is_cut(*at)).collect();
        let mut numbers = self.numbers_that_begin(&by_signs, max_groups);
        if by_kinds.len() > by_signs.len() {
            numbers.extend(self.numbers_that_begin(&by_kinds, max_groups));
        }
        numbers
    }

    /// The same, where groups begin at these digits.
    fn numbers_that_begin(&self, starts: &[usize], max_groups: usize) -> Vec<(Range<usize>, Vec<usize>)> {
        let all = self.places.len();
        let mut numbers = Vec::new();
        for (group, start) in starts.iter().enumerate() {
            let mut ends = starts[group + 1..].iter().chain([&all]).peekable();
            // No area's code begins with a 0 that stands alone: `0.12345678901` is money.
            if self.digits[*start] == Digit::Is(0) && ends.peek() == Some(&&(start + 1)) {
                continue;
            }
            let mut groups = Vec::new();
            for end in ends.take(max_groups) {
                groups.push(end - start - groups.iter().sum::<usize>());
                let has_plus = self.places[*start].before == Before::Plus;
                if is_plainly_a_number(&self.digits[*start..*end], has_plus) {
                    numbers.push((*start..*end, groups.clone()));
                }
            }
        }
        numbers
    }

    /// Whether groups of digits are as people write a number: all in one, with a plus, by the network's or the area's code first, or
    /// each digit, or each two, by themselves.
    fn are_grouped_as_a_number(&self, digits: &Range<usize>, groups: &[usize]) -> bool {
        use Digit::Is;
        let own = match (&self.digits[digits.clone()], groups) {
            ([Is(8), Is(6), ..], [2, own @ ..]) | ([Is(0), Is(0), ..], [4, own @ ..]) => own,
            _ => groups,
        };
        let [first, between @ .., last] = own else { return true };
        let is_even = *first <= 2 && between.iter().all(|group| group == first) && last <= first;
        let is_mobile = self.digits[digits.start] == Is(1) || own.len() < groups.len();
        self.places[digits.start].before == Before::Plus
            || FIRST_GROUP.contains(first)
            || is_even && (*first == 1 || is_mobile)
    }

    /// Whether these digits have no other of their own kind directly before or behind them.
    fn stands_alone(&self, digits: &Range<usize>) -> bool {
        self.is_cut(digits.start) && self.is_cut(digits.end)
    }

    /// Whether a digit and the one before do not belong together: something stands between them, one is not known, or they are written in another
    /// number of bytes, as digits of other scripts are. Nothing belongs to the first, nor to what is behind the last.
    fn is_cut(&self, at: usize) -> bool {
        let Some((before, [one, other])) = at.checked_sub(1).and_then(|before| {
            let places = [self.places.get(before)?, self.places.get(at)?];
            Some((before, places))
        }) else {
            return true;
        };
        other.before != Before::Digit
            || one.range.len() != other.range.len()
            || self.digits[before..=at].contains(&Digit::Unknown)
    }

    /// Some of the digits, and nothing between them.
    fn written(&self, digits: Range<usize>) -> String {
        let written = |digit: &Digit| match digit {
            Digit::Is(value) => char::from_digit(*value, 10).unwrap_or('*'),
            Digit::Unknown => '*',
        };
        self.digits[digits].iter().map(written).collect()
    }

    /// The run as if there were no digit where a `*` is: it may stand between digits, or beside them, as well as in the place of one.
    fn without_hidden(self) -> Self {
        let mut seen = Self::default();
        let mut is_behind_hidden = false;
        for (digit, place) in self.digits.into_iter().zip(self.places) {
            if place.is_hidden {
                is_behind_hidden = true;
                continue;
            }
            let before = match std::mem::take(&mut is_behind_hidden) && place.before == Before::Digit {
                true => Before::Else,
                false => place.before,
            };
            seen.digits.push(digit);
            seen.places.push(Place { before, ..place });
        }
        seen
    }

    /// The places of these of the digits, which are to be hidden.
    fn hidden_numbers(&self, numbers: Vec<Range<usize>>) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut hides = vec![false; self.digits.len()];
        numbers.into_iter().for_each(|number| hides[number].fill(true));
        self.hidden(hides)
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

/// The runs of digits in a text that stand together as a number's may.
fn runs(text: &str, may_be_between: impl Fn(char) -> bool) -> impl Iterator<Item = Run> {
    runs_with(text, may_be_between, MAX_BETWEEN)
}

/// The runs of digits in a text with anything but letters between them, however much: who dictates makes pauses.
fn runs_apart(text: &str) -> impl Iterator<Item = Run> {
    runs_with(text, is_apart, usize::MAX)
}

/// The runs of digits in a text, with what may stand between them, and how much. Dates and times are none.
fn runs_with(
    text: &str,
    may_be_between: impl Fn(char) -> bool,
    max_between: usize,
) -> impl Iterator<Item = Run> {
    let mut at = 0;
    // What ends a run may stand before the next: ` - +44`.
    let mut before = Before::Else;
    std::iter::from_fn(move || {
        let mut run = Run::default();
        let mut between = 0;
        while let Some(character) = text[at..].chars().next() {
            let end = at + character.len_utf8();
            match position(character) {
                Some(_) if run.digits.is_empty() && time_bytes(&text[at..]) > 0 => {
                    at += time_bytes(&text[at..]);
                    before = Before::Else;
                    continue;
                }
                Some(digit) => {
                    run.digits.push(digit);
                    let is_hidden = matches!(character, '*' | '＊');
                    run.places.push(Place { range: at..end, is_hidden, before });
                    (between, before) = (0, Before::Digit);
                }
                None if may_be_between(character) && between < max_between => {
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
/// How long a time may be, the longest first.
const TIMES: [usize; 2] = ["15:30:05".len(), "15:30".len()];

/// How long the date or the time is with which a text begins: `2025-06-01`, `2025年`, `15:30`, `15:30:05`. 0 where it is part of a number.
fn time_bytes(text: &str) -> usize {
    let time = TIMES.into_iter().find(|bytes| begins_with_time(text, *bytes));
    match time {
        _ if begins_with_date(text) => DATE_BYTES,
        Some(bytes) => bytes,
        None if begins_with_year(text) => "2025年".len(),
        None => 0,
    }
}

/// Whether a text begins with a date that is no part of a number: `2025-06-01`, alone, or with a time or another date behind it.
fn begins_with_date(text: &str) -> bool {
    let Some(after) = behind_date(text) else { return false };
    // A number's next digits may follow. Of more than two dates in a row nobody speaks, and to look at all of them would take the square of their
    // number.
    let Some(next) = next_digits(after) else { return true };
    let has_time =
        after.strip_prefix(' ').is_some_and(|time| TIMES.iter().any(|bytes| begins_with_time(time, *bytes)));
    has_time || behind_date(next).is_some_and(|after| next_digits(after).is_none())
}

/// What stands behind the date with which a text begins.
fn behind_date(text: &str) -> Option<&str> {
    let (date, after) = text.split_at_checked(DATE_BYTES)?;
    (is_of_these_centuries(date) && date.parse::<jiff::civil::Date>().is_ok()).then_some(after)
}

/// The digits that may belong to those before a text: nothing stands between them but what does in a number.
fn next_digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(is_between);
    rest.starts_with(|next| position(next).is_some()).then_some(rest)
}

fn begins_with_time(text: &str, bytes: usize) -> bool {
    let Some((time, after)) = text.split_at_checked(bytes) else { return false };
    // What may be the next pair of a number's digits: `13:39 12:34`.
    let ends = after.trim_start_matches(is_apart).chars().next().is_none_or(|next| position(next).is_none());
    ends && time.parse::<jiff::civil::Time>().is_ok_and(|_| time.as_bytes()[2] == b':')
}

fn begins_with_year(text: &str) -> bool {
    text.split_at_checked("2025".len()).is_some_and(|(year, after)| {
        let is_year = year.bytes().all(|byte| byte.is_ascii_digit()) && is_of_these_centuries(year);
        is_year && after.starts_with('年')
    })
}

fn is_of_these_centuries(date: &str) -> bool {
    date.starts_with("19") || date.starts_with("20")
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn names_that_look_alike_are_told_apart_in_an_order_that_tells_nothing_of_them() {
        let of = |lesser: &str, greater: &str| {
            in_json(json!({"to 13912345678": [lesser], "to 13912345679": [greater], "on": []}))
        };
        let shown = json!({"to ***********": ["a"], "to ************": ["b"], "on": []});
        assert_eq!([of("a", "b"), of("b", "a")], [shown.clone(), shown]);
    }

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
    fn of_a_text_every_longer_run_of_digits_is_blacked_out_and_all_else_stays() {
        for (text, black) in [
            ("call 13912345678!", "call ***********!"),
            ("+86 (139) 1234-5678", "+** (***) ****-****"),
            ("我的号码是一三九一二三四五六七八。", "我的号码是***********。"),
            ("１３９１２３４５６７８", "***********"),
            ("①③⑨①②③④⑤⑥⑦⑧", "***********"),
            ("𝟏𝟑𝟗𝟏𝟐𝟑𝟒𝟓 ¹³⁹¹²³⁴⁵ ₁₃₉₁", "******** ******** ****"),
            ("139****1111", "***********"),
            ("ends in 5678", "ends in ****"),
            ("尾号5678", "尾号****"),
            ("139 1234, 5678", "*** ****, ****"),
            ("1/3/9/1/2/3", "*/*/*/*/*/*"),
            ("q5678q0107q", "q****q****q"),
            ("1,500,000", "*,***,***"),
            ("room 101, floor 12, 99.5%", "room 101, floor 12, 99.5%"),
            ("wants 300 of them", "wants 300 of them"),
            ("2025-06-01 10:00:00", "2025-06-01 10:00:00"),
            ("on 2025-06-01, then", "on 2025-06-01, then"),
            ("2025年6月1日, 15:30", "2025年6月1日, 15:30"),
            ("at 15:30:05 or 16:00", "at 15:30:05 or 16:00"),
            ("13:39 12:34 56:78", "**:** **:** **:**"),
            ("139... 123...... 456 -- -- 78", "***... ***...... *** -- -- **"),
            ("壹叁玖么贰叁肆伍陆柒捌", "***********"),
            ("壹參玖壹貳參肆伍陸柒捌", "***********"),
            ("1ー3ʼ9々1ª2\u{3164}3\u{115f}4", "*ー*ʼ*々*ª*\u{3164}*\u{115f}*"),
            ("15:30:05:12", "**:**:**:**"),
            ("99:30:05", "**:**:**"),
            ("9125年", "****年"),
            ("139 2025-06-01", "*** ****-**-**"),
            ("2025-06-01 13912345678", "****-**-** ***********"),
            ("2025-06-01.. 13912345678", "****-**-**.. ***********"),
            ("2025-06-01 2025-06-02 139", "****-**-** ****-**-** ***"),
            ("2025-06-01-02-03", "****-**-**-**-**"),
            ("2025-06-01 15:30 12345678", "****-**-** **:** ********"),
            ("2025-06-01 2025-06-02 2025-06-03", "****-**-** ****-**-** ****-**-**"),
            ("on 2025-06-01 at noon", "on 2025-06-01 at noon"),
            ("on 2025-06-01.", "on 2025-06-01."),
            ("(2025-06-01) 春季 3 组", "(2025-06-01) 春季 3 组"),
            ("2025-06-01..2025-06-02", "2025-06-01..2025-06-02"),
            ("2025-06-01 and 2025-06-02", "2025-06-01 and 2025-06-02"),
            ("2025-06-0113912345678", "****-**-*************"),
            ("9025-06-01", "****-**-**"),
            ("", ""),
        ] {
            assert_eq!(in_text(text), black, "{text}");
        }
    }

    /// With one look at all that follow for each, this would take minutes, or all of the stack.
    #[test]
    fn of_many_dates_each_is_looked_at_a_few_times() {
        let many = in_text(&"2025-06-01 ".repeat(100_000)).into_owned();
        assert!(many.starts_with("****-**-** ****") && many.len() == 1_100_000);
    }

    #[test]
    fn a_name_keeps_its_year_and_its_batch() {
        for (name, shown) in [
            ("2026年春季回访 批次10086 二期", "2026年春季回访 批次10086 二期"),
            ("Promo 2025 at 12800", "Promo 2025 at 12800"),
            ("to 13912345678", "to ***********"),
            ("1374681, 0021", "*******, ****"),
        ] {
            assert_eq!(in_name(name), shown);
        }
    }

    #[test]
    fn a_platforms_code_stays() {
        for (code, shown) in
            [("200010", "200010"), ("2000101", "*******"), ("A 2000", "A ****"), ("ANSWERED", "ANSWERED")]
        {
            assert_eq!(in_code(code), shown);
        }
        let codes = json!({"2025": 200010, "statusCode": "200010", "to": "13912345678", "n": 13912345678i64});
        let shown = json!({"****": 200010, "statusCode": "200010", "to": "***********", "n": "***"});
        assert_eq!(in_codes(codes), shown);
    }

    #[test]
    fn what_tells_all_of_a_known_number_is_blacked_out_of_ids_and_what_tells_less_is_not() {
        let hidden = Hidden::new(["8613912345678", "447911123456"]);
        for (id, black) in [
            ("order-13912345678-7", "order-***********-7"),
            ("447911123456", "************"),
            ("x7911123456y", "x**********y"),
            ("39123456", "********"),
            ("④④⑦⑨①①①②③④⑤⑥", "************"),
            // By so few digits an id that is the same in all calls would tell who has them.
            ("912345", "912345"),
            ("5678", "5678"),
            ("a5678b", "a5678b"),
            ("200010", "200010"),
            ("10000161^1000018", "10000161^1000018"),
        ] {
            assert_eq!(hidden.in_id(id), black, "{id}");
            assert_eq!(hidden.is_told_by(id), id != black, "{id}");
        }
        let hidden = Hidden::new(["139****1111", "186********"]);
        for (id, black) in [
            ("13900001111", "***********"),
            ("18600000001", "***********"),
            ("1111", "1111"),
            ("1390000111", "1390000111"),
            // Whosever it is.
            ("13900001112", "***********"),
            ("139000011110", "***********0"),
            ("2025060113900001111", "20250601***********"),
            ("139 0000 1111-2", "*** **** ****-2"),
            ("18600000001123", "18600000001123"),
        ] {
            assert_eq!(hidden.in_id(id), black, "{id}");
        }
        assert_eq!(
            Hidden::new(["7", "***", "", "10086"]).in_id("7-10086"),
            "7-10086",
            "they are nobody's own"
        );
    }

    /// One callee in some has nine digits in common with the id of the task that a million share.
    #[test]
    fn an_id_that_many_calls_share_is_hidden_by_what_none_of_them_has_by_chance() {
        let hidden = Hidden::new(["13642095733", "447911123456"]);
        for (id, own, shared) in [
            ("118164209573318842", "1181*********18842", "118164209573318842"),
            ("task-13642095733", "task-***********", "task-***********"),
            ("task-642095733", "task-*********", "task-*********"),
            ("²642095733", "²*********", "²*********"),
            ("20250642095733", "20250*********", "20250642095733"),
            ("7911123456", "**********", "**********"),
            ("99447911123456001", "99************001", "99************001"),
            ("9979111234001", "99********001", "9979111234001"),
        ] {
            assert_eq!((&*hidden.in_id(id), &*hidden.in_shared_id(id)), (own, shared));
        }
        let masked = Hidden::new(["136****5733"]);
        assert_eq!(masked.in_shared_id("99913600005733"), "99913600005733");
        assert_eq!(masked.in_id("99913600005733"), "999***********");
    }

    #[test]
    fn whatever_stands_between_the_digits_of_a_known_number_it_is_hidden() {
        let hidden = Hidden::new(["8613712345987"]);
        for between in [
            "，",
            "、",
            "·",
            "•",
            "_",
            "/",
            ":",
            "|",
            ";",
            "#",
            "=",
            "\u{200b}",
            "\u{2003}",
            "\t",
            "\n",
            "\u{ad}",
            " - ",
            ") - (",
            "::::",
            "*",
            "**＊",
            "\u{3164}",
            "々",
            "----",
            "....  ....",
        ] {
            let id = format!("137{between}1234{between}5987");
            assert_eq!(hidden.in_id(&id), format!("***{between}****{between}****"), "{between:?}");
        }
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
            ("139_1234_5678", "***_****_****"),
            ("139/123/45678", "***/***/*****"),
            ("0571_1234_5678", "****_****_****"),
            ("T_0086,13712345987", "T_****,***********"),
            ("batch 1 / +447700900123", "batch 1 / +************"),
            ("1___+447700900123", "1___+************"),
            // Times, and what has groups of another kind.
            ("2025_06_01_10_30_45_123", "2025_06_01_10_30_45_123"),
            ("2025/06/01/10/30/45/12", "2025/06/01/10/30/45/12"),
            ("17_20250601_3", "17_20250601_3"),
            ("mk|139,1234,5678|2", "mk|***,****,****|2"),
            ("13/91/23/45/67/8", "**/**/**/**/**/*"),
            ("1-3-9-1-2-3-4-5-6-7-8", "*-*-*-*-*-*-*-*-*-*-*"),
            ("+49_151_12345678", "+**_***_********"),
            ("139\u{200b}1234\u{2060}5678", "***\u{200b}****\u{2060}****"),
            ("139\u{ad}1234\u{ad}5678", "***\u{ad}****\u{ad}****"),
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
    fn a_number_is_hidden_in_an_id_whatever_stands_beside_it_but_its_own_digits() {
        let hidden = Hidden::default();
        for number in ["13712345987", "8613712345987", "0571-88888888", "057188888888", "+447700900123"] {
            let black: String =
                number.chars().map(|own| if own.is_ascii_digit() { '*' } else { own }).collect();
            let all = ('\0'..='\u{33ff}').chain('\u{f900}'..='\u{ffff}').chain('\u{1f000}'..='\u{1faff}');
            // Letters are alike.
            let is_of_interest = |beside: &char| beside.is_numeric() || !beside.is_alphabetic();
            for beside in all.filter(is_of_interest).filter(|beside| !beside.is_ascii_digit()) {
                for id in [
                    format!("{beside}{number}"),
                    format!("a{number}{beside}"),
                    format!("{beside}{number}{beside}2025"),
                ] {
                    assert!(hidden.in_id(&id).contains(&black), "{beside:?}: {}", hidden.in_id(&id));
                }
            }
        }
        for id in [
            "job*13712345987*9",
            "job*13712 345987*",
            "13712345987*13712345988",
            "**13712345987**",
            "137*1234*5987",
        ] {
            assert!(!hidden.in_id(id).contains(|shown: char| "1234567".contains(shown)), "{id}");
        }
    }

    #[test]
    fn white_space_dashes_and_what_nobody_sees_may_stand_between_the_digits_of_a_number_in_an_id() {
        let hidden = Hidden::default();
        let (dashes, unseen) =
            ("-־֊᠆‐‑‒–—―⸗⸺⸻〜〰゠︱︲﹘﹣－", "\u{17b4}\u{1bca0}\u{1d173}\u{fff9}\u{200b}\u{2060}");
        let is_between = |between: &char| {
            between.is_whitespace()
                || between.is_control()
                || dashes.contains(*between)
                || unseen.contains(*between)
        };
        let mut tried = 0;
        for between in ('\0'..='\u{2ffff}').filter(is_between) {
            for [first, second, third] in [["137", "1234", "5987"], ["0571", "8888", "8888"]] {
                let id = format!("{first}{between}{second}{between}{third}");
                let shown = hidden.in_id(&id);
                assert!(!shown.contains(|shown: char| shown.is_ascii_digit()), "{between:?}: {shown}");
            }
            tried += 1;
        }
        assert!(tried > 100, "{tried}");
    }

    #[test]
    fn a_day_with_seconds_or_more_behind_it_is_no_landline() {
        let hidden = Hidden::default();
        for seconds in (1_700_000_000_u64..1_800_000_000).step_by(99_991) {
            for id in [
                format!("2026-10-07-{seconds}"),
                format!("2026_10_07_{seconds}"),
                format!("2026.10.07.{seconds}123"),
            ] {
                assert_eq!(hidden.in_id(&id), id);
            }
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
        let at = json!({"at": ["2026-11-28T11:45:11.762Z", "2026-11-30T11:45:11.762Z"]});
        assert_eq!(in_json(at.clone()), at);
        let value = json!({"13912345678": 1, "13912345679": 13912345678i64, "n": [0.5, 123456, null, true], "t": "5678"});
        let black =
            json!({"***********": "***", "************": 1, "n": [0.5, "***", null, true], "t": "****"});
        assert_eq!(in_json(value), black);
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
        fn of_a_text_no_four_digits_are_left_together_and_of_an_id_nothing_that_tells_the_known_number(
            number in "[0-9]{8,22}", text in texts(), before in texts(), from in 0usize..16, more in 6usize..22,
        ) {
            let part: String = number.chars().skip(from.min(number.len() - 6)).take(more).collect();
            let text = format!("{before}{part}{text}");
            let hidden = Hidden::new([number.as_str()]);
            for black in [in_text(&text), hidden.in_id(&text)] {
                prop_assert_eq!(black.chars().count(), text.chars().count());
                for (was, is) in text.chars().zip(black.chars()) {
                    prop_assert!(was == is || (is == '*' && digit(was).is_some()), "only digits go");
                }
            }
            let black = hidden.in_id(&text);
            for left in black.split(|character: char| !character.is_ascii_digit()) {
                for window in left.as_bytes().windows(8) {
                    prop_assert!(!number.as_bytes().windows(8).any(|known| known == window), "{text} {black}");
                }
            }
            let black = in_text(&text).into_owned();
            let left = runs(&black, is_between).filter(|run| run.digits.len() >= 4);
            for run in left {
                prop_assert!(run.digits.iter().all(|digit| *digit == Digit::Unknown), "{text} {black}");
            }
            prop_assert_eq!(in_text(&black), black.as_str(), "once is enough");
        }
    }
}
