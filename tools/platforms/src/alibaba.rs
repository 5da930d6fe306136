//! Alibaba Cloud's call-centre API (`aiccs`, version 2019-10-15), RPC style: `POST /` or `GET /`, the
//! operation in `x-acs-action` (or `Action`), parameters in the query or a form.
//!
//! - QueryConversationDetailInfo:
//!   <https://help.aliyun.com/en/aiccs/developer-reference/api-aiccs-2019-10-15-queryconversationdetailinfo>
//! - QueryAiCallDetailPage:
//!   <https://help.aliyun.com/zh/aiccs/developer-reference/api-aiccs-2019-10-15-queryaicalldetailpage>
//! - QueryAiCallTaskPage:
//!   <https://help.aliyun.com/zh/aiccs/developer-reference/api-aiccs-2019-10-15-queryaicalltaskpage>
//!
//! The gateway's refusals have a status of 400 and more, and `Code`, `Message`, `RequestId`, `HostId`. The
//! service's own are status 200 with `Success` false; which code stands in them for a call that is unknown
//! isn't documented, nor is the order of a list (here: latest first) or the largest page (here: 100).

use super::acs3::{self, Refusal};
use super::answers::{ConversationData, DetailItem, PageData, TaskItem};
use super::calls::{Call, DetailStatus, TaskStatus, TaskSummary};
use super::throttle::Admission;
use super::{Simulator, parse_query};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::time::Instant;

const VERSION: &str = "2019-10-15";
const LARGEST_PAGE: usize = 100;
const MOST_DETAIL_IDS: usize = 100;

const USAGE: &str = "callvault's simulator of the call platforms\n\n\
    GET /recordings/<name>.wav|.mp3     a recording; ?bytes=200000 for its length, ?fault=<fault> to misbehave\n\
    POST /                              Alibaba: QueryConversationDetailInfo, QueryAiCallDetailPage, QueryAiCallTaskPage\n\
    GET /voice/getRecordingFileUrl      LAAFFIC: a recording's URL by its id\n\n\
    Faults: not-found:N expired server-error[:N] truncated stall wrong-length:longer wrong-length:shorter chunked drip[:BYTES]\n\
    redirect-private redirect:URL xml-200[:audio] endless empty unauthorized-once html\n";

/// Answers one request.
pub(super) async fn rpc(
    State(simulator): State<Arc<Simulator>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = parse_query(query.as_deref());
    let parameters = Parameters::new(&query, &headers, &body);
    let Some(action) =
        headers.get("x-acs-action").and_then(|action| action.to_str().ok()).or(parameters.optional("Action"))
    else {
        return if method == Method::GET {
            USAGE.into_response()
        } else {
            refuse(&simulator, &Refusal::Missing("Action").into())
        };
    };
    simulator.count_request(action);
    let request = acs3::Request {
        method: method.as_str(),
        path: uri.path(),
        query: &query,
        headers: &headers,
        body: &body,
    };
    match answer(&simulator, action, &request, &parameters) {
        Ok(data) => succeed(&simulator, &data),
        Err(Error::Service(failure)) => fail(&simulator, failure),
        Err(Error::Gateway(refusal)) => refuse(&simulator, &refusal),
    }
}

fn answer(
    simulator: &Simulator,
    action: &str,
    request: &acs3::Request<'_>,
    parameters: &Parameters,
) -> Result<Box<RawValue>, Error> {
    let operation = match action {
        "QueryConversationDetailInfo" => conversation_detail_info,
        "QueryAiCallDetailPage" => call_detail_page,
        "QueryAiCallTaskPage" => call_task_page,
        _ => return Err(GatewayRefusal::UnknownAction.into()),
    };
    let version = request
        .headers
        .get("x-acs-version")
        .and_then(|version| version.to_str().ok())
        .or(parameters.optional("Version"));
    match version {
        Some(VERSION) => {}
        Some(_) => return Err(GatewayRefusal::UnknownVersion.into()),
        None => return Err(Refusal::Missing("Version").into()),
    }
    acs3::verify(request, &simulator.settings.alibaba, &simulator.nonces, simulator.now())?;
    match simulator.throttle.admit(Instant::now()) {
        Admission::Admitted => operation(simulator, parameters),
        Admission::Throttled => Err(GatewayRefusal::Throttled.into()),
        Admission::Unavailable => Err(GatewayRefusal::Unavailable.into()),
    }
}

// ---- Operations

