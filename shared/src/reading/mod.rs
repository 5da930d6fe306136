//! Which calls are asked for, in what order, and what is counted of them. Pure: the store of `runtime` reads as it is told here.
//!
//! - [`CallFilter`]: what is asked for. [`Plan`]: which partitions of which index have it, and in what order they are read.
//! - [`Cursor`]: where a walk over pages goes on. [`Ties`]: in which order is what has the same time.
//! - [`Zone`], [`DayRange`]: days as people have them, and the time in UTC that they span.
//! - [`is_answered`], [`is_connected`], [`is_complete`]: what these words mean, everywhere.
//! - [`TaskCounts`]: what is counted of a task's calls. [`HourSummary`]: the same of one hour of UTC, by task, as it is kept.

mod callee;
mod counts;
mod cursor;
mod filter;
mod plan;
mod summary;
mod terms;
mod ties;
mod zone;

pub use callee::CalleeSearch;
pub use counts::{Durations, IntentNames, Names, TaskCounts};
pub use cursor::{Cursor, CursorError, Position};
pub use filter::{CallFilter, CalleeIdOf, tags_of};
pub use plan::{Plan, Stage};
pub use summary::{HourSummary, TaskOfHour};
pub use terms::{is_announced, is_answered, is_complete, is_connected};
pub use ties::Ties;
pub use zone::{DayRange, DayRangeError, Span, Zone};

/// In which order calls are listed: by their time, and as [`Ties`] has it where they have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The newest first, as people look for them.
    #[default]
    Descending,
    /// The oldest first.
    Ascending,
}

impl Order {
    /// Its name in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Descending => "desc",
            Self::Ascending => "asc",
        }
    }

    /// The order that has this name in requests.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Descending, Self::Ascending].into_iter().find(|known| known.as_str() == name)
    }

    /// Compares two things that are listed in this order: the lesser comes first.
    pub fn compare<T: Ord>(self, one: &T, other: &T) -> std::cmp::Ordering {
        match self {
            Self::Ascending => one.cmp(other),
            Self::Descending => other.cmp(one),
        }
    }

    /// Whether `one` comes after `other`.
    pub fn is_after<T: Ord>(self, one: &T, other: &T) -> bool {
        self.compare(one, other).is_gt()
    }
}
