//! What callvault's functions have at hand when they run: everything that touches the world.
//!
//! - [`ingress`]: the way of a push, from the HTTP request to the answer.
//! - [`store`]: the table and the bucket.
//! - [`auth`]: who a reader is, by their token.
//! - [`outbound`]: what is asked of others, recordings and the platforms' APIs.
//! - [`config`], [`credentials`], [`aws`], [`clock`], [`deadline`], [`random`]: what a process finds around it.
//! - [`backoff`]: how long to pause before something is tried again.
//! - [`telemetry`], [`metrics`]: what it tells of itself.
//!
//! What is known of calls is in the crate `shared`, which is pure.

pub mod auth;
pub mod aws;
pub mod backoff;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod deadline;
pub mod health;
pub mod ingress;
pub mod metrics;
pub mod outbound;
pub mod random;
pub mod store;
pub mod telemetry;
