//! What is counted of a task's calls.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Deserialize;

use super::terms::outcome;
use super::{Zone, is_answered, is_complete, is_connected, tags_of};
use crate::model::{CallKey, Instant, Money};
use crate::record::merge::Record;
use crate::view::Mask;

/// So many different intents are told apart, and so many tags, and currencies: texts of a push are anything.
const MAX_NAMES: usize = 1_000;
/// A longer name is not told from others.
const MAX_NAME_BYTES: usize = 256;

/// How often each name was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) others: u64,
}

impl Names {
    /// Counts a name that was met so many times.
    fn add(&mut self, name: &str, times: u64) {
        let is_told =
            name.len() <= MAX_NAME_BYTES && (self.counts.len() < MAX_NAMES || self.counts.contains_key(name));
        match is_told {
            true => *self.counts.entry(name.to_owned()).or_default() += times,
            false => self.others += times,
        }
    }

    fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(name, times)| self.add(name, *times));
        self.others += other.others;
    }

    /// How often each was, by name.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// How often one was that is not told from others: there are more than a thousand, or its name is longer than 256 bytes.
    pub fn others(&self) -> u64 {
        self.others
    }
}

/// What intents are called that a platform tells by a code and in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntentNames {
    /// By code: when the call was that told it last, and the words.
    pub(super) names: BTreeMap<String, (Instant, String)>,
}

impl IntentNames {
    /// Notes what a call's intent is called. Of several words for one code the last call's count: a script may have been changed.
    fn add(&mut self, code: &str, call_at: Instant, name: &str) {
        let known = self.names.get(code);
        let is_told = code.len() <= MAX_NAME_BYTES
            && name.len() <= MAX_NAME_BYTES
            && (self.names.len() < MAX_NAMES || known.is_some());
        if is_told && known.is_none_or(|(at, known)| (*at, known.as_str()) < (call_at, name)) {
            self.names.insert(code.to_owned(), (call_at, name.to_owned()));
        }
    }

    fn merge(&mut self, other: &Self) {
        other.names.iter().for_each(|(code, (at, name))| self.add(code, *at, name));
    }

    /// Codes, each with its words.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(code, (_, name))| (code.as_str(), name.as_str()))
    }
}

/// How long calls lasted, in seconds. Exact: each length is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many calls lasted so many seconds.
    pub(super) counts: BTreeMap<u64, u64>,
}

impl Durations {
    /// Counts so many calls that lasted so long.
    fn add(&mut self, seconds: u64, calls: u64) {
        *self.counts.entry(seconds).or_default() += calls;
    }

    /// How many calls there are whose duration is known.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// All seconds together.
    pub fn sum_s(&self) -> u64 {
        let seconds = self.counts.iter().map(|(seconds, count)| seconds.saturating_mul(*count));
        seconds.fold(0, u64::saturating_add)
    }

    /// The duration that so many percent of the calls did not exceed, by the nearest rank; `None` without calls.
    pub fn percentile_s(&self, percent: u64) -> Option<u64> {
        let rank = (self.count() * percent.min(100)).div_ceil(100).max(1);
        let mut so_far = 0;
        self.counts.iter().find_map(|(seconds, count)| {
            so_far += count;
            (so_far >= rank).then_some(*seconds)
        })
    }
}

/// What is counted of calls: of a task's, usually.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCounts {
    pub(super) zone: Zone,
    /// How many calls there are.
    pub calls: u64,
    /// How many were answered: [`is_answered`].
    pub answered: u64,
    /// How many were connected: [`is_connected`].
    pub connected: u64,
    /// Of how many all is known that their platform tells: [`is_complete`].
    pub complete: u64,
    /// How many had each outcome; those whose outcome is not known are in none.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How many had each intent, by its code, or by its name where it has none.
    pub intents: Names,
    /// What those are called that have a code.
    pub intent_names: IntentNames,
    /// How many had each tag, as [`tags_of`] writes it.
    pub tags: Names,
    /// How many were in each hour of the day, in the zone.
    pub hours: [u64; 24],
    /// How long connected calls lasted.
    pub durations: Durations,
    /// For how many seconds is charged.
    pub billed_s: u64,
    /// What the calls cost, by currency.
    pub cost: BTreeMap<String, Decimal>,
    /// How many costs are in no sum, since it would not be exact or tell a number: they have too many digits, or are of too many
    /// currencies. A sum of other counts that does not fit counts as one.
    pub costs_left_out: u64,
    /// When the first call was.
    pub first_call_at: Option<Instant>,
    /// When the last call was.
    pub last_call_at: Option<Instant>,
    /// Whether the id of the task tells the number that one of the calls went to.
    pub tells_callee: bool,
}

