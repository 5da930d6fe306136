//! What the providers' APIs have in common: where they are, how a call can fail, and how one is repeated.
//!
//! A call is repeated while that can help: after a throttle, after a fault of the provider's, and after one of the
//! network's. It is repeated with growing pauses that differ by chance, at the client's shared pace, and never beyond the
//! caller's deadline. All operations here only read, so repeating one is harmless.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use tokio::time::{Instant, sleep};
use url::Url;

use super::connector::{self, NoBody, NoResponse, SystemResolver};
use super::rate::{RateLimiter, RequestRate};
use crate::backoff::Backoff;

/// The largest answer that is read: a full page of calls with their conversations is some MB.
const LARGEST_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Where a provider's API is: `http` or `https`, a host, perhaps a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// A text that is not the base URL of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https URL without user, query and fragment")]
pub struct InvalidBaseUrl;

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidBaseUrl)?;
        let sound = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if sound { Ok(Self(url)) } else { Err(InvalidBaseUrl) }
    }
}

impl BaseUrl {
    /// The value of the header `host`: with the port, where it isn't the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The URL of a path below this one, with a query that is escaped already.
    pub(super) fn at(&self, path: &str, query: &str) -> String {
        format!("{}{path}?{query}", self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a provider's API is called.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where it is.
    pub base_url: BaseUrl,
    /// How often it is called.
    pub rate: RequestRate,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one attempt may take, connecting and the whole answer included.
    pub attempt_timeout: Duration,
    /// How often a call is attempted.
    pub max_attempts: u32,
    /// The pause before the second attempt; each further one doubles it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl ApiSettings {
    /// Gives the bounds of a call that nobody waits for.
    pub fn new(base_url: BaseUrl, rate: RequestRate) -> Self {
        Self {
            base_url,
            rate,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(15),
            max_attempts: 6,
            first_pause: Duration::from_millis(300),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// What a provider said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's message. It can repeat what was sent, so it is not part of what is displayed.
    pub message: Option<String>,
    /// The provider's id of the request, which its support asks for.
    pub request_id: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        // Both are the provider's, and short; whatever else stands in their place is not repeated.
        let plain = |text: &&String| text.len() <= 80 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(code) = self.code.as_ref().filter(plain) {
            write!(f, ", code {code}")?;
        }
        if let Some(request_id) = self.request_id.as_ref().filter(plain) {
            write!(f, ", request {request_id}")?;
        }
        Ok(())
    }
}

/// Why a call of a provider's API brought nothing. None says anything of the URL or of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Called too often.
    #[error("throttled ({0})")]
    Throttled(Answer),
    /// Wrong credentials, a wrong signature or clock, or a permission that is missing.
    #[error("denied ({0})")]
    Denied(Answer),
    /// What was asked for does not exist.
    #[error("not found ({0})")]
    NotFound(Answer),
    /// A parameter is missing or wrong.
    #[error("bad parameter ({0})")]
    BadParameter(Answer),
    /// The provider has a fault.
    #[error("unavailable ({0})")]
    Unavailable(Answer),
    /// The provider could not be reached, or the connection failed.
    #[error("unreachable")]
    Unreachable(#[source] BoxError),
    /// The provider took too long.
    #[error("no answer in time")]
    TimedOut,
    /// Nothing was asked: the deadline would have been over before this call's turn.
    #[error("no time left to ask")]
    NoTime,
    /// Nothing was asked: what is configured can't be written into a request.
    #[error("a setting does not fit into a request")]
    NotARequest(#[source] BoxError),
    /// The answer is none that is documented.
    #[error("unexpected answer: {reason} ({answer})")]
    Unexpected {
        /// What is wrong with it.
        reason: &'static str,
        /// The answer.
        answer: Answer,
    },
}

/// What an error of an API asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// To ask less often.
    Throttled,
    /// To mend the credentials.
    Denied,
    /// To ask for something else.
    NotFound,
    /// To ask in another way.
    BadParameter,
    /// To ask later.
    Unavailable,
    /// To be looked at by a person.
    Unexpected,
}

impl ApiErrorKind {
    /// Names the kind, for metrics and for `last_error`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::BadParameter => "bad_parameter",
            Self::Unavailable => "unavailable",
            Self::Unexpected => "unexpected",
        }
    }
}

impl ApiError {
    /// Tells what the error asks of the caller.
    pub fn kind(&self) -> ApiErrorKind {
        match self {
            Self::Throttled(_) => ApiErrorKind::Throttled,
            Self::Denied(_) => ApiErrorKind::Denied,
            Self::NotFound(_) => ApiErrorKind::NotFound,
            Self::BadParameter(_) | Self::NotARequest(_) => ApiErrorKind::BadParameter,
            Self::Unavailable(_) | Self::Unreachable(_) | Self::TimedOut | Self::NoTime => {
                ApiErrorKind::Unavailable
            }
            Self::Unexpected { .. } => ApiErrorKind::Unexpected,
        }
    }

