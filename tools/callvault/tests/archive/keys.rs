//! The secret with the keys, and what is told of errors.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archive_recordings::handle;
use fetch_conversations::Conversations;
use jiff::{SignedDuration, Timestamp};
use platforms::Recording as Served;
use runtime::config::Environment;
use runtime::credentials::ProviderCredentials;
use runtime::deadline::Deadline;
use runtime::outbound::acs3::AccessKey;
use serde_json::json;
use shared::model::{Provider, RecordingSource, RecordingState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{HOUR_S, Rig, SECRET, alicom, call, source, within_limit};

/// An AWS service that gives one answer, whatever it is asked.
struct Service {
    endpoint: String,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((500, String::new())));
        let answers = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (status, body) = answers.lock().unwrap().clone();
                tokio::spawn(async move {
                    let mut request = vec![0; 64 * 1024];
                    let _ = connection.read(&mut request).await;
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
                    let _ = connection.shutdown().await;
                });
            }
        });
        Self { endpoint, answer }
    }

    fn answers(&self, status: u16, body: impl ToString) {
        *self.answer.lock().unwrap() = (status, body.to_string());
    }

    /// Refuses, as AWS words it.
    fn refuses(&self, code: &str) {
        let role = "arn:aws:sts::123456789012:assumed-role/canary-role/canary-function";
        let message = format!("User: {role} is not authorized to perform this on canary-resource");
        self.answers(400, json!({"__type": code, "Message": message, "message": message}));
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = runtime::telemetry::subscriber(move || writer.clone());
    (log, tracing::subscriber::set_default(subscriber))
}

#[test]
fn a_secret_that_cannot_be_read_stops_no_archiving_and_is_counted() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        rig.set(
            "PROVIDER_SECRET_ARN",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:canary-AbCdEf",
        );
        rig.set("AWS_ENDPOINT_URL_SECRETS_MANAGER", &service.endpoint);
        // One whose URL died, and which the provider would give a fresh one for.
        rig.provider.add_laaffic_recording("id-dead.wav".to_owned(), Served::new("dead.wav"));
        let dead = call(Provider::Laaffic, "dead.wav");
        let url = rig.provider.signed_url("dead.wav", Timestamp::now() - SignedDuration::from_hours(1));
        let source = RecordingSource {
            id: Some("id-dead.wav".to_owned()),
            ..source(Some(url), Some(rig.at(-HOUR_S)), rig.start)
        };
        rig.announce(vec![(dead.clone(), source)]).await;
        let archiver = rig.archiver().await;
        let (log, _listening) = listen();
        for (n, (code, body)) in [
            ("AccessDeniedException", None),
            ("ResourceNotFoundException", None),
            ("line 1, column", Some(json!({"SecretString": "canary-secret"}))),
            ("line 1, column", Some(json!({"SecretString": "{\"laaffic\": {\"api_key\": \"canary-key\"}}"}))),
            ("no text", Some(json!({}))),
        ]
        .into_iter()
        .enumerate()
        {
            match body {
                Some(body) => service.answers(200, body),
                None => service.refuses(code),
            }
            let name = format!("{n}.wav");
            rig.serve(vec![Served::new(name.as_str())]).await;
            let at = rig.at(HOUR_S * 12 * i64::try_from(n).unwrap());
            let report = handle(&archiver, at, Deadline::after(Duration::from_secs(60))).await.unwrap();
            assert_eq!((report.archived, report.retried, report.expired), (1, 1, 0), "{code}");
            rig.archived(&alicom(&name)).await;
            let recording = rig.recording(&dead).await;
            assert_eq!(recording.state, RecordingState::Pending, "it may be renewed yet");
            let logged = log.take();
            assert!(logged.contains("secret_unreadable") && logged.contains(code), "{code}: {logged}");
            assert!(logged.contains("\"SecretUnreadable\":1"), "{logged}");
            assert!(!logged.contains("canary"), "{logged}");
        }
        // The same process, once the secret can be read.
        let secret = json!({"laaffic": {"api_key": "canary-key", "api_secret": SECRET}});
        service.answers(200, json!({"SecretString": secret.to_string()}));
        let at = rig.at(HOUR_S * 72);
        let report = handle(&archiver, at, Deadline::after(Duration::from_secs(60))).await.unwrap();
        assert_eq!(report.archived, 1);
        assert!(!log.take().contains("ecretUnreadable"));
    });
}

#[test]
fn fetching_goes_without_keys_where_the_secret_cannot_be_read() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        rig.set(
            "PROVIDER_SECRET_ARN",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:canary-AbCdEf",
        );
        rig.set("AWS_ENDPOINT_URL_SECRETS_MANAGER", &service.endpoint);
        service.refuses("AccessDeniedException");
        let look_up = |variable: &str| rig.settings().get(variable).cloned();
        let environment = Environment::new(&look_up);
        let conversations = Conversations::new(&environment).unwrap();
        let (log, _listening) = listen();
        let credentials = conversations.credentials(&environment).await.unwrap();
        assert!(credentials.alibaba.is_none());
        let logged = log.take();
        assert!(
            logged.contains("AccessDeniedException") && logged.contains("\"SecretUnreadable\":1"),
            "{logged}"
        );
        assert!(!logged.contains("canary"), "{logged}");
    });
}

#[test]
fn what_a_scheduled_function_fails_by_is_told_by_its_code_alone() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let service = Service::start().await;
        service.refuses("AccessDeniedException");
        rig.set("DYNAMODB_ENDPOINT", &service.endpoint);
        let deadline = || Deadline::after(Duration::from_secs(60));
        let archived = handle(&rig.archiver().await, rig.start, deadline()).await.unwrap_err();

        let look_up = |variable: &str| rig.settings().get(variable).cloned();
        let conversations = Conversations::new(&Environment::new(&look_up)).unwrap();
        let alibaba = Some(AccessKey { id: "id".to_owned(), secret: SECRET.to_owned() });
        let credentials = ProviderCredentials { alibaba, laaffic: None };
        let fetched = fetch_conversations::handle(&conversations, &credentials, deadline(), rig.start);
        let fetched = fetched.await.unwrap_err();
        let sweeper = sweep_erased::Sweeper::new(&Environment::new(&look_up)).unwrap();
        let swept = sweep_erased::handle(&sweeper, rig.start, deadline()).await.unwrap_err();
        // Lambda's runtime logs both forms.
        for told in [
            format!("{archived}"),
            format!("{archived:?}"),
            format!("{fetched}"),
            format!("{fetched:?}"),
            format!("{swept}"),
            format!("{swept:?}"),
        ] {
            assert!(told.contains("AccessDeniedException"), "{told}");
            assert!(!told.contains("canary") && !told.contains("arn:") && told.len() < 200, "{told}");
        }
    });
}
