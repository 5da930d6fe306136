//! What functions do to the stores, against what their roles let them.

use std::collections::BTreeSet;
use std::time::Duration;

use archive_recordings::Archiver;
use bytes::Bytes;
use catalog::PUSH_FUNCTIONS;
use console::{Console, Served};
use export_calls::Exporter;
use fetch_conversations::Conversations;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_stack::issuer::MACHINE;
use local_stack::{Options, Stack};
use platforms::{Call as ProviderCall, Fault, Recording, Speaker, Turn};
use publish_changes::Publisher;
use query_calls::QueryCalls;
use runtime::auth::session::Sealer;
use runtime::clock;
use runtime::config::Environment;
use runtime::deadline::Deadline;
use runtime::ingress::receive::Receiver;
use runtime::outbound::fetch::SystemResolver;
use serde_json::{Value, json};
use shared::access::Permissions;
use shared::model::{CallId, CallKey, Provider};
use shared::record::erased_reject;
use shared::record::keys::{self, INDEXES};
use shared::record::rejected::Rejected;
use shared::record::tombstone::tombstone;
use sweep_erased::Sweeper;
use testkit::leaks;

use crate::calls::{Call, Observed};
use crate::template::{Template, list, read_json, target};

/// The table's stream, which Lambda reads in a function's name.
const STREAM: &str = "Table.StreamArn";

/// What a role lets its function do: (condition, action, resource).
fn grants(template: &Template, role: &str) -> BTreeSet<(Option<String>, String, String)> {
    let properties = &template.resource(role)["Properties"];
    assert!(properties.get("ManagedPolicyArns").is_none(), "{role}: all that it may is in the template");
    let mut grants = BTreeSet::new();
    for policy in list(&properties["Policies"]) {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            let (condition, statement) = match statement.get("Fn::If") {
                Some(choice) => (choice[0].as_str().map(str::to_owned), choice[1].clone()),
                None => (None, statement),
            };
            assert_eq!(statement["Effect"], "Allow");
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    let action = action.as_str().unwrap().to_owned();
                    grants.insert((condition.clone(), action, target(&resource)));
                }
            }
        }
    }
    grants
}

fn role(template: &Template, function: &str) -> String {
    target(&template.functions()[function].definition["Properties"]["Role"])
}

/// Whether a store's grant is bounded to the table, one of its indexes, the bucket itself, or one folder in it.
fn is_narrow(resource: &str) -> bool {
    let indexes = INDEXES.map(|index| format!("Table/index/{}", index.name));
    indexes.iter().any(|index| index == resource)
        || ["Table", "Bucket", "AnalyticsBucket", "AnalyticsBucket/*", "AnalyticsBucket/summaries/*"]
            .contains(&resource)
        || ["downloads", "large", "recordings", "rejected"]
            .iter()
            .any(|folder| resource == format!("Bucket/{folder}/*"))
}

/// Fails unless every call is let where, of all conditions, just these hold, and everything that is let there is called for.
fn check_calls(template: &Template, role: &str, conditions: &[&str], calls: &BTreeSet<Call>) {
    let stores = |action: &str| action.starts_with("dynamodb:") || action.starts_with("s3:");
    let is_stream = |resource: &str| resource == STREAM;
    let holds = |condition: &Option<String>| match condition {
        Some(condition) => conditions.contains(&condition.as_str()),
        None => true,
    };
    let granted: BTreeSet<_> = grants(template, role)
        .into_iter()
        .filter(|(condition, action, resource)| stores(action) && !is_stream(resource) && holds(condition))
        .collect();
    let covers = |(_, action, pattern): &(Option<String>, String, String), call: &Call| {
        let matches = match pattern.strip_suffix('*') {
            Some(prefix) => call.1.starts_with(prefix),
            None => call.1 == *pattern,
        };
        *action == call.0 && matches
    };
    for call in calls {
        assert!(granted.iter().any(|grant| covers(grant, call)), "{role} does not let its function {call:?}");
    }
    for grant in &granted {
        assert!(is_narrow(&grant.2), "{role} lets its function {grant:?}: no more than one folder");
        let needed = calls.iter().any(|call| covers(grant, call));
        assert!(needed, "{role} lets its function {grant:?}, which nothing needs");
    }
}

