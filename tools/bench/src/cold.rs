//! Cold starts: a function's own program, from the process's start to its first answer, with DynamoDB behind TLS; and what it does once it
//! is warm, and when the server has closed its connection meanwhile. Beside it, programs that do next to nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use catalog::token;
use local_stack::lambda::{Lambda, Process};
use runtime::store::table::MAX_BATCH;
use tempfile::TempDir;

use super::pushes::{Sample, TOKEN, acknowledged};
use super::report::{Bound, Ratio, Section, Table};
use super::stats::Times;
use super::stores::Stores;
use super::tls::TlsFront;
use super::warm;

/// How long a process is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many warm requests each process serves.
const WARM: usize = 30;
/// What a virtual processor takes of memory, in MB: Lambda gives processor time in proportion.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const MB_PER_PROCESSOR: f64 = 1_769.0;
/// The memory sizes that figures are derived for, in MB.
const MEMORY_MB: [u32; 5] = [128, 256, 512, 1024, 1769];
/// How many elements the larger pushes have that each process gets.
const SIZES: [usize; 2] = [10, 100];
/// How long a sender waits for an answer.
const SENDER_WAITS_MS: f64 = 700.0;
/// How long DynamoDB takes to answer, where a figure is derived.
const ROUND_TRIP_MS: f64 = 5.0;
/// Within how many ms a new process should have answered.
const TARGET_MS: f64 = 200.0;

/// A program to start.
struct Program {
    what: &'static str,
    path: PathBuf,
    /// Whether it answers pushes.
    pushes: bool,
}

/// What one kind of program was seen to take.
#[derive(Default)]
struct Taken {
    init: Times,
    first: Times,
    warm: Times,
    closed: Times,
    closed_at_once: Times,
    sizes: [Times; SIZES.len()],
    connections: Vec<usize>,
}

/// Runs it.
pub(super) async fn run(
    function: &str,
    bootstrap: &Path,
    bare: &Path,
    rounds: usize,
) -> anyhow::Result<Section> {
    let sample = Sample::of(function)?;
    let programs = [
        Program { what: "callvault", path: bootstrap.to_owned(), pushes: true },
        Program { what: "empty bootstrap", path: bare.join("bare-empty"), pushes: false },
        Program { what: "bare PutItem", path: bare.join("bare-put-item"), pushes: false },
    ];
    for program in &programs {
        if !program.path.is_file() {
            bail!(
                "{} is not there: cargo build --release -p {function} && cargo build --release -p bare-bootstraps",
                program.path.display()
            );
        }
    }
    let stores = Stores::start().await?;
    let folder = TempDir::new()?;
    let mut rig = Rig { sample, stores, folder, started: 0 };
    let mut taken = programs.each_ref().map(|_| Taken::default());
    let mut roots = 0;
    // In turns, so that whatever else happens on this machine happens to all. The first round warms the disk's cache.
    for round in 0..=rounds {
        for (program, taken) in programs.iter().zip(&mut taken) {
            let mut discarded = Taken::default();
            let taken = if round == 0 { &mut discarded } else { taken };
            roots = rig.life(program, taken).await.with_context(|| program.path.display().to_string())?;
        }
    }
    Ok(section(function, &programs, &taken, roots, rounds))
}

/// Where programs run.
struct Rig {
    sample: Sample,
    stores: Stores,
    folder: TempDir,
    started: usize,
}

impl Rig {
    /// Starts a program twice: once through its first requests, warm ones and one after it was frozen and its connection closed; once
    /// with the connection closed as soon as it has started. Gives back how many certificates the system trusts.
    async fn life(&mut self, program: &Program, taken: &mut Taken) -> anyhow::Result<usize> {
        let front = TlsFront::start(self.stores.dynamodb.local_addr()).await?;
        let roots_file = self.folder.path().join("roots.pem");
        let roots = front.write_roots(&roots_file)?;

        let mut running = Running::start(self, program, &front, &roots_file, Some(&mut taken.init)).await?;
        running.invoke(self, program, Some(&mut taken.first)).await?;
        for _ in 0..WARM {
            running.invoke(self, program, Some(&mut taken.warm)).await?;
        }
        taken.connections.push(front.connections());
        if program.pushes {
            for (size, times) in SIZES.into_iter().zip(&mut taken.sizes) {
                running.push(self, program, size, Some(times)).await?;
            }
        }
        running.close_while_frozen(&front).await?;
        running.invoke(self, program, Some(&mut taken.closed)).await?;
        drop(running);

        let mut running = Running::start(self, program, &front, &roots_file, None).await?;
        running.close_while_frozen(&front).await?;
        running.invoke(self, program, Some(&mut taken.closed_at_once)).await?;
        Ok(roots)
    }
}

