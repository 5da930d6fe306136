//! One partition of an index, read in order.
//!
//! What has the same time stands in an index in no order that is defined. So a time is read whole before anything of it is handed out, and
//! put in order by key here; and no place in an index (`LastEvaluatedKey`) is kept beyond one question.

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use crate::store::attributes::from_attributes;
use crate::store::table::{Table, TableError};
use shared::model::Instant;
use shared::reading::{Order, Position, Span, Ties};
use shared::record::item::{self, UnreadableItem};
use shared::record::keys::{self, Index};

/// So many entries of one time are held at once; where there are more, the time is read again for the rest.
const MAX_TIES: usize = 4_096;
/// The most entries that are asked for at once.
const MAX_ENTRIES: usize = 1_000;

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Entry {
    /// The partition that it is in.
    #[serde(alias = "task_key", alias = "callee_key", alias = "day", alias = "due")]
    pub(super) partition: String,
    /// By what the index sorts.
    #[serde(alias = "call_at", alias = "due_at")]
    pub(super) at: Instant,
    /// Its item's key.
    pub(super) pk: String,
    pub(super) sk: String,
    /// The place of its key among those of the same time.
    #[serde(skip)]
    tie: [u8; 8],
}

impl Entry {
    /// Where it stands in a list.
    pub(super) fn position(&self) -> Position {
        Position { at: self.at, pk: self.pk.clone(), sk: self.sk.clone() }
    }

    /// The same, as lists are ordered.
    pub(super) fn place(&self) -> (Instant, [u8; 8], &str, &str) {
        (self.at, self.tie, &self.pk, &self.sk)
    }
}

/// A partition of an index, of which entries are read ahead.
pub(super) struct PartitionReader {
    index: Index,
    partition: String,
    order: Order,
    ties: Ties,
    /// The time of what is not read yet; `None` where all is.
    rest: Option<Span>,
    /// What is up to here was handed out before.
    after: Option<Position>,
    ready: VecDeque<Entry>,
}

impl PartitionReader {
    pub(super) fn new(
        index: Index,
        partition: String,
        (order, ties): (Order, Ties),
        span: Span,
        after: Option<Position>,
    ) -> Self {
        Self { index, partition, order, ties, rest: Some(span), after, ready: VecDeque::new() }
    }

    /// Whether the next entry is not known, although there may be one.
    pub(super) fn has_to_read(&self) -> bool {
        self.ready.is_empty() && self.rest.is_some()
    }

    /// Whether no more entries have this time, as far as is known.
    pub(super) fn has_none_at(&self, at: Instant) -> bool {
        !self.rest.is_some_and(|rest| rest.contains(at))
            && self.ready.front().is_none_or(|next| next.at != at)
    }

    /// The next entry, as far as it is read.
    pub(super) fn peek(&self) -> Option<&Entry> {
        self.ready.front()
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self) -> Option<Entry> {
        self.ready.pop_front()
    }

    /// Reads on, about `count` entries at a time, until the next entry is known or all is read. How many entries were read.
    pub(super) async fn read(&mut self, table: &Table, count: usize) -> Result<usize, TableError> {
        let mut read = 0;
        while let (true, Some(span)) = (self.ready.is_empty(), self.rest) {
            let question = Question { limit: Some(count.clamp(2, MAX_ENTRIES)), ..self.question(span) };
            let (mut entries, more) = table.entries(&question, None).await?;
            read += entries.len();
            match (more, entries.first(), entries.last()) {
                (None, ..) => {
                    self.rest = None;
                    self.hand_out(entries);
                }
                (Some(_), Some(first), Some(last)) if first.at != last.at => {
                    // The last time may not be whole.
                    let last = last.at;
                    entries.retain(|entry| entry.at != last);
                    self.rest = span.from(last, self.order);
                    self.hand_out(entries);
                }
                (Some(_), first, _) => {
                    // Nothing but entries of one time, or none at all, which DynamoDB may say too.
                    let at = first.map(|first| first.at);
                    let span = at.and_then(|at| Span::new(at, at)).unwrap_or(span);
                    read += self.read_whole(table, span).await?;
                }
            }
        }
        Ok(read)
    }

