//! What is meant by a call that was answered, connected, or is complete. Lists, counts, events and the glossary mean the same.

use serde::Deserialize;

use crate::model::{Outcome, Provider};
use crate::record::inquiry::{HAS, HAS_RECORDING};
use crate::record::merge::Record;
use crate::record::missing::Missing;

/// What became of a call, if that is known.
pub(super) fn outcome(record: &Record) -> Option<Outcome> {
    record.facts.get("outcome").and_then(|outcome| Outcome::deserialize(outcome).ok())
}

/// Whether a person answered.
pub fn is_answered(record: &Record) -> bool {
    outcome(record) == Some(Outcome::Answered)
}

/// Whether the line was picked up: by a person, an answering machine or a voice assistant.
pub fn is_connected(record: &Record) -> bool {
    matches!(outcome(record), Some(Outcome::Answered | Outcome::Voicemail))
        || record.facts.contains_key("answered_at")
}

/// Whether all is known of a call that its platform tells: the outcome, and of a platform that tells it in several pushes the conversation
/// and the recording's announcement as well, where there can be any.
pub fn is_complete(provider: Provider, record: &Record) -> bool {
    match provider.platform().is_asked {
        true => !record.erased && Missing::of(record).is_nothing(),
        false => outcome(record).is_some(),
    }
}

/// Whether a recording was announced, whatever became of it.
pub fn is_announced(record: &Record) -> bool {
    record.facts.get(HAS).is_some_and(|has| has.get(HAS_RECORDING).is_some())
}
