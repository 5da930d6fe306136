//! How many bytes are logged of a push: the function's own lines, as it writes them, and API Gateway's, as documented. Lambda writes none of
//! its own about a run that went well: the template asks for warnings alone.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};
use catalog::{PUSH_FUNCTIONS, token};
use local_stack::{Options, Stack};
use runtime::config::Environment;
use runtime::ingress::receive::Receiver;
use serde_json::Value;

/// What CloudWatch Logs counts beside the text of each line, in bytes.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/cloudwatch_limits_cwl.html>
const PER_LINE: usize = 26;
/// A line of the access log, as the template has it.
const OF_API: &str = r#"{"request_id":"JKJaXmPLvHcESHA=","time_ms":"1748743200000","route":"POST /push/alicom-call-report/{token}","status":"200","source_ip":"203.0.113.123","user_agent":"Apache-HttpClient/4.5.13 (Java/1.8.0_292)","latency_ms":"21","integration_latency_ms":"18","integration_error":"-"}"#;

/// Bytes by who writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logged {
    ours: usize,
    api: usize,
}

impl Logged {
    pub(super) fn all(&self) -> f64 {
        self.lines().iter().map(|(_, bytes)| bytes).sum()
    }

    pub(super) fn lines(&self) -> [(&'static str, f64); 2] {
        let float = |bytes: usize| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        [("the function's own lines", float(self.ours)), ("the API's access log", float(self.api))]
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged of one push, on the average of the push functions' samples.
pub(super) fn of_a_push() -> anyhow::Result<Logged> {
    // On a thread of its own: what is listened to is one thread's log.
    let ours = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(of_samples())
    });
    let (bytes, pushes) = ours.join().ok().context("the thread ended")??;
    Ok(Logged { ours: bytes / pushes, api: OF_API.len() + PER_LINE })
}

/// How many bytes were logged of how many pushes.
async fn of_samples() -> anyhow::Result<(usize, usize)> {
    let stack = Stack::start(&Options { no_events: true, ..Options::in_memory() }).await?;
    let look_up = |variable: &str| match variable {
        "PUSH_TOKEN_SHA256" => Some(token::digest("local")),
        "METRICS_NAMESPACE" => Some("callvault".to_owned()),
        store => stack.variable(store),
    };
    let receiver = Receiver::new(&Environment::new(&look_up), &catalog::pushes())?;
    let log = Log::default();
    let writer = log.clone();
    let listening = tracing::subscriber::set_default(runtime::telemetry::subscriber(move || writer.clone()));
    for function in PUSH_FUNCTIONS {
        let event: Value = serde_json::from_str(function.event)?;
        let request = lambda_http::request::from_str(&event.to_string())?;
        let status = receiver.receive(&function.push, request).await.status();
        ensure!(status == 200, "{}: {status}", function.push.function);
    }
    drop(listening);
    stack.stop().await?;
    let logged = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = logged.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    Ok((logged.len() + lines * PER_LINE, PUSH_FUNCTIONS.len()))
}
