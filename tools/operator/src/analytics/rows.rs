//! What differs between the rows of two files.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use export_calls::{DATA_SETS, Kind, rows};
use serde_json::{Map, Value};

/// How many differences of a file are told.
const MAX_TOLD: usize = 20;

/// A row as it is read back.
type Row = Map<String, Value>;

/// What differs between the rows of two files, where one may not be there.
pub(super) fn compare(
    set: &str,
    stored: Option<Vec<u8>>,
    made: Option<Vec<u8>>,
) -> anyhow::Result<Vec<String>> {
    let made = made.map(rows).transpose().context("a file that was just made can't be read")?;
    match stored.map(rows).transpose() {
        Ok(stored) => Ok(unlike(set, stored.unwrap_or_default(), made.unwrap_or_default())),
        Err(error) => Ok(vec![format!("{set}  is no Parquet file: {error}")]),
    }
}

/// What differs between the rows of a file and those that it ought to have.
fn unlike(set: &str, stored: Vec<Row>, made: Vec<Row>) -> Vec<String> {
    let mut told = Vec::new();
    let (mut found, mut repeated) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
    for row in stored {
        match found.entry(name(&row)) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(place) => *repeated.entry(place.key().clone()).or_insert(1) += 1,
        }
    }
    for row in made {
        let name = name(&row);
        match found.remove(&name) {
            None => told.push(format!("{set}  {name}  is stored, and in no row")),
            Some(other) if other != row => {
                told.push(format!("{set}  {name}  differs in {}", differing(set, &other, &row)));
            }
            Some(_) => {}
        }
    }
    told.extend(repeated.iter().map(|(name, times)| format!("{set}  {name}  is in {times} rows")));
    told.extend(found.keys().map(|name| format!("{set}  {name}  is in a row, and not stored")));
    if told.is_empty() {
        told.push(format!("{set}  has the same rows in other bytes"));
    }
    let more = told.len().saturating_sub(MAX_TOLD);
    told.truncate(MAX_TOLD);
    told.extend((more > 0).then(|| format!("{set}  and {more} more")));
    told
}

/// In which columns a row differs from what it ought to be: amounts, numbers and times with both values. Texts may be anybody's.
fn differing(set: &str, stored: &Row, made: &Row) -> String {
    let is_shown = |name: &str| {
        let columns = DATA_SETS.iter().filter(|known| known.name == set).flat_map(|set| set.columns);
        let kind = columns.filter(|column| column.name == name).map(|column| column.kind).next();
        matches!(kind, Some(Kind::Number | Kind::Flag | Kind::Time | Kind::Date | Kind::Amount))
    };
    let value = |row: &Row, name: &str| match row.get(name) {
        None => "no column".to_owned(),
        Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let names: BTreeSet<_> = stored.keys().chain(made.keys()).collect();
    let differing = names.into_iter().filter(|name| stored.get(*name) != made.get(*name));
    let differing = differing.map(|name| match is_shown(name) {
        true => format!("{name} (stored {}, in the row {})", value(made, name), value(stored, name)),
        false => name.clone(),
    });
    differing.collect::<Vec<_>>().join(", ")
}

/// By what a row is known.
fn name(row: &Row) -> String {
    let known = ["provider", "call_id", "turn", "slot"];
    let parts = known.iter().filter_map(|column| row.get(*column)).filter(|value| !value.is_null());
    let parts: Vec<_> =
        parts.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(call: &str, cost: &str) -> Row {
        let row = json!({"provider": "laaffic", "call_id": call, "cost_amount": cost, "callee": format!("{call}00")});
        row.as_object().unwrap().clone()
    }

    #[test]
    fn every_way_in_which_rows_differ_is_told() {
        let ought = || vec![row("1", "0.1"), row("2", "0.2"), row("3", "0.3")];
        let told = |stored: Vec<Row>| unlike("calls", stored, ought());
        assert_eq!(told(ought()), ["calls  has the same rows in other bytes"]);
        assert_eq!(told(ought().split_off(1)), ["calls  laaffic/1  is stored, and in no row"]);
        assert_eq!(
            told([ought(), ought(), vec![row("2", "0.2")]].concat()),
            [
                "calls  laaffic/1  is in 2 rows",
                "calls  laaffic/2  is in 3 rows",
                "calls  laaffic/3  is in 2 rows",
            ]
        );
        assert_eq!(
            told([ought(), vec![row("4", "0")]].concat()),
            ["calls  laaffic/4  is in a row, and not stored"]
        );
        let mut changed = ought();
        changed[1] = row("2", "0.20");
        changed[1]["callee"] = "elsewhere".into();
        changed[2].remove("cost_amount");
        assert_eq!(
            told(changed),
            [
                "calls  laaffic/2  differs in callee, cost_amount (stored 0.2, in the row 0.20)",
                "calls  laaffic/3  differs in cost_amount (stored 0.3, in the row no column)",
            ]
        );
        let nothing = unlike("calls", Vec::new(), (0..30).map(|call| row(&call.to_string(), "1")).collect());
        assert_eq!((nothing.len(), nothing.last().unwrap().as_str()), (21, "calls  and 10 more"));
    }

    #[test]
    fn what_is_no_parquet_file_is_told_as_such() {
        let told = compare("calls", Some(b"PAR1 no more".to_vec()), None).unwrap();
        assert!(told.len() == 1 && told[0].starts_with("calls  is no Parquet file: "), "{told:?}");
    }

    /// Rows of the same data set have different names.
    #[test]
    fn every_data_set_has_what_its_rows_are_known_by() {
        for set in DATA_SETS {
            let has = |name: &str| set.columns.iter().any(|column| column.name == name);
            assert!(has("provider") && has("call_id"), "{}", set.name);
            assert!(set.name == "calls" || has("turn") || has("slot"), "{}", set.name);
        }
    }
}
