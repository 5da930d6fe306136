//! The table's stream: a proxy before the embedded DynamoDB sees every write of an item that events are made of, and hands its images to
//! `publish-changes`, as Lambda's event source mapping does.
//!
//! The embedded engine has streams of its own; with one, each write gets slower than the last. Here the writes of one item are made one
//! after the other (the key is locked meanwhile), and the write itself is asked for what stood there before. So the order of an item's
//! changes is that of the stream.
//!
//! Nothing is written down before a write is answered. After a crash, what was not published is found by comparing the table with what
//! was: the [`Ledger`] has every item as it was published last.

mod ledger;
mod mapping;
mod proxy;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use serde_json::{Map, Value, json};
use shared::events::ItemKind;
use shared::record::keys;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::functions::Functions;
use ledger::Ledger;
use proxy::Upstream;

/// Over how many shards the changes are spread: those of a call are in one.
const SHARDS: usize = 4;
/// Over how many locks the keys are spread.
const LOCKS: usize = 256;

/// An item as DynamoDB writes it in JSON.
pub(crate) type WireItem = Map<String, Value>;

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    /// The key of an item whose changes are told; `None` of any other.
    fn of(item: &Value) -> Option<Self> {
        let text = |name: &str| item.get(name)?.get("S")?.as_str();
        let (pk, sk) = (text(keys::PK)?, text(keys::SK)?);
        let is_told = pk.starts_with("call#") && ItemKind::of_sk(sk).is_some();
        is_told.then(|| Self { pk: pk.to_owned(), sk: sk.to_owned() })
    }

    fn to_wire(&self) -> Value {
        json!({(keys::PK): {"S": self.pk}, (keys::SK): {"S": self.sk}})
    }

    /// A number below `of` that is always the same for the text.
    fn spread(text: &str, of: usize) -> usize {
        text.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte))) % of
    }
}

/// A change of an item.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    key: Key,
    old: Option<WireItem>,
    new: Option<WireItem>,
    /// In milliseconds since 1970.
    at: i64,
    number: u64,
}

/// What the proxy and the mapping share.
struct Shared {
    upstream: Upstream,
    table: String,
    locks: Vec<tokio::sync::Mutex<()>>,
    shards: Vec<UnboundedSender<Record>>,
    next_number: AtomicU64,
    ledger: Arc<Ledger>,
    /// The items that were written since the start, as long as the table is compared with what was published.
    comparing: Mutex<Option<HashSet<Key>>>,
}

/// The stream, with its proxy.
pub(crate) struct Stream {
    shared: Arc<Shared>,
    shards: Vec<UnboundedReceiver<Record>>,
    server: JoinHandle<()>,
}

/// The stream once it is read.
pub(crate) struct Streaming {
    tasks: Vec<JoinHandle<()>>,
}

impl Stream {
    /// Serves DynamoDB on `listener` as `target`, an endpoint URL, answers, and takes the changes of `table`. What was published is known
    /// from a file in `data`, where there is one.
    pub(crate) fn start(
        listener: TcpListener,
        target: String,
        table: String,
        data: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let ledger = Arc::new(Ledger::open(data).context("what was published can't be kept")?);
        let (senders, shards) = (0..SHARDS).map(|_| unbounded_channel()).unzip();
        let shared = Arc::new(Shared {
            upstream: Upstream::new(target),
            table,
            locks: (0..LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
            shards: senders,
            next_number: AtomicU64::new(1),
            ledger,
            comparing: Mutex::new(Some(HashSet::new())),
        });
        let server = tokio::spawn(proxy::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, shards, server })
    }

    /// Hands the changes to `publish-changes`, and finds those that were not published before the last end.
    pub(crate) fn read_by(self, functions: &Arc<Functions>) -> Streaming {
        let Self { shared, shards, server } = self;
        let mut tasks = vec![server];
        for shard in shards {
            tasks.push(tokio::spawn(mapping::run(shard, Arc::clone(&shared.ledger), Arc::clone(functions))));
        }
        tasks.push(tokio::spawn(async move {
            if let Err(error) = shared.compare().await {
                tracing::error!(error = %format!("{error:#}"), "what was not published could not be looked for");
            }
        }));
        Streaming { tasks }
    }
}

