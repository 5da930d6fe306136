//! Who may push what, from HTTP on.

use catalog::PUSH_FUNCTIONS;
use local_stack::{Options, Stack};
use serde_json::Value;

use crate::support::{self, TOKEN, post};

/// The token of one route.
fn own(function: &str) -> String {
    format!("canary-token-of-{function}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_route_opens_no_other() {
    let functions = PUSH_FUNCTIONS.map(|function| function.push.function);
    let function_token = functions.map(|function| (function.to_owned(), own(function))).to_vec();
    let stack = Stack::start(&Options { function_token, ..support::options() }).await.unwrap();
    for route in PUSH_FUNCTIONS {
        let event: Value = serde_json::from_str(route.event).unwrap();
        let body = event["body"].as_str().unwrap();
        let route = route.push.function;
        let status = async |token: &str| {
            post(&format!("{}/push/{route}/{token}", stack.url()), body.to_owned()).await.0
        };
        for function in functions {
            let expected = if function == route { 200 } else { 401 };
            assert_eq!(status(&own(function)).await, expected, "{route} with the token of {function}");
        }
        assert_eq!(status(TOKEN).await, 200, "{route} with the token of all");
        assert_eq!(status("canary-token-of-nobody").await, 401, "{route}");
    }
    stack.stop().await.unwrap();
}
