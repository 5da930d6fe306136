//! Analytics' files, on the real embedded stores: what is in them, when they are written, and that they hold the table's truth.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod counts;
mod files;
mod golden;
mod marks;
mod rig;
mod simulation;
