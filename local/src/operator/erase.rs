//! `callvault erase`: removes all that is stored of a person.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockMode};
use clap::Args;
use serde_json::Value;
use shared::bucket::Bucket;
use shared::item::{self, Item};
use shared::keys;
use shared::model::{Instant, Recording};
use shared::table::Table;

use super::Target;

/// Whom to erase.
#[derive(Args, Clone, Debug)]
pub struct EraseOptions {
    #[command(flatten)]
    target: Target,
    /// The person's number, as the provider writes it; several may be given.
    #[arg(long, required = true, value_name = "NUMBER")]
    callee: Vec<String>,
    /// Remove recordings that are locked in governance mode, too: it takes the permission s3:BypassGovernanceRetention.
    #[arg(long)]
    bypass_governance: bool,
    /// Only tell what would be removed.
    #[arg(long)]
    dry_run: bool,
}

/// How to remove objects.
#[derive(Clone, Copy)]
struct Manner {
    bypass_governance: bool,
    dry_run: bool,
}

/// What was removed, and what could not be.
#[derive(Default)]
struct Tally {
    calls: usize,
    items: usize,
    objects: usize,
    /// The versions of objects that stay, and why.
    kept: Vec<String>,
    /// Of how many calls items stay that lead to such versions.
    unfinished: usize,
}

/// Erases: every call whose callee has one of the numbers, with its conversation, its recordings in all versions and its verbatim
/// pushes, and every reject that holds one of the numbers. It fails where something could not be removed, and leaves of such a
/// call what it takes to find the rest again.
pub async fn erase(options: EraseOptions) -> anyhow::Result<()> {
    let EraseOptions { bypass_governance, dry_run, .. } = options;
    let manner = Manner { bypass_governance, dry_run };
    let receiver = options.target.receiver().await?;
    let (table, bucket) = (receiver.store().table(), receiver.store().bucket());
    let mut tally = Tally::default();
    for number in options.callee.iter().map(|number| number.trim()).filter(|number| !number.is_empty()) {
        for pk in calls_of(table, number).await? {
            let items = table.query(&pk).await?;
            tally.calls += 1;
            // Objects first: as long as the items are there, an erasure that broke off can be repeated.
            let kept_before = tally.kept.len();
            for prefix in prefixes(&items)? {
                remove_objects(bucket, &prefix, &mut tally, manner, async |_| Ok(true)).await?;
            }
            // Of a call whose recording stays, so do the items that lead to it: once its lock has ended, who would find it?
            let is_unfinished = tally.kept.len() > kept_before;
            tally.unfinished += usize::from(is_unfinished);
            // The call last, which is the first of its items: it is by the call that all of this is found.
            for item in items.iter().rev().filter(|item| !(is_unfinished && leads_to_objects(item))) {
                remove_item(table, item, dry_run).await?;
                tally.items += 1;
            }
        }
        let mentions = async |key: &str| mentions(bucket, key, number).await;
        remove_objects(bucket, "rejected/", &mut tally, manner, mentions).await?;
    }
    report(&tally, dry_run)
}

fn report(tally: &Tally, dry_run: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let removed = if dry_run { "would remove" } else { "removed" };
    let Tally { calls, items, objects, kept, unfinished } = tally;
    writeln!(out, "{removed} {items} items of {calls} calls, and {objects} versions of objects")?;
    for version in kept {
        writeln!(out, "can't be removed: {version}")?;
    }
    if *unfinished > 0 {
        writeln!(
            out,
            "of {unfinished} calls the items that lead there stay: repeat this once nothing is in the way"
        )?;
    }
    writeln!(out, "What this can't reach:")?;
    writeln!(
        out,
        "  - the table's point-in-time backups, which forget it after their retention (35 days at most)"
    )?;
    writeln!(out, "  - calls whose number the provider masked, or never told")?;
    writeln!(out, "  - what the provider itself keeps, and may push again")?;
    if !kept.is_empty() {
        bail!("{} versions of objects can't be removed", kept.len());
    }
    Ok(())
}

/// The partitions of the calls of a number.
async fn calls_of(table: &Table, number: &str) -> anyhow::Result<BTreeSet<String>> {
    let (client, name) = table.client();
    let mut items = client
        .query()
        .table_name(name)
        .index_name("by-callee")
        .key_condition_expression("#callee = :callee")
        .expression_attribute_names("#callee", "callee_key")
        .expression_attribute_values(":callee", AttributeValue::S(number.to_owned()))
        .into_paginator()
        .items()
        .send();
    let mut calls = BTreeSet::new();
    while let Some(item) = items.next().await {
        let item = item.context("the index by-callee can't be read")?;
        calls.extend(item.get(keys::PK).and_then(|pk| pk.as_s().ok()).cloned());
    }
    Ok(calls)
}

