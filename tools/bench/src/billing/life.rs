//! Calls from their first push to their archived recording, and what each step costs.

use anyhow::{Context, bail, ensure};
use catalog::PUSH_FUNCTIONS;
use jiff::{SignedDuration, Timestamp};
use local_stack::{Options, Stack, dynamodb};
use platforms::{Provider, Recording};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Bill, Meter};

/// What was said in a call of twelve turns, in sentences as the document's sample has them.
const LINES: [&str; 12] = [
    "您好,我是汽车总部销售服务顾问。",
    "哎,你是谁?",
    "打扰您一分钟,可以吗?",
    "可以,你说吧。",
    "新车现在预订,可以补贴两万元。",
    "多少钱一台?",
    "起步价是十五万九千八。",
    "充电方便吗?",
    "我们免费给您安装充电桩。",
    "那我周末去看看。",
    "稍后把门店地址发给您。",
    "祝您生活愉快!再见!",
];
/// What the agent says beside that where it talks much: each turn of a note that is twice as long.
const MORE: &str = "现在预订,还可以享受零首付的金融方案。";

/// The life that a complete call of Alibaba's usually has.
pub const COMPLETE: &str = "Alibaba: report, record, note";
/// The same, where more was said.
const TALKATIVE: &str = "Alibaba: report, record, note of long sentences";

/// The items that lease shards to runs, as charges name them.
const LEASE: &str = "shard";

/// A step of a call's life: a push, or a run of the archiver.
#[derive(Clone, Debug)]
pub struct Step {
    /// The function that does it.
    pub function: &'static str,
    /// What it cost.
    pub bill: Bill,
}

/// A call's life.
#[derive(Clone, Debug)]
pub struct Life {
    /// What kind of call it is.
    pub name: &'static str,
    /// What happened to it, in order.
    pub steps: Vec<Step>,
}

impl Life {
    /// What it cost altogether.
    #[must_use]
    pub fn bill(&self) -> Bill {
        let mut sum = Bill::default();
        for Step { bill, .. } in &self.steps {
            sum.charges.extend(bill.charges.iter().cloned());
            sum.requests += bill.requests;
        }
        sum
    }
}

/// How often a call is lived anew where a request had to be tried again.
const TRIES: usize = 8;

/// Lives a call of every kind through, each on a local stack of its own, whose DynamoDB is billed.
///
/// A life in which a request was tried again is no measure: the machine was too busy to answer within 400 ms, and what was asked for
/// twice was billed twice. It is lived anew.
///
/// # Errors
/// A stack can't be started, or a step did not come off: there is no bill for half a life. Requests were tried again each time.
pub async fn lives() -> anyhow::Result<Vec<Life>> {
    let mut lives = Vec::new();
    let [report, record, note] = ["alicom-call-report", "alicom-call-record", "alicom-call-note"];
    for (name, order) in [
        (COMPLETE, vec![report, record, note]),
        ("Alibaba: note, record, report", vec![note, record, report]),
        ("Alibaba: record, note, report", vec![record, note, report]),
        (TALKATIVE, vec![report, record, note]),
        ("Alibaba: report, record, note, each twice", vec![report, report, record, record, note, note]),
    ] {
        let pushes = |provider: &Provider| {
            let push = |function| Ok((function, alibaba(function, name == TALKATIVE, provider)));
            order.iter().copied().map(push).collect()
        };
        lives.push(life(name, pushes).await?);
    }
    for (name, function, recordings) in [
        (
            "AI-voice: a call with two recordings",
            "ai-voice-call-record",
            &["fullAudioUrl", "customerAudioUrl"][..],
        ),
        ("LAAFFIC: a call with a recording", "laaffic-status-report", &["recordingFileUrl"]),
    ] {
        let pushes = |provider: &Provider| Ok(vec![(function, sample(function, recordings, provider)?)]);
        lives.push(life(name, pushes).await?);
    }
    Ok(lives)
}

