//! What the model's facts are in an item.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{HangupBy, Instant, Money, Outcome, PhoneNumber, Tags, Turn};
use crate::record::storable::storable;

/// A fact's value, which goes into an item as it is: no text is copied.
pub(crate) trait Fact {
    /// As an item can hold it. It is what `serde_json::to_value` gives, made storable.
    fn into_value(self) -> Value;
}

impl Fact for String {
    fn into_value(self) -> Value {
        Value::String(self)
    }
}

impl Fact for u64 {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl Fact for Instant {
    fn into_value(self) -> Value {
        Value::String(self.to_text())
    }
}

impl Fact for PhoneNumber {
    fn into_value(self) -> Value {
        Value::String(self.into_string())
    }
}

impl Fact for Outcome {
    fn into_value(self) -> Value {
        named(self)
    }
}

impl Fact for HangupBy {
    fn into_value(self) -> Value {
        named(self)
    }
}

/// The name of an enumeration's value.
fn named(value: impl Serialize) -> Value {
    // A name is always a value.
    serde_json::to_value(value).unwrap_or(Value::Null)
}

impl Fact for Money {
    fn into_value(self) -> Value {
        let amount = self.amount.to_string();
        let amount = amount.parse().map_or(Value::String(amount), Value::Number);
        storable(Value::Object(Map::from_iter([
            ("amount".to_owned(), amount),
            ("currency".to_owned(), Value::String(self.currency)),
        ])))
    }
}

impl Fact for Tags {
    fn into_value(self) -> Value {
        let list = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        match self {
            Self::List(names) => list(names),
            Self::Named(named) => {
                let named = named.into_iter().map(|(tag, values)| (tag, list(values)));
                // A tag without a name can't be an attribute's.
                storable(Value::Object(named.collect()))
            }
        }
    }
}

impl Fact for Map<String, Value> {
    fn into_value(self) -> Value {
        storable(Value::Object(self))
    }
}

impl Fact for Value {
    fn into_value(self) -> Value {
        storable(self)
    }
}

impl Fact for Vec<Turn> {
    fn into_value(self) -> Value {
        Value::Array(self.into_iter().map(Fact::into_value).collect())
    }
}

impl Fact for Turn {
    fn into_value(self) -> Value {
        let Self { speaker, text, start_ms, end_ms, interrupted, extra } = self;
        let extra = (!extra.is_empty()).then(|| storable(Value::Object(extra)));
        // In the order of the names, so that the map is built at once.
        let fields = [
            ("end_ms", end_ms.map(Value::from)),
            ("extra", extra),
            ("interrupted", interrupted.then_some(Value::Bool(true))),
            ("speaker", speaker.map(named)),
            ("start_ms", start_ms.map(Value::from)),
            ("text", Some(Value::String(text))),
        ];
        Value::Object(
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
        )
    }
}
