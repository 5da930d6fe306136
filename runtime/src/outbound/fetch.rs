//! Fetches recordings from URLs that came in a push, without becoming the pusher's way into the network.
//!
//! The rules, each kept by `Target` or `PublicOnly` and by nothing else:
//! - only `http` and `https`, no credentials in the URL, and a host that [`AllowedHosts`] allows;
//! - every address that the host stands for must be public ([`super::address`]), whether the URL writes it out or the
//!   resolver finds it; one that is not refuses them all. The check is part of the resolution from which the connection
//!   is made, so there is no second one that could answer differently ("rebinding");
//! - a redirect is a new URL, and starts from the first rule.
//!
//! Connections are kept and used again for the same scheme, host and port only, and each was checked when it was made:
//! a name that has since been pointed elsewhere is still answered by the public address it had. Whether the host is
//! allowed is asked for every request, connection or not.
//!
//! The body is handed on as it comes, never held, and ends in an error unless it came whole, in time and within bounds.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError, SharedDnsResolver};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

pub use super::connector::SystemResolver;

use super::address::{self, Refusal};
use super::connector::{self, NoResponse, USER_AGENT};
use super::hosts::{AllowedHosts, HostNotAllowed, Permit};
use shared::normalize::recording_url::clean_url;

#[cfg(test)]
mod tests;

/// The bounds of a fetch.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// The hosts that may be fetched from (`RECORDING_HOSTS`).
    pub allowed_hosts: AllowedHosts,
    /// How long resolving, connecting and TLS may take together.
    pub connect_timeout: Duration,
    /// How long the head of a response may take, connecting included.
    pub response_timeout: Duration,
    /// How long a body may pause.
    pub idle_timeout: Duration,
    /// How long everything may take, redirects and the whole body included (`RECORDING_TIMEOUT_SECONDS`).
    pub total_timeout: Duration,
    /// How many bytes a body may have (`MAX_RECORDING_BYTES`).
    pub max_bytes: u64,
    /// How many redirects are followed.
    pub max_redirects: usize,
}

/// The least that the head of a response may take.
const LEAST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

impl FetchSettings {
    /// The same bounds, where everything may take so long: the head of a response may take a tenth of it, and 20 seconds at least.
    #[must_use]
    pub fn with_total_timeout(self, total_timeout: Duration) -> Self {
        let response_timeout = (total_timeout / 10).max(LEAST_RESPONSE_TIMEOUT);
        Self { total_timeout, response_timeout, ..self }
    }

    /// Gives the bounds that fit recordings of calls: five minutes and 512 MiB each.
    pub fn new(allowed_hosts: AllowedHosts) -> Self {
        Self {
            allowed_hosts,
            connect_timeout: Duration::from_secs(5),
            response_timeout: LEAST_RESPONSE_TIMEOUT,
            idle_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(300),
            max_bytes: 512 * 1024 * 1024,
            max_redirects: 3,
        }
    }
}

/// Fetches recordings; clones share their connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    settings: Arc<FetchSettings>,
    address_check: AddressCheck,
    /// Connects to public addresses.
    public: SharedHttpConnector,
    /// Connects to whatever the operator named as `host:port`. A connection of this kind is never used for another host
    /// or port, since connections are kept by both.
    any: Option<SharedHttpConnector>,
}

/// Why nothing may be sent to an address, if so.
type AddressCheck = fn(IpAddr) -> Option<Refusal>;

impl Fetcher {
    /// Prepares to fetch within the given bounds, resolving names with `resolver` ([`SystemResolver`] outside of tests).
    pub fn new(settings: FetchSettings, resolver: impl ResolveDns + 'static) -> Self {
        Self::with_address_check(settings, resolver, address::refusal)
    }

    /// [`Fetcher::new`], but with another rule of which addresses are public. No function has one: what a test serves is on this machine.
    pub fn with_address_check(
        settings: FetchSettings,
        resolver: impl ResolveDns + 'static,
        address_check: AddressCheck,
    ) -> Self {
        let resolver = SharedDnsResolver::new(resolver);
        let any = settings
            .allowed_hosts
            .allows_any_address()
            .then(|| connector::connector(settings.connect_timeout, resolver.clone()));
        let public = connector::connector(settings.connect_timeout, PublicOnly { resolver, address_check });
        Self { settings: Arc::new(settings), address_check, public, any }
    }

