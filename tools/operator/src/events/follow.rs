//! `callvault events --follow`: the local stack's bus, as it takes events.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;
use url::Url;

use super::{origin, say};
use crate::http::Http;

/// How long the bus keeps somebody waiting who follows, in seconds.
const WAIT_S: u64 = 15;
/// How long its answer takes at most.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which bus to follow.
#[derive(Args, Clone, Debug)]
pub(super) struct FollowOptions {
    /// Print every event that the local stack's bus takes, one a line, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Begin with those that it still has, of the last day.
    #[arg(long)]
    from_start: bool,
    /// The local stack's bus.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4010")]
    bus: Url,
    /// End after so many events.
    #[arg(long, value_name = "EVENTS")]
    count: Option<usize>,
}

pub(super) async fn follow(options: FollowOptions) -> anyhow::Result<()> {
    let FollowOptions { follow, from_start, bus, count } = options;
    ensure!(follow, "say what: --follow, test or resend");
    let http = Http::new();
    let mut last = match from_start {
        true => 0,
        false => number(&ask(&http, &bus, "").await?)?,
    };
    let mut shown = 0;
    while count.is_none_or(|count| shown < count) {
        let page = ask(&http, &bus, &format!("?after={last}&wait={WAIT_S}")).await?;
        last = number(&page)?;
        for event in page["events"].as_array().into_iter().flatten() {
            if count.is_some_and(|count| shown >= count) {
                break;
            }
            say(&event.to_string())?;
            shown += 1;
        }
    }
    Ok(())
}

async fn ask(http: &Http, bus: &Url, query: &str) -> anyhow::Result<Value> {
    let mut url = bus.join("/events")?.to_string();
    url.push_str(query);
    let place = origin(bus);
    let (status, body) = http.get(&url, TIMEOUT).await.with_context(|| {
        format!("the bus at {place} can't be reached (is the local stack running? `callvault`)")
    })?;
    if status != 200 {
        bail!("what answers at {place} is no bus of a local stack: HTTP status {status}");
    }
    serde_json::from_slice(&body)
        .with_context(|| format!("what answers at {place} is no bus of a local stack"))
}

fn number(page: &Value) -> anyhow::Result<u64> {
    page["last"].as_u64().context("the bus's answer has no number of its last event")
}
