//! Ids of events: the same for the same news, whenever and however often it is told.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::EventType;
use crate::model::CallKey;
use crate::record::tombstone::HiddenId;
use crate::view::{Object, Shown};

/// How many bytes of the digest an id has.
const ID_BYTES: usize = 16;

/// How a call is named in its events.
#[derive(Clone, Debug)]
pub(super) struct Name<'a> {
    /// The call.
    pub(super) key: &'a CallKey,
    /// How it is named where its id tells a number that is hidden.
    pub(super) hidden: Option<HiddenId>,
}

impl Name<'_> {
    /// Its id, as it may be shown.
    pub(super) fn shown_id(&self) -> &str {
        self.hidden.as_ref().map_or(self.key.call_id.as_str(), |hidden| hidden.shown_id.as_str())
    }
}

/// What names a call in ids.
///
/// It is the call's id, unless that tells a number that is hidden: whoever knows all else of an id could find the number by trying. Then
/// it is what may be shown of the id, and when the call was first heard of. Calls that came in one push have that in common, and so the id goes in
/// under the key of callees' ids as well, where there is one: only who has the key could try numbers.
pub(super) fn basis(name: &Name<'_>, shown: &Shown<'_>) -> String {
    let (provider, call_id) = (name.key.provider, name.key.call_id.as_str());
    let Some(HiddenId { shown_id, heard_at }) = &name.hidden else {
        return format!("{provider}#{call_id}");
    };
    let keyed = (shown.callee_id)(call_id).map(|keyed| format!("#{keyed}")).unwrap_or_default();
    format!("{provider}#{shown_id}#{heard_at}{keyed}")
}

/// The id of an event of this type: of the call that `basis` names, and what else tells it from others of the call.
pub(super) fn id(event_type: EventType, basis: &str, more: &str) -> String {
    let mut digest = Sha256::new();
    for part in [event_type.as_str(), basis, more] {
        // With its length, so that no two lists of parts are the same bytes.
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    hex::encode(&digest.finalize()[..ID_BYTES])
}

/// The digest of facts, as they are shown: the same whatever their order.
pub(super) fn digest(facts: &Object) -> String {
    let mut digest = Sha256::new();
    write(&Value::Object(facts.clone()), &mut |text| {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    });
    hex::encode(&digest.finalize()[..ID_BYTES])
}

/// Writes a value in one way: names of an object in their order.
fn write(value: &Value, out: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            let mut names: Vec<_> = object.keys().collect();
            names.sort_unstable();
            out("{");
            for name in names {
                out(name);
                write(&object[name], out);
            }
            out("}");
        }
        Value::Array(list) => {
            out("[");
            list.iter().for_each(|value| write(value, out));
            out("]");
        }
        Value::String(text) => {
            out("\"");
            out(text);
        }
        other => out(&other.to_string()),
    }
}
