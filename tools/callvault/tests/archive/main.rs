//! The archiver against the provider simulator and the embedded stores, through sockets, as in production.
//!
//! `CALLVAULT_FULL=1` runs the tests at the sizes that they are about, rather than at those that fit into every build, and those
//! that need the AWS CLI.

#![allow(clippy::unwrap_used)]

mod candidates;
mod erasure;
mod faults;
mod keys;
mod leases;
mod lost;
mod nights;
mod object;
mod overlap;
mod process;
mod renewal;
mod safety;
mod service;
mod support;
