//! Conditional updates of single attributes: what jobs, leases and the notes on tombstones are written by.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::attributes::from_attributes;
use super::table::{Table, TableError};
use shared::model::Instant;
use shared::record::item::Item;
use shared::record::keys;

/// A conditional update of an item. Attributes stand in its expressions as `#name`, values as `:name`.
pub(super) struct Update<'a> {
    /// The item's partition key.
    pub(super) pk: &'a str,
    /// Its sort key.
    pub(super) sk: &'a str,
    /// The update expression.
    pub(super) change: String,
    /// The condition expression.
    pub(super) condition: &'a str,
    /// The values that the expressions name: DynamoDB takes none that is not used.
    pub(super) values: Vec<(&'static str, AttributeValue)>,
    /// What else `#name`s stand for: attributes whose names are no words.
    pub(super) aliases: Vec<(String, String)>,
    /// What is to be handed back.
    pub(super) returned: ReturnValue,
}

/// What came of it: what was to be handed back, or, where the condition did not hold, the item as it stands.
pub(super) enum Updated {
    Done(Item),
    Refused(Option<Item>),
}

impl Updated {
    /// Whether it is written.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

impl Table {
    /// Updates an item where the condition holds.
    pub(super) async fn change(&self, update: Update<'_>) -> Result<Updated, TableError> {
        let Update { pk, sk, change, condition, values, aliases, returned } = update;
        let mut names = names([&change, condition]);
        names.extend(aliases);
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(keys::PK, text(pk))
            .key(keys::SK, text(sk))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(
                values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ))
            .update_expression(change)
            .condition_expression(condition)
            .return_values(returned)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.in_turn(|| request.send()).await {
            Ok(output) => Ok(Updated::Done(from_attributes(output.attributes.unwrap_or_default()))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Updated::Refused(refusal.item.clone().map(from_attributes)))
                }
                _ => Err(TableError::Update(Box::new(error))),
            },
        }
    }
}

/// The attributes that expressions name, each as `#name`: some of them are words that DynamoDB keeps for itself.
fn names(expressions: [&str; 2]) -> HashMap<String, String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let after_signs = expressions.into_iter().flat_map(|expression| expression.split('#').skip(1));
    after_signs
        .map(|rest| &rest[..rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())])
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect()
}

/// A text as a value.
pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A time as a value.
pub(super) fn instant(instant: Instant) -> AttributeValue {
    AttributeValue::S(instant.to_string())
}

/// A number as a value.
pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_of_an_expression_is_named_once() {
        let names = names(["SET #a = :a, #b_2 = #b_2 + :one", "attribute_not_exists(#c) OR #a < :now"]);
        let mut named: Vec<_> = names.iter().map(|(alias, name)| format!("{alias} {name}")).collect();
        named.sort();
        assert_eq!(named, ["#a a", "#b_2 b_2", "#c c"]);
    }
}
