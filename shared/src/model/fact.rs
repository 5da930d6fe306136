//! What the model's facts are in an item.

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
        Value::from(self.as_str())
    }
}

impl Fact for HangupBy {
    fn into_value(self) -> Value {
        Value::from(self.as_str())
    }
}

impl Fact for Money {
    fn into_value(self) -> Value {
        storable(Value::Object(Map::from_iter([
            ("amount".to_owned(), self.amount.into_number()),
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
        let mut turn = Map::new();
        let fields = [
            ("end_ms", end_ms.map(Value::from)),
            ("extra", extra),
            ("interrupted", interrupted.then_some(Value::Bool(true))),
            ("speaker", speaker.map(|speaker| Value::from(speaker.as_str()))),
            ("start_ms", start_ms.map(Value::from)),
            ("text", Some(Value::String(text))),
        ];
        // One by one: to collect them would sort them first, in a list of their own.
        for (name, value) in fields {
            if let Some(value) = value {
                turn.insert(name.to_owned(), value);
            }
        }
        Value::Object(turn)
    }
}
