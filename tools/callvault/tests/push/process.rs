//! `callvault` as a process: what survives its end, how it ends, what it logs, and its commands. And what only the embedded stores have.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use local_stack::{Options, Stack};
use serde_json::{Value, json};

use crate::support::{self, SAMPLE, SAMPLE_ID, Served, TOKEN, post, post_with};

async fn stored(served: &Served) -> i32 {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys("any", "any", None))
        .http_client(runtime::aws::http_client())
        .endpoint_url(&served.dynamodb)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    let scan = client.scan().table_name("callvault").send().await.unwrap();
    // The marks of hours that changed are nobody's push.
    let is_mark = |item: &&std::collections::HashMap<_, aws_sdk_dynamodb::types::AttributeValue>| {
        item["pk"].as_s().is_ok_and(|pk| pk == shared::record::keys::DIRTY)
    };
    scan.count() - i32::try_from(scan.items().iter().filter(is_mark).count()).unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--data", folder.path().to_str().unwrap()];
    let mut expected = 0;
    for signal in ["-TERM", "-KILL", "-KILL", "-INT"] {
        let served = Served::start(&options);
        assert_eq!(stored(&served).await, expected, "all of it is still there");
        let call = json!([{"callId": format!("before {signal} {expected}")}]);
        let answer =
            post(&format!("{}/push/alicom-call-report/canary-token", served.url), call.to_string()).await;
        assert_eq!(answer.0, 200);
        expected += 2;
        let (status, _) = served.end(signal);
        assert_eq!(status, (signal != "-KILL").then_some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_log_holds_no_number_no_token_and_no_body() {
    let token = "canary-token-5f1c";
    let served = Served::start(&["--memory", "--token", token]);
    let url = format!("{}/push/alicom-call-report/{token}", served.url);
    let canary = json!([
        {"callId": "canary-id", "callee": "13912345678", "caller": "057100012345", "statusMsg": "canary-text",
         "smartStatusCode": "canary-code", "new": "canary-field"},
        {"callee": "13912345678", "canary-name": 1},
        "canary-element",
    ]);
    assert_eq!(post(&url, canary.to_string()).await.0, 200);
    assert_eq!(post(&url, "canary-body").await.0, 400);
    assert_eq!(post_with(&url, "canary-body", &[("content-encoding", "canary-encoding")]).await.0, 415);
    assert_eq!(post(&format!("{}/push/alicom-call-report/canary-guess", served.url), "[]").await.0, 401);
    let (_, log) = served.end("-TERM");
    let lines = log.lines().map(|line| serde_json::from_str(line).expect("every line is JSON"));
    let (metrics, lines): (Vec<Value>, Vec<Value>) = lines.partition(|line: &Value| line["_aws"].is_object());
    assert!(!metrics.is_empty(), "they are among what is looked at");
    assert_eq!(lines.iter().filter(|line| line["message"] == "push").count(), 4, "{log}");
    for canary in ["canary", "13912345678", "057100012345"] {
        assert!(!log.contains(canary), "{canary} in {log}");
    }
    assert_eq!(lines[0]["function"], "alicom-call-report");
    assert_eq!(lines[0]["unknown_values"], r#"{"smartStatusCode":1}"#, "the field, not its value");
    assert_eq!(lines[0]["rejections"], r#"{"no_call_id":1,"not_an_object":1}"#);
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_callvault")).args(["--memory", "--port", &port]).output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.starts_with(&format!("callvault: port {port} is taken")), "{complaint}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_wrong_setting_is_one_clear_line_that_names_it() {
    for (variable, value) in [
        ("MAX_BODY_BYTES", "4 MB"),
        ("MAX_RECORDING_BYTES", "99999999999999"),
        ("PUSH_TOKEN_SHA256", "my-secret"),
        (
            "PUSH_TOKEN_SHA256_NO_SUCH_FUNCTION",
            "25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6",
        ),
        ("RECORDING_HOSTS", "x.example,,y.example"),
        ("BUCKET_NAME", "a..b"),
        ("BUCKET_NAME", "192.168.0.1"),
        ("TABLE_NAME", "x"),
        ("PROVIDER_SECRET_ARN", "arn:aws:s3:::x"),
    ] {
        // One that is accepted would be served with.
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_callvault"), "--memory", "--no-schedule", "--port", "0"])
            .args([
                "--dynamodb-port",
                "0",
                "--s3-port",
                "0",
                "--provider-port",
                "0",
                "--bus-port",
                "0",
                "--issuer-port",
                "0",
            ])
            .env(variable, value)
            .output()
            .unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.starts_with(&format!("callvault: {variable} ")), "{variable}={value}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{variable}={value}: {complaint}");
        assert!(!complaint.contains("my-secret"), "{complaint}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn half_a_key_pair_is_refused_by_the_name_of_what_is_missing() {
    for (half, missing) in [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ("ALIBABA_ACCESS_KEY_ID", "ALIBABA_ACCESS_KEY_SECRET"),
        ("LAAFFIC_API_SECRET", "LAAFFIC_API_KEY"),
    ] {
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_callvault"), "--memory", "--no-schedule", "--port", "0"])
            .args(["--dynamodb-port", "0", "--s3-port", "0", "--provider-port", "0", "--bus-port", "0"])
            .env_remove(missing)
            .env(half, "canary")
            .output()
            .unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(complaint, format!("callvault: {missing} is not set\n"), "{half}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// What it says until it is ready: the lines up to the one that can be pasted.
fn introduction(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_callvault"))
        .args(["--memory", "--no-schedule", "--port", "0", "--dynamodb-port", "0", "--s3-port", "0"])
        .args(["--provider-port", "0", "--bus-port", "0"])
        .args(arguments)
        .env_remove("PUSH_TOKEN_SHA256")
        .env_remove("DYNAMODB_ENDPOINT")
        .env_remove("S3_ENDPOINT")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let is_last = line.starts_with("  curl ");
        lines.push(line);
        if is_last {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines
}

#[test]
fn what_it_says_at_its_start_can_be_pasted_tells_no_token_and_names_what_does_not_count() {
    let said = introduction(&[], &[]);
    let [.., when, curl] = &said[..] else { panic!("{said:?}") };
    assert!(when == "Try:" && curl.contains("/push/alicom-call-report/local\" --data-binary"), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("  note")), "{said:?}");

    let stores = [("DYNAMODB_ENDPOINT", "http://user:canary@h"), ("S3_ENDPOINT", "http://h")];
    let said = introduction(&["--token", TOKEN], &stores);
    let [.., when, curl] = &said[..] else { panic!("{said:?}") };
    assert!(when.contains("`export TOKEN=`") && curl.contains("/$TOKEN\" --data-binary"), "{said:?}");
    for variable in ["DYNAMODB_ENDPOINT", "S3_ENDPOINT"] {
        let note = format!("  note      {variable} is set, and not used");
        assert_eq!(said.iter().filter(|line| line.starts_with(&note)).count(), 1, "{said:?}");
    }
    assert!(!said.iter().any(|line| line.contains("canary")), "{said:?}");
}

#[test]
fn the_demo_shows_the_call_of_the_documents_sample() {
    let output = Command::new(env!("CARGO_BIN_EXE_callvault")).arg("demo").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    for (name, value) in [
        ("call_id", SAMPLE_ID),
        ("answered_at", "2025-06-01T02:00:00.000Z"),
        ("duration_s", "330"),
        ("outcome", "answered"),
        ("hangup_by", "callee"),
    ] {
        let line =
            shown.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in {shown}"));
        assert!(line.contains(value), "{line}");
    }
}

#[test]
fn a_token_is_minted_with_the_digest_to_configure() {
    let output = Command::new(env!("CARGO_BIN_EXE_callvault")).arg("token").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let value = |name: &str| {
        shown.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned()).unwrap()
    };
    assert_eq!(catalog::token::digest(&value("token")), value("PUSH_TOKEN_SHA256"));
}

#[tokio::test]
async fn lambdas_invoke_operation_runs_a_function_with_its_event() {
    let served = Served::start(&["--memory"]);
    let invoke = |function: &str| format!("{}/2015-03-31/functions/{function}/invocations", served.url);
    let mut event: Value =
        serde_json::from_str(include_str!("../../../../events/alicom-call-report.json")).unwrap();
    event["pathParameters"]["token"] = TOKEN.into();
    assert_eq!(event["body"], SAMPLE, "the event's body is the document's own sample");
    for name in [
        "alicom-call-report",
        "arn:aws:lambda:eu-central-1:1:function:alicom-call-report",
        "alicom-call-report:live",
    ] {
        let (status, payload) = post(&invoke(name), event.to_string()).await;
        assert_eq!((status, &payload["statusCode"]), (200, &json!(200)), "{name}");
        assert_eq!(payload["body"], r#"{"code":0,"msg":"stored 1"}"#);
    }
    assert_eq!(stored(&served).await, 2);
    assert_eq!(post(&invoke("nothing"), "{}").await.0, 404);
    assert_eq!(post(&invoke("alicom-call-report"), "{").await.0, 400);
    let (status, payload) =
        post(&invoke("alicom-call-report"), r#"{"not": "an event of API Gateway"}"#).await;
    assert_eq!((status, &payload["errorType"]), (200, &json!("Runtime.UnmarshalError")));
}

#[test]
fn what_would_open_or_reach_nothing_is_refused_at_once() {
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let began = std::time::Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_callvault"))
            .args(arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    assert!(
        run(&["simulate", "--calls", "1", "--to", &closed], &[])
            .starts_with("callvault: --to can't be reached")
    );
    assert!(run(&["--memory", "--token", ""], &[]).contains("a token has one character at least"));
    assert!(run(&["--memory", "--read-timeout", "0"], &[]).contains("0 is not in 1.."));
    assert!(
        run(&["--memory", "--function-token", "reports=x"], &[]).contains("there is no function reports")
    );
    let wrong = run(&["replay"], &[("TABLE_NAME", "x"), ("BUCKET_NAME", "callvault")]);
    assert!(wrong.contains("TABLE_NAME is not a table's name"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_is_deleted_is_not_answered_200() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let options = Options { memory: false, data: data.clone(), ..support::options() };
    let stack = Stack::start(&options).await.unwrap();
    let url = format!("{}{}", stack.url(), support::REPORTS);
    assert_eq!(post(&url, r#"[{"callId":"1"}]"#).await.0, 200);
    std::fs::remove_dir_all(&data).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(post(&url, r#"[{"callId":"2"}]"#).await.0, 503);
    assert!(stack.stop().await.unwrap_err().to_string().contains("data is gone"));
}
