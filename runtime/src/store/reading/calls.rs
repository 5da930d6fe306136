//! Pages of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::Value;

use super::ReadError;
use super::partition::Entry;
use super::walk::Walk;
use crate::clock;
use crate::store::Store;
use crate::store::table::TableError;
use shared::model::{CallFacts, CallKey, Instant, Provider};
use shared::reading::{CallFilter, CalleeIdOf, Cursor, Plan, Position, Ties};
use shared::record::inquiry::HAS;
use shared::record::item::{self, BODIES, ERASED_AT, Item, VERSION, is_tombstone};
use shared::record::keys::{self, CALLEE_INDEX, DAY_INDEX, Index, TASK_INDEX};
use shared::record::merge::Record;

/// The most calls of one page.
pub const MAX_PAGE: usize = 1_000;
/// A page ends before it has more bytes than that, as JSON; one call alone may.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// What is shown of a call beside its attributes, in bytes: its names and links.
const BESIDE_BYTES: usize = 512;

/// So many calls are read for one page, whatever is asked for of them, and one more round.
const MAX_SCANNED: usize = 2_000;
/// So many bytes of calls are read for one page, and one more round.
const MAX_READ_BYTES: usize = 16 * 1024 * 1024;
/// How many calls are read in the first round, and in each where something is looked for in them.
const FIRST_ROUND: usize = 100;
/// How many in a later one: as many as are held at once beside the page.
const ROUND: std::ops::RangeInclusive<usize> = 10..=400;

/// What a list has no use for: the platform's own codes, which are large.
const STATUS: &str = "status";

/// A call of a list: its record without `extra`, `status`, and what tells its bodies apart.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRecord {
    /// Which call it is.
    pub key: CallKey,
    /// By what it is listed.
    pub call_at: Instant,
    /// How often its item was written.
    pub version: u64,
    /// What is known of it.
    pub record: Record,
}

impl ListedRecord {
    /// Its task, by platform and id.
    pub fn task(&self) -> Option<(Provider, String)> {
        Some((self.key.provider, self.record.facts.get("task_id")?.as_str()?.to_owned()))
    }
}

/// Some calls of a list, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallPage {
    /// The calls. There may be none although there is a next page.
    pub calls: Vec<ListedRecord>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<Cursor>,
    /// How many calls were looked at, without those of which who asks may not even know that they are there ([`CallFilter::hides`]).
    pub scanned: u64,
    /// How many of them could not be read: they are not what any release has written, and stand in no list.
    pub unreadable: u64,
}

impl Store {
    /// A page of at most `limit` calls (1 to [`MAX_PAGE`]) that a filter asks for, behind a cursor of the same filter.
    ///
    /// A walk over `next` finds every call that the index had when it began and whose `call_at` and task did not change meanwhile, exactly
    /// once, if all its pages have the same `ties`. What is read for one page is bounded, whatever the filter: a page may have fewer calls than `limit`, or none, and still a next.
    ///
    /// # Errors
    /// [`ReadError`], when DynamoDB fails.
    pub async fn list_calls(
        &self,
        filter: &CallFilter,
        cursor: Option<&Cursor>,
        limit: usize,
        callee_ids: CalleeIdOf<'_>,
        ties: &Ties,
    ) -> Result<CallPage, ReadError> {
        let plan = Plan::of(filter, clock::now(), cursor.and_then(Cursor::today));
        self.list_planned((&plan, ties), filter, cursor, limit, callee_ids).await
    }

