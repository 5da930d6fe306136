//! `callvault events`: following the bus, trying what listens to it, and telling again what somebody may have missed.

mod follow;
mod resend;
mod samples;
mod try_out;

use std::io::Write;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use publish_changes::{Bus, Entry, PublishConfig};
use runtime::config::Environment;
use runtime::deadline::Deadline;
use shared::events::{Event, EventSettings};
use url::Url;

use super::Target;

pub use samples::{SampleEvents, sample_events};

/// What to do about events.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct EventsOptions {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    follow: follow::FollowOptions,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Put one event of each type on the bus, of a made-up call, or post them to a webhook.
    Test(try_out::TestOptions),
    /// Put the events of what changed since a time on the bus again, with the ids that they had.
    Resend(resend::ResendOptions),
}

/// Follows the bus, or does what else is asked for.
///
/// # Errors
/// Where the bus can't be reached, or does not take an event.
pub async fn events(options: EventsOptions) -> anyhow::Result<()> {
    match options.what {
        None => follow::follow(options.follow).await,
        Some(What::Test(options)) => try_out::test(options).await,
        Some(What::Resend(options)) => resend::resend(options).await,
    }
}

impl Target {
    /// The bus, and which events are put on it.
    async fn bus(&self) -> anyhow::Result<(Bus, EventSettings)> {
        let look_up = |variable: &str| self.look_up(variable);
        let environment = Environment::new(&look_up);
        let (_, account) = super::stores_and_account(&environment).await?;
        let config = PublishConfig::read(&environment).context("say which bus: --local, or the variables")?;
        Ok((Bus::new(&account, &config), config.events))
    }
}

/// Puts events on the bus, and tells how many.
async fn put(bus: &Bus, events: Vec<Event>) -> anyhow::Result<usize> {
    let entries = events.into_iter().enumerate().map(|(position, event)| Entry { position, event });
    let put = bus.put(entries.collect(), Deadline::after(std::time::Duration::from_secs(300))).await;
    let cause = put.cause.unwrap_or_else(|| "no answer".to_owned());
    ensure!(put.left.is_empty(), "the bus did not take {} events: {cause}", put.left.len());
    Ok(put.taken.len())
}

/// The whole event of EventBridge's, as a target gets it.
fn whole(event: &Event) -> serde_json::Value {
    serde_json::json!({
        "version": "0",
        "id": event.id,
        "detail-type": event.event_type.as_str(),
        "source": shared::events::SOURCE,
        "account": "000000000000",
        "time": event.time.to_text(),
        "region": "us-east-1",
        "resources": [],
        "detail": event.detail,
    })
}

/// A URL without what may be a secret in it.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Says a line.
fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Warns of something, where it does not get among what is said.
fn warn(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr().lock(), "callvault: {line}")
}
