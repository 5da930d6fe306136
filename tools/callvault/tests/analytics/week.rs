//! A week of calls, by a clock that the test sets: how soon a push is in the files, what is never written again, and what all of it costs.
//! `docs/analytics.md` has the figures.
//!
//! Runs come at each interval of the schedule. Where nothing is marked and nothing comes, fourteen of fifteen are left out, which find nothing; with
//! `ANALYTICS_WEEK=whole` none is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bench::billing::{Bill, Meter, item_bytes};
use export_calls::{Exporter, Summary};
use local_stack::Options;
use local_stack::functions::SCHEDULED_FUNCTIONS;
use runtime::clock;
use runtime::deadline::Deadline;
use serde_json::{Value, json};
use shared::model::{Hour, Instant, Provider};
use sweep_erased::Remover;

use crate::rig::{NUMBER, Rig, exporter, key};
use crate::tally::{Asked, Tally};

/// The first day, a Monday.
const BEGIN: &str = "2025-06-02T00:00:00Z";
const DAY_S: i64 = 86_400;
/// In which hours of each day, in UTC, calls are made. The zone's are eight hours later.
const BUSY: [&[i64]; 7] = [&[2, 3], &[2], &[2], &[2], &[2], &[2], &[2]];
/// So often a call is made in these hours, in seconds; and so often where each minute has some, as it is with many.
const EACH_S: i64 = 235;
const OFTEN_S: i64 = 50;
/// How long after a change the stream has it published, and its hour is marked, in seconds.
const PUBLISHED_AFTER_S: i64 = 2;
/// A push has to be in the files within so many seconds at the default settings.
const SOON_S: i64 = 300;
/// One of so many runs with nothing to do is made.
const IDLE: i64 = 15;
const MILLION: f64 = 1_000_000.0;
/// What asking for an object costs, in US$: <https://aws.amazon.com/s3/pricing/>.
const GET: f64 = 0.000_000_4;
/// In so many minutes an hour's calls change: those of the hour, and five more.
const MARKED_MINUTES: f64 = 65.0;
/// The calls of an hour by which it is measured what reading one takes.
const MANY: i64 = 800;

/// How often the exporter runs by default, in seconds. The template's tests hold its default to it.
fn default_interval_s() -> i64 {
    let function = SCHEDULED_FUNCTIONS.iter().find(|function| function.name == export_calls::FUNCTION);
    i64::try_from(function.unwrap().every.as_secs()).unwrap()
}

fn begin() -> Instant {
    BEGIN.parse().unwrap()
}

/// As Alibaba writes times: in its own zone.
fn written(at: Instant) -> String {
    let text = at.plus_seconds(8 * 3_600).to_text();
    format!("{} {}", &text[..10], &text[11..19])
}

/// Something that happens.
struct Event {
    at: Instant,
    what: What,
    /// The hours in which the call is, and was.
    hours: Vec<Hour>,
}