    /// What the provider said, if it said anything.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Throttled(answer)
            | Self::Denied(answer)
            | Self::NotFound(answer)
            | Self::BadParameter(answer)
            | Self::Unavailable(answer)
            | Self::Unexpected { answer, .. } => Some(answer),
            Self::Unreachable(_) | Self::TimedOut | Self::NoTime | Self::NotARequest(_) => None,
        }
    }

    /// Judges an answer by its HTTP status alone: for what comes from in front of the API, or has a code that is not
    /// known.
    pub(super) fn of_status(answer: Answer, reason: &'static str) -> Self {
        match answer.status {
            429 => Self::Throttled(answer),
            401 | 403 => Self::Denied(answer),
            404 => Self::NotFound(answer),
            400 | 405..=428 => Self::BadParameter(answer),
            500..=599 => Self::Unavailable(answer),
            _ => Self::Unexpected { reason, answer },
        }
    }
}

/// Makes calls of one provider's API; clones share connections and pace.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    settings: ApiSettings,
    limiter: RateLimiter,
    connector: SharedHttpConnector,
}

impl Caller {
    pub(super) fn new(settings: ApiSettings) -> Self {
        let limiter = RateLimiter::new(settings.rate);
        let connector = connector::connector(settings.connect_timeout, SystemResolver);
        Self { settings, limiter, connector }
    }

    pub(super) fn throttles(&self) -> u64 {
        self.limiter.throttles()
    }

    pub(super) fn base_url(&self) -> &BaseUrl {
        &self.settings.base_url
    }

