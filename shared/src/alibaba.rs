//! What Alibaba's note and the answer of its QueryConversationDetailInfo write alike: the conversation and its tags.
//!
//! Document: <https://help.aliyun.com/en/aiccs/developer-reference/alicomagentcallnote-1>

use std::collections::BTreeMap;

use jiff::tz::Offset;
use serde_json::Value;

use crate::body::is_plain;
use crate::fields::{Fields, scalar_text, texts};
use crate::model::{Speaker, Tags, Turn};

/// Stands inside the text of a turn by which the callee interrupted the agent ("customer interrupted").
const INTERRUPTED: &str = "<客户打断>";

/// Reads a conversation: a list of `{content, role, …}`, or the JSON text of one.
///
/// `None` where it is empty, or holds an entry that is no turn: then the whole is to be kept as it came, for half a
/// conversation looks like a whole one. A role that no document knows leaves the speaker open and stays in the turn's
/// `extra`, with all else that the entry says.
pub fn turns(record: &Value) -> Option<Vec<Turn>> {
    let parsed: Value;
    let list = match record {
        Value::String(text) => {
            parsed = serde_json::from_str(text).ok().filter(is_plain)?;
            &parsed
        }
        other => other,
    };
    let turns: Vec<Turn> = list.as_array()?.iter().map(turn).collect::<Option<_>>()?;
    (!turns.is_empty()).then_some(turns)
}

fn turn(entry: &Value) -> Option<Turn> {
    let mut entry = entry.as_object()?.clone();
    let content = match entry.remove("content")? {
        // Nothing was recognized.
        Value::Null => String::new(),
        content => scalar_text(&content)?,
    };
    // No field of an entry is a time.
    let mut entry = Fields::new(entry, Offset::UTC);
    let speaker = entry.take("role", |role| match role.as_str()? {
        "assistant" => Some(Speaker::Agent),
        "user" => Some(Speaker::Callee),
        _ => None,
    });
    Some(Turn {
        speaker,
        interrupted: content.contains(INTERRUPTED),
        text: content.replace(INTERRUPTED, ""),
        start_ms: None,
        end_ms: None,
        extra: entry.into_flat_rest(),
    })
}

/// Reads the conclusions of a note, an object of values by tag: a text tag's value is a text, an enumeration's a list of
/// texts. A tag that is null is left out; `None` where none is left, or a value is neither.
pub fn tags(object: &Value) -> Option<Tags> {
    let named: BTreeMap<_, _> = object
        .as_object()?
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(tag, value)| {
            let values = scalar_text(value).map(|text| vec![text]).or_else(|| texts(value))?;
            // The table has no empty keys.
            (!tag.is_empty()).then(|| (tag.clone(), values))
        })
        .collect::<Option<_>>()?;
    (!named.is_empty()).then_some(Tags::Named(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(record: Value) -> Option<Value> {
        turns(&record).map(|turns| serde_json::to_value(turns).unwrap())
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
            let turn = turns(&json!([{"content": content, "role": "user"}])).unwrap().remove(0);
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
            assert_eq!(read(record.clone()), None, "{record}");
        }
    }

    #[test]
    fn tags_have_one_value_or_several() {
        let object = json!({"意向度": ["高", "中"], "姓名": "王", "次数": 2, "备注": null, "空": []});
        let tags = serde_json::to_value(tags(&object)).unwrap();
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
            assert_eq!(tags(&object), None, "{object}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", content in "(<客户打断>|<|客户|打断>|.){0,6}") {
            let _ = turns(&Value::String(text));
            let turns = turns(&json!([{"content": content}])).unwrap();
            prop_assert_eq!(turns[0].interrupted, content.contains(INTERRUPTED));
        }
    }
}
