//! The local stack: the functions behind an HTTP socket as API Gateway would call them, with embedded stores, and a simulator of the
//! platforms.

pub mod demo;
