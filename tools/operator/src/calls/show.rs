//! `callvault calls show`.

use std::io::{self, Write};

use anyhow::bail;
use clap::Args;
use runtime::store::reading::Bodies;
use serde_json::Value;
use shared::model::CallKey;
use shared::view::{Object, Shown, alone};

use super::table::{readable, wide};
use crate::Target;
use crate::call_name::{self, Found, call};

/// Which call to show, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct ShowOptions {
    #[command(flatten)]
    target: Target,
    /// The call, as lists name it: `alicom/10000161~5E1000018`.
    #[arg(value_name = "PROVIDER/ID", value_parser = call)]
    call: CallKey,
    /// Show phone numbers, and what is full of them. Without it they are masked, and blacked out in texts.
    #[arg(long)]
    numbers: bool,
    /// As JSON, as the API answers.
    #[arg(long)]
    json: bool,
}

/// Shows all that is stored of a call, but for the bodies of its pushes.
pub(super) async fn show(options: ShowOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let callee_ids = options.target.callee_ids().await?;
    let callee_id = |number: &str| callee_ids.id_of(number);
    let store = receiver.store();
    let found = store.whole_call(&options.call, Bodies::Left).await?;
    let found = match found {
        Some(found) => found,
        None => match call_name::find(store.table(), &options.call).await? {
            Found::Erased => bail!(call_name::ERASED),
            Found::Unknown | Found::Items(_) => bail!(call_name::UNKNOWN),
        },
    };
    let review = store.reviews(std::slice::from_ref(&options.call)).await?.remove(&options.call);
    let review = review.map(serde_json::to_value).transpose()?;
    let shown = alone(&found, review, &Shown { numbers: options.numbers, callee_id: &callee_id });
    let mut out = io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", Value::Object(shown))?,
        false => write(&mut out, &shown)?,
    }
    Ok(())
}

/// One table a part.
fn write(out: &mut impl Write, whole: &Object) -> io::Result<()> {
    for (part, value) in whole {
        let parts = match value {
            Value::Object(_) => vec![value],
            Value::Array(list) => list.iter().collect(),
            _ => Vec::new(),
        };
        for value in parts {
            let mut table = wide();
            table.set_header([part.as_str(), ""]);
            for (name, value) in value.as_object().into_iter().flatten() {
                let text = match (name.as_str(), value) {
                    ("turns", Value::Array(turns)) => turns.iter().map(turn).collect::<Vec<_>>().join("\n"),
                    (_, value) => readable(value),
                };
                table.add_row([readable(&Value::String(name.clone())), text]);
            }
            writeln!(out, "{table}")?;
        }
    }
    Ok(())
}

/// Who said what, and where in the recording.
fn turn(turn: &Value) -> String {
    let speaker = turn["speaker"].as_str().unwrap_or("?");
    let at = turn["start_ms"].as_u64().map(|ms| format!(" at {}.{:03} s", ms / 1000, ms % 1000));
    format!("{speaker}{}: {}", at.unwrap_or_default(), readable(&turn["text"]))
}