/// A program under a Lambda of its own.
struct Running {
    lambda: Lambda,
    process: Process,
}

impl Running {
    async fn start(
        rig: &mut Rig,
        program: &Program,
        front: &TlsFront,
        roots: &Path,
        taken: Option<&mut Times>,
    ) -> anyhow::Result<Self> {
        let mut lambda = Lambda::start().await?;
        let mut command = lambda.command(&program.path, rig.sample.function, 256);
        settings(&mut command, front, roots)?;
        command.stdin(Stdio::null()).stdout(File::create("/dev/null")?).stderr(Stdio::null());
        let begun = Instant::now();
        let process = Process::start(command)?;
        let ready = lambda.ready(PATIENCE).await?;
        if let Some(taken) = taken {
            taken.add(ready - begun, settled(&process).await?);
        }
        Ok(Self { lambda, process })
    }

    /// Invokes it with a push of one element.
    async fn invoke(
        &mut self,
        rig: &mut Rig,
        program: &Program,
        taken: Option<&mut Times>,
    ) -> anyhow::Result<()> {
        self.push(rig, program, 1, taken).await
    }

    /// Invokes it with a push, and waits until it has answered and asks for the next invocation.
    async fn push(
        &mut self,
        rig: &mut Rig,
        program: &Program,
        size: usize,
        taken: Option<&mut Times>,
    ) -> anyhow::Result<()> {
        rig.started += 1;
        let event = rig.sample.event(&format!("cold-{:08}", rig.started), size);
        let cpu_before = settled(&self.process).await?;
        let begun = Instant::now();
        self.lambda.invoke(event);
        let (answered, answer) = self.lambda.answered(PATIENCE).await?;
        match program.pushes {
            true => acknowledged(&answer, size)?,
            false if answer.is_null() => {}
            false => bail!("it failed: {answer}"),
        }
        self.lambda.ready(PATIENCE).await?;
        if let Some(taken) = taken {
            taken.add(answered - begun, settled(&self.process).await?.saturating_sub(cpu_before));
        }
        Ok(())
    }

    /// What happens to a function between two invocations that are far apart.
    async fn close_while_frozen(&self, front: &TlsFront) -> anyhow::Result<()> {
        self.process.freeze()?;
        front.close_all();
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.process.thaw()?;
        Ok(())
    }
}

