//! A message about a call as its platform writes it, and beside it what it says.
//!
//! Both are written down at once, field by field, from the facts of the call: the wire's words, and where their meaning has to be
//! found in the table. Nothing here asks the functions what they would make of it.

use serde_json::{Map, Value, json};

use super::call::{china, utc};

/// One message, as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Element {
    /// The function that catches it.
    pub(super) function: &'static str,
    /// Its text.
    pub(super) text: String,
    /// What it says.
    pub(super) says: Says,
}

/// What a message says of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Says {
    /// The attributes of the call.
    pub(super) claims: Vec<Claim>,
    /// The platform's own codes and messages.
    pub(super) status: Map<String, Value>,
    /// What has no attribute, or is unsound: it is kept under the platform's names.
    pub(super) kept: Map<String, Value>,
    /// The attributes of the conversation.
    pub(super) conversation: Map<String, Value>,
    /// The recordings.
    pub(super) recordings: Vec<Recording>,
    /// The fields that the message knows, and has no value for: it takes back what an earlier one of its function said.
    pub(super) nulls: Vec<&'static str>,
}

/// An attribute's value.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// The attribute.
    pub(super) attribute: &'static str,
    /// Its value, in the model's words.
    pub(super) value: Value,
    /// What the platform calls it: where a weaker message's value is kept.
    pub(super) field: &'static str,
}

/// A recording that a message announces.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    /// The file's name at the platform: its bytes follow from it.
    pub(super) name: String,
    /// Which of the call's recordings it is.
    pub(super) slot: String,
    /// Its URL; `None` where it is known by its id alone.
    pub(super) url: Option<String>,
    /// The platform's id of it.
    pub(super) id: Option<String>,
    /// How long the URL is good, in seconds since 1970, where it tells so itself.
    pub(super) signed_until: Option<i64>,
}

/// Writes a message.
pub(super) struct Writer {
    fields: Vec<(String, String)>,
    layout: Layout,
    says: Says,
}

/// How the text is laid out: the functions have to keep it exactly.
#[derive(Clone, Copy)]
enum Layout {
    Compact,
    Spaced,
    Lines,
    /// As a serializer writes it that trusts nothing but ASCII.
    Ascii,
}

impl Writer {
    /// An empty message, laid out by chance.
    pub(super) fn new(rng: &mut fastrand::Rng) -> Self {
        let layout = [Layout::Compact, Layout::Spaced, Layout::Lines, Layout::Ascii][rng.usize(..4)];
        Self { fields: Vec::new(), layout, says: Says::default() }
    }

    /// A field whose meaning is an attribute.
    pub(super) fn claim(
        &mut self,
        attribute: &'static str,
        value: impl Into<Value>,
        field: &'static str,
        wire: impl Into<Value>,
    ) {
        self.says.claims.push(Claim { attribute, value: value.into(), field });
        self.field(field, &wire.into());
    }

    /// An attribute that follows from fields written otherwise.
    pub(super) fn implied(&mut self, attribute: &'static str, value: impl Into<Value>, field: &'static str) {
        self.says.claims.push(Claim { attribute, value: value.into(), field });
    }

    /// One of the platform's own codes or messages.
    pub(super) fn status(&mut self, field: &'static str, wire: impl Into<Value>) {
        let wire = wire.into();
        self.field(field, &wire);
        self.says.status.insert(field.to_owned(), wire);
    }

    /// A field without an attribute, or with an unsound value.
    pub(super) fn kept(&mut self, field: &'static str, wire: impl Into<Value>) {
        let wire = wire.into();
        self.field(field, &wire);
        self.says.kept.insert(field.to_owned(), wire);
    }

    /// Something that the table can't hold, given as its JSON text: that is kept.
    pub(super) fn kept_as_text(&mut self, field: &'static str, json: String) {
        self.says.kept.insert(field.to_owned(), json.clone().into());
        self.fields.push((field.to_owned(), json));
    }

    /// A field that the model knows, without a value: it says nothing, and takes back what was said of it before.
    pub(super) fn null(&mut self, field: &'static str) {
        self.says.nulls.push(field);
        self.field(field, &Value::Null);
    }

