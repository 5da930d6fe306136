//! Which events are published, and what they may show.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::EventType;

/// Which types of events are published: a list of names separated by commas, or `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypes(BTreeSet<EventType>);

/// What is no list of types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not `all`, nor types of events separated by commas: there is no `{0}`, but {known}", known = known_types())]
pub struct EventTypesError(String);

/// The names of all types.
fn known_types() -> String {
    EventType::ALL.map(EventType::as_str).join(", ")
}

impl EventTypes {
    /// Every type.
    pub fn all() -> Self {
        Self(EventType::ALL.into())
    }

    /// Whether events of this type are published.
    pub fn contains(&self, event_type: EventType) -> bool {
        self.0.contains(&event_type)
    }
}

impl Default for EventTypes {
    fn default() -> Self {
        Self(EventType::ALL.into_iter().filter(|known| known.is_on_by_default()).collect())
    }
}

impl FromStr for EventTypes {
    type Err = EventTypesError;

    fn from_str(text: &str) -> Result<Self, EventTypesError> {
        if text.trim() == "all" {
            return Ok(Self::all());
        }
        let types = text
            .split(',')
            .map(|name| EventType::named(name.trim()).ok_or_else(|| EventTypesError(name.trim().to_owned())));
        Ok(Self(types.collect::<Result<_, _>>()?))
    }
}

/// How changes become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSettings {
    /// Which types are published.
    pub types: EventTypes,
    /// Whether numbers are shown whole.
    pub numbers: bool,
    /// How old a call may be, in seconds, that still makes what only recent calls make; `None` for any age.
    pub max_age_s: Option<i64>,
}

impl EventSettings {
    /// How old a call may be where nothing else is set, in hours.
    pub const MAX_AGE_HOURS: u32 = 24;
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            types: EventTypes::default(),
            numbers: false,
            max_age_s: Some(i64::from(Self::MAX_AGE_HOURS) * 3_600),
        }
    }
}
