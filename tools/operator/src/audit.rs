//! `callvault audit`: who saw what, of the access log.

use std::io::Write;

use anyhow::Context;
use clap::{ArgGroup, Args};
use runtime::store::access::AccessFilter;
use serde_json::json;
use shared::access::AccessEntry;
use shared::model::{CallKey, Instant};
use shared::path_id;

use super::Target;
use super::call_name::call;
use super::span;

/// Which looks to tell.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["call", "actor", "since"]))]
pub struct AuditOptions {
    #[command(flatten)]
    target: Target,
    /// At one call, as paths name it: `alicom/10000161~5E1000018`. Lists and downloads that it was in are not among these.
    #[arg(long, value_name = "PROVIDER/ID", value_parser = call)]
    call: Option<CallKey>,
    /// By somebody: `person:4f1c…` or `machine:warehouse`, or without the kind. Without --call, this reads the whole table.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// From then on, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`. Without --call, this reads the whole table.
    #[arg(long, value_name = "TIME", value_parser = span::since)]
    since: Option<Instant>,
    /// One object of JSON a line.
    #[arg(long)]
    json: bool,
}

/// Tells who saw what, the oldest first.
pub async fn audit(options: AuditOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let store = receiver.store();
    let filter = AccessFilter { actor: options.actor, since: options.since };
    let entries = match &options.call {
        Some(key) => {
            let mut entries = store.access_of_call(key).await.context("the access log can't be read")?;
            entries.retain(|entry| filter.lets(entry));
            entries
        }
        None => store.access_of(&filter).await.context("the access log can't be read")?,
    };
    if entries.is_empty() {
        // Not among the lines: a program that reads them finds none.
        writeln!(std::io::stderr(), "nothing found")?;
    }
    let mut out = std::io::stdout().lock();
    for entry in &entries {
        match options.json {
            true => writeln!(out, "{}", object(entry))?,
            false => writeln!(out, "{}", line(entry))?,
        }
    }
    Ok(())
}

fn line(entry: &AccessEntry) -> String {
    let AccessEntry { at, actor, what, via, call } = entry;
    let call =
        call.as_ref().map(|key| format!("  {}/{}", key.provider, path_id::escaped(key.call_id.as_str())));
    format!("{at}  {actor}  {what}  {via}{}", call.unwrap_or_default())
}

fn object(entry: &AccessEntry) -> serde_json::Value {
    let AccessEntry { at, actor, what, via, call } = entry;
    json!({
        "at": at,
        "actor": actor,
        "what": what.as_str(),
        "via": via.as_str(),
        "provider": call.as_ref().map(|key| key.provider),
        "call_id": call.as_ref().map(|key| key.call_id.as_str()),
    })
}
