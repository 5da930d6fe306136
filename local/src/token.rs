//! Minting push tokens.

use std::io::Write;

use sha2::{Digest, Sha256};

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

/// Mints a token and shows it.
pub fn run() -> anyhow::Result<()> {
    let token = mint()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "token              {token}")?;
    writeln!(out, "PUSH_TOKEN_SHA256  {}", digest(&token))?;
    writeln!(out)?;
    writeln!(
        out,
        "The token goes into the URL that the provider pushes to, and nowhere else; its SHA-256 into the function's settings."
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike_and_the_digest_is_that_of_sha256sum() {
        assert_ne!(mint().unwrap(), mint().unwrap());
        assert_eq!(digest("local"), "25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6");
    }
}
