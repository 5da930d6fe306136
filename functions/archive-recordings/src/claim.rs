//! Claims: who works on a recording, and what becomes of it, by conditional writes.
//!
//! A claim is a lease on the recording's item. It changes nothing that the index `by-due` holds, so that it costs no write of the
//! index, and it lapses by itself if its holder dies. Every write raises the item's version, which is how a push that merges at
//! the same time notices, and the other way round. No write makes an item: one that was erased meanwhile stays erased.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use runtime::aws::brief;
use runtime::random;
use runtime::store::attributes::{from_attributes, to_attributes};
use runtime::store::table::Table;
use shared::model::{CallKey, Instant, Recording, RecordingState};
use shared::record::item::{self, Item, UnreadableItem, VERSION};
use shared::record::keys;

use crate::copy::Copied;
use crate::due::Entry;
use crate::renew::FreshUrl;

/// A claim could not be made or settled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// DynamoDB failed.
    #[error("a recording's item could not be written: {}", brief(.0))]
    Update(#[source] Box<SdkError<UpdateItemError>>),
    /// The item is not what this program writes.
    #[error(transparent)]
    Unreadable(#[from] UnreadableItem),
    /// The item's key names no call.
    #[error("the stored recording is of no call")]
    NoCall,
}

/// A recording that is claimed.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The call that it is of.
    pub(crate) call: CallKey,
    /// The recording as it was when it was claimed.
    pub(crate) recording: Recording,
    /// Whether an earlier run may have left an object: it claimed the recording and died, or was cut off while it worked.
    pub(crate) may_be_there: bool,
    version: u64,
    pk: String,
    sk: String,
}

/// What came of settling a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is written.
    Written,
    /// A push changed the recording meanwhile, so that what was learnt of the old URL says nothing: it was let go, to be tried anew.
    Superseded,
    /// The claim had lapsed: the recording is another run's by now.
    Lost,
    /// The item is gone: the call was erased.
    Erased,
}

/// What became of the work on a recording that is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worked {
    /// Nothing was begun, which counts as no attempt.
    No,
    /// It was cut off. An object may have come to be all the same, for which the next attempt looks first.
    CutOff,
}

/// Makes claims in the name of one run.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    table: &'a Table,
    owner: String,
    lease_s: i64,
}

/// A conditional update of an item. Attributes stand in its expressions as `#name`, values as `:name`.
struct Update<'a> {
    pk: &'a str,
    sk: &'a str,
    change: String,
    condition: &'static str,
    values: Vec<(&'static str, AttributeValue)>,
}

/// What came of it: what was to be returned, or, where the condition did not hold, the item as it stands.
enum Updated {
    Done(Item),
    Refused(Option<Item>),
}

/// Counts the attempt.
const TRIED: &str = "#attempts = #attempts + :one, #version = #version + :one";
/// Leaves the index, and ends the claim.
const DONE: &str = "REMOVE #due, #due_at, #next_attempt_at, #lease_until, #lease_owner";
const MINE: &str = "attribute_exists(#pk) AND #lease_owner = :owner";
const MINE_AND_UNCHANGED: &str = "attribute_exists(#pk) AND #lease_owner = :owner AND #version = :claimed";
const TOMBSTONE: &str = "attribute_exists(#erased_at)";

impl<'a> Claims<'a> {
    /// Claims for a run that is told from all others by a random name.
    pub(crate) fn new(table: &'a Table, lease_s: i64) -> Self {
        Self { table, owner: random::name(), lease_s }
    }

    /// Claims a recording; `None` if it is no longer due, or somebody else's.
    pub(crate) async fn take(&self, entry: &Entry, now: Instant) -> Result<Option<Claim>, ClaimError> {
        let until = now.plus_seconds(self.lease_s);
        let update = Update {
            pk: &entry.pk,
            sk: &entry.sk,
            change: "SET #lease_until = :until, #lease_owner = :owner, #version = #version + :one".to_owned(),
            // The index lags behind the item, hence `due_at`. A request that was answered too late, and so repeated, finds its own
            // claim.
            condition: "attribute_exists(#pk) AND #state = :pending AND #due_at <= :now \
                 AND (attribute_not_exists(#lease_until) OR #lease_until < :now OR #lease_owner = :owner)",
            values: vec![
                (":until", instant(until)),
                (":now", instant(now)),
                (":pending", state(RecordingState::Pending)),
            ],
        };
        // As it was before: whoever let go of it took its name away, so a name that stands there is a dead run's.
        match self.update_and_return(update, ReturnValue::AllOld).await? {
            Updated::Done(before) => {
                let mut claim = claim(entry, before)?;
                claim.version += 1;
                claim.recording.lease_until = Some(until);
                claim.recording.lease_owner = Some(self.owner.clone());
                Ok(Some(claim))
            }
            Updated::Refused(_) => Ok(None),
        }
    }

