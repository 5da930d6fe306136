//! A DynamoDB as it may be at its worst: its indexes are behind, or a replica is; what has the same sort key stands in another order each
//! time; and a page ends after a few entries.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value, json};
use shared::record::item::Item;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// After so many entries a page ends that has no limit of its own, as it does after a megabyte.
const PAGE: usize = 9;
const SEED: &str = "seed";

type Wire = Map<String, Value>;

/// What is behind, of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// The indexes.
    Index,
    /// The replica that reads are answered from which need not be consistent.
    Replica,
}

/// The proxy. It ends when it is dropped.
pub(crate) struct Lagging {
    pub(crate) endpoint: String,
    proxy: Arc<Proxy>,
    server: JoinHandle<()>,
}

struct Proxy {
    target: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// By partition key: what is behind, and how the call was before.
    held: Mutex<HashMap<String, (Behind, Option<Wire>)>>,
    /// How long an answer takes.
    latency: Duration,
    /// The longest chain of requests of which each began when the one before had ended.
    chain: AtomicU64,
    requests: AtomicU64,
}

impl Lagging {
    pub(crate) async fn start(target: &str, latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Arc::new(Proxy {
            target: target.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            held: Mutex::default(),
            latency,
            chain: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&proxy));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, proxy, server }
    }

    /// From now on a call's entries, or its item, are as they were: `before` is the item as it stands.
    pub(crate) fn hold(&self, pk: &str, what: Behind, before: Option<Item>) {
        let before = before.map(|item| item.into_iter().map(|(name, value)| (name, wire(value))).collect());
        self.proxy.held.lock().unwrap().insert(pk.to_owned(), (what, before));
    }

    /// What was behind has caught up.
    pub(crate) fn release(&self, pk: &str) {
        self.proxy.held.lock().unwrap().remove(pk);
    }

    /// How many requests there were since the last time, and how many of them one after the other.
    pub(crate) fn take_requests(&self) -> (u64, u64) {
        (self.proxy.requests.swap(0, Ordering::SeqCst), self.proxy.chain.swap(0, Ordering::SeqCst))
    }
}

impl Drop for Lagging {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A value as DynamoDB's JSON has it.
fn wire(value: Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(truth) => json!({"BOOL": truth}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(list) => json!({"L": list.into_iter().map(wire).collect::<Vec<_>>()}),
        Value::Object(map) => {
            json!({"M": map.into_iter().map(|(name, value)| (name, wire(value))).collect::<Wire>()})
        }
    }
}

fn text<'a>(item: &'a Wire, name: &str) -> Option<&'a str> {
    item.get(name)?.get("S")?.as_str()
}

async fn answer(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let asked: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
    let place = proxy.chain.load(Ordering::SeqCst) + 1;
    proxy.requests.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(proxy.latency).await;
    let operation = parts.headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let answer = match &*operation {
        "Query" if asked.get("IndexName").is_some() => proxy.query(parts.headers, &asked).await,
        "BatchGetItem" => proxy.batch_get(parts.headers, &asked).await,
        _ => proxy.pass(parts.headers, &asked).await,
    };
    proxy.chain.fetch_max(place, Ordering::SeqCst);
    answer.unwrap_or_else(|(status, said)| {
        (status, [("content-type", "application/x-amz-json-1.0")], said).into_response()
    })
}

fn said(value: &Value) -> Response {
    ([("content-type", "application/x-amz-json-1.0")], value.to_string()).into_response()
}

/// Whether a batch asks for an attribute.
fn asks_for(wanted: &Value, attribute: &str) -> bool {
    let names = wanted["ExpressionAttributeNames"].as_object();
    names.is_none_or(|names| names.values().any(|name| name == attribute))
}

type Answer = Result<Response, (StatusCode, Bytes)>;

impl Proxy {
    async fn pass(&self, headers: HeaderMap, asked: &Value) -> Answer {
        Ok(said(&self.ask(&headers, asked).await?))
    }

    async fn ask(&self, headers: &HeaderMap, asked: &Value) -> Result<Value, (StatusCode, Bytes)> {
        let mut request =
            http::Request::post(&self.target).body(Full::new(asked.to_string().into())).unwrap();
        let mut headers = headers.clone();
        headers.remove(CONTENT_LENGTH);
        *request.headers_mut() = headers;
        let gone = |error: String| (StatusCode::BAD_GATEWAY, Bytes::from(error));
        let answer = self.client.request(request).await.map_err(|error| gone(error.to_string()))?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.map_err(|error| gone(error.to_string()))?.to_bytes();
        match status.is_success() {
            true => Ok(serde_json::from_slice(&bytes).unwrap()),
            false => Err((status, bytes)),
        }
    }