    /// Calls until there is an answer, or no use or time in calling again; gives the last error then. Each attempt is
    /// built anew, since signatures carry the time.
    pub(super) async fn call<T>(
        &self,
        deadline: Instant,
        build: impl Fn() -> http::request::Builder,
        read: impl Fn(u16, &Bytes) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut last = ApiError::NoTime;
        for attempt in 1..=self.settings.max_attempts.max(1) {
            if self.limiter.turn(deadline).await.is_err() {
                break;
            }
            let outcome = match self.attempt(deadline, build()).await {
                Ok((status, body)) => read(status, &body),
                Err(error) => Err(error),
            };
            last = match outcome {
                Ok(answer) => {
                    self.limiter.answered();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            match last.kind() {
                ApiErrorKind::Throttled => self.limiter.throttled(),
                ApiErrorKind::Unavailable => {}
                ApiErrorKind::Denied
                | ApiErrorKind::NotFound
                | ApiErrorKind::BadParameter
                | ApiErrorKind::Unexpected => break,
            }
            let pause = Backoff::new(self.settings.first_pause, self.settings.longest_pause).after(attempt);
            if attempt == self.settings.max_attempts || Instant::now() + pause >= deadline {
                break;
            }
            sleep(pause).await;
        }
        Err(last)
    }

    async fn attempt(
        &self,
        deadline: Instant,
        request: http::request::Builder,
    ) -> Result<(u16, Bytes), ApiError> {
        let deadline = deadline.min(Instant::now() + self.settings.attempt_timeout);
        let request = request
            .header(http::header::USER_AGENT, connector::USER_AGENT)
            .header(http::header::ACCEPT, "application/json")
            .body(SdkBody::empty())
            .map_err(|error| ApiError::NotARequest(error.into()))?;
        let request = HttpRequest::try_from(request).map_err(|error| ApiError::NotARequest(error.into()))?;
        let response =
            connector::send(&self.connector, request, deadline).await.map_err(|error| match error {
                NoResponse::Resolve(source)
                | NoResponse::Connect(source)
                | NoResponse::Tls(source)
                | NoResponse::Broken(source) => ApiError::Unreachable(source),
                NoResponse::ConnectTimeout | NoResponse::ResponseTimeout => ApiError::TimedOut,
            })?;
        let status = response.status().as_u16();
        let body = connector::read_body(response.into_body(), LARGEST_ANSWER_BYTES, deadline).await;
        let body = body.map_err(|error| match error {
            NoBody::Broken(source) => ApiError::Unreachable(source),
            NoBody::TooLarge => {
                let answer = Answer { status, ..Answer::default() };
                ApiError::Unexpected { reason: "it is too large", answer }
            }
            NoBody::TimedOut => ApiError::TimedOut,
        })?;
        Ok((status, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_nothing_but_a_place() {
        for (text, authority, url) in [
            ("https://aiccs.aliyuncs.com", "aiccs.aliyuncs.com", "https://aiccs.aliyuncs.com/x?y=1"),
            (" https://AICCS.aliyuncs.com:443/ ", "aiccs.aliyuncs.com", "https://aiccs.aliyuncs.com/x?y=1"),
            ("http://127.0.0.1:4000", "127.0.0.1:4000", "http://127.0.0.1:4000/x?y=1"),
            ("http://[::1]:4000/laaffic/", "[::1]:4000", "http://[::1]:4000/laaffic/x?y=1"),
        ] {
            let base: BaseUrl = text.parse().unwrap();
            assert_eq!((base.authority().as_str(), base.at("/x", "y=1").as_str()), (authority, url));
        }
        for text in [
            "",
            "aiccs.aliyuncs.com",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a/?x",
            "https://a/#x",
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(InvalidBaseUrl), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_of_an_answer_is_short_and_never_its_message() {
        let answer = Answer {
            status: 400,
            code: Some("Throttling.User".to_owned()),
            message: Some("The number 13800000000 is wrong".to_owned()),
            request_id: Some("F2051E18".to_owned()),
        };
        let error = ApiError::Throttled(answer.clone());
        assert_eq!(error.to_string(), "throttled (status 400, code Throttling.User, request F2051E18)");
        let odd = Answer { code: Some("x".repeat(81)), request_id: Some("line\nbreak".to_owned()), ..answer };
        assert_eq!(odd.to_string(), "status 400");
    }

    #[test]
    fn a_status_alone_has_a_kind() {
        for (status, kind) in [
            (200, ApiErrorKind::Unexpected),
            (302, ApiErrorKind::Unexpected),
            (400, ApiErrorKind::BadParameter),
            (401, ApiErrorKind::Denied),
            (403, ApiErrorKind::Denied),
            (404, ApiErrorKind::NotFound),
            (405, ApiErrorKind::BadParameter),
            (429, ApiErrorKind::Throttled),
            (500, ApiErrorKind::Unavailable),
            (503, ApiErrorKind::Unavailable),
        ] {
            let error = ApiError::of_status(Answer { status, ..Answer::default() }, "test");
            assert_eq!(error.kind(), kind, "{status}");
        }
    }
}
