//! The console, from HTTP to the stores: who may see what, signing in and what is tampered with, forms, hostile texts, odd states, and
//! both languages. In a real browser `.ci/console` walks through it.

#![allow(clippy::unwrap_used, reason = "this is test code")]

#[path = "../api/rig.rs"]
#[allow(dead_code, reason = "of the rig only some is used here")]
mod rig;

mod browser;
mod filters;
mod forms;
mod going_back;
mod hostile;
mod ids;
mod languages;
mod methods;
mod operations;
mod permissions;
mod sign_in;
mod states;
