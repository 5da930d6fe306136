//! The entries of an index in order, over all partitions that a list is spread over.

use std::collections::VecDeque;

use futures_util::future::try_join_all;

use super::partition::{Entry, PartitionReader};
use crate::store::table::{Table, TableError};
use shared::model::Instant;
use shared::reading::{Order, Plan, Position, Stage, Ties};

/// So many questions are asked of an index for one page, or one more round of them: the days of two months that have no calls.
const MAX_QUESTIONS: usize = 512;
/// So many entries of an index are read for one page, and one more round of questions.
const MAX_ENTRIES: usize = 10_000;

/// A walk over the entries of an index, for as long as one page takes.
pub(super) struct Walk<'a> {
    table: &'a Table,
    order: Order,
    ties: Ties,
    after: Option<Position>,
    /// Stages that are not read yet.
    coming: Box<dyn Iterator<Item = Stage> + Send + Sync>,
    /// Stages that are being read: the one that entries are taken of, and the one that is read ahead.
    stages: VecDeque<Reading>,
    questions: usize,
    entries: usize,
}

/// A stage that is being read.
struct Reading {
    /// The place before all of it.
    begin: Position,
    partitions: Vec<PartitionReader>,
}

impl<'a> Walk<'a> {
    /// Behind `after`, or from the beginning.
    pub(super) fn new(table: &'a Table, plan: &Plan, ties: &Ties, after: Option<Position>) -> Self {
        let coming = Box::new(plan.stages(after.as_ref().map(|after| after.at)));
        let order = plan.order();
        let ties = ties.clone();
        Self { table, order, ties, after, coming, stages: VecDeque::new(), questions: 0, entries: 0 }
    }

    /// The next entries, until there are `count` that are `wanted`; fewer at the end of the list, and where enough was read for one page.
    pub(super) async fn take(
        &mut self,
        count: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Entry>, TableError> {
        let (mut taken, mut found) = (Vec::new(), 0);
        while found < count && self.is_ready(count - found).await? {
            let Some(entry) = self.next() else { break };
            found += usize::from(wanted(&entry));
            taken.push(entry);
        }
        Ok(taken)
    }

    /// Where the walk stands once all that was taken was looked at, which ended with `last`: there, or at the beginning of the stage that is
    /// to be read next, whichever is further.
    pub(super) fn position(&self, last: Option<Position>) -> Option<Position> {
        let begin = self.stages.front().map(|stage| stage.begin.clone());
        let last = last.or_else(|| self.after.clone());
        let last =
            last.map(|last| if self.is_behind(last.at) { last.behind_its_time(self.order) } else { last });
        match (last, begin) {
            (Some(last), Some(begin)) if self.order.is_after(&begin, &last) => Some(begin),
            (last, begin) => last.or(begin),
        }
    }

    /// Whether nothing more has this time, as far as is known without asking.
    fn is_behind(&self, at: Instant) -> bool {
        let partitions = self.stages.iter().flat_map(|stage| &stage.partitions);
        partitions.into_iter().all(|partition| partition.has_none_at(at))
    }

    /// Whether there is nothing more, as far as is known without asking.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.drop_ended();
        if self.stages.is_empty() {
            self.stages.extend(self.coming.next().map(|stage| self.reading(stage)));
        }
        self.stages.is_empty()
    }

    /// Makes the next entry known, reading for about `count` of them. `false` at the end, and where enough was read for one page.
    async fn is_ready(&mut self, count: usize) -> Result<bool, TableError> {
        loop {
            if self.is_at_end() {
                return Ok(false);
            }
            let Some(current) = self.stages.front() else { return Ok(false) };
            if !current.partitions.iter().any(PartitionReader::has_to_read) {
                return Ok(true);
            }
            if self.questions >= MAX_QUESTIONS || self.entries >= MAX_ENTRIES {
                return Ok(false);
            }
            // A day of people's is in two of UTC: the second is read along with the first.
            if self.stages.len() == 1 && current.partitions.iter().all(PartitionReader::has_to_read) {
                self.stages.extend(self.coming.next().map(|stage| self.reading(stage)));
            }
            let share = share(count, self.stages.front().map_or(1, |stage| stage.partitions.len()));
            let table = self.table;
            let behind = self.stages.iter_mut().flat_map(|stage| &mut stage.partitions);
            let reads = behind.filter(|partition| partition.has_to_read());
            let reads = try_join_all(reads.map(|partition| partition.read(table, share))).await?;
            self.questions += reads.len();
            self.entries += reads.into_iter().sum::<usize>();
        }
    }

    /// The first entry of those that are known.
    fn next(&mut self) -> Option<Entry> {
        let order = self.order;
        let partitions = &mut self.stages.front_mut()?.partitions;
        let first = partitions
            .iter()
            .enumerate()
            .filter_map(|(at, partition)| Some((at, partition.peek()?.place())))
            .min_by(|(_, one), (_, other)| order.compare(one, other))
            .map(|(at, _)| at)?;
        partitions[first].take()
    }

    fn drop_ended(&mut self) {
        let has_ended = |stage: &Reading| {
            stage.partitions.iter().all(|partition| !partition.has_to_read() && partition.peek().is_none())
        };
        while self.stages.front().is_some_and(has_ended) {
            self.stages.pop_front();
        }
    }

    fn reading(&self, stage: Stage) -> Reading {
        let Stage { index, partitions, span } = stage;
        let begin = match self.order {
            Order::Ascending => Position::before(span.first()),
            // Nothing is at the last millisecond of time.
            Order::Descending => Position::before(Instant::clamped(span.last().epoch_millis() + 1)),
        };
        let order = || (self.order, self.ties.clone());
        let reader = |partition| PartitionReader::new(index, partition, order(), span, self.after.clone());
        Reading { begin, partitions: partitions.into_iter().map(reader).collect() }
    }
}

/// How many entries are asked of each of so many partitions, for `count` altogether: its share, and as many more as chance may give it.
/// (More than are needed cost little: 40 of them are half a read unit, as one is.)
fn share(count: usize, partitions: usize) -> usize {
    let share = count.div_ceil(partitions.max(1));
    match partitions {
        // The time of the last may not be whole.
        1 => share + share / 8 + 8,
        _ => share + 4 * share.isqrt() + 4,
    }
}
