//! The local stack: what the functions run against when there is no AWS.

pub mod dynamodb;
pub mod s3;
