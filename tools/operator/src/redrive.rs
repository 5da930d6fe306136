//! `callvault redrive`: what lies under `rejected/` goes through its function again.

use std::fmt;
use std::io::Write;

use anyhow::{Context, ensure};
use catalog::stored_type;
use clap::Args;
use jiff::tz::Offset;
use runtime::ingress::answer::Answer;
use runtime::ingress::receive::Receiver;
use runtime::store::bucket::Bucket;
use shared::normalize::{Context as PushContext, PushType};
use shared::record::rejected::Rejected;

use super::{Target, compressed};

/// What to redrive.
#[derive(Args, Clone, Debug)]
pub struct RedriveOptions {
    #[command(flatten)]
    target: Target,
    /// Only what lies under this key, `rejected/alicom-call-report/2025/06/01/`.
    #[arg(long, default_value = "rejected/")]
    prefix: String,
    /// Only tell what would be stored.
    #[arg(long)]
    dry_run: bool,
}

/// What became of a reject.
enum Redriven {
    /// Every element of it is stored, and the reject is removed (or would be).
    Stored,
    /// It is still rejected, for this reason, and stays. Where some of its elements are stored now, only the others do.
    Rejected(String),
    /// It could not be tried, or not be stored, and stays.
    Failed(anyhow::Error),
}

impl fmt::Display for Redriven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stored"),
            Self::Rejected(reason) => write!(f, "still rejected: {reason}"),
            Self::Failed(error) => write!(f, "failed: {error:#}"),
        }
    }
}

/// Redrives, and tells of each reject what became of it. It fails where one could not be tried or stored.
pub async fn redrive(options: RedriveOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let bucket = receiver.store().bucket();
    let below = options.prefix.trim_start_matches('/');
    let below = if below == "rejected" { "" } else { below.strip_prefix("rejected/").unwrap_or(below) };
    let prefix = format!("rejected/{below}");
    let mut out = std::io::stdout().lock();
    let (mut stored, mut rejected, mut failed) = (0, 0, 0);
    let keys = keys(bucket, &prefix).await?;
    if keys.is_empty() {
        writeln!(out, "nothing lies under {prefix}")?;
    }
    for key in keys {
        let redriven = redrive_one(&receiver, &key, options.dry_run).await.unwrap_or_else(Redriven::Failed);
        writeln!(out, "{key}  {redriven}")?;
        match redriven {
            Redriven::Stored => stored += 1,
            Redriven::Rejected(_) => rejected += 1,
            Redriven::Failed(_) => failed += 1,
        }
    }
    let would_be = if options.dry_run { "would be " } else { "" };
    writeln!(out, "{would_be}stored {stored}, still rejected {rejected}, failed {failed}")?;
    ensure!(failed == 0, "{failed} rejects could not be redriven");
    Ok(())
}

async fn redrive_one(receiver: &Receiver, key: &str, dry_run: bool) -> anyhow::Result<Redriven> {
    let bucket = receiver.store().bucket();
    let rejected: Rejected =
        serde_json::from_slice(&bucket.get(key).await?).context("not a reject of ours")?;
    let push = stored_type(&rejected.function);
    let push = push.with_context(|| format!("there is no function {}", rejected.function))?;
    let bytes = rejected.bytes().context("its base64 is damaged")?;
    let bytes = match compressed::plain(bytes, rejected.body.is_some(), &rejected.reason) {
        Ok(bytes) => bytes,
        Err(reason) => return Ok(Redriven::Rejected(reason.to_owned())),
    };
    if dry_run {
        return Ok(tried(&push, &bytes, &rejected, receiver.utc_offset(push.provider)));
    }
    let answer = receiver.receive_rejected(&push, &bytes, rejected.envelope, rejected.received_at).await;
    let redriven = match answer {
        Answer::Kept { rejected: 0, .. } => Redriven::Stored,
        Answer::NotStored(error) => return Err(error.into()),
        refused @ Answer::Kept { stored: 0, erased: 0, .. } => {
            return Ok(Redriven::Rejected(refused.message()));
        }
        // What is still rejected of it is kept by itself now.
        partly @ Answer::Kept { .. } => Redriven::Rejected(partly.message()),
        refused => return Ok(Redriven::Rejected(refused.message())),
    };
    bucket.client.delete_object().bucket(&bucket.name).key(key).send().await?;
    Ok(redriven)
}

/// What would become of a reject, as far as can be told without storing it.
fn tried(push: &PushType, bytes: &[u8], rejected: &Rejected, utc_offset: Offset) -> Redriven {
    let context = PushContext { received_at: rejected.received_at, utc_offset };
    let Ok(elements) = push.elements(bytes) else {
        return Redriven::Rejected("not a list of elements".to_owned());
    };
    match elements.texts.iter().find_map(|text| push.normalized(text, &context).err()) {
        Some(rejection) => Redriven::Rejected(rejection.to_string()),
        None => Redriven::Stored,
    }
}

async fn keys(bucket: &Bucket, prefix: &str) -> anyhow::Result<Vec<String>> {
    let mut pages =
        bucket.client.list_objects_v2().bucket(&bucket.name).prefix(prefix).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.with_context(|| format!("the bucket {} can't be listed", bucket.name))?;
        keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
    }
    Ok(keys)
}
