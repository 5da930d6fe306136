//! What Alibaba's platform knows: tasks, and the calls made for them.

use jiff::Timestamp;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// An outbound-call task.
#[derive(Clone, Debug)]
pub struct Task {
    /// `TaskId`.
    pub task_id: String,
    /// `TaskName`.
    pub name: String,
    /// `AgentName`.
    pub agent_name: String,
    /// `Status`.
    pub status: TaskStatus,
    /// `CreateTime`.
    pub created_at: Timestamp,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Not started: `INIT`, 0.
    Init,
    /// Running: `RUNNING`, 1.
    Running,
    /// Stopped: `STOPPED`, 2.
    Stopped,
    /// Could not be started: `FAILED`, 3.
    Failed,
}

/// A call, under the names of the API's answers. The fields are what a test wants to be answered, sound or
/// not.
#[derive(Clone, Debug)]
pub struct Call {
    /// `TaskId`.
    pub task_id: String,
    /// `BatchId`.
    pub batch_id: String,
    /// `DetailId`: the number to be called, in its batch. It keeps its id when it is called again.
    pub detail_id: String,
    /// `CallId`.
    pub call_id: String,
    /// `OutId`.
    pub out_id: Option<String>,
    /// `CallerPhone`.
    pub caller: String,
    /// `CalledPhone`, `CalledNumber`.
    pub callee: String,
    /// `ImportedTime`.
    pub imported_at: Timestamp,
    /// `StartCallTime`, `CallingTime`.
    pub started_at: Timestamp,
    /// `PickUpTime`; a call that was answered has it.
    pub picked_up_at: Option<Timestamp>,
    /// `ReleaseTime`.
    pub released_at: Option<Timestamp>,
    /// Where the detail stands.
    pub status: DetailStatus,
    /// `CallResult`, such as `ANSWERED`.
    pub result: String,
    /// `StatusCode`, the carrier's.
    pub status_code: String,
    /// `StatusMsg`, the carrier's.
    pub status_message: String,
    /// `FailedReason`.
    pub failed_reason: Option<String>,
    /// `HangupDirection`.
    pub hung_up_by: Option<Speaker>,
    /// `MajorIntent`.
    pub major_intent: Option<String>,
    /// `ConversationRecord`.
    pub turns: Vec<Turn>,
    /// `OutputTags`.
    pub tags: Vec<Tag>,
    /// `Variables`, `Options`.
    pub variables: Vec<Variable>,
    /// The recording's name; each answer signs a fresh URL for it.
    pub recording: Option<String>,
    /// The `Data` of QueryConversationDetailInfo, served as it is in place of all the above.
    pub verbatim: Option<Box<RawValue>>,
}

/// Where a detail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetailStatus {
    /// Not called yet, or to be called again.
    Pending,
    /// Called.
    Completed,
    /// Could not be called.
    Failed,
}

/// Who speaks, or hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The robot: role `assistant`, hangup direction `1`.
    Agent,
    /// The person called: role `user`, hangup direction `0`.
    Callee,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub speaker: Speaker,
    /// What is said.
    pub text: String,
}

/// What the model made of a call under one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// `Id`.
    pub id: String,
    /// `OutputTagName`.
    pub name: String,
    /// `OutputTagDescription`.
    pub description: String,
    /// `OutputTagValue`: JSON in a string, or plain text.
    pub value: String,
}

/// A value the call was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `Id`.
    pub id: String,
    /// `Key`.
    pub key: String,
    /// `Name`.
    pub name: String,
    /// `Value`.
    pub value: String,
    /// `Required`.
    pub required: bool,
}

impl Call {
    /// Makes a call that was answered, lasted 16 seconds, and of which nothing is told yet but ids, numbers
    /// and times.
    pub fn answered(
        task_id: impl Into<String>,
        batch_id: impl Into<String>,
        detail_id: impl Into<String>,
        call_id: impl Into<String>,
        started_at: Timestamp,
    ) -> Call {
        let seconds_later = |seconds| started_at.checked_add(jiff::SignedDuration::from_secs(seconds)).ok();
        Call {
            task_id: task_id.into(),
            batch_id: batch_id.into(),
            detail_id: detail_id.into(),
            call_id: call_id.into(),
            out_id: None,
            caller: "057100000000".to_owned(),
            callee: "13700000000".to_owned(),
            imported_at: started_at,
            started_at,
            picked_up_at: seconds_later(5),
            released_at: seconds_later(21),
            status: DetailStatus::Completed,
            result: "ANSWERED".to_owned(),
            status_code: "200005".to_owned(),
            status_message: "呼叫结束(双呼)".to_owned(),
            failed_reason: None,
            hung_up_by: Some(Speaker::Callee),
            major_intent: None,
            turns: Vec::new(),
            tags: Vec::new(),
            variables: Vec::new(),
            recording: None,
            verbatim: None,
        }
    }

    /// Returns the seconds from answer to end; 0 if it was not answered.
    pub(super) fn duration_s(&self) -> i64 {
        match (self.picked_up_at, self.released_at) {
            (Some(answered), Some(ended)) => ended.duration_since(answered).as_secs(),
            _ => 0,
        }
    }
}

/// All tasks and calls. Calls of one detail replace each other: the platform, too, answers for a detail with
/// its latest call.
#[derive(Debug, Default)]
pub(super) struct Book {
    tasks: RwLock<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    task: Task,
    calls: BTreeMap<Place, Arc<Call>>,
    places: HashMap<DetailKey, Place>,
}

