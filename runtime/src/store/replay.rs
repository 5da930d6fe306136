//! Reading stored pushes anew, after a normalizer was mended.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::said::{BodyWrites, Receipts};
use super::{Store, StoreError};
use crate::store::table::TableError;
use shared::model::CallKey;
use shared::record::attribute_list::AttributeList;
use shared::record::item::{self, Item, NewItem, is_tombstone};
use shared::record::keys;
use shared::record::merge::{self, CALL_WRITERS, CONVERSATION_WRITERS, Contribution, Record, Writers};
use shared::record::parts::{Element, refreshed};

/// What became of a call that was read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is as it was.
    Unchanged,
    /// These attributes are different now (none, where only `extra` is, or what is known of single bodies).
    Changed(Vec<String>),
    /// The call was erased: it was left as it is.
    Erased,
}

impl Replayed {
    /// What became of two of a call's items.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Erased, _) | (_, Self::Erased) => Self::Erased,
            (Self::Unchanged, other) => other,
            (changed, Self::Unchanged) => changed,
            (Self::Changed(mut names), Self::Changed(others)) => {
                names.extend(others);
                Self::Changed(names)
            }
        }
    }
}

impl Store {
    /// Reads a call's verbatim pushes anew: `elements` are all that are stored of it. The call and its conversation become what they would be
    /// had each push been read so when it came. Of pushes that are not kept any more the record itself holds what they said. A
    /// conversation and recordings that are found only now are added.
    pub async fn replay(
        &self,
        key: &CallKey,
        elements: Vec<Element>,
        dry_run: bool,
    ) -> Result<Replayed, StoreError> {
        let pk = keys::call_pk(key);
        let records = [keys::CALL, keys::CONVERSATION].map(|sk| (pk.clone(), sk.to_owned()));
        let mut stored = BTreeMap::new();
        for item in self.table.get_all(&records).await? {
            let sk = item.get(keys::SK).and_then(Value::as_str).map(str::to_owned);
            stored.extend(sk.map(|sk| (sk, item)));
        }
        if stored.get(keys::CALL).is_some_and(is_tombstone) {
            return Ok(Replayed::Erased);
        }
        let receipts = Receipts::of(&stored);
        let mut bodies = Vec::new();
        for element in elements {
            let (mut body, large) = BodyWrites::of(element);
            for (name, bytes) in large {
                if !dry_run {
                    self.bucket().put_json_if_absent(&name, bytes).await?;
                }
            }
            // The record tells when it was received first, or the push itself: of an attempt that got no further, where what came of the next did not
            // know of it.
            if let Some(first) = receipts.of_body(&body.call).filter(|first| *first < body.call.received_at) {
                body.first_received(first);
            }
            bodies.push(body);
        }
        let of_call: Vec<_> = bodies.iter().map(|body| body.call.clone()).collect();
        let of_conversation: Vec<_> = bodies
            .iter()
            .map(|body| {
                // A body may say nothing of the conversation any more.
                let nothing = Contribution {
                    facts: AttributeList::new(),
                    extra: Map::new(),
                    nulls: BTreeSet::new(),
                    ..body.call.clone()
                };
                body.conversation.clone().unwrap_or(nothing)
            })
            .collect();

        let call = Rebuild { sk: keys::CALL, writers: CALL_WRITERS, said: &of_call, dry_run };
        let call = self.rebuild(key, call, |record| self.call_item(key, record)).await?;
        if call == Replayed::Erased {
            return Ok(call);
        }
        let conversation = Rebuild {
            sk: keys::CONVERSATION,
            writers: CONVERSATION_WRITERS,
            said: &of_conversation,
            dry_run,
        };
        let conversation =
            self.rebuild(key, conversation, |record| Ok(item::conversation_item(key, record))).await?;
        if !dry_run {
            for body in &bodies {
                for source in &body.recordings {
                    let merge = |stored| Ok((refreshed(stored, key, source, body.call.received_at)?, ()));
                    let sk = self.recording_sk(key, source, None).await?;
                    self.table.upsert(&pk, &sk, None, merge).await?;
                }
            }
        }
        Ok(call.and(conversation))
    }

    async fn rebuild(
        &self,
        key: &CallKey,
        what: Rebuild<'_>,
        to_item: impl Fn(Record) -> Result<NewItem, item::UnreadableItem>,
    ) -> Result<Replayed, TableError> {
        let rebuild = |stored: Option<Item>| {
            let (outcome, rebuilt) = match stored {
                Some(stored) if is_tombstone(&stored) => (Replayed::Erased, None),
                stored => {
                    let stored = stored.map(item::record).transpose()?;
                    let rebuilt = what.rebuilt(stored.as_ref());
                    let outcome = match (&stored, &rebuilt) {
                        (_, None) => Replayed::Unchanged,
                        (Some(stored), Some(rebuilt)) if stored == rebuilt => Replayed::Unchanged,
                        (stored, Some(rebuilt)) => Replayed::Changed(changes(stored.as_ref(), rebuilt)),
                    };
                    (outcome, rebuilt)
                }
            };
            let write = matches!(outcome, Replayed::Changed(_)) && !what.dry_run;
            Ok((rebuilt.filter(|_| write).map(&to_item).transpose()?, outcome))
        };
        self.table.update(&keys::call_pk(key), what.sk, rebuild).await
    }
}

/// Which of a call's records is read anew, and what is said of it now.
struct Rebuild<'a> {
    sk: &'static str,
    writers: Writers,
    said: &'a [Contribution],
    dry_run: bool,
}

impl Rebuild<'_> {
    fn rebuilt(&self, stored: Option<&Record>) -> Option<Record> {
        let says_nothing = |said: &&Contribution| {
            let known = stored.and_then(|record| record.receipt(said.function, &said.body));
            said.facts.is_empty() && said.extra.is_empty() && said.nulls.is_empty() && known.is_none()
        };
        let said: Vec<_> = self.said.iter().filter(|said| !says_nothing(said)).cloned().collect();
        if let Some(stored) = stored {
            return Some(merge::rebuilt(self.writers, stored, &said));
        }
        let mut new = None;
        for said in said {
            merge::merge(self.writers, &mut new, said);
        }
        new
    }
}

/// The names of the attributes in which two records differ.
fn changes(before: Option<&Record>, after: &Record) -> Vec<String> {
    let before = before.map(|before| &before.facts);
    let names: BTreeSet<_> =
        before.into_iter().flat_map(AttributeList::keys).chain(after.facts.keys()).collect();
    let differs = |name: &&str| before.and_then(|before| before.get(name)) != after.facts.get(name);
    names.into_iter().filter(differs).map(str::to_owned).collect()
}
