//! Alibaba Cloud's Intelligent Communications Agent API, `aiccs` of 2019-10-15: one call in full, and lists of tasks and
//! of a task's calls.
//!
//! The document of QueryConversationDetailInfo:
//! <https://help.aliyun.com/en/aiccs/developer-reference/api-aiccs-2019-10-15-queryconversationdetailinfo>. The reference
//! for parameters and fields is the official SDK, `alibabacloud-aiccs20191015` on PyPI. Its parameters `OwnerId`,
//! `ResourceOwnerAccount` and `ResourceOwnerId` are the gateway's own and never sent.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::acs3::{AccessKey, RpcCall};
use super::api::{Answer, ApiError, ApiSettings, Caller};
use super::lenient::Fields;
use crate::config::{ConfigError, Environment};
use crate::random;
use shared::normalize::body::read;

mod answers;
mod renewal;
#[cfg(test)]
mod tests;

pub use renewal::{DetailIds, FreshUrl, RenewalError};

pub use answers::{CallDetail, ConversationDetail, DetailPage, OutputTag, Task, TaskPage, Variable};

/// Where the API is, unless configured otherwise.
pub const BASE_URL: &str = "https://aiccs.aliyuncs.com";

/// Well below what the platform is known to allow.
const DEFAULT_REQUESTS_PER_SECOND: &str = "5";

/// Reads `ALIBABA_ENDPOINT` and `ALIBABA_REQUESTS_PER_SECOND`: where the API is, and how often it is called.
pub fn api_settings(environment: &Environment<'_>) -> Result<ApiSettings, ConfigError> {
    Ok(ApiSettings::new(
        environment.parse_or("ALIBABA_ENDPOINT", BASE_URL)?,
        environment.parse_or("ALIBABA_REQUESTS_PER_SECOND", DEFAULT_REQUESTS_PER_SECOND)?,
    ))
}

const VERSION: &str = "2019-10-15";

/// Asks Alibaba's API; clones share connections and pace.
#[derive(Clone, Debug)]
pub struct Alibaba {
    caller: Caller,
    key: AccessKey,
}

/// What QueryConversationDetailInfo tells of a call. Its `Debug` shows nothing of the call.
#[derive(Clone)]
pub struct Conversation {
    /// The call.
    pub detail: ConversationDetail,
    /// The same as it came: the text of `Data`.
    pub data: Box<RawValue>,
    /// Alibaba's id of the request.
    pub request_id: Option<String>,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// Which tasks QueryAiCallTaskPage lists: all of them, where nothing is asked for.
#[derive(Clone, Debug, Default)]
pub struct TaskPageQuery {
    /// The page, from 1.
    pub page_no: Option<u32>,
    /// How many tasks a page has.
    pub page_size: Option<u32>,
    /// The task with this id.
    pub task_id: Option<String>,
    /// Tasks with this in their name.
    pub task_name: Option<String>,
    /// Tasks whose agent has this in its name.
    pub agent_name: Option<String>,
    /// Tasks of this application.
    pub application_code: Option<String>,
    /// Tasks in this state.
    pub status: Option<TaskStatus>,
    /// Tasks created by this.
    pub source: Option<TaskSource>,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Not started.
    Init,
    /// Failed to start.
    Failed,
    /// Running.
    Running,
    /// Stopped.
    Stopped,
}

/// What created a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSource {
    /// An agent.
    Agent,
    /// The engine.
    Engine,
}

