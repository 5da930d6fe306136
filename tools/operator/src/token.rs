//! `callvault token`: a push token, and the SHA-256 of it to configure.

use std::io::Write;

use catalog::token::{digest, mint};

/// Mints a token and shows it.
pub fn token() -> anyhow::Result<()> {
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
