//! What is still missing of a call of Alibaba's, and when to ask for it.
//!
//! Everything is decided from the call's own record, so that whoever writes the call knows, in whatever order the pushes
//! came, whether it has to be asked for. A call that is complete is never asked for.

use serde::Deserialize;

use crate::model::{Instant, Outcome, Provider};
use crate::reading::is_complete;
use crate::record::inquiry::{HAS, HAS_CONVERSATION, HAS_RECORDING};
use crate::record::merge::{NOTE, QUERY, Record};

/// How long a call is asked for at most, in seconds from when it was first heard of: as long as its recording could live.
pub const PURSUIT_S: i64 = 7 * 24 * 60 * 60;
/// What a call lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What became of it.
    pub outcome: bool,
    /// What was said. Of a call that nobody answered there is nothing to know but that a function would have told it.
    pub conversation: bool,
    /// Its recording, where it was answered.
    pub recording: bool,
}

impl Missing {
    /// What the call lacks that `record` is of. An erased call lacks nothing.
    pub fn of(record: &Record) -> Self {
        if record.erased {
            return Self { outcome: false, conversation: false, recording: false };
        }
        let outcome: Option<Outcome> =
            record.facts.get("outcome").and_then(|outcome| Outcome::deserialize(outcome).ok());
        let answered = matches!(outcome, Some(Outcome::Answered | Outcome::Voicemail))
            || record.facts.contains_key("answered_at");
        let told = [NOTE, QUERY].iter().any(|function| record.sources.contains_key(*function));
        Self {
            outcome: outcome.is_none(),
            conversation: !has(record, HAS_CONVERSATION) && (answered || !told),
            recording: answered && !has(record, HAS_RECORDING),
        }
    }

    /// Whether the call lacks nothing.
    pub fn is_nothing(self) -> bool {
        self == Self { outcome: false, conversation: false, recording: false }
    }
}

fn has(record: &Record, what: &str) -> bool {
    record.facts.get(HAS).is_some_and(|stored| stored.get(what).is_some())
}

/// For how long calls are waited for that are not complete, in seconds from when they were first heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// After how long the platform is asked for what is missing.
    pub inquiry_delay_s: i64,
    /// After how long it is settled that the call counts as completed.
    pub complete_after_s: i64,
}

/// As long as the settings' defaults say.
impl Default for Waiting {
    fn default() -> Self {
        Self { inquiry_delay_s: 300, complete_after_s: 3_600 }
    }
}

/// When a call is to be asked for; `None` where its platform is not asked, it is complete, or was pursued long enough. A first inquiry comes
/// some time after the call was first heard of; later pushes don't move it.
pub fn ask_at(provider: Provider, record: &Record, waiting: Waiting) -> Option<Instant> {
    if !provider.platform().is_asked {
        return None;
    }
    let first = record.first_received_at;
    let at = record.inquiry.next_ask_at.unwrap_or_else(|| first.plus_seconds(waiting.inquiry_delay_s));
    (at <= first.plus_seconds(PURSUIT_S) && !Missing::of(record).is_nothing()).then_some(at)
}

