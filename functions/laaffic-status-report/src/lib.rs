//! Catches LAAFFIC's status report: how IVR group calls by an AI agent ended.
//!
//! Documents: <https://www.laaffic.com/cn/api/ai/agentPushVoiceReportBatch/>; for `callStatus`, the older voice push's,
//! <https://www.laaffic.com/cn/api/voice/pushVoiceReport>

mod normalize;

use shared::model::Provider;
use shared::normalize::PushType;

/// The push that this function catches.
pub const PUSH: PushType = PushType {
    function: "laaffic-status-report",
    provider: Provider::Laaffic,
    envelope: Some("array"),
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};

/// Receives a push of status reports.
#[cfg(feature = "runtime")]
pub async fn handle(
    receiver: &runtime::ingress::receive::Receiver,
    request: lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {
    receiver.receive(&PUSH, request).await
}
