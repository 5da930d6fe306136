//! LAAFFIC's voice API, as far as it concerns recordings: `GET
//! /voice/getRecordingFileUrl?recordingFileId=<id>&sourceType=group|sip`.
//!
//! Document: <https://itniotech.com/api/voice/getRecordingFileUrl> (a sister brand's; the platform is the
//! same). Requests carry `Api-Key`, `Timestamp` (seconds) and `Sign`, the MD5 of key, secret and timestamp:
//! <https://laaffic.com/api/ai/guide/agentGroupCall>. Every answer is status 200 with a `status` of its own;
//! how old a timestamp may be isn't documented (here: 15 minutes).

use super::{Simulator, parse_query};
use axum::Json;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use serde::Serialize;
use std::sync::Arc;

const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// The operation's name among the counters.
pub(super) const OPERATION: &str = "getRecordingFileUrl";

/// An answer of the API.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    status: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    url: String,
    /// Epoch milliseconds.
    expire_time: i64,
}

/// Why there is no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Unauthenticated,
    TimestampExpired,
    InvalidParameter,
}

/// Answers one request.
pub(super) async fn recording_file_url(
    State(simulator): State<Arc<Simulator>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Json<Answer> {
    simulator.count_request(OPERATION);
    let query = parse_query(query.as_deref());
    Json(match find(&simulator, &query, &headers) {
        Ok(data) => Answer { status: "0", reason: "success", data: Some(data) },
        Err(refusal) => {
            let (status, reason) = match refusal {
                Refusal::Unauthenticated => ("-1", "authentication error"),
                Refusal::TimestampExpired => ("-16", "timestamp expired"),
                Refusal::InvalidParameter => ("-22", "parameter error"),
            };
            Answer { status, reason, data: None }
        }
    })
}

fn find(simulator: &Simulator, query: &[(String, String)], headers: &HeaderMap) -> Result<Data, Refusal> {
    authenticate(simulator, headers)?;
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if !matches!(parameter("sourceType"), None | Some("group" | "sip")) {
        return Err(Refusal::InvalidParameter);
    }
    let name = parameter("recordingFileId")
        .and_then(|id| simulator.recording_of_file(id))
        .ok_or(Refusal::InvalidParameter)?;
    let (url, expires_at) = simulator.fresh_url(&name);
    Ok(Data { url, expire_time: expires_at.as_millisecond() })
}

fn authenticate(simulator: &Simulator, headers: &HeaderMap) -> Result<(), Refusal> {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Refusal::Unauthenticated);
    let key = &simulator.settings.laaffic;
    let timestamp = header("Timestamp")?;
    let sign = hex::encode(Md5::digest(format!("{}{}{timestamp}", key.id, key.secret)));
    if header("Api-Key")? != key.id || !header("Sign")?.eq_ignore_ascii_case(&sign) {
        return Err(Refusal::Unauthenticated);
    }
    let at = timestamp
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or(Refusal::InvalidParameter)?;
    if at.duration_since(simulator.now()).abs() > WINDOW { Err(Refusal::TimestampExpired) } else { Ok(()) }
}
