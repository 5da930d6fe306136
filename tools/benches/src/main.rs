//! Holds normalizing, the way to items, and the whole way to what DynamoDB's client takes, to their limits: so many times the floor, for each
//! push. Fails where one is over it each time that it is measured.
//!
//! An argument picks the pushes whose names contain it, for a profiler.
//!
//! Absolute times depend on the machine and on who else is using it. So this compares only what ran next to each other, takes the
//! processor's time instead of the clock's, and of many short rounds the fastest: what a disturbance adds is never subtracted.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to whoever runs it")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use benches::{Case, cases};
use rustix::time::{ClockId, clock_gettime};

/// How much more than the floor normalizing may cost.
const NORMALIZING_LIMIT: f64 = 2.5;
/// How much more than the floor the way from the body to the items may cost.
const ITEMS_LIMIT: f64 = 4.0;
/// How much more than the floor the whole way may cost, from the body to the items' attribute values.
const ATTRIBUTES_LIMIT: f64 = 8.0;
/// How often a case is measured that is over a limit: others that use the caches can make one half as slow again for a while.
const TRIES: usize = 5;
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
    let times: Vec<_> = cases.iter().map(|case| (case, Times::within_limits(case))).collect();
    let over: Vec<_> = times.iter().flat_map(|(case, times)| times.over(&case.name())).collect();
    println!("push/records                  floor    divided normalized  ratio");
    for (case, Times { floor, divided, normalized, .. }) in &times {
        let ratio = normalized / floor;
        let [floor_us, divided_us, normalized_us] = [floor, divided, normalized].map(|seconds| seconds * 1e6);
        println!(
            "{:<26}{floor_us:>6.1} µs{divided_us:>8.1} µs{normalized_us:>8.1} µs{ratio:>7.2}",
            case.name()
        );
    }
    println!("\npush/records                  floor      items  ratio attributes  ratio  records/s   MB/s");
    for (case, Times { floor, items, attributes, .. }) in &times {
        let ratio = attributes / floor;
        let [floor_us, items_us, attributes_us] = [floor, items, attributes].map(|seconds| seconds * 1e6);
        println!(
            "{:<26}{floor_us:>6.1} µs{items_us:>8.1} µs{:>7.2}{attributes_us:>8.1} µs{ratio:>7.2}{:>11.0}{:>7.1}",
            case.name(),
            items / floor,
            case.records as f64 / attributes,
            case.body.len() as f64 / attributes_us,
        );
    }
    if over.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("too many times the floor: {}", over.join("; "));
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
    /// And on to their attribute values.
    attributes: f64,
}

impl Times {
    /// Measures a case, some times where it is over a limit.
    fn within_limits(case: &Case) -> Self {
        let mut times = Self::of(case);
        for _ in 1..TRIES {
            if times.over(&case.name()).is_empty() {
                break;
            }
            times = Self::of(case);
        }
        times
    }

    /// What of it is over a limit.
    fn over(&self, case: &str) -> Vec<String> {
        let steps = [
            ("normalizing", self.normalized, NORMALIZING_LIMIT),
            ("to the items of", self.items, ITEMS_LIMIT),
            ("to the attribute values of", self.attributes, ATTRIBUTES_LIMIT),
        ];
        let ratios = steps.map(|(what, seconds, limit)| (what, seconds / self.floor, limit));
        let over = ratios.into_iter().filter(|(_, ratio, limit)| ratio > limit);
        over.map(|(what, ratio, limit)| format!("{what} {case}: {ratio:.2}, the limit is {limit}")).collect()
    }

    fn of(case: &Case) -> Self {
        let texts = case.texts();
        let steps: [&dyn Fn(); 5] = [
            &|| drop(black_box(black_box(case).read())),
            &|| drop(black_box(black_box(case).texts())),
            &|| drop(black_box(black_box(case).normalized(black_box(&texts)))),
            &|| drop(black_box(black_box(case).items())),
            &|| drop(black_box(black_box(case).attributes())),
        ];
        let repeats = steps.map(repeats);
        let mut shortest = [f64::MAX; 5];
        for _ in 0..ROUNDS {
            for ((step, repeats), shortest) in steps.iter().zip(repeats).zip(&mut shortest) {
                *shortest = shortest.min(mean(step, repeats));
            }
        }
        let [floor, divided, normalized, items, attributes] = shortest;
        Self { floor, divided, normalized, items, attributes }
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
    let start = processor_time();
    for _ in 0..repeats {
        step();
    }
    (processor_time() - start).as_secs_f64() / f64::from(repeats)
}

/// How long this thread has had a processor.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