impl TaskCounts {
    /// Of no calls so far. Hours are those of `zone`.
    pub fn new(zone: Zone) -> Self {
        Self {
            zone,
            calls: 0,
            answered: 0,
            connected: 0,
            complete: 0,
            outcomes: BTreeMap::new(),
            intents: Names::default(),
            intent_names: IntentNames::default(),
            tags: Names::default(),
            hours: [0; 24],
            durations: Durations::default(),
            billed_s: 0,
            cost: BTreeMap::new(),
            costs_left_out: 0,
            first_call_at: None,
            last_call_at: None,
            tells_callee: false,
        }
    }

    /// Counts a call.
    pub fn add(&mut self, key: &CallKey, call_at: Instant, record: &Record) {
        // Nobody's number is in what is counted, whoever reads it: neither as a name nor as a figure.
        let mask = Mask::of(record.callee_numbers());
        let number = |name: &str| {
            let number = record.facts.get(name).and_then(|value| value.as_u64());
            number.filter(|number| mask.may_show(&number.to_string()))
        };
        let connected = is_connected(record);
        self.calls += 1;
        self.answered += u64::from(is_answered(record));
        self.connected += u64::from(connected);
        self.complete += u64::from(is_complete(key.provider, record));
        if let Some(outcome) = outcome(record) {
            *self.outcomes.entry(outcome.as_str()).or_default() += 1;
        }
        // By its code; AI-voice tells some in words alone.
        let [code, name] = ["intent_code", "intent_name"]
            .map(|name| record.facts.get(name).and_then(|intent| intent.as_str()));
        if let Some(intent) = code.or(name) {
            self.intents.add(&mask.text(intent), 1);
        }
        if let (Some(code), Some(name)) = (code, name) {
            self.intent_names.add(&mask.text(code), call_at, &mask.text(name));
        }
        // Each once a call, however often it stands there.
        let tags: BTreeSet<_> = tags_of(record, &mask).into_iter().collect();
        tags.iter().for_each(|tag| self.tags.add(tag, 1));
        if let Some(hour) = self.hours.get_mut(usize::from(self.zone.hour(call_at))) {
            *hour += 1;
        }
        if let Some(seconds) = number("duration_s").filter(|_| connected) {
            self.durations.add(seconds, 1);
        }
        self.billed_s = self.billed_s.saturating_add(number("billed_s").unwrap_or_default());
        match record.facts.get("cost").map(Money::deserialize) {
            Some(Ok(Money { amount, currency })) => match Decimal::from_str_exact(amount.as_str()) {
                Ok(exact) if mask.may_show_amount(amount.as_str()) => {
                    self.add_cost(exact, &mask.text(&currency))
                }
                // It is hidden in the call, or has more digits than a sum has.
                Ok(_) | Err(_) => self.costs_left_out += 1,
            },
            Some(Err(_)) => self.costs_left_out += 1,
            None => {}
        }
        self.first_call_at = Some(self.first_call_at.map_or(call_at, |first| first.min(call_at)));
        self.last_call_at = Some(self.last_call_at.map_or(call_at, |last| last.max(call_at)));
        let task = record.facts.get("task_id").and_then(|task| task.as_str());
        self.tells_callee |= task.is_some_and(|task| !mask.may_show_shared(task));
    }

