//! The proxy before DynamoDB: it hands everything on, and asks the writes of items that events are made of for what stood there before.

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Key, Shared, WireItem};

/// The header that names a request's operation: `DynamoDB_20120810.PutItem`.
const TARGET: &str = "x-amz-target";
/// The checksum of an answer's body.
const CRC32: &str = "x-amz-crc32";
/// What begins a request's body, so that something can be put before the rest.
const OPEN: &[u8] = b"{";

/// DynamoDB, as it is reached.
pub(super) struct Upstream {
    target: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What DynamoDB answered.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
}

/// Serves the proxy, until its task is ended.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(shared);
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    // It has no other end.
    let _ = axum::serve(listener, app).await;
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    // A task of its own: a client that hangs up must not leave a write that nobody tells of.
    let passed = tokio::spawn(async move { shared.pass(request).await }).await;
    match passed {
        Ok(Ok(Answered { status, headers, bytes })) => (status, headers, Body::from(bytes)).into_response(),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Shared {
    async fn pass(&self, request: Request) -> anyhow::Result<Answered> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.context("the request can't be read")?.to_bytes();
        let operation = parts.headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let send = |body| self.upstream.send(parts.method.clone(), &parts.uri, parts.headers.clone(), body);
        let writes = matches!(
            operation.as_str(),
            "PutItem" | "DeleteItem" | "UpdateItem" | "BatchWriteItem" | "TransactWriteItems"
        );
        let asked: Option<Value> = writes.then(|| serde_json::from_slice(&body).ok()).flatten();
        let Some(asked) = asked else { return send(body).await };
        let keys = keys_written(&operation, &asked, &self.table);
        match (operation.as_str(), &keys[..]) {
            (_, []) => send(body).await,
            ("PutItem" | "DeleteItem", [key]) => {
                let _turn = self.turns(&keys).await;
                self.replace(key.clone(), asked, body, send).await
            }
            _ => {
                let _turns = self.turns(&keys).await;
                let before = self.items(&keys).await?;
                let answered = send(body).await?;
                if answered.status.is_success() {
                    let after = self.items(&keys).await?;
                    for ((key, old), new) in keys.into_iter().zip(before).zip(after) {
                        self.tell(key, old, new);
                    }
                }
                Ok(answered)
            }
        }
    }

    /// A write that puts or removes a whole item: it is asked for what stood there.
    async fn replace<F: Future<Output = anyhow::Result<Answered>>>(
        &self,
        key: Key,
        mut asked: Value,
        body: Bytes,
        send: impl FnOnce(Bytes) -> F,
    ) -> anyhow::Result<Answered> {
        let wants = asked.get("ReturnValues").cloned();
        let body = match (&wants, body.strip_prefix(OPEN)) {
            (Some(_), _) => {
                asked["ReturnValues"] = json!("ALL_OLD");
                Bytes::from(asked.to_string())
            }
            (None, Some(rest)) => Bytes::from([br#"{"ReturnValues":"ALL_OLD","#, rest].concat()),
            (None, None) => body,
        };
        let mut answered = send(body).await?;
        if !answered.status.is_success() {
            return Ok(answered);
        }
        let mut said: Value =
            serde_json::from_slice(&answered.bytes).context("DynamoDB's answer is no JSON")?;
        let old = said.get_mut("Attributes").map(Value::take).and_then(object);
        if old.is_some() && wants.as_ref().is_none_or(|wants| wants != "ALL_OLD") {
            if let Some(said) = said.as_object_mut() {
                said.remove("Attributes");
            }
            answered.bytes = Bytes::from(said.to_string());
            let sum = crc32fast::hash(&answered.bytes).to_string();
            if let Ok(sum) = HeaderValue::from_str(&sum) {
                answered.headers.insert(CRC32, sum);
            }
        }
        let new = asked.get_mut("Item").map(Value::take).map(as_stored).and_then(object);
        self.tell(key, old, new);
        Ok(answered)
    }

    /// Locks keys, always in the same order.
    async fn turns(&self, keys: &[Key]) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let mut places: Vec<_> = keys.iter().map(|key| self.lock_of(key)).collect();
        places.sort_unstable();
        places.dedup();
        let mut turns = Vec::with_capacity(places.len());
        for lock in places.into_iter().filter_map(|place| self.locks.get(place)) {
            turns.push(lock.lock().await);
        }
        turns
    }

    async fn items(&self, keys: &[Key]) -> anyhow::Result<Vec<Option<WireItem>>> {
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            items.push(self.upstream.item(&self.table, key).await?);
        }
        Ok(items)
    }
}

