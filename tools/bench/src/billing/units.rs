//! How many units a read or a write takes, by the sizes of the items.

use serde_json::{Map, Value};
use shared::record::keys::{self, INDEXES, Index};

/// An item in DynamoDB's own JSON: attribute name to `{"S": …}`.
pub(super) type WireItem = Map<String, Value>;

/// A write unit covers so many bytes.
const WRITE_UNIT_BYTES: usize = 1024;
/// A read unit covers so many bytes.
const READ_UNIT_BYTES: usize = 4096;

/// The write units of one write, by what they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Of the table.
    pub table: usize,
    /// Of each index that changes.
    pub indexes: Vec<(&'static str, usize)>,
}

/// An item's size: the names and the values of its attributes in UTF-8; a number takes a byte for two digits and one more, a list or map
/// three, and one for each element.
#[must_use]
pub fn item_bytes(item: &WireItem) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("N", Value::String(number)) => {
            let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').len().max(1).div_ceil(2) + 1
        }
        // Base64.
        ("B", Value::String(text)) => text.trim_end_matches('=').len() * 3 / 4,
        (_, Value::String(text)) => text.len(),
        (_, Value::Array(list)) => 3 + list.iter().map(|element| 1 + value_bytes(element)).sum::<usize>(),
        (_, Value::Object(map)) => {
            3 + map.iter().map(|(name, element)| 1 + name.len() + value_bytes(element)).sum::<usize>()
        }
        _ => 1,
    }
}

/// The write units of putting `new` in the place of `old`; without `new`, of removing it.
#[must_use]
pub fn write_units(old: Option<&WireItem>, new: Option<&WireItem>) -> Written {
    let units = |item: Option<&WireItem>| item.map_or(0, |item| whole(item_bytes(item), WRITE_UNIT_BYTES));
    let indexes = INDEXES.iter().filter_map(|index| {
        let (before, after) = (old.and_then(|old| entry(index, old)), new.and_then(|new| entry(index, new)));
        let moved = before.as_ref().map(|entry| keys_of(index, entry))
            != after.as_ref().map(|entry| keys_of(index, entry));
        let units = match (&before, &after) {
            _ if before == after => 0,
            // What an index sorts by can't be changed in place: an entry goes, and another comes.
            _ if moved => units(before.as_ref()) + units(after.as_ref()),
            _ => units(before.as_ref()).max(units(after.as_ref())),
        };
        (units > 0).then_some((index.name, units))
    });
    Written { table: units(old).max(units(new)).max(1), indexes: indexes.collect() }
}

/// The read units of so many bytes read at once.
#[must_use]
pub fn read_units(bytes: usize, consistent: bool) -> f64 {
    let units = u32::try_from(whole(bytes, READ_UNIT_BYTES)).map_or(f64::INFINITY, f64::from);
    if consistent { units } else { units / 2.0 }
}

fn whole(bytes: usize, unit: usize) -> usize {
    bytes.div_ceil(unit).max(1)
}

/// What an index holds of an item; `None` where it has not both of its keys.
fn entry(index: &Index, item: &WireItem) -> Option<WireItem> {
    let is_in = [index.partition, index.sort].iter().all(|key| item.contains_key(*key));
    let projected = [keys::PK, keys::SK, index.partition, index.sort];
    let names = projected.iter().chain(index.projects);
    let held = names.filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone())));
    is_in.then(|| held.collect())
}

fn keys_of(index: &Index, entry: &WireItem) -> [Option<Value>; 2] {
    [index.partition, index.sort].map(|key| entry.get(key).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(value: &Value) -> WireItem {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn sizes_are_as_documented() {
        for (bytes, value) in [
            (4, json!({"S": "王a"})),
            (2, json!({"N": "0"})),
            (2, json!({"N": "12"})),
            (3, json!({"N": "-123"})),
            (2, json!({"N": "1200000"})),
            (3, json!({"B": "YWJj"})),
            (1, json!({"BOOL": true})),
            (1, json!({"NULL": true})),
            (3 + 2 + 2, json!({"L": [{"S": "a"}, {"S": "b"}]})),
            (3 + 1 + 3 + 1, json!({"M": {"key": {"S": "a"}}})),
        ] {
            assert_eq!(item_bytes(&item(&json!({ "name": value }))), 4 + bytes, "{value}");
        }
    }

    fn due(at: &str, beside: usize) -> WireItem {
        item(&json!({
            "pk": {"S": "call#alicom#1"}, "sk": {"S": "recording#main"}, "due": {"S": "archive#1"}, "due_at": {"S": at},
            "beside": {"S": "x".repeat(beside)},
        }))
    }

    #[test]
    fn an_index_is_written_when_what_it_holds_changes() {
        let units = |old: Option<&WireItem>, new: Option<&WireItem>| {
            let Written { table, indexes } = write_units(old, new);
            (table, indexes.into_iter().map(|(_, units)| units).sum::<usize>())
        };
        let (small, large, later) = (due("1", 0), due("1", 1_500), due("2", 0));
        let expiring = WireItem::from_iter(
            small.clone().into_iter().chain([("source_expires_at".to_owned(), json!({"S": "3"}))]),
        );
        assert_eq!(units(None, Some(&small)), (1, 1));
        assert_eq!(units(Some(&small), Some(&large)), (2, 0));
        assert_eq!(units(Some(&large), Some(&small)), (2, 0));
        assert_eq!(units(Some(&small), Some(&expiring)), (1, 1));
        assert_eq!(units(Some(&small), Some(&later)), (1, 2));
        assert_eq!(units(Some(&small), None), (1, 1));
        assert_eq!(units(Some(&large), Some(&large)), (2, 0));
    }

    #[test]
    fn a_read_is_whole_units_of_four_kilobytes_and_half_of_that_where_it_may_be_stale() {
        assert_eq!([0, 4096, 4097].map(|bytes| read_units(bytes, true)), [1.0, 1.0, 2.0]);
        assert_eq!(read_units(4097, false), 1.0);
    }
}
