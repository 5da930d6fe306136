//! `callvault redrive`: what lies under `rejected/` goes through its function again.

use std::borrow::Cow;
use std::io::{self, Write};

use anyhow::{Context, ensure};
use catalog::stored_type;
use clap::Args;
use jiff::tz::Offset;
use runtime::ingress::answer::Answer;
use runtime::ingress::receive::{Reasons, Receiver};
use runtime::store::bucket::Bucket;
use shared::normalize::{Context as PushContext, PushType};
use shared::record::rejected::Rejected;

use super::{Target, compressed, told};

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

/// What became of a reject, or would.
enum Redriven {
    /// It was read. Where nothing of it is rejected, it is removed.
    Read {
        /// How many of its elements are stored.
        stored: usize,
        /// How many are of a call that was erased, and are not to be kept any more.
        erased: usize,
        /// How many are still rejected, for which reason. Where others were stored, only these stay.
        rejected: Reasons,
    },
    /// It could not be tried, or not be stored, and stays.
    Failed(anyhow::Error),
}

impl Redriven {
    /// Still rejected as a whole.
    fn rejected(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Read { stored: 0, erased: 0, rejected: Reasons::from([(reason.into(), 1)]) }
    }

    /// Writes it down below the reject's key: counts in one line, and each reason in one.
    fn tell(&self, out: &mut impl Write, key: &str, dry_run: bool) -> io::Result<()> {
        let (stored, erased, rejected) = match self {
            Self::Read { stored, erased, rejected } => (stored, erased, rejected),
            Self::Failed(error) => return writeln!(out, "{key}  failed: {}", told(error)),
        };
        let would_be = if dry_run { "would be " } else { "" };
        write!(out, "{key}  {would_be}stored {stored}")?;
        let still = rejected.values().sum();
        for (count, what) in [(*erased, "of erased calls"), (still, "still rejected")] {
            if count > 0 {
                write!(out, ", {what} {count}")?;
            }
        }
        writeln!(out)?;
        for (reason, count) in rejected {
            writeln!(out, "    still rejected: {reason} ({count})")?;
        }
        Ok(())
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
        redriven.tell(&mut out, &key, options.dry_run)?;
        match redriven {
            Redriven::Read { rejected, .. } if rejected.is_empty() => stored += 1,
            Redriven::Read { .. } => rejected += 1,
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
    // What was set aside of the stream is no push: its item is to be mended.
    if rejected.function == publish_changes::FUNCTION {
        return Ok(Redriven::rejected("a change of the table, and no push"));
    }
    let push = stored_type(&rejected.function);
    let push = push.with_context(|| format!("there is no function {}", rejected.function))?;
    let bytes = rejected.bytes().context("its base64 is damaged")?;
    let bytes = match compressed::plain(bytes, rejected.body.is_some(), &rejected.reason) {
        Ok(bytes) => bytes,
        Err(reason) => return Ok(Redriven::rejected(reason)),
    };
    if dry_run {
        return Ok(tried(&push, &bytes, &rejected, receiver.utc_offset(push.provider)));
    }
    let received_at = rejected.received_at;
    let (answer, reasons) = receiver.receive_rejected(&push, &bytes, rejected.envelope, received_at).await;
    let (stored, erased) = match answer {
        Answer::Kept { stored, erased, .. } => (stored, erased),
        Answer::NotStored(error) => return Err(error.into()),
        refused => return Ok(Redriven::rejected(refused.message())),
    };
    // What is still rejected of it is kept by itself now, unless it is all of it.
    if stored > 0 || erased > 0 || reasons.is_empty() {
        bucket.client.delete_object().bucket(&bucket.name).key(key).send().await?;
    }
    Ok(Redriven::Read { stored, erased, rejected: reasons })
}

/// What would become of a reject, as far as can be told without asking the stores.
fn tried(push: &PushType, bytes: &[u8], rejected: &Rejected, utc_offset: Offset) -> Redriven {
    let context = PushContext { received_at: rejected.received_at, utc_offset };
    let elements = match push.elements(bytes) {
        Ok(elements) => elements,
        Err(what) => return Redriven::rejected(Answer::from(what).message()),
    };
    let (mut stored, mut reasons) = (0, Reasons::new());
    for (text, times) in elements.texts.iter().zip(elements.times) {
        match push.normalized(text, &context) {
            Ok(_) => stored += times,
            Err(rejection) => *reasons.entry(rejection.summary()).or_default() += times,
        }
    }
    Redriven::Read { stored, erased: 0, rejected: reasons }
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