    /// A field that is there for what other calls of this writer say.
    pub(super) fn field(&mut self, field: &str, wire: &Value) {
        let json = wire.to_string();
        let json = match self.layout {
            Layout::Ascii => ascii(&json),
            _ => json,
        };
        self.fields.push((field.to_owned(), json));
    }

    /// The user's own id, now and then with the line feed that the platform leaves behind it.
    pub(super) fn out_id(&mut self, out_id: Option<&str>, rng: &mut fastrand::Rng) {
        match out_id {
            Some(id) if rng.u32(..8) == 0 => {
                let untrimmed = format!("{id}\n");
                self.says.kept.insert("outId_untrimmed".to_owned(), untrimmed.clone().into());
                self.claim("out_id", id, "outId", untrimmed);
            }
            Some(id) => self.claim("out_id", id, "outId", id),
            None => self.null("outId"),
        }
    }

    /// What is said of the conversation.
    pub(super) fn conversation(&mut self, attribute: &str, value: impl Into<Value>) {
        self.says.conversation.insert(attribute.to_owned(), value.into());
    }

    /// A recording.
    pub(super) fn recording(&mut self, recording: Recording) {
        self.says.recordings.push(recording);
    }

    /// What no document names: new fields of any shape.
    pub(super) fn surprises(&mut self, rng: &mut fastrand::Rng) {
        match rng.u32(..12) {
            0 => self.kept("traceInfo", json!({"span": [1, 2.5, {"deep": null}], "ok": true, "空": ""})),
            1 => self.kept_as_text("ledgerNumber", "7".repeat(40)),
            2 => self.kept_as_text("nesting", format!("{}1{}", "[".repeat(30), "]".repeat(30))),
            3 => self.kept("note", "line one\nline two\t\"quoted\" \\ 😀"),
            4 => self.kept("reserved", Value::Null),
            _ => {}
        }
    }

    /// The message's text, and what it says.
    pub(super) fn finish(self, function: &'static str) -> Element {
        let text = object(&self.fields, self.layout);
        Element { function, text, says: self.says }
    }

    /// The message wrapped under `data`, with `beside` next to it, which is kept.
    pub(super) fn finish_wrapped(mut self, function: &'static str, beside: &[(&str, Value)]) -> Element {
        let data = object(&self.fields, self.layout);
        let mut fields: Vec<_> =
            beside.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        fields.push(("data".to_owned(), data));
        self.says.kept.extend(beside.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Element { function, text: object(&fields, self.layout), says: self.says }
    }
}

fn object(fields: &[(String, String)], layout: Layout) -> String {
    let (open, colon, comma, close) = match layout {
        Layout::Compact | Layout::Ascii => ("{", ":", ",", "}"),
        Layout::Spaced => ("{ ", ": ", ", ", " }"),
        Layout::Lines => ("{\n  ", " : ", ",\n  ", "\n}"),
    };
    let fields: Vec<_> = fields.iter().map(|(name, json)| format!("\"{name}\"{colon}{json}")).collect();
    format!("{open}{}{close}", fields.join(comma))
}

/// The same JSON with nothing but ASCII in it.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped
}

/// A time as the model writes it.
pub(super) fn instant(seconds: i64) -> String {
    utc(seconds).strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// A time as the platforms write it, with a blank in the middle and no zone.
pub(super) fn civil(seconds: i64) -> String {
    china(seconds).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A number as text now and then.
pub(super) fn number_or_text(number: u64, rng: &mut fastrand::Rng) -> Value {
    if rng.u32(..4) == 0 { number.to_string().into() } else { number.into() }
}

/// A decimal number, exactly as it is written.
pub(super) fn decimal(text: &str) -> Value {
    text.parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_the_same_json() {
        for seed in 0..40 {
            let mut writer = Writer::new(&mut fastrand::Rng::with_seed(seed));
            writer.claim("callee", "1", "callee", "王 \"😀\"\n");
            writer.null("x");
            let element = writer.finish("f");
            assert_eq!(
                serde_json::from_str::<Value>(&element.text).unwrap(),
                json!({"callee": "王 \"😀\"\n", "x": null}),
            );
        }
    }

    #[test]
    fn times_are_written_as_the_platforms_and_the_model_write_them() {
        assert_eq!(instant(1_748_743_200), "2025-06-01T02:00:00.000Z");
        assert_eq!(civil(1_748_743_200), "2025-06-01 10:00:00");
    }
}
