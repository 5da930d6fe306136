//! local

pub mod provider;
