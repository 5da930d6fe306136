//! The glossary names every attribute that an item has.

use std::collections::BTreeSet;

use shared::record::item::{Item, is_tombstone};

const GLOSSARY: &str = include_str!("../../../../docs/glossary.md");

/// The attributes that a section's tables name: what stands in code quotes in the first column.
fn named(section: &str) -> BTreeSet<&'static str> {
    let starts = |line: &str| line.starts_with(&format!("## {section}"));
    let rest = GLOSSARY.lines().skip_while(|line| !starts(line)).skip(1);
    let rows = rest.take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// Fails where an item has an attribute that its section does not name.
pub(crate) fn check(items: &[Item]) {
    let every = named("Every item");
    assert!(every.contains("pk"), "{every:?}");
    for item in items {
        let text = |name: &str| item.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let (pk, sk) = (text("pk"), text("sk"));
        let section = match sk.split('#').next().unwrap_or_default() {
            _ if is_tombstone(item) => "A tombstone",
            "call" => "The call",
            "conversation" => "The conversation",
            "recording" => "A recording",
            "push" => "A push",
            "envelope" => "An envelope",
            _ => "What runs note down",
        };
        let own = named(section);
        assert!(!own.is_empty(), "the glossary has no section {section}");
        let unknown: Vec<_> = item
            .keys()
            .filter(|name| !own.contains(name.as_str()) && !every.contains(name.as_str()))
            .collect();
        assert!(
            unknown.is_empty(),
            "{section} ({pk} {sk}) has {unknown:?}, which docs/glossary.md does not name"
        );
    }
}
