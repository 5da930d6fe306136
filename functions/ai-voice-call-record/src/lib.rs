//! Catches the call record of the AI-voice application of itniotech and ONBUKA, which runs on Yiwise's engine.
//!
//! Documents: <https://itniotech.com/api/ai-voice/pushCallRecord>; the engine's own,
//! <https://github.com/yiwise/slate/blob/e032b5d/source/includes/callBack.md>

mod normalize;

use shared::model::Provider;
use shared::normalize::PushType;

/// The push that this function catches.
pub const PUSH: PushType = PushType {
    function: "ai-voice-call-record",
    provider: Provider::AiVoice,
    envelope: None,
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};

/// Receives a push of a call record.
#[cfg(feature = "runtime")]
pub async fn handle(
    receiver: &runtime::ingress::receive::Receiver,
    request: lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {
    receiver.receive(&PUSH, request).await
}
