//! Merging: whatever several functions say, in whatever order, the same record comes of it.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use serde_json::{Map, Value};
use shared::merge::{CALL_WRITERS, Contribution, NOTE, QUERY, RECORD, REPORT, Record, merge};
use shared::model::Instant;

/// What a function says: which one, which of two bodies, and values by the attribute's number.
#[derive(Arbitrary, Debug)]
struct Said {
    function: u8,
    newer: bool,
    facts: Vec<(u8, u8)>,
    unsound: Vec<(u8, u8)>,
}

impl Said {
    fn contribution(&self) -> Contribution {
        let function = [REPORT, RECORD, NOTE, QUERY][usize::from(self.function) % 4];
        let writers = |number: u8| {
            let (attribute, writers) = CALL_WRITERS[usize::from(number) % CALL_WRITERS.len()];
            writers.iter().find(|(writer, _)| *writer == function).map(|(_, field)| (attribute, *field))
        };
        let facts: Map<String, Value> = self
            .facts
            .iter()
            .filter_map(|(number, value)| Some((writers(*number)?.0.to_owned(), (*value).into())))
            .collect();
        let extra = self.unsound.iter().filter_map(|(number, value)| {
            let (attribute, field) = writers(*number)?;
            (!facts.contains_key(attribute)).then(|| (field.to_owned(), format!("unsound {value}").into()))
        });
        Contribution {
            function,
            body: format!("{function} {}", self.newer),
            received_at: Instant::from_epoch_seconds(1_748_743_200 + i64::from(self.newer)).unwrap(),
            extra: extra.collect(),
            facts,
        }
    }
}

fn merged<'a>(contributions: impl Iterator<Item = &'a Contribution>) -> Option<Record> {
    contributions.fold(None, |record, one| merge(CALL_WRITERS, record.as_ref(), one).or(record))
}

libfuzzer_sys::fuzz_target!(|said: Vec<Said>| {
    let mut known = std::collections::BTreeSet::new();
    let contributions: Vec<_> =
        said.iter().take(16).map(Said::contribution).filter(|one| known.insert(one.body.clone())).collect();
    let forth = merged(contributions.iter());
    let back = merged(contributions.iter().rev().chain(&contributions));
    assert_eq!(forth.as_ref().map(|record| &record.facts), back.as_ref().map(|record| &record.facts));
    assert_eq!(forth.as_ref().map(|record| &record.extra), back.as_ref().map(|record| &record.extra));
    for one in &contributions {
        assert_eq!(merge(CALL_WRITERS, forth.as_ref(), one), None, "a repeat is no news");
    }
});
