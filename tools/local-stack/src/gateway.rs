//! One HTTP socket that presents requests to the functions as API Gateway's HTTP API would (payload format 2.0), and offers
//! Lambda's Invoke operation.
//!
//! Format: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

mod wordless;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use catalog::PUSH_FUNCTIONS;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use platforms::LOCAL_STACK;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::functions::{Functions, InvokeError};
use wordless::Worded;

/// The largest body that API Gateway takes, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// How long running requests may take to finish once the gateway was told to end.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What requests are answered with.
#[derive(Clone)]
pub(crate) struct Gateway {
    functions: Arc<Functions>,
    /// Who issues readers' tokens.
    issuer: Arc<str>,
    /// The simulator of the platforms that belongs to the stack.
    provider: Arc<str>,
    /// How long a request's body may take to arrive.
    read_timeout: Duration,
}

impl Gateway {
    /// What answers by these functions; a request's head, and then its body, may take as long as that to arrive.
    pub(crate) fn new(
        functions: Arc<Functions>,
        issuer: String,
        provider: &str,
        read_timeout: Duration,
    ) -> Self {
        Self { functions, issuer: issuer.into(), provider: provider.into(), read_timeout }
    }
}

/// Serves the functions until told to stop, or until the other end of `stopped` is gone.
///
/// A sender that takes longer than the gateway's `read_timeout` for a request's head, or then for its body, loses its connection: the latter is
/// told 408. So does one that leaves a connection unused for as long.
pub(crate) async fn serve(listener: TcpListener, gateway: Gateway, mut stopped: oneshot::Receiver<()>) {
    let read_timeout = gateway.read_timeout;
    let router = router(gateway);
    // Told the version beforehand, it doesn't wait for a first byte to tell it: that wait has no end.
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(read_timeout);
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(peer))));
                    let connection = http.serve_connection(TokioIo::new(Worded::new(socket)), service).into_owned();
                    let connection = connections.watch(connection);
                    // It fails when a client goes away or takes too long: nothing to report.
                    tokio::spawn(async move { connection.await.ok() });
                }
                // Out of file descriptors, say: there will be some again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    // A client that sent half a request would hold the end for longer.
    let _ = tokio::time::timeout(STOP_GRACE, connections.shutdown()).await;
}

