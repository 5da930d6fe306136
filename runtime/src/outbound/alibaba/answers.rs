//! The answers, field by field, as the official SDK's models name them. Every field can be absent, and is read from a
//! number or a text alike; what is unknown or unsound is kept in `rest`.
//!
//! Their `Debug` shows nothing: phone numbers and conversations are in them.

use std::fmt;

use serde_json::{Map, Value};

use super::super::lenient::Fields;

/// Declares an answer together with how each field is read, so that neither can be forgotten.
macro_rules! answer {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $kind:tt $([$item:ident])? = $wire:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_about])* pub $field: answer!(@type $kind $($item)?),)*
            /// What is not documented, and what has an unsound value.
            pub rest: Map<String, Value>,
        }

        impl $name {
            pub(super) fn read(mut fields: Fields) -> Self {
                Self { $($field: answer!(@read fields $kind $($item)? $wire),)* rest: fields.rest() }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
    (@type text) => { Option<String> };
    (@type integer) => { Option<i64> };
    (@type flag) => { Option<bool> };
    (@type list $item:ident) => { Vec<$item> };
    (@read $fields:ident list $item:ident $wire:literal) => { $fields.list($wire, $item::read) };
    (@read $fields:ident $kind:ident $wire:literal) => { $fields.$kind($wire) };
}

answer! {
    /// A call, as QueryConversationDetailInfo tells it.
    ConversationDetail {
        /// The call's id.
        call_id: text = "CallId",
        /// The outcome: `ANSWERED`, `NO_ANSWER`, …
        call_result: text = "CallResult",
        /// The callee's number.
        called_phone: text = "CalledPhone",
        /// The caller's number.
        caller_phone: text = "CallerPhone",
        /// The conversation: a JSON array of `{content, role}` in a string.
        conversation_record: text = "ConversationRecord",
        /// The call's duration in seconds; 0 if it was not answered.
        duration: integer = "Duration",
        /// How the numbers are encrypted.
        encryption_type: text = "EncryptionType",
        /// Why the call failed.
        failed_reason: text = "FailedReason",
        /// Who hung up: `0` the callee, `1` the robot, in the sample `用户`.
        hangup_direction: text = "HangupDirection",
        /// The intent.
        major_intent: text = "MajorIntent",
        /// The business's own id of the call; in the sample it ends in a line feed.
        out_id: text = "OutId",
        /// The tags.
        output_tags: list[OutputTag] = "OutputTags",
        /// When it was answered, in milliseconds since the epoch.
        pick_up_time: integer = "PickUpTime",
        /// A fresh URL of the recording, once there is one.
        recording_file_download_url: text = "RecordingFileDownloadUrl",
        /// When it ended, in milliseconds since the epoch.
        release_time: integer = "ReleaseTime",
        /// When it started, in milliseconds since the epoch.
        start_call_time: integer = "StartCallTime",
        /// The carrier's code.
        status_code: text = "StatusCode",
        /// The carrier's message.
        status_msg: text = "StatusMsg",
        /// The task's variables, as they were for this call.
        variables: list[Variable] = "Variables",
    }
}

answer! {
    /// A variable of a call.
    Variable {
        /// The variable's id.
        id: text = "Id",
        /// Its key.
        key: text = "Key",
        /// Its name.
        name: text = "Name",
        /// Whether every call must have it.
        required: flag = "Required",
        /// Where it comes from.
        source: text = "Source",
        /// Its value.
        value: text = "Value",
    }
}

answer! {
    /// A tag that the agent gave a call.
    OutputTag {
        /// The tag's id.
        id: text = "Id",
        /// What it is about.
        output_tag_description: text = "OutputTagDescription",
        /// Its name.
        output_tag_name: text = "OutputTagName",
        /// Its value: a text, or a JSON array in one.
        output_tag_value: text = "OutputTagValue",
    }
}

answer! {
    /// A page of tasks.
    TaskPage {
        /// The tasks.
        list: list[Task] = "List",
        /// The page, from 1.
        page_no: integer = "PageNo",
        /// How many tasks a page has.
        page_size: integer = "PageSize",
        /// How many tasks there are on all pages.
        total: integer = "Total",
    }
}

answer! {
    /// A task.
    Task {
        /// The agent's id.
        agent_id: text = "AgentId",
        /// The agent's name.
        agent_name: text = "AgentName",
        /// The application's code.
        application_code: text = "ApplicationCode",
        /// The application's name.
        application_name: text = "ApplicationName",
        /// Undocumented.
        call_expire_date: text = "CallExpireDate",
        /// Undocumented.
        call_expire_minutes: integer = "CallExpireMinutes",
        /// Undocumented.
        call_expire_type: integer = "CallExpireType",
        /// How many calls are under way.
        calling_count: integer = "CallingCount",
        /// How much of it is done.
        complete_rate: text = "CompleteRate",
        /// How many calls it makes at once.
        concurrent_count: integer = "ConcurrentCount",
        /// When it was created, in milliseconds since the epoch.
        create_time: integer = "CreateTime",
        /// How many calls were made today.
        day_call_count: integer = "DayCallCount",
        /// How many of them were answered.
        day_connect_rate: text = "DayConnectRate",
        /// How much was imported today.
        day_import_count: integer = "DayImportCount",
        /// How many calls failed.
        failed_count: integer = "FailedCount",
        /// How many calls were answered.
        history_connect_rate: text = "HistoryConnectRate",
        /// When it really started, in milliseconds since the epoch.
        real_start_time: integer = "RealStartTime",
        /// Why it did not start.
        start_failed_reason: text = "StartFailedReason",
        /// When it was to start, in milliseconds since the epoch.
        start_time: integer = "StartTime",
        /// Its state; the document gives no values for the number.
        status: integer = "Status",
        /// How many calls succeeded.
        succeed_count: integer = "SucceedCount",
        /// The task's id.
        task_id: text = "TaskId",
        /// Its name.
        task_name: text = "TaskName",
        /// How many calls it made.
        total_call_count: integer = "TotalCallCount",
        /// How much it has to do.
        total_count: integer = "TotalCount",
    }
}

answer! {
    /// A page of a task's calls.
    DetailPage {
        /// The calls.
        list: list[CallDetail] = "List",
        /// The page, from 1.
        page_no: integer = "PageNo",
        /// How many calls a page has.
        page_size: integer = "PageSize",
        /// How many calls there are on all pages.
        total: integer = "Total",
    }
}

answer! {
    /// A call of a task.
    CallDetail {
        /// The import that the call came with.
        batch_id: text = "BatchId",
        /// The agent's branch.
        branch_id: integer = "BranchId",
        /// The branch's name.
        branch_name: text = "BranchName",
        /// The branch's version.
        branch_version_id: integer = "BranchVersionId",
        /// When the call was to be given up: documented as a text, declared as a number.
        call_expire_time: text = "CallExpireTime",
        /// The call's id.
        call_id: text = "CallId",
        /// The outcome: `ANSWERED`, `NO_ANSWER`, …
        call_result: text = "CallResult",
        /// The callee's number.
        called_number: text = "CalledNumber",
        /// When the call was made, in milliseconds since the epoch.
        calling_time: integer = "CallingTime",
        /// The call's duration in seconds.
        conversation_duration: integer = "ConversationDuration",
        /// The conversation: a JSON array of `{content, role}` in a string.
        conversation_record: text = "ConversationRecord",
        /// How many turns it has.
        conversation_turn_count: integer = "ConversationTurnCount",
        /// The call's id within the task.
        detail_id: text = "DetailId",
        /// How the number is encrypted: 0 not at all, 1 MD5, 2 SHA-256, 3 SM3.
        encryption_type: integer = "EncryptionType",
        /// Why the call failed.
        failed_reason: text = "FailedReason",
        /// When it was imported, in milliseconds since the epoch.
        imported_time: integer = "ImportedTime",
        /// The intent.
        major_intent: text = "MajorIntent",
        /// The variables, as JSON in a string.
        options: text = "Options",
        /// The business's own id of the call.
        out_id: text = "OutId",
        /// The recording's URL, once there is one.
        recording_file_path: text = "RecordingFilePath",
        /// How far it has come: 0 new, 1 waiting, 2 waiting for a retry, 3 under way, 4 ended, 5 failed.
        status: integer = "Status",
        /// The task's id.
        task_id: text = "TaskId",
        /// The version's name.
        version_name: text = "VersionName",
        /// The version's number.
        version_no: integer = "VersionNo",
    }
}
