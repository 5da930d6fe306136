//! Which pushes are sent when: messages of one kind together as the platforms do, some twice, some late, none in the order of
//! their calls.

use std::time::Duration;

use super::call::{Call, Platform, World};
use super::element::Element;
use super::{ai_voice, alibaba, laaffic};

/// A kind of push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// AlicomAgentCallReport.
    Report,
    /// AlicomAgentCallRecord.
    Record,
    /// AlicomAgentCallNote.
    Note,
    /// The AI-voice platform's call record.
    AiVoice,
    /// The same as the engine under it wraps it.
    AiVoiceWrapped,
    /// LAAFFIC's status report.
    Laaffic,
    /// AlicomAgentCallReport of the attempt before, at another number, which nobody answered.
    RedialedReport,
    /// AlicomAgentCallRecord with a URL that is dead, where another has the right one.
    DeadRecord,
    /// The AI-voice platform's call record with another amount.
    CorrectedAiVoice,
    /// LAAFFIC's status report with another amount.
    CorrectedLaaffic,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Report,
        Self::Record,
        Self::Note,
        Self::AiVoice,
        Self::AiVoiceWrapped,
        Self::Laaffic,
        Self::RedialedReport,
        Self::DeadRecord,
        Self::CorrectedAiVoice,
        Self::CorrectedLaaffic,
    ];

    /// The function that catches it.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Report | Self::RedialedReport => "alicom-call-report",
            Self::Record | Self::DeadRecord => "alicom-call-record",
            Self::Note => "alicom-call-note",
            Self::AiVoice | Self::AiVoiceWrapped | Self::CorrectedAiVoice => "ai-voice-call-record",
            Self::Laaffic | Self::CorrectedLaaffic => "laaffic-status-report",
        }
    }

    /// How it is called in a report.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AiVoiceWrapped => "ai-voice-call-record, wrapped",
            Self::RedialedReport => "alicom-call-report, redialed",
            Self::DeadRecord => "alicom-call-record, dead URL",
            Self::CorrectedAiVoice => "ai-voice-call-record, corrected",
            Self::CorrectedLaaffic => "laaffic-status-report, corrected",
            other => other.function(),
        }
    }

    /// The most elements that come in one push.
    fn most_elements(self) -> usize {
        match self {
            Self::AiVoice | Self::AiVoiceWrapped | Self::CorrectedAiVoice => 1,
            Self::Report | Self::Record | Self::Note | Self::RedialedReport | Self::DeadRecord => 12,
            Self::Laaffic | Self::CorrectedLaaffic => 30,
        }
    }
}

/// One message: the call it is about, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The call's number.
    pub(super) call: u32,
    /// The message's kind.
    pub(super) kind: Kind,
}

/// One push.
#[derive(Clone, Debug)]
pub(super) struct Push {
    /// When it is first sent, from the start.
    pub(super) at: Duration,
    /// Its kind.
    pub(super) kind: Kind,
    /// What it holds.
    pub(super) messages: Vec<Message>,
}

/// How pushes are planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many calls there are.
    pub(super) calls: u32,
    /// How many calls a second.
    pub(super) rate: f64,
    /// What a second of waiting takes.
    pub(super) time_scale: f64,
    /// How many of a hundred messages are sent twice.
    pub(super) duplicates: u32,
}

/// The kinds of message that there are of a call, the strongest first, those of one function together.
pub(super) fn kinds(call: &Call) -> Vec<Kind> {
    let told_twice = call.told_twice;
    match call.platform {
        Platform::AiVoice { wrapped } => {
            let kind = if wrapped { Kind::AiVoiceWrapped } else { Kind::AiVoice };
            [kind].into_iter().chain(told_twice.then_some(Kind::CorrectedAiVoice)).collect()
        }
        Platform::Laaffic => {
            [Kind::Laaffic].into_iter().chain(told_twice.then_some(Kind::CorrectedLaaffic)).collect()
        }
        Platform::Alibaba => {
            let records = !(call.recordings.is_empty() && call.index.is_multiple_of(2));
            let announces = records && !call.recordings.is_empty();
            [
                (Kind::Report, true),
                (Kind::RedialedReport, told_twice),
                (Kind::Record, records),
                (Kind::DeadRecord, told_twice && announces),
                (Kind::Note, !call.lines.is_empty()),
            ]
            .into_iter()
            .filter_map(|(kind, is_sent)| is_sent.then_some(kind))
            .collect()
        }
    }
}

impl World {
    /// A message, written.
    pub(super) fn element(&self, call: &Call, kind: Kind) -> Element {
        match kind {
            Kind::Report => alibaba::report(call),
            Kind::Record => alibaba::record(call, self),
            Kind::Note => alibaba::note(call),
            Kind::AiVoice => ai_voice::call_record(call, self, false),
            Kind::AiVoiceWrapped => ai_voice::call_record(call, self, true),
            Kind::Laaffic => laaffic::report(call, self),
            Kind::RedialedReport => alibaba::report(&call.attempt_before()),
            Kind::DeadRecord => alibaba::dead_record(call, self),
            Kind::CorrectedAiVoice => ai_voice::call_record(
                &call.at_another_price(),
                self,
                call.platform == Platform::AiVoice { wrapped: true },
            ),
            Kind::CorrectedLaaffic => laaffic::report(&call.at_another_price(), self),
        }
    }