    /// Counts the calls that others counted; but for the hours of the day, which theirs may be others.
    pub(super) fn merge_without_hours(&mut self, other: &Self) {
        self.calls += other.calls;
        self.answered += other.answered;
        self.connected += other.connected;
        self.complete += other.complete;
        for (outcome, calls) in &other.outcomes {
            *self.outcomes.entry(outcome).or_default() += calls;
        }
        self.intents.merge(&other.intents);
        self.intent_names.merge(&other.intent_names);
        self.tags.merge(&other.tags);
        other.durations.counts.iter().for_each(|(seconds, calls)| self.durations.add(*seconds, *calls));
        self.billed_s = self.billed_s.saturating_add(other.billed_s);
        other.cost.iter().for_each(|(currency, sum)| self.add_cost(*sum, currency));
        self.costs_left_out += other.costs_left_out;
        self.first_call_at = self.first_call_at.into_iter().chain(other.first_call_at).min();
        self.last_call_at = self.last_call_at.into_iter().chain(other.last_call_at).max();
        self.tells_callee |= other.tells_callee;
    }

    /// Counts the calls that others counted in the same zone.
    pub fn merge(&mut self, other: &Self) {
        self.merge_without_hours(other);
        self.hours.iter_mut().zip(other.hours).for_each(|(hour, calls)| *hour += calls);
    }

    fn add_cost(&mut self, amount: Decimal, currency: &str) {
        let sum = match self.cost.get(currency) {
            Some(sum) => exact_sum(*sum, amount),
            None => Some(amount).filter(|_| self.cost.len() < MAX_NAMES && currency.len() <= MAX_NAME_BYTES),
        };
        match sum {
            Some(sum) => {
                self.cost.insert(currency.to_owned(), sum);
            }
            None => self.costs_left_out += 1,
        }
    }
}

