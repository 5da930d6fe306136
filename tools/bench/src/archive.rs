//! Archiving: the archiver's own program, from the simulator of the platforms to the embedded S3; one large recording, beside
//! `curl <url> | aws s3 cp - <object>`, and many small ones.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use local_stack::lambda::{Lambda, Process};
use platforms::{Provider, Recording as Served, Settings};
use runtime::clock;
use runtime::store::table::MAX_BATCH;
use serde_json::Value;
use shared::model::{CallId, CallKey, Provider as Platform, Recording, RecordingSource};
use shared::record::item::{self, VERSION};
use tokio::net::TcpListener;

use super::Options;
use super::report::{Bound, Ratio, Section, Table};
use super::stats::Sampled;
use super::stores::Stores;

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the large recording is archived.
const TURNS: usize = 3;
/// How many small recordings there are, and how large each is, in bytes: a minute of sound in the usual MP3.
const SMALL: (usize, u64) = (1_000, 240_000);
/// How far away the source is, and how far for the comparison of workers: four of them at the nearer one would need more of this machine's
/// processors than there are.
const FAR: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// One MiB, in bytes.
const MIB: u64 = 1024 * 1024;
const EVENT: &str = include_str!("../../../events/archive-recordings.json");

/// Runs it.
pub(super) async fn run(programs: &Path, options: &Options) -> anyhow::Result<Section> {
    let large_mib = options.archive_mib;
    let program = programs.join(archive_recordings::FUNCTION);
    if !program.is_file() {
        bail!("{} is not there: cargo build --release -p archive-recordings", program.display());
    }
    let rig = Rig {
        stores: Stores::start().await?,
        provider: platforms::start(TcpListener::bind("127.0.0.1:0").await?, Settings::default())?,
        program: program.clone(),
    };
    let missing = ["curl", "aws"].into_iter().find(|tool| !available(tool));
    let (mut ours, mut pipe, mut peaks, mut cpu) =
        (Sampled::default(), Sampled::default(), (0, 0), Duration::ZERO);
    // In turns, so that whatever else happens on this machine happens to both.
    for turn in 0..TURNS {
        let small = rig.archive(&format!("small-{turn}"), 1, large_mib * MIB / 8).await?;
        let large = rig.archive(&format!("large-{turn}"), 1, large_mib * MIB).await?;
        ours.add(large.took);
        peaks = (small.peak_bytes.max(peaks.0), large.peak_bytes.max(peaks.1));
        cpu = large.cpu;
        if missing.is_none() {
            let url = rig.url(&format!("large-{turn}-0.wav"))?;
            let endpoint = rig.stores.s3.endpoint();
            let (begun, joining) = (Instant::now(), rig.stores.s3.joining());
            tokio::task::spawn_blocking(move || copy(&url, &endpoint)).await??;
            pipe.add(begun.elapsed().saturating_sub(rig.stores.s3.joining() - joining));
        }
    }
    let many = rig.archive("many", SMALL.0, SMALL.1).await?;

    let mib_a_second = |times: &Sampled| large_mib as f64 / (times.percentile(0.0) / 1_000.0);
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    let mut table = Table::new(
        format!("one recording of {large_mib} MiB, best of {TURNS}"),
        &["MiB a second", "peak MiB", "CPU ms a MiB"],
    );
    let cpu_ms = cpu.as_secs_f64() * 1_000.0 / large_mib as f64;
    table.row("archive-recordings", [Some(mib_a_second(&ours)), Some(mib(peaks.1)), Some(cpu_ms)]);
    let mut ratios = vec![Ratio {
        what: format!("peak memory: {large_mib} MiB / {} MiB", large_mib / 8),
        value: mib(peaks.1) / mib(peaks.0),
        bound: Some(Bound::AtMost(1.2)),
    }];
    let mut notes = vec![
        "each run is a new process; its start is in the time, as the pipe's is in its own".to_owned(),
        "how long the local S3 copies parts into one object, which AWS's does not, is in neither".to_owned(),
        "source, S3 and archiver share this machine's cores: in AWS the network is the limit, and grows with memory".to_owned(),
    ];
    match missing {
        Some(tool) => notes.push(format!("not compared with curl piped to aws s3 cp: {tool} is not there")),
        None => {
            table.row("curl | aws s3 cp", [Some(mib_a_second(&pipe)), None, None]);
            ratios.push(Ratio {
                what: "MiB a second: archiver / curl | aws s3 cp".to_owned(),
                value: mib_a_second(&ours) / mib_a_second(&pipe),
                bound: Some(Bound::AtLeast(0.95)),
            });
        }
    }
    let mut small = Table::new(
        format!("{} recordings of {} KB", SMALL.0, SMALL.1 / 1_000),
        &["recordings a minute", "peak MiB", "CPU ms each"],
    );
    let minutes = many.took.as_secs_f64() / 60.0;
    let each_ms = many.cpu.as_secs_f64() * 1_000.0 / SMALL.0 as f64;
    small.row("archive-recordings", [SMALL.0 as f64 / minutes, mib(many.peak_bytes), each_ms].map(Some));
    let far = rig.far(options, &mut ratios, &mut notes).await?;
    rig.provider.stop().await;
    Ok(Section { name: "archive", tables: vec![table, small, far], ratios, notes })
}

