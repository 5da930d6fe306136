//! `callvault bench`: what pushes and recordings cost, each beside the least that they could cost. On this machine alone: nothing leaves
//! it, and every figure is a ratio to something measured in the same run.

mod archive;
mod beside;
pub mod billing;
mod cold;
mod console;
pub mod cost;
mod events;
pub mod memory;
mod pushes;
mod reads;
mod recorder;
mod report;
mod stats;
mod stores;
mod sustained;
mod tls;
mod warm;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

use report::Report;

/// What to measure, and with what.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The parts to run; all of them by default.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    pub only: Vec<Part>,
    /// How often each thing is measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The folder with the functions' programs and the bare ones to compare with, as `cargo build --release` leaves them. By default
    /// `release` beside the folder that this program is in.
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    /// The function whose pushes are measured.
    #[arg(long, default_value = "alicom-call-report")]
    pub function: String,
    /// The program of that function, where it isn't in the folder.
    #[arg(long, value_name = "FILE")]
    pub bootstrap: Option<PathBuf>,
    /// How large the large recording is, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(8..=1024))]
    pub archive_mib: u64,
    /// How many recordings a source half a second away has.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    pub archive_far: usize,
    /// An older program of the archiver, which archives the same from that source.
    #[arg(long, value_name = "FILE")]
    pub archive_baseline: Option<PathBuf>,
    /// How many calls a day has whose pages are read.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10_000..))]
    pub reads_calls: u32,
    /// For how many seconds pushes are measured alone, and as long beside readers.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(3..=3_600))]
    pub beside_seconds: u32,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// From a process's start to its first answer.
    Cold,
    /// Pushes of 1 to 500 elements.
    Warm,
    /// Pushes a second, from many senders at once.
    Sustained,
    /// Copying recordings.
    Archive,
    /// What DynamoDB would bill.
    Billing,
    /// How much memory the costliest bodies take.
    Memory,
    /// What a million calls cost.
    Cost,
    /// Reading pages of a day's calls.
    Reads,
    /// The console's pages.
    Console,
    /// What events cost pushes and archiving, and how long they take.
    Events,
    /// Pushes beside readers.
    Beside,
}

/// Runs the benchmark.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let parts = match options.only.as_slice() {
        [] => Part::value_variants(),
        some => some,
    };
    let programs = match &options.programs {
        Some(folder) => folder.clone(),
        None => release_folder()?,
    };
    let rounds = usize::from(options.rounds);
    let mut report = Report { machine: machine(), sections: Vec::new() };
    for part in parts {
        let section = match part {
            Part::Cold => {
                let bootstrap = options.bootstrap.clone().unwrap_or_else(|| programs.join(&options.function));
                cold::run(&options.function, &bootstrap, &programs, rounds).await
            }
            Part::Warm => warm::run(&options.function, rounds).await,
            Part::Archive => archive::run(&programs, &options).await,
            Part::Sustained => sustained::run(&options.function).await,
            Part::Billing => billing::run().await,
            Part::Memory => memory::run(&programs).await,
            Part::Cost => cost::run().await,
            Part::Reads => reads::run(&programs, &options).await,
            Part::Console => console::run(&programs, rounds).await,
            Part::Events => events::run(rounds).await,
            Part::Beside => beside::run(&programs, &options).await,
        };
        report.sections.push(section.with_context(|| format!("the part {part:?} failed"))?);
    }
    let mut out = std::io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => report.write(&mut out)?,
    }
    Ok(out.flush()?)
}

/// Where `cargo build --release` leaves programs.
fn release_folder() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(Path::parent).context("this program is in no folder")?;
    Ok(target.join("release"))
}

/// The processor and how many cores there are.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<_> = text.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}
