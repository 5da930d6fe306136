//! Memory: a function's own program under a Runtime API, with the costliest bodies that a sender can make; the most memory that its
//! process had.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use local_stack::lambda::{Lambda, Process};

use super::pushes::Sample;
use super::report::{Bound, Ratio, Section, Table};
use super::stores::{Stores, settings};

/// How large bodies are by default, in bytes: the default of `MAX_BODY_BYTES`.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// What a push function has by default, in MB.
const MEMORY_MB: f64 = 256.0;
/// What stands around the pieces of a body, in bytes.
const FRAME_BYTES: usize = 200;
/// The push functions' `Timeout`.
const TIMEOUT_S: i64 = 15;
/// How long an answer may take here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A body of its kind.
struct Body {
    what: &'static str,
    function: &'static str,
    text: String,
}

/// What one body took.
#[derive(Clone, Debug)]
pub struct Peak {
    /// What is costly about it.
    pub what: &'static str,
    /// The status that it was answered with.
    pub status: u64,
    /// The most memory that the process had, in bytes.
    pub memory_bytes: u64,
    /// How long the answer took.
    pub took: Duration,
}

/// Runs it.
pub(super) async fn run(programs: &Path) -> anyhow::Result<Section> {
    let mut table = Table::new("bodies of 4 MiB", &["status", "memory, MB", "answered after, s"]);
    let mut most = 0.0_f64;
    for peak in peaks(programs, BODY_BYTES).await? {
        // Megabytes and statuses are small.
        let megabytes = peak.memory_bytes as f64 / (1024.0 * 1024.0);
        table.row(peak.what, [Some(peak.status as f64), Some(megabytes), Some(peak.took.as_secs_f64())]);
        most = most.max(megabytes);
    }
    let ratio = Ratio {
        what: format!("the most memory of all, of {MEMORY_MB} MB"),
        value: most / MEMORY_MB,
        bound: Some(Bound::AtMost(1.0)),
    };
    Ok(Section {
        name: "memory",
        tables: vec![table],
        ratios: vec![ratio],
        notes: vec!["Each body is pushed twice to a process of its own, so that the second meets what the first has stored.".to_owned()],
    })
}

/// Pushes costly bodies of about so many bytes, each twice to a process of its own, and tells what each took. `programs` is the folder
/// of the functions' programs.
pub async fn peaks(programs: &Path, bytes: usize) -> anyhow::Result<Vec<Peak>> {
    let stores = Stores::start().await?;
    let mut peaks = Vec::new();
    // With what stands around the pieces they are as large as may be.
    for body in bodies(bytes - FRAME_BYTES) {
        let peak = peak(programs, &stores, &body).await;
        peaks.push(peak.with_context(|| format!("{}: {}", body.function, body.what))?);
    }
    Ok(peaks)
}

async fn peak(programs: &Path, stores: &Stores, body: &Body) -> anyhow::Result<Peak> {
    let program = programs.join(body.function);
    ensure!(program.is_file(), "{} is not there: build it first", program.display());
    let mut lambda = Lambda::with_timeout(TIMEOUT_S).await?;
    let mut command = lambda.command(&program, body.function, 256);
    let look_up = settings(&stores.dynamodb.endpoint(), &stores.s3.endpoint());
    for variable in ["DYNAMODB_ENDPOINT", "S3_ENDPOINT", "TABLE_NAME", "BUCKET_NAME", "PUSH_TOKEN_SHA256"] {
        command.env(variable, look_up(variable).unwrap_or_default());
    }
    command
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process::start(command)?;
    lambda.ready(PATIENCE).await?;
    let event = Sample::of(body.function)?.event_of(&body.text);
    let (mut status, mut took) = (0, Duration::ZERO);
    for _ in 0..2 {
        let began = Instant::now();
        lambda.invoke(event.as_str());
        let (answered, answer) = lambda.answered(PATIENCE).await?;
        took = took.max(answered - began);
        let Some(answered) = answer["statusCode"].as_u64() else { bail!("no answer: {answer}") };
        status = status.max(answered);
        lambda.ready(PATIENCE).await?;
    }
    Ok(Peak { what: body.what, status, memory_bytes: process.peak_memory_bytes()?, took })
}

/// Pieces, each made of its number, up to so many bytes.
fn pieces(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = piece(0);
    for number in 1.. {
        let next = piece(number);
        if text.len() + next.len() + 1 > bytes {
            break;
        }
        text.push(',');
        text.push_str(&next);
    }
    text
}