    /// [`Store::list_calls`], of calls that are where a plan says.
    pub(super) async fn list_planned(
        &self,
        (plan, ties): (&Plan, &Ties),
        filter: &CallFilter,
        cursor: Option<&Cursor>,
        limit: usize,
        callee_ids: CalleeIdOf<'_>,
    ) -> Result<CallPage, ReadError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let after = cursor.map(|cursor| cursor.position().clone());
        let mut walk = Walk::new(&self.table, plan, ties, after);
        let is_of_provider = |entry: &Entry| {
            let asked = |provider| keys::call_of_pk(&entry.pk).is_some_and(|key| key.provider == provider);
            filter.provider.is_none_or(asked)
        };
        let mut page = PageSoFar { limit, looks_ahead: filter.may_hide(), ..PageSoFar::default() };
        while page.goes_on() {
            let left = limit - page.calls.len() + usize::from(page.looks_ahead);
            let count = match filter.looks_into_calls() {
                true => (2 * left).max(FIRST_ROUND),
                false => left,
            };
            let entries = walk.take(count.min(page.most_at_once()), is_of_provider).await?;
            if entries.is_empty() {
                break;
            }
            let mut looks = self.look_at(plan.index(), entries, is_of_provider).await?;
            for look in &mut looks {
                look.is_hidden = look.call.as_ref().is_some_and(|call| filter.hides(&call.record));
                look.call =
                    look.call.take().filter(|call| filter.matches(&call.key, &call.record, callee_ids));
            }
            if let Some(reviewed) = filter.reviewed {
                self.keep_reviewed(&mut looks, reviewed).await?;
            }
            page.take(looks);
        }
        let next = match (page.next_at, walk.is_at_end()) {
            // Between two times no call need be named.
            (Some(next_at), _) => page.last.map(|last| match last.at == next_at {
                true => last,
                false => last.behind_its_time(plan.order()),
            }),
            (None, true) => None,
            (None, false) => walk.position(page.last),
        };
        Ok(CallPage {
            calls: page.calls,
            next: next.map(|position| Cursor::new(position, plan.today(), filter)),
            scanned: page.scanned,
            unreadable: page.unreadable,
        })
    }

    /// Reads the calls that entries of an index name, in their order. An entry that is not true (any more) has no call: the call has
    /// another place in the index, or is erased.
    async fn look_at(
        &self,
        index: Index,
        entries: Vec<Entry>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Look>, TableError> {
        let names: BTreeSet<_> =
            entries.iter().filter(|entry| wanted(entry)).map(|entry| &entry.pk).collect();
        let mut items = self.call_items(names, false).await?;
        // Whether the index or what was read of the table is behind, the table itself knows.
        let doubtful = |entry: &&Entry| match items.get(&entry.pk) {
            None => true,
            Some(item) => !is_tombstone(item) && !is_true(index, entry, item),
        };
        let doubtful: BTreeSet<_> =
            entries.iter().filter(|entry| wanted(entry)).filter(doubtful).map(|entry| &entry.pk).collect();
        if !doubtful.is_empty() {
            let known = self.call_items(doubtful.iter().copied(), true).await?;
            items.retain(|pk, _| !doubtful.contains(pk));
            items.extend(known);
        }
        let looks = entries.into_iter().map(|entry| {
            let is_there = items.get(&entry.pk).is_some_and(|item| is_true(index, &entry, item));
            let item = is_there.then(|| items.remove(&entry.pk)).flatten();
            let bytes = item.as_ref().map_or(0, |item| json_bytes(item) + BESIDE_BYTES);
            let call = item.map(|item| listed(&entry, item));
            let is_unreadable = matches!(call, Some(None));
            Look { position: entry.position(), call: call.flatten(), bytes, is_unreadable, is_hidden: false }
        });
        Ok(looks.collect())
    }

    /// What lists show of calls, by partition key.
    async fn call_items(
        &self,
        partitions: impl IntoIterator<Item = &String>,
        consistent: bool,
    ) -> Result<BTreeMap<String, Item>, TableError> {
        let keys: Vec<_> = partitions.into_iter().map(|pk| (pk.clone(), keys::CALL.to_owned())).collect();
        let items = self.table.read(&keys, &shown(), consistent).await?.into_iter();
        let by_pk = items.filter_map(|item| Some((item.get(keys::PK)?.as_str()?.to_owned(), item)));
        Ok(by_pk.collect())
    }

    async fn keep_reviewed(&self, looks: &mut [Look], reviewed: bool) -> Result<(), ReadError> {
        let keys: Vec<_> = looks.iter().filter_map(|look| Some(look.call.as_ref()?.key.clone())).collect();
        let reviews = self.reviews(&keys).await?;
        for look in looks {
            look.call = look.call.take().filter(|call| {
                let is_reviewed = reviews.get(&call.key).is_some_and(|review| review.is_made());
                is_reviewed == reviewed
            });
        }
        Ok(())
    }
}

