//! Catches AlicomAgentCallNote: what was said on a call of Alibaba Cloud's Intelligent Communications Agent, and what the
//! agent concluded from it.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/alicomagentcallnote-1>

mod normalize;

use shared::model::Provider;
use shared::normalize::PushType;

/// The push that this function catches.
pub const PUSH: PushType = PushType {
    function: shared::record::merge::NOTE,
    provider: Provider::Alicom,
    envelope: None,
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};

/// Receives a push of call notes.
#[cfg(feature = "runtime")]
pub async fn handle(
    receiver: &runtime::ingress::receive::Receiver,
    request: lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {
    receiver.receive(&PUSH, request).await
}
