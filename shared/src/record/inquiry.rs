//! How often a call was asked for, for how long it was waited for, and what is known to be stored of it beside its record.

use serde_json::{Map, Value};

use crate::model::Instant;

/// The fact that says what else of a call is stored: an object of the names below.
pub const HAS: &str = "has";
/// The call's conversation has turns.
pub const HAS_CONVERSATION: &str = "conversation";
/// A recording was announced.
pub const HAS_RECORDING: &str = "recording";

/// The pause after the first inquiry, in seconds; each further one doubles it.
const FIRST_PAUSE_S: i64 = 5 * 60;
/// The longest pause, in seconds.
pub(super) const LONGEST_PAUSE_S: i64 = 24 * 60 * 60;

/// How often a call was asked for in vain, and when it is to be asked for next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inquiry {
    /// How often it was asked for and is incomplete still.
    pub asked: u32,
    /// When to ask again; `None` before the first time.
    pub next_ask_at: Option<Instant>,
    /// When it was settled that the call is not waited for any more, though not all is known of it; `None` of most calls.
    pub settled_at: Option<Instant>,
}

impl Inquiry {
    /// The inquiry once it was made, in vain, at `now`: the next follows after a pause that grows each time.
    pub fn postponed(self, now: Instant) -> Self {
        let pause_s = (FIRST_PAUSE_S << self.asked.min(16)).min(LONGEST_PAUSE_S);
        Self { asked: self.asked.saturating_add(1), next_ask_at: Some(now.plus_seconds(pause_s)), ..self }
    }
}

/// The fact [`HAS`] of what says so much, if it says anything of it.
pub fn has_fact(conversation: bool, recording: bool) -> Option<Value> {
    let said = [(HAS_CONVERSATION, conversation), (HAS_RECORDING, recording)];
    let said: Map<_, _> = said
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(what, _)| (what.to_owned(), true.into()))
        .collect();
    (!said.is_empty()).then_some(Value::Object(said))
}
