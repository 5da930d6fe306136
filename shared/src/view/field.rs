//! What a shown call has: one row an attribute. Views, tables, headings and the API's description are made of it.

/// What an attribute holds, and so how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A phone number.
    Number,
    /// An id: digits in it are nobody's number, unless they tell the callee's.
    Id,
    /// An id that many calls share, as a task's: it meets the numbers of all their callees.
    SharedId,
    /// A time in UTC, RFC 3339 with milliseconds.
    Time,
    /// A time in seconds.
    Seconds,
    /// A number of things.
    Count,
    /// One of few words.
    Word,
    /// Text that somebody wrote or said.
    Text,
    /// Conclusions of the agent: a list of texts, or lists of texts by name.
    Tags,
    /// An exact amount and its currency.
    Money,
    /// The provider's own codes, by the provider's names.
    Codes,
}

/// An attribute of a shown call.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, in JSON as in the model.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means.
    pub about: &'static str,
    /// Its heading in a table for people, in English.
    pub english: &'static str,
    /// The same in Chinese.
    pub chinese: &'static str,
}

const fn field(
    name: &'static str,
    kind: Kind,
    english: &'static str,
    chinese: &'static str,
    about: &'static str,
) -> Field {
    Field { name, kind, about, english, chinese }
}

/// What people think of a call, as a table has it. It stands beside the call, and is nothing that a platform told.
pub const REVIEW_FIELDS: [Field; 6] = [
    field("heard_at", Kind::Time, "Heard at", "收听时间", "When somebody marked the call as heard."),
    field("heard_by", Kind::Id, "Heard by", "收听人", "Who did."),
    field("verdict", Kind::Word, "Verdict", "质检结论", "What somebody thinks of it."),
    field("note", Kind::Text, "Note", "备注", "What somebody noted."),
    field("noted_at", Kind::Time, "Noted at", "质检时间", "When verdict or note were written last."),
    field("noted_by", Kind::Id, "Noted by", "质检人", "Who wrote them."),
];

/// What people call a call's task, as a table has it for people: behind the task's id.
pub const TASK_NAME: Field =
    field("task_name", Kind::Text, "Task name", "任务名称", "What people call the task.");

/// The provider's codes: a call in a list is without them.
pub const STATUS: &str = "status";

/// Every attribute of a shown call, in the order of a table's columns.
pub const FIELDS: [Field; 33] = [
    field("provider", Kind::Word, "Provider", "平台", "The platform that made the call."),
    field("call_id", Kind::Id, "Call ID", "通话 ID", "The platform's id of the call."),
    field(
        "call_at",
        Kind::Time,
        "Call time",
        "呼叫时间",
        "By which lists are sorted: when the call was originated, else the earliest time known of it.",
    ),
    field("task_id", Kind::SharedId, "Task ID", "任务 ID", "The task (campaign) that the call belongs to."),
    field(
        "out_id",
        Kind::Id,
        "Your ID",
        "外部 ID",
        "Your own id of the call, passed through by the platform.",
    ),
    field("callee", Kind::Number, "Callee", "被叫号码", "The number called; masked without `calls.pii`."),
    field(
        "callee_id",
        Kind::Id,
        "Callee reference",
        "被叫标识",
        "The same for all calls to the same number, and does not tell the number.",
    ),
    field(
        "display_number",
        Kind::Number,
        "Displayed number",
        "外显号码",
        "The number that the callee saw; masked without `calls.pii`.",
    ),
    field(
        "caller",
        Kind::Number,
        "Calling number",
        "主叫号码",
        "The number that the call was ordered from; masked without `calls.pii`.",
    ),
    field("outcome", Kind::Word, "Outcome", "呼叫结果", "What became of the call."),
    field("hangup_by", Kind::Word, "Ended by", "挂断方", "Who ended the call."),
    field("intent_code", Kind::Text, "Intent", "意向", "The callee's intent, as the platform codes it."),
    field("intent_name", Kind::Text, "Intent in words", "意向名称", "The callee's intent in words."),
    field("tags", Kind::Tags, "Tags", "标签", "The conclusions that the agent drew."),
    field(
        "duration_s",
        Kind::Seconds,
        "Duration (s)",
        "通话时长（秒）",
        "How long the call lasted; 0 where it was not answered.",
    ),
    field("ring_s", Kind::Seconds, "Ringing (s)", "振铃时长（秒）", "How long it rang."),
    field("billed_s", Kind::Seconds, "Billed (s)", "计费时长（秒）", "How long is charged for."),
    field("cost", Kind::Money, "Cost", "费用", "What the call cost."),
    field("attempt", Kind::Count, "Attempt", "呼叫轮次", "Which attempt at this callee the call was."),
    field("batch_id", Kind::SharedId, "Batch ID", "批次 ID", "The batch of callees within the task."),
    field("detail_id", Kind::Id, "Detail ID", "明细 ID", "The callee's entry within the batch."),
    field(
        "app_id",
        Kind::SharedId,
        "Application ID",
        "应用 ID",
        "The platform's application that made the call.",
    ),
    field("script_id", Kind::SharedId, "Script ID", "话术 ID", "The script that was spoken."),
    field("submitted_at", Kind::Time, "Requested", "提交时间", "When the call was ordered."),
    field("originated_at", Kind::Time, "Dialed", "发起时间", "When the call was handed to the carrier."),
    field("ringing_at", Kind::Time, "Ringing since", "振铃时间", "When the callee's phone began to ring."),
    field("answered_at", Kind::Time, "Answered", "接通时间", "When the callee answered."),
    field("ended_at", Kind::Time, "Ended", "结束时间", "When the call ended."),
    field(
        STATUS,
        Kind::Codes,
        "Codes",
        "平台状态码",
        "The platform's own codes and messages, by its own names.",
    ),
    field(
        "first_received_at",
        Kind::Time,
        "First received",
        "首次接收时间",
        "When the first push about the call was received.",
    ),
    field(
        "updated_at",
        Kind::Time,
        "Last received",
        "最近更新时间",
        "When the last push that told something new was received.",
    ),
    field("href", Kind::Word, "Link", "链接", "Where the API has the whole call."),
    field("extra", Kind::Codes, "Extra", "其他字段", "What the model has no attribute for, by function."),
];

/// What the model has no attribute for: only whoever may see numbers sees it.
pub const EXTRA: &str = "extra";

/// The row of an attribute; `None` where this release knows none of that name.
pub fn field_named(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The attributes of a call in a list, in the order of a table's columns.
pub fn listed_fields() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(|field| !matches!(field.name, STATUS | EXTRA))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fact_of_the_model_has_its_row_and_no_row_stands_twice() {
        let names: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
        // What the model's source says, since facts that are unknown are not serialized.
        let source = include_str!("../model/call.rs");
        let (_, facts) = source.split_once("    CallFacts {").unwrap();
        let (facts, _) = facts.split_once("    }\n}").unwrap();
        let facts = facts.lines().filter_map(|line| {
            let line = line.trim();
            (!line.starts_with("///")).then(|| line.split_once(':')).flatten()
        });
        let facts: Vec<_> = facts.map(|(name, _)| name).collect();
        assert!(facts.len() > 20, "{facts:?}");
        for fact in facts {
            assert!(names.contains(fact), "{fact}");
        }
    }
}
