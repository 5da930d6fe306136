//! What may be seen of a call's texts.

use std::borrow::Cow;

use serde_json::Value;

use super::field::{Kind, field_named};
use crate::masking::{self, Hidden, masked};
use crate::model::is_an_instant;

/// The attributes of a turn in which digits are no number of anybody's.
const OF_A_TURN: [&str; 4] = ["speaker", "start_ms", "end_ms", "interrupted"];

/// What may be seen of the texts of one call.
#[derive(Clone, Debug)]
pub struct Mask {
    /// `None` where numbers may be seen.
    hidden: Option<Hidden>,
}

impl Mask {
    /// For whoever may see numbers.
    pub fn none() -> Self {
        Self { hidden: None }
    }

    /// For whoever may not, where these are the callee's.
    pub fn of<'a>(numbers: impl IntoIterator<Item = &'a str>) -> Self {
        Self { hidden: Some(Hidden::new(numbers)) }
    }

    /// Whether numbers may be seen.
    pub fn shows_numbers(&self) -> bool {
        self.hidden.is_none()
    }

    /// Whether an id may be seen as it is: it does not tell a number that is hidden.
    pub fn may_show(&self, id: &str) -> bool {
        self.hidden.as_ref().is_none_or(|hidden| !hidden.is_told_by(id))
    }

    /// Whether an amount of money may be seen.
    pub fn may_show_amount(&self, amount: &str) -> bool {
        self.hidden.as_ref().is_none_or(|hidden| !hidden.is_told_by_amount(amount))
    }

    /// Whether an id that many calls share may be seen as it is.
    pub fn may_show_shared(&self, id: &str) -> bool {
        matches!(self.shared_id(id), Cow::Borrowed(_))
    }

    /// An id that many calls share, as a task's.
    pub fn shared_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.hidden.as_ref().map_or(Cow::Borrowed(id), |hidden| hidden.in_shared_id(id))
    }

    /// A number that stands by itself.
    pub fn number<'a>(&self, number: &'a str) -> Cow<'a, str> {
        if self.shows_numbers() { Cow::Borrowed(number) } else { Cow::Owned(masked(number)) }
    }

    /// An id: what tells a number that is hidden is blacked out.
    pub fn id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.hidden.as_ref().map_or(Cow::Borrowed(id), |hidden| hidden.in_id(id))
    }

    /// Text that somebody wrote or said: every longer run of digits is blacked out.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.shows_numbers() { Cow::Borrowed(text) } else { masking::in_text(text) }
    }

    /// JSON, each text in it as [`Mask::text`] has it.
    pub fn json(&self, value: Value) -> Value {
        if self.shows_numbers() { value } else { masking::in_json(value) }
    }

    /// An attribute of a call or of a turn as it may be shown; `None` where nothing would be left of it.
    pub fn attribute(&self, name: &str, value: &Value) -> Option<(String, Value)> {
        let Some(hidden) = &self.hidden else { return Some((name.to_owned(), value.clone())) };
        let kind = field_named(name).map(|field| field.kind);
        let value = match (kind, value) {
            (Some(Kind::Number), Value::String(number)) => Value::String(masked(number)),
            (Some(Kind::Money), value) => {
                without_known(value, &|text| match hidden.is_told_by_amount(text) {
                    true => hidden.in_id(text),
                    false => Cow::Borrowed(text),
                })?
            }
            (Some(Kind::Id | Kind::Time | Kind::Word | Kind::Seconds | Kind::Count), value) => {
                without_known(value, &|text| hidden.in_id(text))?
            }
            (Some(Kind::SharedId), value) => without_known(value, &|text| hidden.in_shared_id(text))?,
            (None, value) if OF_A_TURN.contains(&name) => without_known(value, &|text| hidden.in_id(text))?,
            (Some(Kind::Codes), value) => masking::in_codes(value.clone()),
            (Some(Kind::Number | Kind::Text | Kind::Tags) | None, value) => masking::in_json(value.clone()),
        };
        Some((masking::in_text(name).into_owned(), value))
    }
}

/// A value whose texts are without what is hidden. A number of JSON that tells a known number is left out. A time, as it is always written here,
/// tells none.
fn without_known(value: &Value, hide: &impl Fn(&str) -> Cow<'_, str>) -> Option<Value> {
    match value {
        Value::String(text) if is_an_instant(text) => Some(value.clone()),
        Value::String(text) => Some(Value::String(hide(text).into_owned())),
        Value::Number(number) => {
            let shown = matches!(hide(&number.to_string()), Cow::Borrowed(_));
            shown.then(|| value.clone())
        }
        Value::Array(list) => Some(list.iter().filter_map(|value| without_known(value, hide)).collect()),
        Value::Object(object) => {
            let shown = object
                .iter()
                .filter_map(|(name, value)| Some((hide(name).into_owned(), without_known(value, hide)?)));
            Some(Value::Object(shown.collect()))
        }
        Value::Null | Value::Bool(_) => Some(value.clone()),
    }
}