/// An entry of an index that was looked at.
struct Look {
    position: Position,
    /// The call, while it is asked for.
    call: Option<ListedRecord>,
    /// How much of a page it takes.
    bytes: usize,
    is_unreadable: bool,
    /// Who asks may not know that it is there.
    is_hidden: bool,
}

/// A page that is being filled.
#[derive(Default)]
struct PageSoFar {
    limit: usize,
    /// Whether a full page goes on to the next call that is not hidden: a page behind it that has only hidden ones would tell that they are
    /// there.
    looks_ahead: bool,
    calls: Vec<ListedRecord>,
    bytes: usize,
    scanned: u64,
    unreadable: u64,
    /// How many bytes were read, of calls that are in the page and of others.
    read_bytes: usize,
    read: usize,
    /// The last that was looked at.
    last: Option<Position>,
    /// The time of the first that was taken from the index and not looked at.
    next_at: Option<Instant>,
}

impl PageSoFar {
    /// Whether there is room for more, and not enough was read.
    fn goes_on(&self) -> bool {
        self.next_at.is_none()
            && (self.looks_ahead || self.calls.len() < self.limit)
            && self.read < MAX_SCANNED
            && self.read_bytes < MAX_READ_BYTES
    }

    /// How many calls may be read at once: no more than two pages of the size that they had so far.
    fn most_at_once(&self) -> usize {
        match self.read {
            0 => FIRST_ROUND,
            read => (2 * MAX_PAGE_BYTES * read / self.read_bytes.max(1)).clamp(*ROUND.start(), *ROUND.end()),
        }
    }

    fn take(&mut self, looks: Vec<Look>) {
        self.read += looks.len();
        self.read_bytes += looks.iter().map(|look| look.bytes).sum::<usize>();
        for Look { position, call, bytes, is_unreadable, is_hidden } in looks {
            if is_hidden {
                self.last = Some(position);
                continue;
            }
            let bytes = if call.is_some() { bytes } else { 0 };
            let is_full = self.calls.len() == self.limit;
            if is_full || (!self.calls.is_empty() && self.bytes + bytes > MAX_PAGE_BYTES) {
                self.next_at = Some(position.at);
                return;
            }
            self.scanned += 1;
            self.unreadable += u64::from(is_unreadable);
            self.bytes += bytes;
            self.calls.extend(call);
            self.last = Some(position);
        }
    }
}

/// The attributes of a call's item that lists show, or need to know.
fn shown() -> Vec<&'static str> {
    let facts = CallFacts::NAMES.iter().copied().filter(|name| *name != STATUS);
    let beside = [
        keys::PK,
        VERSION,
        ERASED_AT,
        HAS,
        "sources",
        "first_received_at",
        "updated_at",
        // Numbers that the call had before, or that another function tells: they are hidden as today's is.
        BODIES,
        "extra",
        keys::CALL_AT,
        TASK_INDEX.partition,
        CALLEE_INDEX.partition,
        DAY_INDEX.partition,
    ];
    facts.chain(beside).collect()
}

/// Whether an item is where an entry of an index says.
pub(super) fn is_true(index: Index, entry: &Entry, item: &Item) -> bool {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let at = text(index.sort).and_then(|at| at.parse::<Instant>().ok());
    text(index.partition) == Some(&entry.partition) && at == Some(entry.at)
}

/// A call as lists have it; `None` where its item can't be read.
fn listed(entry: &Entry, item: Item) -> Option<ListedRecord> {
    let key = keys::call_of_pk(&entry.pk)?;
    let version = item.get(VERSION).and_then(Value::as_u64).unwrap_or_default();
    let record = item::record(item).ok()?;
    Some(ListedRecord { key, call_at: entry.at, version, record })
}

/// How long an item is as JSON.
pub(super) fn json_bytes(item: &Item) -> usize {
    struct Counted(usize);
    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    // Neither counting nor the names of a map can fail.
    let _ = serde_json::to_writer(&mut counted, item);
    counted.0
}
