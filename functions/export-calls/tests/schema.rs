//! Columns only ever grow: whoever reads last year's files and this year's reads both by the same names and types.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use export_calls::DATA_SETS;

/// The columns of the last release, a line each: data set, name, type. A release adds its new ones at the end of their data set.
const RELEASED: &str = include_str!("released.txt");

#[test]
fn no_column_of_the_last_release_is_renamed_removed_moved_or_of_another_type() {
    for set in DATA_SETS {
        let columns: Vec<_> = set
            .columns
            .iter()
            .map(|column| format!("{} {} {}", set.name, column.name, column.kind.glue()))
            .collect();
        let released: Vec<_> =
            RELEASED.lines().filter(|line| line.starts_with(&format!("{} ", set.name))).collect();
        assert!(!released.is_empty(), "{}", set.name);
        assert_eq!(columns.iter().take(released.len()).collect::<Vec<_>>(), released, "{}", set.name);
    }
}

#[test]
fn no_name_stands_twice() {
    for set in DATA_SETS {
        let mut names: Vec<_> = set.columns.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), set.columns.len(), "{}", set.name);
    }
}
