//! `callvault events resend`: what changed since a time, told again.
//!
//! The stream forgets after 24 hours. What was not published until then is found in the table: every call, and every recording, as it is
//! now, with the ids that its events have in any case. Whoever has heard of it drops it by its id.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::TryStreamExt;
use runtime::clock;
use runtime::store::Store;
use serde_json::Value;
use shared::events::{CallState, Event, EventSettings, ItemKind, events_again};
use shared::model::{CallKey, Instant};
use shared::record::item::{ERASED_AT, Item};
use shared::record::keys;
use shared::view::Shown;

use super::{put, say, warn};
use crate::Target;
use crate::span::{self, in_order};

/// How many items are worked on at a time.
const CHUNK: usize = 100;

/// What to tell again.
#[derive(Args, Clone, Debug)]
pub(super) struct ResendOptions {
    #[command(flatten)]
    target: Target,
    /// What changed at this time or later, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = span::since)]
    since: Instant,
    /// Up to the end of this day or hour, or before this moment. Without it: up to now.
    #[arg(long, value_name = "TIME", value_parser = span::until)]
    until: Option<Instant>,
    /// Only tell how many events there would be.
    #[arg(long)]
    dry_run: bool,
}

/// An item that changed in the span.
struct Found {
    key: CallKey,
    kind: ItemKind,
    at: Instant,
    item: Item,
}

pub(super) async fn resend(options: ResendOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let (bus, settings) = options.target.bus().await?;
    let callee_ids = options.target.callee_ids().await?;
    if !callee_ids.have_key() {
        warn(
            "no CALLEE_ID_SECRET_ARN and no CALLEE_ID_KEY is set: no event has a `callee_id`. If publish-changes has a key, corrections get other ids than \
              they had, and whoever has heard of them takes them for news",
        )?;
    }
    let callee_id = |number: &str| callee_ids.id_of(number);
    let shown = Shown { numbers: settings.numbers, callee_id: &callee_id };
    let until = options.until.unwrap_or_else(clock::now);
    in_order(options.since, until)?;
    let store = receiver.store();
    let mut items = store.table().scan(0, 1);
    let (mut found, mut sent, mut unreadable) = (Vec::new(), 0, 0);
    loop {
        let item = items.try_next().await.context("the table can't be read")?;
        let is_over = item.is_none();
        found.extend(item.and_then(|item| changed(item, options.since, until)));
        if found.len() >= CHUNK || is_over {
            let (events, wrong) =
                events_of_chunk(store, std::mem::take(&mut found), &settings, &shown).await?;
            unreadable += wrong;
            sent += match options.dry_run {
                true => events.len(),
                false => put(&bus, events).await?,
            };
        }
        if is_over {
            break;
        }
    }
    let would_be = if options.dry_run { "would be put" } else { "were put" };
    say(&format!("events that {would_be} on the bus again: {sent}"))?;
    ensure!(unreadable == 0, "{unreadable} items are not what this program writes");
    Ok(())
}

async fn events_of_chunk(
    store: &Store,
    found: Vec<Found>,
    settings: &EventSettings,
    shown: &Shown<'_>,
) -> anyhow::Result<(Vec<Event>, usize)> {
    let beside = found.iter().filter(|found| found.kind != ItemKind::Call);
    let mut wanted: Vec<_> = beside.map(|found| found.key.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let states = store.call_states(&wanted).await.context("calls can't be read")?;
    let states: BTreeMap<CallKey, CallState> =
        states.into_iter().filter_map(|(key, state)| Some((key, state.ok()?))).collect();
    let (mut events, mut unreadable) = (Vec::new(), 0);
    for Found { key, kind, at, item } in found {
        let call = states.get(&key);
        match events_again(key.clone(), kind, at, item, call, settings, shown) {
            Ok(told) => events.extend(told),
            Err(_) => unreadable += 1,
        }
    }
    Ok((events, unreadable))
}

/// An item whose news are of the span, and when these became known.
fn changed(item: Item, since: Instant, until: Instant) -> Option<Found> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let time = |name: &str| text(name).and_then(|time| time.parse::<Instant>().ok());
    let kind = ItemKind::of_sk(text(keys::SK)?)?;
    let key = keys::call_of_pk(text(keys::PK)?)?;
    let at = match kind {
        ItemKind::Call => time(ERASED_AT).or_else(|| time("updated_at").max(time("settled_at"))),
        ItemKind::Recording => time("archived_at").max(time("lost_at")),
        // It tells no time by itself: its sources do.
        ItemKind::Conversation => {
            let sources = item.get("sources").and_then(Value::as_object).into_iter().flatten();
            let receipts = sources.filter_map(|(_, line)| line.as_str()?.split(' ').next()?.parse().ok());
            receipts.max()
        }
    }?;
    (since <= at && at < until).then_some(Found { key, kind, at, item })
}
