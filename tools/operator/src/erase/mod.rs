//! `callvault erase`: removes all that is stored of a person, and nothing of anybody else.
//!
//! It searches (`search`), then erases: calls become tombstones (`sweep_erased::Remover`), rejects lose the elements that hold a number
//! (`rejects`), and what is of no call in particular has the number blacked out. A call goes if a number is a whole value in
//! anything that is kept of it, unless it stands there as the platform's own side (`holds`).

mod blackout;
mod divide;
mod holds;
mod leaves;
mod number;
mod prefix;
mod rejects;
mod report;
mod search;

use std::collections::BTreeSet;

use anyhow::anyhow;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockMode};
use catalog::stored_type;
use clap::Args;
use futures_util::stream::{StreamExt, TryStreamExt};
use runtime::aws::brief;
use runtime::clock;
use runtime::ingress::receive::Receiver;
use runtime::store::bucket::Bucket;
use runtime::store::table::Table;
use serde_json::Value;
use shared::model::{CallKey, Instant};
use shared::record::erased_reject;
use shared::record::item::Item;
use shared::record::item::is_tombstone;
use shared::record::keys;
use shared::record::tombstone::PREFIXES;
use sweep_erased::{
    Removed, Remover, Version, kept_versions, prefixes, read_version, remove_version, versions,
};

use super::Target;
use super::progress::Progress;

use blackout::blacked_out;
use holds::Held;
use number::Numbers;
use rejects::Verdict;
use report::Report;

/// How many calls and rejects are worked on at once.
const AT_ONCE: usize = 8;

/// Whom to erase.
#[derive(Args, Clone, Debug)]
pub struct EraseOptions {
    #[command(flatten)]
    target: Target,
    /// The person's number, with or without the country's code as the provider writes it; ` -().` and a leading `+` don't
    /// matter. Several may be given.
    #[arg(long, required = true, value_name = "NUMBER")]
    callee: Vec<String>,
    /// Search by the index alone, not through everything: fast, and it misses what the index does not know.
    #[arg(long)]
    indexed: bool,
    /// Remove recordings that are locked in governance mode, too: it takes the permission s3:BypassGovernanceRetention.
    #[arg(long)]
    bypass_governance: bool,
    /// Only tell what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Name everything that stays, not only 50 of each kind.
    #[arg(long)]
    all: bool,
}

/// Erases, and reports what is gone, what stays, and what this can't reach.
///
/// # Errors
/// Where a number can't be told from others', before anything is read; where something could not be read, or something of this person
/// not be removed, once all else is done.
pub async fn erase(options: EraseOptions) -> anyhow::Result<()> {
    // Before the stores are looked for: a wrong number is wrong wherever they are.
    Numbers::read(options.callee.iter().map(String::as_str)).map_err(|error| anyhow!(error))?;
    let receiver = options.target.receiver().await?;
    erase_from(&receiver, &options).await?.print()
}

/// Erases one person from the stores, and tells nobody.
///
/// # Errors
/// Where something could not be read or removed.
pub async fn erase_quietly(receiver: &Receiver, callee: String) -> anyhow::Result<()> {
    let options = EraseOptions {
        target: Target::default(),
        callee: vec![callee],
        indexed: false,
        bypass_governance: false,
        dry_run: false,
        all: false,
    };
    erase_from(receiver, &options).await?.into_result()
}

