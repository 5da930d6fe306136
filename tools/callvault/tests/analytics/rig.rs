//! A stack with an exporter whose clock is the test's, and its files read back.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use export_calls::{Exporter, RunError, Summary};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_stack::{Options, Stack};
use runtime::aws::Account;
use runtime::clock;
use runtime::config::Environment;
use runtime::deadline::Deadline;
use runtime::ingress::receive::Receiver;
use runtime::store::Store;
use runtime::store::analytics::AnalyticsBucket;
use serde_json::Value;
use shared::model::{CallId, CallKey, Hour, Instant, Provider};
use shared::record::keys;
use testkit::leaks;

/// The number that is called.
pub(crate) const NUMBER: &str = "13700009182";
/// By what callees get ids here.
pub(crate) const CALLEE_ID_KEY: &str = "a key that is as long as it has to be";

pub(crate) struct Rig {
    pub(crate) stack: Stack,
    pub(crate) exporter: Exporter,
}

/// A row as JSON.
pub(crate) type Row = serde_json::Map<String, Value>;

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these variables.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        Self::on(&Options::in_memory(), variables).await
    }

    /// With these variables, on a stack with these options.
    pub(crate) async fn on(options: &Options, variables: &[(&str, &str)]) -> Self {
        leaks::watch();
        let stack = Stack::start(options).await.unwrap();
        let exporter = exporter(&stack, variables);
        Self { stack, exporter }
    }

    pub(crate) fn store(&self) -> &Store {
        self.stack.store()
    }

    pub(crate) fn bucket(&self) -> &AnalyticsBucket {
        self.store().analytics().unwrap()
    }

    pub(crate) async fn push(&self, function: &str, body: &Value) {
        self.push_text(function, &body.to_string()).await;
    }

    pub(crate) async fn push_text(&self, function: &str, body: &str) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = http::Request::post(format!("{}/push/{function}/local", self.stack.url()));
        let request = request.header("content-type", "application/json");
        let answer =
            client.request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let told = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&told).contains("rejected"), "{told:?}");
    }

    /// Marks hours, as whoever sees a change of theirs would at `at`.
    pub(crate) async fn mark(&self, hours: &[&str], at: Instant) {
        for hour in hours {
            self.store().mark_hour(hour.parse().unwrap(), at).await.unwrap();
        }
    }

    /// A run at `now`.
    pub(crate) async fn run_at(&self, now: Instant) -> Result<Summary, RunError> {
        export_calls::handle(&self.exporter, now, Deadline::after(Duration::from_secs(120))).await
    }

    /// What an operator works with on the stack's stores.
    pub(crate) fn receiver(&self) -> Arc<Receiver> {
        let look_up = |name: &str| self.stack.variable(name);
        let environment = Environment::new(&look_up);
        let account = Account::of_function(&environment, self.stack.stores()).unwrap();
        Arc::new(Receiver::for_operator(&environment, account).unwrap())
    }

    /// Runs one of the operator's commands on the stack's stores: whether it succeeds, and what it says.
    pub(crate) async fn operate(&self, arguments: &[&str]) -> (bool, String) {
        self.operate_with(arguments, |command| command.env("CALLEE_ID_KEY", CALLEE_ID_KEY)).await
    }

    /// [`Rig::operate`] for whoever has no key of callees' ids.
    pub(crate) async fn operate_without_key(&self, arguments: &[&str]) -> (bool, String) {
        self.operate_with(arguments, |command| command.env_remove("CALLEE_ID_KEY")).await
    }

    async fn operate_with(
        &self,
        arguments: &[&str],
        set: impl FnOnce(&mut Command) -> &mut Command,
    ) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
        set(command.args(arguments));
        let stores =
            ["TABLE_NAME", "BUCKET_NAME", "ANALYTICS_BUCKET_NAME", "DYNAMODB_ENDPOINT", "S3_ENDPOINT"];
        for variable in stores {
            command.env(variable, self.stack.variable(variable).unwrap());
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// Waits until the stack's own publisher has marked what was pushed, and has it written: then nothing is dirty. What the runs put.
    pub(crate) async fn settle(&self) -> u64 {
        let (mut put, mut quiet) = (0, 0);
        for _ in 0..300 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if self.store().dirty_hours().await.unwrap().is_empty() {
                quiet += 1;
            } else {
                put += self.run_at(clock::now().plus_seconds(180)).await.unwrap().put;
                quiet = 0;
            }
            // A second in which nothing came.
            if quiet == 10 && put > 0 {
                return put;
            }
        }
        panic!("nothing was marked, or marks never end");
    }

    /// Marks hours, and has them written.
    pub(crate) async fn export(&self, hours: &[&str]) -> Summary {
        let now = clock::now();
        self.mark(hours, now).await;
        self.run_at(now.plus_seconds(180)).await.unwrap()
    }

    /// The rows of a file; `None` where there is none.
    pub(crate) async fn rows(&self, set: &str, hour: &str) -> Option<Vec<Row>> {
        let hour: Hour = hour.parse().unwrap();
        let (bytes, _) = self.bucket().get(&keys::analytics_key(set, hour)).await.unwrap()?;
        Some(export_calls::rows(bytes).unwrap())
    }

    /// All objects of the bucket, by key.
    pub(crate) async fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let AnalyticsBucket(bucket) = self.bucket();
        let mut pages = bucket.client.list_objects_v2().bucket(&bucket.name).into_paginator().send();
        let mut objects = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for object in page.unwrap().contents() {
                let key = object.key().unwrap().to_owned();
                let (bytes, _) = self.bucket().get(&key).await.unwrap().unwrap();
                objects.insert(key, bytes);
            }
        }
        objects
    }
}

pub(crate) fn exporter(stack: &Stack, variables: &[(&str, &str)]) -> Exporter {
    let look_up = |name: &str| {
        let set = variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        set.or_else(|| stack.variable(name)).or_else(|| match name {
            "CALLEE_ID_KEY" => Some(CALLEE_ID_KEY.to_owned()),
            // Only where a test asks for it.
            "EXPORT_DAYS" => Some("0".to_owned()),
            _ => None,
        })
    };
    Exporter::new(&Environment::new(&look_up)).unwrap()
}

pub(crate) fn key(provider: Provider, call_id: &str) -> CallKey {
    CallKey { provider, call_id: CallId::new(call_id.to_owned()).unwrap() }
}
