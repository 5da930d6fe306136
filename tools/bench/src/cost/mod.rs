//! What a million complete calls cost to catch and to archive: measured units, bytes and processor time by a list of prices.
//!
//! Nothing here was billed by AWS. Units are reckoned by the meter from the requests of one call's life, log bytes from the lines that its functions
//! write; what is not measured here stands in `Assumed`, with where it comes from.

mod logged;

use logged::Logged;
use serde::Deserialize;

use crate::billing::{COMPLETE, lives};
use crate::report::{Bound, Ratio, Section, Table};

/// So many calls are reckoned.
const CALLS: f64 = 1_000_000.0;
/// What they may cost altogether, once.
pub const MAX_USD: f64 = 21.5;
const PRICES: &str = include_str!("prices.json");

#[derive(Debug, Deserialize)]
struct Prices {
    as_of: String,
    region: String,
    source: String,
    usd: Usd,
}

/// What one of each costs.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Usd {
    http_api_request: f64,
    lambda_request: f64,
    lambda_arm64_gb_second: f64,
    dynamodb_write_unit: f64,
    dynamodb_read_unit: f64,
    s3_put: f64,
    logs_ingested_byte: f64,
}

/// What is not measured in this run: `docs/performance.md` tells how it was.
#[derive(Clone, Copy, Debug)]
struct Assumed {
    /// How long a push is billed, in seconds, at its memory in GB.
    push_s: f64,
    push_gb: f64,
    /// How long a recording is billed: processor time at the archiver's share of a processor, which is what is left once copies don't wait for
    /// each other; its memory in GB.
    recording_s: f64,
    archive_gb: f64,
}

const ASSUMED: Assumed = Assumed {
    push_s: 0.015,
    push_gb: 0.25,
    // 2 ms of a processor, of which 512 MB have 0.29.
    recording_s: 0.002 / 0.29,
    archive_gb: 0.5,
};

/// What was measured of one call.
#[derive(Clone, Copy, Debug)]
struct Measured {
    pushes: f64,
    write_units: f64,
    read_units: f64,
    log_bytes: f64,
}

/// A line: what, how much of it for all calls, and what that costs.
type Line = (&'static str, f64, f64);

fn reckon(measured: Measured, usd: Usd) -> Vec<Line> {
    let Measured { pushes, write_units, read_units, log_bytes } = measured;
    let pushes = CALLS * pushes;
    let lambda = |seconds: f64, gb: f64| seconds * gb * usd.lambda_arm64_gb_second;
    vec![
        ("HTTP API, requests", pushes, pushes * usd.http_api_request),
        ("Lambda, requests", pushes, pushes * usd.lambda_request),
        (
            "Lambda, pushes, seconds",
            pushes * ASSUMED.push_s,
            pushes * lambda(ASSUMED.push_s, ASSUMED.push_gb),
        ),
        (
            "Lambda, archiving, seconds",
            CALLS * ASSUMED.recording_s,
            CALLS * lambda(ASSUMED.recording_s, ASSUMED.archive_gb),
        ),
        ("DynamoDB, write units", CALLS * write_units, CALLS * write_units * usd.dynamodb_write_unit),
        ("DynamoDB, read units", CALLS * read_units, CALLS * read_units * usd.dynamodb_read_unit),
        ("S3, puts", CALLS, CALLS * usd.s3_put),
        ("CloudWatch Logs, bytes", CALLS * log_bytes, CALLS * log_bytes * usd.logs_ingested_byte),
    ]
}

/// Has one call live on stores that are billed, and its pushes logged.
async fn measure() -> anyhow::Result<(Measured, Logged)> {
    let lives = lives().await?;
    let complete = lives.iter().find(|life| life.name == COMPLETE);
    let bill = complete.map(crate::billing::Life::bill).unwrap_or_default();
    let pushes = complete.map_or(0, |life| life.steps.len().saturating_sub(1));
    let pushes = f64::from(u32::try_from(pushes)?);
    let logged = logged::of_a_push()?;
    let measured = Measured {
        pushes,
        write_units: bill.write(),
        read_units: bill.read(),
        log_bytes: logged.all() * pushes,
    };
    Ok((measured, logged))
}

/// What a million complete calls cost once, in US$: line by line, as the documents have them.
///
/// What is logged is listened to on the calling process's threads: whoever logs beside it may keep lines from being heard.
///
/// # Errors
/// When the embedded stores or the samples fail.
pub async fn once() -> anyhow::Result<Vec<(&'static str, f64)>> {
    let prices: Prices = serde_json::from_str(PRICES)?;
    let (measured, _) = measure().await?;
    Ok(reckon(measured, prices.usd).into_iter().map(|(what, _, usd)| (what, usd)).collect())
}

/// Runs it.
pub(crate) async fn run() -> anyhow::Result<Section> {
    let prices: Prices = serde_json::from_str(PRICES)?;
    let (measured, logged) = measure().await?;
    let lines = reckon(measured, prices.usd);
    let sum: f64 = lines.iter().map(|(_, _, usd)| usd).sum();
    let mut table =
        Table::new("a million complete calls of Alibaba's, caught and archived", &["how much", "US$"]);
    for (what, how_much, usd) in lines {
        table.row(what, [Some(how_much), Some(usd)]);
    }
    table.row("once, in all", [None, Some(sum)]);
    let mut bytes = Table::new("what is logged of a push, in bytes", &["bytes"]);
    for (what, count) in logged.lines() {
        bytes.row(what, [Some(count)]);
    }
    let Prices { as_of, region, source, .. } = prices;
    Ok(Section {
        name: "cost",
        tables: vec![table, bytes],
        ratios: vec![Ratio {
            what: "US$ a million calls, once".to_owned(),
            value: sum,
            bound: Some(Bound::AtMost(MAX_USD)),
        }],
        notes: vec![
            format!("prices of {region}, {as_of}: {source}"),
            "assumed: 15 ms of 256 MB a push, 2 ms of a processor a recording at 512 MB, recordings of one part".to_owned(),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_its_amount_by_its_price() {
        let prices: Prices = serde_json::from_str(PRICES).unwrap();
        let measured = Measured { pushes: 3.0, write_units: 17.0, read_units: 4.0, log_bytes: 6_000.0 };
        let lines = reckon(measured, prices.usd);
        let of = |name: &str| lines.iter().find(|(what, ..)| *what == name).unwrap().2;
        for (name, usd) in [
            ("HTTP API, requests", 3.0),
            ("Lambda, requests", 0.6),
            ("DynamoDB, write units", 10.625),
            ("DynamoDB, read units", 0.5),
            ("S3, puts", 5.0),
            ("CloudWatch Logs, bytes", 3.0),
        ] {
            assert!((of(name) - usd).abs() < 1e-9, "{name}: {}", of(name));
        }
        assert!((of("Lambda, pushes, seconds") - 0.15).abs() < 0.001);
    }
}