/// The processor time of a process once it has come to rest.
pub(super) async fn settled(process: &Process) -> anyhow::Result<Duration> {
    let mut before = process.cpu_time()?;
    loop {
        tokio::time::sleep(Duration::from_millis(3)).await;
        let now = process.cpu_time()?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}

/// What Lambda and the template set, and nothing of this process's environment.
pub(super) fn settings(command: &mut Command, front: &TlsFront, roots: &Path) -> anyhow::Result<()> {
    let inherited: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    command.env_clear();
    for (name, value) in inherited {
        command.env(name, value.unwrap_or_default());
    }
    command
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        // As long as Lambda's.
        .env("AWS_SESSION_TOKEN", "local".repeat(200))
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .env("TABLE_NAME", "callvault")
        .env("BUCKET_NAME", "callvault")
        .env("DYNAMODB_ENDPOINT", front.endpoint())
        .env("S3_ENDPOINT", "")
        .env("PUSH_TOKEN_SHA256", token::digest(TOKEN))
        .env("METRICS_NAMESPACE", "callvault")
        .env("SSL_CERT_FILE", roots);
    Ok(())
}

fn section(function: &str, programs: &[Program], taken: &[Taken], roots: usize, rounds: usize) -> Section {
    let mut times = Table::new(
        format!("{function}: medians of {rounds} processes, in ms"),
        &[
            "init wall",
            "init CPU",
            "first wall",
            "first CPU",
            "warm wall",
            "warm CPU",
            "closed wall",
            "closed CPU",
            "closed at once wall",
            "closed at once CPU",
            "connections",
        ],
    );
    for (program, taken) in programs.iter().zip(taken) {
        let stations = [&taken.init, &taken.first, &taken.warm, &taken.closed, &taken.closed_at_once];
        let figures = stations.into_iter().flat_map(|times| [times.wall.median(), times.cpu.median()]);
        let connections = taken.connections.iter().max().map(|most| *most as f64);
        times.row(program.what, figures.map(Some).chain([connections]));
    }
    let [ours, _, bare] = taken else { return Section::default() };
    let cpu = |times: &Times| times.cpu.median();
    let together = |taken: &Taken| cpu(&taken.init) + cpu(&taken.first);
    let ratio =
        |what: &str, one: f64, other: f64, bound| Ratio { what: what.to_owned(), value: one / other, bound };
    let ratios = vec![
        ratio(
            "first request / warm request, CPU",
            cpu(&ours.first),
            cpu(&ours.warm),
            Some(Bound::AtMost(3.0)),
        ),
        ratio(
            "init and first push / empty bootstrap with one PutItem over TLS, CPU",
            together(ours),
            together(bare),
            Some(Bound::AtMost(1.5)),
        ),
        ratio(
            "first request, its connection closed before / first request, CPU",
            cpu(&ours.closed_at_once),
            cpu(&ours.first),
            None,
        ),
        ratio(
            "after an idle connection was closed / warm request, CPU",
            cpu(&ours.closed),
            cpu(&ours.warm),
            None,
        ),
    ];
    let mut derived = Table::new(
        "derived: the first answer of a new process at each memory size, in ms (init as measured, since Lambda doesn't throttle it; the first request's CPU in proportion to memory, and what it waits for)",
        &["init", "first request", "first answer", "warm answer", "after a thaw"],
    );
    for memory in MEMORY_MB {
        let slower = |times: &Times| slowed(cpu(times), times.wall.median(), memory);
        let (init, first) = (ours.init.wall.median(), slower(&ours.first));
        let figures = [init, first, init + first, slower(&ours.warm), slower(&ours.closed)];
        derived.row(format!("{memory} MB"), figures.map(Some));
    }
    let mut sizes =
        Table::new("warm pushes of more elements, medians in ms", &["wall", "CPU", "CPU an element"]);
    for (size, times) in SIZES.into_iter().zip(&ours.sizes) {
        let figures = [times.wall.median(), cpu(times), cpu(times) / size as f64];
        sizes.row(format!("{size} elements"), figures.map(Some));
    }
    let least = MEMORY_MB.into_iter().find(|memory| {
        ours.init.wall.median() + slowed(cpu(&ours.first), ours.first.wall.median(), *memory) <= TARGET_MS
    });
    let notes = vec![
        format!("the process trusts {roots} certificates of this system and the benchmark's, as it would in Lambda"),
        "CPU is user and system time of all threads, until the process asks for its next invocation: logs included".to_owned(),
        "closed: frozen, the server closes the connection, thawed; at once: before the first request".to_owned(),
        match least {
            Some(memory) => format!("derived: a first answer within {TARGET_MS} ms from {memory} MB on"),
            None => format!("derived: no first answer within {TARGET_MS} ms"),
        },
        "not in it: Lambda's own work before the process starts (fetching and unpacking the program), and the network to DynamoDB".to_owned(),
    ];
    Section { name: "cold", tables: vec![times, sizes, derived, largest(ours)], ratios, notes }
}

/// The largest push that is answered while its sender waits.
fn largest(taken: &Taken) -> Table {
    let title = format!(
        "derived: the largest push within {SENDER_WAITS_MS} ms (CPU as above, {} requests at once, each answered within {ROUND_TRIP_MS} ms; the first of a process with its init)",
        warm::MAX_REQUESTS
    );
    let mut table = Table::new(title, &["elements, warm", "elements, new process"]);
    let [.., (elements, times)] =
        SIZES.map(|size| size as f64).into_iter().zip(&taken.sizes).collect::<Vec<_>>()[..]
    else {
        return table;
    };
    for memory in MEMORY_MB {
        let cpu_ms = slowed(times.cpu.median() / elements, 0.0, memory);
        // One request for each call, and the verbatim pushes in batches.
        let waits_ms = (1.0 + 1.0 / MAX_BATCH as f64) / warm::MAX_REQUESTS as f64 * ROUND_TRIP_MS;
        let within = |ms: f64| Some((ms.max(0.0) / (cpu_ms + waits_ms)).floor());
        let first = slowed(taken.first.cpu.median() - taken.warm.cpu.median(), 0.0, memory);
        table.row(
            format!("{memory} MB"),
            [within(SENDER_WAITS_MS), within(SENDER_WAITS_MS - taken.init.wall.median() - first)],
        );
    }
    table
}

/// How long something takes where the process has less than a processor: its CPU time in proportion, and the rest as it was.
fn slowed(cpu_ms: f64, wall_ms: f64, memory_mb: u32) -> f64 {
    let share = (f64::from(memory_mb) / MB_PER_PROCESSOR).min(1.0);
    cpu_ms / share + (wall_ms - cpu_ms).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processor_time_grows_with_less_memory() {
        assert_eq!(slowed(2.0, 5.0, 1_769), 5.0);
        assert_eq!(slowed(2.0, 5.0, 4_000), 5.0);
        assert_eq!(slowed(128.0, 130.0, 1_769 / 2).round(), 258.0);
        assert_eq!(slowed(4.0, 3.0, 1_769), 4.0, "two threads may have run at once");
    }
}
