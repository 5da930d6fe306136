//! Records and bytes a second of each push: reading its JSON alone, dividing the body, normalizing its elements, and all the way
//! from the body to the items; and merging a second push about a call into what is stored of it.

#![expect(clippy::unwrap_used, reason = "the samples are sound")]

use std::hint::black_box;

use benches::{Case, cases};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use runtime::store::attributes::{from_attributes, to_attributes};

fn pushes(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(case.name());
        group.throughput(Throughput::ElementsAndBytes {
            elements: case.records as u64,
            bytes: case.body.len() as u64,
        });
        group.bench_function("floor", |bencher| bencher.iter(|| black_box(&case).read()));
        let texts = case.texts();
        group.bench_function("divided", |bencher| bencher.iter(|| black_box(&case).texts()));
        group.bench_function("normalized", |bencher| {
            bencher.iter(|| black_box(&case).normalized(black_box(&texts)))
        });
        group.bench_function("items", |bencher| bencher.iter(|| black_box(&case).items()));
        group.bench_function("attributes", |bencher| bencher.iter(|| black_box(&case).attributes()));
    }
}

/// What follows on a call report: the recording's announcement, and the note.
fn merging(criterion: &mut Criterion) {
    let single = |function: &str| {
        cases().into_iter().find(|case: &Case| case.records == 1 && case.push.function == function).unwrap()
    };
    let report = single(shared::record::merge::REPORT);
    let stored = report.call_item(&report.first(), None).unwrap();
    let stored = stored.map(to_attributes).map(from_attributes);
    let mut group = criterion.benchmark_group("merging into a stored call");
    group.throughput(Throughput::Elements(1));
    for second in [single(shared::record::merge::RECORD), single(shared::record::merge::NOTE)] {
        let said = second.first();
        group.bench_function(second.push.function, |bencher| {
            bencher.iter_batched(
                || stored.clone(),
                |stored| second.call_item(&said, stored),
                BatchSize::SmallInput,
            )
        });
    }
}

criterion_group!(benches, pushes, merging);
criterion_main!(benches);
