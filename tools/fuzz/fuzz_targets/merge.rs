//! Merging: whatever several functions say, in whatever order, as received whenever, the same record comes of it.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use serde_json::{Map, Value};
use shared::record::attribute_list::AttributeList;
use shared::record::merge::{CALL_WRITERS, Contribution, NOTE, QUERY, RECORD, REPORT, Record, merge, rebuilt};
use shared::model::Instant;

/// Each function's document, as far as it matters here: an attribute that others write too, and one of its own.
const FEEDS: [(&str, &[(&str, &str)]); 4] = [
    (
        REPORT,
        &[
            ("callee", "callee"),
            ("originateTime", "originated_at"),
            ("ringTime", "ringing_at"),
            ("duration", "duration_s"),
        ],
    ),
    (RECORD, &[("startTime", "originated_at"), ("duration", "duration_s")]),
    (NOTE, &[("outputTags", "tags"), ("call_times", "attempt")]),
    (
        QUERY,
        &[
            ("CalledPhone", "callee"),
            ("StartCallTime", "originated_at"),
            ("OutputTags", "tags"),
            ("FailedReason", "status"),
        ],
    ),
];

/// What a function says: which one, which of five bodies, received how much later than the first time, and each field's value by its
/// number.
#[derive(Arbitrary, Debug)]
struct Said {
    function: u8,
    body: u8,
    later: u8,
    fields: Vec<(u8, Word)>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Word {
    Sound(u8),
    Unsound(u8),
    Null,
    Unknown(u8),
}

impl Said {
    fn contribution(&self) -> Contribution {
        let (function, feeds) = FEEDS[usize::from(self.function) % 4];
        let body = self.body % 5;
        let mut contribution = Contribution {
            function,
            body: format!("{function} {body}"),
            received_at: Instant::from_epoch_seconds(1_748_743_200 + i64::from(body / 2 + self.later % 4))
                .unwrap(),
            facts: AttributeList::new(),
            extra: Map::new(),
            nulls: std::collections::BTreeSet::new(),
            feeds,
        };
        let words: BTreeMap<_, _> =
            self.fields.iter().map(|(field, word)| (usize::from(*field) % feeds.len(), word)).collect();
        for (field, word) in words {
            let (field, attribute) = feeds[field];
            match word {
                Word::Sound(value) if attribute == "status" => {
                    let status = Map::from_iter([(field.to_owned(), Value::from(*value))]);
                    contribution.facts.insert(attribute, status);
                }
                Word::Sound(value) => {
                    contribution.facts.insert(attribute, *value);
                }
                Word::Unsound(value) => {
                    contribution.extra.insert(field.to_owned(), format!("unsound {value}").into());
                }
                Word::Null => {
                    contribution.nulls.insert(field.to_owned());
                }
                Word::Unknown(value) => {
                    contribution.extra.insert("unknown".to_owned(), (*value).into());
                }
            }
        }
        contribution
    }
}

fn merged<'a>(contributions: impl Iterator<Item = &'a Contribution>) -> Option<Record> {
    let mut record = None;
    for one in contributions {
        merge(CALL_WRITERS, &mut record, one.clone());
    }
    record
}

libfuzzer_sys::fuzz_target!(|said: Vec<Said>| {
    // A body is what it is: the same digest never stands for two contents.
    let mut bodies: BTreeMap<String, Contribution> = BTreeMap::new();
    let delivered: Vec<_> = said
        .iter()
        .take(24)
        .map(|said| {
            let one = said.contribution();
            let received_at = one.received_at;
            let known = bodies.entry(one.body.clone()).or_insert(one);
            known.received_at = known.received_at.min(received_at);
            Contribution { received_at, ..known.clone() }
        })
        .collect();
    let once = merged(bodies.values());
    assert_eq!(once, merged(delivered.iter()));
    assert_eq!(once, merged(delivered.iter().rev().chain(bodies.values())));
    let Some(record) = once else { return };
    let all: Vec<_> = bodies.into_values().collect();
    for one in &all {
        let mut again = Some(record.clone());
        assert!(!merge(CALL_WRITERS, &mut again, one.clone()), "a repeat is no news");
        assert_eq!(again.as_ref(), Some(&record));
    }
    for kept in 0..=all.len() {
        assert_eq!(
            rebuilt(CALL_WRITERS, &record, &all[..kept]),
            record,
            "what is read as before comes to the same"
        );
    }
});
