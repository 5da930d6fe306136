//! Removing what was rejected again though a person was erased from it.

use futures_util::TryStreamExt;
use serde_json::Value;
use shared::model::Instant;
use shared::record::erased_reject::{OBJECTS, REWRITTEN_AT};
use shared::record::item::Item;
use shared::record::keys;
use shared::record::rejected::Rejected;
use shared::record::tombstone::ARMED_AT;

use crate::remover::{Removed, Remover, SweepError};
use crate::schedule::next_look;
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
        let next = next_look(armed_at, now, !removed.kept.is_empty());
        self.table.note_look_at_reject(stone, armed_at, next).await?;
        Ok(Some(removed))
    }
}

fn time(stone: &Item, name: &str) -> Option<Instant> {
    stone.get(name)?.as_str()?.parse().ok()
}

/// Whether a reject holds just what came, after which its key is named.
fn is_as_it_came(bytes: &[u8], key: &str) -> bool {
    let reject: Option<Rejected> = serde_json::from_slice(bytes).ok();
    reject.is_some_and(|reject| keys::reject_of_key(&reject.key()) == keys::reject_of_key(key))
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
