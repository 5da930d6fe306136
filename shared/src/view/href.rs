//! Where the readers' API has what: paths, with each id as one segment.

use crate::model::CallKey;
use crate::path_id::escaped;

/// The path of a call.
pub fn call(key: &CallKey) -> String {
    format!("/api/calls/{}/{}", key.provider, escaped(key.call_id.as_str()))
}

/// The path of a recording.
pub fn recording(key: &CallKey, slot: &str) -> String {
    format!("{}/recordings/{}", call(key), escaped(slot))
}

/// The path of a verbatim push.
pub fn push(key: &CallKey, function: &str, digest: &str) -> String {
    format!("{}/pushes/{}/{}", call(key), escaped(function), escaped(digest))
}
