//! `callvault calls tail`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use runtime::clock;
use runtime::store::reading::{CallPage, ListedRecord};
use serde_json::Value;
use shared::model::{CallKey, Instant};
use shared::reading::{Cursor, Order, Ties};
use shared::view::{Shown, listed};

use super::filter::FilterOptions;
use super::table;
use crate::Target;

/// How far back it is looked each time: a push comes when its call is over.
const BACK_S: i64 = 60 * 60;
/// How often, in seconds at least, it is looked at all calls that were asked for: pushes of older calls come seldom, and each look reads
/// every call.
const WHOLE_S: u64 = 60;
/// So many times as long as a look at all calls took is waited until the next.
const REST: u32 = 10;
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

/// Follows calls until Ctrl-C: what was there before is not shown, and what changes is shown anew. It looks at those of the last hour each
/// time, and at all that were asked for, of whatever time, once a minute or less often, where there are many.
pub(super) async fn tail(options: TailOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let callee_ids = options.target.callee_ids().await?;
    let callee_id = |number: &str| callee_ids.id_of(number);
    let shown = Shown { numbers: options.numbers, callee_id: &callee_id };
    let began = clock::now();
    let mut seen = Seen::default();
    let mut lines = 0;
    let mut whole_at = Some(tokio::time::Instant::now());
    loop {
        // Each time anew: today is another day after midnight.
        let filter = options.filter.filter(Order::Descending, &callee_ids)?;
        let look_at = tokio::time::Instant::now();
        let is_whole = whole_at.is_some_and(|at| at <= look_at);
        let oldest = (!is_whole).then(|| clock::now().plus_seconds(-BACK_S));
        let (mut found, mut cursor) = (Vec::new(), None::<Cursor>);
        loop {
            let page = receiver
                .store()
                .list_calls(&filter, cursor.as_ref(), PAGE, &callee_id, &Ties::by_key())
                .await?;
            let CallPage { calls, next, .. } = page;
            found.extend(calls);
            let is_older = |next: &Cursor| oldest.is_some_and(|oldest| next.position().at < oldest);
            cursor = next.filter(|next| !is_older(next));
            if cursor.is_none() {
                break;
            }
        }
        found.retain(|call| oldest.is_none_or(|oldest| call.call_at >= oldest));
        // The oldest first, as they would have come.
        found.reverse();
        if is_whole {
            let rest = (look_at.elapsed() * REST).max(Duration::from_secs(WHOLE_S));
            whole_at = tokio::time::Instant::now().checked_add(rest);
        }
        let mut out = io::stdout().lock();
        for call in seen.news(found, began, is_whole) {
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
    /// The calls that are new, or that changed, since the time at which it began. Where these are all, those that are not listed any more are
    /// forgotten.
    fn news(&mut self, found: Vec<ListedRecord>, began: Instant, is_whole: bool) -> Vec<ListedRecord> {
        let is_news = |call: &ListedRecord| match self.0.get(&call.key) {
            Some(version) => *version != call.version,
            None => call.record.updated_at >= began,
        };
        let (news, known): (Vec<_>, Vec<_>) = found.into_iter().partition(is_news);
        let versions = news.iter().chain(&known).map(|call| (call.key.clone(), call.version));
        match is_whole {
            true => self.0 = versions.collect(),
            false => self.0.extend(versions),
        }
        news
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
        let mut news = |calls: Vec<ListedRecord>, is_whole| {
            seen.news(calls, began, is_whole)
                .into_iter()
                .map(|call| call.key.call_id.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        let old = call("old", 1, began.plus_seconds(-1));
        let new = call("new", 1, began);
        assert_eq!(news(vec![old.clone(), new.clone()], true), ["new"]);
        // A look at the last hour alone forgets nothing of what is older.
        assert_eq!(news(vec![], false), [""; 0]);
        assert_eq!(news(vec![old.clone(), new.clone()], true), [""; 0]);
        let changed = call("old", 2, began.plus_seconds(5));
        assert_eq!(news(vec![changed, new], false), ["old"]);
    }
}
