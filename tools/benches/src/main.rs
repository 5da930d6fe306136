//! Holds normalizing to its limit: at most 2.5 times the floor, for each push. Fails where one is over it.
//!
//! An argument picks the pushes whose names contain it, for a profiler.
//!
//! Absolute times depend on the machine and on who else is using it. So this compares only what ran next to each other, and of many short
//! rounds takes the fastest: what a disturbance adds is never subtracted.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to whoever runs it")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::{Case, cases};

/// How much more than the floor normalizing may cost.
const LIMIT: f64 = 2.5;
/// How long one round of one measurement takes about.
const ROUND: Duration = Duration::from_micros(500);
/// How many rounds are run.
const ROUNDS: usize = 100;

fn main() -> ExitCode {
    let part = std::env::args().nth(1).unwrap_or_default();
    let cases: Vec<_> = cases().into_iter().filter(|case| case.name().contains(&part)).collect();
    if cases.is_empty() {
        eprintln!("no push is named like {part}");
        return ExitCode::FAILURE;
    }
    println!(
        "push/records                  floor    divided normalized  ratio      items  ratio  records/s   MB/s"
    );
    let mut over = Vec::new();
    for case in cases {
        let Times { floor, divided, normalized, items } = Times::of(&case);
        let ratio = normalized / floor;
        let [floor_us, divided_us, normalized_us, items_us] =
            [floor, divided, normalized, items].map(|seconds| seconds * 1e6);
        println!(
            "{:<26}{floor_us:>6.1} µs{divided_us:>8.1} µs{normalized_us:>8.1} µs{ratio:>7.2}{items_us:>8.1} µs{:>7.2}{:>11.0}{:>7.1}",
            case.name(),
            items / floor,
            case.records as f64 / items,
            case.body.len() as f64 / items_us,
        );
        if ratio > LIMIT {
            over.push(case.name());
        }
    }
    if over.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("over {LIMIT} times the floor: {}", over.join(", "));
    ExitCode::FAILURE
}

/// The shortest time that each step took, in seconds.
struct Times {
    /// Reading the body's JSON.
    floor: f64,
    /// Dividing the body into its elements.
    divided: f64,
    /// Normalizing the elements.
    normalized: f64,
    /// All the way from the body to the items.
    items: f64,
}

impl Times {
    fn of(case: &Case) -> Self {
        let texts = case.texts();
        let steps: [&dyn Fn(); 4] = [
            &|| drop(black_box(black_box(case).read())),
            &|| drop(black_box(black_box(case).texts())),
            &|| drop(black_box(black_box(case).normalized(black_box(&texts)))),
            &|| drop(black_box(black_box(case).items())),
        ];
        let repeats = steps.map(repeats);
        let mut shortest = [f64::MAX; 4];
        for _ in 0..ROUNDS {
            for ((step, repeats), shortest) in steps.iter().zip(repeats).zip(&mut shortest) {
                *shortest = shortest.min(mean(step, repeats));
            }
        }
        let [floor, divided, normalized, items] = shortest;
        Self { floor, divided, normalized, items }
    }
}

/// How often a step fits into a round.
fn repeats(step: impl Fn()) -> u32 {
    let mut repeats = 1;
    while mean(&step, repeats) * f64::from(repeats) < ROUND.as_secs_f64() {
        repeats *= 2;
    }
    repeats
}

/// The mean time of a step that is repeated, in seconds.
fn mean(step: impl Fn(), repeats: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        step();
    }
    start.elapsed().as_secs_f64() / f64::from(repeats)
}
