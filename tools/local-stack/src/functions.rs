//! The functions, by name, called with an event as Lambda would.

use std::sync::Arc;
use std::time::Duration;

use archive_recordings::Archiver;
use catalog::{PUSH_FUNCTIONS, PushFunction};
use console::Console;
use export_calls::Exporter;
use fetch_conversations::Conversations;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use lambda_http::lambda_runtime::Context;
use lambda_http::{Body, RequestExt, Response};
use publish_changes::{Answer, Batch, Publisher, Record};
use query_calls::QueryCalls;
use runtime::clock;
use runtime::credentials::ProviderCredentials;
use runtime::deadline::Deadline;
use runtime::ingress::receive::Receiver;
use serde_json::{Map, Value, json};
use shared::model::Instant;
use sweep_erased::Sweeper;

/// A function that runs at intervals.
#[derive(Clone, Copy)]
pub struct ScheduledFunction {
    /// Its name.
    pub name: &'static str,
    /// How often it runs.
    pub every: Duration,
    handle: for<'a> fn(&'a Functions, Instant, Deadline) -> BoxFuture<'a, Result<Value, InvokeError>>,
}

/// Every function that runs at intervals. None reads its event.
pub const SCHEDULED_FUNCTIONS: [ScheduledFunction; 4] = [
    ScheduledFunction {
        name: archive_recordings::FUNCTION,
        every: Duration::from_secs(60),
        handle: |functions, now, deadline| {
            archive_recordings::handle(&functions.archiver, now, deadline).map(answer).boxed()
        },
    },
    ScheduledFunction {
        name: fetch_conversations::FUNCTION,
        every: Duration::from_secs(300),
        handle: |functions, now, deadline| {
            let Functions { conversations, credentials, .. } = functions;
            fetch_conversations::handle(conversations, credentials, deadline, now).map(answer).boxed()
        },
    },
    ScheduledFunction {
        name: sweep_erased::FUNCTION,
        every: Duration::from_secs(300),
        handle: |functions, now, deadline| {
            sweep_erased::handle(&functions.sweeper, now, deadline).map(answer).boxed()
        },
    },
    ScheduledFunction {
        name: export_calls::FUNCTION,
        every: Duration::from_secs(120),
        handle: |functions, now, deadline| {
            export_calls::handle(&functions.exporter, now, deadline).map(answer).boxed()
        },
    },
];

/// For how long API Gateway waits for a function that answers readers.
const READERS_WAIT: Duration = Duration::from_secs(29);

/// How long a batch of changes may take, as in the template.
const CHANGES_WAIT: Duration = Duration::from_secs(60);

/// Why an invocation brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no such function.
    #[error("Function not found: {0}")]
    NotFound(String),
    /// The function does not understand the event, or ended with a panic.
    #[error("{message}")]
    Failed {
        /// The kind of error, as Lambda names it.
        kind: &'static str,
        /// What went wrong.
        message: String,
    },
}

/// The functions, with what they have at hand.
pub struct Functions {
    pub(crate) receiver: Receiver,
    pub(crate) archiver: Archiver,
    pub(crate) conversations: Conversations,
    pub(crate) credentials: ProviderCredentials,
    pub(crate) sweeper: Sweeper,
    pub(crate) exporter: Exporter,
    pub(crate) reader: QueryCalls,
    pub(crate) console: Console,
    pub(crate) publisher: Publisher,
}

