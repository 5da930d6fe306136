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

async fn ask(client: &Alibaba) -> Result<Box<RawValue>, ApiError> {
    client.query_conversation_detail_info(&ids(), soon()).await
}

const FIRST_PAGE: Page = Page { number: 1, size: 100 };

/// The calls of a task that were made within a second.
fn calls(status: DetailStatus) -> DetailPageQuery {
    let time = |millis: i64| model::Instant::from_epoch_millis(millis).unwrap();
    let (from, until) = (time(1_754_617_273_000), time(1_754_617_274_000));
    DetailPageQuery { task_id: "138".to_owned(), status, from, until }
}

#[tokio::test]
async fn a_conversation_is_given_as_it_came() {
    let server = in_turn(vec![answer(200, SAMPLE)]).await;
    let data = ask(&client(&server)).await.unwrap();
    let at = SAMPLE.find(data.get()).expect("the text itself");
    assert!(
        SAMPLE[..at].ends_with("\"Data\": ") && SAMPLE[at + data.get().len()..].starts_with(",\n  \"Code\"")
    );
}

#[test]
fn names_in_lower_case_and_other_types_are_read() {
    let body = r#"{"code":"ok","success":"TRUE","requestId":7,"data":{"CallId":12345678901234567890123}}"#;
    let (data, answer) = read_answer(200, &Bytes::from(body)).unwrap();
    let detail = object(&data.unwrap(), &answer).unwrap();
    assert_eq!(answer.request_id.as_deref(), Some("7"));
    assert_eq!(detail.text("CallId").as_deref(), Some("12345678901234567890123"));
}

#[tokio::test]
async fn pages_are_read_down_to_each_call_and_task() {
    let tasks = r#"{"Code":"OK","Success":true,"Data":{"PageNo":2,"PageSize":"50","Total":51,"List":[
        {"TaskId":138,"TaskName":"n","Status":2,"TotalCallCount":"7","SucceedCount":5,"FailedCount":null}]}}"#;
    let listed = r#"{"Code":"OK","Data":{"PageNo":1,"Total":"1","List":[{"CallId":"c^1","DetailId":9662,"BatchId":"B202",
        "CallingTime":1754617273000,"Status":"4"}]}}"#;
    let server =
        in_turn(vec![answer(200, tasks), answer(200, listed), answer(200, r#"{"Code":"OK","Data":null}"#)])
            .await;
    let client = client(&server);
    let text = |text: &str| Some(text.to_owned());

    let page = client.query_ai_call_task_page(FIRST_PAGE, soon()).await.unwrap();
    let task =
        Task { task_id: text("138"), total_call_count: Some(7), succeed_count: Some(5), failed_count: None };
    assert_eq!(page, TaskPage { list: vec![task], total: Some(51) });

    let query = calls(DetailStatus::Completed);
    let page = client.query_ai_call_detail_page(&query, FIRST_PAGE, soon()).await.unwrap();
    let call = CallDetail {
        task_id: None,
        batch_id: text("B202"),
        detail_id: text("9662"),
        call_id: text("c^1"),
        calling_time: Some(1_754_617_273_000),
    };
    assert_eq!(page, DetailPage { list: vec![call], total: Some(1) });

    let page = client.query_ai_call_detail_page(&query, FIRST_PAGE, soon()).await.unwrap();
    assert_eq!(page, DetailPage::default());
}

#[tokio::test]
async fn a_call_is_a_signed_post_with_its_parameters_in_the_query() {
    let server = in_turn(vec![answer(200, EMPTY_PAGE)]).await;
    let client = client(&server);
    client.query_ai_call_task_page(Page { number: 2, size: 50 }, soon()).await.unwrap();
    client.query_ai_call_detail_page(&calls(DetailStatus::Failed), FIRST_PAGE, soon()).await.unwrap();
    client.query_ai_call_detail_page(&calls(DetailStatus::Completed), FIRST_PAGE, soon()).await.unwrap();
    let odd = DetailIds { task_id: "1 2*".to_owned(), ..ids() };
    client.query_conversation_detail_info(&odd, soon()).await.unwrap();

    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "POST /?PageNo=2&PageSize=50 HTTP/1.1",
            "POST /?EndCallingTime=1754617274000&PageNo=1&PageSize=100&StartCallingTime=1754617273000&Status=2&TaskId=138 HTTP/1.1",
            "POST /?EndCallingTime=1754617274000&PageNo=1&PageSize=100&StartCallingTime=1754617273000&Status=1&TaskId=138 HTTP/1.1",
            "POST /?BatchId=B202&DetailId=9662&TaskId=1%202%2A HTTP/1.1",
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
        parameters: &[
            ("TaskId", "138".to_owned()),
            ("Status", "1".to_owned()),
            ("StartCallingTime", "1754617273000".to_owned()),
            ("EndCallingTime", "1754617274000".to_owned()),
            ("PageNo", "1".to_owned()),
            ("PageSize", "100".to_owned()),
        ],
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
    ] {
        let server = in_turn(vec![answer(200, body)]).await;
        assert_eq!(ask(&client(&server)).await.unwrap_err().kind(), kind, "{body}");
    }
    let server = in_turn(vec![answer(200, r#"{"Code":"OK","Success":true,"Data":"x"}"#)]).await;
    let client = client(&server);
    let page = client.query_ai_call_task_page(FIRST_PAGE, soon()).await;
    assert_eq!(page.unwrap_err().kind(), ApiErrorKind::Unexpected, "a page that is no object");
    let fresh = client.fresh_recording_url(&ids(), "1", soon()).await;
    assert!(matches!(fresh, Err(RenewalError::OtherCall)), "nor is it a call");
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
        let ids = ids();
        let asked = client.query_conversation_detail_info(&ids, deadline);
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
    assert!(matches!(ask(&slow).await.unwrap_err(), ApiError::TimedOut));
    let error = ask(&slow).await.unwrap_err();
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
        let ids = DetailIds { task_id: "138-private".to_owned(), ..ids() };
        let error = client.query_conversation_detail_info(&ids, soon()).await.unwrap_err();
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
