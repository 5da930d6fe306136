//! What follows from an attempt that failed: when to try again, or that it is over. Pure: clock and chance are arguments.
//!
//! The pauses grow, but what counts is the URL's expiry. An attempt is never planned beyond it, nor further ahead than half of
//! the time that is left, so that attempts crowd towards it, and one is due early enough before it for a run to come by.

use shared::model::Instant;

/// The first pause, in seconds; each further one is twice as long.
const FIRST_PAUSE_S: i64 = 60;
/// The longest pause.
const LONGEST_PAUSE_S: i64 = 6 * 3_600;
/// The longest pause where only an operator can help: it should not take the rest of the day to see that one has.
const LONGEST_PAUSE_FOR_OPERATOR_S: i64 = 3_600;
/// For this long after the push a file may just not be there yet.
const YOUNG_S: i64 = 3_600;
/// The longest pause meanwhile: it should not take long to see that the file has come.
const LONGEST_PAUSE_WHILE_YOUNG_S: i64 = 300;
/// A run comes by every five minutes at the latest; what is due this long before the expiry is tried before it.
const RUN_S: i64 = 360;
/// For this long after the expiry a failure that may pass is given the chance to: the expiry may be a mere document's word.
const GRACE_S: i64 = 3_600;
/// From this long before the expiry on, a doubtful recording is better than none: no more than one run may come by.
const LAST_CHANCE_S: i64 = 2 * RUN_S;
/// The same where it was tried but once: the next attempt comes soon.
const FIRST_LAST_CHANCE_S: i64 = 2 * FIRST_PAUSE_S;
/// After so many attempts the recording is as good as it gets.
const MANY_ATTEMPTS: u64 = 8;

/// Why an attempt failed, as far as it matters for what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    /// There is no such file: not yet, or no more.
    NotFound,
    /// The URL is refused.
    Refused,
    /// The source has a fault that may pass.
    Passing,
    /// The URL's host is not allowed, or its address is not public and not allowed by itself.
    HostNotAllowed,
    /// It can never succeed.
    Never,
    /// The fault is not the source's: the bucket's, say, or that of the API that would give a fresh URL.
    Elsewhere,
}

/// The circumstances of a URL when the attempt at it failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// The time.
    pub(crate) now: Instant,
    /// When the recording was first heard of.
    pub(crate) first_received_at: Instant,
    /// When the URL expires.
    pub(crate) expires_at: Option<Instant>,
    /// How often the recording was tried, this time included.
    pub(crate) attempts: u64,
}

/// What is to become of the recording, or of one of its URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is tried again.
    Retry {
        /// When.
        at: Instant,
    },
    /// Its URL is dead.
    Expired,
    /// It can never be archived.
    Failed,
}

impl Verdict {
    /// What is to become of a recording, by what is to become of each way to it: it is tried again as long as one of them is
    /// worth it, at the time of the first; it can never be archived only if that is so of all.
    pub(crate) fn of_all(verdicts: impl IntoIterator<Item = Self>) -> Option<Self> {
        verdicts.into_iter().reduce(|all, one| match (all, one) {
            (Self::Retry { at }, Self::Retry { at: other }) => Self::Retry { at: at.min(other) },
            (retry @ Self::Retry { .. }, _) | (_, retry @ Self::Retry { .. }) => retry,
            (Self::Failed, Self::Failed) => Self::Failed,
            (Self::Expired, _) | (_, Self::Expired) => Self::Expired,
        })
    }
}

impl Circumstances {
    /// Whether the push is so young that the file may just not be there yet.
    pub(crate) fn is_young(&self) -> bool {
        self.now.seconds_since(self.first_received_at) < YOUNG_S
    }