    /// An index, from the index and from what is behind.
    async fn query(&self, headers: HeaderMap, asked: &Value) -> Answer {
        let mut whole = asked.as_object().unwrap().clone();
        let limit = whole.remove("Limit").and_then(|limit| limit.as_u64());
        let start = whole.remove("ExclusiveStartKey");
        let mut entries: Vec<Wire> = Vec::new();
        loop {
            let mut page = self.ask(&headers, &Value::Object(whole.clone())).await?;
            let Value::Array(items) = page["Items"].take() else { panic!("no items") };
            entries.extend(items.into_iter().map(|item| item.as_object().unwrap().clone()));
            match page["LastEvaluatedKey"].take() {
                Value::Null => break,
                key => whole.insert("ExclusiveStartKey".to_owned(), key),
            };
        }
        let name = |alias: &str| asked["ExpressionAttributeNames"][alias].as_str();
        let value = |alias: &str| asked["ExpressionAttributeValues"][alias]["S"].as_str();
        // What does not ask for a range of times (the archiver's query) is left alone.
        let (Some(partition), Some(sort)) = (name("#partition"), name("#at")) else {
            return self.pass(headers, asked).await;
        };
        let held = self.held.lock().unwrap().clone();
        let is_held = |pk: &str| matches!(held.get(pk), Some((Behind::Index, _)));
        entries.retain(|entry| !is_held(text(entry, "pk").unwrap()));
        for (_, before) in held.into_values().filter(|(what, _)| *what == Behind::Index) {
            let Some(before) = before else { continue };
            let at = text(&before, sort);
            if text(&before, partition) == value(":partition")
                && at >= value(":first")
                && at.is_some()
                && at <= value(":last")
            {
                let mut entry = before;
                entry.retain(|name, _| ["pk", "sk", sort, partition].contains(&name.as_str()));
                entries.push(entry);
            }
        }

        let seed = start.as_ref().and_then(|key| key[SEED]["N"].as_str()?.parse().ok());
        let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..));
        let place = |entry: &Wire| {
            let mut hasher = DefaultHasher::new();
            (seed, text(entry, "pk")).hash(&mut hasher);
            (text(entry, sort).unwrap().to_owned(), hasher.finish())
        };
        let is_descending = asked["ScanIndexForward"] == false;
        entries.sort_by_key(place);
        if is_descending {
            entries.reverse();
        }
        if let Some(start) = &start {
            let start = place(start.as_object().unwrap());
            entries.retain(|entry| if is_descending { place(entry) < start } else { place(entry) > start });
        }
        let count = limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap());
        let is_more = entries.len() >= count;
        entries.truncate(count);
        let last = entries.last().filter(|_| is_more).map(|entry| {
            let mut key: Wire = entry.clone();
            key.retain(|name, _| ["pk", "sk", sort, partition].contains(&name.as_str()));
            key.insert(SEED.to_owned(), json!({"N": seed.to_string()}));
            key
        });
        let mut answer = json!({"Count": entries.len(), "ScannedCount": entries.len(), "Items": entries});
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = Value::Object(last);
        }
        Ok(said(&answer))
    }

    /// Calls, from a replica that may be behind.
    async fn batch_get(&self, headers: HeaderMap, asked: &Value) -> Answer {
        let mut answer = self.ask(&headers, asked).await?;
        let held = self.held.lock().unwrap().clone();
        for (table, wanted) in asked["RequestItems"].as_object().unwrap() {
            if wanted["ConsistentRead"] == true {
                continue;
            }
            let found = answer["Responses"][table].as_array_mut().unwrap();
            for key in wanted["Keys"].as_array().unwrap() {
                let pk = key["pk"]["S"].as_str().unwrap();
                if let (Some((Behind::Replica, before)), "call") =
                    (held.get(pk), key["sk"]["S"].as_str().unwrap())
                {
                    found.retain(|item| item["pk"]["S"] != pk);
                    let mut before = before.clone();
                    before.iter_mut().for_each(|item| item.retain(|name, _| asks_for(wanted, name)));
                    found.extend(before.map(Value::Object));
                }
            }
        }
        Ok(said(&answer))
    }
}
