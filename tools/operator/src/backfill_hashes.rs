//! `callvault backfill-hashes`: the SHA-512 of recordings that an earlier release archived, which reckoned SHA-256 alone.

use std::io::Write;

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::StreamExt;
use runtime::store::Store;
use runtime::store::hashes::Unhashed;

use super::Target;

/// How many objects are read at once.
const AT_ONCE: usize = 8;

/// Which stores, and whether to write.
#[derive(Args, Clone, Debug)]
pub struct BackfillHashesOptions {
    #[command(flatten)]
    target: Target,
    /// Only tell how many recordings there are.
    #[arg(long)]
    dry_run: bool,
}

/// What became of a recording.
enum Outcome {
    /// It has its SHA-512.
    Added,
    /// It was changed or erased meanwhile.
    Changed,
}

/// Adds the hashes, and tells how many. It fails where an object could not be read, or is not what was archived.
pub async fn backfill_hashes(options: BackfillHashesOptions) -> anyhow::Result<()> {
    let receiver = options.target.receiver().await?;
    let store = receiver.store();
    let mut out = std::io::stdout().lock();
    let recordings = store.table().unhashed_recordings();
    if options.dry_run {
        let without = recordings.fold(Ok(0_u64), async |sum, found| {
            found.context("the table can't be read").and_then(|_| sum.map(|sum: u64| sum + 1))
        });
        writeln!(out, "would be hashed {}", without.await?)?;
        return Ok(());
    }
    let (mut added, mut changed, mut failed) = (0_u64, 0_u64, 0_u64);
    let mut hashed = recordings
        .map(async |found| {
            let recording = found.context("the table can't be read")?;
            let outcome = hash(store, &recording).await;
            anyhow::Ok((recording, outcome))
        })
        .buffer_unordered(AT_ONCE);
    while let Some(one) = hashed.next().await {
        let (recording, outcome) = one?;
        match outcome {
            Ok(Outcome::Added) => added += 1,
            Ok(Outcome::Changed) => changed += 1,
            Err(error) => {
                writeln!(out, "{}  failed: {error:#}", recording.object_key)?;
                failed += 1;
            }
        }
    }
    writeln!(out, "hashed {added}, changed meanwhile {changed}, failed {failed}")?;
    ensure!(
        failed == 0,
        "{failed} could not be hashed. AccessDenied is your role's or the key's policy, other codes pass: run it again, what is done is not done again. NoSuchKey and \
         what is not what was archived: see the object's earlier versions (`aws s3api list-object-versions`), and restore the one of that SHA-256"
    );
    Ok(())
}

async fn hash(store: &Store, recording: &Unhashed) -> anyhow::Result<Outcome> {
    let digests = store.bucket().digests(&recording.object_key).await?;
    ensure!(
        digests.sha256 == recording.sha256,
        "it is not what was archived: its SHA-256 is {}, that of the archived one {}",
        digests.sha256,
        recording.sha256
    );
    match store.table().add_sha512(recording, &digests).await? {
        true => Ok(Outcome::Added),
        false => Ok(Outcome::Changed),
    }
}
