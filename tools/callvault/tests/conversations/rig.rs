//! A stack, the platform, and the function between them.

use std::sync::Arc;
use std::time::Duration;

use archive_recordings::{Archiver, Report};
use fetch_conversations::{Conversations, Summary};
use jiff::{SignedDuration, Timestamp};
use local_stack::{Options, Stack};
use platforms::{Call, Credentials, Provider, Recording, Settings, Speaker, Tag, Turn};
use runtime::clock;
use runtime::config::Environment;
use runtime::credentials::ProviderCredentials;
use runtime::deadline::Deadline;
use runtime::ingress::receive::Receiver;
use runtime::outbound::acs3::AccessKey;
use runtime::outbound::fetch::SystemResolver;
use serde_json::{Value, json};
use shared::model::{CallId, CallKey, Instant};
use shared::record::item::Item;
use shared::record::keys;
use testkit::leaks;
use tokio::net::TcpListener;

/// Longer than the pause after which a call is asked for first, in seconds.
pub(crate) const SOON: i64 = 400;

/// The key to Alibaba's API.
const KEY: &str = "canary-key";
/// What signs requests to it.
pub(crate) const SECRET: &str = "canary-secret";

fn settings_of_the_platform() -> Settings {
    let alibaba = Credentials { id: KEY.to_owned(), secret: SECRET.to_owned() };
    Settings { alibaba, ..Settings::default() }
}

pub(crate) struct Rig {
    pub(crate) stack: Stack,
    pub(crate) provider: Provider,
    conversations: Arc<Conversations>,
    receiver: Receiver,
    start: Instant,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A rig with other settings than its usual ones.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        leaks::watch();
        let stack = Stack::start(&Options::in_memory()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = platforms::start(listener, settings_of_the_platform()).unwrap();
        let look_up = |variable: &str| {
            let set =
                settings.iter().find(|(name, _)| *name == variable).map(|(_, value)| (*value).to_owned());
            set.or_else(|| match variable {
                "PUSH_TOKEN_SHA256" => Some(catalog::token::digest("local")),
                "ALIBABA_ENDPOINT" => Some(provider.base_url().to_owned()),
                "METRICS_NAMESPACE" => Some("callvault".to_owned()),
                "ALIBABA_REQUESTS_PER_SECOND" => Some("1000".to_owned()),
                store => stack.variable(store),
            })
        };
        let environment = Environment::new(&look_up);
        let receiver = Receiver::new(&environment, &catalog::pushes()).unwrap();
        let conversations = Arc::new(Conversations::new(&environment).unwrap());
        Self { stack, provider, conversations, receiver, start: clock::now() }
    }

    /// Runs the function so many seconds after the rig was set up.
    pub(crate) async fn run(&self, seconds: i64) -> Summary {
        self.run_with(seconds, Some(SECRET), Duration::from_secs(120)).await
    }

    /// Runs it with this secret, or none, and so much time.
    pub(crate) async fn run_with(&self, seconds: i64, secret: Option<&str>, time: Duration) -> Summary {
        let credentials = ProviderCredentials {
            alibaba: secret.map(|secret| AccessKey { id: KEY.to_owned(), secret: secret.to_owned() }),
            laaffic: None,
        };
        let (conversations, now) = (Arc::clone(&self.conversations), self.start.plus_seconds(seconds));
        // A task of its own, as the local stack runs it.
        let run = tokio::spawn(async move {
            fetch_conversations::handle(&conversations, &credentials, Deadline::after(time), now)
                .await
                .unwrap()
        });
        let ended = tokio::time::timeout(Duration::from_secs(180), run).await;
        let summary = ended.expect("the run ends").unwrap();
        leaks::check(&serde_json::to_string(&summary).unwrap());
        summary
    }

    /// Runs it in the caller's task, which may drop it.
    pub(crate) async fn run_here(&self, seconds: i64, time: Duration) {
        let alibaba = Some(AccessKey { id: KEY.to_owned(), secret: SECRET.to_owned() });
        let credentials = ProviderCredentials { alibaba, laaffic: None };
        let (deadline, now) = (Deadline::after(time), self.start.plus_seconds(seconds));
        fetch_conversations::handle(&self.conversations, &credentials, deadline, now).await.unwrap();
    }

    /// Runs the archiver so many seconds after the rig was set up, with this secret of Alibaba's API.
    pub(crate) async fn archive(&self, seconds: i64, secret: &str) -> Report {
        let look_up = |variable: &str| match variable {
            "ALIBABA_ENDPOINT" => Some(self.provider.base_url().to_owned()),
            "ALIBABA_ACCESS_KEY_ID" => Some(KEY.to_owned()),
            "ALIBABA_ACCESS_KEY_SECRET" => Some(secret.to_owned()),
            "RECORDING_HOSTS" => Some(self.provider.address().to_string()),
            store => self.stack.variable(store),
        };
        let archiver = Archiver::new(&Environment::new(&look_up), SystemResolver).await.unwrap();
        let deadline = Deadline::after(Duration::from_secs(600));
        archive_recordings::handle(&archiver, self.start.plus_seconds(seconds), deadline).await.unwrap()
    }

