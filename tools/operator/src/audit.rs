//! `callvault audit`: who saw what, of the access log.

use std::io::Write;

use anyhow::Context;
use clap::{ArgGroup, Args};
use runtime::store::access::AccessFilter;
use serde_json::json;
use shared::access::AccessEntry;
use shared::model::{CallId, CallKey, Instant, Provider};
use shared::path_id;

use super::Target;
use super::replay::instant;

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
    /// From then on, `2025-06-01T00:00:00Z`. Without --call, this reads the whole table.
    #[arg(long, value_parser = instant)]
    since: Option<Instant>,
    /// One object of JSON a line.
    #[arg(long)]
    json: bool,
}

/// Reads a call's name: the provider's, and its id as it stands in paths.
pub(crate) fn call(text: &str) -> Result<CallKey, String> {
    let (provider, id) = text.split_once('/').ok_or("it is PROVIDER/ID")?;
    let provider = Provider::named(provider).ok_or_else(|| {
        let known: Vec<_> = Provider::ALL.iter().map(|known| known.as_str()).collect();
        format!("there is no provider {provider}, only {}", known.join(", "))
    })?;
    // Whoever has the id as it is may write it as it is, where no path's form is meant.
    let id = path_id::unescaped(id).unwrap_or_else(|| id.to_owned());
    let call_id = CallId::new(id).ok_or("not a call's id")?;
    Ok(CallKey { provider, call_id })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_as_in_paths_or_as_it_is() {
        for (text, id) in
            [("alicom/1~5E2", "1^2"), ("alicom/1^2", "1^2"), ("laaffic/a/b", "a/b"), ("ai-voice/~~", "~~")]
        {
            assert_eq!(call(text).map(|key| key.call_id.as_str().to_owned()), Ok(id.to_owned()), "{text}");
        }
        for text in ["", "alicom", "alicom/", "other/1", "/1"] {
            assert!(call(text).is_err(), "{text}");
        }
        let error = call("other/1").unwrap_err();
        assert_eq!(error, "there is no provider other, only alicom, ai-voice, laaffic");
    }
}
