//! How far the platform's lists of calls were read: a mark for each task, and one for all of them together.
//!
//! All marks lie in one partition, so that a run that has nothing to do learns so from one query.

use std::collections::BTreeMap;

use runtime::store::table::{Table, TableError};
use serde::{Deserialize, Serialize};
use shared::model::{Instant, Provider};
use shared::record::item::{self, Item};
use shared::record::keys;

/// How far one task's list was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Calls made until then were read.
    pub(crate) until: Instant,
    /// The task's own counts of its calls, as they were at the last reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) counts: Option<String>,
    /// When these were first seen.
    pub(crate) changed_at: Instant,
    /// When the last call was made that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_call_at: Option<Instant>,
}

/// All marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// All lists were read until then.
    pub(crate) all: Option<Instant>,
    /// By task.
    pub(crate) tasks: BTreeMap<String, Mark>,
}

#[derive(Serialize, Deserialize)]
struct AllTasks {
    until: Instant,
}

impl Marks {
    pub(crate) async fn read(table: &Table) -> Result<Self, TableError> {
        let mut marks = Self::default();
        for item in table.query(&pk()).await? {
            let sk = item.get(keys::SK).and_then(|sk| sk.as_str()).unwrap_or_default().to_owned();
            if sk == keys::ALL_TASKS {
                marks.all = Some(item::typed::<AllTasks>(item)?.until);
            } else if let Some(task_id) = sk.strip_prefix(&keys::task_mark_sk("")) {
                marks.tasks.insert(task_id.to_owned(), item::typed(item)?);
            }
        }
        Ok(marks)
    }
}

/// Sets a task's mark.
pub(crate) async fn put(table: &Table, task_id: &str, mark: &Mark) -> Result<(), TableError> {
    table.put(with_key(item::object(mark)?, keys::task_mark_sk(task_id))).await
}

/// Notes that all lists were read until an instant.
pub(crate) async fn put_all(table: &Table, until: Instant) -> Result<(), TableError> {
    table.put(with_key(item::object(&AllTasks { until })?, keys::ALL_TASKS.to_owned())).await
}

fn with_key(mut item: Item, sk: String) -> Item {
    item.insert(keys::PK.to_owned(), pk().into());
    item.insert(keys::SK.to_owned(), sk.into());
    item
}

fn pk() -> String {
    keys::reconciled_pk(Provider::Alicom)
}