enum What {
    /// A push, and what of it is to be seen in the row of its call: a column and its value; `None` where it tells nothing new.
    Push { function: &'static str, body: Value, seen: Option<Seen> },
    /// A call is erased.
    Erasure(&'static str),
}

#[derive(Clone)]
struct Seen {
    call_id: String,
    column: &'static str,
    value: Value,
}

/// A push about a call, so many seconds after it was made.
fn push(
    made: Instant,
    after_s: i64,
    function: &'static str,
    fields: Value,
    seen: Option<(&'static str, Value)>,
) -> Event {
    let call_id = fields["callId"].as_str().unwrap().to_owned();
    let seen = seen.map(|(column, value)| Seen { call_id, column, value });
    let body = json!([fields]);
    Event {
        at: made.plus_seconds(after_s),
        what: What::Push { function, body, seen },
        hours: vec![Hour::of(made)],
    }
}

fn report(id: &str, made: Instant) -> Value {
    json!({
        "callId": id, "taskId": "1005510000", "outId": "1", "callee": NUMBER, "originateTime": written(made),
        "startTime": written(made.plus_seconds(5)), "duration": 60, "smartStatusCode": "ANSWERED", "hangupDirection": "User",
    })
}

fn note(id: &str) -> Value {
    let turns = json!([{"role": "assistant", "content": "您好，请问方便吗？"}, {"role": "user", "content": "好的，可以"}]);
    json!({"callId": id, "taskId": "1005510000", "majorIntent": "A", "conversationRecord": turns.to_string()})
}

fn record(id: &str, made: Instant) -> Value {
    json!({
        "callId": id, "taskId": "1005510000", "startTime": written(made.plus_seconds(5)),
        "endTime": written(made.plus_seconds(65)), "recordFile": format!("http://nowhere.test/{id}.wav"),
    })
}

/// The pushes about a call: its report, its note, its recording, as they usually come.
fn usual(id: &str, made: Instant) -> [Event; 3] {
    [
        push(made, 75, "alicom-call-report", report(id, made), Some(("outcome", json!("answered")))),
        push(made, 95, "alicom-call-note", note(id), Some(("turn_count", json!(2)))),
        push(made, 240, "alicom-call-record", record(id, made), Some(("recording_count", json!(1)))),
    ]
}

/// What happens in these days, in order: so often a call in each of their busy hours.
fn events(days: &[&[i64]], each_s: i64) -> VecDeque<Event> {
    let mut events = Vec::new();
    for (day, hours) in (0_i64..).zip(days) {
        for hour in *hours {
            for number in 0..3_600 / each_s {
                let made = begin().plus_seconds(day * DAY_S + hour * 3_600 + number * each_s);
                events.extend(usual(&format!("{day}-{hour}-{number}^1005510000"), made));
            }
        }
    }
    if days.len() == BUSY.len() {
        events.extend(unusual());
    }
    events.sort_by_key(|event| event.at);
    events.into()
}

/// What happens seldom: at times at which nothing else does.
fn unusual() -> Vec<Event> {
    let noon = |day: i64| begin().plus_seconds(day * DAY_S + 12 * 3_600);
    let first = begin().plus_seconds(2 * 3_600);
    let id = "0-2-0^1005510000";
    let later = |at: Instant| at.epoch_millis() / 1_000 - first.epoch_millis() / 1_000;
    // The agent's conclusion is corrected two days later.
    let mut corrected = note(id);
    corrected["majorIntent"] = "B".into();
    // A push comes once more, which tells nothing new.
    let again = push(first, later(noon(3)), "alicom-call-report", report(id, first), None);
    // A call is known by its recording alone, and then moves to another hour by its report.
    let (before, made) = (noon(4).plus_seconds(-30), noon(4).plus_seconds(10));
    let early = json!({"callId": "moves^1", "taskId": "1", "startTime": written(before), "endTime": written(noon(4))});
    let mut moves =
        push(made, 400, "alicom-call-report", report("moves^1", made), Some(("outcome", json!("answered"))));
    moves.hours.push(Hour::of(before));
    vec![
        push(first, later(noon(2)), "alicom-call-note", corrected, Some(("intent_code", json!("B")))),
        again,
        push(before, 60, "alicom-call-record", early, Some(("provider", json!("alicom")))),
        moves,
        Event {
            at: noon(5),
            what: What::Erasure("0-3-0^1005510000"),
            hours: vec![Hour::of(begin().plus_seconds(3 * 3_600))],
        },
    ]
}

/// What was seen of a week.
#[derive(Default)]
struct Week {
    /// How long after its push each was in the files, in seconds.
    delays: Vec<i64>,
    /// Runs that had nothing to do: what each was billed.
    idle: Vec<(f64, f64)>,
    /// Runs that read hours: how many, how many calls, read units, write units.
    busy: u64,
    calls: u64,
    read: f64,
    write: f64,
    /// What was asked of the bucket, by method: of files by the runs that had something to do, and altogether.
    files: BTreeMap<String, u64>,
    asked: BTreeMap<String, u64>,
    marks: u64,
}

/// A stack by the test's clock, and an exporter whose requests are counted.
struct Town {
    rig: Rig,
    exporter: Exporter,
    meter: Meter,
    tally: Tally,
}

impl Town {
    /// Counts are compared for so many days back.
    async fn new(days: &str) -> Self {
        // The test marks hours itself, by its own clock.
        let rig = Rig::on(&Options { no_events: true, ..Options::in_memory() }, &[]).await;
        let meter = Meter::start(&rig.stack.variable("DYNAMODB_ENDPOINT").unwrap()).await.unwrap();
        let tally = Tally::start(&rig.stack.variable("S3_ENDPOINT").unwrap()).await;
        let variables = [
            ("DYNAMODB_ENDPOINT", meter.endpoint()),
            ("S3_ENDPOINT", tally.endpoint()),
            ("EXPORT_DAYS", days),
        ];
        let exporter = exporter(&rig.stack, &variables);
        Self { rig, exporter, meter, tally }
    }

    async fn run_at(&self, now: Instant) -> (Summary, Bill, Asked) {
        let deadline = Deadline::after(Duration::from_secs(600));
        let summary = export_calls::handle(&self.exporter, now, deadline).await.unwrap();
        assert_eq!((summary.other_run, summary.failed, summary.left, summary.unreadable), (false, 0, 0, 0));
        (summary, self.meter.take(), self.tally.take())
    }

    async fn happen(&self, event: &Event) {
        match &event.what {
            What::Push { function, body, .. } => self.rig.push(function, body).await,
            What::Erasure(call_id) => {
                let store = self.rig.store();
                let remover =
                    Remover { table: store.table(), bucket: store.bucket(), bypass_governance: false };
                remover.erase(&key(Provider::Alicom, call_id), clock::now()).await.unwrap();
            }
        }
    }

    /// Lives through so many days with what happens in them, and a run at each interval.
    async fn live(&self, days: usize, mut events: VecDeque<Event>, interval_s: i64) -> Week {
        let is_whole = std::env::var("ANALYTICS_WEEK").is_ok_and(|week| week == "whole");
        let mut week = Week::default();
        // What is not seen in the files yet, and since when; which hours changed last when, and which were marked.
        let (mut unseen, mut changed) = (Vec::new(), BTreeMap::new());
        let mut marked = BTreeMap::new();
        for tick in 0..=i64::try_from(days).unwrap() * DAY_S / interval_s {
            let now = begin().plus_seconds(tick * interval_s);
            let mut is_quiet = self.rig.store().dirty_hours().await.unwrap().is_empty();
            while events.front().is_some_and(|event| event.at.plus_seconds(PUBLISHED_AFTER_S) <= now) {
                let event = events.pop_front().unwrap();
                self.happen(&event).await;
                is_quiet = false;
                for hour in &event.hours {
                    let at = event.at.plus_seconds(PUBLISHED_AFTER_S);
                    self.rig.store().mark_hour(*hour, at).await.unwrap();
                    week.marks += 1;
                    marked.insert(*hour, at);
                }
                match event.what {
                    What::Push { seen: None, .. } => {}
                    What::Push { seen: Some(seen), .. } => {
                        changed.extend(event.hours.iter().map(|hour| (*hour, event.at)));
                        unseen.push((event.at, event.hours[0], seen));
                    }
                    What::Erasure(_) => changed.extend(event.hours.iter().map(|hour| (*hour, event.at))),
                }
            }
            if is_quiet && !is_whole && tick % IDLE != 0 {
                continue;
            }
            let (run, bill, asked) = self.run_at(now).await;
            assert_eq!(run.marked, 0, "no mark is lost here");
            asked
                .iter()
                .for_each(|((method, _), times)| *week.asked.entry(method.clone()).or_default() += times);
            self.check(now, &asked, &changed, &marked);
            if run.hours == 0 {
                assert_eq!((run.put, run.calls), (0, 0));
                // But for the one of the day that compares counts.
                if bill.read() < 10.0 {
                    week.idle.push((bill.read(), bill.write()));
                }
                continue;
            }
            week.busy += 1;
            week.calls += run.calls;
            week.read += bill.read();
            week.write += bill.write();
            let of_files = asked.iter().filter(|((_, path), _)| hour_of(path).is_some());
            of_files.for_each(|((method, _), times)| *week.files.entry(method.clone()).or_default() += times);
            let hours: BTreeSet<_> = unseen.iter().map(|(_, hour, _)| *hour).collect();
            for hour in hours {
                let rows = self.rig.rows("calls", &hour.to_string()).await.unwrap_or_default();
                unseen.retain(|(pushed_at, of, seen): &(Instant, Hour, Seen)| {
                    let mut rows = rows.iter().filter(|row| row["call_id"] == *seen.call_id);
                    let is_there = *of == hour && rows.any(|row| row[seen.column] == seen.value);
                    if is_there {
                        week.delays.push(now.seconds_since(*pushed_at));
                    }
                    !is_there
                });
            }
        }
        assert!(events.is_empty() && unseen.is_empty(), "{} pushes are in no file", unseen.len());
        assert_eq!(self.rig.store().dirty_hours().await.unwrap(), []);
        week
    }

    /// An hour that is not marked is not looked at, and one that has not changed is not written.
    fn check(
        &self,
        now: Instant,
        asked: &Asked,
        changed: &BTreeMap<Hour, Instant>,
        marked: &BTreeMap<Hour, Instant>,
    ) {
        for (method, path) in asked.keys() {
            let Some(hour) = hour_of(path) else { continue };
            let since = |when: &BTreeMap<Hour, Instant>| when.get(&hour).map(|at| now.seconds_since(*at));
            match method.as_str() {
                "PUT" | "POST" | "DELETE" => {
                    let since = since(changed);
                    assert!(
                        since.is_some_and(|since| since <= SOON_S),
                        "{method} {path} at {now}: changed {since:?} s before"
                    );
                }
                "HEAD" => {
                    let since = since(marked);
                    assert!(
                        since.is_some_and(|since| since <= SOON_S),
                        "{method} {path} at {now}: marked {since:?} s before"
                    );
                }
                // Once a day counts are compared.
                _ => assert!(method == "GET" && path.contains("/summaries/"), "{method} {path}"),
            }
        }
    }
}

/// What it comes to for a million calls a day.
struct Costs {
    /// Read units for a call, where an hour has many.
    a_call: f64,
    /// How often each call is read until its hour rests, with a run in two minutes, and in five.
    times: [f64; 2],
    /// Read and write units of a run, without the calls.
    a_run: (f64, f64),
}

impl Costs {
    /// The rows of the table in the documents that are measured or reckoned here.
    fn rows(&self) -> Vec<String> {
        let Self { a_call, times, a_run: (read, write) } = *self;
        let prices: Value =
            serde_json::from_str(include_str!("../../../bench/src/cost/prices.json")).unwrap();
        let price = |name: &str| prices["usd"][name].as_f64().unwrap();
        let (read_unit, write_unit, put) =
            (price("dynamodb_read_unit"), price("dynamodb_write_unit"), price("s3_put"));
        let thousands = |number: f64| {
            let digits = format!("{:.0}", number / 1_000.0);
            format!("{digits},000")
        };
        let reading = |times: f64| (times * a_call, times * a_call * MILLION * read_unit);
        let [two, five] = times.map(reading);
        let runs = 24.0 * 3_600.0 / 120.0;
        let marks = 24.0 * MARKED_MINUTES;
        let of_runs = runs * (read * read_unit + write * write_unit) + marks * write_unit;
        let a_day = MILLION * entry_bytes() / 4_096.0 / 2.0;
        let compared = 31.0 * a_day * read_unit + 31.0 * 24.0 * GET;
        let objects = runs * (4.0 * GET + 5.0 * put);
        vec![
            format!(
                "| reading an hour once | {} read units: for each call half a unit for itself, its conversation and its recordings each, and {:.2} for the index | |",
                thousands(a_call * MILLION / 24.0),
                a_call - 1.5
            ),
            format!(
                "| reading each hour at every run (2 minutes) until it rests | each call {:.1} times, {:.1} million read units | ${:.2} |",
                times[0], two.0, two.1
            ),
            format!(
                "| the same with `ExportInterval: 5 minutes` | each call {:.1} times, {:.1} million read units | ${:.2} |",
                times[1], five.0, five.1
            ),
            format!(
                "| runs, without the calls: lease, marks, notes | {runs} runs of {read:.1} read and {write:.1} write units, {marks} marks | ${of_runs:.3} |"
            ),
            format!(
                "| comparing the counts of 31 days, once a day | 31 × {} read units, 744 `GET` | ${compared:.2} |",
                thousands(a_day)
            ),
            format!("| objects | at each run 4 `HEAD`, a list of uploads, up to 4 `PUT` | ${objects:.2} |"),
        ]
    }
}

/// How many bytes the index has of a call.
fn entry_bytes() -> f64 {
    let entry = json!({
        "pk": {"S": "call#alicom#000012345678^100551000001"}, "sk": {"S": "call"}, "day": {"S": "2025-06-02#1"},
        "call_at": {"S": BEGIN.replace('Z', ".000Z")},
    });
    f64::from(u32::try_from(item_bytes(entry.as_object().unwrap())).unwrap())
}

/// Pushes an hour of calls of which all is known, by the hundred.
async fn push_hour(rig: &Rig, hour: Instant, calls: i64) {
    for first in (0..calls).step_by(100) {
        let of = |number: i64| {
            let made = hour.plus_seconds(number * 3_600 / calls);
            (format!("{number:012}^100551000001"), made)
        };
        let numbers = first..first + 100;
        let reports: Value = numbers.clone().map(of).map(|(id, made)| report(&id, made)).collect();
        let notes: Value = numbers.clone().map(of).map(|(id, _)| note(&id)).collect();
        let records: Value = numbers.map(of).map(|(id, made)| record(&id, made)).collect();
        let pushes =
            [("alicom-call-report", reports), ("alicom-call-note", notes), ("alicom-call-record", records)];
        for (function, body) in pushes {
            rig.push(function, &body).await;
        }
    }
}

/// The hour that an object is of, by its path, or its key.
pub(crate) fn hour_of(path: &str) -> Option<Hour> {
    let (_, rest) = path.split_once("/day")?;
    // As it is, or as it stands in a URL.
    let rest = rest.strip_prefix('=').or_else(|| rest.strip_prefix("%3D"))?;
    let (day, file) = rest.split_once('/')?;
    format!("{day}T{}", file.get(..2)?).parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_is_in_the_files_soon_and_what_does_not_change_is_not_written_again() {
    let town = Town::new("7").await;
    let week = town.live(BUSY.len(), events(&BUSY, EACH_S), default_interval_s()).await;
    let slowest = *week.delays.iter().max().unwrap();
    println!(
        "{} pushes in the files after {} s at most, {} s on average; {} runs read {} calls for {} read and {} write units; \
         {} marks; of files {:?}, of the bucket {:?}; a run with nothing to do {:?}",
        week.delays.len(),
        slowest,
        week.delays.iter().sum::<i64>() / i64::try_from(week.delays.len()).unwrap(),
        week.busy,
        week.calls,
        week.read,
        week.write,
        week.marks,
        week.files,
        week.asked,
        week.idle.first(),
    );
    assert!(slowest <= SOON_S, "{slowest} s");
    assert!(week.idle.len() > 100 && week.idle.iter().all(|bill| *bill == week.idle[0]), "{:?}", week.idle);
    // Each run looks at four objects of each of its hours, and puts those that differ.
    assert!(week.files["PUT"] <= 4 * week.busy && week.files["PUT"] < week.files["HEAD"], "{:?}", week.files);
    town.rig.stack.stop().await.unwrap();
}

/// At small scale, what an hour takes is mostly what a question takes at least. So what a call takes is measured by an hour that has many.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_million_calls_cost_is_told_as_it_is_measured() {
    let mut times = [0.0; 2];
    let mut a_run = (0.0, 0.0);
    for (times, interval_s) in times.iter_mut().zip([default_interval_s(), 300]) {
        let town = Town::new("0").await;
        let week = town.live(1, events(&[&[2]], OFTEN_S), interval_s).await;
        let calls = week.delays.len() / 3;
        *times = week.calls as f64 / calls as f64;
        if interval_s == default_interval_s() {
            a_run = (week.idle[0].0, week.write / week.busy as f64);
        }
        town.rig.stack.stop().await.unwrap();
    }
    let town = Town::new("0").await;
    push_hour(&town.rig, begin(), MANY).await;
    town.rig.mark(&["2025-06-02T00"], begin().plus_seconds(3_600)).await;
    let (run, bill, asked) = town.run_at(begin().plus_seconds(7_200)).await;
    assert_eq!((run.calls, run.put), (800, 4));
    let of_files =
        |method: &str| asked.iter().filter(|((of, path), _)| of == method && hour_of(path).is_some()).count();
    assert_eq!((of_files("HEAD"), of_files("PUT")), (4, 4), "{asked:?}");
    town.rig.stack.stop().await.unwrap();
    let a_call = (bill.read() - a_run.0) / MANY as f64;
    let rows = Costs { a_call, times, a_run }.rows();
    let told = include_str!("../../../../docs/analytics.md");
    let missing: Vec<_> = rows.iter().filter(|row| !told.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/analytics.md does not have\n{}", rows.join("\n"));
}
