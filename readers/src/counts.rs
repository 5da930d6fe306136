//! What is counted of calls, as it is shown.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::masking::{Hidden, in_text};
use shared::model::Provider;
use shared::path_id::escaped;
use shared::reading::{Names, TaskCounts, Ties, Zone};

/// Whether a task is one of those whose id tells a number, by itself or by the calls that are counted.
pub fn tells_a_number(task: &str, counts: &TaskCounts) -> bool {
    counts.tells_callee || Hidden::default().is_told_by(task)
}

/// By what tasks are sorted for whoever may not see numbers: those whose ids are hidden stand last, in an order that their ids have no part in.
/// Where they are alike, `ties` decide.
pub fn hidden_last(
    provider: Provider,
    task: Option<&str>,
    counts: &TaskCounts,
    ties: &Ties,
) -> impl Ord + use<> {
    let hidden = task.filter(|task| tells_a_number(task, counts));
    hidden.map(|task| {
        let place = ties.place(&format!("task#{provider}#{task}"));
        (Reverse(counts.calls), counts.first_call_at, place)
    })
}

/// The counts of a task, or of calls without one. Names are shown without what looks like a number, unless `numbers` are seen; so is the id of
/// a task, which has no `href` then.
pub fn shown(
    provider: Provider,
    task: Option<&str>,
    counts: &TaskCounts,
    zone: &Zone,
    numbers: bool,
) -> Map<String, Value> {
    let tells = |task: &&str| !numbers && tells_a_number(task, counts);
    let href =
        task.filter(|task| !tells(task)).map(|task| format!("/api/tasks/{provider}/{}", escaped(task)));
    let task_id = task.map(|task| match tells(&task) {
        true if counts.tells_callee => in_text(task),
        true => Hidden::default().in_id(task),
        false => Cow::Borrowed(task),
    });
    let cost: BTreeMap<_, _> =
        counts.cost.iter().map(|(currency, sum)| (text(currency, numbers), sum.to_string())).collect();
    let shown = json!({
        "provider": provider.as_str(),
        "task_id": task_id,
        "href": href,
        "zone": zone.name(),
        "calls": counts.calls,
        "answered": counts.answered,
        "connected": counts.connected,
        "complete_calls": counts.complete,
        "outcomes": counts.outcomes,
        "intents": names(&counts.intents, numbers),
        "intent_names": intent_names(counts, numbers),
        "tags": names(&counts.tags, numbers),
        "hours": counts.hours,
        "duration_s": {
            "sum": counts.durations.sum_s(),
            "p50": counts.durations.percentile_s(50),
            "p90": counts.durations.percentile_s(90),
        },
        "billed_s": counts.billed_s,
        "cost": cost,
        "costs_left_out": counts.costs_left_out,
        "first_call_at": counts.first_call_at,
        "last_call_at": counts.last_call_at,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// How often each name was met. Names that look alike once numbers are blacked out are one; `…` stands for all that are not told apart.
fn names(names: &Names, numbers: bool) -> BTreeMap<String, u64> {
    let mut shown = BTreeMap::new();
    for (name, count) in names.counts() {
        *shown.entry(text(name, numbers)).or_default() += count;
    }
    if names.others() > 0 {
        *shown.entry("…".to_owned()).or_default() += names.others();
    }
    shown
}

/// What intents are called that have a code, by that.
fn intent_names(counts: &TaskCounts, numbers: bool) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (code, name) in counts.intent_names.iter() {
        let name = text(name, numbers);
        // Of codes that look alike once numbers are blacked out it is the first of what they are called.
        let known = names.entry(text(code, numbers)).or_insert_with(|| name.clone());
        *known = name.min(std::mem::take(known));
    }
    names
}

fn text(name: &str, numbers: bool) -> String {
    match numbers {
        true => name.to_owned(),
        false => in_text(name).into_owned(),
    }
}