/// Batch and detail.
type DetailKey = (String, String);
/// A call's place in its task's list: by calling time, then detail.
type Place = (Timestamp, DetailKey);

/// A task with its calls counted.
#[derive(Clone, Debug)]
pub(super) struct TaskSummary {
    pub(super) task: Task,
    pub(super) details: usize,
    pub(super) completed: usize,
    pub(super) failed: usize,
    pub(super) first_call_at: Option<Timestamp>,
}

impl Book {
    /// Enters a task, or changes what is known of it.
    pub(super) fn put_task(&self, task: Task) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        match tasks.get_mut(&task.task_id) {
            Some(entry) => entry.task = task,
            None => drop(tasks.insert(task.task_id.clone(), Entry::new(task))),
        }
    }

    /// Enters a call, in place of an earlier one of its detail. A task that is unknown is entered as running
    /// since the call was imported.
    pub(super) fn put_call(&self, call: Call) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let entry = tasks.entry(call.task_id.clone()).or_insert_with(|| {
            Entry::new(Task {
                task_id: call.task_id.clone(),
                name: format!("task {}", call.task_id),
                agent_name: "agent".to_owned(),
                status: TaskStatus::Running,
                created_at: call.imported_at,
            })
        });
        let key = (call.batch_id.clone(), call.detail_id.clone());
        let place = (call.started_at, key.clone());
        if let Some(earlier) = entry.places.insert(key, place.clone()) {
            entry.calls.remove(&earlier);
        }
        entry.calls.insert(place, Arc::new(call));
    }

    /// Returns the latest call of a detail.
    pub(super) fn call(&self, task_id: &str, batch_id: &str, detail_id: &str) -> Option<Arc<Call>> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        let entry = tasks.get(task_id)?;
        let place = entry.places.get(&(batch_id.to_owned(), detail_id.to_owned()))?;
        entry.calls.get(place).cloned()
    }

    /// Returns a task's calls that were started within two instants, both included, latest first; `None` if
    /// there is no such task.
    pub(super) fn calls(&self, task_id: &str, from: Timestamp, to: Timestamp) -> Option<Vec<Arc<Call>>> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        let newest_first = tasks.get(task_id)?.calls.values().rev();
        Some(
            newest_first
                .skip_while(|call| call.started_at > to)
                .take_while(|call| call.started_at >= from)
                .cloned()
                .collect(),
        )
    }

    /// Returns all tasks, latest first.
    pub(super) fn tasks(&self) -> Vec<TaskSummary> {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        let mut summaries: Vec<TaskSummary> = tasks.values().map(Entry::summary).collect();
        summaries
            .sort_by(|a, b| (b.task.created_at, &b.task.task_id).cmp(&(a.task.created_at, &a.task.task_id)));
        summaries
    }
}

impl Entry {
    fn new(task: Task) -> Entry {
        Entry { task, calls: BTreeMap::new(), places: HashMap::new() }
    }

    fn summary(&self) -> TaskSummary {
        let count = |status| self.calls.values().filter(|call| call.status == status).count();
        TaskSummary {
            task: self.task.clone(),
            details: self.calls.len(),
            completed: count(DetailStatus::Completed),
            failed: count(DetailStatus::Failed),
            first_call_at: self.calls.keys().next().map(|(started_at, _)| *started_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn detail_is_known_by_its_latest_call() {
        let book = Book::default();
        book.put_call(Call::answered("t", "b", "d", "first", at(100)));
        book.put_call(Call::answered("t", "b", "d", "again", at(200)));
        book.put_call(Call::answered("t", "b", "other", "third", at(150)));
        assert_eq!(book.call("t", "b", "d").unwrap().call_id, "again");
        let listed = book.calls("t", Timestamp::MIN, Timestamp::MAX).unwrap();
        assert_eq!(listed.iter().map(|call| call.call_id.as_str()).collect::<Vec<_>>(), ["again", "third"]);
        assert!(book.call("t", "other", "d").is_none());
        assert!(book.calls("other", Timestamp::MIN, Timestamp::MAX).is_none());
    }

    #[test]
    fn window_includes_both_ends() {
        let book = Book::default();
        for second in [100, 200, 300, 400] {
            book.put_call(Call::answered("t", "b", second.to_string(), second.to_string(), at(second)));
        }
        let listed = book.calls("t", at(200), at(300)).unwrap();
        assert_eq!(listed.iter().map(|call| call.call_id.as_str()).collect::<Vec<_>>(), ["300", "200"]);
    }

    #[test]
    fn tasks_count_their_calls() {
        let book = Book::default();
        book.put_call(Call::answered("old", "b", "1", "1", at(100)));
        book.put_call(Call { status: DetailStatus::Failed, ..Call::answered("old", "b", "2", "2", at(90)) });
        book.put_task(Task {
            task_id: "new".to_owned(),
            name: "named".to_owned(),
            agent_name: String::new(),
            status: TaskStatus::Init,
            created_at: at(500),
        });
        let tasks = book.tasks();
        assert_eq!((tasks[0].task.task_id.as_str(), tasks[0].details), ("new", 0));
        assert_eq!((tasks[1].details, tasks[1].completed, tasks[1].failed), (2, 1, 1));
        assert_eq!(tasks[1].first_call_at, Some(at(90)));
    }
}
