//! A tombstone as it is stored, and how a look at it is noted.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use runtime::store::table::Table;
use serde_json::Value;
use shared::model::{CallKey, Instant};
use shared::record::item::{Item, VERSION};
use shared::record::keys;
use shared::record::tombstone::{ERASED_AT, PREFIXES, is_tombstone};

use crate::remover::is_of_calls;

/// Since when a tombstone is looked at as often as one of a call that was just erased.
const ARMED_AT: &str = "armed_at";
/// When a look was planned for. Where `due_at` says otherwise, somebody else has set it: the tombstone was armed again.
const LOOK_AT: &str = "look_at";
const DUE: &str = "due";
const DUE_AT: &str = "due_at";
const FIRST_RECEIVED_AT: &str = "first_received_at";
const UPDATED_AT: &str = "updated_at";

/// All that a tombstone may hold.
const ATTRIBUTES: [&str; 11] = [
    keys::PK,
    keys::SK,
    VERSION,
    ERASED_AT,
    PREFIXES,
    ARMED_AT,
    LOOK_AT,
    DUE,
    DUE_AT,
    FIRST_RECEIVED_AT,
    UPDATED_AT,
];

/// A tombstone as it is stored.
#[derive(Debug)]
pub(crate) struct Tombstone {
    erased_at: String,
    due_at: Option<String>,
    /// Since when it is armed.
    pub(crate) armed_at: Instant,
    /// Where the call's objects lay.
    pub(crate) prefixes: BTreeSet<String>,
    /// What it should not hold: a release that knows no tombstones has merged a push into it.
    strangers: Vec<String>,
}

impl Tombstone {
    /// Reads a call's item; `None` where it is no tombstone. A time that can't be read is `now`.
    pub(crate) fn of(item: &Item, now: Instant) -> Option<Self> {
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
                .filter(|prefix| is_of_calls(prefix))
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
    pub(crate) fn is_stained(&self) -> bool {
        !self.strangers.is_empty()
    }
}

/// What is noted of a look.
pub(crate) struct Look<'a> {
    pub(crate) armed_at: Instant,
    pub(crate) next: Option<Instant>,
    pub(crate) prefixes: &'a BTreeSet<String>,
}

/// Notes a look, on condition that the tombstone was not armed again meanwhile: then it stays due, and the answer is `false`.
pub(crate) async fn note(
    table: &Table,
    key: &CallKey,
    tombstone: &Tombstone,
    look: Look<'_>,
) -> Result<bool, Box<SdkError<UpdateItemError>>> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut values = HashMap::from([(":armed_at", text(&look.armed_at.to_string()))]);
    let mut set = vec![("armed_at".to_owned(), ":armed_at")];
    let mut remove = Vec::new();
    match look.next {
        Some(next) => {
            values.insert(":next", text(&next.to_string()));
            values.insert(":due", text(&keys::erased_due_key(key)));
            set.extend([
                (DUE.to_owned(), ":due"),
                (DUE_AT.to_owned(), ":next"),
                (LOOK_AT.to_owned(), ":next"),
            ]);
        }
        None => remove.extend([DUE.to_owned(), DUE_AT.to_owned(), LOOK_AT.to_owned()]),
    }
    if !look.prefixes.is_empty() {
        values.insert(
            ":prefixes",
            AttributeValue::L(look.prefixes.iter().map(|prefix| text(prefix)).collect()),
        );
        set.push((PREFIXES.to_owned(), ":prefixes"));
    }
    let mut version = "";
    if tombstone.is_stained() {
        values.insert(":erased_at", text(&tombstone.erased_at));
        values.insert(":one", AttributeValue::N("1".to_owned()));
        set.extend([(FIRST_RECEIVED_AT.to_owned(), ":erased_at"), (UPDATED_AT.to_owned(), ":erased_at")]);
        let is_set = |name: &String| set.iter().any(|(set, _)| set == name);
        remove.extend(tombstone.strangers.iter().filter(|name| !is_set(name)).cloned().collect::<Vec<_>>());
        // Whoever has read it as it was must not write it again.
        version = ", #version = #version + :one";
    }
    let due = match &tombstone.due_at {
        Some(due_at) => {
            values.insert(":read", text(due_at));
            "#due_at = :read"
        }
        None => "attribute_not_exists(#due_at)",
    };
    // Names of its own for each attribute: what a stranger wrote may be any text.
    let mut names = HashMap::from([
        ("#erased_at".to_owned(), ERASED_AT.to_owned()),
        ("#due_at".to_owned(), DUE_AT.to_owned()),
    ]);
    if !version.is_empty() {
        names.insert("#version".to_owned(), VERSION.to_owned());
    }
    let mut alias = |name: String| {
        let alias = format!("#a{}", names.len());
        names.insert(alias.clone(), name);
        alias
    };
    let set: Vec<_> = set.into_iter().map(|(name, value)| format!("{} = {value}", alias(name))).collect();
    let remove: Vec<_> = remove.into_iter().map(&mut alias).collect();
    let mut change = format!("SET {}{version}", set.join(", "));
    if !remove.is_empty() {
        change.push_str(&format!(" REMOVE {}", remove.join(", ")));
    }
    let (client, name) = table.client();
    let update = client
        .update_item()
        .table_name(name)
        .key(keys::PK, text(&keys::call_pk(key)))
        .key(keys::SK, text(keys::CALL))
        .update_expression(change)
        .condition_expression(format!("attribute_exists(#erased_at) AND {due}"))
        .set_expression_attribute_names(Some(names))
        .set_expression_attribute_values(Some(
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ));
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) if is_refusal(&error) => Ok(false),
        Err(error) => Err(Box::new(error)),
    }
}

pub(crate) fn is_refusal(error: &SdkError<UpdateItemError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}
