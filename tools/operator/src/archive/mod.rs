//! `callvault archive`: recordings are tried now, whatever was planned for them: those of one call, or all that were lost.

mod lost;
mod one;

use clap::{ArgGroup, Args};
use shared::model::{CallKey, Instant};

use super::Target;
use super::call_name::call;
use super::span;

/// Which recordings, and how long to wait.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("which").required(true).args(["call", "lost"]))]
pub struct ArchiveOptions {
    #[command(flatten)]
    target: Target,
    /// The recordings of this call, `alicom/10000161~5E1000018` or a link to it, also if they were lost.
    #[arg(long, value_name = "PROVIDER/ID", value_parser = call)]
    call: Option<CallKey>,
    /// Only this recording of it, `main`.
    #[arg(long, requires = "call")]
    slot: Option<String>,
    /// How long to wait for the archiver's next run, in seconds.
    #[arg(long, default_value_t = 180, requires = "call")]
    wait: u64,
    /// All recordings that were lost: they are made due again, and the archiver's next runs try them.
    #[arg(long)]
    lost: bool,
    /// Only what is at this host, `rec.example.com` or `rec.example.com:8443`.
    #[arg(long, requires = "lost")]
    host: Option<String>,
    /// Only what was lost at that time or later, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`.
    #[arg(long, value_name = "TIME", requires = "lost", value_parser = span::since)]
    since: Option<Instant>,
    /// Tell how many there are, and change nothing.
    #[arg(long, requires = "lost")]
    dry_run: bool,
}

/// Makes recordings due.
pub async fn archive(options: ArchiveOptions) -> anyhow::Result<()> {
    let ArchiveOptions { target, call, slot, wait, lost: _, host, since, dry_run } = options;
    let table = target.table().await?;
    match call {
        Some(call) => one::archive(&table, &call, slot.as_deref(), wait).await,
        None => lost::archive(&table, host.as_deref(), since, dry_run).await,
    }
}
