//! A Lambda bootstrap that makes one PutItem of each event, through the SDK as it comes but for the TLS stack, which is the one that
//! callvault uses (the SDK's own costs a cold start more).

use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variable = |name| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let table = variable("TABLE_NAME")?;
    let credentials = Credentials::from_keys(
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
        Some(variable("AWS_SESSION_TOKEN")?),
    );
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION")?))
        .credentials_provider(credentials)
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .endpoint_url(variable("DYNAMODB_ENDPOINT")?);
    let client = Client::from_conf(config.build());
    run(service_fn(async |_: LambdaEvent<IgnoredAny>| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().to_string();
        client
            .put_item()
            .table_name(&table)
            .item("pk", AttributeValue::S(format!("bare#{now}")))
            .item("sk", AttributeValue::S("bare".to_owned()))
            .item("text", AttributeValue::S("x".repeat(500)))
            .send()
            .await?;
        Ok::<_, Error>(())
    }))
    .await
}
