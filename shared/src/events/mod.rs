//! What changed, as events: which events a change of one item makes, and what each says. Pure.
//!
//! A call makes four and more writes. An event tells what *became known* by one, not that something was written: [`events_of`] compares
//! the item as it was with the item as it is. A repeated push changes nothing and makes none; a change that is told twice makes the same
//! ids twice.
//!
//! What an event shows is what `shared::view` shows: numbers are masked, unless they are asked for. The ids and the digests in them are
//! made of what is shown, so that no digest tells a number that is hidden.

mod change;
mod detail;
mod event_type;
mod id;
mod schema;
mod settings;
mod told;

#[cfg(test)]
mod again;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests;

pub use change::{CallState, Change, ItemKind, TAG_FIELDS, events_again, events_of};
pub use detail::{Event, MAX_DETAIL_BYTES, SOURCE};
pub use event_type::EventType;
pub use schema::schema;
pub use settings::{EventSettings, EventTypes, EventTypesError};
