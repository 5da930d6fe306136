//! What a call costs in DynamoDB, from its first push to its archived recording.

use std::fmt::Write;

use bench::billing::{Bill, COMPLETE, lives};

/// More would be seen on the monthly bill: `docs/performance.md` tells what each unit is for.
const MAX_WRITE_UNITS: f64 = 17.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complete_call_costs_at_most_seventeen_write_units() {
    let lives = lives().await.unwrap();
    let mut table = String::new();
    for life in &lives {
        writeln!(table, "{}: {}", life.name, told(&life.bill())).unwrap();
        for step in &life.steps {
            writeln!(table, "  {}: {}", step.function, told(&step.bill)).unwrap();
        }
    }
    let life = |name: &str| lives.iter().find(|life| life.name == name).unwrap();
    let complete = life(COMPLETE);
    assert!(complete.bill().write() <= MAX_WRITE_UNITS, "{table}");
    assert!(
        complete.steps.iter().all(|step| step.bill.write() >= 2.0),
        "each step writes something: {table}"
    );
    // Each recording is written once, and leaves the index once.
    for (name, units) in
        [("AI-voice: a call with two recordings", 15.0), ("LAAFFIC: a call with a recording", 10.0)]
    {
        assert!(life(name).bill().write() <= units, "{table}");
    }
    // A repeat finds all of it as it is.
    let twice = &life("Alibaba: report, record, note, each twice").steps;
    for repeat in [&twice[1], &twice[3], &twice[5]] {
        let targets = repeat.bill.writes_by_target();
        assert!(targets.is_empty(), "{table}");
    }
}

fn told(bill: &Bill) -> String {
    let targets = bill.writes_by_target().into_iter().map(|(target, units)| format!("{target} {units}"));
    let targets: Vec<_> = targets.collect();
    format!("{} written ({}), {} read", bill.write(), targets.join(", "), bill.read())
}