impl Streaming {
    /// Ends it. What is not published yet is found at the next start.
    pub(crate) fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn lock_of(&self, key: &Key) -> usize {
        Key::spread(&[key.pk.as_str(), key.sk.as_str()].concat(), self.locks.len())
    }

    /// Tells a change. The key is locked.
    fn tell(&self, key: Key, old: Option<WireItem>, new: Option<WireItem>) {
        let is_first = {
            let mut comparing = self.comparing.lock().unwrap_or_else(PoisonError::into_inner);
            comparing.as_mut().is_some_and(|written| written.insert(key.clone()))
        };
        // What it was changed to before the last end may not have been published.
        if is_first && self.ledger.is_complete() {
            let published = self.ledger.get(&key);
            if published != old {
                self.send(key.clone(), published, old.clone());
            }
        }
        if old != new {
            self.send(key, old, new);
        }
    }

    fn send(&self, key: Key, old: Option<WireItem>, new: Option<WireItem>) {
        if let Some(shard) = self.shards.get(Key::spread(&key.pk, self.shards.len())) {
            let number = self.next_number.fetch_add(1, Ordering::Relaxed);
            let at = jiff::Timestamp::now().as_millisecond();
            // Nobody reads any more where the stack ends.
            let _ = shard.send(Record { key, old, new, at, number });
        }
    }

    /// Compares the table with what was published. Where nothing is known of that (a table that is older than the stream), what is there
    /// counts as published: a stream tells what changes from its beginning on.
    async fn compare(&self) -> anyhow::Result<()> {
        let is_beginning = !self.ledger.is_complete();
        let mut start: Option<Value> = None;
        loop {
            let (items, next) = self.upstream.scan(&self.table, start.take()).await?;
            for key in items.iter().filter_map(Key::of) {
                self.compare_one(key, is_beginning).await?;
            }
            match next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        if is_beginning {
            self.ledger.complete()?;
        } else {
            for key in self.ledger.keys()? {
                self.compare_one(key, false).await?;
            }
        }
        *self.comparing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    async fn compare_one(&self, key: Key, is_beginning: bool) -> anyhow::Result<()> {
        let _turn = match self.locks.get(self.lock_of(&key)) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let is_first = {
            let mut comparing = self.comparing.lock().unwrap_or_else(PoisonError::into_inner);
            comparing.as_mut().is_some_and(|written| written.insert(key.clone()))
        };
        if !is_first {
            return Ok(());
        }
        let stands = self.upstream.item(&self.table, &key).await?;
        if is_beginning {
            return self.ledger.put(&[(key, stands)]);
        }
        let published = self.ledger.get(&key);
        if published != stands {
            self.send(key, published, stands);
        }
        Ok(())
    }
}

/// The events of Lambda's event source mapping, of records.
fn event(records: &[Record]) -> Value {
    /// What nobody has set.
    static REGION: OnceLock<String> = OnceLock::new();
    let region =
        REGION.get_or_init(|| std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned()));
    let record = |record: &Record| {
        let Record { key, old, new, at, number } = record;
        let name = match (old, new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let mut dynamodb = HashMap::from([
            ("Keys", key.to_wire()),
            ("SequenceNumber", json!(format!("{number:021}"))),
            ("StreamViewType", json!("NEW_AND_OLD_IMAGES")),
        ]);
        // With a fraction, as DynamoDB has it: a stream tells whole seconds, and a bus's clients need more to measure.
        #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^53")]
        dynamodb.insert("ApproximateCreationDateTime", json!(*at as f64 / 1_000.0));
        dynamodb.extend(old.as_ref().map(|old| ("OldImage", json!(old))));
        dynamodb.extend(new.as_ref().map(|new| ("NewImage", json!(new))));
        json!({
            "eventID": format!("{number:032x}"),
            "eventName": name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": region,
            "eventSourceARN": format!("arn:aws:dynamodb:{region}:000000000000:table/callvault/stream/local"),
            "dynamodb": dynamodb,
        })
    };
    json!({"Records": records.iter().map(record).collect::<Vec<_>>()})
}
