//! The calls: what happened on each, made up from the seed before any platform's document comes into it.
//!
//! The same seed and day make the same calls, each for itself: a call is made up anew whenever it is needed, so that twenty
//! thousand of them take no memory.

use fastrand::Rng;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

/// What a simulation is about.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// What all chance follows from.
    pub(super) seed: u64,
    /// The day of the calls, in UTC.
    pub(super) day: Date,
    /// Where recordings are served, without a slash at the end; `None`: there are none.
    pub(super) recording_base: Option<String>,
}

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    /// Alibaba Cloud's Intelligent Communications Agent.
    Alibaba,
    /// The AI-voice platform, its record bare or wrapped as the engine under it does.
    AiVoice {
        /// Whether it is wrapped.
        wrapped: bool,
    },
    /// LAAFFIC.
    Laaffic,
}

/// How a call ended, in the model's words.
pub(super) const OUTCOMES: [&str; 17] = [
    "answered",
    "voicemail",
    "no_answer",
    "busy",
    "rejected",
    "powered_off",
    "suspended",
    "invalid_number",
    "unreachable",
    "forwarded",
    "barred",
    "congestion",
    "canceled",
    "abandoned",
    "caller_error",
    "system_error",
    "other",
];

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangupBy {
    /// The person called.
    Callee,
    /// The AI agent.
    Agent,
    /// Somebody whom no document knows.
    Unknown,
}

/// One thing that was said.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Whether the agent says it.
    pub(super) agent: bool,
    /// The words.
    pub(super) text: String,
    /// When it began, in milliseconds from the recording's start.
    pub(super) start_ms: u64,
    /// When it ended.
    pub(super) end_ms: u64,
    /// Whether the callee interrupted the agent with it.
    pub(super) interrupted: bool,
}

/// A call. Times are in seconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Call {
    seed: u64,
    /// Its number in the simulation.
    pub(super) index: u32,
    /// Who made it.
    pub(super) platform: Platform,
    /// Its id.
    pub(super) id: String,
    /// Whether its pushes tell the id: what doesn't can't be stored as a call.
    pub(super) named: bool,
    /// The task, the batch in it, and the task's detail that the call belongs to.
    pub(super) task: u64,
    pub(super) batch: String,
    pub(super) detail: u64,
    /// The user's own id of it.
    pub(super) out_id: Option<String>,
    /// The numbers.
    pub(super) caller: String,
    pub(super) display_number: String,
    pub(super) callee: String,
    pub(super) originated: i64,
    pub(super) ringing: Option<i64>,
    pub(super) answered: Option<i64>,
    pub(super) ended: i64,
    /// One of [`OUTCOMES`].
    pub(super) outcome: &'static str,
    pub(super) hangup_by: Option<HangupBy>,
    /// Code and words of what the callee wants.
    pub(super) intent: Option<(String, String)>,
    /// What was concluded, by subject.
    pub(super) tags: Vec<(&'static str, Vec<&'static str>)>,
    /// What it costs, in units of the currency.
    pub(super) cost: String,
    /// The how manieth attempt at the callee it was.
    pub(super) attempt: u64,
    /// What was said.
    pub(super) lines: Vec<Line>,
    /// The file names of its recordings (all that was said; the callee alone), as far as there are any.
    pub(super) recordings: Vec<String>,
    /// Whether its platform tells it twice, and not the same: an attempt before, a dead URL, another amount.
    pub(super) told_twice: bool,
    /// Whether its messages hold nothing that is no value of their field.
    pub(super) sound: bool,
}

impl World {
    /// The mark in every id of this simulation: six digits.
    pub(super) fn mark(&self) -> String {
        let days = self.day.duration_since(Date::constant(2000, 1, 1)).as_hours() as u64 / 24;
        format!("{:06}", mixed(self.seed, days) % 1_000_000)
    }

