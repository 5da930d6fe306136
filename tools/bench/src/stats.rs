//! What many measurements come to.

use std::time::Duration;

/// Measurements of one thing, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Sampled(Vec<f64>);

impl Sampled {
    /// Adds one.
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1_000.0);
    }

    /// The middle one; 0 where there is none.
    pub(super) fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    /// The one that so many of a hundred don't exceed; 0 where there is none.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Wall and processor time of one thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) wall: Sampled,
    pub(super) cpu: Sampled,
}

impl Times {
    /// Adds one measurement.
    pub(super) fn add(&mut self, wall: Duration, cpu: Duration) {
        self.wall.add(wall);
        self.cpu.add(cpu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_measurement() {
        let mut sampled = Sampled::default();
        assert_eq!(sampled.median(), 0.0);
        for ms in [5, 1, 4, 2, 3] {
            sampled.add(Duration::from_millis(ms));
        }
        assert_eq!(
            [0.0, 20.0, 50.0, 60.0, 95.0, 100.0].map(|p| sampled.percentile(p)),
            [1.0, 1.0, 3.0, 3.0, 5.0, 5.0]
        );
    }
}
