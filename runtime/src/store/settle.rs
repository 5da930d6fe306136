//! Settling a call: it is not waited for any more.

use super::Store;
use super::table::TableError;
use shared::model::{CallKey, Instant};
use shared::record::item::{self, Item, is_tombstone};
use shared::record::keys;
use shared::record::merge::Record;
use shared::record::missing;

impl Store {
    /// When a call is to be settled, as it is stored.
    pub fn settle_at(&self, key: &CallKey, call: &Record) -> Option<Instant> {
        missing::settle_at(key.provider, call, self.config.waiting())
    }

    /// Settles a call at `now`, unless all has become known of it, it was settled already, or erased. Whether it is settled by this.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn settle(&self, key: &CallKey, now: Instant) -> Result<bool, TableError> {
        let settle = |stored: Option<Item>| {
            let stored = stored.filter(|item| !is_tombstone(item));
            let Some(mut record) = stored.map(item::record).transpose()? else { return Ok((None, false)) };
            if self.settle_at(key, &record).is_none_or(|at| at > now) {
                return Ok((None, false));
            }
            record.inquiry.settled_at = Some(now);
            Ok((Some(self.call_item(key, record)?), true))
        };
        self.table.update(&keys::call_pk(key), keys::CALL, settle).await
    }
}
