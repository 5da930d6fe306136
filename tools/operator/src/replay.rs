//! `callvault replay`: stored verbatim pushes go through today's normalizers again, after a mapping was mended.

use std::io::Write;

use anyhow::{Context, ensure};
use catalog::stored_type;
use clap::Args;
use runtime::ingress::receive::Receiver;
use runtime::store::Replayed;
use serde_json::Value;
use shared::model::{CallKey, Instant};
use shared::normalize::Context as PushContext;
use shared::record::item::{ASKED, Item, typed};
use shared::record::keys;
use shared::record::parts::Element;

use super::{Target, span, told};

/// What to replay.
#[derive(Args, Clone, Debug)]
pub struct ReplayOptions {
    #[command(flatten)]
    target: Target,
    /// Only calls with pushes of this function, `alicom-call-report`.
    #[arg(long)]
    function: Option<String>,
    /// Only calls with pushes received since then, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = span::since)]
    since: Option<Instant>,
    /// Only tell what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Replays, and tells of each call that changes what does. It fails where a call could not be read anew.
pub async fn replay(options: ReplayOptions) -> anyhow::Result<()> {
    if let Some(function) = &options.function {
        ensure!(stored_type(function).is_some(), "there is no function {function}");
    }
    let receiver = options.target.receiver().await?;
    let mut out = std::io::stdout().lock();
    let (mut unchanged, mut changed, mut erased, mut failed) = (0, 0, 0, 0);
    let function = options.function.as_deref();
    let calls = receiver.store().table().partitions_of_pushes(function, options.since).await;
    for pk in calls.context("the table can't be read")? {
        match replay_one(&receiver, &pk, options.dry_run).await {
            Ok(Replayed::Unchanged) => unchanged += 1,
            Ok(Replayed::Changed(names)) => {
                let what = if names.is_empty() { "extra".to_owned() } else { names.join(", ") };
                writeln!(out, "{pk}  {what}")?;
                changed += 1;
            }
            Ok(Replayed::Erased) => {
                writeln!(out, "{pk}  left as it is: it was erased")?;
                erased += 1;
            }
            Err(error) => {
                writeln!(out, "{pk}  failed: {}", told(&error))?;
                failed += 1;
            }
        }
    }
    let would_be = if options.dry_run { "would be " } else { "" };
    writeln!(out, "{would_be}changed {changed}, unchanged {unchanged}, left {erased}, failed {failed}")?;
    ensure!(failed == 0, "{failed} calls could not be replayed");
    Ok(())
}

async fn replay_one(receiver: &Receiver, pk: &str, dry_run: bool) -> anyhow::Result<Replayed> {
    let key = keys::call_of_pk(pk).context("not a call's key")?;
    let mut elements = Vec::new();
    for item in receiver.store().table().query(pk).await? {
        if item.get(keys::SK).and_then(Value::as_str).is_some_and(|sk| sk.starts_with("push#")) {
            elements.push(element(receiver, &key, &item).await?);
        }
    }
    Ok(receiver.store().replay(&key, elements, dry_run).await?)
}

/// A stored push as today's normalizer reads it.
async fn element(receiver: &Receiver, key: &CallKey, item: &Item) -> anyhow::Result<Element> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let function = text("function").context("a push without a function")?;
    let push = stored_type(function).with_context(|| format!("there is no function {function}"))?;
    let body = match (text("body"), text("body_key")) {
        (Some(body), _) => body.to_owned(),
        (None, Some(key)) => String::from_utf8(receiver.store().bucket().get(key).await?)?,
        (None, None) => anyhow::bail!("a push without a body"),
    };
    let received_at = text("received_at").and_then(|at| Instant::parse(at, jiff::tz::Offset::UTC));
    let received_at = received_at.context("a push without the time of its receipt")?;
    let context = PushContext { received_at, utc_offset: receiver.utc_offset(push.provider) };
    let normalized = push.normalized(&body, &context).context("a stored push is rejected now")?;
    // Ids were stored untrimmed once.
    ensure!(
        normalized.call_id.as_str() == key.call_id.as_str().trim(),
        "a stored push is about another call now"
    );
    let asked = match item.get(ASKED) {
        Some(Value::Object(asked)) => Some(typed(asked.clone()).context("an answer to nobody knows what")?),
        _ => None,
    };
    Ok(Element {
        key: key.clone(),
        push,
        context,
        expires: None,
        text: body,
        envelope: None,
        asked,
        normalized,
    })
}