    /// Gets what the URL stands for, following redirects. White space around the URL and leftover escapes in it are
    /// forgiven ([`clean_url`]).
    ///
    /// A response of any status is handed on, as long as it is not a redirect.
    ///
    /// # Errors
    /// [`FetchError`], and nothing has been sent to an address that is refused.
    pub async fn get(&self, url: &str) -> Result<Fetched, FetchError> {
        let deadline = Instant::now() + self.settings.total_timeout;
        let mut url =
            Url::parse(&clean_url(url)).map_err(|error| FetchError::NotAUrl { source: error.into() })?;
        for _ in 0..=self.settings.max_redirects {
            let target = self.admit(url)?;
            let response = self.send(&target, deadline).await?;
            match redirect(&target, &response)? {
                Some(next) => url = next,
                None => return self.receive(target, response, deadline),
            }
        }
        Err(FetchError::TooManyRedirects { host: host_of(&url), limit: self.settings.max_redirects })
    }

    /// Applies every rule that the URL alone can break.
    fn admit(&self, url: Url) -> Result<Target, FetchError> {
        let host = host_of(&url);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Credentials { host });
        }
        let permit = self.settings.allowed_hosts.allow(&url)?;
        // An address that the URL writes out is connected to without asking any resolver.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        match (permit, literal.and_then(self.address_check)) {
            (Permit::PublicAddress, Some(refusal)) => {
                return Err(FetchError::AddressRefused { host, refusal });
            }
            (Permit::PublicAddress, None) | (Permit::AnyAddress, _) => {}
        }
        Ok(Target { url, host, permit })
    }

    async fn send(&self, target: &Target, deadline: Instant) -> Result<HttpResponse, FetchError> {
        let request = http::Request::get(target.url.as_str())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*")
            // The bytes are archived as they come; a compressed copy would not be the recording.
            .header(header::ACCEPT_ENCODING, "identity")
            .body(SdkBody::empty())
            .map_err(|error| FetchError::NotAUrl { source: error.into() })?;
        let request =
            HttpRequest::try_from(request).map_err(|error| FetchError::NotAUrl { source: error.into() })?;
        let connector = match (target.permit, &self.any) {
            (Permit::AnyAddress, Some(any)) => any,
            (Permit::AnyAddress, None) | (Permit::PublicAddress, _) => &self.public,
        };
        let head_deadline = deadline.min(Instant::now() + self.settings.response_timeout);
        let host = target.host.clone();
        connector::send(connector, request, head_deadline).await.map_err(|error| match error {
            NoResponse::Resolve(source) => match connector::find::<AddressRefused>(source.as_ref()) {
                Some(AddressRefused(refusal)) => FetchError::AddressRefused { host, refusal: *refusal },
                None => FetchError::Dns { host, source },
            },
            NoResponse::Connect(source) => FetchError::Connect { host, source },
            NoResponse::Tls(source) => FetchError::Tls { host, source },
            NoResponse::Broken(source) => FetchError::Transport { host, source },
            NoResponse::ConnectTimeout | NoResponse::ResponseTimeout if Instant::now() >= deadline => {
                FetchError::Timeout { host, waiting_for: WaitingFor::End }
            }
            NoResponse::ConnectTimeout => FetchError::Timeout { host, waiting_for: WaitingFor::Connection },
            NoResponse::ResponseTimeout => FetchError::Timeout { host, waiting_for: WaitingFor::Response },
        })
    }

    fn receive(
        &self,
        target: Target,
        response: HttpResponse,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        let host = target.host;
        let headers = response.headers();
        let encoding = headers.get(header::CONTENT_ENCODING).map(str::trim).unwrap_or_default();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return Err(FetchError::Encoded { host });
        }
        let content_length = match headers.get(header::TRANSFER_ENCODING) {
            // Chunks delimit themselves; a length beside them is void (RFC 9112, section 6.3).
            Some(_) => None,
            None => headers.get(header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok()),
        };
        let limit_bytes = self.settings.max_bytes;
        if content_length.is_some_and(|length| length > limit_bytes) {
            return Err(FetchError::TooLarge { host, limit_bytes });
        }
        let media_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.split(';').next())
            .map(|essence| essence.trim().to_ascii_lowercase())
            .filter(|essence| !essence.is_empty());
        let status = response.status().as_u16();
        let body = Body {
            host,
            inner: Some(response.into_body()),
            received_bytes: 0,
            expected_bytes: content_length,
            limit_bytes,
            idle_timeout: self.settings.idle_timeout,
            deadline,
        };
        Ok(Fetched { status, media_type, content_length, body })
    }
}

/// A URL that may be asked for, as far as the URL itself tells. There is no other way to a request.
struct Target {
    url: Url,
    host: String,
    permit: Permit,
}

