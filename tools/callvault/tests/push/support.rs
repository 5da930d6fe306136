//! A stack, and a platform that pushes to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_stack::{Options, Stack};
use runtime::aws::{Account, Patience};
use runtime::config::{Environment, StoreConfig};
use runtime::ingress::receive::Receiver;
use runtime::store::Store;
use serde_json::Value;
use shared::model::{CallId, CallKey, Provider};
use shared::record::item::Item;
use shared::record::keys;
use testkit::leaks;

/// The document's own sample.
pub(crate) const SAMPLE: &str =
    include_str!("../../../../functions/alicom-call-report/test_data/sample.json");
/// The call id in it.
pub(crate) const SAMPLE_ID: &str = "10000161****^1000018****";
/// Where call reports are pushed to.
pub(crate) const REPORTS: &str = "/push/alicom-call-report/canary-token";

/// The token that pushes carry.
pub(crate) const TOKEN: &str = "canary-token";

/// Another program to serve than the one that was built with the tests: one that is optimized, for long runs.
const PROGRAM: &str = "CALLVAULT_TEST_PROGRAM";
/// Other stores than the embedded ones to run on, for a second opinion: their endpoints.
const OTHER_DYNAMODB: &str = "CALLVAULT_TEST_DYNAMODB_ENDPOINT";
const OTHER_S3: &str = "CALLVAULT_TEST_S3_ENDPOINT";

/// A stack with stores of its own: in memory, or on other stores under a name of its own.
pub(crate) async fn stack() -> Stack {
    Stack::start(&options()).await.unwrap()
}

pub(crate) fn options() -> Options {
    leaks::watch();
    let unique = format!("callvault-{:016x}", fastrand::u64(..));
    let other = |variable: &str| std::env::var(variable).ok().filter(|endpoint| !endpoint.is_empty());
    Options {
        dynamodb_endpoint: other(OTHER_DYNAMODB),
        s3_endpoint: other(OTHER_S3),
        table: unique.clone(),
        bucket: unique,
        token: TOKEN.to_owned(),
        // What is told of calls is a matter of its own.
        no_events: true,
        ..Options::in_memory()
    }
}

/// Posts a body, and gives back status and answer.
pub(crate) async fn post(url: &str, body: impl Into<Bytes>) -> (u16, Value) {
    post_with(url, body, &[("content-type", "application/json;charset=UTF-8")]).await
}

pub(crate) async fn post_with(url: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = http::Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    leaks::check(&String::from_utf8_lossy(&body));
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// A port that was free a moment ago: for what has to be found at the same port again after a restart.
///
/// It is below those that the system gives to clients. Between the kill and the restart a client's connection would take the port else:
/// another test's, or that of a client which tries to reach this very port and so reaches itself.
pub(crate) fn free_port() -> String {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..32_000));
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).unwrap().to_string()
}

pub(crate) fn call(provider: Provider, id: &str) -> CallKey {
    CallKey { provider, call_id: CallId::new(id.to_owned()).unwrap() }
}

/// All items of an Alibaba call, by sort key.
pub(crate) async fn items(stack: &Stack, id: &str) -> Vec<Item> {
    stack.store().table().query(&keys::call_pk(&call(Provider::Alicom, id))).await.unwrap()
}

/// The items without what tells when they were received, and how often they were written.
pub(crate) fn without_stamps(mut items: Vec<Item>) -> Vec<Item> {
    for item in &mut items {
        for stamp in
            ["received_at", "first_received_at", "updated_at", "version", "next_attempt_at", "due_at"]
        {
            item.remove(stamp);
        }
        for (_, source) in item.get_mut("sources").and_then(Value::as_object_mut).into_iter().flatten() {
            let (_, said) = source.as_str().unwrap().split_once(' ').unwrap();
            *source = said.into();
        }
    }
    items
}

/// What is kept as rejected: key and content.
pub(crate) async fn rejected(stack: &Stack) -> Vec<(String, Value)> {
    rejected_in(stack.store()).await
}

pub(crate) async fn rejected_in(store: &Store) -> Vec<(String, Value)> {
    let bucket = store.bucket();
    let list = bucket.client.list_objects_v2().bucket(&bucket.name).prefix("rejected/").send().await.unwrap();
    let mut rejected = Vec::new();
    for object in list.contents() {
        let key = object.key().unwrap();
        rejected.push((key.to_owned(), serde_json::from_slice(&bucket.get(key).await.unwrap()).unwrap()));
    }
    rejected
}

