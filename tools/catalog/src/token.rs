//! Minting push tokens.

use sha2::{Digest, Sha256};

use crate::PUSH_FUNCTIONS;

/// A push token of 256 random bits, in hex: nothing in it that a provider's console could escape or cut.
pub fn mint() -> anyhow::Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(hex::encode(random))
}

/// The SHA-256 of a token, as `PUSH_TOKEN_SHA256` wants it.
pub fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// Reads a token that somebody chose: it has to stand in a path as it is, where an empty one would open nothing.
pub fn parse(token: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    match !token.is_empty() && token.bytes().all(plain) {
        true => Ok(token.to_owned()),
        false => {
            Err("a token has one character at least, of A-Z, a-z, 0-9, `-`, `.`, `_` and `~`".to_owned())
        }
    }
}

/// Reads `alicom-call-report=token`.
pub fn parse_own(option: &str) -> Result<(String, String), String> {
    let (function, token) = option.split_once('=').ok_or("it is FUNCTION=TOKEN")?;
    match PUSH_FUNCTIONS.iter().any(|known| known.push.function == function) {
        true => Ok((function.to_owned(), parse(token)?)),
        false => Err(format!("there is no function {function} that is pushed to")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_no_url_can_carry_is_refused() {
        assert_eq!(parse(&mint().unwrap()).map(|token| token.len()), Ok(64));
        for token in ["", " ", "a b", "a/b", "a%2Fb", "a?b", "é"] {
            assert!(parse(token).is_err(), "{token:?}");
            assert!(parse_own(&format!("alicom-call-report={token}")).is_err(), "{token:?}");
        }
        let own = ("alicom-call-report".to_owned(), "a".to_owned());
        assert_eq!(parse_own("alicom-call-report=a"), Ok(own));
        for option in ["a", "alicom-call-reports=a", "archive-recordings=a", "=a"] {
            assert!(parse_own(option).is_err(), "{option:?}");
        }
    }

    #[test]
    fn no_two_tokens_are_alike_and_the_digest_is_that_of_sha256sum() {
        assert_ne!(mint().unwrap(), mint().unwrap());
        assert_eq!(digest("local"), "25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6");
    }
}
