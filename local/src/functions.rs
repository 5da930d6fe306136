//! The functions, by name, called with an event as Lambda would.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use lambda_http::lambda_runtime::Context;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::{Map, Value, json};
use shared::normalized::PushType;
use shared::push::Receiver;

/// A function that catches pushes.
#[derive(Clone, Copy)]
pub struct PushFunction {
    /// What it catches.
    pub push: PushType,
    /// Its sample event, of `events/`.
    pub event: &'static str,
    handle: for<'a> fn(&'a Receiver, Request) -> BoxFuture<'a, Response<Body>>,
}

/// A function's row: what it catches, its sample event, and its handler.
macro_rules! push_function {
    ($name:literal, $crate_:ident) => {
        PushFunction {
            push: $crate_::PUSH,
            event: include_str!(concat!("../../events/", $name, ".json")),
            handle: |receiver, request| $crate_::handle(receiver, request).boxed(),
        }
    };
}

/// Every function that catches pushes.
pub const PUSH_FUNCTIONS: [PushFunction; 5] = [
    push_function!("alicom-call-report", alicom_call_report),
    push_function!("alicom-call-record", alicom_call_record),
    push_function!("alicom-call-note", alicom_call_note),
    push_function!("ai-voice-call-record", ai_voice_call_record),
    push_function!("laaffic-status-report", laaffic_status_report),
];

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
    receiver: Receiver,
}

impl Functions {
    /// The functions with these settings.
    pub fn new(receiver: Receiver) -> Self {
        Self { receiver }
    }

    /// Invokes a function with an event, and gives back what it answers.
    pub async fn invoke(self: std::sync::Arc<Self>, name: &str, event: Value) -> Result<Value, InvokeError> {
        let function = PUSH_FUNCTIONS.into_iter().find(|function| function.push.function == name);
        let function = function.ok_or_else(|| InvokeError::NotFound(name.to_owned()))?;
        // A task of its own: a panic ends the invocation, as it does in Lambda, and a caller that hangs up doesn't.
        let invocation = tokio::spawn(async move {
            let request = lambda_http::request::from_str(&event.to_string())
                .map_err(|error| failed("Runtime.UnmarshalError", error.to_string()))?;
            let mut context = Context::default();
            context.request_id = event["requestContext"]["requestId"].as_str().unwrap_or_default().to_owned();
            let response = (function.handle)(&self.receiver, request.with_lambda_context(context)).await;
            payload(response).await
        });
        invocation.await.map_err(|error| failed("Runtime.Panic", error.to_string()))?
    }
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
