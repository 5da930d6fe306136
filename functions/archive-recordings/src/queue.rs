//! What is due, in the order in which it is worked on. Pure.
//!
//! What expires first comes first; what has no expiry comes after, in the order in which it became due. What is alike comes in an order that is
//! another one in each run: by when a recording was tried, lists would tell between which others its call's id is. Recordings over which runs died are
//! suspects: they come last, and fewer at once the more runs died, so that the one that is to blame is alone in the end, and keeps no other
//! from being archived.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use runtime::store::due::DueRecording;
use shared::model::Instant;
use shared::record::keys;

/// How suspect a recording is: over how many runs it died, up to 3.
pub(crate) type Level = usize;

/// How many recordings of a level may be in hand at once. Of the first there may be as many as the run has room for.
const AT_ONCE: [usize; 4] = [usize::MAX, 16, 4, 1];

/// The level of a recording over which so many runs died.
pub(crate) fn level(deaths: u64) -> Level {
    usize::try_from(deaths).unwrap_or(usize::MAX).min(AT_ONCE.len() - 1)
}

/// How many of a level may be in hand at once, where there is room for so many.
pub(crate) fn at_once(level: Level, room: usize) -> usize {
    AT_ONCE.get(level).map_or(1, |most| room.min(*most))
}

/// The most bytes of keys that are taken out at once: a lease names them, and an item has 400 KB.
const MAX_BYTES: usize = 128 * 1024;

/// By what entries are sorted: the expiry, where there is one, and since when each is due. A code of the keys comes between what is alike.
pub(crate) type Urgency = (bool, Option<Instant>, Instant, u64, String, String);

/// How urgent an entry is. `ties` is what codes of keys are made by.
pub(crate) fn urgency(ties: &RandomState, entry: &DueRecording) -> Urgency {
    let (expires_at, tie) = (entry.source_expires_at, ties.hash_one((&entry.pk, &entry.sk)));
    (expires_at.is_none(), expires_at, entry.due_at, tie, entry.pk.clone(), entry.sk.clone())
}

/// What is due and not begun, by level and shard.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Another one in each run.
    ties: RandomState,
    levels: [BTreeMap<u8, BTreeMap<Urgency, DueRecording>>; AT_ONCE.len()],
}

impl Queue {
    /// Adds an entry to a level.
    pub(crate) fn add(&mut self, level: Level, entry: DueRecording) {
        let urgency = urgency(&self.ties, &entry);
        if let Some(shards) = self.levels.get_mut(level) {
            shards.entry(keys::shard_of(&entry.pk)).or_default().insert(urgency, entry);
        }
    }

    /// The shards that have entries.
    pub(crate) fn shards(&self) -> Vec<u8> {
        let mut shards: Vec<_> = self.levels.iter().flat_map(|shards| shards.keys().copied()).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// The first level that has an entry of such a shard, or the first of suspects, where their time has come.
    pub(crate) fn next_level(&self, suspects_first: bool, may_begin: impl Fn(u8) -> bool) -> Option<Level> {
        let has = |level: &Level| self.levels[*level].keys().any(|shard| may_begin(*shard));
        let first = usize::from(suspects_first);
        (first..self.levels.len()).find(has).or_else(|| (0..first).find(has))
    }

    /// Takes at most so many entries of a level out, the most urgent ones of such shards.
    pub(crate) fn take(
        &mut self,
        level: Level,
        most: usize,
        may_begin: impl Fn(u8) -> bool,
    ) -> Vec<DueRecording> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let Some(shards) = self.levels.get_mut(level) else { return taken };
        while taken.len() < most && bytes < MAX_BYTES {
            let heads = shards
                .iter()
                .filter(|(shard, _)| may_begin(**shard))
                .filter_map(|(shard, entries)| Some((entries.first_key_value()?.0, *shard)));
            let Some((_, shard)) = heads.min() else { break };
            if let Some(entries) = shards.get_mut(&shard) {
                let entry = entries.pop_first().map(|(_, entry)| entry);
                bytes += entry.as_ref().map_or(0, |entry| entry.pk.len() + entry.sk.len());
                taken.extend(entry);
                if entries.is_empty() {
                    shards.remove(&shard);
                }
            }
        }
        taken
    }

