//! The demonstration: the sample of every document, pushed through a stack in memory, and what is stored of it; then a call whose
//! recording can be fetched, and its way into the bucket.

use runtime::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::{Context, bail, ensure};
use catalog::{PUSH_FUNCTIONS, PushFunction};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, ContentArrangement, Table};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use local_stack::{Options, Stack};
use platforms::Recording;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::model::CallKey;
use shared::normalize::{Context as PushContext, PushType};
use shared::record::item::Item;
use shared::record::keys;

/// The call's attributes in the order in which they are shown: what it was, when, how it ended, what it came to.
const SHOWN: [&str; 28] = [
    "call_id",
    "task_id",
    "batch_id",
    "detail_id",
    "out_id",
    "app_id",
    "script_id",
    "caller",
    "display_number",
    "callee",
    "submitted_at",
    "originated_at",
    "ringing_at",
    "answered_at",
    "ended_at",
    "duration_s",
    "ring_s",
    "billed_s",
    "outcome",
    "hangup_by",
    "intent_code",
    "intent_name",
    "tags",
    "cost",
    "attempt",
    "status",
    "extra",
    "first_received_at",
];

/// The call whose recording the provider simulator serves.
const DEMO_CALL: &str = "demo-call-1";
/// Its recording there.
const DEMO_RECORDING: &str = "demo-call-1.wav";

/// Runs the demonstration. It fails unless everything that was pushed is stored, and the recording archived bit for bit.
pub(crate) async fn run() -> anyhow::Result<()> {
    let stack = Stack::start(&Options::in_memory()).await?;
    let mut out = std::io::stdout().lock();
    let mut calls = BTreeSet::new();
    for function in PUSH_FUNCTIONS {
        let sample = Sample::of(&function)?;
        let answer = sample.push(&stack.url()).await?;
        writeln!(out, "POST {}", sample.path)?;
        writeln!(out, "  {answer}")?;
        writeln!(out)?;
        for call in sample.calls(&function.push)? {
            let items = stack.store().table().query(&keys::call_pk(&call)).await?;
            show(&mut out, &call, &items)?;
            calls.insert(call);
        }
    }
    calls.insert(archive(&stack, &mut out).await?);
    show_recordings(&stack, &mut out, &calls).await?;
    writeln!(
        out,
        "All of it was stored, in memory. `cargo run` serves the same functions on http://127.0.0.1:3000, and keeps what it stores."
    )?;
    drop(out);
    stack.stop().await
}

/// Pushes a recording that can be fetched, runs the archiver, and checks that the object in the bucket is the source, bit for bit.
async fn archive(stack: &Stack, out: &mut impl Write) -> anyhow::Result<CallKey> {
    let provider = stack.provider();
    provider.add_recording(Recording::new(DEMO_RECORDING));
    let url = provider.signed_url(DEMO_RECORDING, Timestamp::now() + SignedDuration::from_hours(24));
    let push = json!([{"callId": DEMO_CALL, "taskId": "demo", "recordFile": url}]);
    let sample = Sample { path: "/push/alicom-call-record/local".to_owned(), body: push.to_string() };
    writeln!(out, "POST {}", sample.path)?;
    writeln!(out, "  {}", sample.push(&stack.url()).await?)?;
    let report = stack.functions().invoke(archive_recordings::FUNCTION, json!({})).await?;
    writeln!(out, "{}\n  {report}\n", archive_recordings::FUNCTION)?;

    let push = alicom_call_record::PUSH;
    let call = sample.calls(&push)?.pop().context("the push names a call")?;
    let key = keys::recording_sk("main");
    let stored = stack.store().table().get(&keys::call_pk(&call), &key).await?.context("no recording")?;
    let object_key = stored.get("object_key").and_then(Value::as_str).context("it is not archived")?;
    let object = Sha256::digest(stack.store().bucket().get(object_key).await?);
    let source = provider.sha256_of(DEMO_RECORDING).context("the simulator has the recording")?;
    ensure!(hex::encode(object) == source, "the object is not what the simulator served");
    ensure!(stored["sha256"] == *source, "the table tells of another recording");
    Ok(call)
}

