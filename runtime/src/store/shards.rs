//! Leases on the shards of the recordings that are to be archived: which run works on which.
//!
//! There is one item for each shard. A run takes the leases of shards that nobody holds, renews them while it lives, and gives them back; the
//! lease of a run that died lapses. It names the recordings that the run has in hand, before they are fetched: whoever takes a dead run's lease
//! counts an attempt, and a death, for each of them, so that a recording over which runs die can't stop its shard for ever.
//!
//! Runs share the shards. One that finds none free, where another has more than its share, asks for one by a note in the lease.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize};

use super::attributes::to_attributes;
use super::table::{Table, TableError};
use super::update::{Update, Updated, instant, text};
use crate::random;
use shared::model::Instant;
use shared::record::item;
use shared::record::keys;

/// A recording that a run has in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InHand {
    /// Its item's partition key.
    pub pk: String,
    /// Its item's sort key.
    pub sk: String,
    /// The time of its call, which dates the key of its object.
    pub call_at: Instant,
}

/// The lease on a shard, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ShardLease {
    /// The shard.
    pub shard: u8,
    /// The run that holds it.
    #[serde(default)]
    pub lease_owner: Option<String>,
    /// Until when.
    #[serde(default)]
    pub lease_until: Option<Instant>,
    /// Since when.
    #[serde(default)]
    pub lease_since: Option<Instant>,
    /// When a run gave it back last, if no run holds it.
    #[serde(default)]
    pub last_run_at: Option<Instant>,
    /// The recordings that it has in hand, or had, when it died.
    #[serde(default)]
    pub in_hand: Vec<InHand>,
    /// A run that would like to have it.
    #[serde(default)]
    pub asked_by: Option<String>,
    /// Until when that run waits.
    #[serde(default)]
    pub asked_until: Option<Instant>,
    /// Whether the item is not what this program writes: then nothing else of it is known, and whoever takes the lease writes it anew.
    #[serde(skip)]
    pub unreadable: bool,
}

impl ShardLease {
    /// The run that holds the lease at `now`.
    #[must_use]
    pub fn holder(&self, now: Instant) -> Option<&str> {
        self.lease_owner.as_deref().filter(|_| self.lease_until.is_some_and(|until| until > now))
    }

    /// Whether the run that held the lease died: it has lapsed at `now`, and was not given back.
    #[must_use]
    pub fn is_of_a_dead_run(&self, now: Instant) -> bool {
        self.lease_owner.is_some() && self.lease_until.is_none_or(|until| until <= now)
    }

    /// The run that waits for it at `now`.
    #[must_use]
    pub fn asker(&self, now: Instant) -> Option<&str> {
        self.asked_by.as_deref().filter(|_| self.asked_until.is_some_and(|until| until > now))
    }
}

/// Takes, renews and gives back leases in the name of one run.
#[derive(Clone, Debug)]
pub struct ShardLeases {
    table: Table,
    owner: String,
    lease_s: i64,
}

const MINE: &str = "#lease_owner = :owner";

impl Table {
    /// The leases on all shards, consistently, those that were never taken included.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn shard_leases(&self) -> Result<Vec<ShardLease>, TableError> {
        let mut leases: Vec<_> =
            (0..keys::SHARDS).map(|shard| ShardLease { shard, ..ShardLease::default() }).collect();
        for item in self.query(keys::ARCHIVE_RUNS).await? {
            let sk = item.get(keys::SK).and_then(|sk| sk.as_str()).unwrap_or_default();
            let Some(shard) = (0..keys::SHARDS).find(|shard| keys::shard_sk(*shard) == sk) else { continue };
            // One value that can't be read must not stop all shards.
            let lease = item::typed(item).unwrap_or_else(|_| ShardLease {
                shard,
                unreadable: true,
                ..ShardLease::default()
            });
            if let Some(known) = leases.get_mut(usize::from(shard)) {
                *known = lease;
            }
        }
        Ok(leases)
    }
}

impl ShardLeases {
    /// Leases for a run that is told from all others by a random name. They hold for so many seconds, unless they are renewed.
    #[must_use]
    pub fn new(table: Table, lease_s: i64) -> Self {
        Self { table, owner: random::name(), lease_s }
    }

