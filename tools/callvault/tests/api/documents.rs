//! The API's description says what answers have, and the page about it was made by running what it tells.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::rig::{ALL, MASKED, Rig};

/// What of an answer is not as a schema of the description has it.
fn differences(description: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return differences(description, description.pointer(pointer).unwrap(), value, path, found);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &&Value| {
            let mut found = Vec::new();
            differences(description, choice, value, path, &mut found);
            found.is_empty()
        };
        if choices.iter().filter(fits).count() != 1 {
            found.push(format!("{path} is none or several of the choices: {value}"));
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let may_be =
        |named: &Value| named == kind || named.as_array().is_some_and(|all| all.iter().any(|it| it == kind));
    if !schema["type"].is_null() && !may_be(&schema["type"]) {
        found.push(format!("{path} is {kind}"));
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        found.push(format!("{path} is {value}"));
    }
    for (place, value) in value.as_array().into_iter().flatten().enumerate() {
        differences(description, &schema["items"], value, &format!("{path}[{place}]"), found);
    }
    let Some(object) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().unwrap()) {
            found.push(format!("{path} lacks {name}"));
        }
    }
    for (name, value) in object {
        let property = &schema["properties"][name];
        let schema = if property.is_null() { &schema["additionalProperties"] } else { property };
        let is_described = !schema.is_null() || path.ends_with(".status") || path.contains(".extra");
        if !is_described && description["components"]["schemas"].is_object() && !path.is_empty() {
            found.push(format!("{path}.{name} is not described"));
        }
        differences(description, schema, value, &format!("{path}.{name}"), found);
    }
}

