//! What is stored of a call: how pushes are merged into one record, what is still missing of it, and the items and keys it comes to.

pub mod attribute_list;
pub mod digests;
pub mod erased_reject;
pub mod history;
pub mod inquiry;
pub mod item;
pub mod keys;
pub mod merge;
pub mod missing;
pub mod parts;
pub mod rejected;
pub mod storable;
pub mod tombstone;
