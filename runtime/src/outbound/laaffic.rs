//! LAAFFIC's voice API: the URL of a recording whose id came in a status report.
//!
//! <https://itniotech.com/api/voice/getRecordingFileUrl> (the sister brand's page for the same call), and for the
//! signature <https://laaffic.com/api/ai/guide/agentGroupCall>.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use tokio::time::Instant;
use url::form_urlencoded;

use super::api::{Answer, ApiError, ApiSettings, Caller};
use super::lenient::Object;
use crate::config::{ConfigError, Environment};
use shared::normalize::recording_url;

/// Where the API is, unless configured otherwise.
pub const BASE_URL: &str = "https://api.laaffic.com";

/// Well below what the platform is known to allow.
const DEFAULT_REQUESTS_PER_SECOND: &str = "5";

/// Reads `LAAFFIC_ENDPOINT` and `LAAFFIC_REQUESTS_PER_SECOND`: where the API is, and how often it is called.
pub fn api_settings(environment: &Environment<'_>) -> Result<ApiSettings, ConfigError> {
    Ok(ApiSettings::new(
        environment.parse_or("LAAFFIC_ENDPOINT", BASE_URL)?,
        environment.parse_or("LAAFFIC_REQUESTS_PER_SECOND", DEFAULT_REQUESTS_PER_SECOND)?,
    ))
}

/// Asks LAAFFIC's API; clones share connections and pace.
#[derive(Clone, Debug)]
pub struct Laaffic {
    caller: Caller,
    key: ApiKey,
}

/// A key of the API.
#[derive(Clone)]
pub struct ApiKey {
    /// The key, which is sent.
    pub key: String,
    /// The secret, which never is.
    pub secret: String,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// The signature of a request made at this time. MD5 is the provider's choice.
    fn sign(&self, timestamp_s: i64) -> String {
        hex::encode(Md5::digest(format!("{}{}{timestamp_s}", self.key, self.secret)))
    }
}

/// What kind of call a recording is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SourceType {
    /// A group call.
    #[default]
    Group,
    /// A call over a SIP line.
    Sip,
}

impl SourceType {
    fn parameter(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Sip => "sip",
        }
    }
}

/// Where a recording can be fetched from for a while. Its `Debug` does not show the URL, which is signed.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordingFileUrl {
    /// The URL.
    pub url: String,
    /// When it expires; as the answer says, else as the URL itself does.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for RecordingFileUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingFileUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Laaffic {
    /// Prepares to ask with the given key.
    pub fn new(settings: ApiSettings, key: ApiKey) -> Self {
        Self { caller: Caller::new(settings), key }
    }

    /// Asks for a fresh URL of a recording.
    ///
    /// # Errors
    /// [`ApiError`]; `NotFound` also where the answer is a success without a URL.
    pub async fn recording_file_url(
        &self,
        recording_file_id: &str,
        source_type: SourceType,
        deadline: Instant,
    ) -> Result<RecordingFileUrl, ApiError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("recordingFileId", recording_file_id)
            .append_pair("sourceType", source_type.parameter())
            .finish();
        let url = self.caller.base_url().at("/voice/getRecordingFileUrl", &query);
        let build = || {
            let timestamp_s = Timestamp::now().as_second();
            http::Request::get(&url)
                .header("Sign", self.key.sign(timestamp_s))
                .header("Timestamp", timestamp_s.to_string())
                .header("Api-Key", &self.key.key)
        };
        self.caller.call(deadline, build, read_answer).await
    }
}

/// The voice API's table of statuses. (Another API of the same provider numbers them differently.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Success,
    AuthenticationFailed,
    AddressRestricted,
    TimestampExpired,
    SystemError,
    ParameterError,
    Unknown,
}

impl Status {
    fn of(number: i64) -> Self {
        match number {
            0 => Self::Success,
            -1 => Self::AuthenticationFailed,
            -2 => Self::AddressRestricted,
            -16 => Self::TimestampExpired,
            -18 => Self::SystemError,
            -22 => Self::ParameterError,
            _ => Self::Unknown,
        }
    }
}

fn read_answer(http_status: u16, body: &Bytes) -> Result<RecordingFileUrl, ApiError> {
    let mut answer = Answer { status: http_status, ..Answer::default() };
    let Some(mut fields) = serde_json::from_slice(body).ok().and_then(Object::of) else {
        return Err(ApiError::of_status(answer, "it is not a JSON object"));
    };
    let status = fields.integer("status");
    answer.code = status.map(|status| status.to_string());
    answer.message = fields.text("reason");
    match status.map(Status::of) {
        Some(Status::Success) if (200..300).contains(&http_status) => {}
        Some(Status::AuthenticationFailed | Status::AddressRestricted | Status::TimestampExpired) => {
            return Err(ApiError::Denied(answer));
        }
        Some(Status::SystemError) => return Err(ApiError::Unavailable(answer)),
        Some(Status::ParameterError) => return Err(ApiError::BadParameter(answer)),
        Some(Status::Success | Status::Unknown) => {
            return Err(ApiError::of_status(answer, "its status is not known"));
        }
        None => return Err(ApiError::of_status(answer, "it has no status")),
    }
    let (url, expires_ms) = match fields.object("data") {
        Some(data) => (data.text("url"), data.integer("expireTime")),
        None => (None, None),
    };
    let Some(url) = url.map(|url| recording_url::clean_url(&url)).filter(|url| !url.is_empty()) else {
        return Err(ApiError::NotFound(answer));
    };
    let expires_at = expires_ms.and_then(plausible_expiry).or_else(|| recording_url::expires_at(&url));
    Ok(RecordingFileUrl { url, expires_at })
}

/// Reads milliseconds since the epoch; what is before 2000 or after 2100 is something else.
fn plausible_expiry(milliseconds: i64) -> Option<Timestamp> {
    let plausible = (946_684_800_000..=4_102_444_800_000).contains(&milliseconds);
    Timestamp::from_millisecond(milliseconds).ok().filter(|_| plausible)
}

#[cfg(test)]
mod tests;
