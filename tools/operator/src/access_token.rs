//! `callvault access-token`: a token of the local stack's issuer, for `curl`.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;
use url::form_urlencoded;

use super::http::Http;

/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The local issuer's client of programs, and its secret.
const CLIENT: &str = "local-machine";

/// Which token.
#[derive(Args, Clone, Debug)]
pub struct AccessTokenOptions {
    /// The port of the local stack's API.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The permissions that it gives, `"calls.read recordings.listen"`. Without it: all of them.
    #[arg(long)]
    scope: Option<String>,
}

/// Gets a token, and shows it alone.
pub async fn access_token(options: AccessTokenOptions) -> anyhow::Result<()> {
    let http = Http::new();
    let stack = format!("http://127.0.0.1:{}", options.port);
    let resource = format!("{stack}/.well-known/oauth-protected-resource");
    let resource =
        get(&http, &resource).await.with_context(|| format!("there is no local stack at {stack}"))?;
    let issuer = resource["authorization_servers"][0].as_str().context("the local stack names no issuer")?;
    let description = format!("{issuer}/.well-known/openid-configuration");
    let description = get(&http, &description).await.context("the issuer does not answer")?;
    let endpoint = description["token_endpoint"].as_str().context("the issuer gives out no tokens")?;
    // An issuer of one's own knows other clients.
    ensure!(is_local(endpoint), "the stack's issuer is not the local one: ask it for a token as it has it");
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    form.append_pair("client_id", CLIENT).append_pair("client_secret", CLIENT);
    if let Some(scope) = &options.scope {
        form.append_pair("scope", scope);
    }
    let (status, body) = http.post_form(endpoint, form.finish(), PATIENCE).await?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (status, answer["access_token"].as_str()) {
        (200, Some(token)) => writeln!(std::io::stdout(), "{token}")?,
        _ => {
            bail!("the issuer refuses: {}", answer["error_description"].as_str().unwrap_or("it says not why"))
        }
    }
    Ok(())
}

fn is_local(url: &str) -> bool {
    url.starts_with("http://127.0.0.1:")
}

async fn get(http: &Http, url: &str) -> anyhow::Result<Value> {
    let (status, body) = http.get(url, PATIENCE).await?;
    ensure!(status == 200, "answered with status {status}");
    Ok(serde_json::from_slice(&body)?)
}