impl Upstream {
    pub(super) fn new(target: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { target, client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    async fn send(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answered> {
        for name in [CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.target))
            .body(Full::new(body))?;
        *request.headers_mut() = headers;
        let (mut parts, body) =
            self.client.request(request).await.context("DynamoDB can't be reached")?.into_parts();
        let bytes = body.collect().await.context("DynamoDB's answer broke off")?.to_bytes();
        for name in [CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        Ok(Answered { status: parts.status, headers: parts.headers, bytes })
    }

    async fn ask(&self, operation: &str, asked: Value) -> anyhow::Result<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(TARGET, HeaderValue::from_str(&format!("DynamoDB_20120810.{operation}"))?);
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        // Any will do.
        headers.insert(
            http::header::AUTHORIZATION,
            HeaderValue::from_static(
                "AWS4-HMAC-SHA256 Credential=local/20250601/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            ),
        );
        headers.insert("x-amz-date", HeaderValue::from_static("20250601T000000Z"));
        let body = Bytes::from(asked.to_string());
        let answered = self.send(Method::POST, &Uri::from_static("/"), headers, body).await?;
        if !answered.status.is_success() {
            bail!("DynamoDB refuses {operation}: {}", answered.status);
        }
        serde_json::from_slice(&answered.bytes).context("DynamoDB's answer is no JSON")
    }

    /// What stands under a key.
    pub(super) async fn item(&self, table: &str, key: &Key) -> anyhow::Result<Option<WireItem>> {
        let asked = json!({"TableName": table, "Key": key.to_wire(), "ConsistentRead": true});
        let mut said = self.ask("GetItem", asked).await?;
        Ok(said.get_mut("Item").map(Value::take).and_then(object))
    }

    /// A page of the keys of all items, and where the next one begins.
    pub(super) async fn scan(
        &self,
        table: &str,
        start: Option<Value>,
    ) -> anyhow::Result<(Vec<Value>, Option<Value>)> {
        let mut asked = json!({"TableName": table, "ProjectionExpression": "pk, sk"});
        if let Some(start) = start {
            asked["ExclusiveStartKey"] = start;
        }
        let mut said = self.ask("Scan", asked).await?;
        let items = match said["Items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        let next = said.get_mut("LastEvaluatedKey").map(Value::take).filter(|next| !next.is_null());
        Ok((items, next))
    }
}

/// A value as DynamoDB hands it back: numbers without the zeros at their ends.
fn as_stored(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("N", Value::String(number)) => (name, Value::String(plain(number))),
                (_, value) => (name, as_stored(value)),
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(as_stored).collect(),
        other => other,
    }
}

fn plain(number: String) -> String {
    match number.contains('.') && !number.contains(['e', 'E']) {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number,
    }
}

fn object(value: Value) -> Option<WireItem> {
    match value {
        Value::Object(item) => Some(item),
        _ => None,
    }
}

/// The keys of the items that a request writes and that events are made of.
fn keys_written(operation: &str, asked: &Value, table: &str) -> Vec<Key> {
    let of_table = |name: &Value| {
        name.as_str().is_some_and(|name| name == table || name.ends_with(&format!(":table/{table}")))
    };
    let mut keys: Vec<Key> = match operation {
        "PutItem" if of_table(&asked["TableName"]) => Key::of(&asked["Item"]).into_iter().collect(),
        "UpdateItem" | "DeleteItem" if of_table(&asked["TableName"]) => {
            Key::of(&asked["Key"]).into_iter().collect()
        }
        "BatchWriteItem" => {
            let tables = asked["RequestItems"].as_object().into_iter().flatten();
            let requests = tables
                .filter(|(name, _)| of_table(&Value::from(name.as_str())))
                .flat_map(|(_, requests)| requests.as_array().into_iter().flatten());
            requests
                .filter_map(|request| match &request["PutRequest"]["Item"] {
                    Value::Null => Key::of(&request["DeleteRequest"]["Key"]),
                    item => Key::of(item),
                })
                .collect()
        }
        "TransactWriteItems" => {
            let actions = asked["TransactItems"].as_array().into_iter().flatten();
            let actions =
                actions.flat_map(|action| action.as_object().into_iter().flatten().map(|(_, what)| what));
            actions
                .filter(|what| of_table(&what["TableName"]))
                .filter_map(|what| Key::of(&what["Item"]).or_else(|| Key::of(&what["Key"])))
                .collect()
        }
        _ => Vec::new(),
    };
    let mut known = std::collections::HashSet::new();
    keys.retain(|key| known.insert(key.clone()));
    keys
}