    /// The run's name.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Takes the lease on a shard for what it is: with what the run that held it before, and died, had in hand. That stays named until the
    /// lease names something else. `None` where another run holds it.
    ///
    /// # Errors
    /// [`TableError`], when the table fails. The lease, if it was taken all the same, lapses by itself.
    pub async fn take(&self, shard: u8, now: Instant) -> Result<Option<Vec<InHand>>, TableError> {
        let (pk, sk) = key(shard);
        let update = Update {
            pk: &pk,
            sk: &sk,
            change: "SET #shard = :shard, #lease_owner = :owner, #lease_until = :until, #lease_since = :now \
                     REMOVE #asked_by, #asked_until"
                .to_owned(),
            // A request that was answered too late, and so repeated, finds its own lease.
            condition: "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner",
            values: vec![
                (":shard", AttributeValue::N(shard.to_string())),
                (":owner", text(&self.owner)),
                (":until", instant(self.until(now))),
                (":now", instant(now)),
            ],
            aliases: Vec::new(),
            returned: ReturnValue::AllNew,
        };
        match self.table.change(update).await? {
            Updated::Done(stored) => {
                // What a lease that can't be read had in hand is not known. The next `name` writes it anew.
                Ok(Some(item::typed::<ShardLease>(stored).map(|lease| lease.in_hand).unwrap_or_default()))
            }
            Updated::Refused(_) => Ok(None),
        }
    }

    /// Renews the lease on a shard. Whether it is still held.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn renew(&self, shard: u8, now: Instant) -> Result<bool, TableError> {
        let values = vec![(":until", instant(self.until(now)))];
        self.change(shard, "SET #lease_until = :until".to_owned(), values).await
    }

    /// Names what the run has in hand of a shard, and renews the lease. Where it is not held any more (`false`), nothing of it may be begun.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn name(&self, shard: u8, in_hand: &[InHand], now: Instant) -> Result<bool, TableError> {
        let named = in_hand
            .iter()
            .map(|one| Ok(AttributeValue::M(to_attributes(item::object(one)?))))
            .collect::<Result<_, TableError>>()?;
        let values = vec![(":until", instant(self.until(now))), (":in_hand", AttributeValue::L(named))];
        self.change(shard, "SET #lease_until = :until, #in_hand = :in_hand".to_owned(), values).await
    }

    /// Gives the lease on a shard back. Nothing of it may be in hand any more.
    ///
    /// # Errors
    /// [`TableError`], when the table fails. The lease lapses by itself then.
    pub async fn give_back(&self, shard: u8, now: Instant) -> Result<(), TableError> {
        let change =
            "SET #last_run_at = :now REMOVE #lease_owner, #lease_until, #lease_since, #in_hand".to_owned();
        self.change(shard, change, vec![(":now", instant(now))]).await.map(|_| ())
    }

    /// Asks the run that holds a shard for it, and waits until `until`. Whether nobody else waits for it.
    ///
    /// # Errors
    /// [`TableError`], when the table fails.
    pub async fn ask(&self, shard: u8, now: Instant, until: Instant) -> Result<bool, TableError> {
        let (pk, sk) = key(shard);
        let update = Update {
            pk: &pk,
            sk: &sk,
            change: "SET #asked_by = :owner, #asked_until = :until".to_owned(),
            condition: "attribute_exists(#lease_owner) AND (attribute_not_exists(#asked_by) OR #asked_until <= :now OR #asked_by = :owner)",
            values: vec![(":owner", text(&self.owner)), (":until", instant(until)), (":now", instant(now))],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        Ok(self.table.change(update).await?.is_done())
    }

    /// Changes a lease that is this run's.
    async fn change(
        &self,
        shard: u8,
        change: String,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<bool, TableError> {
        let (pk, sk) = key(shard);
        values.push((":owner", text(&self.owner)));
        let update = Update {
            pk: &pk,
            sk: &sk,
            change,
            condition: MINE,
            values,
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        Ok(self.table.change(update).await?.is_done())
    }

    fn until(&self, now: Instant) -> Instant {
        now.plus_seconds(self.lease_s)
    }
}

fn key(shard: u8) -> (String, String) {
    (keys::ARCHIVE_RUNS.to_owned(), keys::shard_sk(shard))
}
