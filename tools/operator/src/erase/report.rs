//! What an erasure came to, in words.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::bail;
use shared::model::CallKey;
use shared::record::keys;
use sweep_erased::Removed;

use super::holds::Held;

/// So many keys of a kind are listed; the rest is counted.
const MAX_LISTED: usize = 50;

/// What was removed, what stays, and what could not be looked into.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) is_indexed: bool,
    pub(crate) dry_run: bool,
    pub(crate) items_read: u64,
    pub(crate) objects_read: u64,
    pub(crate) rejects_read: u64,
    pub(crate) calls: usize,
    pub(crate) items: usize,
    pub(crate) versions: usize,
    /// What was removed beside the tombstones of calls that were erased before.
    pub(crate) remains: usize,
    pub(crate) rejects: usize,
    pub(crate) elements: usize,
    pub(crate) blacked_out: usize,
    /// The versions of files that readers were given.
    pub(crate) downloads: usize,
    /// The versions of objects that stay, and why.
    pub(crate) kept: Vec<String>,
    /// Of how many calls such versions are.
    pub(crate) unfinished: usize,
    /// The calls in which a number is the platform's side.
    pub(crate) other_side: Vec<String>,
    /// What mentions a number in longer text.
    pub(crate) mentioned_in: Vec<String>,
    /// What could not be looked into, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    /// What could not be erased, and why.
    pub(crate) failed: Vec<(String, anyhow::Error)>,
}

impl Report {
    /// Enters a call that was erased.
    pub(crate) fn enter(&mut self, removed: &Removed, obstacles: Vec<String>) {
        self.items += removed.items;
        self.versions += removed.versions;
        self.unfinished += usize::from(!obstacles.is_empty());
        self.kept.extend(obstacles);
    }

    /// Enters the calls that stay although they hold a number.
    pub(crate) fn enter_others(&mut self, others: &BTreeMap<CallKey, Held>) {
        for (key, held) in others {
            if held.as_other_side {
                self.other_side.push(keys::call_pk(key));
            }
            if held.in_text {
                self.mentioned_in.push(keys::call_pk(key));
            }
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// Where something stays, or could not be looked into.
    pub(crate) fn print(mut self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let (removed, blacked) = match self.dry_run {
            true => ("would remove", "would black out"),
            false => ("removed", "blacked out"),
        };
        let Self { calls, items, versions, elements, rejects, blacked_out, remains, .. } = &self;
        writeln!(out, "{removed} {items} items of {calls} calls, and {versions} versions of objects")?;
        if *rejects > 0 {
            writeln!(
                out,
                "{removed} {elements} elements of {rejects} rejects, or blacked the number out there"
            )?;
        }
        if *blacked_out > 0 {
            writeln!(out, "{blacked} the number in {blacked_out} items and objects beside calls")?;
        }
        if self.downloads > 0 {
            writeln!(out, "{removed} {} files that readers were given", self.downloads)?;
        }
        if *remains > 0 {
            writeln!(out, "{removed} {remains} remains of calls that were erased before")?;
        }
        match self.is_indexed {
            true => writeln!(out, "found by the index alone")?,
            false => writeln!(
                out,
                "read {} items, {} large objects, {} rejects",
                self.items_read, self.objects_read, self.rejects_read
            )?,
        }
        for version in &self.kept {
            writeln!(out, "can't be removed: {version}")?;
        }
        if self.unfinished > 0 {
            let unfinished = self.unfinished;
            writeln!(
                out,
                "of {unfinished} calls versions stay: sweep-erased looks each day, and removes them once nothing is in the way"
            )?;
        }
        self.unreadable.sort();
        list(&mut out, "can't be read", self.unreadable.iter().map(|(key, why)| format!("{key}: {why}")))?;
        list(&mut out, "failed", self.failed.iter().map(|(key, why)| format!("{key}: {why:#}")))?;
        self.other_side.sort();
        self.mentioned_in.sort();
        self.mentioned_in.dedup();
        list(
            &mut out,
            "stays, since the number is the platform's side of the call, or an id",
            self.other_side.iter().cloned(),
        )?;
        list(
            &mut out,
            "stays, since it only mentions the number in longer text",
            self.mentioned_in.iter().cloned(),
        )?;
        writeln!(out, "What this can't reach:")?;
        if self.is_indexed {
            writeln!(
                out,
                "  - what the index does not know: rejects, envelopes, calls whose number came by another field or was told otherwise \
                 before, and what came to lie beside calls erased before; without --indexed all of it is searched"
            )?;
        }
        writeln!(
            out,
            "  - the table's point-in-time backups, which forget it after their retention (35 days at most)"
        )?;
        writeln!(out, "  - calls whose number the provider masked, or never told")?;
        writeln!(out, "  - what readers have read or fetched; callvault audit tells who")?;
        writeln!(out, "  - what came while this ran: where pushes come all the time, repeat it")?;
        writeln!(out, "  - what the provider itself keeps, and may push again under other calls' ids")?;
        self.into_result()
    }

    /// Whether everything is gone that was to go.
    ///
    /// # Errors
    /// Where something stays, or could not be looked into.
    pub(crate) fn into_result(self) -> anyhow::Result<()> {
        let unread = self.unreadable.len() + self.failed.len();
        match (self.kept.len(), unread) {
            (0, 0) => Ok(()),
            (0, unread) => bail!("{unread} places could not be looked into or cleaned"),
            (kept, 0) => bail!("{kept} versions of objects can't be removed"),
            (kept, unread) => bail!(
                "{kept} versions of objects can't be removed, {unread} places could not be looked into or cleaned"
            ),
        }
    }
}

fn list(out: &mut impl Write, what: &str, entries: impl Iterator<Item = String>) -> std::io::Result<()> {
    let mut more = 0;
    for (at, entry) in entries.enumerate() {
        match at < MAX_LISTED {
            true => writeln!(out, "{what}: {entry}")?,
            false => more += 1,
        }
    }
    if more > 0 {
        writeln!(out, "{what}: {more} more")?;
    }
    Ok(())
}
