//! `template.yaml` against the code: what the code needs is there, and nothing else is.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod analytics;
mod calls;
mod events;
mod expressions;
mod metrics;
mod names;
mod parameters;
mod permissions;
mod schema;
mod settings;
mod template;