/// Every item of the table, but for the marks of hours that changed.
pub(crate) async fn all_items(stack: &Stack) -> Vec<Item> {
    all_items_in(stack.store()).await
}

pub(crate) async fn all_items_in(store: &Store) -> Vec<Item> {
    let items: Vec<Item> = store.table().scan(0, 1).try_collect().await.unwrap();
    items.into_iter().filter(|item| item[keys::PK] != keys::DIRTY).collect()
}

/// `callvault serve` as a process of its own. It is killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
    pub(crate) dynamodb: String,
    pub(crate) s3: String,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    /// Starts it with these options, and waits until it is ready.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// Starts it with these options and settings, and waits until it is ready.
    pub(crate) fn start_with(options: &[&str], settings: &[(&str, &str)]) -> Self {
        let ports =
            ["--port", "--dynamodb-port", "--s3-port", "--provider-port", "--bus-port", "--issuer-port"];
        let ports = ports.into_iter();
        let free_ports = ports.filter(|port| !options.contains(port)).flat_map(|port| [port, "0"]);
        let token = ["--token", TOKEN].into_iter().filter(|_| !options.contains(&"--token"));
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_callvault").into());
        let mut child = Command::new(program)
            .env("METRICS_NAMESPACE", "callvault")
            .envs(settings.iter().copied())
            .arg("serve")
            .args(free_ports)
            .args(token)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    leaks::check(&line);
                    log.lock().unwrap().push_str(&(line + "\n"));
                }
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut endpoint = |name: &str| {
            let Some(line) = lines.find(|line| line.trim_start().starts_with(name)) else {
                // It has ended: what it said last is why.
                let _ = child.wait();
                std::thread::sleep(std::time::Duration::from_millis(200));
                panic!("no {name}: {}", log.lock().unwrap());
            };
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let (url, dynamodb, s3) = (endpoint("API"), endpoint("DynamoDB"), endpoint("S3"));
        // The rest is read too, lest the process wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, dynamodb, s3, log, reader: Some(reader) }
    }

    /// How much memory it has in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How much it has used of the processor, in milliseconds: Linux counts hundredths of a second.
    pub(crate) fn cpu_ms(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: Vec<u64> =
            fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse().unwrap()).collect();
        ticks.iter().sum::<u64>() * 10
    }

    /// Runs an operator's command on its stores, and gives back whether it succeeded, and what it said.
    pub(crate) fn operate(&self, arguments: &[&str]) -> (bool, String) {
        let (code, said) = self.operate_with_code(arguments);
        (code == Some(0), said)
    }

    /// An operator's command on its stores.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
        command
            .args(arguments)
            .env("TABLE_NAME", "callvault")
            .env("BUCKET_NAME", "callvault")
            .env("ANALYTICS_BUCKET_NAME", "callvault-analytics")
            .env("DYNAMODB_ENDPOINT", &self.dynamodb)
            .env("S3_ENDPOINT", &self.s3);
        command
    }

    /// Runs an operator's command on its stores, and gives back its exit code, and what it said.
    pub(crate) fn operate_with_code(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.operator(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // A simulation tells what differs of the calls that it made up, and who asks for numbers is shown them.
        if arguments[0] != "simulate" && !arguments.contains(&"--numbers") {
            leaks::check(&said);
        }
        (output.status.code(), said)
    }

    /// The stores' clients: everything in them can be looked at, version by version.
    pub(crate) fn store(&self) -> Store {
        let (stores, account) = self.with_environment(|environment| {
            let stores = StoreConfig::read(environment).unwrap();
            let account = Account::of_function(environment, &stores).unwrap();
            (stores, account)
        });
        Store::new(stores, account, Patience::Nobody)
    }

    /// What stores again what was received before.
    pub(crate) fn receiver(&self) -> Receiver {
        self.with_environment(|environment| {
            let stores = StoreConfig::read(environment).unwrap();
            Receiver::for_operator(environment, Account::of_function(environment, &stores).unwrap()).unwrap()
        })
    }

    fn with_environment<T>(&self, read: impl FnOnce(&Environment<'_>) -> T) -> T {
        let look_up = |variable: &str| match variable {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" => Some(self.dynamodb.clone()),
            "S3_ENDPOINT" => Some(self.s3.clone()),
            _ => None,
        };
        read(&Environment::new(&look_up))
    }

    /// Ends it with a signal, and gives back its exit status, if it ended by itself, and its log.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (status.code(), log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // It has looked at all that was logged.
        let _ = self.reader.take().map(std::thread::JoinHandle::join);
    }
}