/// The routes of the HTTP API, and of Lambda's.
fn router(gateway: Gateway) -> Router {
    let routes = Router::new()
        .route("/push/{function}/{token}", post(push))
        // The API has a route for GET alone: what else comes there is the console's, as of any other path.
        .route(READ, get(read_calls).fallback(console_page))
        .route("/", any(console_root))
        .route(CONSOLE, any(console_page))
        .route("/2015-03-31/functions/{function}/invocations", post(invoke))
        .route("/.well-known/oauth-protected-resource", get(protected_resource))
        .route(LOCAL_STACK, get(local_stack))
        .fallback(async || message(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || message(StatusCode::NOT_FOUND, "Not Found"))
        .layer(DefaultBodyLimit::disable())
        .with_state(gateway);
    // Around all of it: a layer of its own is below where axum tells.
    Router::new().fallback_service(routes).layer(map_response(without_hint))
}

/// What is not found is answered without the methods that would do, which axum tells and API Gateway doesn't.
async fn without_hint(mut response: Response) -> Response {
    if response.status() == StatusCode::NOT_FOUND {
        response.headers_mut().remove(ALLOW);
    }
    response
}

/// The route of the API over calls, as API Gateway has it with `+` in the place of `*`.
const READ: &str = "/api/{*proxy}";
const READ_ROUTE: &str = "GET /api/{proxy+}";

/// The routes of the console.
const CONSOLE: &str = "/{*proxy}";

async fn console_root(gateway: State<Gateway>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    show(gateway, peer, request, "ANY /").await
}

async fn console_page(gateway: State<Gateway>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    show(gateway, peer, request, "ANY /{proxy+}").await
}

async fn show(
    State(Gateway { functions, read_timeout, .. }): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    route: &str,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read(body, read_timeout).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let path = decoded_path(parts.uri.path());
    let proxy = path.trim_start_matches('/').to_owned();
    let routed = Routed { route: route.to_owned(), path, parameters: json!({"proxy": proxy}) };
    match functions.invoke(console::FUNCTION, event(&parts, peer, routed, &body)).await {
        Ok(payload) => response(&payload),
        Err(error) => {
            tracing::error!(function = console::FUNCTION, error = %error, "invocation failed");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

async fn read_calls(gateway: State<Gateway>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    // axum takes a GET's route for HEAD too.
    if request.method() != Method::GET {
        return console_page(gateway, peer, request).await;
    }
    let (State(Gateway { functions, read_timeout, .. }), ConnectInfo(peer)) = (gateway, peer);
    let (parts, body) = request.into_parts();
    let body = match read(body, read_timeout).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let path = decoded_path(parts.uri.path());
    let proxy = path.trim_start_matches("/api/").to_owned();
    let routed = Routed { route: READ_ROUTE.to_owned(), path, parameters: json!({"proxy": proxy}) };
    match functions.invoke(query_calls::FUNCTION, event(&parts, peer, routed, &body)).await {
        Ok(payload) => response(&payload),
        Err(error) => {
            tracing::error!(function = query_calls::FUNCTION, error = %error, "invocation failed");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// The path that API Gateway hands on: decoded, and cut where a `?` comes out.
fn decoded_path(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    decoded.split('?').next().unwrap_or_default().to_owned()
}

async fn push(
    State(Gateway { functions, read_timeout, .. }): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    // What is no text when decoded is the name of nothing.
    let Ok(Path((function, token))) = path else { return message(StatusCode::NOT_FOUND, "Not Found") };
    // The others have no route: nobody outside may run them.
    if !PUSH_FUNCTIONS.iter().any(|known| known.push.function == function) {
        return message(StatusCode::NOT_FOUND, "Not Found");
    }
    let (parts, body) = request.into_parts();
    let body = match read(body, read_timeout).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let routed = Routed {
        route: format!("POST /push/{function}/{{token}}"),
        path: parts.uri.path().to_owned(),
        parameters: json!({"token": token}),
    };
    match functions.invoke(&function, event(&parts, peer, routed, &body)).await {
        Ok(payload) => response(&payload),
        Err(InvokeError::NotFound(_)) => message(StatusCode::NOT_FOUND, "Not Found"),
        Err(InvokeError::Failed { kind, .. }) => {
            tracing::error!(function, kind, "invocation failed");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// Whose tokens open the API over calls: how `callvault access-token` finds the issuer.
///
/// <https://www.rfc-editor.org/rfc/rfc9728>
async fn protected_resource(State(Gateway { issuer, .. }): State<Gateway>) -> Response {
    (json_type(), json!({"authorization_servers": [&*issuer]}).to_string()).into_response()
}

/// What belongs to the stack, for whoever knows its API's address alone.
async fn local_stack(State(Gateway { provider, .. }): State<Gateway>) -> Response {
    (json_type(), json!({"provider": &*provider}).to_string()).into_response()
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
async fn invoke(
    State(Gateway { functions, read_timeout, .. }): State<Gateway>,
    Path(function): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let payload = match read(request.into_body(), read_timeout).await {
        Ok(payload) => payload,
        Err(response) => return response,
    };
    let event = match serde_json::from_slice(if payload.is_empty() { b"{}" } else { &payload[..] }) {
        Ok(event) => event,
        Err(error) => {
            let text = format!("Could not parse request body into json: {error}");
            return lambda_error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &text);
        }
    };
    // An ARN or a qualified name names the function too.
    let name = function.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(5)).unwrap_or(&function);
    let name = name.split(':').next().unwrap_or(name).to_owned();
    if headers.get("x-amz-invocation-type").is_some_and(|kind| kind == "Event") {
        tokio::spawn(async move { functions.invoke(&name, event).await });
        return StatusCode::ACCEPTED.into_response();
    }
    match functions.invoke(&name, event).await {
        Ok(payload) => (json_type(), payload.to_string()).into_response(),
        Err(error @ InvokeError::NotFound(_)) => {
            lambda_error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &error.to_string())
        }
        Err(InvokeError::Failed { kind, message }) => {
            let body = json!({"errorType": kind, "errorMessage": message}).to_string();
            (json_type(), [("x-amz-function-error", "Unhandled")], body).into_response()
        }
    }
}

async fn read(body: Body, limit: Duration) -> Result<Bytes, Response> {
    match tokio::time::timeout(limit, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(message(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"))
        }
        Ok(Err(_)) => Err(message(StatusCode::BAD_REQUEST, "Bad Request")),
        // What is still to come is not waited for.
        Err(_) => Err(([(CONNECTION, "close")], message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"))
            .into_response()),
    }
}

/// How API Gateway has understood a request.
struct Routed {
    /// The key of its route.
    route: String,
    /// Its path, as it is handed on.
    path: String,
    /// What stands in the places of the route's parameters.
    parameters: Value,
}

/// The event that API Gateway makes of a request.
fn event(parts: &http::request::Parts, peer: SocketAddr, routed: Routed, body: &[u8]) -> Value {
    let Routed { route, path, parameters: path_parameters } = routed;
    let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let mut headers: Map<String, Value> = Map::new();
    for name in parts.headers.keys().filter(|name| **name != COOKIE) {
        let values =
            parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        headers.insert(name.to_string(), values.collect::<Vec<_>>().join(",").into());
    }
    headers.entry(CONTENT_LENGTH.as_str()).or_insert_with(|| body.len().to_string().into());
    let query = parts.uri.query().unwrap_or_default();
    let parameters: Map<String, Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    let now = Timestamp::now();
    let text = is_text(header(CONTENT_TYPE)).then(|| std::str::from_utf8(body).ok()).flatten();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "callvault",
            "domainName": header(HOST).unwrap_or("localhost"),
            "domainPrefix": "callvault",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": peer.ip().to_string(),
                "userAgent": header(USER_AGENT).unwrap_or_default(),
            },
            "requestId": request_id(),
            "routeKey": route,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "pathParameters": path_parameters,
        "isBase64Encoded": text.is_none(),
    });
    let cookies = parts.headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let cookies: Vec<_> =
        cookies.flat_map(|value| value.split(';').map(|one| one.trim().to_owned())).collect();
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !parameters.is_empty() {
        event["queryStringParameters"] = parameters.into();
    }
    if !body.is_empty() {
        event["body"] = text.map_or_else(|| STANDARD.encode(body), str::to_owned).into();
    }
    event
}

/// Whether API Gateway hands a body of this type on as text rather than in base64.
fn is_text(content_type: Option<&str>) -> bool {
    let essence =
        content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/javascript" | "application/xml")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

fn request_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// The HTTP answer that API Gateway makes of a function's.
fn response(payload: &Value) -> Response {
    let status = payload["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let mut builder = http::Response::builder().status(status.unwrap_or(502));
    for (name, value) in payload["headers"].as_object().into_iter().flatten() {
        builder = builder.header(name, value.as_str().unwrap_or_default());
    }
    for cookie in payload["cookies"].as_array().into_iter().flatten() {
        builder = builder.header(SET_COOKIE, cookie.as_str().unwrap_or_default());
    }
    let body = payload["body"].as_str().unwrap_or_default();
    let body = match payload["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(body).unwrap_or_default(),
        _ => body.to_owned().into_bytes(),
    };
    builder
        .body(Body::from(body))
        .unwrap_or_else(|_| message(StatusCode::BAD_GATEWAY, "Internal Server Error"))
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, json_type(), json!({"message": text}).to_string()).into_response()
}

fn lambda_error(status: StatusCode, kind: &str, text: &str) -> Response {
    let body = json!({"Type": "User", "Message": text}).to_string();
    (status, json_type(), [("x-amzn-errortype", kind)], body).into_response()
}

fn json_type() -> [(http::HeaderName, &'static str); 1] {
    [(CONTENT_TYPE, "application/json")]
}
