//! The local stack: the functions behind an HTTP socket as API Gateway would call them, with embedded stores, and a simulator of the
//! platforms.

pub mod bench;
pub mod billing;
pub mod demo;
pub mod dynamodb;
pub mod functions;
pub mod gateway;
pub mod lambda;
pub mod operator;
pub mod schema;
pub mod simulate;
pub mod stack;
