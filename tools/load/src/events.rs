//! Holding what was told on the bus against what is so: every call that is complete was told as completed, by one id; every change after that
//! is told, the last word is what is stored; every recording's end is told; and nothing of what is not so.
//!
//! What is stored is held against the truth before. So what is told is held against what is stored, in words of its own: the code that makes
//! events has no part in it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use operator::http::Http;
use runtime::store::Store;
use serde_json::Value;
use shared::record::item::{Item, is_tombstone};
use url::Url;

use super::call::World;
use super::report::Sent;
use super::truth;
use super::verification::{Difference, Verification};

/// How many calls are looked at side by side.
const SIDE_BY_SIDE: usize = 24;
/// Of a call that is older than this when it is sent, in seconds, not everything is told: EVENT_MAX_AGE_HOURS, less an hour.
const RECENT_S: i64 = 23 * 60 * 60;
/// The facts of a call that are shown as they are: ids and numbers may be masked.
const SHOWN: [&str; 12] = [
    "outcome",
    "hangup_by",
    "intent_code",
    "duration_s",
    "ring_s",
    "billed_s",
    "attempt",
    "submitted_at",
    "originated_at",
    "ringing_at",
    "answered_at",
    "ended_at",
];
/// What tells when a call was. Where nothing does, its intent waits until the call is done.
const TIMES: [&str; 5] = ["submitted_at", "originated_at", "ringing_at", "answered_at", "ended_at"];
/// How long events are waited for that are not there yet.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the bus is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The events of one call, in the order in which the bus took them: each once, as it came first.
#[derive(Default)]
struct OfCall<'a> {
    all: Vec<&'a Value>,
    ids: HashSet<(&'a str, u64)>,
}

impl<'a> OfCall<'a> {
    fn add(&mut self, event: &'a Value) {
        let detail = &event["detail"];
        let key =
            (detail["id"].as_str().unwrap_or_default(), detail["revision"].as_u64().unwrap_or_default());
        // The bus may take an event twice: what was not answered is put again.
        if self.ids.insert(key) {
            self.all.push(event);
        }
    }

    fn of_type(&self, kind: &str) -> Vec<&'a Value> {
        self.all.iter().copied().filter(|event| event["detail-type"] == kind).collect()
    }

    fn ids_of_type(&self, kind: &str) -> BTreeSet<&'a str> {
        self.of_type(kind).into_iter().filter_map(|event| event["detail"]["id"].as_str()).collect()
    }
}

