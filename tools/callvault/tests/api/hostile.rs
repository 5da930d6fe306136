//! Hostile requests get clear answers.

use serde_json::{Value, json};

use crate::rig::{ALL, Rig};

/// Requests by their line and headers, beside those that a client sends.
fn requests() -> Vec<(String, &'static str)> {
    let get = |target: &str| (format!("GET {target}"), "");
    let mut requests: Vec<_> = [
        // Paths.
        "/api/",
        "/api/nothing",
        "/api/calls/",
        "/api/calls/alicom",
        "/api/calls/alicom/",
        "/api/calls/alicom/1/vcon/",
        "/api//calls",
        "/api/calls/nobody/1",
        "/api/calls/Alicom/1",
        "/api/calls/alicom/..%2F..%2Fetc",
        "/api/calls/alicom/%2e%2e",
        "/api/calls/alicom/a%00b",
        "/api/calls/alicom/~",
        "/api/calls/alicom/~0",
        "/api/calls/alicom/~zz",
        "/api/calls/alicom/~FF",
        "/api/calls/alicom/~20",
        "/api/calls/alicom/a.b",
        "/api/calls/alicom/%E6%BC%A2",
        "/api/calls/alicom/%ff",
        "/api/calls/alicom/1/recordings/~00",
        "/api/calls/alicom/1/pushes/x/y",
        "/api/calls/alicom/1/pushes/x",
        "/api/tasks/alicom/none",
        "/api/tasks/alicom",
        "/api/calls/alicom/1?x=1",
        "/api/calls/alicom/%3Fday=2025-06-01",
        // Queries.
        "/api/calls?days=2025-06-01",
        "/api/calls?day=2025-06-31",
        "/api/calls?day=2025-06-02..2025-06-01",
        "/api/calls?day=1970-01-01",
        "/api/calls?day=2025-06-01&day=2025-06-02",
        "/api/calls?limit=0",
        "/api/calls?limit=1001",
        "/api/calls?limit=NaN",
        "/api/calls?zone=../../etc/localtime",
        "/api/calls?outcome=answered,busy",
        "/api/calls?order=random()",
        "/api/calls?cursor=AAAA",
        "/api/calls?cursor=%00",
        "/api/calls?updated_since=yesterday",
        "/api/calls?min_duration_s=-1",
        "/api/calls?callee=139****0000",
        "/api/calls?callee=abc",
        "/api/calls?callee=1390000x0001",
        "/api/calls?callee=%2B",
        "/api/calls?callee_id=x",
        "/api/calls?task=",
        "/api/calls?%",
        "/api/calls?tag=%C3%28",
        "/api/calls?download=true&cursor=x",
        "/api/calls?download=yes",
        "/api/calls?__proto__=1",
        "/api/calls/alicom/1/recordings/main?expires=3601",
        "/api/calls/alicom/1/recordings/main?expires=604800",
        "/api/recordings?state=archived",
        "/api/recordings?day=2025-06-01",
        "/api/tasks?day=2025-06-01..2025-06-02",
        "/api/openapi.json?x",
    ]
    .into_iter()
    .map(get)
    .collect();
    requests.push(get(&format!("/api/calls?tag={}", "a".repeat(64 * 1024))));
    requests.push(get(&format!("/api/calls?{}", "outcome=busy&".repeat(5_000))));
    requests.push(get(&format!("/api/calls/alicom/{}", "a".repeat(1_500))));
    requests.push(get(&format!("/api/calls/alicom/{}", "~41".repeat(1_100))));
    // Methods: API Gateway has no route for them, but for forms of the console's.
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"] {
        requests.push((format!("{method} /api/calls"), ""));
    }
    // Headers.
    for header in [
        "accept: text/html",
        "accept: ;;;,,,/",
        "accept: application/json;q=0",
        "accept: application/vcon+json",
    ] {
        requests.push(("GET /api/calls".to_owned(), header));
    }
    requests
}

