//! The local stack: the functions behind an HTTP socket as API Gateway would call them, with embedded stores, their stream, a bus, and a
//! simulator of the platforms; and Lambda's Runtime API, for a function's own program.

pub mod bus;
mod demo;
pub mod dynamodb;
pub mod functions;
mod gateway;
pub mod issuer;
pub mod lambda;
pub mod schema;
mod stack;
mod stream;

pub use stack::{Options, ProviderOptions, Stack, serve, serve_provider};