/// Tells where a response redirects to, if it does.
fn redirect(from: &Target, response: &HttpResponse) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(header::LOCATION) else {
        return Ok(None);
    };
    let next = from.url.join(location);
    next.map(Some).map_err(|error| FetchError::Redirect { host: from.host.clone(), source: error.into() })
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Resolves names, and refuses those that have an address which is not public.
#[derive(Clone, Debug)]
struct PublicOnly {
    resolver: SharedDnsResolver,
    address_check: AddressCheck,
}

#[derive(Debug, thiserror::Error)]
#[error("the name has an address that is refused ({0})")]
struct AddressRefused(Refusal);

impl ResolveDns for PublicOnly {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = self.resolver.resolve_dns(name).await?;
            match addresses.iter().find_map(|address| (self.address_check)(*address)) {
                Some(refusal) => Err(ResolveDnsError::new(AddressRefused(refusal))),
                None => Ok(addresses),
            }
        })
    }
}

/// A response whose body is still to come.
#[derive(Debug)]
pub struct Fetched {
    /// The HTTP status; a redirect's only where it names no location.
    pub status: u16,
    /// The media type without its parameters, in lower case.
    pub media_type: Option<String>,
    /// How many bytes the body was announced to have.
    pub content_length: Option<u64>,
    /// The body.
    pub body: Body,
}

/// A body as it comes in. Dropping it closes the connection unless it was read to its end.
pub struct Body {
    host: String,
    /// `None` once the body has ended, well or not.
    inner: Option<SdkBody>,
    received_bytes: u64,
    expected_bytes: Option<u64>,
    limit_bytes: u64,
    idle_timeout: Duration,
    deadline: Instant,
}

impl Body {
    /// Waits for the next bytes; `None` at the end. Only a body that has come to `None` without an error came whole: as
    /// many bytes as announced, or all chunks. One that announces neither ends where its connection does.
    ///
    /// # Errors
    /// Of [`FetchError`]: `Truncated`, `TooLarge`, `Idle`, `Timeout`. After an error there is nothing more.
    pub async fn next_chunk(&mut self) -> Option<Result<Bytes, FetchError>> {
        let chunk = self.advance().await.transpose();
        if !matches!(chunk, Some(Ok(_))) {
            self.inner = None;
        }
        chunk
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, FetchError> {
        let Some(inner) = &mut self.inner else { return Ok(None) };
        let idle_deadline = Instant::now() + self.idle_timeout;
        loop {
            let frame = timeout_at(idle_deadline.min(self.deadline), inner.frame()).await;
            let host = || self.host.clone();
            let truncated = |source| FetchError::Truncated {
                host: self.host.clone(),
                received_bytes: self.received_bytes,
                expected_bytes: self.expected_bytes,
                source,
            };
            let frame = match frame {
                Err(_elapsed) if idle_deadline < self.deadline => {
                    return Err(FetchError::Idle { host: host() });
                }
                Err(_elapsed) => {
                    return Err(FetchError::Timeout { host: host(), waiting_for: WaitingFor::End });
                }
                Ok(Some(Err(source))) => return Err(truncated(Some(source))),
                Ok(Some(Ok(frame))) => frame,
                // The protocol vouches for this already; an archive counts for itself.
                Ok(None) if self.expected_bytes.is_some_and(|expected| expected != self.received_bytes) => {
                    return Err(truncated(None));
                }
                Ok(None) => return Ok(None),
            };
            // Trailers are of no use here, and an empty chunk is no progress.
            let Some(chunk) = frame.into_data().ok().filter(|chunk| !chunk.is_empty()) else { continue };
            self.received_bytes += chunk.len() as u64;
            if self.received_bytes > self.limit_bytes {
                return Err(FetchError::TooLarge { host: host(), limit_bytes: self.limit_bytes });
            }
            return Ok(Some(chunk));
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("host", &self.host)
            .field("received_bytes", &self.received_bytes)
            .field("expected_bytes", &self.expected_bytes)
            .finish_non_exhaustive()
    }
}

/// Why something could not be fetched. Of the URL no error says more than its host.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The text is not a URL, or not one that can be asked for.
    #[error("not a URL")]
    NotAUrl {
        /// What the parser says.
        source: BoxError,
    },
    /// Neither `http` nor `https`.
    #[error("the scheme {scheme} is not fetched")]
    Scheme {
        /// The URL's scheme.
        scheme: String,
    },
    /// The URL carries a user name or a password.
    #[error("the URL at {host} carries credentials")]
    Credentials {
        /// The URL's host.
        host: String,
    },
    /// The host is not among those allowed.
    #[error(transparent)]
    HostNotAllowed(#[from] HostNotAllowed),
    /// The host is, or has, an address that is not public.
    #[error("{host} has an address that is refused ({refusal})")]
    AddressRefused {
        /// The URL's host.
        host: String,
        /// What is wrong with the address.
        refusal: Refusal,
    },
    /// The redirects went on and on.
    #[error("redirected more than {limit} times, at last to {host}")]
    TooManyRedirects {
        /// The host that would have been next.
        host: String,
        /// How many redirects are followed.
        limit: usize,
    },
    /// The redirect leads to no URL.
    #[error("{host} redirects to what is not a URL")]
    Redirect {
        /// The host that redirected.
        host: String,
        /// What the parser says.
        source: BoxError,
    },
    /// The name was not resolved.
    #[error("{host} could not be resolved")]
    Dns {
        /// The URL's host.
        host: String,
        /// What the resolver says.
        source: BoxError,
    },
    /// No connection came about.
    #[error("{host} could not be connected to")]
    Connect {
        /// The URL's host.
        host: String,
        /// What the connector says.
        source: BoxError,
    },
    /// The connection could not be secured.
    #[error("TLS with {host} failed")]
    Tls {
        /// The URL's host.
        host: String,
        /// What the connector says.
        source: BoxError,
    },
    /// Something took too long.
    #[error("{host} took too long ({waiting_for})")]
    Timeout {
        /// The URL's host.
        host: String,
        /// What was waited for.
        waiting_for: WaitingFor,
    },
    /// The body paused for too long.
    #[error("{host} stopped sending")]
    Idle {
        /// The URL's host.
        host: String,
    },
    /// The body ended before it was whole.
    #[error("{host} sent {received_bytes} bytes of {}", OrUnknown(*.expected_bytes))]
    Truncated {
        /// The URL's host.
        host: String,
        /// How many bytes came.
        received_bytes: u64,
        /// How many were announced; `None` for a body in chunks.
        expected_bytes: Option<u64>,
        /// What the connection says.
        source: Option<BoxError>,
    },
    /// The body has more bytes than are taken.
    #[error("{host} sends more than {limit_bytes} bytes")]
    TooLarge {
        /// The URL's host.
        host: String,
        /// How many are taken.
        limit_bytes: u64,
    },
    /// The body is compressed, though nobody asked for it: its bytes are not the recording's.
    #[error("{host} sends the recording compressed")]
    Encoded {
        /// The URL's host.
        host: String,
    },
    /// The connection failed, or what came on it was not HTTP.
    #[error("the connection to {host} failed")]
    Transport {
        /// The URL's host.
        host: String,
        /// What the connection says.
        source: BoxError,
    },
}

/// What a fetch was waiting for when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// The connection.
    Connection,
    /// The head of the response.
    Response,
    /// The end of everything.
    End,
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Response => "response",
            Self::End => "end",
        })
    }
}