    /// Takes out all that is left.
    pub(crate) fn drain(&mut self) -> Vec<DueRecording> {
        let levels = std::mem::take(&mut self.levels);
        levels.into_iter().flatten().flat_map(|(_, entries)| entries.into_values()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::from_epoch_millis(1_748_743_200_000).unwrap()
    }

    fn entry(id: &str, expires_in: Option<i64>, due_for: i64) -> DueRecording {
        DueRecording {
            pk: format!("call#alicom#{id}"),
            sk: "recording#main".to_owned(),
            due_at: now().plus_seconds(-due_for),
            source_expires_at: expires_in.map(|seconds| now().plus_seconds(seconds)),
        }
    }

    fn ids(entries: &[DueRecording]) -> Vec<&str> {
        entries.iter().map(|entry| entry.pk.rsplit('#').next().unwrap()).collect()
    }

    #[test]
    fn what_expires_first_is_first_over_all_shards_and_what_never_does_goes_by_when_it_became_due() {
        let mut queue = Queue::default();
        for (id, expires_in, due_for) in [
            ("c", None, 5),
            ("b", None, 9),
            ("late", Some(900), 1),
            ("soon", Some(5), 0),
            ("mid", Some(60), 7),
        ] {
            queue.add(0, entry(id, expires_in, due_for));
        }
        assert_eq!(ids(&queue.take(0, 3, |_| true)), ["soon", "mid", "late"]);
        assert_eq!(ids(&queue.take(0, 3, |_| true)), ["b", "c"]);
        assert_eq!(queue.next_level(false, |_| true), None);
    }

    /// By chance once in 20! times.
    #[test]
    fn what_is_alike_does_not_come_in_the_order_of_its_ids() {
        let mut queue = Queue::default();
        (10..30).for_each(|n| queue.add(0, entry(&n.to_string(), Some(60), 0)));
        let taken = queue.take(0, 20, |_| true);
        assert!(taken.len() == 20 && !ids(&taken).is_sorted());
    }

    #[test]
    fn only_shards_that_are_held_are_taken_from_and_what_is_left_is_known() {
        let mut queue = Queue::default();
        (0..50).for_each(|n| queue.add(0, entry(&n.to_string(), None, n)));
        let shard = keys::shard_of("call#alicom#7");
        let taken = queue.take(0, 100, |held| held == shard);
        assert!(ids(&taken).contains(&"7") && taken.iter().all(|entry| keys::shard_of(&entry.pk) == shard));
        assert!(!queue.shards().contains(&shard));
        assert_eq!(queue.drain().len(), 50 - taken.len());
        assert_eq!(queue.shards(), [0_u8; 0]);
    }

    #[test]
    fn what_has_long_keys_is_taken_out_in_smaller_batches() {
        let mut queue = Queue::default();
        (0..300).for_each(|n| queue.add(0, entry(&format!("{n}{}", "x".repeat(1_000)), None, n)));
        let taken = queue.take(0, 300, |_| true).len();
        assert!((100..150).contains(&taken), "{taken}");
    }

    #[test]
    fn suspects_come_last_unless_their_time_has_come_and_ever_fewer_at_once() {
        let mut queue = Queue::default();
        queue.add(0, entry("sound", None, 0));
        queue.add(level(1), entry("suspect", Some(1), 0));
        queue.add(level(9), entry("worse", Some(1), 0));
        assert_eq!(queue.next_level(false, |_| true), Some(0));
        assert_eq!(queue.next_level(true, |_| true), Some(1));
        queue.take(1, 1, |_| true);
        queue.take(3, 1, |_| true);
        assert_eq!(queue.next_level(true, |_| true), Some(0), "there is no suspect left");
        assert_eq!([0, 1, 2, 5].map(|deaths| at_once(level(deaths), 256)), [256, 16, 4, 1]);
    }
}
