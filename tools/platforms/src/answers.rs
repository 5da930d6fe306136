//! What Alibaba's API says of calls and tasks: the `Data` of its answers.
//!
//! What there is nothing to say of is left out; the documents of the [operations](super::alibaba) name the
//! fields.

use super::Simulator;
use super::calls::{Call, DetailStatus, Speaker, TaskStatus, TaskSummary};
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// One page of a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageData<I> {
    pub(super) page_no: usize,
    pub(super) page_size: usize,
    pub(super) total: usize,
    pub(super) list: Vec<I>,
}

/// `Data` of QueryConversationDetailInfo.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConversationData<'a> {
    caller_phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_msg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_call_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    major_intent: Option<&'a str>,
    call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_reason: Option<&'a str>,
    duration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hangup_direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'a str>,
    called_phone: &'a str,
    variables: Vec<VariableItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_file_download_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pick_up_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_record: Option<String>,
    output_tags: Vec<TagItem<'a>>,
}

/// One of `Variables`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VariableItem<'a> {
    required: bool,
    value: &'a str,
    id: &'a str,
    key: &'a str,
    name: &'a str,
}

/// One of `OutputTags`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagItem<'a> {
    output_tag_description: &'a str,
    output_tag_name: &'a str,
    output_tag_value: &'a str,
    id: &'a str,
}

/// One entry of the JSON in `ConversationRecord`.
#[derive(Serialize)]
struct TurnItem<'a> {
    content: &'a str,
    role: &'static str,
}

/// One of `List` of QueryAiCallDetailPage.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DetailItem {
    task_id: String,
    batch_id: String,
    detail_id: String,
    status: u8,
    imported_time: i64,
    encryption_type: u8,
    called_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calling_time: Option<i64>,
    conversation_duration: i64,
    conversation_turn_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    major_intent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<String>,
}

/// One of `List` of QueryAiCallTaskPage.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaskItem {
    task_id: String,
    task_name: String,
    agent_name: String,
    status: u8,
    create_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    real_start_time: Option<i64>,
    total_count: usize,
    total_call_count: usize,
    succeed_count: usize,
    failed_count: usize,
    calling_count: usize,
    complete_rate: String,
}

impl ConversationData<'_> {
    pub(super) fn of<'a>(call: &'a Call, simulator: &Simulator) -> ConversationData<'a> {
        let called = call.status != DetailStatus::Pending;
        ConversationData {
            caller_phone: &call.caller,
            call_result: called.then_some(&call.result),
            status_msg: called.then_some(&call.status_message),
            start_call_time: called.then_some(call.started_at.as_millisecond()),
            major_intent: call.major_intent.as_deref(),
            call_id: &call.call_id,
            failed_reason: call.failed_reason.as_deref(),
            duration: call.duration_s(),
            hangup_direction: call.hung_up_by.map(|speaker| match speaker {
                Speaker::Callee => "0",
                Speaker::Agent => "1",
            }),
            status_code: called.then_some(&call.status_code),
            called_phone: &call.callee,
            variables: call
                .variables
                .iter()
                .map(|variable| VariableItem {
                    required: variable.required,
                    value: &variable.value,
                    id: &variable.id,
                    key: &variable.key,
                    name: &variable.name,
                })
                .collect(),
            recording_file_download_url: fresh_url(call, simulator),
            release_time: call.released_at.map(Timestamp::as_millisecond),
            pick_up_time: call.picked_up_at.map(Timestamp::as_millisecond),
            out_id: call.out_id.as_deref(),
            conversation_record: conversation_record(call),
            output_tags: call
                .tags
                .iter()
                .map(|tag| TagItem {
                    output_tag_description: &tag.description,
                    output_tag_name: &tag.name,
                    output_tag_value: &tag.value,
                    id: &tag.id,
                })
                .collect(),
        }
    }
}

impl DetailItem {
    pub(super) fn of(call: &Arc<Call>, simulator: &Simulator) -> DetailItem {
        let called = call.status != DetailStatus::Pending;
        let options: serde_json::Map<String, serde_json::Value> = call
            .variables
            .iter()
            .map(|variable| (variable.key.clone(), variable.value.as_str().into()))
            .collect();
        DetailItem {
            task_id: call.task_id.clone(),
            batch_id: call.batch_id.clone(),
            detail_id: call.detail_id.clone(),
            // In answers 1 is "waiting", 4 "ended" and 5 "failed"; in requests the three are 0, 1 and 2.
            status: match call.status {
                DetailStatus::Pending => 1,
                DetailStatus::Completed => 4,
                DetailStatus::Failed => 5,
            },
            imported_time: call.imported_at.as_millisecond(),
            encryption_type: 0,
            called_number: call.callee.clone(),
            call_id: called.then(|| call.call_id.clone()),
            call_result: called.then(|| call.result.clone()),
            calling_time: called.then(|| call.started_at.as_millisecond()),
            conversation_duration: call.duration_s(),
            conversation_turn_count: call.turns.len(),
            conversation_record: conversation_record(call),
            recording_file_path: fresh_url(call, simulator),
            major_intent: call.major_intent.clone(),
            failed_reason: call.failed_reason.clone(),
            out_id: call.out_id.clone(),
            options: (!options.is_empty()).then(|| serde_json::Value::Object(options).to_string()),
        }
    }
}

impl TaskItem {
    pub(super) fn of(summary: &TaskSummary) -> TaskItem {
        let TaskSummary { task, details, completed, failed, first_call_at } = summary;
        let called = completed + failed;
        TaskItem {
            task_id: task.task_id.clone(),
            task_name: task.name.clone(),
            agent_name: task.agent_name.clone(),
            status: match task.status {
                TaskStatus::Init => 0,
                TaskStatus::Running => 1,
                TaskStatus::Stopped => 2,
                TaskStatus::Failed => 3,
            },
            create_time: task.created_at.as_millisecond(),
            real_start_time: first_call_at.map(Timestamp::as_millisecond),
            total_count: *details,
            total_call_count: called,
            succeed_count: *completed,
            failed_count: *failed,
            calling_count: 0,
            complete_rate: format!("{}%", (100 * called).checked_div(*details).unwrap_or(0)),
        }
    }
}

/// The turns as JSON in a string; absent where there was no conversation.
fn conversation_record(call: &Call) -> Option<String> {
    let turns: Vec<TurnItem<'_>> = call
        .turns
        .iter()
        .map(|turn| TurnItem {
            content: &turn.text,
            role: match turn.speaker {
                Speaker::Agent => "assistant",
                Speaker::Callee => "user",
            },
        })
        .collect();
    if turns.is_empty() { None } else { serde_json::to_string(&turns).ok() }
}

fn fresh_url(call: &Call, simulator: &Simulator) -> Option<String> {
    let name = call.recording.as_deref()?;
    Some(simulator.fresh_url(name).0)
}
