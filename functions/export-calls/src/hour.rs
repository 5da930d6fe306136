//! The files of one hour: made of its calls as they are in the table at that moment.

use std::fs::File;
use std::io::Write;

use runtime::store::Store;
use runtime::store::analytics::{AnalyticsBucket, AnalyticsError, KnownBy, NewObject};
use runtime::store::reading::{HourCall, ReadError};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::access::CalleeIds;
use shared::model::{Hour, Instant};
use shared::reading::{HourSummary, is_answered, is_complete, is_connected};
use shared::record::keys;
use shared::view::{self, Mask, Object, Shown};
use shared::whole_call::WholeCall;

use crate::cell::days;
use crate::column::{CALLS, DataSet, RECORDINGS, Row, TURNS, Told};
use crate::config::{Numbers, Settings};
use crate::file::{DataFile, FileError, Finished};

/// The media type of a file: <https://www.iana.org/assignments/media-types/application/vnd.apache.parquet>.
const PARQUET: &str = "application/vnd.apache.parquet";
/// The media type of what is counted.
const JSON: &str = "application/json";

/// An hour's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Its calls could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] AnalyticsError),
}

/// The files of an hour, as they ought to be.
#[derive(Debug)]
pub struct HourFiles {
    /// The hour.
    pub hour: Hour,
    /// Each data set's file.
    pub files: Vec<(&'static str, Finished)>,
    /// What is counted of its calls.
    pub summary: HourSummary,
}

/// What became of an hour's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// How many objects were put.
    pub put: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many were removed, since they would have no rows, or would count no calls.
    pub removed: u64,
}

/// Makes the files of an hour of the calls that are in the table. Nothing is put anywhere.
///
/// # Errors
/// [`ExportError::Read`], [`ExportError::File`].
pub async fn files_of(
    store: &Store,
    settings: &Settings,
    callee_ids: &CalleeIds,
    hour: Hour,
) -> Result<HourFiles, ExportError> {
    let mut maker = HourMaker::new(settings, callee_ids, hour)?;
    let mut calls = store.calls_of_hour(hour);
    while let Some(call) = calls.next().await? {
        match call {
            HourCall::Read(at, call) => maker.add(at, &call)?,
            HourCall::Unreadable(_) => maker.summary.unreadable += 1,
        }
    }
    Ok(maker.finish()?)
}

/// Makes the files of an hour, call by call.
pub struct HourMaker<'a> {
    settings: &'a Settings,
    callee_ids: &'a CalleeIds,
    calls: DataFile,
    turns: DataFile,
    recordings: DataFile,
    summary: HourSummary,
}

impl<'a> HourMaker<'a> {
    /// Without calls so far.
    ///
    /// # Errors
    /// [`FileError`], where the disk fails.
    pub fn new(settings: &'a Settings, callee_ids: &'a CalleeIds, hour: Hour) -> Result<Self, FileError> {
        Ok(Self {
            settings,
            callee_ids,
            calls: DataFile::new(&CALLS)?,
            turns: DataFile::new(&TURNS)?,
            recordings: DataFile::new(&RECORDINGS)?,
            summary: HourSummary::new(hour),
        })
    }

    /// Adds a call's rows: in the order of their time.
    ///
    /// # Errors
    /// [`FileError`], where the disk fails.
    pub fn add(&mut self, at: Instant, call: &WholeCall) -> Result<(), FileError> {
        let callee_ids = self.callee_ids;
        let callee_id = |number: &str| callee_ids.id_of(number);
        let shown = Shown { numbers: self.settings.numbers == Numbers::Full, callee_id: &callee_id };
        let mask = if shown.numbers { Mask::none() } else { Mask::of(call.callee_numbers()) };
        self.summary.add(&call.key, at, &call.call, &mask);
        let whole = view::alone(call, None, &shown);
        let none = Object::new();
        let object = |name: &str| whole.get(name).and_then(Value::as_object);
        let list = |list: Option<&'_ Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
        let conversation = object("conversation");
        let turns = list(conversation.and_then(|conversation| conversation.get("turns")));
        let recordings = list(whole.get("recordings"));
        let local = self.settings.zone.local(at);
        let told = Told {
            call_at_ms: at.epoch_millis(),
            local_date: days(local.date()),
            local_hour: local.hour().unsigned_abs(),
            answered: is_answered(&call.call),
            connected: is_connected(&call.call),
            complete: is_complete(call.key.provider, &call.call),
            turns: turns.len(),
            recordings: recordings.len(),
        };
        let facts = object("call").unwrap_or(&none);
        let row = Row { call: facts, conversation, part: None, position: 0, told: &told };
        self.calls.add(&row)?;
        for (position, turn) in (0..).zip(&turns) {
            self.turns.add(&Row { part: turn.as_object(), position, ..row })?;
        }
        for (position, recording) in (0..).zip(&recordings) {
            self.recordings.add(&Row { part: recording.as_object(), position, ..row })?;
        }
        Ok(())
    }

    /// The files, once all calls are added.
    ///
    /// # Errors
    /// [`FileError`], where the disk fails.
    pub fn finish(self) -> Result<HourFiles, FileError> {
        let Self { calls, turns, recordings, summary, .. } = self;
        let finish = |set: &DataSet, file: DataFile| file.finish().map(|file| (set.name, file));
        let files = vec![finish(&CALLS, calls)?, finish(&TURNS, turns)?, finish(&RECORDINGS, recordings)?];
        Ok(HourFiles { hour: summary.hour, files, summary })
    }
}

impl HourFiles {
    /// Puts what is other than it is in the bucket, which is known by its digest or by its bytes, and removes what would have no rows. What is
    /// counted goes last: it tells that the hour was written. An hour without calls has no objects.
    ///
    /// # Errors
    /// [`ExportError::Bucket`], [`ExportError::File`]. What was put stays.
    pub async fn publish(
        self,
        bucket: &AnalyticsBucket,
        known_by: KnownBy,
    ) -> Result<Published, ExportError> {
        let Self { hour, files, summary } = self;
        let mut published = Published::default();
        for (set, finished) in files {
            let key = keys::analytics_key(set, hour);
            if finished.rows == 0 {
                published.removed += u64::from(bucket.remove(&key).await?);
                continue;
            }
            published.put(bucket, (key, PARQUET), finished, known_by).await?;
        }
        let key = keys::summary_key(hour);
        if summary.is_empty() {
            published.removed += u64::from(bucket.remove(&key).await?);
            return Ok(published);
        }
        published.put(bucket, (key, JSON), json_file(&summary)?, known_by).await?;
        Ok(published)
    }
}

/// What is counted, as a file.
fn json_file(summary: &HourSummary) -> Result<Finished, FileError> {
    let json = summary.to_json();
    let mut file: File = tempfile::tempfile()?;
    file.write_all(&json)?;
    let bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
    Ok(Finished { file, bytes, sha256: hex::encode(Sha256::digest(&json)), rows: summary.calls })
}

impl Published {
    async fn put(
        &mut self,
        bucket: &AnalyticsBucket,
        (key, media_type): (String, &'static str),
        finished: Finished,
        known_by: KnownBy,
    ) -> Result<(), AnalyticsError> {
        let Finished { file, bytes, sha256, .. } = finished;
        if bucket.put_if_other(NewObject { key, media_type, file, bytes, sha256 }, known_by).await? {
            self.put += 1;
            self.bytes += bytes;
        }
        Ok(())
    }
}
