//! The forms of lists: read back by other libraries they are what was stored, and nothing in them is run.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::rig::{ALL, MASKED, NUMBER, Rig, follow, report};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

type Rows = Vec<BTreeMap<String, String>>;

fn csv_rows(bytes: &[u8]) -> Rows {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).expect("a byte order mark");
    let mut reader = csv::Reader::from_reader(text);
    let names: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        names.iter().cloned().zip(row.iter().map(str::to_owned)).collect()
    });
    rows.collect()
}

fn xlsx_rows(bytes: &[u8]) -> Rows {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let [name] = &workbook.sheet_names()[..] else { panic!("one sheet") };
    let name = name.clone();
    let range = workbook.worksheet_range(&name).unwrap();
    assert!(
        workbook.worksheet_formula(&name).unwrap().used_cells().all(|(_, _, formula)| formula.is_empty())
    );
    let mut rows = range.rows();
    let names: Vec<_> = rows.next().unwrap().iter().map(ToString::to_string).collect();
    let cell = |cell: &Data| match cell {
        Data::DateTime(time) => time.as_f64().to_string(),
        other => other.to_string(),
    };
    rows.map(|row| names.iter().cloned().zip(row.iter().map(cell)).collect()).collect()
}

/// A stack with calls whose facts are awkward in tables.
async fn awkward() -> Rig {
    let rig = Rig::empty().await;
    let mut first = report("=1+1", "2025-06-01 00:30:00");
    first[0]["taskId"] = json!("0012345678901234567890");
    first[0]["outId"] = json!("+1-2");
    rig.push("alicom-call-report", &first).await;
    let note =
        json!([{"callId": "=1+1", "majorIntent": "@SUM(A1)", "outputTags": {"a,\"b\"\n": ["x;y", "z"]}}]);
    rig.push("alicom-call-note", &note).await;
    let cost =
        json!([{"callId": "plain", "callee": format!("86{NUMBER}"), "originateTime": "2025-06-01 23:59:59"}]);
    rig.push("alicom-call-report", &cost).await;
    rig
}