/// Which calls of a task QueryAiCallDetailPage lists. It has no `Debug`: a number may be in it.
#[derive(Clone)]
pub struct DetailPageQuery {
    /// The task.
    pub task_id: String,
    /// How far the calls have come.
    pub status: DetailStatus,
    /// The page, from 1.
    pub page_no: Option<u32>,
    /// How many calls a page has; 10 if not given.
    pub page_size: Option<u32>,
    /// Calls of this import.
    pub batch_id: Option<String>,
    /// Calls with these ids, 100 at most.
    pub detail_ids: Vec<i64>,
    /// Calls with this business id.
    pub out_id: Option<String>,
    /// Calls to this number.
    pub called_number: Option<String>,
    /// How the number is encrypted: 0 not at all, 1 MD5, 2 SHA-256, 3 SM3.
    pub encryption_type: Option<u8>,
    /// Calls with this result (`ANSWERED`, `NO_ANSWER`, …).
    pub call_result: Option<String>,
    /// Calls with this intent.
    pub major_intent: Option<String>,
    /// Calls made from this time on.
    pub start_calling_time: Option<Timestamp>,
    /// Calls made until this time.
    pub end_calling_time: Option<Timestamp>,
    /// Calls imported from this time on.
    pub start_imported_time: Option<Timestamp>,
    /// Calls imported until this time.
    pub end_imported_time: Option<Timestamp>,
    /// Calls of at least this many minutes.
    pub min_conversation_duration: Option<u32>,
    /// Calls of at most this many minutes.
    pub max_conversation_duration: Option<u32>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetailStatus {
    /// Not made yet.
    Pending,
    /// Made.
    Completed,
    /// Failed.
    Failed,
}

impl DetailPageQuery {
    /// Asks for the calls of a task that have come this far.
    pub fn new(task_id: impl Into<String>, status: DetailStatus) -> Self {
        Self {
            task_id: task_id.into(),
            status,
            page_no: None,
            page_size: None,
            batch_id: None,
            detail_ids: Vec::new(),
            out_id: None,
            called_number: None,
            encryption_type: None,
            call_result: None,
            major_intent: None,
            start_calling_time: None,
            end_calling_time: None,
            start_imported_time: None,
            end_imported_time: None,
            min_conversation_duration: None,
            max_conversation_duration: None,
        }
    }
}

impl Alibaba {
    /// Prepares to ask with the given key.
    pub fn new(settings: ApiSettings, key: AccessKey) -> Self {
        Self { caller: Caller::new(settings), key }
    }

    /// How often the platform answered that it was asked too often.
    pub fn throttles(&self) -> u64 {
        self.caller.throttles()
    }

    /// Asks for one call in full. Each answer has a fresh URL of the recording. The call in it is not always the one asked
    /// for: after a redial, `CallId` is another.
    ///
    /// # Errors
    /// [`ApiError`]; `NotFound` also where the answer is OK and empty.
    pub async fn query_conversation_detail_info(
        &self,
        task_id: &str,
        batch_id: &str,
        detail_id: &str,
        deadline: Instant,
    ) -> Result<Conversation, ApiError> {
        let parameters = Parameters::default()
            .with("TaskId", Some(task_id))
            .with("BatchId", Some(batch_id))
            .with("DetailId", Some(detail_id));
        let (data, answer) = self.ask("QueryConversationDetailInfo", parameters, deadline).await?;
        let data = data.ok_or_else(|| ApiError::NotFound(answer.clone()))?;
        let detail = ConversationDetail::read(fields(&data, &answer)?);
        Ok(Conversation { detail, data, request_id: answer.request_id })
    }

    /// Lists tasks, page by page.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn query_ai_call_task_page(
        &self,
        query: &TaskPageQuery,
        deadline: Instant,
    ) -> Result<TaskPage, ApiError> {
        let TaskPageQuery {
            page_no,
            page_size,
            task_id,
            task_name,
            agent_name,
            application_code,
            status,
            source,
        } = query;
        let parameters = Parameters::default()
            .with("PageNo", page_no.as_ref())
            .with("PageSize", page_size.as_ref())
            .with("TaskId", task_id.as_ref())
            .with("TaskName", task_name.as_ref())
            .with("AgentName", agent_name.as_ref())
            .with("ApplicationCode", application_code.as_ref())
            .with("Status", status.map(TaskStatus::parameter))
            .with("Source", source.map(TaskSource::parameter));
        let (data, answer) = self.ask("QueryAiCallTaskPage", parameters, deadline).await?;
        data.map_or_else(|| Ok(TaskPage::default()), |data| Ok(TaskPage::read(fields(&data, &answer)?)))
    }