/// The calls of push functions, in every way in which a push can end.
async fn calls_of_pushes() -> BTreeSet<Call> {
    leaks::watch();
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| match variable {
        "PUSH_TOKEN_SHA256" => Some(catalog::token::digest("local")),
        store => observed.setting(store),
    };
    let environment = Environment::new(&look_up);

    let receiver = Receiver::new(&environment, &catalog::pushes()).unwrap();
    // As `Receiver::from_environment` does while the function starts.
    receiver.store().table().connect().await.unwrap();
    let large = json!([{"callId": "large", "unknown": "x".repeat(100_000)}]).to_string();
    // A key of more than 1,024 bytes is what DynamoDB refuses: the others of its batch are put one by one.
    let refused = json!([{"callId": "sound"}, {"callId": "x".repeat(1_020)}]).to_string();
    for function in PUSH_FUNCTIONS {
        let event: Value = serde_json::from_str(function.event).unwrap();
        let sample = event["body"].as_str().unwrap();
        for body in [sample, sample, &large, &refused, r#"[{"no": "id"}]"#, "not JSON"] {
            let mut event = event.clone();
            event["body"] = body.into();
            let request = lambda_http::request::from_str(&event.to_string()).unwrap();
            let status = receiver.receive(&function.push, request).await.status();
            assert!(matches!(status.as_u16(), 200 | 400), "{}: {status}", function.push.function);
        }
    }
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test]
async fn push_functions_may_do_what_they_do_and_nothing_else() {
    let template = Template::read();
    let calls = calls_of_pushes().await;
    for function in PUSH_FUNCTIONS {
        check_calls(&template, &role(&template, function.push.function), &[], &calls);
    }
}

/// The calls of the archiver, for recordings large and small, sound and broken, found in the bucket already and not. They are
/// locked for so many days.
async fn calls_of_archiving(lock_days: u32) -> BTreeSet<Call> {
    leaks::watch();
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let simulator = stack.provider();
    let large = 20 * 1024 * 1024;
    let recordings = [
        Recording::new("small.wav"),
        Recording::new("large.wav").bytes(large),
        Recording::new("small-broken.wav").fault(Fault::Truncated),
        Recording::new("large-broken.wav").bytes(large).fault(Fault::Truncated),
        // Its call is read for what a fresh URL would be asked by.
        Recording::new("refused.wav").fault(Fault::Expired),
    ];
    let urls = recordings.map(|recording| {
        let name = recording.name().to_owned();
        simulator.add_recording(recording.public());
        json!({"callId": name, "recordFile": simulator.recording_url(&name)})
    });
    let mut event = read_json("events/alicom-call-record.json");
    event["body"] = json!(urls).to_string().into();
    let answer = stack.functions().invoke("alicom-call-record", event).await.unwrap();
    assert_eq!(answer["statusCode"], 200);

    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| match variable {
        "RECORDING_HOSTS" => Some(simulator.address().to_string()),
        "RECORDING_LOCK_DAYS" => Some(lock_days.to_string()),
        store => observed.setting(store),
    };
    let archiver = Archiver::new(&Environment::new(&look_up), SystemResolver).await.unwrap();
    let small = CallKey { provider: Provider::Alicom, call_id: CallId::new("small.wav".to_owned()).unwrap() };
    let (pk, sk) = (keys::call_pk(&small), keys::recording_sk("main"));
    let table = stack.store().table();
    let mut pending = table.get(&pk, &sk).await.unwrap().unwrap();
    let deadline = || Deadline::after(Duration::from_secs(120));
    let report = archive_recordings::handle(&archiver, clock::now(), deadline()).await.unwrap();
    assert_eq!((report.archived, report.retried), (2, 3));
    // As if the run had died before it noted what it had copied.
    pending.insert("attempts".to_owned(), 1.into());
    table.put(pending).await.unwrap();
    let tomorrow = clock::now().plus_seconds(86_400);
    let report = archive_recordings::handle(&archiver, tomorrow, deadline()).await.unwrap();
    assert_eq!((report.archived, report.retried), (1, 3));
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archiver_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    let role = role(&template, archive_recordings::FUNCTION);
    check_calls(&template, &role, &[], &calls_of_archiving(0).await);
    check_calls(&template, &role, &["HasRecordingLock"], &calls_of_archiving(1).await);
    let statements = list(
        &template.resource("ArchiveRecordingsRole")["Properties"]["Policies"][0]["PolicyDocument"]["Statement"],
    );
    let lists = statements.iter().find(|statement| statement["Action"] == "s3:ListBucket").unwrap();
    assert_eq!(lists["Condition"], json!({"StringLike": {"s3:prefix": "recordings/*"}}));
}

