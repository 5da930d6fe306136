//! What callvault asks of others: recordings from the hosts that keep them, and the providers' APIs.
//!
//! Two kinds of request leave the functions, and they trust their destination differently. The URL of a recording came in
//! a push, so [`fetch`] treats it as hostile: its host must be allowed ([`hosts`]) and every address behind the name must
//! be public ([`address`]). The base URL of a provider's API is the operator's own setting; [`alibaba`] and [`laaffic`]
//! sign what they send there, at a bounded rate ([`rate`]), and try again what can pass ([`api`]). So is the URL of who issues readers'
//! tokens, whose [`document`]s are read. Of AWS's own services only [`queue`]s are asked from here.
//!
//! Nothing here logs, and no error says more of a URL than its host: the rest of a recording's URL is a signature.

pub mod acs3;
pub mod address;
pub mod alibaba;
pub mod api;
mod connector;
pub mod document;
pub mod fetch;
pub mod hosts;
pub mod laaffic;
mod lenient;
#[cfg(test)]
pub(crate) mod loopback;
pub mod queue;
pub mod rate;
