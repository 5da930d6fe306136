//! A call note in terms of the model.

use shared::model::{CallFacts, ConversationFacts};
use shared::normalize::alibaba;
use shared::normalize::fields::Fields;
use shared::normalize::{Context, Normalized, Rejection, call_id};
use shared::record::merge::Feeds;

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {
    call: &[
        ("taskId", "task_id"),
        ("batchId", "batch_id"),
        ("detailId", "detail_id"),
        ("outId", "out_id"),
        ("realCaller", "display_number"),
        ("majorIntent", "intent_code"),
        ("outputTags", "tags"),
        ("call_times", "attempt"),
    ],
    conversation: &[("conversationRecord", "turns"), ("majorIntent", "intent_code"), ("outputTags", "tags")],
};

/// Makes the model of a call note.
///
/// Intent and tags stand on the call, to be listed by, and in the conversation, to be read with it. A conversation that
/// would be too long for a push comes as an empty text, which stays in `extra` to tell it from none.
pub(crate) fn normalize(mut note: Fields, _: &Context) -> Result<Normalized, Rejection> {
    let call_id = call_id(&mut note, "callId")?;
    let call = CallFacts {
        task_id: note.trimmed_text("taskId"),
        batch_id: note.trimmed_text("batchId"),
        detail_id: note.trimmed_text("detailId"),
        out_id: note.trimmed_text("outId"),
        display_number: note.phone("realCaller"),
        intent_code: note.text("majorIntent"),
        tags: note.small("outputTags", alibaba::tags),
        attempt: note.whole("call_times"),
        ..CallFacts::default()
    };
    let conversation = ConversationFacts {
        turns: note.take_over("conversationRecord", alibaba::turns),
        intent_code: call.intent_code.clone(),
        tags: call.tags.clone(),
        ..ConversationFacts::default()
    };
    Ok(Normalized { call, conversation, ..Normalized::new(call_id, note) })
}