#[tokio::test]
async fn tables_are_read_back_as_they_were_meant() {
    let rig = awkward().await;
    let token = rig.machine(ALL).await;
    let path = "/api/calls?day=2025-06-01&order=asc";
    let csv = rig.get_with(path, &token, &[("accept", "text/csv")]).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let xlsx = rig.get_with(path, &token, &[("accept", XLSX)]).await;
    assert_eq!(xlsx.header("content-type"), XLSX);
    let (csv, xlsx) = (csv_rows(&csv.body), xlsx_rows(&xlsx.body));
    assert_eq!((csv.len(), xlsx.len()), (2, 2));
    let expected = [
        ("provider", "alicom"),
        ("task_id", "0012345678901234567890"),
        ("callee", &format!("86{NUMBER}")),
        ("call_at", "2025-05-31T16:30:00.000Z"),
        ("duration_s", "90"),
        ("outcome", "answered"),
        ("tags", "a,\"b\"\n: x;y, z"),
    ];
    for (name, value) in expected {
        assert_eq!((csv[0][name].as_str(), xlsx[0][name].as_str()), (value, value), "{name}");
    }
    // Text in a table of text is neutralized; a spreadsheet's cell is text as it is, and is not run.
    for (name, value) in [("call_id", "=1+1"), ("out_id", "+1-2"), ("intent_code", "@SUM(A1)")] {
        assert_eq!((csv[0][name].as_str(), xlsx[0][name].as_str()), (&*format!("'{value}"), value), "{name}");
    }
    assert_eq!(csv[0]["call_at_local"], "2025-06-01 00:30:00");
    // Days since the end of 1899.
    let days: f64 = xlsx[0]["call_at_local"].parse().unwrap();
    assert!((days - (45_809.0 + 0.5 / 24.0)).abs() < 1e-6, "{days}");
    // In another zone the local time is another.
    let berlin = format!("{path}&zone=Europe/Berlin");
    let csv = rig.get_with(&berlin, &token, &[("accept", "text/csv")]).await;
    assert_eq!(csv_rows(&csv.body)[0]["call_at_local"], "2025-06-01 17:59:59");
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn headings_are_in_the_readers_language() {
    let rig = awkward().await;
    let token = rig.machine(MASKED).await;
    // Outcomes and the like are in words below Chinese headings; below others programs rely on what they are in JSON.
    for (language, heading, outcome, ended_by, platform) in [
        (
            "zh-CN,zh;q=0.9,en;q=0.5",
            "呼叫时间（UTC）",
            ("呼叫结果", "已接通"),
            ("挂断方", "客户"),
            ("平台", "阿里云"),
        ),
        ("en-GB", "Call time (UTC)", ("Outcome", "answered"), ("Ended by", "callee"), ("Provider", "alicom")),
        (
            "de,en;q=0.1",
            "Call time (UTC)",
            ("Outcome", "answered"),
            ("Ended by", "callee"),
            ("Provider", "alicom"),
        ),
        ("de", "call_at", ("outcome", "answered"), ("hangup_by", "callee"), ("provider", "alicom")),
    ] {
        for accept in ["text/csv", XLSX] {
            let headers = [("accept", accept), ("accept-language", language)];
            let got = rig.get_with("/api/calls?day=2025-06-01", &token, &headers).await;
            let rows = if accept == XLSX { xlsx_rows(&got.body) } else { csv_rows(&got.body) };
            if accept == XLSX {
                let workbook: Xlsx<_> = Xlsx::new(Cursor::new(&got.body[..])).unwrap();
                let name = if heading.starts_with("呼叫") { "通话记录" } else { "calls" };
                assert_eq!(workbook.sheet_names(), [name], "{language}");
            }
            // The newest is the one of which little is known.
            let row = &rows[1];
            assert!(row.contains_key(heading), "{language} {accept}: {:?}", row.keys());
            for (heading, value) in [outcome, ended_by, platform] {
                assert_eq!(
                    row.get(heading).map(String::as_str),
                    Some(value),
                    "{language} {accept} {heading}"
                );
            }
        }
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn every_form_walks_over_the_same_calls_by_its_link() {
    let rig = Rig::empty().await;
    for minute in 0..12 {
        rig.push(
            "alicom-call-report",
            &report(&format!("c{minute}"), &format!("2025-06-01 10:{minute:02}:00")),
        )
        .await;
    }
    let token = rig.machine(MASKED).await;
    let whole = rig.get("/api/calls?day=2025-06-01", &token).await.json();
    let ids = |calls: &Value| -> Vec<String> {
        calls.as_array().unwrap().iter().map(|call| call["call_id"].as_str().unwrap().to_owned()).collect()
    };
    let expected = ids(&whole["calls"]);
    assert_eq!((expected.len(), &whole["next"], expected[0].as_str()), (12, &Value::Null, "c11"));
    for accept in ["application/json", "application/x-ndjson", "text/csv", XLSX] {
        let mut found = Vec::new();
        let mut next = Some("/api/calls?day=2025-06-01&limit=5&tag=&outcome=answered".replace("&tag=", ""));
        while let Some(path) = next {
            let got = rig.get_with(&path, &token, &[("accept", accept)]).await;
            assert_eq!(got.status, 200, "{path}: {}", got.text());
            next =
                got.header("link").strip_prefix('<').map(|link| link.split_once('>').unwrap().0.to_owned());
            match accept {
                "application/json" => {
                    let page = got.json();
                    assert_eq!(page["next"].is_null(), next.is_none());
                    found.extend(ids(&page["calls"]));
                }
                "application/x-ndjson" => {
                    let lines: Value =
                        got.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
                    found.extend(ids(&lines));
                }
                "text/csv" => found.extend(csv_rows(&got.body).into_iter().map(|row| row["call_id"].clone())),
                _ => found.extend(xlsx_rows(&got.body).into_iter().map(|row| row["call_id"].clone())),
            }
        }
        assert_eq!(found, expected, "{accept}");
    }
    rig.stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_download_is_the_whole_filter_in_one_file_that_expires() {
    let rig = Rig::empty().await;
    for minute in 0..7 {
        rig.push(
            "alicom-call-report",
            &report(&format!("c{minute}"), &format!("2025-06-01 10:{minute:02}:00")),
        )
        .await;
    }
    let token = rig.machine(MASKED).await;
    for (accept, name) in [
        ("application/json", "calls.json"),
        ("application/x-ndjson", "calls.ndjson"),
        ("text/csv", "calls.csv"),
        (XLSX, "calls.xlsx"),
    ] {
        let path = "/api/calls?task=task-1&download=true";
        let got = rig.get_with(path, &token, &[("accept", accept)]).await;
        assert_eq!((got.status, got.body.len()), (302, 0));
        let location = got.header("location");
        assert!(location.contains("/downloads/") && location.contains("X-Amz-Expires=300"), "{location}");
        let file = follow(location).await;
        assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        let count = match accept {
            "application/json" => file.json()["calls"].as_array().unwrap().len(),
            "application/x-ndjson" => file.text().lines().count(),
            "text/csv" => csv_rows(&file.body).len(),
            _ => xlsx_rows(&file.body).len(),
        };
        assert_eq!(count, 7, "{accept}");
    }
    rig.stack.stop().await.unwrap();
}

/// As a version that was rolled back would meet it.
#[tokio::test]
async fn a_call_that_cannot_be_read_is_told_of_in_every_form() {
    let rig = awkward().await;
    let token = rig.machine(ALL).await;
    let path = "/api/calls?day=2025-06-01";
    let headers =
        ["application/json", "text/csv", "application/x-ndjson", XLSX].map(|form| [("accept", form)]);
    for form in &headers {
        assert_eq!(rig.get_with(path, &token, form).await.headers.get("callvault-unreadable"), None);
    }
    let store = rig.stack.store();
    let mut call = store.table().get("call#alicom#plain", "call").await.unwrap().unwrap();
    call.insert("sources".to_owned(), "of another version".into());
    store.table().put(call).await.unwrap();
    for form in &headers {
        for path in [path.to_owned(), format!("{path}&download=true")] {
            let answer = rig.get_with(&path, &token, form).await;
            assert_eq!(answer.header("callvault-unreadable"), "1", "{path} {form:?}");
        }
    }
}
