//! Randomness that nobody can guess: the operating system's. For pauses and samples `fastrand` does.

/// A name that nobody else gives and nobody can guess: 128 random bits, in 32 hexadecimal digits.
///
/// # Panics
/// If the operating system has no random numbers.
#[expect(clippy::expect_used, reason = "a name that can be guessed, or is given twice, is worse than none")]
pub fn unguessable() -> String {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the operating system has random numbers");
    hex::encode(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seed_makes_two_alike() {
        let names = [(); 2].map(|()| {
            fastrand::seed(7);
            unguessable()
        });
        assert_ne!(names[0], names[1]);
        assert!(
            names.iter().all(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        );
    }
}
