//! When to look at a tombstone again. Pure.

use shared::model::Instant;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;

/// For so long after its arming (the first figure, in seconds) a tombstone is looked at again after so long (the second): every
/// five minutes for two hours, in which a function that died has its pushes repeated; hourly for two days; daily for eight. A
/// pause is a little less than the run's interval, lest each second run come a moment too early.
const LOOKS: [(i64, i64); 3] = [
    (2 * HOUR_S, 4 * MINUTE_S),
    (2 * HOUR_S + 2 * DAY_S, HOUR_S - MINUTE_S),
    (2 * HOUR_S + 10 * DAY_S, DAY_S - MINUTE_S),
];

/// When to look again at a tombstone that was armed at `armed_at` and has been looked at now; `None` where nothing can come to lie
/// beside it any more. While `is_kept`, something could not be removed: then it is looked at each day, whatever time has passed.
pub(crate) fn next_look(armed_at: Instant, now: Instant, is_kept: bool) -> Option<Instant> {
    let age = now.seconds_since(armed_at);
    let pause = LOOKS.iter().find(|(until, _)| age < *until).map(|(_, pause)| *pause);
    pause.or(is_kept.then_some(DAY_S - MINUTE_S)).map(|pause| now.plus_seconds(pause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_epoch_seconds(1_748_743_200 + seconds).unwrap()
    }

    fn looks(is_kept: bool, days: i64) -> Vec<i64> {
        let (mut now, mut looks) = (0, Vec::new());
        while let Some(next) = next_look(at(0), at(now), is_kept) {
            now = next.seconds_since(at(0));
            if now > days * DAY_S {
                break;
            }
            looks.push(now);
        }
        looks
    }

    #[test]
    fn looks_are_frequent_at_first_then_rare_and_end_after_ten_days() {
        let looks = looks(false, 100);
        let within = |from: i64, to: i64| looks.iter().filter(|look| (from..to).contains(*look)).count();
        assert!(within(0, 2 * HOUR_S) >= 24);
        assert!(within(2 * HOUR_S, 2 * DAY_S) >= 46);
        assert!((8..=10).contains(&within(2 * HOUR_S + 2 * DAY_S, 100 * DAY_S)), "{looks:?}");
        assert!((9 * DAY_S..12 * DAY_S).contains(looks.last().unwrap()));
    }

    #[test]
    fn while_something_is_kept_looks_go_on() {
        assert!(*looks(true, 100).last().unwrap() > 98 * DAY_S);
    }

    proptest! {
        #[test]
        fn the_next_look_is_always_later(age in -DAY_S..30 * DAY_S, is_kept: bool) {
            if let Some(next) = next_look(at(0), at(age), is_kept) {
                prop_assert!(next > at(age));
            }
        }
    }
}
