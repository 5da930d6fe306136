//! Events: what they cost pushes and archiving, and how long they take. Whole local stacks as processes of their own, one beside the other: one
//! that makes no events, one that does, one whose webhook is dead.

mod hook;
mod served;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::report::{Bound, Ratio, Section, Table};
use super::stats::Sampled;
use hook::Hook;
use served::Served;

/// How many calls a turn has. Each is told by three pushes, of which the last makes it complete.
const CALLS_A_TURN: usize = 20;
/// How long nothing is done after a turn: what is told of its pushes is told then, and costs no other stack's turn.
const PAUSE: Duration = Duration::from_millis(600);
/// For how long, and at how many pushes a second, it is measured how long an event takes.
const PUSHES_A_SECOND: usize = 200;
const SPAN: Duration = Duration::from_secs(15);
/// How many calls are pushed before a kill.
const CALLS_BEFORE_KILL: usize = 100;
/// How long events are waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stack, and what its pushes and its archiver took.
struct Side {
    name: &'static str,
    served: Served,
    pushes: Sampled,
    pushing_cpu: Duration,
    archiving: Sampled,
}

impl Side {
    fn start(name: &'static str, options: &[&str]) -> anyhow::Result<Self> {
        let served = Served::start(&[&["--memory"][..], options].concat())?;
        Ok(Self {
            name,
            served,
            pushes: Sampled::default(),
            pushing_cpu: Duration::ZERO,
            archiving: Sampled::default(),
        })
    }