    /// Marks a recording as archived.
    pub(crate) async fn complete(
        &self,
        claim: &Claim,
        copied: &Copied,
        now: Instant,
    ) -> Result<Settled, ClaimError> {
        let mut values = vec![
            (":state", state(RecordingState::Archived)),
            (":object_key", text(&copied.object_key)),
            (":bytes", AttributeValue::N(copied.bytes.to_string())),
            (":sha256", text(&copied.sha256)),
            (":media_type", text(&copied.media_type)),
            (":archived_at", instant(now)),
        ];
        let (set_doubt, remove_error) = match &copied.doubt {
            Some(doubt) => {
                values.push((":doubt", text(doubt)));
                (", #last_error = :doubt", "")
            }
            None => ("", ", #last_error"),
        };
        let change = format!(
            "SET #state = :state, #object_key = :object_key, #bytes = :bytes, #sha256 = :sha256, #media_type = :media_type, \
             #archived_at = :archived_at, {TRIED}{set_doubt} {DONE}, #candidates{remove_error}"
        );
        // Whatever a push said meanwhile: this is the recording.
        let update = Update { pk: &claim.pk, sk: &claim.sk, change, condition: MINE, values };
        match self.update(update).await? {
            Updated::Done(_) => Ok(Settled::Written),
            // The first answer was lost, and the request repeated.
            Updated::Refused(Some(stored)) if is_archived_as(&stored, &copied.object_key) => {
                Ok(Settled::Written)
            }
            Updated::Refused(stored) => Ok(not_mine(stored.as_ref())),
        }
    }

    /// Puts off a recording, and keeps the reason, and the fresh URL that the provider gave `now`, if it gave one.
    pub(crate) async fn postpone(
        &self,
        claim: &Claim,
        at: Instant,
        reason: &str,
        fresh: Option<&FreshUrl>,
        now: Instant,
    ) -> Result<Settled, ClaimError> {
        let mut values = vec![(":at", instant(at)), (":reason", text(reason))];
        let mut change = format!("SET #due_at = :at, #next_attempt_at = :at, #last_error = :reason, {TRIED}");
        let mut remove = "REMOVE #lease_until, #lease_owner".to_owned();
        if let Some(FreshUrl { url, expires_at }) = fresh {
            let mut renewed = to_attributes(item::object(&claim.recording.renewed(url, *expires_at, now))?);
            for (attribute, value) in [
                ("source_url", ":source_url"),
                ("source_expires_at", ":source_expires_at"),
                ("candidates", ":candidates"),
            ] {
                match renewed.remove(attribute) {
                    Some(written) => {
                        change = format!("{change}, #{attribute} = {value}");
                        values.push((value, written));
                    }
                    None => remove = format!("{remove}, #{attribute}"),
                }
            }
        }
        self.settle(claim, format!("{change} {remove}"), values).await
    }

    /// Gives a recording up, for a reason that is kept.
    pub(crate) async fn give_up(
        &self,
        claim: &Claim,
        end: RecordingState,
        reason: &str,
    ) -> Result<Settled, ClaimError> {
        let change = format!("SET #state = :state, #last_error = :reason, {TRIED} {DONE}");
        self.settle(claim, change, vec![(":state", state(end)), (":reason", text(reason))]).await
    }

    /// Lets go of a recording. It stays due.
    pub(crate) async fn release(&self, claim: &Claim, worked: Worked) -> Result<Settled, ClaimError> {
        let counted = match worked {
            Worked::No => "#version = #version + :one",
            Worked::CutOff => TRIED,
        };
        let change = format!("SET {counted} REMOVE #lease_until, #lease_owner");
        let update = Update { pk: &claim.pk, sk: &claim.sk, change, condition: MINE, values: Vec::new() };
        match self.update(update).await? {
            Updated::Done(_) => Ok(Settled::Written),
            Updated::Refused(stored) => Ok(not_mine(stored.as_ref())),
        }
    }

