//! Reading stored pushes anew, after a normalizer was mended.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Map;

use super::{Store, StoreError};
use crate::item::{self, Item, UnreadableItem};
use crate::keys;
use crate::merge::{self, CALL_WRITERS, CONVERSATION_WRITERS, Contribution, Record, Writers};
use crate::model::CallKey;
use crate::parts::{Element, Parts, merged, parts, refreshed};
use crate::table::TableError;

/// What became of a call that was read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is as it was.
    Unchanged,
    /// These attributes are different now (none, where only `extra` is).
    Changed(Vec<String>),
    /// Not all of its pushes are kept any more: it was left as it is.
    Gone,
}

impl Replayed {
    /// What became of two of a call's items.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Gone, _) | (_, Self::Gone) => Self::Gone,
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
    /// had each push been read so when it came; a conversation and recordings that are found only now are added.
    pub async fn replay(
        &self,
        key: &CallKey,
        elements: Vec<Element>,
        dry_run: bool,
    ) -> Result<Replayed, StoreError> {
        let parts =
            elements.into_iter().map(parts).collect::<Result<Vec<_>, _>>().map_err(TableError::from)?;
        let said = |function: &str, body: &str| {
            parts.iter().find(|parts| parts.call.function == function && parts.call.body == body)
        };
        let of_call = |function: &str, body: &str| Some(said(function, body)?.call.clone());
        let of_conversation = |function: &str, body: &str| {
            let said = said(function, body)?;
            // A body may say nothing of the conversation any more.
            let nothing = || Contribution { facts: Map::new(), extra: Map::new(), ..said.call.clone() };
            Some(said.conversation.clone().unwrap_or_else(nothing))
        };
        if !dry_run {
            for (name, bytes) in parts.iter().flat_map(|parts| &parts.large) {
                self.bucket().put_json_if_absent(name, bytes.clone()).await?;
            }
        }
        let call = Rebuild { sk: keys::CALL, writers: CALL_WRITERS, dry_run };
        let call = self.rebuild(key, call, of_call, |record| self.call_item(key, record)).await?;
        if call == Replayed::Gone {
            return Ok(Replayed::Gone);
        }
        let conversation = Rebuild { sk: keys::CONVERSATION, writers: CONVERSATION_WRITERS, dry_run };
        let to_item = |record| item::conversation_item(key, record);
        let conversation = self.rebuild(key, conversation, of_conversation, to_item).await?;
        if !dry_run {
            self.add_what_was_missed(key, &parts).await?;
        }
        Ok(call.and(conversation))
    }

    async fn rebuild(
        &self,
        key: &CallKey,
        what: Rebuild,
        contribution: impl Fn(&str, &str) -> Option<Contribution>,
        to_item: impl Fn(Record) -> Result<Item, UnreadableItem>,
    ) -> Result<Replayed, TableError> {
        let replayed = Mutex::new(Replayed::Unchanged);
        let rebuild = |stored: Option<Item>| {
            let Some(stored) = stored.map(item::record).transpose()? else { return Ok(None) };
            let rebuilt = merge::rebuilt(what.writers, &stored, &contribution);
            let outcome = match &rebuilt {
                None => Replayed::Gone,
                Some(rebuilt) if *rebuilt == stored => Replayed::Unchanged,
                Some(rebuilt) => Replayed::Changed(changes(&stored, rebuilt)),
            };
            let write = matches!(outcome, Replayed::Changed(_)) && !what.dry_run;
            *replayed.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
            Ok(rebuilt.filter(|_| write).map(&to_item).transpose()?)
        };
        self.table.update(&keys::call_pk(key), what.sk, rebuild).await?;
        Ok(replayed.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn add_what_was_missed(&self, key: &CallKey, parts: &[Parts]) -> Result<(), TableError> {
        let pk = keys::call_pk(key);
        for parts in parts {
            for source in &parts.recordings {
                let merge = |stored| Ok(refreshed(stored, key, source, parts.call.received_at)?);
                let sk = self.recording_sk(key, source, None).await?;
                self.table.upsert(&pk, &sk, None, merge).await?;
            }
            if let Some(conversation) = &parts.conversation {
                let one = std::slice::from_ref(conversation);
                let to_item = |record| item::conversation_item(key, record);
                let merge = |stored| Ok(merged(stored, CONVERSATION_WRITERS, one, to_item)?);
                self.table.upsert(&pk, keys::CONVERSATION, None, merge).await?;
            }
        }
        Ok(())
    }
}

/// Which of a call's records is read anew.
struct Rebuild {
    sk: &'static str,
    writers: Writers,
    dry_run: bool,
}

/// The names of the attributes in which two records differ.
fn changes(before: &Record, after: &Record) -> Vec<String> {
    let names: BTreeSet<_> = before.facts.keys().chain(after.facts.keys()).collect();
    names.into_iter().filter(|name| before.facts.get(*name) != after.facts.get(*name)).cloned().collect()
}
