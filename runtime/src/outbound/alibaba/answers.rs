//! Of the answers, the fields that something goes by, as the official SDK's models name them. Every field can be absent, and is read from
//! a number or a text alike. What else is told of a call is read where its verbatim answer is normalized, in `fetch-conversations`.

use super::super::lenient::Object;

/// A page of tasks, of QueryAiCallTaskPage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPage {
    /// The tasks.
    pub list: Vec<Task>,
    /// How many tasks there are on all pages.
    pub total: Option<i64>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The task's id.
    pub task_id: Option<String>,
    /// How many calls it made.
    pub total_call_count: Option<i64>,
    /// How many calls succeeded.
    pub succeed_count: Option<i64>,
    /// How many calls failed.
    pub failed_count: Option<i64>,
}

/// A page of a task's calls, of QueryAiCallDetailPage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailPage {
    /// The calls.
    pub list: Vec<CallDetail>,
    /// How many calls there are on all pages.
    pub total: Option<i64>,
}

/// A call of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallDetail {
    /// The task's id.
    pub task_id: Option<String>,
    /// The import that the call came with.
    pub batch_id: Option<String>,
    /// The call's id within the task.
    pub detail_id: Option<String>,
    /// The call's id; absent until it was made.
    pub call_id: Option<String>,
    /// When the call was made, in milliseconds since the epoch.
    pub calling_time: Option<i64>,
}

impl TaskPage {
    pub(super) fn read(mut page: Object) -> Self {
        let task = |task: Object| Task {
            task_id: task.text("TaskId"),
            total_call_count: task.integer("TotalCallCount"),
            succeed_count: task.integer("SucceedCount"),
            failed_count: task.integer("FailedCount"),
        };
        Self { list: page.list("List").map(task).collect(), total: page.integer("Total") }
    }
}

impl DetailPage {
    pub(super) fn read(mut page: Object) -> Self {
        let call = |call: Object| CallDetail {
            task_id: call.text("TaskId"),
            batch_id: call.text("BatchId"),
            detail_id: call.text("DetailId"),
            call_id: call.text("CallId"),
            calling_time: call.integer("CallingTime"),
        };
        Self { list: page.list("List").map(call).collect(), total: page.integer("Total") }
    }
}
