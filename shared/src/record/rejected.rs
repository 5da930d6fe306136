//! What could not be stored as a call, and is kept as it came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::model::Instant;
use crate::record::keys;

/// A rejected element, or a rejected body, as it lies in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The function that caught it.
    pub function: String,
    /// When it was received.
    pub received_at: Instant,
    /// What is wrong with it.
    pub reason: String,
    /// The field that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The digest of what stood beside the list that the element was in, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// What came, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What came, in base64, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

impl Rejected {
    /// Keeps `bytes` as they came.
    pub fn new(
        function: &str,
        received_at: Instant,
        reason: String,
        field: Option<&str>,
        bytes: &[u8],
    ) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        Self {
            function: function.to_owned(),
            received_at,
            reason,
            field: field.map(str::to_owned),
            envelope: None,
            body_base64: text.is_none().then(|| STANDARD.encode(bytes)),
            body: text,
        }
    }

    /// What came, byte for byte; `None` if somebody has damaged the base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.body, &self.body_base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(base64)) => STANDARD.decode(base64).ok(),
            (None, None) => None,
        }
    }

    /// Where it lies in the bucket: named by what came, so that a repeat falls on it.
    pub fn key(&self) -> String {
        keys::rejected_key(&self.function, self.received_at, &self.bytes().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_kept_byte_for_byte_text_or_not() {
        let at = Instant::from_epoch_millis(1_748_743_200_000).unwrap();
        for bytes in [&b"{\"a\": 1}"[..], b"\xff\xfe[", b""] {
            let rejected = Rejected::new("f", at, "reason".to_owned(), None, bytes);
            let json = serde_json::to_vec(&rejected).unwrap();
            let read: Rejected = serde_json::from_slice(&json).unwrap();
            assert_eq!(read.bytes().as_deref(), Some(bytes));
            assert_eq!(read.key(), rejected.key());
        }
    }
}