#[tokio::test]
async fn answers_are_as_the_description_has_them() {
    let rig = Rig::new().await;
    let description = rig.get("/api/openapi.json", "").await.json();
    let call = "/api/calls/alicom/1000~5E7";
    let mut shown = BTreeSet::new();
    for token in [rig.machine(ALL).await, rig.machine(MASKED).await] {
        for (path, template) in [
            ("/api/calls?day=2025-06-01", "/api/calls"),
            ("/api/calls?day=2025-01-01..2026-12-31", "/api/calls"),
            (call, "/api/calls/{provider}/{call_id}"),
            (&format!("{call}/access"), "/api/calls/{provider}/{call_id}/access"),
            ("/api/recordings", "/api/recordings"),
            ("/api/tasks?day=2025-06-01", "/api/tasks"),
            ("/api/tasks/alicom/task-1", "/api/tasks/{provider}/{task_id}"),
            ("/api/calls?day=x", "problem"),
            ("/api/calls?x=1", "problem"),
        ] {
            let got = rig.get(path, &token).await.json();
            let schema = match template {
                "problem" => &description["components"]["schemas"]["Problem"],
                _ => {
                    &description["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]
                        ["schema"]
                }
            };
            assert!(schema.is_object(), "{template}");
            let mut found = Vec::new();
            differences(&description, schema, &got, "$", &mut found);
            assert_eq!(found, Vec::<String>::new(), "{path}");
            shown.insert(template);
        }
    }
    assert_eq!(shown.len(), 7);
    rig.stack.stop().await.unwrap();
}

/// Every status that a request is answered with is among those that the description has of it.
#[tokio::test]
async fn every_status_is_described() {
    let rig = Rig::new().await;
    let description = rig.get("/api/openapi.json", "").await.json();
    let (whole, none) = (rig.machine(ALL).await, rig.machine("calls.review").await);
    let (call, of_call) = ("/api/calls/alicom/1000~5E7", "/api/calls/{provider}/{call_id}");
    let (list, tasks) = ("/api/calls?day=2025-06-01", "/api/tasks?day=2025-06-01");
    let csv = ("accept", "text/html");
    let tag = rig.get(call, &whole).await.header("etag").to_owned();
    let long = format!("/api/calls?tag={}", "a".repeat(9_000));
    for (path, template, token, header, status) in [
        ("/api/openapi.json", "/api/openapi.json", "", csv, 200),
        ("/api/openapi.json?x=1", "/api/openapi.json", "", csv, 400),
        (list, "/api/calls", "", csv, 401),
        (list, "/api/calls", &none, csv, 403),
        (list, "/api/calls", &whole, csv, 406),
        (list, "/api/calls", &whole, ("accept", "text/csv"), 200),
        (&format!("{list}&download=true"), "/api/calls", &whole, ("accept", "text/csv"), 302),
        (&format!("{list}&download=true&limit=1"), "/api/calls", &whole, ("accept", "text/csv"), 400),
        ("/api/calls?callee=abc", "/api/calls", &whole, ("accept", "*/*"), 400),
        (&long, "/api/calls", &whole, ("accept", "*/*"), 414),
        (call, of_call, &whole, ("if-none-match", &tag), 304),
        ("/api/calls/alicom/x", of_call, &whole, ("accept", "*/*"), 404),
        ("/api/calls/alicom/x.y", of_call, &whole, ("accept", "*/*"), 400),
        (&format!("{call}/recordings/main"), &format!("{of_call}/recordings/{{slot}}"), &whole, csv, 302),
        (&format!("{call}/recordings/x"), &format!("{of_call}/recordings/{{slot}}"), &whole, csv, 404),
        (
            &format!("{call}/pushes/a/b"),
            &format!("{of_call}/pushes/{{function}}/{{digest}}"),
            &whole,
            ("accept", "*/*"),
            404,
        ),
        (&format!("{call}/vcon"), &format!("{of_call}/vcon"), &whole, ("accept", "*/*"), 200),
        (&format!("{call}/access"), &format!("{of_call}/access"), &whole, ("accept", "*/*"), 200),
        ("/api/calls/alicom/x/access", &format!("{of_call}/access"), &whole, ("accept", "*/*"), 404),
        ("/api/recordings?state=x", "/api/recordings", &whole, ("accept", "*/*"), 400),
        (tasks, "/api/tasks", &whole, ("accept", "*/*"), 200),
        ("/api/tasks/alicom/x", "/api/tasks/{provider}/{task_id}", &whole, ("accept", "*/*"), 404),
    ] {
        let got = rig.get_with(path, token, &[header]).await;
        assert_eq!(got.status, status, "{path}: {}", got.text());
        let responses = &description["paths"][template]["get"]["responses"];
        assert!(responses[status.to_string()].is_object(), "{template}: {status} is not described");
    }
    // Whatever may be too large for an answer is a redirect then.
    let paths = description["paths"].as_object().unwrap();
    for (path, operation) in paths.iter().filter(|(path, _)| *path != "/api/openapi.json") {
        assert!(operation["get"]["responses"]["302"].is_object(), "{path}");
    }
    rig.stack.stop().await.unwrap();
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");

/// What is another each time, and how the page has it.
const VOLATILE: [(&str, &str); 9] = [
    ("source_expires_at", "2025-06-08T02:05:33.120Z"),
    ("first_received_at", "2025-06-01T02:05:33.120Z"),
    ("updated_at", "2025-06-01T02:05:33.120Z"),
    ("received_at", "2025-06-01T02:05:33.120Z"),
    ("next_attempt_at", "2025-06-01T02:10:00.000Z"),
    ("archived_at", "2025-06-01T02:10:00.000Z"),
    ("as_of", "2025-06-01T08:00:00.000Z"),
    ("at", "2025-06-01T08:00:00.000Z"),
    ("uuid", "0197296f-c560-8e7d-8888-d1f7c9a5b0c1"),
];

fn steady(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(steady),
        Value::Object(object) => {
            // What was pushed names a port, which is another each time.
            if object.get("function").is_some_and(|function| function == "alicom-call-record") {
                object.insert("digest".to_owned(), "0123456789abcdef".into());
                object.remove("href");
            }
            for (name, value) in object {
                match VOLATILE.iter().find(|(volatile, _)| volatile == name).filter(|_| value.is_string()) {
                    Some((_, shown)) => *value = (*shown).into(),
                    None => steady(value),
                }
            }
        }
        _ => {}
    }
}

/// A table with the times of its receipts as the page has them.
fn steady_table(table: &str) -> String {
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let names = rows.headers().unwrap().clone();
    let mut steady = csv::Writer::from_writer(Vec::new());
    steady.write_record(&names).unwrap();
    for row in rows.records() {
        let row = row.unwrap();
        let cells = names.iter().zip(&row).map(|(name, cell)| match name {
            "first_received_at" | "updated_at" => "2025-06-01T02:05:33.120Z",
            "first_received_at_local" | "updated_at_local" => "2025-06-01 10:05:33",
            _ => cell,
        });
        steady.write_record(cells).unwrap();
    }
    String::from_utf8(steady.into_inner().unwrap()).unwrap().trim_end().to_owned()
}

/// An answer as the page has it, in the language of its block.
fn shown(language: &str, answer: &str) -> String {
    match language {
        "json" => {
            let mut values: Vec<Value> = serde_json::Deserializer::from_str(answer)
                .into_iter()
                .map(|value| value.unwrap_or_else(|_| panic!("JSON: {answer}")))
                .collect();
            values.iter_mut().for_each(steady);
            let lines = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap());
            lines.collect::<Vec<_>>().join("\n")
        }
        "http" => {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let mut lines = head.lines();
            let mut kept = vec![lines.next().unwrap().to_owned()];
            for name in ["content-type", "link", "location"] {
                let header =
                    head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
                kept.extend(header.map(|line| {
                    // Signatures, and names that are another each time.
                    let line = if name == "location" { line.split('?').next().unwrap_or(line) } else { line };
                    match line.split_once("/downloads/") {
                        Some((before, path)) => {
                            format!("{before}/downloads/…/{}?…", path.rsplit('/').next().unwrap())
                        }
                        None if name == "location" => format!("{line}?…"),
                        None => line.to_owned(),
                    }
                }));
            }
            if !body.trim().is_empty() {
                let mut body: Value = serde_json::from_str(body).unwrap();
                steady(&mut body);
                kept.extend([String::new(), body.to_string()]);
            }
            kept.join("\n")
        }
        _ => steady_table(answer.trim_start_matches('\u{feff}')),
    }
}

