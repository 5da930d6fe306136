//! The access log: who saw what. It lies in partitions of its own, which an erasure leaves.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use super::Store;
use super::table::{Table, TableError};
use crate::config::{ConfigError, Environment};
use crate::random;
use shared::access::{AccessEntry, ActorKind};
use shared::model::{CallKey, Instant};
use shared::record::keys;

/// For how long entries are kept where nothing else is set, in days.
const DEFAULT_DAYS: u32 = 365;
/// The longest that can be set: a hundred years, in days.
const MAX_DAYS: u32 = 36_500;

/// For how long entries of the access log are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRetention {
    days: u32,
}

impl Default for AccessRetention {
    fn default() -> Self {
        Self { days: DEFAULT_DAYS }
    }
}

impl AccessRetention {
    /// Reads `ACCESS_LOG_RETENTION_DAYS`; a year where it is not set.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        environment.parse("ACCESS_LOG_RETENTION_DAYS", Self::default(), |days| {
            let days = days.parse().ok().filter(|days| (1..=MAX_DAYS).contains(days));
            days.map(|days| Self { days }).ok_or_else(|| format!("not a number of days from 1 to {MAX_DAYS}"))
        })
    }

    /// When an entry of this time may be forgotten, in seconds since 1970.
    fn expiry(self, at: Instant) -> i64 {
        at.epoch_millis() / 1000 + i64::from(self.days) * 86_400
    }
}

/// Which entries of the access log are asked for; all of them, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessFilter {
    /// Whose: by their name in the log (`person:4f1c…`), or by the subject alone.
    pub actor: Option<String>,
    /// From when on.
    pub since: Option<Instant>,
}

impl AccessFilter {
    /// Whether an entry is among them.
    pub fn lets(&self, entry: &AccessEntry) -> bool {
        let is_theirs = self.actor.is_none() || self.names().contains(&entry.actor);
        is_theirs && self.since.is_none_or(|since| entry.at >= since)
    }

    /// The names that the actor may have in the log.
    fn names(&self) -> Vec<String> {
        let kinds = [ActorKind::Person, ActorKind::Machine].map(ActorKind::as_str);
        let is_named = |actor: &str| {
            kinds.iter().any(|kind| actor.strip_prefix(kind).is_some_and(|rest| rest.starts_with(':')))
        };
        match &self.actor {
            None => Vec::new(),
            Some(actor) if is_named(actor) => vec![actor.clone()],
            Some(actor) => kinds.iter().map(|kind| format!("{kind}:{actor}")).collect(),
        }
    }
}

impl Store {
    /// Writes down what is about to be seen. Where it fails, nothing may be shown.
    ///
    /// Each entry is put by itself: a role that may put items of the access log alone need not be let more.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails; some of the entries may be there then.
    pub async fn record_access(
        &self,
        entries: &[AccessEntry],
        retention: AccessRetention,
    ) -> Result<(), TableError> {
        let puts = entries
            .iter()
            .map(|entry| self.table().put(entry.to_item(&random::name(), retention.expiry(entry.at))));
        try_join_all(puts).await.map(|_| ())
    }

    /// Who saw a call, the first look first. What was seen of lists and downloads is not among it.
    ///
    /// # Errors
    /// [`TableError::Query`], when DynamoDB fails.
    pub async fn access_of_call(&self, key: &CallKey) -> Result<Vec<AccessEntry>, TableError> {
        let items = self.table().query(&keys::access_pk(key)).await?;
        Ok(items.iter().filter_map(AccessEntry::of_item).collect())
    }

    /// The entries of the whole log that a filter lets through, the oldest first. It reads the whole table, which no function may.
    ///
    /// # Errors
    /// [`TableError::Scan`], when DynamoDB fails.
    pub async fn access_of(&self, filter: &AccessFilter) -> Result<Vec<AccessEntry>, TableError> {
        let mut entries = self.table().access_entries(filter).await?;
        entries.sort_by(|a, b| (a.at, &a.actor).cmp(&(b.at, &b.actor)));
        Ok(entries)
    }
}

impl Table {
    async fn access_entries(&self, filter: &AccessFilter) -> Result<Vec<AccessEntry>, TableError> {
        let mut expression = "begins_with(#pk, :prefix)".to_owned();
        let mut scan = self
            .client
            .scan()
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_values(":prefix", AttributeValue::S(keys::ACCESS_PREFIX.to_owned()));
        if let Some(since) = filter.since {
            expression.push_str(" AND #sk >= :since");
            scan = scan
                .expression_attribute_names("#sk", keys::SK)
                .expression_attribute_values(":since", AttributeValue::S(since.to_string()));
        }
        let names = filter.names();
        if !names.is_empty() {
            let places: Vec<_> = (0..names.len()).map(|at| format!(":actor{at}")).collect();
            expression.push_str(&format!(" AND #actor IN ({})", places.join(", ")));
            scan = scan.expression_attribute_names("#actor", "actor");
            for (place, name) in places.into_iter().zip(names) {
                scan = scan.expression_attribute_values(place, AttributeValue::S(name));
            }
        }
        let items = self.items(scan.filter_expression(expression));
        items.try_filter_map(async |item| Ok(AccessEntry::of_item(&item))).try_collect().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(days: &str) -> Result<AccessRetention, String> {
        let look_up = |name: &str| (name == "ACCESS_LOG_RETENTION_DAYS").then(|| days.to_owned());
        AccessRetention::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn entries_are_kept_for_a_year_unless_something_else_is_set() {
        let at = Instant::from_epoch_seconds(1_750_000_000).unwrap();
        assert_eq!(read("").unwrap().expiry(at), 1_750_000_000 + 365 * 86_400);
        assert_eq!(read("1").unwrap().expiry(at), 1_750_086_400);
        for days in ["0", "-1", "1.5", "36501", "x"] {
            assert!(read(days).unwrap_err().starts_with("ACCESS_LOG_RETENTION_DAYS is not"), "{days}");
        }
    }

    #[test]
    fn an_actor_is_named_with_the_kind_or_without() {
        let names = |actor: &str| AccessFilter { actor: Some(actor.to_owned()), since: None }.names();
        assert_eq!(names("person:u"), ["person:u"]);
        assert_eq!(names("u"), ["person:u", "machine:u"]);
        assert_eq!(names("auth0|u:1"), ["person:auth0|u:1", "machine:auth0|u:1"]);
        assert!(AccessFilter::default().names().is_empty());
    }
}
