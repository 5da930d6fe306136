//! Ids of events: the same for the same news, whenever and however often it is told.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::EventType;
use crate::model::{CallKey, Instant};
use crate::view::{Mask, Object};

/// How many bytes of the digest an id has.
const ID_BYTES: usize = 16;

/// What names a call in ids.
///
/// It is the call's id, unless that tells a number that is hidden: whoever knows all else of an id could find the number by trying. Then
/// it is what may be shown of the id, and when the call was first heard of.
pub(super) fn basis(key: &CallKey, mask: &Mask, first_received_at: Instant) -> String {
    let call_id = key.call_id.as_str();
    match mask.may_show(call_id) {
        true => format!("{}#{call_id}", key.provider),
        false => format!("{}#{}#{first_received_at}", key.provider, mask.id(call_id)),
    }
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