fn conversation_detail_info(simulator: &Simulator, parameters: &Parameters) -> Result<Box<RawValue>, Error> {
    let task_id = parameters.required("TaskId")?;
    let batch_id = parameters.required("BatchId")?;
    let detail_id = parameters.required("DetailId")?;
    let call = simulator.calls.call(task_id, batch_id, detail_id).ok_or(ServiceFailure::UnknownCall)?;
    match &call.verbatim {
        Some(verbatim) => Ok(verbatim.clone()),
        None => raw(&ConversationData::of(&call, simulator)),
    }
}

fn call_detail_page(simulator: &Simulator, parameters: &Parameters) -> Result<Box<RawValue>, Error> {
    let task_id = parameters.required("TaskId")?;
    let status = match parameters.required("Status")? {
        "0" => DetailStatus::Pending,
        "1" => DetailStatus::Completed,
        "2" => DetailStatus::Failed,
        _ => return Err(ServiceFailure::InvalidParameter.into()),
    };
    let page = Page::of(parameters, 10)?;
    let detail_ids = parameters.optional("DetailIds").map(read_detail_ids).transpose()?;
    if parameters.number("EncryptionType")?.is_some_and(|kind| kind != 0) {
        // Numbers are never encrypted here: better to say so than to answer them in the clear.
        return Err(ServiceFailure::InvalidParameter.into());
    }
    let from = parameters.instant("StartCallingTime")?.unwrap_or(Timestamp::MIN);
    let to = parameters.instant("EndCallingTime")?.unwrap_or(Timestamp::MAX);
    let imported_from = parameters.instant("StartImportedTime")?.unwrap_or(Timestamp::MIN);
    let imported_to = parameters.instant("EndImportedTime")?.unwrap_or(Timestamp::MAX);
    let at_least_s =
        parameters.number("MinConversationDuration")?.map_or(0, |minutes| minutes.saturating_mul(60));
    let at_most_s =
        parameters.number("MaxConversationDuration")?.map_or(i64::MAX, |minutes| minutes.saturating_mul(60));
    let is = |name: &str, value: &str| parameters.optional(name).is_none_or(|wanted| wanted == value);

    let calls = simulator.calls.calls(task_id, from, to).unwrap_or_default();
    let found: Vec<&Arc<Call>> = calls
        .iter()
        .filter(|call| {
            call.status == status
                && is("BatchId", &call.batch_id)
                && is("CallResult", &call.result)
                && is("CalledNumber", &call.callee)
                && is("MajorIntent", call.major_intent.as_deref().unwrap_or_default())
                && is("OutId", call.out_id.as_deref().unwrap_or_default())
                && (imported_from..=imported_to).contains(&call.imported_at)
                && (at_least_s..=at_most_s).contains(&call.duration_s())
                && detail_ids.as_ref().is_none_or(|wanted| wanted.contains(&call.detail_id))
        })
        .collect();
    raw(&page.cut(&found, |call| DetailItem::of(call, simulator)))
}

fn call_task_page(simulator: &Simulator, parameters: &Parameters) -> Result<Box<RawValue>, Error> {
    let status = match parameters.optional("Status") {
        None => None,
        Some("INIT") => Some(TaskStatus::Init),
        Some("RUNNING") => Some(TaskStatus::Running),
        Some("STOPPED") => Some(TaskStatus::Stopped),
        Some("FAILED") => Some(TaskStatus::Failed),
        Some(_) => return Err(ServiceFailure::InvalidParameter.into()),
    };
    let page = Page::of(parameters, 20)?;
    let contains =
        |name: &str, value: &str| parameters.optional(name).is_none_or(|part| value.contains(part));
    let mut found = simulator.calls.tasks();
    found.retain(|TaskSummary { task, .. }| {
        status.is_none_or(|status| task.status == status)
            && parameters.optional("TaskId").is_none_or(|task_id| task.task_id == task_id)
            && contains("TaskName", &task.name)
            && contains("AgentName", &task.agent_name)
    });
    raw(&page.cut(&found, TaskItem::of))
}

fn read_detail_ids(json: &str) -> Result<Vec<String>, Error> {
    let ids: Vec<serde_json::Number> =
        serde_json::from_str(json).map_err(|_| ServiceFailure::InvalidParameter)?;
    if ids.len() > MOST_DETAIL_IDS {
        return Err(ServiceFailure::InvalidParameter.into());
    }
    Ok(ids.iter().map(ToString::to_string).collect())
}

// ---- What is asked

/// A request's parameters, from its query and its form.
struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    fn new(query: &[(String, String)], headers: &HeaderMap, body: &[u8]) -> Parameters {
        let is_form = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let mut pairs = query.to_vec();
        if is_form {
            pairs.extend(url::form_urlencoded::parse(body).into_owned());
        }
        Parameters { pairs }
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &'static str) -> Result<&str, Error> {
        self.optional(name).ok_or_else(|| Refusal::Missing(name).into())
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        let number = self.optional(name).map(str::parse).transpose();
        number.map_err(|_| ServiceFailure::InvalidParameter.into())
    }

    /// Reads epoch milliseconds.
    fn instant(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        let instant = self.number(name)?.map(Timestamp::from_millisecond).transpose();
        instant.map_err(|_| ServiceFailure::InvalidParameter.into())
    }
}

