//! `callvault calls tail`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use runtime::clock;
use runtime::store::reading::{CallPage, ListedRecord};
use serde_json::Value;
use shared::model::{CallKey, Instant};
use shared::reading::{Cursor, Order};
use shared::view::{Shown, listed};

use super::filter::FilterOptions;
use super::table;
use crate::Target;

/// How far back it is looked each time: a push comes when its call is over.
const BACK_S: i64 = 60 * 60;
/// How many calls are listed at a time.
const PAGE: usize = 200;

/// Which calls to follow, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct TailOptions {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    filter: FilterOptions,
    /// Show phone numbers. Without it they are masked, and blacked out in texts.
    #[arg(long)]
    numbers: bool,
    /// As JSON: one call a line.
    #[arg(long)]
    json: bool,
    /// How often to look.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// End after so many lines.
    #[arg(long, value_name = "LINES")]
    lines: Option<usize>,
}

/// Follows calls until Ctrl-C: what was there before is not shown, and what changes is shown anew. It looks at those of the last hour.
pub(super) async fn tail(options: TailOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let callee_ids = options.target.callee_ids().await?;
    let callee_id = |number: &str| callee_ids.id_of(number);
    let filter = options.filter.filter(Order::Descending, &callee_ids)?;
    let shown = Shown { numbers: options.numbers, callee_id: &callee_id };
    let began = clock::now();
    let mut seen = Seen::default();
    let mut lines = 0;
    loop {
        let oldest = clock::now().plus_seconds(-BACK_S).min(began);
        let (mut found, mut cursor) = (Vec::new(), None::<Cursor>);
        loop {
            let page = receiver.store().list_calls(&filter, cursor.as_ref(), PAGE, &callee_id).await?;
            let CallPage { calls, next, .. } = page;
            found.extend(calls);
            let is_older = |next: &Cursor| next.position().at < oldest;
            cursor = next.filter(|next| !is_older(next));
            if cursor.is_none() {
                break;
            }
        }
        found.retain(|call| call.call_at >= oldest);
        // The oldest first, as they would have come.
        found.reverse();
        let mut out = io::stdout().lock();
        for call in seen.news(found, began) {
            let call = listed(&call.key, &call.record, &shown);
            match options.json {
                true => writeln!(out, "{}", Value::Object(call))?,
                false => writeln!(out, "{}", table::row(&call, options.filter.zone()).join("  "))?,
            }
            lines += 1;
            if options.lines.is_some_and(|most| lines >= most) {
                return Ok(());
            }
        }
        out.flush()?;
        drop(out);
        tokio::time::sleep(Duration::from_secs(options.every)).await;
    }
}

/// What was shown of which call.
#[derive(Default)]
struct Seen(HashMap<CallKey, u64>);

impl Seen {
    /// The calls that are new, or that changed, since the time at which it began. Those that are not listed any more are forgotten.
    fn news(&mut self, found: Vec<ListedRecord>, began: Instant) -> Vec<ListedRecord> {
        let before = std::mem::take(&mut self.0);
        let is_news = |call: &ListedRecord| match before.get(&call.key) {
            Some(version) => *version != call.version,
            None => call.record.updated_at >= began,
        };
        self.0 = found.iter().map(|call| (call.key.clone(), call.version)).collect();
        found.into_iter().filter(is_news).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::model::{CallId, Provider};
    use shared::record::merge::Record;

    fn call(id: &str, version: u64, updated_at: Instant) -> ListedRecord {
        ListedRecord {
            key: CallKey { provider: Provider::Alicom, call_id: CallId::new(id.to_owned()).unwrap() },
            call_at: updated_at,
            version,
            record: Record {
                facts: Default::default(),
                extra: Default::default(),
                sources: Default::default(),
                inquiry: Default::default(),
                first_received_at: updated_at,
                updated_at,
                erased: false,
            },
        }
    }

    #[test]
    fn what_came_or_changed_is_shown_once() {
        let began: Instant = "2025-06-01T02:00:00.000Z".parse().unwrap();
        let mut seen = Seen::default();
        let mut news = |calls: Vec<ListedRecord>| {
            seen.news(calls, began)
                .into_iter()
                .map(|call| call.key.call_id.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        let old = call("old", 1, began.plus_seconds(-1));
        let new = call("new", 1, began);
        assert_eq!(news(vec![old.clone(), new.clone()]), ["new"]);
        assert_eq!(news(vec![old.clone(), new.clone()]), [""; 0]);
        let changed = call("old", 2, began.plus_seconds(5));
        assert_eq!(news(vec![changed, new]), ["old"]);
    }
}