async fn erase_from(receiver: &Receiver, options: &EraseOptions) -> anyhow::Result<Report> {
    let numbers = Numbers::read(options.callee.iter().map(String::as_str)).map_err(|error| anyhow!(error))?;
    let erasure = Erasure {
        table: receiver.store().table(),
        bucket: receiver.store().bucket(),
        numbers: &numbers,
        bypass_governance: options.bypass_governance,
        dry_run: options.dry_run,
        now: clock::now(),
    };
    let mut report = Report {
        is_indexed: options.indexed,
        dry_run: options.dry_run,
        is_all_named: options.all,
        ..Report::default()
    };
    let found = match options.indexed {
        true => search::by_index(erasure.table, &options.callee, &numbers).await?,
        false => search::everywhere(erasure.table, erasure.bucket, &numbers).await?,
    };
    (report.items_read, report.objects_read) = (found.items, found.objects);
    report.unreadable.extend(found.unreadable);
    for (key, held) in found.others {
        report.enter_other(keys::call_pk(&key), held);
    }
    for (key, held) in found.others_beside {
        report.enter_other(key, held);
    }
    for (pk, sk) in &found.to_blacken {
        // What goes with its call need not be blacked out before.
        if keys::call_of_pk(pk).is_some_and(|key| found.calls.contains(&key)) {
            continue;
        }
        match erasure.blacken(pk, sk).await {
            Ok(changed) => report.blacked_out += usize::from(changed),
            Err(error) => report.failed.push((format!("{pk} {sk}"), error)),
        }
    }
    for version in &found.objects_to_blacken {
        match erasure.blacken_object(version).await {
            Ok(is_removed) => {
                report.blacked_out += 1;
                if !is_removed {
                    report.kept.extend(erasure.obstacles(std::slice::from_ref(version)).await);
                }
            }
            Err(error) => report.failed.push((version.key.clone(), error)),
        }
    }
    erasure.erase_calls(&found.calls, &mut report).await;
    erasure.finish(found.tombstones.difference(&found.calls), &mut report).await;
    if !options.indexed {
        erasure.clean_rejects(&mut report).await?;
    }
    erasure.forget_downloads(&mut report).await?;
    Ok(report)
}

/// One erasure: what it works on, and how.
struct Erasure<'a> {
    table: &'a Table,
    bucket: &'a Bucket,
    numbers: &'a Numbers,
    bypass_governance: bool,
    dry_run: bool,
    now: Instant,
}

