//! Random names that nobody may guess or meet twice, by the operating system's generator.
//!
//! A seeded generator would do for spreading retries, and not for these: Lambda may start many processes from one image of
//! memory, and they would all draw the same.

/// 128 random bits, in hex: the name of a run, or a nonce.
///
/// # Panics
/// If the operating system gives no random numbers, which none does that Lambda runs on.
#[expect(clippy::expect_used, reason = "a name that can be guessed, or is given twice, is worse than none")]
pub fn name() -> String {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the operating system gives random numbers");
    hex::encode(bits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_names_are_the_same_whatever_the_seeded_generator_draws() {
        let names: BTreeSet<_> = (0..1_000)
            .map(|_| {
                fastrand::seed(7);
                name()
            })
            .collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.iter().all(|name| name.len() == 32));
    }
}