    /// Reads all of a time, and hands out what comes first of it.
    async fn read_whole(&mut self, table: &Table, time: Span) -> Result<usize, TableError> {
        let question = self.question(time);
        let (mut first, mut read, mut is_cut, mut from) = (Vec::new(), 0, false, None);
        loop {
            let (entries, more) = table.entries(&question, from).await?;
            read += entries.len();
            first.extend(entries.into_iter().filter(|entry| self.is_new(entry)));
            first.sort_by(|one: &Entry, other| self.order.compare(&one.place(), &other.place()));
            is_cut |= first.len() > MAX_TIES;
            first.truncate(MAX_TIES);
            from = more;
            if from.is_none() {
                break;
            }
        }
        let end = match (is_cut, self.order) {
            // The rest of what has this time comes with the next question.
            (true, _) => first.last().map(|last| last.at),
            (false, Order::Ascending) => Some(time.last()),
            (false, Order::Descending) => Some(time.first()),
        };
        let rest = self.rest.zip(end);
        self.rest = match is_cut {
            true => rest.and_then(|(rest, end)| rest.from(end, self.order)),
            false => rest.and_then(|(rest, end)| rest.behind(end, self.order)),
        };
        self.after = first.last().map(Entry::position).or(self.after.take());
        self.ready.extend(first);
        Ok(read)
    }

    fn question(&self, span: Span) -> Question<'_> {
        let Self { index, partition, order, ties, .. } = self;
        Question { index: *index, partition, order: *order, ties, span, limit: None }
    }

    fn hand_out(&mut self, mut entries: Vec<Entry>) {
        entries.retain(|entry| self.is_new(entry));
        entries.sort_by(|one, other| self.order.compare(&one.place(), &other.place()));
        self.ready.extend(entries);
    }

    fn is_new(&self, entry: &Entry) -> bool {
        let is_after = |after: &Position| {
            let tie = self.ties.place(&after.pk);
            self.order.is_after(&entry.place(), &(after.at, tie, after.pk.as_str(), after.sk.as_str()))
        };
        self.after.as_ref().is_none_or(is_after)
    }
}

/// What is asked of a partition of an index.
struct Question<'a> {
    index: Index,
    partition: &'a str,
    order: Order,
    ties: &'a Ties,
    span: Span,
    limit: Option<usize>,
}

/// Where DynamoDB stopped.
type Stopped = HashMap<String, AttributeValue>;

impl Table {
    /// The first entry of a partition within a time, in the order of their times.
    pub(super) async fn first_entry(
        &self,
        index: Index,
        partition: &str,
        order: Order,
        span: Span,
    ) -> Result<Option<Entry>, TableError> {
        let question = Question { index, partition, order, ties: &Ties::by_key(), span, limit: Some(1) };
        let mut from = None;
        loop {
            let (entries, more) = self.entries(&question, from).await?;
            match (entries.into_iter().next(), more) {
                (Some(first), _) => return Ok(Some(first)),
                (None, None) => return Ok(None),
                (None, more) => from = more,
            }
        }
    }

    /// The entries of a partition in the order of their times, in one request; and where DynamoDB stopped, if it did before the end.
    async fn entries(
        &self,
        question: &Question<'_>,
        from: Option<Stopped>,
    ) -> Result<(Vec<Entry>, Option<Stopped>), TableError> {
        let Question { index, partition, order, ties, span, limit } = question;
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(index.name)
            .key_condition_expression("#partition = :partition AND #at BETWEEN :first AND :last")
            .projection_expression("#partition, #at, #pk, #sk")
            .expression_attribute_names("#partition", index.partition)
            .expression_attribute_names("#at", index.sort)
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#sk", keys::SK)
            .expression_attribute_values(":partition", AttributeValue::S((*partition).to_owned()))
            .expression_attribute_values(":first", AttributeValue::S(span.first().to_text()))
            .expression_attribute_values(":last", AttributeValue::S(span.last().to_text()))
            .scan_index_forward(*order == Order::Ascending)
            .set_limit(limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_exclusive_start_key(from);
        let answer =
            self.in_turn(|| query.send()).await.map_err(|error| TableError::Query(Box::new(error)))?;
        let entries = answer.items.unwrap_or_default().into_iter();
        let entries = entries.map(|entry| {
            let entry: Entry = item::typed(from_attributes(entry))?;
            Ok::<_, UnreadableItem>(Entry { tie: ties.place(&entry.pk), ..entry })
        });
        let entries = entries.collect::<Result<_, _>>()?;
        Ok((entries, answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }
}