    /// Makes up a call.
    pub(super) fn call(&self, index: u32) -> Call {
        let seed = mixed(mixed(self.seed, self.day.day_of_year() as u64), u64::from(index));
        let mut rng = Rng::with_seed(seed);
        let platform = match rng.u32(..10) {
            0..5 => Platform::Alibaba,
            5..8 => Platform::AiVoice { wrapped: rng.u32(..3) == 0 },
            _ => Platform::Laaffic,
        };
        let mark = self.mark();
        let id = match platform {
            Platform::Alibaba => format!("1{mark}{index:07}^{}", 1_000_000 + rng.u32(..9_000_000)),
            Platform::AiVoice { .. } => format!("1953{mark}{index:09}"),
            Platform::Laaffic => format!("2603{mark}{index:011}"),
        };
        let outcome = match rng.u32(..10) {
            0..6 => OUTCOMES[0],
            _ => OUTCOMES[rng.usize(1..OUTCOMES.len())],
        };
        let talked = outcome == "answered";
        let midnight = self.day.to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second());
        // Some hours around midnight in UTC, where the date is one here and another in China.
        let originated = midnight + rng.i64(-40_000..40_000);
        let rang = talked || matches!(outcome, "voicemail" | "no_answer" | "rejected" | "canceled");
        let ringing = rang.then(|| originated + rng.i64(0..4));
        let answered = talked.then(|| originated + rng.i64(4..30));
        let ended = answered.or(ringing).unwrap_or(originated) + rng.i64(1..400);
        let lines = if talked { conversation(&mut rng) } else { Vec::new() };
        // A call that was not answered may have a recording too, of the network's announcement.
        let recorded = talked && rng.u32(..10) > 0 || rng.u32(..20) == 0;
        let extension = if rng.u32(..10) == 0 { "wav" } else { "mp3" };
        let recordings = match (&self.recording_base, recorded) {
            (Some(_), true) => (0..if talked { 2 } else { 1 })
                .map(|part| format!("simulated-{mark}-{index}-{part}.{extension}"))
                .collect(),
            _ => Vec::new(),
        };
        let masked = rng.u32(..10) == 0;
        let told_twice = rng.u32(..8) == 0;
        Call {
            seed,
            index,
            platform,
            id,
            named: rng.u32(..100) > 0,
            task: 118_100 + rng.u64(..20),
            batch: format!("B{}", 2_020 + rng.u32(..10)),
            detail: rng.u64(1 << 40..1 << 50),
            out_id: (rng.u32(..4) > 0).then(|| format!("order-{}", rng.u32(..))),
            caller: format!("0571{:08}", rng.u32(..100_000_000)),
            display_number: format!("0571{:08}", rng.u32(..100_000_000)),
            callee: match masked {
                true => format!("139****{:04}", rng.u32(..10_000)),
                false => format!("139{:08}", rng.u32(..100_000_000)),
            },
            originated,
            ringing,
            answered,
            ended,
            outcome,
            hangup_by: match rng.u32(..10) {
                _ if !talked => None,
                0..5 => Some(HangupBy::Callee),
                5..9 => Some(HangupBy::Agent),
                _ => Some(HangupBy::Unknown),
            },
            intent: (talked && rng.u32(..5) > 0).then(|| {
                let grade = rng.usize(..4);
                (
                    ["A", "B", "C", "D"][grade].to_owned(),
                    ["wants it", "may want it", "asks", "没有兴趣"][grade].to_owned(),
                )
            }),
            tags: match rng.u32(..3) {
                0 => Vec::new(),
                1 => vec![("客户意向度", vec!["高(非常积极)"])],
                _ => vec![("关注点", vec!["价格", "续航"]), ("name", vec!["Ms \"W\" \\ 王"])],
            },
            cost: format!("{}.{:04}", rng.u32(..3), rng.u32(..10_000)),
            attempt: 1 + rng.u64(..3),
            lines,
            recordings,
            told_twice,
            sound: told_twice,
        }
    }

    /// The URL of a recording. Where it is signed, it is for seven days from the end of the call.
    pub(super) fn recording_url(&self, name: &str, signed_at: Option<i64>) -> String {
        let base = self.recording_base.as_deref().unwrap_or_default();
        let signature = signed_at.map(|at| {
            let date = utc(at).strftime("%Y%m%dT%H%M%SZ").to_string();
            format!("?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date={date}&x-oss-expires={SIGNED_FOR_S}&x-oss-signature=0a1b2c")
        });
        format!("{base}/recordings/{name}{}", signature.unwrap_or_default())
    }
}

