//! What a push says of a call, as it is to be written, and when what it says was received first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::envelope;
use super::table::TableError;
use shared::model::{CallKey, Instant, RecordingSource};
use shared::record::item::{self, Item, NewItem, PushItem};
use shared::record::keys;
use shared::record::merge::{Contribution, Record};
use shared::record::parts::{Element, Origin, Parts, announced_at, former_recording_sk, parts};

/// When a verbatim push was received first.
pub(super) const RECEIVED_AT: &str = "received_at";

/// What a push has to write about one call.
#[derive(Default)]
pub(super) struct CallWrites {
    pub(super) bodies: Vec<BodyWrites>,
}

/// What one element has to write.
pub(super) struct BodyWrites {
    /// Where it stands in the push: twice the same element is one.
    pub(super) positions: Vec<usize>,
    /// The verbatim push, until it is known whether it is to be put.
    pub(super) push: Option<PushItem>,
    /// What it says of the call: nothing any more, once a merge has consumed it.
    pub(super) call: Contribution,
    /// What it says of the conversation, likewise.
    pub(super) conversation: Option<Contribution>,
    pub(super) recordings: Vec<RecordingSource>,
    /// What all this is made of.
    origin: Origin,
    is_call_consumed: bool,
    is_conversation_consumed: bool,
    /// Whether the verbatim push is there and tells a later receipt.
    pub(super) is_put_as_later: bool,
}

impl CallWrites {
    pub(super) fn add(&mut self, position: usize, new: BodyWrites) {
        let same = |body: &&mut BodyWrites| {
            (body.call.function, &body.call.body) == (new.call.function, &new.call.body)
        };
        match self.bodies.iter_mut().find(same) {
            Some(body) => body.positions.push(position),
            None => self.bodies.push(BodyWrites { positions: vec![position], ..new }),
        }
    }

    /// Where its elements stand in the push.
    pub(super) fn positions(&self) -> Vec<usize> {
        self.bodies.iter().flat_map(|body| body.positions.iter().copied()).collect()
    }

    /// The sort keys of the items to write.
    pub(super) fn sort_keys(&self, key: &CallKey) -> BTreeSet<String> {
        let mut sort_keys = BTreeSet::from([keys::CALL.to_owned()]);
        for body in &self.bodies {
            sort_keys.insert(keys::push_sk(body.call.function, &body.call.body));
            sort_keys.extend(body.conversation.as_ref().map(|_| keys::CONVERSATION.to_owned()));
            for source in &body.recordings {
                sort_keys.insert(keys::recording_sk(&source.slot));
                sort_keys.extend(former_recording_sk(key, source));
            }
        }
        sort_keys
    }
}

/// What one body says of one item, for the merges of one write: the first consumes it, and each further one, after a put was refused, has it
/// made anew.
pub(super) struct ToMerge<'a> {
    said: &'a mut Contribution,
    is_consumed: &'a mut bool,
    origin: &'a Origin,
    of: fn(Parts) -> Option<Contribution>,
}

impl ToMerge<'_> {
    /// What is said.
    ///
    /// # Errors
    /// [`TableError::Again`], where it can't be made anew.
    pub(super) fn contribution(&mut self) -> Result<Contribution, TableError> {
        let received_at = self.said.received_at;
        if *self.is_consumed {
            let again = self.origin.parts().map_err(|why| TableError::Again(why.summary()))?;
            let again = (self.of)(again).ok_or(TableError::Again("it says nothing any more".into()))?;
            return Ok(Contribution { received_at, ..again });
        }
        *self.is_consumed = true;
        let Contribution { function, ref body, feeds, .. } = *self.said;
        Ok(Contribution {
            function,
            body: body.clone(),
            received_at,
            feeds,
            facts: std::mem::take(&mut self.said.facts),
            extra: std::mem::take(&mut self.said.extra),
            nulls: std::mem::take(&mut self.said.nulls),
        })
    }
}

