//! Marks of dirty hours: hours of UTC in which a call is, or was, that changed since analytics' files of that hour were written.
//!
//! Whoever sees a change marks the hour. A mark tells minutes, so that many changes of one hour cost one write a minute: the minute in
//! which it was set last, and the first minute whose changes may be missing in the files. The indexes, by which an hour's calls are found,
//! lag behind the table: so the changes of a minute are read no sooner than a minute after its end ([`RESTS_S`]).
//!
//! Whoever writes the files removes the mark afterwards, only if it is as it was read, and none of its minutes is too young. Else the mark
//! stays, and tells from which minute on changes may be missing. So an hour that changes all the time is written all the same.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Deserialize;

use super::Store;
use super::table::TableError;
use super::update::{Update, instant, text};
use shared::model::{Hour, Instant};
use shared::record::item::{self, NewItem};
use shared::record::keys;

/// The attribute that tells the minute in which a mark was set last.
const MARKED_AT: &str = "marked_at";
/// The sort key of the note that the index's counts were compared, and when that was.
const COMPARED: &str = "compared";
const COMPARED_AT: &str = "compared_at";
/// How long a minute is, in milliseconds.
const MINUTE_MS: i64 = 60_000;
/// How long after its beginning the changes of a minute are read, in seconds: the minute itself, and another in which the indexes catch
/// up.
pub const RESTS_S: i64 = 120;

/// The mark of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct DirtyHour {
    /// The first minute whose changes may be missing in the hour's files.
    pub since: Instant,
    /// The hour.
    #[serde(rename = "sk")]
    pub hour: Hour,
    /// The minute in which it was marked last.
    pub marked_at: Instant,
    /// Whether the files are to be mended, whatever it is that they have.
    #[serde(default)]
    pub mend: bool,
}

impl DirtyHour {
    /// Whether there are changes that can be read by `now`.
    pub fn is_ready(&self, now: Instant) -> bool {
        now.seconds_since(self.since) >= RESTS_S
    }

    /// Whether all that the mark is about can be read by `now`.
    pub fn is_at_rest(&self, now: Instant) -> bool {
        now.seconds_since(self.marked_at) >= RESTS_S
    }
}

/// The minute that a time is in.
pub fn minute_of(at: Instant) -> Instant {
    Instant::clamped(at.epoch_millis().div_euclid(MINUTE_MS) * MINUTE_MS)
}

/// The first minute whose changes can't be read for sure at a time.
fn first_unread(at: Instant) -> Instant {
    minute_of(at).plus_seconds(60 - RESTS_S)
}

