//! What callvault asks of others: recordings from the hosts that keep them.
//!
//! The URL of a recording came in a push, so [`fetch`] treats it as hostile: its host must be allowed ([`hosts`]) and
//! every address behind the name must be public ([`address`]).
//!
//! Nothing here logs, and no error says more of a URL than its host: the rest of a recording's URL is a signature.

pub mod address;
mod connector;
pub mod fetch;
pub mod hosts;
