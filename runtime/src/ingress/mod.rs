//! The way of a push: who may send it ([`authorize`]), what becomes of it ([`receive`]), and how it is answered ([`answer`]).

pub mod answer;
pub mod authorize;
pub mod receive;