    /// Pushes a turn's calls, and archives their recordings.
    async fn turn(&mut self, turn: usize) -> anyhow::Result<()> {
        let is_warm = turn > 0;
        let before = self.served.cpu_time()?;
        for call in 0..CALLS_A_TURN {
            for push in pushes(&format!("turn-{turn}-{call}"), &self.served) {
                let took = self.served.push(&push).await?;
                if is_warm {
                    self.pushes.add(took);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        if is_warm {
            self.pushing_cpu += self.served.cpu_time()?.saturating_sub(before);
        }
        let began = Instant::now();
        let report = self.served.invoke(archive_recordings::FUNCTION).await?;
        let took = began.elapsed();
        ensure!(report["archived"] == CALLS_A_TURN, "the recordings were not archived: {report}");
        if is_warm {
            self.archiving.add(took);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    fn row(&self, table: &mut Table, turns: usize) {
        let pushes = (turns * CALLS_A_TURN * 3) as f64;
        let figures = [
            self.pushes.median(),
            self.pushes.percentile(95.0),
            self.pushing_cpu.as_secs_f64() * 1_000.0 / pushes,
            self.archiving.median(),
        ];
        table.row(self.name, figures.map(Some));
    }
}

/// Runs it.
pub(super) async fn run(turns: usize) -> anyhow::Result<Section> {
    let dead = Hook::dead().await?;
    let mut sides = [
        Side::start("no events", &["--no-events"])?,
        Side::start("events", &[])?,
        Side::start("events, and a dead webhook", &["--webhook", dead.url()])?,
    ];
    // The first turn warms up. Each begins with another side: what the machine does beside must not always hit the same.
    for turn in 0..=turns {
        for place in 0..sides.len() {
            let count = sides.len();
            sides[(turn + place) % count].turn(turn).await?;
        }
    }
    let mut table = Table::new(
        format!("{turns} turns of {} pushes of new calls, ms", CALLS_A_TURN * 3),
        &["p50", "p95", "CPU a push", &format!("{CALLS_A_TURN} recordings, p50")],
    );
    sides.iter().for_each(|side| side.row(&mut table, turns));
    let [without, with, deaf] = &sides;
    let mut ratios = Vec::new();
    let mut ratio = |what: &str, value: f64, bound: Option<f64>| {
        ratios.push(Ratio { what: what.to_owned(), value, bound: bound.map(Bound::AtMost) });
    };
    let cpu = |side: &Side| side.pushing_cpu.as_secs_f64();
    ratio("pushes' p50: events / none", with.pushes.median() / without.pushes.median(), Some(1.1));
    ratio("pushes' CPU: events / none", cpu(with) / cpu(without), Some(1.2));
    ratio("pushes' p50: a dead webhook / none", deaf.pushes.median() / without.pushes.median(), Some(1.1));
    ratio("pushes' CPU: a dead webhook / none", cpu(deaf) / cpu(without), None);
    ratio("archiving: events / none", with.archiving.median() / without.archiving.median(), None);
    ratio(
        "archiving: a dead webhook / events without one",
        deaf.archiving.median() / with.archiving.median(),
        Some(1.1),
    );
    drop(sides);

    let mut arrivals = Table::new("events that arrive at the webhook", &["of", "arrived", "within, s"]);
    let (arrived, took) = after_a_kill().await?;
    arrivals.row("after kill -9", [CALLS_BEFORE_KILL as f64, arrived as f64, took.as_secs_f64()].map(Some));
    let mut delays = Table::new(
        format!("from a push's 200 to the webhook, {PUSHES_A_SECOND} pushes a second for {SPAN:?}, ms"),
        &["pushes a second", "p50", "p99"],
    );
    let (rate, delay) = delays_at_rate().await?;
    delays.row("call.completed", [rate, delay.median(), delay.percentile(99.0)].map(Some));
    let notes = vec![
        "senders, stacks and webhook share this machine's cores; CPU is the stack's whole process, with what it tells after the pushes".to_owned(),
        "each call is told by three pushes, which write its item three times, a conversation and a recording, and make two events".to_owned(),
    ];
    Ok(Section { name: "events", tables: vec![table, arrivals, delays], ratios, notes })
}

/// Pushes calls, kills the stack at once, starts it again, and tells how many of them are told as completed, and how long it takes.
async fn after_a_kill() -> anyhow::Result<(usize, Duration)> {
    let folder = tempfile::tempdir()?;
    let hook = Hook::listen().await?;
    let data = folder.path().to_str().context("the folder's path is no text")?;
    let options = ["--data", data, "--webhook", hook.url()];
    let served = Served::start(&options)?;
    for call in 0..CALLS_BEFORE_KILL {
        for push in pushes(&format!("killed-{call}"), &served) {
            served.push(&push).await?;
        }
    }
    // It is killed as it is dropped.
    drop(served);
    let began = Instant::now();
    let _served = Served::start(&options)?;
    let told = hook.completed(CALLS_BEFORE_KILL, PATIENCE).await;
    Ok((told.len(), began.elapsed()))
}

/// How many pushes a second there were, and how long each call's event took.
async fn delays_at_rate() -> anyhow::Result<(f64, Sampled)> {
    let hook = Hook::listen().await?;
    let served = std::sync::Arc::new(Served::start(&["--memory", "--webhook", hook.url()])?);
    let mut ticks = tokio::time::interval(Duration::from_secs(3) / u32::try_from(PUSHES_A_SECOND)?);
    let began = Instant::now();
    let mut calls = Vec::new();
    while began.elapsed() < SPAN {
        ticks.tick().await;
        let served = std::sync::Arc::clone(&served);
        let call_id = format!("rate-{}", calls.len());
        calls.push(tokio::spawn(async move {
            for push in pushes(&call_id, &served) {
                served.push(&push).await?;
            }
            anyhow::Ok((call_id, Instant::now()))
        }));
    }
    let mut answered = BTreeMap::new();
    for call in calls {
        let (call_id, at) = call.await??;
        answered.insert(call_id, at);
    }
    let rate = (answered.len() * 3) as f64 / began.elapsed().as_secs_f64();
    let told = hook.completed(answered.len(), PATIENCE).await;
    ensure!(told.len() == answered.len(), "{} of {} calls were told", told.len(), answered.len());
    let mut delays = Sampled::default();
    for (call_id, at) in answered {
        delays.add(told.get(&call_id).context("it was told")?.saturating_duration_since(at));
    }
    Ok((rate, delays))
}

/// A push: its function, and its body.
struct Push {
    function: &'static str,
    body: String,
}

/// The pushes about a call that was answered just now: its report, its recording, its note.
fn pushes(call_id: &str, served: &Served) -> [Push; 3] {
    let now = jiff::Timestamp::now().as_millisecond();
    let ids = json!({"callId": call_id, "taskId": "1181000000000", "batchId": "B2025060100", "detailId": "9662000000000", "outId": "123456"});
    let push = |function: &'static str, says: Value| {
        let mut element = ids.clone();
        if let (Some(element), Value::Object(says)) = (element.as_object_mut(), says) {
            element.extend(says);
        }
        Push { function, body: json!([element]).to_string() }
    };
    let said = [
        ("assistant", "您好,我是汽车总部销售服务顾问。"),
        ("user", "哎,你是谁?"),
        ("assistant", "祝您生活愉快!再见!"),
    ];
    let said: Vec<_> = said.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
    [
        push(
            "alicom-call-report",
            json!({"originateTime": now - 60_000, "ringTime": now - 55_000, "startTime": now - 50_000, "endTime": now, "duration": 50,
                "smartStatusCode": "ANSWERED", "statusCode": "200000", "statusMsg": "Call ended normally", "caller": "057100000000",
                "realCaller": "057100000001", "callee": "13912345678", "hangupDirection": "User"}),
        ),
        push(
            "alicom-call-record",
            json!({"recordFile": served.recording_url(call_id), "startTime": now - 60_000}),
        ),
        push(
            "alicom-call-note",
            json!({"majorIntent": "A", "outputTags": {"客户称呼": "王先生", "关注点": ["价格", "续航"]},
                "conversationRecord": json!(said).to_string(), "call_times": 1}),
        ),
    ]
}