    /// Whether the URL's time is over. Without a known expiry it never is.
    pub(crate) fn is_past_expiry(&self) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= self.now)
    }

    /// Whether a doubtful recording is to be taken, since a better one is not to be expected.
    pub(crate) fn is_last_chance(&self) -> bool {
        let left_s = if self.attempts > 1 { LAST_CHANCE_S } else { FIRST_LAST_CHANCE_S };
        let soon = self.now.plus_seconds(left_s);
        self.attempts >= MANY_ATTEMPTS || self.expires_at.is_some_and(|expires_at| expires_at <= soon)
    }

    /// Decides. `chance`, from 0 to 1, spreads what failed together.
    pub(crate) fn verdict(&self, setback: Setback, chance: f64) -> Verdict {
        match setback {
            Setback::Never => Verdict::Failed,
            Setback::NotFound | Setback::Refused | Setback::HostNotAllowed if self.is_past_expiry() => {
                Verdict::Expired
            }
            Setback::Passing if self.is_past_grace() => Verdict::Expired,
            Setback::NotFound
            | Setback::Refused
            | Setback::HostNotAllowed
            | Setback::Passing
            | Setback::Elsewhere => {
                Verdict::Retry { at: self.now.plus_seconds(self.pause_s(setback, chance)) }
            }
        }
    }

    fn is_past_grace(&self) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at.plus_seconds(GRACE_S) <= self.now)
    }

    fn pause_s(&self, setback: Setback, chance: f64) -> i64 {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let longest = match setback {
            Setback::NotFound if self.is_young() => LONGEST_PAUSE_WHILE_YOUNG_S,
            Setback::HostNotAllowed => LONGEST_PAUSE_FOR_OPERATOR_S,
            _ => LONGEST_PAUSE_S,
        };
        let pause_s = (FIRST_PAUSE_S << doublings).min(longest);
        // From three quarters of it to all.
        let pause_s = pause_s * 3 / 4 + (pause_s as f64 / 4.0 * chance.clamp(0.0, 1.0)) as i64;
        match self.expires_at.map(|expires_at| expires_at.seconds_since(self.now)) {
            Some(left_s) if left_s > 0 => pause_s.min(bound_s(left_s)),
            Some(_) | None => pause_s,
        }
    }
}

