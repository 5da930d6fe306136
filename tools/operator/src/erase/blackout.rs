//! Blacking a number out of what has to stay: the rest of the text is as it was. Pure.

use std::ops::Range;

use super::leaves::{Leaf, leaves};
use super::number::Numbers;

/// What stands in the place of a number of JSON, which has to stay JSON.
const IN_PLACE_OF_A_NUMBER: &[u8] = b"\"***\"";

/// The bytes with each digit of the numbers as `*`; `None` where they hold none. JSON stays JSON.
pub(crate) fn blacked_out(bytes: &[u8], numbers: &Numbers) -> Option<Vec<u8>> {
    let found = numbers.occurrences(bytes);
    if found.is_empty() {
        return None;
    }
    // A number that stands for itself in JSON, without quotation marks around it.
    let mut bare: Vec<Range<usize>> = Vec::new();
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.trim_start().starts_with(['{', '['])
    {
        leaves(text, |_, leaf, place| {
            if matches!(leaf, Leaf::Number(_)) {
                bare.push(place);
            }
        });
    }
    let mut places: Vec<(Range<usize>, &[u8])> = Vec::new();
    for occurrence in found {
        let range = occurrence.range();
        let around = bare.partition_point(|bare| bare.end <= range.start);
        match bare.get(around).filter(|bare| bare.start <= range.start && range.end <= bare.end) {
            Some(bare) => places.push((bare.clone(), IN_PLACE_OF_A_NUMBER)),
            None => places.extend(occurrence.places().map(|place| (place, &b"*"[..]))),
        }
    }
    let mut black = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (place, mark) in places {
        // Two numbers may share digits, or a number of JSON that holds both.
        if place.start < at {
            continue;
        }
        black.extend_from_slice(&bytes[at..place.start]);
        black.extend_from_slice(mark);
        at = place.end;
    }
    black.extend_from_slice(&bytes[at..]);
    Some(black)
}

/// [`blacked_out`] for text.
pub(crate) fn blacked_out_text(text: &str, numbers: &Numbers) -> Option<String> {
    // ASCII is replaced by ASCII.
    blacked_out(text.as_bytes(), numbers).map(|black| String::from_utf8_lossy(&black).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_go_and_all_else_stays() {
        let numbers = Numbers::read(["13912345678"]).unwrap();
        for (text, black) in [
            ("callee=13912345678&a=1", "callee=***********&a=1"),
            (r#"{"a":13912345678,"b":[1]}"#, r#"{"a":"***","b":[1]}"#),
            (r#"{"a":1.3912345678E10}"#, r#"{"a":"***"}"#),
            (r#"{"a":"\u00313912345678 é"#, r#"{"a":"*********** é"#),
            (r#"{"a":"+86 139-1234-5678"}"#, r#"{"a":"+86 ***-****-****"}"#),
            ("13912345678", "***********"),
        ] {
            assert_eq!(blacked_out_text(text, &numbers).as_deref(), Some(black), "{text}");
        }
        assert_eq!(blacked_out(b"[139123456789]", &numbers), None);
        assert_eq!(blacked_out(b"\xff13912345678\xff", &numbers).unwrap(), b"\xff***********\xff");
    }

    proptest! {
        #[test]
        fn nothing_is_left_of_a_number_and_json_stays_json(
            number in "[1-9][0-9]{9,14}", texts in prop::collection::vec("\\PC{0,12}", 1..5),
        ) {
            let numbers = Numbers::read([number.as_str()]).unwrap();
            let value: Vec<_> = texts
                .iter()
                .map(|text| serde_json::json!({"a": format!("{text} {number} {text}"), "b": number.parse::<u64>().unwrap()}))
                .collect();
            let json = serde_json::to_string(&value).unwrap();
            let black = blacked_out_text(&json, &numbers).unwrap();
            prop_assert!(!numbers.are_in(black.as_bytes()), "{}", black);
            let read: Vec<serde_json::Value> = serde_json::from_str(&black).unwrap();
            for (text, read) in texts.iter().zip(read) {
                prop_assert!(read["a"].as_str().unwrap().ends_with(&format!(" {text}")), "{}", black);
            }
        }
    }
}
