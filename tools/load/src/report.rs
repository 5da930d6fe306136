//! What became of the pushes of a simulation, and its figures by kind of push.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use operator::http::NoAnswer;

use super::plan::{Kind, Message};

/// How many of the pushes that were given up are listed.
const LISTED: usize = 20;

/// Why an attempt was no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// There was no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The answer is no acknowledgement.
    #[error("answered {0}")]
    Status(u16),
    /// Status 200, but a body without the numeric `code` that Alibaba demands.
    #[error("answered 200 without a code")]
    NoCode,
}

/// What became of all pushes.
#[derive(Debug)]
pub struct Sent {
    pub(super) figures: Figures,
    pub(super) acknowledged: HashSet<(u32, Kind)>,
    /// The calls whose callee was erased.
    pub(super) erased: HashSet<u32>,
    /// What stood beside the lists of acknowledged pushes.
    pub(super) envelopes: HashSet<String>,
    pub(super) given_up: Vec<GivenUp>,
    pub(super) started: jiff::Timestamp,
    pub(super) took: Duration,
}

/// A push that its platform will not send again.
#[derive(Debug)]
pub(super) struct GivenUp {
    pub(super) kind: Kind,
    pub(super) messages: Vec<Message>,
    pub(super) attempts: u32,
    pub(super) last: Failure,
}

impl Sent {
    /// How many pushes there were.
    #[must_use]
    pub fn pushes(&self) -> u64 {
        self.figures.total(|kind| kind.pushes)
    }

    /// How many of them were acknowledged.
    #[must_use]
    pub fn acknowledged_pushes(&self) -> u64 {
        self.figures.total(|kind| kind.acknowledged)
    }

    /// How many people were erased meanwhile.
    #[must_use]
    pub fn erased(&self) -> usize {
        self.erased.len()
    }

    /// How many attempts were repetitions.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.figures.total(|kind| kind.retried)
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Figures {
    kinds: BTreeMap<Kind, KindFigures>,
    failures: BTreeMap<String, u64>,
}

/// What was counted of one kind of push.
#[derive(Debug, Default)]
pub(super) struct KindFigures {
    /// How many pushes were sent at least once.
    pub(super) pushes: u64,
    /// How many of them were acknowledged in the end.
    pub(super) acknowledged: u64,
    /// How many attempts were repetitions.
    pub(super) retried: u64,
    /// How many pushes were given up.
    pub(super) given_up: u64,
    /// How long each answer took, whatever it said.
    latencies: Vec<Duration>,
}

impl Figures {
    /// The figures of a kind.
    pub(super) fn of(&mut self, kind: Kind) -> &mut KindFigures {
        self.kinds.entry(kind).or_default()
    }

    /// Counts an attempt, and how long its answer took, if there was one.
    pub(super) fn attempt(&mut self, kind: Kind, attempt: u32, latency: Option<Duration>) {
        let figures = self.of(kind);
        match attempt {
            1 => figures.pushes += 1,
            _ => figures.retried += 1,
        }
        figures.latencies.extend(latency);
    }

    /// Counts why an attempt failed.
    pub(super) fn failure(&mut self, failure: Failure) {
        *self.failures.entry(failure.to_string()).or_default() += 1;
    }

    /// A sum over all kinds.
    pub(super) fn total(&self, count: impl Fn(&KindFigures) -> u64) -> u64 {
        self.kinds.values().map(count).sum()
    }
}

/// The latency that so many of a hundred are not above, of sorted ones (the nearest rank).
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<30} {:>7} {:>12} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8}",
            "push", "sent", "acknowledged", "retried", "given up", "p50 ms", "p90 ms", "p99 ms", "max ms"
        )?;
        let mut all = KindFigures::default();
        for (kind, figures) in &self.figures.kinds {
            line(f, kind.label(), figures)?;
            all.pushes += figures.pushes;
            all.acknowledged += figures.acknowledged;
            all.retried += figures.retried;
            all.given_up += figures.given_up;
            all.latencies.extend(&figures.latencies);
        }
        line(f, "all", &all)?;
        let share = 100.0 * all.acknowledged as f64 / all.pushes.max(1) as f64;
        writeln!(f, "{share:.2} % acknowledged in {:.1} s", self.took.as_secs_f64())?;
        for (failure, times) in &self.figures.failures {
            writeln!(f, "  {times} attempts: {failure}")?;
        }
        for push in self.given_up.iter().take(LISTED) {
            let calls: Vec<_> = push.messages.iter().map(|message| message.call.to_string()).collect();
            writeln!(
                f,
                "given up after {} attempts, {}: {} of calls number {}",
                push.attempts,
                push.last,
                push.kind.label(),
                calls.join(", ")
            )?;
        }
        match self.given_up.len().checked_sub(LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "and {more} more pushes given up"),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, figures: &KindFigures) -> fmt::Result {
    let KindFigures { pushes, acknowledged, retried, given_up, latencies } = figures;
    write!(f, "{name:<30} {pushes:>7} {acknowledged:>12} {retried:>8} {given_up:>9}")?;
    let mut sorted = latencies.clone();
    sorted.sort_unstable();
    for percent in [50, 90, 99, 100] {
        match percentile(&sorted, percent) {
            Some(latency) => write!(f, " {:>8.1}", latency.as_secs_f64() * 1e3)?,
            None => write!(f, " {:>8}", "-")?,
        }
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let at = |percent| percentile(&sorted, percent).map(|latency| latency.as_millis());
        assert_eq!([at(50), at(90), at(99), at(100)], [Some(100), Some(180), Some(198), Some(200)]);
        assert_eq!(percentile(&sorted[..1], 50), Some(sorted[0]));
        assert_eq!(percentile(&[], 50), None);
    }
}
