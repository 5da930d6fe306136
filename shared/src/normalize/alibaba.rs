//! What Alibaba's note and the answer of its QueryConversationDetailInfo write alike: the conversation and its tags.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/alicomagentcallnote-1>

use std::fmt;

use jiff::tz::Offset;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::model::{Speaker, Tags, Turn};
use crate::normalize::body::{is_plain, is_plain_object, read};
use crate::normalize::fields::{Fields, into_text, scalar_text, texts};

/// Stands inside the text of a turn by which the callee interrupted the agent ("customer interrupted").
const INTERRUPTED: &str = "<客户打断>";

/// Makes turns of a conversation: a list of `{content, role, …}`, or the JSON text of one.
///
/// It is given back where it is empty, or holds an entry that is no turn: then the whole is to be kept as it came, for half a
/// conversation looks like a whole one. A role that no document knows leaves the speaker open and stays in the turn's
/// `extra`, with all else that the entry says.
pub fn turns(record: Value) -> Result<Vec<Turn>, Value> {
    let entries = match &record {
        Value::String(text) => read(text),
        list => Vec::<Entry>::deserialize(list),
    };
    match entries {
        Ok(entries) if !entries.is_empty() => Ok(entries.into_iter().map(turn).collect()),
        Ok(_) | Err(_) => Err(record),
    }
}

/// An entry of a conversation. Most have only what is named here: an object of each would cost as much as all else.
struct Entry {
    content: String,
    role: Option<Value>,
    rest: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

/// A field's name. Of those that are known no copy is made.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Content,
    Role,
    Other(String),
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry of a conversation")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Entry, A::Error> {
        let (mut content, mut role, mut rest) = (None, None, Map::new());
        while let Some((name, value)) = fields.next_entry::<Name, Value>()? {
            match name {
                Name::Content => content = Some(value),
                Name::Role => role = Some(value),
                Name::Other(name) => {
                    rest.insert(name, value);
                }
            }
        }
        let content = match content {
            // Nothing was recognized.
            Some(Value::Null) => String::new(),
            Some(content) => into_text(content).map_err(|_| A::Error::custom("a content that is no text"))?,
            None => return Err(A::Error::missing_field("content")),
        };
        if !is_plain_object(&rest) || !role.as_ref().is_none_or(is_plain) {
            return Err(A::Error::custom("a name that serde_json keeps to itself"));
        }
        Ok(Entry { content, role, rest })
    }
}

fn turn(entry: Entry) -> Turn {
    let Entry { content, role, mut rest } = entry;
    let speaker = match role.as_ref().and_then(Value::as_str) {
        Some("assistant") => Some(Speaker::Agent),
        Some("user") => Some(Speaker::Callee),
        _ => {
            rest.extend(role.map(|role| ("role".to_owned(), role)));
            None
        }
    };
    let interrupted = content.contains(INTERRUPTED);
    Turn {
        speaker,
        interrupted,
        text: if interrupted { content.replace(INTERRUPTED, "") } else { content },
        start_ms: None,
        end_ms: None,
        // No field of an entry is a time.
        extra: Fields::new(rest, Offset::UTC).into_flat_rest(),
    }
}

/// Makes tags of the conclusions of a note, an object of values by tag: a text tag's value is a text, an enumeration's a list
/// of texts. A tag that is null is left out. They are given back where none is left, or a value is neither.
pub fn tags(conclusions: Value) -> Result<Tags, Value> {
    match conclusions {
        Value::Object(named) if named.iter().all(is_tag) && named.values().any(|value| !value.is_null()) => {
            let values = |value| texts(value).or_else(|value| into_text(value).map(|text| vec![text]));
            let tag = |(tag, value)| Some((tag, values(value).ok()?));
            Ok(Tags::Named(named.into_iter().filter_map(tag).collect()))
        }
        other => Err(other),
    }
}

