//! Reading what is stored: lists of calls page by page, calls whole, counts, recordings that wait, on the real embedded stores; and on an
//! index that lags and has no order among equals.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod bounds;
mod index;
mod population;
mod rest;
mod walks;
