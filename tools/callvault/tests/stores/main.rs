//! The embedded stores as their users meet them: through the official SDKs, over a socket.
//!
//! `wire` speaks to S3 by hand where no SDK would: broken bodies, presigned URLs. `crash` kills a process that serves
//! both stores.

#![allow(clippy::unwrap_used)]

mod crash;
mod dynamodb;
mod s3;
mod wire;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_smithy_http_client::Builder as HttpClient;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::net::TcpListener;

/// Far more than any test here takes.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a test, and fails it rather than wait for ever.
fn within_limit<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("the test hangs") });
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn any_credentials() -> Credentials {
    Credentials::new("anybody", "any secret", None, None, "test")
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build()
}

fn dynamodb_client(endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .credentials_provider(any_credentials())
        .endpoint_url(endpoint)
        .timeout_config(timeouts())
        .http_client(HttpClient::new().build_http())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

fn s3_client(endpoint: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(aws_sdk_s3::config::Region::new("eu-central-1"))
        .credentials_provider(any_credentials())
        .endpoint_url(endpoint)
        .force_path_style(true)
        .timeout_config(timeouts())
        .http_client(HttpClient::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Starts S3 with the bucket `bucket`.
async fn s3_with_bucket(data: Option<&Path>) -> (s3_emulator::S3, aws_sdk_s3::Client) {
    let server = s3_emulator::start(free_port().await, data).await.unwrap();
    let client = s3_client(&server.endpoint());
    client.create_bucket().bucket("bucket").send().await.unwrap();
    (server, client)
}
