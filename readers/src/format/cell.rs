//! The columns of a table of calls, and what stands in them.

use std::borrow::Cow;

use jiff::civil::DateTime;
use serde_json::Value;
use shared::masking::is_nothing_by_itself;
use shared::model::Instant;
use shared::reading::Zone;
use shared::view::Object;
use shared::view::field::{Field, Kind, REVIEW_FIELDS, TASK_NAME, listed_fields};

use crate::names;

/// The languages that headings have. Without one of them they are the attributes' names, which programs know. Below Chinese headings outcomes
/// and the like are in Chinese too; below English ones they are the model's, as in JSON, but in a file for people.
pub const LANGUAGES: [&str; 2] = ["en", CHINESE];
/// The language whose readers want no codes.
pub(super) const CHINESE: &str = "zh";

/// What a column has of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// A time, as clocks show it in the reader's zone.
    Local,
    Amount,
    Currency,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    field: &'static Field,
    part: Part,
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Empty,
    Text(Cow<'a, str>),
    /// An exact number, in digits.
    Number(Cow<'a, str>),
    Local(DateTime),
}

/// For whom a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Programs, and people who know the model.
    Programs,
    /// People: tasks have their names, and outcomes and the like are in words.
    People {
        /// Whether there is what people think of the calls.
        reviews: bool,
    },
}

/// Every column, in order.
pub(super) fn columns(readers: Readers) -> Vec<Column> {
    let for_people =
        |field: &Field| (readers != Readers::Programs && field.name == "task_id").then_some(&TASK_NAME);
    let listed = listed_fields().flat_map(|field| std::iter::once(field).chain(for_people(field)));
    let reviews: &[Field] = if readers == (Readers::People { reviews: true }) { &REVIEW_FIELDS } else { &[] };
    listed.chain(reviews).flat_map(columns_of).collect()
}

fn columns_of(field: &'static Field) -> impl Iterator<Item = Column> {
    let parts = match field.kind {
        Kind::Time => &[Part::Whole, Part::Local][..],
        Kind::Money => &[Part::Amount, Part::Currency],
        _ => &[Part::Whole],
    };
    parts.iter().map(move |part| Column { field, part: *part })
}

impl Column {
    /// The heading in a language, where there is one; `zone` is what local times are of.
    pub(super) fn heading(&self, language: Option<&str>, zone: &Zone) -> String {
        let Field { name, english, chinese, kind, .. } = *self.field;
        match (language, self.part) {
            (Some("en"), Part::Whole) if kind == Kind::Time => format!("{english} (UTC)"),
            (Some("en"), Part::Whole) => english.to_owned(),
            (Some("en"), Part::Local) => format!("{english} ({})", zone.name()),
            (Some("en"), Part::Amount) => format!("{english}, amount"),
            (Some("en"), Part::Currency) => format!("{english}, currency"),
            (Some("zh"), Part::Whole) if kind == Kind::Time => format!("{chinese}（UTC）"),
            (Some("zh"), Part::Whole) => chinese.to_owned(),
            (Some("zh"), Part::Local) => format!("{chinese}（{}）", zone.name()),
            (Some("zh"), Part::Amount) => format!("{chinese}金额"),
            (Some("zh"), Part::Currency) => format!("{chinese}币种"),
            (_, Part::Whole) => name.to_owned(),
            (_, Part::Local) => format!("{name}_local"),
            (_, Part::Amount) => format!("{name}_amount"),
            (_, Part::Currency) => format!("{name}_currency"),
        }
    }

    /// What stands in it of a call. `words` is the language in which outcomes and the like are called as people call them; they are the model's
    /// where there is none.
    pub(super) fn cell<'a>(&self, call: &'a Object, words: Option<&str>, zone: &Zone) -> Cell<'a> {
        let Some(value) = call.get(self.field.name) else { return Cell::Empty };
        match self.part {
            Part::Whole => match words.and_then(|language| self.called(value, language)) {
                Some(words) => Cell::Text(words.into()),
                None => whole(value, self.field.kind),
            },
            Part::Local => match value.as_str().and_then(|time| time.parse::<Instant>().ok()) {
                Some(time) => Cell::Local(zone.local(time)),
                None => Cell::Empty,
            },
            Part::Amount => match value.get("amount").and_then(Value::as_str) {
                Some(amount) => Cell::Number(amount.into()),
                None => Cell::Empty,
            },
            Part::Currency => match value.get("currency").and_then(Value::as_str) {
                Some(currency) => Cell::Text(currency.into()),
                None => Cell::Empty,
            },
        }
    }

    /// What a value is called in a language; `None` where it is no word of the model's.
    fn called(&self, value: &Value, language: &str) -> Option<&'static str> {
        let name = names::of_value(self.field.name, value.as_str()?)?;
        Some(if language == CHINESE { name.chinese } else { name.english })
    }

    /// How wide it is in a spreadsheet, in characters.
    pub(super) fn width(&self) -> u16 {
        match (self.part, self.field.kind) {
            (Part::Local, _) => 20,
            (Part::Amount | Part::Currency, _) | (_, Kind::Seconds | Kind::Count) => 10,
            (_, Kind::Time | Kind::Id | Kind::SharedId) => 24,
            (_, Kind::Tags | Kind::Text) => 30,
            _ => 16,
        }
    }
}