    /// Has an erased call looked at again, `now`: an object of it may have come to lie in the bucket after it was erased. Changes
    /// nothing where there is no tombstone.
    pub(crate) async fn rearm_tombstone(&self, claim: &Claim, now: Instant) -> Result<(), ClaimError> {
        let update = Update {
            pk: &claim.pk,
            sk: keys::CALL,
            // The version too, so that a sweep under way does not take this for what it has looked at.
            change: "SET #due = :due, #due_at = :now, #version = #version + :one".to_owned(),
            condition: TOMBSTONE,
            values: vec![(":due", text(&keys::erased_due_key(&claim.call))), (":now", instant(now))],
        };
        self.update(update).await.map(|_| ())
    }

    /// Writes what was learnt of the recording as it was claimed.
    async fn settle(
        &self,
        claim: &Claim,
        change: String,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Settled, ClaimError> {
        values.push((":claimed", AttributeValue::N(claim.version.to_string())));
        let update = Update { pk: &claim.pk, sk: &claim.sk, change, condition: MINE_AND_UNCHANGED, values };
        match self.update(update).await? {
            Updated::Done(_) => Ok(Settled::Written),
            Updated::Refused(_) => match self.release(claim, Worked::No).await? {
                Settled::Written => Ok(Settled::Superseded),
                lost => Ok(lost),
            },
        }
    }

    async fn update(&self, update: Update<'_>) -> Result<Updated, ClaimError> {
        self.update_and_return(update, ReturnValue::None).await
    }

    async fn update_and_return(
        &self,
        update: Update<'_>,
        returned: ReturnValue,
    ) -> Result<Updated, ClaimError> {
        let Update { pk, sk, change, condition, mut values } = update;
        // DynamoDB takes no value that is not used.
        if change.contains(":owner") || condition.contains(":owner") {
            values.push((":owner", text(&self.owner)));
        }
        if change.contains(":one") {
            values.push((":one", AttributeValue::N("1".to_owned())));
        }
        let (client, table) = self.table.client();
        let sent = client
            .update_item()
            .table_name(table)
            .key(keys::PK, text(pk))
            .key(keys::SK, text(sk))
            .set_expression_attribute_names(Some(names([&change, condition])))
            .set_expression_attribute_values(Some(
                values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ))
            .update_expression(change)
            .condition_expression(condition)
            .return_values(returned)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(output) => Ok(Updated::Done(from_attributes(output.attributes.unwrap_or_default()))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Updated::Refused(refusal.item.clone().map(from_attributes)))
                }
                _ => Err(ClaimError::Update(Box::new(error))),
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

/// The claim on an item that was as it is stored.
fn claim(entry: &Entry, stored: Item) -> Result<Claim, ClaimError> {
    let call = keys::call_of_pk(&entry.pk).ok_or(ClaimError::NoCall)?;
    let version = stored.get(VERSION).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let recording: Recording = item::typed(stored)?;
    let may_be_there = recording.lease_owner.is_some() || recording.attempts > 0;
    Ok(Claim { call, recording, may_be_there, version, pk: entry.pk.clone(), sk: entry.sk.clone() })
}

/// Why a claim does not hold any more.
fn not_mine(stored: Option<&Item>) -> Settled {
    if stored.is_some() { Settled::Lost } else { Settled::Erased }
}

fn is_archived_as(stored: &Item, object_key: &str) -> bool {
    let has = |name: &str, value: &str| stored.get(name).is_some_and(|stored| stored == value);
    has("state", "archived") && has("object_key", object_key)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn instant(instant: Instant) -> AttributeValue {
    AttributeValue::S(instant.to_string())
}

fn state(state: RecordingState) -> AttributeValue {
    text(state.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_is_known_by_the_attribute_that_it_has() {
        assert_eq!(TOMBSTONE, format!("attribute_exists(#{})", shared::record::tombstone::ERASED_AT));
    }

    #[test]
    fn every_attribute_of_an_expression_is_named_once() {
        let names = names(["SET #a = :a, #b_2 = #b_2 + :one", "attribute_not_exists(#c) OR #a < :now"]);
        let mut named: Vec<_> = names.iter().map(|(alias, name)| format!("{alias} {name}")).collect();
        named.sort();
        assert_eq!(named, ["#a a", "#b_2 b_2", "#c c"]);
    }
}
