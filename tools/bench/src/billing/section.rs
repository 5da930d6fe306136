//! What DynamoDB would bill for a call, from its first push to its archived recording.

use std::collections::BTreeSet;

use super::{Bill, COMPLETE, lives};
use crate::report::{Bound, Ratio, Section, Table};

/// What a complete call of Alibaba's may cost, in write units.
const MAX_WRITE_UNITS: f64 = 17.0;

/// Runs it.
pub(crate) async fn run() -> anyhow::Result<Section> {
    let lives = lives().await?;
    let bills: Vec<_> = lives.iter().map(|life| (life, life.bill().writes_by_target())).collect();
    let targets: BTreeSet<_> = bills.iter().flat_map(|(_, targets)| targets.keys().cloned()).collect();
    let mut columns = vec!["write units", "read units", "requests"];
    columns.extend(targets.iter().map(String::as_str));
    let mut whole = Table::new("calls: units, and what is written, by kind of item and by index", &columns);
    let mut steps = Table::new("their steps", &columns);
    for life in &lives {
        let figures = |bill: &Bill| {
            let by_target = bill.writes_by_target();
            let own =
                [bill.write(), bill.read(), f64::from(u32::try_from(bill.requests).unwrap_or(u32::MAX))];
            let own = own.into_iter().map(Some);
            own.chain(targets.iter().map(|target| by_target.get(target).copied())).collect::<Vec<_>>()
        };
        whole.row(life.name, figures(&life.bill()));
        for step in &life.steps {
            steps.row(format!("{}: {}", life.name, step.function), figures(&step.bill));
        }
    }
    let complete = lives.iter().find(|life| life.name == COMPLETE);
    let ratios = complete.map(|life| Ratio {
        what: format!("{}, archived: write units", life.name),
        value: life.bill().write(),
        bound: Some(Bound::AtMost(MAX_WRITE_UNITS)),
    });
    Ok(Section {
        name: "billing",
        tables: vec![whole, steps],
        ratios: ratios.into_iter().collect(),
        notes: vec![
            "Reckoned by the documented rules from the items before and after each request, not measured on AWS.".to_owned(),
            "What the scheduled functions read to find what is due, and write to lease shards, is left out: it is the same for one call and for a hundred.".to_owned(),
        ],
    })
}
