use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::api::ApiErrorKind;
use super::super::loopback::{Server, Step, send};
use super::super::rate::RequestRate;
use super::*;

/// The answer that the document shows, with a shorter conversation.
const SAMPLE: &str = r#"{
  "AccessDeniedDetail": "None", "Message": "成功", "RequestId": "F2051E18-FF3F-5C08-8D24-6F150D2AF757",
  "Data": {
    "CallerPhone": "0571*******", "CallResult": "ANSWERED", "StatusMsg": "呼叫结束(双呼)",
    "StartCallTime": 123123123123123, "MajorIntent": "D", "CallId": "1231231231213^11231231231",
    "FailedReason": "主动取消", "Duration": 16, "HangupDirection": "用户", "StatusCode": "200005",
    "CalledPhone": "186******",
    "Variables": [{"Required": false, "Value": "张三", "Id": "22", "Key": "name", "Source": "示例值", "Name": "姓名"}],
    "RecordingFileDownloadUrl": "https://********", "ReleaseTime": 98, "PickUpTime": 1754617273000,
    "OutId": "bb3bc32d-54b8-49c4-80d3-61583417d22e\n",
    "ConversationRecord": "[\n {\"content\": \"<客户打断>哎,你是谁?\", \"role\": \"user\"}]",
    "OutputTags": [{"OutputTagDescription": "评估", "OutputTagName": "客户意向度", "OutputTagValue": "[\"高\"]", "Id": "9ca2"}]
  },
  "Code": "OK", "Success": true
}"#;

const EMPTY_PAGE: &str =
    r#"{"Code":"OK","Success":true,"Data":{"List":[],"PageNo":1,"PageSize":10,"Total":0}}"#;

fn key() -> AccessKey {
    AccessKey { id: "AKID".to_owned(), secret: "a-secret".to_owned() }
}

