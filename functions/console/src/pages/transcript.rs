//! What was said, as a conversation; and who spoke when.

use std::fmt::Write;

use maud::{Markup, html};
use serde_json::Value;

use crate::frame::{Frame, lasted, number, text, visible};

/// The width of the lanes, in their own units.
const WIDTH: u64 = 1_000;
/// The height of a lane, and the room between.
const LANE: u64 = 14;
const GAP: u64 = 4;
/// What an utterance takes that has no end and nothing after it, in milliseconds.
const LAST_MS: u64 = 2_000;
/// What it takes at most where its end is unknown, in milliseconds.
const LONGEST_MS: u64 = 15_000;
/// So many turns are one list. A browser need not look at those that are far from the screen: of twenty thousand in one list it would take
/// seconds to see how each looks.
const OF_ONE_LIST: usize = 100;
/// Nobody is silent for longer than that, in milliseconds: a time that comes so long after all others is a platform's mistake (a time of day
/// in the place of one of the recording, a duration in other units), and is left out, or all others would be drawn as one stroke.
const SILENCE_MS: u64 = 30 * 60 * 1_000;
/// A call that lasts for longer than that, in milliseconds, has to have turns until then to be believed.
const LONG_CALL_MS: u64 = 4 * 3_600 * 1_000;

/// A turn, where it is in the recording.
struct Spoken<'a> {
    turn: &'a Value,
    start_ms: Option<u64>,
    end_ms: Option<u64>,
    /// Whether the platform tells no time of it: it lies between those of which it does.
    is_guessed: bool,
}

/// A conversation.
pub(crate) struct Transcript<'a> {
    turns: Vec<Spoken<'a>>,
    /// Until when there is something in the recording, in milliseconds.
    pub(crate) length_ms: u64,
}

impl<'a> Transcript<'a> {
    /// Of the turns of a call that lasted so many seconds.
    ///
    /// Some platforms tell times of what the callee says alone. What is said between is guessed to lie between, each by its length.
    pub(crate) fn of(turns: &'a [Value], duration_s: u64) -> Self {
        let call_ms = duration_s.saturating_mul(1_000);
        let starts: Vec<_> = turns.iter().map(|turn| number(turn, "start_ms")).collect();
        let is_timed = starts.iter().any(Option::is_some);
        let mut spoken: Vec<Spoken<'a>> = Vec::with_capacity(turns.len());
        let mut at = 0;
        while at < turns.len() {
            let rest = &starts[at..];
            let Some(start) = rest[0] else {
                let untimed = rest.iter().take_while(|start| start.is_none()).count();
                let from = spoken.last().and_then(|before| before.end_ms).unwrap_or(0);
                let until = rest.get(untimed).copied().flatten().unwrap_or(call_ms);
                spoken.extend(between(&turns[at..at + untimed], from, until, is_timed));
                at += untimed;
                continue;
            };
            let next = rest[1..].iter().flatten().next().copied();
            let guessed = next.unwrap_or(start.saturating_add(LAST_MS)).min(start.saturating_add(LONGEST_MS));
            let end = number(&turns[at], "end_ms").unwrap_or(guessed).max(start);
            spoken.push(Spoken {
                turn: &turns[at],
                start_ms: Some(start),
                end_ms: Some(end),
                is_guessed: false,
            });
            at += 1;
        }
        let length_ms = length_ms(&spoken, call_ms);
        // What is said where there is no recording can't be sought.
        for turn in spoken.iter_mut().filter(|turn| turn.start_ms.is_some_and(|start| start > length_ms)) {
            (turn.start_ms, turn.end_ms) = (None, None);
        }
        Self { turns: spoken, length_ms }
    }

    /// Whether it is known of any turn when it was said.
    pub(crate) fn has_times(&self) -> bool {
        self.turns.iter().any(|spoken| spoken.start_ms.is_some())
    }

    /// Whether a time is guessed.
    pub(crate) fn has_guesses(&self) -> bool {
        self.turns.iter().any(|spoken| spoken.is_guessed && spoken.start_ms.is_some())
    }

