//! What an erasure came to, in words.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::bail;
use sweep_erased::Removed;

use super::holds::Held;
use super::prefix::Prefixes;
use crate::told;

/// So many keys of a kind are listed, where not all are asked for; the rest is counted.
const MAX_LISTED: usize = 50;

/// What was removed, what stays, and what could not be looked into.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) is_indexed: bool,
    pub(crate) dry_run: bool,
    /// Whether everything that stays is named, however much it is.
    pub(crate) is_all_named: bool,
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
    /// The versions that stay of calls that were erased before, and why: whose they were is not known any more.
    pub(crate) kept_before: Vec<String>,
    /// The calls that were erased before and could not be swept now, and why.
    pub(crate) failed_before: Vec<(String, anyhow::Error)>,
    /// The calls in which a number is the platform's side.
    pub(crate) other_side: Vec<String>,
    /// What mentions a number in longer text.
    pub(crate) mentioned_in: Vec<String>,
    /// What holds a number with another prefix.
    pub(crate) with_other_prefix: BTreeSet<String>,
    /// With which ones.
    pub(crate) other_prefixes: BTreeSet<Prefixes>,
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

    /// Enters what stays although it holds a number: a call, or what lies beside all calls.
    pub(crate) fn enter_other(&mut self, name: String, held: Held) {
        if held.as_other_side {
            self.other_side.push(name.clone());
        }
        self.enter_mention(name, held.in_text, held.prefixes);
    }

    /// Enters a reject that holds a number in one of its other elements.
    pub(crate) fn enter_reject(&mut self, name: String, held: Held) {
        self.enter_mention(name, held.any(), held.prefixes);
    }

    fn enter_mention(&mut self, name: String, is_mentioned: bool, prefixes: BTreeSet<Prefixes>) {
        if !prefixes.is_empty() {
            self.other_prefixes.extend(prefixes);
            self.with_other_prefix.insert(name);
        } else if is_mentioned {
            self.mentioned_in.push(name);
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// Where something stays, or could not be looked into.
    pub(crate) fn print(mut self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let most = if self.is_all_named { usize::MAX } else { MAX_LISTED };
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
        list(
            &mut out,
            most,
            "can't be read",
            self.unreadable.iter().map(|(key, why)| format!("{key}: {why}")),
        )?;
        list(&mut out, most, "failed", self.failed.iter().map(|(key, why)| format!("{key}: {}", told(why))))?;
        self.other_side.sort();
        self.mentioned_in.sort();
        self.mentioned_in.dedup();
        list(
            &mut out,
            most,
            "stays, since the number is the platform's side of the call, or an id",
            self.other_side.iter().cloned(),
        )?;
        list(
            &mut out,
            most,
            "stays, since it only mentions the number in longer text",
            self.mentioned_in.iter().cloned(),
        )?;
        if !self.with_other_prefix.is_empty() {
            writeln!(
                out,
                "{} calls or rejects hold the number with another prefix, a country's or one of another person's number, and stay. \
                 If they are this person's, erase them too:",
                self.with_other_prefix.len()
            )?;
            for prefixes in &self.other_prefixes {
                writeln!(out, "  callvault erase {prefixes}")?;
            }
        }
        list(
            &mut out,
            most,
            "stays, since the number has another prefix there",
            self.with_other_prefix.iter().cloned(),
        )?;
        if !self.kept_before.is_empty() {
            writeln!(
                out,
                "Of calls that were erased before, {} versions of objects stay, which is no failure of this erasure: sweep-erased \
                 removes them once nothing is in the way",
                self.kept_before.len()
            )?;
        }
        list(&mut out, most, "stays of an earlier erasure", self.kept_before.iter().cloned())?;
        list(
            &mut out,
            most,
            "left to sweep-erased",
            self.failed_before.iter().map(|(key, why)| format!("{key}: {}", told(why))),
        )?;
        writeln!(out, "What this can't reach:")?;
        if self.is_indexed {
            writeln!(
                out,
                "  - what the index does not know: rejects, envelopes, calls whose number came by another field, with another prefix, or was \
                 told otherwise before, and what came to lie beside calls erased before; without --indexed all of it is searched"
            )?;
        }
        writeln!(
            out,
            "  - the table's point-in-time backups, which forget it after their retention (35 days at most)"
        )?;
        writeln!(out, "  - calls whose number the provider masked, or never told")?;
        let until = |(what, days): (&str, i64)| {
            format!("{what} (until {})", runtime::clock::now().plus_seconds(days * 86_400).date())
        };
        writeln!(
            out,
            "  - analytics: the files, for the few minutes until export-calls has written them anew; {}; copies that people made",
            // The lifecycle counts a day from the midnight that follows.
            until(("Athena's results", 2))
        )?;
        let events = [("the table's stream", 1), ("dead letters of events", 14)].map(until);
        writeln!(
            out,
            "  - events: {}, the bus's archive as long as EventArchiveDays says, and whatever was delivered; numbers in them are masked \
             unless EVENT_NUMBERS is full",
            events.join(", ")
        )?;
        writeln!(out, "  - what readers have read or fetched; callvault audit tells who")?;
        writeln!(out, "  - what came while this ran: where pushes come all the time, repeat it")?;
        writeln!(out, "  - what the provider itself keeps, and may push again under other calls' ids")?;
        self.into_result()
    }

    /// Whether everything of this person is gone that was to go. What stays of earlier erasures is no failure.
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

/// Names entries of a kind, so many at most.
fn list(
    out: &mut impl Write,
    most: usize,
    what: &str,
    entries: impl Iterator<Item = String>,
) -> std::io::Result<()> {
    let mut more = 0;
    for (at, entry) in entries.enumerate() {
        match at < most {
            true => writeln!(out, "{what}: {entry}")?,
            false => more += 1,
        }
    }
    if more > 0 {
        writeln!(out, "{what}: {more} more (--all names each)")?;
    }
    Ok(())
}
