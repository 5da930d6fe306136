//! Jobs: recordings that a run works on, and what becomes of them, each by one conditional write when it is settled.
//!
//! Who may work on a recording is told by the lease on its shard ([`super::shards`]), and nothing of it stands in the recording's item. So no
//! write says that somebody works on it; and every write that settles it is on a condition, as pushes may merge at the same time, calls may be
//! erased, and a lease may have lapsed. No write makes an item: one that was erased meanwhile stays erased.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::attributes::to_attributes;
use super::due::DueRecording;
use super::shards::InHand;
use super::table::{Table, TableError};
use super::update::{Update, Updated, instant, number, text};
use shared::model::{CallKey, Instant, Recording, RecordingState};
use shared::record::digests::Digests;
use shared::record::item::{self, Item, UnreadableItem, VERSION};
use shared::record::keys;

/// What is stored of a recording is not what this program writes.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Its item can't be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableItem),
    /// The item's key names no call.
    #[error("the stored recording is of no call")]
    NoCall,
}

impl JobError {
    /// What is wrong, for the log: without any value that is stored.
    pub fn why(&self) -> String {
        match self {
            Self::Unreadable(error) => error.why(),
            Self::NoCall => self.to_string(),
        }
    }
}

/// A recording that a run works on.
#[derive(Clone, Debug)]
pub struct Job {
    /// The call that it is of.
    pub call: CallKey,
    /// The recording as it was when it was read.
    pub recording: Recording,
    /// Whether an earlier run may have left an object: it died, or was cut off, while it worked on the recording.
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

/// What came of settling a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is written.
    Written,
    /// A push changed the recording meanwhile, so that what was learnt of the old URL says nothing: it is as the push left it.
    Superseded,
    /// Another run settled it, after the lease had lapsed.
    Lost,
    /// The item is gone: the call was erased.
    Erased,
}

/// Counts the attempt.
const TRIED: &str = "#attempts = #attempts + :one, #version = #version + :one";
/// What earlier releases, which claimed each recording, left there; and how many runs died over it.
const MARKS: &str = "#lease_until, #lease_owner, #deaths";
const PENDING: &str = "attribute_exists(#pk) AND #state = :pending";

impl Table {
    /// Reads recordings that the index lists as due, consistently, since the index lags behind. A job is made of each that is pending and due
    /// at `now`, unless a run of an earlier release, which claims recordings by themselves, holds it.
    ///
    /// # Errors
    /// [`TableError`], when the table fails. What can't be read as a recording is told of that one alone.
    pub async fn jobs(
        &self,
        entries: Vec<DueRecording>,
        now: Instant,
    ) -> Result<Vec<(DueRecording, Result<Option<Job>, JobError>)>, TableError> {
        let keys: Vec<_> = entries.iter().map(|entry| (entry.pk.clone(), entry.sk.clone())).collect();
        let mut items = std::collections::HashMap::new();
        for item in self.get_all(&keys).await? {
            let key = [keys::PK, keys::SK].map(|name| super::scan::text(&item, name));
            items.insert(key, item);
        }
        let job = |entry: DueRecording| {
            let key = [entry.pk.clone(), entry.sk.clone()];
            let job = items.remove(&key).map_or(Ok(None), |item| job(&entry, item, now));
            (entry, job)
        };
        Ok(entries.into_iter().map(job).collect())
    }

