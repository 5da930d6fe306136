//! Reading: the readers' own program under a Runtime API, which walks over the pages of a day that has few calls, and of one that has many.
//! A page costs the same in both.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant as Moment};

use anyhow::{Context, bail, ensure};
use catalog::PUSH_FUNCTIONS;
use jiff::civil::Date;
use local_stack::issuer::{self, Issuer};
use local_stack::lambda::{Lambda, Process};
use runtime::config::Environment;
use runtime::ingress::receive::Receiver;
use runtime::store::Store;
use runtime::store::table::MAX_BATCH;
use serde_json::{Value, json};
use shared::model::{CallId, CallKey, Instant, Provider};
use shared::record::merge::Record;
use shared::record::missing::Waiting;
use shared::record::{item, keys};
use tokio::net::TcpListener;

use super::Options;
use super::pushes::Sample;
use super::report::{Bound, Ratio, Section, Table};
use super::stats::Times;
use super::stores::{Stores, settings};

/// How many calls the day has that the other is compared with.
pub(super) const FEW: usize = 10_000;
/// How many pages are read of each day, and how many calls each has.
const PAGES: usize = 100;
pub(super) const LIMIT: usize = 50;
/// So many batches are put at once.
const AT_ONCE: usize = 8;
/// What the function has by default, in MB.
const MEMORY_MB: u32 = 512;
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const FUNCTION: &str = "query-calls";
const EVENT: &str = include_str!("../../../events/query-calls.json");
const DAY_MS: i64 = 86_400_000;

/// What reading a day's first pages took.
struct Walk {
    times: Times,
    peak_bytes: u64,
}

/// Runs it.
pub(super) async fn run(programs: &Path, options: &Options) -> anyhow::Result<Section> {
    let program = programs.join(FUNCTION);
    ensure!(program.is_file(), "{} is not there: cargo build --release -p {FUNCTION}", program.display());
    let stores = Stores::start().await?;
    let issuer = Issuer::start(TcpListener::bind(issuer::address(0)).await?)?;
    let mut table = Table::new(
        format!("pages of {LIMIT} calls of a day, {PAGES} of each, {MEMORY_MB} MB"),
        &["p50, ms", "p95, ms", "CPU, ms", "peak, MiB"],
    );
    let record = record(&stores).await?;
    let mut walks = Vec::new();
    for (day, count) in [("2025-06-01", FEW), ("2025-06-02", usize::try_from(options.reads_calls)?)] {
        seed(&stores.store, &record, day, count).await?;
        let walk =
            walk(&program, &stores, &issuer, day).await.with_context(|| format!("a day of {count} calls"))?;
        table.row(
            format!("{count} calls in the day"),
            [
                walk.times.wall.median(),
                walk.times.wall.percentile(95.0),
                walk.times.cpu.median(),
                walk.peak_bytes as f64 / (1024.0 * 1024.0),
            ]
            .map(Some),
        );
        walks.push(walk);
    }
    let [few, many] = walks.as_slice() else { bail!("two days were read") };
    let ratio =
        |what: &str, value: f64| Ratio { what: what.to_owned(), value, bound: Some(Bound::AtMost(1.5)) };
    let ratios = vec![
        ratio("p95: many calls / few", many.times.wall.percentile(95.0) / few.times.wall.percentile(95.0)),
        ratio("CPU: many calls / few", many.times.cpu.median() / few.times.cpu.median()),
        ratio("memory: many calls / few", many.peak_bytes as f64 / few.peak_bytes as f64),
    ];
    let notes = vec!["the embedded DynamoDB shares this machine's cores; its own time is in the latency, not in the CPU time".to_owned()];
    Ok(Section { name: "reads", tables: vec![table], ratios, notes })
}

/// What is stored of a platform's sample.
pub(super) async fn record(stores: &Stores) -> anyhow::Result<Record> {
    let sample = Sample::of("alicom-call-report")?;
    let look_up = settings(&stores.dynamodb.endpoint(), &stores.s3.endpoint());
    let receiver = Receiver::new(&Environment::new(&look_up), &catalog::pushes())?;
    let push = PUSH_FUNCTIONS
        .iter()
        .find(|known| known.push.function == sample.function)
        .context("it is known")?
        .push;
    let status =
        receiver.receive(&push, lambda_http::request::from_str(&sample.event("reads", 1))?).await.status();
    ensure!(status == 200, "the sample was not stored: {status}");
    let call_id = CallId::new("reads-0000".to_owned()).context("it is an id")?;
    let pk = keys::call_pk(&CallKey { provider: Provider::Alicom, call_id });
    let items = stores.store.table().query(&pk).await?;
    let call = items.into_iter().find(|item| item.get(keys::SK).is_some_and(|sk| sk == keys::CALL));
    Ok(item::record(call.context("the sample is not there")?)?)
}

