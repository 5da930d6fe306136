//! Envelopes: what bodies say beside their lists of elements, kept once each and named by the elements' verbatim pushes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{GLANCE_LIMIT, Store, StoreError};
use crate::item::{ENVELOPES, Item};
use crate::keys;
use crate::model::Instant;
use crate::parts::LARGE_BYTES;

const RECEIVED_AT: &str = "received_at";

impl Store {
    /// Keeps an envelope, unless it is there already, and gives back its digest. It may be forgotten once no push that names it has to
    /// be kept any more: `expires` is when that of this time may, in seconds since 1970.
    pub async fn keep_envelope(
        &self,
        function: &str,
        text: &str,
        received_at: Instant,
        expires: Option<i64>,
    ) -> Result<String, StoreError> {
        let digest = keys::envelope_digest(text);
        let key = (keys::envelope_pk(function, &digest), keys::ENVELOPE.to_owned());
        let stored = self.glance(std::slice::from_ref(&key)).await.pop();
        let kept_until = stored.as_ref().map(|item| item.get(keys::TTL).and_then(Value::as_i64));
        let lasts = match (kept_until, expires) {
            (None, _) | (Some(Some(_)), None) => false,
            (Some(None), _) => true,
            (Some(Some(until)), Some(expires)) => until >= expires,
        };
        if lasts {
            return Ok(digest);
        }
        let received_at = received_at.to_string();
        let first = stored.as_ref().and_then(|item| item.get(RECEIVED_AT)?.as_str()).unwrap_or(&received_at);
        let mut item = Map::from_iter([
            (keys::PK.to_owned(), key.0.into()),
            (keys::SK.to_owned(), key.1.into()),
            ("function".to_owned(), function.into()),
            (RECEIVED_AT.to_owned(), first.min(&received_at).into()),
        ]);
        if text.len() > LARGE_BYTES {
            // First the object, so that no item names one that isn't there.
            let name = keys::large_envelope_key(function, text);
            self.bucket().put_json_if_absent(&name, text.as_bytes().to_vec()).await?;
            item.insert("body_key".to_owned(), name.into());
        } else {
            item.insert("body".to_owned(), text.into());
        }
        item.extend(expires.map(|expires| (keys::TTL.to_owned(), expires.into())));
        self.table.put(item).await?;
        Ok(digest)
    }

    async fn glance(&self, keys: &[(String, String)]) -> Vec<Item> {
        timeout(GLANCE_LIMIT, self.table.glance_at(keys)).await.ok().and_then(Result::ok).unwrap_or_default()
    }
}

/// A stored push with the name of one more envelope that it came in; `None` where it is named already.
pub(super) fn named_too(stored: &Item, digest: &str) -> Option<Item> {
    let named = stored.get(ENVELOPES).and_then(Value::as_str);
    let mut digests: BTreeSet<&str> = named.into_iter().flat_map(|digests| digests.split(',')).collect();
    if !digests.insert(digest) {
        return None;
    }
    let mut push = stored.clone();
    push.insert(ENVELOPES.to_owned(), digests.into_iter().collect::<Vec<_>>().join(",").into());
    Some(push)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_push_names_every_envelope_and_keeps_what_an_older_release_stored() {
        let item = |value: Value| value.as_object().unwrap().clone();
        let stored = item(json!({"envelope": "{\"x\":1}", "received_at": "2025-06-01T00:00:00.000Z"}));
        let once = named_too(&stored, "b").unwrap();
        assert_eq!(named_too(&once, "b"), None);
        let mut expected = stored;
        expected.insert("envelopes".to_owned(), "a,b".into());
        assert_eq!(named_too(&once, "a"), Some(expected));
    }
}