/// What asking for conversations calls, both for a call that is due and for one of which no push came, with turns that are too
/// large for an item.
async fn calls_of_fetching() -> BTreeSet<Call> {
    leaks::watch();
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| match variable {
        "ALIBABA_ENDPOINT" => Some(stack.provider().base_url().to_owned()),
        "ALIBABA_ACCESS_KEY_ID" | "ALIBABA_ACCESS_KEY_SECRET" => Some("local".to_owned()),
        store => observed.setting(store),
    };
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let turn = Turn { speaker: Speaker::Agent, text: "a".repeat(70_000) };
    // Neither has a recording: both are postponed.
    stack.provider().add_call(ProviderCall {
        turns: vec![turn],
        ..ProviderCall::answered("1", "2", "3", "known", hour_ago)
    });
    stack.provider().add_call(ProviderCall::answered("1", "2", "4", "unknown", hour_ago));
    let report = json!([{"callId": "known", "taskId": "1", "batchId": "2", "detailId": "3"}]);
    let mut event = read_json("events/alicom-call-report.json");
    event["body"] = report.to_string().into();
    assert_eq!(stack.functions().invoke("alicom-call-report", event).await.unwrap()["statusCode"], 200);
    let environment = Environment::new(&look_up);
    let conversations = Conversations::new(&environment).unwrap();
    let credentials = conversations.credentials(&environment).await.unwrap();
    let (deadline, later) = (Deadline::after(Duration::from_secs(120)), clock::now().plus_seconds(400));
    let summary = fetch_conversations::handle(&conversations, &credentials, deadline, later).await.unwrap();
    assert_eq!((summary.fetched, summary.reconciled), (2, 1));
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_conversations_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    let calls = calls_of_fetching().await;
    check_calls(&template, &role(&template, fetch_conversations::FUNCTION), &[], &calls);
}

/// What sweeping calls, with remains of every kind beside a tombstone.
async fn calls_of_sweeping() -> BTreeSet<Call> {
    leaks::watch();
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let key = CallKey { provider: Provider::Alicom, call_id: CallId::new("erased".to_owned()).unwrap() };
    // An hour ago, so that it is due.
    let erased_at = clock::now().plus_seconds(-3_600);
    let folder = keys::recording_prefix(&key, erased_at);
    let table = stack.store().table();
    let stone = tombstone(&key, erased_at, [folder.clone()], Some(erased_at), 1);
    table.put(stone).await.unwrap();
    let beside = json!({"pk": keys::call_pk(&key), "sk": "push#alicom-call-report#0"});
    table.put(beside.as_object().unwrap().clone()).await.unwrap();
    for object in [keys::large_key(&key, b"{}"), format!("{folder}main.wav")] {
        stack.store().bucket().put_json_if_absent(&object, b"{}".to_vec()).await.unwrap();
    }
    let reject = Rejected::new("alicom-call-report", erased_at, "no id".to_owned(), None, b"{}");
    let json = serde_json::to_vec(&reject).unwrap();
    stack.store().bucket().put_json_if_absent(&reject.key(), json).await.unwrap();
    let (function, digest) =
        keys::reject_of_key(&reject.key()).map(|(f, d)| (f.to_owned(), d.to_owned())).unwrap();
    let pk = keys::erased_reject_pk(&function, &digest);
    let stone = erased_reject::tombstone(&pk, erased_at);
    table.put(erased_reject::rewritten(stone, &pk, &reject.key(), erased_at)).await.unwrap();
    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| observed.setting(variable);
    let sweeper = Sweeper::new(&Environment::new(&look_up)).unwrap();
    let deadline = Deadline::after(Duration::from_secs(60));
    let summary = sweep_erased::handle(&sweeper, clock::now(), deadline).await.unwrap();
    assert_eq!((summary.looked_at, summary.items, summary.versions), (2, 1, 3));
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeping_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    check_calls(&template, &role(&template, sweep_erased::FUNCTION), &[], &calls_of_sweeping().await);
}

