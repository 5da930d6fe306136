//! Replacing an item as a whole, whoever wrote it.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use serde_json::Value;

use super::attributes::{from_attributes, to_attributes};
use super::table::{BACKOFF, MAX_MERGES, Table, TableError};
use shared::record::item::{Item, VERSION};

impl Table {
    /// Puts what `change` makes of an item in its place, on condition that no attribute of it has changed since it was read, else anew; for
    /// items that others may write without a version. Whether it was replaced: `false` where there is none, or `change` says `None`.
    ///
    /// It is put as a whole, since a text that was compressed may not be any more.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails, and [`TableError::Contended`], when others keep changing it.
    pub async fn replace(
        &self,
        pk: &str,
        sk: &str,
        mut change: impl FnMut(&Item) -> Option<Item>,
    ) -> Result<bool, TableError> {
        for round in 0..MAX_MERGES {
            BACKOFF.pause(round).await;
            let Some(stored) = self.get_as_stored(pk, sk).await? else { return Ok(false) };
            let Some(mut new) = change(&from_attributes(stored.clone())) else { return Ok(false) };
            // Whoever has read it as it was must not write it again.
            if let Some(version) = new.get(VERSION).and_then(Value::as_u64) {
                new.insert(VERSION.to_owned(), (version + 1).into());
            }
            let mut put = self.client.put_item().table_name(&self.name).set_item(Some(to_attributes(new)));
            let mut unchanged = Vec::new();
            for (at, (name, was)) in stored.into_iter().enumerate() {
                unchanged.push(format!("#n{at} = :was{at}"));
                put = put
                    .expression_attribute_names(format!("#n{at}"), name)
                    .expression_attribute_values(format!(":was{at}"), was);
            }
            let put = put.condition_expression(unchanged.join(" AND "));
            match self.in_turn(|| put.send()).await {
                Ok(_) => return Ok(true),
                Err(error) => match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(TableError::Put(Box::new(error))),
                },
            }
        }
        Err(TableError::Contended)
    }
}
