//! How many pushes of one element the local stack takes a second, over HTTP, from many senders at once; beside it the same requests to
//! DynamoDB, through the SDK alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use local_stack::{Options, Stack};
use serde_json::{Value, json};

use super::pushes::{Sample, TOKEN, acknowledged};
use super::recorder::{Made, send};
use super::report::{Ratio, Section, Table};
use super::stats::Sampled;
use super::stores::bare_client;
use super::warm;

/// How many senders there are.
const SENDERS: usize = 16;
/// How long each side is measured at a time.
const SPAN: Duration = Duration::from_secs(2);
/// How often, in turns.
const TURNS: usize = 3;

/// Runs it.
pub(super) async fn run(function: &str) -> anyhow::Result<Section> {
    let sample = Arc::new(Sample::of(function)?);
    let (asked, recorded) = warm::asked_of(&sample, 1).await?;
    let asked = Arc::new(asked);
    let stack = Stack::start(&Options { no_events: true, ..Options::in_memory() }).await?;
    let url = format!("{}/push/{function}/{TOKEN}", stack.url());
    let dynamodb = stack.stores().dynamodb_endpoint.clone().unwrap_or_default();
    let (mut ours, mut bare) = (Rates::default(), Rates::default());
    let number = Arc::new(AtomicUsize::new(0));
    for turn in 0..=TURNS {
        let http = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let pushed = for_a_while(|| {
            let (http, url, number) = (http.clone(), url.clone(), Arc::clone(&number));
            let sample = Arc::clone(&sample);
            async move {
                let body = sample.body(&name(number.fetch_add(1, Ordering::SeqCst)), 1);
                let begun = Instant::now();
                let response = http.request(http::Request::post(&url).body(Full::from(body))?).await?;
                let status = response.status().as_u16();
                let body = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
                acknowledged(&json!({"statusCode": status, "body": Value::String(body)}), 1)?;
                Ok(begun.elapsed())
            }
        })
        .await?;
        let client = bare_client(&dynamodb)?;
        let sent = for_a_while(|| {
            let (client, asked, number) = (client.clone(), Arc::clone(&asked), Arc::clone(&number));
            let recorded = recorded.clone();
            async move {
                let other = name(number.fetch_add(1, Ordering::SeqCst));
                let made = asked.iter().map(|asked| Made::of(asked, &client, &recorded, &other));
                let made = made.collect::<anyhow::Result<Vec<_>>>()?;
                let begun = Instant::now();
                send(made, warm::MAX_REQUESTS).await?;
                Ok(begun.elapsed())
            }
        })
        .await?;
        // The first turn warms up.
        if turn > 0 {
            ours.add(pushed);
            bare.add(sent);
        }
    }
    stack.stop().await?;

    let mut table = Table::new(
        format!("{function}: {SENDERS} senders of one element each, {TURNS} times {SPAN:?} in turns"),
        &["pushes a second", "p50 ms", "p99 ms"],
    );
    table.row("through the local stack", ours.figures());
    table.row("bare SDK, the same requests", bare.figures());
    let ratio = Ratio {
        what: "pushes a second: local stack / bare SDK".to_owned(),
        value: ours.a_second() / bare.a_second(),
        bound: None,
    };
    let notes = vec![
        "everything is on this machine: senders, gateway, functions and DynamoDB share its cores; in AWS each process of a function has one push at a time".to_owned(),
    ];
    Ok(Section { name: "sustained", tables: vec![table], ratios: vec![ratio], notes })
}

/// A part of call ids, as long as those of warm pushes, whose requests are sent again.
fn name(number: usize) -> String {
    format!("sust-0001-{:04}-{:04}", number / 10_000, number % 10_000)
}

/// Has so many senders do something over and over for a while, and gives back how long each time took.
async fn for_a_while<F>(task: impl Fn() -> F) -> anyhow::Result<Vec<Duration>>
where
    F: Future<Output = anyhow::Result<Duration>> + Send + 'static,
{
    let end = Instant::now() + SPAN;
    let senders = (0..SENDERS).map(async |_| {
        let mut took = Vec::new();
        while Instant::now() < end {
            // A task of its own, so that senders use all cores.
            took.push(tokio::spawn(task()).await??);
        }
        anyhow::Ok(took)
    });
    Ok(try_join_all(senders).await?.concat())
}

/// What one side did over all turns.
#[derive(Default)]
struct Rates {
    turns: usize,
    took: Sampled,
    pushes: usize,
}

impl Rates {
    fn add(&mut self, took: Vec<Duration>) {
        self.turns += 1;
        self.pushes += took.len();
        took.into_iter().for_each(|took| self.took.add(took));
    }

    fn a_second(&self) -> f64 {
        self.pushes as f64 / (SPAN.as_secs_f64() * self.turns as f64)
    }

    fn figures(&self) -> [Option<f64>; 3] {
        [self.a_second(), self.took.median(), self.took.percentile(99.0)].map(Some)
    }
}
