//! Asks Alibaba Cloud's Intelligent Communications Agent for what its pushes did not bring: the conversation, the outcome
//! or the recording of a call that is known, and whole calls of which no push ever came.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/api-aiccs-2019-10-15-queryconversationdetailinfo>

mod normalize;

#[cfg(feature = "runtime")]
mod asking;
#[cfg(feature = "runtime")]
mod config;
#[cfg(feature = "runtime")]
mod due;
#[cfg(feature = "runtime")]
mod reconcile;
#[cfg(feature = "runtime")]
mod run;
#[cfg(feature = "runtime")]
mod settle;
#[cfg(feature = "runtime")]
mod summary;

use shared::model::Provider;
use shared::normalize::PushType;

#[cfg(feature = "runtime")]
pub use asking::RunError;
#[cfg(feature = "runtime")]
pub use config::FetchConfig;
#[cfg(feature = "runtime")]
pub use run::{Conversations, handle};
#[cfg(feature = "runtime")]
pub use summary::Summary;

/// The function's name.
pub const FUNCTION: &str = shared::record::merge::QUERY;

/// The answer that this function stores: the `Data` of QueryConversationDetailInfo, kept and merged as a push is.
pub const ANSWER: PushType = PushType {
    function: FUNCTION,
    provider: Provider::Alicom,
    envelope: None,
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
};