/// Under which keys the bucket holds what belongs to a call.
fn prefixes(items: &[Item]) -> anyhow::Result<BTreeSet<String>> {
    let mut prefixes = BTreeSet::new();
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = keys::call_of_pk(text(keys::PK)).context("an item of no call")?;
        prefixes.insert(keys::large_prefix(&key));
        if text(keys::SK).starts_with("recording#") {
            let recording: Recording = item::typed(item.clone())?;
            prefixes.insert(keys::recording_prefix(&key, recording.call_at));
            prefixes.extend(recording.object_key);
        }
    }
    // No object is to be found under two of them.
    let all = prefixes.clone();
    prefixes.retain(|prefix| !all.iter().any(|wider| prefix != wider && prefix.starts_with(wider)));
    Ok(prefixes)
}

async fn remove_item(table: &Table, item: &Item, dry_run: bool) -> anyhow::Result<()> {
    let (client, name) = table.client();
    if dry_run {
        return Ok(());
    }
    let key = |attribute: &str| AttributeValue::S(item[attribute].as_str().unwrap_or_default().to_owned());
    let delete =
        client.delete_item().table_name(name).key(keys::PK, key(keys::PK)).key(keys::SK, key(keys::SK));
    delete.send().await.context("an item can't be removed")?;
    Ok(())
}

/// Removes all versions of the objects under a prefix for which `concerns` holds.
async fn remove_objects(
    bucket: &Bucket,
    prefix: &str,
    tally: &mut Tally,
    manner: Manner,
    concerns: impl AsyncFn(&str) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let Bucket { client, name } = bucket;
    let mut pages = client.list_object_versions().bucket(name).prefix(prefix);
    loop {
        let page =
            pages.clone().send().await.with_context(|| format!("the versions in {name} can't be listed"))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id(), false));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id(), true));
        for (key, version, is_marker) in versions.chain(markers) {
            let (Some(key), Some(version)) = (key, version) else { continue };
            if is_marker || !concerns(&format!("{key}?versionId={version}")).await? {
                continue;
            }
            match remove_version(bucket, key, version, manner).await? {
                None => tally.objects += 1,
                Some(obstacle) => tally.kept.push(format!("{key} (version {version}): {obstacle}")),
            }
        }
        if page.is_truncated() != Some(true) {
            return Ok(());
        }
        pages = pages
            .set_key_marker(page.next_key_marker().map(str::to_owned))
            .set_version_id_marker(page.next_version_id_marker().map(str::to_owned));
    }
}

/// Removes an object's version, or tells what is in the way.
async fn remove_version(
    bucket: &Bucket,
    key: &str,
    version: &str,
    manner: Manner,
) -> anyhow::Result<Option<String>> {
    let Bucket { client, name } = bucket;
    if manner.dry_run {
        return Ok(lock(bucket, key, version, manner).await);
    }
    let delete = client
        .delete_object()
        .bucket(name)
        .key(key)
        .version_id(version)
        .set_bypass_governance_retention(manner.bypass_governance.then_some(true));
    match delete.send().await {
        Ok(_) => Ok(None),
        Err(error) if error.code() == Some("AccessDenied") => {
            let lock = lock(bucket, key, version, manner).await;
            Ok(Some(lock.unwrap_or_else(|| "no permission".to_owned())))
        }
        Err(error) => Err(error).with_context(|| format!("{key} can't be removed")),
    }
}

/// What locks an object's version, as far as S3 tells: it takes the permissions s3:GetObjectRetention and
/// s3:GetObjectLegalHold to be told.
async fn lock(bucket: &Bucket, key: &str, version: &str, manner: Manner) -> Option<String> {
    let Bucket { client, name } = bucket;
    let object = client.head_object().bucket(name).key(key).version_id(version).send().await.ok()?;
    if object.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On) {
        return Some("on legal hold".to_owned());
    }
    let mode = object.object_lock_mode()?;
    let until = Instant::from_epoch_seconds(object.object_lock_retain_until_date()?.secs())?;
    let bypassed = manner.bypass_governance && *mode == ObjectLockMode::Governance;
    (until > Instant::now() && !bypassed).then(|| format!("locked until {until}, mode {mode}"))
}

/// Whether an item is needed to find the objects of its call.
fn leads_to_objects(item: &Item) -> bool {
    let sort_key = item.get(keys::SK).and_then(Value::as_str).unwrap_or_default();
    sort_key == keys::CALL || sort_key.starts_with("recording#")
}

/// Whether an object's version holds a number.
async fn mentions(bucket: &Bucket, key_and_version: &str, number: &str) -> anyhow::Result<bool> {
    let (key, version) = key_and_version.split_once("?versionId=").unwrap_or((key_and_version, ""));
    let object = bucket.client.get_object().bucket(&bucket.name).key(key).version_id(version).send().await;
    let body = object.with_context(|| format!("{key} can't be read"))?.body.collect().await?.to_vec();
    let rejected: shared::rejected::Rejected =
        serde_json::from_slice(&body).context("not a reject of ours")?;
    let bytes = rejected.bytes().unwrap_or_default();
    Ok(bytes.windows(number.len()).any(|window| window == number.as_bytes()))
}