/// Whether a tag can be stored, which has to have a name, or says nothing.
fn is_tag((tag, value): (&String, &Value)) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => !tag.is_empty() && values.iter().all(|value| scalar_text(value).is_some()),
        value => !tag.is_empty() && scalar_text(value).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(record: Value) -> Option<Value> {
        turns(record).ok().map(|turns| serde_json::to_value(turns).unwrap())
    }

    #[test]
    fn a_conversation_is_read_from_a_list_and_from_its_text() {
        let list = json!([
            {"role": "assistant", "content": "您好", "transactionId": "t1"},
            {"role": "user", "content": "喂"},
        ]);
        let turns = json!([
            {"speaker": "agent", "text": "您好", "extra": {"transactionId": "t1"}},
            {"speaker": "callee", "text": "喂"},
        ]);
        assert_eq!(read(json!(list.to_string())), Some(turns.clone()));
        assert_eq!(read(json!(format!("\n {list:#} \n"))), Some(turns.clone()));
        assert_eq!(read(list), Some(turns));
    }

    #[test]
    fn the_mark_of_an_interruption_is_taken_out_of_the_text_wherever_it_stands() {
        for (content, text, interrupted) in [
            ("<客户打断>你再说一遍。", "你再说一遍。", true),
            ("喂<客户打断>,你是谁<客户打断>", "喂,你是谁", true),
            ("<客户打断>", "", true),
            ("客户打断", "客户打断", false),
        ] {
            let turn = turns(json!([{"content": content, "role": "user"}])).unwrap().remove(0);
            assert_eq!((turn.text.as_str(), turn.interrupted), (text, interrupted), "{content}");
        }
    }

    #[test]
    fn an_unknown_role_leaves_the_speaker_open_and_is_kept() {
        assert_eq!(
            read(
                json!([{"content": "a", "role": "system"}, {"content": "b", "role": 2}, {"content": 3, "role": null}])
            ),
            Some(json!([
                {"text": "a", "extra": {"role": "system"}},
                {"text": "b", "extra": {"role": 2}},
                {"text": "3"},
            ]))
        );
    }

    #[test]
    fn nulls_are_dropped_and_nothing_nests_below_a_turn() {
        assert_eq!(
            read(json!([{"content": null, "role": "user", "transactionId": null, "words": [{"at": 1}]}])),
            Some(json!([{"speaker": "callee", "text": "", "extra": {"words": "[{\"at\":1}]"}}]))
        );
    }

    #[test]
    fn a_conversation_with_an_entry_that_is_no_turn_is_none() {
        for record in [
            json!(""),
            json!("[]"),
            json!("[{\"content\":\"cut o"),
            json!("null"),
            json!({}),
            json!([{"content": "a", "role": "user"}, "b"]),
            json!([{"role": "user"}]),
            json!([{"content": {"text": "a"}, "role": "user"}]),
            json!(7),
        ] {
            assert_eq!(turns(record.clone()), Err(record));
        }
    }

    #[test]
    fn tags_have_one_value_or_several() {
        let object = json!({"意向度": ["高", "中"], "姓名": "王", "次数": 2, "备注": null, "空": []});
        let tags = serde_json::to_value(tags(object).unwrap()).unwrap();
        assert_eq!(tags, json!({"意向度": ["高", "中"], "姓名": ["王"], "次数": ["2"], "空": []}));
    }

    #[test]
    fn what_is_no_object_of_texts_is_no_tags() {
        for object in [
            json!({}),
            json!({"a": null}),
            json!({"a": {"b": "c"}}),
            json!({"a": ["b", null]}),
            json!({"a": true}),
            json!({"": "a"}),
            json!(["a"]),
            json!("a"),
        ] {
            assert_eq!(tags(object.clone()), Err(object));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", content in "(<客户打断>|<|客户|打断>|.){0,6}") {
            let _ = turns(Value::String(text));
            let turns = turns(json!([{"content": content}])).unwrap();
            prop_assert_eq!(turns[0].interrupted, content.contains(INTERRUPTED));
        }
    }
}
