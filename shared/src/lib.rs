//! common

pub mod recording_url;