#[tokio::test]
async fn hostile_requests_are_answered_clearly() {
    let rig = Rig::new().await;
    let token = rig.machine(ALL).await;
    let requests = requests();
    assert!(requests.len() >= 50);
    for (line, header) in requests {
        let head = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{header}{}\r\n",
            if header.is_empty() { "" } else { "\r\n" }
        );
        let (status, answer) = rig.raw(&head).await;
        let (line, header) = (&line[..line.len().min(120)], header);
        assert!((400..500).contains(&status), "{line} {header}: {status} {answer}");
        if line.starts_with("HEAD") {
            continue;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        // What is no path of the API is the console's.
        if head.contains("text/html") {
            assert!(
                status == 404 && !line.contains("/api/calls") && !line.contains("/api/tasks"),
                "{line}: {answer}"
            );
            continue;
        }
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{line}: {answer}"));
        let said = body["title"].as_str().or(body["message"].as_str()).unwrap();
        assert!(said.len() > 8 && answer.len() < 4_000, "{line}: {answer}");
    }
    // Odd, and nothing is wrong with it.
    for path in ["/api/calls?", "/api/calls?&&", "/api/calls?outcome=busy&&outcome=other"] {
        assert_eq!(rig.get(path, &token).await.status, 200, "{path}");
    }
    rig.stack.stop().await.unwrap();
}