/// Runs the commands of a block as a reader would, but on this test's stack.
fn run(rig: &Rig, token: &str, commands: &str) -> String {
    let (stack, stores) = (&rig.stack, rig.stack.stores());
    let here = commands
        .replace("http://127.0.0.1:3000", &stack.url())
        .replace("http://127.0.0.1:4000", stack.provider().base_url());
    let output =
        Command::new("bash").args(["-ec", &here]).current_dir(ROOT).env("TOKEN", token).output().unwrap();
    assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    said.replace(&stack.url(), "http://127.0.0.1:3000")
        .replace(stack.provider().base_url(), "http://127.0.0.1:4000")
        .replace(stores.s3_endpoint.as_deref().unwrap(), "http://127.0.0.1:9000")
}

/// With `UPDATE_DOCS` set it writes the answers into the page.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_its_commands_answer() {
    let rig = Rig::empty().await;
    let token = rig.machine(ALL).await;
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut parts = page.split("```");
    let mut anew = parts.next().unwrap().to_owned();
    let (mut said, mut answers) = (None, 0);
    while let (Some(block), Some(text)) = (parts.next(), parts.next()) {
        let (language, content) = block.split_once('\n').unwrap();
        let mut content = content.to_owned();
        match language {
            // Its outcome is this test's own.
            "sh" if content.contains("cargo run") => said = None,
            "sh" => said = Some(run(&rig, &token, &content)),
            _ => {
                content =
                    format!("{}\n", shown(language, &said.take().expect("an answer follows its request")));
                answers += 1;
            }
        }
        anew.push_str(&format!("```{language}\n{content}```{text}"));
    }
    assert!(answers >= 15, "{answers}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &anew).unwrap();
    } else {
        let differs = page.lines().zip(anew.lines()).find(|(was, is)| was != is);
        assert!(page == anew, "UPDATE_DOCS=1 writes the page anew: {differs:?}");
    }
    rig.stack.stop().await.unwrap();
}
