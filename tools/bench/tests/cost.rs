//! The table of costs in the documents. A test by itself: what is logged is measured, and others would log beside it.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use bench::cost::{MAX_USD, once};

/// The US$ of each row of the table in `docs/deploying.md`, down to what it comes to once.
fn documented() -> Vec<f64> {
    let document = include_str!("../../../docs/deploying.md");
    let table = document.split_once("## What it costs").unwrap().1;
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let usd = |row: &str| {
        row.trim_end_matches('|').rsplit('|').next().unwrap().trim().trim_matches('*').parse().unwrap()
    };
    let end = rows.clone().position(|row| row.contains("caught and archived")).unwrap();
    rows.take(end + 1).map(usd).collect()
}

#[tokio::test]
async fn the_table_in_the_documents_is_what_is_reckoned() {
    let lines = once().await.unwrap();
    let sum: f64 = lines.iter().map(|(_, usd)| usd).sum();
    let documented = documented();
    assert_eq!(documented.len(), lines.len() + 1, "{documented:?}");
    // What is logged varies by a digit of a duration.
    for ((what, usd), documented) in lines.iter().zip(&documented) {
        assert!((usd - documented).abs() < 0.03, "{what}: it comes to {usd:.2}, not to {documented}");
    }
    assert!((sum - documented.last().unwrap()).abs() < 0.05, "{sum:.2}, not {documented:?}");
    assert!(sum <= MAX_USD, "{sum:.2}");
}
