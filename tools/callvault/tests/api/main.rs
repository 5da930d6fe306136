//! The API over calls, from HTTP to the stores: who may see what, what is found, and in which forms.

#![allow(clippy::unwrap_used, reason = "this is test code")]

#[path = "../push/faults.rs"]
#[allow(dead_code, reason = "of the faults only some are made here")]
mod faults;

mod documents;
mod forms;
mod hidden;
mod hostile;
mod ids;
mod numbers;
mod permissions;
mod polling;
mod rig;
mod single;