/// Everything that was found to be costly: many elements, many rejects, elements of many values, however they are hidden.
fn bodies(bytes: usize) -> Vec<Body> {
    let of = |function| move |what, text| Body { what, function, text };
    let report = of("alicom-call-report");
    let same = |text: &'static str| move |_: usize| text.to_owned();
    let element = |inner: String| format!(r#"[{{"callId":"1","x":{inner}}}]"#);
    // As many elements as are stored, as large as they may be together; and as many as go together.
    let elements = |count: usize, inner: &dyn Fn(usize) -> String| {
        let each = bytes / count;
        let list: Vec<_> = (0..count)
            .map(|n| format!(r#"{{"callId":"{n:05}","x":{}}}"#, inner(each.saturating_sub(30))))
            .collect();
        format!("[{}]", list.join(","))
    };
    let numbers = |bytes: usize| format!("[{}]", pieces(bytes, same("0")));
    let objects = |bytes: usize| format!("[{}]", pieces(bytes, same(r#"{"":0}"#)));
    // Just what an element may hold.
    let full = bytes.min(230_000);
    vec![
        report("the same tiny element", format!("[{}]", pieces(bytes, same("0")))),
        report("tiny elements that are none", format!("[{}]", pieces(bytes, |n| n.to_string()))),
        report("tiny elements", format!("[{}]", pieces(bytes, |n| format!(r#"{{"callId":{n}}}"#)))),
        report(
            "10,000 elements that are none",
            format!("[{}]", pieces(bytes.min(48_000), |n| n.to_string())),
        ),
        report("2,000 elements", elements(2_000, &|bytes| format!("{:?}", "x".repeat(bytes)))),
        report("100 elements of texts", elements(100, &|bytes| format!("{:?}", "x".repeat(bytes)))),
        report("100 elements of numbers", elements(100, &numbers)),
        report("100 elements of objects", elements(100, &objects)),
        report("20 elements of objects", elements(20, &objects)),
        report("elements of as many objects as may be", elements(bytes.div_ceil(full), &objects)),
        report("one element of numbers", element(numbers(bytes))),
        report("one element of empty lists", element(format!("[{}]", pieces(bytes, same("[]"))))),
        report("one element of objects", element(objects(bytes))),
        report("one element of names", element(format!("{{{}}}", pieces(bytes, |n| format!("\"{n}\":0"))))),
        report("one element of one name", element(format!("{{{}}}", pieces(bytes, same(r#""":0"#))))),
        report(
            "one deep element",
            element(format!("[{}]", pieces(bytes, |_| format!("{}{}", "[".repeat(100), "]".repeat(100))))),
        ),
        report("one text", element(format!("{:?}", "x".repeat(bytes)))),
        report("escaped text", element(format!("\"{}\"", "\\u00e9".repeat(bytes / 6)))),
        report("half surrogate pairs", element(format!("\"{}\"", "\\ud83d".repeat(bytes / 6)))),
        report("no JSON", "[".repeat(bytes)),
        of("alicom-call-note")(
            "a conversation",
            format!(
                r#"[{{"callId":"1","conversationRecord":"[{}]"}}]"#,
                pieces(bytes, same(r#"{\"content\":\"\"}"#))
            ),
        ),
        of("alicom-call-note")(
            "a conversation of as many turns as may be",
            format!(
                r#"[{{"callId":"2","conversationRecord":"[{}]"}}]"#,
                pieces(bytes.min(980_000), same(r#"{\"content\":\"\"}"#))
            ),
        ),
        of("alicom-call-note")(
            "a hidden conversation",
            format!(
                r#"[{{"callId":"3","conversationRecord":"[{}]"}}]"#,
                pieces(bytes, same(r#"\u007b\"content\":\"\"}"#))
            ),
        ),
        of("ai-voice-call-record")(
            "a dialogue",
            format!(
                r#"[{{"callId":"1","callDetailList":[{}]}}]"#,
                pieces(bytes.min(660_000), same(r#"{"text":""}"#))
            ),
        ),
        of("laaffic-status-report")(
            "an envelope",
            format!(
                r#"{{"array":[{}],{}}}"#,
                pieces(bytes / 4, |n| format!(r#"{{"voiceId":"{n}","x":"{}"}}"#, "x".repeat(1000))),
                pieces(bytes / 2, same(r#""":0"#))
            ),
        ),
        of("laaffic-status-report")(
            "lists of one name",
            format!("{{{}}}", pieces(bytes, |n| format!(r#""array":[{n}]"#))),
        ),
    ]
}