fn answer(status: u16, body: &str) -> Vec<Step> {
    vec![send(format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n{body}", body.len()))]
}

fn client_with(server: &Server, change: impl FnOnce(&mut ApiSettings)) -> Alibaba {
    let base_url = format!("http://127.0.0.1:{}", server.port()).parse().unwrap();
    let mut settings = ApiSettings::new(base_url, RequestRate::per_second(1000.0).unwrap());
    settings.first_pause = Duration::from_millis(2);
    settings.longest_pause = Duration::from_millis(20);
    change(&mut settings);
    Alibaba::new(settings, key())
}

fn client(server: &Server) -> Alibaba {
    client_with(server, |_| {})
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A server that gives these answers in turn, and the last for ever.
async fn in_turn(answers: Vec<Vec<Step>>) -> Server {
    let turn = Arc::new(AtomicUsize::new(0));
    Server::start("127.0.0.1:0", move |_| {
        let turn = turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        answers[turn].clone()
    })
    .await
}

async fn ask(client: &Alibaba) -> Result<Conversation, ApiError> {
    client.query_conversation_detail_info("138", "B202", "9662", soon()).await
}

#[tokio::test]
async fn every_field_of_the_documents_sample_is_read() {
    let server = in_turn(vec![answer(200, SAMPLE)]).await;
    let conversation = ask(&client(&server)).await.unwrap();

    assert_eq!(conversation.request_id.as_deref(), Some("F2051E18-FF3F-5C08-8D24-6F150D2AF757"));
    let sent: Value = serde_json::from_str(SAMPLE).unwrap();
    let raw: Value = serde_json::from_str(conversation.data.get()).unwrap();
    assert_eq!(raw, sent["Data"]);

    let text = |text: &str| Some(text.to_owned());
    let expected = ConversationDetail {
        call_id: text("1231231231213^11231231231"),
        call_result: text("ANSWERED"),
        called_phone: text("186******"),
        caller_phone: text("0571*******"),
        conversation_record: text("[\n {\"content\": \"<客户打断>哎,你是谁?\", \"role\": \"user\"}]"),
        duration: Some(16),
        encryption_type: None,
        failed_reason: text("主动取消"),
        hangup_direction: text("用户"),
        major_intent: text("D"),
        out_id: text("bb3bc32d-54b8-49c4-80d3-61583417d22e\n"),
        output_tags: vec![OutputTag {
            id: text("9ca2"),
            output_tag_description: text("评估"),
            output_tag_name: text("客户意向度"),
            output_tag_value: text("[\"高\"]"),
            rest: Default::default(),
        }],
        pick_up_time: Some(1_754_617_273_000),
        recording_file_download_url: text("https://********"),
        release_time: Some(98),
        start_call_time: Some(123_123_123_123_123),
        status_code: text("200005"),
        status_msg: text("呼叫结束(双呼)"),
        variables: vec![Variable {
            id: text("22"),
            key: text("name"),
            name: text("姓名"),
            required: Some(false),
            source: text("示例值"),
            value: text("张三"),
            rest: Default::default(),
        }],
        rest: Default::default(),
    };
    assert!(conversation.detail == expected);
    assert!(!format!("{conversation:?}{expected:?}").contains("186"));
}

#[test]
fn other_types_and_unknown_fields_lose_nothing() {
    let body = r#"{"code":"ok","success":"TRUE","requestId":7,"data":{
        "CallId":12345678901234567890123,"Duration":"16","EncryptionType":0,"StatusCode":200005,"MajorIntent":null,
        "PickUpTime":"soon","Variables":[{"Required":"true","New":1.10}],"OutputTags":"[]","Brand":{"New":[1]}}}"#;
    let (data, answer) = read_answer(200, &Bytes::from(body)).unwrap();
    let detail = ConversationDetail::read(fields(&data.unwrap(), &answer).unwrap());
    assert_eq!(answer.request_id.as_deref(), Some("7"));
    assert_eq!(detail.call_id.as_deref(), Some("12345678901234567890123"));
    assert_eq!(detail.duration, Some(16));
    assert_eq!(detail.encryption_type.as_deref(), Some("0"));
    assert_eq!(detail.status_code.as_deref(), Some("200005"));
    assert_eq!((detail.major_intent, detail.pick_up_time), (None, None));
    assert_eq!(detail.variables[0].required, Some(true));
    assert_eq!(serde_json::to_string(&detail.variables[0].rest).unwrap(), r#"{"New":1.10}"#);
    let rest = serde_json::to_value(detail.rest).unwrap();
    assert_eq!(rest, serde_json::json!({"PickUpTime": "soon", "OutputTags": "[]", "Brand": {"New": [1]}}));
}

#[tokio::test]
async fn pages_are_read_down_to_each_call_and_task() {
    let tasks = r#"{"Code":"OK","Success":true,"Data":{"PageNo":2,"PageSize":"50","Total":51,"List":[
        {"TaskId":138,"TaskName":"n","Status":2,"CreateTime":1754617273000,"CompleteRate":"50%"}]}}"#;
    let calls = r#"{"Code":"OK","Data":{"PageNo":1,"Total":1,"List":[{"CallId":"c^1","DetailId":9662,"BatchId":"B202",
        "CallingTime":1754617273000,"Status":"4","RecordingFilePath":"https://a.example/r","CallExpireTime":"2025-08-20 10:00:00"}]}}"#;
    let server =
        in_turn(vec![answer(200, tasks), answer(200, calls), answer(200, r#"{"Code":"OK","Data":null}"#)])
            .await;
    let client = client(&server);

    let page = client.query_ai_call_task_page(&TaskPageQuery::default(), soon()).await.unwrap();
    assert_eq!((page.page_no, page.page_size, page.total), (Some(2), Some(50), Some(51)));
    assert_eq!(page.list[0].task_id.as_deref(), Some("138"));
    assert_eq!((page.list[0].status, page.list[0].create_time), (Some(2), Some(1_754_617_273_000)));

    let query = DetailPageQuery::new("138", DetailStatus::Completed);
    let page = client.query_ai_call_detail_page(&query, soon()).await.unwrap();
    assert_eq!(page.list[0].detail_id.as_deref(), Some("9662"));
    assert_eq!((page.list[0].status, page.list[0].calling_time), (Some(4), Some(1_754_617_273_000)));
    assert!(page.list[0].rest.is_empty());

    assert!(client.query_ai_call_detail_page(&query, soon()).await.unwrap() == DetailPage::default());
}

#[tokio::test]
async fn a_call_is_a_signed_post_with_its_parameters_in_the_query() {
    let server = in_turn(vec![answer(200, EMPTY_PAGE)]).await;
    let client = client(&server);
    let tasks = TaskPageQuery {
        page_no: Some(1),
        page_size: Some(100),
        task_id: Some("1 2".to_owned()),
        task_name: Some("n".to_owned()),
        agent_name: Some("a".to_owned()),
        application_code: Some("c".to_owned()),
        status: Some(TaskStatus::Running),
        source: Some(TaskSource::Engine),
    };
    client.query_ai_call_task_page(&tasks, soon()).await.unwrap();
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let calls = DetailPageQuery {
        page_no: Some(2),
        page_size: Some(50),
        batch_id: Some("B".to_owned()),
        detail_ids: vec![1, 2],
        out_id: Some("o".to_owned()),
        called_number: Some("1*".to_owned()),
        encryption_type: Some(0),
        call_result: Some("ANSWERED".to_owned()),
        major_intent: Some("D".to_owned()),
        start_calling_time: time("2025-08-08T01:41:13.001Z"),
        end_calling_time: time("2025-08-08T01:41:13.002Z"),
        start_imported_time: time("2025-08-08T01:41:13.003Z"),
        end_imported_time: time("2025-08-08T01:41:13.004Z"),
        min_conversation_duration: Some(3),
        max_conversation_duration: Some(4),
        ..DetailPageQuery::new("138", DetailStatus::Failed)
    };
    client.query_ai_call_detail_page(&calls, soon()).await.unwrap();
    client
        .query_ai_call_detail_page(&DetailPageQuery::new("138", DetailStatus::Completed), soon())
        .await
        .unwrap();

    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "POST /?AgentName=a&ApplicationCode=c&PageNo=1&PageSize=100&Source=1&Status=RUNNING&TaskId=1%202&TaskName=n HTTP/1.1",
            "POST /?BatchId=B&CallResult=ANSWERED&CalledNumber=1%2A&DetailIds=%5B1%2C2%5D&EncryptionType=0&\
         EndCallingTime=1754617273002&EndImportedTime=1754617273004&MajorIntent=D&MaxConversationDuration=4&\
         MinConversationDuration=3&OutId=o&PageNo=2&PageSize=50&StartCallingTime=1754617273001&\
         StartImportedTime=1754617273003&Status=2&TaskId=138 HTTP/1.1",
            "POST /?Status=1&TaskId=138 HTTP/1.1",
        ]
    );

    // The signature is checked as a server would: over what arrived.
    let header = |request: usize, name: &str| {
        let line = requests[request].lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} in {}", requests[request])).to_owned()
    };
    let host = format!("127.0.0.1:{}", server.port());
    assert_eq!(header(2, "host"), host);
    assert_eq!(requests[2].matches("\r\ncontent-length: 0\r\n").count(), 1, "{}", requests[2]);
    let arrived = RpcCall {
        host: &host,
        action: &header(2, "x-acs-action"),
        version: &header(2, "x-acs-version"),
        parameters: &[("TaskId", "138".to_owned()), ("Status", "1".to_owned())],
        date: header(2, "x-acs-date").parse().unwrap(),
        nonce: &header(2, "x-acs-signature-nonce"),
    };
    assert_eq!((arrived.action, arrived.version), ("QueryAiCallDetailPage", "2019-10-15"));
    for (name, value) in arrived.sign(&key()).headers {
        assert_eq!(header(2, name), value, "{name}");
    }
    assert_ne!(header(0, "x-acs-signature-nonce"), header(1, "x-acs-signature-nonce"));
    assert!(!requests.concat().contains("a-secret"));
}