fn whole(value: &Value, kind: Kind) -> Cell<'_> {
    match value {
        Value::Null => Cell::Empty,
        Value::String(text) => Cell::Text(text.into()),
        Value::Number(number) if matches!(kind, Kind::Seconds | Kind::Count) => {
            Cell::Number(number.to_string().into())
        }
        Value::Array(tags) if kind == Kind::Tags => Cell::Text(list(tags, "; ").into()),
        Value::Object(tags) if kind == Kind::Tags => {
            let named = tags.iter().map(|(name, values)| match values {
                Value::Array(values) if values.is_empty() => name.clone(),
                Value::Array(values) => format!("{name}: {}", list(values, ", ")),
                other => format!("{name}: {}", text(other)),
            });
            Cell::Text(named.collect::<Vec<_>>().join("; ").into())
        }
        other => Cell::Text(other.to_string().into()),
    }
}

fn list(values: &[Value], between: &str) -> String {
    values.iter().map(text).collect::<Vec<_>>().join(between)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text as a table of text has it, which a spreadsheet does not run: what would begin a formula has `'` before it, also behind what divides
/// cells in other countries, where a quotation mark in the middle of a cell is none, so that a line break ends the row. A decimal number may
/// begin with a sign.
///
/// <https://owasp.org/www-community/attacks/CSV_Injection>
pub fn neutralized(text: &str) -> Cow<'_, str> {
    let parts = || {
        text.split_inclusive(DIVIDERS).enumerate().map(|(position, part)| match part.chars().next() {
            // Nothing is between two of them.
            Some(first) if position > 0 && DIVIDERS.contains(&first) => Cow::Borrowed(part),
            _ => of_a_cell(part),
        })
    };
    match parts().any(|part| matches!(part, Cow::Owned(_))) {
        true => Cow::Owned(parts().collect()),
        false => Cow::Borrowed(text),
    }
}

/// What divides cells where the comma is part of numbers, and rows.
const DIVIDERS: [char; 4] = [';', '\t', '\n', '\r'];