impl Functions {
    /// Invokes a function with an event, and gives back what it answers.
    pub async fn invoke(self: Arc<Self>, name: &str, event: Value) -> Result<Value, InvokeError> {
        let push = PUSH_FUNCTIONS.into_iter().find(|function| function.push.function == name);
        let scheduled = SCHEDULED_FUNCTIONS.into_iter().find(|function| function.name == name);
        // A task of its own: a panic ends the invocation, as it does in Lambda, and a caller that hangs up doesn't.
        let invocation = match (push, scheduled) {
            (Some(function), _) => tokio::spawn(async move { self.push(function, event).await }),
            (None, Some(function)) => {
                let deadline = Deadline::of_context(0);
                tokio::spawn(async move { (function.handle)(&self, clock::now(), deadline).await })
            }
            (None, None) if name == query_calls::FUNCTION => {
                tokio::spawn(async move { self.read(event).await })
            }
            (None, None) if name == publish_changes::FUNCTION => {
                tokio::spawn(async move { self.publish(event).await })
            }
            (None, None) if name == console::FUNCTION => tokio::spawn(async move { self.show(event).await }),
            (None, None) => return Err(InvokeError::NotFound(name.to_owned())),
        };
        invocation.await.map_err(|error| failed("Runtime.Panic", error.to_string()))?
    }

    /// Invokes `publish-changes` with records of the stream, as they are: to make them JSON and back would cost more than to publish them.
    pub(crate) async fn publish_changes(
        self: Arc<Self>,
        records: Vec<Record>,
    ) -> Result<Answer, InvokeError> {
        let batch = Batch { records };
        let invocation = tokio::spawn(async move {
            publish_changes::handle(&self.publisher, batch, Deadline::after(CHANGES_WAIT)).await
        });
        invocation.await.map_err(|error| failed("Runtime.Panic", error.to_string()))
    }

    async fn read(&self, event: Value) -> Result<Value, InvokeError> {
        let event = serde_json::from_value(event)
            .map_err(|error| failed("Runtime.UnmarshalError", error.to_string()))?;
        let answer = query_calls::handle(&self.reader, event, Deadline::after(READERS_WAIT)).await;
        serde_json::to_value(answer).map_err(|error| failed("Runtime.Error", error.to_string()))
    }

    async fn publish(&self, event: Value) -> Result<Value, InvokeError> {
        let batch = serde_json::from_value(event)
            .map_err(|error| failed("Runtime.UnmarshalError", error.to_string()))?;
        let answer = publish_changes::handle(&self.publisher, batch, Deadline::after(CHANGES_WAIT)).await;
        serde_json::to_value(answer).map_err(|error| failed("Runtime.Error", error.to_string()))
    }

    async fn show(&self, event: Value) -> Result<Value, InvokeError> {
        let event = serde_json::from_value(event)
            .map_err(|error| failed("Runtime.UnmarshalError", error.to_string()))?;
        let answer = console::handle(&self.console, event, Deadline::after(READERS_WAIT)).await;
        serde_json::to_value(answer).map_err(|error| failed("Runtime.Error", error.to_string()))
    }

    async fn push(&self, function: PushFunction, event: Value) -> Result<Value, InvokeError> {
        let request = lambda_http::request::from_str(&event.to_string())
            .map_err(|error| failed("Runtime.UnmarshalError", error.to_string()))?;
        let mut context = Context::default();
        context.request_id = event["requestContext"]["requestId"].as_str().unwrap_or_default().to_owned();
        payload(function.receive(&self.receiver, request.with_lambda_context(context)).await).await
    }
}

/// What a scheduled function answers, as Lambda would hand it on.
fn answer<T: serde::Serialize, E: std::fmt::Display>(result: Result<T, E>) -> Result<Value, InvokeError> {
    let answer = result.map_err(|error| failed("Runtime.Error", error.to_string()))?;
    serde_json::to_value(answer).map_err(|error| failed("Runtime.Error", error.to_string()))
}

fn failed(kind: &'static str, message: String) -> InvokeError {
    InvokeError::Failed { kind, message }
}

/// A function's HTTP answer as the payload that API Gateway takes.
async fn payload(response: Response<Body>) -> Result<Value, InvokeError> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|error| failed("Runtime.Body", error.to_string()))?.to_bytes();
    let headers: Map<_, _> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into())
        })
        .collect();
    Ok(json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(&bytes),
        "isBase64Encoded": false,
        "cookies": [],
    }))
}
