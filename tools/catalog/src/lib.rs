//! The push functions: what each catches, its sample event and its handler, in one row; and the [tokens](token) that open them.

pub mod token;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lambda_http::{Body, Request, Response};
use runtime::ingress::receive::Receiver;
use shared::normalize::PushType;

/// A function that catches pushes.
#[derive(Clone, Copy)]
pub struct PushFunction {
    /// What it catches.
    pub push: PushType,
    /// The field that holds the call's id; `object.field` where an element wraps its record.
    pub call_id: &'static str,
    /// Its sample event, of `events/`.
    pub event: &'static str,
    handle: for<'a> fn(&'a Receiver, Request) -> BoxFuture<'a, Response<Body>>,
}

impl PushFunction {
    /// Has the function take a push.
    pub async fn receive(&self, receiver: &Receiver, request: Request) -> Response<Body> {
        (self.handle)(receiver, request).await
    }
}

/// A function's row: what it catches, where the call's id stands, its sample event, and its handler.
macro_rules! push_function {
    ($name:literal, $crate_:ident, $call_id:literal) => {
        PushFunction {
            push: $crate_::PUSH,
            call_id: $call_id,
            event: include_str!(concat!("../../../events/", $name, ".json")),
            handle: |receiver, request| $crate_::handle(receiver, request).boxed(),
        }
    };
}

/// Every function that catches pushes.
pub const PUSH_FUNCTIONS: [PushFunction; 5] = [
    push_function!("alicom-call-report", alicom_call_report, "callId"),
    push_function!("alicom-call-record", alicom_call_record, "callId"),
    push_function!("alicom-call-note", alicom_call_note, "callId"),
    push_function!("ai-voice-call-record", ai_voice_call_record, "callId"),
    push_function!("laaffic-status-report", laaffic_status_report, "voiceId"),
];

/// Every push that is caught.
pub fn pushes() -> [PushType; PUSH_FUNCTIONS.len()] {
    PUSH_FUNCTIONS.map(|function| function.push)
}

/// What is kept verbatim under a function's name: a push, or an answer.
pub fn stored_type(function: &str) -> Option<PushType> {
    let pushes = PUSH_FUNCTIONS.into_iter().map(|known| known.push);
    pushes.chain([fetch_conversations::ANSWER]).find(|push| push.function == function)
}

#[cfg(test)]
mod tests {
    use shared::model::{CallId, CallKey, Provider};
    use shared::record::keys;

    use super::*;

    #[test]
    fn whoever_pushes_is_a_platform_whose_calls_are_found_again_by_their_keys() {
        for PushType { function, provider, .. } in pushes() {
            assert!(Provider::ALL.contains(&provider), "{function}: {provider} is not among all platforms");
            let key = CallKey { provider, call_id: CallId::new("a#1".to_owned()).unwrap() };
            assert_eq!(keys::call_of_pk(&keys::call_pk(&key)), Some(key), "{function}");
        }
    }
}