/// A function and what is pushed to it, one after the other.
type Pushes = Vec<(&'static str, String)>;

/// Lives one call, until none of its requests was tried again.
async fn life(
    name: &'static str,
    pushes: impl Fn(&Provider) -> anyhow::Result<Pushes>,
) -> anyhow::Result<Life> {
    for _ in 0..TRIES {
        let dynamodb = dynamodb::start(TcpListener::bind("127.0.0.1:0").await?, None).await?;
        let meter = Meter::start(&dynamodb.endpoint()).await?;
        let options =
            Options { dynamodb_endpoint: Some(meter.endpoint().to_owned()), ..Options::in_memory() };
        let stack = Stack::start(&options).await?;
        let _ = meter.take();
        let pushes = pushes(stack.provider())?;
        let lab = Lab { stack, meter };
        let life = lab.live(name, pushes).await;
        let retried = lab.meter.retried();
        lab.stack.stop().await?;
        drop(lab.meter);
        dynamodb.stop().await?;
        if !retried {
            return life;
        }
    }
    bail!("{name}: each of {TRIES} times a request was tried again: the machine is too busy for a bill")
}

struct Lab {
    stack: Stack,
    meter: Meter,
}

impl Lab {
    /// Pushes, and archives what was announced.
    async fn live(&self, name: &'static str, pushes: Pushes) -> anyhow::Result<Life> {
        let mut steps = Vec::new();
        for (function, push) in pushes {
            let mut event = event(function)?;
            event["body"] = push.into();
            let answer = self.stack.functions().invoke(function, event).await?;
            ensure!(answer["statusCode"] == 200, "{function}: {answer}");
            steps.push(Step { function, bill: self.meter.take() });
        }
        let report = self.stack.functions().invoke(archive_recordings::FUNCTION, json!({})).await?;
        ensure!(report["retried"] == 0 && report["failed"] == 0, "{report}");
        let mut bill = self.meter.take();
        // To look for what is due, and to take shards, costs the same whether it is one recording or a thousand.
        bill.charges.retain(|charge| charge.operation != "Query" && charge.item != LEASE);
        steps.push(Step { function: archive_recordings::FUNCTION, bill });
        Ok(Life { name, steps })
    }
}

/// A function's sample event.
fn event(function: &str) -> anyhow::Result<Value> {
    let known = PUSH_FUNCTIONS.iter().find(|known| known.push.function == function);
    Ok(serde_json::from_str(known.context("there is no such function")?.event)?)
}

/// A function's sample, its recordings where the simulator has them.
fn sample(function: &str, recordings: &[&str], provider: &Provider) -> anyhow::Result<String> {
    let event = event(function)?;
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap_or_default())?;
    let call = if body["array"].is_array() { &mut body["array"][0] } else { &mut body };
    for field in recordings {
        call[*field] = recording(provider, &format!("{function}-{field}.wav")).into();
    }
    Ok(body.to_string())
}

/// The URL of a recording that the simulator serves, signed for a week, as Alibaba's are.
fn recording(provider: &Provider, name: &str) -> String {
    provider.add_recording(Recording::new(name));
    provider.signed_url(name, Timestamp::now() + SignedDuration::from_hours(7 * 24))
}

/// One of Alibaba's pushes about a call that was answered.
fn alibaba(function: &str, talkative: bool, provider: &Provider) -> String {
    let mut push = json!({
        "callId": "100001618231^100018240911", "taskId": "118100000000012345", "detailId": "966200000000012345",
        "batchId": "B20250601001", "outId": "123456",
    });
    let own = match function {
        "alicom-call-report" => json!({
            "caller": "05718000000", "realCaller": "057187654321", "callee": "13900000000",
            "originateTime": "2025-06-01 10:00:00", "ringTime": "2025-06-01 10:00:05", "startTime": "2025-06-01 10:00:10",
            "endTime": "2025-06-01 10:02:15", "duration": 125, "hangupDirection": "User", "statusCode": "200010",
            "statusMsg": "用户关机", "smartStatusCode": "ANSWERED", "bOriginateTime": "2025-06-01 10:00:00",
            "bRingTime": "2025-06-01 10:00:05", "bStartTime": "2025-06-01 10:00:10", "bEndTime": "2025-06-01 10:02:15",
            "bDuration": 125,
        }),
        "alicom-call-record" => json!({
            "startTime": "2025-06-01 10:00:00", "endTime": "2025-06-01 10:02:15", "duration": 125,
            "recordFile": recording(provider, "alibaba-1.wav"),
        }),
        _ => {
            let turns = LINES.iter().enumerate().map(|(number, line)| {
                let role = if number % 2 == 0 { "assistant" } else { "user" };
                let more = if talkative { MORE } else { "" };
                let mut turn = json!({"content": format!("{line}{more}"), "role": role});
                // As in the sample: not every turn has one.
                if talkative || number < 2 {
                    turn["transactionId"] = format!("t-{}", number + 1).into();
                }
                turn
            });
            json!({
                "majorIntent": "A", "outputTags": {"客户称呼": "王先生", "客户意向度": ["高(非常积极,大概率转化)"], "关注点": ["价格", "续航"]},
                "conversationRecord": Value::from_iter(turns).to_string(), "call_times": 1, "realCaller": "057187654321",
            })
        }
    };
    push.as_object_mut()
        .into_iter()
        .for_each(|push| push.extend(own.as_object().cloned().unwrap_or_default()));
    json!([push]).to_string()
}
