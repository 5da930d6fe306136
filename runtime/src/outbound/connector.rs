//! The HTTP connections under everything that is sent out: the AWS SDK's own connector, so that no second HTTP client or
//! TLS stack comes in.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

/// How the functions name themselves to others.
pub(super) const USER_AGENT: &str = concat!("callvault/", env!("CARGO_PKG_VERSION"));

/// An idle connection is closed after this time: long enough for the next recording of the same run, short enough that a
/// function that was frozen does not wake up with dead ones.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Builds a connector that resolves names with `resolver`. It uses no proxy, not even one from the environment, since a
/// proxy would resolve names by itself.
pub(super) fn connector(
    connect_timeout: Duration,
    resolver: impl ResolveDns + Clone + 'static,
) -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(connect_timeout).build();
    SharedHttpConnector::new(
        Connector::builder()
            .connector_settings(settings)
            .pool_idle_timeout(IDLE_CONNECTION)
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_with_resolver(resolver),
    )
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a body could not be had whole.
#[derive(Debug)]
pub(super) enum NoBody {
    /// The connection failed.
    Broken(BoxError),
    /// It is larger than it may be.
    TooLarge,
    /// It did not come in time.
    TimedOut,
}

/// Reads a body of `largest_bytes` at most, until `deadline`.
pub(super) async fn read_body(
    mut body: SdkBody,
    largest_bytes: usize,
    deadline: Instant,
) -> Result<Bytes, NoBody> {
    let read = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(NoBody::Broken)?.into_data() else { continue };
            if bytes.len() + chunk.len() > largest_bytes {
                return Err(NoBody::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    };
    timeout_at(deadline, read).await.unwrap_or(Err(NoBody::TimedOut))
}

/// Why no response came.
#[derive(Debug)]
pub(super) enum NoResponse {
    /// The name could not be resolved, or its addresses were refused: `find` tells which.
    Resolve(BoxError),
    /// No connection came about.
    Connect(BoxError),
    /// A connection came about, but not TLS on it.
    Tls(BoxError),
    /// No connection came about in time.
    ConnectTimeout,
    /// Connected, but the head of the response did not come in time.
    ResponseTimeout,
    /// Connected, and then it failed.
    Broken(BoxError),
}

/// Sends a request and waits for the head of its response, until `deadline`. The connector itself only bounds the time
/// to connect.
pub(super) async fn send(
    connector: &SharedHttpConnector,
    mut request: HttpRequest,
    deadline: Instant,
) -> Result<HttpResponse, NoResponse> {
    let encrypted = request.uri().starts_with("https:");
    let connection = CaptureSmithyConnection::new();
    request.add_extension(connection.clone());
    match timeout_at(deadline, connector.call(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(classify(error, connection.get().is_some(), encrypted)),
        Err(_elapsed) if connection.get().is_some() => Err(NoResponse::ResponseTimeout),
        Err(_elapsed) => Err(NoResponse::ConnectTimeout),
    }
}

fn classify(error: ConnectorError, connected: bool, encrypted: bool) -> NoResponse {
    if connected {
        return NoResponse::Broken(error.into());
    }
    if find::<ResolveDnsError>(&error).is_some() {
        return NoResponse::Resolve(error.into());
    }
    if error.is_timeout() {
        return NoResponse::ConnectTimeout;
    }
    // The connector's own type for a failed handshake is private. What TCP itself reports has a number from the
    // operating system; what is left of a failed `https` connection is the handshake's.
    let from_system = chain(&error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.raw_os_error().is_some());
    if encrypted && !from_system {
        return NoResponse::Tls(error.into());
    }
    NoResponse::Connect(error.into())
}

/// Finds an error of type `E` among an error and its causes.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes. What an [`io::Error`] wraps is visited too; its `source` would skip it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(wrapper) => wrapper.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}
