//! Proxies before the stores that note which calls come through: what IAM would be asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use http::Method;
use local_stack::Stack;
use runtime::config::StoreConfig;
use serde_json::Value;
use testkit::proxy::Proxy;

/// A call: its action in IAM, and what it is done to (`Table`, `Table/index/by-due`, `Bucket/rejected/…`).
pub(crate) type Call = (String, String);

/// What a request to a service comes to for IAM: one call, or more.
type Read = fn(&http::request::Parts, &[u8]) -> Vec<Call>;

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<BTreeSet<Call>>>);

/// A stack's stores, and proxies before them.
pub(crate) struct Observed {
    stores: StoreConfig,
    calls: Calls,
    dynamodb: Proxy,
    s3: Proxy,
}

impl Observed {
    /// Stands before the stores of a stack.
    pub(crate) async fn stores_of(stack: &Stack) -> Self {
        let (stores, calls) = (stack.stores().clone(), Calls::default());
        let before = async |endpoint: &Option<String>, read: Read| {
            let calls = calls.clone();
            Proxy::start(endpoint.as_deref().unwrap(), move |parts, body| {
                calls.0.lock().unwrap().extend(read(parts, body));
            })
            .await
        };
        let dynamodb = before(&stores.dynamodb_endpoint, dynamodb_call).await;
        let s3 = before(&stores.s3_endpoint, s3_call).await;
        Self { stores, calls, dynamodb, s3 }
    }

    /// The settings by which a function finds the stores.
    pub(crate) fn setting(&self, variable: &str) -> Option<String> {
        match variable {
            "TABLE_NAME" => Some(self.stores.table_name.clone()),
            "BUCKET_NAME" => Some(self.stores.bucket_name.clone()),
            "ANALYTICS_BUCKET_NAME" => Some("callvault-analytics".to_owned()),
            "DYNAMODB_ENDPOINT" => Some(self.dynamodb.endpoint().to_owned()),
            "S3_ENDPOINT" => Some(self.s3.endpoint().to_owned()),
            _ => None,
        }
    }

    /// The calls that came through.
    pub(crate) fn calls(&self) -> BTreeSet<Call> {
        self.calls.0.lock().unwrap().clone()
    }
}

fn dynamodb_call(parts: &http::request::Parts, body: &[u8]) -> Vec<Call> {
    let operation = parts.headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap();
    let body: Value = serde_json::from_slice(body).unwrap();
    let resource = match body["IndexName"].as_str() {
        Some(index) => format!("Table/index/{index}"),
        None => "Table".to_owned(),
    };
    vec![(format!("dynamodb:{operation}"), resource)]
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>
fn s3_call(parts: &http::request::Parts, _: &[u8]) -> Vec<Call> {
    let (bucket, key) = parts.uri.path().trim_start_matches('/').split_once('/').unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let action = match (&parts.method, key) {
        (&Method::GET, "") if query.contains("uploads") => "s3:ListBucketMultipartUploads",
        (&Method::GET, "") if query.contains("versions") => "s3:ListBucketVersions",
        (&Method::GET, "") => "s3:ListBucket",
        (&Method::GET | &Method::HEAD, _) if query.contains("versionId") => "s3:GetObjectVersion",
        (&Method::GET | &Method::HEAD, _) => "s3:GetObject",
        // The parts of an upload, its start and its completion too.
        (&Method::PUT | &Method::POST, _) => "s3:PutObject",
        (&Method::DELETE, _) if query.contains("uploadId") => "s3:AbortMultipartUpload",
        (&Method::DELETE, _) if query.contains("versionId") => "s3:DeleteObjectVersion",
        (&Method::DELETE, _) => "s3:DeleteObject",
        (method, _) => panic!("{method} {}", parts.uri),
    };
    let is_analytics = bucket.ends_with("analytics");
    let bucket = if is_analytics { "AnalyticsBucket" } else { "Bucket" };
    let resource = if key.is_empty() { bucket.to_owned() } else { format!("{bucket}/{key}") };
    let mut actions = vec![action];
    if is_analytics && matches!(action, "s3:GetObject") {
        // Who may not list a bucket is refused what is not there, and does not learn that it is not.
        return vec![(action.to_owned(), resource), ("s3:ListBucket".to_owned(), bucket.to_owned())];
    }
    if parts.headers.contains_key("x-amz-object-lock-mode") {
        actions.push("s3:PutObjectRetention");
    }
    actions.into_iter().map(|action| (action.to_owned(), resource.clone())).collect()
}
