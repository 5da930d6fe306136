//! Pushes about calls that nobody knows yet, as many as it takes, made of a function's sample.

use anyhow::{Context, bail};
use catalog::{PUSH_FUNCTIONS, PushFunction};
use runtime::clock;
use serde_json::{Value, json};
use shared::normalize::Context as PushContext;

/// The token that the pushes carry, as the samples' do.
pub(super) const TOKEN: &str = "local";

/// A function's sample, of which pushes are made.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// The function.
    pub(super) function: &'static str,
    event: Value,
    element: String,
    call_id: String,
    envelope: Option<&'static str>,
}

impl Sample {
    /// The sample of the function with this name.
    pub(super) fn of(function: &str) -> anyhow::Result<Self> {
        let known = PUSH_FUNCTIONS.into_iter().find(|known| known.push.function == function);
        let Some(PushFunction { push, event, .. }) = known else {
            bail!("{function} is no function that catches pushes")
        };
        let event: Value = serde_json::from_str(event).with_context(|| format!("events/{function}.json"))?;
        let body = event["body"].as_str().context("the sample has no body")?;
        let Ok(elements) = push.elements(body.as_bytes()) else { bail!("the sample is not JSON") };
        let element = *elements.texts.first().context("the sample has no element")?;
        // As platforms write it: on one line.
        let element = serde_json::from_str::<Value>(element)?.to_string();
        let context = PushContext { received_at: clock::now(), utc_offset: jiff::tz::Offset::constant(8) };
        let call_id = push.normalized(&element, &context)?.call_id.as_str().to_owned();
        Ok(Self { function: push.function, event, element, call_id, envelope: push.envelope })
    }

    /// A body about `size` calls, whose ids have `name` in them. Two names of one length make bodies of one length.
    pub(super) fn body(&self, name: &str, size: usize) -> String {
        let elements: Vec<_> =
            (0..size).map(|n| self.element.replace(&self.call_id, &format!("{name}-{n:04}"))).collect();
        let list = format!("[{}]", elements.join(","));
        match self.envelope {
            Some(envelope) => format!("{{{}:{list}}}", json!(envelope)),
            None => list,
        }
    }

    /// The event of API Gateway around such a body.
    pub(super) fn event(&self, name: &str, size: usize) -> String {
        self.event_of(&self.body(name, size))
    }

    /// The event of API Gateway around any body.
    pub(super) fn event_of(&self, body: &str) -> String {
        let mut event = self.event.clone();
        event["headers"]["content-length"] = body.len().to_string().into();
        event["body"] = body.into();
        event.to_string()
    }
}

/// Checks that a function's answer to API Gateway acknowledges a push of so many elements.
pub(super) fn acknowledged(answer: &Value, elements: usize) -> anyhow::Result<()> {
    let body: Option<Value> = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
    let stored = format!("stored {elements}");
    match body {
        Some(body) if answer["statusCode"] == 200 && body["msg"] == stored => Ok(()),
        _ => bail!("the push was not acknowledged: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_pushes_of_any_size_about_calls_of_their_own() {
        for function in PUSH_FUNCTIONS {
            let push = function.push;
            let sample = Sample::of(push.function).unwrap();
            let context = PushContext { received_at: clock::now(), utc_offset: jiff::tz::Offset::UTC };
            let ids = |name: &str| -> Vec<String> {
                let body = sample.body(name, 3);
                let elements = push.elements(body.as_bytes()).unwrap();
                let of = |text: &&str| push.normalized(text, &context).unwrap().call_id.as_str().to_owned();
                elements.texts.iter().map(of).collect()
            };
            assert_eq!(ids("a"), ["a-0000", "a-0001", "a-0002"], "{}", push.function);
            assert_eq!(sample.body("a", 3).len(), sample.body("b", 3).len());
            let event: Value = serde_json::from_str(&sample.event("a", 2)).unwrap();
            assert_eq!(event["body"], sample.body("a", 2));
        }
    }

    #[test]
    fn only_a_push_that_is_stored_whole_counts() {
        let answer = |status: u16, body: &str| json!({"statusCode": status, "body": body});
        assert!(acknowledged(&answer(200, r#"{"code":0,"msg":"stored 2"}"#), 2).is_ok());
        assert!(acknowledged(&answer(200, r#"{"code":0,"msg":"stored 1, rejected 1"}"#), 2).is_err());
        assert!(acknowledged(&answer(503, r#"{"code":1,"msg":"stored 2"}"#), 2).is_err());
        assert!(acknowledged(&json!({"errorType": "Runtime.Panic"}), 2).is_err());
    }
}