/// Shows what became of the calls' recordings.
async fn show_recordings(
    stack: &Stack,
    out: &mut impl Write,
    calls: &BTreeSet<CallKey>,
) -> anyhow::Result<()> {
    let mut table = wide_table();
    table.set_header(["recording", "state", "where, or why not"]);
    let mut states = BTreeMap::<String, usize>::new();
    for call in calls {
        for item in stack.store().table().query(&keys::call_pk(call)).await? {
            let sk = readable(&item[keys::SK]);
            if !sk.starts_with("recording#") {
                continue;
            }
            let text = |name: &str| item.get(name).map(readable);
            let archived = ["object_key", "media_type", "bytes", "sha256"]
                .map(|name| text(name).map(|value| format!("{name} = {value}")));
            let place = archived.into_iter().flatten().collect::<Vec<_>>().join("\n");
            let state = readable(&item["state"]);
            *states.entry(state.clone()).or_default() += 1;
            table.add_row([
                format!("{}\n{sk}", keys::call_pk(call)),
                state,
                text("last_error").unwrap_or(place),
            ]);
        }
    }
    writeln!(out, "{table}\n")?;
    writeln!(
        out,
        "The samples' recordings stay pending: their URLs are examples, so only the simulator is asked here."
    )?;
    writeln!(out, "The archived one has the SHA-256 of its source.\n")?;
    ensure!(states.get("archived") == Some(&1), "one recording is archived: {states:?}");
    Ok(())
}

/// A push from `events/`.
struct Sample {
    path: String,
    body: String,
}

impl Sample {
    fn of(function: &PushFunction) -> anyhow::Result<Self> {
        let name = function.push.function;
        let event: Value =
            serde_json::from_str(function.event).with_context(|| format!("events/{name}.json"))?;
        let text = |name: &str| {
            event[name].as_str().map(str::to_owned).with_context(|| format!("the event's {name}"))
        };
        Ok(Self { path: text("rawPath")?, body: text("body")? })
    }

    async fn push(&self, url: &str) -> anyhow::Result<String> {
        let request = http::Request::post(format!("{url}{}", self.path))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::from(self.body.clone()))?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
        let response = client.request(request).await?;
        let status = response.status();
        let body = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
        let code = serde_json::from_str::<Value>(&body)?["code"].clone();
        ensure!(status == 200 && code == 0, "{} was answered {status} {body}", self.path);
        Ok(format!("{status} {body}"))
    }

    /// The calls that the push is about. Every element has to be sound.
    fn calls(&self, push: &PushType) -> anyhow::Result<Vec<CallKey>> {
        let context = PushContext { received_at: clock::now(), utc_offset: jiff::tz::Offset::constant(8) };
        let Ok(elements) = push.elements(self.body.as_bytes()) else { bail!("the sample is not JSON") };
        let calls = elements.texts.iter().map(|text| {
            let normalized = push.normalized(text, &context)?;
            Ok(CallKey { provider: push.provider, call_id: normalized.call_id })
        });
        calls.collect()
    }
}

/// Shows all that is stored of a call; fails where the call or its verbatim push is missing.
fn show(out: &mut impl Write, key: &CallKey, items: &[Item]) -> anyhow::Result<()> {
    let pk = keys::call_pk(key);
    let with = |prefix: &str| {
        let prefix = prefix.to_owned();
        items.iter().filter(move |item| item[keys::SK].as_str().is_some_and(|sk| sk.starts_with(&prefix)))
    };
    let call = with(keys::CALL).next().with_context(|| format!("{pk} is not stored"))?;
    ensure!(with("push#").next().is_some(), "the verbatim push of {pk} is not stored");

    let mut table = wide_table();
    table.set_header([Cell::new("call"), Cell::new(&pk)]);
    for name in SHOWN {
        table.add_rows(call.get(name).map(|value| [name.to_owned(), readable(value)]));
    }
    for conversation in with(keys::CONVERSATION) {
        let turns =
            conversation.get("turns").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let turns = turns.iter().map(turn).collect::<Vec<_>>();
        table.add_rows((!turns.is_empty()).then(|| ["conversation".to_owned(), turns.join("\n")]));
    }
    for item in with("push#") {
        table.add_row(["push, verbatim".to_owned(), readable(&item[keys::SK])]);
    }
    writeln!(out, "{table}\n")?;
    Ok(())
}

/// A turn of a conversation in a line: who spoke, and where in the recording.
fn turn(turn: &Value) -> String {
    let speaker = turn["speaker"].as_str().unwrap_or("?");
    let interrupting = if turn["interrupted"] == true { ", interrupting" } else { "" };
    let at = turn["start_ms"]
        .as_u64()
        .map(|ms| format!(" at {}.{:03} s", ms / 1000, ms % 1000))
        .unwrap_or_default();
    format!("{speaker}{interrupting}{at}: {}", readable(&turn["text"]))
}

fn wide_table() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(110);
    }
    table
}

/// A value as a person reads it: one line for each part of an object.
fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| lines(name, value)).collect::<Vec<_>>().join("\n")
        }
        Value::Array(list) => list.iter().map(readable).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn lines(name: &str, value: &Value) -> String {
    match value {
        Value::Object(_) => format!("{name}\n  {}", readable(value).replace('\n', "\n  ")),
        other => format!("{name} = {}", readable(other)),
    }
}
