//! Envelopes: what bodies say beside their lists of elements, kept once each and named by the elements' verbatim pushes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Store, StoreError};
use shared::model::Instant;
use shared::record::item::{ENVELOPES, Item, NewItem};
use shared::record::keys;
use shared::record::parts::LARGE_BYTES;

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
        let known = self.glance(std::slice::from_ref(&key)).await.and_then(|mut found| found.pop());
        if known.as_ref().is_some_and(|known| lasts(known, expires)) {
            return Ok(digest);
        }
        let mut new = Map::from_iter([
            (keys::PK.to_owned(), key.0.clone().into()),
            (keys::SK.to_owned(), key.1.clone().into()),
            ("function".to_owned(), function.into()),
            (RECEIVED_AT.to_owned(), received_at.to_string().into()),
        ]);
        if text.len() > LARGE_BYTES {
            // First the object, so that no item names one that isn't there.
            let name = keys::large_envelope_key(function, text);
            self.bucket().put_json_if_absent(&name, text.as_bytes().to_vec()).await?;
            new.insert("body_key".to_owned(), name.into());
        } else {
            new.insert("body".to_owned(), text.into());
        }
        new.extend(expires.map(|expires| (keys::TTL.to_owned(), expires.into())));
        let merge = |stored| {
            let kept = match stored {
                None => Some(new.clone()),
                Some(stored) if lasts(&stored, expires) => None,
                Some(stored) => Some(kept_longer(stored, &new)),
            };
            Ok((kept.map(NewItem::from), ()))
        };
        self.table.upsert(&key.0, &key.1, known, merge).await?;
        Ok(digest)
    }
}

/// Whether a stored envelope is kept for as long as one that may be forgotten at `expires`.
fn lasts(stored: &Item, expires: Option<i64>) -> bool {
    match (stored.get(keys::TTL).and_then(Value::as_i64), expires) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(until), Some(expires)) => until >= expires,
    }
}

/// A stored envelope that is to be kept for as long as a new one of the same text. What it says stays as it is stored: a number may
/// have been blacked out of it.
fn kept_longer(mut stored: Item, new: &Item) -> Item {
    let first = |item: &Item| item.get(RECEIVED_AT).and_then(Value::as_str).map(str::to_owned);
    let first = first(&stored).into_iter().chain(first(new)).min();
    stored.extend(first.map(|first| (RECEIVED_AT.to_owned(), first.into())));
    stored.remove(keys::TTL);
    stored.extend(new.get(keys::TTL).map(|ttl| (keys::TTL.to_owned(), ttl.clone())));
    stored
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