    /// Two lanes: who speaks when, and where somebody interrupts.
    pub(crate) fn lanes(&self, frame: &Frame<'_>) -> Markup {
        let w = frame.words;
        let length = self.length_ms.max(1);
        let x = |ms: u64| ms.min(length) as f64 * WIDTH as f64 / length as f64;
        // One path a lane: twenty thousand turns are a few hundred kilobytes.
        let (mut agent, mut customer, mut other) = (String::new(), String::new(), String::new());
        let mut interruptions = String::new();
        for Spoken { turn, start_ms, end_ms, .. } in &self.turns {
            let (Some(start), Some(end)) = (start_ms, end_ms) else { continue };
            let (lane, top) = match text(turn, "speaker") {
                Some("agent") => (&mut agent, 0),
                Some("callee") => (&mut customer, LANE + GAP),
                _ => (&mut other, LANE / 2 + GAP),
            };
            let (from, wide) = (x(*start), (x(*end) - x(*start)).max(1.0));
            // Writing to a text can't fail.
            let _ = write!(lane, "M{from:.1} {top}h{wide:.1}v{LANE}h-{wide:.1}z");
            if turn["interrupted"] == true {
                let _ = write!(interruptions, "M{from:.1} 0v{}", 2 * LANE + GAP);
            }
        }
        let height = 2 * LANE + GAP;
        html! {
            div.lanes data-length=(length) {
                span.lane { (w.agent) }
                span.lane { (w.customer) }
                svg viewBox=(format!("0 0 {WIDTH} {height}")) preserveAspectRatio="none" role="img" aria-label=(w.lanes) {
                    rect.track width=(WIDTH) height=(LANE) {}
                    rect.track y=(LANE + GAP) width=(WIDTH) height=(LANE) {}
                    path.agent d=(agent) {}
                    path.customer d=(customer) {}
                    path.other d=(other) {}
                    path.interruption d=(interruptions) {}
                    line.now x1="0" x2="0" y1="0" y2=(height) {}
                }
            }
        }
    }

    /// The turns, in order. Where they can be heard, each leads to its second.
    pub(crate) fn conversation(&self, frame: &Frame<'_>, can_be_heard: bool) -> Markup {
        let w = frame.words;
        html! {
            @for (list, turns) in self.turns.chunks(OF_ONE_LIST).enumerate() {
                ol.turns start=[(list > 0).then_some(list * OF_ONE_LIST + 1)] {
                    @for Spoken { turn, start_ms, is_guessed, .. } in turns {
                        @let speaker = text(turn, "speaker").unwrap_or_default();
                        @let (class, name) = match speaker {
                            "agent" => ("a", w.agent),
                            "callee" => ("c", w.customer),
                            _ => ("o", w.someone),
                        };
                        li class=(class) data-s=[start_ms.map(seconds)] {
                            span.by { (name) }
                            @if let Some(start) = start_ms {
                                @let at = html! { @if *is_guessed { "≈" } (lasted(start / 1_000)) };
                                @if can_be_heard { a href=(format!("#t={}", seconds(*start))) { (at) } } @else { small.quiet { (at) } }
                            }
                            @if turn["interrupted"] == true { em { (w.interrupts) } }
                            p { (visible(text(turn, "text").unwrap_or_default())) }
                        }
                    }
                }
            }
        }
    }
}

/// Until when there is something in a recording: until the last of the times that are near to others, the call's own end among them.
fn length_ms(turns: &[Spoken<'_>], call_ms: u64) -> u64 {
    let ends = turns.iter().filter_map(|turn| Some((turn.start_ms?, turn.end_ms?)));
    let mut times: Vec<_> = ends.chain([(call_ms, call_ms)]).filter(|(_, end)| *end > 0).collect();
    times.sort_unstable();
    let mut length = if call_ms <= LONG_CALL_MS { call_ms } else { 0 };
    for (start, end) in times {
        if start > length.saturating_add(SILENCE_MS) {
            break;
        }
        // An end may be the mistake.
        length = length.max(if end > start.saturating_add(SILENCE_MS) { start } else { end });
    }
    length
}

/// Turns of which no time is told, spread over the time between those of which it is; `None` where there is none.
fn between<'a>(
    turns: &'a [Value],
    from: u64,
    until: u64,
    is_timed: bool,
) -> impl Iterator<Item = Spoken<'a>> {
    let weight = |turn: &Value| text(turn, "text").map_or(1, |text| text.chars().count() as u64 + 1);
    let all: u64 = turns.iter().map(weight).sum::<u64>().max(1);
    let gap = until.saturating_sub(from);
    let mut so_far = 0;
    turns.iter().map(move |turn| {
        let at = |weight: u64| from + (u128::from(gap) * u128::from(weight) / u128::from(all)) as u64;
        let (start, end) = (at(so_far), at(so_far + weight(turn)));
        so_far += weight(turn);
        let is_known = is_timed && gap > 0;
        Spoken {
            turn,
            start_ms: is_known.then_some(start),
            end_ms: is_known.then_some(end.min(start.saturating_add(LONGEST_MS))),
            is_guessed: true,
        }
    })
}

