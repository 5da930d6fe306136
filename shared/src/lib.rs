//! What callvault's functions have in common of calls: the model, reading pushes, and what is stored of them.
//!
//! Everything here is pure: no clock, no I/O, no AWS SDK. What touches the world is in the crate `runtime`.

pub mod access;
pub mod events;
pub mod masking;
pub mod model;
pub mod normalize;
pub mod path_id;
pub mod reading;
pub mod record;
pub mod vcon;
pub mod view;
pub mod whole_call;
