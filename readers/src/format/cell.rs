//! The columns of a table of calls, and what stands in them.

use std::borrow::Cow;

use jiff::civil::DateTime;
use serde_json::Value;
use shared::model::Instant;
use shared::reading::Zone;
use shared::view::Object;
use shared::view::field::{Field, Kind, REVIEW_FIELDS, listed_fields};

use crate::names;

/// The languages that headings have. Without one of them they are the attributes' names, which programs know. Below Chinese headings outcomes
/// and the like are in Chinese too; below others they are the model's, as in JSON.
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

/// Every column, in order.
pub(super) fn columns() -> Vec<Column> {
    listed_fields().flat_map(columns_of).collect()
}

/// What tables have of what people think of calls, behind all other columns.
pub(super) fn columns_of_reviews() -> impl Iterator<Item = Column> {
    REVIEW_FIELDS.iter().flat_map(columns_of)
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

    /// What stands in it of a call, below a heading in a language.
    pub(super) fn cell<'a>(&self, call: &'a Object, language: Option<&str>, zone: &Zone) -> Cell<'a> {
        let Some(value) = call.get(self.field.name) else { return Cell::Empty };
        match self.part {
            Part::Whole if language == Some(CHINESE) => match self.chinese(value) {
                Some(chinese) => Cell::Text(chinese.into()),
                None => whole(value, self.field.kind),
            },
            Part::Whole => whole(value, self.field.kind),
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

    /// What a value is called in Chinese; `None` where it is no word of the model's.
    fn chinese(&self, value: &Value) -> Option<&'static str> {
        Some(names::of_value(self.field.name, value.as_str()?)?.chinese)
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
/// cells in other countries. A decimal number may begin with a sign.
///
/// <https://owasp.org/www-community/attacks/CSV_Injection>
pub fn neutralized(text: &str) -> Cow<'_, str> {
    let parts = || text.split_inclusive(DIVIDERS);
    match parts().any(|part| matches!(of_a_cell(part), Cow::Owned(_))) {
        true => Cow::Owned(parts().map(of_a_cell).collect()),
        false => Cow::Borrowed(text),
    }
}

/// What divides cells where the comma is part of numbers.
const DIVIDERS: [char; 2] = [';', '\t'];

/// What has no width.
const UNSEEN: [char; 6] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{ad}'];

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
        (character.is_whitespace() || character.is_control() || UNSEEN.contains(&character))
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
        let names =
            |language| columns().iter().map(|column| column.heading(language, &zone)).collect::<Vec<_>>();
        assert_eq!(
            names(None)[..6],
            ["provider", "call_id", "call_at", "call_at_local", "task_id", "out_id"]
        );
        assert!(names(Some("en")).contains(&"Call time (Asia/Shanghai)".to_owned()));
        assert!(names(Some("zh")).contains(&"呼叫时间（UTC）".to_owned()));
        assert!(names(Some("zh")).contains(&"呼叫时间（Asia/Shanghai）".to_owned()));
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
            let columns = columns();
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
    fn below_chinese_headings_outcomes_are_in_chinese_and_nowhere_else() {
        let zone = Zone::default();
        let call = json!({
            "provider": "alicom", "outcome": "no_answer", "hangup_by": "callee", "intent_code": "answered",
            "href": "/api/calls/alicom/1",
        });
        let row = |call: &Value, language| {
            let call = call.as_object().unwrap();
            let cell = |name: &str| {
                let column =
                    columns().into_iter().find(|column| column.heading(None, &zone) == name).unwrap();
                match column.cell(call, language, &zone) {
                    Cell::Text(text) => text.into_owned(),
                    other => panic!("{other:?}"),
                }
            };
            ["provider", "outcome", "hangup_by", "intent_code", "href"].map(cell)
        };
        let codes = ["alicom", "no_answer", "callee", "answered", "/api/calls/alicom/1"];
        assert_eq!(row(&call, Some("zh")), ["阿里云", "无人接听", "客户", "answered", "/api/calls/alicom/1"]);
        assert_eq!([row(&call, Some("en")), row(&call, None)], [codes; 2]);
        // What this release does not know stays as it is.
        let later =
            json!({"provider": "new", "outcome": "new", "hangup_by": "new", "intent_code": "", "href": ""});
        assert_eq!(row(&later, Some("zh")), ["new", "new", "new", "", ""]);
    }
}