/// Milliseconds as a player takes them: `12.3`.
fn seconds(ms: u64) -> String {
    match ms % 1_000 / 100 {
        0 => format!("{}", ms / 1_000),
        tenths => format!("{}.{tenths}", ms / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_turn_without_an_end_ends_where_the_next_begins_or_soon() {
        let turns = [
            json!({"speaker": "agent", "start_ms": 0}),
            json!({"speaker": "callee", "start_ms": 3_000, "end_ms": 4_000}),
            json!({"speaker": "agent", "start_ms": 90_000}),
        ];
        let transcript = Transcript::of(&turns, 60);
        let ends: Vec<_> = transcript.turns.iter().map(|spoken| spoken.end_ms).collect();
        assert_eq!(ends, [Some(3_000), Some(4_000), Some(92_000)]);
        assert_eq!((transcript.length_ms, transcript.has_times()), (92_000, true));
        assert_eq!([12_345, 12_000, 50].map(seconds), ["12.3", "12", "0"]);
    }

    #[test]
    fn a_long_conversation_is_several_lists_that_go_on_counting() {
        let turns: Vec<_> = (0..250).map(|at| json!({"speaker": "agent", "text": at.to_string()})).collect();
        let frame = Frame::of_test("2025-06-01T02:00:00.000Z".parse().unwrap());
        let shown = Transcript::of(&turns, 60).conversation(&frame, false).into_string();
        let lists: Vec<_> = shown.split("<ol class=\"turns\"").skip(1).collect();
        let begins: Vec<_> = lists.iter().map(|list| list.split('>').next().unwrap()).collect();
        assert_eq!(begins, ["", " start=\"101\"", " start=\"201\""]);
        let counts: Vec<_> = lists.iter().map(|list| list.matches("<li").count()).collect();
        assert_eq!(counts, [100, 100, 50]);
    }

    #[test]
    fn what_has_no_time_lies_between_what_has() {
        let turns = [
            json!({"speaker": "agent", "text": "a"}),
            json!({"speaker": "callee", "start_ms": 4_000, "end_ms": 5_000}),
            json!({"speaker": "agent", "text": "b"}),
            json!({"speaker": "agent", "text": "c"}),
            json!({"speaker": "callee", "start_ms": 9_000, "end_ms": 9_500}),
        ];
        let transcript = Transcript::of(&turns, 10);
        let times: Vec<_> = transcript.turns.iter().map(|it| (it.start_ms.unwrap(), it.is_guessed)).collect();
        assert_eq!(times, [(0, true), (4_000, false), (5_000, true), (7_000, true), (9_000, false)]);
        // Where nothing has a time, nothing is guessed.
        assert!(!Transcript::of(&turns[..1], 10).has_times());
    }

    #[test]
    fn a_time_far_behind_all_others_does_not_make_them_a_stroke() {
        let turn = |start: u64, end: u64| json!({"speaker": "callee", "start_ms": start, "end_ms": end});
        let lengths = |turns: &[Value], duration_s| {
            let transcript = Transcript::of(turns, duration_s);
            (transcript.length_ms, transcript.turns.iter().filter(|turn| turn.start_ms.is_some()).count())
        };
        let usual = [turn(1_000, 2_000), turn(60_000, 61_000)];
        assert_eq!(lengths(&usual, 90), (90_000, 2));
        // A time of day in the place of one of the recording.
        let odd = [&usual[..], &[turn(1_748_743_200_000, 1_748_743_201_000)]].concat();
        assert_eq!(lengths(&odd, 90), (90_000, 2));
        // An end without end, and a duration in other units.
        assert_eq!(lengths(&[turn(1_000, u64::MAX), turn(60_000, 61_000)], 90), (90_000, 2));
        assert_eq!(lengths(&usual, 90_000), (61_000, 2));
        // A long call is one.
        let long: Vec<_> =
            (0..20).map(|minutes| turn(minutes * 600_000, minutes * 600_000 + 1_000)).collect();
        assert_eq!(lengths(&long, 12_000), (12_000_000, 20));
        assert_eq!(lengths(&[json!({"start_ms": u64::MAX})], u64::MAX), (0, 0));
        // One of which little is written down, too.
        assert_eq!(lengths(&usual, 7_200), (7_200_000, 2));
    }
}
