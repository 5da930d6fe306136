//! The secret with the keys, and what is told of errors.

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

use crate::service::Service;
use crate::support::{HOUR_S, Rig, SECRET, alicom, call, source, within_limit};
use testkit::log::listen;

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