    /// Lists a task's calls, page by page.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn query_ai_call_detail_page(
        &self,
        query: &DetailPageQuery,
        deadline: Instant,
    ) -> Result<DetailPage, ApiError> {
        let DetailPageQuery {
            task_id,
            status,
            page_no,
            page_size,
            batch_id,
            detail_ids,
            out_id,
            called_number,
            encryption_type,
            call_result,
            major_intent,
            start_calling_time,
            end_calling_time,
            start_imported_time,
            end_imported_time,
            min_conversation_duration,
            max_conversation_duration,
        } = query;
        let milliseconds = |time: &Option<Timestamp>| time.map(Timestamp::as_millisecond);
        let parameters = Parameters::default()
            .with("TaskId", Some(task_id))
            .with("Status", Some(status.parameter()))
            .with("PageNo", page_no.as_ref())
            .with("PageSize", page_size.as_ref())
            .with("BatchId", batch_id.as_ref())
            // A list is sent as JSON.
            .with("DetailIds", (!detail_ids.is_empty()).then(|| Value::from(detail_ids.as_slice())))
            .with("OutId", out_id.as_ref())
            .with("CalledNumber", called_number.as_ref())
            .with("EncryptionType", encryption_type.as_ref())
            .with("CallResult", call_result.as_ref())
            .with("MajorIntent", major_intent.as_ref())
            .with("StartCallingTime", milliseconds(start_calling_time))
            .with("EndCallingTime", milliseconds(end_calling_time))
            .with("StartImportedTime", milliseconds(start_imported_time))
            .with("EndImportedTime", milliseconds(end_imported_time))
            .with("MinConversationDuration", min_conversation_duration.as_ref())
            .with("MaxConversationDuration", max_conversation_duration.as_ref());
        let (data, answer) = self.ask("QueryAiCallDetailPage", parameters, deadline).await?;
        data.map_or_else(|| Ok(DetailPage::default()), |data| Ok(DetailPage::read(fields(&data, &answer)?)))
    }

    async fn ask(
        &self,
        action: &str,
        Parameters(parameters): Parameters,
        deadline: Instant,
    ) -> Result<(Option<Box<RawValue>>, Answer), ApiError> {
        let base_url = self.caller.base_url();
        let host = base_url.authority();
        let build = || {
            let nonce = random::name();
            let call = RpcCall {
                host: &host,
                action,
                version: VERSION,
                parameters: &parameters,
                date: Timestamp::now(),
                nonce: &nonce,
            };
            let signed = call.sign(&self.key);
            // The connector writes no length for an empty body, and a POST without one may be answered with 411.
            let request = http::Request::post(base_url.at("/", &signed.query)).header("content-length", "0");
            signed.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        self.caller.call(deadline, build, read_answer).await
    }
}

/// The parameters of an operation that are given.
#[derive(Default)]
struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