/// A program's token of the stack's issuer, for every permission.
async fn token(stack: &Stack) -> String {
    let form = format!("grant_type=client_credentials&client_id={MACHINE}&client_secret={MACHINE}");
    let (status, body) = ask(
        http::Request::post(format!("{}/token", stack.issuer().url()))
            .header("content-type", "application/x-www-form-urlencoded"),
        form,
    )
    .await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn ask(request: http::request::Builder, body: String) -> (u16, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

/// A stack with a call that has everything, what is large of it in the bucket; and the digest of its push.
async fn stack_with_a_call() -> (Stack, String) {
    leaks::watch();
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let call = json!({
        "callId": "call", "taskId": "task", "callee": "13900000000", "unknown": "x".repeat(100_000),
    });
    let recording = json!({"callId": "call", "recordFile": stack.provider().recording_url("call.wav")});
    for (function, element) in [("alicom-call-report", &call), ("alicom-call-record", &recording)] {
        let mut event = read_json(&format!("events/{function}.json"));
        event["body"] = json!([element]).to_string().into();
        assert_eq!(stack.functions().invoke(function, event).await.unwrap()["statusCode"], 200);
    }
    let report = stack.functions().invoke(archive_recordings::FUNCTION, json!({})).await.unwrap();
    assert_eq!(report["archived"], 1);
    let items = stack.store().table().query("call#alicom#call").await.unwrap();
    let sort_keys = items.iter().filter_map(|item| item["sk"].as_str());
    let push = sort_keys.filter_map(|sk| sk.strip_prefix("push#alicom-call-report#")).next().unwrap();
    let push = push.to_owned();
    (stack, push)
}

/// The calls of readers' requests, each of them, with what lies in the bucket, and those that the URLs come to which are answered.
async fn calls_of_reading() -> BTreeSet<Call> {
    let (stack, push) = stack_with_a_call().await;
    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| match variable {
        "OIDC_ISSUER" => Some(stack.issuer().url().to_owned()),
        store => observed.setting(store),
    };
    let reader = QueryCalls::new(&Environment::new(&look_up)).unwrap();
    let authorization = format!("Bearer {}", token(&stack).await);
    let today = clock::now().date();
    for (path, query, expected) in [
        ("/api/calls", &*format!("day={today}&zone=UTC"), 200),
        ("/api/calls", "provider=alicom&task=task", 200),
        ("/api/calls", "callee=13900000000", 200),
        ("/api/calls", "provider=alicom&task=task&download=true", 302),
        ("/api/calls/alicom/call", "", 200),
        ("/api/calls/alicom/call/vcon", "", 200),
        ("/api/calls/alicom/call/access", "", 200),
        ("/api/calls/alicom/call/recordings/main", "", 302),
        (&format!("/api/calls/alicom/call/pushes/alicom-call-report/{push}"), "", 200),
        ("/api/recordings", "state=pending", 200),
        ("/api/recordings", "state=failed", 200),
        ("/api/tasks", &format!("provider=alicom&day={today}&zone=UTC"), 200),
        ("/api/tasks/alicom/task", "", 200),
    ] {
        let event = json!({
            "rawPath": path, "rawQueryString": query, "headers": {"authorization": authorization},
            "requestContext": {"http": {"method": "GET"}, "domainName": "localhost"},
        });
        let event = serde_json::from_value(event).unwrap();
        let answer = query_calls::handle(&reader, event, Deadline::after(Duration::from_secs(29))).await;
        assert_eq!(answer.status_code, expected, "{path}?{query}: {}", answer.body);
        if let Some(place) = answer.headers.get("location") {
            assert_eq!(ask(http::Request::get(place), String::new()).await.0, 200, "{path}");
        }
    }
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_calls_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    let calls = calls_of_reading().await;
    check_calls(&template, &role(&template, query_calls::FUNCTION), &[], &calls);
}

/// The calls of publishing, of a change of each kind, and of one that can't be understood.
async fn calls_of_publishing() -> BTreeSet<Call> {
    leaks::watch();
    let stack = Stack::start(&Options { no_events: true, ..Options::in_memory() }).await.unwrap();
    let report = json!([{"callId": "call", "callee": "13900000000"}]).to_string();
    let mut event = read_json("events/alicom-call-report.json");
    event["body"] = report.into();
    assert_eq!(stack.functions().invoke("alicom-call-report", event).await.unwrap()["statusCode"], 200);
    let observed = Observed::stores_of(&stack).await;
    let bus = format!("http://{}", stack.bus().address());
    let look_up = |variable: &str| match variable {
        "EVENT_BUS_NAME" => Some("callvault".to_owned()),
        "EVENTBRIDGE_ENDPOINT" => Some(bus.clone()),
        store => observed.setting(store),
    };
    let publisher = Publisher::new(&Environment::new(&look_up)).unwrap();
    let mut batch = read_json("events/publish-changes.json");
    let records = batch["Records"].as_array_mut().unwrap();
    let mut beside = records[0].clone();
    beside["dynamodb"]["Keys"] = json!({"pk": {"S": "call#alicom#call"}, "sk": {"S": "recording#main"}});
    beside["dynamodb"]["NewImage"] = json!({"slot": {"S": "main"}, "state": {"S": "failed"},
        "call_at": {"S": "2025-06-01T02:00:00.000Z"}, "first_received_at": {"S": "2025-06-01T02:00:00.000Z"}});
    records.push(beside);
    let mut poison = records[0].clone();
    poison["dynamodb"]["NewImage"]["sources"] = json!({"N": "7"});
    records.push(poison);
    let answer = publish_changes::handle(
        &publisher,
        serde_json::from_value(batch).unwrap(),
        Deadline::after(Duration::from_secs(60)),
    )
    .await;
    assert_eq!(serde_json::to_value(answer).unwrap(), json!({"batchItemFailures": []}));
    assert!(!stack.bus().events().unwrap().is_empty());
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_changes_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    let role = role(&template, publish_changes::FUNCTION);
    check_calls(&template, &role, &[], &calls_of_publishing().await);
    let policy = &template.resource(&role)["Properties"]["Policies"][0]["PolicyDocument"];
    let statements = list(&policy["Statement"]);
    let marks = statements.iter().find(|statement| statement["Action"] == "dynamodb:UpdateItem").unwrap();
    let keys = json!({"dynamodb:LeadingKeys": keys::DIRTY});
    assert_eq!(marks["Condition"], json!({"ForAllValues:StringEquals": keys}));
}

/// The calls of the console's pages and forms.
async fn calls_of_console() -> BTreeSet<Call> {
    const KEY: &str = "a key of thirty-two characters or more";
    let (stack, push) = stack_with_a_call().await;
    // Something that was rejected.
    let mut event = read_json("events/alicom-call-report.json");
    event["body"] = r#"[{"no": "id"}]"#.into();
    stack.functions().invoke("alicom-call-report", event).await.unwrap();
    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| match variable {
        "OIDC_ISSUER" => Some(stack.issuer().url().to_owned()),
        "OIDC_CLIENT_ID" => Some("console".to_owned()),
        "SESSION_KEY" => Some(KEY.to_owned()),
        store => observed.setting(store),
    };
    let console = Console::new(&Environment::new(&look_up), Served::OnLoopback).unwrap();
    let session = json!({
        "iss": stack.issuer().url(), "client": "console", "sub": "somebody", "name": "somebody",
        "permissions": Permissions::all().to_string(), "ends_ms": clock::now().epoch_millis() + 600_000, "form": "00".repeat(16),
    });
    let cookie =
        format!("callvault={}", Sealer::new([KEY]).unwrap().seal("session", session.to_string().as_bytes()));
    let form = format!("form={}", "0".repeat(64));
    let today = clock::now().date();
    let ask_console = async |event: Value| {
        let event = serde_json::from_value(event).unwrap();
        console::handle(&console, event, Deadline::after(Duration::from_secs(29))).await
    };
    for (method, path, query, fields, expected) in [
        ("GET", "/", &*format!("day={today}&zone=UTC"), "", 200),
        ("GET", "/calls", &format!("day={today}&zone=UTC"), "", 200),
        ("GET", "/calls", "provider=alicom&task=task", "", 200),
        ("POST", "/calls", "", "&number=13900000000", 303),
        ("GET", "/calls.xlsx", "provider=alicom&task=task", "", 302),
        ("GET", "/calls/next", "task=task", "", 303),
        ("GET", "/calls/alicom/call", "", "", 200),
        ("POST", "/calls/alicom/call/reveal", "", "", 303),
        ("POST", "/calls/alicom/call/review", "", "&verdict=good", 303),
        ("GET", "/calls/alicom/call/recordings/main", "", "", 302),
        ("GET", &format!("/calls/alicom/call/pushes/alicom-call-report/{push}"), "", "", 200),
        ("GET", "/tasks", &format!("day={today}&zone=UTC"), "", 200),
        ("GET", "/tasks/alicom/task", "", "", 200),
        ("POST", "/tasks/alicom/task/name", "", "&name=x", 303),
        ("GET", "/operations", "", "", 200),
    ] {
        let event = json!({
            "rawPath": path, "rawQueryString": query, "cookies": [cookie],
            "requestContext": {"http": {"method": method}, "domainName": "127.0.0.1"},
            "body": (method == "POST").then(|| format!("{form}{fields}")),
        });
        let answer = ask_console(event).await;
        assert_eq!(answer.status_code, expected, "{path}?{query}: {}", answer.body);
        match answer.headers.get("location") {
            Some(place) if expected == 302 => {
                assert_eq!(ask(http::Request::get(place), String::new()).await.0, 200, "{path}");
            }
            // What a form hands on to the page that it leads to goes by a cookie.
            Some(place) if method == "POST" => {
                let (path, query) = place.split_once('?').unwrap_or((place, ""));
                let handed_on = answer.cookies.iter().filter_map(|cookie| cookie.split(';').next());
                let cookies: Vec<_> = handed_on.chain([cookie.as_str()]).collect();
                let event = json!({
                    "rawPath": path, "rawQueryString": query, "cookies": cookies,
                    "requestContext": {"http": {"method": "GET"}, "domainName": "127.0.0.1"},
                });
                let answer = ask_console(event).await;
                assert_eq!(answer.status_code, 200, "{place}: {}", answer.body);
            }
            _ => {}
        }
    }
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    let calls = calls_of_console().await;
    check_calls(&template, &role(&template, console::FUNCTION), &[], &calls);
}

#[test]
fn nobody_else_may_delete() {
    let template = Template::read();
    for name in template.functions().keys().filter(|name| *name != sweep_erased::FUNCTION) {
        let granted = grants(&template, &role(&template, name));
        let deletes = granted.iter().filter(|(_, action, _)| action.contains(":Delete"));
        let deletes: Vec<_> =
            deletes.map(|(_, action, resource)| (action.as_str(), resource.as_str())).collect();
        // Marks of hours alone, by the condition below, and files that are made of the table.
        let of_exporter = [("dynamodb:DeleteItem", "Table"), ("s3:DeleteObject", "AnalyticsBucket/*")];
        let expected = if name == export_calls::FUNCTION { &of_exporter[..] } else { &[] };
        assert_eq!(deletes, expected, "{name}");
    }
}

/// Whoever writes analytics' files changes nothing of what is stored of calls.
#[test]
fn the_exporter_writes_its_own_notes_and_marks_alone() {
    let template = Template::read();
    let policy = &template.resource("ExportCallsRole")["Properties"]["Policies"][0]["PolicyDocument"];
    let statements = list(&policy["Statement"]);
    let writing: Vec<_> = statements
        .iter()
        .filter(|statement| list(&statement["Action"]).contains(&json!("dynamodb:PutItem")))
        .collect();
    let [writes] = &writing[..] else { panic!("{writing:?}") };
    let own = json!({"dynamodb:LeadingKeys": [keys::DIRTY, keys::EXPORT_RUNS]});
    assert_eq!(writes["Condition"], json!({"ForAllValues:StringEquals": own}));
    for statement in statements.iter().filter(|statement| *statement != *writes) {
        for action in list(&statement["Action"]).iter().filter_map(Value::as_str) {
            let reads = !action.starts_with("dynamodb:")
                || ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"].contains(&action);
            assert!(reads, "{action}");
        }
    }
}

/// What writing analytics' files calls: of an hour with calls, a large conversation and a recording, of one that has none any more, the
/// comparison that marks another, and clearing away an upload that broke off.
async fn calls_of_exporting() -> BTreeSet<Call> {
    leaks::watch();
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let turns: Vec<_> =
        (0..3_000).map(|turn| json!({"role": "user", "content": format!("{turn} and on")})).collect();
    let at = "2025-06-01 10:00:00";
    for (function, element) in [
        ("alicom-call-report", json!({"callId": "1", "taskId": "t", "originateTime": at})),
        ("alicom-call-note", json!({"callId": "1", "conversationRecord": Value::from(turns).to_string()})),
        ("alicom-call-record", json!({"callId": "1", "recordFile": "http://elsewhere.test/1.wav"})),
        ("alicom-call-report", json!({"callId": "2", "taskId": "t"})),
    ] {
        let mut event = read_json(&format!("events/{function}.json"));
        event["body"] = json!([element]).to_string().into();
        assert_eq!(stack.functions().invoke(function, event).await.unwrap()["statusCode"], 200);
    }
    let observed = Observed::stores_of(&stack).await;
    let look_up = |variable: &str| observed.setting(variable);
    let exporter = Exporter::new(&Environment::new(&look_up)).unwrap();
    let store = stack.store();
    let bucket = &store.analytics().unwrap().0;
    let upload = bucket.client.create_multipart_upload().bucket(&bucket.name).key("turns/left-over");
    upload.send().await.unwrap();
    // The stack's own publisher marks the hours of both.
    while store.dirty_hours().await.unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let began = clock::now().plus_seconds(3_600);
    let mark = async |later: i64| {
        let hour = "2025-06-01T02".parse().unwrap();
        store.mark_hour(hour, began.plus_seconds(later)).await.unwrap();
    };
    let run = async |later: i64| {
        let deadline = Deadline::after(Duration::from_secs(60));
        export_calls::handle(&exporter, began.plus_seconds(later), deadline).await.unwrap()
    };
    let first = run(0).await;
    assert_eq!((first.hours, first.put, first.failed), (2, 6, 0));
    store.table().delete("call#alicom#1", "call").await.unwrap();
    // Marked anew a moment ago: the mark stays, and is brought up to date.
    mark(300).await;
    mark(550).await;
    let second = run(600).await;
    assert_eq!((second.removed, second.failed), (4, 0));
    stack.stop().await.unwrap();
    observed.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_may_do_what_it_does_and_nothing_else() {
    let template = Template::read();
    let calls = calls_of_exporting().await;
    check_calls(&template, &role(&template, export_calls::FUNCTION), &[], &calls);
}

/// Whoever reads writes nothing but who looked; by the console, also what people think of calls.
#[test]
fn readers_put_items_of_their_own_alone() {
    let template = Template::read();
    for (role, expected) in [
        ("QueryCallsRole", json!(format!("{}*", keys::ACCESS_PREFIX))),
        ("ConsoleRole", json!([format!("{}*", keys::ACCESS_PREFIX), "review#*"])),
    ] {
        let policy = &template.resource(role)["Properties"]["Policies"][0]["PolicyDocument"];
        let reads = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"];
        let writes = |statement: &Value| {
            let actions = list(&statement["Action"]);
            let mut actions =
                actions.iter().filter_map(Value::as_str).filter(|action| action.starts_with("dynamodb:"));
            actions.any(|action| !reads.contains(&action))
        };
        let writing: Vec<_> = list(&policy["Statement"]).into_iter().filter(writes).collect();
        let [put] = &writing[..] else { panic!("{role}: {writing:?}") };
        assert_eq!(put["Action"], "dynamodb:PutItem", "{role}");
        let keys = json!({"dynamodb:LeadingKeys": expected});
        assert_eq!(put["Condition"], json!({"ForAllValues:StringLike": keys}), "{role}");
    }
}

/// What is granted beside the stores: nothing of it shows on the local stack, so it is told here with its reason.
#[test]
fn beside_the_stores_only_logs_keys_and_reports_of_failure_are_let() {
    let template = Template::read();
    for (name, function) in template.functions() {
        let mut expected =
            vec![(None, "logs:CreateLogStream", "FunctionLogs"), (None, "logs:PutLogEvents", "FunctionLogs")];
        let role = role(&template, &name);
        if grants(&template, &role).iter().any(|(_, action, _)| action == "s3:PutObject") {
            // Objects are encrypted with the key that was chosen.
            expected.push((Some("HasKmsKey"), "kms:GenerateDataKey", "KmsKeyArn"));
        }
        if function.definition["Properties"]["EventInvokeConfig"].is_object() {
            // Lambda reports failures in the function's name.
            expected.push((None, "sqs:SendMessage", "DeadLetters"));
        }
        if template.environment(&name).contains_key("EVENT_BUS_NAME") {
            // Events go to the bus, and what Lambda gives up of the stream to the dead letters.
            expected.push((None, "events:PutEvents", "EventBus"));
            expected.push((None, "sqs:SendMessage", "DeadLetters"));
        }
        if template.environment(&name).contains_key("PROVIDER_SECRET_ARN") {
            // The keys to the platforms' APIs come from the secret.
            expected.push((Some("HasProviderSecret"), "secretsmanager:GetSecretValue", "ProviderSecretArn"));
        }
        if template.environment(&name).contains_key("CALLEE_ID_SECRET_ARN") {
            // The key by which callees get ids is in another.
            expected.push((Some("HasCalleeIdSecret"), "secretsmanager:GetSecretValue", "CalleeIdSecretArn"));
        }
        if template.environment(&name).contains_key("SESSION_SECRET_ARN") {
            // The key of the console's sessions, which the stack makes unless another is named. Of the other readers nobody has it but for
            // cursors, where nothing else seals these.
            let conditions = match name == console::FUNCTION {
                true => ["HasSessionSecret", "MakesSessionSecret"],
                false => ["SealsBySessionSecret", "SealsByMadeSecret"],
            };
            for (condition, resource) in conditions.into_iter().zip(["SessionSecretArn", "SessionSecret"]) {
                expected.push((Some(condition), "secretsmanager:GetSecretValue", resource));
            }
        }
        if template.environment(&name).contains_key("OIDC_CLIENT_SECRET_ARN") {
            // The secret of the client that people sign in by.
            expected.push((Some("HasClientSecret"), "secretsmanager:GetSecretValue", "OidcClientSecretArn"));
        }
        if template.environment(&name).contains_key("DEAD_LETTERS_URL") {
            // How many messages lie there, and not what they say.
            expected.push((None, "sqs:GetQueueAttributes", "DeadLetters"));
            expected.push((None, "sqs:GetQueueAttributes", "EventDeadLetters"));
        }
        let mut granted: BTreeSet<_> = grants(&template, &role)
            .into_iter()
            .filter(|(_, action, _)| !action.starts_with("dynamodb:") && !action.starts_with("s3:"))
            .collect();
        // Reading an object, and completing one uploaded in parts, decrypts it.
        let reads = grants(&template, &role).iter().any(|(_, action, _)| action.starts_with("s3:GetObject"));
        if reads {
            expected.push((Some("HasKmsKey"), "kms:Decrypt", "KmsKeyArn"));
        }
        for (condition, action, resource) in expected {
            let grant = (condition.map(str::to_owned), action.to_owned(), resource.to_owned());
            assert!(granted.remove(&grant), "{role} lacks {grant:?}");
        }
        assert!(granted.is_empty(), "{role}: {granted:?}");
    }
}
