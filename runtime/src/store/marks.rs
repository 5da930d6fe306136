//! How far a platform's own lists of calls were read: a mark for each task, and one for all of them together.
//!
//! All marks of a platform lie in one partition, so that a run that has nothing to do learns so from one query.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::table::{Table, TableError};
use shared::model::{Instant, Provider};
use shared::record::item::{self, Item};
use shared::record::keys;

/// How far one task's list was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Calls made until then were read.
    pub until: Instant,
    /// The task's own counts of its calls, as they were at the last reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<String>,
    /// When these were first seen.
    pub changed_at: Instant,
    /// When the last call was made that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_call_at: Option<Instant>,
}

/// All marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// All lists were read until then.
    pub all: Option<Instant>,
    /// By task.
    pub tasks: BTreeMap<String, Mark>,
}

#[derive(Serialize, Deserialize)]
struct AllTasks {
    until: Instant,
}

impl Table {
    /// The marks of a platform.
    ///
    /// # Errors
    /// [`TableError`], when the table fails, or a mark is not what this program writes.
    pub async fn marks(&self, provider: Provider) -> Result<Marks, TableError> {
        let mut marks = Marks::default();
        for item in self.query(&keys::reconciled_pk(provider)).await? {
            let sk = item.get(keys::SK).and_then(|sk| sk.as_str()).unwrap_or_default().to_owned();
            if sk == keys::ALL_TASKS {
                marks.all = Some(item::typed::<AllTasks>(item)?.until);
            } else if let Some(task_id) = sk.strip_prefix(&keys::task_mark_sk("")) {
                marks.tasks.insert(task_id.to_owned(), item::typed(item)?);
            }
        }
        Ok(marks)
    }

    /// Sets a task's mark.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn mark(&self, provider: Provider, task_id: &str, mark: &Mark) -> Result<(), TableError> {
        self.put(with_key(item::object(mark)?, provider, keys::task_mark_sk(task_id))).await
    }

    /// Notes that all lists were read until an instant.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn mark_all(&self, provider: Provider, until: Instant) -> Result<(), TableError> {
        self.put(with_key(item::object(&AllTasks { until })?, provider, keys::ALL_TASKS.to_owned())).await
    }
}

fn with_key(mut item: Item, provider: Provider, sk: String) -> Item {
    item.insert(keys::PK.to_owned(), keys::reconciled_pk(provider).into());
    item.insert(keys::SK.to_owned(), sk.into());
    item
}
