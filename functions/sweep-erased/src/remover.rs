//! Erasing a call, and removing what lies beside its tombstone.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use runtime::store::bucket::Bucket;
use runtime::store::table::{Table, TableError};
use runtime::store::tombstones::{Look, Tombstone};
use serde_json::Value;
use shared::model::{CallKey, Instant};
use shared::record::item::{self, Item, VERSION, is_tombstone};
use shared::record::keys;
use shared::record::tombstone::{HiddenId, tombstone};

use crate::schedule::next_look;
use crate::versions::{Version, VersionsError, kept_versions};

/// How many items are removed at once.
const CONCURRENCY: usize = 8;

/// What lies beside a tombstone could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The call's items could not be read or removed, or its tombstone not be put, or a look not be noted on it.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Objects could not be removed.
    #[error(transparent)]
    Versions(#[from] VersionsError),
}

/// Removes calls, and what comes to lie beside their tombstones.
#[derive(Clone, Copy, Debug)]
pub struct Remover<'a> {
    /// The table.
    pub table: &'a Table,
    /// The bucket.
    pub bucket: &'a Bucket,
    /// Whether to remove what is locked in governance mode, too, which takes a permission that no function has.
    pub bypass_governance: bool,
}

/// What was removed of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many items, the call's own included where it was not a tombstone before.
    pub items: usize,
    /// How many versions of objects.
    pub versions: usize,
    /// The versions of objects that stay. The tombstone stays due as long as there are any.
    pub kept: Vec<Version>,
}

impl Remover<'_> {
    /// Erases a call: puts its tombstone, by which all writers are stopped, then removes everything else of it. Where it breaks off,
    /// the tombstone is due, and what is left is removed by the next sweep.
    ///
    /// # Errors
    /// [`SweepError`], when the table or the bucket fails.
    pub async fn erase(&self, key: &CallKey, now: Instant) -> Result<Removed, SweepError> {
        let pk = keys::call_pk(key);
        let prefixes = prefixes(key, &self.table.query(&pk).await?);
        let bury = |stored: Option<Item>| {
            if stored.as_ref().is_some_and(is_tombstone) {
                return Ok((None, false));
            }
            let version = stored.as_ref().and_then(|item| item.get(VERSION)).and_then(Value::as_u64);
            let look_at = next_look(now, now, true);
            let mut stone = tombstone(key, now, prefixes.clone(), look_at, version.unwrap_or_default() + 1);
            let was_there = stored.is_some();
            // What can't be read is erased all the same.
            let call = stored.and_then(|stored| item::record(stored).ok());
            if let Some(hidden) = call.and_then(|call| HiddenId::of(key, &call)) {
                hidden.keep_in(&mut stone);
            }
            Ok((Some(stone.into()), was_there))
        };
        let was_there = self.table.update(&pk, keys::CALL, bury).await?;
        let mut removed = self.sweep(key, now).await?.unwrap_or_default();
        removed.items += usize::from(was_there);
        Ok(removed)
    }

    /// Removes what lies beside a tombstone, and notes when to look again; `None` where the call has none. To find anything arms the
    /// tombstone again: more may be under way.
    ///
    /// # Errors
    /// [`SweepError`], when the table or the bucket fails. The tombstone stays due then.
    pub async fn sweep(&self, key: &CallKey, now: Instant) -> Result<Option<Removed>, SweepError> {
        let items = self.table.query(&keys::call_pk(key)).await?;
        let is_call = |item: &&Item| sort_key(item) == keys::CALL;
        let Some(mut stone) = items.iter().find(is_call).and_then(|item| Tombstone::of(item, now)) else {
            return Ok(None);
        };
        // Objects first: the items beside it may be what tells where objects lie.
        let known = stone.prefixes.clone();
        stone.prefixes.extend(prefixes(key, &items));
        let mut removed = Removed::default();
        for prefix in &without_nested(stone.prefixes.clone()) {
            let (versions, kept) = kept_versions(self.bucket, prefix, self.bypass_governance).await?;
            removed.versions += versions;
            removed.kept.extend(kept);
        }
        // What people said of it lies elsewhere.
        let is_reviewed = self.table.remove_review(key).await?;
        removed.items += usize::from(is_reviewed);
        let has_found = is_reviewed || removed.versions > 0 || items.len() > 1 || stone.is_stained();
        let armed_at = if has_found { now } else { stone.armed_at };
        let look = |next| Look { armed_at, next, prefixes: &stone.prefixes };
        if known != stone.prefixes {
            // What the items tell must not be lost with them. It stays due: the next look finds it as it is by then.
            if self.table.note_look(key, &stone, look(Some(now))).await? {
                self.remove_items(&items, &mut removed).await?;
            }
            return Ok(Some(removed));
        }
        self.remove_items(&items, &mut removed).await?;
        let next = next_look(armed_at, now, !removed.kept.is_empty());
        self.table.note_look(key, &stone, look(next)).await?;
        Ok(Some(removed))
    }

    /// Removes the items of a partition but the tombstone.
    async fn remove_items(&self, items: &[Item], removed: &mut Removed) -> Result<(), SweepError> {
        let beside = items.iter().filter(|item| sort_key(item) != keys::CALL);
        let keys: Vec<_> =
            beside.map(|item| [keys::PK, keys::SK].map(|name| text(item, name).to_owned())).collect();
        let deleted = stream::iter(keys).map(|[pk, sk]| async move { self.table.delete(&pk, &sk).await });
        removed.items += deleted.buffer_unordered(CONCURRENCY).try_collect::<Vec<_>>().await?.len();
        Ok(())
    }
}

fn sort_key(item: &Item) -> &str {
    text(item, keys::SK)
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Under which prefixes the bucket holds what belongs to a call, as far as its items tell.
pub fn prefixes(key: &CallKey, items: &[Item]) -> BTreeSet<String> {
    let mut prefixes = BTreeSet::from([keys::large_prefix(key)]);
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let is_dated = sort_key(item) == keys::CALL || sort_key(item).starts_with("recording#");
        let call_at = text("call_at").filter(|_| is_dated).and_then(|at| at.parse::<Instant>().ok());
        prefixes.extend(call_at.map(|call_at| keys::recording_prefix(key, call_at)));
        // Wherever it lies: one call's own recording.
        prefixes.extend(text("object_key").map(str::to_owned));
    }
    prefixes.retain(|prefix| keys::is_of_calls(prefix));
    without_nested(prefixes)
}

/// The prefixes less those under another: no object is to be found twice.
fn without_nested(mut prefixes: BTreeSet<String>) -> BTreeSet<String> {
    let all = prefixes.clone();
    prefixes.retain(|prefix| !all.iter().any(|wider| prefix != wider && prefix.starts_with(wider.as_str())));
    prefixes
}
