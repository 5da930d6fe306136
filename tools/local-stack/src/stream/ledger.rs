//! What was published: every item as it was when its last change was.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Key, WireItem};

/// The file's name in the data's folder.
const FILE: &str = "published.sqlite";

/// The ledger: in a file, or without one in memory for as long as the stack runs.
pub(crate) struct Ledger {
    connection: Option<Mutex<Connection>>,
    is_complete: AtomicBool,
}

impl Ledger {
    /// Opens the ledger in a folder. Without one nothing is kept: there is no start before which anything could have been published.
    pub(crate) fn open(data: Option<&Path>) -> anyhow::Result<Self> {
        let Some(data) = data else {
            return Ok(Self { connection: None, is_complete: AtomicBool::new(false) });
        };
        std::fs::create_dir_all(data).with_context(|| format!("can't create {}", data.display()))?;
        let connection = Connection::open(data.join(FILE))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS items (pk TEXT, sk TEXT, image TEXT NOT NULL, PRIMARY KEY (pk, sk)) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS begun (at TEXT NOT NULL);",
        )?;
        let begun: Option<i64> =
            connection.query_row("SELECT 1 FROM begun", [], |row| row.get(0)).optional()?;
        Ok(Self { is_complete: AtomicBool::new(begun.is_some()), connection: Some(Mutex::new(connection)) })
    }

    fn connection(&self) -> Option<MutexGuard<'_, Connection>> {
        let connection = self.connection.as_ref()?;
        Some(connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it has all that was published, so that the table can be compared with it.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// Notes that it has all that was published.
    pub(crate) fn complete(&self) -> anyhow::Result<()> {
        let Some(connection) = self.connection() else { return Ok(()) };
        connection.execute("INSERT INTO begun VALUES (datetime())", [])?;
        self.is_complete.store(true, Ordering::Release);
        Ok(())
    }

    /// An item as it was published last; `None` where it was not, or was removed.
    pub(crate) fn get(&self, key: &Key) -> Option<WireItem> {
        let connection = self.connection()?;
        let mut select = connection.prepare_cached("SELECT image FROM items WHERE pk = ? AND sk = ?").ok()?;
        let image: String = select.query_row([&key.pk, &key.sk], |row| row.get(0)).ok()?;
        serde_json::from_str(&image).ok()
    }

    /// Notes what was published: items, as they are now.
    pub(crate) fn put(&self, items: &[(Key, Option<WireItem>)]) -> anyhow::Result<()> {
        let Some(mut connection) = self.connection() else { return Ok(()) };
        let all = connection.transaction()?;
        for (key, image) in items {
            match image {
                Some(image) => all
                    .prepare_cached("INSERT OR REPLACE INTO items VALUES (?, ?, ?)")?
                    .execute(params![key.pk, key.sk, serde_json::to_string(image)?])?,
                None => all
                    .prepare_cached("DELETE FROM items WHERE pk = ? AND sk = ?")?
                    .execute([&key.pk, &key.sk])?,
            };
        }
        all.commit()?;
        Ok(())
    }

    /// The keys of all items that were published.
    pub(crate) fn keys(&self) -> anyhow::Result<Vec<Key>> {
        let Some(connection) = self.connection() else { return Ok(Vec::new()) };
        let mut select = connection.prepare("SELECT pk, sk FROM items")?;
        let keys = select.query_map([], |row| Ok(Key { pk: row.get(0)?, sk: row.get(1)? }))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }
}
