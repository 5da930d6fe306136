//! Reading pushes: what a normalizer is given ([`body`], [`fields`]), what it makes of an element, and what it shares with others.

pub mod alibaba;
pub mod body;
pub mod fields;
pub mod recording_url;

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::tz::Offset;
use serde::Serialize;
use serde_json::{Map, Value};

use self::body::{Elements, NoElements};
use self::fields::Fields;
use crate::model::{CallFacts, CallId, ConversationFacts, Instant, Provider, RecordingSource};
use crate::record::merge::Feeds;

/// What a normalizer may know beside the element: no clock, no store.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// When the push was received.
    pub received_at: Instant,
    /// The zone of times that carry none.
    pub utc_offset: Offset,
}

/// Makes the model of one element of a push: pure, and never panics.
pub type Normalize = fn(Fields, &Context) -> Result<Normalized, Rejection>;

/// A kind of push, and the function that catches it.
#[derive(Clone, Copy, Debug)]
pub struct PushType {
    /// The function's name, the same in its route, its keys and its logs.
    pub function: &'static str,
    /// Whose calls it is about.
    pub provider: Provider,
    /// The name under which the body holds its list, where it isn't one itself.
    pub envelope: Option<&'static str>,
    /// Makes the model of an element.
    pub normalize: Normalize,
    /// Which field of the document feeds which attribute: what a null takes back.
    pub feeds: Feeds,
}

impl PushType {
    /// Divides a body into its elements.
    pub fn elements<'a>(&self, body: &'a [u8]) -> Result<Elements<'a>, NoElements> {
        self.elements_up_to(usize::MAX, body)
    }

    /// Divides a body into its elements, and tells of so many different ones at most.
    pub fn elements_up_to<'a>(&self, limit: usize, body: &'a [u8]) -> Result<Elements<'a>, NoElements> {
        body::elements(body, self.envelope, limit)
    }

    /// One element's text in terms of the model.
    pub fn normalized(&self, text: &str, context: &Context) -> Result<Normalized, Rejection> {
        (self.normalize)(Fields::new(body::object(text)?, context.utc_offset), context)
    }
}

/// One element of a push in terms of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Normalized {
    /// Which call it is about.
    pub call_id: CallId,
    /// What it says of the call.
    pub call: CallFacts,
    /// What it says of the conversation.
    pub conversation: ConversationFacts,
    /// The recordings that it announces.
    pub recordings: Vec<RecordingSource>,
    /// All else, under the document's names.
    pub extra: Map<String, Value>,
    /// The fields that held a value which no document knows.
    pub unknown_values: Vec<&'static str>,
    /// The known fields that are null: they take back what an earlier body said.
    #[serde(skip)]
    pub nulls: BTreeSet<String>,
}

impl Normalized {
    /// Takes over what is left of the element once everything else was taken out of it.
    pub fn new(call_id: CallId, fields: Fields) -> Self {
        let nulls = fields.nulls().clone();
        let (extra, unknown_values) = fields.into_rest();
        Self {
            call_id,
            call: CallFacts::default(),
            conversation: ConversationFacts::default(),
            recordings: Vec::new(),
            extra,
            unknown_values,
            nulls,
        }
    }
}

/// Why an element can't be stored as a call: lasting garbage, kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The element is not a JSON object.
    #[error("not an object")]
    NotAnObject,
    /// The element can't be read: nested too deeply, or with names that no object can have.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// The element names no call.
    #[error("no usable call id in {field}")]
    NoCallId {
        /// Where the call id should be.
        field: &'static str,
    },
    /// The element is a message of another kind.
    #[error("another kind of message: {kind}")]
    OtherMessage {
        /// The field that names the kind.
        field: &'static str,
        /// The kind.
        kind: String,
    },
    /// The call has as many different bodies of this function as it takes.
    #[error("the call has {} different bodies of this kind already", crate::record::merge::MAX_BODIES)]
    TooManyBodies,
    /// The element would take more memory than a function has: hundreds of thousands of values in one object.
    #[error("too many values to be read by a function: redrive it")]
    TooManyValues,
    /// DynamoDB refuses it as invalid.
    #[error("refused by DynamoDB: {0}")]
    Refused(String),
}

impl Rejection {
    /// The field that is wrong, where it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::NoCallId { field } | Self::OtherMessage { field, .. } => Some(field),
            Self::NotAnObject
            | Self::Unreadable(_)
            | Self::TooManyBodies
            | Self::TooManyValues
            | Self::Refused(_) => None,
        }
    }

    /// What is wrong, in words that hold nothing of the push.
    pub fn summary(&self) -> Cow<'static, str> {
        match self {
            Self::Unreadable(_) => "unreadable".into(),
            Self::OtherMessage { field, .. } => format!("another kind of message: {field}").into(),
            Self::Refused(_) => "refused by DynamoDB".into(),
            Self::NotAnObject | Self::NoCallId { .. } | Self::TooManyBodies | Self::TooManyValues => {
                self.to_string().into()
            }
        }
    }

    /// The kind of rejection, for logs and metrics: never a value from the push.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Unreadable(_) => "unreadable",
            Self::NoCallId { .. } => "no_call_id",
            Self::OtherMessage { .. } => "other_message",
            Self::TooManyBodies => "too_many_bodies",
            Self::TooManyValues => "too_many_values",
            Self::Refused(_) => "refused",
        }
    }
}

/// Takes the call's id out of `field`, without the white space around it. Where there is some, the id as it came is kept as
/// well, as `<field>_untrimmed`.
pub fn call_id(fields: &mut Fields, field: &'static str) -> Result<CallId, Rejection> {
    let id = fields.trimmed_text(field).and_then(CallId::new);
    id.ok_or(Rejection::NoCallId { field })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_summary_holds_nothing_of_the_push() {
        for rejection in [
            Rejection::Unreadable("canary".to_owned()),
            Rejection::OtherMessage { field: "type", kind: "canary".to_owned() },
            Rejection::Refused("canary".to_owned()),
        ] {
            assert!(rejection.to_string().contains("canary"));
            assert!(!rejection.summary().contains("canary"), "{}", rejection.summary());
        }
        assert_eq!(Rejection::NoCallId { field: "callId" }.summary(), "no usable call id in callId");
    }

    fn taken(id: Value) -> (Option<String>, Value) {
        let object = json!({"callId": id}).as_object().cloned().unwrap();
        let mut fields = Fields::new(object, Offset::UTC);
        let id = call_id(&mut fields, "callId").ok().map(|id| id.as_str().to_owned());
        (id, Value::Object(fields.into_rest().0))
    }

    #[test]
    fn an_id_is_the_same_with_white_space_around_it() {
        for (came, id, rest) in [
            (json!("10^1"), Some("10^1"), json!({})),
            (json!(" 10^1\r\n"), Some("10^1"), json!({"callId_untrimmed": " 10^1\r\n"})),
            (json!("\u{3000}1"), Some("1"), json!({"callId_untrimmed": "\u{3000}1"})),
            (json!("a b"), Some("a b"), json!({})),
            (json!(42), Some("42"), json!({})),
            (json!(" "), None, json!({"callId": " "})),
            (json!({}), None, json!({"callId": {}})),
        ] {
            assert_eq!(taken(came.clone()), (id.map(str::to_owned), rest), "{came}");
        }
    }
}
