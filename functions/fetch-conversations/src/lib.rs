//! Asks Alibaba Cloud's Intelligent Communications Agent for what its pushes did not bring: the conversation, the outcome
//! or the recording of a call that is known, and whole calls of which no push ever came.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/api-aiccs-2019-10-15-queryconversationdetailinfo>

mod normalize;

#[cfg(feature = "aws")]
mod config;
#[cfg(feature = "aws")]
mod due;
#[cfg(feature = "aws")]
mod lease;
#[cfg(feature = "aws")]
mod marks;
#[cfg(feature = "aws")]
mod reconcile;
#[cfg(feature = "aws")]
mod run;
#[cfg(feature = "aws")]
mod summary;

use shared::model::Provider;
use shared::normalized::PushType;

#[cfg(feature = "aws")]
pub use config::FetchConfig;
#[cfg(feature = "aws")]
pub use run::{Conversations, RunError, handle};
#[cfg(feature = "aws")]
pub use summary::Summary;

/// The function's name.
pub const FUNCTION: &str = shared::merge::QUERY;

/// The answer that this function stores: the `Data` of QueryConversationDetailInfo, kept and merged as a push is.
pub const ANSWER: PushType = PushType {
    function: FUNCTION,
    provider: Provider::Alicom,
    envelope: None,
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};