fn of_a_cell(text: &str) -> Cow<'_, str> {
    let begins = |character: char| {
        matches!(character, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '＝' | '＋' | '－' | '＠')
    };
    let is_number = || {
        let digits = text.strip_prefix(['+', '-']).unwrap_or_default().trim_end_matches(DIVIDERS);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        [whole, fraction]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    // White space before it, and what is not seen, does not keep a spreadsheet from running it.
    let is_unseen = |character: char| {
        (character.is_whitespace() || character.is_control() || is_nothing_by_itself(character))
            && !begins(character)
    };
    let first = text.trim_start_matches(is_unseen).chars().next();
    match first.is_some_and(begins) && !is_number() {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_spreadsheet_would_run_is_neutralized() {
        for (text, neutral) in [
            ("=1+1", "'=1+1"),
            ("+86 1", "'+86 1"),
            ("-2+cmd|' /C calc'!A0", "'-2+cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
            ("+8613900000001", "+8613900000001"),
            ("-5", "-5"),
            ("-12.5", "-12.5"),
            ("a;-12.5;+0.25", "a;-12.5;+0.25"),
            ("-12.5.1", "'-12.5.1"),
            ("-.5", "'-.5"),
            ("-12.", "'-12."),
            ("-1e5", "'-1e5"),
            ("a;=cmd|'/C calc'!A0;b", "a;'=cmd|'/C calc'!A0;b"),
            ("a;b; c", "a;b; c"),
            ("x\n=1", "x\n'=1"),
            ("x\r\n\r\n =1\r-5\n", "x\r\n\r\n' =1\r-5\n"),
            ("one line\n\nand another", "one line\n\nand another"),
            ("1;-2;+3", "1;-2;+3"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\0\u{200b} =1", "'\0\u{200b} =1"),
            ("-", "'-"),
            ("a=1", "a=1"),
            ("139******78", "139******78"),
            ("", ""),
        ] {
            assert_eq!(neutralized(text), neutral, "{text:?}");
        }
    }

    #[test]
    fn times_stand_there_twice_and_money_in_two_columns() {
        let zone = Zone::default();
        let of = |readers, language| {
            columns(readers).iter().map(|column| column.heading(language, &zone)).collect::<Vec<_>>()
        };
        let names = |language| of(Readers::Programs, language);
        assert_eq!(
            names(None)[..6],
            ["provider", "call_id", "call_at", "call_at_local", "task_id", "out_id"]
        );
        assert!(names(Some("en")).contains(&"Call time (Asia/Shanghai)".to_owned()));
        assert!(names(Some("zh")).contains(&"呼叫时间（UTC）".to_owned()));
        assert!(names(Some("zh")).contains(&"呼叫时间（Asia/Shanghai）".to_owned()));
        // What only people are told.
        let reviews = Readers::People { reviews: true };
        assert_eq!(of(reviews, Some("en"))[4..7], ["Task ID", "Task name", "Your ID"]);
        assert_eq!(of(reviews, Some("zh")).last().unwrap(), "质检人");
        let without = of(Readers::People { reviews: false }, None);
        assert!(without.contains(&"task_name".to_owned()) && !without.contains(&"verdict".to_owned()));
        assert!(!names(None).contains(&"task_name".to_owned()));
        // A heading has Chinese signs, not those of programs.
        for heading in names(Some("zh")) {
            assert!(!heading.contains([',', ':', ';', '(', ')']), "{heading}");
        }
        let call = json!({
            "call_at": "2025-06-01T16:30:00.500Z", "cost": {"amount": "0.1234567890123456789", "currency": "USD"},
            "tags": {"a": ["1", "2"], "b": []}, "duration_s": 7,
        });
        let call = call.as_object().unwrap();
        let cell = |name: &str| {
            let columns = columns(Readers::Programs);
            let column = columns.iter().find(|column| column.heading(None, &zone) == name).unwrap();
            match column.cell(call, None, &zone) {
                Cell::Empty => String::new(),
                Cell::Text(text) | Cell::Number(text) => text.into_owned(),
                Cell::Local(time) => time.to_string(),
            }
        };
        assert_eq!(cell("call_at_local"), "2025-06-02T00:30:00.5");
        assert_eq!(cell("cost_amount"), "0.1234567890123456789");
        assert_eq!(cell("cost_currency"), "USD");
        assert_eq!(cell("tags"), "a: 1, 2; b");
        assert_eq!((cell("duration_s"), cell("callee")), ("7".to_owned(), String::new()));
    }

    #[test]
    fn outcomes_are_called_as_people_call_them_where_that_is_asked_for() {
        let zone = Zone::default();
        let call = json!({
            "provider": "alicom", "outcome": "no_answer", "hangup_by": "callee", "intent_code": "answered",
            "href": "/api/calls/alicom/1",
        });
        let row = |call: &Value, words| {
            let call = call.as_object().unwrap();
            let cell = |name: &str| {
                let mut columns = columns(Readers::Programs).into_iter();
                let column = columns.find(|column| column.heading(None, &zone) == name).unwrap();
                match column.cell(call, words, &zone) {
                    Cell::Text(text) => text.into_owned(),
                    other => panic!("{other:?}"),
                }
            };
            ["provider", "outcome", "hangup_by", "intent_code", "href"].map(cell)
        };
        let codes = ["alicom", "no_answer", "callee", "answered", "/api/calls/alicom/1"];
        assert_eq!(row(&call, Some("zh")), ["阿里云", "无应答", "客户", "answered", "/api/calls/alicom/1"]);
        assert_eq!(row(&call, Some("en"))[1..3], ["No answer", "Callee"]);
        assert_eq!(row(&call, None), codes);
        // What this release does not know stays as it is.
        let later =
            json!({"provider": "new", "outcome": "new", "hangup_by": "new", "intent_code": "", "href": ""});
        assert_eq!(row(&later, Some("zh")), ["new", "new", "new", "", ""]);
    }
}