impl Erasure<'_> {
    fn remover(&self) -> Remover<'_> {
        Remover { table: self.table, bucket: self.bucket, bypass_governance: self.bypass_governance }
    }

    /// Erases calls.
    async fn erase_calls(&self, calls: &BTreeSet<CallKey>, report: &mut Report) {
        let mut erased = futures_util::stream::iter(calls.iter().cloned())
            .map(|key| async move {
                let removed = self.erase_call(&key).await;
                (key, removed)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((key, removed)) = erased.next().await {
            match removed {
                Ok(removed) => {
                    report.calls += 1;
                    report.enter(&removed, self.obstacles(&removed.kept).await);
                }
                Err(error) => report.failed.push((keys::call_pk(&key), error)),
            }
        }
    }

    async fn erase_call(&self, key: &CallKey) -> anyhow::Result<Removed> {
        match self.dry_run {
            true => self.look_at(key).await,
            false => Ok(self.remover().erase(key, self.now).await?),
        }
    }

    /// Removes what came to lie beside the tombstones of calls that were erased before: what `sweep-erased` would do.
    async fn finish(&self, tombstones: impl Iterator<Item = &CallKey>, report: &mut Report) {
        let mut swept = futures_util::stream::iter(tombstones.cloned().collect::<Vec<_>>())
            .map(|key| async move {
                let removed = match self.dry_run {
                    true => self.look_at(&key).await,
                    false => {
                        let swept = self.remover().sweep(&key, self.now).await;
                        swept.map(Option::unwrap_or_default).map_err(anyhow::Error::from)
                    }
                };
                (key, removed)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((key, removed)) = swept.next().await {
            match removed {
                Ok(removed) => {
                    report.remains += removed.items + removed.versions;
                    report.kept_before.extend(self.obstacles(&removed.kept).await);
                }
                Err(error) => report.failed_before.push((keys::call_pk(&key), error)),
            }
        }
    }

    /// What would be removed of a call.
    async fn look_at(&self, key: &CallKey) -> anyhow::Result<Removed> {
        let items = self.table.query(&keys::call_pk(key)).await?;
        let is_erased = items.iter().any(is_tombstone);
        let mut removed = Removed { items: items.len() - usize::from(is_erased), ..Removed::default() };
        let noted = items.iter().filter_map(|item| item.get(PREFIXES)?.as_array());
        let noted = noted.flatten().filter_map(Value::as_str).map(str::to_owned);
        let all: BTreeSet<_> = prefixes(key, &items).into_iter().chain(noted).collect();
        for prefix in all {
            let listed: Vec<_> = versions(self.bucket, &prefix).try_collect().await?;
            for version in listed {
                match self.lock(&version).await {
                    None => removed.versions += 1,
                    Some(_) => removed.kept.push(version),
                }
            }
        }
        Ok(removed)
    }

    /// Versions that stay, each with what is in the way.
    async fn obstacles(&self, kept: &[Version]) -> Vec<String> {
        let mut obstacles = Vec::new();
        for version in kept {
            let lock = self.lock(version).await.unwrap_or_else(|| "no permission".to_owned());
            obstacles.push(format!("{} (version {}): {lock}", version.key, version.id));
        }
        obstacles
    }

    /// What locks an object's version, as far as S3 tells: it takes the permissions s3:GetObjectRetention and
    /// s3:GetObjectLegalHold to be told.
    async fn lock(&self, version: &Version) -> Option<String> {
        let Bucket { client, name } = self.bucket;
        let head = client.head_object().bucket(name).key(&version.key).version_id(&version.id);
        let object = head.send().await.ok()?;
        if object.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On) {
            return Some("on legal hold".to_owned());
        }
        let mode = object.object_lock_mode()?;
        let until = Instant::from_epoch_seconds(object.object_lock_retain_until_date()?.secs())?;
        let bypassed = self.bypass_governance && *mode == ObjectLockMode::Governance;
        (until > clock::now() && !bypassed).then(|| format!("locked until {until}, mode {mode}"))
    }

    /// Blacks the numbers out of an item that is of no call in particular, or out of a push's `envelope`: whether there were any.
    async fn blacken(&self, pk: &str, sk: &str) -> anyhow::Result<bool> {
        let is_call = keys::call_of_pk(pk).is_some();
        let is_meant = |name: &str| match is_call {
            true => name == "envelope",
            false => name != keys::PK && name != keys::SK,
        };
        let blackened = |item: &Item| {
            let mut black = item.clone();
            for (name, value) in item.iter().filter(|(name, _)| is_meant(name)) {
                if let Some(value) = rejects::blackened(value, self.numbers) {
                    black.insert(name.clone(), value);
                }
            }
            (black != *item).then_some(black)
        };
        let changed = match self.dry_run {
            true => {
                self.table.get(pk, sk).await.map(|item| item.is_some_and(|item| blackened(&item).is_some()))
            }
            false => self.table.replace(pk, sk, blackened).await,
        };
        // Its words alone: what DynamoDB says itself may repeat what was sent.
        changed.map_err(|error| anyhow!("{error}"))
    }

    /// Takes the elements that hold a number out of every reject, in all of its versions.
    async fn clean_rejects(&self, report: &mut Report) -> anyhow::Result<()> {
        // All of them first: what is written meanwhile is not to be read again.
        let all: Vec<_> = versions(self.bucket, "rejected/").try_collect().await?;
        let progress = Progress::of("rejects", u64::try_from(all.len()).ok());
        let mut cleaned = futures_util::stream::iter(all)
            .map(async |version| {
                let result = self.clean(&version).await;
                (version, result)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((version, result)) = cleaned.next().await {
            progress.step();
            match result {
                Ok(Cleaned::Untouched(held)) => report.enter_reject(version.key, held),
                Ok(Cleaned::Rewritten { elements, is_removed, held }) => {
                    report.rejects += 1;
                    report.elements += elements;
                    if !is_removed {
                        report.kept.extend(self.obstacles(std::slice::from_ref(&version)).await);
                    }
                    report.enter_reject(version.key, held);
                }
                Ok(Cleaned::Unreadable(reason)) => report.unreadable.push((version.key, reason.to_owned())),
                Err(error) => report.failed.push((version.key, error)),
            }
        }
        drop(cleaned);
        report.rejects_read = progress.end();
        Ok(())
    }

    /// Removes what readers were given as files: any of them may have the person among many, and whoever wants one asks for it again.
    /// A day later they would be gone anyway.
    async fn forget_downloads(&self, report: &mut Report) -> anyhow::Result<()> {
        if self.dry_run {
            report.downloads = versions(self.bucket, keys::DOWNLOADS).try_collect::<Vec<_>>().await?.len();
            return Ok(());
        }
        let (removed, kept) = kept_versions(self.bucket, keys::DOWNLOADS, self.bypass_governance).await?;
        report.downloads = removed;
        report.kept.extend(self.obstacles(&kept).await);
        Ok(())
    }

    async fn clean(&self, version: &Version) -> anyhow::Result<Cleaned> {
        let bytes = read_version(self.bucket, version).await?;
        let Ok(Value::Object(reject)) = serde_json::from_slice(&bytes) else {
            return Ok(Cleaned::Unreadable("not a reject of ours"));
        };
        let function = reject.get("function").and_then(Value::as_str).unwrap_or_default();
        let list_name = stored_type(function).and_then(|push| push.envelope);
        let (rewritten, elements, held) = match rejects::verdict(&reject, list_name, self.numbers) {
            Verdict::Unreadable(reason) => return Ok(Cleaned::Unreadable(reason)),
            Verdict::Stays(held) => return Ok(Cleaned::Untouched(held)),
            Verdict::Rewritten { reject, elements, held } => (reject, elements, held),
        };
        if self.dry_run {
            return Ok(Cleaned::Rewritten { elements, is_removed: true, held });
        }
        // Before it is rewritten, lest an erasure that breaks off leaves a reject that may come again; a repeat meets the tombstone.
        self.mark_reject(version, false).await?;
        // Even where no element is left: a repeat of the push on the same day finds it there, and is not kept again.
        let is_removed = self.replace(version, serde_json::to_vec(&rewritten)?).await?;
        self.mark_reject(version, true).await?;
        // Of an old version nothing stays.
        let held = if version.is_latest { held } else { Held::default() };
        Ok(Cleaned::Rewritten { elements, is_removed, held })
    }

    /// Puts the tombstone of a reject, by which what came is known when it comes again. Once the reject `is_rewritten`, the tombstone is due:
    /// what came may have been kept again since the rejects were listed.
    async fn mark_reject(&self, version: &Version, is_rewritten: bool) -> anyhow::Result<()> {
        let Some((function, digest)) = keys::reject_of_key(&version.key) else { return Ok(()) };
        let pk = keys::erased_reject_pk(function, digest);
        let now = clock::now();
        let mark = |stored: Option<Item>| {
            let stone = match (stored, is_rewritten) {
                (Some(_), false) => return Ok((None, ())),
                (stored, _) => stored.unwrap_or_else(|| erased_reject::tombstone(&pk, now)),
            };
            let marked = match is_rewritten {
                true => {
                    let stone = erased_reject::rewritten(stone, &pk, &version.key, now);
                    let today = keys::rejected_key_of(function, now, digest);
                    erased_reject::armed(stone, &pk, &today, now)
                }
                false => stone,
            };
            Ok((Some(marked.into()), ()))
        };
        Ok(self.table.update(&pk, keys::ERASED, mark).await?)
    }

    /// Blacks the numbers out of a version of an object: whether the version that held them is gone.
    async fn blacken_object(&self, version: &Version) -> anyhow::Result<bool> {
        let bytes = read_version(self.bucket, version).await?;
        match blacked_out(&bytes, self.numbers) {
            Some(black) if !self.dry_run => self.replace(version, black).await,
            _ => Ok(true),
        }
    }

    /// Puts an object's new content under its key, where the version is what stands there, and removes the version for good:
    /// whether it is gone.
    async fn replace(&self, version: &Version, content: Vec<u8>) -> anyhow::Result<bool> {
        let Bucket { client, name } = self.bucket;
        // Nobody reads an older version but to undo a mistake; what it held beside was stored, or stands in a newer one.
        if version.is_latest {
            let put = client.put_object().bucket(name).key(&version.key).content_type("application/json");
            let put = put.body(ByteStream::from(content)).send().await;
            let put = put.map_err(|error| anyhow!(brief(&error)))?;
            // In a bucket without versions the old one is gone by now.
            if put.version_id().is_none_or(|id| id == version.id) {
                return Ok(true);
            }
        }
        Ok(remove_version(self.bucket, version, self.bypass_governance).await?)
    }
}

/// What became of a version of a reject.
enum Cleaned {
    /// It holds nothing of the person, but what it holds in this way.
    Untouched(Held),
    /// The person's elements are gone from it; what is left holds the number in this way.
    Rewritten { elements: usize, is_removed: bool, held: Held },
    /// It can't be told what it holds.
    Unreadable(&'static str),
}
