//! Analytics' files, on the real embedded stores: what is in them, when they are written, and that they hold the table's truth.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is test code, and what it measures is told"
)]

mod counts;
mod erased;
mod files;
mod golden;
#[allow(dead_code, reason = "what the tests of reading ask of it, too")]
#[path = "../reading/index.rs"]
mod index;
mod marks;
mod mending;
mod rig;
mod simulation;
mod tally;
mod week;
