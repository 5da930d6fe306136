//! Pushes beside readers: both functions' own programs, each under a Runtime API, on the same processors and the same table. Pushes come at a
//! steady pace, alone and beside readers who want so many pages a second, in turns; what is compared is how long a push waits.
//!
//! A push's time runs from when it was to come, so that what waits for a free process counts as well. Pushes and pages come at a steady pace, but
//! not in step: within its share of a second each comes at another moment.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use local_stack::issuer::{self, Issuer};
use local_stack::lambda::{Lambda, Process};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Options;
use super::pushes::{Sample, acknowledged};
use super::reads;
use super::report::{Bound, Ratio, Section, Table};
use super::stats::Sampled;
use super::stores::{Stores, settings};

/// Pushes come 30 times a second, of one element each: what a thousand concurrent callers make.
const PUSHES: Pace = Pace { a_second: 30, step: 0.618_033_988_749_895 };
/// Readers want 30 pages a second.
const PAGES: Pace = Pace { a_second: 30, step: std::f64::consts::SQRT_2 };
/// How many processes there are of each function: more than are busy at once, as Lambda would have them.
const PROCESSES: usize = 8;
/// Pushes alone and beside readers take turns, so that whatever else happens on this machine happens to both.
const TURNS: u32 = 3;
/// How often each process is used before anything is measured.
const WARM_UP: usize = 10;
/// The push functions' memory by default, in MB.
const PUSH_MEMORY_MB: u32 = 256;
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: &str = "2025-06-01";

/// When requests come.
#[derive(Clone, Copy)]
struct Pace {
    a_second: u32,
    /// By how much of its share of a second each comes later than the one before, but for whole ones: irrational, so that they come at every
    /// moment of it equally often.
    step: f64,
}

impl Pace {
    /// So long after the begin a request comes.
    fn due(self, number: u32) -> Duration {
        let within = (f64::from(number) * self.step).fract();
        Duration::from_secs_f64((f64::from(number) + within) / f64::from(self.a_second))
    }
}

/// A process of a function, and for readers where their walk stands.
struct Worker {
    lambda: Lambda,
    /// It is killed when dropped.
    _process: Process,
    next: Option<String>,
}

impl Worker {
    /// Has it answer an event; when it did, and what.
    async fn answer(&mut self, event: String) -> anyhow::Result<(Instant, Value)> {
        self.lambda.invoke(event);
        let (at, answer) = self.lambda.answered(PATIENCE).await?;
        self.lambda.ready(PATIENCE).await?;
        Ok((Instant::from_std(at), answer))
    }
}

/// The processes of a function, each of which has one request at a time.
struct Pool {
    free: Mutex<mpsc::UnboundedReceiver<Worker>>,
    back: mpsc::UnboundedSender<Worker>,
}

impl Pool {
    fn of(workers: Vec<Worker>) -> Self {
        let (back, free) = mpsc::unbounded_channel();
        // The other end is held here.
        workers.into_iter().for_each(|worker| drop(back.send(worker)));
        Self { free: Mutex::new(free), back }
    }

    async fn take(&self) -> anyhow::Result<Worker> {
        self.free.lock().await.recv().await.context("the pool is gone")
    }

    fn give_back(&self, worker: Worker) {
        drop(self.back.send(worker));
    }
}

/// What is needed to make requests.
struct Rig {
    sample: Sample,
    token: String,
    pushers: Pool,
    readers: Pool,
    number: AtomicUsize,
}

impl Rig {
    /// Pushes a call that nobody knows yet, and gives back when it was acknowledged.
    async fn push(&self) -> anyhow::Result<Instant> {
        let name = format!("beside-{:08}", self.number.fetch_add(1, Ordering::SeqCst));
        let event = self.sample.event(&name, 1);
        let mut worker = self.pushers.take().await?;
        let (at, answer) = worker.answer(event).await?;
        self.pushers.give_back(worker);
        acknowledged(&answer, 1)?;
        Ok(at)
    }

    /// Reads a page, where the process's walk stands, and gives back when it was there.
    async fn page(&self) -> anyhow::Result<Instant> {
        let mut worker = self.readers.take().await?;
        let event = reads::page_event(DAY, worker.next.as_deref(), &self.token)?;
        let (at, answer) = worker.answer(event).await?;
        worker.next = reads::next_of(&answer)?;
        self.readers.give_back(worker);
        Ok(at)
    }
}

/// What came of one side's requests.
#[derive(Default)]
struct Seen {
    took: Sampled,
    requests: usize,
    seconds: f64,
}

impl Seen {
    fn add(&mut self, (took, lasted): (Vec<Duration>, Duration)) {
        self.requests += took.len();
        self.seconds += lasted.as_secs_f64();
        took.into_iter().for_each(|took| self.took.add(took));
    }

    fn a_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    fn figures(&self) -> [Option<f64>; 4] {
        let Self { took, .. } = self;
        [self.a_second(), took.median(), took.percentile(95.0), took.percentile(99.0)].map(Some)
    }
}

