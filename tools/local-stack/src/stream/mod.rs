//! The table's stream: what changes of the items that events are made of, handed to `publish-changes` as Lambda's event source mapping does.
//!
//! The embedded engine has streams of its own; with one, each write gets slower than the last. Here triggers write the images down
//! ([`changes`]), in the transaction of the write: so the order of changes is that of the writes, pushes wait for nothing, and what a kill
//! leaves unpublished is there at the next start.
//!
//! A stream begins when it is made: what a table had before is not told. A table that is removed takes its stream along.

mod changes;
mod mapping;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use serde_json::json;
use shared::record::keys;
use tokio::task::JoinHandle;

use crate::functions::Functions;
use changes::Changes;

/// Where earlier releases noted every item as it was published last.
const FORMER_LEDGER: [&str; 3] = ["published.sqlite", "published.sqlite-wal", "published.sqlite-shm"];

/// A change of an item.
#[derive(Clone, Debug)]
struct Record {
    number: i64,
    /// In milliseconds since 1970.
    at: i64,
    pk: String,
    sk: String,
    /// The item as it was, as DynamoDB writes it in JSON: nobody reads it here.
    old: Option<String>,
    new: Option<String>,
}

/// A change's number, as Lambda hands it over and gets it back.
fn sequence_number(number: i64) -> String {
    format!("{number:021}")
}

/// The stream, as it is read.
pub(crate) struct Stream(JoinHandle<()>);

impl Stream {
    /// Has the changes of `table`, which is there, written down from now on in `database`, and hands them to `publish-changes`, with those that
    /// were not published before the last end.
    pub(crate) fn start(database: &str, table: &str, functions: &Arc<Functions>) -> anyhow::Result<Self> {
        let changes = Changes::of_table(database, table).context("the table can't have a stream")?;
        Ok(Self(tokio::spawn(mapping::run(changes, Arc::clone(functions)))))
    }

    /// Sees to it that nothing is written down any more: nobody would read it.
    pub(crate) fn none(database: &str, table: &str) -> anyhow::Result<()> {
        Changes::end(database, table)
    }

    /// Removes what earlier releases kept of items for the sake of events: it would outlive an erasure.
    pub(crate) fn remove_former(folder: &Path) {
        for file in FORMER_LEDGER {
            // It is mostly not there.
            let _ = std::fs::remove_file(folder.join(file));
        }
    }

    /// Ends it. What is not published yet is found at the next start.
    pub(crate) fn stop(self) {
        self.0.abort();
    }
}

/// A record of the event of Lambda's event source mapping.
fn as_told(record: Record) -> publish_changes::Record {
    /// What nobody has set.
    static REGION: OnceLock<String> = OnceLock::new();
    let region =
        REGION.get_or_init(|| std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned()));
    let Record { number, at, pk, sk, old, new } = record;
    let name = match (&old, &new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    };
    // With a fraction, as DynamoDB has it: a stream tells whole seconds, and a bus's clients need more to measure.
    #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^53")]
    let at = at as f64 / 1_000.0;
    let told = json!({
        "eventID": format!("{number:032x}"),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "eventSourceARN": format!("arn:aws:dynamodb:{region}:000000000000:table/callvault/stream/local"),
        "dynamodb": {
            "ApproximateCreationDateTime": at,
            "Keys": {(keys::PK): {"S": pk}, (keys::SK): {"S": sk}},
            "SequenceNumber": sequence_number(number),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    });
    publish_changes::Record::with_images(told, old, new)
}
