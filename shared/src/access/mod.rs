//! Who may see what: permissions, who somebody is by the claims of a token, and the entries of the access log.
//!
//! - [`permission`]: the permissions, one row each, and sets of them.
//! - [`groups`]: which groups of people have which of them.
//! - [`actor`]: who asks, and what they may, of the claims of a token that was verified already.
//! - [`entry`]: what was seen, by whom, and how that is stored.
//! - [`callee_id`]: telling that two calls went to the same person without telling the number.
//! - [`seal`]: what a reader carries from page to page and is not to read.

pub mod actor;
pub mod callee_id;
pub mod entry;
pub mod groups;
pub mod permission;
pub mod seal;

pub use actor::{Actor, ActorKind};
pub use callee_id::CalleeIds;
pub use entry::{AccessEntry, Via, What};
pub use groups::RoleGroups;
pub use permission::{Permission, Permissions};