/// The sum of two amounts; `None` where a decimal can't hold it to its last digit. (Decimal's own addition rounds then.)
fn exact_sum(one: Decimal, other: Decimal) -> Option<Decimal> {
    let (one, other) = (one.normalize(), other.normalize());
    let scale = one.scale().max(other.scale());
    let units = |amount: Decimal| {
        amount.mantissa().checked_mul(10_i128.checked_pow(scale.checked_sub(amount.scale())?)?)
    };
    let mut units = units(one)?.checked_add(units(other)?)?;
    let mut scale = scale;
    while scale > 0 && units % 10 == 0 {
        (units, scale) = (units / 10, scale - 1);
    }
    Decimal::try_from_i128_with_scale(units, scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CallId, Provider};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn add(counts: &mut TaskCounts, call_at: &str, facts: Value) {
        let call_at: Instant = call_at.parse().unwrap();
        let key = CallKey { provider: Provider::Laaffic, call_id: CallId::new("1".to_owned()).unwrap() };
        let record = Record {
            facts: facts.as_object().unwrap().clone().into(),
            extra: Default::default(),
            sources: Default::default(),
            inquiry: Default::default(),
            first_received_at: call_at,
            updated_at: call_at,
            erased: false,
        };
        counts.add(&key, call_at, &record);
    }

    #[test]
    fn a_tag_counts_once_a_call_and_a_number_is_no_name() {
        let mut counts = TaskCounts::new(Zone::default());
        let call = json!({"callee": "13712345987", "intent_code": "5987", "tags": {"x": ["p", "p"], "tel": ["137，1234，5987"]}});
        add(&mut counts, "2025-06-01T02:00:00.000Z", call.clone());
        add(&mut counts, "2025-06-01T02:00:01.000Z", call);
        let names = |names: &Names| {
            names.counts().iter().map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>()
        };
        assert_eq!(names(&counts.tags), ["tel:***，****，****=2", "x:p=2"]);
        assert_eq!(names(&counts.intents), ["****=2"]);
    }

    #[test]
    fn an_intent_is_called_what_the_last_call_calls_it_and_no_number() {
        let mut counts = TaskCounts::new(Zone::default());
        let mut earlier = TaskCounts::new(Zone::default());
        let intent = |code: Option<&str>, name: &str| json!({"callee": "13712345987", "intent_code": code, "intent_name": name});
        add(&mut counts, "2025-06-01T02:00:00Z", intent(Some("A"), "willing"));
        add(&mut counts, "2025-06-01T02:00:01Z", intent(Some("A"), "keen, 5987"));
        add(&mut counts, "2025-06-01T02:00:02Z", json!({"intent_code": "A"}));
        add(&mut counts, "2025-06-01T02:00:03Z", intent(None, "in words alone"));
        add(&mut counts, "2025-06-01T02:00:04Z", intent(Some("C"), &"x".repeat(300)));
        add(&mut earlier, "2025-05-31T02:00:00Z", intent(Some("A"), "an older script's"));
        add(&mut earlier, "2025-05-31T02:00:01Z", intent(Some("B"), "maybe"));
        let known = [("A", "keen, ****"), ("B", "maybe")];
        let mut other_order = earlier.clone();
        other_order.merge(&counts);
        counts.merge(&earlier);
        for merged in [&counts, &other_order] {
            assert_eq!(merged.intent_names.iter().collect::<Vec<_>>(), known);
        }
        assert_eq!(counts.intents.counts()["in words alone"], 1);
    }

    #[test]
    fn calls_are_counted_by_what_is_known_of_them() {
        let mut counts = TaskCounts::new(Zone::default());
        let cost = |amount: &str| json!({"amount": amount.parse::<serde_json::Number>().unwrap(), "currency": "CNY"});
        add(
            &mut counts,
            "2025-06-01T16:30:00Z",
            json!({"outcome": "answered", "duration_s": 10, "billed_s": 60, "cost": cost("0.1"), "tags": ["a", "b"], "intent_code": "A"}),
        );
        add(
            &mut counts,
            "2025-06-01T02:00:00Z",
            json!({"outcome": "answered", "duration_s": 30, "billed_s": 60, "cost": cost("0.2"), "tags": {"a": [], "c": ["1", "2"]}, "intent_code": "A"}),
        );
        add(
            &mut counts,
            "2025-06-02T02:00:00Z",
            json!({"outcome": "busy", "duration_s": 0, "intent_code": "B"}),
        );
        add(&mut counts, "2025-06-01T15:59:59Z", json!({}));
        assert_eq!([counts.calls, counts.answered, counts.connected, counts.complete], [4, 2, 2, 3]);
        assert_eq!(counts.outcomes, BTreeMap::from([("answered", 2), ("busy", 1)]));
        let names = |names: &Names| {
            names.counts().iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
        };
        assert_eq!(names(&counts.intents), ["A 2", "B 1"]);
        assert_eq!(names(&counts.tags), ["a 2", "b 1", "c:1 1", "c:2 1"]);
        let hours: Vec<_> =
            (0..24).filter(|hour| counts.hours[*hour] > 0).map(|hour| (hour, counts.hours[hour])).collect();
        assert_eq!(hours, [(0, 1), (10, 2), (23, 1)]);
        assert_eq!((counts.durations.count(), counts.durations.sum_s(), counts.billed_s), (2, 40, 120));
        assert_eq!([50, 90].map(|percent| counts.durations.percentile_s(percent)), [Some(10), Some(30)]);
        assert_eq!(counts.cost["CNY"].to_string(), "0.3", "exact");
        assert_eq!(counts.first_call_at.unwrap().to_string(), "2025-06-01T02:00:00.000Z");
        assert_eq!(counts.last_call_at.unwrap().to_string(), "2025-06-02T02:00:00.000Z");
    }

    /// A sum of one call would tell what the call hides.
    #[test]
    fn a_figure_that_tells_a_number_is_in_no_sum() {
        let mut counts = TaskCounts::new(Zone::default());
        for callee in ["13988887777", "447911123456"] {
            let figure: serde_json::Number = callee.parse().unwrap();
            let cost = json!({"amount": figure, "currency": "USD"});
            add(
                &mut counts,
                "2025-06-01T16:30:00Z",
                json!({"callee": callee, "outcome": "answered", "duration_s": figure, "billed_s": figure, "cost": cost}),
            );
        }
        assert_eq!((counts.calls, counts.billed_s, counts.durations.count()), (2, 0, 0));
        assert_eq!((counts.cost.len(), counts.costs_left_out), (0, 2));
        // 61 to 420 seconds at 0.28 a minute: what follows the point looks like a number here and there.
        let mut counts = TaskCounts::new(Zone::default());
        for amount in ["1.5166666667", "0.3733333333", "1.3333333333", "0.15166666667"] {
            let cost = json!({"amount": amount.parse::<serde_json::Number>().unwrap(), "currency": "CNY"});
            add(&mut counts, "2025-06-01T02:00:00Z", json!({"callee": "13922224444", "cost": cost}));
        }
        assert_eq!((counts.cost["CNY"].to_string(), counts.costs_left_out), ("3.37499999997".to_owned(), 0));
    }

    /// What would be rounded is left out, and that is told.
    #[test]
    fn a_sum_of_costs_is_exact_or_says_what_is_left_out() {
        let most = "79228162514264337593543950335";
        for (costs, sum, left_out) in [
            (vec!["0.1", "0.20"], "0.3", 0),
            (vec!["7922816251426433759354395033.5", "0.01"], "7922816251426433759354395033.5", 1),
            (vec!["7922816251426433759354395033.5", "-0.5"], "7922816251426433759354395033", 0),
            (vec![most, "1"], most, 1),
            (vec![most, "-0.0000000001"], most, 1),
            (vec!["1", "123456789012345678901234567890"], "1", 1),
            (vec!["1", "0.12345678901234567890123456789"], "1", 1),
        ] {
            let mut counts = TaskCounts::new(Zone::default());
            for cost in &costs {
                let cost = json!({"amount": cost.parse::<serde_json::Number>().unwrap(), "currency": "CNY"});
                add(&mut counts, "2025-06-01T02:00:00Z", json!({"cost": cost}));
            }
            let told = (counts.cost["CNY"].normalize().to_string(), counts.costs_left_out);
            assert_eq!(told, (sum.to_owned(), left_out), "{costs:?}");
        }
        let mut counts = TaskCounts::new(Zone::default());
        let text = json!({"cost": {"amount": "1".repeat(40), "currency": "CNY"}});
        add(&mut counts, "2025-06-01T02:00:00Z", text);
        assert_eq!((counts.cost.len(), counts.costs_left_out), (0, 1));
    }

    #[test]
    fn what_a_push_makes_up_does_not_fill_the_memory() {
        let mut counts = TaskCounts::new(Zone::default());
        for number in 0..1_500 {
            let most = json!({"amount": "79228162514264337593543950335".parse::<serde_json::Number>().unwrap(), "currency": "CNY"});
            add(
                &mut counts,
                "2025-06-01T02:00:00Z",
                json!({"intent_code": number.to_string(), "tags": ["x".repeat(300)], "cost": most}),
            );
        }
        assert_eq!((counts.intents.counts().len(), counts.intents.others()), (MAX_NAMES, 500));
        assert_eq!((counts.tags.counts().len(), counts.tags.others()), (0, 1_500));
        assert_eq!((counts.cost.len(), counts.costs_left_out), (1, 1_499));
    }

    proptest! {
        #[test]
        fn a_percentile_is_the_nearest_rank(mut seconds in prop::collection::vec(0_u64..100, 1..50), percent in 0_u64..=100) {
            let mut durations = Durations::default();
            seconds.iter().for_each(|seconds| durations.add(*seconds, 1));
            seconds.sort_unstable();
            let rank = (seconds.len() * usize::try_from(percent).unwrap()).div_ceil(100).max(1);
            prop_assert_eq!(durations.percentile_s(percent), Some(seconds[rank - 1]));
            prop_assert_eq!(Durations::default().percentile_s(percent), None);
        }
    }
}
