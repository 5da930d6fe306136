//! common

#[cfg(feature = "aws")]
pub mod outbound;
pub mod recording_url;
