//! Claims: who works on a recording, and what becomes of it, by conditional writes.
//!
//! A claim is a lease on the recording's item. It changes nothing that the index `by-due` holds, so that it costs no write of the
//! index, and it lapses by itself if its holder dies. Every write raises the item's version, which is how a push that merges at
//! the same time notices, and the other way round. No write makes an item: one that was erased meanwhile stays erased.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::attributes::to_attributes;
use super::due::DueRecording;
use super::table::{Table, TableError};
use super::update::{Update, Updated, instant, number, text};
use crate::random;
use shared::model::{CallKey, Instant, Recording, RecordingState};
use shared::record::digests::Digests;
use shared::record::item::{self, Item, VERSION};
use shared::record::keys;

/// A claim could not be made or settled.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The recording's item could not be written, or is not what this program writes.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The item's key names no call.
    #[error("the stored recording is of no call")]
    NoCall,
}

/// A recording that is claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The call that it is of.
    pub call: CallKey,
    /// The recording as it was when it was claimed.
    pub recording: Recording,
    /// Whether an earlier run may have left an object: it claimed the recording and died, or was cut off while it worked.
    pub may_be_there: bool,
    version: u64,
    pk: String,
    sk: String,
}

/// A recording in the bucket.
#[derive(Clone, Debug)]
pub struct Copied {
    /// Its key.
    pub object_key: String,
    /// Its size.
    pub bytes: u64,
    /// Its digests.
    pub digests: Digests,
    /// Its media type.
    pub media_type: String,
    /// What is doubtful about it.
    pub doubt: Option<String>,
}

/// What came of settling a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
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
pub enum Worked {
    /// Nothing was begun, which counts as no attempt.
    No,
    /// It was cut off. An object may have come to be all the same, for which the next attempt looks first.
    CutOff,
}

/// Makes claims in the name of one run.
#[derive(Debug)]
pub struct Claims<'a> {
    table: &'a Table,
    owner: String,
    lease_s: i64,
}

/// Counts the attempt.
const TRIED: &str = "#attempts = #attempts + :one, #version = #version + :one";
/// Leaves the index, and ends the claim.
const DONE: &str = "REMOVE #due, #due_at, #next_attempt_at, #lease_until, #lease_owner";
const MINE: &str = "attribute_exists(#pk) AND #lease_owner = :owner";
const MINE_AND_UNCHANGED: &str = "attribute_exists(#pk) AND #lease_owner = :owner AND #version = :claimed";

impl<'a> Claims<'a> {
    /// Claims for a run that is told from all others by a random name.
    pub fn new(table: &'a Table, lease_s: i64) -> Self {
        Self { table, owner: random::name(), lease_s }
    }

