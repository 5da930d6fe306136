//! What callvault's functions have in common: the model, the way of a push, the stores, settings and logs.
//!
//! Without the feature `aws` everything here is pure: no clock, no I/O, no AWS SDK. That is what normalizers are built on.

pub mod alibaba;
pub mod body;
pub mod config;
pub mod erased_reject;
pub mod fields;
pub mod inquiry;
pub mod item;
pub mod keys;
pub mod masking;
pub mod merge;
pub mod metrics;
pub mod model;
pub mod normalized;
pub mod parts;
pub mod path_id;
pub mod recording_url;
pub mod rejected;
pub mod storable;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tombstone;
pub mod vcon;
pub mod whole_call;

#[cfg(feature = "aws")]
pub mod answer;
#[cfg(feature = "aws")]
pub mod attributes;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod bucket;
#[cfg(feature = "aws")]
pub mod credentials;
#[cfg(feature = "aws")]
pub mod deadline;
#[cfg(feature = "aws")]
pub mod outbound;
#[cfg(feature = "aws")]
pub mod push;
#[cfg(feature = "aws")]
pub mod random;
#[cfg(feature = "request")]
pub mod request;
#[cfg(feature = "aws")]
pub mod store;
#[cfg(feature = "aws")]
pub mod table;