/// Runs it.
pub(super) async fn run(programs: &Path, options: &Options) -> anyhow::Result<Section> {
    let pusher = options.bootstrap.clone().unwrap_or_else(|| programs.join(&options.function));
    let reader = programs.join(reads::FUNCTION);
    for (program, package) in [(&pusher, options.function.as_str()), (&reader, reads::FUNCTION)] {
        ensure!(program.is_file(), "{} is not there: cargo build --release -p {package}", program.display());
    }
    let folder = tempfile::tempdir()?;
    let stores = Stores::start_in(Some(folder.path())).await?;
    let issuer = Issuer::start(TcpListener::bind(issuer::address(0)).await?)?;
    let record = reads::record(&stores).await?;
    reads::seed(&stores.store, &record, DAY, reads::FEW).await?;
    let rig = Arc::new(rig(&stores, &issuer, &options.function, &pusher, &reader).await?);
    for _ in 0..WARM_UP * PROCESSES {
        rig.push().await?;
        rig.page().await?;
    }
    let span = Duration::from_secs(options.beside_seconds.into()) / TURNS;
    let (mut alone, mut beside, mut pages) = (Seen::default(), Seen::default(), Seen::default());
    for _ in 0..TURNS {
        alone.add(paced(&rig, PUSHES, span, push).await?);
        let (pushed, read) =
            tokio::try_join!(paced(&rig, PUSHES, span, push), paced(&rig, PAGES, span, page))?;
        beside.add(pushed);
        pages.add(read);
    }
    Ok(section(options, &alone, &beside, &pages))
}

async fn rig(
    stores: &Stores,
    issuer: &Issuer,
    function: &str,
    pusher: &Path,
    reader: &Path,
) -> anyhow::Result<Rig> {
    let sample = Sample::of(function)?;
    let (mut pushers, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        let mut lambda = Lambda::start().await?;
        let mut command = lambda.command(pusher, sample.function, PUSH_MEMORY_MB);
        set(&mut command, stores);
        let process = Process::start(command)?;
        lambda.ready(PATIENCE).await?;
        pushers.push(Worker { lambda, _process: process, next: None });
        let (lambda, process) = reads::reader(reader, stores, issuer).await?;
        readers.push(Worker { lambda, _process: process, next: None });
    }
    Ok(Rig {
        sample,
        token: issuer.machine_token("calls.read"),
        pushers: Pool::of(pushers),
        readers: Pool::of(readers),
        number: AtomicUsize::new(0),
    })
}

/// The settings of a push function. What it logs goes nowhere.
fn set(command: &mut Command, stores: &Stores) {
    let look_up = settings(&stores.dynamodb.endpoint(), &stores.s3.endpoint());
    for variable in ["DYNAMODB_ENDPOINT", "S3_ENDPOINT", "TABLE_NAME", "BUCKET_NAME", "PUSH_TOKEN_SHA256"] {
        command.env(variable, look_up(variable).unwrap_or_default());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}

async fn push(rig: Arc<Rig>) -> anyhow::Result<Instant> {
    rig.push().await
}

async fn page(rig: Arc<Rig>) -> anyhow::Result<Instant> {
    rig.page().await
}

/// Makes so many requests a second for a while, whether or not those before are answered; how long each waited from when it was to come, and
/// how long it took until all were answered.
async fn paced<F>(
    rig: &Arc<Rig>,
    pace: Pace,
    span: Duration,
    request: impl Fn(Arc<Rig>) -> F,
) -> anyhow::Result<(Vec<Duration>, Duration)>
where
    F: Future<Output = anyhow::Result<Instant>> + Send + 'static,
{
    let begun = Instant::now();
    let mut requests = JoinSet::new();
    for due in (0..).map(|number| pace.due(number)).take_while(|due| *due < span) {
        let due = begun + due;
        sleep_until(due).await;
        let request = request(Arc::clone(rig));
        requests.spawn(async move { anyhow::Ok(request.await?.saturating_duration_since(due)) });
    }
    let mut took = Vec::new();
    while let Some(one) = requests.join_next().await {
        took.push(one??);
    }
    Ok((took, begun.elapsed()))
}

fn section(options: &Options, alone: &Seen, beside: &Seen, pages: &Seen) -> Section {
    let mut table = Table::new(
        format!(
            "{}: {} pushes a second, alone and beside {} pages of {} calls a second; {} s of each, in {TURNS} turns",
            options.function,
            PUSHES.a_second,
            PAGES.a_second,
            reads::LIMIT,
            options.beside_seconds,
        ),
        &["a second", "p50, ms", "p95, ms", "p99, ms"],
    );
    table.row("pushes, alone", alone.figures());
    table.row("pushes, beside readers", beside.figures());
    table.row("pages", pages.figures());
    let ratio = |what: &str, value: f64, bound| Ratio { what: what.to_owned(), value, bound };
    let p99 = |seen: &Seen| seen.took.percentile(99.0);
    let ratios = vec![
        ratio("p99 of pushes: beside readers / alone", p99(beside) / p99(alone), Some(Bound::AtMost(1.5))),
        ratio("p50 of pushes: beside readers / alone", beside.took.median() / alone.took.median(), None),
        ratio(
            "pages a second: answered / wanted",
            pages.a_second() / f64::from(PAGES.a_second),
            Some(Bound::AtLeast(0.99)),
        ),
    ];
    let notes = vec![
        "senders, readers, both functions' processes and the embedded DynamoDB share this machine's processors; in AWS each process has its own share, and DynamoDB is elsewhere".to_owned(),
        format!("a push's time runs from when it was to come: waiting for one of {PROCESSES} processes is in it"),
    ];
    Section { name: "beside", tables: vec![table], ratios, notes }
}
