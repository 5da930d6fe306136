//! Playing the platforms: calls by the thousand, pushed as the platforms push, and the stores held against what was pushed.
//!
//! The truth is made first: a call's facts follow from the seed (`call`), are then written in its platform's words (`alibaba`,
//! `ai_voice`, `laaffic`), and what has to be stored of them is told beside (`element`, `truth`). The functions' normalizers
//! and their merging have no part in it, so that a fault of theirs shows.

mod ai_voice;
mod alibaba;
mod call;
mod element;
mod events;
mod laaffic;
mod plan;
mod report;
mod scheduled;
mod sender;
mod truth;
mod truths;
mod verification;
mod verify;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use jiff::civil::Date;
use operator::http::Http;
use operator::{Target as Stores, is_here};
use platforms::LOCAL_STACK;
use runtime::ingress::receive::Receiver;
use runtime::store::Store;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use url::Url;

use call::World;
use plan::Pace;
use sender::{Erasing, Target};

pub use plan::Kind;
pub use report::Sent;
pub use verification::{Difference, Verification};

/// Where the local stack's provider simulator serves recordings, at its default port.
const LOCAL_RECORDINGS: &str = "http://127.0.0.1:4000";
/// How long a local stack may take to tell where its own does.
const TELLING: Duration = Duration::from_secs(5);

/// What to simulate.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The base URL of the API to push to.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    pub to: Url,
    /// The token to push with.
    #[arg(long, default_value = "local")]
    pub token: String,
    /// How many calls.
    #[arg(long, default_value_t = 1000)]
    pub calls: u32,
    /// How many calls a second.
    #[arg(long, default_value_t = 20.0, value_name = "CALLS")]
    pub rate: f64,
    /// What all chance follows from: the same seed and day make the same calls.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The day of the calls, in UTC; by default today.
    #[arg(long, value_name = "DATE")]
    pub day: Option<Date>,
    /// What a second takes that a platform waits, before it tries again and where it is late; 0.01 makes a minute of 0.6 s.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub time_scale: f64,
    /// How long a platform waits for an answer, in seconds, in place of its own patience: for functions that start with each push,
    /// as with `sam local start-api`, which 700 ms are too short for.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: Option<u64>,
    /// How many of a hundred messages are sent twice.
    #[arg(long, default_value_t = 10, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub duplicates: u32,
    /// Where the recordings are served that the messages announce, below /recordings/. By default the local stack's simulator, at whatever
    /// port, where --to is on this machine.
    #[arg(long, value_name = "URL", conflicts_with = "no_recordings")]
    pub recording_base: Option<Url>,
    /// Announce no recordings.
    #[arg(long)]
    pub no_recordings: bool,
    /// Afterwards, run the scheduled functions until nothing is due, and hold the stores against the truth: those that TABLE_NAME,
    /// BUCKET_NAME, DYNAMODB_ENDPOINT and S3_ENDPOINT name, or the local stack's where --to is on this machine.
    #[arg(long)]
    pub verify: bool,
    /// Erase so many people while it is sent, and look that nothing is left of them.
    #[arg(long, value_name = "PEOPLE", default_value_t = 0, requires = "verify")]
    pub erase: usize,
    /// Hold what was told against the truth as well: the local stack's bus.
    #[arg(long, value_name = "URL", requires = "verify")]
    pub bus: Option<Url>,
    /// Where the scheduled functions are run, by Lambda's Invoke operation. By default at --to, where the local stack has it.
    #[arg(long, value_name = "URL", requires = "verify")]
    pub invoke_at: Option<Url>,
}

/// A simulation.
#[derive(Debug)]
pub struct Simulation {
    world: Arc<World>,
    pace: Pace,
    target: Target,
    /// How many people are erased meanwhile.
    erasures: usize,
    /// Where functions are invoked, without a slash at its end.
    invoke_at: String,
    /// The local stack's bus, where what was told is looked at.
    bus: Option<Url>,
}