/// Puts calls of a day, spread over it evenly, that say the same.
pub(super) async fn seed(store: &Store, record: &Record, day: &str, count: usize) -> anyhow::Result<()> {
    let begin = day.parse::<Date>()?.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_millisecond();
    let one = |number: usize| {
        let call_id = CallId::new(format!("{day}-{number:07}")).context("it is an id")?;
        let at = begin + DAY_MS * i64::try_from(number)? / i64::try_from(count)?;
        let at = Instant::from_epoch_millis(at).context("it is a time")?;
        let mut record = record.clone();
        record.facts.insert("originated_at", json!(at));
        let key = CallKey { provider: Provider::Alicom, call_id };
        let mut item = item::call_item(&key, record, Waiting::default())?;
        item.insert(item::VERSION, 1);
        Ok(item)
    };
    let mut first = 0;
    while first < count {
        let batches = (0..AT_ONCE).map(|batch| first + batch * MAX_BATCH).filter(|from| *from < count);
        let batches = batches.map(|from| (from..(from + MAX_BATCH).min(count)).map(one).collect());
        let batches: Vec<Vec<_>> = batches.collect::<anyhow::Result<_>>()?;
        futures_util::future::try_join_all(batches.into_iter().map(|batch| store.table().put_batch(batch)))
            .await?;
        first += AT_ONCE * MAX_BATCH;
    }
    Ok(())
}

/// A new process of the function, once it is ready.
pub(super) async fn reader(
    program: &Path,
    stores: &Stores,
    issuer: &Issuer,
) -> anyhow::Result<(Lambda, Process)> {
    let mut lambda = Lambda::with_timeout(29).await?;
    let mut command = lambda.command(program, FUNCTION, MEMORY_MB);
    let look_up = settings(&stores.readers_endpoint(), &stores.s3.endpoint());
    for variable in ["DYNAMODB_ENDPOINT", "S3_ENDPOINT", "TABLE_NAME", "BUCKET_NAME"] {
        command.env(variable, look_up(variable).unwrap_or_default());
    }
    command
        .env("OIDC_ISSUER", issuer.url())
        .env("OIDC_CLIENT_ID", issuer::CONSOLE)
        .env("OIDC_AUDIENCE", issuer::AUDIENCE)
        .env("CALLEE_ID_KEY", "a key for this machine alone, of 32 characters and more");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process::start(command)?;
    lambda.ready(PATIENCE).await?;
    Ok((lambda, process))
}

/// Reads a day's first pages, one behind the other, by a new process.
async fn walk(program: &Path, stores: &Stores, issuer: &Issuer, day: &str) -> anyhow::Result<Walk> {
    let (mut lambda, process) = reader(program, stores, issuer).await?;
    let token = issuer.machine_token("calls.read");
    let mut next: Option<String> = None;
    let mut times = Times::default();
    // The first page is not counted: it fetches the issuer's keys.
    for page in 0..=PAGES {
        let event = page_event(day, next.as_deref(), &token)?;
        let (began, cpu_before) = (Moment::now(), process.cpu_time()?);
        lambda.invoke(event);
        let (answered, answer) = lambda.answered(PATIENCE).await?;
        lambda.ready(PATIENCE).await?;
        let cpu = process.cpu_time()?.saturating_sub(cpu_before);
        next = Some(next_of(&answer)?.context("the day ends too soon")?);
        if page > 0 {
            times.add(answered - began, cpu);
        }
    }
    Ok(Walk { times, peak_bytes: process.peak_memory_bytes()? })
}

/// The event of a page of a day: the first, or where `next` tells.
pub(super) fn page_event(day: &str, next: Option<&str>, token: &str) -> anyhow::Result<String> {
    let cursor = next.map_or_else(String::new, |next| format!("&cursor={next}"));
    event(&format!("day={day}&zone=UTC&limit={LIMIT}{cursor}"), token)
}

/// Where a list goes on behind a whole page, by the answer; `None` at its end.
pub(super) fn next_of(answer: &Value) -> anyhow::Result<Option<String>> {
    let body: Value =
        answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    ensure!(body["calls"].as_array().is_some_and(|calls| calls.len() == LIMIT), "no page: {answer}");
    Ok(body["next"].as_str().map(str::to_owned))
}

/// The event of API Gateway with a query.
pub(super) fn event(query: &str, token: &str) -> anyhow::Result<String> {
    let mut event: Value = serde_json::from_str(EVENT)?;
    event["rawPath"] = json!("/api/calls");
    event["requestContext"]["http"]["path"] = json!("/api/calls");
    event["pathParameters"] = json!({"proxy": "calls"});
    event["rawQueryString"] = json!(query);
    event["headers"]["authorization"] = json!(format!("Bearer {token}"));
    event["headers"]["accept"] = json!("application/json");
    Ok(event.to_string())
}
