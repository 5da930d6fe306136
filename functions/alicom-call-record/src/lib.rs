//! Catches AlicomAgentCallRecord: where the recording of a call of Alibaba Cloud's Intelligent Communications Agent can be
//! fetched.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/alicomagentcallrecord-1>

mod normalize;

use shared::model::Provider;
use shared::normalize::PushType;

/// The push that this function catches.
pub const PUSH: PushType = PushType {
    function: shared::record::merge::RECORD,
    provider: Provider::Alicom,
    envelope: None,
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};

/// Receives a push of recordings.
#[cfg(feature = "runtime")]
pub async fn handle(
    receiver: &runtime::ingress::receive::Receiver,
    request: lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {
    receiver.receive(&PUSH, request).await
}