/// How long a pause may be at most while so much is left until the expiry.
fn bound_s(left_s: i64) -> i64 {
    if left_s >= 2 * RUN_S {
        left_s / 2
    } else if left_s > RUN_S + FIRST_PAUSE_S {
        left_s - RUN_S
    } else {
        (left_s / 2).max(FIRST_PAUSE_S).min(left_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVERY_SETBACK: [Setback; 6] = [
        Setback::NotFound,
        Setback::Refused,
        Setback::Passing,
        Setback::HostNotAllowed,
        Setback::Never,
        Setback::Elsewhere,
    ];
    const DAY_S: i64 = 24 * 3_600;

    fn received() -> Instant {
        Instant::from_epoch_millis(1_748_743_200_000).unwrap()
    }

    /// So long after the push, of a URL that lives seven days.
    fn after(seconds: i64, attempts: u64) -> Circumstances {
        Circumstances {
            now: received().plus_seconds(seconds),
            first_received_at: received(),
            expires_at: Some(received().plus_seconds(7 * DAY_S)),
            attempts,
        }
    }

    fn pause_s(circumstances: Circumstances, setback: Setback) -> i64 {
        match circumstances.verdict(setback, 1.0) {
            Verdict::Retry { at } => at.seconds_since(circumstances.now),
            over => panic!("{over:?}"),
        }
    }

    #[test]
    fn pauses_grow_to_six_hours() {
        let pauses: Vec<_> =
            [1, 2, 3, 4, 9, 10, 1_000].map(|n| pause_s(after(DAY_S, n), Setback::Passing)).into();
        assert_eq!(pauses, [60, 120, 240, 480, 15_360, 21_600, 21_600]);
    }

    #[test]
    fn what_is_not_there_yet_is_asked_for_ever_later_but_every_five_minutes_for_an_hour() {
        let pauses: Vec<_> = [1, 2, 3, 4, 7].map(|n| pause_s(after(120, n), Setback::NotFound)).into();
        assert_eq!(pauses, [60, 120, 240, 300, 300]);
        assert_eq!(pause_s(after(3_600, 7), Setback::NotFound), 3_840);
    }

    #[test]
    fn a_host_is_asked_for_again_every_hour() {
        assert_eq!(pause_s(after(DAY_S, 100), Setback::HostNotAllowed), 3_600);
    }

    #[test]
    fn attempts_crowd_before_the_expiry_and_the_last_is_in_time_for_a_run() {
        let mut circumstances = after(6 * DAY_S, 20);
        let mut left = Vec::new();
        while !circumstances.is_past_expiry() {
            circumstances.now = circumstances.now.plus_seconds(pause_s(circumstances, Setback::Passing));
            left.push(circumstances.expires_at.unwrap().seconds_since(circumstances.now));
        }
        assert_eq!(left, [64_800, 43_200, 21_600, 10_800, 5_400, 2_700, 1_350, 675, 360, 180, 90, 30, 0]);
    }

    #[test]
    fn past_the_expiry_a_definite_answer_ends_it_and_what_may_pass_has_an_hour() {
        let check = |seconds_past: i64, setback: Setback, over: bool| {
            let verdict = after(7 * DAY_S + seconds_past, 3).verdict(setback, 0.5);
            assert_eq!(verdict == Verdict::Expired, over, "{setback:?}, {seconds_past} s past: {verdict:?}");
        };
        for definite in [Setback::NotFound, Setback::Refused, Setback::HostNotAllowed] {
            check(-1, definite, false);
            check(0, definite, true);
        }
        check(3_599, Setback::Passing, false);
        check(3_600, Setback::Passing, true);
        check(30 * DAY_S, Setback::Elsewhere, false);
    }

    #[test]
    fn what_can_never_succeed_fails_at_once() {
        assert_eq!(after(0, 1).verdict(Setback::Never, 0.0), Verdict::Failed);
    }

    #[test]
    fn a_doubtful_recording_is_taken_late_only() {
        assert!(!after(0, 1).is_last_chance());
        assert!(after(0, 8).is_last_chance());
        // Minutes before the expiry; but whoever asked once asks once more, as long as there is time for it.
        assert!(!after(7 * DAY_S - 3_600, 2).is_last_chance());
        assert!(after(7 * DAY_S - 720, 2).is_last_chance());
        assert!(!after(7 * DAY_S - 300, 1).is_last_chance());
        assert!(after(7 * DAY_S - 120, 1).is_last_chance());
    }

    #[test]
    fn a_recording_lives_as_long_as_one_of_its_urls() {
        let retry = |seconds: i64| Verdict::Retry { at: received().plus_seconds(seconds) };
        let (expired, failed) = (Verdict::Expired, Verdict::Failed);
        for (verdicts, expected) in [
            (vec![], None),
            (vec![expired, failed], Some(expired)),
            (vec![failed, expired], Some(expired)),
            (vec![failed, failed], Some(failed)),
            (vec![expired, retry(2), failed, retry(1)], Some(retry(1))),
            (vec![retry(1), expired], Some(retry(1))),
        ] {
            assert_eq!(Verdict::of_all(verdicts.clone()), expected, "{verdicts:?}");
        }
    }

    proptest! {
        #[test]
        fn no_attempt_is_planned_beyond_the_expiry_nor_at_once(
            left_s in 1_i64..8 * DAY_S, attempts in 1_u64..200, chance in 0.0..=1.0, setback in proptest::sample::select(&EVERY_SETBACK),
        ) {
            let circumstances = after(7 * DAY_S - left_s, attempts);
            if let Verdict::Retry { at } = circumstances.verdict(setback, chance) {
                prop_assert!(at <= circumstances.expires_at.unwrap());
                prop_assert!(at >= circumstances.now.plus_seconds(left_s.min(45)));
            }
        }

        #[test]
        fn a_lifetime_that_is_unknown_is_never_over(
            days in 0_i64..1_000, attempts in 1_u64..200, chance in 0.0..=1.0, setback in proptest::sample::select(&EVERY_SETBACK),
        ) {
            let circumstances = Circumstances { expires_at: None, ..after(days * DAY_S, attempts) };
            prop_assert_ne!(circumstances.verdict(setback, chance), Verdict::Expired);
        }
    }
}
