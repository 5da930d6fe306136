//! Alibaba Cloud's Intelligent Communications Agent API, `aiccs` of 2019-10-15: one call in full, and lists of tasks and
//! of a task's calls.
//!
//! The document of QueryConversationDetailInfo:
//! <https://help.aliyun.com/en/aiccs/developer-reference/api-aiccs-2019-10-15-queryconversationdetailinfo>. The reference
//! for parameters and fields is the official SDK, `alibabacloud-aiccs20191015` on PyPI. Its parameters `OwnerId`,
//! `ResourceOwnerAccount` and `ResourceOwnerId` are the gateway's own and never sent.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::acs3::{AccessKey, RpcCall};
use super::api::{Answer, ApiError, ApiSettings, Caller};
use super::lenient::Object;
use crate::config::{ConfigError, Environment};
use crate::random;
use shared::model;
use shared::normalize::body::read;

mod answers;
mod renewal;
#[cfg(test)]
mod tests;

pub use renewal::{DetailIds, FreshUrl, RenewalError};

pub use answers::{CallDetail, DetailPage, Task, TaskPage};

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

/// Which of a list's entries are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The page, from 1.
    pub number: u32,
    /// How many entries a page has; the platform's own default is 10.
    pub size: u32,
}

/// Which calls of a task QueryAiCallDetailPage lists.
#[derive(Clone, Debug)]
pub struct DetailPageQuery {
    /// The task.
    pub task_id: String,
    /// How far the calls have come.
    pub status: DetailStatus,
    /// Calls made from this time on.
    pub from: model::Instant,
    /// Calls made until this time.
    pub until: model::Instant,
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

impl Alibaba {
    /// Prepares to ask with the given key.
    pub fn new(settings: ApiSettings, key: AccessKey) -> Self {
        Self { caller: Caller::new(settings), key }
    }

    /// How often the platform answered that it was asked too often.
    pub fn throttles(&self) -> u64 {
        self.caller.throttles()
    }

    /// Asks for one call in full, and gives the text of the answer's `Data` as it came. Each answer has a fresh URL of the recording.
    /// The call in it is not always the one asked for: after a redial, `CallId` is another.
    ///
    /// # Errors
    /// [`ApiError`]; `NotFound` also where the answer is OK and empty.
    pub async fn query_conversation_detail_info(
        &self,
        ids: &DetailIds,
        deadline: Instant,
    ) -> Result<Box<RawValue>, ApiError> {
        let DetailIds { task_id, batch_id, detail_id } = ids;
        let parameters = Parameters::default()
            .with("TaskId", task_id)
            .with("BatchId", batch_id)
            .with("DetailId", detail_id);
        let (data, answer) = self.ask("QueryConversationDetailInfo", parameters, deadline).await?;
        data.ok_or(ApiError::NotFound(answer))
    }

    /// Lists all tasks, page by page.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn query_ai_call_task_page(&self, page: Page, deadline: Instant) -> Result<TaskPage, ApiError> {
        let (data, answer) =
            self.ask("QueryAiCallTaskPage", Parameters::default().with_page(page), deadline).await?;
        data.map_or_else(|| Ok(TaskPage::default()), |data| Ok(TaskPage::read(object(&data, &answer)?)))
    }

    /// Lists a task's calls, page by page.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn query_ai_call_detail_page(
        &self,
        query: &DetailPageQuery,
        page: Page,
        deadline: Instant,
    ) -> Result<DetailPage, ApiError> {
        let DetailPageQuery { task_id, status, from, until } = query;
        let parameters = Parameters::default()
            .with("TaskId", task_id)
            .with("Status", status.parameter())
            .with("StartCallingTime", from.epoch_millis())
            .with("EndCallingTime", until.epoch_millis())
            .with_page(page);
        let (data, answer) = self.ask("QueryAiCallDetailPage", parameters, deadline).await?;
        data.map_or_else(|| Ok(DetailPage::default()), |data| Ok(DetailPage::read(object(&data, &answer)?)))
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

/// The parameters of an operation.
#[derive(Default)]
struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    fn with_page(self, Page { number, size }: Page) -> Self {
        self.with("PageNo", number).with("PageSize", size)
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
    let scalars = Object::from(scalars);
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

fn object(data: &RawValue, answer: &Answer) -> Result<Object, ApiError> {
    let data = read(data.get()).ok().and_then(Object::of);
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
