//! What is counted of the calls of one hour of UTC, by task: kept as JSON beside analytics' files, so that what is counted of a task need
//! not be counted anew from its calls.
//!
//! Hours of the day are those of a zone, which may be ahead of UTC by a part of an hour: so the calls of each quarter are told apart.
//! Numbers are masked in it as they are in the files.

use std::collections::BTreeMap;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::counts::{Durations, IntentNames, Names};
use super::{TaskCounts, Zone};
use crate::model::{CallKey, Hour, Instant, Outcome, Provider};
use crate::record::merge::Record;
use crate::view::Mask;

/// What a quarter of an hour has, in milliseconds.
const QUARTER_MS: i64 = 15 * 60 * 1000;
/// So many tasks are told apart in one hour: their ids are texts of a push, which are anything.
const MAX_TASKS: usize = 10_000;

/// What is counted of the calls of an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct HourSummary {
    /// The hour.
    pub hour: Hour,
    /// How many calls there are; those that can't be read are not among them.
    pub calls: u64,
    /// How many calls can't be read: they are not what any release has written.
    pub unreadable: u64,
    /// Whether every call is counted under its task. It is not where there are too many tasks, and where a task's id tells a number
    /// that is hidden: whoever counts a task has to read the calls then.
    pub is_whole: bool,
    tasks: BTreeMap<(Provider, Option<String>), TaskOfHour>,
}

/// What is counted of the calls of a task in an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskOfHour {
    /// How many calls each quarter of the hour has.
    quarters: [u64; 4],
    /// All else; its hours of the day are UTC's.
    counts: TaskCounts,
}

impl HourSummary {
    /// Of no calls so far.
    pub fn new(hour: Hour) -> Self {
        Self { hour, calls: 0, unreadable: 0, is_whole: true, tasks: BTreeMap::new() }
    }

    /// Whether the hour has no calls, not even such as can't be read.
    pub fn is_empty(&self) -> bool {
        self.calls + self.unreadable == 0
    }

    /// Counts a call of the hour; of its task's id is told what may be seen.
    pub fn add(&mut self, key: &CallKey, call_at: Instant, record: &Record, mask: &Mask) {
        self.calls += 1;
        let task_id = record.facts.get("task_id").and_then(|task| task.as_str());
        let shown = task_id.map(|task| mask.shared_id(task).into_owned());
        self.is_whole &= shown.as_deref() == task_id;
        let task = (key.provider, shown);
        if self.tasks.len() >= MAX_TASKS && !self.tasks.contains_key(&task) {
            self.is_whole = false;
            return;
        }
        let task = self.tasks.entry(task).or_insert_with(TaskOfHour::new);
        task.counts.add(key, call_at, record);
        // Which hour of the day it is, the quarters tell, and the zone of whoever asks.
        task.counts.hours = [0; 24];
        let quarter = call_at.epoch_millis().div_euclid(QUARTER_MS).rem_euclid(4);
        if let Some(calls) = usize::try_from(quarter).ok().and_then(|quarter| task.quarters.get_mut(quarter))
        {
            *calls += 1;
        }
    }

    /// The tasks that had calls in the hour; `None` stands for the calls that are of no task.
    pub fn tasks(&self) -> impl Iterator<Item = (Provider, Option<&str>, &TaskOfHour)> {
        self.tasks.iter().map(|((provider, task), counts)| (*provider, task.as_deref(), counts))
    }

    /// What is counted of a task.
    pub fn task(&self, provider: Provider, task: &str) -> Option<&TaskOfHour> {
        self.tasks.get(&(provider, Some(task.to_owned())))
    }

    /// As JSON. The same calls give the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        // Neither numbers nor texts can fail.
        serde_json::to_vec(&Stored::of(self)).unwrap_or_default()
    }

    /// Reads what [`HourSummary::to_json`] wrote; what a later release adds is passed over.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(serde_json::from_slice::<Stored>(json)?.summary())
    }
}

impl TaskOfHour {
    fn new() -> Self {
        Self { quarters: [0; 4], counts: TaskCounts::new(Zone::utc()) }
    }

    /// How many calls there are.
    pub fn calls(&self) -> u64 {
        self.counts.calls
    }
}

impl TaskCounts {
    /// Counts a task's calls of an hour.
    pub fn add_hour(&mut self, hour: Hour, task: &TaskOfHour) {
        self.merge_without_hours(&task.counts);
        for (quarter, calls) in (0_i64..).zip(task.quarters) {
            let at = Instant::clamped(hour.start().epoch_millis() + quarter * QUARTER_MS);
            if let Some(hour) = self.hours.get_mut(usize::from(self.zone.hour(at))) {
                *hour += calls;
            }
        }
    }
}

/// A summary as it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    hour: Hour,
    calls: u64,
    unreadable: u64,
    is_whole: bool,
    tasks: Vec<StoredTask>,
}