#[test]
fn refusals_have_kinds_whatever_the_http_status() {
    use ApiErrorKind::*;
    for (status, code, kind) in [
        (400, "Throttling", Throttled),
        (400, "Throttling.User", Throttled),
        (503, "Throttling.Api", Throttled),
        (200, "isv.BUSINESS_LIMIT_CONTROL", Throttled),
        (400, "SignatureDoesNotMatch", Denied),
        (400, "IncompleteSignature", Denied),
        (400, "SignatureNonceUsed", Unavailable),
        (404, "InvalidAccessKeyId.NotFound", Denied),
        (400, "InvalidAccessKeyId.Inactive", Denied),
        (400, "InvalidTimeStamp.Expired", Denied),
        (403, "Forbidden.RAM", Denied),
        (403, "NoPermission", Denied),
        (200, "isp.RAM_PERMISSION_DENY", Denied),
        (200, "isv.OUT_OF_SERVICE", Denied),
        (404, "InvalidAction.NotFound", BadParameter),
        (404, "InvalidVersion", BadParameter),
        (400, "MissingTaskId", BadParameter),
        (400, "InvalidParameter", BadParameter),
        (200, "isv.INVALID_PARAMETERS", BadParameter),
        (404, "InvalidTaskId.NotFound", NotFound),
        (200, "TASK_NOT_EXIST", NotFound),
        (200, "isp.SYSTEM_ERROR", Unavailable),
        (200, "SystemError", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (200, "Brand.New", Unexpected),
        (429, "Brand.New", Throttled),
        (403, "Brand.New", Denied),
        (502, "Brand.New", Unavailable),
        (500, "OK", Unavailable),
    ] {
        for success in [r#","Success":false"#, ""] {
            let body = format!(r#"{{"Code":"{code}","Message":"m","RequestId":"r"{success},"Data":{{}}}}"#);
            let error = read_answer(status, &Bytes::from(body)).unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {code}");
            let answer = error.answer().unwrap();
            assert_eq!(
                (
                    answer.status,
                    answer.code.as_deref(),
                    answer.message.as_deref(),
                    answer.request_id.as_deref()
                ),
                (status, Some(code), Some("m"), Some("r"))
            );
        }
    }
}

#[test]
fn what_is_no_documented_answer_is_told_apart() {
    use ApiErrorKind::*;
    for (status, body, kind) in [
        (200, "", Unexpected),
        (200, "<html>", Unexpected),
        (200, "[]", Unexpected),
        (200, "{}", Unexpected),
        (200, r#"{"Success":false}"#, Unexpected),
        (200, r#"{"Code":"OK","Success":false}"#, Unexpected),
        (200, "{\"Code\":\"\u{0}\"}", Unexpected),
        (302, r#"{"Code":"OK"}"#, Unexpected),
        (502, "<html>", Unavailable),
        (503, "", Unavailable),
        (429, "", Throttled),
    ] {
        assert_eq!(read_answer(status, &Bytes::from(body)).unwrap_err().kind(), kind, "{status} {body}");
    }
    assert_eq!(read_answer(200, &Bytes::from_static(b"{\"Code\":\"\xff\"}")).unwrap_err().kind(), Unexpected);
}

#[tokio::test]
async fn an_ok_without_data_means_there_is_no_such_call() {
    for (body, kind) in [
        (r#"{"Code":"OK","Success":true}"#, ApiErrorKind::NotFound),
        (r#"{"Code":"OK","Success":true,"Data":null}"#, ApiErrorKind::NotFound),
        (r#"{"Code":"OK","Success":true,"Data":"x"}"#, ApiErrorKind::Unexpected),
    ] {
        let server = in_turn(vec![answer(200, body)]).await;
        assert_eq!(ask(&client(&server)).await.unwrap_err().kind(), kind, "{body}");
    }
}

#[tokio::test]
async fn what_can_pass_is_tried_again() {
    let throttled = || answer(400, r#"{"Code":"Throttling.User","RequestId":"r"}"#);
    let server = in_turn(vec![
        throttled(),
        answer(503, "down"),
        vec![Step::Close],
        vec![send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), Step::Close],
        answer(200, SAMPLE),
    ])
    .await;
    assert!(ask(&client(&server)).await.is_ok());
    let nonces: std::collections::HashSet<_> = server
        .requests()
        .iter()
        .map(|request| {
            let nonce = request.lines().find(|line| line.starts_with("x-acs-signature-nonce"));
            nonce.unwrap().to_owned()
        })
        .collect();
    assert_eq!(nonces.len(), 5, "every attempt has a nonce of its own");

    let server = in_turn(vec![throttled()]).await;
    let error = ask(&client_with(&server, |settings| settings.max_attempts = 3)).await.unwrap_err();
    assert_eq!(error.to_string(), "throttled (status 400, code Throttling.User, request r)");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn an_attempt_that_hangs_does_not_use_up_the_calls_time() {
    let server = in_turn(vec![vec![Step::Hang], answer(200, SAMPLE)]).await;
    let client = client_with(&server, |settings| settings.attempt_timeout = Duration::from_millis(150));
    assert!(ask(&client).await.is_ok());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_throttle_slows_the_client_down() {
    let server = in_turn(vec![answer(429, ""), answer(200, SAMPLE)]).await;
    let client = client_with(&server, |settings| settings.rate = RequestRate::per_second(5.0).unwrap());
    let start = Instant::now();
    ask(&client).await.unwrap();
    // Twice the usual fifth of a second.
    assert!(start.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn what_can_not_pass_is_not() {
    for (body, kind) in [
        (r#"{"Code":"SignatureDoesNotMatch"}"#, ApiErrorKind::Denied),
        (r#"{"Code":"MissingTaskId"}"#, ApiErrorKind::BadParameter),
        (r#"{"Code":"InvalidTaskId.NotFound"}"#, ApiErrorKind::NotFound),
        ("{}", ApiErrorKind::BadParameter),
    ] {
        let server = in_turn(vec![answer(400, body)]).await;
        assert_eq!(ask(&client(&server)).await.unwrap_err().kind(), kind);
        assert_eq!(server.requests().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn a_silent_provider_costs_no_more_than_the_deadline() {
    let server = in_turn(vec![vec![Step::Hang]]).await;
    let short = Duration::from_millis(150);
    let client = client_with(&server, |settings| settings.attempt_timeout = short);
    let bounded = async |deadline| {
        let asked = client.query_conversation_detail_info("1", "2", "3", deadline);
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("bounded").unwrap_err()
    };
    let error = bounded(Instant::now() + 2 * short).await;
    assert!(matches!(error, ApiError::TimedOut), "{error}");
    assert!(!server.requests().is_empty());

    let asked = server.requests().len();
    // The turn of this second call of a slow client comes too late.
    let slow = client_with(&server, |settings| {
        settings.rate = RequestRate::per_second(0.001).unwrap();
        settings.attempt_timeout = short;
        settings.max_attempts = 1;
    });
    let ask_slowly = || slow.query_conversation_detail_info("1", "2", "3", soon());
    assert!(matches!(ask_slowly().await.unwrap_err(), ApiError::TimedOut));
    let error = ask_slowly().await.unwrap_err();
    assert!(matches!(error, ApiError::NoTime), "{error}");
    assert_eq!(error.kind(), ApiErrorKind::Unavailable);
    assert_eq!(server.requests().len(), asked + 1);
}

#[tokio::test]
async fn no_error_shows_what_was_asked() {
    let closed = in_turn(vec![vec![Step::Close]]).await;
    let silent = in_turn(vec![vec![Step::Hang]]).await;
    let refusing =
        in_turn(vec![answer(400, r#"{"Code":"x","Message":"TaskId 138-private is wrong"}"#)]).await;
    for server in [&closed, &silent, &refusing] {
        let client = client_with(server, |settings| {
            settings.attempt_timeout = Duration::from_millis(100);
            settings.max_attempts = 1;
        });
        let error = client.query_conversation_detail_info("138-private", "B", "D", soon()).await.unwrap_err();
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            told += &format!("\n{error}\n{error:?}");
            cause = error.source();
        }
        assert!(!told.contains("private") && !told.contains("AKID"), "{told}");
    }
}

#[tokio::test]
async fn a_key_that_fits_into_no_header_is_told_once() {
    let server = in_turn(vec![answer(200, SAMPLE)]).await;
    let mut client = client(&server);
    client.key.id = "line\nbreak".to_owned();
    assert_eq!(ask(&client).await.unwrap_err().to_string(), "a setting does not fit into a request");
    assert_eq!(server.connections(), 0);
}

fn ids() -> DetailIds {
    DetailIds { task_id: "138".to_owned(), batch_id: "B202".to_owned(), detail_id: "9662".to_owned() }
}

#[tokio::test]
async fn a_fresh_url_is_the_calls_own_or_none() {
    let signed = SAMPLE.replace(
        "https://********",
        "https://a.example/r.wav?OSSAccessKeyId=k&Expires=1749000000&Signature=s",
    );
    let no_recording = SAMPLE.replace("https://********", "");
    let server = in_turn([&signed, &signed, &no_recording].map(|body| answer(200, body)).to_vec()).await;
    let client = client(&server);
    let ask = async |call_id: &str| client.fresh_recording_url(&ids(), call_id, soon()).await;

    let fresh = ask("1231231231213^11231231231").await.unwrap();
    assert!(fresh.url.ends_with("Signature=s"));
    assert_eq!(fresh.expires_at.unwrap().to_string(), "2025-06-04T01:20:00.000Z");
    assert!(!format!("{fresh:?}").contains("Signature"));
    assert!(matches!(ask("1231231231213^1").await, Err(RenewalError::OtherCall)));
    assert!(matches!(ask("1231231231213^11231231231").await, Err(RenewalError::NoRecording)));
}

#[test]
fn settings_have_defaults_and_a_wrong_one_is_named() {
    let read = |settings: &[(&str, &str)]| {
        let look_up = |name: &str| {
            settings.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        api_settings(&Environment::new(&look_up)).map_err(|error| error.to_string())
    };
    assert_eq!(read(&[]).unwrap().base_url.to_string(), "https://aiccs.aliyuncs.com/");
    assert_eq!(read(&[]).unwrap().rate, RequestRate::per_second(5.0).unwrap());
    assert_eq!(
        read(&[("ALIBABA_REQUESTS_PER_SECOND", "0.5")]).unwrap().rate,
        RequestRate::per_second(0.5).unwrap()
    );
    for (variable, value) in [("ALIBABA_ENDPOINT", "aiccs"), ("ALIBABA_REQUESTS_PER_SECOND", "0")] {
        let error = read(&[(variable, value)]).unwrap_err();
        assert!(error.starts_with(variable), "{error}");
    }
}