/// Which page of a list is asked for. Pages count from 1.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(parameters: &Parameters, default_size: usize) -> Result<Page, Error> {
        let positive = |name: &str, default: usize| match parameters.number(name)? {
            None => Ok(default),
            Some(number) => match usize::try_from(number) {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(Error::from(ServiceFailure::InvalidParameter)),
            },
        };
        let page = Page { number: positive("PageNo", 1)?, size: positive("PageSize", default_size)? };
        if page.size > LARGEST_PAGE { Err(ServiceFailure::InvalidParameter.into()) } else { Ok(page) }
    }

    /// Cuts the page out of all that was found. A page behind the last is empty.
    fn cut<T, I>(&self, found: &[T], item: impl Fn(&T) -> I) -> PageData<I> {
        let list =
            found.chunks(self.size).nth(self.number - 1).unwrap_or_default().iter().map(item).collect();
        PageData { page_no: self.number, page_size: self.size, total: found.len(), list }
    }
}

// ---- How it is answered

fn raw(data: &impl Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(data).map_err(|_| GatewayRefusal::Unavailable.into())
}

/// The frame of the service's answers.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    access_denied_detail: &'static str,
    message: &'static str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    code: &'static str,
    success: bool,
}

/// The frame of the gateway's refusals.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GatewayError<'a> {
    request_id: String,
    message: String,
    host_id: &'a str,
    code: String,
}

enum Error {
    /// Refused before it reached the service.
    Gateway(GatewayRefusal),
    /// Refused by the service.
    Service(ServiceFailure),
}

enum GatewayRefusal {
    Signature(Refusal),
    UnknownAction,
    UnknownVersion,
    Throttled,
    Unavailable,
}

#[derive(Clone, Copy)]
enum ServiceFailure {
    InvalidParameter,
    UnknownCall,
}

impl From<Refusal> for GatewayRefusal {
    fn from(refusal: Refusal) -> GatewayRefusal {
        GatewayRefusal::Signature(refusal)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Gateway(refusal.into())
    }
}

impl From<GatewayRefusal> for Error {
    fn from(refusal: GatewayRefusal) -> Error {
        Error::Gateway(refusal)
    }
}

impl From<ServiceFailure> for Error {
    fn from(failure: ServiceFailure) -> Error {
        Error::Service(failure)
    }
}

impl GatewayRefusal {
    /// Returns the HTTP status, the code and the message.
    fn documented(&self) -> (u16, String, String) {
        let known = |status, code: &str, message: &str| (status, code.to_owned(), message.to_owned());
        match self {
            GatewayRefusal::Signature(refusal) => {
                let (status, code) = refusal.documented();
                (status, code, refusal.to_string())
            }
            GatewayRefusal::UnknownAction => known(
                404,
                "InvalidAction.NotFound",
                "Specified api is not found, please check your url and method.",
            ),
            GatewayRefusal::UnknownVersion => {
                known(404, "InvalidVersion", "Specified parameter Version is not valid.")
            }
            GatewayRefusal::Throttled => {
                known(400, "Throttling.User", "Request was denied due to user flow control.")
            }
            GatewayRefusal::Unavailable => known(
                503,
                "ServiceUnavailable",
                "The request has failed due to a temporary failure of the server.",
            ),
        }
    }
}

fn succeed(simulator: &Simulator, data: &RawValue) -> Response {
    json(
        StatusCode::OK,
        &Envelope {
            access_denied_detail: "None",
            message: "成功",
            request_id: simulator.request_id(),
            data: Some(data),
            code: "OK",
            success: true,
        },
    )
}

fn fail(simulator: &Simulator, failure: ServiceFailure) -> Response {
    let (code, message) = match failure {
        ServiceFailure::InvalidParameter => ("InvalidParameter", "参数不合法"),
        ServiceFailure::UnknownCall => ("DataNotFound", "数据不存在"),
    };
    json(
        StatusCode::OK,
        &Envelope {
            access_denied_detail: "None",
            message,
            request_id: simulator.request_id(),
            data: None,
            code,
            success: false,
        },
    )
}

fn refuse(simulator: &Simulator, refusal: &GatewayRefusal) -> Response {
    let (status, code, message) = refusal.documented();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(
        status,
        &GatewayError { request_id: simulator.request_id(), message, host_id: &simulator.host, code },
    )
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json;charset=utf-8")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
