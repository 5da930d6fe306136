//! `callvault events test`: one event of each type, of a made-up call.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use runtime::clock;
use shared::events::Event;
use url::Url;

use super::{origin, put, sample_events, say, whole};
use crate::Target;
use crate::http::{Http, header};

/// How long an API destination is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where to put the events.
#[derive(Args, Clone, Debug)]
pub(super) struct TestOptions {
    #[command(flatten)]
    target: Target,
    /// Post them to this URL, as an API destination would, in place of putting them on the bus.
    #[arg(long, value_name = "URL")]
    webhook: Option<Url>,
    /// A header to post them with.
    #[arg(long, value_name = "NAME=VALUE", requires = "webhook", value_parser = header)]
    webhook_header: Option<(String, String)>,
}

pub(super) async fn test(options: TestOptions) -> anyhow::Result<()> {
    // Another call each time: an event that was told once is dropped by its id.
    let now = clock::now();
    let samples = sample_events(&format!("callvault-test-{}", now.epoch_millis()), now)?;
    let events: Vec<Event> = samples.into_values().collect();
    match &options.webhook {
        None => {
            let (bus, _) = options.target.bus().await?;
            let count = put(&bus, events).await?;
            say(&format!("put {count} events on the bus, one of each type"))?;
        }
        Some(webhook) => {
            let header = options.webhook_header.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            let http = Http::new();
            let mut refused = 0;
            for event in events {
                let answer =
                    http.post_with(webhook.as_str(), whole(&event).to_string(), header, TIMEOUT).await;
                let answered = match answer {
                    Ok((status, _)) => {
                        refused += u32::from(!(200..300).contains(&status));
                        format!("HTTP status {status}")
                    }
                    Err(error) => {
                        refused += 1;
                        error.to_string()
                    }
                };
                say(&format!("{}  {answered}", event.event_type.as_str()))?;
            }
            if refused > 0 {
                bail!("{} did not take {refused} events", origin(webhook));
            }
        }
    }
    Ok(())
}