/// How long a signed URL is good, in seconds: seven days, the most that this signature can say.
pub(super) const SIGNED_FOR_S: i64 = 604_800;

impl Call {
    /// A chance of its own for each of the call's messages.
    pub(super) fn rng(&self, message: u64) -> Rng {
        Rng::with_seed(mixed(self.seed, message + 1))
    }

    /// The attempt before this one: the platform tells both by the same id. Another number was dialled, and nobody answered.
    pub(super) fn attempt_before(&self) -> Self {
        let originated = self.originated - 120;
        Self {
            seed: mixed(self.seed, 77),
            callee: format!("138{:08}", mixed(self.seed, 78) % 100_000_000),
            originated,
            ringing: Some(originated + 2),
            answered: None,
            ended: originated + 30,
            outcome: "no_answer",
            hangup_by: None,
            ..self.clone()
        }
    }

    /// The same call as its platform bills it another time.
    pub(super) fn at_another_price(&self) -> Self {
        Self { cost: format!("{}5", self.cost), ..self.clone() }
    }

    /// How long was talked, in seconds.
    pub(super) fn duration(&self) -> u64 {
        self.answered.map_or(0, |answered| (self.ended - answered) as u64)
    }
}

fn conversation(rng: &mut Rng) -> Vec<Line> {
    const WORDS: [&str; 8] = [
        "您好,请问有时间吗?",
        "Hello?",
        "喂",
        "what does it cost?",
        "\"再说一遍\"",
        "a\tb\nc",
        "",
        "😀 好的",
    ];
    // Now and then one that is too long for an item, and often none.
    let lines = match rng.u32(..400) {
        0 => 900,
        1..50 => 0,
        _ => rng.usize(1..12),
    };
    let mut at = 0;
    let line = |number: usize| {
        let start_ms = at + rng.u64(..3_000);
        at = start_ms + rng.u64(..6_000);
        let agent = number.is_multiple_of(2);
        Line {
            agent,
            text: format!("{}{}", WORDS[rng.usize(..WORDS.len())], "句".repeat(rng.usize(..12))),
            start_ms,
            end_ms: at,
            interrupted: !agent && rng.u32(..6) == 0,
        }
    };
    (0..lines).map(line).collect()
}

/// The time in UTC.
pub(super) fn utc(seconds: i64) -> jiff::civil::DateTime {
    Offset::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The time in China, where all platforms' clocks are.
pub(super) fn china(seconds: i64) -> jiff::civil::DateTime {
    utc(seconds + 8 * 3_600)
}

/// Two numbers mixed into one that follows from both (SplitMix64's finish).
fn mixed(a: u64, b: u64) -> u64 {
    let mut mixed = a ^ b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_day_make_the_same_calls_and_others_others() {
        let world = |seed, day| World { seed, day, recording_base: None };
        let day = Date::constant(2025, 6, 1);
        let shown = |world: &World| format!("{:?}", world.call(7));
        assert_eq!(shown(&world(1, day)), shown(&world(1, day)));
        assert_ne!(shown(&world(1, day)), shown(&world(2, day)));
        assert_ne!(world(1, day).call(7).id, world(1, Date::constant(2025, 6, 2)).call(7).id);
        assert_ne!(world(1, day).call(7).id, world(1, day).call(8).id);
    }

    /// A call that ended before it rang would have rung for 2^64 - 1 seconds, which nobody stores.
    #[test]
    fn no_call_ends_before_it_rings_or_is_answered() {
        let world = World { seed: 11, day: Date::constant(2025, 6, 1), recording_base: None };
        for number in 0..20_000 {
            let Call { originated, ringing, answered, ended, .. } = world.call(number);
            let times: Vec<_> =
                [Some(originated), ringing, answered, Some(ended)].into_iter().flatten().collect();
            assert!(times.is_sorted(), "call {number}: {times:?}");
        }
    }
}
