//! Asking over HTTP, and posting as a platform does: one connection pool, a time limit on each request, and nothing tried again by itself.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// How long it may take to connect, where the request itself may take longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP client.
#[derive(Clone, Debug)]
pub struct Http(SharedHttpConnector);

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// No connection came about, or it broke.
    #[error("no connection")]
    Unreachable,
    /// The URL can't be requested.
    #[error("not a URL to ask")]
    BadUrl,
}

/// A header and its value, as an option has them, `NAME=VALUE`.
///
/// # Errors
/// Where they are none that can be sent.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
    match http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok()
    {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err("not a header's name and value".to_owned()),
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client with no connection yet.
    pub fn new() -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build();
        Self(SharedHttpConnector::new(connector))
    }

    /// Posts JSON, and gives back the answer's status and body, if both are there in time.
    pub async fn post(&self, url: &str, json: String, timeout: Duration) -> Result<(u16, Vec<u8>), NoAnswer> {
        self.send("POST", url, Some(("application/json;charset=UTF-8", json)), None, timeout).await
    }

    /// Posts JSON with another header, and gives back the answer's status and body, if both are there in time.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn post_with(
        &self,
        url: &str,
        json: String,
        header: Option<(&str, &str)>,
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), NoAnswer> {
        self.send("POST", url, Some(("application/json; charset=utf-8", json)), header, timeout).await
    }

    /// Posts a form, which is encoded already.
    pub(crate) async fn post_form(
        &self,
        url: &str,
        form: String,
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), NoAnswer> {
        self.send("POST", url, Some(("application/x-www-form-urlencoded", form)), None, timeout).await
    }

    /// Gets what is at a URL.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn get(&self, url: &str, timeout: Duration) -> Result<(u16, Vec<u8>), NoAnswer> {
        self.send("GET", url, None, None, timeout).await
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        body: Option<(&'static str, String)>,
        header: Option<(&str, &str)>,
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), NoAnswer> {
        let (kind, body) = body.unzip();
        let mut request = HttpRequest::new(body.map_or_else(SdkBody::empty, SdkBody::from));
        request.set_method(method).map_err(|_| NoAnswer::BadUrl)?;
        request.set_uri(url).map_err(|_| NoAnswer::BadUrl)?;
        if let Some(kind) = kind {
            request.headers_mut().insert("content-type", kind);
        }
        if let Some((name, value)) = header {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        let answer = async {
            let response = self.0.call(request).await.map_err(|_| NoAnswer::Unreachable)?;
            let status = response.status().as_u16();
            let body = ByteStream::new(response.into_body()).collect().await;
            Ok((status, body.map_err(|_| NoAnswer::Unreachable)?.to_vec()))
        };
        tokio::time::timeout(timeout, answer).await.map_err(|_| NoAnswer::TimedOut)?
    }
}
