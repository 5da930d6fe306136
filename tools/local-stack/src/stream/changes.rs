//! The changes of items that events are made of: triggers write them down beside the items, in the transaction of the write itself.
//!
//! The engine keeps the items of a table in a table of SQLite of the same name, each as DynamoDB's JSON under its key. A trigger costs a
//! write some 20 millionths of a second, most of them since the engine has it compiled with each statement. Nothing can come between a write and its
//! record: neither another write nor a crash. A record is removed once it is published.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rusqlite::{Connection, params};

use super::Record;

/// For how long the engine's writes are waited for. They take no longer than a thousandth of a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the engine puts before a key of texts.
const TEXT: &str = "S:";
/// Which items events are made of, `item` being the row's name.
const TOLD: &str = "substr(item.pk, 1, 7) = 'S:call#'
    AND (item.sk IN ('S:call', 'S:conversation') OR substr(item.sk, 1, 12) = 'S:recording#')";

/// The changes of a table that are not published yet.
#[derive(Clone)]
pub(super) struct Changes {
    connection: Arc<Mutex<Connection>>,
    /// What they are in, quoted.
    place: String,
}

/// A name, quoted for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Changes {
    /// Has the changes of a table, which is there, written down from now on, in the database that SQLite opens by this name. Those that were
    /// written down before and not published are still there.
    pub(super) fn of_table(database: &str, table: &str) -> anyhow::Result<Self> {
        let connection = open(database)?;
        // No table of DynamoDB's can have such a name.
        let [place, put, removed] =
            ["stream", "stream::put", "stream::removed"].map(|what| quoted(&format!("{table}::{what}")));
        let items = quoted(table);
        let (new_is_told, old_is_told) = (TOLD.replace("item", "NEW"), TOLD.replace("item", "OLD"));
        // The engine replaces a row, which no trigger of SQLite's sees as a removal: what stood there is looked up before.
        connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS {place} (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
                     old TEXT, new TEXT);
                 DROP TRIGGER IF EXISTS {put};
                 CREATE TRIGGER {put} BEFORE INSERT ON {items} WHEN {new_is_told} BEGIN
                     INSERT INTO {place} (at, pk, sk, old, new) VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER), NEW.pk, NEW.sk,
                         (SELECT item_json FROM {items} WHERE pk = NEW.pk AND sk = NEW.sk), NEW.item_json);
                 END;
                 DROP TRIGGER IF EXISTS {removed};
                 CREATE TRIGGER {removed} AFTER DELETE ON {items} WHEN {old_is_told} BEGIN
                     INSERT INTO {place} (at, pk, sk, old, new) VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER), OLD.pk, OLD.sk,
                         OLD.item_json, NULL);
                 END;
                 COMMIT;"
            ))
            .context("changes can't be written down")?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), place })
    }

    /// Has nothing written down any more of what happens in this table, where it was.
    pub(super) fn end(database: &str, table: &str) -> anyhow::Result<()> {
        let connection = open(database)?;
        for trigger in ["stream::put", "stream::removed"] {
            let trigger = quoted(&format!("{table}::{trigger}"));
            connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}"))?;
        }
        Ok(())
    }

    /// The first changes that are not published, in the order in which they were made.
    pub(super) async fn first(&self, limit: usize) -> anyhow::Result<Vec<Record>> {
        let place = self.place.clone();
        self.with(move |connection| {
            let mut select = connection.prepare_cached(&format!(
                "SELECT number, at, pk, sk, old, new FROM {place} ORDER BY number LIMIT ?"
            ))?;
            let rows = select.query_map([limit], |row| {
                Ok(Record {
                    number: row.get(0)?,
                    at: row.get(1)?,
                    pk: key(row.get(2)?),
                    sk: key(row.get(3)?),
                    old: row.get(4)?,
                    new: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }

    /// Forgets changes that are published, by their numbers.
    pub(super) async fn forget(&self, numbers: Vec<i64>) -> anyhow::Result<()> {
        let place = self.place.clone();
        self.with(move |connection| {
            let all = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for number in numbers {
                all.prepare_cached(&format!("DELETE FROM {place} WHERE number = ?"))?
                    .execute(params![number])?;
            }
            Ok(all.commit()?)
        })
        .await
    }

    /// Works on the database where that may wait for the engine.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let connection = Arc::clone(&self.connection);
        tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await?
    }
}

/// A key, as the table has it.
fn key(written: String) -> String {
    written.strip_prefix(TEXT).map(str::to_owned).unwrap_or(written)
}

fn open(database: &str) -> anyhow::Result<Connection> {
    let connection =
        Connection::open(database).context("the embedded DynamoDB's database can't be opened")?;
    connection.busy_timeout(PATIENCE)?;
    // What is forgotten comes back at worst, and is told twice.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use runtime::aws::{Account, Patience};
    use runtime::config::{Environment, StoreConfig};
    use runtime::store::Store;
    use serde_json::json;
    use tokio::net::TcpListener;

    use crate::dynamodb::{self, DynamoDb};
    use crate::schema;

    async fn started(data: Option<&Path>) -> (DynamoDb, Store) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dynamodb = dynamodb::start_with_stream(listener, data).await.unwrap();
        let endpoint = dynamodb.endpoint();
        let look_up = |variable: &str| match variable {
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some(endpoint.clone()),
            "TABLE_NAME" | "BUCKET_NAME" => Some("call.vault-1".to_owned()),
            _ => None,
        };
        let environment = Environment::new(&look_up);
        let stores = StoreConfig::read(&environment).unwrap();
        let account = Account::of_function(&environment, &stores).unwrap();
        schema::create_table(&account, &stores).await.unwrap();
        (dynamodb, Store::new(stores, account, Patience::Nobody))
    }

    async fn put(store: &Store, pk: &str, sk: &str, version: u64) {
        let item = json!({"pk": pk, "sk": sk, "version": version});
        store.table().put(item.as_object().unwrap().clone()).await.unwrap();
    }

    fn version_of(image: &str) -> String {
        let image: serde_json::Value = serde_json::from_str(image).unwrap();
        image["version"]["N"].as_str().unwrap().to_owned()
    }

    /// Keys, and the versions before and after.
    fn told(records: &[Record]) -> Vec<(String, Option<String>, Option<String>)> {
        fn version(image: &Option<String>) -> Option<String> {
            Some(version_of(image.as_deref()?))
        }
        records
            .iter()
            .map(|record| {
                (format!("{} {}", record.pk, record.sk), version(&record.old), version(&record.new))
            })
            .collect()
    }

    async fn check(data: Option<&Path>) {
        let (dynamodb, store) = started(data).await;
        put(&store, "call#alicom#0", "call", 1).await;
        let changes = Changes::of_table(dynamodb.database().unwrap(), "call.vault-1").unwrap();
        assert_eq!(told(&changes.first(10).await.unwrap()), [], "a stream begins when it is made");
        put(&store, "call#alicom#0", "call", 2).await;
        put(&store, "call#alicom#1", "call", 1).await;
        put(&store, "call#alicom#1", "recording#main", 1).await;
        put(&store, "call#alicom#1", "conversation", 1).await;
        for (pk, sk) in [
            ("call#alicom#1", "push#alicom-call-report#1"),
            ("access#alicom#1", "call"),
            ("dirty", "2025-06-01T02"),
            ("call#alicom#1", "recordings"),
        ] {
            put(&store, pk, sk, 1).await;
            store.table().delete(pk, sk).await.unwrap();
        }
        store.table().delete("call#alicom#1", "call").await.unwrap();
        let records = changes.first(10).await.unwrap();
        let expected = [
            ("call#alicom#0 call", Some("1"), Some("2")),
            ("call#alicom#1 call", None, Some("1")),
            ("call#alicom#1 recording#main", None, Some("1")),
            ("call#alicom#1 conversation", None, Some("1")),
            ("call#alicom#1 call", Some("1"), None),
        ];
        let owned = |version: Option<&str>| version.map(str::to_owned);
        let expected = expected.map(|(key, old, new)| (key.to_owned(), owned(old), owned(new)));
        assert_eq!(told(&records), expected);
        let now = jiff::Timestamp::now().as_millisecond();
        assert!(records.iter().all(|record| (now - 60_000..=now).contains(&record.at)), "{records:?}");
        assert_eq!(told(&changes.first(2).await.unwrap()), expected[..2]);
        changes.forget(vec![records[0].number, records[2].number]).await.unwrap();
        let left = [expected[1].clone(), expected[3].clone(), expected[4].clone()];
        assert_eq!(told(&changes.first(10).await.unwrap()), left);

        if data.is_some() {
            dynamodb.stop().await.unwrap();
            let (dynamodb, store) = started(data).await;
            let database = dynamodb.database().unwrap();
            let changes = Changes::of_table(database, "call.vault-1").unwrap();
            assert_eq!(told(&changes.first(10).await.unwrap()), left, "what was not published is there");
            Changes::end(database, "call.vault-1").unwrap();
            put(&store, "call#alicom#2", "call", 1).await;
            assert_eq!(changes.first(10).await.unwrap().len(), left.len(), "nothing more is written down");
        }
    }

    #[tokio::test]
    async fn what_events_are_made_of_is_written_down_with_what_stood_there_until_it_is_forgotten() {
        check(None).await;
        check(Some(tempfile::tempdir().unwrap().path())).await;
    }

    /// Writers and whoever reads and forgets don't fail for each other.
    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_reads_changes_and_whoever_writes_items_get_on() {
        let (dynamodb, store) = started(None).await;
        let store = Arc::new(store);
        let changes = Changes::of_table(dynamodb.database().unwrap(), "call.vault-1").unwrap();
        let writers = (0..4).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for version in 1..=50 {
                    put(&store, &format!("call#alicom#{writer}"), "call", version).await;
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let mut seen = std::collections::BTreeMap::<String, Vec<String>>::new();
        let end = tokio::time::Instant::now() + Duration::from_secs(60);
        while seen.values().map(Vec::len).sum::<usize>() < 200 && tokio::time::Instant::now() < end {
            let records = changes.first(7).await.unwrap();
            for record in &records {
                let version = version_of(record.new.as_ref().unwrap());
                seen.entry(record.pk.clone()).or_default().push(version);
            }
            changes.forget(records.iter().map(|record| record.number).collect()).await.unwrap();
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let expected: Vec<_> = (1..=50).map(|version| version.to_string()).collect();
        assert_eq!(seen.len(), 4);
        assert!(seen.values().all(|versions| *versions == expected), "{seen:?}");
    }
}
