//! That a leak can't be overlooked: whatever the tests' stacks log and answer is watched, and a canary in it ends the test's process.
//!
//! The process is this test binary once more, running the one ignored test.

use std::process::{Command, Output};

use crate::support::{REPORTS, SAMPLE, TOKEN, post, stack};

const LEAK: &str = "CALLVAULT_TEST_LEAK";

#[tokio::test]
#[ignore = "the process that the other test starts"]
async fn a_process_that_tells() {
    let Ok(what) = std::env::var(LEAK) else { return };
    let stack = stack().await;
    assert_eq!(post(&format!("{}{REPORTS}", stack.url()), SAMPLE).await.0, 200);
    // On another thread, as the functions may be; in the name of one, since who is not known says nothing.
    let leak = move || tracing::error!(target: "alicom_call_report", what, "a deliberate leak");
    tokio::task::spawn_blocking(leak).await.unwrap();
}

fn told(what: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaks::a_process_that_tells", "--ignored"])
        .env(LEAK, what)
        .output()
        .unwrap()
}

#[test]
fn a_deliberate_leak_ends_the_tests() {
    let fine = told("a number of 4 digits: 1391");
    assert!(fine.status.success(), "{}", String::from_utf8_lossy(&fine.stdout));
    for what in [
        TOKEN,
        "8613900000001",
        "http://a.oss-cn-hangzhou.aliyuncs.com/b.wav?Expires=1749350000&Signature=d",
        "/push/alicom-call-report/x",
    ] {
        let ended = told(what);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains("LEAK: "), "{what}: {said}");
    }
}
