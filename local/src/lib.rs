//! The local stack: the functions behind an HTTP socket as API Gateway would call them, with embedded stores.

pub mod demo;
pub mod functions;
pub mod gateway;
pub mod schema;
pub mod stack;
pub mod token;