struct Rig {
    stores: Stores,
    provider: Provider,
    program: std::path::PathBuf,
}

/// What a run took, but for the time in which this S3, unlike AWS's, copied parts into one.
struct Run {
    took: Duration,
    cpu: Duration,
    peak_bytes: u64,
}

impl Rig {
    /// Announces recordings, and has a new process archive them.
    async fn archive(&self, name: &str, count: usize, bytes: u64) -> anyhow::Result<Run> {
        self.announce(name, count, bytes, Duration::ZERO).await?;
        let (report, run) = self.invoke(&self.program, 1).await?;
        ensure!(archived(&report, count, bytes), "it archived something else: {report}");
        Ok(run)
    }

    /// Recordings from a source far away: by an older program, if there is one, and by this one; from one still farther away by one worker and
    /// by four.
    async fn far(
        &self,
        options: &Options,
        ratios: &mut Vec<Ratio>,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Table> {
        let (count, bytes) = (options.archive_far, SMALL.1);
        let mut table = Table::new(
            format!("{count} recordings of {} KB, each from a source that takes its time", bytes / 1_000),
            &["ms to the first byte", "recordings a second", "peak MiB"],
        );
        let mut pace = Vec::new();
        for (name, program, workers, latency) in [
            ("an older program", options.archive_baseline.as_ref(), 1, FAR.0),
            ("archive-recordings", Some(&self.program), 1, FAR.0),
            ("one worker", Some(&self.program), 1, FAR.1),
            ("four workers", Some(&self.program), 4, FAR.1),
        ] {
            let Some(program) = program else { continue };
            self.announce(&name.replace(' ', "-"), count, bytes, latency).await?;
            let begun = Instant::now();
            let runs = (0..workers).map(|_| self.invoke(program, workers));
            let runs = futures_util::future::try_join_all(runs).await?;
            let took = begun.elapsed().as_secs_f64();
            let shares: Vec<_> = runs.iter().filter_map(|(report, _)| report["archived"].as_u64()).collect();
            let archived: u64 = shares.iter().sum();
            if workers > 1 {
                notes.push(format!("{name} archived {shares:?}"));
            }
            let reports: Vec<_> = runs.iter().map(|(report, _)| report).collect();
            ensure!(archived == count as u64, "{name}: {archived} of {count} were archived: {reports:?}");
            let peak = runs.iter().map(|(_, run)| run.peak_bytes).max().unwrap_or_default();
            table.row(
                name,
                [latency.as_millis() as f64, count as f64 / took, peak as f64 / MIB as f64].map(Some),
            );
            pace.push((name, count as f64 / took));
        }
        let of = |wanted: &str| pace.iter().find(|(name, _)| *name == wanted).map(|(_, pace)| *pace);
        for (what, value, bound) in [
            (
                "recordings a second: this program / the older one",
                of("archive-recordings").zip(of("an older program")),
                10.0,
            ),
            ("recordings a second: four workers / one", of("four workers").zip(of("one worker")), 3.5),
        ] {
            ratios.extend(value.map(|(this, other)| Ratio {
                what: what.to_owned(),
                value: this / other,
                bound: Some(Bound::AtLeast(bound)),
            }));
        }
        Ok(table)
    }

    /// Has a new process of a program archive what is due, as one of so many, and gives back its report.
    async fn invoke(&self, program: &Path, workers: usize) -> anyhow::Result<(Value, Run)> {
        let mut lambda = Lambda::start().await?;
        let mut command = lambda.command(program, archive_recordings::FUNCTION, 512);
        command
            .env("DYNAMODB_ENDPOINT", self.stores.dynamodb.endpoint())
            .env("S3_ENDPOINT", self.stores.s3.endpoint())
            .env("TABLE_NAME", "callvault")
            .env("BUCKET_NAME", "callvault")
            .env("RECORDING_HOSTS", self.provider.address().to_string())
            .env("ARCHIVE_WORKERS", workers.to_string())
            .env("MAX_RECORDING_BYTES", (2 * 1024 * MIB).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let (begun, joining) = (Instant::now(), self.stores.s3.joining());
        let process = Process::start(command)?;
        lambda.invoke(EVENT);
        let (answered, report) = lambda.answered(PATIENCE).await?;
        let run = Run {
            took: (answered - begun).saturating_sub(self.stores.s3.joining() - joining),
            cpu: process.cpu_time()?,
            peak_bytes: process.peak_memory_bytes()?,
        };
        Ok((report, run))
    }

    fn url(&self, name: &str) -> anyhow::Result<String> {
        let until = Timestamp::now().checked_add(SignedDuration::from_hours(24))?;
        Ok(self.provider.signed_url(name, until))
    }

    /// Stores recordings as a push that announces them does.
    async fn announce(&self, name: &str, count: usize, bytes: u64, latency: Duration) -> anyhow::Result<()> {
        let now = clock::now();
        let items = (0..count).map(|number| {
            let name = format!("{name}-{number}.wav");
            self.provider.add_recording(Served::new(name.as_str()).bytes(bytes).latency(latency));
            let call_id = CallId::new(name.clone()).context("the name is an id")?;
            let source = RecordingSource {
                slot: "main".to_owned(),
                url: Some(self.url(&name)?),
                id: None,
                expires_at: Some(now.plus_seconds(24 * 3_600)),
                call_at: now,
            };
            let call = CallKey { provider: Platform::Alicom, call_id };
            let mut item = item::recording_item(&call, Recording::new(source, now));
            item.insert(VERSION, 1);
            Ok(item)
        });
        let items = items.collect::<anyhow::Result<Vec<_>>>()?;
        for batch in items.chunks(MAX_BATCH) {
            self.stores.store.table().put_batch(batch.to_vec()).await?;
        }
        Ok(())
    }
}

fn archived(report: &Value, count: usize, bytes: u64) -> bool {
    report["archived"] == count && report["bytes"] == bytes * count as u64
}

fn available(tool: &str) -> bool {
    let status = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn copy(url: &str, s3: &str) -> anyhow::Result<()> {
    let mut curl = Command::new("curl").args(["-sS", url]).stdout(Stdio::piped()).spawn()?;
    let recording = curl.stdout.take().context("curl has no output")?;
    let copied = Command::new("aws")
        .args(["--endpoint-url", s3, "s3", "cp", "-", "s3://callvault/compared"])
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .stdin(recording)
        .status()?;
    ensure!(curl.wait()?.success() && copied.success(), "curl | aws s3 cp failed");
    Ok(())
}
