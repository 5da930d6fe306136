//! Asking Alibaba's API for what no push brought, against the simulator and the embedded stores.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod due;
mod reconcile;
mod rig;
mod settle;