impl TaskStatus {
    fn parameter(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Failed => "FAILED",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl TaskSource {
    fn parameter(self) -> u8 {
        match self {
            Self::Agent => 0,
            Self::Engine => 1,
        }
    }
}

impl DetailStatus {
    fn parameter(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Completed => 1,
            Self::Failed => 2,
        }
    }
}

/// Reads an answer's envelope, and gives the text of its `Data` if there is any. A refusal can come with HTTP status 200.
fn read_answer(status: u16, body: &Bytes) -> Result<(Option<Box<RawValue>>, Answer), ApiError> {
    let mut answer = Answer { status, ..Answer::default() };
    let Ok(mut envelope) = serde_json::from_slice::<HashMap<String, Box<RawValue>>>(body) else {
        return Err(ApiError::of_status(answer, "it is not a JSON object"));
    };
    // An error from the gateway may spell the names in lower case.
    let mut take = |name: &str| {
        let key = envelope.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()?;
        envelope.remove(&key).filter(|value| value.get() != "null")
    };
    let data = take("Data");
    let mut scalars = serde_json::Map::new();
    for name in ["Code", "Message", "RequestId", "Success"] {
        let value = take(name).and_then(|value| read(value.get()).ok());
        scalars.extend(value.map(|value| (name.to_owned(), value)));
    }
    let mut scalars = Fields::from(scalars);
    answer.code = scalars.text("Code");
    answer.message = scalars.text("Message");
    answer.request_id = scalars.text("RequestId");
    let success = scalars.flag("Success");

    let is_ok = answer.code.as_deref().map(|code| matches!(code.to_ascii_uppercase().as_str(), "OK" | "200"));
    match (is_ok, success) {
        _ if !(200..300).contains(&status) => Err(refused(answer)),
        (Some(false), _) | (_, Some(false)) => Err(refused(answer)),
        (None, None) if data.is_none() => {
            Err(ApiError::Unexpected { reason: "it has neither a code nor data", answer })
        }
        (Some(true) | None, Some(true) | None) => Ok((data, answer)),
    }
}

fn fields(data: &RawValue, answer: &Answer) -> Result<Fields, ApiError> {
    let data = read(data.get()).ok().and_then(Fields::of);
    data.ok_or_else(|| ApiError::Unexpected { reason: "its data is not an object", answer: answer.clone() })
}

type Refusal = fn(Answer) -> ApiError;

/// What the codes of a refusal begin with, in lower case; the first that fits decides. The gateway's codes:
/// <https://help.aliyun.com/document_detail/48054.html>. Those of the communication services begin with `isv.` where the
/// caller is at fault, and with `isp.` where the platform is.
const REFUSALS: &[(&str, Refusal)] = &[
    ("throttling", ApiError::Throttled),
    ("flowcontrol", ApiError::Throttled),
    ("isv.business_limit_control", ApiError::Throttled),
    // Every attempt draws its own nonce, so the next one passes.
    ("signaturenonceused", ApiError::Unavailable),
    ("signature", ApiError::Denied),
    ("incompletesignature", ApiError::Denied),
    ("invalidsignature", ApiError::Denied),
    ("invalidaccesskeyid", ApiError::Denied),
    ("inactiveaccesskey", ApiError::Denied),
    ("invalidsecuritytoken", ApiError::Denied),
    ("invalidtimestamp", ApiError::Denied),
    ("illegaltimestamp", ApiError::Denied),
    ("forbidden", ApiError::Denied),
    ("nopermission", ApiError::Denied),
    ("notauthorized", ApiError::Denied),
    ("unauthorized", ApiError::Denied),
    ("accessdenied", ApiError::Denied),
    ("isp.ram_permission_deny", ApiError::Denied),
    ("isv.ram_permission_deny", ApiError::Denied),
    ("isv.out_of_service", ApiError::Denied),
    ("isv.account_", ApiError::Denied),
    ("isv.product_un", ApiError::Denied),
    ("isp.", ApiError::Unavailable),
    ("serviceunavailable", ApiError::Unavailable),
    ("internal", ApiError::Unavailable),
    ("system", ApiError::Unavailable),
    ("missing", ApiError::BadParameter),
];

fn refused(answer: Answer) -> ApiError {
    let code = answer.code.as_deref().unwrap_or_default().to_ascii_lowercase();
    if let Some((_, error)) = REFUSALS.iter().find(|(prefix, _)| code.starts_with(prefix)) {
        return error(answer);
    }
    // The API's own codes name the parameter first, and what is wrong with it last.
    if ["invalidaction", "invalidapi", "invalidversion"].iter().any(|prefix| code.starts_with(prefix)) {
        ApiError::BadParameter(answer)
    } else if ["notfound", "not_found", "notexist", "not_exist"].iter().any(|part| code.contains(part)) {
        ApiError::NotFound(answer)
    } else if code.starts_with("invalid") || code.starts_with("illegal") || code.contains("param") {
        ApiError::BadParameter(answer)
    } else {
        ApiError::of_status(answer, "its code is not known")
    }
}
