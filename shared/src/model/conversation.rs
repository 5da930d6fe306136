//! What was said on a call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Tags, facts};

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The AI agent.
    Agent,
    /// The person called.
    Callee,
}

impl Speaker {
    /// The name in items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Callee => "callee",
        }
    }
}

/// One utterance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who spoke; absent where the provider named neither side (the name is then kept in `extra`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Speaker>,
    /// The words.
    pub text: String,
    /// Where the utterance begins in the recording, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// Where it ends, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// Whether the callee interrupted the agent with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// What else the provider says of it, under the provider's names.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: serde_json::Map<String, Value>,
}

facts! {
    /// What is known of a call's conversation.
    ConversationFacts {
        /// What was said, in order.
        turns: Vec<Turn>,
        /// The callee's intent, as the provider codes it.
        intent_code: String,
        /// The conclusions that the agent drew.
        tags: Tags,
        /// The values that the script was filled with, as the provider lists them.
        variables: Value,
    }
}
