//! Warm pushes: the handler on a thread of its own, as a function's process has one, against the embedded DynamoDB; beside it the same
//! requests, made beforehand, sent through the SDK alone.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_sdk_dynamodb::Client;
use catalog::PUSH_FUNCTIONS;
use lambda_http::Body;
use runtime::config::Environment;
use runtime::ingress::receive::Receiver;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::pushes::{Sample, acknowledged};
use super::recorder::{Asked, Made, Recorder, send, size};
use super::report::{Bound, Ratio, Section, Table};
use super::stats::Times;
use super::stores::{Stores, bare_client, settings};

/// How many elements the pushes have, and how many pushes of each size there are for one round.
const SIZES: [(usize, usize); 4] = [(1, 40), (10, 16), (100, 6), (500, 2)];
/// How many requests the functions have under way at once.
pub(super) const MAX_REQUESTS: usize = 16;

/// How many times the bare requests' latency, and their processor time, pushes of a size may take.
fn bounds(size: usize) -> (Option<Bound>, Option<Bound>) {
    match size {
        1 => (Some(Bound::AtMost(1.5)), None),
        100 => (Some(Bound::AtMost(1.3)), Some(Bound::AtMost(1.25))),
        _ => (None, None),
    }
}

/// Pushes of one size.
struct Pushes {
    size: usize,
    each_round: usize,
    asked: Vec<Asked>,
    connections: usize,
    ours: Times,
    bare: Times,
}

/// Runs it.
pub(super) async fn run(function: &str, rounds: usize) -> anyhow::Result<Section> {
    run_sizes(function, rounds, &SIZES).await
}

async fn run_sizes(function: &str, rounds: usize, sizes: &[(usize, usize)]) -> anyhow::Result<Section> {
    let sample = Sample::of(function)?;
    let stores = Stores::start().await?;
    let mut pushes = Vec::new();
    for &(size, each_round) in sizes {
        let (asked, connections) = observe(&stores, &sample, size).await?;
        pushes.push(Pushes {
            size,
            each_round,
            asked,
            connections,
            ours: Times::default(),
            bare: Times::default(),
        });
    }
    let endpoints = (stores.dynamodb.endpoint(), stores.s3.endpoint());
    let measured = alone(move || async move {
        let look_up = settings(&endpoints.0, &endpoints.1);
        let receiver = Receiver::new(&Environment::new(&look_up), &catalog::pushes())?;
        let bare = bare_client(&endpoints.0)?;
        for round in 0..=rounds {
            for pushes in &mut pushes {
                pushes.measure(&sample, &receiver, &bare, round).await?;
            }
        }
        anyhow::Ok(pushes)
    });
    Ok(section(function, &measured.await?, rounds))
}

/// Runs a task on a thread of its own, as the only one there: what it takes of the processor is the thread's.
async fn alone<T, F>(task: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (end, ended) = tokio::sync::oneshot::channel();
    thread::Builder::new().name("measured".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(task()),
            Err(error) => Err(error.into()),
        };
        // Nobody waits any more where this fails.
        let _ = end.send(result);
    })?;
    ended.await.context("the measured thread ended unexpectedly")?
}

/// What one push of a new process asks of DynamoDB, and over how many connections.
async fn observe(stores: &Stores, sample: &Sample, size: usize) -> anyhow::Result<(Vec<Asked>, usize)> {
    let recorder = Recorder::start(stores.dynamodb.local_addr()).await?;
    let (endpoint, s3) = (recorder.endpoint(), stores.s3.endpoint());
    let sample = sample.clone();
    alone(move || async move {
        let look_up = settings(&endpoint, &s3);
        let receiver = Receiver::new(&Environment::new(&look_up), &catalog::pushes())?;
        let name = name(size, 0, 0);
        push(&sample, &receiver, &sample.event(&name, size), size).await
    })
    .await?;
    Ok((recorder.take(), recorder.connections()))
}

/// What a push of so many elements asks of DynamoDB, and the part of its calls' ids to replace for other calls.
pub(super) async fn asked_of(sample: &Sample, size: usize) -> anyhow::Result<(Vec<Asked>, String)> {
    let stores = Stores::start().await?;
    Ok((observe(&stores, sample, size).await?.0, name(size, 0, 0)))
}

/// Has the handler take an event, as the runtime hands it over.
async fn push(sample: &Sample, receiver: &Receiver, event: &str, size: usize) -> anyhow::Result<()> {
    let request = lambda_http::request::from_str(event)?;
    let function = PUSH_FUNCTIONS.into_iter().find(|known| known.push.function == sample.function);
    let response = function.context("the function is known")?.receive(receiver, request).await;
    let Body::Text(body) = response.body() else { bail!("an answer without text") };
    let answer: Value = json!({"statusCode": response.status().as_u16(), "body": body});
    acknowledged(&answer, size)
}

/// A part of call ids, of one length.
fn name(size: usize, round: usize, number: usize) -> String {
    format!("warm-{size:04}-{round:04}-{number:04}")
}

