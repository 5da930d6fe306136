//! Where the bus keeps its events: for a day, and as long as they have to be delivered.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

/// The file's name in the data's folder.
const FILE: &str = "events.sqlite";
/// For how long an event that is delivered is kept, in milliseconds.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// The events, in a file or in memory.
pub(super) struct Shelf(Mutex<Connection>);

/// An event that is to be delivered.
pub(super) struct Pending {
    /// Its number.
    pub(super) number: u64,
    /// The event.
    pub(super) event: String,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// When it came, in milliseconds since 1970.
    pub(super) at: i64,
}

impl Shelf {
    pub(super) fn open(data: Option<&Path>) -> anyhow::Result<Self> {
        let connection = match data {
            None => Connection::open_in_memory()?,
            Some(data) => {
                std::fs::create_dir_all(data).with_context(|| format!("can't create {}", data.display()))?;
                let connection = Connection::open(data.join(FILE))?;
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                connection
            }
        };
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, event TEXT NOT NULL,
                 due INTEGER, attempts INTEGER NOT NULL DEFAULT 0);
             CREATE INDEX IF NOT EXISTS due ON events (due) WHERE due IS NOT NULL;",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps events; where they have to be delivered, they are due at once.
    pub(super) fn put(&self, events: &[Value], is_due: bool) -> anyhow::Result<()> {
        let now = now();
        let mut connection = self.connection();
        let all = connection.transaction()?;
        for event in events {
            all.prepare_cached("INSERT INTO events (at, event, due) VALUES (?, ?, ?)")?.execute(params![
                now,
                event.to_string(),
                is_due.then_some(now)
            ])?;
        }
        // Of the oldest, and only where the very oldest is old: to look through more would make each write slower than the last.
        let oldest: Option<i64> = all
            .prepare_cached("SELECT at FROM events ORDER BY number LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        if oldest.is_some_and(|at| at < now - KEPT_MS) {
            all.prepare_cached(
                "DELETE FROM events WHERE due IS NULL AND at < ? AND number IN (SELECT number FROM events ORDER BY number LIMIT 100)",
            )?
            .execute([now - KEPT_MS])?;
        }
        all.commit()?;
        Ok(())
    }

    /// The events after a number, in their order.
    pub(super) fn after(&self, number: u64, limit: usize) -> anyhow::Result<Vec<(u64, Value)>> {
        let connection = self.connection();
        let mut select = connection
            .prepare_cached("SELECT number, event FROM events WHERE number > ? ORDER BY number LIMIT ?")?;
        let rows = select
            .query_map(params![number, limit], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
        let events = rows.map(|row| {
            let (number, event) = row?;
            Ok((number, serde_json::from_str(&event)?))
        });
        events.collect()
    }

    /// The number of the last event; 0 where there is none.
    pub(super) fn last(&self) -> anyhow::Result<u64> {
        let connection = self.connection();
        Ok(connection.query_row("SELECT coalesce(max(number), 0) FROM events", [], |row| row.get(0))?)
    }

    /// The events that are due to be delivered, those that have been due the longest first.
    pub(super) fn due(&self, limit: usize) -> anyhow::Result<Vec<Pending>> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT number, event, attempts, at FROM events WHERE due <= ? ORDER BY due LIMIT ?",
        )?;
        let rows = select.query_map(params![now(), limit], |row| {
            Ok(Pending { number: row.get(0)?, event: row.get(1)?, attempts: row.get(2)?, at: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes what became of deliveries: when each is due again, and after how many attempts; `None` where it is done with.
    pub(super) fn settle(&self, outcomes: &[(u64, Option<i64>, u32)]) -> anyhow::Result<()> {
        let mut connection = self.connection();
        let all = connection.transaction()?;
        for (number, due, attempts) in outcomes {
            all.prepare_cached("UPDATE events SET due = ?, attempts = ? WHERE number = ?")?
                .execute(params![due, attempts, number])?;
        }
        all.commit()?;
        Ok(())
    }

    /// How many events still have to be delivered.
    pub(super) fn undelivered(&self) -> anyhow::Result<u64> {
        let connection = self.connection();
        Ok(connection.query_row("SELECT count(*) FROM events WHERE due IS NOT NULL", [], |row| row.get(0))?)
    }
}

/// The time, in milliseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
