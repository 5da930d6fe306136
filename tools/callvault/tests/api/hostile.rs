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
        if line.starts_with("HEAD") || status == 431 || status == 414 && !answer.contains('{') {
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
