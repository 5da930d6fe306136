//! The model: one record a call, whatever the provider.
//!
//! The vocabulary is close to Twilio's; instants are UTC; the provider's own values are kept beside.

mod call;
mod conversation;
mod fact;
mod hour;
mod instant;
mod money;
mod outcome;
mod phone;
mod platform;
mod recording;
mod review;

pub use call::{CallFacts, CallId, CallKey, Tags};
pub use conversation::{ConversationFacts, Speaker, Turn};
pub use hour::{Hour, NotAnHour};
pub use instant::Instant;
pub(crate) use instant::{date_of, is_an_instant, is_plainly_an_instant};
pub use money::{Amount, Money};
pub use outcome::{HangupBy, Outcome};
pub use phone::PhoneNumber;
pub use platform::{Platform, Provider};
pub use recording::{Candidate, Recording, RecordingSource, RecordingState, SourceUrl, cause};
pub use review::Review;

/// A struct of facts that may all be unknown: every field becomes an `Option` that is left out of the item when empty.
macro_rules! facts {
    ($(#[$outer:meta])* $name:ident { $( $(#[$inner:meta])* $field:ident : $type:ty, )* }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $( $(#[$inner])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>, )*
        }

        impl $name {
            /// The attributes' names.
            pub const NAMES: &'static [&'static str] = &[$( stringify!($field), )*];

            /// The facts that are known, as an item holds them: what serializing them gives, made storable, without a copy of any text.
            pub fn into_facts(self) -> $crate::record::attribute_list::AttributeList {
                let mut facts = $crate::record::attribute_list::AttributeList::new();
                facts.reserve([$( self.$field.is_some(), )*].into_iter().filter(|is_known| *is_known).count());
                $( facts.push_some(stringify!($field), self.$field.map($crate::model::fact::Fact::into_value)); )*
                facts
            }
        }
    };
}
use facts;
