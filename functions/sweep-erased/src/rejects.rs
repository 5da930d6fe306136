//! Removing what was rejected again though a person was erased from it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::TryStreamExt;
use serde_json::Value;
use shared::model::Instant;
use shared::record::erased_reject::{ARMED_AT, DUE, DUE_AT, OBJECTS, REWRITTEN_AT};
use shared::record::item::Item;
use shared::record::keys;
use shared::record::rejected::Rejected;

use crate::remover::{Removed, Remover, SweepError};
use crate::schedule::next_look;
use crate::tombstones::is_refusal;
use crate::versions::{read_version, remove_version, versions};

impl Remover<'_> {
    /// Removes what came again of a reject that a person was erased from, and notes when to look again; `None` where `pk` is of no such
    /// reject, or its erasure is not over.
    ///
    /// What came lies under a key that its own digest names. What the erasure has left lies there as well, and stays: its digest is
    /// another.
    ///
    /// # Errors
    /// [`SweepError`], when the table or the bucket fails. The tombstone stays due then.
    pub async fn sweep_reject(&self, pk: &str, now: Instant) -> Result<Option<Removed>, SweepError> {
        let items = self.table.query(pk).await?;
        let Some(stone) = items.first().filter(|stone| stone.contains_key(REWRITTEN_AT)) else {
            return Ok(None);
        };
        let mut removed = Removed::default();
        let objects = stone.get(OBJECTS).and_then(Value::as_array).into_iter().flatten();
        for object in objects.filter_map(Value::as_str).filter(|key| keys::reject_of_key(key).is_some()) {
            let found: Vec<_> = versions(self.bucket, object).try_collect().await?;
            for version in found.into_iter().filter(|version| version.key == object) {
                let bytes = read_version(self.bucket, &version).await?;
                if !is_as_it_came(&bytes, object) {
                    continue;
                }
                match remove_version(self.bucket, &version, self.bypass_governance).await? {
                    true => removed.versions += 1,
                    false => removed.kept.push(version),
                }
            }
        }
        let armed_at = match removed.versions {
            0 => time(stone, ARMED_AT).unwrap_or(now),
            _ => now,
        };
        self.note_reject(stone, armed_at, next_look(armed_at, now, !removed.kept.is_empty())).await?;
        Ok(Some(removed))
    }

    /// Notes a look, unless the tombstone was armed again meanwhile: then it stays due.
    async fn note_reject(
        &self,
        stone: &Item,
        armed_at: Instant,
        next: Option<Instant>,
    ) -> Result<(), SweepError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let own = |name: &str| text(stone.get(name).and_then(Value::as_str).unwrap_or_default());
        let mut values = HashMap::from([(":read".to_owned(), own(DUE_AT))]);
        let change = match next {
            Some(next) => {
                values.insert(":next".to_owned(), text(&next.to_string()));
                values.insert(":armed_at".to_owned(), text(&armed_at.to_string()));
                "SET #due_at = :next, #armed_at = :armed_at".to_owned()
            }
            // Nothing is looked at any more until it comes again, under a key of its day.
            None => format!("REMOVE #due_at, #armed_at, {DUE}, {OBJECTS}"),
        };
        let (client, table) = self.table.client();
        let update = client
            .update_item()
            .table_name(table)
            .key(keys::PK, own(keys::PK))
            .key(keys::SK, own(keys::SK))
            .update_expression(change)
            .condition_expression("#due_at = :read")
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_names("#armed_at", ARMED_AT)
            .set_expression_attribute_values(Some(values));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) => Ok(()),
            Err(error) => Err(SweepError::Note(Box::new(error))),
        }
    }
}

fn time(stone: &Item, name: &str) -> Option<Instant> {
    stone.get(name)?.as_str()?.parse().ok()
}

/// Whether a reject holds just what came, after which its key is named.
fn is_as_it_came(bytes: &[u8], key: &str) -> bool {
    let reject: Option<Rejected> = serde_json::from_slice(bytes).ok();
    reject.is_some_and(|reject| {
        let named =
            keys::rejected_key(&reject.function, reject.received_at, &reject.bytes().unwrap_or_default());
        keys::reject_of_key(&named) == keys::reject_of_key(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_erasure_has_left_is_not_as_it_came() {
        let at = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let mut reject = Rejected::new("f", at, "no id".to_owned(), None, b"[1]");
        let key = reject.key();
        let json = |reject: &Rejected| serde_json::to_vec(reject).unwrap();
        assert!(is_as_it_came(&json(&reject), &key));
        reject.received_at = at.plus_seconds(86_400);
        assert!(is_as_it_came(&json(&reject), &key), "on whatever day");
        reject.body = Some("[]".to_owned());
        assert!(!is_as_it_came(&json(&reject), &key));
        assert!(!is_as_it_came(b"{}", &key));
    }
}
