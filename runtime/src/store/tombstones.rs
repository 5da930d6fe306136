//! Tombstones as they are stored, and how a look at one is noted.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde_json::Value;

use super::table::{Table, TableError};
use super::update::{Update, instant, number, text};
use shared::model::{CallKey, Instant};
use shared::record::item::{ERASED_AT, Item, VERSION, is_tombstone};
use shared::record::keys::{self, DUE, DUE_AT};
use shared::record::tombstone::{ARMED_AT, HEARD_AT, PREFIXES, SHOWN_ID};

/// When a look was planned for. Where `due_at` says otherwise, somebody else has set it: the tombstone was armed again.
const LOOK_AT: &str = "look_at";
const FIRST_RECEIVED_AT: &str = "first_received_at";
const UPDATED_AT: &str = "updated_at";
/// The condition that a call's item is a tombstone.
const TOMBSTONE: &str = "attribute_exists(#erased_at)";

/// All that a tombstone may hold.
const ATTRIBUTES: [&str; 13] = [
    keys::PK,
    keys::SK,
    VERSION,
    ERASED_AT,
    PREFIXES,
    ARMED_AT,
    SHOWN_ID,
    HEARD_AT,
    LOOK_AT,
    DUE,
    DUE_AT,
    FIRST_RECEIVED_AT,
    UPDATED_AT,
];

/// A tombstone as it is stored.
#[derive(Debug)]
pub struct Tombstone {
    erased_at: String,
    due_at: Option<String>,
    /// Since when it is armed.
    pub armed_at: Instant,
    /// Where the call's objects lay.
    pub prefixes: BTreeSet<String>,
    /// What it should not hold: a release that knows no tombstones has merged a push into it.
    strangers: Vec<String>,
}

impl Tombstone {
    /// Reads a call's item; `None` where it is no tombstone. A time that can't be read is `now`.
    pub fn of(item: &Item, now: Instant) -> Option<Self> {
        if !is_tombstone(item) {
            return None;
        }
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let time = |name: &str| text(name).and_then(|time| time.parse::<Instant>().ok());
        let erased_at = time(ERASED_AT).unwrap_or(now);
        let due_at = text(DUE_AT);
        let is_planned = due_at.is_none() || due_at == text(LOOK_AT);
        let armed_at = time(ARMED_AT).unwrap_or(erased_at);
        let armed_at = match time(DUE_AT) {
            Some(due_at) if !is_planned => armed_at.max(due_at.min(now)),
            _ => armed_at,
        };
        let prefixes = item.get(PREFIXES).and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            erased_at: erased_at.to_string(),
            armed_at,
            prefixes: prefixes
                .filter_map(Value::as_str)
                .filter(|prefix| keys::is_of_calls(prefix))
                .map(str::to_owned)
                .collect(),
            strangers: item
                .iter()
                .filter(|(name, value)| {
                    let time = Some(*value) == item.get(ERASED_AT);
                    let is_time = [FIRST_RECEIVED_AT, UPDATED_AT].contains(&name.as_str());
                    !ATTRIBUTES.contains(&name.as_str()) || is_time && !time
                })
                .map(|(name, _)| name.clone())
                .collect(),
            due_at,
        })
    }

    /// Whether something stands in it that should not.
    pub fn is_stained(&self) -> bool {
        !self.strangers.is_empty()
    }
}

/// What is noted of a look.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Since when the tombstone is armed.
    pub armed_at: Instant,
    /// When it is to be looked at next; `None` where it need not be any more.
    pub next: Option<Instant>,
    /// Where the call's objects lay.
    pub prefixes: &'a BTreeSet<String>,
}

