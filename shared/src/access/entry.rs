//! What was seen, by whom: the entries of the access log.
//!
//! An entry is written before its answer goes out, and stays when the call is erased. So nothing of a callee may be in it: no number,
//! and no digest of what holds one either, since numbers are few enough to try. A [`What`] can be made of nothing else.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::actor::Actor;
use super::callee_id::is_callee_id;
use crate::masking::in_text;
use crate::model::{CallKey, Instant};
use crate::record::item::Item;
use crate::record::keys;

/// The attributes.
const ACTOR: &str = "actor";
const WHAT: &str = "what";
const VIA: &str = "via";

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct What(Cow<'static, str>);

impl What {
    /// One call: its facts, and what was said.
    pub const CALL: Self = Self(Cow::Borrowed("call"));
    /// One call, and with it the whole numbers.
    pub const CALL_WITH_NUMBERS: Self = Self(Cow::Borrowed("call with numbers"));
    /// A number that was hidden until it was asked for.
    pub const NUMBER: Self = Self(Cow::Borrowed("number"));
    /// One call as a vCon.
    pub const VCON: Self = Self(Cow::Borrowed("vcon"));
    /// One call as a vCon, and with it the whole numbers and the pushes.
    pub const VCON_WITH_NUMBERS: Self = Self(Cow::Borrowed("vcon with numbers"));

    /// A push as it came. Which of the function's is not told: a digest of it would tell numbers to whoever tries them.
    pub fn push(function: &'static str) -> Self {
        Self(format!("push {function}").into())
    }

    /// A recording. What looks like a number in the slot's name is blacked out.
    pub fn recording(slot: &str) -> Self {
        Self(format!("recording {}", in_text(slot)).into())
    }

    /// A list with whole numbers; `callee_ids` are those of the numbers that it was filtered by, if it was.
    pub fn list(callee_ids: &[String]) -> Self {
        Self::many("list", callee_ids)
    }

    /// A download with whole numbers; `callee_ids` as of a list.
    pub fn download(callee_ids: &[String]) -> Self {
        Self::many("download", callee_ids)
    }

    /// Counts of tasks whose ids, tags and intents are whole; `callee_ids` are those of the numbers that a task was asked for by.
    pub fn tasks(callee_ids: &[String]) -> Self {
        Self::many("tasks", callee_ids)
    }

    /// Something by its `name` for which there is no other.
    pub fn of(name: &'static str) -> Self {
        Self(name.into())
    }

    fn many(what: &str, callee_ids: &[String]) -> Self {
        let mut many = what.to_owned();
        for id in callee_ids {
            many.push_str(" callee_id=");
            // What is no id might be the number itself.
            many.push_str(if is_callee_id(id) { id } else { "unknown" });
        }
        Self(many.into())
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// By which way it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via(Cow<'static, str>);

impl Via {
    /// The API over calls.
    pub const API: Self = Self(Cow::Borrowed("api"));
    /// The console.
    pub const CONSOLE: Self = Self(Cow::Borrowed("console"));

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// That somebody saw something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// When.
    pub at: Instant,
    /// Who: [`Actor::name`].
    pub actor: String,
    /// What.
    pub what: What,
    /// By which way.
    pub via: Via,
    /// Of which call; `None` where it is of many.
    pub call: Option<CallKey>,
}

impl AccessEntry {
    /// That an actor sees something, now.
    pub fn new(at: Instant, actor: &Actor, what: What, via: Via, call: Option<CallKey>) -> Self {
        Self { at, actor: actor.name(), what, via, call }
    }

    /// The item that holds it. `random` tells it from others of the same millisecond; it is kept until `expires`, in seconds since 1970.
    pub fn to_item(&self, random: &str, expires: i64) -> Item {
        let pk = match &self.call {
            Some(call) => keys::access_pk(call),
            None => keys::access_list_pk(&self.at.date()),
        };
        Map::from_iter([
            (keys::PK.to_owned(), pk.into()),
            (keys::SK.to_owned(), keys::access_sk(self.at, random).into()),
            (ACTOR.to_owned(), self.actor.clone().into()),
            (WHAT.to_owned(), self.what.as_str().into()),
            (VIA.to_owned(), self.via.as_str().into()),
            (keys::TTL.to_owned(), expires.into()),
        ])
    }

    /// The entry that an item holds; `None` where it is no entry of the access log.
    pub fn of_item(item: &Item) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let (pk, sk) = (text(keys::PK)?, text(keys::SK)?);
        let call = match keys::call_of_access_pk(pk) {
            Some(call) => Some(call),
            None if keys::is_access_pk(pk) => None,
            None => return None,
        };
        Some(Self {
            at: sk.split_once('#')?.0.parse().ok()?,
            actor: text(ACTOR)?.to_owned(),
            what: What(text(WHAT)?.to_owned().into()),
            via: Via(text(VIA)?.to_owned().into()),
            call,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::actor::ActorKind;
    use crate::access::permission::Permissions;
    use crate::model::{CallId, Provider};
    use proptest::prelude::*;
    use serde_json::json;

    fn at() -> Instant {
        "2025-06-01T02:00:00.000Z".parse().unwrap()
    }

    fn entry(what: What, call: Option<&str>) -> AccessEntry {
        let actor =
            Actor { subject: "u".to_owned(), kind: ActorKind::Person, permissions: Permissions::all() };
        let call = call
            .map(|id| CallKey { provider: Provider::Alicom, call_id: CallId::new(id.to_owned()).unwrap() });
        AccessEntry::new(at(), &actor, what, Via::API, call)
    }

    #[test]
    fn an_item_is_as_the_design_has_it() {
        let of_call = entry(What::CALL, Some("1#2^3")).to_item("ab", 7);
        assert_eq!(
            Value::Object(of_call),
            json!({"pk": "access#alicom#1#2^3", "sk": "2025-06-01T02:00:00.000Z#ab", "actor": "person:u",
                   "what": "call", "via": "api", "ttl": 7})
        );
        let id = "0123456789abcdef0123456789abcdef";
        let of_list = entry(What::list(&[id.to_owned()]), None).to_item("cd", 7);
        assert_eq!(of_list["pk"], "access#2025-06-01");
        assert_eq!(of_list["what"], format!("list callee_id={id}"));
    }

    #[test]
    fn what_is_no_entry_is_not_read_as_one() {
        let item = entry(What::CALL, Some("1")).to_item("ab", 7);
        for (name, value) in [("pk", json!("call#alicom#1")), ("sk", json!("call")), ("actor", json!(7))] {
            let mut other = item.clone();
            other.insert(name.to_owned(), value);
            assert_eq!(AccessEntry::of_item(&other), None, "{name}");
        }
        assert!(AccessEntry::of_item(&item).is_some());
    }

    #[test]
    fn no_number_gets_into_an_entry() {
        for what in [
            What::recording("13900000000"),
            What::recording("rec-+86 139-0000-0000"),
            What::list(&["13900000000".to_owned()]),
            What::download(&["139000000001390000000013900000000".to_owned()]),
            What::tasks(&["T_139_0000_0000".to_owned()]),
        ] {
            assert!(!what.as_str().contains("0000"), "{what}");
        }
        assert_eq!(What::recording("main").as_str(), "recording main");
        assert_eq!(What::push("alicom-call-note").as_str(), "push alicom-call-note");
        assert_eq!(What::list(&[]).as_str(), "list");
        let two = ["0".repeat(32), String::new()];
        assert_eq!(What::list(&two).as_str(), format!("list callee_id={} callee_id=unknown", two[0]));
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(id in "\\PC{1,40}", slot in "\\PC{0,20}", is_list in any::<bool>()) {
            prop_assume!(CallId::new(id.clone()).is_some());
            let entry = entry(What::recording(&slot), (!is_list).then_some(id.as_str()));
            prop_assert_eq!(AccessEntry::of_item(&entry.to_item("ab", 7)), Some(entry));
        }
    }
}