impl Simulation {
    /// A simulation with these options.
    ///
    /// # Errors
    /// When an option can't be used, or one is missing.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        ensure!(options.rate.is_finite() && options.rate > 0.0, "--rate has to be more than 0");
        ensure!(
            options.time_scale.is_finite() && (0.0..=1e3).contains(&options.time_scale),
            "--time-scale has to be between 0 and 1000"
        );
        let recording_base = match &options.recording_base {
            _ if options.no_recordings => None,
            Some(url) => Some(base(url)),
            None if is_here(&options.to) => Some(LOCAL_RECORDINGS.to_owned()),
            None => bail!("say where recordings are: --recording-base, or --no-recordings"),
        };
        let day =
            options.day.unwrap_or_else(|| jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date());
        Ok(Self {
            world: Arc::new(World { seed: options.seed, day, recording_base }),
            pace: Pace {
                calls: options.calls,
                rate: options.rate,
                time_scale: options.time_scale,
                duplicates: options.duplicates,
            },
            target: Target {
                base: base(&options.to),
                token: options.token.clone(),
                patience: options.patience.map(Duration::from_secs),
            },
            erasures: options.erase,
            bus: options.bus.clone(),
            invoke_at: base(options.invoke_at.as_ref().unwrap_or(&options.to)),
        })
    }

    /// Sends everything, as the platforms would. Meanwhile so many people are erased from the stores as the options say, if
    /// there are `stores`.
    ///
    /// # Errors
    /// When somebody can't be erased.
    pub async fn send(&self, stores: Option<&Arc<Receiver>>) -> anyhow::Result<Sent> {
        let erasing = stores.filter(|_| self.erasures > 0);
        let erasing = erasing.map(|stores| Erasing { stores: Arc::clone(stores), people: self.erasures });
        let plan = self.world.plan(self.pace);
        sender::send(&self.world, plan, &self.target, self.pace.time_scale, erasing).await
    }

    /// Runs the scheduled functions until nothing is due, then holds the stores against the truth, and what was told on the bus.
    ///
    /// # Errors
    /// When a function fails, or the stores can't be read. That they differ from the truth is no error.
    pub async fn verify(&self, store: &Store, sent: &Sent) -> anyhow::Result<Verification> {
        let archived = scheduled::run(&self.invoke_at).await?;
        let mut found = verify::verify(&self.world, self.pace.calls, store, sent, archived).await?;
        if let Some(bus) = &self.bus {
            found.add(events::verify_bus(&self.world, self.pace.calls, store, sent, bus).await?);
        }
        Ok(found)
    }
}

impl Simulation {
    /// The partition keys of all calls, in the order in which they are made: some have nothing stored, in the end.
    #[must_use]
    pub fn partitions(&self) -> Vec<String> {
        (0..self.pace.calls).map(|index| truth::partition(&self.world.call(index))).collect()
    }

    /// The truth of each call of which something is stored, and that was not erased, as an object.
    ///
    /// # Errors
    /// When the stores can't be read.
    pub async fn truths(&self, store: &Store, sent: &Sent) -> anyhow::Result<Vec<Map<String, Value>>> {
        truths::truths(&self.world, self.pace.calls, store, sent).await
    }
}

/// Simulates, reports, and fails where the stores are not as they should be.
pub async fn run(mut options: Options) -> anyhow::Result<()> {
    if options.recording_base.is_none() && !options.no_recordings && is_here(&options.to) {
        options.recording_base = simulator_of(options.invoke_at.as_ref().unwrap_or(&options.to)).await;
    }
    let simulation = Simulation::new(&options)?;
    // Before everything is sent: a wrong setting would show only then.
    let stores = match options.verify {
        true => Some(Arc::new(Stores::of_stack(is_here(&options.to)).receiver().await?)),
        false => None,
    };
    reachable(&options.to).await?;
    let sent = simulation.send(stores.as_ref()).await?;
    let mut out = std::io::stdout();
    write!(out, "{sent}")?;
    if let Some(stores) = stores {
        let verification =
            simulation.verify(stores.store(), &sent).await.context("the stores can't be verified")?;
        write!(out, "{verification}")?;
        let differences = verification.differences().len();
        ensure!(differences == 0, "the stores differ from the truth in {differences} places");
    }
    Ok(())
}

/// Where the simulator of a local stack is, as the stack tells; `None` where it tells nothing, or is none.
async fn simulator_of(stack: &Url) -> Option<Url> {
    let url = format!("{}{LOCAL_STACK}", base(stack));
    let (status, told) = Http::new().get(&url, TELLING).await.ok()?;
    let told: Value = serde_json::from_slice(&told).ok().filter(|_| status == 200)?;
    Url::parse(told.get("provider")?.as_str()?).ok()
}

/// Fails where nothing listens: the pushes would be tried in vain for as long as the platforms go on trying.
async fn reachable(to: &Url) -> anyhow::Result<()> {
    let host = to.host_str().context("--to names no host")?.trim_matches(['[', ']']);
    let port = to.port_or_known_default().context("--to names no port")?;
    let connection = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect((host, port))).await;
    connection
        .context("--to can't be reached: no connection in five seconds")?
        .context("--to can't be reached")?;
    Ok(())
}

/// A URL without the slash at its end.
fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
