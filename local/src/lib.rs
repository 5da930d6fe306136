//! The local stack: the functions behind an HTTP socket as API Gateway would call them, with embedded stores.

pub mod demo;
pub mod dynamodb;
pub mod functions;
pub mod gateway;
pub mod s3;
pub mod schema;
pub mod stack;
pub mod token;
