//! Calls as tables for a terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, ContentArrangement, Table};
use serde_json::Value;
use shared::model::Instant;
use shared::path_id;
use shared::reading::Zone;
use shared::view::Object;

/// How wide a table is where nobody looks at a terminal.
const WIDTH: u16 = 140;

/// A table as wide as the terminal.
pub(super) fn wide() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table
}

/// Calls, one a line. Times are those of a zone.
pub(super) fn of_calls(calls: &[Object], zone: &Zone) -> Table {
    let mut table = wide();
    let time = format!("call_at ({})", zone.name());
    table.set_header([
        time.as_str(),
        "call",
        "callee",
        "outcome",
        "duration_s",
        "hangup_by",
        "intent",
        "task_id",
        "tags",
    ]);
    for call in calls {
        table.add_row(row(call, zone).map(Cell::new));
    }
    table
}

/// The columns of a call.
pub(super) fn row(call: &Object, zone: &Zone) -> [String; 9] {
    let text = |name: &str| call.get(name).map(readable).unwrap_or_default();
    let at = call.get("call_at").and_then(Value::as_str).and_then(|at| at.parse::<Instant>().ok());
    let at = at.map(|at| zone.local(at).strftime("%Y-%m-%d %H:%M:%S").to_string());
    let id = call.get("call_id").and_then(Value::as_str).map(path_id::escaped);
    let name = format!("{}/{}", text("provider"), id.unwrap_or_default());
    let intent = [text("intent_code"), text("intent_name")];
    let intent = intent.into_iter().filter(|intent| !intent.is_empty()).collect::<Vec<_>>().join(" ");
    [
        at.unwrap_or_default(),
        name,
        text("callee"),
        text("outcome"),
        text("duration_s"),
        text("hangup_by"),
        intent,
        text("task_id"),
        text("tags"),
    ]
}

/// A value as a person reads it, without what would move a terminal's cursor.
pub(super) fn readable(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect(),
        Value::Array(list) => list.iter().map(readable).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| {
                format!("{}: {}", readable(&Value::String(name.clone())), readable(value))
            });
            entries.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_of_a_push_moves_no_cursor() {
        let tags = json!({"a\u{1b}[2J": ["b\r\nc", "\u{9b}31m"]});
        assert_eq!(readable(&tags), "a [2J: b  c,  31m");
        let call = json!({
            "call_at": "2025-06-01T16:00:00.000Z", "provider": "alicom", "call_id": "1^\u{7}", "tags": ["x", "y"], "duration_s": 0,
            "intent_code": "A",
        });
        let row = row(call.as_object().unwrap(), &Zone::default());
        assert_eq!(row[..2], ["2025-06-02 00:00:00", "alicom/1~5E~07"]);
        assert_eq!((&*row[4], &*row[6], &*row[8]), ("0", "A", "x, y"));
    }
}
