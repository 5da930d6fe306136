//! What a number is to what holds it: whose it is decides what goes. Pure.

use std::collections::BTreeSet;

use super::leaves::{Leaf, leaves};
use super::number::Numbers;
use super::prefix::Prefixes;

/// How deep JSON in the texts of JSON is looked into.
const MAX_NESTING: u8 = 8;

/// Under these names stand the platform's own side of a call, and ids: what they hold is not the person that was called. A number
/// that somebody erases may be their own line's, which is in every call that was made from it.
const NOT_THE_PERSON: [&str; 30] = [
    // The model's.
    "caller",
    "display_number",
    "call_id",
    "task_id",
    "task_key",
    "batch_id",
    "detail_id",
    "app_id",
    "script_id",
    // AlicomAgentCallReport, AlicomAgentCallRecord, AlicomAgentCallNote.
    "realCaller",
    "callId",
    "taskId",
    "batchId",
    "detailId",
    // QueryConversationDetailInfo.
    "CallerPhone",
    "CallId",
    "TaskId",
    "BatchId",
    "DetailId",
    // AI-voice.
    "appId",
    "robotCallJobId",
    "dialogFlowId",
    "tenantPhoneNumberId",
    "callDetailId",
    "callRecordTagIds",
    "customerTagIds",
    // LAAFFIC.
    "displayNum",
    "voiceId",
    "recordingFileId",
    "scriptId",
];

/// How a text holds one of the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// As a whole value that may be the person's.
    pub(crate) as_person: bool,
    /// As a whole value that is the platform's side of the call, or an id.
    pub(crate) as_other_side: bool,
    /// In longer text.
    pub(crate) in_text: bool,
    /// As a whole value that may be a person's, or in longer text, with other prefixes: which.
    pub(crate) prefixes: BTreeSet<Prefixes>,
}

impl Held {
    /// How a JSON text holds one of the numbers; what is no JSON is longer text.
    pub(crate) fn of_json(text: &str, numbers: &Numbers) -> Self {
        Self::of_text(text, "", numbers, 0)
    }

    /// Adds how something else does.
    pub(crate) fn add(&mut self, other: Self) {
        self.as_person |= other.as_person;
        self.as_other_side |= other.as_other_side;
        self.in_text |= other.in_text;
        self.prefixes.extend(other.prefixes);
    }

    /// Whether it holds one, as it was given.
    pub(crate) fn any(&self) -> bool {
        self.as_person || self.as_other_side || self.in_text
    }

