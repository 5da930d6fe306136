//! Pushes from HTTP to the stores, through the handlers, the SDK and the embedded stores, as a platform would send them.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod access;
mod access_log;
mod billing;
mod bodies;
mod calls;
mod durability;
mod erase;
mod erasure;
mod events;
mod every_platform;
mod export;
mod faults;
mod folding;
mod glossary;
mod hostile;
mod indexes;
mod leaks;
mod merging;
mod operator;
mod process;
mod report;
mod sign_in;
mod simulation;
mod support;
mod telling;