    /// Plans all pushes, in the order in which they are first sent.
    pub(super) fn plan(&self, pace: Pace) -> Vec<Push> {
        let rng = &mut fastrand::Rng::with_seed(self.seed);
        let mut pushes = Vec::new();
        let mut due: Vec<(f64, Message)> = Vec::new();
        for index in 0..pace.calls {
            for kind in kinds(&self.call(index)) {
                let message = Message { call: index, kind };
                let mut at = f64::from(index) / pace.rate + lateness(rng) * pace.time_scale;
                due.push((at, message));
                if rng.u32(..100) < pace.duplicates {
                    at += lateness(rng) * pace.time_scale;
                    due.push((at, message));
                }
            }
        }
        due.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        for kind in Kind::ALL {
            let mut batch: Vec<Message> = Vec::new();
            let (mut began, mut last, mut room) = (0.0, 0.0, 0);
            for (at, message) in due.iter().filter(|(_, message)| message.kind == kind) {
                // A platform collects for a moment, not for ever.
                if batch.len() >= room || at - began > LONGEST_WAIT_S {
                    if !batch.is_empty() {
                        pushes.push(push(last, kind, std::mem::take(&mut batch)));
                    }
                    began = *at;
                    room = 1 + rng.usize(..kind.most_elements());
                }
                last = *at;
                batch.push(*message);
            }
            if !batch.is_empty() {
                pushes.push(push(last, kind, batch));
            }
        }
        pushes.sort_by_key(|push| push.at);
        pushes
    }

    /// The body of a push, as its platform writes it.
    pub(super) fn body(&self, push: &Push) -> String {
        let texts: Vec<_> = push
            .messages
            .iter()
            .map(|message| self.element(&self.call(message.call), message.kind).text)
            .collect();
        match (push.kind, &texts[..]) {
            (Kind::Laaffic | Kind::CorrectedLaaffic, texts) => match self.beside_the_list(push) {
                Some(batch) => {
                    format!(
                        "{{\"batch\":\"{batch}\", \"array\":[{}],\"total\":{}}}",
                        texts.join(","),
                        texts.len()
                    )
                }
                None => format!("{{\"array\":[{}]}}", texts.join(",")),
            },
            (Kind::AiVoice | Kind::AiVoiceWrapped | Kind::CorrectedAiVoice, texts) => texts.concat(),
            // The Chinese page's sample is a bare object.
            (_, [alone]) if push.messages[0].call.is_multiple_of(4) => alone.clone(),
            (_, texts) => format!("[{}]", texts.join(", ")),
        }
    }
}

impl World {
    /// What LAAFFIC says beside the list now and then: a name of the push that stands in no other.
    pub(super) fn beside_the_list(&self, push: &Push) -> Option<String> {
        let first = push.messages.first()?;
        let of_laaffic = matches!(push.kind, Kind::Laaffic | Kind::CorrectedLaaffic);
        (of_laaffic && first.call.is_multiple_of(3)).then(|| {
            let corrected = push.kind == Kind::CorrectedLaaffic;
            format!("batch-{}-{}-{}-{corrected}", self.mark(), first.call, push.messages.len())
        })
    }
}

/// How long a platform waits for a push to fill, in seconds.
const LONGEST_WAIT_S: f64 = 1.0;

fn push(at: f64, kind: Kind, messages: Vec<Message>) -> Push {
    Push { at: Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX), kind, messages }
}

/// How long after its call a message is sent, in seconds: mostly soon, some minutes late.
fn lateness(rng: &mut fastrand::Rng) -> f64 {
    let longest = match rng.u32(..10) {
        0..7 => 5.0,
        7..9 => 60.0,
        _ => 480.0,
    };
    rng.f64() * longest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::Date;
    use serde_json::Value;

    use super::*;

    fn world() -> World {
        World { seed: 1, day: Date::constant(2025, 6, 1), recording_base: Some("http://r".to_owned()) }
    }

    #[test]
    fn everything_is_sent_some_of_it_twice_in_pushes_of_several_and_in_no_order() {
        let pace = Pace { calls: 500, rate: 100.0, time_scale: 0.01, duplicates: 10 };
        let pushes = world().plan(pace);
        let sent: Vec<_> = pushes.iter().flat_map(|push| &push.messages).map(|m| (m.call, m.kind)).collect();
        let all: BTreeSet<_> = (0..500)
            .flat_map(|call| kinds(&world().call(call)).into_iter().map(move |kind| (call, kind)))
            .collect();
        assert_eq!(sent.iter().copied().collect::<BTreeSet<_>>(), all);
        let repeats = sent.len() - all.len();
        assert!((all.len() / 20..all.len() / 5).contains(&repeats), "{repeats} of {}", all.len());
        assert!(pushes.iter().any(|push| push.messages.len() > 4));
        assert!(!sent.is_sorted_by_key(|(call, _)| *call));
        assert!(pushes.is_sorted_by_key(|push| push.at));
        assert_eq!(sent.iter().map(|(_, kind)| *kind).collect::<BTreeSet<_>>().len(), Kind::ALL.len());
    }

    #[test]
    fn every_body_is_json() {
        let world = world();
        for push in world.plan(Pace { calls: 300, rate: 1e3, time_scale: 0.001, duplicates: 0 }) {
            let body: Value = serde_json::from_str(&world.body(&push)).unwrap();
            let elements = body.get("array").unwrap_or(&body).as_array().map_or(1, Vec::len);
            assert_eq!(elements, push.messages.len(), "{:?}", push.kind);
        }
    }
}
