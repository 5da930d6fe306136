//! Made-up calls for the console: pushed as the platforms push them, archived as always, some of them reviewed.

use std::sync::Arc;

use anyhow::{Context, ensure};
use catalog::PUSH_FUNCTIONS;
use jiff::{SignedDuration, Timestamp};
use platforms::Recording;
use runtime::clock;
use serde_json::{Value, json};
use shared::model::{CallId, CallKey, Provider, Review};

use crate::stack::Stack;

/// How many calls are made up.
const CALLS: u64 = 120;
/// How many minutes lie between two of them.
const MINUTES_APART: i64 = 9;

/// The tasks, with the names that people gave them.
const TASKS: [(u64, &str); 3] =
    [(504_312, "六月续保回访"), (504_313, "Test drive follow-up"), (504_320, "满意度调查")];
const ALICOM_TASK: &str = "118100000000000001";

/// What is said: who, and what.
const CONVERSATIONS: [&[(bool, &str)]; 3] = [
    &[
        (true, "您好，我是平安车险的智能客服，请问您是车主本人吗？"),
        (false, "是的，什么事？"),
        (true, "您的车险下个月到期，今年续保有九折优惠，想跟您核对一下信息。"),
        (false, "九折？比去年便宜多少？"),
        (true, "大约便宜三百二十元，另外还赠送两次道路救援。"),
        (false, "行，你把方案发给我看看。"),
        (true, "好的，稍后以短信发送，祝您生活愉快，再见。"),
    ],
    &[
        (
            true,
            "Hello, this is the city car house. You asked for a test drive last week. Do you have a minute?",
        ),
        (false, "Yes, but make it short."),
        (true, "Would Saturday morning or Sunday afternoon suit you better?"),
        (false, "Saturday. What does the long-range version cost?"),
        (true, "It begins at 33,900. I will send you the price list with the appointment."),
        (false, "Good. Thank you."),
    ],
    &[
        (true, "您好，想占用您一分钟做个满意度回访，可以吗？"),
        (false, "现在不方便。"),
        (true, "好的，那我们改天再联系您，打扰了。"),
    ],
];

/// Pushes made-up calls through a stack, and has their recordings archived.
///
/// # Errors
/// Where a push is not taken.
pub(crate) async fn fill(stack: &Stack, token: &str) -> anyhow::Result<()> {
    let now = Timestamp::now();
    for number in 0..CALLS {
        // Of the oldest first, as they would come.
        let at = now - SignedDuration::from_mins((CALLS - number) as i64 * MINUTES_APART + 2);
        match number % 6 {
            0 => alicom(stack, token, number, at).await?,
            1 if number % 12 == 1 => laaffic(stack, token, number, at).await?,
            _ => ai_voice(stack, token, number, at, now).await?,
        }
    }
    Arc::clone(&stack.functions())
        .invoke(archive_recordings::FUNCTION, json!({}))
        .await
        .context("the recordings could not be archived")?;
    for (task, name) in TASKS {
        stack.store().name_task(Provider::AiVoice, &task.to_string(), name, "lead", clock::now()).await?;
    }
    for number in (2..CALLS / 2).step_by(4) {
        let Some(call_id) = CallId::new(format!("demo-{number}")) else { continue };
        let verdict = ["good", "good", "unsure", "bad"][(number / 4 % 4) as usize];
        let by = Some("reviewer".to_owned());
        let review = Review {
            heard_at: Some(clock::now()),
            heard_by: by.clone(),
            verdict: Some(verdict.to_owned()),
            note: (verdict == "bad").then(|| "机器人没有回答客户的价格问题".to_owned()),
            noted_at: Some(clock::now()),
            noted_by: by,
        };
        stack.store().put_review(&CallKey { provider: Provider::AiVoice, call_id }, &review).await?;
    }
    Ok(())
}

