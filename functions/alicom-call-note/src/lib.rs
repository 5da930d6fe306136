//! Catches AlicomAgentCallNote: what was said on a call of Alibaba Cloud's Intelligent Communications Agent, and what the
//! agent concluded from it.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/alicomagentcallnote-1>

mod normalize;

use shared::model::Provider;
use shared::normalized::PushType;

/// The push that this function catches.
pub const PUSH: PushType = PushType {
    function: shared::merge::NOTE,
    provider: Provider::Alicom,
    envelope: None,
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};

/// Receives a push of call notes.
#[cfg(feature = "aws")]
pub async fn handle(
    receiver: &shared::push::Receiver,
    request: lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {
    receiver.receive(&PUSH, request).await
}