/// What may become of a fetch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// This URL can never be fetched.
    Never,
    /// It can be once an operator allows its host, or the address of it by `host:port`.
    OnceAllowed,
    /// The next attempt may succeed.
    Later,
}

impl FetchError {
    /// Tells whether trying again makes sense.
    pub fn prospect(&self) -> Prospect {
        match self {
            Self::NotAUrl { .. } | Self::Scheme { .. } | Self::Credentials { .. } | Self::TooLarge { .. } => {
                Prospect::Never
            }
            Self::HostNotAllowed(_) | Self::AddressRefused { .. } => Prospect::OnceAllowed,
            Self::TooManyRedirects { .. }
            | Self::Redirect { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Idle { .. }
            | Self::Truncated { .. }
            | Self::Encoded { .. }
            | Self::Transport { .. } => Prospect::Later,
        }
    }

    /// Whether this URL can never be fetched.
    pub fn is_permanent(&self) -> bool {
        self.prospect() == Prospect::Never
    }

    /// Names the kind of error, for metrics and for `last_error`.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::NotAUrl { .. } => "not_a_url",
            Self::Scheme { .. } => "scheme",
            Self::Credentials { .. } => "credentials_in_url",
            Self::HostNotAllowed(_) => "host_not_allowed",
            Self::AddressRefused { .. } => "address_refused",
            Self::TooManyRedirects { .. } => "too_many_redirects",
            Self::Redirect { .. } => "bad_redirect",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Idle { .. } => "idle",
            Self::Truncated { .. } => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::Encoded { .. } => "encoded",
            Self::Transport { .. } => "transport",
        }
    }
}

/// Writes a number that may be unknown.
struct OrUnknown(Option<u64>);

impl fmt::Display for OrUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("an unknown number"),
        }
    }
}