/// When a call is to be settled: to be told as completed, though not all is known of it. `None` where it is complete, erased, or settled
/// already.
pub fn settle_at(provider: Provider, record: &Record, waiting: Waiting) -> Option<Instant> {
    let waits = !record.erased && record.inquiry.settled_at.is_none() && !is_complete(provider, record);
    waits.then(|| record.first_received_at.plus_seconds(waiting.complete_after_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::inquiry::{Inquiry, LONGEST_PAUSE_S};
    use crate::record::merge::{CALL_WRITERS, Contribution, RECORD, REPORT, merge};
    use serde_json::{Map, Value, json};

    const WAITING: Waiting = Waiting { inquiry_delay_s: 300, complete_after_s: 3_600 };

    fn at(second: i64) -> Instant {
        Instant::from_epoch_seconds(1_748_743_200 + second).unwrap()
    }

    fn said(function: &'static str, second: i64, facts: Value) -> Contribution {
        Contribution {
            function,
            body: function.to_owned(),
            received_at: at(second),
            facts: facts.as_object().unwrap().clone().into(),
            extra: Map::new(),
            nulls: std::collections::BTreeSet::new(),
            feeds: &[("smartStatusCode", "outcome"), ("startTime", "answered_at")],
        }
    }

    fn record(said: &[Contribution]) -> Record {
        let mut record = None;
        for one in said {
            merge(CALL_WRITERS, &mut record, one.clone());
        }
        record.unwrap()
    }

    fn pushes() -> [Contribution; 3] {
        [
            said(REPORT, 1, json!({"outcome": "answered"})),
            said(RECORD, 2, json!({"has": {"recording": true}})),
            said(NOTE, 3, json!({"has": {"conversation": true}})),
        ]
    }

    #[test]
    fn a_call_is_due_until_its_last_push_whichever_that_is_and_the_time_does_not_move() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let in_order = order.map(|push| pushes()[push].clone());
            let later_ones =
                in_order.clone().map(|one| Contribution { received_at: at(1).max(one.received_at), ..one });
            let due = |count: usize| ask_at(Provider::Alicom, &record(&later_ones[..count]), WAITING);
            let first = later_ones[0].received_at.min(later_ones[1].received_at);
            assert_eq!(due(1), Some(later_ones[0].received_at.plus_seconds(300)), "{order:?}");
            assert_eq!(due(2), Some(first.plus_seconds(300)), "{order:?}");
            assert_eq!(due(3), None, "{order:?}");
        }
    }

    #[test]
    fn what_is_missing_depends_on_whether_the_call_was_answered() {
        let missing = |said: &[Contribution]| {
            let Missing { outcome, conversation, recording } = Missing::of(&record(said));
            [outcome, conversation, recording]
        };
        assert_eq!(missing(&[said(REPORT, 1, json!({"outcome": "answered"}))]), [false, true, true]);
        assert_eq!(missing(&[said(REPORT, 1, json!({"outcome": "voicemail"}))]), [false, true, true]);
        assert_eq!(
            missing(&[said(
                REPORT,
                1,
                json!({"outcome": "other", "answered_at": "2025-06-01T02:00:00.000Z"})
            )]),
            [false, true, true]
        );
        let busy = said(REPORT, 1, json!({"outcome": "busy"}));
        assert_eq!(missing(std::slice::from_ref(&busy)), [false, true, false]);
        for function in [NOTE, QUERY] {
            assert_eq!(missing(&[busy.clone(), said(function, 2, json!({}))]), [false, false, false]);
            assert_eq!(missing(&[said(function, 2, json!({}))]), [true, false, false]);
        }
        assert_eq!(missing(&[said(RECORD, 1, json!({}))]), [true, true, false]);
    }

    #[test]
    fn pauses_grow_until_the_recording_could_be_no_more() {
        let mut call = record(&pushes()[..1]);
        let mut pauses = Vec::new();
        let mut now = at(1);
        while let Some(due_at) = ask_at(Provider::Alicom, &call, WAITING) {
            pauses.push(due_at.seconds_since(now));
            now = due_at;
            call.inquiry = call.inquiry.postponed(now);
        }
        assert_eq!(pauses[..6], [300, 300, 600, 1200, 2400, 4800]);
        assert!(pauses.iter().all(|pause_s| *pause_s <= LONGEST_PAUSE_S));
        assert!((10..20).contains(&pauses.len()), "{pauses:?}");
        assert!((5..=7).contains(&(now.seconds_since(at(1)) / 86_400)), "{now}");
    }

    #[test]
    fn a_push_after_the_pursuit_was_given_up_does_not_take_it_up_again() {
        let mut call = record(&pushes()[..1]);
        call.inquiry =
            Inquiry { asked: 15, next_ask_at: Some(at(1).plus_seconds(PURSUIT_S + 1)), settled_at: None };
        let note = Contribution { received_at: at(PURSUIT_S), ..pushes()[2].clone() };
        let mut call = Some(call);
        assert!(merge(CALL_WRITERS, &mut call, note));
        assert_eq!(ask_at(Provider::Alicom, &call.unwrap(), WAITING), None);
    }

    #[test]
    fn a_call_is_settled_once_it_was_waited_for_long_enough_with_or_without_a_platform_to_ask() {
        let settle_at = |provider, record: &Record| settle_at(provider, record, WAITING);
        let mut alone = record(&pushes()[..1]);
        assert_eq!(settle_at(Provider::Alicom, &alone), Some(at(3_601)));
        assert_eq!(settle_at(Provider::Alicom, &record(&pushes())), None, "it is complete");
        assert_eq!(settle_at(Provider::AiVoice, &alone), None, "its outcome is all that is waited for");
        let without_outcome = record(&[said("ai-voice-call-record", 1, json!({}))]);
        assert_eq!(settle_at(Provider::AiVoice, &without_outcome), Some(at(3_601)));
        assert_eq!(ask_at(Provider::AiVoice, &without_outcome, WAITING), None);
        alone.inquiry.settled_at = Some(at(3_700));
        assert_eq!(settle_at(Provider::Alicom, &alone), None);
        assert!(ask_at(Provider::Alicom, &alone, WAITING).is_some(), "it may still be asked for");
    }
}