/// A task of it. What is none is left out.
#[derive(Serialize, Deserialize)]
struct StoredTask {
    /// A platform that this release does not know is none of those that are asked for.
    provider: String,
    task_id: Option<String>,
    calls: u64,
    answered: u64,
    connected: u64,
    complete: u64,
    quarters: [u64; 4],
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    outcomes: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    intents: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    other_intents: u64,
    /// By code: when the call was that told it last, and what it is called. An earlier release wrote none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    intent_names: BTreeMap<String, (Instant, String)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    other_tags: u64,
    /// How many connected calls lasted so many seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    durations: Vec<(u64, u64)>,
    billed_s: u64,
    /// The exact sum, by currency.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    cost: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    costs_left_out: u64,
    first_call_at: Option<Instant>,
    last_call_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tells_callee: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Stored {
    fn of(summary: &HourSummary) -> Self {
        let HourSummary { hour, calls, unreadable, is_whole, tasks } = summary;
        let tasks = tasks.iter().map(|((provider, task_id), TaskOfHour { quarters, counts })| StoredTask {
            provider: provider.as_str().to_owned(),
            task_id: task_id.clone(),
            calls: counts.calls,
            answered: counts.answered,
            connected: counts.connected,
            complete: counts.complete,
            quarters: *quarters,
            outcomes: counts
                .outcomes
                .iter()
                .map(|(outcome, calls)| ((*outcome).to_owned(), *calls))
                .collect(),
            intents: counts.intents.counts.clone(),
            other_intents: counts.intents.others,
            intent_names: counts.intent_names.names.clone(),
            tags: counts.tags.counts.clone(),
            other_tags: counts.tags.others,
            durations: counts.durations.counts.iter().map(|(seconds, calls)| (*seconds, *calls)).collect(),
            billed_s: counts.billed_s,
            cost: counts.cost.iter().map(|(currency, sum)| (currency.clone(), sum.to_string())).collect(),
            costs_left_out: counts.costs_left_out,
            first_call_at: counts.first_call_at,
            last_call_at: counts.last_call_at,
            tells_callee: counts.tells_callee,
        });
        Self {
            hour: *hour,
            calls: *calls,
            unreadable: *unreadable,
            is_whole: *is_whole,
            tasks: tasks.collect(),
        }
    }

    fn summary(self) -> HourSummary {
        let Self { hour, calls, unreadable, mut is_whole, tasks: stored } = self;
        let mut tasks = BTreeMap::new();
        for task in stored {
            match Provider::named(&task.provider) {
                Some(provider) => {
                    tasks.insert((provider, task.task_id.clone()), task.of_hour());
                }
                // A later release wrote it.
                None => is_whole = false,
            }
        }
        HourSummary { hour, calls, unreadable, is_whole, tasks }
    }
}

impl StoredTask {
    fn of_hour(self) -> TaskOfHour {
        let mut counts = TaskCounts::new(Zone::utc());
        counts.calls = self.calls;
        counts.answered = self.answered;
        counts.connected = self.connected;
        counts.complete = self.complete;
        let outcomes = self.outcomes.into_iter();
        counts.outcomes =
            outcomes.filter_map(|(name, calls)| Some((Outcome::named(&name)?.as_str(), calls))).collect();
        counts.intents = Names { counts: self.intents, others: self.other_intents };
        counts.intent_names = IntentNames { names: self.intent_names };
        counts.tags = Names { counts: self.tags, others: self.other_tags };
        counts.durations = Durations { counts: self.durations.into_iter().collect() };
        counts.billed_s = self.billed_s;
        let cost = self.cost.into_iter();
        counts.cost =
            cost.filter_map(|(currency, sum)| Some((currency, Decimal::from_str(&sum).ok()?))).collect();
        counts.costs_left_out = self.costs_left_out;
        counts.first_call_at = self.first_call_at;
        counts.last_call_at = self.last_call_at;
        counts.tells_callee = self.tells_callee;
        TaskOfHour { quarters: self.quarters, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallId;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn record(at: Instant, facts: &Value) -> Record {
        Record {
            facts: facts.as_object().unwrap().clone().into(),
            extra: BTreeMap::new(),
            sources: BTreeMap::new(),
            inquiry: Default::default(),
            first_received_at: at,
            updated_at: at,
            erased: false,
        }
    }

    fn key() -> CallKey {
        CallKey { provider: Provider::AiVoice, call_id: CallId::new("1".to_owned()).unwrap() }
    }

    /// Facts of calls, of two tasks and of none.
    fn facts() -> impl Strategy<Value = (i64, Value)> {
        let task = prop_oneof![Just(json!("t1")), Just(json!("t2")), Just(Value::Null)];
        let outcome = prop_oneof![Just("answered"), Just("voicemail"), Just("busy"), Just("")];
        (0_i64..3_600_000, task, outcome, 0_u64..4, 0_i64..1_000_000, prop::collection::vec("[ab]", 0..3))
            .prop_map(|(at, task, outcome, duration, cost, tags)| {
                let amount: serde_json::Number = Decimal::new(cost, 5).to_string().parse().unwrap();
                let mut facts = json!({
                    "duration_s": duration, "billed_s": 60, "tags": tags, "intent_code": tags.first(),
                    "intent_name": tags.get(1),
                    "cost": {"amount": amount, "currency": "CNY"}, "task_id": task, "outcome": outcome,
                });
                facts.as_object_mut().unwrap().retain(|_, value| !value.is_null() && *value != "");
                (at, facts)
            })
    }

    proptest! {
        #[test]
        fn hours_that_were_counted_apart_are_what_is_counted_at_once(
            calls in prop::collection::vec((0_i64..3, facts()), 0..40),
            zone in prop_oneof![Just("Asia/Shanghai"), Just("Asia/Kolkata"), Just("Asia/Kathmandu"), Just("America/New_York")],
        ) {
            let zone = Zone::named(zone).unwrap();
            let first: Hour = "2025-06-01T23".parse().unwrap();
            let hours: Vec<_> = std::iter::successors(Some(first), |hour| hour.next()).take(3).collect();
            let mut summaries: Vec<_> = hours.iter().map(|hour| HourSummary::new(*hour)).collect();
            let mut at_once = TaskCounts::new(zone.clone());
            for (hour, (millis, facts)) in &calls {
                let hour = usize::try_from(*hour).unwrap();
                let at = Instant::clamped(hours[hour].start().epoch_millis() + millis);
                let record = record(at, facts);
                summaries[hour].add(&key(), at, &record, &Mask::none());
                if record.facts.get("task_id").and_then(|task| task.as_str()) == Some("t1") {
                    at_once.add(&key(), at, &record);
                }
            }
            let mut merged = TaskCounts::new(zone);
            for summary in &summaries {
                let read = HourSummary::from_json(&summary.to_json()).unwrap();
                prop_assert_eq!(&read, summary);
                if let Some(task) = read.task(Provider::AiVoice, "t1") {
                    merged.add_hour(read.hour, task);
                }
            }
            prop_assert_eq!(merged, at_once);
            let all: u64 = summaries.iter().flat_map(|summary| summary.tasks().map(|(_, _, task)| task.calls())).sum();
            prop_assert_eq!(all, calls.len() as u64);
        }
    }

    #[test]
    fn a_task_that_tells_a_number_makes_a_summary_that_is_not_whole() {
        let at: Instant = "2025-06-01T02:30:00Z".parse().unwrap();
        let mask = Mask::of(["13912345678"]);
        let mut summary = HourSummary::new(Hour::of(at));
        summary.add(&key(), at, &record(at, &json!({"task_id": "7", "tags": ["13912345678"]})), &mask);
        assert!(summary.is_whole);
        let json = String::from_utf8(summary.to_json()).unwrap();
        assert!(!json.contains("12345678"), "{json}");
        summary.add(&key(), at, &record(at, &json!({"task_id": "to-13912345678"})), &mask);
        assert!(!summary.is_whole);
        assert!(!String::from_utf8(summary.to_json()).unwrap().contains("12345678"));
    }

    #[test]
    fn tasks_that_a_push_makes_up_do_not_fill_the_memory() {
        let at: Instant = "2025-06-01T02:30:00Z".parse().unwrap();
        let mut summary = HourSummary::new(Hour::of(at));
        for task in 0..=MAX_TASKS {
            summary.add(&key(), at, &record(at, &json!({"task_id": task.to_string()})), &Mask::none());
        }
        assert_eq!((summary.calls, summary.tasks().count(), summary.is_whole), (10_001, MAX_TASKS, false));
    }

    #[test]
    fn a_summary_of_an_earlier_release_has_no_names_of_intents_and_is_read() {
        let at: Instant = "2025-06-01T02:30:00Z".parse().unwrap();
        let mut summary = HourSummary::new(Hour::of(at));
        let facts = json!({"task_id": "7", "intent_code": "A", "intent_name": "willing"});
        summary.add(&key(), at, &record(at, &facts), &Mask::none());
        let mut json: Value = serde_json::from_slice(&summary.to_json()).unwrap();
        assert_eq!(json["tasks"][0]["intent_names"], json!({"A": ["2025-06-01T02:30:00.000Z", "willing"]}));
        json["tasks"][0].as_object_mut().unwrap().remove("intent_names");
        let read = HourSummary::from_json(json.to_string().as_bytes()).unwrap();
        let counts = &read.task(Provider::AiVoice, "7").unwrap().counts;
        assert_eq!((counts.intents.counts()["A"], counts.intent_names.iter().count()), (1, 0));
    }
}
