//! The call: which one it is, and what is known of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{HangupBy, Instant, Money, Outcome, PhoneNumber, Provider, facts};

/// A provider's id of a call: any text that is not blank and fits a key of the table. Alibaba's contains `^`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(String);

impl CallId {
    /// The longest id taken, in bytes. (DynamoDB takes 2,048 for a partition key, 1,024 for a sort key.)
    pub const MAX_BYTES: usize = 1024;

    /// Takes any text that is not blank, of at most [`CallId::MAX_BYTES`].
    pub fn new(text: String) -> Option<Self> {
        (!text.trim().is_empty() && text.len() <= Self::MAX_BYTES).then_some(Self(text))
    }

    /// The id as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One call of one provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// Who made the call.
    pub provider: Provider,
    /// The provider's id of it.
    pub call_id: CallId,
}

/// The conclusions that the agent drew from a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tags {
    /// Plain tags (AI-voice).
    List(Vec<String>),
    /// Values by tag (Alibaba): a text tag has one, an enumeration's may have several.
    Named(BTreeMap<String, Vec<String>>),
}

facts! {
    /// What is known of a call. Every attribute is absent where it is unknown.
    CallFacts {
        /// The provider's task (campaign) that the call belongs to.
        task_id: String,
        /// The batch of callees within the task.
        batch_id: String,
        /// The callee's entry within the batch.
        detail_id: String,
        /// The customer's own id for the call, passed through by the provider; without surrounding white space.
        out_id: String,
        /// The provider's application that made the call.
        app_id: String,
        /// The script (dialogue flow, agent template) that was spoken.
        script_id: String,
        /// The number (service instance) that the call was ordered from.
        caller: PhoneNumber,
        /// The number that the callee saw.
        display_number: PhoneNumber,
        /// The number called.
        callee: PhoneNumber,
        /// When the call was ordered.
        submitted_at: Instant,
        /// When the call was handed to the carrier.
        originated_at: Instant,
        /// When the callee's phone began to ring.
        ringing_at: Instant,
        /// When the callee answered.
        answered_at: Instant,
        /// When the call ended.
        ended_at: Instant,
        /// How long the call lasted, in seconds, as the provider counts it; 0 where it was not answered.
        duration_s: u64,
        /// How long it rang, in seconds.
        ring_s: u64,
        /// How long is charged for, in seconds.
        billed_s: u64,
        /// What became of the call.
        outcome: Outcome,
        /// Who ended it.
        hangup_by: HangupBy,
        /// The callee's intent, as the provider codes it.
        intent_code: String,
        /// The callee's intent in words.
        intent_name: String,
        /// The conclusions that the agent drew.
        tags: Tags,
        /// What the call cost.
        cost: Money,
        /// Which attempt at this callee the call was, counted from one where the provider does so.
        attempt: u64,
        /// The provider's own codes and messages, under the provider's names.
        status: Map<String, Value>,
    }
}

impl CallFacts {
    /// The time by which lists are sorted: when the call was originated, else the earliest time known of it.
    pub fn call_at(&self) -> Option<Instant> {
        let others = [self.submitted_at, self.ringing_at, self.answered_at, self.ended_at];
        self.originated_at.or_else(|| others.into_iter().flatten().min())
    }
}
