//! `callvault calls list`.

use std::io::{self, Write};

use anyhow::Context;
use clap::Args;
use runtime::store::reading::{CallPage, MAX_PAGE};
use serde_json::{Value, json};
use shared::reading::{Cursor, Order, Ties};
use shared::view::{Shown, listed};

use super::filter::{FilterOptions, order};
use super::table;
use crate::Target;

/// Which calls to list, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct ListOptions {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    filter: FilterOptions,
    /// The newest first, `desc`, or the oldest, `asc`.
    #[arg(long, default_value = "desc", value_parser = order)]
    order: Order,
    /// How many calls, 1 to 1000.
    #[arg(long, default_value_t = 50, value_parser = limit)]
    limit: usize,
    /// Go on where another list ended.
    #[arg(long, conflicts_with = "all")]
    cursor: Option<String>,
    /// List all of them, however many there are: `--limit` at a time.
    #[arg(long)]
    all: bool,
    /// Show phone numbers. Without it they are masked, and blacked out in texts.
    #[arg(long)]
    numbers: bool,
    /// As JSON: one object a page, as the API answers.
    #[arg(long)]
    json: bool,
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| format!("not a number from 1 to {MAX_PAGE}"))
}

/// Lists calls. Where the list goes on is told on standard error.
pub(super) async fn list(options: ListOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let callee_ids = options.target.callee_ids().await?;
    let callee_id = |number: &str| callee_ids.id_of(number);
    let filter = options.filter.filter(options.order, &callee_ids)?;
    let cursor = options.cursor.as_deref().map(|cursor| Cursor::decode(cursor, &filter)).transpose();
    let mut cursor = cursor.context("--cursor")?;
    let shown = Shown { numbers: options.numbers, callee_id: &callee_id };
    let mut unreadable_calls = 0;
    loop {
        let page = receiver
            .store()
            .list_calls(&filter, cursor.as_ref(), options.limit, &callee_id, &Ties::by_key())
            .await?;
        let CallPage { calls, next, scanned, unreadable } = page;
        unreadable_calls += unreadable;
        let calls: Vec<_> = calls.iter().map(|call| listed(&call.key, &call.record, &shown)).collect();
        let next_text = next.as_ref().map(Cursor::encode);
        let mut out = io::stdout().lock();
        match options.json {
            true => {
                let calls: Vec<_> = calls.into_iter().map(Value::Object).collect();
                writeln!(out, "{}", json!({"calls": calls, "next": next_text, "scanned": scanned}))?;
            }
            // A page may have none although others have.
            false if calls.is_empty() && options.all => {}
            false => writeln!(out, "{}", table::of_calls(&calls, options.filter.zone()))?,
        }
        drop(out);
        cursor = next;
        match (options.all, next_text) {
            (true, Some(_)) => {}
            (false, Some(next)) if !options.json => {
                writeln!(io::stderr(), "looked at {scanned}; it goes on with --cursor {next}")?;
                break;
            }
            _ => break,
        }
    }
    if unreadable_calls > 0 {
        writeln!(io::stderr(), "{unreadable_calls} calls can't be read, and are not listed")?;
    }
    Ok(())
}
