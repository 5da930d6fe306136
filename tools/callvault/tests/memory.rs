//! The memory of the functions' own programs, at a size of bodies that a test has the time for. At full size: `callvault bench --only
//! memory`.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use std::path::Path;

use bench::memory::peaks;

/// A quarter of `MAX_BODY_BYTES`.
const BODY_BYTES: usize = 1024 * 1024;
/// What the costliest body may take: the part that grows with the body is a quarter of what there is for it.
const MOST_BYTES: u64 = 144 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the functions' programs, of which this package is no part: cargo build --workspace"]
async fn whatever_comes_a_function_has_memory_enough() {
    // The programs lie beside the folder with this one.
    let this = std::env::current_exe().unwrap();
    let programs = this.parent().and_then(Path::parent).unwrap();
    let peaks = peaks(programs, BODY_BYTES).await.unwrap();
    let too_much: Vec<_> = peaks.iter().filter(|peak| peak.memory_bytes > MOST_BYTES).collect();
    assert!(too_much.is_empty(), "{too_much:#?}");
    let odd: Vec<_> = peaks.iter().filter(|peak| !matches!(peak.status, 200 | 400 | 413)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}
