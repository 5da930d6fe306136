//! What verifying found, in figures and in words.

use std::fmt;

/// How many differences are listed.
const LISTED: usize = 50;

/// What was found.
#[derive(Debug, Default)]
pub struct Verification {
    pub(super) calls: u64,
    pub(super) pushes: u64,
    pub(super) rejected: u64,
    pub(super) recordings: u64,
    pub(super) archived: u64,
    pub(super) read: u64,
    /// Events that were told of the calls.
    pub(super) events: u64,
    pub(super) other_partitions: u64,
    pub(super) erased: u64,
    /// Of these calls, those that were erased before this run began: they are not judged.
    pub(super) erased_before: u64,
    /// Those of which an earlier run told something else: they are not judged either.
    pub(super) told_otherwise: u64,
    /// Calls of the same seed and day beyond those of this run, from an earlier run of more.
    pub(super) of_earlier_runs: u64,
    pub(super) differences: Vec<Difference>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The partition.
    pub pk: String,
    /// The item.
    pub sk: String,
    /// What is wrong with it.
    pub what: String,
}

impl Verification {
    /// All that differs; empty where the stores hold the truth.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// How many calls were looked at.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many recordings are archived, and as they should be unless a difference tells otherwise.
    #[must_use]
    pub fn archived(&self) -> u64 {
        self.archived
    }

    /// Adds what another look found.
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            calls,
            pushes,
            rejected,
            recordings,
            archived,
            read,
            events,
            other_partitions,
            erased,
            erased_before,
            told_otherwise,
            of_earlier_runs,
            differences,
        } = other;
        self.calls += calls;
        self.pushes += pushes;
        self.rejected += rejected;
        self.recordings += recordings;
        self.archived += archived;
        self.read += read;
        self.events += events;
        self.other_partitions += other_partitions;
        self.erased += erased;
        self.erased_before += erased_before;
        self.told_otherwise += told_otherwise;
        self.of_earlier_runs += of_earlier_runs;
        self.differences.extend(differences);
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.pk, self.sk, self.what)
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "looked at {} calls: {} pushes verbatim, {} rejected, {} recordings ({} archived, {} of them read whole); {} other partitions",
            self.calls,
            self.pushes,
            self.rejected,
            self.recordings,
            self.archived,
            self.read,
            self.other_partitions
        )?;
        if self.events > 0 {
            writeln!(f, "{} events told of them", self.events)?;
        }
        if self.erased > 0 {
            writeln!(f, "{} of them erased, and nothing is left of these", self.erased)?;
        }
        let Self { erased_before, told_otherwise, of_earlier_runs, .. } = self;
        for (count, what) in [
            (erased_before, "were erased before this run, and are not judged"),
            (
                told_otherwise,
                "were told otherwise by an earlier run (with other options), and are not judged",
            ),
            (of_earlier_runs, "more are of an earlier run of the same seed and day, and are not judged"),
        ] {
            if *count > 0 {
                writeln!(f, "{count} calls {what}: another --seed makes calls that were never there")?;
            }
        }
        match self.differences.len() {
            0 => writeln!(f, "0 differences: what was acknowledged is stored, what is stored was sent")?,
            differences => writeln!(f, "{differences} differences:")?,
        }
        for difference in self.differences.iter().take(LISTED) {
            writeln!(f, "  {difference}")?;
        }
        match self.differences.len().checked_sub(LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "  and {more} more"),
        }
    }
}
