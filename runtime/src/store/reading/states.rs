//! Calls as events show them: the record, and which version of it that is.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::store::Store;
use crate::store::table::TableError;
use shared::events::CallState;
use shared::model::CallKey;
use shared::record::item::UnreadableItem;
use shared::record::keys;

impl Store {
    /// What is stored of calls, consistently; those that are not are left out. An item that can't be read is one call's error alone.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn call_states(
        &self,
        calls: &[CallKey],
    ) -> Result<BTreeMap<CallKey, Result<CallState, UnreadableItem>>, TableError> {
        let keys: Vec<_> = calls.iter().map(|key| (keys::call_pk(key), keys::CALL.to_owned())).collect();
        let mut found = BTreeMap::new();
        for item in self.table().get_all(&keys).await? {
            let key = item.get(keys::PK).and_then(Value::as_str).and_then(keys::call_of_pk);
            if let Some(key) = key {
                found.insert(key, CallState::read(item));
            }
        }
        Ok(found)
    }
}
