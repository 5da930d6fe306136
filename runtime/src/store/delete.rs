//! Deleting items. `sweep-erased` alone may, and the operator.

use aws_sdk_dynamodb::types::AttributeValue;

use super::table::{Table, TableError};
use shared::record::keys;

impl Table {
    /// Deletes an item; none that is there is as good.
    ///
    /// # Errors
    /// [`TableError::Delete`], when DynamoDB fails.
    pub async fn delete(&self, pk: &str, sk: &str) -> Result<(), TableError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(keys::PK, AttributeValue::S(pk.to_owned()))
            .key(keys::SK, AttributeValue::S(sk.to_owned()));
        let deleted = self.in_turn(|| delete.send()).await;
        deleted.map(|_| ()).map_err(|error| TableError::Delete(Box::new(error)))
    }
}
