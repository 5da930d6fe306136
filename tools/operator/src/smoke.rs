//! `callvault smoke`: a made-up call is pushed to each push function, found in the stores, and removed.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use catalog::{PUSH_FUNCTIONS, PushFunction};
use clap::Args;
use runtime::store::Store;
use runtime::store::bucket::Bucket;
use serde_json::{Value, json};
use shared::model::{CallId, CallKey};
use shared::normalize::PushType;
use shared::record::keys;
use url::Url;

use super::{Target, told};
use crate::http::Http;

/// What a made-up call's id begins with.
const MARK: &str = "callvault-smoke-";

/// What an element carries beside its id, in bytes: too large for an item, so that the bucket is written too.
const LARGE_BYTES: usize = 70_000;

/// How long an answer is waited for. Longer than a platform waits: what is asked is whether it works.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to try.
#[derive(Args, Clone, Debug)]
pub struct SmokeOptions {
    #[command(flatten)]
    target: Target,
    /// The API's base URL, without `/push`.
    #[arg(long, value_name = "URL")]
    url: Url,
    /// A token that opens all routes.
    #[arg(long)]
    token: String,
    /// Believe the answers, and look into no store. The made-up calls stay, and are named.
    #[arg(long)]
    answers_alone: bool,
}

/// Pushes a made-up call to each push function, and tells of each whether it is stored. It fails where one is not, or can't be
/// removed.
pub async fn smoke(options: SmokeOptions) -> anyhow::Result<()> {
    let receiver = match options.answers_alone {
        true => None,
        false => {
            let receiver = options.target.receiver().await;
            Some(receiver.context("without --answers-alone the stores are looked into")?)
        }
    };
    let store = receiver.as_ref().map(|receiver| receiver.store());
    let mut out = std::io::stdout().lock();
    let mut failed = 0;
    let mut acknowledged = Vec::new();
    for function in PUSH_FUNCTIONS {
        let name = function.push.function;
        let key = CallKey { provider: function.push.provider, call_id: made_up_id()? };
        match check(&options, store, &function, &key).await {
            Ok(took) => {
                writeln!(out, "{name}: stored, in {} ms", took.as_millis())?;
                acknowledged.push(keys::call_pk(&key));
            }
            Err(error) => {
                writeln!(out, "{name}: failed: {}", told(&error))?;
                failed += 1;
            }
        }
    }
    if options.answers_alone {
        writeln!(
            out,
            "the made-up calls stay, {} of them: in the table `call` and `push#…` of each, in the bucket two objects of each under large/. They hold \
             no number; without --answers-alone they are removed",
            acknowledged.len()
        )?;
        for call in &acknowledged {
            writeln!(out, "  {call}")?;
        }
        if failed > 0 {
            writeln!(out, "what was not acknowledged may be stored all the same: its id begins with {MARK}")?;
        }
    }
    ensure!(failed == 0, "{failed} of {} functions failed", PUSH_FUNCTIONS.len());
    Ok(())
}

/// One function: whether the push was acknowledged, what it left, and that nothing of it stays. How long the answer took.
async fn check(
    options: &SmokeOptions,
    store: Option<&Store>,
    function: &PushFunction,
    key: &CallKey,
) -> anyhow::Result<Duration> {
    let pushed = async {
        let took = acknowledged(options, function, key).await?;
        match store {
            Some(store) => found(store, &function.push, key).await.map(|()| took),
            None => Ok(took),
        }
    };
    let pushed = pushed.await;
    let removed = match store {
        // Whatever was found: what wasn't acknowledged may be stored all the same.
        Some(store) => remove(store, key).await.context("the made-up call is not removed"),
        None => Ok(()),
    };
    match (pushed, removed) {
        (Err(error), Err(other)) => Err(error.context(format!("{}; and", told(&other)))),
        (pushed, removed) => removed.and(pushed),
    }
}

fn made_up_id() -> anyhow::Result<CallId> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    CallId::new(format!("{MARK}{}", hex::encode(random))).context("no id")
}

