//! Noting what a client asks of DynamoDB, so that the same can be asked again without the client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use aws_sdk_dynamodb::operation::batch_write_item::builders::BatchWriteItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use axum::{Router, body};
use futures_util::future::try_join_all;
use http::StatusCode;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The largest body that DynamoDB takes, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A request to DynamoDB: the operation and what it is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// `PutItem`, …
    pub(super) operation: String,
    /// The body, JSON.
    pub(super) body: String,
}

/// A socket in front of DynamoDB that hands on every request, and notes it. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Recorder {
    address: SocketAddr,
    noted: Arc<Noted>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Noted {
    connections: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Clone)]
struct Behind {
    noted: Arc<Noted>,
    dynamodb: SocketAddr,
    http: HttpClient<HttpConnector, Body>,
}

impl Recorder {
    /// Starts it in front of `dynamodb`.
    pub(super) async fn start(dynamodb: SocketAddr) -> anyhow::Result<Self> {
        let noted = Arc::new(Noted::default());
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        let app =
            Router::new().fallback(hand_on).with_state(Behind { noted: Arc::clone(&noted), dynamodb, http });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = Counted { listener, noted: Arc::clone(&noted) };
        let server = tokio::spawn(async move {
            // It ends with its handle.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, noted, server })
    }

    /// The endpoint to give to an SDK.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were opened so far.
    pub(super) fn connections(&self) -> usize {
        self.noted.connections.load(Ordering::SeqCst)
    }

    /// What was asked since the last time.
    pub(super) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.noted.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A listener that counts connections.
struct Counted {
    listener: TcpListener,
    noted: Arc<Noted>,
}

impl Listener for Counted {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = Listener::accept(&mut self.listener).await;
        self.noted.connections.fetch_add(1, Ordering::SeqCst);
        accepted
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn hand_on(State(behind): State<Behind>, request: Request) -> Response {
    match forward(behind, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn forward(behind: Behind, request: Request) -> anyhow::Result<Response> {
    let (mut parts, body) = request.into_parts();
    let body = body::to_bytes(body, MAX_BODY_BYTES).await?;
    let target =
        parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let text = String::from_utf8(body.to_vec())?;
    behind.noted.asked.lock().unwrap_or_else(PoisonError::into_inner).push(Asked { operation, body: text });
    parts.uri = format!("http://{}/", behind.dynamodb).parse()?;
    let answer = behind.http.request(http::Request::from_parts(parts, Body::from(body))).await?;
    Ok(answer.map(Body::new))
}

/// A request, made and ready to be sent: what it takes to send it is the SDK's part alone.
#[derive(Clone, Debug)]
pub(super) enum Made {
    Put(Box<PutItemFluentBuilder>),
    Batch(Box<BatchWriteItemFluentBuilder>),
    Read(Box<BatchGetItemFluentBuilder>),
}

impl Made {
    /// Makes a request that asks the same of another call, whose id has `new` in the place of `old`.
    pub(super) fn of(asked: &Asked, client: &Client, old: &str, new: &str) -> anyhow::Result<Self> {
        let asks: Value = serde_json::from_str(&asked.body.replace(old, new))?;
        match asked.operation.as_str() {
            "PutItem" => Ok(Self::Put(Box::new(put(client, &asks)?))),
            "BatchWriteItem" => Ok(Self::Batch(Box::new(batch(client, &asks)?))),
            "BatchGetItem" => Ok(Self::Read(Box::new(read(client, &asks)?))),
            other => bail!("the benchmark can't make a {other} of its own yet"),
        }
    }

    /// Sends it.
    pub(super) async fn send(self) -> anyhow::Result<()> {
        match self {
            Self::Put(put) => match put.send().await {
                Ok(_) => {}
                // The SDK sent it again, since the answer was late, and found it done.
                Err(error) if error.code() == Some("ConditionalCheckFailedException") => {}
                Err(error) => return Err(error.into()),
            },
            Self::Read(read) => drop(read.send().await?),
            Self::Batch(batch) => {
                let answer = batch.send().await?;
                if answer.unprocessed_items.is_some_and(|left| !left.is_empty()) {
                    bail!("a part of a batch was left unprocessed");
                }
            }
        }
        Ok(())
    }
}

fn put(client: &Client, asks: &Value) -> anyhow::Result<PutItemFluentBuilder> {
    let text = |name: &str| asks[name].as_str().map(str::to_owned);
    let old = text("ReturnValuesOnConditionCheckFailure");
    Ok(client
        .put_item()
        .set_table_name(text("TableName"))
        .set_item(Some(attributes(&asks["Item"])?))
        .set_condition_expression(text("ConditionExpression"))
        .set_expression_attribute_names(names(&asks["ExpressionAttributeNames"]))
        .set_expression_attribute_values(match &asks["ExpressionAttributeValues"] {
            Value::Null => None,
            values => Some(attributes(values)?),
        })
        .set_return_values_on_condition_check_failure(
            old.map(|old| ReturnValuesOnConditionCheckFailure::from(old.as_str())),
        ))
}

fn batch(client: &Client, asks: &Value) -> anyhow::Result<BatchWriteItemFluentBuilder> {
    let mut batch = client.batch_write_item();
    for (table, requests) in asks["RequestItems"].as_object().context("a batch of nothing")? {
        let puts = requests.as_array().into_iter().flatten().map(|request| {
            let put =
                PutRequest::builder().set_item(Some(attributes(&request["PutRequest"]["Item"])?)).build()?;
            Ok(WriteRequest::builder().put_request(put).build())
        });
        batch = batch.request_items(table, puts.collect::<anyhow::Result<Vec<_>>>()?);
    }
    Ok(batch)
}

fn read(client: &Client, asks: &Value) -> anyhow::Result<BatchGetItemFluentBuilder> {
    let mut read = client.batch_get_item();
    for (table, wanted) in asks["RequestItems"].as_object().context("a read of nothing")? {
        let keys = wanted["Keys"].as_array().into_iter().flatten().map(attributes);
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect::<anyhow::Result<_>>()?))
            .set_consistent_read(wanted["ConsistentRead"].as_bool())
            .build()?;
        read = read.request_items(table, wanted);
    }
    Ok(read)
}

fn names(names: &Value) -> Option<HashMap<String, String>> {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    names.as_object().map(|names| names.iter().filter_map(text).collect())
}

fn attributes(map: &Value) -> anyhow::Result<HashMap<String, AttributeValue>> {
    let map = map.as_object().context("an item is an object")?;
    map.iter().map(|(name, value)| Ok((name.clone(), attribute(value)?))).collect()
}

/// An attribute as DynamoDB's JSON has it.
fn attribute(value: &Value) -> anyhow::Result<AttributeValue> {
    let (kind, value) =
        value.as_object().and_then(|value| value.iter().next()).context("an attribute tells its type")?;
    let text = || value.as_str().map(str::to_owned).context("an attribute's value is text");
    Ok(match kind.as_str() {
        "S" => AttributeValue::S(text()?),
        "N" => AttributeValue::N(text()?),
        "BOOL" => AttributeValue::Bool(value == true),
        "NULL" => AttributeValue::Null(true),
        "M" => AttributeValue::M(attributes(value)?),
        "L" => {
            let list = value.as_array().context("a list is an array")?;
            AttributeValue::L(list.iter().map(attribute).collect::<anyhow::Result<_>>()?)
        }
        other => bail!("callvault writes no attribute of type {other}"),
    })
}

/// Sends requests as the functions do: at most so many at once, and what is read before the single items are put, which the answer may
/// change. Batches are put meanwhile.
pub(super) async fn send(requests: Vec<Made>, at_once: usize) -> anyhow::Result<()> {
    let permits = Semaphore::new(at_once);
    let all = async |requests: Vec<Made>| {
        let sent = requests.into_iter().map(async |request| {
            let _permit = permits.acquire().await?;
            request.send().await
        });
        try_join_all(sent).await.map(drop)
    };
    let (reads, writes): (Vec<_>, Vec<_>) =
        requests.into_iter().partition(|request| matches!(request, Made::Read(_)));
    let (puts, batches): (Vec<_>, Vec<_>) =
        writes.into_iter().partition(|request| matches!(request, Made::Put(_)));
    let items = async {
        all(reads).await?;
        all(puts).await
    };
    tokio::try_join!(all(batches), items).map(drop)
}

/// The size of what was asked, in bytes.
pub(super) fn size(asked: &[Asked]) -> usize {
    asked.iter().map(|asked| asked.body.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{Stores, bare_client};

    #[tokio::test]
    async fn what_was_asked_is_asked_again_of_another_call() {
        let stores = Stores::start().await.unwrap();
        let recorder = Recorder::start(stores.dynamodb.local_addr()).await.unwrap();
        let client = bare_client(&recorder.endpoint()).unwrap();
        let item: Value = serde_json::json!({
            "pk": {"S": "call#one"}, "sk": {"S": "call"}, "n": {"N": "1.50"}, "list": {"L": [{"NULL": true}]},
            "map": {"M": {"yes": {"BOOL": true}}},
        });
        client
            .put_item()
            .table_name("callvault")
            .set_item(Some(attributes(&item).unwrap()))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", "pk")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await
            .unwrap();
        let write = WriteRequest::builder()
            .put_request(PutRequest::builder().set_item(Some(attributes(&item).unwrap())).build().unwrap())
            .build();
        client.batch_write_item().request_items("callvault", vec![write]).send().await.unwrap();
        let key = ["pk", "sk"].map(|name| (name.to_owned(), attribute(&item[name]).unwrap()));
        let wanted = KeysAndAttributes::builder().keys(key.into()).consistent_read(false).build().unwrap();
        client.batch_get_item().request_items("callvault", wanted).send().await.unwrap();
        let first = recorder.take();
        assert_eq!(
            first.iter().map(|asked| asked.operation.as_str()).collect::<Vec<_>>(),
            ["PutItem", "BatchWriteItem", "BatchGetItem"]
        );
        assert!(recorder.take().is_empty());
        assert_eq!(recorder.connections(), 1);

        for asked in &first {
            Made::of(asked, &client, "one", "two").unwrap().send().await.unwrap();
        }
        let json = |asked: &Asked| serde_json::from_str::<Value>(&asked.body).unwrap();
        for (first, second) in first.iter().zip(recorder.take()) {
            assert_eq!(first.operation, second.operation);
            assert_eq!(json(first).to_string().replace("one", "two"), json(&second).to_string());
        }
    }
}