impl Pushes {
    async fn measure(
        &mut self,
        sample: &Sample,
        receiver: &Receiver,
        bare: &Client,
        round: usize,
    ) -> anyhow::Result<()> {
        let recorded = name(self.size, 0, 0);
        for number in 0..self.each_round {
            let event = sample.event(&name(self.size, round, 2 * number + 1), self.size);
            let taken = timed(push(sample, receiver, &event, self.size)).await?;
            let other = name(self.size, round, 2 * number + 2);
            let made = self.asked.iter().map(|asked| Made::of(asked, bare, &recorded, &other));
            let made = made.collect::<anyhow::Result<Vec<_>>>()?;
            let taken_bare = timed(send(made, MAX_REQUESTS)).await?;
            // The first round opens connections.
            if round > 0 {
                self.ours.add(taken.0, taken.1);
                self.bare.add(taken_bare.0, taken_bare.1);
            }
        }
        Ok(())
    }
}

/// The time that a future takes, and this thread's processor time.
async fn timed(task: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<(Duration, Duration)> {
    let (wall, cpu) = (Instant::now(), cpu_time()?);
    task.await?;
    Ok((wall.elapsed(), cpu_time()?.saturating_sub(cpu)))
}

/// The processor time of this thread.
fn cpu_time() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

fn section(function: &str, pushes: &[Pushes], rounds: usize) -> Section {
    let mut times = Table::new(
        format!("{function}: pushes of new calls, {rounds} rounds, in ms"),
        &["pushes", "p50", "p95", "p99", "CPU", "CPU an element", "requests", "connections", "KB sent"],
    );
    let mut ratios = Vec::new();
    for of_size in pushes {
        let Pushes { size: elements, each_round, asked, connections, ours, bare } = of_size;
        let figures = |times: &Times| {
            let percentile = |percent| times.wall.percentile(percent);
            let cpu = times.cpu.median();
            [
                (each_round * rounds) as f64,
                percentile(50.0),
                percentile(95.0),
                percentile(99.0),
                cpu,
                cpu / *elements as f64,
            ]
        };
        let requests = [asked.len() as f64, *connections as f64, size(asked) as f64 / 1_000.0];
        times.row(format!("{elements} elements"), figures(ours).into_iter().chain(requests).map(Some));
        times.row(
            "  bare SDK",
            figures(bare).into_iter().chain([asked.len() as f64]).map(Some).chain([None, None]),
        );
        let ratio = |what: &str, one: f64, other: f64, bound| Ratio {
            what: format!("{elements} elements: handler / bare SDK, {what}"),
            value: one / other,
            bound,
        };
        let (latency, cpu) = bounds(*elements);
        ratios.push(ratio("median latency", ours.wall.median(), bare.wall.median(), latency));
        ratios.push(ratio("CPU", ours.cpu.median(), bare.cpu.median(), cpu));
        if *elements == 100 {
            ratios.push(Ratio {
                what: format!("{elements} elements: connections"),
                value: *connections as f64,
                bound: Some(Bound::AtMost(MAX_REQUESTS as f64)),
            });
        }
    }
    let notes = vec![
        "the handler and the bare requests have the same bound on connections, patience and retries, and at most 16 requests under way; all else of the bare client is as the SDK comes; what it asks was made beforehand".to_owned(),
        "latency has the embedded DynamoDB's own time in it, the same on both sides; CPU has not".to_owned(),
    ];
    Section { name: "warm", tables: vec![times], ratios, notes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_length_and_differ() {
        assert_eq!(name(1, 0, 0).len(), name(500, 9_999, 9_999).len());
        assert_ne!(name(1, 0, 11), name(1, 1, 1));
    }

    #[tokio::test]
    async fn the_first_push_of_a_process_opens_no_connection() {
        let sample = Sample::of("alicom-call-report").unwrap();
        let stores = Stores::start().await.unwrap();
        let recorder = Recorder::start(stores.dynamodb.local_addr()).await.unwrap();
        let look_up = settings(&recorder.endpoint(), &stores.s3.endpoint());
        let receiver = Receiver::new(&Environment::new(&look_up), &catalog::pushes()).unwrap();
        receiver.store().table().connect_for_pushes().await.unwrap();
        for _ in 0..2 {
            assert_eq!(recorder.connections(), 2);
            push(&sample, &receiver, &sample.event("first", 1), 1).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_push_is_measured_beside_the_same_requests() {
        let sample = Sample::of("alicom-call-report").unwrap();
        let stores = Stores::start().await.unwrap();
        let (asked, connections) = observe(&stores, &sample, 30).await.unwrap();
        assert_eq!(asked.len(), 2 + 1 + 30, "two batches, one read, and thirty calls");
        assert!((1..=16).contains(&connections), "{connections}");
        let section = run_sizes("alicom-call-report", 1, &[(1, 2), (30, 1)]).await.unwrap();
        assert_eq!(section.tables[0].rows.len(), 4, "each beside the bare one");
        assert!(section.ratios.iter().all(|ratio| ratio.value > 0.0), "{section:?}");
    }
}
