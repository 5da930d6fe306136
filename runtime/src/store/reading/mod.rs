//! Reading for whoever asks: lists of calls in order, page by page, one call whole, what is counted of a task, recordings that wait or
//! were lost. Nothing here writes.
//!
//! A list is read from an index, eventually consistent as all indexes are, and the calls that it names from the table, at half the price
//! of a consistent read. Where the two contradict each other (the index names another time than the call does, or a call that is not
//! there) the call is read once more, consistently, and the list is right.
//!
//! - `walk`: the entries of an index in order over all its partitions, whole tie groups at a time.
//! - `calls`: pages of calls; `hours`: all calls of an hour, whole; `tasks`: counts; `whole`: one call; `recordings`: what waits and what was lost; `reviews`.

mod calls;
mod hours;
mod partition;
mod recordings;
mod reviews;
mod states;
mod tasks;
mod walk;
mod whole;

pub use calls::{CallPage, ListedRecord, MAX_PAGE, MAX_PAGE_BYTES};
pub use hours::{HourCall, HourReader};
pub use recordings::{WaitingPage, WaitingRecording};
pub use tasks::{Counted, MAX_COUNTED, TaskOfDay};
pub use whole::{Bodies, CallHead};

use super::analytics::AnalyticsError;
use super::bucket::BucketError;
use super::table::TableError;
use shared::record::item::UnreadableItem;

/// What is stored could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The bucket of analytics' files failed.
    #[error(transparent)]
    Analytics(#[from] AnalyticsError),
}

impl From<UnreadableItem> for ReadError {
    fn from(error: UnreadableItem) -> Self {
        Self::Table(error.into())
    }
}