    /// Marks a recording as archived, whatever a push said meanwhile: this is the recording.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn complete(&self, job: &Job, copied: &Copied, now: Instant) -> Result<Settled, TableError> {
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
             #media_type = :media_type, #archived_at = :archived_at, {TRIED}{set_doubt} \
             REMOVE #due, #due_at, #next_attempt_at, #lost_at, {MARKS}, #candidates{remove_error}"
        );
        let condition = "attribute_exists(#pk) AND #state <> :state";
        match self.change(update(job, change, condition, values)).await? {
            Updated::Done(_) => Ok(Settled::Written),
            // The first answer was lost, and the request repeated.
            Updated::Refused(Some(stored)) if is_archived_as(&stored, &copied.object_key) => {
                Ok(Settled::Written)
            }
            Updated::Refused(Some(_)) => Ok(Settled::Lost),
            Updated::Refused(None) => Ok(Settled::Erased),
        }
    }

    /// Puts off a recording, and keeps the reason, and of `renewed`, which is the recording with a fresh URL that the provider gave,
    /// that URL.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn postpone(
        &self,
        job: &Job,
        at: Instant,
        reason: &str,
        renewed: Option<&Recording>,
    ) -> Result<Settled, TableError> {
        let mut values = vec![(":at", instant(at)), (":reason", text(reason))];
        let mut change = format!("SET #due_at = :at, #next_attempt_at = :at, #last_error = :reason, {TRIED}");
        let mut remove = format!("REMOVE {MARKS}");
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
        self.settle(job, format!("{change} {remove}"), values, reason).await
    }

    /// Gives a recording up at `now`, for a reason that is kept. It stays in the index, among what was lost.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn give_up(
        &self,
        job: &Job,
        end: RecordingState,
        reason: &str,
        now: Instant,
    ) -> Result<Settled, TableError> {
        let change = format!(
            "SET #state = :state, #last_error = :reason, #due = :lost, #due_at = :now, #lost_at = :now, {TRIED} \
             REMOVE #next_attempt_at, {MARKS}"
        );
        let values = vec![
            (":state", state(end)),
            (":reason", text(reason)),
            (":lost", text(&keys::lost_due_key(keys::shard_of(&job.pk)))),
            (":now", instant(now)),
        ];
        self.settle(job, change, values, reason).await
    }

    /// Notes that the work on a recording was cut off. It stays due; an object may have come to be all the same, for which the next attempt
    /// looks first.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn cut_off(&self, job: &Job) -> Result<Settled, TableError> {
        self.note_attempt(job, format!("SET {TRIED}, #call_at = :call_at")).await
    }

    /// Notes that a run died while it had a recording in hand.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn note_death(&self, in_hand: &InHand) -> Result<(), TableError> {
        let InHand { pk, sk, call_at } = in_hand;
        let update = Update {
            pk,
            sk,
            // Its object, if there is one, lies where that time dates it.
            change: format!(
                "SET {TRIED}, #deaths = if_not_exists(#deaths, :zero) + :one, #call_at = :call_at"
            ),
            condition: PENDING,
            values: vec![
                (":one", number(1)),
                (":zero", number(0)),
                (":call_at", instant(*call_at)),
                (":pending", state(RecordingState::Pending)),
            ],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        self.change(update).await.map(|_| ())
    }

    /// Makes a recording due at `now` whatever was planned for it, and whether or not it was given up. What is due already stays due since
    /// when it was: that time tells for how long no run has come to it. `false` where it is archived, or gone.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn make_due(&self, pk: &str, sk: &str, now: Instant) -> Result<bool, TableError> {
        let update = |set: &str, remove: &str, condition, mut values: Vec<_>| {
            values.extend([
                (":pending", state(RecordingState::Pending)),
                (":now", instant(now)),
                (":one", number(1)),
            ]);
            Update {
                pk,
                sk,
                change: format!(
                    "SET {set}#version = #version + :one REMOVE {remove}#deaths, #lease_until, #lease_owner"
                ),
                condition,
                values,
                aliases: Vec::new(),
                returned: ReturnValue::None,
            }
        };
        let is_due = "attribute_exists(#pk) AND #state = :pending AND #next_attempt_at <= :now";
        if self.change(update("", "", is_due, Vec::new())).await?.is_done() {
            return Ok(true);
        }
        let make_due = "#state = :pending, #due = :due, #due_at = :now, #next_attempt_at = :now, ";
        let values = vec![
            (":archived", state(RecordingState::Archived)),
            (":due", text(&keys::archive_due_key(keys::shard_of(pk)))),
        ];
        let condition = "attribute_exists(#pk) AND #state <> :archived";
        Ok(self.change(update(make_due, "#lost_at, ", condition, values)).await?.is_done())
    }

    /// Writes what was learnt of the recording as it was read.
    async fn settle(
        &self,
        job: &Job,
        change: String,
        mut values: Vec<(&'static str, AttributeValue)>,
        reason: &str,
    ) -> Result<Settled, TableError> {
        values.push((":read", number(job.version)));
        let condition = "attribute_exists(#pk) AND #version = :read";
        let stored = match self.change(update(job, change, condition, values)).await? {
            Updated::Done(_) => return Ok(Settled::Written),
            Updated::Refused(None) => return Ok(Settled::Erased),
            Updated::Refused(Some(stored)) => stored,
        };
        let is = |name: &str, value: &str| stored.get(name).is_some_and(|stored| stored == value);
        if version(&stored) == job.version + 1 && is("last_error", reason) {
            // The first answer was lost, and the request repeated.
            return Ok(Settled::Written);
        }
        if !is("state", RecordingState::Pending.as_str()) {
            return Ok(Settled::Lost);
        }
        // An attempt that failed may have left an object all the same, where this time dates it.
        if !is("call_at", &job.recording.call_at.to_string()) {
            return Ok(match self.note_attempt(job, format!("SET {TRIED}, #call_at = :call_at")).await? {
                Settled::Written => Settled::Superseded,
                other => other,
            });
        }
        Ok(Settled::Superseded)
    }

    async fn note_attempt(&self, job: &Job, change: String) -> Result<Settled, TableError> {
        let values =
            vec![(":pending", state(RecordingState::Pending)), (":call_at", instant(job.recording.call_at))];
        match self.change(update(job, change, PENDING, values)).await? {
            Updated::Done(_) => Ok(Settled::Written),
            Updated::Refused(Some(_)) => Ok(Settled::Lost),
            Updated::Refused(None) => Ok(Settled::Erased),
        }
    }
}