impl Store {
    /// Marks an hour as dirty. Nothing is written where it was marked in this very minute already.
    ///
    /// # Errors
    /// [`TableError::Update`], when DynamoDB fails.
    pub async fn mark_hour(&self, hour: Hour, now: Instant) -> Result<(), TableError> {
        let update = Update {
            pk: keys::DIRTY,
            sk: &hour.to_string(),
            change: "SET #marked_at = :marked_at, #since = if_not_exists(#since, :marked_at)".to_owned(),
            condition: "attribute_not_exists(#marked_at) OR #marked_at < :marked_at",
            values: vec![(":marked_at", instant(minute_of(now)))],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        self.table.change(update).await.map(|_| ())
    }

    /// Marks an hour as dirty, and its files as such that may not be what they were put as: they are to be read before they are left as they are.
    ///
    /// # Errors
    /// [`TableError::Update`], when DynamoDB fails.
    pub async fn mark_hour_to_mend(&self, hour: Hour, now: Instant) -> Result<(), TableError> {
        self.mark_hour(hour, now).await?;
        let update = Update {
            pk: keys::DIRTY,
            sk: &hour.to_string(),
            change: "SET #mend = :mend".to_owned(),
            condition: "attribute_exists(#marked_at)",
            values: vec![(":mend", AttributeValue::Bool(true))],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        self.table.change(update).await.map(|_| ())
    }

    /// The marks of all dirty hours, the oldest hour first, consistently.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails, and where an item is no mark.
    pub async fn dirty_hours(&self) -> Result<Vec<DirtyHour>, TableError> {
        let items = self.table.query(keys::DIRTY).await?.into_iter();
        Ok(items.map(item::typed).collect::<Result<_, _>>()?)
    }

    /// Notes that an hour's files have what could be read at `read_at`: removes its mark where that is all that it is about, else brings it
    /// up to date. Whether the hour is clean.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub async fn clear_mark(&self, mark: &DirtyHour, read_at: Instant) -> Result<bool, TableError> {
        if mark.is_at_rest(read_at) && self.forget_mark(mark).await? {
            return Ok(true);
        }
        let update = Update {
            pk: keys::DIRTY,
            sk: &mark.hour.to_string(),
            change: "SET #since = :since".to_owned(),
            condition: "#since < :since",
            values: vec![(":since", instant(first_unread(read_at)))],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        self.table.change(update).await.map(|_| false)
    }

    /// When the index's counts were compared with the files' last; `None` where they never were.
    ///
    /// # Errors
    /// [`TableError::Get`], when DynamoDB fails.
    pub async fn compared_at(&self) -> Result<Option<Instant>, TableError> {
        let note = self.table.get(keys::EXPORT_RUNS, COMPARED).await?;
        Ok(note.and_then(|note| note.get(COMPARED_AT)?.as_str()?.parse().ok()))
    }

    /// Notes that they were compared.
    ///
    /// # Errors
    /// [`TableError`], when DynamoDB fails.
    pub async fn note_compared(&self, at: Instant) -> Result<(), TableError> {
        let mut note = NewItem::new();
        note.push(keys::PK, keys::EXPORT_RUNS);
        note.push(keys::SK, COMPARED);
        note.push(COMPARED_AT, at.to_text());
        self.table.put(note).await
    }

    /// Removes a mark, if it is as it was read. Whether it is gone: it is not where the hour was marked anew.
    ///
    /// # Errors
    /// [`TableError::Delete`], when DynamoDB fails.
    pub async fn forget_mark(&self, mark: &DirtyHour) -> Result<bool, TableError> {
        let delete = self
            .table
            .client
            .delete_item()
            .table_name(&self.table.name)
            .key(keys::PK, text(keys::DIRTY))
            .key(keys::SK, text(&mark.hour.to_string()))
            .condition_expression("attribute_not_exists(#marked_at) OR #marked_at = :marked_at")
            .expression_attribute_names("#marked_at", MARKED_AT)
            .expression_attribute_values(":marked_at", instant(mark.marked_at));
        match self.table.in_turn(|| delete.send()).await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(TableError::Delete(Box::new(error))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn mark() -> DirtyHour {
        let item = json!({
            "pk": "dirty", "sk": "2025-06-01T02",
            "since": "2025-06-01T05:01:00.000Z", "marked_at": "2025-06-01T05:07:00.000Z",
        });
        item::typed(item.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_changes_of_a_minute_are_read_once_it_and_another_are_over() {
        let mark = mark();
        assert_eq!(mark.hour.to_string(), "2025-06-01T02");
        assert!(!mark.is_ready(at("2025-06-01T05:02:59.999Z")));
        assert!(mark.is_ready(at("2025-06-01T05:03:00Z")), "while it goes on being marked");
        assert!(!mark.is_at_rest(at("2025-06-01T05:08:59.999Z")));
        assert!(mark.is_at_rest(at("2025-06-01T05:09:00Z")));
    }

    #[test]
    fn what_could_not_be_read_yet_is_read_the_next_time() {
        assert_eq!(minute_of(at("2025-06-01T05:07:59.999Z")), at("2025-06-01T05:07:00Z"));
        assert_eq!(minute_of(at("2025-06-01T05:07:00Z")), at("2025-06-01T05:07:00Z"));
        for read_at in ["2025-06-01T05:07:00Z", "2025-06-01T05:07:30Z", "2025-06-01T05:07:59.999Z"] {
            let read_at = at(read_at);
            let is_read = |minute: Instant| read_at.seconds_since(minute) >= RESTS_S;
            assert!(!is_read(first_unread(read_at)), "{read_at}");
            assert!(is_read(first_unread(read_at).plus_seconds(-60)), "{read_at}");
        }
    }
}