    /// Pushes elements through a function.
    pub(crate) async fn push(&self, function: &str, elements: &[Value]) {
        let function =
            catalog::PUSH_FUNCTIONS.into_iter().find(|known| known.push.function == function).unwrap();
        for elements in elements.chunks(50) {
            let mut event: Value = serde_json::from_str(function.event).unwrap();
            event["body"] = json!(elements).to_string().into();
            let request = lambda_http::request::from_str(&event.to_string()).unwrap();
            assert_eq!(self.receiver.receive(&function.push, request).await.status().as_u16(), 200);
        }
    }

    /// All items of a call.
    pub(crate) async fn items(&self, call_id: &str) -> Vec<Item> {
        self.stack.store().table().query(&keys::call_pk(&key(call_id))).await.unwrap()
    }

    /// One item of a call.
    pub(crate) async fn item(&self, call_id: &str, sk: &str) -> Option<Item> {
        self.items(call_id).await.into_iter().find(|item| item["sk"] == sk)
    }

    /// The calls that will be asked for some day.
    pub(crate) async fn due(&self) -> Vec<String> {
        let mut due = Vec::new();
        for shard in keys::conversation_due_keys().chain(keys::settled_due_keys()) {
            let far = self.start.plus_seconds(365 * 86_400);
            due.extend(self.stack.store().table().due(&shard, far, 10_000).await.unwrap());
        }
        due.iter().map(|pk| pk.strip_prefix("call#alicom#").unwrap().to_owned()).collect()
    }

    /// How many requests the platform has seen: for one call, for a page of calls, for a page of tasks.
    pub(crate) fn requests(&self) -> [u64; 3] {
        ["QueryConversationDetailInfo", "QueryAiCallDetailPage", "QueryAiCallTaskPage"]
            .map(|operation| self.provider.api_requests(operation))
    }

    /// A call that was answered an hour ago, `number` seconds more or less, and that the platform knows all of.
    pub(crate) fn call(&self, task_id: &str, number: i64) -> Call {
        let hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
        let started_at = hour_ago + SignedDuration::from_secs(number % 600);
        let recording = format!("{task_id}-{number}.wav");
        self.provider.add_recording(Recording::new(recording.as_str()).bytes(4_000));
        let turn = |speaker, text: &str| Turn { speaker, text: text.to_owned() };
        Call {
            major_intent: Some("A".to_owned()),
            turns: vec![turn(Speaker::Agent, "您好"), turn(Speaker::Callee, "<客户打断>喂")],
            tags: vec![Tag {
                id: "1".to_owned(),
                name: "interest".to_owned(),
                description: "how much".to_owned(),
                value: r#"["high"]"#.to_owned(),
            }],
            recording: Some(recording),
            ..Call::answered(task_id, "B1", format!("{number}"), format!("{task_id}^{number}"), started_at)
        }
    }
}

pub(crate) fn key(call_id: &str) -> CallKey {
    CallKey { provider: shared::model::Provider::Alicom, call_id: CallId::new(call_id.to_owned()).unwrap() }
}

/// A time as Alibaba's pushes write it.
fn civil(at: Timestamp) -> String {
    jiff::tz::Offset::constant(8).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn ids(call: &Call) -> Value {
    let Call { task_id, batch_id, detail_id, call_id, .. } = call;
    json!({"callId": call_id, "taskId": task_id, "batchId": batch_id, "detailId": detail_id})
}

fn with(mut element: Value, fields: Value) -> Value {
    element.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    element
}

/// The call's report as the platform pushes it.
pub(crate) fn report(call: &Call) -> Value {
    let fields = json!({
        "originateTime": civil(call.started_at), "startTime": call.picked_up_at.map(civil), "endTime": call.released_at.map(civil),
        "duration": 16, "caller": call.caller, "callee": call.callee, "smartStatusCode": call.result, "hangupDirection": "User",
    });
    with(ids(call), fields)
}

/// The announcement of its recording.
pub(crate) fn record(provider: &Provider, call: &Call) -> Value {
    let url = provider.signed_url(
        call.recording.as_deref().unwrap(),
        Timestamp::now() + SignedDuration::from_hours(7 * 24 - 1),
    );
    with(ids(call), json!({"startTime": civil(call.started_at), "duration": 16, "recordFile": url}))
}

/// Its note.
pub(crate) fn note(call: &Call) -> Value {
    let turns: Vec<_> = call
        .turns
        .iter()
        .map(|turn| json!({"role": if turn.speaker == Speaker::Agent { "assistant" } else { "user" }, "content": turn.text}))
        .collect();
    with(ids(call), json!({"majorIntent": "A", "conversationRecord": json!(turns).to_string()}))
}