    /// Whether it holds neither one as it was given nor one with another prefix.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.any() && self.prefixes.is_empty()
    }

    /// How a text does, which stands under a name, in JSON that is nested so deep.
    fn of_text(text: &str, under: &str, numbers: &Numbers, nesting: u8) -> Self {
        let mut held = Self::default();
        // It holds none, however it is written: that is so of nearly all.
        if !numbers.may_be_in(text.as_bytes()) {
            return held;
        }
        let mut had_leaf = false;
        leaves(text, |name, leaf, _| {
            had_leaf = true;
            let name = if name.is_empty() { under } else { name };
            let of_the_person = matches!(leaf, Leaf::Name(_)) || !NOT_THE_PERSON.contains(&name);
            let is_whole = match &leaf {
                Leaf::Name(text) | Leaf::Text(text) => numbers.is(text),
                Leaf::Number(number) => numbers.is_json_number(number),
            };
            if !is_whole && of_the_person {
                held.prefixes.extend(match &leaf {
                    Leaf::Name(text) | Leaf::Text(text) => numbers.prefixes_of(text),
                    Leaf::Number(number) => numbers.prefixes_of_json_number(number),
                });
            }
            match leaf {
                _ if is_whole && of_the_person => held.as_person = true,
                _ if is_whole => held.as_other_side = true,
                Leaf::Text(text)
                    if nesting < MAX_NESTING && text.trim_start().starts_with(['{', '[', '"']) =>
                {
                    held.add(Self::of_text(&text, name, numbers, nesting + 1));
                }
                Leaf::Name(text) | Leaf::Text(text) => {
                    held.in_text |= numbers.are_in(text.as_bytes());
                    if of_the_person {
                        held.prefixes.extend(numbers.prefixes_in(text.as_bytes()));
                    }
                }
                Leaf::Number(_) => {}
            }
        });
        // What only begins as JSON does is longer text: `[客户] 139-1234-5678`.
        if held.is_nothing() {
            held.in_text = numbers.are_in(text.as_bytes());
            if !had_leaf {
                held.prefixes.extend(numbers.prefixes_in(text.as_bytes()));
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_number_is_decides() {
        let numbers = Numbers::read(["13912345678"]).unwrap();
        let nested = serde_json::json!({"conversationRecord": r#"[{"content":"\u0031391234567\u0038"}]"#});
        for (text, expected) in [
            (r#"{"callee":"13912345678"}"#, (true, false, false)),
            (r#"{"callee":13912345678,"realCaller":"13912345678"}"#, (true, true, false)),
            (r#"{"caller":"+86 139"}"#, (false, false, false)),
            (r#"{"realCaller":"139 1234 5678"}"#, (false, true, false)),
            (r#"{"callRecordTagIds":[13912345678]}"#, (false, true, false)),
            (r#"{"a":"call me: 13912345678"}"#, (false, false, true)),
            (r#"{"a":["13912345678"]}"#, (true, false, false)),
            (r#"{"a":"[客户] 回电 139-1234-5678"}"#, (false, false, true)),
            (r#"{"a":"call 13912345678","b":"[客户] 5"}"#, (false, false, true)),
            (r#"{"13912345678":1}"#, (true, false, false)),
            (r#"{"a":"13912345678","a":"2"}"#, (true, false, false)),
            (r#"{"callee":"\u0031391234567\u0038"}"#, (true, false, false)),
            (r#"{"callee":1.3912345678E10}"#, (true, false, false)),
            (r#"{"callee":"139123456789"}"#, (false, false, false)),
            (r#"{"callee":"13912345678","cut \ud83d"#, (true, false, false)),
            (&nested.to_string(), (true, false, false)),
        ] {
            let Held { as_person, as_other_side, in_text, prefixes } = Held::of_json(text, &numbers);
            assert_eq!((as_person, as_other_side, in_text), expected, "{text}");
            assert!(prefixes.is_empty(), "{text}: {prefixes:?}");
        }
    }

    #[test]
    fn what_has_another_prefix_is_told_apart() {
        let numbers = Numbers::read(["13912345678"]).unwrap();
        let nested = serde_json::json!({"a": r#"{"callee":"8613912345678"}"#});
        for (text, prefixes) in [
            (r#"{"callee":"8613912345678"}"#, &["86"][..]),
            (r#"{"callee":"+86 139 1234 5678","b":8613912345678,"c":["013912345678"]}"#, &["0", "86"]),
            (r#"{"8613912345678":1}"#, &["86"]),
            (&nested.to_string(), &["86"]),
            (r#"[{"callee":"8613912345678", cut"#, &["86"]),
            (r#"{"realCaller":"8613912345678","callRecordTagIds":[8613912345678]}"#, &[]),
            (r#"{"a":"call me: 8613912345678"}"#, &["86"]),
            (r#"{"a":"+86 139-1234-5678, or +8613912345678 and 5"}"#, &["86"]),
            (r#"{"a":"+86 139-1234-5679, 86139123456781"}"#, &[]),
            (r#"{"callee":"9913912345678"}"#, &[]),
        ] {
            let held = Held::of_json(text, &numbers);
            let told: Vec<_> = held.prefixes.iter().map(ToString::to_string).collect();
            let expected: Vec<_> =
                prefixes.iter().map(|prefix| format!("--callee NUMBER --callee {prefix}NUMBER")).collect();
            assert_eq!(told, expected, "{text}");
            assert!(!held.as_person && !held.as_other_side, "{text}");
            assert_eq!(held.is_nothing(), prefixes.is_empty(), "{text}");
        }
    }
}