/// A push of a made-up call: no number, no recording, nothing to ask a platform for but its id.
fn body(function: &PushFunction, key: &CallKey) -> String {
    let id = key.call_id.as_str();
    let mut element = json!({"smoke": "x".repeat(LARGE_BYTES)});
    match function.call_id.split_once('.') {
        Some((record, field)) => element[record] = json!({field: id}),
        None => element[function.call_id] = id.into(),
    }
    let list = json!([element]);
    function.push.envelope.map_or_else(|| list.clone(), |name| json!({name: list})).to_string()
}

async fn acknowledged(
    options: &SmokeOptions,
    function: &PushFunction,
    key: &CallKey,
) -> anyhow::Result<Duration> {
    let base = options.url.as_str().trim_end_matches('/');
    let url = format!("{base}/push/{}/{}", function.push.function, options.token);
    let started = Instant::now();
    let (status, answer) = Http::new().post(&url, body(function, key), PATIENCE).await?;
    let took = started.elapsed();
    let message = serde_json::from_slice::<Value>(&answer)
        .ok()
        .and_then(|answer| Some(answer.get("msg")?.as_str()?.to_owned()));
    ensure!(
        status == 200,
        "answered {status}: {}",
        message.as_deref().unwrap_or("nothing that it says itself")
    );
    ensure!(
        message.as_deref() == Some("stored 1"),
        "answered 200, but not that one was stored: what was rejected lies under rejected/{}/",
        function.push.function
    );
    Ok(took)
}

/// Fails unless the call is in the table, from this function, and what was too large for it in the bucket.
async fn found(store: &Store, push: &PushType, key: &CallKey) -> anyhow::Result<()> {
    let pk = keys::call_pk(key);
    let call = store.table().get(&pk, "call").await?.context("acknowledged, but not in this table")?;
    let sources = call.get("sources").and_then(Value::as_object);
    ensure!(
        sources.is_some_and(|sources| sources.contains_key(push.function)),
        "the call does not tell of this function"
    );
    let Bucket { client, name } = store.bucket();
    let versions = client.list_object_versions().bucket(name).prefix(keys::large_prefix(key)).send().await;
    let versions = versions.with_context(|| format!("the versions in {name} can't be listed"))?;
    let large = versions.versions().iter().find_map(|version| version.key());
    let large = large.context("acknowledged, but what was too large for the table is not in this bucket")?;
    let bytes = store.bucket().get(large).await?;
    ensure!(bytes.len() >= LARGE_BYTES, "what was too large for the table is in the bucket, but not whole");
    Ok(())
}

/// Removes all that a made-up call left, its own item last, so that what broke off can be told by it.
async fn remove(store: &Store, key: &CallKey) -> anyhow::Result<()> {
    let Bucket { client, name } = store.bucket();
    let prefix = keys::large_prefix(key);
    let versions = client.list_object_versions().bucket(name).prefix(&prefix).send().await;
    for version in versions.with_context(|| format!("the versions in {name} can't be listed"))?.versions() {
        let delete = client
            .delete_object()
            .bucket(name)
            .set_key(version.key.clone())
            .set_version_id(version.version_id.clone());
        delete.send().await.context("an object can't be removed")?;
    }
    let pk = keys::call_pk(key);
    let mut sort_keys: Vec<_> = store
        .table()
        .query(&pk)
        .await?
        .iter()
        .filter_map(|item| Some(item.get(keys::SK)?.as_str()?.to_owned()))
        .collect();
    sort_keys.sort_by_key(|sk| sk == "call");
    for sk in sort_keys {
        store.table().delete(&pk, &sk).await.context("an item can't be removed")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use runtime::clock;
    use shared::normalize::Context;

    use super::*;

    #[test]
    fn a_made_up_call_is_one_of_each_push_function_and_announces_nothing() {
        let context = Context { received_at: clock::now(), utc_offset: jiff::tz::Offset::UTC };
        for function in PUSH_FUNCTIONS {
            let push = function.push;
            let key = CallKey { provider: push.provider, call_id: made_up_id().unwrap() };
            let body = body(&function, &key);
            let elements = push.elements(body.as_bytes()).unwrap();
            let [text] = elements.texts[..] else { panic!("{}: one element", push.function) };
            let made_up = push.normalized(text, &context).unwrap();
            assert_eq!(made_up.call_id, key.call_id, "{}", push.function);
            assert!(made_up.recordings.is_empty(), "{}", push.function);
        }
    }
}