/// Looks at the events of all calls.
pub(super) async fn verify(
    world: &World,
    calls: u32,
    store: &Store,
    sent: &Sent,
    events: &[Value],
) -> anyhow::Result<Verification> {
    let mut by_call: BTreeMap<String, OfCall<'_>> = BTreeMap::new();
    for event in events {
        let detail = &event["detail"];
        let text = |name: &str| detail[name].as_str().unwrap_or_default();
        by_call.entry(format!("call#{}#{}", text("provider"), text("call_id"))).or_default().add(event);
    }
    let (by_call, nothing) = (&by_call, &OfCall::default());
    stream::iter(0..calls)
        .map(|index| async move {
            let call = world.call(index);
            let pk = truth::partition(&call);
            let items = store.table().query(&pk).await.context("the table can't be read")?;
            let told = by_call.get(&pk).unwrap_or(nothing);
            let wrong = judge(&items, told, sent.erased.contains(&index), sent.started);
            let events = u64::try_from(told.all.len()).unwrap_or(u64::MAX);
            let differences = wrong.into_iter().map(|(sk, what)| Difference { pk: pk.clone(), sk, what });
            anyhow::Ok(Verification { events, differences: differences.collect(), ..Verification::default() })
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .try_fold(Verification::default(), async |mut sum, one| {
            sum.add(one);
            Ok(sum)
        })
        .await
}

/// What is wrong with what was told of a call.
fn judge(items: &[Item], told: &OfCall<'_>, erased: bool, started: jiff::Timestamp) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let mut differ = |sk: &str, what: String| wrong.push((sk.to_owned(), what));
    let sk = |item: &Item| item["sk"].as_str().unwrap_or_default().to_owned();
    let call = items.iter().find(|item| sk(item) == "call");
    let erasures = told.ids_of_type("call.erased").len();
    if erased || call.is_some_and(is_tombstone) {
        if erasures != 1 {
            differ("call", format!("erased, and told by {erasures} ids"));
        }
        let after = told.all.iter().skip_while(|event| event["detail-type"] != "call.erased");
        if after.clone().any(|event| event["detail-type"] != "call.erased") {
            differ("call", "something was told after it was erased".to_owned());
        }
        return wrong;
    }
    if erasures > 0 {
        differ("call", "told as erased, and it was not".to_owned());
    }
    let Some(call) = call else {
        if !told.all.is_empty() {
            differ("call", "told, and not stored".to_owned());
        }
        return wrong;
    };

    let time = |name: &str| call.get(name).and_then(Value::as_str)?.parse::<jiff::Timestamp>().ok();
    let is_recent = time("call_at").is_some_and(|at| started.as_second() - at.as_second() < RECENT_S);
    let done = is_complete(call) || call.contains_key("settled_at");
    let completed = told.ids_of_type("call.completed").len();
    match (done, completed) {
        (true, 0) if is_recent => differ("call", "complete, and not told as completed".to_owned()),
        (false, 1..) if told.of_type("call.corrected").is_empty() => {
            differ("call", "told as completed, and it is not".to_owned());
        }
        (_, 2..) => differ("call", format!("told as completed by {completed} ids")),
        _ => {}
    }
    let of_call = told
        .all
        .iter()
        .filter(|event| event["detail-type"].as_str().is_some_and(|kind| kind.starts_with("call.")));
    let revisions: Vec<_> = of_call.filter_map(|event| event["detail"]["revision"].as_u64()).collect();
    if !revisions.is_sorted() {
        differ("call", format!("told out of order, by revision: {revisions:?}"));
    }
    let mut words =
        told.all.iter().rev().filter(|event| {
            event["detail-type"] == "call.completed" || event["detail-type"] == "call.corrected"
        });
    if let (Some(last), true) = (words.next(), done) {
        for name in SHOWN {
            let (is, said) = (call.get(name), last["detail"]["call"].get(name));
            if is != said {
                differ("call", format!("{name}: the last word is {said:?}, stored is {is:?}"));
            }
        }
    }
    let intent = call.get("intent_code").and_then(Value::as_str).filter(|intent| !intent.trim().is_empty());
    let intents = told.of_type("call.intent");
    let is_ripe = done || TIMES.iter().any(|time| call.contains_key(*time));
    match (intent, intents.last()) {
        (Some(intent), Some(last)) if last["detail"]["call"]["intent_code"] != intent => {
            differ("call", "the last intent that was told is another".to_owned());
        }
        (Some(_), None) if is_recent && is_ripe => differ("call", "its intent was not told".to_owned()),
        (None, Some(_)) if !call.contains_key("intent_name") => {
            differ("call", "an intent was told, and none is stored".to_owned());
        }
        _ => {}
    }

    let recordings: Vec<_> = items.iter().filter(|item| sk(item).starts_with("recording#")).collect();
    for recording in &recordings {
        let state = recording["state"].as_str().unwrap_or_default();
        let ids = ended(told, &recording["slot"], state);
        if state != "pending" && ids != 1 {
            differ(&sk(recording), format!("it is {state}, and that is told by {ids} ids"));
        }
        if state != "archived" && ended(told, &recording["slot"], "archived") > 0 {
            differ(&sk(recording), "told as archived, and it is not".to_owned());
        }
    }
    let callee = call.get("callee").and_then(Value::as_str).unwrap_or_default();
    let is_whole = callee.len() >= 8 && callee.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole && told.all.iter().any(|event| event["detail"].to_string().contains(callee)) {
        differ("call", "an event shows its number whole".to_owned());
    }
    wrong
}

/// By how many ids it was told that a recording came to a state.
fn ended(told: &OfCall<'_>, slot: &Value, state: &str) -> usize {
    let of_slot = told.of_type(&format!("recording.{state}")).into_iter();
    let of_slot = of_slot.filter(|event| event["detail"]["recording"]["slot"] == *slot);
    of_slot.filter_map(|event| event["detail"]["id"].as_str()).collect::<BTreeSet<_>>().len()
}

/// Whether all is known of a call that its platform tells.
fn is_complete(call: &Item) -> bool {
    let outcome = call.get("outcome").and_then(Value::as_str);
    if call["provider"] != "alicom" {
        return outcome.is_some();
    }
    let has = |what: &str| call.get("has").and_then(|has| has.get(what)).is_some();
    let is_picked_up = matches!(outcome, Some("answered" | "voicemail")) || call.contains_key("answered_at");
    let source = |function: &str| call["sources"].get(function).is_some();
    let is_told = source("alicom-call-note") || source("fetch-conversations");
    outcome.is_some()
        && (has("conversation") || (!is_picked_up && is_told))
        && (!is_picked_up || has("recording"))
}

/// All events that a local stack's bus still has.
async fn all_of(bus: &Url) -> anyhow::Result<Vec<Value>> {
    let http = Http::new();
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let url = bus.join(&format!("/events?after={after}"))?;
        let (status, body) = http.get(url.as_str(), TIMEOUT).await.context("the bus can't be reached")?;
        ensure!(status == 200, "the bus answers {status}");
        let mut page: Value = serde_json::from_slice(&body).context("the bus's answer is no JSON")?;
        let Value::Array(events) = page["events"].take() else { return Ok(all) };
        if events.is_empty() {
            return Ok(all);
        }
        all.extend(events);
        after = page["last"].as_u64().unwrap_or(u64::MAX);
    }
}

/// Looks at the events of a local stack's bus, again and again until all is told, for a while at most.
pub(super) async fn verify_bus(
    world: &World,
    calls: u32,
    store: &Store,
    sent: &Sent,
    bus: &Url,
) -> anyhow::Result<Verification> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = verify(world, calls, store, sent, &all_of(bus).await?).await?;
        if found.differences().is_empty() || tokio::time::Instant::now() >= end {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
