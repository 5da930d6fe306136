//! `callvault export`: calls for other programs, each as a vCon.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::{StreamExt, stream};
use runtime::clock;
use runtime::store::Store;
use runtime::store::listing::ListedCall;
use runtime::store::reading::Bodies;
use shared::model::{CallKey, Instant};
use shared::record::keys;
use shared::vcon::{Options, Shown, Vcon, recording_path};
use shared::whole_call::WholeCall;
use tempfile::NamedTempFile;
use url::Url;

use super::Target;
use super::span::{self, DAY_S, ahead_of, in_order};

/// How many calls are read at once.
const MAX_READS: usize = 8;
/// In the place of a folder: standard output.
const STDOUT: &str = "-";

/// What to export, and where to.
#[derive(Args, Clone, Debug)]
pub struct ExportOptions {
    #[command(flatten)]
    target: Target,
    /// As vCons (draft-ietf-vcon-vcon-core, 0.4.0): the form that there is.
    #[arg(long, required = true)]
    vcon: bool,
    /// Only calls of that time or later, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`. Without it: all of them.
    #[arg(long, value_name = "TIME", value_parser = span::since)]
    since: Option<Instant>,
    /// Only calls up to the end of this day or hour, or before this moment. Without it, with --since: up to a year from now.
    #[arg(long, value_name = "TIME", value_parser = span::until)]
    until: Option<Instant>,
    /// Show phone numbers. Without it they are masked, and blacked out in texts.
    #[arg(long)]
    numbers: bool,
    /// Attach the verbatim pushes, which hold numbers.
    #[arg(long, requires = "numbers")]
    pushes: bool,
    /// The base URL of the API at which others can have the recordings. Without it the vCons have their hashes alone.
    #[arg(long, value_name = "URL", value_parser = https)]
    api_url: Option<Url>,
    /// Into which folder: one file a call, named by its UUID. `-` is standard output, one line a call.
    #[arg(long, value_name = "FOLDER", default_value = STDOUT)]
    out: PathBuf,
}

fn https(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_base = url.scheme() == "https" && url.query().is_none() && url.fragment().is_none();
    match is_base && url.username().is_empty() && url.password().is_none() {
        true => Ok(url),
        false => Err("not an https URL without query, fragment and user".to_owned()),
    }
}

/// Exports calls in order of their times; how many is told on standard error. It fails where one could not be read, after all others.
pub async fn export(options: ExportOptions) -> anyhow::Result<()> {
    let until = options.until;
    if let Some((since, until)) = options.since.zip(until) {
        in_order(since, until)?;
    }
    let receiver = options.target.receiver().await?;
    let store = receiver.store();
    let mut export = Export {
        store,
        out: Out::open(&options.out)?,
        options: &options,
        seen: HashSet::new(),
        counts: Counts::default(),
    };
    match options.since {
        Some(since) => {
            // A platform's clock may be ahead, or its zone another.
            let last = until.unwrap_or_else(|| ahead_of(clock::now().max(since)));
            for date in dates(since, last) {
                let calls = store.table().calls_of_day(&date, since).await?;
                export.calls(calls).await?;
            }
        }
        None => export.calls(store.table().calls_of_all_days().await?).await?,
    }
    let Counts { exported, gone, failed } = export.counts;
    export.out.flush()?;
    writeln!(io::stderr(), "exported {exported}, gone meanwhile {gone}, failed {failed}")?;
    ensure!(failed == 0, "{failed} calls could not be exported");
    Ok(())
}

/// The dates in UTC from that of `first` to that of `last`.
fn dates(first: Instant, last: Instant) -> impl Iterator<Item = String> {
    let days = (0..).map(move |day| first.plus_seconds(day * DAY_S).date());
    let last = last.date();
    let mut before = String::new();
    // Times end with the year 2099: what comes after it stays there.
    days.take_while(move |date| *date <= last && std::mem::replace(&mut before, date.clone()) != *date)
}

/// An export under way.
struct Export<'a> {
    store: &'a Store,
    options: &'a ExportOptions,
    out: Out,
    /// What was exported already: a call's time may change meanwhile, to another day.
    seen: HashSet<String>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    exported: usize,
    /// Listed, and erased before they were read.
    gone: usize,
    failed: usize,
}

