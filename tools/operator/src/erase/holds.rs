//! What a number is to what holds it: whose it is decides what goes. Pure.

use super::leaves::{Leaf, leaves};
use super::number::Numbers;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// As a whole value that may be the person's.
    pub(crate) as_person: bool,
    /// As a whole value that is the platform's side of the call, or an id.
    pub(crate) as_other_side: bool,
    /// In longer text.
    pub(crate) in_text: bool,
}

impl Held {
    /// How a JSON text holds one of the numbers; what is no JSON is longer text.
    pub(crate) fn of_json(text: &str, numbers: &Numbers) -> Self {
        let mut held = Self::default();
        held.look_into(text, "", numbers, 0);
        held
    }

    /// How this or the other does.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            as_person: self.as_person || other.as_person,
            as_other_side: self.as_other_side || other.as_other_side,
            in_text: self.in_text || other.in_text,
        }
    }

    /// Whether it holds one at all.
    pub(crate) fn any(self) -> bool {
        self != Self::default()
    }

    fn look_into(&mut self, text: &str, under: &str, numbers: &Numbers, nesting: u8) {
        // It holds none, however it is written: that is so of nearly all.
        if !numbers.are_in(text.as_bytes()) {
            return;
        }
        let mut had_leaf = false;
        leaves(text, |name, leaf, _| {
            had_leaf = true;
            let name = if name.is_empty() { under } else { name };
            let is_whole = match &leaf {
                Leaf::Name(text) | Leaf::Text(text) => numbers.is(text),
                Leaf::Number(number) => numbers.is_json_number(number),
            };
            match leaf {
                Leaf::Text(_) | Leaf::Number(_) if is_whole && NOT_THE_PERSON.contains(&name) => {
                    self.as_other_side = true;
                }
                _ if is_whole => self.as_person = true,
                Leaf::Text(text)
                    if nesting < MAX_NESTING && text.trim_start().starts_with(['{', '[', '"']) =>
                {
                    self.look_into(&text, name, numbers, nesting + 1);
                }
                Leaf::Name(text) | Leaf::Text(text) => self.in_text |= numbers.are_in(text.as_bytes()),
                Leaf::Number(_) => {}
            }
        });
        if !had_leaf {
            self.in_text = true;
        }
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
            (r#"{"13912345678":1}"#, (true, false, false)),
            (r#"{"a":"13912345678","a":"2"}"#, (true, false, false)),
            (r#"{"callee":"\u0031391234567\u0038"}"#, (true, false, false)),
            (r#"{"callee":1.3912345678E10}"#, (true, false, false)),
            (r#"{"callee":"139123456789"}"#, (false, false, false)),
            (r#"{"callee":"13912345678","cut \ud83d"#, (true, false, false)),
            (&nested.to_string(), (true, false, false)),
        ] {
            let Held { as_person, as_other_side, in_text } = Held::of_json(text, &numbers);
            assert_eq!((as_person, as_other_side, in_text), expected, "{text}");
        }
    }
}
