//! Documents of JSON at URLs that an operator set, or that such a document names: an issuer's own description, and its keys.
//!
//! Over HTTPS, or from this machine; no redirect is followed, and neither size nor time is without bound.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use tokio::time::Instant;
use url::{Host, Url};

use super::connector::{self, NoBody, NoResponse, SystemResolver, USER_AGENT};

/// The largest document that is read. Keys and descriptions have some kilobytes.
const LARGEST_DOCUMENT_BYTES: usize = 256 * 1024;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no document. None says anything of its URL.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The URL is neither `https` nor on this machine.
    #[error("not an https URL")]
    Insecure,
    /// The connection could not be made, or failed.
    #[error("unreachable")]
    Unreachable(#[source] BoxError),
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is not the document.
    #[error("answered with status {0}")]
    Status(u16),
    /// It is larger than any such document.
    #[error("too large")]
    TooLarge,
    /// It is not JSON.
    #[error("not JSON")]
    NotJson,
}

/// Whether what is asked there can't be listened to, nor answered by anybody else: over HTTPS, or on this machine.
pub fn is_secure(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical().is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_here,
        _ => false,
    }
}

/// Reads documents; clones share connections.
#[derive(Clone, Debug)]
pub struct Documents(SharedHttpConnector);

impl Default for Documents {
    fn default() -> Self {
        Self::new()
    }
}

impl Documents {
    /// A reader with no connection yet.
    pub fn new() -> Self {
        Self(connector::connector(CONNECT_TIMEOUT, SystemResolver))
    }

    /// Reads a document, until `deadline`.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn read(&self, url: &Url, deadline: Instant) -> Result<Value, DocumentError> {
        if !is_secure(url) {
            return Err(DocumentError::Insecure);
        }
        match self.send(http::Request::get(url.as_str()), SdkBody::empty(), deadline).await? {
            (200, document) => document,
            (status, _) => Err(DocumentError::Status(status)),
        }
    }

    /// Sends a form, and reads what is answered, with its status, until `deadline`. `authorization` is a header's value.
    ///
    /// # Errors
    /// [`DocumentError`]; an answer that is not JSON is one of them only where its status is 200.
    pub async fn post_form(
        &self,
        url: &Url,
        form: String,
        authorization: Option<&str>,
        deadline: Instant,
    ) -> Result<(u16, Value), DocumentError> {
        if !is_secure(url) {
            return Err(DocumentError::Insecure);
        }
        let mut request = http::Request::post(url.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(http::header::AUTHORIZATION, authorization);
        }
        match self.send(request, SdkBody::from(form), deadline).await? {
            (200, document) => Ok((200, document?)),
            (status, document) => Ok((status, document.unwrap_or_default())),
        }
    }

    /// Sends a request, and reads what is answered, with its status, until `deadline`.
    pub(super) async fn send(
        &self,
        request: http::request::Builder,
        body: SdkBody,
        deadline: Instant,
    ) -> Result<(u16, Result<Value, DocumentError>), DocumentError> {
        let request = request
            .header(http::header::USER_AGENT, USER_AGENT)
            .header(http::header::ACCEPT, "application/json")
            .body(body)
            .map_err(|error| DocumentError::Unreachable(error.into()))?;
        let request =
            HttpRequest::try_from(request).map_err(|error| DocumentError::Unreachable(error.into()))?;
        let response = connector::send(&self.0, request, deadline).await.map_err(|error| match error {
            NoResponse::Resolve(source)
            | NoResponse::Connect(source)
            | NoResponse::Tls(source)
            | NoResponse::Broken(source) => DocumentError::Unreachable(source),
            NoResponse::ConnectTimeout | NoResponse::ResponseTimeout => DocumentError::TimedOut,
        })?;
        let status = response.status().as_u16();
        let body = connector::read_body(response.into_body(), LARGEST_DOCUMENT_BYTES, deadline).await;
        let bytes = body.map_err(|error| match error {
            NoBody::Broken(source) => DocumentError::Unreachable(source),
            NoBody::TooLarge => DocumentError::TooLarge,
            NoBody::TimedOut => DocumentError::TimedOut,
        })?;
        Ok((status, serde_json::from_slice(&bytes).map_err(|_| DocumentError::NotJson)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::loopback::{Server, Step, send};

    #[test]
    fn only_https_and_this_machine_are_secure() {
        for (url, secure) in [
            ("https://cognito-idp.eu-west-1.amazonaws.com/pool", true),
            ("http://127.0.0.1:3002", true),
            ("http://[::1]:3002", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost:3002/", true),
            ("http://issuer.example", false),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("ftp://127.0.0.1", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_secure(&Url::parse(url).unwrap()), secure, "{url}");
        }
    }

    async fn read(steps: Vec<Step>) -> Result<Value, DocumentError> {
        let server = Server::start("127.0.0.1:0", move |_| steps.clone()).await;
        let url = Url::parse(&format!("http://127.0.0.1:{}/keys", server.port())).unwrap();
        Documents::new().read(&url, Instant::now() + Duration::from_millis(500)).await
    }

    fn answer(head: &str, body: &str) -> Vec<Step> {
        vec![send(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))]
    }

    #[tokio::test]
    async fn a_document_is_read_within_bounds() {
        assert_eq!(read(answer("200 OK", r#"{"keys":[]}"#)).await.unwrap(), serde_json::json!({"keys": []}));
        assert!(matches!(read(answer("200 OK", "<html>")).await, Err(DocumentError::NotJson)));
        assert!(matches!(read(answer("404 Not Found", "{}")).await, Err(DocumentError::Status(404))));
        let elsewhere = answer("302 Found\r\nlocation: http://127.0.0.1:1/", "{}");
        assert!(matches!(read(elsewhere).await, Err(DocumentError::Status(302))));
        let endless = vec![send("HTTP/1.1 200 OK\r\n\r\n"), Step::Endless];
        assert!(matches!(read(endless).await, Err(DocumentError::TooLarge)));
        assert!(matches!(read(vec![Step::Hang]).await, Err(DocumentError::TimedOut)));
        let slow = vec![send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"), Step::Hang];
        assert!(matches!(read(slow).await, Err(DocumentError::TimedOut)));
        assert!(matches!(read(vec![Step::Close]).await, Err(DocumentError::Unreachable(_))));
        let insecure = Url::parse("http://issuer.example/keys").unwrap();
        let refused = Documents::new().read(&insecure, Instant::now() + Duration::from_secs(1)).await;
        assert!(matches!(refused, Err(DocumentError::Insecure)));
    }
}