/// What is wrong with a request's head is told by the gateway itself, in the words of HTTP.
#[tokio::test]
async fn a_head_that_is_none_is_answered_in_json_too() {
    let rig = Rig::empty().await;
    let long = "a".repeat(70_000);
    for (line, headers, status, said) in [
        (format!("GET /api/calls?tag={long} HTTP/1.1"), String::new(), 414, "URI Too Long"),
        (format!("GET /{long} HTTP/1.1"), String::new(), 414, "URI Too Long"),
        ("GET /api/calls HTTP/1.1".to_owned(), "x\u{1}: y\r\n".to_owned(), 400, "Bad Request"),
    ] {
        let (got, answer) = rig.raw(&format!("{line}\r\nhost: localhost\r\n{headers}\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert_eq!((got, body), (status, &*format!(r#"{{"message":"{said}"}}"#)), "{head}");
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }
    rig.stack.stop().await.unwrap();
}

/// The parameter, what came, and what is expected.
#[tokio::test]
async fn whatever_is_wrong_with_a_value_is_told_in_full() {
    let rig = Rig::empty().await;
    let token = rig.machine(ALL).await;
    for (path, parameter, value, expected) in [
        ("calls?day=2025-06-31", "day", "2025-06-31", "a date, `2025-06-01`"),
        ("calls?day=tomorrow", "day", "tomorrow", "a date, `2025-06-01`"),
        ("calls?day=1970-01-01", "day", "1970-01-01", "2000 to 2099"),
        ("calls?day=2025-06-02..2025-06-01", "day", "2025-06-02..2025-06-01", "the earlier day first"),
        ("tasks?day=2025-06-01..2025-06-02", "day", "2025-06-01..2025-06-02", "one date"),
        ("tasks?day=1970-01-01", "day", "1970-01-01", "2000 to 2099"),
        ("calls?zone=Mars", "zone", "Mars", "IANA"),
        ("calls?provider=Alicom", "provider", "Alicom", "`alicom`"),
        ("calls?outcome=answered,busy", "outcome", "answered,busy", "again for another"),
        ("calls?hangup_by=me", "hangup_by", "me", "`callee`"),
        ("calls?min_duration_s=-1", "min_duration_s", "-1", "whole number from 0"),
        ("calls?max_duration_s=1e3", "max_duration_s", "1e3", "whole number from 0"),
        ("calls?limit=1001", "limit", "1001", "whole number from 1 to 1000"),
        ("calls?limit=1%00", "limit", "1\0", "whole number from 1 to 1000"),
        ("calls?limit=13700009182", "limit", "***********", "whole number from 1 to 1000"),
        (
            "calls?min_duration_s=20&max_duration_s=10",
            "max_duration_s",
            "10",
            "no less than `min_duration_s`",
        ),
        ("calls?limit=", "limit", "", "whole number from 1 to 1000"),
        ("calls?order=up", "order", "up", "`desc` or `asc`"),
        ("calls?has_recording=1", "has_recording", "1", "`true` or `false`"),
        ("calls?reviewed=no", "reviewed", "no", "`true` or `false`"),
        ("calls?download=yes", "download", "yes", "`true` or `false`"),
        ("calls?updated_since=2025-06-01", "updated_since", "2025-06-01", "`2025-06-01T02:00:00Z`"),
        ("calls?updated_since=1748743200", "updated_since", "**********", "`2025-06-01T02:00:00Z`"),
        ("calls?callee_id=13700009182", "callee_id", "***********", "32 characters of 0-9 and a-f"),
        ("calls?callee=abc", "callee", "abc", "a whole phone number"),
        ("calls?callee=139****0000", "callee", "***********", "without letters and `*`"),
        ("calls?callee=to13700009182", "callee", "to***********", "a whole phone number"),
        ("calls?task=", "task", "", "1 to 1024 bytes"),
        ("calls?tag=a%0Ab", "tag", "a\nb", "without control characters"),
        ("calls?cursor=AAAA", "cursor", "AAAA", "`next` of the page before"),
        ("recordings?state=archived", "state", "archived", "`pending`"),
        ("calls/alicom/1/recordings/main?expires=0", "expires", "0", "whole number from 1 to 3600"),
    ] {
        let got = rig.get(&format!("/api/{path}"), &token).await;
        assert_eq!((got.status, got.header("content-type")), (400, "application/problem+json"), "{path}");
        let problem = got.json();
        assert_eq!(
            (&problem["parameter"], &problem["value"]),
            (&json!(parameter), &json!(value)),
            "{path}: {problem}"
        );
        let title = problem["title"].as_str().unwrap();
        assert!(title.contains(&format!("`{parameter}`")) && title.contains(expected), "{path}: {title}");
        assert!(
            value.is_empty() || value.contains(char::is_control) || title.contains(&format!("`{value}`")),
            "{path}: {title}"
        );
        assert!(!title.contains("not a date") && !title.contains("Expected: the first"), "{path}: {title}");
    }
    // What can't be read names the parameter all the same.
    for (path, parameter) in [
        ("calls?limit=1&tag=%C3%28", "tag"),
        ("calls?tag=100%", "tag"),
        ("calls?%zz=1", "%zz"),
        ("calls?day=2025-06-01&day=2025-06-02", "day"),
        ("calls?download=true&limit=5", "download"),
        ("calls?download=true&cursor=x", "download"),
        ("calls?days=2025-06-01", "days"),
        ("calls/alicom/a.b", "call_id"),
        ("tasks/alicom/a.b", "task_id"),
    ] {
        let got = rig.get(&format!("/api/{path}"), &token).await;
        let problem = got.json();
        assert_eq!((got.status, &problem["parameter"]), (400, &json!(parameter)), "{path}: {problem}");
        assert!(problem["title"].as_str().unwrap().contains(&format!("`{parameter}`")), "{path}: {problem}");
    }
    rig.stack.stop().await.unwrap();
}

/// <https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2>
#[tokio::test]
async fn what_a_reader_does_not_accept_it_does_not_get() {
    let rig = Rig::new().await;
    let token = rig.machine(ALL).await;
    let call = "/api/calls/alicom/1000~5E7";
    let [access, vcon] = ["access", "vcon"].map(|part| format!("{call}/{part}"));
    let paths = [
        ("/api/calls?day=2025-06-01", "application/json"),
        (call, "application/json"),
        (&vcon, "application/vcon+json"),
        (&access, "application/json"),
        ("/api/recordings", "application/json"),
        ("/api/tasks?day=2025-06-01", "application/json"),
        ("/api/tasks/alicom/task-1", "application/json"),
    ];
    for (path, usual) in paths {
        let before = rig.access_log().await.len();
        for none in
            ["*/*;q=0".to_owned(), format!("{usual};q=0"), "application/*;q=0.000, text/html".to_owned()]
        {
            let got = rig.get_with(path, &token, &[("accept", &none)]).await;
            assert_eq!(
                (got.status, got.header("content-type")),
                (406, "application/problem+json"),
                "{path} {none}"
            );
            assert!(got.json()["media_types"].as_array().unwrap().contains(&json!(usual)), "{path} {none}");
        }
        assert_eq!(rig.access_log().await.len(), before, "{path}: nothing was shown");
        // As Java's own client has it, and others that write more digits than they should.
        for some in [
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2".to_owned(),
            format!("text/csv;q=0, {usual};q=0.33333"),
            format!("*/*;q=0, {usual};q=0.001"),
        ] {
            let got = rig.get_with(path, &token, &[("accept", &some)]).await;
            assert_eq!((got.status, got.header("content-type")), (200, usual), "{path} {some}");
        }
    }
    let got = rig.get_with(paths[0].0, &token, &[("accept", "application/json;q=0, */*")]).await;
    assert_eq!((got.status, got.header("content-type")), (200, "text/csv; charset=utf-8; header=present"));
    rig.stack.stop().await.unwrap();
}

/// The API has a route for GET alone, and a HEAD is not routed to it: the console has one for every other method, and knows what the API takes.
/// What has no route at all, as pushes have none but for POST, is answered by API Gateway itself.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
#[tokio::test]
async fn other_methods_are_answered_as_api_gateway_routes_them() {
    let rig = Rig::new().await;
    let token = rig.machine(ALL).await;
    let ask = async |request: String| {
        let head = format!(
            "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n"
        );
        let (status, answer) = rig.raw(&head).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    };
    for path in ["/api/calls", "/api/openapi.json", "/api/nothing"] {
        for method in ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let (status, head, body) = ask(format!("{method} {path}")).await;
            assert_eq!(status, 405, "{method} {path}: {head} {body}");
            assert!(head.contains("allow: get\r\n"), "{method} {path}: {head}");
            assert!(head.contains("content-type: application/problem+json"), "{method} {path}: {head}");
            assert_eq!(body.is_empty(), method == "HEAD", "{method} {path}: {body}");
        }
    }
    // Nothing is looked at for a HEAD, and so nothing is noted.
    let (status, ..) = ask("HEAD /api/calls/alicom/1000~5E7".to_owned()).await;
    assert_eq!((status, rig.access_log().await.len()), (405, 0));
    const NOT_FOUND: &str = r#"{"message":"Not Found"}"#;
    for request in [
        "GET /push/alicom-call-report/local",
        "HEAD /push/alicom-call-report/local",
        "PUT /push/alicom-call-report/local",
        "OPTIONS /push/alicom-call-report/local",
        "POST /push/nobody/local",
        "POST /push/query-calls/local",
    ] {
        let (status, head, body) = ask(request.to_owned()).await;
        assert_eq!(status, 404, "{request}: {head} {body}");
        assert_eq!(body, if request.starts_with("HEAD") { "" } else { NOT_FOUND }, "{request}");
        assert!(head.contains("content-type: application/json"), "{request}: {head}");
        assert!(head.contains(&format!("content-length: {}", NOT_FOUND.len())), "{request}: {head}");
        // Nothing tells that another method would do.
        assert!(!head.contains("allow:"), "{request}: {head}");
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn odd_headers_do_no_harm() {
    let rig = Rig::new().await;
    let token = rig.machine(ALL).await;
    for (name, value) in [
        ("accept-language", "zh;q=9, *;;, en-"),
        ("if-none-match", "W/\"x\", \"y\", *x"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "javascript"),
        ("x-http-method-override", "DELETE"),
        ("range", "bytes=0-1"),
        ("cookie", "a=b"),
        ("expect", "nothing"),
    ] {
        for path in
            ["/api/calls?day=2025-06-01", "/api/calls/alicom/1000~5E7", "/api/calls/alicom/1000~5E7/vcon"]
        {
            let got = rig.get_with(path, &token, &[(name, value)]).await;
            assert_eq!(got.status, 200, "{name}: {value} {path}");
            assert!(!got.text().contains("evil.example"));
        }
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn the_function_itself_takes_get_and_head_below_any_stage() {
    let rig = Rig::new().await;
    let authorization = format!("Bearer {}", rig.machine(ALL).await);
    for (method, stage, path, status, has_body) in [
        ("GET", "$default", "/api/calls", 200, true),
        ("HEAD", "$default", "/api/calls", 200, false),
        ("GET", "prod", "/prod/api/calls", 200, true),
        ("GET", "prod", "/production/api/calls", 404, true),
        ("POST", "$default", "/api/calls", 405, true),
        ("get", "$default", "/api/calls/alicom/1000~5E7", 200, true),
    ] {
        let event = json!({
            "rawPath": path, "headers": {"Authorization": authorization},
            "requestContext": {"http": {"method": method}, "stage": stage},
        });
        let answer = rig.stack.functions().invoke("query-calls", event).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{method} {path}: {answer}");
        assert_eq!(!answer["body"].as_str().unwrap().is_empty(), has_body, "{method} {path}");
        assert_eq!(answer["headers"]["allow"].as_str(), (status == 405).then_some("GET, HEAD"));
    }
    let event = include_str!("../../../../events/query-calls.json");
    let answer =
        rig.stack.functions().invoke("query-calls", serde_json::from_str(event).unwrap()).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "the sample event");
    rig.stack.stop().await.unwrap();
}