    /// Claims a recording; `None` if it is no longer due, or somebody else's.
    ///
    /// # Errors
    /// [`ClaimError`]. The claim, if it was made all the same, lapses by itself.
    pub async fn take(&self, entry: &DueRecording, now: Instant) -> Result<Option<Claim>, ClaimError> {
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
                (":owner", text(&self.owner)),
                (":one", number(1)),
            ],
            aliases: Vec::new(),
            // As it was before: whoever let go of it took its name away, so a name that stands there is a dead run's.
            returned: ReturnValue::AllOld,
        };
        match self.table.change(update).await? {
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
    ///
    /// # Errors
    /// [`ClaimError`], when the table fails.
    pub async fn complete(
        &self,
        claim: &Claim,
        copied: &Copied,
        now: Instant,
    ) -> Result<Settled, ClaimError> {
        let mut values = vec![
            (":state", state(RecordingState::Archived)),
            (":object_key", text(&copied.object_key)),
            (":bytes", number(copied.bytes)),
            (":sha256", text(&copied.digests.sha256)),
            (":sha512", text(&copied.digests.sha512)),
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
            "SET #state = :state, #object_key = :object_key, #bytes = :bytes, #sha256 = :sha256, #sha512 = :sha512, \
             #media_type = :media_type, #archived_at = :archived_at, {TRIED}{set_doubt} {DONE}, #candidates{remove_error}"
        );
        // Whatever a push said meanwhile: this is the recording.
        match self.table.change(self.update(claim, change, MINE, values)).await? {
            Updated::Done(_) => Ok(Settled::Written),
            // The first answer was lost, and the request repeated.
            Updated::Refused(Some(stored)) if is_archived_as(&stored, &copied.object_key) => {
                Ok(Settled::Written)
            }
            Updated::Refused(stored) => Ok(not_mine(stored.as_ref())),
        }
    }

    /// Puts off a recording, and keeps the reason, and of `renewed`, which is the recording with a fresh URL that the provider gave,
    /// that URL.
    ///
    /// # Errors
    /// [`ClaimError`], when the table fails.
    pub async fn postpone(
        &self,
        claim: &Claim,
        at: Instant,
        reason: &str,
        renewed: Option<&Recording>,
    ) -> Result<Settled, ClaimError> {
        let mut values = vec![(":at", instant(at)), (":reason", text(reason))];
        let mut change = format!("SET #due_at = :at, #next_attempt_at = :at, #last_error = :reason, {TRIED}");
        let mut remove = "REMOVE #lease_until, #lease_owner".to_owned();
        if let Some(renewed) = renewed {
            let mut renewed = to_attributes(item::object(renewed).map_err(TableError::from)?);
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

    /// Gives a recording up at `now`, for a reason that is kept. It stays in the index, among what was lost.
    ///
    /// # Errors
    /// [`ClaimError`], when the table fails.
    pub async fn give_up(
        &self,
        claim: &Claim,
        end: RecordingState,
        reason: &str,
        now: Instant,
    ) -> Result<Settled, ClaimError> {
        let change = format!(
            "SET #state = :state, #last_error = :reason, #due = :lost, #due_at = :now, #lost_at = :now, {TRIED} \
             REMOVE #next_attempt_at, #lease_until, #lease_owner"
        );
        let values = vec![
            (":state", state(end)),
            (":reason", text(reason)),
            (":lost", text(&keys::lost_due_key(keys::shard_of(&claim.pk)))),
            (":now", instant(now)),
        ];
        self.settle(claim, change, values).await
    }

    /// Lets go of a recording. It stays due.
    ///
    /// # Errors
    /// [`ClaimError`], when the table fails.
    pub async fn release(&self, claim: &Claim, worked: Worked) -> Result<Settled, ClaimError> {
        let counted = match worked {
            Worked::No => "#version = #version + :one",
            Worked::CutOff => TRIED,
        };
        let change = format!("SET {counted} REMOVE #lease_until, #lease_owner");
        match self.table.change(self.update(claim, change, MINE, Vec::new())).await? {
            Updated::Done(_) => Ok(Settled::Written),
            Updated::Refused(stored) => Ok(not_mine(stored.as_ref())),
        }
    }

    /// Writes what was learnt of the recording as it was claimed.
    async fn settle(
        &self,
        claim: &Claim,
        change: String,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Settled, ClaimError> {
        values.push((":claimed", number(claim.version)));
        match self.table.change(self.update(claim, change, MINE_AND_UNCHANGED, values)).await? {
            Updated::Done(_) => Ok(Settled::Written),
            Updated::Refused(_) => match self.release(claim, Worked::No).await? {
                Settled::Written => Ok(Settled::Superseded),
                lost => Ok(lost),
            },
        }
    }

    /// A conditional update, with the values that every update may name.
    fn update<'u>(
        &'u self,
        claim: &'u Claim,
        change: String,
        condition: &'static str,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Update<'u> {
        values.push((":owner", text(&self.owner)));
        if change.contains(":one") {
            values.push((":one", number(1)));
        }
        let Claim { pk, sk, .. } = claim;
        Update { pk, sk, change, condition, values, aliases: Vec::new(), returned: ReturnValue::None }
    }
}

/// The claim on an item that was as it is stored.
fn claim(entry: &DueRecording, stored: Item) -> Result<Claim, ClaimError> {
    let call = keys::call_of_pk(&entry.pk).ok_or(ClaimError::NoCall)?;
    let version = stored.get(VERSION).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let recording: Recording = item::typed(stored).map_err(TableError::from)?;
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

fn state(state: RecordingState) -> AttributeValue {
    text(state.as_str())
}