impl Export<'_> {
    /// Exports calls in order of their times, a few being read ahead.
    async fn calls(&mut self, mut calls: Vec<ListedCall>) -> anyhow::Result<()> {
        let Self { store, options, out, seen, counts } = self;
        let until = options.until.map(|until| until.to_string());
        calls.retain(|call| {
            until.as_ref().is_none_or(|until| call.call_at < *until) && seen.insert(call.pk.clone())
        });
        calls.sort();
        let recording_url = |key: &CallKey, slot: &str| {
            let base = options.api_url.as_ref()?.as_str().trim_end_matches('/');
            Some(format!("{base}{}", recording_path(key, slot)))
        };
        let shown = match (options.numbers, options.pushes) {
            (false, _) => Shown::WithoutNumbers,
            (true, false) => Shown::Numbers,
            (true, true) => Shown::NumbersAndPushes,
        };
        let reads = calls.iter().map(async |ListedCall { pk, .. }| (pk, read(store, pk, shown).await));
        let mut reads = stream::iter(reads).buffered(MAX_READS);
        while let Some((pk, call)) = reads.next().await {
            match call {
                Ok(Some(call)) => {
                    out.write(&Vcon::of(&call, &Options { shown, recording_url: &recording_url }))?;
                    counts.exported += 1;
                }
                Ok(None) => counts.gone += 1,
                // Without its causes: what can't be read may be repeated there.
                Err(error) => {
                    writeln!(io::stderr(), "{pk}  failed: {error}")?;
                    counts.failed += 1;
                }
            }
        }
        Ok(())
    }
}

/// All that is stored of a call; `None` where it was erased.
async fn read(store: &Store, pk: &str, shown: Shown) -> anyhow::Result<Option<WholeCall>> {
    let key = keys::call_of_pk(pk).context("not a call's key")?;
    let bodies = match shown {
        Shown::NumbersAndPushes => Bodies::Fetched,
        Shown::Numbers | Shown::WithoutNumbers => Bodies::Left,
    };
    Ok(store.whole_call(&key, bodies).await?)
}

/// Where the vCons go.
enum Out {
    Lines(BufWriter<Stdout>),
    Folder(PathBuf),
}

impl Out {
    fn open(out: &Path) -> anyhow::Result<Self> {
        if out == Path::new(STDOUT) {
            return Ok(Self::Lines(BufWriter::new(io::stdout())));
        }
        fs::create_dir_all(out).context("the folder can't be made")?;
        Ok(Self::Folder(out.to_owned()))
    }

    fn write(&mut self, vcon: &Vcon) -> anyhow::Result<()> {
        match self {
            Self::Lines(out) => {
                serde_json::to_writer(&mut *out, vcon)?;
                out.write_all(b"\n")?;
            }
            Self::Folder(folder) => {
                // Nobody else may read it, and it is there whole or not at all.
                let mut file = NamedTempFile::new_in(&*folder).context("the folder can't be written to")?;
                let mut writer = BufWriter::new(&mut file);
                serde_json::to_writer(&mut writer, vcon)?;
                writer.flush()?;
                drop(writer);
                file.persist(folder.join(format!("{}.vcon", vcon.uuid())))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(out) => out.flush(),
            Self::Folder(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_asked_for_once() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let days = |first, last| dates(at(first), at(last)).collect::<Vec<_>>();
        assert_eq!(
            days("2025-02-27T23:59:59.999Z", "2025-03-01T00:00:00Z"),
            ["2025-02-27", "2025-02-28", "2025-03-01"]
        );
        assert_eq!(days("2025-06-01T10:00:00Z", "2025-06-01T09:00:00Z"), ["2025-06-01"]);
        assert_eq!(days("2025-06-02T00:00:00Z", "2025-06-01T00:00:00Z"), [""; 0]);
        assert_eq!(
            days("2099-12-30T10:00:00Z", "2099-12-31T23:59:59.999Z"),
            ["2099-12-30", "2099-12-31"],
            "and there it ends"
        );
    }

    #[test]
    fn recordings_are_to_be_had_by_https_alone() {
        for (url, sound) in [
            ("https://calls.example.com", true),
            ("https://calls.example.com/stage/", true),
            ("http://calls.example.com", false),
            ("https://user@calls.example.com", false),
            ("https://calls.example.com/?a=1", false),
            ("calls.example.com", false),
        ] {
            assert_eq!(https(url).is_ok(), sound, "{url}");
        }
    }
}
