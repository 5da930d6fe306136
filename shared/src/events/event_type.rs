//! The types of events: one row each.

use crate::model::RecordingState;

/// What an event tells. Its name is the `DetailType` of EventBridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// All is known of a call that its platform tells, or it was waited for long enough. Once a call.
    CallCompleted,
    /// A fact of a call changed after it was completed. Once for each set of facts.
    CallCorrected,
    /// The callee's intent became known. Once for each intent of a call.
    CallIntent,
    /// A recording is in the bucket, complete and checked. Once a recording.
    RecordingArchived,
    /// A recording can never be archived. Once a recording.
    RecordingFailed,
    /// A recording's URL died before it was archived. Once a recording.
    RecordingExpired,
    /// A call was erased. Once a call.
    CallErased,
    /// Any fact of a call changed. Once for each set of facts.
    CallUpdated,
    /// What was said on a call became known. Once a call.
    ConversationReady,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::CallCompleted,
        Self::CallCorrected,
        Self::CallIntent,
        Self::RecordingArchived,
        Self::RecordingFailed,
        Self::RecordingExpired,
        Self::CallErased,
        Self::CallUpdated,
        Self::ConversationReady,
    ];

    /// Its name, as EventBridge has it in `detail-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallCompleted => "call.completed",
            Self::CallCorrected => "call.corrected",
            Self::CallIntent => "call.intent",
            Self::RecordingArchived => "recording.archived",
            Self::RecordingFailed => "recording.failed",
            Self::RecordingExpired => "recording.expired",
            Self::CallErased => "call.erased",
            Self::CallUpdated => "call.updated",
            Self::ConversationReady => "conversation.ready",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// Whether it is published where nothing else is set.
    pub fn is_on_by_default(self) -> bool {
        !matches!(self, Self::CallUpdated | Self::ConversationReady)
    }

    /// Whether a call that has been over for long makes none: to replay old pushes must alert nobody.
    pub fn needs_a_recent_call(self) -> bool {
        matches!(self, Self::CallCompleted | Self::CallIntent)
    }

    /// The event of a recording that came to this state; `None` while something is still to be done.
    pub fn of_recording(state: RecordingState) -> Option<Self> {
        match state {
            RecordingState::Pending => None,
            RecordingState::Archived => Some(Self::RecordingArchived),
            RecordingState::Failed => Some(Self::RecordingFailed),
            RecordingState::Expired => Some(Self::RecordingExpired),
        }
    }
}