impl BodyWrites {
    /// What an element comes to, and what of it is too large for the items, by its key in the bucket.
    pub(super) fn of(element: Element) -> (Self, BTreeMap<String, Vec<u8>>) {
        let origin = element.origin();
        let Parts { push, call, conversation, recordings, large } = parts(element);
        let body = Self {
            positions: Vec::new(),
            push: Some(push),
            call,
            conversation,
            recordings,
            origin,
            is_call_consumed: false,
            is_conversation_consumed: false,
            is_put_as_later: false,
        };
        (body, large)
    }

    /// What it says of the call and, if anything, of the conversation, each to be merged, and the recordings that it announces.
    pub(super) fn merges(&mut self) -> (ToMerge<'_>, Option<ToMerge<'_>>, &[RecordingSource]) {
        let Self { origin, call, is_call_consumed, conversation, is_conversation_consumed, .. } = self;
        let of_call =
            ToMerge { said: call, is_consumed: is_call_consumed, origin, of: |parts| Some(parts.call) };
        let of_conversation = conversation.as_mut().map(|said| ToMerge {
            said,
            is_consumed: is_conversation_consumed,
            origin,
            of: |parts| parts.conversation,
        });
        (of_call, of_conversation, &self.recordings)
    }

    /// Takes it as of its first receipt, as far as what is stored tells it, and gives back the verbatim push where it is to be put. Where
    /// it is there already, it stays: with when it was received, and until when it is kept. (Where it came in another envelope this time, it is put
    /// as it is with the name of that one too.)
    pub(super) fn as_of_its_first_receipt(&mut self, stored: &Receipts<'_>) -> Option<(Vec<usize>, NewItem)> {
        let now = self.call.received_at;
        let put = stored.of_push(&self.call);
        let first = [Some(now), put, stored.of_body(&self.call)].into_iter().flatten().min().unwrap_or(now);
        if first < now {
            self.first_received(first);
        }
        let push = self.push.take()?;
        match put {
            Some(put) => {
                self.is_put_as_later = first < put;
                let item = envelope::named_too(stored.push(&self.call)?, push.envelope.as_deref()?)?;
                Some((self.positions.clone(), item.into()))
            }
            None => Some((self.positions.clone(), item::push_item(push))),
        }
    }

    /// Takes all of it as received at `first`.
    pub(super) fn first_received(&mut self, first: Instant) {
        let was = self.call.received_at;
        self.call.received_at = first;
        self.conversation.iter_mut().for_each(|conversation| conversation.received_at = first);
        self.recordings.iter_mut().for_each(|source| announced_at(source, was, first));
        self.push.iter_mut().for_each(|push| push.first_received(first));
    }
}

/// When bodies of one call were received first, as far as what is stored of it tells.
pub(super) struct Receipts<'a> {
    items: &'a BTreeMap<String, Item>,
    records: OnceLock<Vec<Record>>,
}

impl<'a> Receipts<'a> {
    pub(super) fn of(items: &'a BTreeMap<String, Item>) -> Self {
        Self { items, records: OnceLock::new() }
    }

    /// As its own item tells, if there is one.
    fn of_push(&self, said: &Contribution) -> Option<Instant> {
        received_at(self.push(said)?)
    }

    /// The stored verbatim push.
    fn push(&self, said: &Contribution) -> Option<&'a Item> {
        self.items.get(&keys::push_sk(said.function, &said.body))
    }

    /// As the call and its conversation tell, if it was merged.
    pub(super) fn of_body(&self, said: &Contribution) -> Option<Instant> {
        let items = || [keys::CALL, keys::CONVERSATION].into_iter().filter_map(|sk| self.items.get(sk));
        // Hardly ever is it a repeat: then nothing has to be read.
        let line = |item: &'a Item| item.get("sources")?.get(said.function)?.as_str();
        if !items().filter_map(line).any(|line| line.contains(&said.body)) {
            return None;
        }
        let records =
            self.records.get_or_init(|| items().filter_map(|item| item::record(item.clone()).ok()).collect());
        records.iter().filter_map(|record| record.receipt(said.function, &said.body)).min()
    }
}

pub(super) fn received_at(push: &Item) -> Option<Instant> {
    push.get(RECEIVED_AT)?.as_str()?.parse().ok()
}
