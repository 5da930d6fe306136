//! A proxy before DynamoDB that bills what passes through it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use shared::record::keys;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::units::{WireItem, Written, item_bytes, read_units, write_units};
use super::{Bill, Charge};

/// The header that names a request's operation: `DynamoDB_20120810.PutItem`.
const TARGET: &str = "x-amz-target";
/// The header that tells how often an SDK has tried a request: `attempt=1; max=6`.
const ATTEMPT: &str = "amz-sdk-request";

/// A DynamoDB that keeps a bill of what is asked of it. One request at a time passes through: it is for counting, not for timing.
pub struct Meter {
    endpoint: String,
    proxy: Arc<Proxy>,
    server: JoinHandle<()>,
}

struct Proxy {
    target: String,
    client: Client<HttpConnector, Full<Bytes>>,
    bill: std::sync::Mutex<Bill>,
    retried: AtomicBool,
    // What stands in the table before a write has to be the same when it is made.
    turn: tokio::sync::Mutex<()>,
}

/// What DynamoDB answered.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Meter {
    /// Stands before the DynamoDB at `target`, an endpoint URL.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(target: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let proxy = Arc::new(Proxy {
            target: target.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            bill: std::sync::Mutex::default(),
            retried: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&proxy));
        let server = tokio::spawn(async move {
            // It ends with its meter.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { endpoint, proxy, server })
    }

    /// The endpoint URL to give to an SDK.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether an SDK has tried a request again.
    #[must_use]
    pub fn retried(&self) -> bool {
        self.proxy.retried.load(Ordering::Relaxed)
    }

    /// What was billed since the last time.
    #[must_use]
    pub fn take(&self) -> Bill {
        std::mem::take(&mut *self.proxy.bill.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    match proxy.pass(request).await {
        Ok(Answered { status, mut headers, bytes }) => {
            headers.remove(CONTENT_LENGTH);
            (status, headers, Body::from(bytes)).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

impl Proxy {
    async fn pass(&self, request: Request) -> anyhow::Result<Answered> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.context("the request can't be read")?.to_bytes();
        let operation = parts.headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let asked = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let attempt = parts.headers.get(ATTEMPT).and_then(|attempt| attempt.to_str().ok());
        if attempt.is_some_and(|attempt| !attempt.contains("attempt=1;")) {
            self.retried.store(true, Ordering::Relaxed);
        }

        let _turn = self.turn.lock().await;
        let written = keys_written(&operation, &asked);
        let before = self.items(&parts.headers, &written).await?;
        let answered = self.send(parts.headers.clone(), body).await?;
        let said: Value = serde_json::from_slice(&answered.bytes).unwrap_or(Value::Null);
        let charges = if answered.status.is_success() {
            let after = self.items(&parts.headers, &written).await?;
            let writes = written.iter().zip(before.iter().zip(&after)).flat_map(|(key, (before, after))| {
                charges(&operation, key, write_units(before.as_ref(), after.as_ref()))
            });
            writes.chain(read(&operation, &asked, &said)).collect()
        } else if said["__type"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("ConditionalCheckFailedException"))
        {
            // A write that is refused is billed by what stands there, and no index is touched.
            let refused = |before: &Option<WireItem>| Written {
                table: write_units(before.as_ref(), before.as_ref()).table,
                indexes: Vec::new(),
            };
            let refusals = written.iter().zip(&before);
            refusals.flat_map(|(key, before)| charges(&operation, key, refused(before))).collect()
        } else {
            Vec::new()
        };
        let mut bill = self.bill.lock().unwrap_or_else(PoisonError::into_inner);
        bill.requests += 1;
        bill.charges.extend(charges);
        Ok(answered)
    }

    async fn send(&self, mut headers: HeaderMap, body: Bytes) -> anyhow::Result<Answered> {
        headers.remove(CONTENT_LENGTH);
        let mut request = http::Request::post(&self.target).body(Full::new(body))?;
        *request.headers_mut() = headers;
        let (parts, body) =
            self.client.request(request).await.context("DynamoDB can't be reached")?.into_parts();
        let bytes = body.collect().await.context("DynamoDB's answer broke off")?.to_bytes();
        Ok(Answered { status: parts.status, headers: parts.headers, bytes })
    }

    /// What stands in the table under keys.
    async fn items(&self, headers: &HeaderMap, keys: &[Key]) -> anyhow::Result<Vec<Option<WireItem>>> {
        let mut items = Vec::new();
        for Key { table, key } in keys {
            let mut headers = headers.clone();
            headers.insert(TARGET, HeaderValue::from_static("DynamoDB_20120810.GetItem"));
            let get = json!({"TableName": table, "Key": key, "ConsistentRead": true});
            let answered = self.send(headers, get.to_string().into()).await?;
            let mut said: Value =
                serde_json::from_slice(&answered.bytes).context("DynamoDB's answer is no JSON")?;
            items.push(match said["Item"].take() {
                Value::Object(item) => Some(item),
                _ => None,
            });
        }
        Ok(items)
    }
}

/// The key of an item that a request writes.
struct Key {
    table: String,
    key: WireItem,
}

impl Key {
    fn of(table: &str, item: &Value) -> Self {
        let key = [keys::PK, keys::SK].into_iter().map(|name| (name.to_owned(), item[name].clone()));
        Self { table: table.to_owned(), key: key.collect() }
    }

    /// What its sort key begins with.
    fn kind(&self) -> String {
        let sk = self.key[keys::SK]["S"].as_str().unwrap_or_default();
        sk.split('#').next().unwrap_or_default().to_owned()
    }
}

fn keys_written(operation: &str, asked: &Value) -> Vec<Key> {
    let table = asked["TableName"].as_str().unwrap_or_default();
    match operation {
        "PutItem" => vec![Key::of(table, &asked["Item"])],
        "UpdateItem" | "DeleteItem" => vec![Key::of(table, &asked["Key"])],
        "BatchWriteItem" => requests(asked)
            .flat_map(|(table, requests)| {
                let requests = requests.as_array().into_iter().flatten();
                requests.map(move |request| match &request["PutRequest"]["Item"] {
                    Value::Null => Key::of(table, &request["DeleteRequest"]["Key"]),
                    item => Key::of(table, item),
                })
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A batch's requests, by table.
fn requests(asked: &Value) -> impl Iterator<Item = (&String, &Value)> {
    asked["RequestItems"].as_object().into_iter().flatten()
}

fn charges(operation: &str, key: &Key, written: Written) -> Vec<Charge> {
    let charge = |index, units| Charge {
        operation: operation.to_owned(),
        item: key.kind(),
        index,
        write: f64::from(u32::try_from(units).unwrap_or(u32::MAX)),
        read: 0.0,
    };
    let Written { table, indexes } = written;
    let indexes = indexes.into_iter().map(|(index, units)| charge(Some(index), units));
    std::iter::once(charge(None, table)).chain(indexes).collect()
}

/// What a request reads.
fn read(operation: &str, asked: &Value, said: &Value) -> Option<Charge> {
    let bytes = |item: &Value| item.as_object().map_or(0, item_bytes);
    let consistent = |asked: &Value| asked["ConsistentRead"].as_bool().unwrap_or(false);
    let items = |said: &Value| said["Items"].as_array().into_iter().flatten().map(bytes).sum();
    let units = match operation {
        "GetItem" => read_units(bytes(&said["Item"]), consistent(asked)),
        // Each item is rounded up by itself, and one that isn't there costs as much as the smallest.
        "BatchGetItem" => requests(asked)
            .map(|(table, asked)| {
                let found = said["Responses"][table].as_array().map_or(&[][..], Vec::as_slice);
                let missing = asked["Keys"].as_array().map_or(0, Vec::len).saturating_sub(found.len());
                let sizes = found.iter().map(bytes).chain(std::iter::repeat_n(0, missing));
                sizes.map(|size| read_units(size, consistent(asked))).sum::<f64>()
            })
            .sum(),
        "Query" | "Scan" => read_units(items(said), consistent(asked)),
        _ => return None,
    };
    let index = keys::INDEXES.iter().map(|index| index.name).find(|name| asked["IndexName"] == **name);
    Some(Charge {
        operation: operation.to_owned(),
        item: operation.to_lowercase(),
        index,
        write: 0.0,
        read: units,
    })
}
