//! `callvault calls`: looking at what is stored, from a terminal. Numbers are masked unless they are asked for.

mod filter;
mod list;
mod show;
mod table;
mod tail;

use clap::{Args, Subcommand};

use list::ListOptions;
use show::ShowOptions;
use tail::TailOptions;

/// What to look at.
#[derive(Args, Clone, Debug)]
pub struct CallsOptions {
    #[command(subcommand)]
    command: CallsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum CallsCommand {
    /// List calls: of today, unless a day, a task or a number is given.
    List(Box<ListOptions>),
    /// Show all that is stored of a call.
    Show(ShowOptions),
    /// Follow the calls of today: each is shown as it comes, and again when more is known of it.
    Tail(Box<TailOptions>),
}

/// Shows calls.
pub async fn calls(options: CallsOptions) -> anyhow::Result<()> {
    match options.command {
        CallsCommand::List(options) => list::list(*options).await,
        CallsCommand::Show(options) => show::show(options).await,
        CallsCommand::Tail(options) => tail::tail(*options).await,
    }
}