impl Table {
    /// Notes a look at a call's tombstone, on condition that it was not armed again meanwhile: then it stays due, and the answer is
    /// `false`.
    ///
    /// # Errors
    /// [`TableError::Update`], when DynamoDB fails.
    pub async fn note_look(
        &self,
        key: &CallKey,
        tombstone: &Tombstone,
        look: Look<'_>,
    ) -> Result<bool, TableError> {
        let pk = keys::call_pk(key);
        let mut set = vec!["#armed_at = :armed_at"];
        let mut remove = Vec::new();
        let mut values = vec![(":armed_at", instant(look.armed_at))];
        let mut aliases = Vec::new();
        match look.next {
            Some(next) => {
                set.extend(["#due = :due", "#due_at = :next", "#look_at = :next"]);
                values.extend([(":due", due_of(&pk)), (":next", instant(next))]);
            }
            None => remove.extend(["#due", "#due_at", "#look_at"].map(str::to_owned)),
        }
        if !look.prefixes.is_empty() {
            set.push("#prefixes = :prefixes");
            let prefixes = look.prefixes.iter().map(|prefix| text(prefix)).collect();
            values.push((":prefixes", AttributeValue::L(prefixes)));
        }
        if tombstone.is_stained() {
            // The version too: whoever has read it as it was must not write it again.
            set.extend([
                "#first_received_at = :erased_at",
                "#updated_at = :erased_at",
                "#version = #version + :one",
            ]);
            values.extend([(":erased_at", text(&tombstone.erased_at)), (":one", number(1))]);
            let is_set = |name: &str| [FIRST_RECEIVED_AT, UPDATED_AT].contains(&name);
            // Aliases of their own: what a stranger wrote may be any text.
            for (at, name) in tombstone.strangers.iter().filter(|name| !is_set(name)).enumerate() {
                remove.push(format!("#stranger{at}"));
                aliases.push((format!("#stranger{at}"), name.clone()));
            }
        }
        let condition = match &tombstone.due_at {
            Some(due_at) => {
                values.push((":read", text(due_at)));
                "attribute_exists(#erased_at) AND #due_at = :read"
            }
            None => "attribute_exists(#erased_at) AND attribute_not_exists(#due_at)",
        };
        let mut change = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            change.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        let update = Update {
            pk: &pk,
            sk: keys::CALL,
            change,
            condition,
            values,
            aliases,
            returned: ReturnValue::None,
        };
        Ok(self.change(update).await?.is_done())
    }

    /// Has an erased call looked at again, `now`: an object of it may have come to lie in the bucket after it was erased. Changes
    /// nothing where there is no tombstone.
    ///
    /// # Errors
    /// [`TableError::Update`], when DynamoDB fails.
    pub async fn rearm_tombstone(&self, key: &CallKey, now: Instant) -> Result<(), TableError> {
        let pk = keys::call_pk(key);
        let update = Update {
            pk: &pk,
            sk: keys::CALL,
            // The version too, so that a sweep under way does not take this for what it has looked at.
            change: "SET #due = :due, #due_at = :now, #version = #version + :one".to_owned(),
            condition: TOMBSTONE,
            values: vec![(":due", due_of(&pk)), (":now", instant(now)), (":one", number(1))],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        self.change(update).await.map(|_| ())
    }

    /// Notes a look at the tombstone of a reject, unless it was armed again meanwhile: then it stays due, and the answer is `false`.
    /// `stone` is the tombstone as it was read.
    ///
    /// # Errors
    /// [`TableError::Update`], when DynamoDB fails.
    pub async fn note_look_at_reject(
        &self,
        stone: &Item,
        armed_at: Instant,
        next: Option<Instant>,
    ) -> Result<bool, TableError> {
        let own = |name: &str| stone.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut values = vec![(":read", text(own(DUE_AT)))];
        let change = match next {
            Some(next) => {
                values.extend([(":next", instant(next)), (":armed_at", instant(armed_at))]);
                "SET #due_at = :next, #armed_at = :armed_at"
            }
            // Nothing is looked at any more until it comes again, under a key of its day.
            None => "REMOVE #due_at, #armed_at, #due, #objects",
        };
        let update = Update {
            pk: own(keys::PK),
            sk: own(keys::SK),
            change: change.to_owned(),
            condition: "#due_at = :read",
            values,
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        Ok(self.change(update).await?.is_done())
    }
}

/// The partition of `by-due` that the tombstone under this partition key lies in.
fn due_of(pk: &str) -> AttributeValue {
    text(&keys::erased_due_key(keys::shard_of(pk)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::record::erased_reject::OBJECTS;

    /// The expressions spell the attributes' names out.
    #[test]
    fn the_attributes_that_expressions_name_are_those_of_a_tombstone() {
        assert_eq!(TOMBSTONE, format!("attribute_exists(#{ERASED_AT})"));
        let of_calls = [ARMED_AT, DUE, DUE_AT, LOOK_AT, PREFIXES, VERSION, FIRST_RECEIVED_AT, UPDATED_AT];
        let spelled = ["armed_at", "due", "due_at", "look_at", "prefixes"];
        assert_eq!(of_calls[..5], spelled);
        assert_eq!(of_calls[5..], ["version", "first_received_at", "updated_at"]);
        assert_eq!(OBJECTS, "objects");
    }
}