/// A conditional update that counts an attempt.
fn update<'a>(
    job: &'a Job,
    change: String,
    condition: &'static str,
    mut values: Vec<(&'static str, AttributeValue)>,
) -> Update<'a> {
    values.push((":one", number(1)));
    let Job { pk, sk, .. } = job;
    Update { pk, sk, change, condition, values, aliases: Vec::new(), returned: ReturnValue::None }
}

/// The job that an item is, if it is one still.
fn job(entry: &DueRecording, stored: Item, now: Instant) -> Result<Option<Job>, JobError> {
    let call = keys::call_of_pk(&entry.pk).ok_or(JobError::NoCall)?;
    let version = version(&stored);
    let recording: Recording = item::typed(stored)?;
    let is_due = recording.next_attempt_at.is_some_and(|at| at <= now);
    let is_claimed =
        recording.lease_owner.is_some() && recording.lease_until.is_some_and(|until| until >= now);
    if recording.state != RecordingState::Pending || !is_due || is_claimed {
        return Ok(None);
    }
    let may_be_there = recording.lease_owner.is_some() || recording.attempts > 0;
    Ok(Some(Job { call, recording, may_be_there, version, pk: entry.pk.clone(), sk: entry.sk.clone() }))
}

impl Job {
    /// How a lease names it.
    #[must_use]
    pub fn in_hand(&self) -> InHand {
        InHand { pk: self.pk.clone(), sk: self.sk.clone(), call_at: self.recording.call_at }
    }

    /// The shard that it is of.
    #[must_use]
    pub fn shard(&self) -> u8 {
        keys::shard_of(&self.pk)
    }
}

fn version(stored: &Item) -> u64 {
    stored.get(VERSION).and_then(serde_json::Value::as_u64).unwrap_or_default()
}

fn is_archived_as(stored: &Item, object_key: &str) -> bool {
    let has = |name: &str, value: &str| stored.get(name).is_some_and(|stored| stored == value);
    has("state", "archived") && has("object_key", object_key)
}

fn state(state: RecordingState) -> AttributeValue {
    text(state.as_str())
}