async fn ai_voice(
    stack: &Stack,
    token: &str,
    number: u64,
    at: Timestamp,
    now: Timestamp,
) -> anyhow::Result<()> {
    let (task, _) = TASKS[(number % 3) as usize];
    let outcome =
        ["ANSWERED", "ANSWERED", "NO_ANSWER", "ANSWERED", "BUSY", "POWER_OFF", "ANSWERED", "REFUSED"]
            [(number / 2 % 8) as usize];
    let is_answered = outcome == "ANSWERED";
    let lines = CONVERSATIONS[(number % 3) as usize];
    let mut ms = 400;
    let said: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(line, (is_agent, text))| {
            let took = text.chars().count() as u64 * if text.is_ascii() { 62 } else { 190 } + 400;
            let (start, end) = (ms, ms + took);
            // One of them is interrupted.
            ms = if line == 2 && number % 4 == 2 { end - 300 } else { end + 350 };
            match is_agent {
                true => json!({"callDetailId": line, "text": text, "type": "ROBOT"}),
                false => json!({"callDetailId": line, "text": text, "type": "PERSON", "startOffset": start, "endOffset": end}),
            }
        })
        .collect();
    let seconds = if is_answered { ms / 1_000 + 1 } else { 0 };
    let mut call = json!({
        "callId": format!("demo-{number}"), "appId": "a7Xk2Qp9", "robotCallJobId": task, "dialogFlowId": 80_211,
        "calledPhoneNumber": format!("86139{:08}", number * 7_919 + 1_000_003), "startTime": at.as_second(),
        "endTime": at.as_second() + 8 + seconds as i64, "resultStatus": outcome, "chatDuration": seconds,
        "billingTime": seconds.div_ceil(60) * 60, "pay": format!("0.{:04}", seconds * 9), "callCount": number % 3 + 1,
    });
    if is_answered {
        let intent =
            ["A (clear intent)", "B (may be)", "C (no need)", "A (clear intent)"][(number / 3 % 4) as usize];
        if number.is_multiple_of(2) {
            call["hangupBy"] = "REMOTE_HANGUP".into();
        }
        call["intentLevel"] = intent[..1].into();
        call["intentLevelDetailName"] = intent.into();
        let tag = ["询问价格", "预约试驾", "稍后联系"][(number % 3) as usize];
        call["callRecordTagNames"] = json!([tag]);
        call["callDetailList"] = said.into();
        let name = format!("demo-{number}.wav");
        let provider = stack.provider();
        provider.add_recording(Recording::new(&name).seconds(seconds));
        // Some are lost, and some are still to come.
        let lives = match number {
            16 | 44 => SignedDuration::from_hours(-2),
            _ => SignedDuration::from_hours(48),
        };
        call["fullAudioUrl"] = match number {
            113 => "https://elsewhere.example/demo-113.wav".to_owned(),
            _ => provider.signed_url(&name, now + lives),
        }
        .into();
        if number.is_multiple_of(10) {
            call["customerAudioUrl"] = provider.signed_url(&name, now + lives).into();
        }
    }
    push(stack, token, "ai-voice-call-record", &call).await
}

async fn alicom(stack: &Stack, token: &str, number: u64, at: Timestamp) -> anyhow::Result<()> {
    let id = format!("demo^{number}");
    let local = |after: i64| {
        let at = at.to_zoned(jiff::tz::Offset::constant(8).to_time_zone()) + SignedDuration::from_secs(after);
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let is_answered = !number.is_multiple_of(18);
    let (status, seconds) = if is_answered { ("ANSWERED", 34) } else { ("NO_ANSWER", 0) };
    let report = json!([{
        "callId": id, "taskId": ALICOM_TASK, "outId": format!("order-{number}"), "callee": format!("138{:08}", number * 6_007 + 33),
        "caller": "05710000001", "realCaller": "05710000002", "originateTime": local(0), "ringTime": local(2),
        "startTime": local(7), "endTime": local(7 + seconds), "duration": seconds, "smartStatusCode": status,
        "hangupDirection": "User",
    }]);
    push(stack, token, "alicom-call-report", &report).await?;
    if is_answered {
        let said: Vec<_> = CONVERSATIONS[2]
            .iter()
            .map(|(is_agent, text)| json!({"role": if *is_agent { "assistant" } else { "user" }, "content": text}))
            .collect();
        let intent = ["A", "B", "D"][(number / 6 % 3) as usize];
        let note = json!([{
            "callId": id, "taskId": ALICOM_TASK, "majorIntent": intent,
            "outputTags": {"客户称呼": "王先生", "关注点": ["价格", "续航"]}, "conversationRecord": Value::from(said).to_string(),
        }]);
        push(stack, token, "alicom-call-note", &note).await?;
        let name = format!("demo-alicom-{number}.wav");
        stack.provider().add_recording(Recording::new(&name).seconds(34));
        let url = stack.provider().signed_url(&name, Timestamp::now() + SignedDuration::from_hours(24));
        let record = json!([{
            "callId": id, "taskId": ALICOM_TASK, "startTime": local(7), "endTime": local(41), "duration": 34, "recordFile": url,
        }]);
        push(stack, token, "alicom-call-record", &record).await?;
    }
    Ok(())
}

async fn laaffic(stack: &Stack, token: &str, number: u64, at: Timestamp) -> anyhow::Result<()> {
    let ms = at.as_millisecond();
    let report = json!({"array": [{
        "voiceId": format!("demo-{number}"), "taskId": 5_034_040, "callee": format!("62813{:08}", number * 5_003), "displayNum": "5034040",
        "submitTime": ms, "callTime": ms + 1_500, "ringingTime": ms + 3_000, "answerTime": ms + 9_000, "hangupTime": ms + 44_000,
        "callDuration": 35, "ringDuration": 6, "chargedDuration": 60, "callStatus": 50, "callStatusNew": 1, "callDescription": 1,
        "intentCode": "302", "intent": "Connected, customer did not respond", "scriptId": 63, "cost": "0.1",
    }]});
    push(stack, token, "laaffic-status-report", &report).await
}

async fn push(stack: &Stack, token: &str, function: &str, body: &Value) -> anyhow::Result<()> {
    let row =
        PUSH_FUNCTIONS.iter().find(|known| known.push.function == function).context("no such function")?;
    let mut event: Value = serde_json::from_str(row.event)?;
    let body = body.to_string();
    event["headers"]["content-length"] = body.len().to_string().into();
    event["body"] = body.into();
    event["rawPath"] = format!("/push/{function}/{token}").into();
    event["pathParameters"]["token"] = token.into();
    let answer = Arc::clone(&stack.functions()).invoke(function, event).await?;
    ensure!(answer["statusCode"] == 200, "{function} took no made-up call: {}", answer["body"]);
    Ok(())
}
