//! A local stack as a process of its own: this program, serving.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::Push;
use crate::pushes::TOKEN;

/// Of how many seconds a clock's tick of Linux's is one.
const TICK: Duration = Duration::from_millis(10);

/// A local stack. It is killed when it is dropped.
pub(super) struct Served {
    child: Child,
    api: String,
    provider: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Served {
    /// Starts it with these options, on free ports, and waits until it is ready.
    pub(super) fn start(options: &[&str]) -> anyhow::Result<Self> {
        let ports =
            ["--port", "--dynamodb-port", "--s3-port", "--provider-port", "--issuer-port", "--bus-port"];
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args(ports.into_iter().flat_map(|port| [port, "0"]))
            .args(["--no-schedule", "--token", TOKEN])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut served = Self {
            child,
            api: String::new(),
            provider: String::new(),
            http: Client::builder(TokioExecutor::new()).build_http(),
        };
        let mut lines = BufReader::new(served.child.stdout.take().context("it says nothing")?).lines();
        let mut endpoint = |name: &str| {
            let line = lines.by_ref().map_while(Result::ok).find(|line| line.trim_start().starts_with(name));
            let line = line.with_context(|| format!("the stack did not start: no {name}"))?;
            anyhow::Ok(line.split_whitespace().nth(1).unwrap_or_default().to_owned())
        };
        (served.api, served.provider) = (endpoint("API")?, endpoint("provider")?);
        // The rest is read too, lest the process wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(served)
    }

    /// The URL of a recording of the stack's own simulator.
    pub(super) fn recording_url(&self, name: &str) -> String {
        format!("{}/recordings/{name}.wav", self.provider)
    }

    /// Pushes, and tells how long the answer took, which has to be that all is stored.
    pub(super) async fn push(&self, push: &Push) -> anyhow::Result<Duration> {
        let url = format!("{}/push/{}/{TOKEN}", self.api, push.function);
        let began = Instant::now();
        let (status, body) = self.post(&url, push.body.clone()).await?;
        let took = began.elapsed();
        ensure!(status == 200 && body["msg"] == "stored 1", "{status} {body}");
        Ok(took)
    }

    /// Invokes a function with an empty event, and gives back what it answers.
    pub(super) async fn invoke(&self, function: &str) -> anyhow::Result<Value> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.api);
        let (status, answer) = self.post(&url, "{}".to_owned()).await?;
        ensure!(status == 200, "{function}: {status} {answer}");
        Ok(answer)
    }

    async fn post(&self, url: &str, body: String) -> anyhow::Result<(u16, Value)> {
        let request =
            http::Request::post(url).header("content-type", "application/json").body(Full::from(body))?;
        let response = self.http.request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// The processor time that the process has used so far, of all its threads.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, which may hold anything, ends at the last parenthesis; utime and stime are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(") ").context("no process's figures")?;
        let ticks: Vec<u32> = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .context("no ticks")?;
        Ok(TICK * ticks.iter().sum::<u32>())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
